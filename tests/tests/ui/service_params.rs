use netipc::{Call, HandlerResult, Reply, View, WireMessage};

#[derive(WireMessage)]
struct Reading {
    sensor: String,
}

#[netipc::service(name = "widths")]
trait Widths {
    fn width(&self, count: usize) -> u32;
    fn letter(&self, letter: char);
    fn unit(&self, nothing: ());
    fn boxed(&self, boxed: Box<u32>);
    fn generic(&self, wrapper: Wrapper<u32>);
    fn object(&self, object: dyn Send);
    fn lent_object(&self, object: &dyn Send);
    fn anything(&self, anything: impl Send);
    fn call(&self, call: fn());
    fn lists(&self, rows: Vec<Vec<u32>>, holes: Vec<Option<u32>>, arrays: Vec<[u8; 2]>);
    fn options(&self, maybe: Option<Option<u32>>, text: Option<&str>);
    fn tuples(&self, unit: (u8, ()), widths: (u8, usize), rows: Vec<(u8, Vec<Vec<u8>>)>);
    fn long(&self, long: (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8));
}

#[netipc::service(name = "borrowed")]
trait Borrowed {
    fn mutable(&self, text: &mut str);
    fn forever(&self, text: &'static str);
    fn string(&self, text: &String, c: &std::ffi::CString, bytes: &Vec<u8>);
    fn slice(&self, numbers: &[u32]);
    fn number(&self, number: &u32);
    fn message(&self, reading: &Reading);
    fn fine(&self, text: &str, c: &std::ffi::CStr, bytes: &[u8], reading: View<'_, Reading>);
}

#[netipc::service(name = "places")]
trait Places {
    fn owned_call(&self, cx: Call<'_>);
    fn mutable_call(&self, cx: &mut Call<'_>);
    fn late_call(&self, first: u32, cx: &Call<'_>);
    fn two_calls(&self, cx: &Call<'_>, other: &Call<'_>);
    fn early_reply(&self, reply: Reply<'_, Reading>, first: u32) -> HandlerResult;
    fn two_replies(&self, reply: Reply<'_, Reading>, other: Reply<'_, Reading>) -> HandlerResult;
    fn lent_reply(&self, reply: &mut Reply<'_, Reading>);
    fn lent_view(&self, reading: &View<'_, Reading>);
    fn no_message(&self, text: View<'_, String>, reply: Reply<'_, u32>) -> HandlerResult;
    fn nothing(&self, text: View<'_>);
}

#[netipc::service(name = "patterns")]
trait Patterns {
    fn wild(&self, _: u32);
    fn tuple(&self, (a, b): (u32, u32));
    fn mutable(&self, mut a: u32);
    fn bodied(&self, (a, b): (u32, u32)) -> u32 {
        a + b
    }
}

fn uses() -> Result<(), netipc::CallError> {
    let mut client = WidthsClient::connect("/run/widths")?;
    let _: u32 = client.width(3)?;
    client.boxed(Box::new(3))?;
    client.options(None, Some("text"))?;
    let mut client = BorrowedClient::connect("/run/borrowed")?;
    client.string("text", c"text", b"text")?;
    client.fine("text", c"text", b"text", &Reading { sensor: String::new() })?;
    let mut client = PlacesClient::connect("/run/places")?;
    client.late_call(1)?;
    client.early_reply(1)?;
    PatternsClient::connect("/run/patterns")?.tuple((1, 2))
}

fn main() {
    uses().unwrap();
}
