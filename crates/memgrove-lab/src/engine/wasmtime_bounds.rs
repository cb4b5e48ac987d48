//! What a store on wasmtime may take: its limiter, its clock, and shared memories, for whose growth no limiter is asked.

use std::thread;
use std::time::{Duration, Instant};

use wasmtime::{ResourceLimiter, SharedMemory, UpdateDeadline};

use super::budget::{Account, Budget, deadline};
use super::{EngineError, Exceeded};

/// How often a call is interrupted to look at the clock.
const TICK: Duration = Duration::from_millis(20);

/// Lets an engine's epochs go on for as long as it lives.
pub(super) fn tick(engine: &wasmtime::Engine) -> Result<(), EngineError> {
    let engine = engine.weak();
    let work = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    };
    thread::Builder::new().stack_size(64 << 10).spawn(work).map(drop).map_err(EngineError::engine)
}

/// The bounds of one store.
pub(super) struct Bounds {
    pub(super) account: Account,
    /// The time of the current call, and when it is over.
    limit: Duration,
    deadline: Instant,
    /// Shared memories, with the bytes that are on the account.
    shared: Vec<(SharedMemory, u64)>,
}

impl Bounds {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            account: Account::new(budget),
            limit: Duration::ZERO,
            deadline: Instant::now(),
            shared: Vec::new(),
        }
    }

    /// A call begins that may take `limit`.
    pub(super) fn begin(&mut self, limit: Duration) {
        self.limit = limit;
        self.deadline = deadline(limit);
    }

    /// Watches a shared memory that is on the account with what it has now.
    pub(super) fn watch(&mut self, memory: SharedMemory) {
        let known = self.shared.iter().any(|(known, _)| known.data().as_ptr() == memory.data().as_ptr());
        if !known {
            let bytes = memory.data_size() as u64;
            self.shared.push((memory, bytes));
        }
    }

    /// Called in the middle of a call, at every tick.
    pub(super) fn look(&mut self) -> wasmtime::Result<UpdateDeadline> {
        self.count_shared()?;
        if Instant::now() >= self.deadline {
            let error = EngineError::Timeout { limit: self.limit };
            self.account.end(error.clone());
            return Err(wasmtime::Error::new(error));
        }
        Ok(UpdateDeadline::Continue(1))
    }

    /// The outcome of a call that has ended.
    pub(super) fn judge<R>(&mut self, outcome: Result<R, EngineError>) -> Result<R, EngineError> {
        // Kept by the account, which is asked next.
        let _ = self.count_shared();
        self.account.judge(outcome)
    }

    fn count_shared(&mut self) -> Result<(), Exceeded> {
        for (memory, counted) in &mut self.shared {
            let bytes = memory.data_size() as u64;
            self.account.take_memory(bytes - *counted)?;
            *counted = bytes;
        }
        Ok(())
    }
}

impl ResourceLimiter for Account {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.memory_grows(current, desired, maximum)?;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.failed(&error);
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.table_grows(current, desired, maximum)?;
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.failed(&error);
        Ok(())
    }
}

impl Account {
    /// Growth has failed: by the type, for which the limiter may not have been asked before, or in the operating
    /// system, for which it was. Wasmtime tells them apart by words alone.
    fn failed(&mut self, error: &wasmtime::Error) {
        let words = error.to_string();
        let by_type = ["type's limits", "maximum size exceeded"].iter().any(|part| words.contains(part));
        if !by_type {
            self.growth_failed(true);
        }
    }
}
