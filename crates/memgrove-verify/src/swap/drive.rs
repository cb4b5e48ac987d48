//! Drives a heap through functions of which it is known what they promise, and checks the promises.
//!
//! Calls are drawn from a seed, so that two heaps get the same ones. What a program can tell of its heap without looking
//! at addresses is noted, call by call; two heaps of one kind note the same.

use memgrove_module::allocator::Param;
use memgrove_rewrite::swap::{Member, Role};

use super::random::Random;
use crate::engine::{EngineError, Instance, Memory, Value};

/// Calls of the allocator in one run.
const CALLS: u32 = 160;
/// Blocks that are live at most.
const MOST_LIVE: usize = 48;
/// Bytes of the largest ordinary block.
const MOST_BYTES: u32 = 200_000;
/// How much is asked for beyond the initial memory, in blocks of this size.
const LARGE_BYTES: u32 = 1 << 20;
/// What every block is aligned to, in bytes, where nothing was asked for.
const LEAST_ALIGN: u32 = 4;
/// There is room for a block of so many bytes, if for nothing else.
const SMALL_BYTES: u32 = 256;
/// Blocks of that size.
const LARGE_BLOCKS: u32 = 6;

/// Blocks of a round that ends with none.
const BLOCKS_OF_ROUND: u32 = 8;

/// What a program sees of a call without looking at addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// A block, or null.
    Block { is_null: bool },
    /// The old contents are there, up to the smaller length.
    Kept,
    /// A block was given back.
    Freed,
    /// At least as long as asked for.
    Usable,
    /// The call trapped.
    Trapped(String),
}

/// One call, for people, and what was seen.
pub(super) type Noted = (String, Seen);

/// How driving ended before its end.
#[derive(Debug)]
pub(super) enum Fault {
    /// A function did not do what its role promises.
    Promise(String),
    /// The engine or a budget ended it.
    Engine(EngineError),
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// A block that is live.
struct Live {
    at: u32,
    bytes: u32,
    align: u32,
    mark: u8,
}

/// A length that programs ask for.
fn size(random: &mut Random) -> u32 {
    match random.below(10) {
        0 => 1 + random.below(MOST_BYTES),
        1..=3 => 1 + random.below(4096),
        _ => 1 + random.below(256),
    }
}

/// The functions to call: name of the export, and what they do.
pub(super) struct Functions {
    pub members: Vec<(String, Member)>,
    /// The heap's own address, for functions that take it.
    pub heap: Option<u32>,
}

impl Functions {
    /// Of the first of these roles that is there, each function in its turn.
    fn of(&self, wanted: &[Role], turn: usize) -> Option<&(String, Member)> {
        wanted.iter().find_map(|role| {
            let with_role = || self.members.iter().filter(|(_, member)| member.role == *role);
            with_role().nth(turn.checked_rem(with_role().count())?)
        })
    }

    fn arguments(&self, member: &Member, arguments: &[u32]) -> Vec<Value> {
        let heap = member.has_heap.then_some(self.heap.unwrap_or(0));
        heap.into_iter().chain(arguments.iter().copied()).map(Value::u32).collect()
    }
}

/// What a call is about.
#[derive(Default)]
struct Asked {
    at: u32,
    old_bytes: u32,
    bytes: u32,
    align: u32,
}

/// The arguments of a call, in the order of the role, without a heap before them.
fn arguments(role: Role, asked: &Asked) -> Vec<u32> {
    let argument = |param: &Param| match param {
        Param::Size => asked.bytes,
        Param::OldSize => asked.old_bytes,
        Param::Align => asked.align,
        Param::Pointer => asked.at,
        Param::Count => 1,
        // No role that is driven has these.
        Param::AlignLog2
        | Param::OutPointer
        | Param::Increment
        | Param::Class
        | Param::Heap
        | Param::Ignored => 0,
    };
    role.params().iter().map(argument).collect()
}

/// The alignment of a block, when this one was asked for if the role can be told.
fn aligned_to(role: Role, align: u32) -> u32 {
    if role.position(Param::Align).is_some() { align } else { 8 }
}

/// A heap that is driven.
pub(super) struct Drive<'d> {
    instance: &'d mut dyn Instance,
    functions: &'d Functions,
    live: Vec<Live>,
    next_mark: u8,
    driven: Driven,
}

/// What driving a heap has shown.
#[derive(Debug, Default)]
pub(super) struct Driven {
    /// Call by call.
    pub noted: Vec<Noted>,
    /// The first call that was refused memory which there can be, by its position, and the bytes in blocks then.
    pub refused: Option<(usize, u64)>,
    /// The most bytes that were in blocks.
    pub peak_bytes: u64,
    /// What the calls took, where the engine counts it.
    pub instructions: Option<u64>,
}

impl<'d> Drive<'d> {
    pub fn new(instance: &'d mut dyn Instance, functions: &'d Functions) -> Self {
        Self { instance, functions, live: Vec::new(), next_mark: 1, driven: Driven::default() }
    }

    /// All of it: ordinary calls, then memory beyond the initial one, then what the standards leave free.
    pub fn run(mut self, seed: u64) -> Result<Driven, Fault> {
        let mut random = Random::new(seed);
        for _ in 0..CALLS {
            self.step(&mut random)?;
        }
        for _ in 0..LARGE_BLOCKS {
            self.allocate(LARGE_BYTES, 8, false)?;
        }
        while !self.live.is_empty() {
            self.free(self.live.len() - 1)?;
        }
        self.corner_cases()?;
        Ok(self.driven)
    }

    /// So many rounds of a few blocks, all of which are given back: what is then still taken is lost. Returns the
    /// instructions that they took, where the engine counts them.
    pub fn rounds(mut self, rounds: std::ops::Range<u32>) -> Result<Option<u64>, Fault> {
        for round in rounds {
            for block in 0..BLOCKS_OF_ROUND {
                self.allocate(40 + (round * 97 + block * 131) % 6000, 8, false)?;
            }
            while !self.live.is_empty() {
                self.free(0)?;
            }
        }
        Ok(self.driven.instructions)
    }

    fn of(&self, wanted: &[Role]) -> Option<&'d (String, Member)> {
        self.functions.of(wanted, self.driven.noted.len())
    }

    fn live_bytes(&self) -> u64 {
        self.live.iter().map(|live| u64::from(live.bytes)).sum()
    }

    /// A call that was refused memory.
    fn refused(&mut self) {
        let at = self.driven.noted.len() - 1;
        let live_bytes = self.live_bytes();
        self.driven.refused.get_or_insert((at, live_bytes));
    }

    fn step(&mut self, random: &mut Random) -> Result<(), Fault> {
        let full = self.live.len() >= MOST_LIVE;
        let choice = random.below(10);
        let at = random.below(u32::try_from(self.live.len()).unwrap_or(0)) as usize;
        match choice {
            0..=2 if !self.live.is_empty() => self.free(at),
            3 | 4 if !self.live.is_empty() => {
                let size = size(random);
                self.reallocate(at, size)
            }
            _ if full => self.free(at),
            5 => {
                let (size, align) = (size(random), 1 << (3 + random.below(9)));
                self.allocate(size, align, false)
            }
            6 | 7 => {
                let size = size(random);
                self.allocate(size, 8, true)
            }
            _ => {
                let size = size(random);
                self.allocate(size, 8, false)
            }
        }
    }

    /// The result of a call, if it returns.
    fn call(&mut self, name: &str, arguments: &[Value], words: &str) -> Result<Option<u32>, Fault> {
        match self.instance.call(name, arguments) {
            Ok(outcome) => {
                if let Some(fuel) = outcome.fuel {
                    *self.driven.instructions.get_or_insert(0) += fuel;
                }
                Ok(Some(outcome.values.first().and_then(|value| value.as_u32()).unwrap_or(0)))
            }
            Err(error) if error.is_exhausted() => Err(error.into()),
            Err(error) => match error.trap() {
                Some(reason) => {
                    self.driven.noted.push((words.to_owned(), Seen::Trapped(format!("{reason:?}"))));
                    Ok(None)
                }
                None => Err(error.into()),
            },
        }
    }

    fn allocate(&mut self, bytes: u32, align: u32, is_zeroed: bool) -> Result<(), Fault> {
        let wanted: &[Role] = match (is_zeroed, align > 8) {
            (true, _) => &[
                Role::Calloc,
                Role::RustAllocZeroed,
                Role::Malloc,
                Role::RustAlloc,
                Role::RustAllocAlignFirst,
            ],
            (false, true) => &[Role::Memalign, Role::RustAlloc, Role::RustAllocAlignFirst, Role::Malloc],
            _ => &[Role::Malloc, Role::RustAlloc, Role::RustAllocAlignFirst, Role::Calloc],
        };
        let Some((name, member)) = self.of(wanted).map(|(name, member)| (name.clone(), *member)) else {
            return Ok(());
        };
        let aligned = aligned_to(member.role, align);
        let arguments = arguments(member.role, &Asked { bytes, align, ..Asked::default() });
        let words = format!("{}{arguments:?}", member.role.name());
        let arguments = self.functions.arguments(&member, &arguments);
        let Some(at) = self.call(&name, &arguments, &words)? else { return Ok(()) };
        self.driven.noted.push((words.clone(), Seen::Block { is_null: at == 0 }));
        if at == 0 {
            if bytes <= SMALL_BYTES && self.live_bytes() == 0 {
                return Err(Fault::Promise(format!("{words} returned null")));
            }
            self.refused();
            return Ok(());
        }
        self.take(at, bytes, aligned, member.role.clears(), &words)
    }

    /// Checks a new block and fills it.
    fn take(&mut self, at: u32, bytes: u32, align: u32, is_zeroed: bool, words: &str) -> Result<(), Fault> {
        let wrong = |what: &str| Err(Fault::Promise(format!("{words} returned {at:#x}: {what}")));
        let end = u64::from(at) + u64::from(bytes);
        if end > self.instance.memory_bytes(Memory::Main)? {
            return wrong("it ends beyond the memory");
        }
        if !at.is_multiple_of(if align > 8 { align } else { LEAST_ALIGN }) {
            return wrong("it is not aligned");
        }
        let overlaps = |live: &Live| {
            u64::from(live.at) < end && u64::from(at) < u64::from(live.at) + u64::from(live.bytes)
        };
        if self.live.iter().any(overlaps) {
            return wrong("it overlaps a live block");
        }
        if is_zeroed
            && self.instance.read(Memory::Main, at.into(), bytes.into())?.iter().any(|byte| *byte != 0)
        {
            return wrong("it is not all zero");
        }
        let mark = self.next_mark;
        self.next_mark = self.next_mark.wrapping_add(37) | 1;
        self.instance.write(Memory::Main, at.into(), &vec![mark; bytes as usize])?;
        self.live.push(Live { at, bytes, align, mark });
        self.driven.peak_bytes = self.driven.peak_bytes.max(self.live_bytes());
        self.usable(at, bytes)
    }

    fn usable(&mut self, at: u32, bytes: u32) -> Result<(), Fault> {
        let Some((name, member)) = self.of(&[Role::UsableSize]).cloned() else { return Ok(()) };
        let words = format!("malloc_usable_size of {bytes} bytes");
        let arguments = self.functions.arguments(&member, &[at]);
        match self.call(&name, &arguments, &words)? {
            Some(usable) if usable < bytes => Err(Fault::Promise(format!("{words} is {usable}"))),
            Some(_) => {
                self.driven.noted.push((words, Seen::Usable));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn is_as_left(&mut self, at: u32, bytes: u32, mark: u8) -> Result<bool, Fault> {
        Ok(self.instance.read(Memory::Main, at.into(), bytes.into())?.iter().all(|byte| *byte == mark))
    }

    fn free(&mut self, which: usize) -> Result<(), Fault> {
        let live = self.live.swap_remove(which);
        if !self.is_as_left(live.at, live.bytes, live.mark)? {
            return Err(Fault::Promise(format!(
                "a live block of {} bytes at {:#x} was overwritten",
                live.bytes, live.at
            )));
        }
        let Some((name, member)) =
            self.of(&[Role::Free, Role::RustDealloc, Role::RustDeallocAlignFirst]).cloned()
        else {
            return Ok(());
        };
        let Live { at, bytes: old_bytes, align, .. } = live;
        let arguments = arguments(member.role, &Asked { at, old_bytes, align, bytes: 0 });
        let arguments = self.functions.arguments(&member, &arguments);
        if self.call(&name, &arguments, "free")?.is_some() {
            self.driven.noted.push(("free".to_owned(), Seen::Freed));
        }
        Ok(())
    }

    fn reallocate(&mut self, which: usize, bytes: u32) -> Result<(), Fault> {
        let Some((name, member)) =
            self.of(&[Role::Realloc, Role::RustRealloc, Role::RustReallocAlignFirst]).cloned()
        else {
            return Ok(());
        };
        let live = self.live.swap_remove(which);
        // C's function keeps no other alignment than its own.
        let align = aligned_to(member.role, live.align);
        let asked = Asked { at: live.at, old_bytes: live.bytes, align: live.align, bytes };
        let arguments = arguments(member.role, &asked);
        let words = format!("{} from {} to {bytes} bytes", member.role.name(), live.bytes);
        let arguments = self.functions.arguments(&member, &arguments);
        let Some(at) = self.call(&name, &arguments, &words)? else { return Ok(()) };
        self.driven.noted.push((words.clone(), Seen::Block { is_null: at == 0 }));
        if at == 0 {
            self.live.push(live);
            self.refused();
            return Ok(());
        }
        if !self.is_as_left(at, live.bytes.min(bytes), live.mark)? {
            return Err(Fault::Promise(format!("{words}: the contents were not kept")));
        }
        self.driven.noted.push((words.clone(), Seen::Kept));
        self.take(at, bytes, align, false, &words)
    }

    /// Null, nothing, and more than there can be.
    fn corner_cases(&mut self) -> Result<(), Fault> {
        let cases: [(&[Role], &[u32]); 8] = [
            (&[Role::Free], &[0]),
            (&[Role::Malloc], &[0]),
            (&[Role::Realloc], &[0, 24]),
            (&[Role::Calloc], &[0, 8]),
            (&[Role::Calloc], &[0x1_0001, 0x1_0001]),
            (&[Role::Malloc], &[0xffff_fff0]),
            (&[Role::Calloc], &[1, 0xffff_ffff]),
            (&[Role::UsableSize], &[0]),
        ];
        for (roles, arguments) in cases {
            // C's promises, not those of a step below.
            let Some((name, member)) = self.of(roles).filter(|(_, member)| !member.has_heap).cloned() else {
                continue;
            };
            let words = format!("{}{arguments:?}", member.role.name());
            let arguments = self.functions.arguments(&member, arguments);
            if let Some(at) = self.call(&name, &arguments, &words)? {
                self.driven.noted.push((words, Seen::Block { is_null: at == 0 }));
            }
        }
        let Some((name, member)) = self.of(&[Role::Realloc]).cloned() else { return Ok(()) };
        self.allocate(100, 8, false)?;
        if let Some(live) = self.live.pop() {
            let arguments = self.functions.arguments(&member, &[live.at, 0]);
            if let Some(at) = self.call(&name, &arguments, "realloc(block, 0)")? {
                self.driven.noted.push(("realloc(block, 0)".to_owned(), Seen::Block { is_null: at == 0 }));
            }
        }
        Ok(())
    }
}
