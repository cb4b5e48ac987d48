//! Code of dlmalloc's that a compiler has put into functions of the program, and what it does where every block says that
//! it was mapped by itself.
//!
//! ```text
//! | length, 2 flags | block       neither flag is set: the block was mapped
//!  -4
//! ```
//!
//! Such code reads this word and, for a block that was mapped, leaves alone what the allocator keeps: a reallocation copies,
//! a check of the length adds and compares. So a program that holds it can go on with another heap that writes the word. That
//! this is all that the code does then is shown by following its branches.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::allocator::Operation;
use memgrove_module::code::{Flow, access, atomic_access};
use wasmparser::Operator;

use super::reader::Reader;
use super::role::Member;
use super::uses::{Base, HEADER_BYTES, based, is_flag_test};

/// Where the word is, from a block, in bytes.
const WORD_AT: i64 = -4;
/// Both flags.
const FLAGS: i32 = 3;
/// Comparisons that are looked through; a quarter of it is enough for the corpus and the samples.
const DEPTH: u32 = 8;

/// What remains of a function when every block says that it was mapped.
pub(super) struct Remains {
    /// Functions that it may still call.
    pub callees: BTreeSet<u32>,
    /// Loads of the word of a new block that ask whether it must be cleared: not as the others, by their positions.
    pub tests: BTreeSet<usize>,
}

/// What a function does where every block says that it was mapped; `None` if it needs more of the old allocator than that
/// word. `state`: whether the allocator kept something at an address. Linear in the function.
pub(super) fn with_mapped_blocks(
    reader: &Reader<'_, '_>,
    func: u32,
    replaced: &BTreeMap<u32, Member>,
    state: &dyn Fn(u32) -> bool,
) -> Option<Remains> {
    let code = reader.code;
    let flow = reader.flows.of(func)?;
    let params = u32::try_from(code.facts().func_type(func)?.params().len()).ok()?;
    let blocks = Blocks::of(&flow, params, replaced);
    let Words { words, tests } = blocks.words(&flow, params, replaced)?;
    let live = live(&flow, &|at| truth(&flow, &words, at, 0))?;
    let mut callees = BTreeSet::new();
    for at in (0..flow.code.len()).filter(|at| live[*at]) {
        let operator = &flow.code[at];
        if let Operator::Call { function_index } | Operator::ReturnCall { function_index } = operator {
            callees.insert(*function_index);
            let count = code.facts().func_type(*function_index)?.params().len();
            // Whoever is handed a header knows what it is.
            let is_handed =
                |which| based(&flow, params, at, which).is_some_and(|place| blocks.before(place).is_some());
            if (0..count).any(is_handed) {
                return None;
            }
        }
        if let Some(atomic) = atomic_access(operator) {
            let address = i64::from(flow.const_operand(at, 0).unwrap_or(0).cast_unsigned());
            let address = address.wrapping_add(i64::try_from(atomic.memarg.offset).ok()?);
            if u32::try_from(address).is_ok_and(state) {
                return None;
            }
        }
        let Some((offset, is_store)) = access(operator) else { continue };
        let offset = i64::try_from(offset).ok()?;
        let place = based(&flow, params, at, 0);
        let Some((base, distance)) = place else {
            let address = flow.const_operand(at, 0).unwrap_or(0);
            let address = i64::from(address.cast_unsigned()).wrapping_add(offset);
            let is_state = u32::try_from(address).is_ok_and(state);
            // Nobody reads any more what is written there.
            if is_state && !is_store && !is_granularity(&flow, at) {
                return None;
            }
            continue;
        };
        if blocks.before((base, distance.saturating_add(offset))).is_some()
            && (is_store || !words.contains(&at) && !tests.contains(&at))
        {
            return None;
        }
    }
    Some(Remains { callees, tests })
}

/// The unit in which dlmalloc mapped blocks: one that was mapped keeps its place while it is longer than asked for by less
/// than two of them. It is 0 before the allocator has run, which the new heap's blocks stand as well.
fn is_granularity(flow: &Flow<'_>, at: usize) -> bool {
    let uses = flow.uses(at);
    let doubles = |(user, which): &(usize, usize)| {
        matches!(flow.code[*user], Operator::I32Shl) && *which == 0 && flow.const_operand(*user, 1) == Some(1)
    };
    !uses.is_empty() && uses.iter().all(doubles)
}

/// Where a function's blocks begin.
struct Blocks(BTreeSet<(Base, i64)>);

impl Blocks {
    /// What is handed to the allocator's functions as a block, and what they return.
    fn of(flow: &Flow<'_>, params: u32, replaced: &BTreeMap<u32, Member>) -> Self {
        let mut found = BTreeSet::new();
        for (at, operator) in flow.code.iter().enumerate() {
            let (Operator::Call { function_index } | Operator::ReturnCall { function_index }) = operator
            else {
                continue;
            };
            let Some(member) = replaced.get(function_index) else { continue };
            found.extend(member.block_param().and_then(|which| based(flow, params, at, which as usize)));
            if member.role.is_new_block() || member.role.operation() == Operation::Realloc {
                found.insert((Base::Made(at), 0));
            }
        }
        Self(found)
    }

    /// How far before a block an address is, if it is near one.
    fn before(&self, (base, distance): (Base, i64)) -> Option<i64> {
        let behind = (base, distance + 1)..=(base, distance.saturating_add(HEADER_BYTES));
        self.0.range(behind).next().map(|(_, block)| distance - block)
    }

    /// Loads of the word before a block. `None` if there is none, or one is not used as that word is.
    fn words(&self, flow: &Flow<'_>, params: u32, replaced: &BTreeMap<u32, Member>) -> Option<Words> {
        let (mut words, mut tests) = (BTreeSet::new(), BTreeSet::new());
        let cleared = cleared(flow, params);
        for (at, operator) in flow.code.iter().enumerate() {
            let Operator::I32Load { memarg } = operator else { continue };
            let Some((base, distance)) = based(flow, params, at, 0) else { continue };
            let offset = i64::try_from(memarg.offset).unwrap_or(i64::MAX);
            if self.before((base, distance.saturating_add(offset))) != Some(WORD_AT) {
                continue;
            }
            let made = match base {
                Base::Made(made) => flow.code.get(made),
                Base::Param(_) => None,
            };
            let is_new = matches!(made, Some(Operator::Call { function_index })
                if replaced.get(function_index).is_some_and(|member| member.role.is_new_block()));
            match (is_new, is_flag_test(flow, at, &flow.uses(at))) {
                (true, true) => tests.insert(at),
                // One load may serve two questions: then a block would not be cleared.
                (true, false) if cleared.contains(&(base, 0)) => return None,
                (true, false) => words.insert(at),
                (false, _) => words.insert(at),
            };
        }
        (words.is_empty() || is_dlmallocs(flow, &words) || hands_on(flow, &words))
            .then_some(Words { words, tests })
    }
}

/// Loads of the word before a block, by their positions.
struct Words {
    words: BTreeSet<usize>,
    /// Those that ask whether a new block must be cleared.
    tests: BTreeSet<usize>,
}

/// What a function fills with zeros.
fn cleared(flow: &Flow<'_>, params: u32) -> BTreeSet<(Base, i64)> {
    let clears = |at: &usize| {
        matches!(flow.code[*at], Operator::Call { .. } | Operator::MemoryFill { .. })
            && flow.const_operand(*at, 1) == Some(0)
    };
    (0..flow.code.len()).filter(clears).filter_map(|at| based(flow, params, at, 0)).collect()
}

/// The words are taken apart into a length and flags.
fn is_dlmallocs(flow: &Flow<'_>, words: &BTreeSet<usize>) -> bool {
    let masked_by = |mask: fn(i32) -> bool| {
        let masks = |at: &usize| {
            flow.uses(*at).iter().any(|&(user, which)| {
                matches!(flow.code[user], Operator::I32And)
                    && flow.const_operand(user, 1 - which.min(1)).is_some_and(mask)
            })
        };
        words.iter().any(masks)
    };
    masked_by(|mask| mask == !7) && masked_by(|mask| mask == FLAGS)
}

/// The words are arguments of calls only: of the check of a length that was not inlined.
fn hands_on(flow: &Flow<'_>, words: &BTreeSet<usize>) -> bool {
    let is_argument = |(user, _): &(usize, usize)| {
        matches!(flow.code[*user], Operator::Call { .. } | Operator::ReturnCall { .. })
    };
    words.iter().all(|at| flow.uses(*at).iter().all(is_argument))
}

/// Whether a condition holds where no flag is set, if that decides it.
fn truth(flow: &Flow<'_>, words: &BTreeSet<usize>, value: usize, depth: u32) -> Option<bool> {
    if depth > DEPTH {
        return None;
    }
    let value = flow.source(value);
    let operand = |which| flow.operand(value, which);
    match flow.code[value] {
        Operator::I32Const { value } => Some(value != 0),
        Operator::I32And => {
            let is_flags = |word: usize, mask: usize| {
                operand(word).is_some_and(|word| words.contains(&word))
                    && flow.const_operand(value, mask).is_some_and(|mask| mask & FLAGS == mask)
            };
            (is_flags(0, 1) || is_flags(1, 0)).then_some(false)
        }
        Operator::I32Eqz => truth(flow, words, operand(0)?, depth + 1).map(|truth| !truth),
        _ => None,
    }
}

/// A block of code that is open.
struct Open {
    is_loop: bool,
    /// Its beginning is reached.
    is_live: bool,
    /// Something that is reached leaves to its end.
    is_left: bool,
    /// Of an `if`, whether the other arm is reached.
    other_arm: bool,
}

/// Which operators are reached, where some conditions are known; `None` if there are branches that are not understood.
fn live(flow: &Flow<'_>, truth: &dyn Fn(usize) -> Option<bool>) -> Option<Vec<bool>> {
    use Operator as O;
    let mut open = vec![Open { is_loop: false, is_live: true, is_left: false, other_arm: false }];
    let mut is_live = true;
    let mut found = Vec::with_capacity(flow.code.len());
    let leave = |open: &mut Vec<Open>, depth: u32| {
        let at = open.len().checked_sub(1 + depth as usize)?;
        let target = open.get_mut(at)?;
        target.is_left |= !target.is_loop;
        Some(())
    };
    for (at, operator) in flow.code.iter().enumerate() {
        found.push(is_live);
        let condition = || flow.made_by(at, 0).and_then(truth);
        match operator {
            O::Block { .. } | O::Loop { .. } => {
                let is_loop = matches!(operator, O::Loop { .. });
                open.push(Open { is_loop, is_live, is_left: false, other_arm: false });
            }
            O::If { .. } => {
                let holds = condition();
                open.push(Open { is_loop: false, is_live, is_left: false, other_arm: holds != Some(true) });
                is_live &= holds != Some(false);
            }
            O::Else => {
                let arm = open.last_mut()?;
                arm.is_left |= is_live;
                is_live = arm.is_live && arm.other_arm;
                // What follows the end is reached through an arm.
                arm.other_arm = false;
            }
            O::End => {
                let closed = open.pop()?;
                is_live |= closed.is_left || closed.is_live && closed.other_arm;
            }
            O::Br { relative_depth } => {
                if is_live {
                    leave(&mut open, *relative_depth)?;
                }
                is_live = false;
            }
            O::BrIf { relative_depth } => {
                let holds = condition();
                if is_live && holds != Some(false) {
                    leave(&mut open, *relative_depth)?;
                }
                is_live &= holds != Some(true);
            }
            O::BrTable { targets } => {
                if is_live {
                    for depth in targets.targets() {
                        leave(&mut open, depth.ok()?)?;
                    }
                    leave(&mut open, targets.default())?;
                }
                is_live = false;
            }
            O::Return | O::Unreachable | O::ReturnCall { .. } | O::ReturnCallIndirect { .. } => {
                is_live = false
            }
            O::Try { .. }
            | O::Catch { .. }
            | O::CatchAll
            | O::Delegate { .. }
            | O::Rethrow { .. }
            | O::Throw { .. }
            | O::ThrowRef
            | O::TryTable { .. }
            | O::BrOnNull { .. }
            | O::BrOnNonNull { .. }
            | O::BrOnCast { .. }
            | O::BrOnCastFail { .. }
            | O::ReturnCallRef { .. } => return None,
            _ => {}
        }
    }
    Some(found)
}
