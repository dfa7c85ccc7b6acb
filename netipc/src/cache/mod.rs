//! Level 3: the last snapshot of a service, kept, and looked up by key.
//!
//! Owns: which snapshot is current, who still reads an older one, and the index over it. It refuses to refresh by itself:
//! whoever owns a cache calls [`Cache::refresh`], and until then nothing changes.
//!
//! A snapshot is kept as the payload that it came in, proven once. A lookup computes one hash, follows one index, and
//! compares keys where they stand in the payload: no lock, no allocation, no copy. Readers that hold on to a
//! [`Reading`] go on seeing their snapshot while others come.
//!
//! Of items with equal keys the first is found; all are there in the iteration.

mod hash;
mod index;
mod swap;

use core::fmt;
use core::time::Duration;
use std::time::Instant;

use crate::buf::Writer;
use crate::client::{CallError, Client, State, Stub};
use crate::codec::private::{Count, FieldOf, KeyOf, Made, Records, Structure};
use crate::codec::{Amplified, EncodeError, Kept};
use crate::service::MethodInfo;
use crate::session::Abort;
use crate::sync::{Mutex, lock};
pub use hash::Hash;
use index::Index;
use swap::{Pin, Swap};

/// What a service declares of a snapshot: made by `snapshot(..)` on a method.
pub trait Source: 'static {
    /// The client of the service.
    type Stub: Stub;
    /// The message that a snapshot comes in.
    type Reply: Structure;
    /// The field of it that has the items.
    type Items: FieldOf<Self::Reply, Made: Records>;
    /// The field of it that counts snapshots.
    type Generation: FieldOf<Self::Reply, Made: Count>;
    /// The fields of an item that it is looked up by.
    type Key: KeyOf<Record<Self>>;
    /// The method.
    const METHOD: &'static MethodInfo;

    /// Writes the request.
    ///
    /// # Errors
    /// What its layout excludes.
    fn request(writer: &mut Writer<'_>) -> Result<(), EncodeError>;
}

/// The message of a snapshot, in place.
type View<'a, S> = <<S as Source>::Reply as Structure>::View<'a>;
/// The list in it.
type List<S> = <<S as Source>::Items as FieldOf<<S as Source>::Reply>>::Made;
/// What the list has.
type Record<S> = <List<S> as Records>::Record;
/// One item of a snapshot, in place.
type Item<'a, S> = <Record<S> as Structure>::View<'a>;
/// What one is looked up by.
type Key<'k, S> = <<S as Source>::Key as KeyOf<Record<S>>>::Sought<'k>;

/// The items of a snapshot.
#[inline(always)]
fn items<S: Source>(reply: View<'_, S>) -> <List<S> as Made>::View<'_> {
    S::Items::get(reply)
}

/// The number of a snapshot.
fn generation<S: Source>(reply: View<'_, S>) -> u64 {
    <S::Generation as FieldOf<S::Reply>>::Made::count(S::Generation::get(reply))
}

/// Why a refresh has failed. The cache has what it had before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// There was no answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The items overlap so much that copies of them would be more than four times as large as the payload.
    #[error(transparent)]
    Amplified(#[from] Amplified),
}

/// What a refresh has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refreshed {
    /// The number of the snapshot, as the service counts.
    pub generation: u64,
    /// Items in it.
    pub items: usize,
    /// Whether it differs in any byte from what there was.
    pub changed: bool,
}

/// What a cache is and has done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// What its client is, as of the last refresh.
    pub state: State,
    /// The number of the snapshot, if there is one.
    pub generation: Option<u64>,
    /// Items in it.
    pub items: usize,
    /// Items in it that no lookup finds, because an earlier one has an equal key.
    pub duplicates: usize,
    /// Bytes that it takes, without its index.
    pub bytes: usize,
    /// How long ago the last refresh succeeded.
    pub age: Option<Duration>,
    /// Refreshes that succeeded.
    pub successes: u64,
    /// Refreshes that failed.
    pub failures: u64,
    /// Why the last one failed, if it did.
    pub last_error: Option<RefreshError>,
}

/// A snapshot, and where its keys are.
struct Snapshot<S: Source> {
    payload: Kept<S::Reply>,
    index: Index,
}

#[derive(Debug)]
struct Life {
    state: State,
    refreshed: Option<Instant>,
    successes: u64,
    failures: u64,
    last_error: Option<RefreshError>,
}

/// What only one refresh at a time may use.
struct Refresher {
    client: Client,
    /// Memory for the next index.
    spare: Vec<u64>,
}

/// The last snapshot of a service.
///
/// Any number of threads may read it and refresh it at once. Readers wait for nobody; a refresh waits for the one before.
pub struct Cache<S: Source> {
    current: Swap<Snapshot<S>>,
    refresher: Mutex<Refresher>,
    abort: Abort,
    /// Held for a few words.
    life: Mutex<Life>,
}

impl<S: Source> fmt::Debug for Cache<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl<S: Source> Cache<S> {
    /// An empty cache of the service in the directory `run_dir`; nothing is connected yet.
    #[must_use]
    pub fn new(run_dir: impl Into<std::path::PathBuf>) -> Self {
        Self::over(crate::client::Config::<S::Stub>::new().build(run_dir))
    }

    /// An empty cache that is refreshed by this client.
    #[must_use]
    pub fn over(client: S::Stub) -> Self {
        let client = client.into_client();
        let life = Life { state: client.state(), refreshed: None, successes: 0, failures: 0, last_error: None };
        Self {
            current: Swap::new(),
            abort: client.abort_handle(),
            refresher: Mutex::new(Refresher { client, spare: Vec::new() }),
            life: Mutex::new(life),
        }
    }

    /// Asks for a new snapshot, once; connects for it if that is needed. Readers that come later see it.
    ///
    /// # Errors
    /// Why there is none. Then everything stays as it was, and the next refresh may succeed.
    pub fn refresh(&self) -> Result<Refreshed, RefreshError> {
        let mut refresher = lock(&self.refresher);
        let refreshed = self.replace(&mut refresher);
        let mut life = lock(&self.life);
        life.state = refresher.client.state();
        match &refreshed {
            Ok(_) => {
                life.successes += 1;
                life.refreshed = Some(Instant::now());
                life.last_error = None;
            }
            Err(error) => {
                life.failures += 1;
                life.last_error = Some(error.clone());
            }
        }
        refreshed
    }

    fn replace(&self, refresher: &mut Refresher) -> Result<Refreshed, RefreshError> {
        let Refresher { client, spare } = refresher;
        let payload = client.fetch::<S::Reply>(S::METHOD, S::request)?;
        let view = payload.view();
        S::Reply::bounded(view)?;
        let (items, generation) = (items::<S>(view), generation::<S>(view));
        let len = List::<S>::len(items);
        let is_same = self.current.read().as_ref().is_some_and(|now| now.payload.bytes() == payload.bytes());
        if !is_same {
            let key = |position| List::<S>::get(items, position as usize).map(S::Key::sought);
            let index = Index::new(
                core::mem::take(spare),
                // More than that are no payload: an item takes bytes.
                u32::try_from(len).unwrap_or(u32::MAX),
                |position, hash| {
                    if let Some(key) = key(position) {
                        S::Key::digest(key, hash);
                    }
                },
                |one, other| key(one).zip(key(other)).is_some_and(|(one, other)| S::Key::same(one, other)),
            );
            if let Some(retired) = self.current.replace(Snapshot { payload, index }) {
                *spare = retired.index.into_words();
            }
        }
        Ok(Refreshed { generation, items: len, changed: !is_same })
    }

    /// What frees a refresh that waits, from any thread, at once. So does it every later one, until [`Abort::reset`].
    #[must_use]
    pub fn abort_handle(&self) -> Abort {
        self.abort.clone()
    }

    /// What there is, for as long as one looks at it.
    #[inline]
    #[must_use]
    pub fn read(&self) -> Reading<'_, S> {
        Reading(self.current.read())
    }

    /// What the cache is and has done. Waits for no refresh.
    #[must_use]
    pub fn status(&self) -> Status {
        let reading = self.read();
        let (duplicates, bytes) =
            reading.0.as_ref().map_or((0, 0), |now| (now.index.duplicates(), now.payload.bytes().len()));
        let (generation, items) = (reading.generation(), reading.len());
        let life = lock(&self.life);
        Status {
            state: life.state,
            generation,
            items,
            duplicates,
            bytes,
            age: life.refreshed.map(|refreshed| refreshed.elapsed()),
            successes: life.successes,
            failures: life.failures,
            last_error: life.last_error.clone(),
        }
    }
}

/// One snapshot, which stays as it is while this lives.
pub struct Reading<'c, S: Source>(Pin<'c, Snapshot<S>>);

impl<S: Source> fmt::Debug for Reading<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("generation", &self.generation()).field("items", &self.len()).finish()
    }
}

impl<S: Source> Reading<'_, S> {
    /// The item with this key; the first of several.
    #[inline]
    #[must_use]
    pub fn get(&self, key: Key<'_, S>) -> Option<Item<'_, S>> {
        let now = self.0.as_ref()?;
        let items = items::<S>(now.payload.view());
        let mut found = None;
        now.index.find(
            |hash| S::Key::digest(key, hash),
            |position| {
                found = List::<S>::get(items, position as usize);
                found.is_some_and(|item| S::Key::same(S::Key::sought(item), key))
            },
        )?;
        found
    }

    /// All items, in the order of the service.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, S> {
        Iter(self.message().map(items::<S>))
    }

    /// Items in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.message().map_or(0, |reply| List::<S>::len(items::<S>(reply)))
    }

    /// Whether there are none, or no snapshot yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the snapshot, as the service counts; none before the first.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        self.message().map(generation::<S>)
    }

    /// The whole message.
    #[must_use]
    pub fn message(&self) -> Option<View<'_, S>> {
        self.0.as_ref().map(|now| now.payload.view())
    }
}

impl<'r, S: Source> IntoIterator for &'r Reading<'_, S> {
    type Item = Item<'r, S>;
    type IntoIter = Iter<'r, S>;

    fn into_iter(self) -> Iter<'r, S> {
        self.iter()
    }
}

/// The items of one snapshot.
pub struct Iter<'r, S: Source>(Option<<List<S> as Made>::View<'r>>);

impl<S: Source> fmt::Debug for Iter<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("left", &self.len()).finish()
    }
}

impl<'r, S: Source> Iterator for Iter<'r, S> {
    type Item = Item<'r, S>;

    #[inline]
    fn next(&mut self) -> Option<Item<'r, S>> {
        self.0.as_mut().and_then(List::<S>::next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.0.map_or(0, List::<S>::len);
        (left, Some(left))
    }
}

impl<S: Source> ExactSizeIterator for Iter<'_, S> {}
impl<S: Source> core::iter::FusedIterator for Iter<'_, S> {}
