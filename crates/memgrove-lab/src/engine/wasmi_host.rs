//! The host's side of a call out of a module on wasmi, and what its store may take.

use std::time::Instant;

use wasmi::errors::{HostError, MemoryError, TableError};
use wasmi::{AsContextMut, Caller as EngineCaller, Extern, Func, Nullable, Ref, ResourceLimiter, Val};
use wasmi_core::LimiterError;

use super::budget::Account;
use super::wasmi::{State, main_memory_name};
use super::wasmi_value::{Ended, from_val, run_error, to_val};
use super::{Caller, EngineError, HostFunction, HostTrap, Signature, Value, checked_results, range};

impl HostError for Ended {}

impl ResourceLimiter for Account {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        let granted = self.memory_grows(current, desired, maximum);
        granted.map(|()| true).map_err(|_| LimiterError::ResourceLimiterDeniedAllocation)
    }

    fn memory_grow_failed(&mut self, error: &MemoryError) -> Result<(), LimiterError> {
        self.growth_failed(matches!(error, MemoryError::OutOfSystemMemory));
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        let granted = self.table_grows(current, desired, maximum);
        granted.map(|()| true).map_err(|_| LimiterError::ResourceLimiterDeniedAllocation)
    }

    fn table_grow_failed(&mut self, error: &TableError) -> Result<(), LimiterError> {
        self.growth_failed(matches!(error, TableError::OutOfSystemMemory));
        Ok(())
    }

    // The account itself counts these, before anything is made.
    fn instances(&self) -> usize {
        usize::MAX
    }

    fn tables(&self) -> usize {
        usize::MAX
    }

    fn memories(&self) -> usize {
        usize::MAX
    }
}

/// Calls a function of the host on behalf of the module.
pub(super) fn enter_host(
    mut caller: EngineCaller<'_, State>,
    function: &HostFunction,
    signature: &Signature,
    parameters: &[Val],
    results: &mut [Val],
) -> Result<(), wasmi::Error> {
    let state = caller.data_mut();
    if Instant::now() >= state.deadline {
        let error = EngineError::Timeout { limit: state.limit };
        state.account.end(error.clone());
        return Err(ended(error.into()));
    }
    let arguments: Vec<_> = parameters.iter().map(from_val).collect();
    state.account.enter().map_err(|error| ended(error.into()))?;
    let mut calling = Calling { caller, signature };
    let outcome = function(&mut calling, &arguments);
    calling.caller.data_mut().account.leave();
    let values = checked_results(outcome, signature).map_err(ended)?;
    for (slot, value) in results.iter_mut().zip(values) {
        *slot =
            to_val(value).ok_or_else(|| ended(HostTrap("a host cannot answer a reference".to_owned())))?;
    }
    Ok(())
}

fn ended(trap: HostTrap) -> wasmi::Error {
    wasmi::Error::host(Ended(trap))
}

pub(super) fn result_slots(function: &Func, store: impl wasmi::AsContext) -> Vec<Val> {
    function.ty(store).results().iter().map(|&ty| Val::default_for_ty(ty)).collect()
}

struct Calling<'a> {
    caller: EngineCaller<'a, State>,
    signature: &'a Signature,
}

impl Calling<'_> {
    fn memory(&self) -> Result<wasmi::Memory, EngineError> {
        if let Some(memory) = self.caller.data().imported_memory {
            return Ok(memory);
        }
        let name = main_memory_name(self.caller.data())?;
        let memory = self.caller.get_export(name).and_then(Extern::into_memory);
        memory.ok_or_else(|| EngineError::export(name, "is not a memory"))
    }

    fn invoke(&mut self, function: Func, name: &str, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        let arguments: Option<Vec<_>> = arguments.iter().map(|&value| to_val(value)).collect();
        let arguments = arguments.ok_or_else(|| EngineError::export(name, "takes no such reference"))?;
        let mut results = result_slots(&function, &self.caller);
        if let Err(error) = function.call(&mut self.caller, &arguments, &mut results) {
            let error = run_error(&error);
            if error.is_exhausted() {
                self.caller.data_mut().account.end(error.clone());
            }
            return Err(error);
        }
        Ok(results.iter().map(from_val).collect())
    }
}

impl Caller for Calling<'_> {
    fn signature(&self) -> &Signature {
        self.signature
    }

    fn memory_bytes(&mut self) -> Result<u64, EngineError> {
        Ok(self.memory()?.data_size(&self.caller) as u64)
    }

    fn read(&mut self, address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError> {
        let memory = self.memory()?;
        read(&mut self.caller, memory, address, length_bytes)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), EngineError> {
        let memory = self.memory()?;
        write(&mut self.caller, memory, address, bytes)
    }

    fn grow(&mut self, pages: u64) -> Option<u64> {
        self.memory().ok()?.grow(&mut self.caller, pages).ok()
    }

    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        match self.caller.get_export(export) {
            Some(Extern::Func(function)) => self.invoke(function, export, arguments),
            _ => Err(EngineError::export(export, "is not an exported function")),
        }
    }

    fn call_table(&mut self, index: u32, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        let state = self.caller.data();
        let table = state.imported_table.or_else(|| {
            state
                .shape
                .main_table()
                .and_then(|name| self.caller.get_export(name))
                .and_then(Extern::into_table)
        });
        let table = table.ok_or_else(|| EngineError::export("table", "the module shows no table"))?;
        match table.get(&self.caller, u64::from(index)) {
            Some(Ref::Func(Nullable::Val(function))) => self.invoke(function, "table", arguments),
            _ => Err(EngineError::export("table", format!("holds no function at {index}"))),
        }
    }
}

pub(super) fn read(
    mut store: impl AsContextMut,
    memory: wasmi::Memory,
    address: u64,
    length_bytes: u64,
) -> Result<Vec<u8>, EngineError> {
    let store = store.as_context_mut();
    let range = range(address, length_bytes, memory.data_size(&store))?;
    let mut bytes = vec![0; range.len()];
    memory.read(&store, range.start, &mut bytes).map_err(EngineError::engine)?;
    Ok(bytes)
}

pub(super) fn write(
    store: impl AsContextMut,
    memory: wasmi::Memory,
    address: u64,
    bytes: &[u8],
) -> Result<(), EngineError> {
    let range = range(address, bytes.len() as u64, memory.data_size(&store))?;
    memory.write(store, range.start, bytes).map_err(EngineError::engine)
}
