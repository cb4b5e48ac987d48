//! Accesses that touch no block, whatever the program does: they need no test. And where the stack grows.

use std::collections::BTreeMap;

use memgrove_module::Code;
use memgrove_module::code::Flow;
use wasmparser::Operator;

use super::access::Access;

/// Places in a function's code, in their order.
#[derive(Default)]
pub(super) struct Places {
    /// Accesses that need no test.
    pub proven: Vec<usize>,
    /// Where the stack pointer is set, but for sums: those give room back.
    pub stack: Vec<usize>,
}

/// Finds them. An access needs no test
///
/// - at a constant address: a linker gives none that lies in the heap;
/// - in the function's own part of the shadow stack, as its prologue makes it.
pub(super) fn places(code: &Code<'_>, func: u32, stack_pointer: Option<u32>) -> Places {
    let Some(flow) = Flow::of(code, func) else { return Places::default() };
    let frame = stack_pointer.and_then(|global| frame(&flow, global));
    let is_proven = |at: &usize| {
        let Some(Access::At { memarg, width, .. }) = Access::of(&flow.code[*at]) else { return false };
        let Some(address) = flow.made_by(*at, 0) else { return false };
        match (&flow.code[address], frame) {
            (Operator::I32Const { .. }, _) => true,
            (
                Operator::LocalGet { local_index } | Operator::LocalTee { local_index },
                Some(Frame { local, bytes }),
            ) => *local_index == local && memarg.offset + u64::from(width) <= bytes,
            _ => false,
        }
    };
    let grows = |at: &usize| match flow.code[*at] {
        Operator::GlobalSet { global_index } if Some(global_index) == stack_pointer => {
            let made = flow.made_by(*at, 0).map(|made| &flow.code[made]);
            !matches!(made, Some(Operator::I32Add))
        }
        _ => false,
    };
    Places {
        proven: (0..flow.code.len()).filter(is_proven).collect(),
        stack: (0..flow.code.len()).filter(grows).collect(),
    }
}

/// A function's part of the shadow stack.
#[derive(Clone, Copy)]
struct Frame {
    /// The local that holds its address.
    local: u32,
    bytes: u64,
}

/// The part that the prologue makes, if its address is in a local that is set nowhere else.
fn frame(flow: &Flow<'_>, stack_pointer: u32) -> Option<Frame> {
    let mut sets: BTreeMap<u32, u32> = BTreeMap::new();
    for operator in &flow.code {
        if let Operator::LocalSet { local_index } | Operator::LocalTee { local_index } = operator {
            *sets.entry(*local_index).or_default() += 1;
        }
    }
    // What is set before any block begins is set before all that follows.
    let is_straight = |operator: &&Operator<'_>| {
        !matches!(operator, Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. })
    };
    let straight = flow.code.iter().take_while(is_straight).count();
    flow.code[..straight].windows(4).find_map(|window| match window {
        [
            Operator::GlobalGet { global_index },
            Operator::I32Const { value },
            Operator::I32Sub,
            Operator::LocalTee { local_index } | Operator::LocalSet { local_index },
        ] if *global_index == stack_pointer && *value > 0 && sets.get(local_index) == Some(&1) => {
            Some(Frame { local: *local_index, bytes: u64::from(value.cast_unsigned()) })
        }
        _ => None,
    })
}
