//! The instructions that read or write bytes at an address: one table of them.

use wasmparser::{MemArg, Operator, ValType};

/// What an instruction does with the bytes at an address, which lies on the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryAccess {
    /// The immediate: the constant that is added to the address, and the memory.
    pub memarg: MemArg,
    /// How many bytes.
    pub width_bytes: u32,
    /// It reads them.
    pub reads: bool,
    /// It writes them.
    pub writes: bool,
    /// Operands above the address.
    pub operands: &'static [ValType],
    /// Of what kind it is.
    pub kind: AccessKind,
}

/// Kinds of instructions that access memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessKind {
    /// A plain load or store of a number, or of a vector's low or all bytes.
    Plain,
    /// A load that spreads or widens its bytes, and any access of one lane.
    Lanes,
    /// Atomic; what only waits or wakes others is none.
    Atomic,
}

/// Of a plain load or store: the constant that it adds to its address, and whether it is a store. `None` for all other
/// operators, also for atomic accesses and those of a lane.
#[must_use]
pub fn access(operator: &Operator<'_>) -> Option<(u64, bool)> {
    let access = memory_access(operator).filter(|access| access.kind == AccessKind::Plain)?;
    Some((access.memarg.offset, access.writes))
}

/// What an atomic access does; `None` for any other operator.
#[must_use]
pub fn atomic_access(operator: &Operator<'_>) -> Option<MemoryAccess> {
    memory_access(operator).filter(|access| access.kind == AccessKind::Atomic)
}

/// What an instruction does with the bytes at an address; `None` if it has none, as `memory.copy` and those of other
/// proposals.
#[must_use]
pub fn memory_access(operator: &Operator<'_>) -> Option<MemoryAccess> {
    use AccessKind::{Atomic, Lanes, Plain};
    use Operator as O;
    const READS: (bool, bool) = (true, false);
    const WRITES: (bool, bool) = (false, true);
    const BOTH: (bool, bool) = (true, true);
    const NONE: &[ValType] = &[];
    const I32: &[ValType] = &[ValType::I32];
    const I64: &[ValType] = &[ValType::I64];
    const F32: &[ValType] = &[ValType::F32];
    const F64: &[ValType] = &[ValType::F64];
    const V128: &[ValType] = &[ValType::V128];
    const TWO_I32: &[ValType] = &[ValType::I32, ValType::I32];
    const TWO_I64: &[ValType] = &[ValType::I64, ValType::I64];
    let (kind, memarg, width_bytes, (reads, writes), operands) = match operator {
        O::I32Load8S { memarg }
        | O::I32Load8U { memarg }
        | O::I64Load8S { memarg }
        | O::I64Load8U { memarg } => (Plain, memarg, 1, READS, NONE),
        O::I32Load16S { memarg }
        | O::I32Load16U { memarg }
        | O::I64Load16S { memarg }
        | O::I64Load16U { memarg } => (Plain, memarg, 2, READS, NONE),
        O::I32Load { memarg }
        | O::F32Load { memarg }
        | O::I64Load32S { memarg }
        | O::I64Load32U { memarg }
        | O::V128Load32Zero { memarg } => (Plain, memarg, 4, READS, NONE),
        O::I64Load { memarg } | O::F64Load { memarg } | O::V128Load64Zero { memarg } => {
            (Plain, memarg, 8, READS, NONE)
        }
        O::V128Load { memarg } => (Plain, memarg, 16, READS, NONE),
        O::I32Store8 { memarg } => (Plain, memarg, 1, WRITES, I32),
        O::I64Store8 { memarg } => (Plain, memarg, 1, WRITES, I64),
        O::I32Store16 { memarg } => (Plain, memarg, 2, WRITES, I32),
        O::I64Store16 { memarg } => (Plain, memarg, 2, WRITES, I64),
        O::I32Store { memarg } => (Plain, memarg, 4, WRITES, I32),
        O::I64Store32 { memarg } => (Plain, memarg, 4, WRITES, I64),
        O::F32Store { memarg } => (Plain, memarg, 4, WRITES, F32),
        O::I64Store { memarg } => (Plain, memarg, 8, WRITES, I64),
        O::F64Store { memarg } => (Plain, memarg, 8, WRITES, F64),
        O::V128Store { memarg } => (Plain, memarg, 16, WRITES, V128),

        O::V128Load8Splat { memarg } => (Lanes, memarg, 1, READS, NONE),
        O::V128Load16Splat { memarg } => (Lanes, memarg, 2, READS, NONE),
        O::V128Load32Splat { memarg } => (Lanes, memarg, 4, READS, NONE),
        O::V128Load64Splat { memarg }
        | O::V128Load8x8S { memarg }
        | O::V128Load8x8U { memarg }
        | O::V128Load16x4S { memarg }
        | O::V128Load16x4U { memarg }
        | O::V128Load32x2S { memarg }
        | O::V128Load32x2U { memarg } => (Lanes, memarg, 8, READS, NONE),
        O::V128Load8Lane { memarg, .. } => (Lanes, memarg, 1, READS, V128),
        O::V128Load16Lane { memarg, .. } => (Lanes, memarg, 2, READS, V128),
        O::V128Load32Lane { memarg, .. } => (Lanes, memarg, 4, READS, V128),
        O::V128Load64Lane { memarg, .. } => (Lanes, memarg, 8, READS, V128),
        O::V128Store8Lane { memarg, .. } => (Lanes, memarg, 1, WRITES, V128),
        O::V128Store16Lane { memarg, .. } => (Lanes, memarg, 2, WRITES, V128),
        O::V128Store32Lane { memarg, .. } => (Lanes, memarg, 4, WRITES, V128),
        O::V128Store64Lane { memarg, .. } => (Lanes, memarg, 8, WRITES, V128),

        O::I32AtomicLoad8U { memarg } | O::I64AtomicLoad8U { memarg } => (Atomic, memarg, 1, READS, NONE),
        O::I32AtomicLoad16U { memarg } | O::I64AtomicLoad16U { memarg } => (Atomic, memarg, 2, READS, NONE),
        O::I32AtomicLoad { memarg } | O::I64AtomicLoad32U { memarg } => (Atomic, memarg, 4, READS, NONE),
        O::I64AtomicLoad { memarg } => (Atomic, memarg, 8, READS, NONE),
        O::I32AtomicStore8 { memarg } => (Atomic, memarg, 1, WRITES, I32),
        O::I64AtomicStore8 { memarg } => (Atomic, memarg, 1, WRITES, I64),
        O::I32AtomicStore16 { memarg } => (Atomic, memarg, 2, WRITES, I32),
        O::I64AtomicStore16 { memarg } => (Atomic, memarg, 2, WRITES, I64),
        O::I32AtomicStore { memarg } => (Atomic, memarg, 4, WRITES, I32),
        O::I64AtomicStore32 { memarg } => (Atomic, memarg, 4, WRITES, I64),
        O::I64AtomicStore { memarg } => (Atomic, memarg, 8, WRITES, I64),
        O::I32AtomicRmw8AddU { memarg }
        | O::I32AtomicRmw8SubU { memarg }
        | O::I32AtomicRmw8AndU { memarg }
        | O::I32AtomicRmw8OrU { memarg }
        | O::I32AtomicRmw8XorU { memarg }
        | O::I32AtomicRmw8XchgU { memarg } => (Atomic, memarg, 1, BOTH, I32),
        O::I32AtomicRmw16AddU { memarg }
        | O::I32AtomicRmw16SubU { memarg }
        | O::I32AtomicRmw16AndU { memarg }
        | O::I32AtomicRmw16OrU { memarg }
        | O::I32AtomicRmw16XorU { memarg }
        | O::I32AtomicRmw16XchgU { memarg } => (Atomic, memarg, 2, BOTH, I32),
        O::I32AtomicRmwAdd { memarg }
        | O::I32AtomicRmwSub { memarg }
        | O::I32AtomicRmwAnd { memarg }
        | O::I32AtomicRmwOr { memarg }
        | O::I32AtomicRmwXor { memarg }
        | O::I32AtomicRmwXchg { memarg } => (Atomic, memarg, 4, BOTH, I32),
        O::I64AtomicRmw8AddU { memarg }
        | O::I64AtomicRmw8SubU { memarg }
        | O::I64AtomicRmw8AndU { memarg }
        | O::I64AtomicRmw8OrU { memarg }
        | O::I64AtomicRmw8XorU { memarg }
        | O::I64AtomicRmw8XchgU { memarg } => (Atomic, memarg, 1, BOTH, I64),
        O::I64AtomicRmw16AddU { memarg }
        | O::I64AtomicRmw16SubU { memarg }
        | O::I64AtomicRmw16AndU { memarg }
        | O::I64AtomicRmw16OrU { memarg }
        | O::I64AtomicRmw16XorU { memarg }
        | O::I64AtomicRmw16XchgU { memarg } => (Atomic, memarg, 2, BOTH, I64),
        O::I64AtomicRmw32AddU { memarg }
        | O::I64AtomicRmw32SubU { memarg }
        | O::I64AtomicRmw32AndU { memarg }
        | O::I64AtomicRmw32OrU { memarg }
        | O::I64AtomicRmw32XorU { memarg }
        | O::I64AtomicRmw32XchgU { memarg } => (Atomic, memarg, 4, BOTH, I64),
        O::I64AtomicRmwAdd { memarg }
        | O::I64AtomicRmwSub { memarg }
        | O::I64AtomicRmwAnd { memarg }
        | O::I64AtomicRmwOr { memarg }
        | O::I64AtomicRmwXor { memarg }
        | O::I64AtomicRmwXchg { memarg } => (Atomic, memarg, 8, BOTH, I64),
        O::I32AtomicRmw8CmpxchgU { memarg } => (Atomic, memarg, 1, BOTH, TWO_I32),
        O::I32AtomicRmw16CmpxchgU { memarg } => (Atomic, memarg, 2, BOTH, TWO_I32),
        O::I32AtomicRmwCmpxchg { memarg } => (Atomic, memarg, 4, BOTH, TWO_I32),
        O::I64AtomicRmw8CmpxchgU { memarg } => (Atomic, memarg, 1, BOTH, TWO_I64),
        O::I64AtomicRmw16CmpxchgU { memarg } => (Atomic, memarg, 2, BOTH, TWO_I64),
        O::I64AtomicRmw32CmpxchgU { memarg } => (Atomic, memarg, 4, BOTH, TWO_I64),
        O::I64AtomicRmwCmpxchg { memarg } => (Atomic, memarg, 8, BOTH, TWO_I64),
        _ => return None,
    };
    Some(MemoryAccess { memarg: *memarg, width_bytes, reads, writes, operands, kind })
}
