//! Compares numbers and memory of three runs by block and offset: two of the original, on heaps that lay out their
//! blocks differently, and one of the new module, of whose heap nothing is known, or as much as of the others.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::engine::{EngineError, Instance, Memory, Value};

/// Bytes of memory that are read at once.
const CHUNK_BYTES: u64 = 1 << 20;
/// Bytes of an address.
const WORD_BYTES: u64 = 4;
/// Differences that are asked about once more.
const MOST_SUSPECTS: usize = 64;

/// What is known of a heap from the calls that it got.
pub(crate) trait Heap {
    /// The blocks, by their numbers, that an address belongs or belonged to, and the offset in each.
    fn places(&self, address: u64) -> Vec<(usize, u64)>;

    /// The blocks that are there: address, number, and bytes that were asked for.
    fn live(&self) -> Vec<(u64, usize, u64)>;

    /// What the block that this address belongs to is aligned to.
    fn align(&self, address: u64) -> u64;

    /// The byte at this place is one that nobody has written.
    fn is_unwritten(&self, byte: u8, place: Place) -> bool;
}

/// The heaps of the three runs.
#[derive(Clone, Copy)]
pub(crate) struct Heaps<'h> {
    pub first: &'h dyn Heap,
    pub second: &'h dyn Heap,
    /// The new module's, if it is known.
    pub fixed: Option<&'h dyn Heap>,
}

/// What a number in the fixed module is to those in both runs of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// The same number, or the same place in the same block.
    Same,
    /// Another, while both runs of the original agree.
    Differs,
    /// The original's runs do not agree, so that it depends on more than block and offset.
    Depends,
}

/// One run, as far as comparing needs it.
pub(crate) struct Run<'r> {
    pub instance: &'r mut dyn Instance,
    pub heap: &'r dyn Heap,
}

/// The three runs.
pub(crate) struct Runs<'r> {
    pub first: &'r mut dyn Instance,
    pub second: &'r mut dyn Instance,
    pub fixed: &'r mut dyn Instance,
    pub heaps: Heaps<'r>,
}

/// What is compared beside blocks: ranges of what all three had when they started, sorted; and where blocks may begin.
pub(crate) struct Own<'o> {
    pub ranges: &'o [Range<u64>],
    pub end: u64,
}

/// A place in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At this address, in what the module had when it started.
    Own(u64),
    /// In the block of that number, so many bytes behind its start.
    Block(usize, u64),
}

/// What comparing memory found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Bytes that were compared.
    pub bytes: u64,
    /// Blocks of which the contents were compared.
    pub blocks: usize,
    /// Blocks to which nothing that can be seen points.
    pub unseen: usize,
    /// Words that depend on more than block and offset.
    pub dependent: usize,
    /// Places that differ and how many bytes they have, at most [`MOST_SUSPECTS`].
    pub suspects: Vec<(Place, u64)>,
    /// What no heap may do, in words.
    pub broken: Option<String>,
}

/// Where the blocks of the fixed module lie, as far as its numbers have told.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    at: BTreeMap<usize, u64>,
    /// Those of which the contents are still to be compared.
    new: Vec<usize>,
}

impl Blocks {
    /// What a number of the fixed module is.
    pub fn number(&mut self, heaps: Heaps<'_>, was: u64, also: u64, is: u64) -> Word {
        if was == also && (is == was || heaps.fixed.is_none()) {
            return if is == was { Word::Same } else { Word::Differs };
        }
        let others = heaps.second.places(also);
        let mut places = heaps.first.places(was);
        places.retain(|place| others.contains(place));
        let Some(&(block, offset)) = places.first() else {
            return if was == also { Word::Differs } else { Word::Depends };
        };
        if let Some(fixed) = heaps.fixed {
            let here = fixed.places(is);
            return if places.iter().any(|place| here.contains(place)) { Word::Same } else { Word::Differs };
        }
        let Some(start) = is.checked_sub(offset) else { return Word::Differs };
        match self.at.get(&block) {
            Some(known) if *known == start => Word::Same,
            Some(_) => Word::Differs,
            None if start == 0 || !start.is_multiple_of(heaps.first.align(was)) => Word::Differs,
            None => {
                self.at.insert(block, start);
                self.new.push(block);
                Word::Same
            }
        }
    }

    /// The same for a value of any type.
    pub fn value(&mut self, heaps: Heaps<'_>, was: Value, also: Value, is: Value) -> Word {
        match (was.as_u64(), also.as_u64(), is.as_u64()) {
            (Some(was), Some(also), Some(is)) => self.number(heaps, was, also, is),
            _ if was != also => Word::Depends,
            _ if was == is => Word::Same,
            _ => Word::Differs,
        }
    }

    /// Compares what the module had when it started, and all blocks that it leads to.
    pub fn memory(&mut self, runs: &mut Runs<'_>, own: &Own<'_>) -> Result<Found, EngineError> {
        let mut found = Found::default();
        for range in own.ranges {
            for from in range.clone().step_by(usize::try_from(CHUNK_BYTES).unwrap_or(1)) {
                let length = CHUNK_BYTES.min(range.end - from);
                self.range(runs, [from; 3], length, Place::Own(from), &mut found)?;
            }
        }
        let places = |heap: &dyn Heap| -> BTreeMap<usize, (u64, u64)> {
            heap.live().into_iter().map(|(at, number, asked)| (number, (at, asked))).collect()
        };
        let (first, second) = (places(runs.heaps.first), places(runs.heaps.second));
        if let Some(fixed) = runs.heaps.fixed {
            self.at = fixed.live().into_iter().map(|(at, number, _)| (number, at)).collect();
        }
        self.new = self.at.keys().copied().collect();
        while let Some(number) = self.new.pop() {
            // One that is gone holds nothing of the program's.
            let (Some(&(was, asked)), Some(&(also, _))) = (first.get(&number), second.get(&number)) else {
                continue;
            };
            let is = self.at[&number];
            if is < own.end || is + asked > runs.fixed.memory_bytes(Memory::Main)? {
                found.broken =
                    Some(format!("a block of {asked} bytes lies at {is:#x}, which is not the heap's"));
                return Ok(found);
            }
            for from in (0..asked).step_by(usize::try_from(CHUNK_BYTES).unwrap_or(1)) {
                let length = CHUNK_BYTES.min(asked - from);
                let at = [was + from, also + from, is + from];
                self.range(runs, at, length, Place::Block(number, from), &mut found)?;
            }
            found.blocks += 1;
        }
        found.unseen = first.len() - found.blocks;
        found.broken = self.overlap(&first);
        Ok(found)
    }

    /// Two blocks of the fixed module that lie in each other, in words.
    fn overlap(&self, live: &BTreeMap<usize, (u64, u64)>) -> Option<String> {
        let mut places: Vec<(u64, u64)> = live
            .iter()
            .filter_map(|(number, (_, asked))| Some((*self.at.get(number)?, (*asked).max(1))))
            .collect();
        places.sort_unstable();
        let lies_in = |pair: &&[(u64, u64)]| pair[0].0 + pair[0].1 > pair[1].0;
        let pair = places.windows(2).find(lies_in)?;
        Some(format!(
            "a block lies at {:#x} and has {} bytes, and another lies at {:#x}",
            pair[0].0, pair[0].1, pair[1].0
        ))
    }

    /// Compares a range word by word; `place` is its start.
    fn range(
        &mut self,
        runs: &mut Runs<'_>,
        at: [u64; 3],
        length: u64,
        place: Place,
        found: &mut Found,
    ) -> Result<(), EngineError> {
        let was = runs.first.read(Memory::Main, at[0], length)?;
        let also = runs.second.read(Memory::Main, at[1], length)?;
        let is = runs.fixed.read(Memory::Main, at[2], length)?;
        found.bytes += length;
        if was == also && was == is {
            return Ok(());
        }
        let word_bytes = usize::try_from(WORD_BYTES).unwrap_or(1);
        let words = was.chunks(word_bytes).zip(also.chunks(word_bytes)).zip(is.chunks(word_bytes));
        for (offset, ((was, also), is)) in (0..).step_by(word_bytes).zip(words) {
            match self.word(runs.heaps, place.plus(offset), was, also, is) {
                (Word::Same, _) => {}
                (Word::Depends, _) => found.dependent += 1,
                (Word::Differs, bytes) if found.suspects.len() < MOST_SUSPECTS => {
                    found.suspects.push((place.plus(offset + bytes.start), bytes.end - bytes.start));
                }
                (Word::Differs, _) => {}
            }
        }
        Ok(())
    }

    /// What a word is, and which of its bytes, from the first, it was seen by.
    fn word(
        &mut self,
        heaps: Heaps<'_>,
        place: Place,
        was: &[u8],
        also: &[u8],
        is: &[u8],
    ) -> (Word, Range<u64>) {
        let all = 0..WORD_BYTES;
        if was == also && was == is {
            return (Word::Same, all);
        }
        if (was != also || heaps.fixed.is_some())
            && let (Some(one), Some(two), Some(new)) = (number(was), number(also), number(is))
        {
            match self.number(heaps, one, two, new) {
                Word::Depends => {}
                // A number that is no place in a block: byte by byte, too.
                Word::Differs if was == also => {}
                known => return (known, all),
            }
        }
        // Byte by byte: those that nobody wrote hold whatever was there.
        for (at, ((was, also), is)) in (0..).zip(was.iter().zip(also).zip(is)) {
            let place = place.plus(at);
            if heaps.first.is_unwritten(*was, place)
                && heaps.second.is_unwritten(*also, place)
                && (was != also || heaps.fixed.is_some_and(|heap| heap.is_unwritten(*is, place)))
            {
                continue;
            }
            if was != also {
                return (Word::Depends, at..at + 1);
            }
            if was != is {
                return (Word::Differs, at..at + 1);
            }
        }
        (Word::Same, all)
    }
}

impl Place {
    fn plus(self, more: u64) -> Self {
        match self {
            Self::Own(at) => Self::Own(at + more),
            Self::Block(number, offset) => Self::Block(number, offset + more),
        }
    }

    /// So many bytes there in one run of the original.
    pub fn read(self, run: &mut Run<'_>, bytes: u64) -> Option<Vec<u8>> {
        let at = match self {
            Self::Own(at) => at,
            Self::Block(number, offset) => {
                let live = run.heap.live();
                let (at, _, asked) = live.into_iter().find(|(_, known, _)| *known == number)?;
                (offset + bytes <= asked).then_some(at + offset)?
            }
        };
        run.instance.read(Memory::Main, at, bytes).ok()
    }

    /// In words.
    pub fn text(self) -> String {
        match self {
            Self::Own(at) => format!("at {at:#x}"),
            Self::Block(number, offset) => format!("at offset {offset} of block {number}"),
        }
    }
}

/// The number that four bytes are.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(|bytes| u64::from(u32::from_le_bytes(bytes)))
}
