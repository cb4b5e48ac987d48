//! The heap that is put inside: grafted, given its first memory when it is first asked, and joined to whatever the module
//! grows by.
//!
//! ```text
//! ... | data of the heap | its stack | blocks ...
//!     ^ base                         ^ rest                 in the first memory that was had by growing
//! ```

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::{ConstExpr, Function, GlobalType, Instruction, ValType};
use wasmparser::TypeRef;

use super::bytes::Bytes;
use super::made::{self, Extent, State, memory};
use super::role::i32s;
use super::shared::{self, Threads};
use super::{Growth, SwapError};
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

/// What is put inside, and how.
pub(super) struct Wanted<'w> {
    pub to: To,
    pub growth: Growth,
    pub bytes: Bytes,
    /// The functions of C that are asked for.
    pub functions: &'w BTreeSet<&'static str>,
    /// With the word before a block that code of dlmalloc's reads.
    pub mapped: bool,
    /// For a memory that threads share.
    pub threads: Option<Threads>,
}

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

    /// Adds a heap with the functions that are asked for, and what they reach.
    pub fn add(edits: &mut Edits<'_, '_>, options: &Wanted<'_>) -> Result<Self, SwapError> {
        let Wanted { to, growth, bytes, functions, mapped, threads } = *options;
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
        let extent = Extent::of(&donor, threads.is_some());
        let next = made::next(edits, growth);
        let mut grow = made::grow(edits, growth, next);
        if let Some(record) = extent.record {
            grow = shared::announcing(edits, grow, base, record);
        }
        let mut getter = |code: &[Instruction<'_>], name: &str| {
            let (params, results) = i32s(0, 1);
            let ty = edits.add_type(params, results);
            let mut body = Function::new([]);
            for instruction in code {
                body.instruction(instruction);
            }
            body.instruction(&Instruction::End);
            edits.add_func(ty, body, name)
        };
        let (start, end) = ("memgrove.heap.rest_start", "memgrove.heap.rest_end");
        let rest = match extent.record {
            None => (
                getter(&[Instruction::GlobalGet(rest_start)], start),
                getter(&[Instruction::GlobalGet(rest_end)], end),
            ),
            // A thread other than the one that made the heap may be the first that asks.
            Some(record) => {
                let of_base = Instruction::GlobalGet(base);
                let own = Instruction::I32Const(extent.own_bytes.cast_signed());
                let load = Instruction::I32Load(memory(u64::from(record + shared::REST_END), 2));
                (getter(&[of_base.clone(), own, Instruction::I32Add], start), getter(&[of_base, load], end))
            }
        };
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
        let mut funcs: BTreeMap<&'static str, u32> =
            of_donor.iter().map(|(name, of)| Ok((*name, func(*of)?))).collect::<Result<_, GraftError>>()?;
        let state = State { base, stack, rest_start, rest_end, next, grow, extent };
        let mut make = state.make(edits, &donor);
        if let Some((threads, record)) = threads.zip(extent.record) {
            let lock = shared::Lock::add(edits, threads, &state, record, make);
            make = lock.find;
            for (name, func) in &mut funcs {
                *func = lock.around(edits, name, *func);
            }
        }
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
