//! Calls the exports of two modules alike, without knowing what they are for.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::{counted, counted_as};

use super::pair::{NoPair, Pair, Same, Sides};
use super::{Evidence, Gap, Outcome, Reason, Subject};
use crate::engine::{EngineError, ExportKind, Memory, Signature, Value, ValueType};

/// How often each export is called, with other arguments.
const ROUNDS: u64 = 2;
/// Exports called at most, so that large interfaces do not take minutes; what is left out is said.
const MOST_EXPORTS: usize = 200;
/// New starts after calls that used up their budget, which takes long. Then no more are called, and what ran is a part.
const MOST_EXHAUSTED: usize = 3;
/// New starts after calls that cannot be compared: each instantiates both sides.
const MOST_UNKNOWN: usize = 40;

/// What may be called.
struct Exports<'a> {
    callable: Vec<(&'a str, &'a Signature)>,
    /// Names of those that take references.
    not_callable: Vec<&'a str>,
    globals: Vec<&'a str>,
}

/// Whether original and fixed module agree under the same calls. What was executed goes to `evidence`, what was
/// not to `gaps`.
pub(super) fn check(
    sides: &Sides<'_>,
    subject: &Subject<'_>,
    evidence: &mut Evidence,
    gaps: &mut Vec<Gap>,
) -> Outcome {
    let mut exports = exports(sides, subject);
    evidence.exports_callable = exports.callable.len();
    evidence.exports_not_callable = exports.not_callable.len();
    if let Some(first) = exports.not_callable.first() {
        let count = exports.not_callable.len();
        gaps.push(Gap::new(
            Reason::CannotBeCalled,
            format!(
                "{} references, like `{first}`",
                counted_as(count as u64, "export takes", "exports take")
            ),
        ));
    }
    if exports.callable.len() > MOST_EXPORTS {
        let more = counted((exports.callable.len() - MOST_EXPORTS) as u64, "export");
        gaps.push(Gap::new(Reason::TooManyExports, format!("{more} beyond the first {MOST_EXPORTS}")));
        exports.callable.truncate(MOST_EXPORTS);
    }
    let has_memory = subject.original.memory().is_some();
    match run(sides, &exports, has_memory, evidence, gaps) {
        Ok(outcome) => outcome,
        Err(error) if error.is_exhausted() => {
            Outcome::Skipped(Gap::new(Reason::OutOfBudget, error.to_string()))
        }
        Err(error) => Outcome::Failed(format!("the two cannot be compared: {error}")),
    }
}

fn run(
    sides: &Sides<'_>,
    exports: &Exports<'_>,
    has_memory: bool,
    evidence: &mut Evidence,
    gaps: &mut Vec<Gap>,
) -> Result<Outcome, EngineError> {
    let start = || sides.start_programs().map_err(NoPair::outcome);
    let mut pair = match start() {
        Ok(pair) => pair,
        Err(outcome) => return Ok(outcome),
    };
    let (mut exhausted, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    let mut open: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut calls, mut traps) = (0, 0);
    'rounds: for round in 0..ROUNDS {
        for &(name, signature) in &exports.callable {
            if exhausted.contains(name) || unknown.contains(name) || open.contains_key(name) {
                continue;
            }
            let arguments = arguments(signature, round * 7);
            match pair.call((name, name), &arguments) {
                Same::Returned => evidence.calls_returned += 1,
                Same::Trapped(reason) => {
                    traps += 1;
                    evidence.trapped(reason);
                }
                Same::Different(how) => return Ok(Outcome::Failed(how)),
                not_compared => {
                    // The two are no longer in the same state, so that nothing after this could be compared.
                    let is_enough = match not_compared {
                        Same::Unknown => unknown.insert(name) && unknown.len() > MOST_UNKNOWN,
                        Same::Open(why) => open.insert(name, why).is_none() && open.len() > MOST_UNKNOWN,
                        _ => exhausted.insert(name) && exhausted.len() > MOST_EXHAUSTED,
                    };
                    pair = match start() {
                        Ok(pair) => pair,
                        Err(outcome) => return Ok(outcome),
                    };
                    if is_enough {
                        break 'rounds;
                    }
                    continue;
                }
            }
            calls += 1;
        }
    }
    for (names, reason, why) in [
        (&exhausted, Reason::OutOfBudget, "used up the instructions or the stack it was given"),
        (&unknown, Reason::NoSecondImplementation, "calls an import that has no second implementation"),
    ] {
        if let Some(first) = names.first() {
            let more = match names.len() - 1 {
                0 => String::new(),
                more => format!(", and {} like it", counted(more as u64, "export")),
            };
            gaps.push(Gap::new(reason, format!("`{first}` {why}{more}")));
        }
    }
    if let Some((first, why)) = open.first_key_value() {
        let more = match open.len() - 1 {
            0 => String::new(),
            more => format!("; {} not compared either", counted_as(more as u64, "export is", "exports are")),
        };
        gaps.push(Gap::new(Reason::DependsOnHeap, format!("`{first}`: {why}{more}")));
    }
    if let Some(difference) = compare_rest(&mut pair, exports, has_memory, evidence, gaps)? {
        return Ok(Outcome::Failed(difference));
    }
    if evidence.exports_callable > 0 && evidence.calls_returned == 0 {
        let words = match traps {
            0 => "no call of an export could be compared".to_owned(),
            _ => format!("no call of an export returned; {traps} of {calls} trap on both sides"),
        };
        return Ok(Outcome::Skipped(Gap::new(Reason::NothingReturned, words)));
    }
    let trapped = match traps {
        0 => String::new(),
        1 => " (1 traps for the same reason on both sides)".to_owned(),
        _ => format!(" ({traps} trap for the same reason on both sides)"),
    };
    let called = exports.callable.len() - exhausted.len() - unknown.len() - open.len();
    Ok(Outcome::Passed(match exports.callable.len() {
        0 => "it exports no function to call; memory and globals agree".to_owned(),
        _ => format!(
            "{} of {} agree{trapped}, and so do memory and globals",
            counted(calls as u64, "call"),
            counted(called as u64, "export")
        ),
    }))
}

/// Globals and memory at the end, and how they differ.
fn compare_rest(
    pair: &mut Pair<'_>,
    exports: &Exports<'_>,
    has_memory: bool,
    evidence: &mut Evidence,
    gaps: &mut Vec<Gap>,
) -> Result<Option<String>, EngineError> {
    for &name in &exports.globals {
        match pair.compare_global(name) {
            Some(Same::Different(how)) => return Ok(Some(how)),
            Some(Same::Open(why)) => {
                gaps.push(Gap::new(Reason::DependsOnHeap, format!("global `{name}`: {why}")))
            }
            Some(_) => evidence.globals_compared += 1,
            None => {}
        }
    }
    if has_memory {
        for instance in pair.instances() {
            if let Err(error) = instance.memory_bytes(Memory::Main) {
                gaps.push(Gap::new(Reason::MemoryNotVisible, error.to_string()));
                return Ok(None);
            }
        }
    }
    match pair.compare_memory()? {
        Ok(compared) => {
            evidence.memory_bytes_compared = compared.bytes;
            evidence.blocks_compared = compared.blocks;
            gaps.extend(compared.gaps);
        }
        Err(difference) => return Ok(Some(difference)),
    }
    Ok(None)
}

fn exports<'a>(sides: &'a Sides<'_>, subject: &Subject<'_>) -> Exports<'a> {
    let mut exports = Exports { callable: Vec::new(), not_callable: Vec::new(), globals: Vec::new() };
    // Called from outside, an import has no module behind it, so that a host cannot find the memory to work on.
    let imports: BTreeSet<&str> = subject.original.exported_imports().collect();
    let dropped: BTreeSet<&str> = subject.plan.dropped_exports().collect();
    for export in &sides.original().shape().exports {
        let name = export.name.as_str();
        if dropped.contains(name) || subject.original_copy.is_added(name) {
            continue;
        }
        match &export.kind {
            // Constructors ran when the fixed module was instantiated; a glue calls them once.
            ExportKind::Function(_)
                if imports.contains(name) || subject.constructors.iter().any(|called| called == name) => {}
            ExportKind::Function(signature) if can_drive(signature) => {
                exports.callable.push((name, signature));
            }
            ExportKind::Function(_) => exports.not_callable.push(name),
            ExportKind::Global { .. } => exports.globals.push(name),
            _ => {}
        }
    }
    exports
}

/// There are values for every parameter. What is returned need not be a number to be compared.
pub(super) fn can_drive(signature: &Signature) -> bool {
    !signature.parameters.contains(&ValueType::Reference)
}

/// Small numbers: they are valid sizes, and mostly harmless as addresses.
pub(super) fn arguments(signature: &Signature, first: u64) -> Vec<Value> {
    (first..).zip(&signature.parameters).map(|(number, ty)| value(*ty, number % 64)).collect()
}

/// A number as a value of some type.
pub(super) fn value(ty: ValueType, number: u64) -> Value {
    let low = u32::try_from(number & 0xffff_ffff).unwrap_or(0);
    match ty {
        ValueType::I64 => Value::I64(number.cast_signed()),
        #[expect(clippy::cast_precision_loss, reason = "any number will do")]
        ValueType::F32 => Value::F32((low as f32 / 2.0).to_bits()),
        ValueType::F64 => Value::F64((f64::from(low) / 2.0).to_bits()),
        ValueType::V128 => Value::V128(number.into()),
        _ => Value::u32(low),
    }
}
