//! Instruments a module so that it reports misuse of its heap.
//!
//! ```text
//! facts, members ─► old        what the allocator is, and that nothing else knows how it works inside    swap/old.rs
//!                ─► headers    code of the program that looks at the allocator's headers                       headers.rs
//!                ─► accesses   which instructions are checked, and how                                    access.rs
//!                ─► proven     which of them need no test                                         proven.rs, repeated.rs
//!                ─► bounds     where there is neither data nor stack                                        bounds.rs
//!                ─► frames     who called                                                                 frames
//!                ─► wrappers   of the allocator's functions                                      family.rs, wrap.rs, apart.rs, same.rs
//!                ─► checker    grafted, with a memory for the shadow               trace/checker.wat, apart.wat or same.wat
//!                ─► threads    where they share the memory                                 threads.rs, trace/threads.wat
//!                ─► leaks      what is live at the end, grafted behind it                       leaks.rs, trace/leaks.wat
//! ```
//!
//! **Shadow.** A memory of its own has a byte for every 8 bytes of the program's memory, and grows with it. What must not
//! be accessed is exactly: the header before each block (16 bytes), what lies behind it (9 bytes at least), and blocks that
//! were freed, as long as they are in the quarantine. All else is allowed, so that no program without an error is reported.
//!
//! **Blocks.** The allocator is asked for more, and blocks begin at multiples of 16. Only its lowest functions are wrapped:
//! those above which nothing knows the heap, found as for `swap`. Of these, one allocates and one frees; reallocating,
//! clearing and aligning are built on them, as the allocator's own functions would look for its headers. Those, and what
//! only they call, are not checked.
//!
//! **The same layout**, if that is asked for: nothing is asked for but what the program asks for, so that blocks lie where
//! they do without a check, and what is kept of them lies in a memory of its own. There are no red zones then, and what was
//! freed is handed out again at once. A module is refused whose freed memory others than the wrapped functions may hand out.
//!
//! **Accesses.** An instruction tests the granule of its last byte, and of its first where that may be another, in loops in line;
//! only if one is not whole, a function decides, to the byte. Outside of loops a function tests and accesses. The site is
//! where the instruction lies in the original; without sites every function that is checked has a frame instead. A word that is read aligned may go beyond the end of its block: libraries look for the end of a string so.
//!
//! **Addresses of 64 bits.** The first 4 GiB are checked, and a checked program gets no more: what the checker keeps of blocks
//! has 32 bits. An access of memory beyond, which only the host can have given, is not tested.
//!
//! **Threads** that share the program's memory are instances with one shadow: it stands in a block that the program's own
//! allocator gives, long enough for all that the memory may become, and a word of the program's memory that nothing else uses
//! says where. What is done to the quarantine is done under a lock; recordings are each instance's own, with one numbering of
//! their nodes, so that a block tells to all where it was allocated. What lies near a block is written by who has it. A thread
//! checks from its first call on after the shadow was made.
//!
//! **Null and the stack.** Once an allocation was refused, what lies below the lowest datum must not be accessed either: null
//! is taken for a block there. Where the stack pointer is set, it is compared with the end of the stack, as far as that is
//! known: of a stack behind the data, the end of what the file has of them.
//!
//! **Leaks.** At the end a block is lost to which no word points that the program can still reach: none in memory outside of
//! blocks, in its globals, or in a block that is not lost. The part of the stack that is not in use does not count. A
//! number that looks as an address is one: what is lost may be missed so, and nothing is called lost that is not. Locals of
//! functions in progress, and what the host holds, cannot be seen: whoever reads the recording says how certain this is.
//!
//! **Several heaps.** Where functions of allocators have nothing in common, a block that goes to another heap's function is
//! reported, and stays with its own.
//!
//! **Reports.** One for each site, in the log of the recorder; the program goes on. A freed block keeps its contents until
//! it leaves the quarantine.

mod access;
mod apart;
mod arguments;
mod bounds;
mod checker;
mod checks;
mod error;
mod family;
mod form;
mod headers;
mod heaps;
mod leaks;
mod proven;
mod repeated;
mod same;
mod shared;
mod threads;
mod width;
mod wrap;

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::{Code, Facts};
use memgrove_profile::layout::Parts;
use wasm_encoder::{ConstExpr, Function, GlobalType, Instruction, MemoryType, ValType};
use wasmparser::Operator;

use self::access::Accesses;
pub use self::access::access_at;
pub use self::arguments::Arguments;
use self::bounds::Bounds;
use self::checker::Checker;
use self::checks::{Checks, Manner};
pub use self::error::{CheckError, NotShared};
use self::family::Family;
use self::headers::Headers;
use self::threads::Threads;
use self::width::Width;
use crate::edit::{Edits, Map, Sections, applied};
use crate::frames::{self, Behind, Contents, EXPORT, Others, Reach, Recorder, Room, Stacks};
use crate::graft::{Constant, Data, Donor, GraftError, Item, Joint, Roots, graft};
/// Whether a function of this role can be wrapped.
pub use crate::swap::is_replaceable as takes;
use crate::swap::old::{Inlined, Old};
use crate::swap::reader::Reader;
use crate::swap::{Manners, Member, Start};

/// The name under which a checked module says that it is one.
const TOOL: &str = "check";
/// Pages of the program's memory that can be checked: 4 GiB.
const MOST_PAGES: u64 = 1 << 16;
/// The function that the host calls when the program is over.
pub const FINISH: &str = "memgrove_finish";

static APART: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/checker_apart.wasm"));
static THREADS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/checker_threads.wasm"));
static SAME: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/checker_same.wasm"));

/// Where the blocks of a checked program lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Apart from one another, with red zones between them; freed blocks stay in quarantine.
    #[default]
    Apart,
    /// Where the allocator puts them without a check: addresses and growth are the original's. Less is seen: a freed block
    /// until its bytes are handed out again, and beside a block what is known to be no other's.
    Same,
}

impl Layout {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Apart, Self::Same];

    /// The name by which it is given and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apart => "apart",
            Self::Same => "same",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.name() == name)
    }
}

/// What is checked, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The functions of the allocator that are known.
    pub members: Vec<Member>,
    /// The function that moves the end of the heap, where there is one.
    pub sbrk: Option<u32>,
    /// What the allocator does where the standards leave it free.
    pub manners: Manners,
    /// Tell the calls of one function by another apart.
    pub call_sites: bool,
    /// Test in line in loops, and call there only where a test fails: quicker and longer.
    pub in_line: bool,
    /// Tell each access by its offset. Without, the module is shorter: of an access its function is told, whether it writes
    /// and its width, and each of these once by function. Every function that is checked then has a frame.
    pub sites: bool,
    /// Functions whose reads are tested to the byte: none may go beyond the end of a block in the word that holds the end.
    pub exact: BTreeSet<u32>,
    /// Where blocks lie.
    pub layout: Layout,
    /// The most memory that reports and stacks may take, in bytes.
    pub max_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            sbrk: None,
            manners: Manners::default(),
            call_sites: true,
            in_line: true,
            sites: true,
            exact: BTreeSet::new(),
            layout: Layout::default(),
            max_bytes: 1 << 30,
        }
    }
}

/// A module that reports misuse of its heap.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The instrumented module: validated.
    pub wasm: Vec<u8>,
    /// Where functions and instructions went.
    pub map: Map,
    /// What was left out or could not be kept right, for people.
    pub notes: Vec<String>,
    /// The functions that were wrapped.
    pub wrapped: Vec<Member>,
    /// Where they work on several heaps that have nothing in common: the number of the heap by function, from 1.
    pub heaps: BTreeMap<u32, u32>,
    /// Instructions that are checked.
    pub sites: u32,
    /// Instructions that need no check, as it is proven that they touch no block, or one before them tests their bytes.
    pub proven: u32,
}

/// Instruments a module. Linear in its size, but for a sort of its calls.
///
/// # Errors
/// If it cannot be shown that nothing but the members knows the allocator, or it is of a kind that cannot be checked.
pub fn check(facts: &Facts<'_>, options: &Options) -> Result<Checked, CheckError> {
    if facts.component.is_some() {
        return Err(crate::Error::Component.into());
    }
    let wasm = facts.bytes();
    refuse(facts, options)?;
    let code = Code::new(facts);
    let old = Old::find(&mut Reader::new(&code), &options.members, options.sbrk, Inlined::Replaced)?;
    if old.replaced.is_empty() {
        return Err(CheckError::NoFunctions);
    }
    let manners = Manners { errno: old.errno, ..options.manners };
    let headers = Headers::find(&code, &old, &options.members)?;
    let exempt: BTreeSet<u32> = old.replaced.keys().chain(&old.dead).chain(&old.primers).copied().collect();
    let is_shared = facts.memories.first().is_some_and(|memory| memory.ty.shared);
    let start = is_shared.then(|| Start::of(&code)).flatten();
    let bounds = Bounds::of(&code, start.as_ref());
    let mut old = old;
    if options.layout == Layout::Same
        && let Some(func) = shared::shared(&code, &mut Reader::new(&code), &old)
    {
        return Err(CheckError::SharedHeap { func });
    }
    // What they do to a block's length would not be seen.
    if let (Layout::Same, Some(func)) = (options.layout, headers.inlined.keys().next()) {
        return Err(CheckError::Header { func: *func });
    }
    old.replaced.retain(|func, _| !headers.inlined.contains_key(func));
    let heaps = heaps::heaps(&code, &mut Reader::new(&code), &old);
    let family = Family::of(facts, &old, &heaps.numbers, manners)?;
    // What is known of the allocator holds for all blocks, if there is no other.
    let words = if heaps.is_one { options.manners.words_before } else { 0 };
    let own_bytes = headers.own_bytes.max(words * Width::of(facts).bytes());

    let sections = Sections::read_valid(wasm)?;
    let targets: Vec<u32> = old.replaced.keys().copied().collect();
    let allocating = Reach::new(&sections, &targets)?;
    let accesses = Accesses::find(
        &code,
        &exempt,
        bounds.stack_pointer,
        (options.in_line, &options.exact),
        &|operator| match operator {
            Operator::Call { function_index } => allocating.reaches(*function_index),
            Operator::CallIndirect { type_index, .. } => {
                allocating.reaches_openly(sections.func_type_at(*type_index))
            }
            Operator::CallRef { .. } => true,
            // What leaves the function does not come back.
            _ => false,
        },
    );
    let mut edits = Edits::new(&sections);
    let threads = Threads::add(&mut edits, &code, start.as_ref(), options.layout)?;
    let recorder = Recorder {
        next_node: threads.map(|threads| threads.next_node),
        stacks: true,
        record: "node_of",
        contents: Contents::Reports(options.layout),
        is_wide: false,
        max_bytes: options.max_bytes,
        room: Room::Own,
        more: &["here", "log"],
    };
    let (added, more) = frames::add_recorder(&mut edits, &recorder)?;
    let (Some(stack), [here, log]) = (added.stack, &more[..]) else {
        return Err(CheckError::Graft(GraftError::NoExport("here".to_owned())));
    };
    let width = Width::of(facts);
    let pages = sections.memories.first().map_or(0, |memory| memory.initial);
    let shadow = match threads {
        Some(_) => 0,
        None => edits.add_memory(MemoryType {
            minimum: pages.div_ceil(8) + 1,
            maximum: Some(leaks::MOST_SHADOW_PAGES),
            memory64: false,
            shared: false,
            page_size_log2: None,
        }),
    };
    let notes = (options.layout == Layout::Same).then(|| {
        edits.add_memory(MemoryType {
            minimum: pages,
            maximum: Some(MOST_PAGES),
            memory64: false,
            shared: false,
            page_size_log2: None,
        })
    });
    let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    let inside = edits.add_global(ty, ConstExpr::i32_const(0));
    // Where blocks are live from the beginning, data may be blocks.
    let data_end = if old.is_snapshot() { 0 } else { u32::try_from(code.data_end()).unwrap_or(0) };
    // What the checker and the search for leaks are both put among.
    let around = |name: &str| {
        Some(match name {
            "program" => width.memory(0),
            "shadow" => Item::Memory(shadow),
            "shadow_at" => Item::Global(threads?.shadow_at),
            "recording" => Item::Memory(added.memory),
            "log" => Item::Func(*log),
            "frames" => Item::Global(added.sp),
            "first_frame" => Item::Constant(Constant::I32(Parts::OWN.stack)),
            "stack_pointer" => match bounds.stack_pointer {
                Some(global) => width.global(global),
                None => Item::Constant(Constant::I32(0)),
            },
            "stack_base" => Item::Constant(Constant::I32(bounds.stack_base)),
            _ => return None,
        })
    };
    let joint = Joint {
        bind: &|import| {
            Some(match import.name {
                "node_of" => Item::Func(added.record),
                "here" => Item::Func(*here),
                "ask" => Item::Func(stack.ask),
                "is_fresh" => Item::Constant(Constant::I32(u32::from(!old.is_snapshot()))),
                "data_end" => Item::Constant(Constant::I32(data_end)),
                "inside" => Item::Global(inside),
                "state_memory" => Item::Memory(threads.map_or(added.memory, |_| 0)),
                "state" => match threads {
                    Some(threads) => Item::Global(threads.state),
                    None => Item::Constant(Constant::I32(0)),
                },
                "word" => Item::Constant(Constant::I32(threads?.word)),
                "pages" => Item::Constant(Constant::I32(threads?.pages)),
                "block_bytes" => Item::Constant(Constant::I32(threads?.block_bytes())),
                "notes" => Item::Memory(notes?),
                "header_bytes" => Item::Constant(Constant::I32(own_bytes)),
                "stack_low" => Item::Constant(Constant::I32(bounds.stack_low)),
                "null_end" => Item::Constant(Constant::I32(bounds.null_end)),
                "stack_first" => Item::Constant(Constant::I32(bounds.stack_first)),
                other => return around(other),
            })
        },
        memory: None,
        name: &|func| format!("memgrove.checker.{func}"),
        data: Data::Segments,
    };
    let moved;
    let donor = Donor::read(match (options.layout, threads) {
        (Layout::Apart, None) => APART,
        (Layout::Apart, Some(_)) => {
            moved = threads::moved(THREADS, "shadow", "shadow_at")?;
            &moved
        }
        (Layout::Same, _) => SAME,
    })?;
    let roots: Vec<u32> = donor.funcs().map(|(_, func)| func).collect::<BTreeSet<_>>().into_iter().collect();
    let grafted = graft(&mut edits, &donor, Roots { funcs: &roots, bodies: &[] }, &joint)?;
    let find = |name: &str| {
        let func = donor.func(name).and_then(|func| grafted.func(func));
        func.ok_or_else(|| GraftError::NoExport(name.to_owned()))
    };
    let around_it = (options.layout, shadow, inside, threads);
    let checker = Checker::new(find, added, stack, around_it, (&mut edits, width))?;
    let finish = leaks::add(&mut edits, facts, &checker, &around)?;
    edits.add_export(FINISH, wasmparser::ExternalKind::Func, finish)?;

    let others: Vec<u32> = accesses.funcs().filter(|func| !old.replaced.contains_key(func)).collect();
    let others = if options.sites { Others::Reached(&others) } else { Others::Framed(&others) };
    let reach = allocating.with_others(&sections, others);
    // The memory may be longer than its type says, where the host makes it.
    if let Some(start) = facts.start.filter(|_| sections.imported_memories > 0) {
        let mut body = Function::new([]);
        body.instruction(&Instruction::Call(checker.sync))
            .instruction(&Instruction::Call(start.func))
            .instruction(&Instruction::End);
        let ty = edits.add_type(Vec::new(), Vec::new());
        let start = edits.add_func(ty, body, "memgrove.start");
        edits.set_start(start);
    }
    frames::host(
        &mut edits,
        &reach,
        added,
        stack,
        Some(Behind { entry: checker.enter, import: checker.sync }),
    )?;
    family.wrap(&mut edits, &checker)?;
    if let (Some(taken), Some(sbrk)) = (checker.taken(), options.sbrk) {
        same::watch_break(&mut edits, facts, sbrk, &checker, taken)?;
    }
    let functions = accesses.add_functions(&mut edits, &checker, options.sites);
    edits.record(TOOL, env!("CARGO_PKG_VERSION"));
    let stacks = Stacks::new(&sections, &reach, added, stack, options.call_sites);
    let mut checks = Checks::new(
        stacks,
        &accesses,
        &checker,
        &headers,
        Manner {
            exempt: &exempt,
            exact: &options.exact,
            in_line: options.in_line,
            sites: options.sites,
            functions: &functions,
        },
    );
    let edited = edits.apply(&mut checks)?;
    Ok(Checked {
        wasm: edited.wasm,
        map: edited.map,
        notes: edited.notes,
        wrapped: old.replaced.into_values().collect(),
        heaps: heaps.numbers,
        sites: accesses.sites,
        proven: accesses.proven,
    })
}

/// The version of memgrove that made this module a checked one, if one has.
#[must_use]
pub fn checked_by(wasm: &[u8]) -> Option<String> {
    applied(wasm).into_iter().find(|applied| applied.tool == TOOL).map(|applied| applied.version)
}

/// Whether the module is one that can be checked so.
fn refuse(facts: &Facts<'_>, options: &Options) -> Result<(), CheckError> {
    if let Some(version) = checked_by(facts.bytes()) {
        return Err(CheckError::Already { version });
    }
    let memory = facts.memories.first().ok_or(CheckError::NoMemory)?;
    if memory.ty.min_pages > MOST_PAGES {
        return Err(CheckError::TooLong);
    }
    if !memory.ty.shared && facts.memories.iter().any(|memory| memory.ty.shared) {
        return Err(CheckError::Shared(NotShared::Other));
    }
    if options.members.is_empty() {
        return Err(CheckError::NoFunctions);
    }
    for name in [EXPORT, FINISH] {
        if facts.export(name).is_some() {
            return Err(CheckError::ExportTaken(name));
        }
    }
    let imported = options.members.iter().find(|member| member.func < facts.imported_func_count());
    match imported {
        Some(member) => Err(CheckError::Imported { func: member.func }),
        None => Ok(()),
    }
}
