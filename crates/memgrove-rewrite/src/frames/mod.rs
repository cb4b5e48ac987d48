//! What a module is given so that it knows who called: shared by tracing and checking.
//!
//! ```text
//! functions of interest ─► reach     which functions can lead to them                 reach.rs
//!                       ─► frames    one slot for each function in progress            stack.rs
//!                       ─► host      wrappers where the host enters and is called      host.rs
//!                       ─► recorder  grafted, with a memory of its own                 trace/recorder.wat
//!                                    or with a block of the program's                  in_block.rs
//!                       ─► counter   where several instances have one memory           trace/counter.wat
//! ```

mod counter;
mod host;
mod in_block;
mod reach;
mod stack;

use memgrove_profile::layout::{self, Parts};
use sha2::{Digest, Sha256};
use wasm_encoder::{ConstExpr, GlobalType, MemoryType, ValType};
use wasmparser::ExternalKind;

pub(crate) use self::counter::number;
pub(crate) use self::host::{Behind, host};
pub(crate) use self::reach::{Others, Reach};
pub(crate) use self::stack::{IF, Stacks};

use crate::check::Layout;
use crate::edit::{Address, Edits, Segment};
use crate::graft::{Constant, Data, Donor, GraftError, Item, Joint, Roots, graft};

/// The memory that holds the recording.
pub const EXPORT: &str = "memgrove_profile";
/// Where that is the program's own: the function that returns where in it the recording begins, 0 if there is none.
pub const PLACE_EXPORT: &str = "memgrove_profile_place";

static OF_THREADS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/recorder_threads.wasm"));
static RECORDER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/recorder.wasm"));

/// Which blocks are recorded: each with the probability that one of its bytes is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Mean distance of hits in bytes asked for; at least 1.
    pub mean_bytes: u32,
    /// The same seed gives the same hits.
    pub seed: u64,
}

/// What a recording holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// The log of all blocks.
    Log,
    /// The log of some blocks.
    Sample(Sample),
    /// Reports of misuse, with blocks that lie so.
    Reports(Layout),
}

/// The recorder that a module gets.
pub(crate) struct Recorder<'r> {
    /// With the stacks of calls.
    pub stacks: bool,
    /// The function that becomes [`Added::record`].
    pub record: &'static str,
    pub contents: Contents,
    /// The program's addresses have 64 bits.
    pub is_wide: bool,
    /// The most memory that the recording may take, in bytes.
    pub max_bytes: u64,
    pub room: Room,
    /// Where threads have one numbering of nodes: the function `() -> i32` that gives the next.
    pub next_node: Option<u32>,
    /// Other functions of the recorder that are wanted.
    pub more: &'r [&'static str],
}

/// Where the recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// In a memory of its own.
    Own,
    /// In a block of the program's memory, which is taken by this function of type `(i32) -> i32`, in edit indices.
    Block { take: u32 },
}

/// The globals and functions that are added to a module, by their edit indices.
#[derive(Clone, Copy)]
pub(crate) struct Added {
    pub sp: u32,
    /// Where the stack begins for what the host calls next; bit 0: a function of the allocator is in progress.
    pub state: u32,
    /// The number of the call that is about to be made.
    pub site: u32,
    /// The memory of the recording.
    pub memory: u32,
    /// Functions of `trace/recorder.wat`; all but `record` are absent without stacks.
    pub record: u32,
    pub stack: Option<StackFunctions>,
    /// To be called before the allocator is, where nothing else makes the recording ready: returns an i32.
    pub begin: Option<u32>,
}

/// Functions of `trace/recorder.wat` that keep the stack.
#[derive(Clone, Copy)]
pub(crate) struct StackFunctions {
    pub enter: u32,
    pub entry: u32,
    pub ask: u32,
    pub out: u32,
    pub back: u32,
    pub back_at: u32,
    pub restore: u32,
    pub tail: u32,
    pub set: u32,
}

/// By how much the recorder's memory grows when its log is full, in bytes; `recorder.wat` has it in pages.
const LOG_GROWTH_BYTES: u64 = 16 << 16;

impl Recorder<'_> {
    /// Where its parts are.
    fn parts(&self) -> Parts {
        match (self.room, self.is_wide) {
            (Room::Own, false) => Parts::OWN,
            (Room::Own, true) => Parts::OWN_WIDE,
            (Room::Block { .. }, _) => Parts::BLOCK,
        }
    }

    /// The fewest bytes of a recording that has a log: what comes before it, and what it grows by.
    pub fn least_with_log_bytes(&self) -> u64 {
        let before = u64::from(self.parts().log_start(false));
        match self.room {
            Room::Own => before + LOG_GROWTH_BYTES,
            Room::Block { .. } => before + u64::from(layout::EVENT_BYTES),
        }
    }
}

/// Adds the recorder: its memory with the header, its globals, its functions. Returns also those of `more`.
pub(crate) fn add_recorder(
    edits: &mut Edits<'_, '_>,
    recorder: &Recorder<'_>,
) -> Result<(Added, Vec<u32>), GraftError> {
    let moved;
    let parts = recorder.parts();
    let donor = match recorder.room {
        Room::Own if recorder.next_node.is_some() => Donor::read(OF_THREADS)?,
        Room::Own => Donor::read(RECORDER)?,
        Room::Block { .. } => {
            moved = in_block::recorder(RECORDER)?;
            Donor::read(&moved)?
        }
    };
    let has_table = recorder.contents != Contents::Log;
    let log = parts.log_start(has_table);
    let global = |edits: &mut Edits<'_, '_>, value: u32| {
        let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        edits.add_global(ty, ConstExpr::i32_const(value.cast_signed()))
    };
    let original = fingerprint(edits.sections.bytes);
    let state = if recorder.next_node.is_some() { layout::NUMBERED } else { 0 };
    let header = |log_end: u32| header(&original, recorder.contents, parts, (state, log_end));
    let (memory, max_pages, base) = match recorder.room {
        Room::Own => {
            let pages = u64::from(log >> 16);
            let max_pages = (recorder.max_bytes >> 16).clamp(pages + 1, 1 << 16);
            let memory = edits.add_memory(MemoryType {
                minimum: pages,
                maximum: Some(max_pages),
                memory64: false,
                shared: false,
                page_size_log2: None,
            });
            edits.add_data(Segment { active: Some((memory, Address::I32(0))), bytes: header(log) });
            (memory, u32::try_from(max_pages).unwrap_or(u32::MAX), None)
        }
        Room::Block { take } => {
            // The log does not grow.
            let most = u32::try_from(recorder.max_bytes).unwrap_or(u32::MAX);
            let bytes = most.clamp(log + layout::EVENT_BYTES, 1 << 31) & !(layout::EVENT_BYTES - 1);
            let ty = edits.add_type(vec![ValType::I32], Vec::new());
            let put = edits.add_func(ty, in_block::put_header(&header(bytes)), "memgrove.put_header");
            (0, 0, Some(Block { take, put, bytes, base: global(edits, 0) }))
        }
    };
    edits.add_export(EXPORT, ExternalKind::Memory, memory)?;

    let (sp, state, site) = match recorder.stacks {
        true => (global(edits, parts.stack), global(edits, parts.stack), global(edits, 0)),
        // One does for all: without stacks only bit 0 of the state is used.
        false => {
            let state = global(edits, 0);
            (state, state, state)
        }
    };
    let constant = |value: u32| Some(Item::Constant(Constant::I32(value)));
    let stack_bytes = parts.slots * layout::SLOT_BYTES;
    let joint = Joint {
        bind: &|import| match (import.name, base) {
            ("sp", _) => Some(Item::Global(sp)),
            ("state", _) => Some(Item::Global(state)),
            ("site", _) => Some(Item::Global(site)),
            ("max_pages", _) => constant(max_pages),
            ("stack", _) => constant(parts.stack),
            ("stack_second", _) => constant(parts.stack + layout::SLOT_BYTES),
            ("stack_quarter", _) => constant(parts.stack + stack_bytes / 4 * 3),
            ("stack_last", _) => constant(parts.stack + stack_bytes - layout::SLOT_BYTES),
            ("heads", _) => constant(parts.heads()),
            ("heads_shift", _) => constant(32 - parts.heads_log2),
            ("nodes", _) => constant(parts.nodes()),
            ("most_nodes", _) => constant(parts.most_nodes),
            ("table", _) => constant(parts.table()),
            ("table_shift", _) => constant(32 - parts.table_log2),
            ("table_mask", _) => constant((1 << parts.table_log2) - 1),
            ("table_bytes_mask", _) => constant(parts.table_bytes() - 1),
            ("table_most", _) => constant((1 << parts.table_log2) / 4 * 3),
            ("base", Some(block)) => Some(Item::Global(block.base)),
            ("block_bytes", Some(block)) => constant(block.bytes),
            ("cleared_bytes", _) => constant(log),
            ("take", Some(block)) => Some(Item::Func(block.take)),
            ("put_header", Some(block)) => Some(Item::Func(block.put)),
            ("next_node", _) => recorder.next_node.map(Item::Func),
            _ => None,
        },
        memory: Some(memory),
        name: &|func| format!("memgrove.recorder.{func}"),
        data: Data::Segments,
    };
    let find = |name: &str| donor.func(name).ok_or_else(|| GraftError::NoExport(name.to_owned()));
    let record = find(recorder.record)?;
    let names = ["enter", "entry", "ask", "out", "back", "back_at", "restore", "tail", "set"];
    let of_stack: Vec<u32> = match recorder.stacks {
        true => names.iter().map(|name| find(name)).collect::<Result<_, _>>()?,
        false => Vec::new(),
    };
    let more: Vec<u32> = recorder.more.iter().map(|name| find(name)).collect::<Result<_, _>>()?;
    let of_block: Vec<u32> = match base {
        Some(_) => ["begin", "place"].iter().map(|name| find(name)).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let wanted = [&of_stack[..], &[record], &more, &of_block];
    let roots: Vec<u32> = wanted.into_iter().flatten().copied().collect();
    let grafted = graft(edits, &donor, Roots { funcs: &roots, bodies: &[] }, &joint)?;
    let placed = |func: u32| grafted.func(func).ok_or_else(|| GraftError::NoExport(func.to_string()));
    let of_stack: Vec<u32> = of_stack.into_iter().map(placed).collect::<Result<_, _>>()?;
    let stack = match of_stack[..] {
        [enter, entry, ask, out, back, back_at, restore, tail, set] => {
            Some(StackFunctions { enter, entry, ask, out, back, back_at, restore, tail, set })
        }
        _ => None,
    };
    let more = more.into_iter().map(placed).collect::<Result<_, _>>()?;
    let mut begin = None;
    if let [begins, place] = of_block[..] {
        edits.add_export(PLACE_EXPORT, ExternalKind::Func, placed(place)?)?;
        begin = Some(placed(begins)?).filter(|_| stack.is_none());
    }
    Ok((Added { sp, state, site, memory, record: placed(record)?, stack, begin }, more))
}

/// What a recording says of the module that was instrumented: its SHA-256.
#[must_use]
pub fn fingerprint(wasm: &[u8]) -> [u8; 32] {
    Sha256::digest(wasm).into()
}

/// A recording in a block of the program's.
#[derive(Clone, Copy)]
struct Block {
    /// Functions: takes the block, puts the header.
    take: u32,
    put: u32,
    bytes: u32,
    /// The global with its address.
    base: u32,
}

/// The first bytes of the recording.
fn header(original: &[u8; 32], contents: Contents, parts: Parts, (state, log_end): (u32, u32)) -> Vec<u8> {
    let log = parts.log_start(contents != Contents::Log);
    let mut bytes = vec![0; layout::ORIGINAL as usize];
    let mut put = |at: u32, value: [u8; 4]| bytes[at as usize..][..4].copy_from_slice(&value);
    put(0, layout::MAGIC);
    put(4, layout::VERSION.to_le_bytes());
    put(layout::STATE, state.to_le_bytes());
    put(layout::LOG_START, log.to_le_bytes());
    put(layout::LOG_CURSOR, log.to_le_bytes());
    put(layout::LOG_END, log_end.to_le_bytes());
    put(layout::FRAMES, 1_u32.to_le_bytes());
    // The root: the host, or a frame that was not noted.
    put(layout::NODE_COUNT, 1_u32.to_le_bytes());
    match contents {
        Contents::Log => {}
        Contents::Sample(sample) => put(layout::SAMPLE_BYTES, sample.mean_bytes.max(1).to_le_bytes()),
        Contents::Reports(Layout::Apart) => put(layout::IS_CHECK, layout::check::APART.to_le_bytes()),
        Contents::Reports(Layout::Same) => put(layout::IS_CHECK, layout::check::SAME.to_le_bytes()),
    }
    bytes.extend(original);
    if parts.nodes() != Parts::OWN.nodes() {
        bytes.extend(parts.nodes().to_le_bytes());
    }
    if let Contents::Sample(sample) = contents {
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
