use netipc::{View, WireMessage};

#[derive(WireMessage)]
struct Reading {
    sensor: String,
}

#[derive(WireMessage)]
struct MethodsReadRequest {
    sensor: String,
}

#[derive(WireMessage)]
struct MethodsPipeline {
    sensor: String,
}

#[derive(WireMessage)]
struct MethodsReplyReplyView {
    sensor: String,
}

mod other {
    #[derive(netipc::WireMessage)]
    pub struct MethodsReadRequest {
        sensor: String,
    }
}

#[netipc::service(name = "methods")]
trait Methods {
    fn new(&self);
    fn connect(&self);
    fn config(&self);
    fn refresh(&self);
    fn ready(&self);
    fn r#status(&self);
    fn abort_handle(&self);
    fn pipeline(&self);
    fn __hidden(&self);
    fn many(&self);
    fn many_batch(&self);
    fn alone_batch(&self);
    fn read_all(&self);
    fn read__all(&self);
    fn same(&self);
    fn same(&self);
    fn read(&self, request: View<'_, MethodsReadRequest>) -> Option<MethodsPipeline>;
    fn reply(&self, pairs: Vec<(u8, MethodsReplyReplyView)>) -> self::other::MethodsReadRequest;
}

#[netipc::service(name = "parameters")]
trait Parameters {
    fn views(&self, to_owned: u32, clone: u32, fmt: u32);
    fn builders(&self, new: u32, r#finish: u32);
    fn hidden(&self, __draft: u32);
    fn twice(&self, a: u32, a: u32);
    fn itself(&self, new: Reading) -> u32;
}

fn main() {
    let mut client = MethodsClient::new("/run/methods");
    let _ = (client.many(), client.read_all(), client.status());
    let _ = ParametersClient::new("/run/parameters").itself(&Reading { sensor: String::new() });
}
