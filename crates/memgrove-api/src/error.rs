//! What ends a command, with what to try.

use memgrove_open::OpenError;
use memgrove_view::report::Failure;
use thiserror::Error;

use crate::failure;

/// What was asked for, or what the input is, does not let it be done.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct UserError {
    message: String,
    hint: Option<String>,
    kind: ErrorKind,
}

/// What an error means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request makes no sense.
    Usage,
    /// The work could not be done.
    Failed,
    /// Everything was read, and the answer is no.
    No,
}

impl UserError {
    /// What was asked for does not exist.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, kind: ErrorKind::Usage }
    }

    /// The work could not be done.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, kind: ErrorKind::Failed }
    }

    /// The answer is no.
    pub fn no(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, kind: ErrorKind::No }
    }

    /// Adds what the user could try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What it means.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the user could try.
    #[must_use]
    pub fn what_to_try(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Why a command ended.
#[derive(Debug, Error)]
pub enum Error {
    /// The request or the input is not right for it.
    #[error(transparent)]
    User(#[from] UserError),
    /// The bytes are no valid module.
    #[error(transparent)]
    Module(#[from] memgrove_inspect::Error),
    /// No module could be found in the bytes.
    #[error(transparent)]
    Opening(#[from] OpenError),
    /// Rewriting did not succeed.
    #[error(transparent)]
    Rewrite(memgrove_rewrite::Error),
    /// The allocator could not be replaced, by no fault of the module.
    #[error(transparent)]
    Swap(memgrove_rewrite::swap::SwapError),
    /// The module could not be instrumented to report misuse.
    #[error(transparent)]
    Check(memgrove_rewrite::check::CheckError),
    /// The module could not be instrumented to record.
    #[error(transparent)]
    Trace(memgrove_rewrite::trace::TraceError),
    /// The bytes are no recording.
    #[error(transparent)]
    Recording(#[from] memgrove_profile::Error),
}

impl From<memgrove_rewrite::Error> for Error {
    fn from(error: memgrove_rewrite::Error) -> Self {
        Self::Rewrite(error)
    }
}

impl Error {
    /// It as it is shown.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::User(error) => {
                Failure { message: error.to_string(), offset: None, hint: error.hint.clone() }
            }
            Self::Module(error) => failure::of_module(error),
            Self::Opening(error) => failure::of_opening(error),
            Self::Rewrite(error) => plain(error),
            Self::Swap(error) => plain(error),
            Self::Check(error) => plain(error),
            Self::Trace(error) => plain(error),
            Self::Recording(error) => plain(error),
        }
    }
}

/// An error of which its words say all.
fn plain(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure { message: failure::message(error), offset: None, hint: None }
}
