//! The break of fastcomp's programs: in a cell whose address the host gives.

use std::collections::BTreeMap;

use wasmparser::Operator;

use crate::code::{Code, MOST_CALLERS};
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
    /// Linear in the functions that read imported globals of which few functions read.
    pub(crate) fn find(code: &Code<'_>) -> Option<Self> {
        let reads = &code.facts().global_reads;
        let mut readers: BTreeMap<u32, usize> = BTreeMap::new();
        for &(global, _) in reads {
            *readers.entry(global).or_default() += 1;
        }
        // A global that is read all over the program is where its data or its table begins.
        let by_few = |global: &u32| readers.get(global).is_some_and(|&count| count <= MOST_CALLERS);
        reads.iter().filter(|(global, _)| by_few(global)).find_map(|&(global, func)| {
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
