//! An engine in a process of its own, one for each module, served by an embedded script over standard input and output.

use std::any::Any;

use memgrove_verify::engine::messages::{Channel, Compiled, Functions};
use serde_json::Value as Json;

use super::budget::Account;
use super::limits::check_code;
use super::process::{Process, Program};
use super::{Demand, Engine, EngineError, EngineId, Limits, Module, Settings, Shape};

pub(super) struct Served {
    id: EngineId,
    program: fn(&Limits) -> Program,
    version: String,
    settings: Settings,
}

impl Served {
    /// Starts one for its version; `program` says what to start.
    pub(super) fn new(program: fn(&Limits) -> Program, settings: &Settings) -> Result<Self, EngineError> {
        let budget = settings.budget.fresh();
        let started = program(budget.limits());
        let process = Process::start(&started, &budget)?;
        let version = process.hello["version"].as_str().unwrap_or("?").to_owned();
        Ok(Self { id: started.engine, program, version, settings: settings.clone() })
    }
}

impl Engine for Served {
    fn name(&self) -> &'static str {
        self.id.name()
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Module>, EngineError> {
        let budget = self.settings.budget_of_instance();
        check_code(&Shape::of(wasm)?, budget.limits())?;
        let process = Process::start(&(self.program)(budget.limits()), &budget)?;
        // Not metered: the clock ends the process.
        Ok(Box::new(Compiled::new(wasm, process, None)?))
    }
}

impl Channel for Process {
    fn ask(&mut self, request: Json, functions: &Functions) -> Result<Json, EngineError> {
        let limits = *self.budget.limits();
        let limit = if request["operation"] == "compile" { limits.compile } else { limits.call };
        let limit = self.budget.time(limit)?;
        self.ask(request, functions, limit)
    }

    fn ask_inside(&mut self, request: Json, functions: &Functions) -> Result<Json, EngineError> {
        self.ask_inside(request, functions)
    }

    fn admit(&mut self, demand: &Demand) -> Result<Box<dyn Any + Send>, EngineError> {
        let mut account = Account::new(&self.budget);
        account.admit(demand)?;
        Ok(Box::new(account))
    }

    fn enter(&mut self) -> Result<(), EngineError> {
        self.account.enter()
    }

    fn leave(&mut self) {
        self.account.leave();
    }
}
