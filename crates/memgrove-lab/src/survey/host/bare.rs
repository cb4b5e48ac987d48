//! No host at all: `argv` is written into the module's memory, and `main` is called.

use super::{PAGE_BYTES, broken, call_i32, write_argv};
use crate::engine::{EngineError, Instance, Memory, Value};

/// The arguments need a place that the module does not use: a page which the caller adds. An allocator has to
/// bear that anyway; it is not alone in growing memory.
pub(super) fn run(name: &str, instance: &mut dyn Instance) -> Result<i32, EngineError> {
    let before = instance.grow(Memory::Main, 1)?;
    let page = before.and_then(|pages| u32::try_from(pages * PAGE_BYTES).ok());
    let page = page.ok_or_else(|| broken("no room for the arguments: memory cannot grow".into()))?;
    let argv = write_argv(instance, page, name)?;
    call_i32(instance, "main", &[Value::I32(1), Value::u32(argv)])
}
