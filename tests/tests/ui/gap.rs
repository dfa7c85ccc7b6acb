use netipc::WireMessage;

#[derive(WireMessage)]
#[wire(version = 1, size = 24)]
struct Between {
    #[wire(at = 8)]
    hash: u32,
    #[wire(at = 16)]
    generation: u64,
}

#[derive(WireMessage)]
#[wire(size = 12)]
struct AtTheEnd {
    #[wire(at = 0)]
    hash: u64,
}

fn main() {}
