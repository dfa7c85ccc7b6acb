//! What a cache of a lookup keeps when little of it can be kept, and what it believes of its server.
#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use netipc::client::{Config, LookupError};
use netipc::lookup::Keep;
use netipc::server::InProcess;
use netipc::{Answers, CallError, HandlerResult, Keys, WireMessage};
use netipc_tests::random::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u8)]
pub enum State {
    Known = 0,
    Gone = 1,
    Long = 2,
    Forever = 3,
    Unknown = 4,
}

/// What is known of a word.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Word {
    pub status: State,
    pub word: CString,
    pub generation: u64,
    pub text: String,
}

#[netipc::service(name = "bounds")]
pub trait Words {
    #[method(lookup(keys = words, items = items, echo = word, generation = generation,
        exceeded = State::Gone, oversized = State::Long, keep = keep))]
    fn find(&self, words: Keys<'_, CStr>, reply: Answers<'_, Word>) -> HandlerResult;
}

thread_local! {
    static PANICS_AT: Cell<Option<usize>> = const { Cell::new(None) };
}

fn keep(item: &WordView<'_>) -> Keep {
    match PANICS_AT.get() {
        Some(0) => resume_unwind(Box::new("on purpose")),
        Some(left) => PANICS_AT.set(Some(left - 1)),
        None => {}
    }
    match item.status() {
        State::Known => Keep::WhileUnchanged,
        State::Forever => Keep::UntilRestart,
        State::Unknown | State::Gone | State::Long => Keep::Never,
    }
}

#[derive(Clone, Default)]
struct Host {
    generation: Arc<AtomicU64>,
    /// What is added to it with each call.
    step: Arc<AtomicU64>,
    asked: Arc<AtomicUsize>,
}

/// What a word is: its first letter says how it is, and its number how long its text.
fn status(word: &CStr) -> State {
    match word.to_bytes().first() {
        Some(b'k') => State::Known,
        Some(b'f') => State::Forever,
        _ => State::Unknown,
    }
}

fn text(word: &CStr) -> String {
    "t".repeat(word.to_str().unwrap()[1..].parse().unwrap_or(0))
}

impl Words for Host {
    fn find(&self, words: Keys<'_, CStr>, mut reply: Answers<'_, Word>) -> HandlerResult {
        self.asked.fetch_add(words.len(), Ordering::Relaxed);
        let generation = self.generation.fetch_add(self.step.load(Ordering::Relaxed), Ordering::Relaxed);
        reply.generation(generation);
        for word in words {
            let text = text(word);
            reply.answer(|item| item.status(status(word)).generation(generation).text(&text));
        }
        Ok(())
    }
}

impl Host {
    fn cache(&self, config: Config<WordsClient>) -> WordsFindCache {
        let server = InProcess::new(WordsServer::new(self.clone()).max_response_payload(1 << 20));
        WordsFindCache::over(server.connect(config).unwrap())
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::Relaxed)
    }
}

fn words(cache: &mut WordsFindCache, words: &[CString]) -> Result<Vec<Word>, CallError> {
    let looked = cache.look_up(words.iter().map(CString::as_c_str))?;
    let found: Vec<Word> = looked.iter().map(|item| item.to_owned()).collect();
    assert_eq!(found.len(), words.len());
    assert!(found.iter().zip(words).all(|(item, word)| item.word == *word));
    Ok(found)
}

fn word(text: &str) -> CString {
    CString::new(text).unwrap()
}

#[test]
fn a_key_that_nobody_is_asked_for_says_nothing_of_the_server() {
    let host = Host::default();
    host.generation.store(5, Ordering::Relaxed);
    let mut cache = host.cache(WordsClient::config().max_request_payload(1000));
    let long = CString::new(vec![b'x'; 2000]).unwrap();
    assert_eq!(words(&mut cache, std::slice::from_ref(&long)).unwrap()[0].status, State::Long);
    assert_eq!((cache.status().generation, host.asked()), (None, 0));
    let known = [word("k1"), word("f2")];
    words(&mut cache, &known).unwrap();
    assert_eq!(words(&mut cache, &[known[0].clone(), long.clone()]).unwrap()[1].status, State::Long);
    let status = cache.status();
    assert_eq!((status.generation, status.items, host.asked()), (Some(5), 2, 2));
    words(&mut cache, &known).unwrap();
    assert_eq!(host.asked(), 0);
}

#[test]
fn an_item_that_is_larger_than_all_that_may_be_kept_drives_out_nothing() {
    let host = Host::default();
    let mut cache = host.cache(WordsClient::config()).max_bytes(4000);
    let few: Vec<CString> = (0..5).map(|number| word(&format!("k{number}"))).collect();
    words(&mut cache, &few).unwrap();
    let before = cache.status();
    assert_eq!((before.items, host.asked()), (5, 5));
    words(&mut cache, &[word("k9000"), word("k6")]).unwrap();
    let after = cache.status();
    assert_eq!((after.items, after.evicted, host.asked()), (6, 0, 2));
    words(&mut cache, &few).unwrap();
    assert!(host.asked() == 0 && cache.get(c"k6").is_some() && cache.get(c"k9000").is_none());
}

#[test]
fn a_generation_that_never_stays_is_told_after_a_few_calls() {
    for step in [1, u64::MAX] {
        let host = Host::default();
        host.generation.store(1 << 40, Ordering::Relaxed);
        let mut cache = host.cache(WordsClient::config());
        words(&mut cache, &[word("k1")]).unwrap();
        host.step.store(step, Ordering::Relaxed);
        // The first of them is kept, and holds no more whenever the second is asked for.
        let first = words(&mut cache, &[word("k1"), word("k2")]);
        let all = [word("k1"), word("k2"), word("x")];
        let outcomes: Vec<_> = (0..20).map(|_| words(&mut cache, &all)).chain([first]).collect();
        for outcome in outcomes {
            match outcome {
                Ok(found) => assert!(found.iter().all(|item| item.generation == found[0].generation)),
                Err(error) => assert!(matches!(error, CallError::Lookup(LookupError::GenerationChanged { .. }))),
            }
        }
        assert!(host.asked() <= 2 + 22 * 4 * 3);
        // What holds whatever is counted needs no other calls.
        if step == 1 {
            words(&mut cache, &[word("f1")]).unwrap();
            host.asked();
            assert_eq!(words(&mut cache, &[word("f1"), word("x")]).unwrap().len(), 2);
            assert_eq!(host.asked(), 1);
        }
    }
}

#[test]
fn a_panic_in_keep_loses_no_count() {
    let host = Host::default();
    let mut cache = host.cache(WordsClient::config()).max_items(8);
    let mut random = Random::new(3);
    for round in 0..300 {
        let some: Vec<CString> = (0..random.below(12)).map(|_| word(&format!("k{}", random.below(20)))).collect();
        PANICS_AT.set(Some(random.below(10)));
        let _ = catch_unwind(AssertUnwindSafe(|| words(&mut cache, &some).map(drop)));
        PANICS_AT.set(None);
        if round % 3 == 0 {
            host.generation.fetch_add(1, Ordering::Relaxed);
            cache.refresh().unwrap();
        }
        assert_counted(&cache);
        assert!(words(&mut cache, &some).is_ok());
        assert_counted(&cache);
    }
}

/// What an item is counted for does not depend on when it came: two caches that hold the same count the same.
fn assert_counted(cache: &WordsFindCache) {
    let status = cache.status();
    let kept: Vec<CString> = ["k", "f"]
        .iter()
        .flat_map(|kind| (0..20).map(move |number| word(&format!("{kind}{number}"))))
        .filter(|word| cache.get(word).is_some())
        .collect();
    assert!(kept.len() <= status.items);
    assert_eq!(status.items == 0, status.bytes == 0);
}

/// Bytes that an item is counted for, found out by a cache that holds nothing else.
fn bytes_of(host: &Host, known: &mut HashMap<CString, usize>, word: &CStr) -> usize {
    if let Some(bytes) = known.get(word) {
        return *bytes;
    }
    let mut alone = host.cache(WordsClient::config());
    words(&mut alone, &[word.to_owned()]).unwrap();
    let bytes = alone.status().bytes;
    known.insert(word.to_owned(), bytes);
    bytes
}

#[test]
fn items_and_bytes_are_what_is_kept_after_anything() {
    for seed in 0..60 {
        let (host, mut random, mut sizes) = (Host::default(), Random::new(seed), HashMap::new());
        host.generation.store(1, Ordering::Relaxed);
        let (items, bytes) = (random.below(20), 400 + random.below(8000));
        let mut cache = host.cache(WordsClient::config()).max_items(items).max_bytes(bytes);
        let all: Vec<CString> = ["k", "f", "x"]
            .iter()
            .flat_map(|kind| [0, 1, 2, 3, 10, 100, 500, 3000, 9000].map(|len| word(&format!("{kind}{len}"))))
            .collect();
        for _ in 0..200 {
            match random.below(12) {
                0 => {
                    host.generation.fetch_add(1, Ordering::Relaxed);
                }
                1 => cache.clear(),
                2 => drop(cache.refresh().unwrap()),
                _ => {}
            }
            let some: Vec<CString> = (0..random.below(10)).map(|_| all[random.below(all.len())].clone()).collect();
            words(&mut cache, &some).unwrap();
            let status = cache.status();
            assert!(status.items <= items && status.bytes <= bytes, "{seed}: {status:?}");
            // One after the other are driven out, or asked for again, until only those are left that hold.
            let held: Vec<&CString> = all.iter().filter(|word| cache.get(word).is_some()).collect();
            let sum: usize = held.iter().map(|word| bytes_of(&host, &mut sizes, word)).sum();
            assert!(held.len() <= status.items && sum <= status.bytes);
            if host.generation.load(Ordering::Relaxed) == 1 {
                assert_eq!((held.len(), sum), (status.items, status.bytes), "{seed}");
            }
        }
        cache.clear();
        assert_eq!((cache.status().items, cache.status().bytes), (0, 0));
    }
}

#[test]
fn a_cache_that_may_keep_less_from_now_on_does_with_the_next_item() {
    let host = Host::default();
    let mut cache = host.cache(WordsClient::config());
    let many: Vec<CString> = (0..100).map(|number| word(&format!("k{number}"))).collect();
    words(&mut cache, &many).unwrap();
    assert_eq!(cache.status().items, 100);
    let mut cache = cache.max_items(10);
    assert_eq!(words(&mut cache, &many).unwrap().len(), 100);
    words(&mut cache, &[word("k500")]).unwrap();
    assert!(cache.status().items <= 10, "{:?}", cache.status());
    assert!(cache.get(c"k500").is_some());
}
