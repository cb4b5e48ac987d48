//! A heap in a memory that threads share: each thread has an instance of its own, with globals of its own, and all of them
//! use one heap.
//!
//! ```text
//! word     of the old allocator's, which nothing else uses now: 0, no heap; 1, a thread is making it; else where it is
//! record   | lock | pages | end of the first memory | behind the heap's data and stack, which one thread uses at a time
//! ```
//!
//! Whoever calls the heap takes its lock, so the heap itself is the one that a module without threads gets. The lock is
//! waited for by looking again: `memory.atomic.wait` traps on the main thread of a browser. V8 tells a thread late of memory
//! that another one grew, so whoever has the lock compares what it believes with what the heap has.

use std::collections::BTreeSet;
use std::ops::Range;

use memgrove_module::Code;
use memgrove_module::code::Flow;
use wasm_encoder::{BlockType, Function, Instruction, MemArg, ValType};
use wasmparser::Operator;

use super::made::{State, memory};
use super::own::{Own, WORD_BYTES};
use super::reader::Reader;
use super::role::i32s;
use crate::edit::Edits;

/// Bytes of what the threads share, and where in it each word is.
pub(super) const RECORD_BYTES: u32 = 16;
/// 0: nobody is in the heap.
pub(super) const LOCK: u32 = 0;
/// Pages that the memory has at least.
pub(super) const PAGES: u32 = 4;
/// Where the memory ends that the heap was made in.
pub(super) const REST_END: u32 = 8;

/// What a module's threads have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Threads {
    /// Address of the word by which they find the heap.
    pub word: u32,
}

/// The pages of a memory that holds everything below the address on the stack, of which 0 is the end of the address space.
pub(super) const PAGES_UP_TO: [Instruction<'_>; 6] = [
    Instruction::I32Const(1),
    Instruction::I32Sub,
    Instruction::I32Const(16),
    Instruction::I32ShrU,
    Instruction::I32Const(1),
    Instruction::I32Add,
];

/// A word of the old allocator's state that holds 0 when the module starts and that none of the functions that stay writes;
/// `None` where memory is not shared, too, as nobody needs one there.
pub(super) fn free_word(reader: &mut Reader<'_, '_>, own: &Own, stay: &[u32]) -> Option<u32> {
    let code = reader.code;
    let facts = code.facts();
    if !facts.memories.first()?.ty.shared {
        return None;
    }
    let zero = Start::of(code)?;
    let mut words = own.words.clone();
    words.retain(|word| zero.is_zero(code, *word));
    for func in stay.iter().copied() {
        if !reader.mentions(func, &own.state) {
            continue;
        }
        // What is not understood may write anywhere.
        let uses = reader.uses(func)?;
        words.retain(|word| {
            let reaches = |at: u32| may_reach(at, *word);
            !uses.stores.iter().any(|(at, _)| reaches(*at)) && !uses.loads.iter().any(|at| reaches(*at))
        });
    }
    words.pop_first()
}

/// The variable that holds the end of the heap, if only the allocator moves it, or memory is not shared: another thread could
/// move it between a look at it and a step.
pub(super) fn own_break(reader: &mut Reader<'_, '_>, own: &Own, stay: &[u32]) -> Option<u32> {
    let cell = own.break_cell?;
    let facts = reader.code.facts();
    if !facts.memories.first()?.ty.shared {
        return Some(cell);
    }
    let cells = BTreeSet::from([cell]);
    for func in stay.iter().copied() {
        if reader.mentions(func, &cells)
            && reader.uses(func)?.stores.iter().any(|(at, _)| may_reach(*at, cell))
        {
            return None;
        }
    }
    Some(cell)
}

/// Whether an access at an address may touch a word, however wide it is.
fn may_reach(at: u32, word: u32) -> bool {
    // A vector.
    const WIDEST_BYTES: u32 = 16;
    at < word.saturating_add(WORD_BYTES) && word < at.saturating_add(WIDEST_BYTES)
}

/// What a module that is linked for threads puts into memory when its first instance starts.
pub(crate) struct Start<'a> {
    cleared: Vec<Range<u64>>,
    copied: Vec<(u64, &'a [u8])>,
}

impl<'a> Start<'a> {
    /// Reads the start function, and what it calls.
    pub fn of(code: &Code<'a>) -> Option<Self> {
        let facts = code.facts();
        let mut found = Self { cleared: Vec::new(), copied: code.active_data().collect() };
        let Some(start) = facts.start else { return Some(found) };
        let callees = facts.call_graph.callees(start.func).iter().copied();
        let defined =
            std::iter::once(start.func).chain(callees).filter(|func| facts.function(*func).is_some());
        for func in defined {
            let flow = Flow::of(code, func)?;
            for (at, operator) in flow.code.iter().enumerate() {
                let number = |which| flow.const_operand(at, which).map(i32::cast_unsigned);
                match operator {
                    Operator::MemoryFill { mem: 0 } => {
                        if let (Some(to), Some(0), Some(bytes)) = (number(0), number(1), number(2)) {
                            found.cleared.push(to.into()..u64::from(to) + u64::from(bytes));
                        }
                    }
                    Operator::MemoryInit { data_index, mem: 0 } => {
                        let data = facts.data.get(*data_index as usize)?.bytes;
                        if let (Some(to), Some(from), Some(bytes)) = (number(0), number(1), number(2)) {
                            let (from, bytes) = (from as usize, bytes as usize);
                            found.copied.push((to.into(), data.get(from..from.checked_add(bytes)?)?));
                        }
                    }
                    _ => {}
                }
            }
        }
        Some(found)
    }

    /// What is copied, and where to.
    pub fn copied(&self) -> impl Iterator<Item = (u64, &'a [u8])> {
        self.copied.iter().copied()
    }

    /// Where what is copied and cleared begins; `None` if there is nothing.
    pub fn begin(&self) -> Option<u64> {
        let copied = self.copied.iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(at, _)| *at);
        self.cleared.iter().map(|range| range.start).chain(copied).min()
    }

    /// Where what is copied and cleared ends.
    pub fn end(&self) -> u64 {
        let copied = self.copied.iter().map(|(at, bytes)| at.saturating_add(bytes.len() as u64));
        self.cleared.iter().map(|range| range.end).chain(copied).max().unwrap_or(0)
    }

    /// The word that is copied to an address, if one is.
    pub fn word(&self, address: u32) -> Option<u32> {
        self.copied.iter().rev().find_map(|(at, bytes)| {
            let from = usize::try_from(u64::from(address).checked_sub(*at)?).ok()?;
            let word = bytes.get(from..from.checked_add(WORD_BYTES as usize)?)?;
            word.try_into().ok().map(u32::from_le_bytes)
        })
    }

    /// Whether a word is known to be 0: cleared, or copied as such.
    fn is_zero(&self, code: &Code<'_>, word: u32) -> bool {
        let (start, end) = (u64::from(word), u64::from(word) + u64::from(WORD_BYTES));
        let cleared = self.cleared.iter().any(|range| range.start <= start && end <= range.end);
        let mut covers = false;
        for (at, bytes) in &self.copied {
            let last = at.saturating_add(bytes.len() as u64);
            if *at >= end || last <= start {
                continue;
            }
            let from = usize::try_from(start.saturating_sub(*at)).unwrap_or(usize::MAX);
            let to = usize::try_from(end.min(last) - at).unwrap_or(usize::MAX);
            if bytes.get(from..to).is_none_or(|bytes| bytes.iter().any(|byte| *byte != 0)) {
                return false;
            }
            covers |= *at <= start && end <= last;
        }
        // Where nothing passive is copied, memory is as a linker leaves it: what no segment fills is 0.
        cleared || covers || code.facts().data.iter().all(|data| data.active.is_some())
    }
}

/// The lock of a heap, by the edit indices of its functions.
pub(super) struct Lock {
    /// Finds the heap, or makes it; returns 0 if memory is refused.
    pub find: u32,
    lock: u32,
    unlock: u32,
}

impl Lock {
    /// Adds its functions. `make` makes the heap in memory that is asked for.
    pub fn add(edits: &mut Edits<'_, '_>, threads: Threads, state: &State, record: u32, make: u32) -> Self {
        let find = find(edits, threads, state, make);
        let word = |at: u32| memory(u64::from(record + at), 2);
        let lock = lock(edits, state.base, find, word(LOCK), word(PAGES));
        let mut body = Function::new([]);
        // Cranelift emits a fence for an atomic store, which takes longer than an exchange.
        for instruction in [
            Instruction::GlobalGet(state.base),
            Instruction::I32Const(0),
            Instruction::I32AtomicRmwXchg(word(LOCK)),
            Instruction::Drop,
            Instruction::End,
        ] {
            body.instruction(&instruction);
        }
        let ty = edits.add_type(Vec::new(), Vec::new());
        let unlock = edits.add_func(ty, body, "memgrove.heap.unlock");
        Self { find, lock, unlock }
    }

    /// The function of C's name that takes the lock, calls the heap's, and lets the lock go; itself if it is no heap's.
    pub fn around(&self, edits: &mut Edits<'_, '_>, name: &str, inner: u32) -> u32 {
        let (params, results) = match name {
            "malloc" | "malloc_usable_size" => (1, 1),
            "calloc" | "realloc" | "memalign" => (2, 1),
            "posix_memalign" => (3, 1),
            "free" => (1, 0),
            // They copy and fill what is the caller's.
            _ => return inner,
        };
        let mut body = Function::new([]);
        body.instruction(&Instruction::Call(self.lock));
        for param in 0..params {
            body.instruction(&Instruction::LocalGet(param));
        }
        body.instruction(&Instruction::Call(inner)).instruction(&Instruction::Call(self.unlock));
        body.instruction(&Instruction::End);
        let (params, results) = i32s(params as usize, results);
        let ty = edits.add_type(params, results);
        edits.add_func(ty, body, format!("memgrove.heap.{name}"))
    }
}

/// `notice`: this thread learns how long memory is, which another one may have made longer.
const LEARN: [Instruction<'_>; 5] = [
    Instruction::If(BlockType::Empty),
    Instruction::I32Const(0),
    Instruction::MemoryGrow(0),
    Instruction::Drop,
    Instruction::End,
];

fn find(edits: &mut Edits<'_, '_>, threads: Threads, state: &State, make: u32) -> u32 {
    use Instruction as I;
    let at = 0;
    let word = memory(u64::from(threads.word), 2);
    let mut body = Function::new([(1, ValType::I32)]);
    let code = [
        &[I::Loop(BlockType::Empty), I::I32Const(0), I::I32AtomicLoad(word), I::LocalTee(at)][..],
        &[I::I32Const(1), I::I32GtU, I::If(BlockType::Empty)],
        &[I::LocalGet(at), I::I32Const(state.extent.own_bytes.cast_signed()), I::I32Add],
        &PAGES_UP_TO,
        &[I::MemorySize(0), I::I32GtU],
        &LEARN,
        &[I::LocalGet(at), I::GlobalSet(state.base), I::LocalGet(at)],
        &[I::I32Const(state.extent.stack_top().cast_signed()), I::I32Add, I::GlobalSet(state.stack)],
        &[I::I32Const(1), I::Return, I::End],
        // One makes it; the others look again.
        &[I::I32Const(0), I::I32Const(0), I::I32Const(1), I::I32AtomicRmwCmpxchg(word), I::BrIf(0), I::End],
        &[I::Call(make), I::LocalSet(at), I::I32Const(0), I::GlobalGet(state.base), I::I32AtomicStore(word)],
        &[I::LocalGet(at), I::End],
    ];
    for instruction in code.iter().copied().flatten() {
        body.instruction(instruction);
    }
    let (params, results) = i32s(0, 1);
    let ty = edits.add_type(params, results);
    edits.add_func(ty, body, "memgrove.heap.find")
}

fn lock(edits: &mut Edits<'_, '_>, base: u32, find: u32, lock: MemArg, pages: MemArg) -> u32 {
    use Instruction as I;
    let mut body = Function::new([]);
    let code = [
        // Who gives back another thread's block may not have asked for one.
        &[I::GlobalGet(base), I::I32Eqz, I::If(BlockType::Empty), I::Call(find), I::I32Eqz][..],
        &[I::If(BlockType::Empty), I::Unreachable, I::End, I::End],
        &[I::Block(BlockType::Empty), I::Loop(BlockType::Empty)],
        &[
            I::GlobalGet(base),
            I::I32Const(0),
            I::I32Const(1),
            I::I32AtomicRmwCmpxchg(lock),
            I::I32Eqz,
            I::BrIf(1),
        ],
        // Waiting by loads only: the cache line stays shared until the holder lets go.
        &[I::Loop(BlockType::Empty), I::GlobalGet(base), I::I32AtomicLoad(lock), I::BrIf(0), I::End],
        &[I::Br(0), I::End, I::End],
        &[I::GlobalGet(base), I::I32Load(pages), I::MemorySize(0), I::I32GtU],
        &LEARN,
        &[I::End],
    ];
    for instruction in code.iter().copied().flatten() {
        body.instruction(instruction);
    }
    let ty = edits.add_type(Vec::new(), Vec::new());
    edits.add_func(ty, body, "memgrove.heap.lock")
}

/// Growth of which the other threads can learn. It is asked for under the lock, but for the heap's first memory.
pub(super) fn announcing(edits: &mut Edits<'_, '_>, grow: u32, base: u32, record: u32) -> u32 {
    use Instruction as I;
    let (bytes, at, pages) = (0, 1, 2);
    let known = memory(u64::from(record + PAGES), 2);
    let mut body = Function::new([(2, ValType::I32)]);
    let code = [
        &[I::LocalGet(bytes), I::Call(grow), I::LocalTee(at), I::I32Const(0), I::I32Ne][..],
        &[I::GlobalGet(base), I::I32Const(0), I::I32Ne, I::I32And, I::If(BlockType::Empty)],
        &[I::LocalGet(at), I::LocalGet(bytes), I::I32Add],
        &PAGES_UP_TO,
        &[I::LocalTee(pages), I::GlobalGet(base), I::I32Load(known), I::I32GtU, I::If(BlockType::Empty)],
        &[I::GlobalGet(base), I::LocalGet(pages), I::I32Store(known), I::End, I::End],
        &[I::LocalGet(at), I::End],
    ];
    for instruction in code.iter().copied().flatten() {
        body.instruction(instruction);
    }
    let (params, results) = i32s(1, 1);
    let ty = edits.add_type(params, results);
    edits.add_func(ty, body, "memgrove.heap.grow_announced")
}
