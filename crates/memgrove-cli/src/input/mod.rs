//! From what the user names to bytes: files, folders, standard input. `memgrove-open` finds the modules in them.
//!
//! A file is read when its turn comes and given up when its report is made.

mod walk;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use memgrove_open::read_at_most;
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
            Self::File(path) => Ok(read_at_most(std::fs::File::open(path)?, max_bytes)?),
        }
    }
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
    let script = is_text(&bytes).then(|| bytes.clone());
    let mut binaries = memgrove_open::binaries(bytes, &name, max_bytes).with_context(|| name.clone())?;
    match (binaries.pop(), binaries.len()) {
        (Some(binary), 0) => {
            let is_inlined = binary.wrapped_in.iter().any(|around| around.starts_with("base64"));
            let script = script.filter(|_| is_inlined).and_then(|script| String::from_utf8(script).ok());
            Ok((binary.bytes, script))
        }
        (_, more) => Err(UserError::failed(format!("{name} holds {} modules", more + 1))
            .hint(format!("extract the one to {verb} into a file of its own"))
            .into()),
    }
}

/// A file that may be JavaScript: nothing in its head says that it is not text.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().take(64).any(|&byte| byte == 0)
}
