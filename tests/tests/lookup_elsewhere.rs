//! Lookups without a prelude, with the library under another name, and among names that mean something else.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![deny(warnings, unused, missing_docs)]

use std::ffi::CStr;

use netipc::server::InProcess;
use netipc::{Answers, HandlerResult, Keys};

/// Where generated code has to get on with what is around it.
pub mod elsewhere {
    #![allow(missing_docs, reason = "they say nothing")]

    /// Nothing comes into this module by itself.
    pub mod no_prelude {
        #![no_implicit_prelude]

        use ::core::clone::Clone;
        use ::core::cmp::PartialEq;
        use ::core::ffi::CStr;
        use ::core::fmt::Debug;
        use ::core::marker::Copy;
        use ::netipc::lookup::Keep;
        use ::netipc::{Answers, HandlerResult, Keys, WireMessage};
        use ::std::ffi::CString;

        #[derive(Debug, Clone, Copy, PartialEq, WireMessage)]
        #[repr(u8)]
        pub enum State {
            Known = 0,
            Gone = 1,
            Long = 2,
        }

        #[derive(Debug, Clone, PartialEq, WireMessage)]
        pub struct Word {
            pub status: State,
            pub word: CString,
            pub number: u32,
        }

        #[derive(Debug, Clone, PartialEq, WireMessage)]
        pub struct Number {
            pub number: u32,
        }

        #[::netipc::service(name = "no-prelude-lookup")]
        pub trait NoPrelude {
            #[method(lookup(keys = words, items = items, echo = word, generation = generation,
                exceeded = State::Gone, oversized = State::Long, keep = keep))]
            fn by_text(&self, words: Keys<'_, CStr>, reply: Answers<'_, Word>) -> HandlerResult;
            #[method(lookup(keys = numbers, items = items, echo = number, generation = generation,
                exceeded = State::Gone, oversized = State::Long, keep = keep))]
            fn by_number(&self, numbers: Keys<'_, Number>, reply: Answers<'_, Word>) -> HandlerResult;
            fn other(&self) -> u32;
        }

        fn keep(_: &WordView<'_>) -> Keep {
            Keep::UntilRestart
        }
    }

    /// The library under another name.
    pub mod renamed {
        pub use netipc_tests::hygiene::renamed::re_exported;

        #[derive(Debug, Clone, Copy, PartialEq, re_exported::inner::WireMessage)]
        #[wire(crate = re_exported::inner)]
        #[repr(u8)]
        pub enum State {
            Known = 0,
            Gone = 1,
            Long = 2,
        }

        #[derive(Debug, Clone, PartialEq, re_exported::inner::WireMessage)]
        #[wire(crate = re_exported::inner)]
        pub struct Word {
            pub status: State,
            pub word: std::ffi::CString,
            pub number: u32,
        }

        #[derive(Debug, Clone, PartialEq, re_exported::inner::WireMessage)]
        #[wire(crate = self::re_exported::inner)]
        pub struct Number {
            pub number: u32,
        }

        #[re_exported::inner::service(name = "renamed-lookup", crate = re_exported::inner)]
        pub trait Renamed {
            #[method(lookup(keys = words, items = items, echo = word, generation = generation,
                exceeded = State::Gone, oversized = State::Long, keep = self::keep))]
            fn by_text(
                &self,
                words: re_exported::inner::Keys<'_, std::ffi::CStr>,
                reply: re_exported::inner::Answers<'_, self::Word>,
            ) -> re_exported::inner::HandlerResult;
            #[method(lookup(keys = numbers, items = items, echo = number, generation = generation,
                exceeded = State::Gone, oversized = State::Long, keep = self::keep))]
            fn by_number(
                &self,
                numbers: re_exported::inner::Keys<'_, self::Number>,
                reply: re_exported::inner::Answers<'_, Word>,
            ) -> re_exported::inner::HandlerResult;
            fn other(&self) -> u32;
        }

        fn keep(_: &WordView<'_>) -> re_exported::inner::lookup::Keep {
            re_exported::inner::lookup::Keep::UntilRestart
        }
    }

    /// Names of the prelude that are other things.
    pub mod shadowed {
        #[allow(unused_imports, reason = "they only stand in the way")]
        use netipc_tests::hygiene::shadowed::*;
        #[allow(unused_imports, reason = "they only stand in the way")]
        use netipc_tests::hygiene::shadowed::{alloc, core, netipc, std};

        pub struct Vec;
        pub struct String;
        pub struct Option;
        pub struct Client;
        pub struct Server;
        pub struct Call;
        pub struct CString;
        pub struct CStr;
        pub struct Keys;
        pub struct Answers;
        pub struct Lookup;
        pub struct Mark;
        pub struct Keep;

        #[derive(Debug, Clone, ::core::marker::Copy, PartialEq, ::netipc::WireMessage)]
        #[repr(u8)]
        pub enum State {
            Known = 0,
            Gone = 1,
            Long = 2,
        }

        #[derive(Debug, Clone, PartialEq, ::netipc::WireMessage)]
        pub struct Word {
            pub status: State,
            pub word: ::std::ffi::CString,
            pub number: u32,
        }

        #[derive(Debug, Clone, PartialEq, ::netipc::WireMessage)]
        pub struct Number {
            pub number: u32,
        }

        #[::netipc::service(name = "shadowed-lookup")]
        pub trait Shadowed {
            #[method(lookup(keys = words, items = items, echo = word, generation = generation,
                exceeded = State::Gone, oversized = State::Long, keep = keep))]
            fn by_text(
                &self,
                words: ::netipc::Keys<'_, ::core::ffi::CStr>,
                reply: ::netipc::Answers<'_, Word>,
            ) -> ::netipc::HandlerResult;
            #[method(lookup(keys = numbers, items = items, echo = number, generation = generation,
                exceeded = State::Gone, oversized = State::Long, keep = keep))]
            fn by_number(
                &self,
                numbers: ::netipc::Keys<'_, Number>,
                reply: ::netipc::Answers<'_, Word>,
            ) -> ::netipc::HandlerResult;
            fn other(&self) -> u32;
        }

        fn keep(_: &WordView<'_>) -> ::netipc::lookup::Keep {
            ::netipc::lookup::Keep::UntilRestart
        }
    }
}

struct Anywhere;

macro_rules! anywhere {
    ($($module:ident $service:ident $server:ident $text:ident $number:ident),*) => {
        $(impl elsewhere::$module::$service for Anywhere {
            fn by_text(
                &self,
                words: Keys<'_, CStr>,
                mut reply: Answers<'_, elsewhere::$module::Word>,
            ) -> HandlerResult {
                for word in words {
                    reply.answer(|item| item.number(word.count_bytes() as u32));
                }
                Ok(())
            }

            fn by_number(
                &self,
                numbers: Keys<'_, elsewhere::$module::Number>,
                mut reply: Answers<'_, elsewhere::$module::Word>,
            ) -> HandlerResult {
                for key in numbers {
                    assert!(key.number() > 3);
                    reply.answer(|item| item.word(c"number"));
                }
                Ok(())
            }

            fn other(&self) -> u32 {
                6
            }
        })*

        #[test]
        fn a_lookup_works_without_a_prelude_under_another_name_and_among_other_names() {
            $({
                let server = InProcess::new(elsewhere::$module::$server::new(Anywhere));
                let mut client = server.client();
                let answer = client.by_text([c"four", c"seven"]).unwrap();
                assert_eq!(answer.iter().map(|item| item.number()).collect::<Vec<_>>(), [4, 5]);
                let numbers = [elsewhere::$module::Number { number: 4 }, elsewhere::$module::Number { number: 5 }];
                let answer = client.by_number(&numbers).unwrap();
                let found: Vec<_> = answer.iter().map(|item| (item.number(), item.word())).collect();
                assert_eq!(found, [(4, c"number"), (5, c"number")]);
                assert_eq!(client.other(), Ok(6));
                let mut texts = elsewhere::$module::$text::over(server.client());
                let mut by_number = elsewhere::$module::$number::over(server.client());
                for asked in [1, 0] {
                    assert_eq!(texts.look_up([c"four"]).unwrap().asked(), asked);
                    assert_eq!(by_number.look_up(&numbers[..1]).unwrap().asked(), asked);
                }
            })*
        }
    };
}

anywhere! {
    no_prelude NoPrelude NoPreludeServer NoPreludeByTextCache NoPreludeByNumberCache,
    renamed Renamed RenamedServer RenamedByTextCache RenamedByNumberCache,
    shadowed Shadowed ShadowedServer ShadowedByTextCache ShadowedByNumberCache
}
