//! Lookups among strangers: that these services compile is most of the proof; then they serve.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![deny(warnings, unused, missing_docs)]

use std::ffi::CStr;

use netipc::client::Stub;
use netipc::server::{InProcess, Server};
use netipc::{Answers, Call, HandlerResult, Keys};

fn client<S: Stub>(server: Server<S>) -> S {
    InProcess::new(server).client()
}

/// A service where about every lint is an error.
pub mod lints {
    #![deny(
        missing_debug_implementations,
        nonstandard_style,
        rust_2018_idioms,
        deprecated,
        elided_lifetimes_in_paths,
        let_underscore_drop,
        redundant_lifetimes,
        single_use_lifetimes,
        trivial_casts,
        trivial_numeric_casts,
        unit_bindings,
        unnameable_types,
        unreachable_pub,
        unused_import_braces,
        unused_lifetimes,
        unused_qualifications,
        unused_results,
        clippy::all,
        clippy::pedantic
    )]

    use std::ffi::{CStr, CString};

    use netipc::lookup::Keep;
    use netipc::{Answers, Call, HandlerResult, Keys, WireMessage};

    /// How it ended.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
    #[repr(u8)]
    pub enum State {
        /// It is known.
        Known = 0,
        /// No room.
        Gone = 1,
        /// Too long.
        Long = 2,
    }

    /// What is known of a word.
    #[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
    pub struct Word {
        /// Whether it is.
        pub status: State,
        /// The word.
        pub word: CString,
        /// How often it is used.
        pub uses: u64,
    }

    /// A dictionary.
    #[netipc::service(name = "lints-lookup")]
    pub trait Words: Send + Sync {
        /// How many there are.
        fn count(&self) -> u32;
        /// Some of them.
        ///
        /// In more than one paragraph, with a link to [`Words::count`].
        ///
        /// # Errors
        /// None.
        #[method(lookup(keys = words, items = items, echo = word, generation = generation,
            exceeded = State::Gone, oversized = State::Long, keep = how_long))]
        fn find(&self, words: Keys<'_, CStr>, reply: Answers<'_, Word>) -> HandlerResult;
        /// The same, as it once was.
        ///
        /// # Errors
        /// None.
        #[deprecated(note = "use find")]
        #[method(lookup(keys = words, items = items, echo = word, generation = generation,
            exceeded = State::Gone, oversized = State::Long))]
        fn old_find(&self, call: &Call<'_>, words: Keys<'_, CStr>, reply: Answers<'_, Word>) -> HandlerResult;
    }

    const fn how_long(_: &WordView<'_>) -> Keep {
        Keep::WhileUnchanged
    }

    /// For nobody else.
    mod inside {
        use super::{Answers, CStr, HandlerResult, Keys, State, Word};

        /// Not to be seen.
        #[netipc::service(name = "lints-inside")]
        pub(super) trait Inside: Send + Sync {
            /// Some.
            #[method(lookup(keys = a, items = b, echo = word, generation = c, exceeded = State::Gone,
                oversized = State::Long))]
            fn find(&self, a: Keys<'_, CStr>, b: Answers<'_, Word>) -> HandlerResult;
        }
    }

    impl inside::Inside for () {
        fn find(&self, words: Keys<'_, CStr>, mut reply: Answers<'_, Word>) -> HandlerResult {
            for _ in words {
                let _ = reply.answer(|item| item.uses(7));
            }
            Ok(())
        }
    }

    /// Asks the service that is not to be seen.
    ///
    /// # Errors
    /// Why it did not answer.
    pub fn inside() -> Result<u64, netipc::CallError> {
        let mut client = inside::InsideServer::new(()).in_process();
        let answer = client.find([c"word"])?;
        Ok(answer.iter().map(|item| item.uses()).sum())
    }
}

struct Library;

impl lints::Words for Library {
    fn count(&self) -> u32 {
        3
    }

    fn find(&self, words: Keys<'_, CStr>, mut reply: Answers<'_, lints::Word>) -> HandlerResult {
        for word in words {
            reply.answer(|item| item.uses(word.count_bytes() as u64));
        }
        reply.finish()
    }

    fn old_find(&self, _: &Call<'_>, words: Keys<'_, CStr>, reply: Answers<'_, lints::Word>) -> HandlerResult {
        self.find(words, reply)
    }
}

#[test]
fn a_lookup_works_where_every_lint_is_an_error() {
    let server = InProcess::new(lints::WordsServer::new(Library));
    let mut client = server.client();
    assert_eq!(client.count(), Ok(3));
    assert_eq!(client.find([c"four", c"six"]).unwrap().iter().map(|item| item.uses()).sum::<u64>(), 7);
    #[expect(deprecated, reason = "it is, here as in the trait")]
    let old = client.old_find([c"four"]).unwrap();
    assert_eq!(old.get(0).map(|item| item.uses()), Some(4));
    let mut cache = lints::WordsFindCache::over(server.client());
    assert_eq!(cache.look_up([c"four"]).unwrap().asked(), 1);
    assert_eq!(lints::inside(), Ok(7));
}

/// Names that are keywords, or those of methods that everything has.
pub mod names {
    #![allow(missing_docs, reason = "they say nothing")]

    use std::ffi::{CStr, CString};

    use netipc::{Answers, HandlerResult, Keys, WireMessage};

    #[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
    #[repr(u16)]
    pub enum r#Type {
        r#Await = 5,
        r#Fn = 6,
        r#Mod = 7,
    }

    #[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
    pub struct Item {
        pub r#match: r#Type,
        pub r#type: CString,
        pub r#fn: Option<String>,
        pub __item: u32,
    }

    #[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
    pub struct r#Key {
        pub r#type: CString,
        pub r#where: u8,
    }

    /// What generated code calls its own.
    #[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
    pub struct Common {
        pub mark: u32,
        pub eq: u16,
        pub borrow: u32,
        pub next: u8,
        pub status: u8,
    }

    pub const GONE: u8 = 200;
    pub const LONG: u8 = 201;

    #[netipc::service(name = "names-lookup")]
    pub trait Names {
        #[method(lookup(keys = r#struct, items = r#enum, echo = r#type, generation = r#loop, status = r#match,
            exceeded = r#Type::r#Fn, oversized = r#Type::r#Mod, blank(r#fn = Some("none"), __item = 3)))]
        fn r#impl(&self, call: Keys<'_, r#Key>, answers: Answers<'_, Item>) -> HandlerResult;

        #[method(lookup(keys = push, items = keys, echo = mark, generation = items, exceeded = GONE,
            oversized = LONG))]
        fn find(&self, __keys: Keys<'_, Common>, __answers: Answers<'_, Common>) -> HandlerResult;

        #[method(lookup(keys = borrow, items = into_iter, echo = eq, generation = marked, exceeded = GONE,
            oversized = LONG))]
        fn look_up(&self, r#type: Keys<'_, Common>, r#fn: Answers<'_, Common>) -> HandlerResult;

        #[method(lookup(keys = begin, items = next, echo = borrow, generation = eq, exceeded = self::GONE,
            oversized = super::names::LONG))]
        fn generation(&self, request: Keys<'_, Common>, reply: Answers<'_, Common>) -> HandlerResult;

        #[cfg(any())]
        #[method(lookup(keys = a, items = b, echo = nothing, generation = c, exceeded = Not::There, oversized = X))]
        fn absent(&self, a: Keys<'_, Nowhere>, b: Answers<'_, Nowhere>) -> HandlerResult;

        #[cfg(not(any()))]
        #[method(code = 40, lookup(keys = keys, items = items, echo = r#type, generation = generation,
            status = r#match, exceeded = r#Type::r#Fn, oversized = r#Type::r#Mod))]
        fn present(&self, keys: Keys<'_, CStr>, reply: Answers<'_, Item>) -> HandlerResult;

        #[cfg(any())]
        #[method(code = 40)]
        fn present(&self) -> u32;

        fn with_body(&self) -> u32 {
            8
        }
    }
}

struct Named;

impl names::Names for Named {
    fn r#impl(&self, keys: Keys<'_, names::r#Key>, mut reply: Answers<'_, names::Item>) -> HandlerResult {
        for key in keys {
            reply.answer(|item| item.r#match(names::r#Type::r#Await).__item(u32::from(key.r#where())));
        }
        Ok(())
    }

    fn find(&self, keys: Keys<'_, names::Common>, mut reply: Answers<'_, names::Common>) -> HandlerResult {
        for key in keys {
            reply.answer(|item| item.eq(key.eq()).next(1));
        }
        Ok(())
    }

    fn look_up(&self, keys: Keys<'_, names::Common>, mut reply: Answers<'_, names::Common>) -> HandlerResult {
        for key in keys {
            reply.answer(|item| item.mark(key.mark()).next(2));
        }
        Ok(())
    }

    fn generation(&self, keys: Keys<'_, names::Common>, mut reply: Answers<'_, names::Common>) -> HandlerResult {
        reply.generation(7);
        for key in keys {
            reply.answer(|item| item.mark(key.mark()).next(3));
        }
        Ok(())
    }

    fn present(&self, keys: Keys<'_, CStr>, mut reply: Answers<'_, names::Item>) -> HandlerResult {
        for _ in keys {
            reply.answer(|item| item.r#match(names::r#Type::r#Await).__item(9));
        }
        Ok(())
    }
}

#[test]
fn fields_and_methods_of_lookups_may_have_any_name() {
    let mut client = client(names::NamesServer::new(Named));
    let keys = [names::Key { r#type: c"a".into(), r#where: 1 }, names::Key { r#type: c"b".into(), r#where: 2 }];
    let answer = client.r#impl(&keys).unwrap();
    let found: Vec<_> = answer.iter().map(|item| (item.r#type(), item.r#fn(), item.__item())).collect();
    assert_eq!(found, [(c"a", Some("none"), 1), (c"b", Some("none"), 2)]);
    let common = names::Common { mark: 1, eq: 2, borrow: 3, next: 0, status: 0 };
    let keys = [common.clone(), common];
    let of = |answer: &netipc::lookup::Answer<names::NamesFindLookup>| answer.get(1).map(|item| item.to_owned());
    let found = client.find(&keys).unwrap();
    assert_eq!(of(&found), Some(names::Common { mark: 1, eq: 2, borrow: 0, next: 1, status: 0 }));
    let found = client.look_up(&keys).unwrap().get(0).map(|item| item.to_owned());
    assert_eq!(found, Some(names::Common { mark: 1, eq: 2, borrow: 0, next: 2, status: 0 }));
    let answer = client.generation(&keys).unwrap();
    assert_eq!(answer.generation(), 7);
    let found = answer.get(0).map(|item| item.to_owned());
    assert_eq!(found, Some(names::Common { mark: 1, eq: 0, borrow: 3, next: 3, status: 0 }));
    let answer = client.present([c"c"]).unwrap();
    assert_eq!(answer.get(0).map(|item| (item.r#type(), item.__item())), Some((c"c", 9)));
    assert_eq!(client.with_body(), Ok(8));
    let codes = names::NamesClient::SERVICE.methods.iter().map(|it| (it.name, it.method.code()));
    let expected = [("impl", 1), ("find", 2), ("look_up", 3), ("generation", 4), ("present", 40), ("with_body", 8)];
    assert_eq!(codes.collect::<Vec<_>>(), expected);
}
