//! Calls each stand-in directly, beside the function that the emulated host has for the same import.
//!
//! A module's exports may never reach an import with the arguments that are tried; copies that export what was
//! put inside do (see `copy.rs`).

use memgrove_module::counted;
use memgrove_rewrite::{Behaviour, Plan, RuntimeFunction};

use super::drive::value;
use super::heap;
use super::pair::{NoPair, Pair, Same, Sides};
use super::{Evidence, Gap, Grown, GrownBy, Outcome, Reason, Subject};
use crate::engine::{EngineError, Memory, Signature, Value};

/// Stand-ins called at most, so that large interfaces do not take minutes.
const MOST: usize = 256;
/// What growth is asked for, in bytes beyond the memory that there is: more than a page, and little enough for every budget.
const BEYOND_BYTES: u64 = 1 << 20;

/// A stand-in and the import it stands for, in the copies.
pub(super) struct StandIn {
    /// Position of the import.
    pub at: usize,
    /// Export of the original's copy that calls the import.
    pub before: String,
    /// Export of the fixed module's copy.
    pub after: String,
}

/// Whether every stand-in that was put inside does what the host's function does.
pub(super) fn check(
    sides: &Sides<'_>,
    subject: &Subject<'_>,
    evidence: &mut Evidence,
    gaps: &mut Vec<Gap>,
) -> Outcome {
    if subject.stand_ins.is_empty() {
        return Outcome::NotNeeded("no function was put inside".to_owned());
    }
    let missing: Vec<&str> = subject
        .missing
        .iter()
        .filter_map(|&at| subject.plan.imports.get(at).map(|item| item.name.as_str()))
        .collect();
    if !missing.is_empty() {
        let words = format!("`{}` has no second implementation to compare with", missing.join("`, `"));
        gaps.push(Gap::new(Reason::NoSecondImplementation, words));
    }
    let is_known = |stand_in: &&StandIn| subject.missing.binary_search(&stand_in.at).is_err();
    let is_heap =
        |stand_in: &&StandIn| matches!(subject.plan.imports[stand_in.at].behaviour, Behaviour::Allocates(_));
    let (heap, mut known): (Vec<&StandIn>, Vec<&StandIn>) =
        subject.stand_ins.iter().filter(is_known).partition(is_heap);
    if known.len() > MOST {
        let more = counted((known.len() - MOST) as u64, "stand-in");
        gaps.push(Gap::new(Reason::TooManyImports, format!("{more} beyond the first {MOST}")));
        known.truncate(MOST);
    }
    if known.is_empty() && heap.is_empty() {
        return Outcome::NotNeeded("no stand-in has a second implementation".to_owned());
    }
    let mut words = Vec::new();
    if !known.is_empty() {
        match directly(sides, subject, &known, evidence, gaps) {
            Ok(agree) => words.push(agree),
            Err(outcome) => return outcome,
        }
    }
    if !heap.is_empty() {
        match contract(sides, subject, &heap, evidence, gaps) {
            Ok(agree) => words.push(agree),
            Err(outcome) => return outcome,
        }
    }
    Outcome::Passed(words.join("; "))
}

/// Compares stand-ins call by call: in words that they agree, or what came of it otherwise.
fn directly(
    sides: &Sides<'_>,
    subject: &Subject<'_>,
    known: &[&StandIn],
    evidence: &mut Evidence,
    gaps: &mut Vec<Gap>,
) -> Result<String, Outcome> {
    let mut silent = Vec::new();
    let difference = run(sides, subject, known, Some((evidence, &mut silent))).map_err(NoPair::outcome)?;
    if let Some(difference) = difference {
        // Which of them, where it was only seen at the end.
        let alone = known.iter().find_map(|stand_in| {
            let difference = run(sides, subject, &[stand_in], None).ok()??;
            Some(format!("`{}`: {difference}", subject.plan.imports[stand_in.at].name))
        });
        return Err(Outcome::Failed(alone.unwrap_or(difference)));
    }
    if !silent.is_empty() {
        // That both trap, for want of memory say, is no agreement on what they do.
        let words = format!("no call of `{}` returned", silent.join("`, `"));
        gaps.push(Gap::new(Reason::NothingReturned, words));
    }
    evidence.stand_ins_compared += known.len() - silent.len();
    let what = match evidence.stand_in_calls_returned {
        0 => "every call traps as it does in the host".to_owned(),
        returned => format!("{} and memory agree", counted(returned as u64, "call")),
    };
    Ok(format!("{} called directly, {what}", counted(known.len() as u64, "stand-in")))
}

/// Holds the heap that was put inside to C's contract, beside the emulated host's.
fn contract(
    sides: &Sides<'_>,
    subject: &Subject<'_>,
    stand_ins: &[&StandIn],
    evidence: &mut Evidence,
    gaps: &mut Vec<Gap>,
) -> Result<String, Outcome> {
    let entries: Vec<heap::Entry<'_>> = stand_ins
        .iter()
        .filter_map(|stand_in| match subject.plan.imports[stand_in.at].behaviour {
            Behaviour::Allocates(function) => {
                Some(heap::Entry { function, exports: [&stand_in.before, &stand_in.after] })
            }
            _ => None,
        })
        .collect();
    let maximum_bytes = subject.fixed.memory().and_then(|memory| memory.max_bytes()).unwrap_or(1 << 32);
    let found = heap::check(sides, &entries, maximum_bytes).map_err(NoPair::outcome)?;
    let found = found.map_err(|error| match error.is_exhausted() {
        true => Outcome::Skipped(Gap::new(Reason::OutOfBudget, error.to_string())),
        false => Outcome::Skipped(Gap::new(Reason::MemoryNotVisible, error.to_string())),
    })?;
    if let Some(difference) = found.difference {
        return Err(Outcome::Failed(difference));
    }
    if found.blocks == 0 {
        gaps.push(Gap::new(Reason::NothingReturned, "the heap gave out no block"));
    } else {
        evidence.stand_ins_compared += entries.len();
        evidence.stand_in_calls_returned += found.calls;
    }
    let functions = counted(entries.len() as u64, "function");
    Ok(format!(
        "{functions} of the heap called {} times and compared with another heap, {} keep C's contract",
        found.calls,
        counted(found.blocks as u64, "block")
    ))
}

/// Calls stand-ins on both sides; how they differ.
fn run(
    sides: &Sides<'_>,
    subject: &Subject<'_>,
    stand_ins: &[&StandIn],
    mut found: Option<(&mut Evidence, &mut Vec<String>)>,
) -> Result<Option<String>, NoPair> {
    let start = || {
        let mut pair = sides.start()?;
        fill(&mut pair, subject.plan);
        Ok(pair)
    };
    let mut pair = start()?;
    for stand_in in stand_ins {
        let item = &subject.plan.imports[stand_in.at];
        let Ok(signature) = sides.fixed().shape().function(&stand_in.after) else { continue };
        if !super::drive::can_drive(signature) {
            continue;
        }
        let mut calls: Vec<Vec<Value>> = match item.behaviour {
            Behaviour::Traps | Behaviour::Exits => vec![typed(signature, |at| at)],
            _ => vec![
                typed(signature, |_| 0),
                typed(signature, |at| at),
                typed(signature, |at| 7 + at),
                // Addresses and lengths that lie inside of a page, and with a stream's number before.
                typed(signature, |at| 4096 * (at + 1)),
                typed(signature, |at| if at == 0 { 1 } else { 4096 * at }),
            ],
        };
        if let Some(call) = growth(item.behaviour, subject.plan, &mut pair, signature) {
            calls.push(call);
        }
        let mut is_silent = !matches!(item.behaviour, Behaviour::Traps | Behaviour::Exits);
        for arguments in calls {
            match pair.call((&stand_in.before, &stand_in.after), &arguments) {
                Same::Returned => {
                    is_silent = false;
                    if let Some((evidence, _)) = &mut found {
                        evidence.stand_in_calls_returned += 1;
                    }
                }
                Same::Trapped(reason) => {
                    if let Some((evidence, _)) = &mut found {
                        evidence.trapped(reason);
                    }
                }
                Same::Different(how) => return Ok(Some(format!("`{}`: {how}", item.name))),
                Same::Exhausted | Same::Unknown | Same::Open(_) => pair = start()?,
            }
        }
        if let Some((_, silent)) = found.as_mut().filter(|_| is_silent) {
            silent.push(item.name.clone());
        }
    }
    let no_memory = |error: EngineError| format!("memory cannot be compared: {error}");
    Ok(match pair.compare_memory().map_err(no_memory) {
        Ok(Ok(_)) => None,
        Ok(Err(difference)) | Err(difference) => Some(difference),
    })
}

/// Writes small numbers where the calls point to, the same on both sides: zeros would look the same copied or not.
fn fill(pair: &mut Pair<'_>, plan: &Plan) {
    const WORDS: std::ops::Range<u32> = 1024..5120;
    for at in WORDS.map(|word| 4 * word) {
        let is_reserved = plan.reserved().any(|(start, length)| at + 4 > start && at < start + length);
        if !is_reserved {
            let word = (at / 4 * 7 % 61 + 1).to_le_bytes();
            for instance in pair.instances() {
                // A memory that is smaller, or that cannot be seen, has nothing to fill.
                let _ = instance.write(Memory::Main, u64::from(at), &word);
            }
        }
    }
}

/// Makes memory grow by a stand-in; how the two sides differ if they do.
pub(super) fn grow(sides: &Sides<'_>, subject: &Subject<'_>) -> Result<Option<Grown>, String> {
    let grows = |stand_in: &&StandIn| is_growth(subject.plan.imports[stand_in.at].behaviour);
    for stand_in in subject.stand_ins.iter().filter(grows).take(MOST) {
        let item = &subject.plan.imports[stand_in.at];
        let Ok(mut pair) = sides.start() else { return Ok(None) };
        let Ok(signature) = sides.fixed().shape().function(&stand_in.after) else { continue };
        let Some(arguments) = growth(item.behaviour, subject.plan, &mut pair, signature) else { continue };
        let from = pair.memory_bytes();
        match pair.call((&stand_in.before, &stand_in.after), &arguments) {
            Same::Returned | Same::Trapped(_) => {}
            Same::Different(how) => return Err(how),
            Same::Exhausted | Same::Unknown | Same::Open(_) => continue,
        }
        let to = pair.memory_bytes();
        if to.0 - from.0 != to.1 - from.1 {
            return Err(format!(
                "`{}`: memory grew by {} bytes before and by {} after",
                item.name,
                to.0 - from.0,
                to.1 - from.1
            ));
        }
        if to.1 > from.1 {
            return Ok(Some(Grown {
                by: GrownBy::StandIn,
                name: item.name.clone(),
                blocks: 0,
                from_bytes: from.1,
                to_bytes: to.1,
                with_larger_maximum: false,
                collected: false,
            }));
        }
    }
    Ok(None)
}

/// A stand-in that grows memory.
pub(super) fn is_growth(behaviour: Behaviour) -> bool {
    let Behaviour::Computes(function) = behaviour else { return false };
    // Unmapping grows nothing but a memory of no pages.
    function.grows_memory() && function != RuntimeFunction::SysMunmap
}

/// The call that makes such a function grow memory, after the break was set where that is how it is told.
fn growth(
    behaviour: Behaviour,
    plan: &Plan,
    pair: &mut Pair<'_>,
    signature: &Signature,
) -> Option<Vec<Value>> {
    use RuntimeFunction as F;
    let Behaviour::Computes(function) = behaviour else { return None };
    let (was, is) = pair.memory_bytes();
    let end = was.max(is) + BEYOND_BYTES;
    let numbers: Vec<u64> = match function {
        F::EmscriptenResizeHeap | F::SysBrk | F::Sbrk => vec![end],
        // Protection and flags for private anonymous memory, without a file.
        F::SysMmap => vec![0, BEYOND_BYTES, 3, 0x22, u64::MAX, 0],
        F::EnlargeMemory => {
            let (cell, _) = plan.initial_data().next()?;
            let end = u32::try_from(end).ok()?.to_le_bytes();
            for instance in pair.instances() {
                instance.write(Memory::Main, u64::from(cell), &end).ok()?;
            }
            Vec::new()
        }
        // i386's number of `brk`.
        F::Syscall1 | F::Syscall2 | F::Syscall3 | F::Syscall4 | F::Syscall5 | F::Syscall6 => vec![45, end],
        _ => return None,
    };
    Some(typed(signature, |at| {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        numbers.get(at).copied().unwrap_or(0)
    }))
}

/// Arguments for a signature, from the position of each.
fn typed(signature: &Signature, number: impl Fn(u64) -> u64) -> Vec<Value> {
    (0..).zip(&signature.parameters).map(|(at, ty)| value(*ty, number(at))).collect()
}
