//! What verification asks of an engine: a few traits, which any engine can be put behind.
//!
//! ```text
//! bytes --compile--> Module --instantiate(Host)--> Instance --call--> values
//!                                        Host's functions <--call-- the module, through a Caller
//! ```
//!
//! # Contract
//!
//! - [`Engine::compile`] validates. [`Module::shape`] is [`Shape::of`] the same bytes.
//! - [`Module::instantiate`] gives the module exactly what the [`Host`] has for its imports, each memory, table and
//!   global made for this instance, and runs `start`. An import that the host lacks is [`EngineError::Import`].
//! - A function of the host may call back into the module that calls it, through its [`Caller`]; what it reads and writes
//!   there is what the module sees.
//! - Growth that the module's own maximum allows is not refused to the module: where the machine or a budget cannot give
//!   it, the call ends with [`EngineError::Budget`].
//! - Each call ends. Where fuel is counted it ends with [`TrapReason::OutOfFuel`], else with [`EngineError::Timeout`];
//!   what a limit ended is [`EngineError::is_exhausted`], which says nothing about the module.
//! - A trap is told by its [`TrapReason`]; an engine that does not tell reasons apart says [`TrapReason::Other`]. After
//!   a trap the instance can still be called.
//!
//! `Send` and `Sync`: engines of objects that may not leave their thread, as JavaScript's, keep them on that side and
//! hand out numbers. So does the lab's Node, which is this contract spoken to V8.

mod demand;
mod error;
mod host;
pub mod messages;
mod shape;
mod value;

use std::time::Duration;

pub use demand::Demand;
pub use error::{EngineError, Exceeded, Resource, TrapReason};
pub use host::{Caller, Fallback, Host, HostFunction, HostTrap, Supply, checked_results};
pub use shape::{Export, ExportKind, Import, ImportKind, Shape};
pub use value::{Signature, Value, ValueType};

/// An engine, ready to compile.
pub trait Engine: Send + Sync {
    /// Its name, such as `wasmtime`: what evidence is filed under.
    fn name(&self) -> &'static str;

    /// Its version, such as `48.0.8` or `v20.19.2 (V8 11.3.244.8)`.
    fn version(&self) -> &str;

    /// Validates and compiles a module.
    ///
    /// # Errors
    /// [`EngineError::Compile`], or [`EngineError::Engine`] where it failed itself.
    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Module>, EngineError>;
}

/// A compiled module.
pub trait Module: Send + Sync {
    /// Its imports and exports.
    fn shape(&self) -> &Shape;

    /// Makes an instance and runs its `start` function.
    ///
    /// # Errors
    /// [`EngineError::Import`], [`EngineError::Instantiate`], or [`EngineError::Trap`] from `start`.
    fn instantiate(&self, host: &Host) -> Result<Box<dyn Instance>, EngineError>;
}

/// Which memory of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory<'a> {
    /// The one a host would use: imported, else exported as `memory`, else the first exported.
    Main,
    /// The one exported by this name.
    Export(&'a str),
}

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its results.
    pub values: Vec<Value>,
    /// Wall time from the engine's side of the call.
    pub elapsed: Duration,
    /// Fuel it took, where that is counted.
    pub fuel: Option<u64>,
}

impl Outcome {
    /// The only result, as an unsigned integer.
    ///
    /// # Errors
    /// [`EngineError::Export`] if `name` answered something else.
    pub fn integer(&self, name: &str) -> Result<u64, EngineError> {
        match self.values.as_slice() {
            [value] => value.as_u64(),
            _ => None,
        }
        .ok_or_else(|| EngineError::export(name, format!("answered {:?}, not one integer", self.values)))
    }
}

/// A module at work.
pub trait Instance: Send {
    /// Calls an exported function. After a trap the instance can still be called.
    ///
    /// # Errors
    /// [`EngineError::Export`] if there is none that takes these arguments, or [`EngineError::Trap`].
    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Outcome, EngineError>;

    /// Lets each call from now on take this much fuel; no effect where fuel is not counted.
    fn limit_fuel(&mut self, fuel: u64);

    /// How often memories have grown by `memory.grow` so far, not in vain; only differences mean something. `None` where
    /// that is not counted.
    fn growths(&mut self) -> Option<u64> {
        None
    }

    /// Size of a memory in bytes.
    ///
    /// # Errors
    /// [`EngineError::Export`] if there is no such memory.
    fn memory_bytes(&mut self, memory: Memory<'_>) -> Result<u64, EngineError>;

    /// Reads from a memory.
    ///
    /// # Errors
    /// [`EngineError::OutOfBounds`], or as [`Instance::memory_bytes`].
    fn read(&mut self, memory: Memory<'_>, address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError>;

    /// Writes into a memory.
    ///
    /// # Errors
    /// As [`Instance::read`].
    fn write(&mut self, memory: Memory<'_>, address: u64, bytes: &[u8]) -> Result<(), EngineError>;

    /// Grows a memory by pages of 64 KiB; answers the size before in pages, `None` if refused.
    ///
    /// # Errors
    /// As [`Instance::memory_bytes`].
    fn grow(&mut self, memory: Memory<'_>, pages: u64) -> Result<Option<u64>, EngineError>;

    /// The value of an exported global.
    ///
    /// # Errors
    /// [`EngineError::Export`] if there is none.
    fn global(&mut self, export: &str) -> Result<Value, EngineError>;

    /// Sets an exported mutable global.
    ///
    /// # Errors
    /// [`EngineError::Export`] if there is none, or it is constant or of another type.
    fn set_global(&mut self, export: &str, value: Value) -> Result<(), EngineError>;
}

/// Checks that arguments are of the types that an export takes.
///
/// # Errors
/// [`EngineError::Export`] with both.
pub fn check_arguments(arguments: &[Value], signature: &Signature, export: &str) -> Result<(), EngineError> {
    if arguments.iter().map(|value| value.value_type()).eq(signature.parameters.iter().copied()) {
        return Ok(());
    }
    Err(EngineError::export(export, format!("takes {:?}, not {arguments:?}", signature.parameters)))
}

/// Reads from a memory that is seen as its bytes.
///
/// # Errors
/// [`EngineError::OutOfBounds`].
pub fn read_bytes(memory: &[u8], address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError> {
    Ok(memory[range(address, length_bytes, memory.len())?].to_vec())
}

/// Writes into a memory that is seen as its bytes.
///
/// # Errors
/// [`EngineError::OutOfBounds`].
pub fn write_bytes(memory: &mut [u8], address: u64, bytes: &[u8]) -> Result<(), EngineError> {
    let range = range(address, bytes.len() as u64, memory.len())?;
    memory[range].copy_from_slice(bytes);
    Ok(())
}

/// The part of a memory that an access touches, if all of it is inside.
fn range(
    address: u64,
    length_bytes: u64,
    memory_bytes: usize,
) -> Result<std::ops::Range<usize>, EngineError> {
    let end = address.checked_add(length_bytes).filter(|&end| end <= memory_bytes as u64);
    match (usize::try_from(address), end.map(usize::try_from)) {
        (Ok(start), Some(Ok(end))) => Ok(start..end),
        _ => Err(EngineError::OutOfBounds { address, length_bytes }),
    }
}
