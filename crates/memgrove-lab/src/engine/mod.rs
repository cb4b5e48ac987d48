//! Engines: run a module with nothing, or under a host that is said once for all of them.
//!
//! ```text
//! bytes --compile--> Module --instantiate(Host)--> Instance --call--> values, time, fuel
//! ```
//!
//! Wasmtime (compiled code; counts executed instructions as fuel) and wasmi (an interpreter) are linked in,
//! each a feature of this crate; Node (V8) and the wasmtime of PyPI, a newer one, are processes that embedded scripts serve.
//!
//! ```
//! use memgrove_lab::engine::{self, EngineId, Host, Settings, Value};
//!
//! let wasm = wat::parse_str(r#"(module (func (export "double") (param i32) (result i32)
//!     (i32.shl (local.get 0) (i32.const 1))))"#).unwrap();
//! let engine = engine::open(EngineId::Wasmtime, &Settings::default()).unwrap();
//! let module = engine.compile(&wasm).unwrap();
//! let mut instance = module.instantiate(&Host::new()).unwrap();
//! assert_eq!(instance.call("double", &[Value::I32(21)]).unwrap().values, [Value::I32(42)]);
//! ```

#[cfg(any(feature = "wasmi", feature = "wasmtime"))]
mod apart;
mod budget;
mod disabled;
mod limits;
pub(crate) mod node;
mod node_team;
pub(crate) mod process;
#[cfg(any(feature = "wasmi", feature = "wasmtime"))]
mod running;
mod served;
mod team;
#[cfg(feature = "wasmi")]
mod wasmi;
#[cfg(feature = "wasmi")]
mod wasmi_host;
#[cfg(feature = "wasmi")]
mod wasmi_value;
#[cfg(feature = "wasmtime")]
mod wasmtime;
#[cfg(feature = "wasmtime")]
mod wasmtime_bounds;
#[cfg(feature = "wasmtime")]
mod wasmtime_host;
#[cfg(feature = "wasmtime")]
mod wasmtime_price;
mod wasmtime_py;
#[cfg(feature = "wasmtime")]
mod wasmtime_team;
#[cfg(feature = "wasmtime")]
mod wasmtime_value;

use std::sync::Arc;

use memgrove_inspect::knowledge::Price;

pub use budget::Budget;
pub use limits::Limits;
pub use memgrove_results::EngineId;
pub use memgrove_verify::engine::{
    Caller, Demand, Engine, EngineError, Exceeded, Export, ExportKind, Fallback, Host, HostFunction,
    HostTrap, Import, ImportKind, Instance, Memory, Module, Outcome, Resource, Shape, Signature, Supply,
    TrapReason, Value, ValueType, check_arguments, checked_results, read_bytes, write_bytes,
};
pub use team::{Team, assemble};

/// How an engine is to run modules, and what they may take. Clones, and all engines opened with them, share one budget.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Count executed instructions. Costs time, so not for timing. Only wasmtime and wasmi can; their units
    /// differ.
    pub count_fuel: bool,
    /// Trap with [`TrapReason::OutOfFuel`] after this much in one call, or in `start`; takes effect with
    /// `count_fuel`.
    pub fuel_limit: u64,
    /// Compile without the checks that let a call be interrupted, which cost time. A call is still waited for no
    /// longer than it may take, but its thread is left behind: so for modules that have ended under fuel before.
    pub timing: bool,
    /// Give each instance a budget of its own: for many that run side by side and have nothing to do with each other.
    pub apart: bool,
    /// Refuse modules with several memories, as engines do that do not know them.
    pub one_memory: bool,
    /// Count a chain's steps in place of instructions, with `count_fuel`; only wasmtime can.
    pub price: Option<Arc<Price>>,
    /// What all of them may take together.
    pub budget: Budget,
}

impl Default for Settings {
    /// [`Limits::OWN`], and no fuel.
    fn default() -> Self {
        Self::within(Limits::OWN)
    }
}

impl Settings {
    /// A new budget with these limits, and no fuel.
    #[must_use]
    pub fn within(limits: Limits) -> Self {
        let fuel_limit = limits.fuel;
        Self {
            count_fuel: false,
            fuel_limit,
            timing: false,
            apart: false,
            one_memory: false,
            price: None,
            budget: Budget::new(limits),
        }
    }

    /// A new budget with these limits; fuel is counted.
    #[must_use]
    pub fn counting(limits: Limits) -> Self {
        Self { count_fuel: true, ..Self::within(limits) }
    }

    /// [`Limits::UNKNOWN`], with `fuel_limit`: for modules of which nothing is known.
    #[must_use]
    pub fn bounded(fuel_limit: u64) -> Self {
        Self::counting(Limits { fuel: fuel_limit, ..Limits::UNKNOWN })
    }

    /// The budget of the next instance.
    fn budget_of_instance(&self) -> Budget {
        if self.apart { self.budget.fresh() } else { self.budget.clone() }
    }
}

/// Makes an engine ready.
///
/// # Errors
/// [`EngineError::Absent`] with the reason and the way to get it.
pub fn open(engine: EngineId, settings: &Settings) -> Result<Box<dyn Engine>, EngineError> {
    match engine {
        #[cfg(feature = "wasmtime")]
        EngineId::Wasmtime => Ok(Box::new(wasmtime::Wasmtime::new(settings)?)),
        #[cfg(feature = "wasmi")]
        EngineId::Wasmi => Ok(Box::new(wasmi::Wasmi::new(settings))),
        EngineId::Node => Ok(Box::new(served::Served::new(node::program, settings)?)),
        EngineId::WasmtimePy => Ok(Box::new(served::Served::new(wasmtime_py::program, settings)?)),
        #[cfg(not(all(feature = "wasmtime", feature = "wasmi")))]
        other => Err(disabled::absent(other)),
    }
}

/// The versions of the engines' crates that this build has; see build.rs.
mod versions {
    #![allow(dead_code, reason = "an engine may be left out of the build")]
    include!(concat!(env!("OUT_DIR"), "/versions.rs"));
}
