//! Typed calls over sessions, from builder to view: what is written goes straight into the buffer that is sent, what is
//! read is proven where it was received.
#![cfg(target_os = "linux")]

use std::time::Duration;

use netipc::buf::Writer;
use netipc::session::{
    BuildError, ClientConfig, ClientSession, Deadline, Error, Script, ServerConfig, ServerSession, in_process,
};
use netipc::wire::{Method, Status};
use netipc::{DecodeError, EncodeError};
use netipc_examples::{Cgroup, Increment, Snapshot, SnapshotRequest, StringReverse};

const INCREMENT: Method = Method::new(1);
const SNAPSHOT: Method = Method::new(2);
const STRING_REVERSE: Method = Method::new(3);

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// What can go wrong at a server.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Session(#[from] Error),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Build(#[from] BuildError<EncodeError>),
}

fn sessions(packet_size: u32, payload: u32) -> (ClientSession, ServerSession) {
    let client =
        ClientConfig::new().packet_size(packet_size).max_request_payload(payload).max_response_payload(payload);
    let server =
        ServerConfig::new().packet_size(packet_size).max_request_payload(payload).max_response_payload(payload);
    let (connecting, arriving) = in_process(&client, &server, &Script::new()).expect("a pair");
    let server = arriving.meet(soon()).expect("a client that is let in");
    (connecting.finish(soon()).expect("a server that lets in"), server)
}

/// The cgroups that the server knows.
fn cgroups() -> Vec<Cgroup> {
    let cgroup = |n: u32| Cgroup {
        hash: n.wrapping_mul(0x9e37_79b9),
        options: n % 4,
        enabled: n % 2,
        name: format!("container-{n}").into_bytes(),
        path: format!("/system.slice/docker-{n:08x}.scope").into_bytes(),
    };
    (0..300).map(cgroup).collect()
}

fn reverse(text: &[u8], writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    let mut reply = StringReverse::builder_in(writer);
    let reversed: Vec<u8> = text.iter().rev().copied().collect();
    reply.text(&reversed);
    reply.finish().map(drop)
}

fn increment(value: u64, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    let mut reply = Increment::builder_in(writer);
    reply.value(value.wrapping_add(1));
    reply.finish().map(drop)
}

/// Answers one request: its view borrows the bytes that came, its answer is built in those that go.
fn answer(session: &mut ServerSession, cgroups: &[Cgroup]) -> Result<(), Failed> {
    let (requests, responses) = session.halves();
    let message = requests.receive(soon())?;
    let ticket = message.ticket();
    if let Some(batch) = message.batch() {
        // The answers stand one behind the other, and are sent from there.
        let mut room = vec![0; 4096];
        let mut writer = Writer::new(&mut room);
        let mut ends = vec![0];
        for item in batch {
            match ticket.method() {
                INCREMENT => increment(Increment::decode(item)?.value(), &mut writer),
                _ => reverse(StringReverse::decode(item)?.text().as_bytes(), &mut writer),
            }
            .map_err(BuildError::Build)?;
            ends.push(writer.len());
        }
        let items: Vec<_> = ends.windows(2).map(|ends| &room[ends[0]..ends[1]]).collect();
        return Ok(responses.respond_batch(ticket, &items, soon())?);
    }
    match ticket.method() {
        INCREMENT => {
            let request = Increment::decode(message.payload())?;
            responses.respond_with(ticket, soon(), |writer| increment(request.value(), writer))?;
        }
        SNAPSHOT => {
            SnapshotRequest::decode(message.payload())?;
            responses.respond_with(ticket, soon(), |writer| {
                let mut reply = Snapshot::builder_in(writer);
                reply.generation(5).systemd_enabled(1);
                let mut items = reply.items(cgroups.len() + 10);
                for cgroup in cgroups {
                    items.push(|item| {
                        item.hash(cgroup.hash).options(cgroup.options).enabled(cgroup.enabled);
                        item.name(&cgroup.name).path(&cgroup.path)
                    });
                }
                reply.finish().map(drop)
            })?;
        }
        STRING_REVERSE => {
            let request = StringReverse::decode(message.payload())?;
            responses.respond_with(ticket, soon(), |writer| reverse(request.text().as_bytes(), writer))?;
        }
        _ => responses.respond_status(ticket, Status::Unsupported, soon())?,
    }
    Ok(())
}

/// Serves until the client is gone, while `calls` is made.
fn served<R>(packet_size: u32, payload: u32, calls: impl FnOnce(&mut ClientSession) -> R) -> R {
    let (mut client, mut server) = sessions(packet_size, payload);
    std::thread::scope(|scope| {
        let serving = scope.spawn(move || {
            let cgroups = cgroups();
            loop {
                match answer(&mut server, &cgroups) {
                    Ok(()) => {}
                    Err(Failed::Session(Error::Closed { mid_message: false })) => return,
                    Err(other) => panic!("{other}"),
                }
            }
        });
        let made = calls(&mut client);
        drop(client);
        serving.join().expect("a server that ends with its client");
        made
    })
}

/// Small packets, and large ones.
const PACKET_SIZES: [u32; 2] = [100, 65_536];

#[test]
fn numbers_are_incremented() {
    for packet_size in PACKET_SIZES {
        served(packet_size, 1024, |client| {
            for value in [0, 1, 41, u64::MAX] {
                let sent = client.send_with(INCREMENT, soon(), |writer| {
                    let mut request = Increment::builder_in(writer);
                    request.value(value);
                    request.finish().map(drop)
                });
                let answer = client.receive(soon()).expect("an answer");
                assert_eq!(answer.ticket(), sent.expect("a request"));
                assert_eq!(answer.status(), Status::Ok);
                let view = Increment::decode(answer.payload()).expect("a number");
                assert_eq!(view.value(), value.wrapping_add(1));
            }
        });
    }
}

#[test]
fn texts_are_reversed() {
    for packet_size in PACKET_SIZES {
        served(packet_size, 2048, |client| {
            for len in [0, 1, 59, 60, 61, 1000] {
                let text: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).expect("a byte")).collect();
                let sent = client.send_with(STRING_REVERSE, soon(), |writer| {
                    let mut request = StringReverse::builder_in(writer);
                    request.text(&text);
                    request.finish().map(drop)
                });
                sent.expect("a request");
                let answer = client.receive(soon()).expect("an answer");
                let view = StringReverse::decode(answer.payload()).expect("a text");
                assert!(view.text().as_bytes().iter().eq(text.iter().rev()), "{len}");
            }
        });
    }
}

#[test]
fn a_snapshot_of_many_packets_is_read_where_it_was_received() {
    for packet_size in PACKET_SIZES {
        served(packet_size, 1 << 20, |client| {
            for _ in 0..3 {
                let sent =
                    client.send_with(SNAPSHOT, soon(), |writer| SnapshotRequest::builder_in(writer).finish().map(drop));
                sent.expect("a request");
                let answer = client.receive(soon()).expect("an answer");
                let view = Snapshot::decode(answer.payload()).expect("a snapshot");
                assert_eq!((view.generation(), view.systemd_enabled()), (5, 1));
                let inside = answer.payload().as_ptr_range();
                let known = cgroups();
                assert_eq!(view.items().len(), known.len());
                for (item, cgroup) in view.items().zip(&known) {
                    assert_eq!(item.to_owned(), *cgroup);
                    assert!(inside.contains(&item.name().as_bytes().as_ptr()));
                }
                // The same bytes as from a builder with a buffer of its own.
                let owned = Snapshot { systemd_enabled: 1, generation: 5, items: known };
                assert_eq!(answer.payload(), owned.to_vec().expect("a snapshot that can be encoded"));
            }
        });
    }
}

/// Builds one message a value, one behind the other in `room`, and tells where they end.
fn built_in_a_row<T: Copy>(
    room: &mut [u8],
    values: &[T],
    build: impl Fn(T, &mut Writer<'_>) -> Result<usize, EncodeError>,
) -> Vec<usize> {
    let mut writer = Writer::new(room);
    let mut ends = vec![0];
    for &value in values {
        build(value, &mut writer).expect("room enough");
        ends.push(writer.len());
    }
    ends
}

fn call_batch<'c>(
    client: &'c mut ClientSession,
    method: Method,
    room: &[u8],
    ends: &[usize],
) -> netipc::session::Message<'c> {
    let items: Vec<_> = ends.windows(2).map(|ends| &room[ends[0]..ends[1]]).collect();
    let sent = client.send_batch(method, &items, soon()).expect("a batch");
    let answer = client.receive(soon()).expect("an answer");
    assert_eq!(answer.ticket(), sent);
    answer
}

#[test]
fn batches_are_built_in_a_row_and_sent_from_there() {
    for packet_size in PACKET_SIZES {
        served(packet_size, 4096, |client| {
            let mut room = vec![0; 4096];
            let values: Vec<u64> = (0..40).collect();
            let ends = built_in_a_row(&mut room, &values, |value, writer| {
                let mut request = Increment::builder_in(writer);
                request.value(value);
                request.finish()
            });
            let answer = call_batch(client, INCREMENT, &room, &ends);
            let items = answer.batch().expect("a batch").iter();
            let answers: Vec<_> = items.map(|item| Increment::decode(item).expect("a number").value()).collect();
            assert_eq!(answers, (1..41).collect::<Vec<u64>>());

            let texts = [&b"stressed"[..], b"", b"x", b"drawer"];
            let ends = built_in_a_row(&mut room, &texts, |text, writer| {
                let mut request = StringReverse::builder_in(writer);
                request.text(text);
                request.finish()
            });
            let answer = call_batch(client, STRING_REVERSE, &room, &ends);
            let items = answer.batch().expect("a batch").iter();
            let answers: Vec<_> =
                items.map(|item| StringReverse::decode(item).expect("a text").text().to_vec()).collect();
            assert_eq!(answers, [&b"desserts"[..], b"", b"x", b"reward"]);
        });
    }
}

#[test]
fn an_answer_that_does_not_fit_is_told_by_what_it_needed() {
    let (mut client, mut server) = sessions(100, 64);
    let sent = client.send(STRING_REVERSE, &[0; 9], soon()).expect("a request");
    let request = server.receive(soon()).expect("a request");
    assert_eq!(request.ticket(), sent);
    let ticket = request.ticket();
    let build = |len: usize| {
        move |writer: &mut Writer<'_>| {
            let mut reply = StringReverse::builder_in(writer);
            reply.text(&vec![b'x'; len]);
            reply.finish().map(drop)
        }
    };
    let failed = server.respond_with(ticket, soon(), build(56));
    assert_eq!(failed, Err(BuildError::Build(EncodeError::Overflow { needed: 65 })));
    server.respond_with(ticket, soon(), build(55)).expect("an answer that fits to the last byte");
    let answer = client.receive(soon()).expect("an answer");
    assert_eq!(StringReverse::decode(answer.payload()).expect("a text").text().as_bytes(), [b'x'; 55]);
}

#[test]
fn an_unknown_method_is_told_so_and_the_session_goes_on() {
    served(100, 64, |client| {
        let sent = client.send(Method::new(99), b"?", soon()).expect("a request");
        let answer = client.receive(soon()).expect("an answer");
        assert_eq!((answer.ticket(), answer.status(), answer.payload()), (sent, Status::Unsupported, &b""[..]));
        client.send(INCREMENT, &9_u64.to_ne_bytes(), soon()).expect("a request");
        let answer = client.receive(soon()).expect("an answer");
        assert_eq!(Increment::decode(answer.payload()).expect("a number").value(), 10);
    });
}
