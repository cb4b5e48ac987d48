//! Recorded traces as workloads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use memgrove_trace::Summary;

use super::catalogue::sha256;
use super::subject::{Task, Work};
use crate::guest::{WorkloadInfo, WorkloadKind};

/// A trace, checked and ready to replay.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Its name, what it is, and its kind.
    pub info: WorkloadInfo,
    bytes: Vec<u8>,
    slots: u32,
    summary: Summary,
}

/// A trace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not a trace, or it is broken.
    #[error("{} is not a trace that can be replayed: {error}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the byte offset.
        error: memgrove_trace::Error,
    },
    /// It allocates more blocks than a 32-bit guest can keep account of.
    #[error("{} allocates {allocations} blocks, more than a guest can keep account of", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Number of allocations in it.
        allocations: u64,
    },
}

impl Trace {
    /// Reads a trace and checks all of it, so that nothing is measured on half of one.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let bytes = fs::read(path).map_err(|error| TraceError::File { path: path.to_owned(), error })?;
        Self::of(bytes, path)
    }

    /// The same of bytes that a file of this name would have.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn of(bytes: Vec<u8>, path: &Path) -> Result<Self, TraceError> {
        let broken = |error| TraceError::Broken { path: path.to_owned(), error };
        let summary = memgrove_trace::summarize(&bytes).map_err(broken)?;
        let slots = u32::try_from(summary.allocations)
            .map_err(|_| TraceError::TooLong { path: path.to_owned(), allocations: summary.allocations })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let info = WorkloadInfo {
            id: format!("trace:{stem}"),
            title: format!("replays {stem}"),
            source: format!("a recorded trace, SHA-256 {}", sha256(&bytes)),
            kind: WorkloadKind::Trace,
        };
        Ok(Self { info, bytes, slots, summary })
    }

    /// What it holds.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    pub(super) fn work(&self) -> Work {
        Work { id: self.info.id.clone(), task: Task::Replay { trace: self.bytes.clone(), slots: self.slots } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Trace, TraceError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.mgtr");
        fs::write(&path, bytes).unwrap();
        Trace::read(&path)
    }

    #[test]
    fn a_trace_cut_short_is_refused_with_the_place() {
        let mut encoder = memgrove_trace::Encoder::new();
        let first = encoder.allocate(24, 8, false);
        let second = encoder.allocate(4000, 16, true);
        encoder.free(first);
        encoder.free(second);
        let whole = encoder.finish();
        let trace = read(&whole).unwrap();
        assert_eq!((trace.info.id.as_str(), trace.slots), ("trace:some", 2));
        for length in 0..whole.len() {
            let error = read(&whole[..length]).unwrap_err().to_string();
            assert!(
                error.contains("some.mgtr is not a trace") && error.contains("offset"),
                "{length}: {error}"
            );
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Trace::read(Path::new("no.mgtr")).unwrap_err().to_string();
        assert!(error.starts_with("no.mgtr: "), "{error}");
    }
}
