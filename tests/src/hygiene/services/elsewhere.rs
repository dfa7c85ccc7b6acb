//! Services without a prelude, with the library under another name, and among names that mean something else.

/// Nothing comes into this module by itself.
pub mod no_prelude {
    #![no_implicit_prelude]

    use ::core::clone::Clone;
    use ::core::cmp::PartialEq;
    use ::core::fmt::Debug;
    use ::core::option::Option;
    use ::core::result::Result;
    use ::netipc::{HandlerResult, Reply, View, WireMessage};
    use ::std::string::String;
    use ::std::vec::Vec;

    #[derive(Debug, Clone, PartialEq, WireMessage)]
    pub struct Reading {
        pub sensor: String,
    }

    #[::netipc::service(name = "no-prelude")]
    pub trait NoPrelude {
        fn nothing(&self);
        fn read(&self, sensor: &str, names: Vec<String>, maybe: Option<(u8, String)>) -> Result<Reading, Reading>;
        fn place(&self, reading: View<'_, Reading>, reply: Reply<'_, Reading>) -> HandlerResult;
        fn owned(&self, reading: Reading) -> Reading;
        fn number(&self, cx: &::netipc::Call<'_>, number: u32) -> u32;
    }

    #[::netipc::service(name = "no-prelude-kept")]
    pub trait Kept {
        #[method(snapshot(items = readings, key(sensor), generation = r#type))]
        fn all(&self) -> Readings;
    }

    #[derive(Debug, Clone, PartialEq, WireMessage)]
    pub struct Readings {
        pub r#type: u64,
        pub readings: Vec<Reading>,
    }
}

/// `::netipc` is not what generated code may say here.
pub mod renamed {
    use crate::hygiene::renamed::re_exported;

    #[derive(Debug, Clone, PartialEq, re_exported::inner::WireMessage)]
    #[wire(crate = re_exported::inner)]
    pub struct Reading {
        pub sensor: String,
    }

    #[re_exported::inner::service(name = "renamed", crate = re_exported::inner)]
    pub trait Renamed {
        fn read(&self, cx: &re_exported::inner::Call<'_>, sensor: &str, pair: (u8, String))
        -> Result<Reading, Reading>;
        fn count(&self, first: u32, last: u32) -> u32;
    }

    #[re_exported::inner::service(name = "renamed-kept", crate = re_exported::inner)]
    pub trait Kept {
        #[method(snapshot(items = readings, key(sensor), generation = generation))]
        fn all(&self) -> Readings;
    }

    #[derive(Debug, Clone, PartialEq, re_exported::inner::WireMessage)]
    #[wire(crate = re_exported::inner)]
    pub struct Readings {
        pub generation: u64,
        pub readings: Vec<Reading>,
    }
}

/// Names of the prelude that are other things.
pub mod shadowed {
    #[allow(unused_imports, reason = "they only stand in the way")]
    use crate::hygiene::shadowed::*;
    #[allow(unused_imports, reason = "they only stand in the way")]
    use crate::hygiene::shadowed::{alloc, core, netipc, std};

    pub struct Vec;
    pub struct String;
    pub struct Option;
    pub struct Client;
    pub struct Server;
    pub struct Call;
    pub struct View;
    pub struct Reply;

    #[derive(Debug, Clone, PartialEq, ::netipc::WireMessage)]
    pub struct Reading {
        pub sensor: ::std::string::String,
    }

    #[::netipc::service(name = "shadowed")]
    pub trait Shadowed {
        fn nothing(&self);
        fn read(
            &self,
            sensor: &::core::primitive::str,
            names: ::std::vec::Vec<::std::string::String>,
            maybe: ::core::option::Option<(u8, ::std::string::String)>,
        ) -> ::core::result::Result<Reading, Reading>;
        fn count(&self, cx: &::netipc::Call<'_>, first: u32) -> u32;
        fn place(
            &self,
            reading: ::netipc::View<'_, Reading>,
            reply: ::netipc::Reply<'_, Reading>,
        ) -> ::netipc::HandlerResult;
    }
}
