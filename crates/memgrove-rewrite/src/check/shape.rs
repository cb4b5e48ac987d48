//! The instructions that access bytes at an address.

use wasm_encoder::ValType;
use wasmparser::Operator;

/// Of an instruction that accesses bytes at an address: its immediate, how many bytes, whether it writes, and the operands
/// above the address. What the text lists is checked; what it does not, is said to be not seen.
pub(super) fn shape(operator: &Operator<'_>) -> Option<(wasmparser::MemArg, u32, bool, &'static [ValType])> {
    use Operator as O;
    use ValType::{F32, F64, I32, I64, V128};
    let (memarg, width, stores, operands): (_, u32, bool, &[ValType]) = match operator {
        O::I32Load8S { memarg }
        | O::I32Load8U { memarg }
        | O::I64Load8S { memarg }
        | O::I64Load8U { memarg }
        | O::I32AtomicLoad8U { memarg }
        | O::I64AtomicLoad8U { memarg }
        | O::V128Load8Splat { memarg } => (memarg, 1, false, &[]),
        O::I32Load16S { memarg }
        | O::I32Load16U { memarg }
        | O::I64Load16S { memarg }
        | O::I64Load16U { memarg }
        | O::I32AtomicLoad16U { memarg }
        | O::I64AtomicLoad16U { memarg }
        | O::V128Load16Splat { memarg } => (memarg, 2, false, &[]),
        O::I32Load { memarg }
        | O::F32Load { memarg }
        | O::I64Load32S { memarg }
        | O::I64Load32U { memarg }
        | O::I32AtomicLoad { memarg }
        | O::I64AtomicLoad32U { memarg }
        | O::V128Load32Splat { memarg }
        | O::V128Load32Zero { memarg } => (memarg, 4, false, &[]),
        O::I64Load { memarg }
        | O::F64Load { memarg }
        | O::I64AtomicLoad { memarg }
        | O::V128Load64Splat { memarg }
        | O::V128Load64Zero { memarg }
        | O::V128Load8x8S { memarg }
        | O::V128Load8x8U { memarg }
        | O::V128Load16x4S { memarg }
        | O::V128Load16x4U { memarg }
        | O::V128Load32x2S { memarg }
        | O::V128Load32x2U { memarg } => (memarg, 8, false, &[]),
        O::V128Load { memarg } => (memarg, 16, false, &[]),
        O::V128Load8Lane { memarg, .. } => (memarg, 1, false, &[V128]),
        O::V128Store8Lane { memarg, .. } => (memarg, 1, true, &[V128]),
        O::V128Load16Lane { memarg, .. } => (memarg, 2, false, &[V128]),
        O::V128Store16Lane { memarg, .. } => (memarg, 2, true, &[V128]),
        O::V128Load32Lane { memarg, .. } => (memarg, 4, false, &[V128]),
        O::V128Store32Lane { memarg, .. } => (memarg, 4, true, &[V128]),
        O::V128Load64Lane { memarg, .. } => (memarg, 8, false, &[V128]),
        O::V128Store64Lane { memarg, .. } => (memarg, 8, true, &[V128]),
        O::I32Store8 { memarg } | O::I32AtomicStore8 { memarg } => (memarg, 1, true, &[I32]),
        O::I64Store8 { memarg } | O::I64AtomicStore8 { memarg } => (memarg, 1, true, &[I64]),
        O::I32Store16 { memarg } | O::I32AtomicStore16 { memarg } => (memarg, 2, true, &[I32]),
        O::I64Store16 { memarg } | O::I64AtomicStore16 { memarg } => (memarg, 2, true, &[I64]),
        O::I32Store { memarg } | O::I32AtomicStore { memarg } => (memarg, 4, true, &[I32]),
        O::I64Store32 { memarg } | O::I64AtomicStore32 { memarg } => (memarg, 4, true, &[I64]),
        O::F32Store { memarg } => (memarg, 4, true, &[F32]),
        O::I64Store { memarg } | O::I64AtomicStore { memarg } => (memarg, 8, true, &[I64]),
        O::F64Store { memarg } => (memarg, 8, true, &[F64]),
        O::V128Store { memarg } => (memarg, 16, true, &[V128]),
        O::I32AtomicRmw8AddU { memarg }
        | O::I32AtomicRmw8SubU { memarg }
        | O::I32AtomicRmw8AndU { memarg }
        | O::I32AtomicRmw8OrU { memarg }
        | O::I32AtomicRmw8XorU { memarg }
        | O::I32AtomicRmw8XchgU { memarg } => (memarg, 1, true, &[I32]),
        O::I32AtomicRmw8CmpxchgU { memarg } => (memarg, 1, true, &[I32, I32]),
        O::I32AtomicRmw16AddU { memarg }
        | O::I32AtomicRmw16SubU { memarg }
        | O::I32AtomicRmw16AndU { memarg }
        | O::I32AtomicRmw16OrU { memarg }
        | O::I32AtomicRmw16XorU { memarg }
        | O::I32AtomicRmw16XchgU { memarg } => (memarg, 2, true, &[I32]),
        O::I32AtomicRmw16CmpxchgU { memarg } => (memarg, 2, true, &[I32, I32]),
        O::I32AtomicRmwAdd { memarg }
        | O::I32AtomicRmwSub { memarg }
        | O::I32AtomicRmwAnd { memarg }
        | O::I32AtomicRmwOr { memarg }
        | O::I32AtomicRmwXor { memarg }
        | O::I32AtomicRmwXchg { memarg } => (memarg, 4, true, &[I32]),
        O::I32AtomicRmwCmpxchg { memarg } => (memarg, 4, true, &[I32, I32]),
        O::I64AtomicRmw8AddU { memarg }
        | O::I64AtomicRmw8SubU { memarg }
        | O::I64AtomicRmw8AndU { memarg }
        | O::I64AtomicRmw8OrU { memarg }
        | O::I64AtomicRmw8XorU { memarg }
        | O::I64AtomicRmw8XchgU { memarg } => (memarg, 1, true, &[I64]),
        O::I64AtomicRmw8CmpxchgU { memarg } => (memarg, 1, true, &[I64, I64]),
        O::I64AtomicRmw16AddU { memarg }
        | O::I64AtomicRmw16SubU { memarg }
        | O::I64AtomicRmw16AndU { memarg }
        | O::I64AtomicRmw16OrU { memarg }
        | O::I64AtomicRmw16XorU { memarg }
        | O::I64AtomicRmw16XchgU { memarg } => (memarg, 2, true, &[I64]),
        O::I64AtomicRmw16CmpxchgU { memarg } => (memarg, 2, true, &[I64, I64]),
        O::I64AtomicRmw32AddU { memarg }
        | O::I64AtomicRmw32SubU { memarg }
        | O::I64AtomicRmw32AndU { memarg }
        | O::I64AtomicRmw32OrU { memarg }
        | O::I64AtomicRmw32XorU { memarg }
        | O::I64AtomicRmw32XchgU { memarg } => (memarg, 4, true, &[I64]),
        O::I64AtomicRmw32CmpxchgU { memarg } => (memarg, 4, true, &[I64, I64]),
        O::I64AtomicRmwAdd { memarg }
        | O::I64AtomicRmwSub { memarg }
        | O::I64AtomicRmwAnd { memarg }
        | O::I64AtomicRmwOr { memarg }
        | O::I64AtomicRmwXor { memarg }
        | O::I64AtomicRmwXchg { memarg } => (memarg, 8, true, &[I64]),
        O::I64AtomicRmwCmpxchg { memarg } => (memarg, 8, true, &[I64, I64]),
        _ => return None,
    };
    Some((*memarg, width, stores, operands))
}
