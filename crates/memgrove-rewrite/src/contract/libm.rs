//! Mathematical functions that fastcomp and bare clang left to JavaScript.

use wasm_encoder::Instruction;

use super::{Contract, Does, Types};
use crate::edits::Op;
use crate::runtime::RuntimeFunction;

const fn op(name: &'static str, op: Op, types: Types) -> Contract {
    Contract { name, types, does: Does::Operator(op), stub: None, why: "WebAssembly has the instruction" }
}

const fn run(name: &'static str, function: RuntimeFunction, types: Types, why: &'static str) -> Contract {
    Contract { name, types, does: Does::Run(function), stub: None, why }
}

const EXACT: &str = "the remainder is exact, as C's fmod is";
const CLOSE: &str = "computed in 64-bit floating point, close to the last bit, as far as math libraries differ among themselves";

const DOUBLE: Types = &["f64 -> f64"];
const FLOAT: Types = &["f32 -> f32"];
const DOUBLES: Types = &["f64 f64 -> f64"];
const FLOATS: Types = &["f32 f32 -> f32"];
const INTS: Types = &["i32 i32 -> i32"];

/// By asm2wasm's names, in a module of that name.
pub(super) const ASM2WASM: &[Contract] = &[
    op("i32s-div", Op::I32DivS, INTS),
    op("i32u-div", Op::I32DivU, INTS),
    op("i32s-rem", Op::I32RemS, INTS),
    op("i32u-rem", Op::I32RemU, INTS),
    op("f64-to-int", Op::I32TruncF64, &["f64 -> i32"]),
    run("f64-rem", RuntimeFunction::Fmod, DOUBLES, EXACT),
];

/// By C's names, which JavaScript's `Math` shares.
pub(super) const CONTRACTS: &[Contract] = &[
    op("sqrt", Op::F64Sqrt, DOUBLE),
    op("sqrtf", Op::F32Sqrt, FLOAT),
    op("floor", Op::F64Floor, DOUBLE),
    op("floorf", Op::F32Floor, FLOAT),
    op("ceil", Op::F64Ceil, DOUBLE),
    op("ceilf", Op::F32Ceil, FLOAT),
    op("fabs", Op::F64Abs, DOUBLE),
    op("fabsf", Op::F32Abs, FLOAT),
    op("trunc", Op::F64Trunc, DOUBLE),
    op("truncf", Op::F32Trunc, FLOAT),
    op("rint", Op::F64Nearest, DOUBLE),
    op("rintf", Op::F32Nearest, FLOAT),
    op("nearbyint", Op::F64Nearest, DOUBLE),
    op("nearbyintf", Op::F32Nearest, FLOAT),
    op("copysign", Op::F64Copysign, DOUBLES),
    op("copysignf", Op::F32Copysign, FLOATS),
    run("round", RuntimeFunction::Round, DOUBLE, "half away from zero, exactly"),
    run("roundf", RuntimeFunction::Round, FLOAT, "half away from zero, exactly"),
    run("llvm_exp2_f64", RuntimeFunction::Exp2, DOUBLE, CLOSE),
    run("llvm_log10_f64", RuntimeFunction::Log10, DOUBLE, CLOSE),
    run("llvm_log2_f64", RuntimeFunction::Log2, DOUBLE, CLOSE),
    run("fmod", RuntimeFunction::Fmod, DOUBLES, EXACT),
    run("fmodf", RuntimeFunction::Fmod, FLOATS, EXACT),
    run("exp", RuntimeFunction::Exp, DOUBLE, CLOSE),
    run("expf", RuntimeFunction::Exp, FLOAT, CLOSE),
    run("exp2", RuntimeFunction::Exp2, DOUBLE, CLOSE),
    run("exp2f", RuntimeFunction::Exp2, FLOAT, CLOSE),
    run("log", RuntimeFunction::Log, DOUBLE, CLOSE),
    run("logf", RuntimeFunction::Log, FLOAT, CLOSE),
    run("log2", RuntimeFunction::Log2, DOUBLE, CLOSE),
    run("log2f", RuntimeFunction::Log2, FLOAT, CLOSE),
    run("log10", RuntimeFunction::Log10, DOUBLE, CLOSE),
    run("log10f", RuntimeFunction::Log10, FLOAT, CLOSE),
    run("pow", RuntimeFunction::Pow, DOUBLES, CLOSE),
    run("powf", RuntimeFunction::Pow, FLOATS, CLOSE),
    run("sin", RuntimeFunction::Sin, DOUBLE, CLOSE),
    run("sinf", RuntimeFunction::Sin, FLOAT, CLOSE),
    run("cos", RuntimeFunction::Cos, DOUBLE, CLOSE),
    run("cosf", RuntimeFunction::Cos, FLOAT, CLOSE),
    run("tan", RuntimeFunction::Tan, DOUBLE, CLOSE),
    run("tanf", RuntimeFunction::Tan, FLOAT, CLOSE),
    run("atan", RuntimeFunction::Atan, DOUBLE, CLOSE),
    run("atanf", RuntimeFunction::Atan, FLOAT, CLOSE),
    run("atan2", RuntimeFunction::Atan2, DOUBLES, CLOSE),
    run("atan2f", RuntimeFunction::Atan2, FLOATS, CLOSE),
    run("asin", RuntimeFunction::Asin, DOUBLE, CLOSE),
    run("asinf", RuntimeFunction::Asin, FLOAT, CLOSE),
    run("acos", RuntimeFunction::Acos, DOUBLE, CLOSE),
    run("acosf", RuntimeFunction::Acos, FLOAT, CLOSE),
];

impl Op {
    /// The instruction's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F64Sqrt => "f64.sqrt",
            Self::F64Floor => "f64.floor",
            Self::F64Ceil => "f64.ceil",
            Self::F64Abs => "f64.abs",
            Self::F64Trunc => "f64.trunc",
            Self::F64Nearest => "f64.nearest",
            Self::F64Copysign => "f64.copysign",
            Self::F32Sqrt => "f32.sqrt",
            Self::F32Floor => "f32.floor",
            Self::F32Ceil => "f32.ceil",
            Self::F32Abs => "f32.abs",
            Self::F32Trunc => "f32.trunc",
            Self::F32Nearest => "f32.nearest",
            Self::F32Copysign => "f32.copysign",
            Self::I32DivS => "i32.div_s",
            Self::I32DivU => "i32.div_u",
            Self::I32RemS => "i32.rem_s",
            Self::I32RemU => "i32.rem_u",
            Self::I32TruncF64 => "i32.trunc_f64_s",
            Self::MemoryDiscard => "memory.discard",
        }
    }

    /// The instruction.
    pub(crate) fn instruction(self) -> Instruction<'static> {
        match self {
            Self::F64Sqrt => Instruction::F64Sqrt,
            Self::F64Floor => Instruction::F64Floor,
            Self::F64Ceil => Instruction::F64Ceil,
            Self::F64Abs => Instruction::F64Abs,
            Self::F64Trunc => Instruction::F64Trunc,
            Self::F64Nearest => Instruction::F64Nearest,
            Self::F64Copysign => Instruction::F64Copysign,
            Self::F32Sqrt => Instruction::F32Sqrt,
            Self::F32Floor => Instruction::F32Floor,
            Self::F32Ceil => Instruction::F32Ceil,
            Self::F32Abs => Instruction::F32Abs,
            Self::F32Trunc => Instruction::F32Trunc,
            Self::F32Nearest => Instruction::F32Nearest,
            Self::F32Copysign => Instruction::F32Copysign,
            Self::I32DivS => Instruction::I32DivS,
            Self::I32DivU => Instruction::I32DivU,
            Self::I32RemS => Instruction::I32RemS,
            Self::I32RemU => Instruction::I32RemU,
            Self::I32TruncF64 => Instruction::I32TruncF64S,
            Self::MemoryDiscard => Instruction::MemoryDiscard(0),
        }
    }
}
