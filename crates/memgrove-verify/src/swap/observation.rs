//! Copies of original and new module that write down what their allocators are asked, and what of their memory is the
//! program's own.

use std::collections::BTreeMap;
use std::ops::Range;

use memgrove_module::facts::ConstExpr;
use memgrove_module::{Code, PAGE_BYTES};
use memgrove_rewrite::swap::{Member, Observed, Swapped};

use super::verify::Subject;
use crate::copy::{Anatomy, Copy, Shown};
use crate::engine::{Engine, EngineError};
use crate::pair::Sides;
use crate::{Gap, Reason};

/// Bytes around what the old allocator keeps that may be its own, too: arrays that it reaches through an index.
const STATE_BYTES: u64 = 1024;
/// Bytes that a heap that is handed over as a parameter may have: some hundred lists by size, and what follows them.
const HEAP_BYTES: u64 = 4096;

/// Copies of both modules that write down what their allocators are asked.
pub(super) struct Observation {
    pub original: (Copy, Observed),
    pub new: (Copy, Observed),
    pub members: BTreeMap<u32, Member>,
    /// What both have in common when they start, as ranges of addresses; none: it is not known where the stack is.
    pub own: Option<Vec<Range<u64>>>,
    /// Where the heap may begin at the latest.
    pub initial_bytes: u64,
    pub data_end: u64,
}

impl Observation {
    pub fn new(
        facts: &memgrove_inspect::Facts<'_>,
        swapped: &Swapped,
        maximum_pages: Option<u64>,
    ) -> Result<Self, Gap> {
        let cannot = |words: String| Gap::new(Reason::CannotBeCalled, words);
        let members: Vec<Member> = swapped.replaced.clone();
        let copy = |wasm: &[u8]| -> Result<(Copy, Observed), Gap> {
            let facts = memgrove_module::facts(wasm).map_err(|error| cannot(error.to_string()))?;
            let observed = memgrove_rewrite::swap::observe(&facts, &members)
                .map_err(|error| cannot(format!("its allocator cannot be observed: {error}")))?;
            let facts = memgrove_module::facts(&observed.wasm).map_err(|error| cannot(error.to_string()))?;
            let shown =
                Shown { functions: members.iter().map(|member| member.func).collect(), maximum_pages };
            let copy = Anatomy::new(&facts).map(|anatomy| anatomy.copy(&shown));
            let words = "its imports are encoded so that it cannot be copied";
            Ok((copy.ok_or_else(|| cannot(words.to_owned()))?, observed))
        };
        let code = Code::new(facts);
        let initial_bytes =
            facts.memories.first().map_or(0, |memory| memory.ty.min_pages.saturating_mul(PAGE_BYTES));
        Ok(Self {
            original: copy(facts.bytes())?,
            new: copy(&swapped.wasm)?,
            members: members.iter().map(|member| (member.func, *member)).collect(),
            own: own(&code, &swapped.state, swapped.heap),
            initial_bytes,
            data_end: code.data_end(),
        })
    }

    /// Both copies, compiled.
    pub fn sides<'s>(&self, engine: &dyn Engine, subject: &'s Subject<'_>) -> Result<Sides<'s>, EngineError> {
        let copies = (self.original.0.wasm.as_slice(), self.new.0.wasm.as_slice());
        Sides::new(engine, copies, &subject.plan, &[], &subject.missing)
    }
}

/// All addresses but the stack's and what the old allocator keeps.
fn own(code: &Code<'_>, state: &[u32], heap: Option<u32>) -> Option<Vec<Range<u64>>> {
    let mut holes: Vec<Range<u64>> = state
        .iter()
        .map(|at| u64::from(*at).saturating_sub(STATE_BYTES)..u64::from(*at) + STATE_BYTES)
        .chain(heap.map(|at| u64::from(at)..u64::from(at) + HEAP_BYTES))
        .collect();
    if let Some(pointer) = code.stack_pointer() {
        let Some(ConstExpr::I32(top)) = code.init(pointer.global) else { return None };
        let top = u64::from(top.cast_unsigned());
        let is_first = code.active_data().all(|(at, _)| at >= top);
        holes.push(if is_first { 0..top } else { code.data_end().min(top)..top });
    } else {
        // Old toolchains keep it in memory: what is no data may be the stack.
        holes.push(code.data_end()..u64::MAX);
    }
    holes.sort_by_key(|hole| hole.start);
    let (mut ranges, mut from) = (Vec::new(), 0);
    for hole in holes {
        if hole.start > from {
            ranges.push(from..hole.start);
        }
        from = from.max(hole.end);
    }
    if from < u64::MAX {
        ranges.push(from..u64::MAX);
    }
    Some(ranges)
}
