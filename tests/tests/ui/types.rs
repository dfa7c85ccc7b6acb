use netipc::WireMessage;

#[derive(WireMessage)]
struct Widths {
    count: usize,
    delta: isize,
    letter: char,
    counts: Vec<usize>,
    pair: (u8, [usize; 2]),
}

#[derive(WireMessage)]
struct Borrowed {
    name: &'static str,
    bytes: &'static [u8],
    other: &'static u32,
    pointer: *const u8,
    call: fn(),
    object: dyn Send,
}

#[derive(WireMessage)]
struct Standard {
    map: std::collections::HashMap<String, u32>,
    boxed: Box<u32>,
    shared: std::sync::Arc<str>,
    path: std::path::PathBuf,
    cow: std::borrow::Cow<'static, str>,
    other: Wrapper<u32>,
}

#[derive(WireMessage)]
struct Nested {
    rows: Vec<Vec<u32>>,
    holes: Vec<Option<u32>>,
    maybe: Option<Option<u32>>,
    none: [u8; 0],
    names: [String; 2],
    units: Vec<()>,
    pair: (u8, u16),
    arrays: Vec<[u8; 2]>,
}

#[derive(WireMessage)]
struct Node {
    children: Vec<Node>,
}

fn main() {}
