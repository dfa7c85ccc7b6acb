//! What a session travels over: which profile comes of what both sides have and prefer, and what becomes of a session
//! whose shared memory one of them can't use (docs/protocol.md, sections 2 and 4).
#![cfg(target_os = "linux")]

#[path = "profiles/no_region.rs"]
mod no_region;
#[path = "profiles/not_attached.rs"]
mod not_attached;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use netipc::endpoint::Endpoint;
use netipc::session::{
    Arrival, Cause, ClientConfig, ClientSession, Error, Listener, Reason, Script, ServerConfig, ServerSession,
    in_process,
};
use netipc::wire::{Hello, HelloAck, Method, Profiles, Status};
use netipc_tests::processes::RunDir;
use netipc_tests::raw::{Raw, RawServer, good_hello, hello_packet, refusal_packet, soon};

const METHOD: Method = Method::new(7);
const SOCKET: Profiles = Profiles::BASELINE;
const MEMORY: Profiles = Profiles::SHM_HYBRID;
const BOTH: Profiles = Profiles::from_bits(0x03);

/// Lets a client meet a server: what comes of it for each.
fn meet(
    listener: &mut Listener,
    client: &ClientConfig,
    endpoint: &Endpoint,
) -> (Result<ClientSession, Error>, Result<ServerSession, Cause>) {
    let connecting = client.try_connect(endpoint).unwrap().expect("room in the queue");
    let arrived = match listener.next(soon()).unwrap() {
        Arrival::Session(session) => Ok(*session),
        Arrival::Rejected(rejected) => Err(*rejected.cause()),
    };
    (connecting.finish(soon()), arrived)
}

/// Two sessions that come of it.
fn joined(listener: &mut Listener, client: &ClientConfig, endpoint: &Endpoint) -> (ClientSession, ServerSession) {
    let (client, server) = meet(listener, client, endpoint);
    (client.unwrap(), server.unwrap())
}

fn call(client: &mut ClientSession, server: &mut ServerSession) {
    let ticket = client.send(METHOD, b"how are you?", soon()).unwrap();
    let request = server.receive(soon()).unwrap();
    assert_eq!((request.ticket(), request.payload()), (ticket, &b"how are you?"[..]));
    server.respond(ticket, b"well", soon()).unwrap();
    let answer = client.receive(soon()).unwrap();
    assert_eq!((answer.ticket(), answer.payload()), (ticket, &b"well"[..]));
}

/// The names of region files.
fn regions(run_dir: &RunDir) -> Vec<String> {
    run_dir.names().into_iter().filter(|name| name.ends_with(".ipcshm")).collect()
}

/// What one side is configured with.
#[derive(Debug, Clone, Copy)]
struct Side {
    profiles: Profiles,
    preferred: Option<Profiles>,
}

impl Side {
    fn all() -> impl Iterator<Item = Self> {
        [SOCKET, BOTH, MEMORY].into_iter().flat_map(|profiles| {
            let preferences = [None, Some(SOCKET), Some(MEMORY), Some(Profiles::NONE)];
            preferences.map(|preferred| Self { profiles, preferred })
        })
    }

    fn has(self, profile: Profiles) -> bool {
        self.profiles.bits() & profile.bits() != 0
    }

    fn prefers(self, profile: Profiles) -> bool {
        self.has(profile) && self.preferred.is_none_or(|preferred| preferred.bits() & profile.bits() != 0)
    }

    fn client(self) -> ClientConfig {
        let config = ClientConfig::new().profiles(self.profiles);
        self.preferred.into_iter().fold(config, ClientConfig::preferred_profiles)
    }

    fn server(self) -> ServerConfig {
        let config = ServerConfig::new().profiles(self.profiles);
        self.preferred.into_iter().fold(config, ServerConfig::preferred_profiles)
    }
}

/// The rule, step by step, with the highest bit first.
fn selected(client: Side, server: Side) -> Option<Profiles> {
    for profile in [MEMORY, SOCKET] {
        if client.prefers(profile) && server.prefers(profile) {
            return Some(profile);
        }
    }
    [MEMORY, SOCKET].into_iter().find(|&profile| client.has(profile) && server.has(profile))
}

#[test]
fn the_profile_of_a_session_is_the_highest_that_both_prefer_or_else_have() {
    let mut seen = Vec::new();
    for (at_client, at_server) in Side::all().flat_map(|client| Side::all().map(move |server| (client, server))) {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("matrix");
        let mut listener = at_server.server().listen(&endpoint).unwrap();
        let (client, server) = meet(&mut listener, &at_client.client(), &endpoint);
        let rule = selected(at_client, at_server);
        seen.push(rule);
        let Some(profile) = rule else {
            assert_eq!(client.err(), Some(Error::Refused(Status::Unsupported)), "{at_client:?} {at_server:?}");
            let Err(Cause::Refused(refusal)) = server else { panic!("{at_client:?} {at_server:?}: {server:?}") };
            let reason = Reason::Profiles { offered: at_client.profiles, supported: at_server.profiles };
            assert_eq!((refusal.status(), refusal.reason()), (Status::Unsupported, reason));
            assert!(regions(&run_dir).is_empty());
            continue;
        };
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        assert_eq!(client.terms(), server.terms());
        for status in [client.status(), server.status()] {
            assert_eq!((status.profile, status.fallback), (profile, None), "{at_client:?} {at_server:?}");
        }
        assert_eq!(client.terms().profile, profile);
        let named = (profile == MEMORY).then(|| "matrix-0000000000000001.ipcshm".to_owned());
        assert!(regions(&run_dir).into_iter().eq(named), "{at_client:?} {at_server:?}");
        call(&mut client, &mut server);
    }
    // Of nine pairs of sides, with sixteen pairs of preferences each, two have nothing in common, three the socket and three
    // shared memory. In the one that has both, it is the socket only where both prefer it, and not both prefer memory.
    let count = |outcome| seen.iter().filter(|&&rule| rule == outcome).count();
    assert_eq!((seen.len(), count(None)), (144, 32));
    assert_eq!((count(Some(SOCKET)), count(Some(MEMORY))), (3 * 16 + 3, 3 * 16 + 13));
}

#[test]
fn a_client_proposes_no_profile_that_it_does_not_know() {
    for (configured, preferred, hello) in [
        (0x15, None, (0x01, 0x01)),
        (0x17, None, (0x03, 0x03)),
        (0x1f, Some(0x14), (0x03, 0)),
        (0x17, Some(0x16), (0x03, 0x02)),
        (0x01, Some(0x02), (0x01, 0)),
        (0x14, None, (0, 0)),
        (0xffff_ffff, Some(0xffff_ffff), (0x03, 0x03)),
    ] {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("curious");
        let server = RawServer::listen(&endpoint);
        let config = ClientConfig::new().profiles(Profiles::from_bits(configured));
        let config = preferred.map(Profiles::from_bits).into_iter().fold(config, ClientConfig::preferred_profiles);
        let connecting = config.try_connect(&endpoint).unwrap().expect("room in the queue");
        let raw = server.accept();
        let said = hello_of(&raw);
        assert_eq!((said.supported_profiles.bits(), said.preferred_profiles.bits()), hello, "{configured:#x}");
        raw.send(&refusal_packet(Status::Unsupported)).unwrap();
        assert_eq!(connecting.finish(soon()).err(), Some(Error::Refused(Status::Unsupported)));
    }
}

/// What a client has proposed.
fn hello_of(raw: &Raw) -> Hello {
    let packet = raw.receive().expect("a hello");
    Hello::parse(&packet[32..]).unwrap()
}

#[test]
fn a_server_grants_no_profile_that_it_does_not_know() {
    for (configured, preferred, granted) in [
        (0x15, None, (0x01, 0x01, 0x01)),
        (0x17, None, (0x03, 0x03, 0x02)),
        (0x1f, Some(0x14), (0x03, 0x03, 0x02)),
        (0x17, Some(0x15), (0x03, 0x03, 0x01)),
        (0xffff_ffff, None, (0x03, 0x03, 0x02)),
    ] {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("modest");
        let config = ServerConfig::new().profiles(Profiles::from_bits(configured));
        let config = preferred.map(Profiles::from_bits).into_iter().fold(config, ServerConfig::preferred_profiles);
        let mut listener = config.listen(&endpoint).unwrap();
        let all = Profiles::from_bits(u32::MAX);
        let hello = Hello {
            supported_profiles: all,
            preferred_profiles: all,
            auth_token: netipc::wire::AuthToken::new(0),
            ..good_hello()
        };
        let raw = Raw::connect(&endpoint);
        raw.send(&hello_packet(&hello)).unwrap();
        let session = listener.accept(soon()).unwrap();
        let ack = HelloAck::parse(&raw.receive().expect("an answer")[32..]).unwrap();
        let said = (ack.server_profiles.bits(), ack.intersection.bits(), ack.selected_profile.bits());
        assert_eq!((said, session.status().profile.bits()), (granted, granted.2), "{configured:#x}");

        // Who has nothing but what this server leaves out is refused.
        let foreign = Profiles::from_bits(0xffff_fffc);
        let raw = Raw::connect(&endpoint);
        raw.send(&hello_packet(&Hello { supported_profiles: foreign, ..hello })).unwrap();
        let Arrival::Rejected(rejected) = listener.next(soon()).unwrap() else { panic!("let in") };
        let Cause::Refused(refusal) = *rejected.cause() else { panic!("{rejected}") };
        let supported = Profiles::from_bits(granted.0);
        assert_eq!(refusal.reason(), Reason::Profiles { offered: foreign, supported });
        assert_eq!(raw.receive(), Some(refusal_packet(Status::Unsupported)));
    }
}

#[test]
fn who_is_refused_uses_up_no_session_id() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("counting");
    let mut listener = ServerConfig::new().profiles(MEMORY).listen(&endpoint).unwrap();
    let (client, refused) = (ClientConfig::new().profiles(BOTH), ClientConfig::new());
    let mut sessions = Vec::new();
    for id in 1..=3 {
        let (asked, answered) = meet(&mut listener, &refused, &endpoint);
        assert_eq!(asked.err(), Some(Error::Refused(Status::Unsupported)));
        assert!(matches!(answered, Err(Cause::Refused(_))), "{answered:?}");
        let mut session = joined(&mut listener, &client, &endpoint);
        assert_eq!((session.0.terms().session_id, session.1.terms().session_id), (id, id));
        call(&mut session.0, &mut session.1);
        sessions.push(session);
        let names: Vec<_> = (1..=id).map(|id| format!("counting-{id:016x}.ipcshm")).collect();
        assert_eq!(regions(&run_dir), names);
    }
    for (mut client, mut server) in sessions {
        call(&mut client, &mut server);
    }
    assert!(regions(&run_dir).is_empty());
}

#[test]
fn a_region_is_there_as_long_as_its_servers_session() {
    for (request, response) in [(1024, 1024), (32, 65_536), (100_000, 32), (31, 33)] {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("file");
        let server = ServerConfig::new().profiles(BOTH).max_response_payload(response);
        let mut listener = server.listen(&endpoint).unwrap();
        let config = ClientConfig::new().profiles(BOTH).max_request_payload(request);
        let (mut client, mut server) = joined(&mut listener, &config, &endpoint);

        let path = endpoint.region_path(1);
        let facts = fs::symlink_metadata(&path).unwrap();
        assert!(facts.is_file());
        assert_eq!(facts.permissions().mode() & 0o7777, 0o600);
        let bytes = fs::read(&path).unwrap();
        let word = |at: usize| u64::from(u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()));
        let room = |payload: u32| (u64::from(payload) + 32).next_multiple_of(64);
        assert_eq!((word(20), word(28)), (room(request), room(response)));
        assert_eq!(facts.len(), (word(16) + word(20)).max(word(24) + word(28)));

        call(&mut client, &mut server);
        // Neither the client's session nor half of the server's has a say in it.
        drop(client);
        let (requests, responses) = server.split();
        drop(requests);
        assert_eq!(regions(&run_dir).len(), 1);
        drop(responses);
        assert!(regions(&run_dir).is_empty());
    }
}

#[test]
fn a_region_goes_while_its_client_is_there_and_after_its_listener() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("last");
    let mut listener = ServerConfig::new().profiles(MEMORY).listen(&endpoint).unwrap();
    let config = ClientConfig::new().profiles(MEMORY);
    let (mut client, mut server) = joined(&mut listener, &config, &endpoint);
    drop(listener);
    call(&mut client, &mut server);
    assert_eq!(regions(&run_dir).len(), 1);
    drop(server);
    assert!(regions(&run_dir).is_empty());
    assert_eq!(client.receive(soon()).err(), Some(Error::Closed { mid_message: false }));
}

#[test]
fn in_one_process_there_is_no_shared_memory_to_agree_on() {
    let meet = |client: Profiles, server: Profiles| {
        let (client, server) = (ClientConfig::new().profiles(client), ServerConfig::new().profiles(server));
        let (connecting, arriving) = in_process(&client, &server, &Script::new()).unwrap();
        let arrived = arriving.meet(soon()).map_err(|rejected| *rejected.cause());
        (connecting.finish(soon()), arrived)
    };
    let (client, server) = meet(BOTH, BOTH);
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    for status in [client.status(), server.status()] {
        assert_eq!((status.profile, status.fallback), (SOCKET, None));
    }
    call(&mut client, &mut server);
    for (client, server) in [(MEMORY, BOTH), (BOTH, MEMORY), (MEMORY, MEMORY)] {
        let (asked, answered) = meet(client, server);
        assert_eq!(asked.err(), Some(Error::Refused(Status::Unsupported)));
        let Err(Cause::Refused(refusal)) = answered else { panic!("{answered:?}") };
        let (offered, supported) = (client & SOCKET, server & SOCKET);
        assert_eq!(refusal.reason(), Reason::Profiles { offered, supported });
    }
}
