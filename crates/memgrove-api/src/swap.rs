//! Another allocator in a module: planned, made, and what follows from its verification.
//!
//! ```text
//! To ─► make(): Made ─► memgrove-verify ─► decide(): Decision ─► show: text or JSON (memgrove-view)
//! ```

use memgrove_inspect::Facts;
use memgrove_rewrite::swap::{Refusal, SwapError, Swapped, To, swap};
use memgrove_verify::Verdict;
use memgrove_verify::swap::{SwapVerification, options_for};

use crate::error::{Error, UserError};

/// A module with another allocator, or why it keeps its own.
#[derive(Debug)]
pub enum Made {
    /// The new module; nothing of it has been run.
    Swapped(Box<Swapped>),
    /// Why it cannot be shown to be the same program.
    Refused(Refusal),
}

/// The heap of this name.
///
/// # Errors
/// If there is none.
pub fn heap(name: &str) -> Result<To, UserError> {
    To::named(name).ok_or_else(|| {
        UserError::usage(format!("there is no heap `{name}`"))
            .hint(format!("the heaps are {}", To::ALL.map(To::name).join(", ")))
    })
}

/// Replaces the allocator that the inspector finds in a module.
///
/// # Errors
/// If the module cannot be read or written.
pub fn make(facts: &Facts<'_>, to: To) -> Result<Made, Error> {
    let options = match options_for(facts, to) {
        Ok(options) => options,
        Err(why) => return Ok(Made::Refused(why)),
    };
    match swap(facts, &options) {
        Ok(swapped) => Ok(Made::Swapped(Box::new(swapped))),
        Err(SwapError::Refused(why)) => Ok(Made::Refused(why)),
        Err(error) => Err(Error::Swap(error)),
    }
}

/// What is to be done with a new module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may be used.
    Use,
    /// It may be used, and nothing of it could be run.
    UseUnverified,
    /// The old functions are not what they were taken for.
    Refuted,
    /// Some functions are known by their code alone, and running did not show what they do.
    NotShown,
    /// It does not do what the original does.
    Failed,
}

impl Decision {
    /// Why there is nothing to be used, where that is so.
    #[must_use]
    pub const fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Use | Self::UseUnverified => None,
            Self::Refuted => Some("the old functions are not what they were taken for"),
            Self::NotShown => {
                Some("some functions are known by their code alone, and could not be run to show it")
            }
            Self::Failed => Some("the result did not pass verification"),
        }
    }
}

/// What follows from a verification.
#[must_use]
pub fn decide(swapped: &Swapped, verification: &SwapVerification) -> Decision {
    if verification.refutes_roles() {
        Decision::Refuted
    } else if verification.verdict == Verdict::Failed {
        Decision::Failed
    } else if !verification.are_roles_shown && swapped.replaced.iter().any(|member| !member.is_certain) {
        Decision::NotShown
    } else if verification.verdict == Verdict::NotVerified {
        Decision::UseUnverified
    } else {
        Decision::Use
    }
}
