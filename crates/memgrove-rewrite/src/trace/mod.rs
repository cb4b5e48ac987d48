//! Instruments a module so that it records what its heap does.
//!
//! ```text
//! bytes, roles ─► reach      which functions can lead to an allocation        reach.rs
//!              ─► wrappers   of the allocator's functions and of exports       wrap.rs, role.rs
//!              ─► frames     one slot for each function in progress            stack.rs
//!              ─► recorder   grafted, with a memory of its own                 trace/recorder.wat
//! ```
//!
//! The output asks for the same imports and has the same exports, and one more: the memory [`EXPORT`], in which the
//! recording stands. It needs an engine with several memories.

mod forward;
mod reach;
mod role;
mod stack;
mod wrap;

use std::collections::{BTreeMap, BTreeSet};

use memgrove_profile::layout;
use sha2::{Digest, Sha256};
use thiserror::Error;
use wasm_encoder::{ConstExpr, GlobalType, MemoryType, ValType};
use wasmparser::ExternalKind;

pub use self::role::{ROLES, Role};

use self::reach::Reach;
use self::stack::{Added, StackFunctions, Stacks};
use self::wrap::Place;
use crate::edit::{Address, Edits, Map, Sections, Segment, Untouched, applied};
use crate::graft::{Constant, Data, Donor, GraftError, Item, Joint, Roots, graft};

/// The memory that holds the recording.
pub const EXPORT: &str = "memgrove_profile";
/// The name under which a traced module says that it is one.
const TOOL: &str = "trace";

static RECORDER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/recorder.wasm"));

/// What is traced, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The allocator's functions, by index.
    pub functions: BTreeMap<u32, Role>,
    /// Record who called, and not only what was asked.
    pub stacks: bool,
    /// Tell the calls of one function by another apart.
    pub call_sites: bool,
    /// Record not every block, but some.
    pub sample: Option<Sample>,
    /// The most memory that the recording may take, in bytes. The log ends there; counts go on.
    pub max_bytes: u64,
}

/// Which blocks are recorded: each with the probability that one of its bytes is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Mean distance of hits in bytes asked for; at least 1.
    pub mean_bytes: u32,
    /// The same seed gives the same hits.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { functions: BTreeMap::new(), stacks: true, call_sites: true, sample: None, max_bytes: 1 << 30 }
    }
}

/// A module that records what its heap does.
#[derive(Debug, Clone)]
pub struct Traced {
    /// The instrumented module: validated.
    pub wasm: Vec<u8>,
    /// Where functions and instructions went.
    pub map: Map,
    /// What was left out or could not be kept right, for people.
    pub notes: Vec<String>,
    /// Functions that got a frame, of those that the module defines.
    pub framed: u32,
}

/// Why a module cannot be traced.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TraceError {
    /// It cannot be read or written.
    #[error(transparent)]
    Module(#[from] crate::Error),
    /// No function of an allocator was named.
    #[error("no function of an allocator is known")]
    NoFunctions,
    /// A role was given to what is no function of the module.
    #[error("there is no function {func}")]
    NoFunction {
        /// Its index.
        func: u32,
    },
    /// A function cannot have the role that was given to it.
    #[error("function {func} cannot be {role}: its type is {ty}")]
    Role {
        /// Its index.
        func: u32,
        /// The role.
        role: Role,
        /// Its type.
        ty: String,
    },
    /// It was traced already.
    #[error("it has been traced already, by memgrove {version}")]
    Already {
        /// The version that did it.
        version: String,
    },
    /// It has an export of the recording's name.
    #[error("it exports `{EXPORT}` itself")]
    ExportTaken,
    /// Its memory has 64-bit addresses.
    #[error("its memory has 64-bit addresses")]
    Memory64,
    /// Its memory is shared.
    #[error("its memory is shared between threads, each of which would record for itself")]
    Shared,
    /// A defect of this crate.
    #[error("the recorder cannot be grafted: {0}")]
    Graft(GraftError),
}

impl From<GraftError> for TraceError {
    fn from(error: GraftError) -> Self {
        match error {
            GraftError::Module(error) => Self::Module(error),
            other => Self::Graft(other),
        }
    }
}

/// Instruments a module. Linear in its size, but for a sort of its calls.
///
/// # Errors
/// If the module is not valid, a role does not fit its function, or it is of a kind that cannot be traced.
pub fn trace(wasm: &[u8], options: &Options) -> Result<Traced, TraceError> {
    let sections = Sections::read(wasm)?;
    if let Some(version) = traced_by(wasm) {
        return Err(TraceError::Already { version });
    }
    check(&sections, options)?;

    let mut edits = Edits::new(&sections);
    let added = add_recorder(&mut edits, options)?;
    let targets: Vec<u32> = options.functions.keys().copied().collect();
    let reach = Reach::new(&sections, &targets)?;
    let behind = forward::behind(&sections, &options.functions)?;
    let mut codes = BTreeMap::new();
    let is_last = |func: &u32| !behind.contains_key(func);
    // Those that pass on come last, as what they pass to must have been wrapped.
    let (last, passing): (Vec<u32>, Vec<u32>) = targets.iter().copied().partition(is_last);
    for func in last.into_iter().chain(passing) {
        let Some(&role) = options.functions.get(&func) else { continue };
        let code = behind.get(&func);
        let place = match func < sections.imported_funcs {
            true => Place::Host,
            false => Place::Inside { nests: reach.nests(code.copied().unwrap_or(func)) },
        };
        let instead = code.and_then(|code| codes.get(code).copied());
        codes.insert(func, wrap::allocator(&mut edits, func, role, place, instead, added)?);
    }
    edits.record(TOOL, env!("CARGO_PKG_VERSION"));
    let Some(stack) = added.stack else {
        let edited = edits.apply(&mut Untouched)?;
        return Ok(Traced { wasm: edited.wasm, map: edited.map, notes: edited.notes, framed: 0 });
    };
    for func in reach.open_imports() {
        wrap::import(&mut edits, func, reach.is_invoke(func), added, stack)?;
    }
    let exported: BTreeSet<u32> = sections
        .exports()
        .filter(|export| crate::module::is_func(export.kind) && reach.reaches(export.index))
        .map(|export| export.index)
        .collect();
    for func in exported {
        let Some(ty) = sections.func_type(func) else { continue };
        let type_index = sections.funcs.get(func as usize).copied().unwrap_or_default();
        let entry =
            edits.add_func(type_index, wrap::entry(func, ty, stack), format!("memgrove.entry.{func}"));
        edits.export_instead(func, entry);
    }
    let mut stacks = Stacks::new(&sections, &reach, added, stack, options.call_sites);
    let edited = edits.apply(&mut stacks)?;
    let framed = stacks.framed;
    Ok(Traced { wasm: edited.wasm, map: edited.map, notes: edited.notes, framed })
}

/// The version of memgrove that has traced this module, if one has.
#[must_use]
pub fn traced_by(wasm: &[u8]) -> Option<String> {
    applied(wasm).into_iter().find(|applied| applied.tool == TOOL).map(|applied| applied.version)
}

/// What a recording says of the module that was traced: its SHA-256.
#[must_use]
pub fn fingerprint(wasm: &[u8]) -> [u8; 32] {
    Sha256::digest(wasm).into()
}

/// Whether the module is one that can be traced so.
fn check(sections: &Sections<'_>, options: &Options) -> Result<(), TraceError> {
    if options.functions.is_empty() {
        return Err(TraceError::NoFunctions);
    }
    if sections.memories.first().is_some_and(|memory| memory.memory64) {
        return Err(TraceError::Memory64);
    }
    if sections.memories.iter().any(|memory| memory.shared) {
        return Err(TraceError::Shared);
    }
    if sections.exports().any(|export| export.name == EXPORT) {
        return Err(TraceError::ExportTaken);
    }
    for (&func, &role) in &options.functions {
        let ty = sections.func_type(func).ok_or(TraceError::NoFunction { func })?;
        if !role.fits(ty) {
            return Err(TraceError::Role { func, role, ty: ty.to_string() });
        }
    }
    Ok(())
}

/// Adds the recorder: its memory with the header, its globals, its functions.
fn add_recorder(edits: &mut Edits<'_, '_>, options: &Options) -> Result<Added, TraceError> {
    let donor = Donor::read(RECORDER)?;
    let log = layout::log_start(options.sample.is_some());
    let pages = u64::from(log >> 16);
    let max_pages = (options.max_bytes >> 16).clamp(pages + 1, 1 << 16);
    let memory = edits.add_memory(MemoryType {
        minimum: pages,
        maximum: Some(max_pages),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    edits.add_export(EXPORT, ExternalKind::Memory, memory)?;
    let original = fingerprint(edits.sections.bytes);
    edits.add_data(Segment {
        active: Some((memory, Address::I32(0))),
        bytes: header(&original, options.sample),
    });

    let mut global = |value: u32| {
        let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        edits.add_global(ty, ConstExpr::i32_const(value.cast_signed()))
    };
    let (sp, state, site) = match options.stacks {
        true => (global(layout::STACK), global(layout::STACK), global(0)),
        // One does for all: without stacks only bit 0 of the state is used.
        false => {
            let state = global(0);
            (state, state, state)
        }
    };
    let max_pages = u32::try_from(max_pages).unwrap_or(u32::MAX);
    let joint = Joint {
        bind: &|import| match import.name {
            "sp" => Some(Item::Global(sp)),
            "state" => Some(Item::Global(state)),
            "site" => Some(Item::Global(site)),
            "max_pages" => Some(Item::Constant(Constant::I32(max_pages))),
            _ => None,
        },
        memory: Some(memory),
        name: &|func| format!("memgrove.recorder.{func}"),
        data: Data::Segments,
    };
    let find = |name: &str| donor.func(name).ok_or_else(|| GraftError::NoExport(name.to_owned()));
    let record = find(match (options.sample, options.stacks) {
        (None, true) => "record",
        (None, false) => "record_flat",
        (Some(_), true) => "sample",
        (Some(_), false) => "sample_flat",
    })?;
    let names = ["enter", "entry", "ask", "out", "back", "back_at", "restore", "tail", "set"];
    let of_stack: Vec<u32> = match options.stacks {
        true => names.iter().map(|name| find(name)).collect::<Result<_, _>>()?,
        false => Vec::new(),
    };
    let roots: Vec<u32> = of_stack.iter().copied().chain([record]).collect();
    let grafted = graft(edits, &donor, Roots { funcs: &roots, bodies: &[] }, &joint)?;
    let placed = |func: u32| grafted.func(func).ok_or_else(|| GraftError::NoExport(func.to_string()));
    let of_stack: Vec<u32> = of_stack.into_iter().map(placed).collect::<Result<_, _>>()?;
    let stack = match of_stack[..] {
        [enter, entry, ask, out, back, back_at, restore, tail, set] => {
            Some(StackFunctions { enter, entry, ask, out, back, back_at, restore, tail, set })
        }
        _ => None,
    };
    Ok(Added { sp, state, site, record: placed(record)?, stack })
}

/// The first bytes of the recording.
fn header(original: &[u8; 32], sample: Option<Sample>) -> Vec<u8> {
    let log = layout::log_start(sample.is_some());
    let mut bytes = vec![0; layout::ORIGINAL as usize];
    let mut put = |at: u32, value: [u8; 4]| bytes[at as usize..][..4].copy_from_slice(&value);
    put(0, layout::MAGIC);
    put(4, layout::VERSION.to_le_bytes());
    put(layout::LOG_START, log.to_le_bytes());
    put(layout::LOG_CURSOR, log.to_le_bytes());
    put(layout::LOG_END, log.to_le_bytes());
    put(layout::FRAMES, 1_u32.to_le_bytes());
    // The root: the host, or a frame that was not noted.
    put(layout::NODE_COUNT, 1_u32.to_le_bytes());
    if let Some(sample) = sample {
        put(layout::SAMPLE_BYTES, sample.mean_bytes.max(1).to_le_bytes());
    }
    bytes.extend(original);
    if let Some(sample) = sample {
        bytes.resize(layout::SEED as usize, 0);
        bytes.extend(scrambled(sample.seed).to_le_bytes());
    }
    bytes
}

/// Seeds of which only few bits are set would give alike hits at first; 0 would give none. (SplitMix64.)
fn scrambled(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)).max(1)
}
