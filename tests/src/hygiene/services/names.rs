//! Methods, parameters and traits with names that generated code might use itself.

#![allow(non_camel_case_types, non_snake_case, reason = "names that are chosen to collide")]
#![allow(clippy::too_many_arguments, clippy::wrong_self_convention, reason = "the same")]
#![allow(
    clippy::non_minimal_cfg,
    clippy::should_implement_trait,
    reason = "the same, and a `cfg` that is always there"
)]

use netipc::{Call, HandlerResult, Reply, View, WireMessage};

/// A message of ours.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Value {
    pub text: String,
}

/// Parameters.
#[netipc::service(name = "parameters")]
pub trait Parameters {
    fn everyday(
        &self,
        self_: u32,
        call: u32,
        writer: &str,
        request: u32,
        reply: &[u8],
        view: u32,
        handler: Vec<String>,
        client: u32,
        server: u32,
    ) -> u32;
    fn others(
        &self,
        cx: u32,
        error: u32,
        value: String,
        draft: u32,
        payload: u32,
        buffer: &str,
        core: u32,
        std: u32,
        netipc: u32,
        private: u32,
        result: u32,
        method: u32,
    ) -> u32;
    fn types(&self, ok: u8, err: u8, some: u8, none: u8, T: u8, H: u8, u32: u8, str: &str, a: u8) -> Option<u8>;
    fn of_calls(&self, reply: &Call<'_>, call: u32, value: View<'_, Value>, view: Reply<'_, Value>) -> HandlerResult;
    fn r#type(&self, r#match: u8, r#fn: String, r#struct: Vec<u16>) -> Result<u32, Value>;
}

/// Methods called as those of the standard library, and of clients' insides.
#[netipc::service(name = "methods")]
pub trait Methods {
    fn clone(&self) -> u8;
    fn to_owned(&self) -> u8;
    fn fmt(&self) -> u8;
    fn drop(&self) -> u8;
    fn eq(&self, other: u8) -> bool;
    fn into(&self) -> u8;
    fn from(&self, value: u8) -> u8;
    fn next(&self) -> u8;
    fn borrow(&self) -> u8;
    fn deref(&self) -> u8;
    fn call(&self) -> u8;
    fn over(&self) -> u8;
    fn dispatch(&self) -> u8;
    fn service(&self) -> u8;
    fn request(&self) -> u8;
    fn reply(&self) -> u8;
    fn builder(&self) -> u8;
    fn decode(&self) -> u8;
    fn r#async(&self) -> u8;
}

/// A keyword.
#[netipc::service(name = "raw")]
pub trait r#Raw {
    fn r#loop(&self) -> u8;
}

/// Methods that come and go with the configuration.
#[netipc::service(name = "configured")]
pub trait Configured {
    #[cfg(all())]
    fn here(&self, text: String) -> (u8, String);
    #[cfg(any())]
    fn gone(&self, what: NoSuchType) -> NoSuchType;
    #[cfg(all())]
    #[method(code = 9)]
    fn both(&self) -> u8;
    #[cfg(any())]
    #[method(code = 9)]
    fn both(&self) -> NoSuchType;
    fn last(&self) -> Result<(), Value>;
}

/// For the module above.
pub mod inner {
    /// A message that nobody else sees.
    #[derive(Debug, Clone, PartialEq, Eq, netipc::WireMessage)]
    pub(super) struct Hidden {
        pub(super) number: u32,
    }

    #[netipc::service(name = "hidden")]
    pub(super) trait Hides {
        fn count(&self, hidden: Hidden) -> Vec<Hidden>;
    }

    #[netipc::service(name = "here")]
    pub(in crate::hygiene::services) trait Here {
        fn count(&self) -> u32;
    }
}

struct Both;

impl inner::Hides for Both {
    fn count(&self, hidden: inner::Hidden) -> Vec<inner::Hidden> {
        vec![hidden.clone(), hidden]
    }
}

impl inner::Here for Both {
    fn count(&self) -> u32 {
        5
    }
}

/// Serves and asks what others cannot name.
#[must_use]
pub fn hidden(run_dir: &std::path::Path) -> Option<(usize, u32)> {
    let _hides = inner::HidesServer::new(Both).bind(run_dir).ok()?.spawn().ok()?;
    let _here = inner::HereServer::new(Both).bind(run_dir).ok()?.spawn().ok()?;
    let mut hides = inner::HidesClient::connect(run_dir).ok()?;
    let count = hides.count(&inner::Hidden { number: 1 }).ok()?.len();
    Some((count, inner::HereClient::connect(run_dir).ok()?.count().ok()?))
}
