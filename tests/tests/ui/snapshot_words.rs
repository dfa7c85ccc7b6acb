use netipc::{HandlerResult, Reply, View, WireMessage};

#[derive(WireMessage)]
struct Item {
    id: u32,
}

#[derive(WireMessage)]
struct List {
    generation: u64,
    items: Vec<Item>,
}

#[derive(WireMessage)]
struct Asked {}

#[netipc::service(name = "words")]
trait Words {
    #[method(snapshot)]
    fn bare(&self) -> List;
    #[method(snapshot = 3)]
    fn value(&self) -> List;
    #[method(snapshot())]
    fn empty(&self) -> List;
    #[method(snapshot(key(id), generation = generation))]
    fn no_items(&self) -> List;
    #[method(snapshot(items = items, generation = generation))]
    fn no_key(&self) -> List;
    #[method(snapshot(items = items, key(id)))]
    fn no_generation(&self) -> List;
    #[method(snapshot(items = items, key(id), generation = generation, echo = id))]
    fn unknown(&self) -> List;
    #[method(snapshot(items = "items", key(id), generation = 7))]
    fn literals(&self) -> List;
    #[method(snapshot(items, key = id, generation(generation)))]
    fn other_forms(&self) -> List;
    #[method(snapshot(items = items, key(), generation = generation))]
    fn empty_key(&self) -> List;
    #[method(snapshot(items = items, key(id, 3), generation = generation))]
    fn odd_key(&self) -> List;
}

#[netipc::service(name = "twice")]
trait Twice {
    #[method(snapshot(items = items, items = items, key(id, id), generation = generation), snapshot(items = items))]
    fn twice(&self) -> List;
}

#[netipc::service(name = "methods")]
trait Methods {
    #[method(snapshot(items = items, key(id), generation = generation))]
    fn first(&self) -> List;
    #[method(snapshot(items = items, key(id), generation = generation))]
    fn second(&self, request: View<'_, Asked>, reply: Reply<'_, List>) -> HandlerResult;
}

#[netipc::service(name = "forms")]
trait Forms {
    #[cfg(all())]
    #[method(code = 1, snapshot(items = items, key(id), generation = generation))]
    fn parameters(&self, first: u32, last: u32) -> List;
    #[cfg(any())]
    #[method(code = 2, snapshot(items = items, key(id), generation = generation))]
    fn outcome(&self) -> Result<List, Asked>;
}

#[netipc::service(name = "nothing")]
trait Nothing {
    #[method(snapshot(items = items, key(id), generation = generation))]
    fn nothing(&self);
}

#[derive(WireMessage)]
struct TakenCache {}

#[derive(WireMessage)]
struct TakenListSource {}

#[netipc::service(name = "taken")]
trait Taken {
    #[method(snapshot(items = items, key(id), generation = generation))]
    fn list(&self) -> List;
    fn other(&self, cache: TakenCache, source: TakenListSource);
}

#[netipc::service(name = "long")]
trait Long {
    #[method(snapshot(items = items, key(a, b, c, d, e, f, g, h, i, j), generation = generation))]
    fn list(&self) -> List;
}

fn main() {
    let cache = MethodsCache::new("/run/methods");
    cache.refresh().unwrap();
}
