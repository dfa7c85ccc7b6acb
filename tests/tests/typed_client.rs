//! What becomes of a call: every way that a server can fail it, and what the client is afterwards. Servers here are
//! scripts over Level 1.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use netipc::client::{Client, Config, State, Stub};
use netipc::service::{MethodInfo, Service};
use netipc::session::{Deadline, Error, Limit, LimitExceeded, Listener, ServerConfig, ServerSession};
use netipc::wire::{AuthToken, Profiles, Status};
use netipc::{CallError, EncodeError, WireMessage};
use netipc_tests::processes::RunDir;

const NEVER: Deadline = Deadline::NEVER;

#[derive(Debug, Clone, PartialEq, WireMessage)]
struct Text {
    text: String,
}

static ECHO: MethodInfo = MethodInfo::new("echo", 1);
static ONCE: MethodInfo = MethodInfo::new("once", 2).at_most_once();
static SERVICE: Service = Service::new("echo", &[ECHO, ONCE]);

#[derive(Debug)]
struct EchoClient(Client);

impl Stub for EchoClient {
    const SERVICE: &'static Service = &SERVICE;

    fn over(client: Client) -> Self {
        Self(client)
    }

    fn into_client(self) -> Client {
        self.0
    }
}

impl EchoClient {
    fn call(&mut self, method: &'static MethodInfo, text: &str) -> Result<String, CallError> {
        let view = self.0.call::<Text>(method, |writer| {
            let mut draft = Text::builder_in(writer);
            draft.text(text);
            draft.finish().map(drop)
        })?;
        Ok(view.text().to_owned())
    }

    fn state(&self) -> State {
        self.0.status().state
    }
}

/// A client of a server that does as `script` says until it returns.
fn served<R: Send>(
    config: &ServerConfig,
    client: Config<EchoClient>,
    script: impl FnOnce(&mut Listener) -> R + Send,
    calls: impl FnOnce(&mut EchoClient),
) -> R {
    let run_dir = RunDir::new();
    let mut listener = config.listen(&run_dir.endpoint("echo")).unwrap();
    thread::scope(|scope| {
        let server = scope.spawn(move || script(&mut listener));
        calls(&mut client.connect(run_dir.path()).unwrap());
        server.join().unwrap()
    })
}

/// Answers one request with its own payload; false at the end of the session.
fn echo(session: &mut ServerSession) -> bool {
    let Ok(request) = session.receive(NEVER) else { return false };
    let (ticket, payload) = (request.ticket(), request.keep().into_payload());
    session.respond(ticket, &payload, NEVER).is_ok()
}

fn accept(listener: &mut Listener) -> ServerSession {
    listener.accept(NEVER).unwrap()
}

fn config() -> Config<EchoClient> {
    Config::new()
}

#[test]
fn calls_are_answered_and_counted() {
    served(
        &ServerConfig::new(),
        config(),
        |listener| {
            let mut session = accept(listener);
            while echo(&mut session) {}
        },
        |client| {
            for text in ["", "a", "much more than before"] {
                assert_eq!(client.call(&ECHO, text).unwrap(), text);
            }
            let status = client.0.status();
            assert_eq!((status.state, status.answered, status.failed, status.connections), (State::Ready, 3, 0, 1));
            assert_eq!(status.session.unwrap().profile, Profiles::BASELINE);
            let refresh = client.0.refresh().unwrap();
            assert_eq!((refresh.before, refresh.after, refresh.reconnected), (State::Ready, State::Ready, false));
        },
    );
}

#[test]
fn who_is_not_connected_tries_nothing() {
    let run_dir = RunDir::new();
    let mut client = config().build(run_dir.path());
    assert_eq!(client.call(&ECHO, "x"), Err(CallError::NotReady(State::Disconnected)));
    assert!(matches!(client.0.refresh(), Err(CallError::Connect(Error::System(_)))));
    assert_eq!((client.state(), client.0.ready()), (State::NotFound, false));
    assert_eq!(client.call(&ECHO, "x"), Err(CallError::NotReady(State::NotFound)));
    // And now there is a server.
    let mut listener = ServerConfig::new().listen(&run_dir.endpoint("echo")).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| echo(&mut accept(&mut listener)));
        let refresh = client.0.refresh().unwrap();
        assert_eq!((refresh.before, refresh.reconnected), (State::NotFound, true));
        assert_eq!(client.call(&ECHO, "x").unwrap(), "x");
    });
}

#[test]
fn nobody_serves_at_what_a_dead_server_has_left() {
    let run_dir = RunDir::new();
    drop(std::os::unix::net::UnixListener::bind(run_dir.path().join("echo.sock")).unwrap());
    let mut client = config().build(run_dir.path());
    assert!(matches!(client.0.refresh(), Err(CallError::Connect(Error::System(_)))));
    assert_eq!(client.state(), State::NotFound);
}

#[test]
fn a_path_that_cannot_be_is_told_by_refresh() {
    let mut client = config().build("/".repeat(200));
    assert!(matches!(client.0.refresh(), Err(CallError::Endpoint(_))));
    assert_eq!(client.state(), State::Disconnected);
}

#[test]
fn every_refusal_has_its_state() {
    let token = || config().auth_token(AuthToken::new(7));
    for (server, client, state, status) in [
        (ServerConfig::new().auth_token(AuthToken::new(8)), token(), State::AuthFailed, Status::AuthFailed),
        (ServerConfig::new().authorize(|_| false), config(), State::AuthFailed, Status::AuthFailed),
        (ServerConfig::new().profiles(Profiles::SHM_HYBRID), config(), State::Incompatible, Status::Unsupported),
        (ServerConfig::new().max_sessions(0), config(), State::Disconnected, Status::LimitExceeded),
    ] {
        let run_dir = RunDir::new();
        let mut listener = server.listen(&run_dir.endpoint("echo")).unwrap();
        let mut client = client.build(run_dir.path());
        thread::scope(|scope| {
            scope.spawn(|| listener.next(NEVER).unwrap());
            assert_eq!(client.0.refresh(), Err(CallError::Connect(Error::Refused(status))));
        });
        assert_eq!((client.state(), client.0.status().last_error.is_some()), (state, true));
        assert_eq!(client.call(&ECHO, "x"), Err(CallError::NotReady(state)));
    }
}

#[test]
fn every_status_of_an_answer_has_its_error() {
    let malformed = (CallError::Malformed, State::Broken);
    for (status, (error, state)) in [
        (Status::BadEnvelope, malformed),
        (Status::InternalError, (CallError::Internal, State::Broken)),
        (Status::Unsupported, (CallError::Unsupported, State::Ready)),
        (Status::AuthFailed, (CallError::Status(Status::AuthFailed), State::Broken)),
        (Status::Other(99), (CallError::Status(Status::Other(99)), State::Broken)),
    ] {
        served(
            &ServerConfig::new(),
            config(),
            |listener| {
                let mut session = accept(listener);
                let ticket = session.receive(NEVER).unwrap().ticket();
                session.respond_status(ticket, status, NEVER).unwrap();
                while echo(&mut session) {}
                let mut session = listener.try_accept().unwrap();
                session.as_mut().is_some_and(echo)
            },
            |client| {
                assert_eq!((client.call(&ECHO, "x"), client.state()), (Err(error), state));
                match state {
                    State::Ready => assert_eq!(client.call(&ECHO, "y").unwrap(), "y"),
                    state => assert_eq!(client.call(&ECHO, "y"), Err(CallError::NotReady(state))),
                }
                drop(std::mem::replace(client, config().build("/")));
            },
        );
    }
}

#[test]
fn an_answer_that_breaks_its_layout_breaks_the_connection() {
    let has_ended = served(
        &ServerConfig::new(),
        config(),
        |listener| {
            let mut session = accept(listener);
            let ticket = session.receive(NEVER).unwrap().ticket();
            session.respond(ticket, b"no text", NEVER).unwrap();
            matches!(session.receive(NEVER), Err(Error::Closed { .. }))
        },
        |client| {
            assert!(matches!(client.call(&ECHO, "x"), Err(CallError::Answer(_))));
            assert_eq!(client.state(), State::Broken);
        },
    );
    assert!(has_ended);
}

#[test]
fn an_answer_to_one_call_that_is_a_batch_is_none() {
    served(
        &ServerConfig::new(),
        config(),
        |listener| {
            let mut session = accept(listener);
            let ticket = session.receive(NEVER).unwrap().ticket();
            session.respond_batch(ticket, &[[0; 8]], NEVER).unwrap();
        },
        |client| {
            assert_eq!(client.call(&ECHO, "x"), Err(CallError::Mismatch { asked: 1, answered: 1 }));
            assert_eq!(client.state(), State::Broken);
        },
    );
}

#[test]
fn a_request_that_outgrows_its_limit_makes_it_grow() {
    let limits = served(
        &ServerConfig::new().max_response_payload(1 << 20),
        config(),
        |listener| {
            let mut limits = Vec::new();
            for _ in 0..2 {
                let mut session = accept(listener);
                limits.push(session.terms().request_payload);
                while echo(&mut session) {}
            }
            limits
        },
        |client| {
            let text = "x".repeat(5000);
            assert_eq!(client.call(&ECHO, &text).unwrap(), text);
            assert_eq!(client.call(&ECHO, &text).unwrap(), text);
            let status = client.0.status();
            assert_eq!((status.connections, status.grown, status.repeated), (2, 1, 0));
        },
    );
    assert_eq!(limits, [1024, 8192]);
}

#[test]
fn a_request_beyond_what_was_set_or_granted_fails_by_name() {
    // Set by the client: nothing is tried.
    served(&ServerConfig::new(), config().max_request_payload(100), accept, |client| {
        let text = "x".repeat(100);
        let limit = LimitExceeded { limit: Limit::RequestPayload, asked: 109, allowed: 100 };
        assert_eq!(client.call(&ECHO, &text), Err(CallError::Limit(limit)));
        assert_eq!((client.state(), client.0.status().connections), (State::Ready, 1));
    });
    // Refused by the server: the client asks for what every server takes, and is there for smaller requests.
    served(
        &ServerConfig::new().max_request_payload(4096),
        config(),
        |listener| {
            drop(accept(listener));
            let mut session = accept(listener);
            echo(&mut session)
        },
        |client| {
            let text = "x".repeat(5000);
            let Err(CallError::Limit(limit)) = client.call(&ECHO, &text) else { panic!("within 4,096 bytes") };
            assert_eq!((limit.limit, limit.asked, limit.allowed), (Limit::RequestPayload, 5009, 1024));
            assert_eq!(client.call(&ECHO, "small").unwrap(), "small");
        },
    );
}

#[test]
fn an_answer_that_the_server_may_not_send_is_asked_for_again_only_where_the_limit_grows() {
    let asked = served(
        &ServerConfig::new(),
        config(),
        |listener| {
            let mut asked = 0;
            for _ in 0..2 {
                let mut session = accept(listener);
                while let Ok(request) = session.receive(NEVER) {
                    asked += 1;
                    let ticket = request.ticket();
                    session.respond_status(ticket, Status::LimitExceeded, NEVER).unwrap();
                }
            }
            asked
        },
        |client| {
            assert_eq!(client.call(&ECHO, "x"), Err(CallError::AnswerTooLarge { allowed: 1024 }));
            drop(std::mem::replace(client, config().build("/")));
        },
    );
    assert_eq!(asked, 1);
}

#[test]
fn a_lost_call_is_sent_again_once_and_one_that_must_not_be_is_not() {
    for (method, losses, answered) in [(&ECHO, 1, true), (&ECHO, 2, false), (&ONCE, 1, false)] {
        let received = served(
            &ServerConfig::new(),
            config(),
            |listener| {
                let mut received = 0;
                for _ in 0..losses {
                    let mut session = accept(listener);
                    session.receive(NEVER).unwrap();
                    received += 1;
                }
                while answered && !echo(&mut accept(listener)) {}
                received
            },
            |client| {
                let outcome = client.call(method, "x");
                let closed = Error::Closed { mid_message: false };
                match (answered, method.idempotent) {
                    (true, _) => assert_eq!(outcome.unwrap(), "x"),
                    (false, true) => assert_eq!(outcome, Err(CallError::Lost(closed))),
                    (false, false) => assert_eq!(outcome, Err(CallError::OutcomeUnknown(closed))),
                }
                let expected = if answered { State::Ready } else { State::Broken };
                assert_eq!((client.state(), client.0.status().repeated), (expected, u64::from(method.idempotent)));
            },
        );
        assert_eq!(received, losses);
    }
}

/// What a client does whose session has just been ended, by a server that answers one request of the next.
fn after_a_restart(calls: impl FnOnce(&mut EchoClient)) {
    let (ended, go_on) = mpsc::channel();
    served(
        &ServerConfig::new(),
        config(),
        |listener| {
            drop(accept(listener));
            ended.send(()).unwrap();
            assert!(echo(&mut accept(listener)));
        },
        |client| {
            go_on.recv().unwrap();
            calls(client);
        },
    );
}

#[test]
fn a_server_that_was_restarted_meanwhile_is_found_even_by_what_must_not_run_twice() {
    for method in [&ECHO, &ONCE] {
        after_a_restart(|client| {
            assert_eq!(client.call(method, "x").unwrap(), "x");
            let status = client.0.status();
            assert_eq!((status.state, status.connections, status.repeated), (State::Ready, 2, 1));
        });
    }
}

#[test]
fn refresh_finds_out_that_the_server_has_gone() {
    after_a_restart(|client| {
        // Nobody was asked yet.
        assert!(client.0.ready());
        let refresh = client.0.refresh().unwrap();
        assert_eq!((refresh.before, refresh.after, refresh.reconnected), (State::Ready, State::Ready, true));
        assert_eq!(client.call(&ONCE, "x").unwrap(), "x");
    });
}

#[test]
fn a_late_answer_is_nobody_elses() {
    let (tell, told) = mpsc::channel();
    served(
        &ServerConfig::new(),
        config().timeout(Duration::from_millis(20)),
        move |listener| {
            let mut session = accept(listener);
            let late = session.receive(NEVER).unwrap().ticket();
            told.recv().unwrap();
            let request = session.receive(NEVER).unwrap();
            let (ticket, payload) = (request.ticket(), request.keep().into_payload());
            session.respond(late, &Text { text: "late".into() }.to_vec().unwrap(), NEVER).unwrap();
            session.respond(ticket, &payload, NEVER).unwrap();
            while echo(&mut session) {}
        },
        |client| {
            assert_eq!((client.call(&ECHO, "first"), client.state()), (Err(CallError::TimedOut), State::Ready));
            tell.send(()).unwrap();
            // However slow this machine is: what is late is passed over each time.
            let answer = loop {
                match client.call(&ECHO, "second") {
                    Err(CallError::TimedOut) => {}
                    answer => break answer,
                }
            };
            assert_eq!(answer.unwrap(), "second");
        },
    );
}

#[test]
fn one_deadline_covers_the_connection_that_is_made_anew() {
    let (done, until_done) = mpsc::channel::<()>();
    served(
        &ServerConfig::new(),
        config().timeout(Duration::from_millis(50)),
        move |listener| {
            let mut session = accept(listener);
            session.receive(NEVER).unwrap();
            drop(session);
            // Nobody answers the second hello.
            until_done.recv().unwrap();
        },
        |client| {
            assert_eq!((client.call(&ECHO, "x"), client.state()), (Err(CallError::TimedOut), State::Disconnected));
            done.send(()).unwrap();
        },
    );
}

#[test]
fn an_abort_frees_a_call_and_a_reset_lets_the_client_go_on() {
    let (received, go_on) = mpsc::channel();
    served(
        &ServerConfig::new(),
        config(),
        |listener| {
            let mut session = accept(listener);
            session.receive(NEVER).unwrap();
            received.send(()).unwrap();
            assert!(echo(&mut accept(listener)));
        },
        |client| {
            let abort = client.0.abort_handle();
            thread::scope(|scope| {
                scope.spawn({
                    let abort = abort.clone();
                    move || {
                        go_on.recv().unwrap();
                        abort.abort();
                    }
                });
                assert_eq!(client.call(&ECHO, "x"), Err(CallError::Aborted));
            });
            assert_eq!(client.state(), State::Broken);
            assert_eq!(client.0.refresh(), Err(CallError::Aborted));
            abort.reset();
            client.0.refresh().unwrap();
            assert_eq!(client.call(&ECHO, "x").unwrap(), "x");
        },
    );
}

#[test]
fn a_request_that_its_layout_excludes_is_not_sent() {
    served(
        &ServerConfig::new(),
        config(),
        |listener| {
            let mut session = accept(listener);
            while echo(&mut session) {}
        },
        |client| {
            let excluded = EncodeError::TooLarge(usize::MAX);
            let refused = client.0.call::<Text>(&ECHO, |_| Err(excluded)).map(drop);
            assert_eq!((refused, client.0.ready()), (Err(CallError::Request(excluded)), true));
            assert_eq!(client.call(&ECHO, "x").unwrap(), "x");
        },
    );
}
