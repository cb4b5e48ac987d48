//! What the heap costs before and after, under the same calls.

use memgrove_inspect::Facts;
use memgrove_rewrite::swap::Swapped;
use serde::Serialize;

use super::drive::{Drive, Fault};
use super::verify::{SEEDS, Side, Subject};
use crate::engine::{Engine, Instance, Memory};
use crate::pair::Sides;

const PAGE_BYTES: u64 = memgrove_module::PAGE_BYTES;
/// Rounds after which memory is looked at, twice: a heap that loses nothing has all that it needs after the first.
const ROUNDS: [u32; 2] = [100, 400];

/// What one heap costs. Pages have 64 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Memory at the start.
    pub initial_pages: u64,
    /// After the calls by which the heap is verified.
    pub peak_pages: u64,
    /// After rounds of small blocks that are all given back: 100 of them.
    pub early_pages: u64,
    /// After 400.
    pub steady_pages: u64,
    /// Instructions of the allocator for the calls by which it is verified, where the engine counts them: a program that
    /// has just begun, and asks for much that is new.
    pub instructions: Option<u64>,
    /// Instructions for the rounds from 100 to 400: a program that has all the memory it needs.
    pub steady_instructions: Option<u64>,
}

impl Cost {
    /// Memory is lost although every block is given back.
    #[must_use]
    pub const fn leaks(&self) -> bool {
        self.steady_pages > self.early_pages
    }
}

/// Both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Costs {
    /// The original's.
    pub before: Cost,
    /// The new heap's.
    pub after: Cost,
    /// The old heap loses memory, and the new one does not.
    pub leak_is_gone: bool,
}

/// Measures both on an engine; `None` where a budget ends it.
pub(super) fn measure(engine: &dyn Engine, subject: &Subject<'_>) -> Option<Costs> {
    let copies = subject.copies();
    let sides = Sides::new(engine, copies, &subject.plan, &[], &subject.missing).ok()?;
    let (before, after) = (of(subject, &sides, Side::Original)?, of(subject, &sides, Side::Swapped)?);
    Some(Costs { before, after, leak_is_gone: before.leaks() && !after.leaks() })
}

fn of(subject: &Subject<'_>, sides: &Sides<'_>, side: Side) -> Option<Cost> {
    let cost = || -> Result<Cost, Fault> {
        let mut instance = subject.start(sides, side)?;
        let initial_pages = pages(instance.as_mut())?;
        let driven = Drive::new(instance.as_mut(), &subject.functions).run(SEEDS[0])?;
        let peak_pages = pages(instance.as_mut())?;
        let mut instance = subject.start(sides, side)?;
        Drive::new(instance.as_mut(), &subject.functions).rounds(0..ROUNDS[0])?;
        let early_pages = pages(instance.as_mut())?;
        let steady_instructions =
            Drive::new(instance.as_mut(), &subject.functions).rounds(ROUNDS[0]..ROUNDS[1])?;
        let steady_pages = pages(instance.as_mut())?;
        let instructions = driven.instructions;
        Ok(Cost { initial_pages, peak_pages, early_pages, steady_pages, instructions, steady_instructions })
    };
    cost().ok()
}

fn pages(instance: &mut dyn Instance) -> Result<u64, Fault> {
    Ok(instance.memory_bytes(Memory::Main)? / PAGE_BYTES)
}

/// What both heaps cost, measured on an engine and nothing else asked; `None` if they cannot be driven there.
#[must_use]
pub fn costs(facts: &Facts<'_>, swapped: &Swapped, engine: &dyn Engine) -> Option<Costs> {
    measure(engine, &Subject::new(facts, swapped).ok()?)
}
