use netipc::WireMessage;

#[derive(WireMessage)]
struct Clashes {
    to_owned: u32,
    finish: u32,
    new: u32,
    r#clone: u32,
    fine: u32,
}

fn main() {}
