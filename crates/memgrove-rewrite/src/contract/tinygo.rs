//! TinyGo's imports beside WASI's: a clock, and two calls for an event loop and a collector that a library has not.

use super::{Contract, Does, Group};
use crate::runtime::RuntimeFunction;

const NOTHING: &str = "there is no event loop to come back from, so a goroutine that sleeps is not resumed";

/// In `gojs`, and in `env` before.
pub(super) const CONTRACTS: &[Contract] = &[
    Contract {
        name: "runtime.ticks",
        types: &["-> f64"],
        does: Does::Run(RuntimeFunction::EmscriptenGetNow),
        stub: Some(Group::Clock),
        why: "a clock that starts at 0 and advances a millisecond at each question",
    },
    Contract {
        name: "runtime.ticks",
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
        name: "syscall/js.finalizeRef",
        types: &["i64 ->", "i32 ->", "i32 i32 ->"],
        does: Does::Return(0),
        stub: Some(Group::Glue),
        why: "there are no JavaScript objects to let go",
    },
];
