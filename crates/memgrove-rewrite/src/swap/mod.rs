//! Puts another allocator into a module, in the place of the one that is there.
//!
//! ```text
//! facts, members ─► old       what has to be replaced, and what only that used        old.rs, uses.rs
//!                ─► growth    the module's own way to more memory                     growth.rs
//!                ─► heap      grafted, made when it is first asked                    heap.rs, made.rs
//!                              behind a lock, where threads share the memory           shared.rs
//!                ─► adaptors  the old functions' promises, kept with the new heap     adaptor.rs
//! ```
//!
//! Imports stay the same set, exports too, and so do the functions' indices: what is no longer called becomes
//! `unreachable`. A module of which it cannot be shown that nothing else knows the old allocator is refused: see
//! [`Refusal`].

mod adaptor;
mod bytes;
mod growth;
mod heap;
mod inlined;
mod knows;
mod made;
mod observe;
pub(crate) mod old;
mod own;
mod reach;
pub(crate) mod reader;
mod refusal;
pub(crate) mod role;
mod shared;
pub(crate) mod uses;

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::{Code, Facts};
use thiserror::Error;
use wasm_encoder::{Function, Instruction};

pub use self::growth::{Beyond, Growth};
pub use self::heap::To;
pub use self::observe::{LOG_BYTES, NO_FILL, Observed, RECORD_BYTES, RETURNED, observe};
pub use self::refusal::{Refusal, Why};
pub(crate) use self::role::has_wide_addresses;
pub use self::role::{Member, ROLES, Role, is_replaceable};

use self::bytes::Bytes;
use self::heap::Heap;
use self::old::{Inlined, Old};
use self::own::Errno;
use self::reader::Reader;
pub(crate) use self::shared::Start;
use self::shared::Threads;
use crate::edit::{Edits, Frame, Instrument, Map, Sections, Site, Splice, Subject, applied};
use crate::graft::GraftError;

/// Said where blocks have the word before them that inlined code reads.
const MAPPED_NOTE: &str = "code of the old allocator is inlined in the program, and reads a word before each block: blocks \
                           take 16 bytes more for it";

/// The name under which a module says that its allocator was replaced.
pub const TOOL: &str = "swap";

/// What the old allocator does where the standards leave it free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manners {
    /// `realloc(block, 0)` frees the block and returns null; else it is a block of the least size.
    pub realloc_zero_frees: bool,
    /// An alignment that is no power of two is rounded up to one; else it is refused.
    pub rounds_alignment: bool,
    /// Rust's functions return the alignment for an empty block, and free nothing then.
    pub empty_is_alignment: bool,
    /// The word before a block is its length, with two flags of which neither is set for a block that was mapped by itself:
    /// dlmalloc's. Code that reads it may have been inlined.
    pub marks_mapped_blocks: bool,
    /// So many words right before each block are the allocator's own; 0: none, or it is not known for certain.
    pub words_before: u32,
    /// `malloc(0)` returns null; else it is a block of the least size. Found in the code.
    pub(crate) zero_is_null: bool,
    /// Where errno is, and the number for exhausted memory: found in the code.
    pub(crate) errno: Option<(Errno, i32)>,
}

impl Manners {
    /// The error number for exhausted memory.
    pub(crate) fn no_memory(&self) -> i32 {
        self.errno.map_or(48, |(_, number)| number)
    }
}

/// What is put in whose place.
#[derive(Debug, Clone)]
pub struct Options {
    /// The new heap.
    pub to: To,
    /// The functions of the old allocator that are known.
    pub members: Vec<Member>,
    /// The function that moves the end of the heap, where there is one.
    pub sbrk: Option<u32>,
    /// What the old allocator does where the standards leave it free.
    pub manners: Manners,
}

/// A module with another allocator.
#[derive(Debug, Clone)]
pub struct Swapped {
    /// The new module: validated.
    pub wasm: Vec<u8>,
    /// Where functions and instructions went.
    pub map: Map,
    /// What was left out or could not be kept right, for people.
    pub notes: Vec<String>,
    /// The functions that were replaced, by index.
    pub replaced: Vec<Member>,
    /// The functions that only these called, by index: they do nothing now.
    pub dead: Vec<u32>,
    /// Bytes of code that went with them.
    pub dead_bytes: u64,
    /// How the new heap comes by memory.
    pub growth: Growth,
    /// Where the old heap was, if its functions were told.
    pub heap: Option<u32>,
    /// Addresses of variables that need not hold what they did: of the old allocator, and of the end of the heap.
    pub state: Vec<u32>,
    /// Where the old allocator set errno, if that is one place for all threads.
    pub errno: Option<u32>,
}

/// Why a module did not get another allocator.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SwapError {
    /// It cannot be read or written.
    #[error(transparent)]
    Module(#[from] crate::Error),
    /// It would not be the same program.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A defect of this crate.
    #[error("the heap cannot be grafted: {0}")]
    Graft(GraftError),
}

impl From<GraftError> for SwapError {
    fn from(error: GraftError) -> Self {
        match error {
            GraftError::Module(error) => Self::Module(error),
            other => Self::Graft(other),
        }
    }
}

/// Replaces the allocator of a module. Linear in its size.
///
/// # Errors
/// If it cannot be shown that nothing but the members knows the old allocator, or the module is of a kind for which there
/// is no heap.
pub fn swap(facts: &Facts<'_>, options: &Options) -> Result<Swapped, SwapError> {
    if facts.component.is_some() {
        return Err(crate::Error::Component.into());
    }
    let wasm = facts.bytes();
    if let Some(earlier) = applied(wasm).into_iter().find(|applied| applied.tool == TOOL) {
        return Err(Refusal::Already { version: earlier.version }.into());
    }
    // After the mark: the functions of a heap that was put in may be unknown, which is no reason that helps.
    refusal::of_module(facts, options)?;
    let code = Code::new(facts);
    let mut reader = Reader::new(&code);
    let (old, inlined) = find_old(&mut reader, options).map_err(|why| why.with_names(facts))?;
    let growth = Growth::find(&reader, &old, options.sbrk)?;
    // Only a function by which the heap grows lives on for it.
    let old = match growth {
        Growth::Sbrk(_) => old,
        Growth::Instruction { .. } | Growth::Break { .. } if options.sbrk.is_some() => {
            Old::find(&mut reader, &options.members, None, inlined).unwrap_or(old)
        }
        Growth::Instruction { .. } | Growth::Break { .. } => old,
    };

    let breaks: Vec<u32> = match growth {
        Growth::Break { cell, .. } => vec![cell],
        Growth::Sbrk(sbrk) => {
            reader.uses(sbrk).into_iter().flat_map(|uses| uses.stores.iter().map(|(at, _)| *at)).collect()
        }
        Growth::Instruction { .. } => Vec::new(),
    };

    let sections = Sections::read_valid(wasm)?;
    let mut edits = Edits::new(&sections);
    let mut wanted = BTreeSet::new();
    old.replaced.values().for_each(|member| adaptor::needed(member.role, &mut wanted));
    let is_shared = facts.memories.first().is_some_and(|memory| memory.ty.shared);
    let threads = match old.free_word.filter(|_| is_shared) {
        None if is_shared => return Err(Refusal::NoWord.into()),
        word => word.map(|word| Threads { word }),
    };
    let heap = Heap::add(
        &mut edits,
        &heap::Wanted {
            to: options.to,
            growth,
            bytes: Bytes::of(facts),
            functions: &wanted,
            mapped: old.mapped,
            threads,
        },
    )?;
    let manners = Manners {
        errno: old.errno,
        zero_is_null: old.zero_is_null,
        realloc_zero_frees: options.manners.realloc_zero_frees || old.realloc_zero_frees,
        ..options.manners
    };
    for member in old.replaced.values() {
        edits.replace(member.func, adaptor::body(member, &heap, &manners))?;
        if facts.func_name(member.func).is_some_and(names_code) {
            edits.rename(member.func, format!("{}::{}", options.to.path(), member.role.name()));
        }
    }
    for &func in &old.dead {
        let mut nothing = Function::new([]);
        nothing.instruction(&Instruction::Unreachable).instruction(&Instruction::End);
        edits.replace(func, nothing)?;
        edits.rename(func, "memgrove.dropped");
    }
    for &func in &old.primers {
        let results = facts.func_type(func).map_or(0, |ty| ty.results().len());
        let mut nothing = Function::new([]);
        for _ in 0..results {
            nothing.instruction(&Instruction::I32Const(0));
        }
        nothing.instruction(&Instruction::End);
        edits.replace(func, nothing)?;
    }
    edits.record(TOOL, env!("CARGO_PKG_VERSION"));
    let mut edited = edits.apply(&mut NotMapped { tests: &old.tests, at: 0 })?;
    if old.mapped {
        edited.notes.push(MAPPED_NOTE.to_owned());
    }
    let gone = old.dead.iter().chain(old.replaced.keys());
    Ok(Swapped {
        dead_bytes: gone.map(|func| u64::from(code.body_len(*func))).sum(),
        wasm: edited.wasm,
        map: edited.map,
        notes: edited.notes,
        replaced: old.replaced.into_values().collect(),
        dead: old.dead.into_iter().collect(),
        growth,
        heap: old.heap,
        state: old.state.into_iter().chain(breaks).collect(),
        errno: old.errno.and_then(|(errno, _)| errno.address()),
    })
}

/// Whether a name tells whose code a function is, which it is not any more: a path in C++ or Rust. A plain name, and Rust's
/// for what its compiler calls, tell what it is for.
fn names_code(name: &str) -> bool {
    (name.contains("::") || name.starts_with("_ZN") || name.starts_with("_R")) && !name.contains("__rust")
}

/// What has to be replaced. If code of the allocator's that stays stands against it, and that is dlmalloc's, this code sees
/// blocks that say that they were mapped.
fn find_old(reader: &mut Reader<'_, '_>, options: &Options) -> Result<(Old, Inlined), Refusal> {
    let mut find =
        |inlined| Old::find(reader, &options.members, options.sbrk, inlined).and_then(Old::if_not_run);
    match find(Inlined::Refused) {
        Err(why @ Refusal::KnownFromInside { .. }) if options.manners.marks_mapped_blocks => {
            Ok((find(Inlined::Mapped).map_err(|_| why)?, Inlined::Mapped))
        }
        found => Ok((found?, Inlined::Refused)),
    }
}

/// Tells whoever asks that a new block was not mapped, so that it is cleared: with the flags of the old header.
struct NotMapped<'o> {
    tests: &'o BTreeMap<u32, BTreeSet<usize>>,
    /// Position of the next instruction of the function.
    at: usize,
}

/// Both flags of dlmalloc's header: this block and the one before it are in use.
const IN_USE: i32 = 3;

impl Instrument for NotMapped<'_> {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, crate::Error> {
        self.at = 0;
        Ok(self.tests.contains_key(&function.index).then(Frame::default))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), crate::Error> {
        let places = self.tests.get(&site.function.index);
        if places.is_some_and(|places| places.contains(&self.at)) {
            splice.remove().before(&Instruction::Drop).before(&Instruction::I32Const(IN_USE));
        }
        self.at += 1;
        Ok(())
    }
}
