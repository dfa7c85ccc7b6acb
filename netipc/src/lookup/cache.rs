//! What a client keeps of the answers to lookups, within a bounded size.
//!
//! Owns: which items still hold, and which go when there is no room. It refuses to guess what a status means: the service
//! declares how long an item may be kept (`keep` of `lookup(..)`).
//!
//! It is one thread's own. Its index is the standard library's, whose hash is seeded, so that keys which somebody else may
//! choose can't be made to collide.

use core::fmt;
use std::collections::HashMap;
use std::path::PathBuf;

use super::course::look_up_by;
use super::{Answer, Found, Keyed, Lookup};
use crate::client::{CallError, Client, Config, LookupError, State, Stub};
use crate::codec::Kept;
use crate::service::Sought;
use crate::session::Abort;

/// Items that are kept unless it is said.
const ITEMS: usize = 65_536;
/// Bytes that they may take unless it is said.
const BYTES: usize = 64 << 20;
/// How often one call begins again because what the server knows has changed meanwhile.
const ROUNDS: usize = 4;

/// How long an item holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Keep {
    /// Not at all: it is asked for again each time, as what is not known yet.
    Never,
    /// Until the server counts another generation.
    WhileUnchanged,
    /// Until the generation falls, which tells of another server: what will never be known, and what never changes.
    UntilRestart,
}

/// A lookup whose items may be kept: made by `keep` of `lookup(..)`.
pub trait Keeper: Lookup {
    /// The client of the service.
    type Stub: Stub;

    /// How long an item holds.
    fn keep(item: Found<'_, Self>) -> Keep
    where
        Self: Sized;
}

/// What is kept of one item.
struct Entry<L: Lookup> {
    key: Box<[u8]>,
    payload: Kept<L::Item>,
    keep: Keep,
    generation: u64,
    /// The call that looked it up last.
    call: u64,
    /// Whether it was looked up since somebody else was in need of room.
    is_used: bool,
}

impl<L: Lookup> Entry<L> {
    fn bytes(&self) -> usize {
        2 * self.key.len() + self.payload.bytes().len() + size_of::<Self>()
    }
}

/// What a cache is and has done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// What its client is.
    pub state: State,
    /// What the server counted last, if it was asked.
    pub generation: Option<u64>,
    /// Items that are kept, those that don't hold any more among them.
    pub items: usize,
    /// Bytes that they take.
    pub bytes: usize,
    /// Keys whose items were there.
    pub hits: u64,
    /// Keys that were asked for.
    pub misses: u64,
    /// Items that went for others.
    pub evicted: u64,
    /// Why the last call failed, if it did.
    pub last_error: Option<CallError>,
}

/// Keeps what a lookup has answered, and asks for what it does not have.
pub struct Cache<L: Keeper> {
    client: Client,
    index: HashMap<Box<[u8]>, usize>,
    entries: Vec<Option<Entry<L>>>,
    free: Vec<usize>,
    /// Where room is looked for next.
    hand: usize,
    generation: Option<u64>,
    most: (usize, usize),
    bytes: usize,
    call: u64,
    hits: u64,
    misses: u64,
    evicted: u64,
    last_error: Option<CallError>,
}

impl<L: Keeper> fmt::Debug for Cache<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl<L: Keeper> Cache<L> {
    /// An empty cache for the service in the directory `run_dir`; nothing is connected yet.
    #[must_use]
    pub fn new(run_dir: impl Into<PathBuf>) -> Self {
        Self::over(Config::<L::Stub>::new().build(run_dir))
    }

    /// An empty cache that asks by this client.
    #[must_use]
    pub fn over(client: L::Stub) -> Self {
        Self {
            client: client.into_client(),
            index: HashMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            hand: 0,
            generation: None,
            most: (ITEMS, BYTES),
            bytes: 0,
            call: 0,
            hits: 0,
            misses: 0,
            evicted: 0,
            last_error: None,
        }
    }

    /// The most items to keep, 65,536 unless set. What was not looked up lately goes first.
    #[must_use]
    pub fn max_items(self, items: usize) -> Self {
        Self { most: (items, self.most.1), ..self }
    }

    /// The most bytes that they may take, 64 MiB unless set.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        Self { most: (self.most.0, bytes), ..self }
    }

    /// An item for each key, in their order: those that still hold, and those of the others by one lookup. It asks nobody
    /// where all of them hold, and connects if it has to.
    ///
    /// Where the server counts another generation than before, what no longer holds is asked for as well: all items are of
    /// one generation, but for those that hold [until a restart](Keep::UntilRestart).
    ///
    /// # Errors
    /// See [`CallError`]. What is kept stays.
    pub fn look_up<I>(&mut self, keys: I) -> Result<Looked<'_, L>, CallError>
    where
        I: IntoIterator,
        I::Item: Keyed<L::Key>,
    {
        let keys: Vec<I::Item> = keys.into_iter().collect();
        match self.resolve(&keys) {
            Ok((places, fresh)) => Ok(Looked { cache: self, places, fresh }),
            Err(error) => {
                self.last_error = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Asks the server for its generation, so that what no longer holds is asked for again.
    ///
    /// # Errors
    /// See [`CallError`]. What is kept stays.
    pub fn refresh(&mut self) -> Result<u64, CallError> {
        let limits = self.client.begin_lookup();
        let asked = self.client.connected(limits.deadline).and_then(|()| {
            let nothing = core::iter::empty::<&L::Key>();
            look_up_by::<L, _>(&mut self.client, nothing, |key| *key, limits)
        });
        let generation = asked.map(|answer| answer.generation()).inspect_err(|error| {
            self.last_error = Some(error.clone());
        })?;
        self.turn(generation);
        self.last_error = None;
        Ok(generation)
    }

    /// The item of a key, if it is kept and holds. Asks nobody.
    #[must_use]
    pub fn get(&self, key: &L::Key) -> Option<Found<'_, L>> {
        self.place(key).and_then(|slot| self.entry(slot)).map(|entry| entry.payload.view())
    }

    /// Keeps nothing any more.
    pub fn clear(&mut self) {
        self.index.clear();
        self.entries.clear();
        self.free.clear();
        (self.hand, self.bytes) = (0, 0);
    }

    /// What frees a call that waits, from any thread, at once. So does it every later one, until [`Abort::reset`].
    #[must_use]
    pub fn abort_handle(&self) -> Abort {
        self.client.abort_handle()
    }

    /// What the cache is and has done.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            state: self.client.state(),
            generation: self.generation,
            items: self.index.len(),
            bytes: self.bytes,
            hits: self.hits,
            misses: self.misses,
            evicted: self.evicted,
            last_error: self.last_error.clone(),
        }
    }

    fn entry(&self, slot: usize) -> Option<&Entry<L>> {
        self.entries.get(slot)?.as_ref()
    }

    /// Where the item of a key is, if it holds.
    fn place(&self, key: &L::Key) -> Option<usize> {
        let slot = key.with_bytes(|key| self.index.get(key).copied())?;
        let entry = self.entry(slot)?;
        let holds = entry.keep == Keep::UntilRestart || Some(entry.generation) == self.generation;
        holds.then_some(slot)
    }

    fn resolve<K: Keyed<L::Key>>(&mut self, keys: &[K]) -> Result<(Vec<Place>, Option<Answer<L>>), CallError> {
        let limits = self.client.begin_lookup();
        let before = self.generation;
        for _ in 0..ROUNDS {
            self.call += 1;
            let mut missing = Vec::new();
            let places: Vec<Place> = keys.iter().map(|key| self.look(key, &mut missing)).collect();
            if missing.is_empty() {
                self.hits += keys.len() as u64;
                self.last_error = None;
                return Ok((places, None));
            }
            self.client.connected(limits.deadline)?;
            let fresh = look_up_by::<L, _>(&mut self.client, missing.iter(), |key| (**key).key(), limits)?;
            // Nobody was asked where no key fits a request: nothing is known of the server then.
            let has_turned = fresh.known_generation().is_some_and(|now| self.turn(now));
            let all_hold = !has_turned
                || places.iter().all(|place| match place {
                    Place::Kept(slot) => self.entry(*slot).is_some_and(|entry| entry.keep == Keep::UntilRestart),
                    Place::Fresh(_) => true,
                });
            if fresh.known_generation().is_some() {
                self.keep(&missing, &fresh);
            }
            if all_hold {
                self.misses += missing.len() as u64;
                self.hits += (keys.len() - missing.len()) as u64;
                self.last_error = None;
                return Ok((places, Some(fresh)));
            }
        }
        let (before, now) = (before.unwrap_or_default(), self.generation.unwrap_or_default());
        Err(self.client.give_up(LookupError::GenerationChanged { before, now }))
    }

    /// Where the item of a key is: here, or in an answer for what is missing.
    fn look<'k, K: Keyed<L::Key>>(&mut self, key: &'k K, missing: &mut Vec<&'k K>) -> Place {
        let call = self.call;
        if let Some(slot) = self.place(key.key()) {
            if let Some(Some(entry)) = self.entries.get_mut(slot) {
                (entry.call, entry.is_used) = (call, true);
                return Place::Kept(slot);
            }
        }
        missing.push(key);
        Place::Fresh(missing.len() - 1)
    }

    /// The server counts this generation now; whether it counted another one before.
    fn turn(&mut self, now: u64) -> bool {
        let before = self.generation.replace(now);
        if before.is_some_and(|before| now < before) {
            self.clear();
        }
        before.is_some_and(|before| now != before)
    }

    /// Keeps the answers to these keys, as far as they hold and there is room.
    fn keep<K: Keyed<L::Key>>(&mut self, keys: &[&K], answer: &Answer<L>) {
        let generation = answer.generation();
        for (index, (key, item)) in keys.iter().zip(answer).enumerate() {
            let key: &L::Key = key.key();
            let old = key.with_bytes(|key| self.index.get(key).copied());
            if let Some(slot) = old {
                self.drop_entry(slot);
            }
            let keep = if L::marked(item).is_some() { Keep::WhileUnchanged } else { L::keep(item) };
            if keep == Keep::Never {
                continue;
            }
            // The bytes of an item are such a message by themselves.
            let Some(payload) = answer.bytes(index).and_then(|bytes| Kept::new(bytes.to_vec().into()).ok()) else {
                continue;
            };
            let key = key.with_bytes(|key| Box::<[u8]>::from(key));
            let entry = Entry { key, payload, keep, generation, call: self.call, is_used: true };
            if entry.bytes() > self.most.1 {
                continue;
            }
            if !self.make_room(entry.bytes()) {
                return;
            }
            self.bytes += entry.bytes();
            let slot = self.free.pop().unwrap_or(self.entries.len());
            self.index.insert(entry.key.clone(), slot);
            match self.entries.get_mut(slot) {
                Some(place) => *place = Some(entry),
                None => self.entries.push(Some(entry)),
            }
        }
    }

    /// Has room for one more item, of so many bytes, by giving up others that this call has not looked up; whether there is.
    fn make_room(&mut self, bytes: usize) -> bool {
        // Each is passed at most twice: the first time it loses its second chance.
        let mut steps = 2 * self.entries.len();
        while self.index.len() >= self.most.0 || self.bytes + bytes > self.most.1 {
            if steps == 0 {
                return false;
            }
            steps -= 1;
            let slot = self.hand;
            self.hand = if slot + 1 < self.entries.len() { slot + 1 } else { 0 };
            match self.entries.get_mut(slot) {
                Some(Some(entry)) if entry.call == self.call => {}
                Some(Some(entry)) if entry.is_used => entry.is_used = false,
                Some(Some(_)) => {
                    self.drop_entry(slot);
                    self.evicted += 1;
                }
                Some(None) | None => {}
            }
        }
        true
    }

    fn drop_entry(&mut self, slot: usize) {
        if let Some(entry) = self.entries.get_mut(slot).and_then(Option::take) {
            self.bytes -= entry.bytes();
            self.index.remove(&entry.key);
            self.free.push(slot);
        }
    }
}

/// Where the item of one key is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Kept(usize),
    Fresh(usize),
}

/// What was found: an item for each key, in their order, kept or fresh.
pub struct Looked<'c, L: Keeper> {
    cache: &'c Cache<L>,
    places: Vec<Place>,
    fresh: Option<Answer<L>>,
}

impl<L: Keeper> fmt::Debug for Looked<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looked").field("len", &self.len()).field("asked", &self.asked()).finish_non_exhaustive()
    }
}

impl<L: Keeper> Looked<'_, L> {
    /// How many keys there were.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there were no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many of them the server was asked for.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.fresh.as_ref().map_or(0, Answer::len)
    }

    /// What was found for key number `index`, from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Found<'_, L>> {
        match *self.places.get(index)? {
            Place::Kept(slot) => self.cache.entry(slot).map(|entry| entry.payload.view()),
            Place::Fresh(index) => self.fresh.as_ref()?.get(index),
        }
    }

    /// What was found, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = Found<'_, L>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}
