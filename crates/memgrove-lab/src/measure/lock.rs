//! One timing run at a time: two at once measure each other.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Held while a timing run is under way. The operating system gives the lock back however the run ends; the
/// file stays, because removing it could pull it away under the next run.
#[derive(Debug)]
pub struct TimingLock {
    _file: File,
}

/// Why the lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it.
    #[error("another timing run is under way (it holds {}); two at once would measure each other", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
    },
    /// The file cannot be made or locked.
    #[error("the lock file {} cannot be used: {error}", path.display())]
    Unusable {
        /// The lock file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl TimingLock {
    /// Takes the lock that is this file.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let unusable = |error| LockError::Unusable { path: path.to_owned(), error };
        let mut file =
            File::options().create(true).truncate(false).write(true).open(path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

/// The machine's lock, in the folder for temporary files.
#[must_use]
pub fn default_path() -> PathBuf {
    std::env::temp_dir().join("memgrove-bench.lock")
}

/// How many threads have been running or waiting to run over the last minute; `None` where that is unknown.
#[must_use]
pub fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// What to say about a machine that has other work, if it has: half a core busy disturbs every sample.
#[must_use]
pub fn busy_warning(load: Option<f64>, cores: usize) -> Option<String> {
    let load = load?;
    (load > 0.5).then(|| {
        format!("the machine is busy (load {load:.1} on {cores} cores); wall times will be noisy, fuel and bytes will not")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_refused_until_the_first_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = TimingLock::take(&path).unwrap();
        let error = TimingLock::take(&path).unwrap_err();
        assert!(matches!(error, LockError::Held { .. }), "{error}");
        assert!(error.to_string().contains("another timing run"), "{error}");
        drop(first);
        TimingLock::take(&path).unwrap();
    }

    #[test]
    fn a_lock_that_cannot_be_made_says_where() {
        let error = TimingLock::take(Path::new("/nowhere/at/all/lock")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all/lock"), "{error}");
    }

    #[test]
    fn a_busy_machine_is_told() {
        assert!(busy_warning(Some(3.2), 2).unwrap().contains("load 3.2"));
        assert_eq!(busy_warning(Some(0.1), 2), None);
        assert_eq!(busy_warning(None, 2), None);
    }
}
