//! A service of nobody's but this test's: a snapshot and a lookup, by declaration alone.
#![cfg(target_os = "linux")]

use netipc::lookup::Keep;
use netipc::wire::Profiles;
use netipc::{Answers, CallError, HandlerResult, Keys, Reply, WireMessage};
use netipc_tests::processes::RunDir;

/// Whether a book can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u8)]
pub enum Shelf {
    There = 1,
    Lent = 2,
    Unheard = 3,
    NoRoom = 4,
    TooLong = 5,
}

/// One copy of a book.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Copy {
    pub inventory: u64,
    pub owner: String,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
pub struct Signature {
    pub room: u16,
    pub code: String,
}

/// A book in its natural layout, with lists inside.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Book {
    pub shelf: Shelf,
    pub code: String,
    pub title: String,
    pub weight: f64,
    pub copies: Vec<Copy>,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Catalogue {
    pub edition: u32,
    pub books: Vec<Book>,
}

#[netipc::service(name = "library")]
pub trait Library {
    /// Everything.
    #[method(snapshot(items = books, key(code), generation = edition))]
    fn catalogue(&self, reply: Reply<'_, Catalogue>) -> HandlerResult;

    /// Some of it.
    #[method(code = 9, lookup(keys = wanted, items = found, echo = code, generation = edition, status = shelf,
        exceeded = Shelf::NoRoom, oversized = Shelf::TooLong, blank(weight = 1.0), keep = how_long))]
    fn find(&self, call: &netipc::Call<'_>, wanted: Keys<'_, Signature>, reply: Answers<'_, Book>) -> HandlerResult;

    /// Something else, whose name no batch of a lookup has.
    fn find_batch(&self) -> u32;
}

fn how_long(book: &BookView<'_>) -> Keep {
    if book.shelf() == Shelf::Unheard { Keep::Never } else { Keep::WhileUnchanged }
}

struct Reading;

fn books() -> Vec<Book> {
    let book = |number: u64| Book {
        shelf: if number.is_multiple_of(5) { Shelf::Lent } else { Shelf::There },
        code: format!("{:03}", number * 7 % 1000),
        title: format!("Volume {number}{}", "!".repeat(number as usize % 30)),
        weight: number as f64 / 10.0,
        copies: (0..number % 4).map(|copy| Copy { inventory: copy, owner: "town".repeat(copy as usize) }).collect(),
    };
    (1..300).map(book).collect()
}

impl Library for Reading {
    fn catalogue(&self, mut reply: Reply<'_, Catalogue>) -> HandlerResult {
        reply.edition(4);
        let all = books();
        let mut list = reply.books(all.len());
        for book in &all {
            list.push_value(book);
        }
        Ok(())
    }

    fn find(
        &self,
        call: &netipc::Call<'_>,
        wanted: Keys<'_, Signature>,
        mut reply: Answers<'_, Book>,
    ) -> HandlerResult {
        assert_eq!(call.peer().pid, Some(std::process::id()));
        reply.generation(4);
        let all = books();
        for signature in wanted {
            match all.iter().find(|book| book.code == signature.code() && signature.room() == 1) {
                None => reply.answer(|item| item.shelf(Shelf::Unheard)),
                Some(book) => reply.answer(|item| {
                    item.shelf(book.shelf).title(&book.title).weight(book.weight);
                    let mut copies = item.copies(book.copies.len());
                    for copy in &book.copies {
                        copies.push_value(copy);
                    }
                    item
                }),
            };
        }
        Ok(())
    }

    fn find_batch(&self) -> u32 {
        3
    }
}

#[test]
fn a_service_of_ones_own_has_a_cache_a_lookup_and_a_cache_of_that_by_declaration() {
    for profiles in [Profiles::BASELINE, Profiles::BASELINE | Profiles::SHM_HYBRID] {
        for limit in [300, 1024, 1 << 20] {
            let run_dir = RunDir::new();
            let server = LibraryServer::new(Reading).profiles(profiles).max_response_payload(limit);
            let server = server.response_ceiling(1 << 20).bind(run_dir.path()).unwrap().spawn().unwrap();
            let snapshot = LibraryCache::over(LibraryClient::config().profiles(profiles).build(run_dir.path()));
            snapshot.refresh().unwrap();
            let config = LibraryClient::config().profiles(profiles);
            let mut client = config.clone().connect(run_dir.path()).unwrap();
            let mut kept = LibraryFindCache::over(config.build(run_dir.path()));
            let all = books();
            let wanted: Vec<Signature> =
                all.iter().enumerate().map(|(i, it)| Signature { room: i as u16 % 9, code: it.code.clone() }).collect();
            let found = client.find(&wanted).unwrap();
            let looked = kept.look_up(&wanted).unwrap();
            assert_eq!((found.len(), looked.len(), found.generation()), (all.len(), all.len(), 4));
            for (index, ((item, again), book)) in found.iter().zip(looked.iter()).zip(&all).enumerate() {
                assert_eq!(item.to_owned(), again.to_owned());
                if index % 9 == 1 {
                    assert_eq!(item.to_owned(), *book);
                    let of_snapshot = snapshot.read();
                    assert_eq!(of_snapshot.get(&book.code).map(|book| book.to_owned()).as_ref(), Some(book));
                } else {
                    let nothing = (Shelf::Unheard, book.code.as_str(), "", 1.0);
                    assert_eq!((item.shelf(), item.code(), item.title(), item.weight()), nothing);
                }
            }
            let unheard = wanted.iter().filter(|signature| signature.room != 1).count();
            assert_eq!(kept.look_up(&wanted).unwrap().asked(), unheard);
            assert_eq!(client.find_batch(), Ok(3));
            server.shutdown(std::time::Duration::from_secs(60)).unwrap();
        }
    }
}

/// Says too little, too much, or what the layout excludes.
struct Careless(u32);

impl Library for Careless {
    fn catalogue(&self, _: Reply<'_, Catalogue>) -> HandlerResult {
        Ok(())
    }

    fn find(&self, _: &netipc::Call<'_>, wanted: Keys<'_, Signature>, mut reply: Answers<'_, Book>) -> HandlerResult {
        match self.0 {
            0 => {}
            1 => {
                for _ in 0..wanted.len() + 1 {
                    reply.answer(|item| item.shelf(Shelf::There));
                }
            }
            2 => std::mem::forget(reply),
            3 => {
                reply.answer(|item| item.shelf(Shelf::There));
                return Err("enough".into());
            }
            4 => panic!("on purpose"),
            _ => return reply.finish(),
        }
        Ok(())
    }

    fn find_batch(&self) -> u32 {
        0
    }
}

#[test]
fn a_handler_that_does_not_answer_each_key_fails_and_says_why() {
    use std::sync::{Arc, Mutex};
    let wanted = [Signature { room: 1, code: "007".into() }, Signature { room: 1, code: "014".into() }];
    let reasons = [
        "2 keys were asked for, and 0 answered",
        "2 keys were asked for, and 3 answered",
        "the answers were never completed",
        "enough",
        "panicked",
        "2 keys were asked for, and 0 answered",
    ];
    for (kind, reason) in reasons.into_iter().enumerate() {
        let told = Arc::new(Mutex::new(String::new()));
        let (run_dir, tell) = (RunDir::new(), Arc::clone(&told));
        let server = LibraryServer::new(Careless(kind as u32)).on_report(move |report| {
            if let netipc::server::Report::Failed { failure, .. } = report {
                *tell.lock().unwrap() = failure.to_string();
            }
        });
        let server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
        let mut client = LibraryClient::connect(run_dir.path()).unwrap();
        assert_eq!(client.find(&wanted).unwrap_err(), CallError::Internal, "{reason}");
        server.shutdown(std::time::Duration::from_secs(60)).unwrap();
        let told = told.lock().unwrap();
        assert!(told.contains(reason), "{told} is not {reason}");
    }
}

/// What is looked for by name, and has a text even where nothing is known.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Note {
    pub shelf: Shelf,
    pub code: String,
    pub text: String,
    pub numbers: Vec<u64>,
}

const NOTHING: &str = "Nothing is known of this, not even a title; whoever wants to know more has to ask somebody else, \
    who may not know anything of it either, and then somebody else again, until nobody is left.";

#[netipc::service(name = "notes")]
pub trait Notes {
    #[method(lookup(keys = wanted, items = found, echo = code, generation = edition, status = shelf,
        exceeded = Shelf::NoRoom, oversized = Shelf::TooLong, blank(text = NOTHING)))]
    fn notes(&self, wanted: Keys<'_, Signature>, reply: Answers<'_, Note>) -> HandlerResult;
}

struct Short;

impl Notes for Short {
    fn notes(&self, wanted: Keys<'_, Signature>, mut reply: Answers<'_, Note>) -> HandlerResult {
        for (index, _) in wanted.enumerate() {
            reply.answer(|item| {
                item.shelf(Shelf::There).text("short");
                item.numbers(index).extend(index);
                item
            });
        }
        Ok(())
    }
}

trait Extend {
    fn extend(self, count: usize);
}

impl Extend for netipc::codec::ValuesBuilder<'_, '_, u64> {
    fn extend(mut self, count: usize) {
        for number in 0..count {
            self.push(number as u64);
        }
    }
}

#[test]
fn marks_have_room_for_what_every_item_has() {
    let dispatch = NotesServer::new(Short).into_dispatch();
    let code = |number: usize| "x".repeat(number * 5 % 17);
    let wanted: Vec<_> = (0..9).map(|number| Signature { room: 1, code: code(number) }).collect();
    let request = NotesNotesRequest { wanted: wanted.clone() }.to_vec().unwrap();
    let answers: Vec<_> =
        (0..3000).map(|budget| netipc_tests::lookups::within(&*dispatch, 1, &request, budget)).collect();
    let least = answers.iter().position(Result::is_ok).unwrap();
    let mut before = 0;
    for (budget, answer) in answers.iter().enumerate() {
        let Ok(answer) = answer else {
            assert!(budget < least, "{budget}");
            continue;
        };
        let answer = NotesNotesReply::decode_owned(answer).unwrap();
        let known = answer.found.iter().take_while(|item| item.shelf == Shelf::There).count();
        assert!(known >= before, "{budget}");
        before = known;
        for (index, (item, wanted)) in answer.found.iter().zip(&wanted).enumerate() {
            assert_eq!(item.code, wanted.code);
            let (shelf, text) = if index < known { (Shelf::There, "short") } else { (Shelf::NoRoom, NOTHING) };
            assert_eq!((item.shelf, item.text.as_str()), (shelf, text));
        }
    }
    assert!(before == 9 && (1000..3000).contains(&least), "{before} {least}");
}
