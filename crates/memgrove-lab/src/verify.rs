//! Verification of a fixed module, on the engines that are linked in: see [`memgrove_verify`].

use memgrove_module::Facts;
use memgrove_rewrite::Plan;
use memgrove_rewrite::swap::Swapped;
pub use memgrove_verify::swap::{SwapCheck, SwapQuestion, SwapVerification};
pub use memgrove_verify::{
    Check, Emulated, Evidence, Gap, Grown, GrownBy, NotRun, Outcome, Question, Reason, Traps, Verdict,
    Verification, Witness, emulate,
};

use crate::engine::{self, EngineId, Limits, Settings};

/// The engines that are asked: two that share no code.
pub const ENGINES: [EngineId; 2] = [EngineId::Wasmtime, EngineId::Wasmi];

/// Asks every question of every engine. `fixed` is `original` with `plan` applied.
#[must_use]
pub fn verify(original: &[u8], fixed: &[u8], plan: &Plan) -> Verification {
    verify_within(original, fixed, plan, Limits::VERIFICATION.fuel)
}

/// [`verify`], with another bound on the instructions that an instance may execute.
#[must_use]
pub fn verify_within(original: &[u8], fixed: &[u8], plan: &Plan, fuel: u64) -> Verification {
    let settings = Settings::counting(Limits { fuel, ..Limits::VERIFICATION });
    verify_on(&ENGINES, &settings, original, fixed, plan)
}

/// Asks every question of every engine about a module with another allocator.
#[must_use]
pub fn verify_swap(facts: &Facts<'_>, swapped: &Swapped) -> SwapVerification {
    let settings = Settings::counting(Limits::VERIFICATION);
    with_witnesses(&ENGINES, &settings, |witnesses| memgrove_verify::swap::verify(facts, swapped, witnesses))
}

/// [`verify`] on other engines.
#[must_use]
pub fn verify_on(
    engines: &[EngineId],
    settings: &Settings,
    original: &[u8],
    fixed: &[u8],
    plan: &Plan,
) -> Verification {
    with_witnesses(engines, settings, |witnesses| memgrove_verify::verify(original, fixed, plan, witnesses))
}

/// Opens engines, and asks with those that are here.
fn with_witnesses<T>(engines: &[EngineId], settings: &Settings, ask: impl FnOnce(&[Witness<'_>]) -> T) -> T {
    let opened: Vec<_> = engines.iter().map(|&id| (id, engine::open(id, settings))).collect();
    let witnesses: Vec<_> = opened
        .iter()
        .map(|(id, opened)| match opened {
            Ok(engine) => Witness::Present(engine.as_ref()),
            Err(error) => Witness::Absent { name: id.name(), why: error.to_string() },
        })
        .collect();
    ask(&witnesses)
}
