//! The JavaScript beside a module, or around it, which says what its minified names are.

use std::path::Path;

use anyhow::{Context, Result};
use memgrove_inspect::Facts;
use memgrove_rewrite::{Error, Fixed, Glue, GlueError, Options};
use memgrove_text::escape_file_name;

use crate::exit::UserError;
use crate::input::Source;

/// The glue that `--glue` names.
pub(super) fn named(path: &Path, max_bytes: u64, facts: &Facts<'_>) -> Result<Glue> {
    let name = escape_file_name(path.as_os_str());
    let bytes =
        Source::File(path.to_owned()).read(max_bytes).with_context(|| format!("reading the glue {name}"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        UserError::failed(format!("the glue {name} is no text in UTF-8 (at offset {offset:#x})"))
            .hint("--glue wants the .js file that Emscripten wrote beside the module")
    })?;
    Glue::read(&text, facts).map_err(|error| refused(path, Error::Glue(error)))
}

/// What a user can do about glue that is not the module's.
pub(super) fn refused(path: &Path, error: Error) -> anyhow::Error {
    match error {
        Error::Glue(error) => {
            let name = escape_file_name(path.as_os_str());
            UserError::failed(format!("the glue {name} was not understood: {error}"))
                .hint("it has to be the file of the same build; without --glue the module alone decides")
                .into()
        }
        other => other.into(),
    }
}

/// Fixes a module with what the JavaScript around it says; where that is not understood, as if it were not there, with a
/// note.
pub(super) fn fix_with_own(script: Option<&str>, facts: &Facts<'_>, options: &mut Options) -> Result<Fixed> {
    let why = match script.map(|script| Glue::read(script, facts)) {
        None | Some(Err(GlueError::NothingMinified)) => None,
        Some(Err(error)) => Some(error),
        Some(Ok(glue)) => {
            options.glue = Some(glue);
            match memgrove_rewrite::fix_facts(facts, options) {
                Err(Error::Glue(error)) => Some(error),
                result => return Ok(result?),
            }
        }
    };
    options.glue = None;
    let mut fixed = memgrove_rewrite::fix_facts(facts, options)?;
    let note =
        why.map(|why| format!("the JavaScript around the module does not say what its names are: {why}"));
    fixed.plan.notes.extend(note);
    Ok(fixed)
}
