//! The heap that is put inside: grafted, given its first memory when it is first asked, and joined to whatever the module
//! grows by.
//!
//! ```text
//! ... | data of the heap | its stack | blocks ...
//!     ^ base                         ^ rest                 in the first memory that was had by growing
//! ```

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::{BlockType, ConstExpr, Function, GlobalType, Instruction, MemArg, MemArgTarget, ValType};
use wasmparser::TypeRef;

use super::bytes::Bytes;
use super::role::i32s;
use super::{Beyond, Growth, SwapError};
use crate::edit::Edits;
use crate::graft::{Data, Donor, GraftError, Item, Joint, Roots, graft};

/// A heap that can be put in the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum To {
    /// memgrove's `Wee`: the smallest code.
    Wee,
    /// memgrove's `Dlmalloc`: the lowest footprint.
    Dlmalloc,
    /// memgrove's `Jemalloc`: the fastest.
    Jemalloc,
    /// memgrove's `Hoard`.
    Hoard,
    /// memgrove's `Hardened` before `Dlmalloc`: traps on misuse.
    Hardened,
}

impl To {
    /// Every heap.
    pub const ALL: [Self; 5] = [Self::Wee, Self::Dlmalloc, Self::Jemalloc, Self::Hoard, Self::Hardened];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wee => "wee",
            Self::Dlmalloc => "dlmalloc",
            Self::Jemalloc => "jemalloc",
            Self::Hoard => "hoard",
            Self::Hardened => "hardened",
        }
    }

    /// Before the names of its functions in the name section: those of the crate's, by which it is recognised.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Wee => "memgrove::wee",
            Self::Dlmalloc => "memgrove::dlmalloc",
            Self::Jemalloc => "memgrove::jemalloc",
            Self::Hoard => "memgrove::hoard",
            Self::Hardened => "memgrove::dlmalloc::hardened",
        }
    }

    /// The heap of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|to| to.name() == name)
    }

    /// The module that its functions are in.
    const fn donor(self) -> &'static [u8] {
        match self {
            Self::Wee => include_bytes!("../../donors/placed/wee.wasm"),
            Self::Dlmalloc => include_bytes!("../../donors/placed/dlmalloc.wasm"),
            Self::Jemalloc => include_bytes!("../../donors/placed/jemalloc.wasm"),
            Self::Hoard => include_bytes!("../../donors/placed/hoard.wasm"),
            Self::Hardened => include_bytes!("../../donors/placed/hardened.wasm"),
        }
    }
}

/// Bytes of the heap's own stack. Its functions call each other a few levels deep, with frames of up to 32 bytes.
const STACK_BYTES: u32 = 1024;
/// The alignment of whatever is given to a heap.
const ALIGN: u32 = 16;
const PAGE_BYTES: i32 = 1 << 16;

/// A heap inside, by the edit indices of its functions and of what they share.
pub(super) struct Heap {
    /// The global that holds where the heap is; 0 before it is first asked.
    pub base: u32,
    /// Makes the heap; returns 0 if memory is refused.
    pub make: u32,
    funcs: BTreeMap<&'static str, u32>,
}

impl Heap {
    /// The function of C's name.
    pub fn func(&self, name: &'static str) -> u32 {
        self.funcs.get(name).copied().unwrap_or(u32::MAX)
    }

    /// Adds a heap with these functions, and what they reach. `mapped`: with the word before a block that code of
    /// dlmalloc's reads.
    pub fn add(
        edits: &mut Edits<'_, '_>,
        to: To,
        growth: Growth,
        bytes: Bytes,
        functions: &BTreeSet<&'static str>,
        mapped: bool,
    ) -> Result<Self, SwapError> {
        let mut wanted = functions.clone();
        if mapped {
            MAPPED
                .iter()
                .filter(|(name, _)| functions.contains(name))
                .for_each(|(_, needed)| wanted.extend(*needed));
        }
        let donor = Donor::read_valid(to.donor())?;
        let of_donor: Vec<(&'static str, u32)> = wanted
            .iter()
            .map(|&name| {
                donor.func(name).map(|func| (name, func)).ok_or(GraftError::NoExport(name.to_owned()))
            })
            .collect::<Result<_, _>>()?;
        let roots: Vec<u32> = of_donor.iter().map(|(_, func)| *func).collect();
        let bytes = bytes.add(edits, &donor, &roots)?;
        let [base, stack, rest_start, rest_end] = [(); 4].map(|()| {
            let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
            edits.add_global(ty, ConstExpr::i32_const(0))
        });
        let next = next(edits, growth);
        let grow = grow(edits, growth, next);
        let mut getter = |global: u32, name: &str| {
            let (params, results) = i32s(0, 1);
            let ty = edits.add_type(params, results);
            let mut body = Function::new([]);
            body.instruction(&Instruction::GlobalGet(global)).instruction(&Instruction::End);
            edits.add_func(ty, body, name)
        };
        let rest =
            (getter(rest_start, "memgrove.heap.rest_start"), getter(rest_end, "memgrove.heap.rest_end"));
        let bind = |import: &wasmparser::Import<'_>| match (import.module, import.name) {
            ("env", "memory") => Some(Item::Memory(0)),
            // Position-independent code imports one global that it moves: its stack's.
            ("env", _) if matches!(import.ty, TypeRef::Global(ty) if ty.mutable) => Some(Item::Global(stack)),
            ("env", "__memory_base") => Some(Item::Global(base)),
            ("memgrove", "next") => Some(Item::Func(next)),
            ("memgrove", "grow") => Some(Item::Func(grow)),
            ("memgrove", "rest_start") => Some(Item::Func(rest.0)),
            ("memgrove", "rest_end") => Some(Item::Func(rest.1)),
            ("memgrove", name) => bytes.get(name).map(|func| Item::Func(*func)),
            _ => None,
        };
        // A function may have several names: always the same one is taken.
        let mut names: BTreeMap<u32, &str> = BTreeMap::new();
        for (name, func) in donor.funcs() {
            let known = names.entry(func).or_insert(name);
            *known = name.min(known);
        }
        let name = |func: u32| match names.get(&func) {
            Some(name) => format!("{}::{name}", to.path()),
            None => format!("{}::{func}", to.path()),
        };
        let joint = Joint { bind: &bind, memory: None, name: &name, data: Data::Code };
        let grafted = graft(edits, &donor, Roots { funcs: &roots, bodies: &[] }, &joint)?;
        let func = |of_donor: u32| grafted.func(of_donor).ok_or(GraftError::Memory);
        let funcs =
            of_donor.iter().map(|(name, of)| Ok((*name, func(*of)?))).collect::<Result<_, GraftError>>()?;
        let state = State { base, stack, rest_start, rest_end, next, grow };
        let make = state.make(edits, &donor);
        let heap = Self { base, make, funcs };
        if mapped { heap.with_mapped_blocks(edits, functions) } else { Ok(heap) }
    }

    /// The same heap, each block with the word before it.
    fn with_mapped_blocks(
        mut self,
        edits: &mut Edits<'_, '_>,
        functions: &BTreeSet<&'static str>,
    ) -> Result<Self, SwapError> {
        let donor = Donor::read_valid(WITH_MAPPED_BLOCKS)?;
        let bind = |import: &wasmparser::Import<'_>| match (import.module, import.name) {
            ("env", "memory") => Some(Item::Memory(0)),
            ("heap", name) => self.funcs.get(name).map(|func| Item::Func(*func)),
            _ => None,
        };
        let mut names: BTreeMap<u32, &str> = donor.funcs().map(|(name, func)| (func, name)).collect();
        names.retain(|_, name| !name.is_empty());
        let name = |func: u32| match names.get(&func) {
            Some(name) => format!("memgrove.mapped.{name}"),
            None => format!("memgrove.mapped.{func}"),
        };
        let joint = Joint { bind: &bind, memory: None, name: &name, data: Data::Code };
        let of_donor: Vec<(&'static str, u32)> =
            functions.iter().filter_map(|&name| Some((name, donor.func(name)?))).collect();
        let roots: Vec<u32> = of_donor.iter().map(|(_, func)| *func).collect();
        let grafted = graft(edits, &donor, Roots { funcs: &roots, bodies: &[] }, &joint)?;
        for (name, func) in of_donor {
            self.funcs.insert(name, grafted.func(func).ok_or(GraftError::Memory)?);
        }
        Ok(self)
    }
}

/// Functions over a heap that put a word before each block.
static WITH_MAPPED_BLOCKS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/mapped.wasm"));
/// Which functions of the heap each of these calls.
const MAPPED: [(&str, &[&str]); 7] = [
    ("malloc", &["malloc"]),
    ("calloc", &["calloc"]),
    ("realloc", &["malloc", "realloc", "free", "memcpy"]),
    ("free", &["free"]),
    ("memalign", &["malloc", "memalign"]),
    ("posix_memalign", &["posix_memalign"]),
    ("malloc_usable_size", &[]),
];

/// What a heap shares with the module that it is put into.
struct State {
    base: u32,
    stack: u32,
    rest_start: u32,
    rest_end: u32,
    next: u32,
    grow: u32,
}

impl State {
    /// The function that makes the heap, in memory that it grows: it clears and fills the heap's data.
    fn make(&self, edits: &mut Edits<'_, '_>, donor: &Donor<'_>) -> u32 {
        use Instruction as I;
        let data: Vec<(u32, &[u8])> = donor.placed_data().collect();
        let end = data.iter().map(|(at, bytes)| at + crate::edit::count(bytes.len())).max().unwrap_or(0);
        let data_bytes = end.next_multiple_of(ALIGN);
        let own_bytes = (data_bytes + STACK_BYTES).cast_signed();
        let (length, at, cursor) = (0, 1, 2);
        let mut body = Function::new([(3, ValType::I32)]);
        let mut push = |instructions: &[Instruction<'_>]| {
            for instruction in instructions {
                body.instruction(instruction);
            }
        };
        // Up to the end of a page, where that can be had.
        push(&[
            I::Call(self.next),
            I::I32Const(own_bytes + PAGE_BYTES - 1),
            I::I32Add,
            I::I32Const(-PAGE_BYTES),
            I::I32And,
            I::Call(self.next),
            I::I32Sub,
            I::LocalTee(length),
            I::Call(self.grow),
            I::LocalTee(at),
            I::I32Eqz,
            I::If(BlockType::Empty),
            I::I32Const(own_bytes),
            I::LocalTee(length),
            I::Call(self.grow),
            I::LocalTee(at),
            I::I32Eqz,
        ]);
        push(&NULL_IF);
        push(&[I::End]);
        push(&[
            I::LocalGet(at),
            I::LocalTee(cursor),
            I::I32Const(data_bytes.cast_signed()),
            I::I32Add,
            I::GlobalSet(self.stack),
            I::Loop(BlockType::Empty),
            I::LocalGet(cursor),
            I::I64Const(0),
            I::I64Store(memory(0, 3)),
            I::LocalGet(cursor),
            I::I32Const(8),
            I::I32Add,
            I::LocalTee(cursor),
            I::GlobalGet(self.stack),
            I::I32LtU,
            I::BrIf(0),
            I::End,
        ]);
        for (start, bytes) in data {
            for (distance, word) in (0_u64..).step_by(8).zip(bytes.chunks(8)) {
                let mut whole = [0; 8];
                whole[..word.len()].copy_from_slice(word);
                let value = i64::from_le_bytes(whole);
                if value != 0 {
                    let offset = u64::from(start) + distance;
                    push(&[
                        I::LocalGet(at),
                        I::I64Const(value),
                        // A data segment need not begin at a multiple of eight.
                        I::I64Store(memory(offset, 0)),
                    ]);
                }
            }
        }
        push(&[
            I::LocalGet(at),
            I::GlobalSet(self.base),
            I::LocalGet(at),
            I::I32Const(own_bytes),
            I::I32Add,
            I::LocalTee(cursor),
            I::GlobalSet(self.stack),
            I::LocalGet(cursor),
            I::GlobalSet(self.rest_start),
            I::LocalGet(at),
            I::LocalGet(length),
            I::I32Add,
            I::LocalTee(cursor),
            // The last bytes of the address space are no heap's.
            I::I32Const(-(ALIGN.cast_signed())),
            I::LocalGet(cursor),
            I::Select,
            I::GlobalSet(self.rest_end),
            I::I32Const(1),
            I::End,
        ]);
        let (params, results) = i32s(0, 1);
        let ty = edits.add_type(params, results);
        edits.add_func(ty, body, "memgrove.heap.make")
    }
}

/// Returns null if the condition on the stack holds.
const NULL_IF: [Instruction<'_>; 4] =
    [Instruction::If(BlockType::Empty), Instruction::I32Const(0), Instruction::Return, Instruction::End];

/// An access of the first memory.
const fn memory(offset: u64, align: u32) -> MemArg {
    MemArg { offset, align, target: MemArgTarget::Memory(0), ordering: None }
}

/// Where the next growth would begin.
fn next(edits: &mut Edits<'_, '_>, growth: Growth) -> u32 {
    use Instruction as I;
    let mut body = Function::new([]);
    match growth {
        Growth::Sbrk(sbrk) => {
            for instruction in
                [I::I32Const(0), I::Call(sbrk), I::I32Const(15), I::I32Add, I::I32Const(-16), I::I32And]
            {
                body.instruction(&instruction);
            }
        }
        Growth::Break { cell, .. } => {
            let load = I::I32Load(memory(u64::from(cell), 2));
            for instruction in [I::I32Const(0), load, I::I32Const(15), I::I32Add, I::I32Const(-16), I::I32And]
            {
                body.instruction(&instruction);
            }
        }
        Growth::Instruction { .. } => {
            for instruction in [I::MemorySize(0), I::I32Const(16), I::I32Shl] {
                body.instruction(&instruction);
            }
        }
    }
    body.instruction(&I::End);
    let (params, results) = i32s(0, 1);
    let ty = edits.add_type(params, results);
    edits.add_func(ty, body, "memgrove.heap.next")
}

/// Grows by so many bytes: where they begin, or 0.
fn grow(edits: &mut Edits<'_, '_>, growth: Growth, next: u32) -> u32 {
    use Instruction as I;
    let (bytes, at, end) = (0, 1, 2);
    let mut body = Function::new([(2, ValType::I32)]);
    let mut code: Vec<Instruction<'_>> = Vec::new();
    match growth {
        // What lies before the next multiple of 16 is given up.
        Growth::Sbrk(sbrk) => {
            code.extend([I::I32Const(0), I::I32Const(0), I::Call(sbrk), I::I32Sub, I::I32Const(15)]);
            code.extend([I::I32And, I::LocalGet(bytes), I::I32Add]);
            code.extend([I::Call(sbrk), I::LocalTee(at), I::I32Const(-1), I::I32Eq]);
            code.extend(NULL_IF);
            code.extend([I::LocalGet(at), I::I32Const(15), I::I32Add, I::I32Const(-16), I::I32And]);
        }
        Growth::Instruction { notify } => {
            code.extend([I::LocalGet(bytes), I::I32Const(PAGE_BYTES - 1), I::I32Add, I::I32Const(16)]);
            code.extend([I::I32ShrU, I::MemoryGrow(0), I::LocalTee(at), I::I32Const(-1), I::I32Eq]);
            code.extend(NULL_IF);
            code.extend(notify.into_iter().flat_map(|told| [I::I32Const(0), I::Call(told)]));
            code.extend([I::LocalGet(at), I::I32Const(16), I::I32Shl]);
        }
        // The heap's end is moved when memory reaches as far.
        Growth::Break { cell, beyond } => {
            code.extend([I::Call(next), I::LocalTee(at), I::LocalGet(bytes), I::I32Add, I::LocalTee(end)]);
            // Beyond the address space it wraps.
            code.extend([I::LocalGet(at), I::I32LtU]);
            code.extend(NULL_IF);
            code.extend([I::LocalGet(end), I::MemorySize(0), I::I32Const(16), I::I32Shl, I::I32GtU]);
            code.push(I::If(BlockType::Empty));
            match beyond {
                Beyond::Instruction { .. } => code.extend([
                    I::LocalGet(end),
                    I::I32Const(PAGE_BYTES - 1),
                    I::I32Add,
                    I::I32Const(16),
                    I::I32ShrU,
                    I::MemorySize(0),
                    I::I32Sub,
                    I::MemoryGrow(0),
                    I::I32Const(-1),
                    I::I32Eq,
                ]),
                // The host says whether it did.
                Beyond::Resize(import) => code.extend([I::LocalGet(end), I::Call(import), I::I32Eqz]),
                Beyond::Never => code.push(I::I32Const(1)),
            }
            code.extend(NULL_IF);
            if let Beyond::Instruction { notify: Some(told) } = beyond {
                code.extend([I::I32Const(0), I::Call(told)]);
            }
            code.extend([I::End, I::I32Const(0), I::LocalGet(end), I::I32Store(memory(u64::from(cell), 2))]);
            code.push(I::LocalGet(at));
        }
    }
    for instruction in &code {
        body.instruction(instruction);
    }
    body.instruction(&I::End);
    let (params, results) = i32s(1, 1);
    let ty = edits.add_type(params, results);
    edits.add_func(ty, body, "memgrove.heap.grow")
}
