//! The file that a run is kept in.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use memgrove_results::bench::results::{RecordError, Results, SCHEMA_VERSION, Setting};

/// A file of results cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// It cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It does not hold results.
    #[error("{} does not hold results of `memgrove bench`: {error}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        error: serde_json::Error,
    },
    /// It holds results of a version of memgrove with another schema.
    #[error("{} has schema version {found}; this memgrove knows {SCHEMA_VERSION}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The version it has.
        found: u32,
    },
    /// It holds a run that cannot be continued with this one.
    #[error("{} holds a run with another {what}; it is left as it is", path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// What is different.
        what: &'static str,
    },
}

/// Reads a saved run.
///
/// # Errors
/// [`ResultsError`].
pub fn read(path: &Path) -> Result<Results, ResultsError> {
    let named = || path.to_owned();
    let text = fs::read_to_string(path).map_err(|error| ResultsError::File { path: named(), error })?;
    Results::from_json(&text).map_err(|error| match error {
        RecordError::Content(error) => ResultsError::Content { path: named(), error },
        RecordError::Schema { found } => ResultsError::Schema { path: named(), found },
    })
}

/// Continues the run in `path` if there is one and it has the same setting, else begins one.
///
/// # Errors
/// [`ResultsError`]; the file is never changed here.
pub fn resume(path: &Path, setting: Setting) -> Result<Results, ResultsError> {
    if !path.exists() {
        return Ok(Results::new(setting));
    }
    let found = read(path)?;
    match found.other_than(&setting) {
        Some(what) => Err(ResultsError::OtherRun { path: path.to_owned(), what }),
        None => Ok(found),
    }
}

/// Writes the record beside `path` and moves it there, so that an interruption leaves the old or the new one, whole.
///
/// # Errors
/// [`ResultsError::File`].
pub fn save(results: &Results, path: &Path) -> Result<(), ResultsError> {
    let write = || -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(results.to_json().as_bytes())?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| ResultsError::File { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use memgrove_results::bench::failure::Failure;
    use memgrove_results::bench::results::Count;

    use super::*;

    /// That of the results in the repository.
    fn sample_setting() -> Setting {
        read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../results/bench.json"))).unwrap().setting
    }

    #[test]
    fn a_saved_run_goes_on_and_another_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let mut results = resume(&path, sample_setting()).unwrap();
        results.counts.push(Count {
            allocator: "a".to_owned(),
            workload: "w".to_owned(),
            figures: None,
            failure: Some(Failure::RunsOut),
        });
        save(&results, &path).unwrap();
        assert_eq!(resume(&path, sample_setting()).unwrap(), results);

        let setting = sample_setting();
        let other = Setting { seed: setting.seed + 1, ..setting };
        let error = resume(&path, other).unwrap_err();
        assert!(error.to_string().contains("another scale, seed"), "{error}");
        assert_eq!(read(&path).unwrap(), results, "nothing of it was lost");
    }

    #[test]
    fn what_is_no_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        for (text, expected) in [
            ("{", "does not hold results"),
            ("[]", "does not hold results"),
            ("{\"schema_version\": 99}", "schema version 99"),
        ] {
            fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = read(&folder.path().join("none")).unwrap_err();
        assert!(matches!(error, ResultsError::File { .. }), "{error}");
    }
}
