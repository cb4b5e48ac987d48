//! Instruments a module so that it records what its heap does.
//!
//! ```text
//! bytes, roles ─► reach      which functions can lead to an allocation        frames/reach.rs
//!              ─► wrappers   of the allocator's functions                     wrap.rs
//!              ─► frames     one slot for each function in progress, and wrappers of imports and exports   frames
//!              ─► recorder   grafted, with a memory of its own                 trace/recorder.wat
//! ```
//!
//! The output asks for the same imports and has the same exports, and one more: the memory [`EXPORT`], in which the
//! recording stands. It needs an engine with several memories. For others the recording is a block of the program's own
//! allocator: then [`EXPORT`] is the program's memory, and [`PLACE_EXPORT`] a function that says where in it.

mod forward;
mod take;
mod wrap;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;
use wasmparser::ValType;

pub use crate::frames::{EXPORT, PLACE_EXPORT, Sample, fingerprint};
pub use memgrove_module::allocator::{ROLES, Role};

use self::wrap::{Manner, Place};
use crate::edit::{Edited, Edits, Map, Sections, Untouched, applied};
use crate::frames::{self, Contents, Reach, Recorder, Room, Stacks};
use crate::graft::GraftError;

/// What the figures of a collected heap mean.
const COLLECTED: &str = "its heap is collected: a block counts as freed when the collector sweeps it, not when nothing leads to it";

/// The name under which a traced module says that it is one.
const TOOL: &str = "trace";

/// What is traced, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The allocator's functions, by index.
    pub functions: BTreeMap<u32, Role>,
    /// Those of them that are methods: a heap comes before the parameters of their role.
    pub methods: BTreeSet<u32>,
    /// Record who called, and not only what was asked.
    pub stacks: bool,
    /// Tell the calls of one function by another apart.
    pub call_sites: bool,
    /// Record not every block, but some.
    pub sample: Option<Sample>,
    /// The most memory that the recording may take, in bytes. The log ends there; counts go on.
    pub max_bytes: u64,
    /// Keep the recording in a block of the program's own allocator, of [`Self::max_bytes`], for engines that know one
    /// memory only.
    pub one_memory: bool,
    /// Number the events through a counter in the program's memory, as several instances have it. Where it is shared
    /// between threads, that is done in any case.
    pub instances: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            functions: BTreeMap::new(),
            methods: BTreeSet::new(),
            stacks: true,
            call_sites: true,
            sample: None,
            max_bytes: 1 << 30,
            one_memory: false,
            instances: false,
        }
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
    #[error("it exports `{0}` itself")]
    ExportTaken(&'static str),
    /// No function of its allocator can be asked for the block that is to hold the recording.
    #[error("none of its functions that allocate can be asked for a block for the recording: {why}")]
    NoBlock {
        /// Why not.
        why: &'static str,
    },
    /// Its memory has 64-bit addresses, and the recording was to be in it.
    #[error(
        "a module whose memory has 64-bit addresses cannot be recorded in its own memory: engines that know such \
         memories know several"
    )]
    Memory64,
    /// Several instances have its memory, and it cannot be traced in the way that was asked for.
    #[error("a module whose memory several instances have cannot be {}", .0.words())]
    Shared(NotShared),
    /// A defect of this crate.
    #[error("the recorder cannot be grafted: {0}")]
    Graft(GraftError),
}

/// Ways of tracing that a module whose memory several instances have cannot be traced in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotShared {
    /// The list of sampled blocks is an instance's own; one in shared memory would have to be kept under a lock.
    Sampled,
    /// With one memory.
    OneMemory,
    /// With 64-bit addresses.
    Wide,
}

impl NotShared {
    fn words(self) -> &'static str {
        match self {
            Self::Sampled => {
                "sampled: the instance that frees a block does not know whether another one recorded it"
            }
            Self::OneMemory => {
                "recorded in its own memory: numbered events are kept in a memory of each instance's own"
            }
            Self::Wide => {
                "traced if its addresses have 64 bits: the counter of its events has an address of 32"
            }
        }
    }
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

    let address = address_type(&sections);
    let is_numbered = is_numbered(&sections, options);
    let mut edits = Edits::new(&sections);
    let room = match options.one_memory {
        true => Room::Block { take: take::function(&mut edits, options)? },
        false => Room::Own,
    };
    let recorder = Recorder {
        stacks: options.stacks,
        record: match (options.sample, options.stacks, address == ValType::I64) {
            (None, true, false) => "record",
            (None, false, false) => "record_flat",
            (None, true, true) => "record_wide",
            (None, false, true) => "record_flat_wide",
            (Some(_), true, false) => "sample",
            (Some(_), false, false) => "sample_flat",
            (Some(_), true, true) => "sample_wide",
            (Some(_), false, true) => "sample_flat_wide",
        },
        contents: options.sample.map_or(Contents::Log, Contents::Sample),
        is_wide: address == ValType::I64,
        max_bytes: options.max_bytes,
        room,
        next_node: None,
        more: match (is_numbered, options.stacks) {
            (false, _) => &[],
            (true, true) => &["note", "log", "node_of"],
            // Nothing calls the third.
            (true, false) => &["note", "log", "note"],
        },
    };
    let (mut added, more) = frames::add_recorder(&mut edits, &recorder)?;
    if let [note, log, node_of] = more[..] {
        let take = take::function(&mut edits, options)?;
        added = frames::number(&mut edits, added, take, [note, log, node_of])?;
    }
    let targets: Vec<u32> = options.functions.keys().copied().collect();
    let reach = Reach::new(&sections, &targets)?;
    let behind = forward::behind(&sections, &options.functions)?;
    let mut codes = BTreeMap::new();
    let is_last = |func: &u32| !behind.contains_key(func);
    // Those that pass on come last, as what they pass to must have been wrapped.
    let (last, passing): (Vec<u32>, Vec<u32>) = targets.iter().copied().partition(is_last);
    let code_of = |func: u32| behind.get(&func).copied().unwrap_or(func);
    let any_nests = targets.iter().any(|&func| reach.nests(code_of(func)));
    let manner = Manner { address: encoded(address), any_nests, added };
    for func in last.into_iter().chain(passing) {
        let Some(&role) = options.functions.get(&func) else { continue };
        let code = behind.get(&func);
        let place = match func < sections.imported_funcs {
            true => Place::Host,
            false => Place::Inside { nests: reach.nests(code_of(func)) },
        };
        let has_heap = options.methods.contains(&func);
        let instead = code.and_then(|code| codes.get(code).copied());
        codes.insert(func, wrap::allocator(&mut edits, func, (role, has_heap), place, instead, manner)?);
    }
    edits.record(TOOL, env!("CARGO_PKG_VERSION"));
    let is_collected = options.functions.values().any(|role| *role == Role::New);
    let collected = is_collected.then(|| COLLECTED.to_owned());
    let said = || without_log(&recorder).into_iter().chain(collected.clone());
    let Some(stack) = added.stack else {
        let Edited { wasm, map, mut notes } = edits.apply(&mut Untouched)?;
        notes.extend(said());
        return Ok(Traced { wasm, map, notes, framed: 0 });
    };
    frames::host(&mut edits, &reach, added, stack, None)?;
    let mut stacks = Stacks::new(&sections, &reach, added, stack, options.call_sites);
    let edited = edits.apply(&mut stacks)?;
    let framed = stacks.framed;
    let Edited { wasm, map, mut notes } = edited;
    notes.extend(said());
    Ok(Traced { wasm, map, notes, framed })
}

/// Says so if what the recording may take is used up before its log begins.
fn without_log(recorder: &Recorder<'_>) -> Option<String> {
    let least_bytes = recorder.least_with_log_bytes();
    let has_log = recorder.contents != Contents::Log || recorder.max_bytes >= least_bytes;
    (!has_log).then(|| {
        format!(
            "there is no room for a log in {} bytes: allocations are counted, but what was live is not known; {least_bytes} bytes \
             are the least",
            recorder.max_bytes
        )
    })
}

/// The version of memgrove that has traced this module, if one has.
#[must_use]
pub fn traced_by(wasm: &[u8]) -> Option<String> {
    applied(wasm).into_iter().find(|applied| applied.tool == TOOL).map(|applied| applied.version)
}

/// The type of an address in the program's memory.
fn address_type(sections: &Sections<'_>) -> ValType {
    match sections.memories.first() {
        Some(memory) if memory.memory64 => ValType::I64,
        _ => ValType::I32,
    }
}

/// The events are numbered.
fn is_numbered(sections: &Sections<'_>, options: &Options) -> bool {
    options.instances || sections.memories.first().is_some_and(|memory| memory.shared)
}

fn encoded(address: ValType) -> wasm_encoder::ValType {
    match address {
        ValType::I64 => wasm_encoder::ValType::I64,
        _ => wasm_encoder::ValType::I32,
    }
}

/// Whether the module is one that can be traced so.
fn check(sections: &Sections<'_>, options: &Options) -> Result<(), TraceError> {
    if options.functions.is_empty() {
        return Err(TraceError::NoFunctions);
    }
    let address = address_type(sections);
    if address == ValType::I64 && options.one_memory {
        return Err(TraceError::Memory64);
    }
    if is_numbered(sections, options) {
        let refused = match (options.sample, options.one_memory, address) {
            (Some(_), ..) => Some(NotShared::Sampled),
            (_, true, _) => Some(NotShared::OneMemory),
            (.., ValType::I64) => Some(NotShared::Wide),
            _ => None,
        };
        if let Some(refused) = refused {
            return Err(TraceError::Shared(refused));
        }
    }
    for name in [EXPORT, PLACE_EXPORT] {
        if sections.exports().any(|export| export.name == name) {
            return Err(TraceError::ExportTaken(name));
        }
    }
    for (&func, &role) in &options.functions {
        let ty = sections.func_type(func).ok_or(TraceError::NoFunction { func })?;
        if !role.fits(options.methods.contains(&func), &address, &ValType::I32, (ty.params(), ty.results())) {
            return Err(TraceError::Role { func, role, ty: ty.to_string() });
        }
    }
    Ok(())
}
