//! Accesses that need no test: they touch no block, whatever the program does, or their bytes were tested. And where the
//! stack grows.

use std::collections::BTreeMap;

use memgrove_module::Code;
use memgrove_module::code::Flow;
use wasmparser::Operator;

use super::access::Access;
use super::repeated::repeated;

/// Instructions between an address and its access, to look at.
const MOST_BETWEEN: usize = 64;

/// Places in a function's code, in their order.
#[derive(Default)]
pub(super) struct Places {
    /// Accesses that need no test.
    pub proven: Vec<usize>,
    /// Where the stack pointer is set, but for sums: those give room back. With whether a function takes its frame there.
    pub stack: BTreeMap<usize, bool>,
    /// Accesses whose address a local still holds, with that local.
    pub held: BTreeMap<usize, u32>,
}

/// Finds them. An access needs no test
///
/// - at a constant address: a linker gives none that lies in the heap;
/// - in the function's own part of the shadow stack, as its prologue makes it;
/// - of bytes that were tested, and nothing that `changes` which may be accessed came since.
pub(super) fn places(
    code: &Code<'_>,
    func: u32,
    stack_pointer: Option<u32>,
    changes: &dyn Fn(&Operator<'_>) -> bool,
) -> Places {
    let Some(flow) = Flow::of(code, func) else { return Places::default() };
    let frame = stack_pointer.and_then(|global| frame(&flow, global));
    let is_proven = |at: &usize| {
        let Some(Access::At { memarg, width, .. }) = Access::of(&flow.code[*at]) else { return false };
        let Some(address) = flow.made_by(*at, 0) else { return false };
        let is_frame = |made: usize, distance: u64| {
            let (Operator::LocalGet { local_index } | Operator::LocalTee { local_index }) = &flow.code[made]
            else {
                return false;
            };
            let end = memarg.offset.saturating_add(u64::from(width)).saturating_add(distance);
            frame.is_some_and(|Frame { local, bytes }| *local_index == local && end <= bytes)
        };
        match &flow.code[address] {
            Operator::I32Const { .. } | Operator::I64Const { .. } => true,
            Operator::I32Add | Operator::I64Add => match (flow.made_by(address, 0), flow.made_by(address, 1))
            {
                (Some(base), Some(distance)) => match flow.code[distance] {
                    Operator::I32Const { value } => {
                        u64::try_from(value).is_ok_and(|distance| is_frame(base, distance))
                    }
                    Operator::I64Const { value } => {
                        u64::try_from(value).is_ok_and(|distance| is_frame(base, distance))
                    }
                    _ => false,
                },
                _ => false,
            },
            _ => is_frame(address, 0),
        }
    };
    let grows = |at: usize| match flow.code[at] {
        Operator::GlobalSet { global_index } if Some(global_index) == stack_pointer => {
            let made = flow.made_by(at, 0).map(|made| &flow.code[made]);
            let is_frame = match made {
                Some(Operator::LocalGet { local_index } | Operator::LocalTee { local_index }) => {
                    frame.is_some_and(|frame| frame.local == *local_index)
                }
                _ => false,
            };
            (!matches!(made, Some(Operator::I32Add | Operator::I64Add))).then_some((at, is_frame))
        }
        _ => None,
    };
    let mut proven: Vec<usize> = (0..flow.code.len()).filter(is_proven).collect();
    let again = repeated(&flow, changes, &|at| proven.binary_search(&at).is_ok());
    proven.extend(again);
    proven.sort_unstable();
    Places {
        proven,
        stack: (0..flow.code.len()).filter_map(grows).collect(),
        held: (0..flow.code.len()).filter_map(|at| Some((at, held(&flow, at)?))).collect(),
    }
}

/// The local from which the address of an access was read, if it is not set between.
fn held(flow: &Flow<'_>, at: usize) -> Option<u32> {
    Access::of(&flow.code[at]).filter(|access| matches!(access, Access::At { .. }))?;
    let from = flow.made_by(at, 0).filter(|from| at - from <= MOST_BETWEEN)?;
    let (Operator::LocalGet { local_index: local } | Operator::LocalTee { local_index: local }) =
        flow.code[from]
    else {
        return None;
    };
    let is_set = |operator: &Operator<'_>| match operator {
        Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => *local_index == local,
        _ => false,
    };
    (!flow.code[from + 1..at].iter().any(is_set)).then_some(local)
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
            bytes,
            Operator::I32Sub | Operator::I64Sub,
            Operator::LocalTee { local_index } | Operator::LocalSet { local_index },
        ] if *global_index == stack_pointer && sets.get(local_index) == Some(&1) => {
            let bytes = match bytes {
                Operator::I32Const { value } => u64::try_from(*value),
                Operator::I64Const { value } => u64::try_from(*value),
                _ => return None,
            };
            bytes.ok().filter(|bytes| *bytes > 0).map(|bytes| Frame { local: *local_index, bytes })
        }
        _ => None,
    })
}
