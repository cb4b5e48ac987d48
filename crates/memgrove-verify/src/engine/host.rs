//! What a host gives to a module, said once for every engine.
//!
//! ```
//! use memgrove_verify::engine::{Host, Value};
//!
//! let host = Host::new()
//!     .memory("env", "memory", 256)
//!     .global("env", "STACKTOP", Value::I32(5_242_880))
//!     .function("env", "enlargeMemory", |caller, _| {
//!         Ok(vec![Value::I32(i32::from(caller.grow(16).is_some()))])
//!     });
//! assert!(host.supplies("env", "enlargeMemory"));
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{EngineError, Signature, Value};

/// A function of the host: the module behind it, and the arguments. Its results must match the type that the
/// module imports it with.
pub type HostFunction = Arc<dyn Fn(&mut dyn Caller, &[Value]) -> Result<Vec<Value>, HostTrap> + Send + Sync>;

/// Decides about imports that nobody supplied: a function to stand in, or none.
pub type Fallback = Arc<dyn Fn(&str, &str, &Signature) -> Option<HostFunction> + Send + Sync>;

/// Why a function of the host ended the run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HostTrap(pub String);

impl From<EngineError> for HostTrap {
    fn from(error: EngineError) -> Self {
        Self(error.to_string())
    }
}

/// The module that calls a function of the host.
pub trait Caller {
    /// The type that the module imports the called function with.
    fn signature(&self) -> &Signature;

    /// Size in bytes of the module's main memory: an imported one before an exported one.
    ///
    /// # Errors
    /// [`EngineError::Export`] if the module has no memory that can be seen.
    fn memory_bytes(&mut self) -> Result<u64, EngineError>;

    /// Reads from the main memory.
    ///
    /// # Errors
    /// [`EngineError::OutOfBounds`], or as [`Caller::memory_bytes`].
    fn read(&mut self, address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError>;

    /// Writes into the main memory.
    ///
    /// # Errors
    /// As [`Caller::read`].
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), EngineError>;

    /// Grows the main memory by some pages of 64 KiB; answers the size before, in pages, or `None` if refused.
    fn grow(&mut self, pages: u64) -> Option<u64>;

    /// Fuel that is left, where the engine counts it.
    fn fuel(&mut self) -> Option<u64> {
        None
    }

    /// Calls an exported function of the module.
    ///
    /// # Errors
    /// [`EngineError::Export`] or [`EngineError::Trap`].
    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Vec<Value>, EngineError>;

    /// Calls a function by its index in the module's table (an imported one before an exported one).
    ///
    /// # Errors
    /// [`EngineError::Export`] if there is no such function, or [`EngineError::Trap`].
    fn call_table(&mut self, index: u32, arguments: &[Value]) -> Result<Vec<Value>, EngineError>;
}

/// One thing that a host gives.
#[derive(Clone)]
pub enum Supply {
    /// A function.
    Function(HostFunction),
    /// A fresh memory of the type that the module wants, with at least this many pages of 64 KiB.
    Memory {
        /// The pages.
        minimum_pages: u64,
    },
    /// A fresh table of the type that the module wants, with at least this many elements.
    Table {
        /// The elements.
        minimum_elements: u64,
    },
    /// A fresh global with this value.
    Global(Value),
}

/// A set of functions, memories, tables and globals to instantiate a module with.
///
/// Memories, tables and globals are made anew for each instance. What the module does not import is ignored.
#[derive(Clone, Default)]
pub struct Host {
    supplies: BTreeMap<(String, String), Supply>,
    fallback: Option<Fallback>,
}

impl Host {
    /// A host that gives nothing: the empty import object.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a function.
    #[must_use]
    pub fn function(
        self,
        module: &str,
        name: &str,
        function: impl Fn(&mut dyn Caller, &[Value]) -> Result<Vec<Value>, HostTrap> + Send + Sync + 'static,
    ) -> Self {
        self.with(module, name, Supply::Function(Arc::new(function)))
    }

    /// Gives a memory of at least `minimum_pages` pages, else of the type that the module imports.
    #[must_use]
    pub fn memory(self, module: &str, name: &str, minimum_pages: u64) -> Self {
        self.with(module, name, Supply::Memory { minimum_pages })
    }

    /// Gives a table of at least `minimum_elements` null references, else of the type that the module imports.
    #[must_use]
    pub fn table(self, module: &str, name: &str, minimum_elements: u64) -> Self {
        self.with(module, name, Supply::Table { minimum_elements })
    }

    /// Gives a global with this value.
    #[must_use]
    pub fn global(self, module: &str, name: &str, value: Value) -> Self {
        self.with(module, name, Supply::Global(value))
    }

    /// Decides about every function that the module imports and nothing else supplies.
    #[must_use]
    pub fn fallback(
        mut self,
        fallback: impl Fn(&str, &str, &Signature) -> Option<HostFunction> + Send + Sync + 'static,
    ) -> Self {
        self.fallback = Some(Arc::new(fallback));
        self
    }

    /// Whether something was supplied under this name (a fallback does not count).
    #[must_use]
    pub fn supplies(&self, module: &str, name: &str) -> bool {
        self.find(module, name).is_some()
    }

    /// What was supplied under this name (a fallback does not count).
    #[must_use]
    pub fn find(&self, module: &str, name: &str) -> Option<&Supply> {
        self.supplies.get(&(module.to_owned(), name.to_owned()))
    }

    /// The function for an import of this name and type: what was supplied, else what the fallback decides.
    #[must_use]
    pub fn find_function(&self, module: &str, name: &str, signature: &Signature) -> Option<HostFunction> {
        match self.find(module, name) {
            Some(Supply::Function(function)) => Some(function.clone()),
            Some(_) => None,
            None => self.fallback.as_ref().and_then(|fallback| fallback(module, name, signature)),
        }
    }

    fn with(mut self, module: &str, name: &str, supply: Supply) -> Self {
        self.supplies.insert((module.to_owned(), name.to_owned()), supply);
        self
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.supplies.keys().map(|(module, name)| format!("{module}.{name}"))).finish()
    }
}

/// Checks that a function of the host returned what its type promises.
///
/// # Errors
/// [`HostTrap`] of the function, or because its results have other types than `signature`.
pub fn checked_results(
    outcome: Result<Vec<Value>, HostTrap>,
    signature: &Signature,
) -> Result<Vec<Value>, HostTrap> {
    let values = outcome?;
    if values.contains(&Value::Reference) {
        return Err(HostTrap("a host cannot return a reference".to_owned()));
    }
    let fits = values.iter().map(|value| value.value_type()).eq(signature.results.iter().copied());
    if fits {
        Ok(values)
    } else {
        Err(HostTrap(format!(
            "a function of the host answered {values:?} where {:?} was wanted",
            signature.results
        )))
    }
}
