//! Recorded traces as workloads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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
}

impl Trace {
    /// Reads a trace and checks all of it, so that nothing is measured on half of one.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let bytes = fs::read(path).map_err(|error| TraceError::File { path: path.to_owned(), error })?;
        let slots = memgrove_trace::slots(&bytes)
            .map_err(|error| TraceError::Broken { path: path.to_owned(), error })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let info = WorkloadInfo {
            id: format!("trace:{stem}"),
            title: format!("replays {stem}"),
            source: format!("a recorded trace, SHA-256 {}", sha256(&bytes)),
            kind: WorkloadKind::Trace,
        };
        Ok(Self { info, bytes, slots })
    }

    pub(super) fn work(&self) -> Work {
        Work { id: self.info.id.clone(), task: Task::Replay { trace: self.bytes.clone(), slots: self.slots } }
    }
}
