//! What `#[netipc::service]` makes of a trait: requests as bytes in, answers as bytes out, without a socket.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![deny(missing_docs, unused)]

use std::ffi::CStr;

use netipc::client::Stub;
use netipc::{CallError, HandlerResult, Reply, View, WireMessage};
use netipc_tests::processes::RunDir;

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
        assert_eq!(cx.session_id(), 1);
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
fn a_trait_can_still_be_called_and_be_an_object() {
    let lab: &dyn Everything = &Lab;
    assert_eq!(lab.bodied(), 7);
    assert_eq!(lab.read("cellar"), Err(Fault::Unknown));
}

#[test]
fn every_kind_of_parameter_and_return_goes_there_and_back() {
    let run_dir = RunDir::new();
    let _server = EverythingServer::new(Lab).bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut client = EverythingClient::connect(run_dir.path()).unwrap();
    client.nothing().unwrap();
    assert_eq!(client.scalars(1, 2).unwrap(), 1.5);
    assert_eq!(client.nasty("v", b"r", c"w", 1, true, 2, [3, 4]).unwrap(), "v [114] \"w\" 1 true 2 [3, 4]");
    assert_eq!(client.borrowed(&roof()).unwrap().to_owned(), roof());
    client.owned(&roof()).unwrap();
    let cold = Reading { celsius: -1.0, ..roof() };
    assert_eq!(client.owned(&cold).map(drop), Err(CallError::Application(Fault::Unknown)));
    assert_eq!(client.code(Fault::Unknown).unwrap(), Fault::Unknown);
    let lists = client.lists(&["a".to_owned()], &[roof(), cold.clone()], &[Fault::Unknown], Some(1)).unwrap();
    assert!(lists.map(|reading| reading.to_owned()).eq([roof(), cold]));
    let placed = client.place("cellar", &roof()).unwrap();
    assert_eq!((placed.sensor(), placed.celsius()), ("cellar", 21.5));
    assert_eq!(client.read("roof").unwrap().to_owned(), roof());
    assert_eq!(client.read("cellar").map(drop), Err(CallError::Application(Fault::Unknown)));
    assert_eq!(client.bodied().unwrap(), 7);
}
