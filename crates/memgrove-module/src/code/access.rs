//! Accesses of memory.

use wasmparser::Operator;

/// Of a plain load or store: the constant that it adds to its address, and whether it is a store. `None` for all other
/// operators, also for atomic accesses and those of a lane.
#[must_use]
pub fn access(operator: &Operator<'_>) -> Option<(u64, bool)> {
    use Operator as O;
    Some(match operator {
        O::I32Load { memarg }
        | O::I64Load { memarg }
        | O::F32Load { memarg }
        | O::F64Load { memarg }
        | O::I32Load8S { memarg }
        | O::I32Load8U { memarg }
        | O::I32Load16S { memarg }
        | O::I32Load16U { memarg }
        | O::I64Load8S { memarg }
        | O::I64Load8U { memarg }
        | O::I64Load16S { memarg }
        | O::I64Load16U { memarg }
        | O::I64Load32S { memarg }
        | O::I64Load32U { memarg }
        | O::V128Load { memarg }
        | O::V128Load64Zero { memarg }
        | O::V128Load32Zero { memarg } => (memarg.offset, false),
        O::I32Store { memarg }
        | O::I64Store { memarg }
        | O::F32Store { memarg }
        | O::F64Store { memarg }
        | O::I32Store8 { memarg }
        | O::I32Store16 { memarg }
        | O::I64Store8 { memarg }
        | O::I64Store16 { memarg }
        | O::I64Store32 { memarg }
        | O::V128Store { memarg } => (memarg.offset, true),
        _ => return None,
    })
}
