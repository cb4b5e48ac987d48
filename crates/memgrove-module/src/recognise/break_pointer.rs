//! The break of fastcomp's programs: in a cell whose address the host gives.

use wasmparser::Operator;

use crate::code::Code;
use crate::facts::ConstExpr;

/// The imported global, and the function, through which a break is read and moved: its value is an address that `sbrk`
/// loads from and stores to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakPointer {
    /// Index of the global.
    pub global: u32,
    /// Index of the function.
    pub func: u32,
}

impl BreakPointer {
    /// Linear in the functions that read imported globals.
    pub(crate) fn find(code: &Code<'_>) -> Option<Self> {
        code.facts().global_reads.iter().find_map(|&(global, func)| {
            let imported = original(code, global)?;
            let operators = code.operators(func);
            let reads = |operator: &Operator<'_>| matches!(operator, Operator::GlobalGet { global_index } if *global_index == global);
            let loads = operators.windows(2).any(|window| {
                matches!(window, [base, Operator::I32Load { memarg }] if reads(base) && memarg.offset == 0)
            });
            let stores = operators.iter().any(|operator| matches!(operator, Operator::I32Store { .. }))
                && operators.iter().filter(|operator| reads(operator)).count() > 1;
            (loads && stores).then_some(Self { global: imported, func })
        })
    }
}

/// The imported global that a global is or copies.
fn original(code: &Code<'_>, global: u32) -> Option<u32> {
    match code.facts().globals.get(global as usize)?.init {
        None => Some(global),
        Some(ConstExpr::Global(of)) => Some(of).filter(|_| code.init(of).is_none()),
        Some(_) => None,
    }
}
