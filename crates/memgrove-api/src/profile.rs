//! Recordings of a module that was instrumented.

use memgrove_inspect::Facts;
use memgrove_profile::{Metric, NotReplayable, Profile};
use memgrove_rewrite::trace::fingerprint;
use memgrove_view::profile::HeapProfile;

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
            .hint("give the recordings of one run, each once; a module whose memory is not shared is traced with --instances for that")
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

/// What else a heap profile is written as, beside text and JSON.
#[derive(Clone, Copy, Debug)]
pub enum HeapFormat {
    /// One self-contained page.
    Html,
    /// Lines that flame graph tools read, with this value of each stack.
    Collapsed(Metric),
    /// DHAT's JSON.
    Dhat,
    /// A compressed `profile.proto`.
    Pprof,
    /// A profile for the Firefox Profiler.
    Firefox,
    /// speedscope's JSON.
    Speedscope,
    /// heaptrack's data.
    Heaptrack,
    /// A trace that can be replayed.
    Mgtr,
}

/// A heap profile in a format.
///
/// # Errors
/// If the recording cannot be replayed, where that is asked for; what a serialiser says, which refuses nothing here.
pub fn write(format: HeapFormat, view: &HeapProfile<'_>) -> Result<Vec<u8>, UserError> {
    let json = |error: serde_json::Error| UserError::failed(error.to_string());
    Ok(match format {
        HeapFormat::Html => view.html().map_err(json)?.into_bytes(),
        HeapFormat::Collapsed(metric) => view.collapsed(metric).into_bytes(),
        HeapFormat::Dhat => view.export(|export| export.dhat()).map_err(json)?,
        HeapFormat::Pprof => {
            view.export(|export| export.pprof()).map_err(|error| UserError::failed(error.to_string()))?
        }
        HeapFormat::Firefox => view.export(|export| export.firefox()).map_err(json)?,
        HeapFormat::Speedscope => view.export(|export| export.speedscope()).map_err(json)?,
        HeapFormat::Heaptrack => view.export(|export| export.heaptrack()).into_bytes(),
        HeapFormat::Mgtr => view.profile.mgtr().map_err(not_replayable)?,
    })
}
