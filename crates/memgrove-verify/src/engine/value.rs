//! Values and types as every engine understands them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value that goes into or comes out of a function or a global.
///
/// Floats are kept as bits, so that two engines can be compared NaN for NaN (V8 may quieten one on its way
/// through JavaScript).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// Bits of a 32-bit float.
    F32(u32),
    /// Bits of a 64-bit float.
    F64(u64),
    /// 128-bit vector. Cannot pass through JavaScript.
    V128(u128),
    /// A null reference of any type.
    Null,
    /// A reference that is not null: it can be seen, but not handed back.
    Reference,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 128-bit vector.
    V128,
    /// Any reference type.
    Reference,
}

/// Parameters and results of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// Types of the parameters.
    pub parameters: Vec<ValueType>,
    /// Types of the results.
    pub results: Vec<ValueType>,
}

impl Value {
    /// The type of this value.
    pub const fn value_type(self) -> ValueType {
        match self {
            Self::I32(_) => ValueType::I32,
            Self::I64(_) => ValueType::I64,
            Self::F32(_) => ValueType::F32,
            Self::F64(_) => ValueType::F64,
            Self::V128(_) => ValueType::V128,
            Self::Null | Self::Reference => ValueType::Reference,
        }
    }

    /// A 32-bit integer given as unsigned, as addresses and lengths are.
    pub const fn u32(value: u32) -> Self {
        Self::I32(value.cast_signed())
    }

    /// The value as unsigned 32-bit integer, if it is one.
    pub const fn as_u32(self) -> Option<u32> {
        match self {
            Self::I32(value) => Some(value.cast_unsigned()),
            _ => None,
        }
    }

    /// The value as unsigned 64-bit integer, if it is an integer: a 32-bit one is extended with zeros.
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Self::I32(value) => Some(u64::from(value.cast_unsigned())),
            Self::I64(value) => Some(value.cast_unsigned()),
            _ => None,
        }
    }
}

impl ValueType {
    /// Zero, or a null reference.
    pub const fn zero(self) -> Value {
        match self {
            Self::I32 => Value::I32(0),
            Self::I64 => Value::I64(0),
            Self::F32 => Value::F32(0),
            Self::F64 => Value::F64(0),
            Self::V128 => Value::V128(0),
            Self::Reference => Value::Null,
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::V128 => "v128",
            Self::Reference => "ref",
        })
    }
}

impl From<wasmparser::ValType> for ValueType {
    fn from(value: wasmparser::ValType) -> Self {
        match value {
            wasmparser::ValType::I32 => Self::I32,
            wasmparser::ValType::I64 => Self::I64,
            wasmparser::ValType::F32 => Self::F32,
            wasmparser::ValType::F64 => Self::F64,
            wasmparser::ValType::V128 => Self::V128,
            wasmparser::ValType::Ref(_) => Self::Reference,
        }
    }
}
