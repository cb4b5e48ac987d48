//! Types of values and functions.

use serde::Serialize;

/// A value type. Reference types beyond `funcref`, `externref` and `exnref` are not told apart:
/// nothing about memory depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ValType {
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
    /// `(ref null func)`.
    FuncRef,
    /// `(ref null extern)`.
    ExternRef,
    /// `(ref null exn)`.
    ExnRef,
    /// Any other reference type.
    Ref,
}

impl ValType {
    /// The name in the text format (`ref` stands for any other reference type).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::V128 => "v128",
            Self::FuncRef => "funcref",
            Self::ExternRef => "externref",
            Self::ExnRef => "exnref",
            Self::Ref => "ref",
        }
    }

    /// Whether its values are references.
    #[must_use]
    pub fn is_reference(self) -> bool {
        matches!(self, Self::FuncRef | Self::ExternRef | Self::ExnRef | Self::Ref)
    }

    /// The type a name of the text format stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "i32" => Self::I32,
            "i64" => Self::I64,
            "f32" => Self::F32,
            "f64" => Self::F64,
            "v128" => Self::V128,
            "funcref" => Self::FuncRef,
            "externref" => Self::ExternRef,
            "exnref" => Self::ExnRef,
            "ref" => Self::Ref,
            _ => return None,
        })
    }
}

/// A function type. Displays as `(i32 i32) -> i32`; of a long list only the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FuncType {
    pub(super) values: Box<[ValType]>,
    pub(super) param_count: u32,
}

impl FuncType {
    /// Types of the parameters.
    #[must_use]
    pub fn params(&self) -> &[ValType] {
        &self.values[..self.param_count as usize]
    }

    /// Types of the results.
    #[must_use]
    pub fn results(&self) -> &[ValType] {
        &self.values[self.param_count as usize..]
    }

    /// Whether the type is the one that is written like `i32 i32 -> i32`, `-> i32`, `->`.
    #[must_use]
    pub fn is_written(&self, text: &str) -> bool {
        let names = |types: &[ValType], words: &str| {
            types.iter().map(|ty| ty.name()).eq(words.split_ascii_whitespace())
        };
        text.split_once("->")
            .is_some_and(|(params, results)| names(self.params(), params) && names(self.results(), results))
    }

    /// Whether the type is exactly `params -> results`.
    #[must_use]
    pub fn is(&self, params: &[ValType], results: &[ValType]) -> bool {
        self.params() == params && self.results() == results
    }
}

/// A type has up to 1000 parameters, and is shown wherever it is used.
const MAX_SHOWN_VALUES: usize = 32;

impl std::fmt::Display for FuncType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |f: &mut std::fmt::Formatter<'_>, types: &[ValType]| {
            f.write_str("(")?;
            for (i, ty) in types.iter().take(MAX_SHOWN_VALUES).enumerate() {
                f.write_str(if i == 0 { "" } else { " " })?;
                f.write_str(ty.name())?;
            }
            match types.len().checked_sub(MAX_SHOWN_VALUES) {
                None | Some(0) => f.write_str(")"),
                Some(more) => write!(f, " and {more} more)"),
            }
        };
        list(f, self.params())?;
        f.write_str(" -> ")?;
        match self.results() {
            [one] => f.write_str(one.name()),
            many => list(f, many),
        }
    }
}

/// An entry of the type index space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeDef {
    /// A function type.
    Func(FuncType),
    /// A struct, array or continuation type.
    Other,
}
