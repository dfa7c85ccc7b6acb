use netipc::WireMessage;

#[derive(WireMessage)]
#[wire(tolerate(trailing, slack))]
struct Natural {
    name: String,
}

#[derive(WireMessage)]
#[wire(size = 4, tolerate(item_order))]
struct Alone {
    #[wire(directory, count_at = 0, count = u32)]
    items: Vec<CString>,
}

#[derive(WireMessage)]
#[wire(size = 8, tolerate(item_order, item_overlap))]
struct WithoutDirectory {
    #[wire(at = 0)]
    name: String,
}

fn main() {}
