use netipc::WireMessage;

#[derive(WireMessage)]
#[repr(u16)]
enum Duplicate {
    First = 1,
    Second,
    Third = 2,
}

fn main() {}
