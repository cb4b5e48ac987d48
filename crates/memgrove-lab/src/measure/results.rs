//! The record of a run: raw samples, and everything needed to say where they come from. A report only renders
//! this; it is saved after every measurement, so that an interrupted run can go on.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use crate::engine::EngineId;
use crate::guest::{OwnCode, Role, WorkloadInfo};

/// Raised when a field is removed, renamed or changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything one run measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What was measured, and where.
    pub setting: Setting,
    /// Fuel, calls and bytes: the same in every run of the same guests.
    pub counts: Vec<Count>,
    /// Wall times of one thread.
    pub walls: Vec<Wall>,
    /// Wall times of several threads.
    pub threads: Vec<ThreadWall>,
}

/// What was measured, and where. Two runs with equal settings can be one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Version of memgrove.
    pub memgrove: String,
    /// Commit it was built from, where known.
    pub commit: Option<String>,
    /// The machine.
    pub machine: Machine,
    /// Engines and their versions.
    pub engines: Vec<EngineVersion>,
    /// Tools that made the guests.
    pub tools: Vec<String>,
    /// Size of the workloads, in per cent of their standard size.
    pub scale_percent: u32,
    /// Seed of the workloads' random numbers.
    pub seed: u32,
    /// Rounds of wall times.
    pub rounds: usize,
    /// Id of the allocator that ratios are to.
    pub base: String,
    /// Id of the allocator that only bumps a pointer.
    pub floor: Option<String>,
    /// The allocators.
    pub allocators: Vec<Allocator>,
    /// The workloads.
    pub workloads: Vec<WorkloadInfo>,
}

/// The machine, without its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Number of cores.
    pub cores: usize,
    /// Operating system and architecture.
    pub system: String,
}

/// An engine and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineVersion {
    /// Which one.
    pub engine: EngineId,
    /// Its version.
    pub version: String,
}

/// An allocator that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Allocator {
    /// Stable id.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// Version.
    pub version: String,
    /// Where it comes from.
    pub source: String,
    /// Its part.
    pub role: Role,
    /// Defects that are known and documented.
    #[serde(default)]
    pub known_defects: Vec<String>,
    /// Own code bytes.
    #[serde(default)]
    pub own_code: Option<OwnCode>,
    /// SHA-256 of the guest.
    pub sha256: String,
    /// Whether there is a guest for threads.
    #[serde(default)]
    pub has_threads: bool,
}

/// Fuel, calls and bytes of one allocator under one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// Id of the allocator.
    pub allocator: String,
    /// Id of the workload.
    pub workload: String,
    /// What was counted, as far as it came.
    pub figures: Option<Figures>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// The deterministic figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Executed instructions of the first run, as wasmtime counts them.
    pub fuel: u64,
    /// Calls into the allocator.
    pub calls: u64,
    /// Largest sum of live requested bytes.
    pub peak_live_bytes: u64,
    /// Bytes of the heap after the first run.
    pub heap_bytes: u64,
    /// Bytes that the heap grew in each of the identical runs after the first.
    pub growth_bytes: [u64; 2],
    /// The workload's answer.
    pub checksum: u64,
}

/// Which of an instance's runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Heat {
    /// The first: memory grows, pages fault, V8 has not optimised yet.
    Cold,
    /// A later one.
    Warm,
}

/// Wall times of one allocator under one workload on one engine, by round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wall {
    /// The engine.
    pub engine: EngineId,
    /// Id of the workload.
    pub workload: String,
    /// Id of the allocator.
    pub allocator: String,
    /// Whether this is the base under a second name.
    pub control: bool,
    /// First runs.
    pub cold_ns: Vec<u64>,
    /// Later runs.
    pub warm_ns: Vec<u64>,
    /// Why it was not measured, if it was not.
    pub failure: Option<Failure>,
}

impl Wall {
    /// The samples of cold or warm runs.
    #[must_use]
    pub fn samples(&self, heat: Heat) -> &[u64] {
        match heat {
            Heat::Cold => &self.cold_ns,
            Heat::Warm => &self.warm_ns,
        }
    }
}

/// Wall times of one allocator under one threaded workload, by round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThreadWall {
    /// The engine.
    pub engine: EngineId,
    /// Id of the workload.
    pub workload: String,
    /// Id of the allocator.
    pub allocator: String,
    /// Number of threads.
    pub threads: u32,
    /// From the moment that all are ready until the last is done.
    pub elapsed_ns: Vec<u64>,
    /// Bytes of the heap at the end.
    pub heap_bytes: u64,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

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

impl Results {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            setting,
            counts: Vec::new(),
            walls: Vec::new(),
            threads: Vec::new(),
        }
    }

    /// Reads a saved run.
    ///
    /// # Errors
    /// [`ResultsError`].
    pub fn read(path: &Path) -> Result<Self, ResultsError> {
        let text =
            fs::read_to_string(path).map_err(|error| ResultsError::File { path: path.to_owned(), error })?;
        let content = |error| ResultsError::Content { path: path.to_owned(), error };
        let raw: serde_json::Value = serde_json::from_str(&text).map_err(content)?;
        match raw["schema_version"].as_u64() {
            Some(found) if found != u64::from(SCHEMA_VERSION) => Err(ResultsError::Schema {
                path: path.to_owned(),
                found: u32::try_from(found).unwrap_or(u32::MAX),
            }),
            _ => serde_json::from_value(raw).map_err(content),
        }
    }

    /// Continues the run in `path` if there is one and it has the same setting, else begins one.
    ///
    /// # Errors
    /// [`ResultsError`]; the file is never changed here.
    pub fn resume(path: &Path, setting: Setting) -> Result<Self, ResultsError> {
        if !path.exists() {
            return Ok(Self::new(setting));
        }
        let found = Self::read(path)?;
        let (old, new) = (&found.setting, &setting);
        let other = |what| ResultsError::OtherRun { path: path.to_owned(), what };
        if old.machine != new.machine {
            return Err(other("machine"));
        }
        if old.engines != new.engines {
            return Err(other("set of engines, or another version of one"));
        }
        if (old.scale_percent, old.seed, old.rounds) != (new.scale_percent, new.seed, new.rounds) {
            return Err(other("scale, seed or number of rounds"));
        }
        if old.allocators != new.allocators || old.base != new.base {
            return Err(other("set of allocators, or another build of one"));
        }
        if old.workloads != new.workloads {
            return Err(other("set of workloads"));
        }
        if old != new {
            return Err(other("version of memgrove"));
        }
        Ok(found)
    }

    /// Writes the record beside `path` and moves it there, so that an interruption leaves the old or the new
    /// one, whole.
    ///
    /// # Errors
    /// [`ResultsError::File`].
    pub fn save(&self, path: &Path) -> Result<(), ResultsError> {
        let write = || -> io::Result<()> {
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(self.to_json().as_bytes())?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(|error| ResultsError::File { path: path.to_owned(), error })
    }

    /// The record as JSON, one sample series a line at most, with a newline at the end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The figures of one allocator under one workload, if it came to the end of it soundly. One that leaks
    /// did so.
    #[must_use]
    pub fn figures(&self, allocator: &str, workload: &str) -> Option<&Figures> {
        let count = self.count(allocator, workload)?;
        match count.failure {
            None | Some(Failure::Leaks { .. }) => count.figures.as_ref(),
            Some(_) => None,
        }
    }

    /// What was counted of one allocator under one workload.
    #[must_use]
    pub fn count(&self, allocator: &str, workload: &str) -> Option<&Count> {
        self.counts.iter().find(|count| count.allocator == allocator && count.workload == workload)
    }

    /// The wall times of one allocator under one workload on one engine.
    #[must_use]
    pub fn wall(&self, engine: EngineId, workload: &str, allocator: &str, control: bool) -> Option<&Wall> {
        self.walls.iter().find(|wall| {
            wall.engine == engine
                && wall.workload == workload
                && wall.allocator == allocator
                && wall.control == control
        })
    }
}

#[cfg(test)]
pub(crate) fn sample_setting() -> Setting {
    Setting {
        memgrove: "0.1.0".to_owned(),
        commit: None,
        machine: Machine { cpu: "test".to_owned(), cores: 2, system: "test".to_owned() },
        engines: Vec::new(),
        tools: Vec::new(),
        scale_percent: 100,
        seed: 1,
        rounds: 3,
        base: "base".to_owned(),
        floor: None,
        allocators: Vec::new(),
        workloads: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_run_goes_on_and_another_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let mut results = Results::resume(&path, sample_setting()).unwrap();
        results.counts.push(Count {
            allocator: "a".to_owned(),
            workload: "w".to_owned(),
            figures: None,
            failure: Some(Failure::RunsOut),
        });
        results.save(&path).unwrap();
        assert_eq!(Results::resume(&path, sample_setting()).unwrap(), results);

        let other = Setting { seed: 2, ..sample_setting() };
        let error = Results::resume(&path, other).unwrap_err();
        assert!(error.to_string().contains("another scale, seed"), "{error}");
        assert_eq!(Results::read(&path).unwrap(), results, "nothing of it was lost");
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
            let error = Results::read(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = Results::read(&folder.path().join("none")).unwrap_err();
        assert!(matches!(error, ResultsError::File { .. }), "{error}");
    }
}
