use netipc::WireMessage;

#[derive(WireMessage)]
enum NoRepr {
    First = 1,
}

#[derive(WireMessage)]
#[repr(C)]
enum Native {
    First = 1,
}

#[derive(WireMessage)]
#[repr(usize)]
enum Pointer {
    First = 1,
}

#[derive(WireMessage)]
#[repr(u16)]
enum Evaluated {
    First = 1 + 1,
}

#[derive(WireMessage)]
enum Empty {}

#[derive(WireMessage)]
#[wire(open)]
#[repr(u16)]
enum WithoutOther {
    First = 1,
}

#[derive(WireMessage)]
#[wire(open)]
#[repr(u16)]
enum WrongOther {
    First = 1,
    Other(u32),
}

#[derive(WireMessage)]
#[wire(open)]
#[repr(u16)]
enum OtherData {
    First(u8) = 1,
    Other(u16),
}

fn main() {}
