//! From wasmparser's types to ours, noting the proposals that a type needs.

use super::proposals::{Proposal, ProposalsUsed};
use super::types::{ConstExpr, GlobalType, MemoryType, PAGE_SIZE_LOG2, TableType};
use super::value_types::ValType;
use wasmparser::{AbstractHeapType, HeapType, Operator, RefType};

pub(super) fn val_type(ty: wasmparser::ValType) -> ValType {
    match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(RefType::FUNCREF) => ValType::FuncRef,
        wasmparser::ValType::Ref(RefType::EXTERNREF) => ValType::ExternRef,
        wasmparser::ValType::Ref(RefType::EXNREF) => ValType::ExnRef,
        wasmparser::ValType::Ref(_) => ValType::Ref,
    }
}

pub(super) fn memory_type(
    ty: wasmparser::MemoryType,
    offset: u64,
    proposals: &mut ProposalsUsed,
) -> MemoryType {
    if ty.memory64 {
        proposals.note(Proposal::Memory64, "64-bit memory", None, offset);
    }
    if ty.shared {
        proposals.note(Proposal::Threads, "shared memory", None, offset);
    }
    if ty.page_size_log2.is_some() {
        proposals.note(Proposal::CustomPageSizes, "memory with its own page size", None, offset);
    }
    MemoryType {
        min_pages: ty.initial,
        max_pages: ty.maximum,
        shared: ty.shared,
        memory64: ty.memory64,
        page_size_log2: ty.page_size_log2.unwrap_or(PAGE_SIZE_LOG2),
    }
}

pub(super) fn table_type(ty: wasmparser::TableType, offset: u64, proposals: &mut ProposalsUsed) -> TableType {
    if ty.table64 {
        proposals.note(Proposal::Memory64, "64-bit table", None, offset);
    }
    if ty.shared {
        proposals.note(Proposal::SharedEverythingThreads, "shared table", None, offset);
    }
    // A table of plain functions is older than every proposal.
    if ty.element_type != RefType::FUNCREF {
        note_val_type(wasmparser::ValType::Ref(ty.element_type), None, offset, proposals);
    }
    TableType {
        element: val_type(wasmparser::ValType::Ref(ty.element_type)),
        min: ty.initial,
        max: ty.maximum,
    }
}

pub(super) fn global_type(
    ty: wasmparser::GlobalType,
    offset: u64,
    proposals: &mut ProposalsUsed,
) -> GlobalType {
    note_val_type(ty.content_type, None, offset, proposals);
    if ty.shared {
        proposals.note(Proposal::SharedEverythingThreads, "shared global", None, offset);
    }
    GlobalType { content: val_type(ty.content_type), mutable: ty.mutable }
}

#[inline]
pub(super) fn note_val_type(
    ty: wasmparser::ValType,
    func: Option<u32>,
    offset: u64,
    proposals: &mut ProposalsUsed,
) {
    match ty {
        wasmparser::ValType::V128 => proposals.note(Proposal::Simd, "v128", func, offset),
        wasmparser::ValType::Ref(ty) => note_ref_type(ty, func, offset, proposals),
        wasmparser::ValType::F32 => proposals.note_float("f32", func, offset),
        wasmparser::ValType::F64 => proposals.note_float("f64", func, offset),
        wasmparser::ValType::I32 | wasmparser::ValType::I64 => {}
    }
}

fn note_ref_type(ty: RefType, func: Option<u32>, offset: u64, proposals: &mut ProposalsUsed) {
    note_heap_type(ty.heap_type(), ty.is_nullable(), func, offset, proposals);
}

/// Notes what a reference to `ty` takes.
pub(super) fn note_heap_type(
    ty: HeapType,
    is_nullable: bool,
    func: Option<u32>,
    offset: u64,
    proposals: &mut ProposalsUsed,
) {
    use AbstractHeapType as A;
    proposals.note(Proposal::ReferenceTypes, "reference type", func, offset);
    match ty {
        HeapType::Abstract { shared, ty } => {
            if shared {
                proposals.note(Proposal::SharedEverythingThreads, "shared reference type", func, offset);
            }
            let (proposal, what) = match ty {
                A::Func | A::Extern if is_nullable => return,
                A::Func | A::Extern => (Proposal::FunctionReferences, "non-nullable reference type"),
                A::Exn | A::NoExn => (Proposal::Exceptions, "exnref"),
                A::Cont | A::NoCont => (Proposal::StackSwitching, "continuation reference"),
                _ => (Proposal::Gc, "reference type of the collector"),
            };
            proposals.note(proposal, what, func, offset);
        }
        HeapType::Concrete(_) => proposals.note_defined_type(func, offset),
        HeapType::Exact(_) => {
            proposals.note(Proposal::CustomDescriptors, "exact reference type", func, offset);
        }
    }
}

/// Reads a constant expression. Unknown forms are [`ConstExpr::Other`], never an error: the validator has
/// already accepted it.
pub(super) fn const_expr(
    expr: &wasmparser::ConstExpr<'_>,
    imported_globals: u32,
    proposals: &mut ProposalsUsed,
) -> ConstExpr {
    if let Some(value) = plain_i32(expr) {
        return ConstExpr::I32(value);
    }
    let mut reader = expr.get_operators_reader();
    // Expressions of one instruction are all there is but for position-independent code's `global + constant`.
    let mut first = None;
    let mut second = None;
    let mut add = false;
    let mut count = 0u32;
    while let Ok((operator, offset)) = reader.read_with_offset() {
        let value = match operator {
            Operator::I32Const { value } => ConstExpr::I32(value),
            Operator::I64Const { value } => ConstExpr::I64(value),
            Operator::F32Const { value } => {
                proposals.note_float("f32.const", None, offset);
                ConstExpr::F32(value.bits())
            }
            Operator::F64Const { value } => {
                proposals.note_float("f64.const", None, offset);
                ConstExpr::F64(value.bits())
            }
            Operator::GlobalGet { global_index } => {
                if global_index >= imported_globals {
                    let what = "defined global in a constant expression";
                    proposals.note(Proposal::Gc, what, None, offset);
                }
                ConstExpr::Global(global_index)
            }
            Operator::RefFunc { function_index } => {
                proposals.note(Proposal::ReferenceTypes, "ref.func", None, offset);
                ConstExpr::RefFunc(function_index)
            }
            Operator::RefNull { hty } => {
                note_heap_type(hty, true, None, offset, proposals);
                ConstExpr::RefNull
            }
            Operator::V128Const { .. } => {
                proposals.note(Proposal::Simd, "v128.const", None, offset);
                ConstExpr::Other
            }
            Operator::I32Add | Operator::I64Add => {
                proposals.note(Proposal::ExtendedConst, "addition in a constant expression", None, offset);
                add = true;
                ConstExpr::Other
            }
            Operator::I32Sub | Operator::I64Sub | Operator::I32Mul | Operator::I64Mul => {
                proposals.note(Proposal::ExtendedConst, "arithmetic in a constant expression", None, offset);
                ConstExpr::Other
            }
            Operator::RefI31Shared => {
                let what = "ref.i31_shared in a constant expression";
                proposals.note(Proposal::SharedEverythingThreads, what, None, offset);
                ConstExpr::Other
            }
            Operator::End => break,
            _ => {
                proposals.note(Proposal::Gc, "allocation in a constant expression", None, offset);
                ConstExpr::Other
            }
        };
        match count {
            0 => first = Some(value),
            1 => second = Some(value),
            _ => {}
        }
        count += 1;
    }
    match (count, first, second) {
        (1, Some(value), _) => value,
        (3, Some(a), Some(b)) if add => sum(a, b),
        _ => ConstExpr::Other,
    }
}

/// The address of nearly every data segment; some modules have 80,000 of them.
fn plain_i32(expr: &wasmparser::ConstExpr<'_>) -> Option<i32> {
    let mut reader = expr.get_binary_reader();
    if reader.read_u8().ok()? != 0x41 {
        return None;
    }
    let value = reader.read_var_i32().ok()?;
    (reader.read_u8().ok()? == 0x0b).then_some(value)
}

fn sum(a: ConstExpr, b: ConstExpr) -> ConstExpr {
    match (a, b) {
        (ConstExpr::Global(global), ConstExpr::I32(addend))
        | (ConstExpr::I32(addend), ConstExpr::Global(global)) => {
            ConstExpr::GlobalPlus { global, addend: i64::from(addend) }
        }
        (ConstExpr::Global(global), ConstExpr::I64(addend))
        | (ConstExpr::I64(addend), ConstExpr::Global(global)) => ConstExpr::GlobalPlus { global, addend },
        (ConstExpr::I32(a), ConstExpr::I32(b)) => ConstExpr::I32(a.wrapping_add(b)),
        (ConstExpr::I64(a), ConstExpr::I64(b)) => ConstExpr::I64(a.wrapping_add(b)),
        _ => ConstExpr::Other,
    }
}
