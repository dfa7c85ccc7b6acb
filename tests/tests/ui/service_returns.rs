use netipc::{HandlerResult, Reply, View, WireMessage};

#[derive(WireMessage)]
struct Reading {
    sensor: String,
}

#[netipc::service(name = "returns")]
trait Returns: Iterator {
    fn width(&self) -> usize;
    fn text(&self) -> &str;
    fn slice(&self) -> &[u8];
    fn boxed(&self) -> Box<dyn std::error::Error>;
    fn future(&self) -> impl Future<Output = u32>;
    fn never(&self) -> !;
    fn view(&self) -> View<'_, Reading>;
    fn reply(&self) -> Reply<'_, Reading>;
    fn list(&self) -> Vec<Vec<u32>>;
    fn tuple(&self) -> (u32, &str);
    fn inside(&self) -> Option<Result<u32, u32>>;
    fn associated(&self) -> Self::Item;
    fn inside_an_error(&self) -> Result<u32, (u8, Self::Item)>;
}

#[netipc::service(name = "results")]
trait Results {
    fn alias(&self) -> std::io::Result<u32>;
    fn unit(&self) -> Result<u32, ()>;
    fn value(&self) -> Result<usize, Reading>;
    fn error(&self) -> Result<u32, Box<dyn std::error::Error>>;
    fn both(&self) -> Result<usize, std::collections::HashMap<u8, u8>>;
    fn handler(&self) -> HandlerResult;
    fn no_result(&self, reply: Reply<'_, Reading>);
    fn other_result(&self, reply: Reply<'_, Reading>) -> Result<u32, Reading>;
    fn fine(&self) -> Result<(), Reading>;
}

fn uses() -> Result<(), netipc::CallError> {
    let mut client = ReturnsClient::connect("/run/returns")?;
    client.width()?;
    client.text()?;
    let mut client = ResultsClient::connect("/run/results")?;
    client.alias()?;
    client.no_result()?.sensor();
    let _ = client.fine();
    ResultsServer::new(3).bind("/run/results").map(drop).unwrap();
    Ok(())
}

fn main() {
    uses().unwrap();
}
