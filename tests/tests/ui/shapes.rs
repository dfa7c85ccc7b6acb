use netipc::WireMessage;

#[derive(WireMessage)]
struct Tuple(u32, u32);

#[derive(WireMessage)]
union Union {
    number: u32,
    bytes: [u8; 4],
}

#[derive(WireMessage)]
struct Generic<T, const N: usize> {
    value: T,
    raw: [u8; N],
}

#[derive(WireMessage)]
struct Borrowed<'a> {
    name: &'a str,
}

#[derive(WireMessage)]
struct Bounded
where
    u32: Copy,
{
    count: u32,
}

fn main() {}
