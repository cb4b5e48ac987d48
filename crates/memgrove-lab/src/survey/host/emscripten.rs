//! What Emscripten's JavaScript does for memory, today's and 2018's.

use super::{ARGV_BYTES, argument, call_i32, cover, read_u32, write_argv};
use crate::engine::{EngineError, Host, HostTrap, Instance, Memory, Value};

/// Adds the function that is told of memory that the module grew itself: there is no view of it to renew.
pub(super) fn noticing(host: Host) -> Host {
    host.function("env", "emscripten_notify_memory_growth", |_, _| Ok(Vec::new()))
}

/// Today's: the module has its own memory and asks for a larger one.
pub(super) fn glue() -> Host {
    Host::new()
        .function("env", "emscripten_resize_heap", |caller, arguments| {
            // A boolean: 1 when memory now has at least that many bytes.
            let grown = cover(caller, u64::from(argument(arguments, 0)?))?;
            Ok(vec![Value::I32(i32::from(grown))])
        })
        .function("env", "emscripten_memcpy_big", |caller, arguments| {
            let (to, from) = (argument(arguments, 0)?, argument(arguments, 1)?);
            let bytes = caller.read(u64::from(from), u64::from(argument(arguments, 2)?))?;
            caller.write(u64::from(to), &bytes)?;
            Ok(vec![Value::u32(to)])
        })
}

/// Where the JavaScript of 2018 kept the break and began the stack. The exact end of static data was known to
/// that JavaScript alone; the modules surveyed end below.
const DYNAMICTOP_PTR: u32 = 2048;
const STACKTOP: u32 = 2064;
const STACK_BYTES: u32 = 5 * 1024 * 1024;
const DYNAMIC_BASE: u32 = STACKTOP + STACK_BYTES;

/// 2018's: the host owns the memory, lays it out, and keeps the break in it.
pub(super) fn fastcomp() -> Host {
    Host::new()
        .memory("env", "memory", 0)
        .global("env", "DYNAMICTOP_PTR", Value::u32(DYNAMICTOP_PTR))
        .global("env", "STACKTOP", Value::u32(STACKTOP))
        .function("env", "getTotalMemory", |caller, _| {
            let bytes = u32::try_from(caller.memory_bytes()?).unwrap_or(u32::MAX);
            Ok(vec![Value::u32(bytes)])
        })
        .function("env", "enlargeMemory", |caller, _| {
            let wanted = read_u32(caller, DYNAMICTOP_PTR)?;
            Ok(vec![Value::I32(i32::from(cover(caller, u64::from(wanted))?))])
        })
        .function("env", "abortOnCannotGrowMemory", |_, _| {
            Err(HostTrap("the module gave up: memory cannot grow".into()))
        })
        .function("env", "___setErrNo", |_, _| Ok(Vec::new()))
}

/// Constructors first, then the arguments onto the module's own stack, then `main`.
pub(super) fn run(name: &str, instance: &mut dyn Instance) -> Result<i32, EngineError> {
    instance.call("__wasm_call_ctors", &[])?;
    main(name, "main", instance)
}

/// The break has to be in its place before anything is called.
pub(super) fn run_fastcomp(name: &str, instance: &mut dyn Instance) -> Result<i32, EngineError> {
    instance.write(Memory::Main, u64::from(DYNAMICTOP_PTR), &DYNAMIC_BASE.to_le_bytes())?;
    main(name, "_main", instance)
}

fn main(name: &str, export: &str, instance: &mut dyn Instance) -> Result<i32, EngineError> {
    let place = call_i32(instance, "stackAlloc", &[Value::u32(ARGV_BYTES)])?.cast_unsigned();
    let argv = write_argv(instance, place, name)?;
    call_i32(instance, export, &[Value::I32(1), Value::u32(argv)])
}
