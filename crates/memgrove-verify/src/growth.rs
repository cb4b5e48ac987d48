//! Makes memory grow, and uses what it got: through the module's own allocator, a stand-in, or whatever function
//! makes it grow.

use memgrove_inspect::report::Convention;
use memgrove_module::allocator::{Operation, Param};
use memgrove_module::facts::{self, Facts, MemoryType};
use memgrove_rewrite::{Behaviour, HeapFunction};

use super::drive::value;
use super::pair::{Sides, is_exhausted, memory_bytes};
use super::stand_ins::StandIn;
use super::{Gap, Grown, GrownBy, Outcome, Reason, Subject, drive, stand_ins};
use crate::engine::{EngineError, ExportKind, Instance, Memory, Module, Signature, Value, ValueType};

/// A name that says too little to know a function by, but enough to try it.
const TRIED: &str = "alloc";
/// AssemblyScript's managed runtime: its blocks are collected unless they are pinned.
const PIN: &str = "__pin";
const COLLECT: &str = "__collect";
/// One block, in bytes: large enough that few are needed, small enough to be an ordinary request.
const BLOCK_BYTES: u32 = 512 * 1024;
/// How far beyond the initial memory to go, in bytes: 16 blocks, so that an allocator grows more than once.
const BEYOND_BYTES: u64 = 8 * 1024 * 1024;
/// Less room than this below the maximum may be too little for another block: allocators ask for
/// more than one block at a time, and for headers, in bytes.
const ROOM_BYTES: u64 = 2 * BLOCK_BYTES as u64;
/// Instructions for one try of a function of which nothing is known.
const TRY_FUEL: u64 = 20_000_000;
/// Tries that may use up their instructions, which takes long.
const MOST_EXHAUSTED: usize = 8;
/// Exports that are tried: an allocator with a name has been found before, so this is for what is left.
const MOST_EXPORTS: usize = 64;

/// What came of asking an allocator.
enum Allocated {
    NoAllocator,
    Grew(Grown, &'static str),
    Full { maximum_bytes: u64 },
    OutOfBudget(String),
    Wrong(String),
}

/// Whether memory grows when it must, and how that was seen. `lifted` are the two with a larger maximum, where
/// their own leaves no room.
pub(super) fn check(
    sides: &Sides<'_>,
    lifted: Option<&Sides<'_>>,
    subject: &Subject<'_>,
) -> (Outcome, Option<Grown>) {
    let put_inside = subject.plan.grows_behind_a_break()
        || super::has_heap(subject.plan)
        || subject.plan.imports.iter().any(|item| stand_ins::is_growth(item.behaviour));
    let own = allocate(
        sides.fixed(),
        sides.fixed_alone(),
        subject.fixed.memory(),
        allocator(subject.fixed.facts(), subject.first_calls[1].clone()),
    );
    // What the original cannot do under the host it was made for is not held against the fixed module, unless
    // that host grew memory before each use, and now the module does.
    let mut gap = None;
    match own {
        Allocated::Grew(grown, limit) => {
            let words = format!(
                "{} blocks from `{}`, memory {} -> {} KiB{limit}",
                grown.blocks,
                grown.name,
                grown.from_bytes / 1024,
                grown.to_bytes / 1024
            );
            return (Outcome::Passed(words), Some(grown));
        }
        Allocated::NoAllocator => {}
        Allocated::OutOfBudget(words) => gap = Some(Gap::new(Reason::OutOfBudget, words)),
        Allocated::Full { maximum_bytes } => {
            gap = Some(Gap::new(
                Reason::AtItsMaximum,
                format!("its own maximum, {} KiB, leaves no room to grow", maximum_bytes / 1024),
            ));
        }
        Allocated::Wrong(why) => {
            let (module, memory) = (sides.original(), subject.original.memory());
            let known = allocator(subject.original.facts(), subject.first_calls[0].clone());
            let original = allocate(module, sides.original_alone(), memory, known);
            if subject.plan.grows_behind_a_break() || matches!(original, Allocated::Grew(..)) {
                return (Outcome::Failed(why), None);
            }
            gap = Some(Gap::new(
                Reason::NeitherDoesTheOriginal,
                format!("the original does not do it under its own host either: {why}"),
            ));
        }
    }
    if !subject.fixed.grows() {
        return match gap {
            Some(gap) if put_inside => (Outcome::Skipped(gap), None),
            _ => (Outcome::NotNeeded("no code in it grows memory".to_owned()), None),
        };
    }
    let roomy = lifted.unwrap_or(sides);
    match by_heap(roomy, subject, lifted.is_some()) {
        Allocated::Grew(mut grown, _) => {
            (grown.by, grown.with_larger_maximum) = (GrownBy::StandIn, lifted.is_some());
            "malloc".clone_into(&mut grown.name);
            return (Outcome::Passed(words(&grown)), Some(grown));
        }
        // That memory can be had, the emulated host's heap shows.
        Allocated::Wrong(why) => return (Outcome::Failed(why), None),
        Allocated::OutOfBudget(words) => gap = Some(Gap::new(Reason::OutOfBudget, words)),
        Allocated::NoAllocator | Allocated::Full { .. } => {}
    }
    let by_stand_in = match stand_ins::grow(roomy, subject) {
        Ok(grown) => grown,
        Err(difference) => return (Outcome::Failed(difference), None),
    };
    let grown = by_stand_in.or_else(|| by_any(roomy, subject)).or_else(|| by_itself(roomy, subject));
    if let Some(mut grown) = grown {
        grown.with_larger_maximum = lifted.is_some();
        return (Outcome::Passed(words(&grown)), Some(grown));
    }
    if !put_inside {
        let words = "no call was found that makes it grow, and nothing about growth was put inside";
        return (Outcome::NotNeeded(words.to_owned()), None);
    }
    let gap = gap
        .unwrap_or_else(|| Gap::new(Reason::GrowthNotObserved, "no call was found that makes memory grow"));
    (Outcome::Skipped(gap), None)
}

/// Asks the heap that was put inside, in a copy that exports its `malloc`.
fn by_heap(sides: &Sides<'_>, subject: &Subject<'_>, is_lifted: bool) -> Allocated {
    let is_malloc = |stand_in: &&StandIn| {
        subject.plan.imports[stand_in.at].behaviour == Behaviour::Allocates(HeapFunction::Malloc)
    };
    let export = subject.stand_ins.iter().find(is_malloc).map(|stand_in| Allocator {
        name: stand_in.after.clone(),
        first: subject.first_calls[1].clone(),
        extra: None,
        is_managed: false,
    });
    let mut memory = subject.fixed.memory();
    if let Some(memory) = memory.as_mut().filter(|_| is_lifted) {
        memory.max_pages = super::lifted_maximum(&subject.fixed).or(memory.max_pages);
    }
    allocate(sides.fixed(), sides.fixed_alone(), memory, export)
}

fn words(grown: &Grown) -> String {
    let (from, to) = (grown.from_bytes / 1024, grown.to_bytes / 1024);
    let what = match grown.by {
        GrownBy::StandIn => format!("the stand-in for `{}`", grown.name),
        GrownBy::InnerFunction => format!("{} was called directly, and it", grown.name),
        GrownBy::Allocator | GrownBy::Export => format!("`{}`", grown.name),
        GrownBy::Start => grown.name.clone(),
    };
    let limit =
        if grown.with_larger_maximum { "; with a larger maximum, as its own leaves no room" } else { "" };
    format!("{what} grew memory {from} -> {to} KiB{limit}")
}

/// Tries functions with large numbers: exports first, then inner ones that grow memory.
fn by_any(sides: &Sides<'_>, subject: &Subject<'_>) -> Option<Grown> {
    let copy = &subject.fixed_copy;
    let exports = sides
        .fixed()
        .shape()
        .exports
        .iter()
        .filter(|export| !copy.is_added(&export.name))
        .filter_map(|export| match &export.kind {
            ExportKind::Function(signature) => Some((export.name.clone(), signature, GrownBy::Export)),
            _ => None,
        })
        .take(MOST_EXPORTS);
    let inner = subject.growing.iter().filter_map(|&function| {
        let name = copy.name(function);
        let signature = sides.fixed().shape().function(&name).ok()?;
        Some((name, signature, GrownBy::InnerFunction))
    });
    let candidates = exports
        .chain(inner)
        .filter(|(_, signature, _)| !signature.parameters.is_empty() && drive::can_drive(signature));
    let mut instance = sides.fixed_alone().ok()?;
    instance.limit_fuel(TRY_FUEL);
    let mut exhausted = 0;
    for (name, signature, by) in candidates {
        let from = memory_bytes(instance.as_mut());
        for arguments in large(signature, from) {
            // Whatever it does: only whether memory grew is asked.
            let outcome = instance.call(&name, &arguments);
            let to = memory_bytes(instance.as_mut());
            if to > from && is_usable(instance.as_mut(), from, to) {
                let name = match by {
                    GrownBy::InnerFunction => {
                        format!("function {}", name.trim_start_matches(|c: char| !c.is_ascii_digit()))
                    }
                    _ => name,
                };
                return Some(Grown {
                    by,
                    name,
                    blocks: 0,
                    from_bytes: from,
                    to_bytes: to,
                    with_larger_maximum: false,
                    collected: false,
                });
            }
            exhausted += usize::from(is_exhausted(&outcome));
            if exhausted > MOST_EXHAUSTED {
                return None;
            }
            if outcome.is_err() {
                // It may have been left half done.
                instance = sides.fixed_alone().ok()?;
                instance.limit_fuel(TRY_FUEL);
            }
        }
    }
    None
}

/// A module that starts with more memory than it declares has grown it.
fn by_itself(sides: &Sides<'_>, subject: &Subject<'_>) -> Option<Grown> {
    let memory = subject.fixed.memory()?;
    let declared = memory.min_bytes();
    let started = memory_bytes(sides.fixed_alone().ok()?.as_mut());
    (started > declared).then(|| Grown {
        by: GrownBy::Start,
        name: "its start function".to_owned(),
        blocks: 0,
        from_bytes: declared,
        to_bytes: started,
        with_larger_maximum: false,
        collected: false,
    })
}

/// Arguments that may mean more memory than there is: as a number of bytes, as an end, as a number of pages.
fn large(signature: &Signature, memory_bytes: u64) -> Vec<Vec<Value>> {
    let block = memory_bytes.next_power_of_two().clamp(1 << 20, 1 << 29);
    let all = |number: u64| signature.parameters.iter().map(|ty| value(*ty, number)).collect::<Vec<_>>();
    let with_first = |first: u64, number: u64| {
        let mut arguments = all(number);
        if let (Some(slot), Some(ty)) = (arguments.first_mut(), signature.parameters.first()) {
            *slot = value(*ty, first);
        }
        arguments
    };
    let mut tries = vec![all(block), all(memory_bytes + (1 << 20)), all(64)];
    if signature.parameters.len() > 1 {
        // A size and an alignment; a receiver and a size.
        tries.extend([with_first(block, 8), with_first(1024, block)]);
    }
    tries
}

/// What is new can be written and read.
fn is_usable(instance: &mut dyn Instance, from: u64, to: u64) -> bool {
    [from, to - 8].into_iter().all(|at| {
        let mark = at.to_le_bytes();
        instance.write(Memory::Main, at, &mark).is_ok()
            && instance.read(Memory::Main, at, 8).is_ok_and(|bytes| bytes == mark)
    })
}

/// Allocates beyond the initial memory through an allocator: its export, and a second argument if it takes one.
fn allocate(
    module: &dyn Module,
    instance: Result<Box<dyn Instance>, EngineError>,
    memory: Option<MemoryType>,
    allocator: Option<Allocator>,
) -> Allocated {
    let Some(allocator) = allocator else { return Allocated::NoAllocator };
    match instance.and_then(|instance| allocate_from(module, instance, memory, &allocator)) {
        Ok(allocated) => allocated,
        Err(error) if error.is_exhausted() => Allocated::OutOfBudget(error.to_string()),
        Err(error) => Allocated::Wrong(error.to_string()),
    }
}

fn allocate_from(
    module: &dyn Module,
    mut instance: Box<dyn Instance>,
    memory: Option<MemoryType>,
    Allocator { name, first, extra, is_managed }: &Allocator,
) -> Result<Allocated, EngineError> {
    if let Some(first) = first {
        instance.call(first, &[])?;
    }
    // A collector takes back what nothing refers to, and what is held here nothing does.
    let pins = *is_managed && has(module, PIN, &[ValueType::I32], &[ValueType::I32]);
    let collected = pins || *is_managed && has(module, COLLECT, &[], &[]);
    let is_held = !collected || pins;
    let before = instance.memory_bytes(Memory::Main)?;
    let maximum = maximum_bytes(memory);
    let (size, wanted) = match is_held {
        true => (BLOCK_BYTES, (before + BEYOND_BYTES).div_ceil(BLOCK_BYTES.into())),
        // One block that does not fit in.
        false => (u32::try_from(before + BEYOND_BYTES / 8).unwrap_or(BLOCK_BYTES), 1),
    };
    let mut blocks: Vec<u64> = Vec::new();
    let mut full = false;
    while (blocks.len() as u64) < wanted {
        let mut arguments = vec![Value::u32(size)];
        arguments.extend(extra.map(Value::I32));
        let answer = match instance.call(name, &arguments) {
            Ok(outcome) => match outcome.integer(name)? {
                0 => Err("it returned null".to_owned()),
                at => Ok(at),
            },
            Err(error) if error.is_exhausted() => return Err(error),
            Err(error) => Err(error.to_string()),
        };
        let at = match answer {
            Ok(at) => at,
            // A memory that its author limited may be full; one with room may not refuse.
            Err(_)
                if maximum < instance.memory_bytes(Memory::Main)? + ROOM_BYTES.max(2 * u64::from(size)) =>
            {
                full = true;
                break;
            }
            Err(how) => {
                let count = blocks.len();
                return Ok(Allocated::Wrong(format!(
                    "`{name}` gave {count} blocks of {size} bytes, then: {how}"
                )));
            }
        };
        if pins {
            let pointer = u32::try_from(at).unwrap_or(0);
            instance.call(PIN, &[Value::u32(pointer)])?;
        }
        write_pattern(instance.as_mut(), at, size, blocks.len() as u64)?;
        blocks.push(at);
    }
    for (number, &at) in blocks.iter().enumerate() {
        if !has_pattern(instance.as_mut(), at, size, number as u64)? {
            return Ok(Allocated::Wrong(format!(
                "block {number} of `{name}`, at {at:#x}, was overwritten by a later one"
            )));
        }
    }
    let after = instance.memory_bytes(Memory::Main)?;
    Ok(if after > before {
        let limit = match (full, collected, pins) {
            (true, ..) => ", which is its maximum",
            (_, true, true) => "; they are collected unless pinned, so they were pinned",
            (_, true, false) => "; it is collected, so none was held",
            _ => "",
        };
        let grown = Grown {
            by: GrownBy::Allocator,
            name: name.to_owned(),
            blocks: blocks.len(),
            from_bytes: before,
            to_bytes: after,
            with_larger_maximum: false,
            collected,
        };
        Allocated::Grew(grown, limit)
    } else if full {
        Allocated::Full { maximum_bytes: maximum }
    } else {
        Allocated::Wrong(format!("`{name}` gave more than there is, and memory stayed at {before} bytes"))
    })
}

/// The most that a memory can have, in bytes.
fn maximum_bytes(memory: Option<MemoryType>) -> u64 {
    memory.and_then(|ty| ty.max_bytes()).unwrap_or(1 << 32)
}

/// A function that returns a new block, as it is exported.
struct Allocator {
    name: String,
    /// A second argument, if it takes one: an alignment, or a class of objects.
    extra: Option<i32>,
    /// The export that is called before it.
    first: Option<String>,
    /// What it returns belongs to a collector.
    is_managed: bool,
}

/// The exported allocator: one whose blocks stay, if there is such a one.
fn allocator(facts: &Facts<'_>, first: Option<String>) -> Option<Allocator> {
    // Sizes are handed over as i32.
    if facts.memories.first().is_some_and(|memory| memory.ty.memory64) {
        return None;
    }
    let known = memgrove_inspect::detect::exported_by_name(facts).filter_map(|(name, operation, abi)| {
        let extra = match (operation, abi.params) {
            (Operation::Malloc, [Param::Size]) => None,
            (Operation::Malloc, [Param::Size, Param::Align]) => Some(8),
            (Operation::Malloc, [Param::Size, Param::Class]) => Some(0),
            _ => return None,
        };
        let is_managed = abi.convention == Convention::AssemblyScript && extra.is_some();
        Some(Allocator { name: name.to_owned(), first: first.clone(), extra, is_managed })
    });
    let is_tried = |func: u32| {
        facts.func_type(func).is_some_and(|ty| ty.is(&[facts::ValType::I32], &[facts::ValType::I32]))
    };
    known.min_by_key(|allocator| allocator.is_managed).or_else(|| {
        let export = facts.export(TRIED)?;
        let is_function = export.kind == facts::ExternKind::Func && is_tried(export.index);
        is_function.then(|| Allocator { name: TRIED.to_owned(), first, extra: None, is_managed: false })
    })
}

/// It exports a function of that name and type.
fn has(module: &dyn Module, name: &str, parameters: &[ValueType], results: &[ValueType]) -> bool {
    let signature = module.shape().function(name);
    signature.is_ok_and(|signature| signature.parameters == parameters && signature.results == results)
}

/// Marks both ends and the middle of a block.
fn marks(at: u64, size: u32, number: u64) -> [(u64, [u8; 8]); 3] {
    let last = u64::from(size) - 8;
    [0, last / 2, last].map(|offset| {
        (at + offset, (number << 32 | offset).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
    })
}

fn write_pattern(instance: &mut dyn Instance, at: u64, size: u32, number: u64) -> Result<(), EngineError> {
    for (address, mark) in marks(at, size, number) {
        instance.write(Memory::Main, address, &mark)?;
    }
    Ok(())
}

fn has_pattern(instance: &mut dyn Instance, at: u64, size: u32, number: u64) -> Result<bool, EngineError> {
    for (address, mark) in marks(at, size, number) {
        if instance.read(Memory::Main, address, 8)? != mark {
            return Ok(false);
        }
    }
    Ok(true)
}
