//! No host at all: `argv` is written into the module's memory, and `main` is called.

use super::{PAGE_BYTES, broken, call_i32, write_argv};
use crate::engine::{EngineError, Instance, Memory, Value};

/// As toolchains export it: 2018's Emscripten put an underscore before every name of C's; clang tells a `main` with
/// arguments from one without by its name (tool-conventions, "Basic C ABI", user entry point).
const NAMES_OF_MAIN: [&str; 3] = ["main", "_main", "__main_argc_argv"];

/// The arguments need a place that the module does not use: a page which the caller adds. An allocator has to
/// bear that anyway; it is not alone in growing memory.
pub(super) fn run(name: &str, instance: &mut dyn Instance) -> Result<i32, EngineError> {
    let before = instance.grow(Memory::Main, 1)?;
    let page = before.and_then(|pages| u32::try_from(pages * PAGE_BYTES).ok());
    let page = page.ok_or_else(|| broken("no room for the arguments: memory cannot grow".into()))?;
    let argv = write_argv(instance, page, name)?;
    let arguments = [Value::I32(1), Value::u32(argv)];
    let call = |instance: &mut dyn Instance, name| call_i32(instance, name, &arguments);
    NAMES_OF_MAIN.iter().skip(1).fold(call(instance, NAMES_OF_MAIN[0]), |answer, name| match answer {
        Err(EngineError::Export { .. }) => call(instance, name),
        answer => answer,
    })
}
