//! Messages of every size there is, through packets of every size there is, arrive as they were sent.

use core::convert::Infallible;
use std::sync::mpsc;
use std::thread;

use netipc::buf::Writer;
use netipc::session::{BuildError, ClientConfig, ClientSession, Deadline, Error, OwnedMessage, ServerConfig};
use netipc::wire::{BatchBuilder, Method};
use netipc_tests::processes::pair;
use netipc_tests::random::Random;

const METHOD: Method = Method::new(7);
const MIB: usize = 1 << 20;

/// Bytes of which none is where another could stand.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_ne_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// What the server makes of a payload, so that nobody takes a request for its response.
fn inverted(payload: &[u8]) -> Vec<u8> {
    payload.iter().map(|byte| !byte).collect()
}

/// Limits for payloads of `most` bytes.
fn limits(most: usize) -> (ClientConfig, ServerConfig) {
    let most = u32::try_from(most).unwrap();
    let client = ClientConfig::new().max_request_payload(most).max_request_items(5000);
    (client.response_ceiling(most), ServerConfig::new().max_request_payload(most).max_response_payload(most))
}

/// Does something with a session whose server answers each request with its inverse, and ends as it should.
fn with_inverter(client: &ClientConfig, server: &ServerConfig, ask: impl FnOnce(&mut ClientSession)) {
    let (mut client, mut server) = pair(client, server);
    thread::scope(|scope| {
        let answering = scope.spawn(move || {
            loop {
                let request = match server.receive(Deadline::NEVER) {
                    Ok(request) => request.keep(),
                    Err(error) => return error,
                };
                let answer = inverted(request.payload());
                server.respond(request.ticket(), &answer, Deadline::NEVER).unwrap();
            }
        });
        ask(&mut client);
        assert_eq!(client.in_flight(), 0);
        drop(client);
        assert_eq!(answering.join().unwrap(), Error::Closed { mid_message: false });
    });
}

fn ask(session: &mut ClientSession, len: usize) {
    let payload = bytes(len as u64, len);
    let ticket = session.send(METHOD, &payload, Deadline::NEVER).unwrap();
    let response = session.receive(Deadline::NEVER).unwrap();
    assert_eq!((response.ticket(), response.payload().len()), (ticket, len));
    // Compared without printing it.
    assert!(response.payload() == inverted(&payload), "another payload of {len} bytes");
}

#[test]
fn messages_around_a_packet_and_far_beyond_go_both_ways() {
    let (client, server) = limits(64 * MIB);
    with_inverter(&client, &server, |session| {
        let packet = session.terms().packet_size as usize;
        assert!(packet > 4096 && packet < MIB, "{packet}");
        for len in [0, 1, packet - 33, packet - 32, packet - 31, 2 * (packet - 32), MIB, 64 * MIB, 0, 1] {
            ask(session, len);
        }
    });
}

#[test]
fn up_to_64_kib_go_through_packets_of_one_byte_of_payload() {
    let (client, server) = limits(64 * 1024);
    with_inverter(&client.packet_size(33), &server, |session| {
        assert_eq!(session.terms().packet_size, 33);
        for len in [0, 1, 2, 3, 255, 1024, 64 * 1024 - 1, 64 * 1024] {
            ask(session, len);
        }
    });
}

#[test]
fn every_size_goes_through_small_packets() {
    for packet_size in [33, 40, 100] {
        let (client, server) = limits(300);
        with_inverter(&client, &server.packet_size(packet_size), |session| {
            assert_eq!(session.terms().packet_size, packet_size);
            (0..=300).for_each(|len| ask(session, len));
        });
    }
}

/// A batch as a builder makes it.
fn built<T: AsRef<[u8]>>(items: &[T]) -> Vec<u8> {
    let mut room = vec![0xaa; 16 * items.len() + items.iter().map(|item| item.as_ref().len()).sum::<usize>() + 64];
    let mut writer = Writer::new(&mut room);
    let mut batch = BatchBuilder::new(&mut writer, u32::try_from(items.len()).unwrap());
    for item in items {
        batch.push(item.as_ref()).unwrap();
    }
    assert_eq!(batch.finish().unwrap() as usize, items.len());
    let len = writer.len();
    room.truncate(len);
    room
}

#[test]
fn batches_are_sent_byte_for_byte_as_a_builder_would_make_them() {
    let sets: Vec<Vec<Vec<u8>>> = vec![
        vec![vec![]],
        vec![b"one".to_vec()],
        vec![vec![], vec![], vec![]],
        vec![vec![], vec![1], vec![], bytes(1, 8), vec![], bytes(2, 9), vec![]],
        (0..40).map(|len| bytes(len, usize::try_from(len).unwrap())).collect(),
        vec![bytes(3, 5000), bytes(4, 1), bytes(5, 12_345), vec![], bytes(6, 4096)],
        // Far more parts than the 1,024 that one call gathers a packet from.
        (0..5000).map(|number| bytes(number, 1 + usize::try_from(number % 7).unwrap())).collect(),
    ];
    for packet_size in [33, 40, 100, 4096, 0] {
        let (client, server) = limits(MIB);
        let (mut client, mut server) = pair(&client.packet_size(packet_size), &server);
        let items_of = |message: &OwnedMessage| -> Vec<Vec<u8>> {
            message.batch().unwrap().into_iter().map(<[u8]>::to_vec).collect()
        };
        thread::scope(|scope| {
            let sets = &sets;
            scope.spawn(move || {
                for items in sets {
                    let request = server.receive(Deadline::NEVER).unwrap().keep();
                    assert_eq!((request.header().item_count() as usize, &items_of(&request)), (items.len(), items));
                    assert!(*request.payload() == built(items), "packets of {packet_size}");
                    let answers: Vec<_> = items.iter().map(|item| inverted(item)).collect();
                    server.respond_batch(request.ticket(), &answers, Deadline::NEVER).unwrap();
                }
            });
            for items in sets {
                let ticket = client.send_batch(METHOD, items, Deadline::NEVER).unwrap();
                let response = client.receive(Deadline::NEVER).unwrap().keep();
                let answers: Vec<_> = items.iter().map(|item| inverted(item)).collect();
                assert_eq!((response.ticket(), items_of(&response)), (ticket, answers.clone()));
                assert!(*response.payload() == built(&answers), "packets of {packet_size}");
            }
        });
    }
}

#[test]
fn messages_are_built_in_place_up_to_the_limit() {
    for packet_size in [100, 0] {
        let (client, server) = limits(5000);
        let (mut client, mut server) = pair(&client.packet_size(packet_size), &server);
        for len in [5000, 0, 1, 68, 69, 4999] {
            let (request, response) = (bytes(1, len), bytes(2, 5000 - len));
            let fill = |payload: &[u8], writer: &mut Writer<'_>| -> Result<(), Infallible> {
                payload.chunks(7).for_each(|chunk| writer.append(chunk));
                Ok(())
            };
            let sent = client.send_with(METHOD, Deadline::NEVER, |writer| fill(&request, writer)).unwrap();
            let received = server.receive(Deadline::NEVER).unwrap();
            assert_eq!((received.ticket(), received.payload()), (sent, &request[..]));
            server.respond_with(sent, Deadline::NEVER, |writer| fill(&response, writer)).unwrap();
            assert_eq!(client.receive(Deadline::NEVER).unwrap().payload(), response);
        }
        let refused = client.send_with(METHOD, Deadline::NEVER, |_| Err("changed my mind"));
        assert_eq!(refused, Err(BuildError::Build("changed my mind")));
        let sent = client.send(METHOD, b"x", Deadline::NEVER).unwrap();
        assert_eq!(sent.id(), 7, "what was not built has no id");
        assert_eq!(server.receive(Deadline::NEVER).unwrap().ticket(), sent);
        let refused = server.respond_with(sent, Deadline::NEVER, |_| Err("no"));
        assert_eq!(refused, Err(BuildError::Build("no")));
        server.respond(sent, b"y", Deadline::NEVER).unwrap();
        assert_eq!(client.receive(Deadline::NEVER).unwrap().payload(), b"y");
    }
}

#[test]
fn kept_messages_stay_as_they_are_while_the_session_goes_on() {
    let (client, server) = limits(4096);
    with_inverter(&client.packet_size(512), &server, |session| {
        let (keep, kept) = mpsc::channel::<(usize, OwnedMessage)>();
        let keeper = thread::spawn(move || {
            let all: Vec<_> = kept.into_iter().collect();
            for (number, message) in &all {
                let expected = inverted(&bytes(*number as u64, number % 1000));
                assert!(**message.payload() == expected, "message {number} was written over");
            }
            all.len()
        });
        for number in 0..5000 {
            session.send(METHOD, &bytes(number as u64, number % 1000), Deadline::NEVER).unwrap();
            let response = session.receive(Deadline::NEVER).unwrap();
            // Some are only looked at, and their room is used again.
            if number % 5 != 0 {
                keep.send((number, response.keep())).unwrap();
            }
        }
        drop(keep);
        assert_eq!(keeper.join().unwrap(), 4000);
    });
}
