//! Calls the exports of original and new module, and compares by block and offset.
//!
//! ```text
//! first    the original
//! second   the original, its heap 64 KiB further on and in use by others between the calls
//! new      the module with another allocator
//! ```
//!
//! Each writes down what its allocator was asked, so that an address is known as a place in a block. What is equal in the
//! first two does not depend on addresses and must be equal in the third; what is the same place must be so there. The
//! rest is not compared. Before anything is called different, the original is asked once more in other heaps.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::{counted, counted_as};

use super::compare::{Check, MEANINGLESS, Same, Three};
use super::observation::Observation;
use super::random::Random;
use super::verify::{Subject, gap_of};
use super::work::{Argument, Step, Work};
use crate::drive;
use crate::engine::{Engine, EngineError, ExportKind, Signature, ValueType};
use crate::{Gap, Outcome, Reason};

/// Exports called at most.
const MOST_EXPORTS: usize = 200;
/// Each is called twice: with numbers, then with blocks.
const ROUNDS: [Round; 2] = [Round::Numbers, Round::Blocks];
/// New starts after calls that could not be compared.
const MOST_STARTS: usize = 24;
/// New starts after calls that used up their budget, which takes long.
const MOST_EXHAUSTED: usize = 3;
/// Bytes of blocks that are handed in.
const BLOCK_BYTES: u32 = 96;

/// What exports are called with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Small numbers: valid lengths, and mostly harmless as addresses. A difference is one.
    Numbers,
    /// New blocks, too. What a program does with one that it takes for something else is not defined, so that a difference
    /// is none.
    Blocks,
}

/// Calls the exports of all three alike.
pub(super) fn check(
    subject: &Subject<'_>,
    observation: &Observation,
    engine: &dyn Engine,
    not_run: &mut Vec<Gap>,
) -> Outcome {
    let sides = match observation.sides(engine, subject) {
        Ok(sides) => sides,
        Err(error) => {
            return Outcome::Skipped(Gap::new(Reason::EngineLacksProposal, error.to_string()));
        }
    };
    match run(&Check { subject, observation, sides: &sides }, not_run) {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Skipped(gap_of(&error)),
    }
}

fn run(check: &Check<'_, '_>, not_run: &mut Vec<Gap>) -> Result<Outcome, EngineError> {
    let subject = check.subject;
    let (exports, not_callable) = callable(subject);
    if not_callable > 0 {
        let words = format!("{} references", counted_as(not_callable as u64, "export takes", "exports take"));
        not_run.push(Gap::new(Reason::CannotBeCalled, words));
    }
    if exports.len() > MOST_EXPORTS {
        let words = format!(
            "{} beyond the first {MOST_EXPORTS}",
            counted((exports.len() - MOST_EXPORTS) as u64, "export")
        );
        not_run.push(Gap::new(Reason::TooManyExports, words));
    }
    let mut three = check.start()?;
    let mut random = Random::new(0x0006_1c88_6469);
    let (mut agree, mut by_place, mut starts, mut exhausted) = (0_usize, 0_usize, 0, 0);
    let mut open: BTreeMap<&str, &str> = BTreeMap::new();
    let mut compared: BTreeSet<&str> = BTreeSet::new();
    let (mut bytes, mut blocks) = (0, 0);
    'rounds: for round in ROUNDS {
        for (name, signature) in exports.iter().take(MOST_EXPORTS) {
            if open.contains_key(name) {
                continue;
            }
            let arguments = arguments(check, &mut three, signature, round, &mut random)?;
            let step = Step::Call { export: (*name).to_owned(), arguments };
            let why = match check.step(&mut three, step)? {
                Same::Different(how) => return Ok(Outcome::Failed(how)),
                same @ (Same::Yes | Same::ByPlace) => {
                    agree += 1;
                    by_place += usize::from(matches!(same, Same::ByPlace));
                    compared.insert(name);
                    continue;
                }
                Same::Exhausted => {
                    exhausted += 1;
                    "used up the instructions or the stack it was given"
                }
                Same::Open(why) => why,
            };
            open.insert(name, why);
            starts += 1;
            if starts > MOST_STARTS || exhausted > MOST_EXHAUSTED {
                break 'rounds;
            }
            three = check.start()?;
        }
        match check.memory(&mut three)? {
            Ok(compared) => {
                bytes = compared.0.max(bytes);
                blocks = compared.1.max(blocks);
            }
            Err(how) if round == Round::Numbers => return Ok(Outcome::Failed(how)),
            Err(_) => {
                open.insert("memory", MEANINGLESS);
            }
        }
        three = check.start()?;
    }
    if let Some((first, why)) = open.first_key_value() {
        let more = match open.len() - 1 {
            0 => String::new(),
            more => format!("; {} not compared either", counted_as(more as u64, "export is", "exports are")),
        };
        not_run.push(Gap::new(Reason::DependsOnHeap, format!("`{first}`: {why}{more}")));
    }
    if check.observation.own.is_none() {
        let words = "where its stack is, so that only blocks were compared in memory";
        not_run.push(Gap::new(Reason::MemoryNotVisible, words));
    }
    Ok(Outcome::Passed(format!(
        "{} of {} agree ({by_place} by block and offset), and so do {bytes} bytes of memory with {}",
        counted(agree as u64, "call"),
        counted(compared.len() as u64, "export"),
        counted(blocks as u64, "block"),
    )))
}

/// Exports that can be called, and the number of those that cannot.
fn callable<'s>(subject: &'s Subject<'_>) -> (Vec<(&'s str, Signature)>, usize) {
    let (mut found, mut not_callable) = (Vec::new(), 0);
    for export in &subject.exports {
        let ExportKind::Function(signature) = &export.kind else { continue };
        let index = subject.facts.exported_func(&export.name);
        if subject.constructor.as_ref() == Some(&export.name)
            || index.is_some_and(|index| subject.interface.contains(&index))
        {
            continue;
        }
        match drive::can_drive(signature) {
            true => found.push((export.name.as_str(), signature.clone())),
            false => not_callable += 1,
        }
    }
    (found, not_callable)
}

/// Arguments for a call: numbers, in the second round also new blocks and lengths in them.
fn arguments<'c>(
    check: &Check<'c, '_>,
    three: &mut Three<'c>,
    signature: &Signature,
    round: Round,
    random: &mut Random,
) -> Result<Vec<Argument>, EngineError> {
    let mut arguments = Vec::new();
    for ty in &signature.parameters {
        let is_address = *ty == ValueType::I32 && round == Round::Blocks && random.below(3) > 0;
        if is_address && let Some(number) = block(check, three, random)? {
            arguments.push(Argument::Block(number));
            continue;
        }
        let number = match random.below(4) {
            0 => random.below(3),
            1 => random.below(BLOCK_BYTES / 2),
            _ => random.below(64),
        };
        arguments.push(Argument::Number(drive::value(*ty, number.into())));
    }
    Ok(arguments)
}

/// A new block in all three, with text.
fn block<'c>(
    check: &Check<'c, '_>,
    three: &mut Three<'c>,
    random: &mut Random,
) -> Result<Option<usize>, EngineError> {
    let mut contents: Vec<u8> =
        (1..BLOCK_BYTES).map(|_| u8::try_from(32 + random.below(95)).unwrap_or(0)).collect();
    contents.push(0);
    let number = three.first.seen.count();
    let same = check.step(three, Step::Block(contents))?;
    let is_there = |work: &Work<'_>| work.seen.count() == number + 1;
    let all = is_there(&three.first) && is_there(&three.second) && is_there(&three.new);
    Ok((all && matches!(same, Same::Yes)).then_some(number))
}
