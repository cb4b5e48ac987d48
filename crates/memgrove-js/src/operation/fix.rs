//! A module that runs anywhere, verified by the engine around us.

use memgrove_api::fix::{self, Planned, Script};
use memgrove_api::{Error, HostTarget, UserError};
use memgrove_inspect::facts;
use memgrove_rewrite::{Allocator, Discard, Plan, Stubs, Traps};
use memgrove_verify::{Verdict, Verification, Witness, verify_facts};
use memgrove_view::fix::Done;
use memgrove_view::report::Failure;
use serde::Deserialize;
use serde_json::json;

use super::{shown_as, to_json};
use crate::engine::Around;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Request {
    name: String,
    /// The engine around us, as it calls itself.
    engine: String,
    /// Only a plan.
    #[serde(default)]
    dry_run: bool,
    /// The file that the result will be in, as the text names it.
    #[serde(default = "memory")]
    output: String,
    #[serde(default = "bare")]
    host: String,
    /// The host's profile, where it is none of those that are known.
    host_profile: Option<String>,
    #[serde(default = "all")]
    stub: Vec<String>,
    #[serde(default)]
    trap: Vec<String>,
    allocator: Option<String>,
    max_memory: Option<u64>,
    /// Proposals to do without, `host` or `all`.
    #[serde(default)]
    lower: Vec<String>,
    discard: Option<String>,
    glue: Option<String>,
    #[serde(default)]
    partial: bool,
    max_bytes: Option<u64>,
}

/// Where a result is that is in no file.
pub(super) fn memory() -> String {
    "memory".to_owned()
}

fn bare() -> String {
    "bare".to_owned()
}

fn all() -> Vec<String> {
    vec!["all".to_owned()]
}

impl Request {
    /// Comes out: `{exit, refusal?, verdict?}`, the document as JSON, the same for reading, and the module if there is
    /// one to be used.
    pub(super) fn run(self, mut inputs: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Failure> {
        let input = inputs.pop().unwrap_or_default();
        self.fix(input).map_err(|error| error.failure())
    }

    fn fix(&self, input: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        let max_bytes = self.max_bytes.unwrap_or(memgrove_open::DEFAULT_MAX_BYTES);
        let (wasm, around) = memgrove_api::open_one(input, &self.name, max_bytes, "fix")?;
        let original = facts(&wasm)?;
        let host = match &self.host_profile {
            Some(toml) => HostTarget::own("hostProfile", toml)?,
            None => HostTarget::built_in(&self.host)
                .ok_or_else(|| UserError::usage(format!("there is no host profile `{}`", self.host)))?,
        };
        let script = match &self.glue {
            Some(text) => Some(Script::Named { name: "glue", text }),
            None => around.as_deref().map(Script::Around),
        };
        let request = fix::Request {
            host: &host,
            stubs: self.stubs(),
            trap: self.traps(),
            allocator: self.allocator()?,
            max_memory_bytes: self.max_memory,
            lower: self.lower.clone(),
            discard: self.discard()?,
            script,
            partial: self.partial,
        };
        let carried = fix::carry_out(&original, &request)?;
        let planned = Planned::new(&self.name, &original, &carried, &request)?;
        if self.dry_run {
            return self.planned(&planned, None);
        }
        if let Some(refusal) = planned.refusal() {
            return self.planned(&planned, Some(refusal));
        }
        let Planned { original, fixed, result, report, .. } = &planned;
        let verification = self.verify(original, result, report, &fixed.plan);
        let passed = verification.passed();
        let done = Done {
            bytes_after: fixed.wasm.len(),
            verification: &verification,
            written_to: passed.then_some(&self.output),
        };
        let shown = planned.shown(Some(done));
        let exit = match verification.verdict {
            _ if !passed => 1,
            _ if !planned.is_as_wanted_but_for_imports() => 3,
            Verdict::NotVerified => 4,
            _ => 0,
        };
        let head = json!({ "exit": exit, "verdict": verification.verdict });
        let mut parts = vec![to_json(&head), shown_as(shown.json())?, shown.text().to_string().into_bytes()];
        if passed {
            parts.push(fixed.wasm.clone());
        }
        Ok(parts)
    }

    fn planned(&self, planned: &Planned<'_>, refusal: Option<String>) -> Result<Vec<Vec<u8>>, Error> {
        let exit = if refusal.is_none() && planned.is_as_wanted() { 0 } else { 3 };
        let shown = planned.shown(None);
        let head = json!({ "exit": exit, "refusal": refusal });
        Ok(vec![to_json(&head), shown_as(shown.json())?, shown.text().to_string().into_bytes()])
    }

    fn verify(
        &self,
        original: &memgrove_inspect::Facts<'_>,
        result: &memgrove_inspect::Facts<'_>,
        report: &memgrove_inspect::Report,
        plan: &Plan,
    ) -> Verification {
        let engine = Around::new(self.engine.clone());
        verify_facts(original, result, report, plan, &[Witness::Present(&engine)])
    }

    fn stubs(&self) -> Stubs {
        let mut stubs = Stubs::none();
        for group in &self.stub {
            stubs.set(group);
        }
        stubs
    }

    fn traps(&self) -> Traps {
        let mut traps = Traps::default();
        for word in &self.trap {
            traps.add(word);
        }
        traps
    }

    fn discard(&self) -> Result<Option<Discard>, UserError> {
        match self.discard.as_deref() {
            None => Ok(None),
            Some("lower") => Ok(Some(Discard::Lower)),
            Some("raise") => Ok(Some(Discard::Raise)),
            Some(other) => Err(UserError::usage(format!("discard is `lower` or `raise`, not `{other}`"))),
        }
    }

    fn allocator(&self) -> Result<Option<Allocator>, UserError> {
        let Some(name) = &self.allocator else { return Ok(None) };
        let allocator = Allocator::named(name);
        allocator.map(Some).ok_or_else(|| UserError::usage(format!("there is no heap `{name}`")))
    }
}
