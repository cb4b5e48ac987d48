//! Node, that is V8: a process for each module, served by an embedded script over standard input and output.

use std::any::Any;

use memgrove_verify::engine::javascript::{Channel, Compiled, Functions, SERVER};
use serde_json::Value as Json;

use super::budget::Account;
use super::limits::check_code;
use super::node_process::Process;
use super::{Demand, Engine, EngineError, EngineId, Module, Settings, Shape};

/// What a process runs: the server, and the lines to it.
fn script() -> String {
    format!("{SERVER}\n{}", include_str!("node.js"))
}

pub(super) struct Node {
    version: String,
    settings: Settings,
}

impl Node {
    pub(super) fn new(settings: &Settings) -> Result<Self, EngineError> {
        let process = Process::start(&script(), &settings.budget.fresh())?;
        let hello = &process.hello;
        let word = |key: &str| hello[key].as_str().unwrap_or("?").to_owned();
        Ok(Self { version: format!("{} (V8 {})", word("node"), word("v8")), settings: settings.clone() })
    }
}

impl Engine for Node {
    fn name(&self) -> &'static str {
        EngineId::Node.name()
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Module>, EngineError> {
        let budget = self.settings.budget_of_instance();
        check_code(&Shape::of(wasm)?, budget.limits())?;
        let process = Process::start(&script(), &budget)?;
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
