//! What a run leaves behind when it is interrupted: nothing.
//!
//! Files and folders that exist only while a command works are registered here. SIGINT, SIGTERM and the other
//! signals that end a process remove them first, in a thread of their own, and then end the process as they would have
//! done: its parent sees the signal.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempPath;

/// What must not stay. Whoever creates or renames such a file holds the lock, and the thread that a signal
/// wakes keeps it until the end of the process, so that nothing appears after it has looked.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to watch for signals. One that the parent told us to ignore (`nohup`, a job in the background)
/// stays ignored.
#[cfg(unix)]
pub(crate) fn watch() {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    // A file that becomes larger than the limit is a failed write, not the end of the process.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    let ignored = ignored_signals();
    let ends = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU];
    let ends = ends.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    // Without a thread for them, signals end the process at once, as they do for any program.
    let Ok(mut signals) = Signals::new(ends) else { return };
    let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let paths = unfinished();
            paths.iter().for_each(|path| remove(path));
            let _ = emulate_default_handler(signal);
            std::process::exit(128 + signal);
        }
    });
}

/// Elsewhere nothing can be done before the end.
#[cfg(not(unix))]
pub(crate) fn watch() {}

/// The signals that this process was started to ignore, as a set of bits; none where that cannot be seen.
#[cfg(unix)]
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn remove(path: &Path) {
    // What cannot be removed is reported by nobody who could still do something about it.
    let _ = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir_all(path));
}

/// A file that is removed when this is dropped or the process is interrupted, unless it was moved to its place.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: Option<TempPath>,
}

impl Unfinished {
    /// Registers what `create` makes.
    pub(crate) fn create<T>(create: impl FnOnce() -> io::Result<(T, TempPath)>) -> io::Result<(T, Self)> {
        let mut paths = unfinished();
        let (made, path) = create()?;
        paths.push(path.to_path_buf());
        Ok((made, Self { path: Some(path) }))
    }

    /// Moves the file to its place, whatever is there.
    pub(crate) fn persist(mut self, target: &Path) -> io::Result<()> {
        let mut paths = unfinished();
        let Some(path) = self.path.take() else { return Ok(()) };
        paths.retain(|other| **other != *path);
        path.persist(target).map_err(|error| error.error)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            let mut paths = unfinished();
            paths.retain(|other| **other != *path);
            drop(path);
        }
    }
}

/// The folder for temporary files of this run, for the engines and toolchains that it starts. It goes when the
/// command ends or is interrupted.
#[cfg(feature = "engines")]
#[derive(Debug)]
pub(crate) struct RunFolder(Option<tempfile::TempDir>);

#[cfg(feature = "engines")]
impl RunFolder {
    /// Makes the folder and has all temporary files made in it from now on. Where that is impossible, they
    /// are made where they always are.
    pub(crate) fn new() -> Self {
        let mut paths = unfinished();
        let folder = tempfile::Builder::new().prefix("memgrove-").tempdir().ok();
        if let Some(folder) = &folder {
            // Once a process; there is one command in a process.
            let _ = tempfile::env::override_temp_dir(folder.path());
            paths.push(folder.path().to_owned());
        }
        Self(folder)
    }
}

#[cfg(feature = "engines")]
impl Drop for RunFolder {
    fn drop(&mut self) {
        if let Some(folder) = self.0.take() {
            let mut paths = unfinished();
            paths.retain(|other| other != folder.path());
            drop(folder);
        }
    }
}
