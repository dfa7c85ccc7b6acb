//! What `tracing` is told: each event with its fields, once. A server in the process of its client has all of it happen on one
//! thread, in one order.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex};

use netipc::CallError;
use netipc::client::State;
use netipc::server::InProcess;
use netipc::session::{Fault, Script};
use netipc::wire::AuthToken;
use netipc_tests::processes::RunDir;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

#[netipc::service(name = "greeter")]
pub trait Greeter {
    /// Says hello.
    fn greet(&self, name: &str) -> String;
    #[method(idempotent = false)]
    fn fail(&self);
}

struct Polite;

impl Greeter for Polite {
    fn greet(&self, name: &str) -> String {
        format!("hello {name}")
    }

    fn fail(&self) {
        panic!("as it should");
    }
}

/// An event: level, target, message and fields.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    level: Level,
    target: String,
    fields: BTreeMap<&'static str, String>,
}

impl Told {
    /// Who and what.
    fn title(&self) -> String {
        format!("{} {}", self.target.trim_start_matches("netipc::"), self.fields["message"])
    }

    /// The names of its fields, in order.
    fn names(&self) -> Vec<&'static str> {
        self.fields.keys().copied().filter(|name| *name != "message").collect()
    }
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let earlier = self.fields.insert(field.name(), format!("{value:?}"));
        assert_eq!(earlier, None, "{} twice", field.name());
    }
}

/// Remembers what it is told.
#[derive(Clone)]
struct Memory {
    least: Level,
    told: Arc<Mutex<Vec<Told>>>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Subscriber for Memory {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("netipc::") && *metadata.level() <= self.least
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        panic!("{span:?}")
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut told = Told { level: *metadata.level(), target: metadata.target().to_owned(), fields: BTreeMap::new() };
        event.record(&mut told);
        self.told.lock().unwrap().push(told);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What is told of this, at this level and above.
fn told_from(least: Level, of: impl FnOnce()) -> Vec<Told> {
    let memory = Memory { least, told: Arc::default() };
    tracing::subscriber::with_default(memory.clone(), of);
    let told = memory.told.lock().unwrap();
    told.clone()
}

fn titles(told: &[Told]) -> Vec<String> {
    told.iter().map(Told::title).collect()
}

fn server() -> InProcess<GreeterClient> {
    InProcess::new(GreeterServer::new(Polite))
}

#[test]
fn connections_and_calls_are_told_once_with_their_fields() {
    let told = told_from(Level::TRACE, || {
        let mut client = GreeterServer::new(Polite).in_process();
        assert_eq!(client.greet("you").unwrap(), "hello you");
    });
    let titles = titles(&told);
    // The server has let it in before the client has read so, and ends with its client.
    let expected = ["server connect", "client connect", "server call", "client call", "client close", "server close"];
    let (mut sorted, mut all) = (titles.clone(), expected.to_vec());
    assert_eq!(titles[..4], expected[..4], "{told:#?}");
    sorted.sort();
    all.sort_unstable();
    assert_eq!(sorted, all);

    let [let_in, connected, served, called, ..] = &told[..] else { panic!("{told:#?}") };
    assert_eq!((let_in.level, let_in.names()), (Level::DEBUG, vec!["pid", "profile", "session_id"]));
    assert_eq!(let_in.fields["pid"], std::process::id().to_string());
    assert_eq!((connected.level, connected.names()), (Level::DEBUG, vec!["place", "profile", "session_id"]));
    assert_eq!((connected.fields["place"].as_str(), connected.fields["session_id"].as_str()), ("this process", "1"));
    let of_server = ["code", "duration_us", "reply_bytes", "request_bytes", "session_id"];
    assert_eq!((served.level, served.names()), (Level::TRACE, of_server.to_vec()));
    let of_client = ["answer_bytes", "code", "duration_us", "method", "request_bytes"];
    assert_eq!((called.level, called.names()), (Level::TRACE, of_client.to_vec()));
    assert_eq!((called.fields["method"].as_str(), called.fields["code"].as_str()), ("\"greet\"", "1"));
    // Both sides speak of the same bytes: a slot of eight, the text and its NUL.
    assert_eq!((called.fields["request_bytes"].as_str(), called.fields["answer_bytes"].as_str()), ("12", "18"));
    assert_eq!(
        (&served.fields["request_bytes"], &served.fields["reply_bytes"]),
        (&called.fields["request_bytes"], &called.fields["answer_bytes"],)
    );
    for timed in [served, called] {
        timed.fields["duration_us"].parse::<u64>().unwrap();
    }
    for closed in &told[4..] {
        assert_eq!((closed.level, closed.names()), (Level::DEBUG, vec!["session_id"]));
    }
}

#[test]
fn each_batch_and_each_call_of_a_pipeline_is_told_once() {
    let told = told_from(Level::TRACE, || {
        let mut client = GreeterServer::new(Polite).in_process();
        assert_eq!(client.greet_batch(["you", "them"]).unwrap().len(), 2);
        let mut pipeline = client.pipeline();
        let (first, second) = (pipeline.greet("one").unwrap(), pipeline.greet("two").unwrap());
        assert_eq!(pipeline.take(second).unwrap(), "hello two");
        assert_eq!(pipeline.take(first).unwrap(), "hello one");
        let failing = pipeline.fail().unwrap();
        assert_eq!(pipeline.take(failing), Err(CallError::Internal));
        assert_eq!(pipeline.greet("nobody").map(drop), Err(CallError::NotReady(State::Broken)));
    });
    let calls: Vec<_> = told.iter().filter(|told| told.title() == "client call").collect();
    let of =
        |name: &str| -> Vec<_> { calls.iter().map(|call| call.fields.get(name).map_or("", String::as_str)).collect() };
    assert_eq!(of("method"), ["\"greet\"", "\"greet\"", "\"greet\"", "\"fail\"", "\"greet\""], "{told:#?}");
    // A batch: two places in its directory, and in turn a text of four bytes and one of five, each after a slot of eight.
    assert_eq!(of("request_bytes"), ["45", "12", "12", "0", "0"]);
    assert_eq!(of("answer_bytes")[1..], ["18", "18", "", ""]);
    assert_eq!(of("error"), ["", "", "", "the server failed", "the client is not ready: broken"]);
    assert!(calls.iter().all(|call| call.fields["duration_us"].parse::<u64>().is_ok()));
}

#[test]
fn a_call_that_fails_says_why_on_both_sides() {
    let told = told_from(Level::TRACE, || {
        let mut client = GreeterServer::new(Polite).in_process();
        assert_eq!(client.fail(), Err(CallError::Internal));
        drop(client);
    });
    let error = |title: &str| {
        let found: Vec<_> = told.iter().filter(|told| told.title() == title).collect();
        let [one] = found[..] else { panic!("{title}: {told:#?}") };
        one.fields["error"].clone()
    };
    assert_eq!(error("server call"), "the handler panicked");
    assert_eq!(error("client call"), "the server failed");
    for title in ["client close", "server close"] {
        assert_eq!(titles(&told).iter().filter(|told| *told == title).count(), 1, "{told:#?}");
    }
}

#[test]
fn a_lost_connection_is_told_as_closed_and_the_next_one_as_another() {
    let told = told_from(Level::DEBUG, || {
        let server = server();
        server.fault(Script::new().to_server(1, Fault::Cut));
        let mut client = server.client();
        assert_eq!(client.greet("you").unwrap(), "hello you");
    });
    let of_client: Vec<_> = told.iter().filter(|told| told.target == "netipc::client").cloned().collect();
    assert_eq!(titles(&of_client), ["client connect", "client close", "client reconnect", "client close"]);
    let ids: Vec<_> = of_client.iter().map(|told| told.fields["session_id"].as_str()).collect();
    assert_eq!(ids, ["1", "1", "2", "2"]);
    assert_eq!(of_client[2].names(), ["place", "profile", "session_id"]);
}

#[test]
fn who_is_refused_is_told_of_at_both_ends() {
    let told = told_from(Level::WARN, || {
        let server = InProcess::new(GreeterServer::new(Polite).auth_token(AuthToken::new(7)));
        assert!(server.connect(GreeterClient::config()).is_err());
    });
    let [not_let_in, not_connected] = &told[..] else { panic!("{told:#?}") };
    assert_eq!((not_let_in.title().as_str(), not_let_in.level), ("server refuse", Level::WARN));
    assert_eq!(not_let_in.names(), ["error", "pid"]);
    assert_eq!((not_connected.title().as_str(), not_connected.level), ("client refuse", Level::WARN));
    assert_eq!(not_connected.names(), ["error", "place"]);
    assert!(not_connected.fields["error"].contains("auth failed"), "{told:#?}");

    let run_dir = RunDir::new();
    let told = told_from(Level::TRACE, || {
        assert!(GreeterClient::connect(run_dir.path()).is_err());
    });
    assert_eq!(titles(&told), ["client refuse"]);
    assert!(told[0].fields["place"].contains("greeter"), "{told:#?}");
}

#[test]
fn who_breaks_a_rule_is_told_of_by_the_other_side() {
    // The magic of a packet's header.
    let damage = Fault::Corrupt { offset: 0, flip: 0xff };
    for (script, title, names) in [
        (Script::new().to_server(1, damage), "server violation", vec!["error", "session_id"]),
        (Script::new().to_client(1, damage), "client violation", vec!["error"]),
    ] {
        let told = told_from(Level::WARN, || {
            let server = server();
            server.fault(script);
            let outcome = server.client().greet("you").map(str::to_owned);
            // A client that is cut off tries again.
            assert_eq!(outcome.is_ok(), title == "server violation", "{outcome:?}");
        });
        assert_eq!(titles(&told), [title], "{told:#?}");
        assert_eq!((told[0].level, told[0].names()), (Level::WARN, names));
    }
}
