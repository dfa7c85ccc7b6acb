use netipc::WireMessage;

#[derive(WireMessage)]
#[wire(size = 8)]
struct TwoDirectories {
    #[wire(directory, count_at = 0, count = u32)]
    first: Vec<CString>,
    #[wire(directory, count_at = 4, count = u32)]
    second: Vec<CString>,
}

#[derive(WireMessage)]
#[wire(size = 16, reserved(at = 4, len = 4))]
struct Beside {
    #[wire(directory, count_at = 0, count = u32)]
    items: Vec<CString>,
    #[wire(at = 8)]
    name: String,
}

#[derive(WireMessage)]
#[wire(size = 16, reserved(at = 4, len = 4))]
struct BehindTable {
    #[wire(table, count_at = 0, count = u32)]
    labels: Vec<Label>,
    #[wire(at = 8)]
    name: String,
}

#[derive(WireMessage)]
#[wire(size = 8)]
struct Counts {
    #[wire(table)]
    bare: Vec<Label>,
    #[wire(directory, count_at = 0)]
    untyped: Vec<Label>,
    #[wire(at = 4, count = u16)]
    uncounted: u32,
    #[wire(table, count_at = 0, count = u64)]
    wide: Vec<Label>,
}

#[derive(WireMessage)]
struct Natural {
    #[wire(table, count_at = 0, count = u32)]
    labels: Vec<Label>,
}

#[derive(WireMessage)]
#[wire(size = 4)]
struct TableOfText {
    #[wire(table, count_at = 0, count = u32)]
    names: Vec<CString>,
}

#[derive(WireMessage)]
#[wire(size = 4)]
struct EachMessage {
    #[wire(directory, count_at = 0, count = u32, each(min = 1))]
    items: Vec<Label>,
}

#[derive(WireMessage)]
#[wire(size = 8, reserved(at = 4, len = 4))]
struct Placed {
    #[wire(directory, at = 8, count_at = 0, count = u32)]
    items: Vec<Label>,
}

#[derive(WireMessage)]
#[wire(size = 4)]
struct DirectoryOfText {
    #[wire(directory, count_at = 0, count = u32)]
    items: Vec<String>,
}

fn main() {}
