//! Lookups, at both ends: what is declared of one, and how a request of it is answered.
//!
//! Owns: the contract between generated code and whoever asks or answers. It refuses to know about room, which `answers` does.

mod answers;

use core::ffi::CStr;
use std::ffi::CString;

pub use answers::Answers;
pub(crate) use answers::{ALIGN, ENTRY, FIXED, counted};
use answers::{Asked, Fault, marked};

use super::{Call, Failure, HandlerResult, MethodInfo};
use crate::buf::Writer;
use crate::codec::private::{Cell, Item, Structure};
use crate::codec::{EncodeError, Items, WireMessage};

/// Keys that are messages of up to so many bytes are compared without memory of their own.
const SMALL_KEY: usize = 64;

/// The keys of a lookup: in a handler `Keys<'_, CStr>` are texts, `Keys<'_, M>` views of messages.
///
/// An iterator of known length, with [`get`](Items::get).
pub type Keys<'a, K> = Items<'a, <K as Sought>::Item>;

/// The view of a key.
pub type KeyView<'a, K> = <<K as Sought>::Item as Item>::View<'a>;

/// What a lookup can have as keys: `CStr`, and messages.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no key of a lookup",
    note = "keys are `CStr`, or messages with `#[derive(WireMessage)]`"
)]
pub trait Sought: 'static {
    /// How it stands in a request.
    type Item: Item;
    /// Whether keys of one length have equally long parts.
    #[doc(hidden)]
    const LEN_TELLS: bool;

    /// How many bytes it has there.
    fn sought_len(&self) -> usize;

    /// Has `look` see bytes that are those of this key and of no other.
    #[doc(hidden)]
    fn with_bytes<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T;
}

impl Sought for CStr {
    type Item = CString;
    const LEN_TELLS: bool = true;

    #[inline]
    fn sought_len(&self) -> usize {
        self.count_bytes() + 1
    }

    #[inline]
    fn with_bytes<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(self.to_bytes())
    }
}

impl<M: Structure> Sought for M {
    type Item = M;
    const LEN_TELLS: bool = !<M as Cell>::TAIL;

    #[inline]
    fn sought_len(&self) -> usize {
        self.encoded_len()
    }

    fn with_bytes<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        let mut small = [0; SMALL_KEY];
        if let Ok(bytes) = self.encode(&mut small).and_then(|len| small.get(..len).ok_or(EncodeError::TooLarge(len))) {
            return look(bytes);
        }
        // What can't be encoded is no key: nobody can ask for it.
        look(&self.to_vec().unwrap_or_default())
    }
}

/// What holds a key of a lookup: the key, or a reference to it, as slices and iterators have them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` holds no key of this lookup, whose keys are `{K}`",
    label = "no key of this lookup"
)]
pub trait Keyed<K: ?Sized> {
    /// The key.
    fn key(&self) -> &K;
}

impl<M: Structure> Keyed<M> for M {
    #[inline]
    fn key(&self) -> &M {
        self
    }
}

impl<M: Structure> Keyed<M> for &M {
    #[inline]
    fn key(&self) -> &M {
        self
    }
}

macro_rules! texts {
    ($($text:ty),*) => {$(
        impl Keyed<CStr> for $text {
            #[inline]
            fn key(&self) -> &CStr {
                self
            }
        }
    )*};
}

texts!(CString, &CString, &CStr, &&CStr);

/// Why an item holds nothing but its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has these two (docs/protocol.md, section 6.1)")]
pub enum Mark {
    /// The answer had no room left: it is asked for again.
    Exceeded,
    /// It fits no answer.
    Oversized,
}

/// What takes the keys of a request, one by one.
pub type Push<'p, K> = dyn FnMut(&K) + 'p;

/// What a service declares of a lookup: made by `lookup(..)` on a method.
pub trait Lookup: 'static {
    /// What is looked for.
    type Key: Sought + ?Sized;
    /// What is found.
    type Item: Structure;
    /// The message of the keys.
    type Request: Structure;
    /// The message of the items.
    type Reply: Structure;
    /// The method.
    const METHOD: &'static MethodInfo;

    /// Writes a request of `count` keys, which `each` hands over one by one.
    ///
    /// # Errors
    /// What its layout excludes.
    fn request(
        writer: &mut Writer<'_>,
        count: usize,
        each: &mut dyn FnMut(&mut Push<'_, Self::Key>),
    ) -> Result<(), EncodeError>;

    /// The keys of a request.
    fn keys<'a>(request: <Self::Request as Structure>::View<'a>) -> Keys<'a, Self::Key>;

    /// The items of an answer.
    fn items<'a>(reply: <Self::Reply as Structure>::View<'a>) -> Items<'a, Self::Item>;

    /// The generation of an answer.
    fn generation(reply: <Self::Reply as Structure>::View<'_>) -> u64;

    /// Begins the item of a key.
    fn begin(item: &mut <Self::Item as Structure>::Builder<'_>, key: KeyView<'_, Self::Key>);

    /// The same for whoever asks.
    fn begin_own(item: &mut <Self::Item as Structure>::Builder<'_>, key: &Self::Key);

    /// Marks an item that holds nothing more.
    fn mark(item: &mut <Self::Item as Structure>::Builder<'_>, mark: Mark);

    /// How an item is marked, if it is.
    fn marked(item: <Self::Item as Structure>::View<'_>) -> Option<Mark>;

    /// Whether an item is that of a key.
    fn echoes(item: <Self::Item as Structure>::View<'_>, key: &Self::Key) -> bool;
}

struct Request<'a, L: Lookup> {
    keys: Keys<'a, L::Key>,
    call: &'a Call<'a>,
}

impl<L: Lookup> Asked<L::Item> for Request<'_, L> {
    fn begin(&self, index: usize, item: &mut <L::Item as Structure>::Builder<'_>) {
        if let Some(key) = self.keys.get(index) {
            L::begin(item, key);
        }
    }

    fn telling_len(&self, index: usize) -> Option<usize> {
        self.keys.bytes(index).filter(|_| L::Key::LEN_TELLS).map(<[u8]>::len)
    }

    fn mark(&self, item: &mut <L::Item as Structure>::Builder<'_>, mark: Mark) {
        L::mark(item, mark);
    }

    fn ceiling(&self) -> usize {
        self.call.ceiling()
    }

    fn wish(&self, bytes: usize) {
        self.call.wish(bytes);
    }
}

/// What a client knows of a key that it cannot ask for.
struct Own<'k, L: Lookup>(&'k L::Key);

impl<L: Lookup> Asked<L::Item> for Own<'_, L> {
    fn begin(&self, _: usize, item: &mut <L::Item as Structure>::Builder<'_>) {
        L::begin_own(item, self.0);
    }

    fn telling_len(&self, _: usize) -> Option<usize> {
        None
    }

    fn mark(&self, item: &mut <L::Item as Structure>::Builder<'_>, mark: Mark) {
        L::mark(item, mark);
    }

    fn ceiling(&self) -> usize {
        0
    }

    fn wish(&self, _: usize) {}
}

/// An answer that says of one key that it is too long.
pub(crate) fn own_answer<L: Lookup>(key: &L::Key) -> Result<Vec<u8>, EncodeError> {
    let own = Own::<L>(key);
    let mut payload = vec![0; FIXED + ENTRY + marked(&own, 0)];
    let mut outcome = Ok(false);
    {
        let mut writer = Writer::new(&mut payload);
        let mut answers = Answers::new(&own, (1, 0), &mut writer, None, &mut outcome)?;
        answers.leave_out();
    }
    match outcome {
        Ok(true) => Ok(payload),
        Err(Fault::Unwritten(error)) => Err(error),
        // There is one key, and it was answered.
        Ok(false) | Err(Fault::Miscounted { .. } | Fault::Interrupted) => Err(EncodeError::TooLarge(payload.len())),
    }
}

/// Has `handler` answer a request of a lookup where `writer` stands.
///
/// # Errors
/// What is wrong with the request or the answers, or why the handler gave up.
pub fn answer<L: Lookup>(
    call: &Call<'_>,
    request: &[u8],
    writer: &mut Writer<'_>,
    handler: impl FnOnce(Keys<'_, L::Key>, Answers<'_, L::Item>) -> HandlerResult,
) -> Result<(), Failure> {
    let keys = L::keys(<L::Request as WireMessage>::decode(request)?);
    let asked = Request::<L> { keys, call };
    let (mut outcome, mut aside) = (Ok(false), Vec::new());
    let answers = Answers::new(&asked, (keys.len(), request.len()), writer, Some(&mut aside), &mut outcome)?;
    let handled = handler(keys, answers);
    match (handled, outcome) {
        // What `finish` told the handler: an answer that is too long is one to a client that may take a longer one.
        (Err(handler), Err(fault @ Fault::Unwritten(error))) if handler.0.downcast_ref() == Some(&fault) => {
            Err(error.into())
        }
        (Err(handler), _) => Err(Failure::Handler(handler)),
        (Ok(()), Ok(true)) => Ok(()),
        (Ok(()), Err(Fault::Unwritten(error))) => Err(error.into()),
        (Ok(()), Err(fault)) => Err(Failure::Handler(fault.into())),
        // They were forgotten, and not dropped.
        (Ok(()), Ok(false)) => Err(Failure::Handler("the answers were never completed".into())),
    }
}
