#[netipc::service]
trait Nameless {}

#[netipc::service("thermometer")]
trait Bare {}

#[netipc::service(name = thermometer)]
trait NoText {}

#[netipc::service(name)]
trait NoValue {}

#[netipc::service(name = "a", codes = 3, name = "b", crate = "netipc", idempotent = true)]
trait Words {}

#[netipc::service(name = "")]
trait Empty {}

#[netipc::service(name = "..")]
trait Dots {}

#[netipc::service(name = "a/b")]
trait Slash {}

#[netipc::service(name = "codes")]
trait Codes {
    #[method]
    fn bare(&self);
    #[method(code)]
    fn no_value(&self);
    #[method(code: 3)]
    fn colon(&self);
    #[method(code = 0)]
    fn zero(&self);
    #[method(code = 65536)]
    fn large(&self);
    #[method(code = -1)]
    fn negative(&self);
    #[method(code = "7")]
    fn text(&self);
    #[method(code = 8, code = 9)]
    fn twice(&self);
    #[method(code = 100)]
    #[method(code = 101)]
    fn again(&self);
    #[method(idempotent)]
    fn flag(&self);
    #[method(idempotent = 1)]
    fn number(&self);
    #[method(once, min = 3)]
    fn unknown(&self);
}

#[netipc::service(name = "duplicates")]
trait Duplicates {
    fn one(&self);
    #[method(code = 3)]
    fn three(&self);
    fn counted_on_to_three(&self);
    #[method(code = 1)]
    fn other(&self);
    #[cfg(all())]
    #[method(code = 9)]
    fn here(&self);
    #[cfg(any())]
    #[method(code = 9)]
    fn elsewhere(&self);
}

fn main() {
    let mut client = CodesClient::new("/run/codes");
    client.bare().unwrap();
    client.unknown().unwrap();
    let _ = DuplicatesClient::connect("/run/duplicates").map(|mut client| client.here());
}
