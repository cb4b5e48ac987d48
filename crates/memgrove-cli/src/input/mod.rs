//! From what the user names to bytes: files, folders, standard input. `memgrove-open` finds the modules in them.
//!
//! A file is read when its turn comes and given up when its report is made.

mod walk;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use memgrove_api::HostTarget;
use memgrove_open::{OpenError, read_at_most, read_expecting};
use memgrove_text::escape_file_name;

use crate::exit::UserError;

pub(crate) use walk::walk;

/// Something that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Source {
    /// Its name, as the user gave it; bytes that are no text are written as `\x{…}`.
    pub(crate) fn name(&self) -> String {
        escape_file_name(self.path().as_os_str())
    }

    /// Its path, as the user gave it; `-` is standard input.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Stdin => Path::new("-"),
            Self::File(path) => path,
        }
    }

    /// All of its bytes, but no more than `max_bytes`.
    pub(crate) fn read(&self, max_bytes: u64) -> Result<Vec<u8>> {
        match self {
            Self::Stdin => read_at_most(std::io::stdin().lock(), max_bytes).context("reading standard input"),
            Self::File(path) => {
                let file = std::fs::File::open(path)?;
                let metadata = file.metadata();
                let expected_bytes = metadata.as_ref().map_or(0, std::fs::Metadata::len);
                // A pipe or a device may tell any length; of a file more than may be used is not read first.
                if expected_bytes > max_bytes && metadata.is_ok_and(|metadata| metadata.is_file()) {
                    return Err(OpenError::TooLarge { max_bytes }.into());
                }
                Ok(read_expecting(file, expected_bytes, max_bytes)?)
            }
        }
    }
}

/// The most bytes of a host profile or a policy: the longest profile of ours has a few thousand.
const MOST_SETTINGS_BYTES: u64 = 4 << 20;

/// The text of a host profile or a policy, which may be a file without an end; `what` says which it is.
pub(crate) fn settings(path: &Path, what: &str) -> Result<String> {
    let read = || -> Result<String> {
        let bytes = read_at_most(std::fs::File::open(path)?, MOST_SETTINGS_BYTES)?;
        Ok(String::from_utf8(bytes)?)
    };
    read().with_context(|| format!("reading the {what} {}", escape_file_name(path.as_os_str())))
}

/// The one module in a file or in standard input (`-`); `verb` says what is to be done with it.
pub(crate) fn read_one(path: &Path, max_bytes: u64, verb: &str) -> Result<Vec<u8>> {
    read_one_with_script(path, max_bytes, verb).map(|(module, _)| module)
}

/// The same, and the JavaScript that the module is inlined in, if it is.
pub(crate) fn read_one_with_script(
    path: &Path,
    max_bytes: u64,
    verb: &str,
) -> Result<(Vec<u8>, Option<String>)> {
    let source = if path.as_os_str() == "-" { Source::Stdin } else { Source::File(path.to_owned()) };
    let name = source.name();
    let bytes = source.read(max_bytes).with_context(|| format!("reading {name}"))?;
    match memgrove_api::open_one(bytes, &name, max_bytes, verb) {
        // What several modules are in is said already.
        Err(error @ memgrove_api::Error::User(_)) => Err(error.into()),
        other => other.context(name),
    }
}

/// The profile that `--host` names: by its id, or as a TOML file.
pub(crate) fn host(name: &str) -> Result<HostTarget> {
    if let Some(host) = HostTarget::built_in(name) {
        return Ok(host);
    }
    if Path::new(name).extension().is_none_or(|extension| extension != "toml") {
        return Err(UserError::usage(format!("there is no host profile `{name}`"))
            .hint("`memgrove inspect --list-hosts` names them; a profile of your own is a .toml file")
            .into());
    }
    let text = settings(Path::new(name), "host profile")?;
    Ok(HostTarget::own(name, &text)?)
}
