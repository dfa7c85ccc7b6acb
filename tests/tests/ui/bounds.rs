use netipc::WireMessage;

#[derive(WireMessage)]
struct Bounds {
    #[wire(min = 2, max = 1)]
    crossed: u32,
    #[wire(max = 256)]
    wide: u8,
    #[wire(min = 1)]
    flag: bool,
    #[wire(min = 1)]
    other: Other,
    #[wire(min = -1)]
    text: String,
    #[wire(nul)]
    terminated: CString,
    #[wire(nul)]
    number: u32,
}

fn main() {}
