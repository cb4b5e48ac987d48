//! What instructions need for the sake of their immediates, whatever instruction it is.

use wasmparser::BlockType;

use super::{Encoding, Proposal, Scanner, wasm_types};

/// Immediates that can need a proposal, whatever instruction they belong to.
pub(super) trait Immediate {
    fn note<V>(&self, _scanner: &mut Scanner<'_, V>, _instruction: &'static str) {}
}

macro_rules! plain_immediates {
    ($($ty:ty)*) => { $(impl Immediate for $ty {})* };
}
plain_immediates! {
    u8 u32 i32 i64 wasmparser::Ieee32 wasmparser::Ieee64 wasmparser::V128 [u8; 16] wasmparser::BrTable<'_>
    wasmparser::ResumeTable
}

impl Immediate for wasmparser::Ordering {
    #[inline]
    fn note<V>(&self, scanner: &mut Scanner<'_, V>, instruction: &'static str) {
        // Instructions of shared-everything-threads have always had an ordering.
        if instruction == "visit_atomic_fence" && *self != Self::SeqCst {
            scanner.note(Proposal::AcquireReleaseAtomics, "atomic.fence with an ordering");
        }
    }
}

impl Immediate for wasmparser::MemArg {
    #[inline]
    fn note<V>(&self, scanner: &mut Scanner<'_, V>, instruction: &'static str) {
        scanner.encoding = Encoding::MemArg;
        scanner.scan.named.note(self.offset);
        match self.target {
            wasmparser::MemArgTarget::Memory(0) => {}
            wasmparser::MemArgTarget::Memory(_) => scanner.note(Proposal::MultiMemory, instruction),
            wasmparser::MemArgTarget::Array(_) => scanner.note(Proposal::MultibyteArrayAccess, instruction),
        }
        if self.ordering.is_some() {
            scanner.note(Proposal::AcquireReleaseAtomics, instruction);
        }
    }
}

impl Immediate for BlockType {
    #[inline]
    fn note<V>(&self, scanner: &mut Scanner<'_, V>, instruction: &'static str) {
        match self {
            Self::Empty => {}
            Self::Type(ty) => ty.note(scanner, instruction),
            Self::FuncType(_) => scanner.note(Proposal::MultiValue, instruction),
        }
    }
}

impl Immediate for wasmparser::ValType {
    #[inline]
    fn note<V>(&self, scanner: &mut Scanner<'_, V>, _instruction: &'static str) {
        let (func, offset) = (scanner.func, scanner.offset);
        wasm_types::note_val_type(*self, Some(func), offset, &mut scanner.scan.proposals);
    }
}

impl Immediate for Vec<wasmparser::ValType> {
    fn note<V>(&self, scanner: &mut Scanner<'_, V>, instruction: &'static str) {
        self.iter().for_each(|ty| ty.note(scanner, instruction));
    }
}

impl Immediate for wasmparser::RefType {
    fn note<V>(&self, scanner: &mut Scanner<'_, V>, instruction: &'static str) {
        wasmparser::ValType::Ref(*self).note(scanner, instruction);
    }
}

impl Immediate for wasmparser::HeapType {
    fn note<V>(&self, scanner: &mut Scanner<'_, V>, instruction: &'static str) {
        let (func, offset) = (scanner.func, scanner.offset);
        let is_nullable = !instruction.ends_with("non_null");
        wasm_types::note_heap_type(*self, is_nullable, Some(func), offset, &mut scanner.scan.proposals);
    }
}

impl Immediate for wasmparser::TryTable {
    fn note<V>(&self, scanner: &mut Scanner<'_, V>, instruction: &'static str) {
        self.ty.note(scanner, instruction);
    }
}
