//! The services `increment` and `string-reverse`: those of Netdata's that tell nothing of a host, for a first call.

use netipc::View;
use netipc_examples::{Increment, StringReverse};

/// Numbers, and what becomes of them.
#[netipc::service(name = "increment")]
pub(crate) trait Count {
    /// The next number; the least after the greatest.
    #[method(code = 1)]
    fn increment(&self, number: View<'_, Increment>) -> Increment;
}

/// Texts, and what becomes of them.
#[netipc::service(name = "string-reverse")]
pub(crate) trait Mirror {
    /// The same bytes in reverse order.
    #[method(code = 3)]
    fn reverse(&self, text: View<'_, StringReverse>) -> StringReverse;
}

/// Both services.
#[derive(Debug)]
pub(crate) struct Echo;

impl Count for Echo {
    fn increment(&self, number: View<'_, Increment>) -> Increment {
        Increment { value: number.value().wrapping_add(1) }
    }
}

impl Mirror for Echo {
    fn reverse(&self, text: View<'_, StringReverse>) -> StringReverse {
        StringReverse { text: text.text().iter().rev().copied().collect() }
    }
}
