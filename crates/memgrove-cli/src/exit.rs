//! The one place where errors become exit statuses.

use std::io;
use std::process::ExitCode;

use memgrove_api::ErrorKind;
use memgrove_view::report::Failure;

/// What the process tells its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Done,
    /// `fix` has written its result, but nothing of it could be executed, so that nothing is known of it.
    #[cfg_attr(not(feature = "engines"), allow(dead_code, reason = "nothing is written there"))]
    Unverified,
    /// Everything was read, and the answer is no: a required host cannot run a module, or `fix` had to
    /// leave something to the host.
    No,
    /// The command line makes no sense.
    Usage,
    /// At least one file could not be read, or some of the work failed.
    Failed,
}

/// The statuses, for the long help of every subcommand.
pub(crate) const HELP: &str = "\
Exit status:
  0  done; of fix and swap: verified, whole or in part
  1  a file could not be read, or some of the work failed
  2  the command line could not be understood
  3  check failed: a required host cannot run a module, a policy is not met, imports remain, an allocator stays, or misuse was found
  4  fix or swap has written its result, but nothing of it could be run (--accept-unverified makes it 0)";

impl Exit {
    /// The worse of two outcomes; a failure outweighs an answer.
    pub(crate) fn and(self, other: Self) -> Self {
        self.max(other)
    }

    const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::No => 3,
            Self::Unverified => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

pub(crate) use memgrove_api::UserError;

/// The command runs modules, and this build cannot.
pub(crate) fn no_engine(command: &str) -> UserError {
    let message = format!("`memgrove {command}` needs a WebAssembly engine, and this build has none");
    UserError::usage(message).hint("build it with the feature `engines`, which is on by default")
}

/// The status for an error that ended a command. A closed pipe is how `head` says thank you.
pub(crate) fn status_of(error: &anyhow::Error) -> Exit {
    if is_broken_pipe(error) {
        return Exit::Done;
    }
    let user = match error.downcast_ref() {
        Some(memgrove_api::Error::User(user)) => Some(user),
        _ => error.downcast_ref::<UserError>(),
    };
    match user.map(UserError::kind) {
        None if lab::is_usage(error) => Exit::Usage,
        Some(ErrorKind::Usage) => Exit::Usage,
        Some(ErrorKind::No) => Exit::No,
        Some(ErrorKind::Failed) | None => Exit::Failed,
    }
}

/// Whether the reader of our output has gone.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// An error as it is shown.
pub(crate) fn failure(error: &anyhow::Error) -> Failure {
    let known = error.chain().find_map(known);
    let (offset, hint) = known.map_or((None, None), |known| (known.offset, known.hint));
    Failure { message: format!("{error:#}"), offset, hint }
}

/// Offset and hint of an error: the one place where an error of any kind gets what to try. A library's error brings its own.
fn known(cause: &(dyn std::error::Error + 'static)) -> Option<Failure> {
    let user = |error: &UserError| Failure {
        message: error.to_string(),
        offset: None,
        hint: error.what_to_try().map(str::to_owned),
    };
    let any = cause.downcast_ref().map(memgrove_api::Error::failure);
    any.or_else(|| cause.downcast_ref().map(user))
        .or_else(|| cause.downcast_ref().map(memgrove_api::of_opening))
        .or_else(|| cause.downcast_ref().map(memgrove_api::of_module))
        .or_else(|| hinted(cause, lab::hint(cause)))
        .or_else(|| hinted(cause, cause.downcast_ref().and_then(of_system)))
}

fn hinted(cause: &(dyn std::error::Error + 'static), hint: Option<String>) -> Option<Failure> {
    hint.map(|hint| Failure { message: cause.to_string(), offset: None, hint: Some(hint) })
}

/// What to try where the operating system refuses.
fn of_system(error: &io::Error) -> Option<String> {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "check the name; it is looked up from the current folder",
        io::ErrorKind::PermissionDenied => "check who may read and write it",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on the disk, or write somewhere else"
        }
        io::ErrorKind::IsADirectory => "give the name of a file",
        io::ErrorKind::NotADirectory => "a part of the path is a file, not a folder",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Errors of what runs modules.
#[cfg(feature = "engines")]
mod lab {
    use std::error::Error;

    use memgrove_lab::engine::EngineError;
    use memgrove_lab::measure::MeasureError;
    use memgrove_lab::measure::catalogue::CatalogueError;
    use memgrove_lab::survey::RebuildError;

    pub(super) fn hint(cause: &(dyn Error + 'static)) -> Option<String> {
        let of_engine = |error: &EngineError| match error {
            EngineError::Absent { install, .. } => Some((*install).to_owned()),
            _ => None,
        };
        cause
            .downcast_ref()
            .and_then(MeasureError::hint)
            .or_else(|| cause.downcast_ref().and_then(RebuildError::hint).map(str::to_owned))
            .or_else(|| cause.downcast_ref().and_then(of_engine))
    }

    /// Whether a name that does not exist, or nothing at all, was asked for.
    pub(super) fn is_usage(error: &anyhow::Error) -> bool {
        matches!(
            error.downcast_ref(),
            Some(MeasureError::Catalogue(CatalogueError::Unknown { .. }) | MeasureError::Nothing(_))
        )
    }
}

/// Without an engine there are none.
#[cfg(not(feature = "engines"))]
mod lab {
    pub(super) fn hint(_: &(dyn std::error::Error + 'static)) -> Option<String> {
        None
    }

    pub(super) fn is_usage(_: &anyhow::Error) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_failure_outweighs_an_answer() {
        assert_eq!(Exit::Done.and(Exit::No), Exit::No);
        assert_eq!(Exit::No.and(Exit::Failed), Exit::Failed);
        assert_eq!(Exit::Done.and(Exit::Unverified), Exit::Unverified);
        let all = [Exit::Done, Exit::Failed, Exit::Usage, Exit::No, Exit::Unverified];
        assert_eq!(all.map(Exit::status), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn status_and_hint_survive_context() {
        let error = anyhow::Error::new(UserError::usage("no such host").hint("see --list-hosts"));
        let error = Err::<(), _>(error).context("reading the command line").unwrap_err();
        assert_eq!(status_of(&error), Exit::Usage);
        assert_eq!(failure(&error).hint.as_deref(), Some("see --list-hosts"));
    }

    #[test]
    fn what_the_system_refuses_gets_a_hint() {
        let error = anyhow::Error::new(io::Error::from(io::ErrorKind::NotFound)).context("reading app.wasm");
        assert!(failure(&error).hint.is_some_and(|hint| hint.starts_with("check the name")));
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let error = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing");
        assert_eq!(status_of(&error), Exit::Done);
    }
}
