//! Values and errors of wasmtime, and ours.

use wasmtime::{GcHeapOutOfMemory, OutOfMemory, Trap, Val};

use super::{EngineError, HostTrap, TrapReason, Value};

pub(super) fn run_error(error: &wasmtime::Error) -> EngineError {
    let reason = match (error.downcast_ref::<Trap>(), error.downcast_ref::<HostTrap>()) {
        (_, Some(HostTrap(words))) => TrapReason::Host(words.clone()),
        (Some(trap), _) => match trap {
            Trap::UnreachableCodeReached => TrapReason::Unreachable,
            Trap::MemoryOutOfBounds => TrapReason::MemoryOutOfBounds,
            Trap::TableOutOfBounds => TrapReason::TableOutOfBounds,
            Trap::IndirectCallToNull | Trap::BadSignature => TrapReason::IndirectCall,
            Trap::IntegerOverflow | Trap::IntegerDivisionByZero | Trap::BadConversionToInteger => {
                TrapReason::Arithmetic
            }
            Trap::StackOverflow => TrapReason::StackOverflow,
            Trap::OutOfFuel => TrapReason::OutOfFuel,
            Trap::AllocationTooLarge => TrapReason::OutOfMemory,
            Trap::HeapMisaligned => TrapReason::Unaligned,
            _ => TrapReason::Other,
        },
        (None, None) if error.is::<OutOfMemory>() || error.is::<GcHeapOutOfMemory<()>>() => {
            TrapReason::OutOfMemory
        }
        (None, None) => TrapReason::Other,
    };
    EngineError::Trap { reason, words: words(error) }
}

/// The error and its causes, without the backtrace that wasmtime puts first.
pub(super) fn words(error: &wasmtime::Error) -> String {
    let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
    let told: Vec<_> = causes.iter().filter(|cause| !cause.contains("wasm backtrace")).cloned().collect();
    if told.is_empty() { causes.join(": ") } else { told.join(": ") }
}

pub(super) fn to_val(value: Value) -> Option<Val> {
    Some(match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(bits),
        Value::F64(bits) => Val::F64(bits),
        Value::V128(bits) => Val::V128(bits.into()),
        Value::Null => Val::FuncRef(None),
        Value::Reference => return None,
    })
}

pub(super) fn from_val(value: &Val) -> Value {
    match value {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(bits) => Value::F32(*bits),
        Val::F64(bits) => Value::F64(*bits),
        Val::V128(bits) => Value::V128(bits.as_u128()),
        Val::FuncRef(None)
        | Val::ExternRef(None)
        | Val::AnyRef(None)
        | Val::ExnRef(None)
        | Val::ContRef(None) => Value::Null,
        _ => Value::Reference,
    }
}
