use netipc::WireMessage;

#[derive(WireMessage)]
struct Clashes {
    to_owned: u32,
    finish: u32,
    new: u32,
    r#clone: u32,
    fine: u32,
}

#[derive(WireMessage)]
#[repr(u8)]
enum Hidden {
    Step { __frame: u32 },
    Stop,
}

fn main() {}
