//! Mathematical functions that fastcomp and bare clang left to JavaScript.

use wasm_encoder::Instruction;
use wasmparser::{FuncType, ValType};

use super::{Contract, Does};
use crate::edits::Op;
use crate::plan::Purpose;

const fn op(name: &'static str, op: Op) -> Contract {
    Contract {
        name,
        does: Does::Operator(op),
        purpose: Purpose::Math,
        stub: None,
        why: "WebAssembly has the instruction",
    }
}

const fn run(name: &'static str, function: &'static str, why: &'static str) -> Contract {
    Contract { name, does: Does::Run(function), purpose: Purpose::Math, stub: None, why }
}

const EXACT: &str = "the remainder is exact, as C's fmod is";
const CLOSE: &str = "computed in 64-bit floating point, close to the last bit, as far as math libraries differ among themselves";

/// By C's names and asm2wasm's.
pub(super) const CONTRACTS: &[Contract] = &[
    op("sqrt", Op::F64Sqrt),
    op("sqrtf", Op::F32Sqrt),
    op("floor", Op::F64Floor),
    op("floorf", Op::F32Floor),
    op("ceil", Op::F64Ceil),
    op("ceilf", Op::F32Ceil),
    op("fabs", Op::F64Abs),
    op("fabsf", Op::F32Abs),
    op("trunc", Op::F64Trunc),
    op("truncf", Op::F32Trunc),
    op("i32s-div", Op::I32DivS),
    op("i32u-div", Op::I32DivU),
    op("i32s-rem", Op::I32RemS),
    op("i32u-rem", Op::I32RemU),
    op("f64-to-int", Op::I32TruncF64),
    run("f64-rem", "fmod", EXACT),
    run("fmod", "fmod", EXACT),
    run("fmodf", "fmod", EXACT),
    run("exp", "exp", CLOSE),
    run("expf", "exp", CLOSE),
    run("exp2", "exp2", CLOSE),
    run("exp2f", "exp2", CLOSE),
    run("log", "log", CLOSE),
    run("logf", "log", CLOSE),
    run("log2", "log2", CLOSE),
    run("log2f", "log2", CLOSE),
    run("log10", "log10", CLOSE),
    run("log10f", "log10", CLOSE),
    run("pow", "pow", CLOSE),
    run("powf", "pow", CLOSE),
    run("sin", "sin", CLOSE),
    run("sinf", "sin", CLOSE),
    run("cos", "cos", CLOSE),
    run("cosf", "cos", CLOSE),
    run("tan", "tan", CLOSE),
    run("tanf", "tan", CLOSE),
    run("atan", "atan", CLOSE),
    run("atanf", "atan", CLOSE),
    run("atan2", "atan2", CLOSE),
    run("atan2f", "atan2", CLOSE),
    run("asin", "asin", CLOSE),
    run("asinf", "asin", CLOSE),
    run("acos", "acos", CLOSE),
    run("acosf", "acos", CLOSE),
];

impl Op {
    /// Whether a function of that type is this operator.
    pub(super) fn fits(self, ty: &FuncType) -> bool {
        use ValType::{F32, F64, I32};
        let (params, result): (&[ValType], ValType) = match self {
            Self::F64Sqrt | Self::F64Floor | Self::F64Ceil | Self::F64Abs | Self::F64Trunc => (&[F64], F64),
            Self::F32Sqrt | Self::F32Floor | Self::F32Ceil | Self::F32Abs | Self::F32Trunc => (&[F32], F32),
            Self::I32DivS | Self::I32DivU | Self::I32RemS | Self::I32RemU => (&[I32, I32], I32),
            Self::I32TruncF64 => (&[F64], I32),
        };
        ty.params() == params && ty.results() == [result]
    }

    /// The instruction's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F64Sqrt => "f64.sqrt",
            Self::F64Floor => "f64.floor",
            Self::F64Ceil => "f64.ceil",
            Self::F64Abs => "f64.abs",
            Self::F64Trunc => "f64.trunc",
            Self::F32Sqrt => "f32.sqrt",
            Self::F32Floor => "f32.floor",
            Self::F32Ceil => "f32.ceil",
            Self::F32Abs => "f32.abs",
            Self::F32Trunc => "f32.trunc",
            Self::I32DivS => "i32.div_s",
            Self::I32DivU => "i32.div_u",
            Self::I32RemS => "i32.rem_s",
            Self::I32RemU => "i32.rem_u",
            Self::I32TruncF64 => "i32.trunc_f64_s",
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
            Self::F32Sqrt => Instruction::F32Sqrt,
            Self::F32Floor => Instruction::F32Floor,
            Self::F32Ceil => Instruction::F32Ceil,
            Self::F32Abs => Instruction::F32Abs,
            Self::F32Trunc => Instruction::F32Trunc,
            Self::I32DivS => Instruction::I32DivS,
            Self::I32DivU => Instruction::I32DivU,
            Self::I32RemS => Instruction::I32RemS,
            Self::I32RemU => Instruction::I32RemU,
            Self::I32TruncF64 => Instruction::I32TruncF64S,
        }
    }
}
