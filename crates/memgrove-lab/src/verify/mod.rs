//! Is a fixed module what it should be? Asked of engines, before anybody uses it.
//!
//! ```text
//! validates -> inspect says it runs -> instantiates with nothing -> its memory really grows
//!           -> it does what the original does
//! ```
//!
//! Where imports stay, both modules get functions that trap for them, and the rest is asked all
//! the same. The last is possible where exports can be called without knowing them: the original, under
//! a host that keeps the original contract, and the fixed module get the same calls, and must
//! agree on every result and at the end on memory.

mod drive;
mod growth;
mod host;
mod inspected;
mod kernel;

use std::iter;

use memgrove_rewrite::{Behaviour, Plan};
use serde::Serialize;

pub use host::{Emulated, emulate};

use crate::engine::{self, Engine, EngineError, EngineId, Host, Settings};

/// Instructions a module of which nothing is known may execute in one instance.
const FUEL: u64 = 300_000_000;
/// No more memory than this is let grow, in bytes.
const MEMORY_LIMIT_BYTES: u64 = 1 << 31;

/// The engines that are asked: two that share no code.
pub const ENGINES: [EngineId; 2] = [EngineId::Wasmtime, EngineId::Wasmi];

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// Does it instantiate with an empty import object, or with only the functions that stay?
    Instantiates,
    /// Does memory grow when its own `malloc` is asked for more than there is?
    Grows,
    /// Do the original under its emulated host and the fixed module agree?
    Agrees,
}

impl Question {
    /// As a short sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Instantiates => "instantiates",
            Self::Grows => "memory really grows",
            Self::Agrees => "does what the original does",
        }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "detail")]
pub enum Outcome {
    /// Yes, with figures.
    Passed(String),
    /// It could not be asked, and why.
    Skipped(String),
    /// No: what was seen.
    Failed(String),
}

/// One question to one engine.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was asked.
    pub question: Question,
    /// Of whom.
    pub engine: EngineId,
    /// The answer.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// All answers.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// What the inspector says of it on a bare engine.
    pub inspected: Outcome,
    /// What engines say, in the order they were asked.
    pub checks: Vec<Check>,
}

impl Verification {
    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed(_)))
    }

    /// Neither the inspector nor a check objects.
    #[must_use]
    pub fn passed(&self) -> bool {
        !matches!(self.inspected, Outcome::Failed(_)) && self.failures().next().is_none()
    }
}

/// Asks every question of every engine. `fixed` is `original` with `plan` applied.
#[must_use]
pub fn verify(original: &[u8], fixed: &[u8], plan: &Plan) -> Verification {
    verify_within(original, fixed, plan, FUEL)
}

/// [`verify`], with another bound on the instructions that an instance may execute.
#[must_use]
pub fn verify_within(original: &[u8], fixed: &[u8], plan: &Plan, fuel: u64) -> Verification {
    let settings = Settings { memory_limit_bytes: MEMORY_LIMIT_BYTES, ..Settings::bounded(fuel) };
    let mut verification = Verification { inspected: inspected::check(fixed, plan), checks: Vec::new() };
    for engine in ENGINES {
        for (question, outcome) in ask(engine, &settings, original, fixed, plan) {
            verification.checks.push(Check { question, engine, outcome });
        }
    }
    verification
}

fn ask(
    id: EngineId,
    settings: &Settings,
    original: &[u8],
    fixed: &[u8],
    plan: &Plan,
) -> Vec<(Question, Outcome)> {
    let all = [Question::Instantiates, Question::Grows, Question::Agrees];
    let skipped = |why: String| all.map(|question| (question, Outcome::Skipped(why.clone()))).to_vec();
    // Memories, tables and globals that stay hold what only their host knows.
    if plan.remaining().any(|item| item.behaviour != Behaviour::StaysFunction) {
        return skipped(remaining(plan));
    }
    let engine = match engine::open(id, settings) {
        Ok(engine) => engine,
        Err(error) => return skipped(error.to_string()),
    };
    let host = host::of_the_rest(plan);
    let instantiates = match instantiates(engine.as_ref(), fixed, &host) {
        Ok(()) if plan.is_complete() => Outcome::Passed("with an empty import object".to_owned()),
        Ok(()) => Outcome::Passed(format!("{}; here they trap", remaining(plan))),
        // An engine that lacks a proposal lacks it for the original too.
        Err(EngineError::Compile { words }) if engine.compile(original).is_err() => {
            return skipped(format!("{id} cannot run the original either: {words}"));
        }
        Err(error) if !starts(engine.as_ref(), original, plan) => {
            return skipped(format!("the original does not start either: {error}"));
        }
        Err(error) => Outcome::Failed(error.to_string()),
    };
    if matches!(instantiates, Outcome::Failed(_)) {
        return vec![(Question::Instantiates, instantiates)];
    }
    vec![
        (Question::Instantiates, instantiates),
        (Question::Grows, grows(engine.as_ref(), original, fixed, plan)),
        (Question::Agrees, drive::check(engine.as_ref(), original, fixed, plan)),
    ]
}

/// Whether memory grows; what the original cannot do under the host it was made for is not held
/// against the fixed module, unless growth is what was put inside.
fn grows(engine: &dyn Engine, original: &[u8], fixed: &[u8], plan: &Plan) -> Outcome {
    let outcome = growth::check(engine, fixed, &host::of_the_rest(plan), iter::empty());
    let Outcome::Failed(why) = &outcome else { return outcome };
    let was_left_to_the_host = plan.changes.iter().any(|change| change.subject == "growth");
    match emulate(plan).map(|to| growth::check(engine, original, &to.host, plan.initial_data())) {
        Ok(Outcome::Failed(_)) if !was_left_to_the_host => {
            Outcome::Skipped(format!("the original does not do it under its own host either: {why}"))
        }
        _ => outcome,
    }
}

fn instantiates(engine: &dyn Engine, wasm: &[u8], host: &Host) -> Result<(), EngineError> {
    engine.compile(wasm)?.instantiate(host).map(drop)
}

/// How many imports stay, in words.
fn remaining(plan: &Plan) -> String {
    match plan.remaining().count() {
        1 => "1 import stays with the host".to_owned(),
        count => format!("{count} imports stay with the host"),
    }
}

/// Whether the original starts under the host it was made for.
fn starts(engine: &dyn Engine, original: &[u8], plan: &Plan) -> bool {
    emulate(plan)
        .is_ok_and(|to| engine.compile(original).and_then(|module| module.instantiate(&to.host)).is_ok())
}
