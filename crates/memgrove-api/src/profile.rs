//! Recordings of a module that was instrumented.

use memgrove_inspect::Facts;
use memgrove_profile::{NotReplayable, Profile};
use memgrove_rewrite::trace::fingerprint;

use crate::error::{Error, UserError};

/// The recording that these bytes are, with the places of its calls. A copy of the whole memory will do, too: it is one
/// with holes.
///
/// # Errors
/// [`Error::Recording`] if they are none, [`Error::User`] if it is one of another module.
pub fn of(recorded: Vec<u8>, original: &Facts<'_>) -> Result<Profile, Error> {
    located(read(recorded)?, original)
}

/// The recording that these bytes are, whatever module it is of.
///
/// # Errors
/// If they are none.
pub fn read(recorded: Vec<u8>) -> Result<Profile, memgrove_profile::Error> {
    let recorded = Profile::bytes_of_memory(&recorded).unwrap_or(recorded);
    Profile::read(&recorded)
}

/// A recording with the places of its calls.
///
/// # Errors
/// If it is one of another module.
pub fn located(mut profile: Profile, original: &Facts<'_>) -> Result<Profile, Error> {
    if profile.original != fingerprint(original.bytes()) {
        return Err(UserError::failed("it is not a recording of this module")
            .hint("give the module that was instrumented, as it was before")
            .into());
    }
    memgrove_view::profile::locate(&mut profile, original);
    Ok(profile)
}

/// Why a recording cannot be replayed, with what can be done about it.
#[must_use]
pub fn not_replayable(error: NotReplayable) -> UserError {
    let hint = match error {
        NotReplayable::Cut { .. } => {
            "record again with room for the whole log: memgrove trace -o OUT --max-log SIZE"
        }
        NotReplayable::Sampled { .. } => "record again without --sample",
        NotReplayable::Contradicts(_) => {
            "name all of the allocator's functions with --alloc, and record again"
        }
        _ => "record a run that allocates",
    };
    UserError::failed(format!("the recording cannot be replayed: {error}")).hint(hint)
}
