//! TinyGo's imports beside WASI's: a clock, and two calls for an event loop and a collector that a library has not.

use super::{Answer, Contract, Does, Group, first_fit};
use crate::module::Module;
use crate::runtime::RuntimeFunction;

const NOTHING: &str = "there is no event loop to come back from, so a goroutine that sleeps is not resumed";

/// One function. What JavaScript objects and its event loop are needed for stays with the rest of them.
pub(super) fn lookup(module: &Module<'_>, name: &str, import: u32) -> Option<Answer> {
    let uses_objects = || module.imports.iter().any(|entry| is_of_objects(entry.import.name));
    let is_alone = name == TICKS || CONTRACTS.iter().any(|contract| contract.name == name) && !uses_objects();
    is_alone.then(|| first_fit(module, CONTRACTS, name, import))?
}

/// It works on JavaScript objects.
fn is_of_objects(name: &str) -> bool {
    name.starts_with("syscall/js.") && name != FINALIZE
}

const TICKS: &str = "runtime.ticks";
const FINALIZE: &str = "syscall/js.finalizeRef";

/// In `gojs`, and in `env` before.
pub(super) const CONTRACTS: &[Contract] = &[
    Contract {
        name: TICKS,
        types: &["-> f64"],
        does: Does::Run(RuntimeFunction::EmscriptenGetNow),
        stub: Some(Group::Clock),
        why: "a clock that starts at 0 and advances a millisecond at each question",
    },
    Contract {
        name: TICKS,
        types: &["-> i64"],
        does: Does::Run(RuntimeFunction::Ticks),
        stub: Some(Group::Clock),
        why: "a clock that starts at 0 and advances a millisecond at each question, in nanoseconds",
    },
    Contract {
        name: "runtime.sleepTicks",
        types: &["f64 ->", "i64 ->"],
        does: Does::Return(0),
        stub: Some(Group::Clock),
        why: NOTHING,
    },
    Contract {
        name: FINALIZE,
        types: &["i64 ->", "i32 ->", "i32 i32 ->"],
        does: Does::Return(0),
        stub: Some(Group::Glue),
        why: "there are no JavaScript objects to let go",
    },
];
