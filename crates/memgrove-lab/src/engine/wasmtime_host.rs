//! The host's side of a call out of a module on wasmtime.

use wasmtime::{Caller as EngineCaller, Extern, Func, Ref, Table, Val};

use super::budget::Account;
use super::running::{Calling, call_host, called_back, engine_values};
use super::wasmtime::{State, memory_of};
use super::wasmtime_value::{from_val, run_error, to_val};
use super::{Caller, EngineError, HostFunction, Signature, Value, read_bytes, write_bytes};

/// Calls a function of the host on behalf of the module.
pub(super) fn enter_host(
    caller: EngineCaller<'_, State>,
    function: &HostFunction,
    signature: &Signature,
    parameters: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let arguments: Vec<_> = parameters.iter().map(from_val).collect();
    let values =
        call_host(&mut Call { caller, signature }, function, &arguments).map_err(wasmtime::Error::new)?;
    for (slot, value) in results.iter_mut().zip(values.into_iter().filter_map(to_val)) {
        *slot = value;
    }
    Ok(())
}

struct Call<'a> {
    caller: EngineCaller<'a, State>,
    signature: &'a Signature,
}

impl Call<'_> {
    fn exported(&mut self, name: &str) -> Result<Extern, EngineError> {
        self.caller.get_export(name).ok_or_else(|| EngineError::export(name, "does not exist"))
    }

    fn memory(&mut self) -> Result<wasmtime::Memory, EngineError> {
        if let Some(memory) = self.caller.data().imported_memory {
            return Ok(memory);
        }
        let shape = self.caller.data().shape.clone();
        let name = shape.main_memory()?;
        memory_of(self.exported(name)?, name)
    }

    fn table(&mut self) -> Result<Table, EngineError> {
        if let Some(table) = self.caller.data().imported_table {
            return Ok(table);
        }
        let shape = self.caller.data().shape.clone();
        let name = shape.main_table()?;
        self.exported(name)?.into_table().ok_or_else(|| EngineError::export(name, "is not a table"))
    }

    fn invoke(&mut self, function: Func, name: &str, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        let arguments = engine_values(arguments, to_val, name)?;
        let mut results = vec![Val::I32(0); function.ty(&self.caller).results().len()];
        let outcome = function.call(&mut self.caller, &arguments, &mut results);
        called_back(self.account(), outcome.map_err(|error| run_error(&error)))?;
        Ok(results.iter().map(from_val).collect())
    }
}

impl Calling for Call<'_> {
    fn account(&mut self) -> &mut Account {
        &mut self.caller.data_mut().bounds.account
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

    fn fuel(&mut self) -> Option<u64> {
        self.caller.get_fuel().ok()
    }

    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        match self.caller.get_export(export) {
            Some(Extern::Func(function)) => self.invoke(function, export, arguments),
            _ => Err(EngineError::export(export, "is not an exported function")),
        }
    }

    fn call_table(&mut self, index: u32, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        match self.table()?.get(&mut self.caller, u64::from(index)) {
            Some(Ref::Func(Some(function))) => self.invoke(function, "table", arguments),
            _ => Err(EngineError::export("table", format!("holds no function at {index}"))),
        }
    }
}
