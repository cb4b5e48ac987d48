//! The host's side of a call out of a module on wasmtime.

use wasmtime::{AsContextMut, Caller as EngineCaller, Extern, Func, Ref, Val};

use super::wasmtime::{State, main_memory_name, memory_of};
use super::wasmtime_value::{from_val, run_error, to_val};
use super::{Caller, EngineError, HostFunction, HostTrap, Signature, Value, checked_results, range};

/// Calls a function of the host on behalf of the module.
pub(super) fn enter_host(
    mut caller: EngineCaller<'_, State>,
    function: &HostFunction,
    signature: &Signature,
    parameters: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let arguments: Vec<_> = parameters.iter().map(from_val).collect();
    caller.data_mut().bounds.account.enter().map_err(wasmtime::Error::new)?;
    let mut calling = Calling { caller, signature };
    let outcome = function(&mut calling, &arguments);
    calling.caller.data_mut().bounds.account.leave();
    let values = checked_results(outcome, signature).map_err(wasmtime::Error::new)?;
    for (slot, value) in results.iter_mut().zip(values) {
        *slot = to_val(value)
            .ok_or_else(|| wasmtime::Error::new(HostTrap("a host cannot answer a reference".to_owned())))?;
    }
    Ok(())
}

struct Calling<'a> {
    caller: EngineCaller<'a, State>,
    signature: &'a Signature,
}

impl Calling<'_> {
    fn memory(&mut self) -> Result<wasmtime::Memory, EngineError> {
        if let Some(memory) = self.caller.data().imported_memory {
            return Ok(memory);
        }
        let name = main_memory_name(self.caller.data())?;
        let item = self.caller.get_export(&name);
        memory_of(item.ok_or_else(|| EngineError::export(&name, "does not exist"))?, &name)
    }

    fn invoke(&mut self, function: Func, name: &str, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        let ty = function.ty(&self.caller);
        let arguments: Option<Vec<_>> = arguments.iter().map(|&value| to_val(value)).collect();
        let arguments = arguments.ok_or_else(|| EngineError::export(name, "takes no such reference"))?;
        let mut results = vec![Val::I32(0); ty.results().len()];
        if let Err(error) = function.call(&mut self.caller, &arguments, &mut results) {
            let error = run_error(&error);
            if error.is_exhausted() {
                self.caller.data_mut().bounds.account.end(error.clone());
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
        let memory = self.memory()?;
        Ok(memory.data_size(&self.caller) as u64)
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
        let memory = self.memory().ok()?;
        memory.grow(&mut self.caller, pages).ok()
    }

    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        match self.caller.get_export(export) {
            Some(Extern::Func(function)) => self.invoke(function, export, arguments),
            _ => Err(EngineError::export(export, "is not an exported function")),
        }
    }

    fn call_table(&mut self, index: u32, arguments: &[Value]) -> Result<Vec<Value>, EngineError> {
        let table = match self.caller.data().imported_table {
            Some(table) => Some(table),
            None => {
                let name = self.caller.data().shape.main_table().map(str::to_owned);
                name.and_then(|name| self.caller.get_export(&name)).and_then(Extern::into_table)
            }
        };
        let table = table.ok_or_else(|| EngineError::export("table", "the module shows no table"))?;
        match table.get(&mut self.caller, u64::from(index)) {
            Some(Ref::Func(Some(function))) => self.invoke(function, "table", arguments),
            _ => Err(EngineError::export("table", format!("holds no function at {index}"))),
        }
    }
}

pub(super) fn read(
    mut store: impl AsContextMut,
    memory: wasmtime::Memory,
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
    memory: wasmtime::Memory,
    address: u64,
    bytes: &[u8],
) -> Result<(), EngineError> {
    let range = range(address, bytes.len() as u64, memory.data_size(&store))?;
    memory.write(store, range.start, bytes).map_err(EngineError::engine)
}
