use netipc::WireMessage;

#[derive(WireMessage)]
#[wire(size = 16)]
struct Fields {
    #[wire(at = 0)]
    first: u64,
    #[wire(at = 4)]
    second: u32,
    #[wire(at = 12)]
    third: u32,
}

#[derive(WireMessage)]
#[wire(version = 1, size = 8)]
struct Prefix {
    #[wire(at = 0)]
    hash: u32,
    #[wire(at = 4)]
    rest: u32,
}

#[derive(WireMessage)]
#[wire(size = 8, fixed(at = 0, u16 = 1), reserved(at = 1, len = 2))]
struct Constants {
    #[wire(at = 4)]
    hash: u32,
}

#[derive(WireMessage)]
#[wire(size = 16)]
struct Slot {
    #[wire(at = 0)]
    name: String,
    #[wire(at = 4)]
    hash: u32,
    #[wire(at = 8)]
    rest: u64,
}

#[derive(WireMessage)]
#[wire(size = 16)]
struct Count {
    #[wire(directory, count_at = 4, count = u32)]
    items: Vec<CString>,
    #[wire(at = 0)]
    generation: u64,
    #[wire(at = 8)]
    rest: u64,
}

fn main() {}
