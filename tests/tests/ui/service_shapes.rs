#[netipc::service(name = "generic")]
trait Generic<T, const N: usize> {
    fn give(&self, value: T);
}

#[netipc::service(name = "lifetimes")]
trait Lifetimes<'a> {
    fn give(&self, value: &'a str);
}

#[netipc::service(name = "bounded")]
trait Bounded
where
    u32: Copy,
{
    fn count(&self) -> u32;
}

#[netipc::service(name = "unsafe")]
unsafe trait Unsafe {
    fn count(&self) -> u32;
}

macro_rules! methods {
    () => {};
}

#[netipc::service(name = "members")]
trait Members {
    const COUNT: u32;
    type Item;
    methods!();
    fn count(&self) -> u32;
}

#[netipc::service(name = "methods")]
trait Methods {
    async fn asynchronous(&self) -> u32;
    const fn constant(&self) -> u32;
    unsafe fn promising(&self) -> u32;
    extern "C" fn foreign(&self) -> u32;
    fn generic<T, const N: usize>(&self, value: T, array: [T; N]) -> T;
    fn lifetimes<'a>(&'a self, text: &'a str) -> u32;
    fn bounded(&self)
    where
        Self: Sized;
}

#[netipc::service(name = "receivers")]
trait Receivers {
    fn none();
    fn value(self);
    fn mutable(&mut self);
    fn boxed(self: Box<Self>);
    fn shared(self: std::sync::Arc<Self>);
    fn named(&'static self);
    fn other(count: u32) -> u32;
}

fn uses() -> Result<(), netipc::CallError> {
    let mut client = MethodsClient::connect("/run/methods")?;
    let sum: u32 = client.asynchronous()? + client.constant()? + client.promising()? + client.foreign()?;
    client.generic("text", [1])?;
    client.lifetimes("text")?;
    client.bounded()?;
    let mut client = ReceiversClient::connect("/run/receivers")?;
    client.boxed()?;
    let _: u32 = client.other(sum)?;
    GenericClient::connect("/run/generic")?.give("text")?;
    MembersClient::connect("/run/members")?.count().map(drop)
}

fn main() {
    uses().unwrap();
}
