use netipc::WireMessage;

#[derive(WireMessage)]
#[wire(require(1 < 2))]
#[wire(require(self.first < 2))]
#[wire(require(frist <= last))]
#[wire(require)]
struct Range {
    first: u32,
    last: u32,
}

fn main() {}
