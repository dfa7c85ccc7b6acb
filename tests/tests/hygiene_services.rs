//! Services among strangers: that `netipc_tests::hygiene::services` compiles is most of the proof; here they serve.
#![forbid(unsafe_code)]
#![deny(warnings, unused, missing_docs)]

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use netipc::client::Stub;
use netipc::server::{Bound, Running, Server};
use netipc::{Call, CallError, HandlerResult, Reply, View};
use netipc_tests::hygiene::services::{elsewhere, lints, names};
use netipc_tests::processes::RunDir;

fn serve<S>(server: Server<S>, run_dir: &RunDir) -> Running {
    server.bind(run_dir.path()).and_then(Bound::spawn).expect("a server in a directory of its own")
}

fn connect<C: Stub>(run_dir: &RunDir) -> C {
    netipc::client::Config::new().connect(run_dir.path()).expect("a server that was spawned")
}

#[test]
fn a_service_works_where_every_lint_is_an_error() {
    use lints::{Fault, Lab, LintsClient, LintsServer, Reading};

    let run_dir = RunDir::new();
    let _server = serve(LintsServer::new(Lab), &run_dir);
    let mut client: LintsClient = connect(&run_dir);
    client.nothing().unwrap();
    assert_eq!(client.read("roof").unwrap().sensor(), "roof");
    assert_eq!(client.read("").map(drop), Err(CallError::Application(Fault::Unknown)));
    let reading = Reading { sensor: "r".into(), celsius: 2.0 };
    let many = client.many(1, "b", c"c", b"d", std::slice::from_ref(&reading), Some(true), (2, 3), [4, 5]).unwrap();
    assert_eq!(many.collect::<Vec<_>>().join(" "), "true 1 b \"c\" [100] 1 Some(true) (2, 3) [4, 5]");
    assert_eq!(client.place(&reading).unwrap().sensor(), "r");
    assert_eq!(client.code(Fault::Unknown).unwrap(), Some(Fault::Unknown));
    assert_eq!(client.fails(), Err(CallError::Application(Fault::Unknown)));
    #[expect(deprecated, reason = "it is, here as in the trait")]
    let old = client.old();
    assert_eq!((old.unwrap(), client.next().unwrap()), (1, 2));
    assert_eq!(client.to_text().unwrap(), "text");
    assert!(client.is_warm().unwrap());
    let _internal = lints::internal(run_dir.path()).unwrap();
    assert_eq!(lints::ask_internal(run_dir.path()), Some(3));
    let _nothing = serve(lints::NothingServer::new(Lab), &run_dir);
    assert!(connect::<lints::NothingClient>(&run_dir).ready());
    assert_eq!(lints::NothingClient::SERVICE.methods, []);
}

#[test]
fn parameters_may_have_any_name() {
    use names::{Parameters, ParametersClient, ParametersServer, Value};

    struct Sum;

    impl Parameters for Sum {
        fn everyday(&self, a: u32, b: u32, c: &str, d: u32, e: &[u8], f: u32, g: Vec<String>, h: u32, i: u32) -> u32 {
            [a, b, d, f, h, i].iter().sum::<u32>() + u32::try_from(c.len() + e.len() + g.len()).unwrap()
        }
        fn others(
            &self,
            a: u32,
            b: u32,
            c: String,
            d: u32,
            e: u32,
            f: &str,
            g: u32,
            h: u32,
            i: u32,
            j: u32,
            k: u32,
            l: u32,
        ) -> u32 {
            [a, b, d, e, g, h, i, j, k, l].iter().sum::<u32>() + u32::try_from(c.len() + f.len()).unwrap()
        }
        fn types(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: &str, i: u8) -> Option<u8> {
            Some([a, b, c, d, e, f, g, i].iter().sum::<u8>() + u8::try_from(h.len()).unwrap())
        }
        fn of_calls(
            &self,
            reply: &Call<'_>,
            call: u32,
            value: View<'_, Value>,
            mut view: Reply<'_, Value>,
        ) -> HandlerResult {
            view.text(&format!("{} {call} {}", reply.session_id(), value.text()));
            Ok(())
        }
        fn r#type(&self, r#match: u8, r#fn: String, r#struct: Vec<u16>) -> Result<u32, Value> {
            if r#struct.is_empty() { Err(Value { text: r#fn }) } else { Ok(r#match.into()) }
        }
    }

    let run_dir = RunDir::new();
    let _server = serve(ParametersServer::new(Sum), &run_dir);
    let mut client: ParametersClient = connect(&run_dir);
    assert_eq!(client.everyday(1, 2, "c", 3, b"e", 4, &["g".into()], 5, 6).unwrap(), 24);
    assert_eq!(client.others(1, 2, "c", 3, 4, "f", 5, 6, 7, 8, 9, 10).unwrap(), 57);
    assert_eq!(client.types(1, 2, 3, 4, 5, 6, 7, "h", 8).unwrap(), Some(37));
    assert_eq!(client.of_calls(3, &Value { text: "t".into() }).unwrap().text(), "1 3 t");
    assert_eq!(client.r#type(7, "f", &[1]).unwrap(), 7);
    assert_eq!(client.r#type(7, "f", &[]), Err(CallError::Application(Value { text: "f".into() })));
    assert_eq!(ParametersClient::SERVICE.methods[4].name, "type");
}

struct Counted;

macro_rules! count {
    ($($method:ident)*) => { $(fn $method(&self) -> u8 { 1 })* };
}

impl names::Methods for Counted {
    count! {
        clone to_owned fmt drop into next borrow deref call over dispatch service request reply builder decode r#async
    }
    fn eq(&self, other: u8) -> bool {
        other == 1
    }
    fn from(&self, value: u8) -> u8 {
        value
    }
}

impl names::r#Raw for Counted {
    count! { r#loop }
}

#[test]
fn methods_may_be_called_as_those_of_the_standard_library() {
    let run_dir = RunDir::new();
    let _server = serve(names::MethodsServer::new(Counted), &run_dir);
    let mut client: names::MethodsClient = connect(&run_dir);
    assert_eq!((client.clone(), client.to_owned(), names::MethodsClient::fmt(&mut client)), (Ok(1), Ok(1), Ok(1)));
    assert_eq!((client.drop(), names::MethodsClient::into(&mut client), client.next()), (Ok(1), Ok(1), Ok(1)));
    assert_eq!((client.borrow(), client.deref(), client.call()), (Ok(1), Ok(1), Ok(1)));
    assert_eq!((client.over(), client.dispatch(), client.service()), (Ok(1), Ok(1), Ok(1)));
    assert_eq!((client.request(), client.reply(), client.builder()), (Ok(1), Ok(1), Ok(1)));
    assert_eq!((client.decode(), client.r#async(), client.from(3)), (Ok(1), Ok(1), Ok(3)));
    assert_eq!((client.eq(1), client.eq(2)), (Ok(true), Ok(false)));
    let _raw = serve(names::RawServer::new(Counted), &run_dir);
    assert_eq!(connect::<names::RawClient>(&run_dir).r#loop(), Ok(1));
}

#[test]
fn methods_come_and_go_with_the_configuration() {
    use names::{Configured, ConfiguredClient, ConfiguredServer, Value};

    struct Here;

    impl Configured for Here {
        fn here(&self, text: String) -> (u8, String) {
            (1, text)
        }
        fn both(&self) -> u8 {
            2
        }
        fn last(&self) -> Result<(), Value> {
            Ok(())
        }
    }

    let run_dir = RunDir::new();
    let _server = serve(ConfiguredServer::new(Here), &run_dir);
    let mut client: ConfiguredClient = connect(&run_dir);
    assert_eq!(client.here("h").unwrap(), (1, "h"));
    assert_eq!(client.both().unwrap(), 2);
    client.last().unwrap();
    // What is left out is still counted, so that codes don't depend on the configuration.
    let codes = ConfiguredClient::SERVICE.methods.iter().map(|it| (it.name, it.method.code()));
    assert_eq!(codes.collect::<Vec<_>>(), [("here", 1), ("both", 9), ("last", 5)]);
}

#[test]
fn a_service_is_as_visible_as_its_trait() {
    let run_dir = RunDir::new();
    assert_eq!(names::hidden(run_dir.path()), Some((2, 5)));
}

struct Anywhere;

macro_rules! anywhere {
    ($module:ident) => {
        fn read(
            &self,
            sensor: &str,
            names: Vec<String>,
            maybe: Option<(u8, String)>,
        ) -> Result<elsewhere::$module::Reading, elsewhere::$module::Reading> {
            let reading = elsewhere::$module::Reading { sensor: format!("{sensor} {names:?} {maybe:?}") };
            if names.is_empty() { Err(reading) } else { Ok(reading) }
        }
        fn nothing(&self) {}
        fn place(
            &self,
            reading: View<'_, elsewhere::$module::Reading>,
            mut reply: Reply<'_, elsewhere::$module::Reading>,
        ) -> HandlerResult {
            reply.sensor(reading.sensor());
            Ok(())
        }
    };
}

impl elsewhere::no_prelude::NoPrelude for Anywhere {
    anywhere!(no_prelude);
    fn owned(&self, reading: elsewhere::no_prelude::Reading) -> elsewhere::no_prelude::Reading {
        reading
    }
    fn number(&self, _: &Call<'_>, number: u32) -> u32 {
        number
    }
}

impl elsewhere::shadowed::Shadowed for Anywhere {
    anywhere!(shadowed);
    fn count(&self, _: &Call<'_>, first: u32) -> u32 {
        first
    }
}

impl elsewhere::renamed::Renamed for Anywhere {
    fn read(
        &self,
        _: &Call<'_>,
        sensor: &str,
        pair: (u8, String),
    ) -> Result<elsewhere::renamed::Reading, elsewhere::renamed::Reading> {
        Ok(elsewhere::renamed::Reading { sensor: format!("{sensor} {pair:?}") })
    }
    fn count(&self, first: u32, last: u32) -> u32 {
        last - first
    }
}

#[test]
fn a_service_works_without_a_prelude_and_among_other_names() {
    let run_dir = RunDir::new();
    let _servers = [
        serve(elsewhere::no_prelude::NoPreludeServer::new(Anywhere), &run_dir),
        serve(elsewhere::shadowed::ShadowedServer::new(Anywhere), &run_dir),
        serve(elsewhere::renamed::RenamedServer::new(Anywhere), &run_dir),
    ];
    let names = ["n".to_owned()];
    let mut client: elsewhere::no_prelude::NoPreludeClient = connect(&run_dir);
    client.nothing().unwrap();
    assert_eq!(client.read("s", &names, Some((1, "m"))).unwrap().sensor(), r#"s ["n"] Some((1, "m"))"#);
    assert!(matches!(client.read("s", &[], None), Err(CallError::Application(_))));
    let reading = elsewhere::no_prelude::Reading { sensor: "r".into() };
    assert_eq!(client.place(&reading).unwrap().sensor(), "r");
    assert_eq!(client.owned(&reading).unwrap().to_owned(), reading);
    assert_eq!(client.number(4).unwrap(), 4);

    let mut client: elsewhere::shadowed::ShadowedClient = connect(&run_dir);
    client.nothing().unwrap();
    assert_eq!(client.read("s", &names, None).unwrap().sensor(), r#"s ["n"] None"#);
    let reading = elsewhere::shadowed::Reading { sensor: "r".into() };
    assert_eq!(client.place(&reading).unwrap().sensor(), "r");
    assert_eq!(client.count(6).unwrap(), 6);

    let mut client: elsewhere::renamed::RenamedClient = connect(&run_dir);
    assert_eq!(client.read("s", (1, "p")).unwrap().sensor(), r#"s (1, "p")"#);
    assert_eq!(client.count(3, 5).unwrap(), 2);
}

#[netipc::service(name = "switch")]
trait Switch {
    fn is_on(&self, number: u32) -> bool;
    fn with_body(&self) -> (u8, String) {
        (self.is_on(1).into(), "kept".to_owned())
    }
}

impl<T: Switch + ?Sized> Switch for Arc<T> {
    fn is_on(&self, number: u32) -> bool {
        T::is_on(self, number)
    }
}

impl<T: Switch + ?Sized> Switch for Box<T> {
    fn is_on(&self, number: u32) -> bool {
        T::is_on(self, number)
    }
}

impl<T: Switch + ?Sized> Switch for &T {
    fn is_on(&self, number: u32) -> bool {
        T::is_on(self, number)
    }
}

/// A handler that is generic, and has a lock for what changes.
struct Panel<T> {
    above: T,
    asked: std::sync::Mutex<Vec<u32>>,
}

impl<T> Panel<T> {
    const fn new(above: T) -> Self {
        Self { above, asked: std::sync::Mutex::new(Vec::new()) }
    }
}

impl<T: Copy + Into<u64>> Switch for Panel<T> {
    fn is_on(&self, number: u32) -> bool {
        self.asked.lock().unwrap().push(number);
        u64::from(number) > self.above.into()
    }
}

fn asked(run_dir: &Path) -> impl Debug + PartialEq<(bool, bool, u8)> {
    let mut client = SwitchClient::connect(run_dir).unwrap();
    let answers = (client.is_on(1).unwrap(), client.is_on(9).unwrap(), client.with_body().unwrap().0);
    assert_eq!(client.with_body().unwrap().1, "kept");
    answers
}

#[test]
fn handlers_may_be_generic_shared_boxed_or_borrowed() {
    static PANEL: Panel<u8> = Panel::new(5);
    let shared = Arc::new(Panel::new(0_u32));
    let as_trait: Arc<dyn Switch + Send + Sync> = shared.clone();
    let boxed: Box<dyn Switch + Send + Sync> = Box::new(Panel::new(5_u16));
    let servers = [
        (SwitchServer::new(Panel::new(5_u64)), (false, true, 0)),
        (SwitchServer::new(shared.clone()), (true, true, 1)),
        (SwitchServer::new(as_trait), (true, true, 1)),
        (SwitchServer::new(boxed), (false, true, 0)),
        (SwitchServer::new(&PANEL), (false, true, 0)),
    ];
    for (server, expected) in servers {
        let run_dir = RunDir::new();
        let _server = serve(server, &run_dir);
        assert_eq!(asked(run_dir.path()), expected);
    }
    assert_eq!(*shared.asked.lock().unwrap(), [1, 9, 1, 1].repeat(2));
    assert_eq!(*PANEL.asked.lock().unwrap(), [1, 9, 1, 1]);
}

#[test]
fn a_trait_is_still_a_trait_and_can_be_called_without_a_server() {
    #[netipc::service(name = "clock")]
    trait Clock {
        fn asked_by(&self, cx: &Call<'_>) -> u32;
        fn shown(&self, at: &str, cut: Option<u8>) -> String;
    }

    /// A mock.
    struct Stopped(Option<u32>);

    impl Clock for Stopped {
        fn asked_by(&self, cx: &Call<'_>) -> u32 {
            assert!(!cx.is_cancelled());
            self.0.unwrap_or_else(|| cx.peer().pid.unwrap())
        }
        fn shown(&self, at: &str, cut: Option<u8>) -> String {
            at.chars().take(cut.map_or(usize::MAX, usize::from)).collect()
        }
    }

    let clocks: [&dyn Clock; 2] = [&Stopped(Some(3)), &Stopped(None)];
    assert_eq!(clocks.map(|clock| clock.asked_by(&Call::local())), [3, std::process::id()]);
    assert_eq!(clocks[0].shown("12:00", Some(2)), "12");
    let run_dir = RunDir::new();
    let _server = serve(ClockServer::new(Stopped(None)), &run_dir);
    let mut client: ClockClient = connect(&run_dir);
    assert_eq!((client.asked_by().unwrap(), client.shown("12:00", None).unwrap()), (std::process::id(), "12:00"));
}
