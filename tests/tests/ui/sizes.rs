use netipc::WireMessage;

#[derive(WireMessage)]
struct Pair {
    left: u32,
    right: u32,
}

#[derive(WireMessage)]
#[wire(size = 8)]
struct TooNarrow {
    #[wire(at = 0)]
    pair: Pair,
    #[wire(at = 4)]
    behind: u32,
}

#[derive(WireMessage)]
struct Nothing {}

#[derive(WireMessage)]
struct Endless {
    nothings: Vec<Nothing>,
}

#[derive(WireMessage)]
#[wire(size = 4, tolerate(trailing))]
struct Alone {
    #[wire(at = 0)]
    value: u32,
}

#[derive(WireMessage)]
struct NotAlone {
    alone: Alone,
}

#[derive(WireMessage)]
struct Text {
    text: String,
}

#[derive(WireMessage)]
#[wire(size = 4, tolerate(item_order, item_overlap))]
struct Scanned {
    #[wire(directory, count_at = 0, count = u32)]
    items: Vec<Text>,
}

fn main() {}
