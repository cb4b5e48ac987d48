//! Evidence that is in code.

use crate::Code;
use crate::report::Evidence;

/// Where an import is called first.
pub(super) fn at_caller(code: &Code<'_>, import: u32, text: impl Into<String>) -> Evidence {
    let caller = code.callers(import).first().copied();
    match caller.and_then(|caller| Some((caller, code.facts().function(caller)?.body_offset))) {
        Some((caller, offset)) => Evidence::in_func(caller, offset, text),
        None => Evidence::new(text),
    }
}
