use netipc::WireMessage;

#[derive(WireMessage)]
#[wire(size = 8)]
struct TooSmall {
    #[wire(at = 0)]
    hash: u64,
    #[wire(at = 8)]
    name: String,
}

#[derive(WireMessage)]
#[wire(version = 1)]
struct Missing {
    #[wire(at = 4)]
    hash: u32,
}

#[derive(WireMessage)]
#[wire(size = 8)]
struct Homeless {
    #[wire(at = 0)]
    hash: u32,
    rest: u32,
}

fn main() {}
