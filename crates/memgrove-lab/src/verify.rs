//! Verification of a fixed module, on the engines that are linked in: see [`memgrove_verify`].

use memgrove_inspect::{Error, Facts, Report};
use memgrove_rewrite::Plan;
pub use memgrove_verify::{
    Check, Emulated, Evidence, Gap, Grown, GrownBy, NotRun, Outcome, Question, Reason, Traps, Verdict,
    Verification, Witness, emulate,
};

use crate::engine::{self, Engine, EngineError, EngineId, Limits, Settings};

/// The engines that are asked: two that share no code.
pub const ENGINES: [EngineId; 2] = [EngineId::Wasmtime, EngineId::Wasmi];

/// Asks every question of every engine. `fixed` is `original` with `plan` applied.
///
/// # Errors
/// If one of the two is not a valid module, with the byte offset.
pub fn verify(original: &[u8], fixed: &[u8], plan: &Plan) -> Result<Verification, Error> {
    verify_within(original, fixed, plan, Limits::VERIFICATION.fuel)
}

/// The same for modules that have been read already. `report` is the inspector's of the fixed module.
#[must_use]
pub fn verify_facts(original: &Facts<'_>, fixed: &Facts<'_>, report: &Report, plan: &Plan) -> Verification {
    let opened = open(&ENGINES, &Settings::counting(Limits::VERIFICATION));
    memgrove_verify::verify_facts(original, fixed, report, plan, &witnesses(&opened))
}

/// [`verify`], with another bound on the instructions that an instance may execute.
///
/// # Errors
/// Those of [`verify`].
pub fn verify_within(original: &[u8], fixed: &[u8], plan: &Plan, fuel: u64) -> Result<Verification, Error> {
    let settings = Settings::counting(Limits { fuel, ..Limits::VERIFICATION });
    verify_on(&ENGINES, &settings, original, fixed, plan)
}

/// [`verify`] on other engines.
///
/// # Errors
/// Those of [`verify`].
pub fn verify_on(
    engines: &[EngineId],
    settings: &Settings,
    original: &[u8],
    fixed: &[u8],
    plan: &Plan,
) -> Result<Verification, Error> {
    memgrove_verify::verify(original, fixed, plan, &witnesses(&open(engines, settings)))
}

type Opened = (EngineId, Result<Box<dyn Engine>, EngineError>);

fn open(engines: &[EngineId], settings: &Settings) -> Vec<Opened> {
    engines.iter().map(|&id| (id, engine::open(id, settings))).collect()
}

fn witnesses(opened: &[Opened]) -> Vec<Witness<'_>> {
    let witnesses = opened.iter().map(|(id, opened)| match opened {
        Ok(engine) => Witness::Present(engine.as_ref()),
        Err(error) => Witness::Absent { name: id.name(), why: error.to_string() },
    });
    witnesses.collect()
}
