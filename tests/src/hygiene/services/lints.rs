//! A service where about every lint is an error.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    unused,
    missing_docs,
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

use std::ffi::CStr;

use netipc::{Call, HandlerResult, Reply, View, WireMessage};

/// A reading.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Reading {
    /// Of what.
    pub sensor: String,
    /// How warm.
    pub celsius: f64,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u16)]
pub enum Fault {
    /// Nobody knows it.
    Unknown = 1,
}

/// What a thermometer does.
///
/// In more than one paragraph.
#[netipc::service(name = "lints")]
pub trait Lints: Send + Sync {
    /// Nothing.
    fn nothing(&self);
    /// One reading.
    ///
    /// In more than one paragraph.
    ///
    /// # Errors
    /// Nobody knows it.
    fn read(&self, sensor: &str) -> Result<Reading, Fault>;
    /// Many parameters.
    #[allow(clippy::too_many_arguments, reason = "they are what this is about")]
    fn many(
        &self,
        cx: &Call<'_>,
        number: u8,
        text: String,
        c_text: &CStr,
        bytes: &[u8],
        readings: Vec<Reading>,
        maybe: Option<bool>,
        pair: (u8, u16),
        array: [i64; 2],
    ) -> Vec<String>;
    /// A view in, a view out.
    ///
    /// # Errors
    /// What is wrong with the reply.
    fn place(&self, reading: View<'_, Reading>, reply: Reply<'_, Reading>) -> HandlerResult;
    /// Codes.
    fn code(&self, fault: Fault) -> Option<Fault>;
    /// Nothing but an error.
    ///
    /// # Errors
    /// Always.
    fn fails(&self) -> Result<(), Fault> {
        Err(Fault::Unknown)
    }
    /// Out of use.
    #[deprecated = "use `nothing`"]
    fn old(&self) -> u32 {
        1
    }
    /// Like an iterator's.
    fn next(&self) -> u32 {
        2
    }
    /// Like a conversion.
    fn to_text(&self) -> String {
        String::from("text")
    }
    /// Like a question.
    #[must_use]
    fn is_warm(&self) -> bool {
        true
    }
}

/// No method at all.
#[netipc::service(name = "nothing")]
pub trait Nothing {}

/// For this crate.
#[netipc::service(name = "internal")]
pub(crate) trait Internal {
    /// Counts.
    fn count(&self) -> u32;
}

/// For this module: nobody serves it and nobody asks it, and yet no warning.
#[netipc::service(name = "private")]
trait Private {
    fn count(&self, only: Only) -> Only;
}

/// Not for others either.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
struct Only {
    number: u32,
}

/// Without anything in it.
#[derive(Debug)]
pub struct Lab;

impl Lints for Lab {
    fn nothing(&self) {}
    fn read(&self, sensor: &str) -> Result<Reading, Fault> {
        if sensor.is_empty() { Err(Fault::Unknown) } else { Ok(Reading { sensor: sensor.into(), celsius: 1.0 }) }
    }
    fn many(
        &self,
        cx: &Call<'_>,
        number: u8,
        text: String,
        c_text: &CStr,
        bytes: &[u8],
        readings: Vec<Reading>,
        maybe: Option<bool>,
        pair: (u8, u16),
        array: [i64; 2],
    ) -> Vec<String> {
        let parts = format!(
            "{} {number} {text} {c_text:?} {bytes:?} {} {maybe:?} {pair:?} {array:?}",
            cx.message_id() > 0,
            readings.len()
        );
        parts.split(' ').map(String::from).collect()
    }
    fn place(&self, reading: View<'_, Reading>, mut reply: Reply<'_, Reading>) -> HandlerResult {
        let _: &mut ReadingBuilder<'_> = reply.sensor(reading.sensor());
        reply.finish()
    }
    fn code(&self, fault: Fault) -> Option<Fault> {
        Some(fault)
    }
}

impl Internal for Lab {
    fn count(&self) -> u32 {
        3
    }
}

impl Nothing for Lab {}

/// All that is there.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Readings {
    /// Which state it is.
    pub generation: u64,
    /// The readings.
    pub readings: Vec<Reading>,
}

/// What can be kept.
#[netipc::service(name = "kept")]
pub trait Kept: Send + Sync {
    /// All of them.
    #[method(snapshot(items = readings, key(sensor), generation = generation))]
    fn all(&self) -> Readings;
}

/// Serves the internal one, for tests.
///
/// # Errors
/// Why it can't.
pub fn internal(run_dir: &std::path::Path) -> Result<netipc::server::Running, netipc::server::ServeError> {
    InternalServer::new(Lab).bind(run_dir)?.spawn()
}

/// Asks it.
#[must_use]
pub fn ask_internal(run_dir: &std::path::Path) -> Option<u32> {
    InternalClient::connect(run_dir).ok()?.count().ok()
}
