//! AssemblyScript's imports: what its standard library asks of JavaScript, in `env` today and in modules of their own
//! (`Date`, `console`, …) before 0.20.

use super::{Contract, Does, Group, Types, clock, libc_answer};
use crate::runtime::RuntimeFunction;

/// One string, or how an object was asked to be shown.
const TEXT: Types = &["i32 ->"];
const DROPPED: &str = "output is dropped";

/// By the names in `env`; before, what is before the point was the module.
pub(super) const CONTRACTS: &[Contract] = &[
    libc_answer("console.assert", &["i32 i32 ->"], 0, DROPPED),
    libc_answer("console.log", TEXT, 0, DROPPED),
    libc_answer("console.debug", TEXT, 0, DROPPED),
    libc_answer("console.info", TEXT, 0, DROPPED),
    libc_answer("console.warn", TEXT, 0, DROPPED),
    libc_answer("console.error", TEXT, 0, DROPPED),
    libc_answer("console.time", TEXT, 0, DROPPED),
    libc_answer("console.timeLog", TEXT, 0, DROPPED),
    libc_answer("console.timeEnd", TEXT, 0, DROPPED),
    clock("Date.now", RuntimeFunction::EmscriptenGetNow, &["-> f64"]),
    clock("performance.now", RuntimeFunction::EmscriptenGetNow, &["-> f64"]),
    Contract {
        name: "Math.random",
        types: &["-> f64"],
        does: Does::Run(RuntimeFunction::MathRandom),
        stub: Some(Group::Random),
        why: "the same numbers in every run, NOT for keys",
    },
    Contract {
        name: "process.exit",
        types: TEXT,
        does: Does::Exit,
        stub: None,
        why: "it must not return: the code is kept for the host, then the program ends with a trap",
    },
];

/// Modules that the functions came from before they were all in `env`.
pub(super) fn is_module(name: &str) -> bool {
    matches!(name, "console" | "Date" | "performance" | "process" | "Math")
}
