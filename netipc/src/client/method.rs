//! A method as its client's types have it.
//!
//! Owns: the contract between what generated code knows of a method and what carries many calls of it. It refuses to know
//! its parameters: requests come as functions that write them.

use crate::codec::WireMessage;
use crate::service::{MethodInfo, View};

use super::CallError;

/// A method, as the answers to it are typed; made by `#[netipc::service]`, one for each method.
pub trait TypedMethod: 'static {
    /// The method, as declared.
    const INFO: &'static MethodInfo;
    /// The message that answers it.
    type Reply: WireMessage;
    /// What a call returns.
    type Value<'a>;
    /// The error that it declares, or [`Infallible`](core::convert::Infallible).
    type Error;
    /// One answer of many: the value, or for a method that declares an error the `Result` of both.
    type Item<'a>;

    /// The answer in a proven message.
    fn item(view: View<'_, Self::Reply>) -> Self::Item<'_>;

    /// The answer as a call returns it.
    ///
    /// # Errors
    /// [`CallError::Application`].
    fn value(item: Self::Item<'_>) -> Result<Self::Value<'_>, CallError<Self::Error>>;
}
