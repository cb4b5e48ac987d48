//! Workers on Node, over one shared memory.

use std::time::Duration;

use memgrove_module::PAGE_BYTES;
use memgrove_verify::engine::messages::{Functions, all_from_json, from_hex, in_bounds, to_hex};
use serde_json::{Value as Json, json};

use super::node;
use super::process::Process;
use super::team::{Team, shared_memory};
use super::{Budget, EngineError, Settings, Shape, Value};

const SCRIPT: &str = include_str!("node_team.js");

/// The script gives up before we do, so that it can say which step it was.
const GRACE: Duration = Duration::from_secs(5);

pub(super) struct Workers {
    process: Process,
    budget: Budget,
}

impl Workers {
    pub(super) fn new(settings: &Settings, wasm: &[u8]) -> Result<Self, EngineError> {
        let shape = Shape::of(wasm)?;
        let (minimum, maximum) = shared_memory(&shape)?;
        let imports: Vec<Json> = shape
            .imports
            .iter()
            .map(|import| json!({ "module": import.module, "name": import.name }))
            .collect();
        let budget = settings.budget_of_instance();
        let limits = budget.limits();
        super::limits::check_code(&shape, limits)?;
        let mut process = Process::start(&node::running(SCRIPT, limits), &budget)?;
        // Threads may grow it at any time, so all of it is taken at once.
        process.take_memory(maximum.saturating_mul(PAGE_BYTES))?;
        let limit = budget.time(limits.compile)?;
        process.ask(
            json!({
                "operation": "compile", "bytes": to_hex(wasm), "minimum": minimum, "maximum": maximum,
                "imports": imports, "timeout": u32::try_from(limits.call.as_millis()).unwrap_or(u32::MAX),
            }),
            &Functions::from([]),
            limit,
        )?;
        Ok(Self { process, budget })
    }

    fn ask(&mut self, request: Json) -> Result<Json, EngineError> {
        let limit = self.budget.time(self.budget.limits().call)?;
        self.process.ask(request, &Functions::from([]), limit.saturating_add(GRACE)).map_err(|error| {
            match error {
                EngineError::Timeout { .. } => EngineError::Timeout { limit },
                other => other,
            }
        })
    }
}

impl Team for Workers {
    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Option<Value>, EngineError> {
        let arguments = numbers(arguments)?;
        let answer = self.ask(json!({ "operation": "call", "name": export, "arguments": arguments }));
        let answer = answer.map_err(|error| match error {
            EngineError::Export { words, .. } => EngineError::export(export, words),
            other => other,
        })?;
        Ok(all_from_json(&answer["values"])?.first().copied())
    }

    fn read(&mut self, address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError> {
        let answer = self.ask(json!({ "operation": "read", "address": address, "length": length_bytes }));
        from_hex(&in_bounds(answer, address, length_bytes)?["bytes"])
    }

    fn hire(&mut self, count: u32, address: u32, bytes_each: u32) -> Result<(), EngineError> {
        let request = json!({ "operation": "hire", "count": count, "address": address, "bytes": bytes_each });
        self.ask(request).map(drop)
    }

    fn together(
        &mut self,
        export: &str,
        before: &[Value],
        after: &[Value],
        threads: u32,
    ) -> Result<(Vec<u64>, Duration), EngineError> {
        let answer = self.ask(json!({
            "operation": "together", "name": export, "before": numbers(before)?, "after": numbers(after)?,
            "threads": threads,
        }))?;
        let results = answer["results"].as_array().into_iter().flatten();
        let results = results.filter_map(|result| result.as_str()?.parse().ok()).collect();
        Ok((results, Duration::from_nanos(answer["nanoseconds"].as_u64().unwrap_or(0))))
    }
}

/// Threaded guests take 32-bit integers only, which JavaScript's numbers hold.
fn numbers(values: &[Value]) -> Result<Vec<i32>, EngineError> {
    values
        .iter()
        .map(|value| match value {
            Value::I32(value) => Ok(*value),
            other => Err(EngineError::engine(format!("cannot hand {other:?} to a worker"))),
        })
        .collect()
}
