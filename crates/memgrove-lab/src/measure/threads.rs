//! Wall times of several threads over one heap: each doing what one did, or passing blocks to each other.

use std::collections::BTreeMap;

use super::failed::failure;
use super::failure::Failure;
use super::results::ThreadWall;
use super::wall::nanoseconds;
use crate::engine::{EngineError, EngineId, Settings, Team, Value, assemble};
use crate::guest::Status;

/// How much more each thread does than the same workload alone: a run must be long beside the few milliseconds for
/// which a machine may keep a thread waiting.
const THREAD_SCALE: u32 = 8;

/// A threaded guest with its threads hired.
pub struct Crew {
    team: Box<dyn Team>,
    engine: EngineId,
    workloads: BTreeMap<String, (u32, bool)>,
}

impl Crew {
    /// Compiles a threaded guest and starts the threads.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn assemble(
        engine: EngineId,
        settings: &Settings,
        wasm: &[u8],
        most_threads: u32,
    ) -> Result<Self, EngineError> {
        let mut team = assemble(engine, settings, wasm)?;
        let mut workloads = BTreeMap::new();
        for index in 0..ask(&mut *team, "thread_workload_count", &[])? {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let packed = ask(&mut *team, "thread_workload_name", &[Value::u32(index)])?;
            let bytes = team.read(packed >> 32, packed & 0xff)?;
            let kind = ask(&mut *team, "thread_workload_kind", &[Value::u32(index)])?;
            workloads.insert(String::from_utf8_lossy(&bytes).into_owned(), (index, kind == 0));
        }
        let areas = ask(&mut *team, "thread_areas", &[Value::u32(most_threads)])?;
        let low = |packed: u64| u32::try_from(packed & u64::from(u32::MAX)).unwrap_or(0);
        let (address, bytes_each) = (low(areas >> 32), low(areas));
        if address == 0 || bytes_each == 0 {
            return Err(EngineError::Export {
                name: "thread_areas".to_owned(),
                words: "gave no room for the threads".to_owned(),
            });
        }
        team.hire(most_threads, address, bytes_each)?;
        Ok(Self { team, engine, workloads })
    }

    /// Whether the guest has this workload.
    #[must_use]
    pub fn has(&self, workload: &str) -> bool {
        self.workloads.contains_key(workload)
    }

    /// Begins the series of one workload with this number of threads.
    #[must_use]
    pub fn begin(&self, allocator: &str, workload: &str, threads: u32) -> ThreadWall {
        ThreadWall {
            engine: self.engine,
            workload: workload.to_owned(),
            allocator: allocator.to_owned(),
            threads,
            elapsed_ns: Vec::new(),
            heap_bytes: 0,
            failure: None,
        }
    }

    /// One round of a series. After a failure the series is left as it is: a heap that broke is not used
    /// again.
    pub fn round(&mut self, wall: &mut ThreadWall, scale_percent: u32, seed: u32) {
        if wall.failure.is_some() {
            return;
        }
        if let Err(failure) = self.try_round(wall, scale_percent, seed) {
            wall.failure = Some(failure);
        }
    }

    fn try_round(&mut self, wall: &mut ThreadWall, scale_percent: u32, seed: u32) -> Result<(), Failure> {
        let Some(&(index, apart)) = self.workloads.get(&wall.workload) else {
            return Err(Failure::Unusable {
                words: format!("this guest has no workload `{}`", wall.workload),
            });
        };
        let (index, threads) = (Value::u32(index), Value::u32(wall.threads));
        let team = &mut *self.team;
        ask(team, "thread_reset", &[index, threads])
            .or_else(nothing)
            .map_err(|error| failed(&error, None))?;
        let scale_percent = scale_percent.saturating_mul(THREAD_SCALE);
        let after = [threads, Value::u32(scale_percent), Value::u32(seed)];
        let outcome = team.together("thread_run", &[index], &after, wall.threads);
        let status = ask(team, "status", &[]).ok();
        let status = status.and_then(|raw| Status::from_raw(u32::try_from(raw).ok()?));
        let (checksums, elapsed) = outcome.map_err(|error| failed(&error, status))?;
        if let Some(status) = status.filter(|&status| status != Status::Sound) {
            return Err(Failure::from_status(status));
        }
        if let (true, [expected, rest @ ..]) = (apart, checksums.as_slice())
            && let Some(&checksum) = rest.iter().find(|&sum| sum != expected)
        {
            return Err(Failure::WrongAnswer { checksum, expected: *expected });
        }
        wall.heap_bytes = ask(team, "heap_bytes", &[]).map_err(|error| failed(&error, None))?;
        wall.elapsed_ns.push(nanoseconds(elapsed));
        Ok(())
    }
}

fn failed(error: &EngineError, status: Option<Status>) -> Failure {
    failure(error, status, u64::MAX)
}

/// `thread_reset` answers nothing, which is well.
fn nothing(error: EngineError) -> Result<u64, EngineError> {
    match error {
        EngineError::Export { words, .. } if words == NO_RESULT => Ok(0),
        other => Err(other),
    }
}

const NO_RESULT: &str = "answered no integer";

fn ask(team: &mut dyn Team, export: &str, arguments: &[Value]) -> Result<u64, EngineError> {
    let value = team.call(export, arguments)?.and_then(Value::as_u64);
    value.ok_or_else(|| EngineError::Export { name: export.to_owned(), words: NO_RESULT.to_owned() })
}
