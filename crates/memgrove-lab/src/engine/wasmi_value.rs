//! Values, types and errors of wasmi, and ours.

use wasmi::{Nullable, TrapCode, Val, ValType};

use super::{EngineError, HostTrap, Signature, TrapReason, Value, ValueType};

/// A host's reason to end the run, as wasmi carries it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Ended(pub(super) HostTrap);

pub(super) fn signature_of(ty: &wasmi::FuncType) -> Signature {
    let types = |types: &[ValType]| {
        let one = |ty: &ValType| match ty {
            ValType::I32 => ValueType::I32,
            ValType::I64 => ValueType::I64,
            ValType::F32 => ValueType::F32,
            ValType::F64 => ValueType::F64,
            ValType::V128 => ValueType::V128,
            ValType::FuncRef | ValType::ExternRef => ValueType::Reference,
        };
        types.iter().map(one).collect()
    };
    Signature { parameters: types(ty.params()), results: types(ty.results()) }
}

pub(super) fn run_error(error: &wasmi::Error) -> EngineError {
    let reason = match (error.downcast_ref::<Ended>(), error.as_trap_code()) {
        (Some(Ended(HostTrap(words))), _) => TrapReason::Host(words.clone()),
        (None, Some(code)) => match code {
            TrapCode::UnreachableCodeReached => TrapReason::Unreachable,
            TrapCode::MemoryOutOfBounds => TrapReason::MemoryOutOfBounds,
            TrapCode::TableOutOfBounds => TrapReason::TableOutOfBounds,
            TrapCode::IndirectCallToNull | TrapCode::BadSignature => TrapReason::IndirectCall,
            TrapCode::IntegerDivisionByZero
            | TrapCode::IntegerOverflow
            | TrapCode::BadConversionToInteger => TrapReason::Arithmetic,
            TrapCode::StackOverflow => TrapReason::StackOverflow,
            TrapCode::OutOfFuel => TrapReason::OutOfFuel,
            TrapCode::OutOfSystemMemory => TrapReason::OutOfMemory,
            _ => TrapReason::Other,
        },
        (None, None) => TrapReason::Other,
    };
    EngineError::Trap { reason, words: error.to_string() }
}

pub(super) fn to_val(value: Value) -> Option<Val> {
    Some(match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(wasmi::F32::from_bits(bits)),
        Value::F64(bits) => Val::F64(wasmi::F64::from_bits(bits)),
        Value::V128(bits) => Val::V128(bits.into()),
        Value::Null => Val::FuncRef(Nullable::Null),
        Value::Reference => return None,
    })
}

pub(super) fn from_val(value: &Val) -> Value {
    match value {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(value) => Value::F32(value.to_bits()),
        Val::F64(value) => Value::F64(value.to_bits()),
        Val::V128(value) => Value::V128(value.as_u128()),
        Val::FuncRef(Nullable::Null) | Val::ExternRef(Nullable::Null) => Value::Null,
        Val::FuncRef(_) | Val::ExternRef(_) => Value::Reference,
    }
}
