//! How values, bytes and errors travel.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;
use serde_json::{Value as Json, json};

use crate::engine::{EngineError, TrapReason, Value};

/// What an answer with an `error` says.
#[must_use]
pub fn error_of(answer: &Json) -> EngineError {
    let words = answer["words"].as_str().unwrap_or("").to_owned();
    let trap = |reason| EngineError::Trap { reason, words: words.clone() };
    match answer["error"].as_str().unwrap_or("") {
        "host" => trap(TrapReason::Host(words.clone())),
        "stack" => trap(TrapReason::StackOverflow),
        "trap" => trap(told_reason(answer).unwrap_or_else(|| trap_reason(&words))),
        "compile" => EngineError::Compile { words },
        "export" => EngineError::Export { name: String::new(), words },
        "bounds" => EngineError::OutOfBounds { address: 0, length_bytes: 0 },
        "link" => EngineError::Instantiate { words },
        "timeout" => EngineError::Timeout { limit: Duration::ZERO },
        "engine" => EngineError::engine(words),
        _ => trap(TrapReason::Other),
    }
}

/// The reason of an engine that tells them apart, by the name that it has in JSON.
fn told_reason(answer: &Json) -> Option<TrapReason> {
    let name = answer["reason"].as_str()?;
    let known: Result<_, ValueError> = TrapReason::deserialize(name.into_deserializer());
    Some(known.unwrap_or(TrapReason::Other))
}

/// V8 has one class for all traps and tells them apart by words.
fn trap_reason(words: &str) -> TrapReason {
    match words {
        "unreachable" => TrapReason::Unreachable,
        "memory access out of bounds" => TrapReason::MemoryOutOfBounds,
        "operation does not support unaligned accesses" => TrapReason::Unaligned,
        "requested new array is too large" => TrapReason::OutOfMemory,
        _ if words.starts_with("table") => TrapReason::TableOutOfBounds,
        _ if words.starts_with("null function") || words.contains("signature mismatch") => {
            TrapReason::IndirectCall
        }
        _ if ["divide", "remainder", "float unrepresentable"].iter().any(|part| words.starts_with(part)) => {
            TrapReason::Arithmetic
        }
        _ => TrapReason::Other,
    }
}

/// An error of bounds with what was asked for.
///
/// # Errors
/// The answer's.
pub fn in_bounds<T>(
    answer: Result<T, EngineError>,
    address: u64,
    length_bytes: u64,
) -> Result<T, EngineError> {
    match answer {
        Err(EngineError::OutOfBounds { .. }) => Err(EngineError::OutOfBounds { address, length_bytes }),
        other => other,
    }
}

pub(super) fn all_to_json(values: &[Value]) -> Vec<Json> {
    values.iter().map(|&value| to_json(value)).collect()
}

/// Decimal text, because JSON's numbers are doubles to JavaScript.
pub(super) fn to_json(value: Value) -> Json {
    match value {
        Value::I32(value) => json!(["i32", value.to_string()]),
        Value::I64(value) => json!(["i64", value.to_string()]),
        Value::F32(bits) => json!(["f32", bits.to_string()]),
        Value::F64(bits) => json!(["f64", bits.to_string()]),
        Value::V128(bits) => json!(["v128", bits.to_string()]),
        Value::Null | Value::Reference => json!(["ref", "null"]),
    }
}

/// Values out of a message.
///
/// # Errors
/// [`EngineError::Engine`] if they are none.
pub fn all_from_json(values: &Json) -> Result<Vec<Value>, EngineError> {
    values.as_array().into_iter().flatten().map(from_json).collect()
}

pub(super) fn from_json(value: &Json) -> Result<Value, EngineError> {
    let (kind, text) = (value[0].as_str().unwrap_or(""), value[1].as_str().unwrap_or(""));
    let parsed = match kind {
        "i32" => text.parse().ok().map(Value::I32),
        "i64" => text.parse().ok().map(Value::I64),
        "f32" => text.parse().ok().map(Value::F32),
        "f64" => text.parse().ok().map(Value::F64),
        _ => Some(if text == "null" { Value::Null } else { Value::Reference }),
    };
    parsed.ok_or_else(|| EngineError::engine(format!("the engine answered a strange value: {value}")))
}

/// Bytes as a message has them.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Bytes out of a message.
///
/// # Errors
/// [`EngineError::Engine`] if they are none.
pub fn from_hex(text: &Json) -> Result<Vec<u8>, EngineError> {
    let pairs = text.as_str().unwrap_or("").as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let digits = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(digits, 16).ok()
        })
        .collect::<Option<_>>()
        .ok_or_else(|| EngineError::engine("the engine answered bytes that are not hexadecimal"))
}
