//! Errors of libraries as they are shown.

use std::error::Error;

use memgrove_open::OpenError;
use memgrove_view::report::Failure;

/// A file in which no module could be found.
#[must_use]
pub fn of_opening(error: &OpenError) -> Failure {
    let raise = || error.is_too_large().then_some("raise the limit with --max-size");
    let hint = error.hint().or_else(raise).map(str::to_owned);
    Failure { message: message(error), offset: None, hint }
}

/// Bytes that are no valid module.
#[must_use]
pub fn of_module(error: &memgrove_inspect::Error) -> Failure {
    Failure { message: message(error), offset: Some(error.offset()), hint: error.hint().map(str::to_owned) }
}

/// An error and what caused it, in one line.
pub(crate) fn message(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
