//! All that generated code may name, and nothing else. No part of the public interface: it changes without notice.

pub use crate::codec::private::*;
pub use crate::service::private::*;
