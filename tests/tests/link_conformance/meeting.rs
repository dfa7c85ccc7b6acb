//! Handshakes.

use netipc::session::{Cause, ClientConfig, Error, Limit, LimitExceeded, Reason, ServerConfig};
use netipc::wire::{AuthToken, Status};

use crate::fabric::{Fabric, METHOD, soon};

pub fn both_sides_have_the_same_terms(fabric: Fabric) {
    let client = ClientConfig::new().max_request_payload(500).max_request_items(12).packet_size(1000);
    let server = ServerConfig::new().max_request_payload(600).max_response_payload(700).packet_size(100);
    let (client, server) = fabric.pair_of(&client, &server);
    let terms = *client.terms();
    assert_eq!(terms, *server.terms());
    assert_eq!((terms.request_payload, terms.response_payload), (500, 700));
    assert_eq!((terms.request_items, terms.response_items), (12, 12));
    assert_eq!((terms.packet_size, terms.session_id), (100, 1));
    assert_eq!(terms.profile, fabric.profile());
    let (sender, receiver) = client.split();
    let (requests, responses) = server.split();
    for half in [sender.terms(), receiver.terms(), requests.terms(), responses.terms()] {
        assert_eq!(*half, terms);
    }
}

pub fn the_peer_is_this_process(fabric: Fabric) {
    let (client, server) = fabric.pair();
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    for peer in [client.peer(), server.peer()] {
        assert_eq!((peer.pid, peer.uid, peer.gid), (Some(std::process::id()), uid, gid));
    }
    let (sender, _receiver) = client.split();
    assert_eq!(sender.peer(), server.peer());
}

pub fn each_refusal_is_told_to_both_sides(fabric: Fabric) {
    let limit = |asked, allowed| Reason::Limit(LimitExceeded { limit: Limit::RequestPayload, asked, allowed });
    let mib = 1 << 20;
    let (client, server) = (ClientConfig::new, ServerConfig::new);
    let supported = {
        let (client, _server) = fabric.pair_of(&client(), &server());
        client.terms().packet_size
    };
    let cases = [
        (client(), server().auth_token(AuthToken::new(9)), Status::AuthFailed, Reason::Token),
        (client().auth_token(AuthToken::new(9)), server(), Status::AuthFailed, Reason::Token),
        (client(), server().authorize(|_| false), Status::AuthFailed, Reason::NotAuthorized),
        (client().max_request_payload(mib + 1), server(), Status::LimitExceeded, limit(u64::from(mib) + 1, mib.into())),
        (
            client().max_request_payload(1025),
            server().max_request_payload(1024),
            Status::LimitExceeded,
            limit(1025, 1024),
        ),
        (client().packet_size(32), server(), Status::Incompatible, Reason::PacketSize { offered: 32, supported }),
        (
            client(),
            server().packet_size(31),
            Status::Incompatible,
            Reason::PacketSize { offered: supported, supported: 31 },
        ),
        (client(), server().max_sessions(0), Status::LimitExceeded, Reason::Server(Status::LimitExceeded)),
    ];
    for (client, server, status, reason) in cases {
        let (asked, answered) = fabric.handshake(&client, &server);
        assert_eq!(asked.err(), Some(Error::Refused(status)), "{reason:?}");
        match answered {
            Err(Cause::Refused(refusal)) => assert_eq!((refusal.status(), refusal.reason()), (status, reason)),
            other => panic!("{other:?}"),
        }
    }
    // What is just within bounds, and shown the token, is let in.
    let token = AuthToken::new(9);
    let near = client().auth_token(token).max_request_payload(mib).packet_size(33);
    let own_uid = rustix::process::geteuid().as_raw();
    let careful = server().auth_token(token).authorize(move |peer| peer.uid == own_uid).max_sessions(1);
    let (mut client, mut server) = fabric.pair_of(&near, &careful);
    let sent = client.send(METHOD, b"let in", soon()).expect("a request");
    assert_eq!(server.receive(soon()).expect("a request").ticket(), sent);
}

pub fn a_client_that_leaves_without_a_word_is_passed_over(fabric: Fabric) {
    assert_eq!(fabric.silence(), Cause::Closed);
}
