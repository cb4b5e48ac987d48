//! The host's side of a call out of a module on wasmi, and what its store may take.

use std::time::Instant;

use wasmi::errors::{HostError, MemoryError, TableError};
use wasmi::{Caller as EngineCaller, Extern, Func, Nullable, Ref, ResourceLimiter, Table, Val};
use wasmi_core::LimiterError;

use super::budget::Account;
use super::running::{Calling, call_host, called_back, engine_values};
use super::wasmi::State;
use super::wasmi_value::{Ended, from_val, run_error, to_val};
use super::{Caller, EngineError, HostFunction, HostTrap, Signature, Value, read_bytes, write_bytes};

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
    let values = call_host(&mut Call { caller, signature }, function, &arguments).map_err(ended)?;
    for (slot, value) in results.iter_mut().zip(values.into_iter().filter_map(to_val)) {
        *slot = value;
    }
    Ok(())
}

fn ended(trap: HostTrap) -> wasmi::Error {
    wasmi::Error::host(Ended(trap))
}

pub(super) fn result_slots(function: &Func, store: impl wasmi::AsContext) -> Vec<Val> {
    function.ty(store).results().iter().map(|&ty| Val::default_for_ty(ty)).collect()
}

struct Call<'a> {
    caller: EngineCaller<'a, State>,
    signature: &'a Signature,
}

impl Call<'_> {
    fn memory(&self) -> Result<wasmi::Memory, EngineError> {
        let state = self.caller.data();
        if let Some(memory) = state.imported_memory {
            return Ok(memory);
        }
        let name = state.shape.main_memory()?;
        let memory = self.caller.get_export(name).and_then(Extern::into_memory);
        memory.ok_or_else(|| EngineError::export(name, "is not a memory"))
    }

    fn table(&self) -> Result<Table, EngineError> {
        let state = self.caller.data();
        if let Some(table) = state.imported_table {
            return Ok(table);
        }
        let name = state.shape.main_table()?;
        let table = self.caller.get_export(name).and_then(Extern::into_table);
        table.ok_or_else(|| EngineError::export(name, "is not a table"))
    }

    fn invoke(&mut self, function: Func, name: &str, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        let arguments = engine_values(arguments, to_val, name)?;
        let mut results = result_slots(&function, &self.caller);
        let outcome = function.call(&mut self.caller, &arguments, &mut results);
        called_back(self.account(), outcome.map_err(|error| run_error(&error)))?;
        Ok(results.iter().map(from_val).collect())
    }
}

impl Calling for Call<'_> {
    fn account(&mut self) -> &mut Account {
        &mut self.caller.data_mut().account
    }
}

impl Caller for Call<'_> {
    fn signature(&self) -> &Signature {
        self.signature
    }

    fn memory_bytes(&mut self) -> Result<u64, EngineError> {
        Ok(self.memory()?.data_size(&self.caller) as u64)
    }

    fn read(&mut self, address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError> {
        read_bytes(self.memory()?.data(&self.caller), address, length_bytes)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), EngineError> {
        write_bytes(self.memory()?.data_mut(&mut self.caller), address, bytes)
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
        match self.table()?.get(&self.caller, u64::from(index)) {
            Some(Ref::Func(Nullable::Val(function))) => self.invoke(function, "table", arguments),
            _ => Err(EngineError::export("table", format!("holds no function at {index}"))),
        }
    }
}
