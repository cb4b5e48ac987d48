//! Memories and tables that become the module's own are large enough for its active segments.
//!
//! ```wat
//! ;; before: the host gave two pages, although the import asks for one
//! (import "env" "memory" (memory 1))
//! (data (i32.const 65540) "hello")
//! ;; after: without them the module could not be instantiated
//! (memory 2)
//! (data (i32.const 65540) "hello")
//! ```
//!
//! What lies beyond a declared maximum fits into no memory that the module accepts. Such a module
//! can be instantiated neither before nor after, and is left so.

use memgrove_module::counted;
use memgrove_module::facts::ConstExpr;
use wasmparser::{DataKind, ElementItems, ElementKind, MemoryType, Operator, TableType};

use super::{Pass, page_bytes};
use crate::edits::Value;

/// Engines refuse larger tables: <https://webassembly.github.io/spec/js-api/#limits>.
const LARGEST_TABLE: u64 = 10_000_000;
/// Bytes that 32 bits can address.
const BYTES_32: u64 = 1 << 32;
/// Bytes that processors address today.
const BYTES_64: u64 = 1 << 48;
/// How often one global may be a copy of another; linkers make one copy.
const MOST_COPIES: usize = 16;

/// Raises minima to what active segments need.
pub(super) fn run(pass: &mut Pass<'_, '_>) {
    memories(pass);
    tables(pass);
}

fn memories(pass: &mut Pass<'_, '_>) {
    let mut ends = vec![0_u64; pass.module.sections.memories.len()];
    for data in pass.module.data() {
        let DataKind::Active { memory_index, offset_expr } = &data.kind else { continue };
        let Some(at) = address(pass, offset_expr) else { continue };
        let end = &mut ends[*memory_index as usize];
        *end = (*end).max(at.saturating_add(data.data.len() as u64));
    }
    let owned: Vec<(u32, MemoryType)> = pass.edits.memories.iter().map(|(&index, &ty)| (index, ty)).collect();
    for (index, ty) in owned {
        let end = ends[index as usize];
        let page = page_bytes(&ty);
        let pages = end.div_ceil(page);
        if pages <= ty.initial {
            continue;
        }
        let space = if ty.memory64 { BYTES_64 } else { BYTES_32 } / page;
        if pages > ty.maximum.unwrap_or(space).min(space) {
            pass.notes.push(format!(
                "a data segment ends at {end:#x}, beyond every memory that the module accepts: it cannot be instantiated"
            ));
            continue;
        }
        pass.edits.memories.insert(index, MemoryType { initial: pages, ..ty });
        pass.change(
            "memory",
            format!("minimum raised from {} to {}", ty.initial, counted(pages, "page")),
            "active data segments reach that far, so its host had to pass as much",
        );
    }
}

fn tables(pass: &mut Pass<'_, '_>) {
    let mut ends = vec![0_u64; pass.module.sections.tables.len()];
    for element in pass.module.elements() {
        let ElementKind::Active { table_index, offset_expr } = &element.kind else { continue };
        let Some(at) = address(pass, offset_expr) else { continue };
        let len = match &element.items {
            ElementItems::Functions(items) => items.count(),
            ElementItems::Expressions(_, items) => items.count(),
        };
        let end = &mut ends[table_index.unwrap_or(0) as usize];
        *end = (*end).max(at.saturating_add(len.into()));
    }
    let owned: Vec<(u32, TableType)> = pass.edits.tables.iter().map(|(&index, &ty)| (index, ty)).collect();
    for (index, ty) in owned {
        let end = ends[index as usize];
        if end <= ty.initial {
            continue;
        }
        if end > ty.maximum.unwrap_or(LARGEST_TABLE).min(LARGEST_TABLE) {
            pass.notes.push(format!(
                "an element segment ends at element {end}, beyond every table that the module accepts: it cannot be instantiated"
            ));
            continue;
        }
        pass.edits.tables.insert(index, TableType { initial: end, ..ty });
        pass.change(
            "table",
            format!("minimum raised from {} to {}", ty.initial, counted(end, "element")),
            "active element segments reach that far, so its host had to pass as many",
        );
    }
}

/// The value of a segment's offset in the output, as an unsigned number; `None` where only the host
/// knows it.
fn address(pass: &Pass<'_, '_>, expr: &wasmparser::ConstExpr<'_>) -> Option<u64> {
    let mut stack: Vec<Number> = Vec::new();
    for operator in expr.get_operators_reader() {
        let operator = operator.ok()?;
        let value = match operator {
            Operator::I32Const { value } => Number::I32(value),
            Operator::I64Const { value } => Number::I64(value),
            Operator::GlobalGet { global_index } => global(pass, global_index)?,
            Operator::I32Add | Operator::I32Sub | Operator::I32Mul => {
                let (Number::I32(b), Number::I32(a)) = (stack.pop()?, stack.pop()?) else { return None };
                Number::I32(match operator {
                    Operator::I32Add => a.wrapping_add(b),
                    Operator::I32Sub => a.wrapping_sub(b),
                    _ => a.wrapping_mul(b),
                })
            }
            Operator::I64Add | Operator::I64Sub | Operator::I64Mul => {
                let (Number::I64(b), Number::I64(a)) = (stack.pop()?, stack.pop()?) else { return None };
                Number::I64(match operator {
                    Operator::I64Add => a.wrapping_add(b),
                    Operator::I64Sub => a.wrapping_sub(b),
                    _ => a.wrapping_mul(b),
                })
            }
            Operator::End => break,
            _ => return None,
        };
        stack.push(value);
    }
    match stack.pop()? {
        Number::I32(value) => Some(value.cast_unsigned().into()),
        Number::I64(value) => Some(value.cast_unsigned()),
    }
}

/// A value of a constant expression.
#[derive(Clone, Copy)]
enum Number {
    I32(i32),
    I64(i64),
}

/// The value that an immutable global has in the output.
fn global(pass: &Pass<'_, '_>, mut index: u32) -> Option<Number> {
    for _ in 0..MOST_COPIES {
        match pass.edits.globals.get(&index) {
            Some(Value::I32(value)) => return Some(Number::I32(value.cast_signed())),
            Some(Value::F64(_)) => return None,
            None => {}
        }
        match pass.module.code.init(index)? {
            ConstExpr::I32(value) => return Some(Number::I32(value)),
            ConstExpr::I64(value) => return Some(Number::I64(value)),
            ConstExpr::Global(of) => index = of,
            _ => return None,
        }
    }
    None
}
