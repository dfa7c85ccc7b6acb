//! What `#[netipc::service]` makes of a trait: requests as bytes in, answers as bytes out, without a socket.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![deny(missing_docs, unused)]

use std::ffi::CStr;

use netipc::buf::Writer;
use netipc::client::Stub;
use netipc::service::{Dispatch, Failure};
use netipc::{HandlerResult, Reply, View, WireMessage};

/// A reading.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Reading {
    /// Of what.
    pub sensor: String,
    /// How warm.
    pub celsius: f64,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u16)]
pub enum Fault {
    /// Nobody knows it.
    Unknown = 1,
}

/// Everything that a method can be.
#[netipc::service(name = "everything")]
pub trait Everything {
    /// Takes nothing, returns nothing.
    fn nothing(&self);
    /// Of the caller.
    fn scalars(&self, cx: &netipc::Call<'_>, first: u32, last: u32) -> f64;
    #[allow(clippy::too_many_arguments, missing_docs)]
    fn nasty(
        &self,
        value: &str,
        reply: &[u8],
        writer: &CStr,
        view: u8,
        request: bool,
        r#type: i8,
        error: [u16; 2],
    ) -> String;
    /// A payload of its own, borrowed.
    fn borrowed(&self, reading: View<'_, Reading>) -> Reading;
    /// A payload of its own, owned.
    fn owned(&self, reading: Reading) -> Result<(), Fault>;
    /// A code there and back.
    fn code(&self, fault: Fault) -> Fault;
    /// All that owns.
    fn lists(&self, names: Vec<String>, readings: Vec<Reading>, faults: Vec<Fault>, maybe: Option<u8>) -> Vec<Reading>;
    /// In place.
    #[method(code = 40, idempotent = false)]
    fn place(&self, sensor: &str, other: View<'_, Reading>, reply: Reply<'_, Reading>) -> HandlerResult;
    /// With an error.
    fn read(&self, sensor: &str) -> Result<Reading, Fault>;
    /// Never there.
    #[cfg(any())]
    fn absent(&self, what: NoSuchType) -> NoSuchType;
    /// Has a body.
    fn bodied(&self) -> u32 {
        7
    }
}

struct Lab;

impl Everything for Lab {
    fn nothing(&self) {}
    fn scalars(&self, cx: &netipc::Call<'_>, first: u32, last: u32) -> f64 {
        assert_eq!(cx.session_id(), 0);
        f64::from(first + last) / 2.0
    }
    fn nasty(
        &self,
        value: &str,
        reply: &[u8],
        writer: &CStr,
        view: u8,
        request: bool,
        r#type: i8,
        error: [u16; 2],
    ) -> String {
        format!("{value} {reply:?} {writer:?} {view} {request} {type} {error:?}", r#type = r#type)
    }
    fn borrowed(&self, reading: View<'_, Reading>) -> Reading {
        reading.to_owned()
    }
    fn owned(&self, reading: Reading) -> Result<(), Fault> {
        if reading.celsius > 0.0 { Ok(()) } else { Err(Fault::Unknown) }
    }
    fn code(&self, fault: Fault) -> Fault {
        fault
    }
    fn lists(&self, names: Vec<String>, readings: Vec<Reading>, faults: Vec<Fault>, maybe: Option<u8>) -> Vec<Reading> {
        assert_eq!((names.len(), faults, maybe), (1, vec![Fault::Unknown], Some(1)));
        readings
    }
    fn place(&self, sensor: &str, other: View<'_, Reading>, mut reply: Reply<'_, Reading>) -> HandlerResult {
        reply.sensor(sensor).celsius(other.celsius());
        Ok(())
    }
    fn read(&self, sensor: &str) -> Result<Reading, Fault> {
        if sensor == "roof" { Ok(roof()) } else { Err(Fault::Unknown) }
    }
}

fn roof() -> Reading {
    Reading { sensor: "roof".into(), celsius: 21.5 }
}

#[test]
fn codes_count_from_one_and_follow_their_attribute() {
    let service = EverythingClient::SERVICE;
    let codes: Vec<_> = service.methods.iter().map(|it| (it.name, it.method.code(), it.idempotent)).collect();
    assert_eq!(service.name, "everything");
    assert_eq!(codes[0], ("nothing", 1, true));
    assert_eq!(codes[7], ("place", 40, false));
    assert_eq!(codes[9], ("bodied", 11, true));
    assert_eq!(codes.len(), 10);
}

#[test]
fn a_method_that_is_not_there_is_unsupported() {
    let server = EverythingServer::new(Lab);
    let mut buffer = [0; 64];
    // A local call has the code 0, which no method can have.
    let outcome = server.dispatcher().dispatch(&netipc::Call::local(), &[], &mut Writer::new(&mut buffer));
    assert!(matches!(outcome, Err(Failure::Unsupported(_))), "{outcome:?}");
}

#[test]
fn a_trait_can_still_be_called_and_be_an_object() {
    let lab: &dyn Everything = &Lab;
    assert_eq!(lab.bodied(), 7);
    assert_eq!(lab.read("cellar"), Err(Fault::Unknown));
}

#[test]
fn the_client_takes_borrowed_parts() {
    let mut client = EverythingClient::new("/nowhere");
    assert!(client.lists(&["a".to_owned()], &[roof()], &[Fault::Unknown], Some(1)).is_err());
    assert!(client.borrowed(&roof()).is_err());
    assert!(client.owned(&roof()).is_err());
    assert!(client.code(Fault::Unknown).is_err());
    assert!(client.nasty("v", b"r", c"w", 1, true, 2, [3, 4]).is_err());
    assert!(matches!(client.read("roof"), Err(netipc::CallError::Disconnected)));
}
