//! The record of a run: raw samples, and everything needed to say where they come from. A report only renders
//! this; it is saved after every measurement, so that an interrupted run can go on.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use crate::EngineId;
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
    /// Heaps of programs that live long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeated: Vec<Repeated>,
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
    /// Rounds of the same work in one instance; 0 if none were asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: u32,
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
    /// How often memory grew in the first run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growths: Option<u64>,
    /// The most fuel that one call took in the first run, less the floor's for the same call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dearest_call_fuel: Option<u64>,
    /// The workload's answer.
    pub checksum: u64,
}

/// What the heap holds when one instance does the same work again and again, everything freed at the end of each round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeated {
    /// Id of the allocator.
    pub allocator: String,
    /// Id of the workload.
    pub workload: String,
    /// Bytes of the heap after some of the rounds, the last among them.
    pub held: Vec<Held>,
    /// The last round in which it grew; 0 if it never did.
    pub last_growth_round: u32,
    /// Why it did not come to the end, if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What a heap holds after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which round, from 1.
    pub round: u32,
    /// Bytes of the heap.
    pub heap_bytes: u64,
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

impl Heat {
    /// As in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A text does not hold results that can be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is no record.
    #[error(transparent)]
    Content(#[from] serde_json::Error),
    /// It is a record of a version of memgrove with another schema.
    #[error("it has schema version {found}; this memgrove knows {SCHEMA_VERSION}")]
    Schema {
        /// The version it has.
        found: u32,
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
            repeated: Vec::new(),
            walls: Vec::new(),
            threads: Vec::new(),
        }
    }

    /// Reads a record from its JSON.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn from_json(text: &str) -> Result<Self, RecordError> {
        let raw: serde_json::Value = serde_json::from_str(text)?;
        match raw["schema_version"].as_u64() {
            Some(found) if found != u64::from(SCHEMA_VERSION) => {
                Err(RecordError::Schema { found: u32::try_from(found).unwrap_or(u32::MAX) })
            }
            _ => Ok(serde_json::from_value(raw)?),
        }
    }

    /// What keeps this run from going on under another setting; nothing if they are the same.
    #[must_use]
    pub fn other_than(&self, setting: &Setting) -> Option<&'static str> {
        let (old, new) = (&self.setting, setting);
        let differs = [
            (old.machine != new.machine, "machine"),
            (old.engines != new.engines, "set of engines, or another version of one"),
            (
                (old.scale_percent, old.seed, old.rounds, old.repeats)
                    != (new.scale_percent, new.seed, new.rounds, new.repeats),
                "scale, seed, number of rounds or of repetitions",
            ),
            (
                old.allocators != new.allocators || old.base != new.base,
                "set of allocators, or another build of one",
            ),
            (old.workloads != new.workloads, "set of workloads"),
            (old != new, "version of memgrove"),
        ];
        differs.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what)
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

    /// What one allocator's heap held under one workload that was repeated.
    #[must_use]
    pub fn repeated(&self, allocator: &str, workload: &str) -> Option<&Repeated> {
        self.repeated.iter().find(|other| other.allocator == allocator && other.workload == workload)
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
        repeats: 0,
        base: "base".to_owned(),
        floor: None,
        allocators: Vec::new(),
        workloads: Vec::new(),
    }
}
