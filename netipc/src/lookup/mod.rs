//! Level 3: logical lookups, which take as many calls as they need.
//!
//! Owns: which keys go into which request (`plan`), what is asked again (`course`), how the answers make one (`answer`), and
//! what is kept of them (`cache`). It refuses to know how a call finds its answer.
//!
//! A generated client has a function for each lookup, which returns an [`Answer`].

mod answer;
mod cache;
mod course;
mod plan;

pub use answer::{Answer, Found, Iter};
pub use cache::{Cache, Keep, Keeper, Looked, Status};
pub use course::look_up;

pub use crate::service::{Keyed, Lookup, Mark, Sought};
