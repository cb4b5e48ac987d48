//! A guest on an engine: loaded, checked against the contract, and run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::failed::failure;
use super::failure::Failure;
use super::replayer;
use crate::engine::{Engine, EngineError, Host, Instance, Memory, Module, Value};
use crate::guest::{ABI_VERSION, Status};
use memgrove_results::advice::PAGE_BYTES;

/// Names in a guest longer than this are a broken guest's.
const NAME_LIMIT_BYTES: u64 = 256;

/// A piece of work that a guest is asked for.
#[derive(Clone, Debug)]
pub struct Work {
    /// Id of the workload.
    pub id: String,
    /// What to call.
    pub task: Task,
}

/// What to call in a guest.
#[derive(Clone, Debug)]
pub enum Task {
    /// A workload of the guest's own.
    Run {
        /// Size in per cent of the standard.
        scale_percent: u32,
        /// Seed of its random numbers.
        seed: u32,
    },
    /// A recorded trace.
    Replay {
        /// The encoded trace.
        trace: Vec<u8>,
        /// Number of blocks that the trace allocates.
        slots: u32,
    },
}

/// A guest, compiled on one engine.
pub struct Subject {
    module: Box<dyn Module>,
    host: Host,
    workloads: BTreeMap<String, u32>,
}

/// One instance of a guest, at one piece of work. The first run is the cold one.
pub struct Bout {
    instance: Box<dyn Instance>,
    call: (&'static str, Vec<Value>),
}

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The workload's answer.
    pub checksum: u64,
    /// Wall time.
    pub elapsed: Duration,
    /// Fuel, where that is counted.
    pub fuel: Option<u64>,
}

impl Subject {
    /// Compiles a guest and reads the names of its workloads.
    ///
    /// # Errors
    /// [`EngineError`]; [`EngineError::Export`] if the module does not keep the guests' contract.
    pub fn load(engine: &dyn Engine, wasm: &[u8]) -> Result<Self, EngineError> {
        Self::load_with(engine, wasm, Host::new())
    }

    /// As [`load`](Self::load), of a guest that imports what `host` gives.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(super) fn load_with(engine: &dyn Engine, wasm: &[u8], host: Host) -> Result<Self, EngineError> {
        let module = engine.compile(wasm)?;
        let mut instance = module.instantiate(&host)?;
        let version = integer(&mut *instance, "abi_version", &[])?;
        if version != u64::from(ABI_VERSION) {
            let words = format!("answers {version}; this memgrove knows version {ABI_VERSION}");
            return Err(EngineError::Export { name: "abi_version".to_owned(), words });
        }
        let workloads = names(&mut *instance, "workload_count", "workload_name")?;
        Ok(Self { module, host, workloads })
    }

    /// Compiles a guest that can replay and nothing else.
    ///
    /// # Errors
    /// [`EngineError`].
    pub(super) fn load_replayer(engine: &dyn Engine, wasm: &[u8]) -> Result<Self, EngineError> {
        Ok(Self { module: engine.compile(wasm)?, host: Host::new(), workloads: BTreeMap::new() })
    }

    /// Ids of the workloads that the guest holds.
    pub fn workloads(&self) -> impl Iterator<Item = &str> {
        self.workloads.keys().map(String::as_str)
    }

    /// Makes an instance ready for `work`.
    ///
    /// # Errors
    /// [`Failure::Unusable`] if the guest has no such workload or its instance cannot be made.
    pub fn begin(&self, work: &Work) -> Result<Bout, Failure> {
        let unusable = |error: EngineError| Failure::Unusable { words: error.to_string() };
        let mut instance = self.module.instantiate(&self.host).map_err(unusable)?;
        let call = match &work.task {
            Task::Run { scale_percent, seed } => {
                let index = self.workloads.get(&work.id).ok_or_else(|| Failure::Unusable {
                    words: format!("this guest has no workload `{}`", work.id),
                })?;
                ("run", vec![Value::u32(*index), Value::u32(*scale_percent), Value::u32(*seed)])
            }
            Task::Replay { trace, slots } => {
                let length = u32::try_from(trace.len()).map_err(|_| Failure::Unusable {
                    words: "the trace is larger than a memory".to_owned(),
                })?;
                let arguments = [Value::u32(length), Value::u32(*slots)];
                let address = integer(&mut *instance, "trace_buffer", &arguments).map_err(unusable)?;
                if address == 0 {
                    return Err(Failure::RunsOut);
                }
                instance.write(Memory::Main, address, trace).map_err(unusable)?;
                ("replay", vec![Value::u32(length)])
            }
        };
        Ok(Bout { instance, call })
    }
}

impl Bout {
    /// Pages of the guest's memory as a whole.
    ///
    /// # Errors
    /// [`Failure::Unusable`] if it has none.
    pub(super) fn memory_pages(&mut self) -> Result<u64, Failure> {
        let bytes = self.instance.memory_bytes(Memory::Main);
        let bytes = bytes.map_err(|error| Failure::Unusable { words: error.to_string() })?;
        Ok(bytes / PAGE_BYTES)
    }

    /// Refuses memory beyond so many pages in all; for a guest that [`replayer`] has made.
    ///
    /// [`replayer`]: super::replayer
    ///
    /// # Errors
    /// [`Failure::Unusable`] for another guest.
    pub(super) fn limit_pages(&mut self, pages: u64) -> Result<(), Failure> {
        let limit = u32::try_from(pages).unwrap_or(u32::MAX);
        let set = self.instance.set_global(replayer::LIMIT, Value::u32(limit));
        set.map_err(|error| Failure::Unusable { words: error.to_string() })
    }

    /// Does the work once, with this much fuel where that is counted.
    ///
    /// # Errors
    /// What went wrong: a trap, or what the guest's own checks found.
    pub fn run(&mut self, fuel_limit: u64) -> Result<Run, Failure> {
        let (export, arguments) = &self.call;
        self.instance.limit_fuel(fuel_limit);
        let outcome = self.instance.call(export, arguments);
        let status = integer(&mut *self.instance, "status", &[]).ok();
        let status = status.and_then(|raw| Status::from_raw(u32::try_from(raw).ok()?));
        let outcome = outcome.map_err(|error| failure(&error, status, fuel_limit))?;
        match status {
            Some(Status::Sound) => {}
            Some(status) => return Err(Failure::from_status(status)),
            None => return Err(Failure::Unusable { words: "the guest reports no status".to_owned() }),
        }
        let checksum =
            outcome.integer(export).map_err(|error| Failure::Unusable { words: error.to_string() })?;
        Ok(Run { checksum, elapsed: outcome.elapsed, fuel: outcome.fuel })
    }

    /// Does the work once more, which must have the same answer. Returns the heap's bytes after it.
    ///
    /// # Errors
    /// As [`Bout::run`], or another answer.
    pub(super) fn run_again(&mut self, fuel_limit: u64, expected: u64) -> Result<u64, Failure> {
        match self.run(fuel_limit)?.checksum {
            checksum if checksum == expected => self.counter("heap_bytes"),
            checksum => Err(Failure::WrongAnswer { checksum, expected }),
        }
    }

    /// How often the guest's memory has grown, where the engine counts it; only differences mean something.
    pub(super) fn growths(&mut self) -> Option<u64> {
        self.instance.growths()
    }

    /// A counter of the guest, such as `calls` or `heap_bytes`.
    ///
    /// # Errors
    /// [`Failure::Unusable`] if the guest does not export it.
    pub fn counter(&mut self, export: &str) -> Result<u64, Failure> {
        integer(&mut *self.instance, export, &[])
            .map_err(|error| Failure::Unusable { words: error.to_string() })
    }
}

fn integer(instance: &mut dyn Instance, export: &str, arguments: &[Value]) -> Result<u64, EngineError> {
    instance.call(export, arguments)?.integer(export)
}

/// Reads a table of names: how many, and each as `address << 32 | length_bytes`.
fn names(instance: &mut dyn Instance, count: &str, name: &str) -> Result<BTreeMap<String, u32>, EngineError> {
    let number = integer(instance, count, &[])?;
    let broken = |words: &str| EngineError::Export { name: name.to_owned(), words: words.to_owned() };
    let number = u32::try_from(number).ok().filter(|&number| number <= 10_000);
    let number = number.ok_or_else(|| broken("there cannot be so many workloads"))?;
    let mut names = BTreeMap::new();
    for index in 0..number {
        let packed = integer(instance, name, &[Value::u32(index)])?;
        let (address, length) = (packed >> 32, packed & u64::from(u32::MAX));
        if length > NAME_LIMIT_BYTES {
            return Err(broken("a name is too long"));
        }
        let bytes = instance.read(Memory::Main, address, length)?;
        let text = String::from_utf8(bytes).map_err(|_| broken("a name is not UTF-8"))?;
        names.insert(text, index);
    }
    Ok(names)
}
