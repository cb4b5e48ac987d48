//! Calls the functions of both heaps directly, and holds each to C's contract (C23, 7.24.3; POSIX.1-2024): blocks that
//! overlap nothing, aligned, as long as asked for, zeroed and kept as promised, and nothing else touched.
//!
//! Both get the same calls. Where one returns null and the other does not, the two differ, unless memory is near its end.

use std::collections::BTreeMap;

use memgrove_module::PAGE_BYTES;
use memgrove_rewrite::HeapFunction;

use super::shadow::ALIGN;
use crate::engine::{EngineError, Instance, Memory, Value};
use crate::pair::{NoPair, Pair, Sides, memory_bytes};

/// Calls of a random sequence; more take time, and found nothing more in heaps that were made wrong on purpose.
const STEPS: u32 = 600;
/// Blocks that are held at once; beyond it one is given back first.
const MOST_LIVE: usize = 120;
/// Of what a module had at its start, so much is looked at for writes of the heap.
const MOST_OWN_BYTES: u64 = 16 << 20;
/// A heap may take so much beyond what is asked for before it has a right to refuse.
const SLACK_BYTES: u64 = 4 * PAGE_BYTES;

/// A function, and the exports that call it in the original and in the fixed module.
pub(crate) struct Entry<'a> {
    pub function: HeapFunction,
    pub exports: [&'a str; 2],
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Found {
    /// Calls that returned in both.
    pub calls: usize,
    /// Blocks that both gave out.
    pub blocks: usize,
    /// What no heap may do, or where the two differ.
    pub difference: Option<String>,
}

/// Why the sequence ended.
enum End {
    Differs(String),
    /// An engine's budget was used up, or memory cannot be seen.
    Engine(EngineError),
}

impl From<EngineError> for End {
    fn from(error: EngineError) -> Self {
        match error {
            // An access outside of memory is the heap's fault: it gave the address.
            EngineError::OutOfBounds { .. } => {
                Self::Differs(format!("a block lies outside of memory: {error}"))
            }
            error if error.is_exhausted() => Self::Engine(error),
            error if error.trap().is_some() => Self::Differs(error.to_string()),
            error => Self::Engine(error),
        }
    }
}

/// Holds both heaps to the contract. `maximum_bytes` is the most that memory can have.
///
/// # Errors
/// If one of the two does not start.
pub(crate) fn check(
    sides: &Sides<'_>,
    entries: &[Entry<'_>],
    maximum_bytes: u64,
) -> Result<Result<Found, EngineError>, NoPair> {
    let mut pair = sides.start()?;
    let mut sequence = match Sequence::new(&mut pair, entries, maximum_bytes) {
        Ok(sequence) => sequence,
        Err(error) => return Ok(Err(error)),
    };
    let end = sequence.run();
    let found = |difference| Found { calls: sequence.calls, blocks: sequence.count, difference };
    Ok(match end {
        Ok(()) => Ok(found(None)),
        Err(End::Differs(how)) => Ok(found(Some(how))),
        Err(End::Engine(error)) => Err(error),
    })
}

/// A block that is held, in both heaps.
#[derive(Clone, Copy)]
struct Held {
    at: [u64; 2],
    bytes: u64,
    filled: u8,
}

struct Sequence<'p, 'e> {
    instances: [&'p mut dyn Instance; 2],
    entries: &'e [Entry<'e>],
    maximum_bytes: u64,
    held: Vec<Held>,
    /// What the fixed module had at its start, with the sequence's own writes.
    own: Vec<u8>,
    calls: usize,
    count: usize,
    random: u64,
}

impl<'p, 'e> Sequence<'p, 'e> {
    fn new(
        pair: &'p mut Pair<'_>,
        entries: &'e [Entry<'e>],
        maximum_bytes: u64,
    ) -> Result<Self, EngineError> {
        let instances = pair.instances();
        let own_bytes = instances[1].memory_bytes(Memory::Main)?.min(MOST_OWN_BYTES);
        let own = instances[1].read(Memory::Main, 0, own_bytes)?;
        let (held, calls, count, random) = (Vec::new(), 0, 0, 0);
        Ok(Self { instances, entries, maximum_bytes, held, own, calls, count, random })
    }

    fn has(&self, function: HeapFunction) -> bool {
        self.entries.iter().any(|entry| entry.function == function)
    }

    fn run(&mut self) -> Result<(), End> {
        self.absurd()?;
        for step in 0..STEPS {
            self.step(u8::try_from(1 + step % 250).unwrap_or(1))?;
        }
        for held in self.held.clone() {
            self.is_kept(&held, held.bytes)?;
        }
        let is = self.instances[1].read(Memory::Main, 0, self.own.len() as u64)?;
        if let Some(at) = is.iter().zip(&self.own).position(|(is, was)| is != was) {
            return Err(End::Differs(format!("the heap wrote to {at:#x}, which is the module's")));
        }
        Ok(())
    }

    /// Requests that no heap can fulfil.
    fn absurd(&mut self) -> Result<(), End> {
        use HeapFunction as F;
        let huge = u64::from(u32::MAX);
        for (function, arguments) in [
            (F::Malloc, vec![huge]),
            (F::Calloc, vec![1 << 20, 1 << 20]),
            (F::Realloc, vec![0, huge]),
            (F::Reallocarray, vec![0, 1 << 20, 1 << 20]),
            (F::AlignedAlloc, vec![64, huge]),
            (F::Memalign, vec![64, huge]),
            (F::UsableSize, vec![0]),
            (F::Free, vec![0]),
        ] {
            if self.has(function)
                && let Some(results) = self.call(function, &[arguments.clone(), arguments])?
                && results != [0, 0]
            {
                return Err(differ(function, results));
            }
        }
        Ok(())
    }

    fn step(&mut self, filled: u8) -> Result<(), End> {
        use HeapFunction as F;
        let bytes = match self.below(20) {
            0 => self.below(100_000),
            1..4 => self.below(5000),
            _ => self.below(200),
        };
        let function = HeapFunction::ALL[usize::try_from(self.below(11)).unwrap_or(0)];
        if !self.has(function) {
            return Ok(());
        }
        if self.held.len() > MOST_LIVE && self.has(F::Free) {
            self.free(F::Free)?;
        }
        match function {
            F::Malloc => self.allocate(function, &[bytes], bytes, ALIGN, filled),
            F::Calloc => {
                let count = self.below(5);
                self.allocate(function, &[count, bytes], count * bytes, ALIGN, filled)
            }
            F::AlignedAlloc | F::Memalign => {
                let align = 1 << self.below(13);
                self.allocate(function, &[align, bytes], bytes, align, filled)
            }
            F::PosixMemalign => {
                let align = 4 << self.below(11);
                self.posix(align, bytes, filled)
            }
            F::Realloc => self.resize(function, bytes.max(1), None, filled),
            F::Reallocarray => {
                let count = 1 + self.below(4);
                self.resize(function, count * bytes.max(1), Some(count), filled)
            }
            F::Free | F::FreeSized | F::FreeAlignedSized => self.free(function),
            F::UsableSize => self.usable(),
        }
    }

    /// Calls a function in both, with arguments for each; `None` where it returned nothing.
    fn call(&mut self, function: HeapFunction, arguments: &[Vec<u64>; 2]) -> Result<Option<[u64; 2]>, End> {
        let Some(entry) = self.entries.iter().find(|entry| entry.function == function) else {
            return Ok(None);
        };
        let mut results = [0; 2];
        let mut is_nothing = false;
        for side in 0..2 {
            let values: Vec<Value> = arguments[side]
                .iter()
                .map(|number| Value::u32(u32::try_from(*number).unwrap_or(u32::MAX)))
                .collect();
            let outcome = self.instances[side].call(entry.exports[side], &values)?;
            match outcome.values.as_slice() {
                [value] => results[side] = value.as_u64().unwrap_or(0),
                _ => is_nothing = true,
            }
        }
        self.calls += 1;
        Ok((!is_nothing).then_some(results))
    }

    fn allocate(
        &mut self,
        function: HeapFunction,
        arguments: &[u64],
        bytes: u64,
        align: u64,
        filled: u8,
    ) -> Result<(), End> {
        let both = [arguments.to_vec(), arguments.to_vec()];
        let Some(at) = self.call(function, &both)? else { return Ok(()) };
        self.hold(function, at, bytes, align, filled, None)
    }

    fn posix(&mut self, align: u64, bytes: u64, filled: u8) -> Result<(), End> {
        // Its result is written into memory: into a block, if there is one that is long enough.
        let Some(at) = self.held.iter().find(|held| held.bytes >= 4).copied() else { return Ok(()) };
        let arguments = at.at.map(|out| vec![out, align, bytes]);
        let Some(codes) = self.call(HeapFunction::PosixMemalign, &arguments)? else { return Ok(()) };
        let mut blocks = [0; 2];
        for side in 0..2 {
            if codes[side] == 0 {
                let word = self.instances[side].read(Memory::Main, at.at[side], 4)?;
                blocks[side] = word.try_into().map_or(0, |word| u64::from(u32::from_le_bytes(word)));
            }
            self.instances[side].write(Memory::Main, at.at[side], &[at.filled; 4])?;
        }
        self.hold(HeapFunction::PosixMemalign, blocks, bytes, align, filled, None)
    }

    fn resize(
        &mut self,
        function: HeapFunction,
        bytes: u64,
        count: Option<u64>,
        filled: u8,
    ) -> Result<(), End> {
        let held = self.pick();
        if let Some(held) = &held {
            self.is_kept(held, held.bytes)?;
        }
        let arguments = held.map_or([0; 2], |held| held.at).map(|at| match count {
            Some(count) => vec![at, count, bytes / count],
            None => vec![at, bytes],
        });
        let Some(at) = self.call(function, &arguments)? else { return Ok(()) };
        self.hold(function, at, bytes, ALIGN, filled, held)
    }

    fn free(&mut self, function: HeapFunction) -> Result<(), End> {
        let Some(held) = self.pick() else { return Ok(()) };
        // The alignment that it was given is not kept, and 16 is that of every block.
        let rest: &[u64] = match function {
            HeapFunction::FreeSized => &[held.bytes],
            HeapFunction::FreeAlignedSized => &[ALIGN, held.bytes],
            _ => &[],
        };
        self.is_kept(&held, held.bytes)?;
        let arguments = held.at.map(|at| [&[at], rest].concat());
        self.call(function, &arguments).map(drop)
    }

    fn usable(&mut self) -> Result<(), End> {
        let Some(held) = self.pick() else { return Ok(()) };
        self.held.push(held);
        let results = self.call(HeapFunction::UsableSize, &held.at.map(|at| vec![at]))?;
        match results.unwrap_or_default().into_iter().find(|usable| *usable < held.bytes) {
            Some(usable) => {
                Err(End::Differs(format!("{usable} bytes are usable of a block of {} bytes", held.bytes)))
            }
            None => Ok(()),
        }
    }

    /// What both returned for a block; `old` is the one that it was made of.
    fn hold(
        &mut self,
        function: HeapFunction,
        at: [u64; 2],
        bytes: u64,
        align: u64,
        filled: u8,
        old: Option<Held>,
    ) -> Result<(), End> {
        if at.contains(&0) {
            let may_refuse = (0..2).any(|side| {
                memory_bytes(self.instances[side]) + bytes + align + SLACK_BYTES > self.maximum_bytes
            });
            if at != [0, 0] && !may_refuse {
                return Err(differ(function, at));
            }
            // Refused by one: what the other has is left alone, and so is the old block, of which one has a new one.
            if at == [0, 0] {
                self.held.extend(old);
            }
            return Ok(());
        }
        self.count += 1;
        for side in 0..2 {
            let whose = ["the emulated host's", "the fixed module's"][side];
            let wrong = |what: String| Err(End::Differs(format!("{whose} `{}` {what}", function.name())));
            if !at[side].is_multiple_of(align.max(ALIGN)) {
                return wrong(format!(
                    "returned {:#x}, which is not a multiple of {}",
                    at[side],
                    align.max(ALIGN)
                ));
            }
            if side == 1 && at[side] < self.own.len() as u64 {
                return wrong(format!("returned {:#x}, which is the module's", at[side]));
            }
            let places: BTreeMap<u64, u64> =
                self.held.iter().map(|held| (held.at[side], held.bytes.max(1))).collect();
            let below = places.range(..at[side] + bytes.max(1)).next_back();
            if let Some((other, has)) = below.filter(|(other, has)| *other + *has > at[side]) {
                return wrong(format!(
                    "returned {bytes} bytes at {:#x}, which overlap {has} at {other:#x}",
                    at[side]
                ));
            }
            let instance = &mut self.instances[side];
            if function == HeapFunction::Calloc
                && instance.read(Memory::Main, at[side], bytes)?.iter().any(|byte| *byte != 0)
            {
                return wrong(format!("returned {bytes} bytes that are not zero"));
            }
            if let Some(old) = old {
                let kept = instance.read(Memory::Main, at[side], old.bytes.min(bytes))?;
                if kept.iter().any(|byte| *byte != old.filled) {
                    return wrong(format!("made {bytes} bytes of {} and lost what they held", old.bytes));
                }
            }
            instance.write(Memory::Main, at[side], &vec![filled; usize::try_from(bytes).unwrap_or(0)])?;
        }
        self.held.push(Held { at, bytes, filled });
        Ok(())
    }

    /// Takes one of those that are held.
    fn pick(&mut self) -> Option<Held> {
        let count = u64::try_from(self.held.len()).unwrap_or(0);
        if count == 0 {
            return None;
        }
        let which = usize::try_from(self.below(count)).unwrap_or(0);
        Some(self.held.swap_remove(which))
    }

    /// Nobody else has written to it.
    fn is_kept(&mut self, held: &Held, bytes: u64) -> Result<(), End> {
        for side in 0..2 {
            let is = self.instances[side].read(Memory::Main, held.at[side], bytes)?;
            if is.iter().any(|byte| *byte != held.filled) {
                let whose = ["the emulated host's", "the fixed module's"][side];
                return Err(End::Differs(format!(
                    "{whose} heap overwrote a block of {bytes} bytes at {:#x}",
                    held.at[side]
                )));
            }
        }
        Ok(())
    }

    /// A number of splitmix64 (Steele, Lea, Flood 2014) below a bound.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn differ(function: HeapFunction, [was, is]: [u64; 2]) -> End {
    End::Differs(format!("`{}` returned {was:#x} before and {is:#x} after", function.name()))
}
