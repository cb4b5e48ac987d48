//! What a function does with memory whose address is known, and with blocks that it is given.

use std::collections::BTreeSet;

use memgrove_module::code::{AccessKind, Code, Flow, MemoryAccess, memory_access};
use wasmparser::Operator;

use super::own::WORD_BYTES;
use super::role::has_wide_addresses;

/// Addresses below are taken for numbers: linkers leave the first kilobyte free.
const FIRST_ADDRESS: i64 = 1024;
/// Sums that are looked through; a quarter of it is enough for the corpus and the samples.
const DEPTH: usize = 16;
/// How far before a block its header may begin, in bytes. With a quarter of it, and with four times
/// as much, nothing changes for the corpus and the samples.
pub(super) const HEADER_BYTES: i64 = 64;
/// Where allocators keep a length and flags, from a block, in bytes; the second half where addresses have 64 bits.
const HEADER_WORDS: [i64; 2] = [-4, -8];
const WIDE_HEADER_WORDS: [i64; 2] = [-8, -16];

/// The greatest number that allocators take from a header as flags.
pub(super) const fn most_flags(is_wide: bool) -> i64 {
    // A block of 64-bit words begins at a multiple of 8 at least.
    if is_wide { 7 } else { 3 }
}

/// What a function does with memory.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    /// Constant addresses that it reads.
    pub loads: BTreeSet<u32>,
    /// Constant addresses that it writes, and the number if that is a constant.
    pub stores: BTreeSet<(u32, Option<i32>)>,
    /// Constant addresses that it accesses atomically, and whether it does there what is done with a lock: it looks, or puts
    /// a constant there.
    pub atomics: BTreeSet<(u32, bool)>,
    /// Constant addresses that it accesses otherwise.
    pub plain: BTreeSet<u32>,
    /// Those of which it reads or writes a whole word, if not more.
    pub words: BTreeSet<u32>,
    /// Where it writes at what a call without arguments has returned, or at what a global holds: the distance, and the number
    /// if that is a constant. `None`: it reads there.
    pub far: BTreeSet<(Far, u32, Option<Option<i32>>)>,
    /// Callees before whose result it reads or writes, and where; `true`: only to see whether flags are set.
    pub before_results: BTreeSet<(u32, usize, bool)>,
    /// Parameters before whose address it reads or writes.
    pub before_params: BTreeSet<u32>,
    /// The same with the distance (below 0), where in the code, and whether it is a read that asks for flags.
    pub before_params_at: BTreeSet<(u32, i64, usize, bool)>,
    /// Calls that hand on what a call has returned: callee, position of the argument, and who returned it.
    pub handed: BTreeSet<(u32, u32, u32)>,
    /// Parameters at a small distance behind whose address it reads, with the distance.
    pub at_params: BTreeSet<(u32, u32)>,
    /// The same for writes.
    pub written_at_params: BTreeSet<(u32, u32)>,
    /// The same for either, where it is a whole word, if not more.
    pub words_at_params: BTreeSet<(u32, u32)>,
    /// Calls: callee, position of the argument, and the parameter that is passed on unchanged.
    pub passed: BTreeSet<(u32, u32, u32)>,
    /// Callees that are handed an address before a parameter or before another call's result.
    pub passed_before: BTreeSet<u32>,
    /// Calls: callee, and the constant that is the first argument.
    pub first_constants: BTreeSet<(u32, i32)>,
    /// Calls whose first argument is not a constant.
    pub first_others: BTreeSet<u32>,
    /// Calls that are handed an address before which the function reads a word that it takes apart: callee, and position of
    /// the argument.
    pub before_handed: BTreeSet<(u32, u32)>,
}

/// What a thread's own variables are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Far {
    /// The result of this function, which takes nothing.
    Result(u32),
    /// What this global holds.
    Global(u32),
}

/// One access, as it stands in the code.
#[derive(Clone, Copy)]
struct Access {
    offset: i64,
    is_store: bool,
    is_atomic: bool,
    is_word: bool,
    place: usize,
    is_test: bool,
}

/// What an address is, as far as it is known: something, and a distance from it.
#[derive(Clone, Copy)]
enum Address {
    Constant(i64),
    Param(u32, i64),
    Result(u32, i64),
    Global(u32, i64),
    Other,
}

/// Addresses that are accessed and handed on, each as a value and a distance from it.
#[derive(Default)]
struct Handed {
    accessed: BTreeSet<(Base, i64)>,
    passed: BTreeSet<(Base, i64, u32, u32)>,
}

impl Handed {
    /// Calls that are handed what lies a little behind an address that is accessed: callee and position.
    fn behind_access(&self, is_wide: bool) -> BTreeSet<(u32, u32)> {
        let words = if is_wide { WIDE_HEADER_WORDS } else { HEADER_WORDS };
        let is_before = |base: Base, distance: i64| {
            words.into_iter().any(|word| self.accessed.contains(&(base, distance + word)))
        };
        let behind = self.passed.iter().filter(|(base, distance, ..)| is_before(*base, *distance));
        behind.map(|(.., callee, position)| (*callee, *position)).collect()
    }
}

impl Uses {
    /// Reads a function; `None` if it is not understood. Linear in its size.
    pub fn of(code: &Code<'_>, func: u32) -> Option<Self> {
        let flow = Flow::of(code, func)?;
        let params = u32::try_from(code.facts().func_type(func)?.params().len()).ok()?;
        let is_wide = has_wide_addresses(code.facts());
        let reader = Reader { flow: &flow, params, is_wide };
        let mut uses = Self::default();
        let mut handed = Handed::default();
        // Who takes no bits apart asks for no flags; to see that once costs less than to follow each word that is loaded.
        let takes_bits =
            flow.code.iter().any(|operator| matches!(operator, Operator::I32And | Operator::I64And));
        for (at, operator) in flow.code.iter().enumerate() {
            match memory_access(operator) {
                Some(MemoryAccess { kind: AccessKind::Plain, memarg, width_bytes, writes, .. }) => {
                    let offset = i64::try_from(memarg.offset).unwrap_or(i64::MAX);
                    let taken_by = if takes_bits && may_be_flags(operator, is_wide) {
                        flow.uses(at)
                    } else {
                        Vec::new()
                    };
                    if is_taken_apart(&flow, at, &taken_by)
                        && let Some((base, distance)) = based(&flow, params, at, 0)
                    {
                        handed.accessed.insert((base, distance.saturating_add(offset)));
                    }
                    let access = Access {
                        offset,
                        is_store: writes,
                        is_atomic: false,
                        is_word: width_bytes >= WORD_BYTES,
                        place: at,
                        is_test: is_flag_test(&flow, at, &taken_by),
                    };
                    uses.note(code, reader.address(at, 0), access, || flow.const_operand(at, 1));
                }
                Some(MemoryAccess { kind: AccessKind::Atomic, memarg, reads, writes, .. }) => {
                    let address = reader.address(at, 0);
                    let offset = i64::try_from(memarg.offset).unwrap_or(i64::MAX);
                    let access = Access {
                        offset,
                        is_store: false,
                        is_atomic: true,
                        is_word: false,
                        place: at,
                        is_test: false,
                    };
                    if reads {
                        uses.note(code, address, access, || None);
                    }
                    if writes {
                        uses.note(code, address, Access { is_store: true, ..access }, || None);
                    }
                    if let Address::Constant(base) = address {
                        let at_lock = low(base.wrapping_add(offset));
                        uses.atomics.insert((at_lock, !writes || puts_constant(&flow, at)));
                    }
                }
                Some(MemoryAccess { kind: AccessKind::Lanes, .. }) | None => {}
            }
            if let Operator::Call { function_index } | Operator::ReturnCall { function_index } = operator {
                let count = code.facts().func_type(*function_index).map_or(0, |ty| ty.params().len());
                for argument in 0..count {
                    let position = u32::try_from(argument).unwrap_or(u32::MAX);
                    if let Some((base, distance)) = based(&flow, params, at, argument) {
                        handed.passed.insert((base, distance, *function_index, position));
                    }
                    match reader.address(at, argument) {
                        Address::Param(param, 0) => {
                            uses.passed.insert((*function_index, position, param));
                        }
                        Address::Result(from, 0) => {
                            uses.handed.insert((*function_index, position, from));
                        }
                        Address::Param(_, base) | Address::Result(_, base)
                            if (-HEADER_BYTES..0).contains(&base) =>
                        {
                            uses.passed_before.insert(*function_index);
                        }
                        Address::Constant(value) if argument == 0 => {
                            uses.first_constants.insert((*function_index, low(value).cast_signed()));
                            continue;
                        }
                        _ => {}
                    }
                    if argument == 0 {
                        uses.first_others.insert(*function_index);
                    }
                }
            }
        }
        uses.before_handed = handed.behind_access(is_wide);
        Some(uses)
    }

    fn note(&mut self, code: &Code<'_>, address: Address, access: Access, value: impl Fn() -> Option<i32>) {
        let Access { offset, is_store, is_atomic, is_word, place, is_test } = access;
        match address {
            Address::Constant(base) => {
                let at = low(base.wrapping_add(offset));
                if i64::from(at) < FIRST_ADDRESS {
                    return;
                }
                if is_store {
                    self.stores.insert((at, value()));
                } else {
                    self.loads.insert(at);
                }
                if !is_atomic {
                    self.plain.insert(at);
                }
                if is_word {
                    self.words.insert(at);
                }
            }
            Address::Param(param, base) => {
                let at = base.wrapping_add(offset);
                if (-HEADER_BYTES..0).contains(&at) {
                    self.before_params.insert(param);
                    self.before_params_at.insert((param, at, place, is_test));
                } else if let Ok(at) = u32::try_from(at)
                    && i64::from(at) < FIRST_ADDRESS
                {
                    if is_store {
                        self.written_at_params.insert((param, at));
                    } else {
                        self.at_params.insert((param, at));
                    }
                    if is_word {
                        self.words_at_params.insert((param, at));
                    }
                }
            }
            Address::Result(callee, base) => {
                if (-HEADER_BYTES..0).contains(&base.wrapping_add(offset)) {
                    self.before_results.insert((callee, place, is_test));
                }
                if code.has_type(callee, if has_wide_addresses(code.facts()) { "-> i64" } else { "-> i32" }) {
                    self.note_far(Far::Result(callee), base.wrapping_add(offset), is_store, value);
                }
            }
            Address::Global(global, base) => {
                self.note_far(Far::Global(global), base.wrapping_add(offset), is_store, value);
            }
            Address::Other => {}
        }
    }

    fn note_far(&mut self, far: Far, distance: i64, is_store: bool, value: impl Fn() -> Option<i32>) {
        if let Ok(distance) = u32::try_from(distance) {
            self.far.insert((far, distance, is_store.then(value)));
        }
    }
}

/// The lowest 32 bits.
fn low(value: i64) -> u32 {
    (value & 0xffff_ffff) as u32
}

/// Whether an atomic access puts a constant there, as it is done with a lock.
fn puts_constant(flow: &Flow<'_>, at: usize) -> bool {
    let written = match flow.code[at] {
        Operator::I32AtomicStore { .. }
        | Operator::I32AtomicStore8 { .. }
        | Operator::I32AtomicRmwXchg { .. }
        | Operator::I32AtomicRmw8XchgU { .. } => 1,
        Operator::I32AtomicRmwCmpxchg { .. } | Operator::I32AtomicRmw8CmpxchgU { .. } => 2,
        _ => return false,
    };
    flow.const_operand(at, written).is_some()
}

/// Whether a word is loaded and its low bits are taken apart from the others: a header's length and flags. `uses`: those
/// of what is loaded.
fn is_taken_apart(flow: &Flow<'_>, at: usize, uses: &[(usize, usize)]) -> bool {
    let takes = |(user, which): &(usize, usize)| {
        let mask = flow.number_operand(*user, 1 - (*which).min(1));
        match flow.code[*user] {
            Operator::I32And => matches!(mask, Some(1..=3 | -2 | -4 | -8)),
            Operator::I64And => matches!(mask, Some(1..=7 | -2 | -4 | -8 | -16)),
            // The low half, of which the flags are taken then.
            Operator::I32WrapI64 => true,
            _ => false,
        }
    };
    matches!(flow.code[at], Operator::I32Load { .. } | Operator::I64Load { .. }) && uses.iter().any(takes)
}

/// Whether an instruction loads a header, or the byte of it that holds the flags.
fn may_be_flags(operator: &Operator<'_>, is_wide: bool) -> bool {
    match operator {
        Operator::I32Load { .. } | Operator::I32Load8U { .. } | Operator::I32Load8S { .. } => true,
        Operator::I64Load { .. } | Operator::I64Load8U { .. } => is_wide,
        _ => false,
    }
}

/// Whether what is loaded is only asked for its two lowest bits, and these only for being set: dlmalloc's
/// "this block was not mapped", before it is cleared. `uses`: those of what is loaded.
pub(super) fn is_flag_test(flow: &Flow<'_>, at: usize, uses: &[(usize, usize)]) -> bool {
    may_be_flags(&flow.code[at], true)
        && !uses.is_empty()
        && uses.iter().all(|&(user, which)| {
            let most = match flow.code[user] {
                Operator::I32And => most_flags(false),
                Operator::I64And => most_flags(true),
                _ => 0,
            };
            let flags = flow.number_operand(user, 1 - which.min(1));
            flags.is_some_and(|flags| (1..=most).contains(&flags)) && flow.is_truth(user)
        })
}

struct Reader<'f, 'a> {
    flow: &'f Flow<'a>,
    params: u32,
    /// Addresses have 64 bits.
    is_wide: bool,
}

impl Reader<'_, '_> {
    /// What an operand is as an address.
    fn address(&self, at: usize, which: usize) -> Address {
        self.flow.operand(at, which).map_or(Address::Other, |value| self.value(value, 0))
    }

    fn value(&self, at: usize, depth: usize) -> Address {
        if depth > DEPTH {
            return Address::Other;
        }
        let at = self.flow.source(at);
        let operand =
            |which| self.flow.operand(at, which).map_or(Address::Other, |value| self.value(value, depth + 1));
        match &self.flow.code[at] {
            Operator::I32Const { value } => Address::Constant(i64::from(value.cast_unsigned())),
            // Distances below 0, and addresses below 4 GiB.
            Operator::I64Const { value } if self.is_wide => {
                match i32::try_from(*value).is_ok() || u32::try_from(*value).is_ok() {
                    true => Address::Constant(i64::from(low(*value))),
                    false => Address::Other,
                }
            }
            Operator::LocalGet { local_index } if *local_index < self.params => {
                Address::Param(*local_index, 0)
            }
            Operator::Call { function_index } => Address::Result(*function_index, 0),
            Operator::GlobalGet { global_index } => Address::Global(*global_index, 0),
            Operator::I32Add => sum(operand(0), operand(1)),
            Operator::I64Add if self.is_wide => sum(operand(0), operand(1)),
            Operator::I32Sub | Operator::I64Sub
                if self.is_wide || matches!(self.flow.code[at], Operator::I32Sub) =>
            {
                match operand(1) {
                    Address::Constant(value) => sum(operand(0), Address::Constant(-signed(value))),
                    _ => Address::Other,
                }
            }
            _ => Address::Other,
        }
    }
}

/// Something that does not change while a function runs, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Base {
    /// A parameter that was not set.
    Param(u32),
    /// What an operator has made, by its position.
    Made(usize),
}

/// An operand as a value and a distance from it, in bytes; `None` if it is a constant.
pub(super) fn based(flow: &Flow<'_>, params: u32, at: usize, which: usize) -> Option<(Base, i64)> {
    let (mut value, mut distance) = (flow.operand(at, which)?, 0_i64);
    for _ in 0..DEPTH {
        let constant = |which| flow.number_operand(value, which);
        let (other, more) = match flow.code[value] {
            Operator::I32Add | Operator::I64Add => match (constant(0), constant(1)) {
                (_, Some(more)) => (0, more),
                (Some(more), None) => (1, more),
                (None, None) => break,
            },
            Operator::I32Sub | Operator::I64Sub => match constant(1) {
                Some(more) => (0, more.wrapping_neg()),
                None => break,
            },
            _ => break,
        };
        value = flow.operand(value, other)?;
        distance = distance.wrapping_add(more);
    }
    match flow.code[value] {
        Operator::I32Const { .. } | Operator::I64Const { .. } => None,
        Operator::LocalGet { local_index } if local_index < params => {
            Some((Base::Param(local_index), distance))
        }
        _ => Some((Base::Made(value), distance)),
    }
}

fn sum(left: Address, right: Address) -> Address {
    match (left, right) {
        (Address::Constant(a), Address::Constant(b)) => {
            Address::Constant((signed(a).wrapping_add(signed(b))) & 0xffff_ffff)
        }
        (Address::Param(param, base), Address::Constant(value))
        | (Address::Constant(value), Address::Param(param, base)) => {
            Address::Param(param, base.wrapping_add(signed(value)))
        }
        (Address::Result(callee, base), Address::Constant(value))
        | (Address::Constant(value), Address::Result(callee, base)) => {
            Address::Result(callee, base.wrapping_add(signed(value)))
        }
        (Address::Global(global, base), Address::Constant(value))
        | (Address::Constant(value), Address::Global(global, base)) => {
            Address::Global(global, base.wrapping_add(signed(value)))
        }
        _ => Address::Other,
    }
}

/// A 32-bit number with its sign.
fn signed(value: i64) -> i64 {
    i64::from(((value & 0xffff_ffff) as u32).cast_signed())
}
