//! Peers whose sessions travel over shared memory, by hand: the handshake over a [raw](crate::raw) socket, messages over a
//! [raw region](crate::region).
//!
//! Owns: both sides of such a handshake, each step on its own. It refuses to go further than what a test asks.

use netipc::endpoint::Endpoint;
use netipc::session::{ClientConfig, ClientSession, Connecting, Listener, Progress, ServerConfig, ServerSession};
use netipc::wire::{AuthToken, Header, Hello, HelloAck, Method, Profiles};

use crate::raw::{ITEMS, Raw, RawServer, TOKEN, ack_packet, good_ack, good_hello, hello_packet, soon, whole};
use crate::region::{Layout, RawRegion};

/// What both sides propose.
pub const BOTH: Profiles = Profiles::BASELINE.union(Profiles::SHM_HYBRID);

/// A client of ours for payloads of these lengths.
#[must_use]
pub fn client(request: u32, response: u32) -> ClientConfig {
    ClientConfig::new()
        .profiles(BOTH)
        .auth_token(AuthToken::new(TOKEN))
        .max_request_payload(request)
        .max_request_items(ITEMS)
        .max_response_payload(response)
}

/// A server of ours for them.
#[must_use]
pub fn server(request: u32, response: u32) -> ServerConfig {
    ServerConfig::new()
        .profiles(BOTH)
        .auth_token(AuthToken::new(TOKEN))
        .max_request_payload(request)
        .max_response_payload(response)
}

/// The hello of a deployed client that has shared memory.
#[must_use]
pub fn hello(request: u32, response: u32) -> Hello {
    let (max_request_payload, max_response_payload) = (request, response);
    let (supported_profiles, preferred_profiles) = (BOTH, BOTH);
    Hello { supported_profiles, preferred_profiles, max_request_payload, max_response_payload, ..good_hello() }
}

/// The hello-ack of a deployed server that has shared memory.
#[must_use]
pub fn ack(request: u32, response: u32, session_id: u64) -> HelloAck {
    HelloAck {
        server_profiles: BOTH,
        intersection: BOTH,
        selected_profile: Profiles::SHM_HYBRID,
        request_payload: request,
        response_payload: response,
        session_id,
        ..good_ack()
    }
}

/// A peer by hand: its end of the socket, and its side of the region.
#[derive(Debug)]
pub struct Peer {
    /// The region.
    pub region: RawRegion,
    /// The lifeline.
    pub raw: Raw,
}

impl Peer {
    /// Receives a request, and says under which id it was sent and what it holds.
    ///
    /// # Panics
    /// For anything else.
    #[must_use]
    pub fn receive(&mut self) -> (Header, Vec<u8>) {
        let message = self.region.receive();
        let (head, payload) = message.split_at(32);
        let header = Header::parse(head).expect("a header");
        assert_eq!(header.payload_len() as usize, payload.len());
        (header, payload.to_vec())
    }

    /// Answers a request.
    ///
    /// # Panics
    /// Where the answer has no room.
    pub fn respond(&self, asked: &Header, payload: &[u8]) {
        let len = u32::try_from(payload.len()).expect("a short answer");
        let method = asked.method().expect("a request");
        self.region.publish(&whole(Header::response(method, asked.message_id(), len), payload));
    }

    /// Sends a request.
    ///
    /// # Panics
    /// Where it has no room.
    pub fn ask(&self, id: u64, payload: &[u8]) {
        let len = u32::try_from(payload.len()).expect("a short request");
        self.region.publish(&whole(Header::request(Method::new(1), id, len), payload));
    }
}

/// A client of ours says hello to a server by hand.
///
/// # Panics
/// Where it does not.
#[must_use]
pub fn knock(config: &ClientConfig, endpoint: &Endpoint, server: &RawServer) -> (Connecting, Raw) {
    let connecting = config.try_connect(endpoint).expect("a server").expect("room in the queue");
    let raw = server.accept();
    assert_eq!(raw.receive().map(|hello| hello.len()), Some(76));
    (connecting, raw)
}

/// A session of our client with a server by hand, for payloads of these lengths, in a region of this layout that was
/// `prepared` before the client knew of it.
///
/// # Panics
/// Where there is none.
pub fn admit(
    config: &ClientConfig,
    endpoint: &Endpoint,
    server: &RawServer,
    ack: &HelloAck,
    layout: Layout,
    prepare: impl FnOnce(&RawRegion),
) -> (ClientSession, Peer) {
    let (connecting, raw) = knock(config, endpoint, server);
    let region = RawRegion::create(&endpoint.region_path(ack.session_id), layout);
    prepare(&region);
    raw.send(&ack_packet(ack)).expect("a client that waits");
    match connecting.try_finish().expect("a good server") {
        Progress::Done(session) => {
            assert_eq!(session.status().profile, Profiles::SHM_HYBRID);
            (*session, Peer { region, raw })
        }
        Progress::Waiting(_) => panic!("the server has answered"),
    }
}

/// A session of our server with a client by hand.
///
/// # Panics
/// Where there is none.
pub fn enter(listener: &mut Listener, endpoint: &Endpoint, hello: &Hello) -> (Peer, ServerSession) {
    let raw = Raw::connect(endpoint);
    raw.send(&hello_packet(hello)).expect("somebody listens");
    let session = listener.accept(soon()).expect("a good client");
    assert_eq!(session.status().profile, Profiles::SHM_HYBRID);
    let packet = raw.receive().expect("an answer");
    let ack = HelloAck::parse(&packet[32..]).expect("an answer");
    assert_eq!(ack.selected_profile, Profiles::SHM_HYBRID);
    (Peer { region: RawRegion::attach(&endpoint.region_path(ack.session_id)), raw }, session)
}

/// A session between ours, all on this one thread.
///
/// # Panics
/// Where there is none.
pub fn meet(listener: &mut Listener, client: &ClientConfig, endpoint: &Endpoint) -> (ClientSession, ServerSession) {
    let connecting = client.try_connect(endpoint).expect("a server").expect("room in the queue");
    let server = listener.accept(soon()).expect("a good client");
    match connecting.try_finish().expect("a good server") {
        Progress::Done(client) => (*client, server),
        Progress::Waiting(_) => panic!("the server has answered"),
    }
}

/// One call between ours; the answer is what was asked.
///
/// # Panics
/// Where it fails.
pub fn echo(client: &mut ClientSession, server: &mut ServerSession) {
    let payload: Vec<u8> = (0..=255).collect();
    let ticket = client.send(Method::new(1), &payload, soon()).expect("a session");
    let request = server.receive(soon()).expect("a request");
    let (asked, request) = (request.ticket(), request.keep());
    server.respond(asked, request.payload(), soon()).expect("a session");
    let response = client.receive(soon()).expect("an answer");
    assert_eq!((response.ticket(), response.payload()), (ticket, &payload[..]));
}
