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

/// The same of what may be one of several recordings; see [`together`].
///
/// # Errors
/// As for [`of`].
pub fn one(recorded: Vec<u8>, original: &Facts<'_>) -> Result<Profile, Error> {
    located(read_one(recorded)?, original)
}

/// The recordings of instances that had one memory, as one.
///
/// # Errors
/// If they do not belong together.
pub fn together(profiles: Vec<Profile>) -> Result<Profile, UserError> {
    Profile::merge(profiles).map_err(|error| {
        UserError::failed(format!("the recordings cannot be read together: {error}"))
            .hint("trace a module that has an unshared memory with --instances, and give one run's recordings, each once")
    })
}

/// The recording that these bytes are, whatever module it is of; its instance had its memory to itself.
///
/// # Errors
/// If they are none.
pub fn read(recorded: Vec<u8>) -> Result<Profile, memgrove_profile::Error> {
    let profile = read_one(recorded)?;
    Ok(if profile.is_of_one_instance {
        // That tells whether there were others.
        Profile::merge(vec![profile.clone()]).unwrap_or(profile)
    } else {
        profile
    })
}

fn read_one(recorded: Vec<u8>) -> Result<Profile, memgrove_profile::Error> {
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
        NotReplayable::Missing { .. } => "give the recordings of all instances, with --profile each",
        NotReplayable::Contradicts(_) => {
            "name all of the allocator's functions with --alloc, and record again"
        }
        _ => "record a run that allocates",
    };
    UserError::failed(format!("the recording cannot be replayed: {error}")).hint(hint)
}
