//! From what the user names to the bytes of modules.
//!
//! ```text
//! paths -> walk: files, in order, those without WebAssembly counted
//! a file -> unwrap: gzip, zstd, text format, a module inlined in JavaScript -> binaries
//! ```
//! A file is read when its turn comes and given up when its report is made.

mod compressed;
mod embedded;
mod identify;
mod unwrap;
mod walk;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use memgrove_text::escape_file_name;

use crate::exit::UserError;

pub(crate) use unwrap::unwrap;
pub(crate) use walk::walk;

/// The most bytes that a file may have, unpacked too, unless the user says otherwise.
pub(crate) const DEFAULT_MAX_BYTES: u64 = 512 << 20;

/// A file that begins with so many zero bytes is not read further.
const HEAD_BYTES: u64 = 1 << 20;

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
            Self::File(path) => read_at_most(std::fs::File::open(path)?, max_bytes),
        }
    }
}

/// Reads to the end, or fails when there are more than `max_bytes`.
fn read_at_most(reader: impl Read, max_bytes: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = reader.take(max_bytes.saturating_add(1));
    reader.by_ref().take(HEAD_BYTES).read_to_end(&mut bytes)?;
    // Nothing that begins like this holds a module, and some of it never ends: /dev/zero, a damaged disk image.
    if bytes.len() as u64 == HEAD_BYTES && bytes.iter().all(|&byte| byte == 0) {
        return Ok(bytes);
    }
    reader.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large(max_bytes).into());
    }
    Ok(bytes)
}

fn too_large(max_bytes: u64) -> UserError {
    UserError::failed(format!("it has more than {max_bytes} bytes")).hint("raise the limit with --max-size")
}
