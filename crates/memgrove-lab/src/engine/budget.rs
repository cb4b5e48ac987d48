//! What a run may take: one budget for every engine. Its numbers stand in `limits.rs`.
//!
//! ```text
//! Limits (numbers) --Budget::new--> Budget (shared: what is taken) --one for each store--> Account
//! ```
//!
//! Sums are over everything that was opened with the same [`Budget`]: memories of two instances count together,
//! as do tables. An account gives back what it took when its store ends. A request beyond the budget ends the call
//! with [`EngineError::Budget`](super::EngineError::Budget), and is never a refusal that the module sees: what it
//! would do after one says nothing about what it does elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Demand, EngineError, Exceeded, Limits, Resource, TrapReason};

/// What a run has taken of its limits. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: Limits,
    began: Instant,
    taken: [AtomicU64; COUNTED.len()],
}

/// The resources that are sums over a run; an index into [`Shared::taken`].
const COUNTED: [Resource; 5] = [
    Resource::MemoryBytes,
    Resource::TableElements,
    Resource::Instances,
    Resource::Memories,
    Resource::Tables,
];

impl Budget {
    /// A budget of which nothing is taken; its time begins now.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared { limits, began: Instant::now(), taken: Default::default() }))
    }

    /// The numbers.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Another with the same limits, of which nothing is taken; the run's time goes on.
    #[must_use]
    pub fn fresh(&self) -> Self {
        Self(Arc::new(Shared { limits: self.0.limits, began: self.0.began, taken: Default::default() }))
    }

    /// How long something may take that may take `limit` by itself: the run's time ends too.
    ///
    /// # Errors
    /// [`EngineError::Timeout`] if the run's time is up.
    pub fn time(&self, limit: Duration) -> Result<Duration, EngineError> {
        let Some(run) = self.0.limits.run else { return Ok(limit) };
        match run.checked_sub(self.0.began.elapsed()) {
            Some(left) if !left.is_zero() => Ok(limit.min(left)),
            _ => Err(EngineError::Timeout { limit: run }),
        }
    }

    /// Bytes that memories have now.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.0.taken[0].load(Ordering::Relaxed)
    }

    fn limit(&self, resource: Resource) -> u64 {
        match resource {
            Resource::MemoryBytes => self.0.limits.memory_bytes,
            Resource::TableElements => self.0.limits.table_elements,
            _ => self.0.limits.items,
        }
    }

    fn take(&self, at: usize, amount: u64) -> Result<(), Exceeded> {
        let (resource, counter) = (COUNTED[at], &self.0.taken[at]);
        let limit = self.limit(resource);
        let add = |taken: u64| taken.checked_add(amount).filter(|&sum| sum <= limit);
        match counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(()),
            Err(taken) => Err(Exceeded { resource, asked: taken.saturating_add(amount), limit }),
        }
    }

    fn give_back(&self, at: usize, amount: u64) {
        self.0.taken[at].fetch_sub(amount, Ordering::Relaxed);
    }
}

/// When something is over that may take `limit` from now on.
pub(super) fn deadline(limit: Duration) -> Instant {
    const AGES: Duration = Duration::from_secs(1 << 32);
    Instant::now() + limit.min(AGES)
}

/// What one store has taken, to be given back when it ends.
#[derive(Debug)]
pub(super) struct Account {
    budget: Budget,
    taken: [u64; COUNTED.len()],
    /// The last growth, until the next: it is taken back when the engine says that it failed.
    pending: Option<(usize, u64)>,
    /// How often a memory grew, and was made.
    growths: u64,
    /// What ended the current call first, if it was a limit of ours: the engine's own error may say less, and a
    /// function of the host between two calls may hide it.
    ended: Option<EngineError>,
    /// Calls of the host that are under way.
    nested_calls: u32,
}

/// Indices into [`COUNTED`].
const MEMORY: usize = 0;
const TABLE: usize = 1;
const INSTANCES: usize = 2;
const MEMORIES: usize = 3;
const TABLES: usize = 4;

impl Account {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            budget: budget.clone(),
            taken: [0; COUNTED.len()],
            pending: None,
            growths: 0,
            ended: None,
            nested_calls: 0,
        }
    }

    /// Takes what one more instance of a module is, and looks whether there is room for what it is at first; its
    /// memories and tables are taken when the engine makes them.
    pub(super) fn admit(&mut self, demand: &Demand) -> Result<(), EngineError> {
        let counts = [(INSTANCES, 1), (MEMORIES, demand.memories), (TABLES, demand.tables)];
        let first = [(MEMORY, demand.memory_bytes), (TABLE, demand.table_elements)];
        counts
            .into_iter()
            .try_for_each(|(at, count)| self.take(at, count))
            .and_then(|()| {
                first.into_iter().try_for_each(|(at, amount)| {
                    self.budget.take(at, amount)?;
                    self.budget.give_back(at, amount);
                    Ok(())
                })
            })
            .and_then(|()| self.take(MEMORY, demand.unseen_bytes))
            .map_err(EngineError::Budget)
    }

    /// Takes bytes that no engine asks for.
    pub(super) fn take_memory(&mut self, bytes: u64) -> Result<(), Exceeded> {
        self.take(MEMORY, bytes)
    }

    /// Says what memories and tables have in all, where that is known afterwards only: bytes, elements.
    pub(super) fn hold(&mut self, held: [u64; 2]) -> Result<(), Exceeded> {
        for (at, held) in [MEMORY, TABLE].into_iter().zip(held) {
            match held.checked_sub(self.taken[at]) {
                Some(more) => self.take(at, more)?,
                None => {
                    self.budget.give_back(at, self.taken[at] - held);
                    self.taken[at] = held;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, at: usize, amount: u64) -> Result<(), Exceeded> {
        if let Err(exceeded) = self.budget.take(at, amount) {
            self.end(EngineError::Budget(exceeded));
            return Err(exceeded);
        }
        self.taken[at] += amount;
        Ok(())
    }

    /// A memory wants to grow. `Ok` also where its own maximum will refuse, which takes nothing.
    pub(super) fn memory_grows(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<(), Exceeded> {
        self.grows(MEMORY, current, desired, maximum)
    }

    /// A table wants to grow.
    pub(super) fn table_grows(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<(), Exceeded> {
        self.grows(TABLE, current, desired, maximum)
    }

    fn grows(
        &mut self,
        at: usize,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<(), Exceeded> {
        self.pending = None;
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(());
        }
        let amount = desired.saturating_sub(current) as u64;
        self.take(at, amount)?;
        self.pending = Some((at, amount));
        self.growths += u64::from(at == MEMORY && amount > 0);
        Ok(())
    }

    /// The growth that was granted last has failed. `by_host`: because the operating system refused, which another
    /// machine would not.
    pub(super) fn growth_failed(&mut self, by_host: bool) {
        let Some((at, amount)) = self.pending.take() else { return };
        self.taken[at] -= amount;
        self.growths -= u64::from(at == MEMORY && amount > 0);
        self.budget.give_back(at, amount);
        if by_host {
            let limit = self.budget.limit(COUNTED[at]);
            self.end(EngineError::Budget(Exceeded { resource: Resource::HostMemory, asked: amount, limit }));
        }
    }

    /// How often memories have grown, one that was made counted as well.
    pub(super) fn growths(&self) -> u64 {
        self.growths
    }

    /// Says that a limit has ended the current call.
    pub(super) fn end(&mut self, error: EngineError) {
        self.ended.get_or_insert(error);
    }

    /// The module calls the host. To be followed by [`leave`](Self::leave) if it may.
    pub(super) fn enter(&mut self) -> Result<(), EngineError> {
        let limit = self.budget.0.limits.nested_calls;
        if self.nested_calls >= limit {
            let words = format!("more than {limit} calls of the host inside each other");
            let error = EngineError::Trap { reason: TrapReason::StackOverflow, words };
            self.end(error.clone());
            return Err(error);
        }
        self.nested_calls += 1;
        Ok(())
    }

    /// A call of the host has returned.
    pub(super) fn leave(&mut self) {
        self.nested_calls = self.nested_calls.saturating_sub(1);
    }

    /// The outcome of a call: what a limit has ended did nothing else.
    pub(super) fn judge<R>(&mut self, outcome: Result<R, EngineError>) -> Result<R, EngineError> {
        match self.ended.take() {
            Some(error) => Err(error),
            None => outcome,
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        for (at, amount) in self.taken.into_iter().enumerate() {
            self.budget.give_back(at, amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget::new(Limits { memory_bytes: 100, table_elements: 10, items: 2, ..Limits::OWN })
    }

    #[test]
    fn accounts_share_and_give_back() {
        let budget = budget();
        let mut first = Account::new(&budget);
        first.memory_grows(0, 60, None).unwrap();
        let mut second = Account::new(&budget);
        let exceeded = second.memory_grows(0, 41, None).unwrap_err();
        assert_eq!(exceeded, Exceeded { resource: Resource::MemoryBytes, asked: 101, limit: 100 });
        assert_eq!(second.judge(Ok(1)), Err(EngineError::Budget(exceeded)));
        assert_eq!(second.judge(Ok(1)), Ok(1));
        drop(first);
        second.memory_grows(0, 41, None).unwrap();
        assert_eq!(budget.memory_bytes(), 41);
    }

    #[test]
    fn growth_that_failed_takes_nothing() {
        let budget = budget();
        let mut account = Account::new(&budget);
        account.memory_grows(0, 200, Some(150)).unwrap();
        account.growth_failed(false);
        account.memory_grows(0, 50, None).unwrap();
        account.growth_failed(true);
        account.growth_failed(true);
        assert_eq!(budget.memory_bytes(), 0);
        let Err(EngineError::Budget(exceeded)) = account.judge(Ok(())) else { panic!("hidden") };
        assert_eq!(exceeded.resource, Resource::HostMemory);
        account.table_grows(3, 13, None).unwrap();
        assert!(account.table_grows(13, 14, None).is_err());
    }

    #[test]
    fn what_a_module_declares_is_looked_at_first() {
        let mut account = Account::new(&budget());
        let demand = Demand { memory_bytes: 101, memories: 1, ..Demand::default() };
        let Err(EngineError::Budget(exceeded)) = account.admit(&demand) else { panic!("admitted") };
        assert_eq!((exceeded.resource, exceeded.asked), (Resource::MemoryBytes, 101));
        let demand = Demand { tables: 3, ..Demand::default() };
        let Err(EngineError::Budget(exceeded)) = account.admit(&demand) else { panic!("admitted") };
        assert_eq!((exceeded.resource, exceeded.asked), (Resource::Tables, 3));
    }

    #[test]
    fn the_time_of_a_run_ends() {
        let budget = Budget::new(Limits { run: Some(Duration::ZERO), ..Limits::OWN });
        let limit = Duration::from_secs(1);
        assert_eq!(budget.time(limit), Err(EngineError::Timeout { limit: Duration::ZERO }));
        assert_eq!(Budget::new(Limits::OWN).time(limit), Ok(limit));
    }
}
