//! Modules that record what their heap does, or report misuse of it.

use memgrove_api::{Error, check, trace};
use memgrove_inspect::facts;
use memgrove_view::report::Failure;
use serde::Deserialize;
use serde_json::json;

use super::{one_module, to_json};

/// What reports take at most, where nothing else is asked.
const CHECK_BYTES: u64 = 64 << 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Trace {
    name: String,
    /// Functions of the allocator with their roles, `FUNC=ROLE`; by default those that the inspector finds.
    #[serde(default)]
    alloc: Vec<String>,
    #[serde(default = "yes")]
    stacks: bool,
    #[serde(default = "yes")]
    call_sites: bool,
    /// One block in so many bytes.
    sample: Option<u64>,
    #[serde(default)]
    seed: u64,
    /// For engines that know one memory only.
    #[serde(default)]
    one_memory: bool,
    /// Several instances have one memory, which is not shared.
    #[serde(default)]
    instances: bool,
    max_log: Option<u64>,
    max_bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Check {
    name: String,
    /// As of a trace.
    #[serde(default)]
    alloc: Vec<String>,
    #[serde(default = "yes")]
    call_sites: bool,
    #[serde(default = "yes")]
    in_line: bool,
    #[serde(default = "yes")]
    sites: bool,
    #[serde(default)]
    exact: Vec<String>,
    layout: Option<String>,
    max_log: Option<u64>,
    max_bytes: Option<u64>,
}

const fn yes() -> bool {
    true
}

/// Functions of the allocator, as they come out.
fn listed(functions: impl Iterator<Item = (u32, &'static str)>) -> Vec<serde_json::Value> {
    functions.map(|(func, role)| json!({ "func": func, "role": role })).collect()
}

impl Trace {
    /// Comes out: `{functions, notes}` and the module.
    pub(super) fn run(self, inputs: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Failure> {
        self.trace(inputs).map_err(|error| error.failure())
    }

    fn trace(self, inputs: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
        let wasm = one_module(inputs, &self.name, self.max_bytes, "trace")?;
        let original = facts(&wasm)?;
        let request = trace::Request {
            alloc: self.alloc,
            stacks: self.stacks,
            call_sites: self.call_sites,
            sample_mean_bytes: self.sample,
            seed: self.seed,
            max_bytes: self.max_log,
            one_memory: self.one_memory,
            instances: self.instances,
        };
        let instrumented = trace::instrument(&original, &request)?;
        let functions = listed(instrumented.functions.iter().map(|(func, role)| (*func, role.name())));
        let head = json!({ "functions": functions, "notes": instrumented.traced.notes });
        Ok(vec![to_json(&head), instrumented.traced.wasm])
    }
}

impl Check {
    /// Comes out: `{functions, notes, sites, proven}` and the module.
    pub(super) fn run(self, inputs: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Failure> {
        self.check(inputs).map_err(|error| error.failure())
    }

    fn check(self, inputs: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
        let wasm = one_module(inputs, &self.name, self.max_bytes, "check")?;
        let original = facts(&wasm)?;
        let request = check::Request {
            alloc: self.alloc,
            call_sites: self.call_sites,
            in_line: self.in_line,
            sites: self.sites,
            exact: self.exact,
            layout: self.layout.unwrap_or_else(|| check::layouts().next().unwrap_or_default().to_owned()),
            max_bytes: self.max_log.unwrap_or(CHECK_BYTES),
        };
        let checked = check::instrument(&original, &request)?;
        let functions = listed(checked.wrapped.iter().map(|member| (member.func, member.role.name())));
        let head = json!({
            "functions": functions, "notes": checked.notes, "sites": checked.sites, "proven": checked.proven,
        });
        Ok(vec![to_json(&head), checked.wasm])
    }
}
