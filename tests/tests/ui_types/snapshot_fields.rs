use netipc::WireMessage;

#[derive(WireMessage)]
struct Item {
    id: u32,
    size: f64,
}

#[derive(WireMessage)]
struct List {
    generation: u64,
    change: i64,
    items: Vec<Item>,
}

#[netipc::service(name = "unknown-key")]
trait UnknownKey {
    #[method(snapshot(items = items, key(id, nmae), generation = generation))]
    fn list(&self) -> List;
}

#[netipc::service(name = "no-list")]
trait NoList {
    #[method(snapshot(items = generation, key(id), generation = generation))]
    fn list(&self) -> List;
}

#[netipc::service(name = "no-key")]
trait NoKey {
    #[method(snapshot(items = items, key(id, size), generation = generation))]
    fn list(&self) -> List;
}

#[netipc::service(name = "signed")]
trait Signed {
    #[method(snapshot(items = items, key(id), generation = change))]
    fn list(&self) -> List;
}

fn main() {}
