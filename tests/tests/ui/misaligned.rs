use netipc::WireMessage;

#[derive(WireMessage)]
#[wire(size = 40, fixed(at = 1, u16 = 1))]
struct Misaligned {
    #[wire(at = 4)]
    hash: u64,
    #[wire(at = 14)]
    name: CString,
    #[wire(at = 26)]
    raw: [u32; 2],
    #[wire(table, count_at = 37, count = u16)]
    labels: Vec<Label>,
}

fn main() {}
