use netipc::WireMessage;

#[derive(WireMessage)]
#[wire(colour = 3, open, version = 1, size)]
#[wire(version = 2, tolerate(trailing, dirt))]
struct Container {
    #[wire(at = "4", size = 2)]
    hash: u32,
    #[wire(at = 8, at = 8)]
    #[wire(max)]
    rest: u32,
    #[wire]
    bare: u32,
}

#[derive(WireMessage)]
#[wire(size = 32)]
#[repr(u16)]
enum Code {
    #[wire(nul)]
    First = 1,
}

#[derive(WireMessage)]
#[wire(size = 8, fixed(at = 0, u8 = 256), reserved(at = 1), reserved(at = 1, len = 0))]
struct Values {
    #[wire(at = 4)]
    hash: u32,
}

fn main() {}
