//! What the engines that are linked in have in common: an instance at work on a thread of its own, and calls of the host
//! on its account.

use std::time::Duration;

use super::apart::Apart;
use super::budget::Account;
use super::{
    Budget, Caller, EngineError, HostFunction, HostTrap, Instance, Memory, Outcome, Value, checked_results,
};

/// An engine's instance, where it lives.
pub(super) trait Working: Instance + 'static {
    /// Something with it begins that may take `limit`.
    fn begin(&mut self, limit: Duration);

    /// The account of its store.
    fn judge<R>(&mut self, outcome: Result<R, EngineError>) -> Result<R, EngineError>;
}

/// The same for everybody else: each order goes to its thread, and is waited for no longer than it may take.
pub(super) struct Running<W> {
    work: Apart<W>,
    budget: Budget,
}

impl<W: Working> Running<W> {
    /// Makes the instance on a new thread.
    pub(super) fn start(
        budget: Budget,
        limit: Duration,
        make: impl FnOnce() -> Result<W, EngineError> + Send + 'static,
    ) -> Result<Self, EngineError> {
        Ok(Self { work: Apart::start(budget.limits().stack_bytes, limit, make)?, budget })
    }

    fn with<R: Send + 'static>(
        &mut self,
        order: impl FnOnce(&mut W) -> Result<R, EngineError> + Send + 'static,
    ) -> Result<R, EngineError> {
        let limit = self.budget.time(self.budget.limits().call)?;
        self.work.run(limit, move |working| {
            working.begin(limit);
            let outcome = order(working);
            working.judge(outcome)
        })?
    }

    fn with_memory<R: Send + 'static>(
        &mut self,
        memory: Memory<'_>,
        order: impl FnOnce(&mut W, Memory<'_>) -> Result<R, EngineError> + Send + 'static,
    ) -> Result<R, EngineError> {
        let name = match memory {
            Memory::Main => None,
            Memory::Export(name) => Some(name.to_owned()),
        };
        self.with(move |working| order(working, name.as_deref().map_or(Memory::Main, Memory::Export)))
    }
}

impl<W: Working> Instance for Running<W> {
    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Outcome, EngineError> {
        let (name, arguments) = (export.to_owned(), arguments.to_vec());
        self.with(move |working| working.call(&name, &arguments))
    }

    fn limit_fuel(&mut self, fuel: u64) {
        // An instance that was given up takes none.
        let _ = self.with(move |working| {
            working.limit_fuel(fuel);
            Ok(())
        });
    }

    fn growths(&mut self) -> Option<u64> {
        self.with(|working| Ok(working.growths())).ok().flatten()
    }

    fn memory_bytes(&mut self, memory: Memory<'_>) -> Result<u64, EngineError> {
        self.with_memory(memory, |working, memory| working.memory_bytes(memory))
    }

    fn read(&mut self, memory: Memory<'_>, address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError> {
        self.with_memory(memory, move |working, memory| working.read(memory, address, length_bytes))
    }

    fn write(&mut self, memory: Memory<'_>, address: u64, bytes: &[u8]) -> Result<(), EngineError> {
        let bytes = bytes.to_vec();
        self.with_memory(memory, move |working, memory| working.write(memory, address, &bytes))
    }

    fn grow(&mut self, memory: Memory<'_>, pages: u64) -> Result<Option<u64>, EngineError> {
        self.with_memory(memory, move |working, memory| working.grow(memory, pages))
    }

    fn global(&mut self, export: &str) -> Result<Value, EngineError> {
        let name = export.to_owned();
        self.with(move |working| working.global(&name))
    }

    fn set_global(&mut self, export: &str, value: Value) -> Result<(), EngineError> {
        let name = export.to_owned();
        self.with(move |working| working.set_global(&name, value))
    }
}

/// A call of the host that is under way.
pub(super) trait Calling: Caller {
    /// The account of the store that calls.
    fn account(&mut self) -> &mut Account;
}

/// Calls a function of the host; its results fit the type that it was imported with.
pub(super) fn call_host(
    calling: &mut impl Calling,
    function: &HostFunction,
    arguments: &[Value],
) -> Result<Vec<Value>, HostTrap> {
    calling.account().enter()?;
    let outcome = function(calling, arguments);
    calling.account().leave();
    checked_results(outcome, calling.signature())
}

/// The outcome of a call that a function of the host made back into the module: what a limit ended ends the call around
/// it, too, whatever the host makes of the error.
pub(super) fn called_back<R>(
    account: &mut Account,
    outcome: Result<R, EngineError>,
) -> Result<R, EngineError> {
    if let Err(error) = &outcome
        && error.is_exhausted()
    {
        account.end(error.clone());
    }
    outcome
}

/// Values as the engine has them.
pub(super) fn engine_values<V>(
    arguments: &[Value],
    to_val: impl Fn(Value) -> Option<V>,
    export: &str,
) -> Result<Vec<V>, EngineError> {
    let values: Option<Vec<_>> = arguments.iter().map(|&value| to_val(value)).collect();
    values.ok_or_else(|| EngineError::export(export, "takes a reference, which cannot be handed in"))
}
