//! A service with every kind of parameter and return, and what holds for any bytes at all that are given to it.
//!
//! Owns: the property that the fuzz target `dispatch` looks for: no panic, the same answer twice, an answer that decodes,
//! and one that is too long found out.

use std::ffi::{CStr, CString};

use netipc::buf::Writer;
use netipc::service::{Dispatch, Failure};
use netipc::wire::{Batch, BatchBuilder, Method};
use netipc::{Call, EncodeError, HandlerResult, Reply, View, WireMessage};

use crate::natural;

/// A message of some of everything.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Part {
    /// Which.
    pub number: u32,
    /// Of what.
    pub name: String,
    /// What it says on it.
    pub labels: Vec<CString>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u16)]
pub enum Fault {
    /// Nobody knows it.
    Unknown = 1,
    /// It is broken.
    Broken = 7,
}

/// Something or other.
#[derive(Debug, Clone, PartialEq, WireMessage)]
#[repr(u16)]
pub enum Thing {
    /// A part.
    Part(Part) = 1,
    /// So many.
    Count(u64) = 2,
    /// Nothing.
    None = 3,
}

/// Everything that a method can be.
#[netipc::service(name = "workbench")]
pub trait Workbench {
    /// Takes nothing, returns nothing.
    fn nothing(&self);
    /// Numbers, and who asks.
    fn scalars(&self, cx: &Call<'_>, first: u32, small: i8, real: f64, is_so: bool, pair: [u16; 2]) -> f64;
    /// Text that is borrowed.
    fn texts(&self, text: &str, bytes: &[u8], c: &CStr) -> String;
    /// A payload of its own, borrowed.
    fn borrowed(&self, part: View<'_, Part>) -> Part;
    /// A payload of its own, owned, or an error.
    fn owned(&self, part: Part) -> Result<(), Fault>;
    /// A code there and back.
    fn code(&self, fault: Fault) -> Fault;
    /// An enum that carries data.
    fn thing(&self, thing: Thing) -> Thing;
    /// All that owns.
    fn lists(&self, names: Vec<String>, parts: Vec<Part>, faults: Vec<Fault>, maybe: Option<u8>) -> Vec<Part>;
    /// A reply that is longer than its request.
    fn repeated(&self, text: &str, times: u8) -> Vec<String>;
    /// In place.
    #[method(code = 40, idempotent = false)]
    fn place(&self, name: &str, other: View<'_, Part>, reply: Reply<'_, Part>) -> HandlerResult;
    /// In place, and it gives up.
    fn refuse(&self, name: &str, reply: Reply<'_, Part>) -> HandlerResult;
    /// A value or an error.
    fn read(&self, name: &str) -> Result<Part, Fault>;
}

/// Whoever serves it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Bench;

impl Workbench for Bench {
    fn nothing(&self) {}

    fn scalars(&self, cx: &Call<'_>, first: u32, small: i8, real: f64, is_so: bool, pair: [u16; 2]) -> f64 {
        assert!(!cx.is_cancelled());
        if is_so { real } else { f64::from(first) + f64::from(small) + f64::from(pair[0]) * f64::from(pair[1]) }
    }

    fn texts(&self, text: &str, bytes: &[u8], c: &CStr) -> String {
        format!("{text} {bytes:?} {c:?}")
    }

    fn borrowed(&self, part: View<'_, Part>) -> Part {
        part.to_owned()
    }

    fn owned(&self, part: Part) -> Result<(), Fault> {
        if part.number > 0 { Ok(()) } else { Err(Fault::Broken) }
    }

    fn code(&self, fault: Fault) -> Fault {
        fault
    }

    fn thing(&self, thing: Thing) -> Thing {
        match thing {
            Thing::Part(part) => Thing::Count(part.labels.len() as u64),
            Thing::Count(number) => {
                Thing::Part(Part { number: number as u32, name: number.to_string(), labels: Vec::new() })
            }
            Thing::None => Thing::None,
        }
    }

    fn lists(&self, names: Vec<String>, mut parts: Vec<Part>, faults: Vec<Fault>, maybe: Option<u8>) -> Vec<Part> {
        parts.extend(names.into_iter().map(|name| Part { number: faults.len() as u32, name, labels: Vec::new() }));
        parts.truncate(maybe.map_or(usize::MAX, usize::from));
        parts
    }

    fn repeated(&self, text: &str, times: u8) -> Vec<String> {
        vec![text.to_owned(); times.into()]
    }

    fn place(&self, name: &str, other: View<'_, Part>, mut reply: Reply<'_, Part>) -> HandlerResult {
        reply.number(other.number()).name(name);
        let mut labels = reply.labels(other.labels().len());
        for label in other.labels() {
            labels.push(label);
        }
        Ok(())
    }

    fn refuse(&self, name: &str, mut reply: Reply<'_, Part>) -> HandlerResult {
        reply.name(name);
        Err(name.into())
    }

    fn read(&self, name: &str) -> Result<Part, Fault> {
        let part = Part { number: 7, name: name.to_owned(), labels: vec![CString::default()] };
        if name.is_empty() { Err(Fault::Unknown) } else { Ok(part) }
    }
}

/// Bytes that a reply may have. Some of a fuzzer's requests ask for more.
const ROOM: usize = 1 << 16;

/// What an answer is compared by.
type Answer = Result<Vec<u8>, String>;

/// Serves the payload behind the first two bytes: the code of the method, and how many items it has, where 0 is for a
/// request that is no batch.
///
/// # Panics
/// Where an answer does not decode, or does not come a second time, or is not missed where it had no room.
pub fn check_any(input: &[u8]) {
    let _ = is_served(input);
}

/// The same; whether there was an answer.
///
/// # Panics
/// As [`check_any`].
#[must_use]
pub fn is_served(input: &[u8]) -> bool {
    let [code, items, payload @ ..] = input else { return false };
    let dispatch = WorkbenchServer::new(Bench).into_dispatch();
    let method = Method::new((*code).into());
    let serve = |room| match *items {
        0 => one(&*dispatch, method, payload, room),
        items => batch(&*dispatch, method, payload, items.into(), room),
    };
    let answer = serve(ROOM);
    assert_eq!(answer, serve(ROOM));
    let Ok(answer) = answer else { return false };
    if *items == 0 {
        check_reply(*code, &answer);
    } else {
        let batch = Batch::parse(&answer, (*items).into()).expect("a batch");
        batch.iter().for_each(|item| check_reply(*code, item));
    }
    if let Some(less) = answer.len().checked_sub(1) {
        let cut = serve(less);
        assert!(cut.as_ref().is_err_and(|error| error == "LimitExceeded"), "{cut:?}");
    }
    assert_eq!(serve(answer.len()).as_ref(), Ok(&answer));
    true
}

fn one(dispatch: &dyn Dispatch, method: Method, payload: &[u8], room: usize) -> Answer {
    written(room, |writer| serve(dispatch, method, payload, writer))
}

/// As a session has it: an item that fails is the end of all.
fn batch(dispatch: &dyn Dispatch, method: Method, payload: &[u8], items: u32, room: usize) -> Answer {
    let batch = Batch::parse(payload, items).map_err(|error| error.to_string())?;
    written(room, |writer| {
        let mut answers = BatchBuilder::new(writer, items);
        for item in batch.iter() {
            let pushed = answers.push_with(|writer| serve(dispatch, method, item, writer));
            pushed.expect("short items, and as many as were said")?;
        }
        // Where it finds no room, the writer tells.
        answers.finish().map(drop).or(Ok(()))
    })
}

fn serve(dispatch: &dyn Dispatch, method: Method, payload: &[u8], writer: &mut Writer<'_>) -> Result<(), Failure> {
    let served = dispatch.dispatch(&Call::local().of(method), payload, writer);
    assert_eq!(
        dispatch.service().method(method).is_none(),
        matches!(served, Err(Failure::Unsupported(unknown)) if unknown == method),
    );
    served
}

fn written(room: usize, write: impl FnOnce(&mut Writer<'_>) -> Result<(), Failure>) -> Answer {
    let mut buffer = vec![0xa5; room];
    let mut writer = Writer::new(&mut buffer);
    match write(&mut writer) {
        Ok(()) if writer.fits() => {
            let len = writer.len();
            buffer.truncate(len);
            Ok(buffer)
        }
        Ok(()) | Err(Failure::Unwritten(EncodeError::Overflow { .. })) => Err("LimitExceeded".to_owned()),
        Err(failure) => Err(failure.to_string()),
    }
}

fn check_reply(code: u8, reply: &[u8]) {
    let decodes = match code {
        1 => natural::check_any::<WorkbenchNothingReply>(reply),
        2 => natural::check_any::<WorkbenchScalarsReply>(reply),
        3 => natural::check_any::<WorkbenchTextsReply>(reply),
        4 | 40 => natural::check_any::<Part>(reply),
        5 => natural::check_any::<WorkbenchOwnedReply>(reply),
        6 => natural::check_any::<WorkbenchCodeReply>(reply),
        7 => natural::check_any::<WorkbenchThingReply>(reply),
        8 => natural::check_any::<WorkbenchListsReply>(reply),
        9 => natural::check_any::<WorkbenchRepeatedReply>(reply),
        12 => natural::check_any::<WorkbenchReadReply>(reply),
        other => panic!("method {other} gave an answer"),
    };
    assert!(decodes, "method {code}: {reply:02x?}");
}

/// A request of each method that its handler takes, each with its code in front; and some batches.
///
/// # Panics
/// Where one can't be encoded.
#[must_use]
pub fn requests() -> Vec<(&'static str, Vec<u8>)> {
    fn request(code: u8, message: &impl WireMessage) -> Vec<u8> {
        [&[code, 0][..], &message.to_vec().expect("a request")].concat()
    }
    fn requests(code: u8, messages: &[impl WireMessage]) -> Vec<u8> {
        let items = u32::try_from(messages.len()).expect("a few");
        let mut buffer = vec![0; 4096];
        let mut writer = Writer::new(&mut buffer);
        let mut batch = BatchBuilder::new(&mut writer, items);
        for message in messages {
            batch.push(&message.to_vec().expect("a request")).expect("room");
        }
        batch.finish().expect("room");
        let len = writer.len();
        [&[code, items as u8][..], &buffer[..len]].concat()
    }
    let part =
        |number: u32| Part { number, name: "scrëw".into(), labels: vec![CString::from(c"M4"), CString::default()] };
    let name = |name: &str| WorkbenchReadRequest { name: name.to_owned() };
    let lists = |maybe| WorkbenchListsRequest {
        names: vec!["a".into(), String::new()],
        parts: vec![part(1), part(2)],
        faults: vec![Fault::Unknown],
        maybe,
    };
    vec![
        ("nothing", request(1, &WorkbenchNothingRequest {})),
        (
            "scalars",
            request(2, &WorkbenchScalarsRequest { first: 1, small: -2, real: 0.5, is_so: false, pair: [3, 4] }),
        ),
        ("texts", request(3, &WorkbenchTextsRequest { text: "t".into(), bytes: vec![0, 1], c: c"c".into() })),
        ("borrowed", request(4, &part(4))),
        ("owned", request(5, &part(5))),
        ("owned-fault", request(5, &part(0))),
        ("code", request(6, &Fault::Broken)),
        ("thing-part", request(7, &Thing::Part(part(7)))),
        ("thing-count", request(7, &Thing::Count(7))),
        ("thing-none", request(7, &Thing::None)),
        ("lists", request(8, &lists(None))),
        ("lists-cut", request(8, &lists(Some(1)))),
        ("repeated", request(9, &WorkbenchRepeatedRequest { text: "again".into(), times: 9 })),
        ("place", request(40, &WorkbenchPlaceRequest { name: "here".into(), other: part(10) })),
        ("refuse", request(11, &WorkbenchRefuseRequest { name: "no".into() })),
        ("read", request(12, &name("bolt"))),
        ("read-fault", request(12, &name(""))),
        ("unknown", vec![14, 0]),
        ("batch-of-reads", requests(12, &[name("bolt"), name(""), name("nut")])),
        ("batch-of-parts", requests(4, &[part(1), part(2)])),
        ("batch-of-nothing", requests(1, &[WorkbenchNothingRequest {}, WorkbenchNothingRequest {}])),
        ("batch-of-refusals", requests(11, &[WorkbenchRefuseRequest { name: "no".into() }])),
    ]
}
