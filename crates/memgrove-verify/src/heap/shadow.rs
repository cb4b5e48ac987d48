//! A second implementation of C's heap: nothing of it lies in the module's memory but the blocks.
//!
//! ```text
//! | zone | block: as long as asked for, and what is usable beyond | zone | ...
//! ```
//!
//! The zones around a block hold a pattern, so that a program which writes beyond its block is noticed: what it does is
//! undefined, and says nothing about the heap that stands for this one.

use std::collections::BTreeMap;

use memgrove_rewrite::HeapFunction;

use super::blocks::{Heap, Place};
use crate::engine::{Caller, EngineError, HostTrap, Instance, Memory};

/// C's alignment of every block on wasm32: `alignof(max_align_t)`.
pub(in crate::heap) const ALIGN: u64 = 16;
/// Numbers that wasi-libc and Emscripten share.
const EINVAL: i64 = 28;
const ENOMEM: i64 = 48;
/// The largest object that C allows on wasm32.
const MOST_BYTES: u64 = i32::MAX as u64;
/// What lies around blocks.
const ZONE_BYTE: u8 = 0xe7;
/// So much memory is taken before any is used again, so that addresses of blocks that are gone stay theirs.
const QUARANTINE_BYTES: u64 = 16 << 20;
/// Bytes that are filled in all, so that a program which allocates in a loop ends in time.
const MOST_FILLED_BYTES: u64 = 512 << 20;
/// What a call costs beside the bytes it fills.
const CALL_BYTES: u64 = 256;
/// Free ranges that are looked at for one block.
const MOST_RANGES: usize = 256;

/// How a heap lays out its blocks, in which two heaps differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// What a block holds before it is written; one that is gone holds the number after it.
    fill: u8,
    /// Blocks are taken from the end of what is there.
    from_the_end: bool,
    /// Length of a zone in bytes.
    zone_bytes: u64,
    /// Usable bytes beyond those that were asked for.
    beyond_bytes: u64,
    /// Pages that are grown beyond what is needed.
    beyond_pages: u64,
    /// A block that gets shorter stays where it is.
    stays: bool,
}

impl Layout {
    /// Of the heap that is there without another to compare with.
    pub const FIRST: Self = Self {
        fill: 0xa5,
        from_the_end: false,
        zone_bytes: 16,
        beyond_bytes: 0,
        beyond_pages: 0,
        stays: false,
    };
    /// As different from it as can be.
    pub const SECOND: Self = Self {
        fill: 0x4b,
        from_the_end: true,
        zone_bytes: 48,
        beyond_bytes: 24,
        beyond_pages: 3,
        stays: false,
    };
    /// Others, which are asked before anything is called different: some without surprises in fresh memory, and each with
    /// other distances between blocks. A bit of an address that is the same in all of them by chance is one in 256.
    pub const OTHERS: [Self; 8] = [
        Self::other(0, false, 16, 8, 1, true),
        Self::other(0xff, true, 80, 0, 0, true),
        Self::other(0, false, 208, 104, 5, false),
        Self::other(1, true, 1040, 0, 9, false),
        Self::other(0x80, false, 592, 40, 2, false),
        Self::other(0, true, 4208, 16, 17, false),
        Self::other(0x7f, false, 2096, 0, 33, true),
        Self::other(0x20, true, 336, 72, 4, false),
    ];

    const fn other(
        fill: u8,
        from_the_end: bool,
        zone_bytes: u64,
        beyond_bytes: u64,
        beyond_pages: u64,
        stays: bool,
    ) -> Self {
        Self { fill, from_the_end, zone_bytes, beyond_bytes, beyond_pages, stays }
    }

    /// The byte is one that nobody has written.
    pub const fn is_unwritten(self, byte: u8) -> bool {
        byte == self.fill || byte == self.gone()
    }

    const fn gone(self) -> u8 {
        self.fill.wrapping_add(1)
    }
}

/// A block that was given out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// The how manyth it is: the same in every heap that got the same calls.
    pub number: usize,
    /// Bytes that were asked for.
    pub asked: u64,
    pub align: u64,
    /// It was not given back.
    pub is_live: bool,
    /// Start and end of its zones.
    reserved: (u64, u64),
}

/// The heap of one instance. Addresses and lengths in bytes.
pub(crate) struct Shadow {
    layout: Layout,
    page_bytes: u64,
    /// Memory that no block has had.
    fresh: (u64, u64),
    /// Start and length of what blocks have had, and of what fresh memory was left over.
    free: BTreeMap<u64, u64>,
    /// By address: those that are there, and those that are gone until their memory is used again.
    blocks: BTreeMap<u64, Block>,
    count: usize,
    grown_bytes: u64,
    filled_bytes: u64,
    /// The program did what C does not define, or asked for more than can be had: nothing can be compared.
    incomparable: Option<&'static str>,
}

impl Shadow {
    pub const fn new(layout: Layout, page_bytes: u64) -> Self {
        Self {
            layout,
            page_bytes,
            fresh: (0, 0),
            free: BTreeMap::new(),
            blocks: BTreeMap::new(),
            count: 0,
            grown_bytes: 0,
            filled_bytes: 0,
            incomparable: None,
        }
    }

    /// How far it has grown memory.
    pub const fn grown_bytes(&self) -> u64 {
        self.grown_bytes
    }

    /// Why what the program does cannot be compared from here on, if that is so.
    pub const fn incomparable(&self) -> Option<&'static str> {
        self.incomparable
    }

    /// The blocks that are there, by address.
    pub fn live(&self) -> impl Iterator<Item = (u64, &Block)> {
        self.blocks.iter().filter(|(_, block)| block.is_live).map(|(at, block)| (*at, block))
    }

    /// The block that an address belongs to, and the offset in it; up to the end of what is usable, which is an address
    /// that C knows.
    pub fn locate(&self, address: u64) -> Option<(&Block, u64)> {
        let (at, block) = self.blocks.range(..=address).next_back()?;
        let offset = address - at;
        (offset <= block.asked.max(1) + self.layout.beyond_bytes).then_some((block, offset))
    }

    /// A function of the heap, with its arguments; its result as a number.
    pub fn call(
        &mut self,
        caller: &mut dyn Caller,
        function: HeapFunction,
        arguments: &[u64],
    ) -> Result<i64, HostTrap> {
        use HeapFunction as F;
        let argument = |at: usize| arguments.get(at).copied().unwrap_or(0);
        let (a, b, c) = (argument(0), argument(1), argument(2));
        self.spend(CALL_BYTES)?;
        let at = match function {
            F::Malloc => self.allocate(caller, a, ALIGN)?,
            F::Calloc => match a.checked_mul(b) {
                Some(bytes) => self.zeroed(caller, bytes)?,
                None => None,
            },
            F::Realloc => self.resize(caller, a, Some(b))?,
            F::Reallocarray => self.resize(caller, a, b.checked_mul(c))?,
            F::AlignedAlloc | F::Memalign if a.is_power_of_two() => self.allocate(caller, b, a)?,
            F::AlignedAlloc | F::Memalign => None,
            F::PosixMemalign => {
                if !b.is_power_of_two() || b < 4 {
                    return Ok(EINVAL);
                }
                let Some(at) = self.allocate(caller, c, b)? else { return Ok(ENOMEM) };
                caller.write(a, &low(at).to_le_bytes())?;
                return Ok(0);
            }
            F::Free | F::FreeSized | F::FreeAlignedSized => {
                if a != 0 {
                    self.release(caller, a)?;
                }
                None
            }
            F::UsableSize if a == 0 => None,
            F::UsableSize => Some(self.find(a)?.asked.max(1) + self.layout.beyond_bytes),
        };
        Ok(i64::from(low(at.unwrap_or(0)).cast_signed()))
    }

    /// Whether some program has written beyond its block: then what it does is undefined.
    pub fn zones_are_whole(&self, instance: &mut dyn Instance) -> Result<bool, EngineError> {
        for (at, block) in self.live() {
            let end = at + block.asked.max(1) + self.layout.beyond_bytes;
            for (from, to) in [(block.reserved.0, at), (end, block.reserved.1)] {
                let bytes = instance.read(Memory::Main, from, to - from)?;
                if bytes.iter().any(|byte| *byte != ZONE_BYTE) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn give_up(&mut self, why: &'static str) -> HostTrap {
        self.incomparable = Some(why);
        HostTrap(why.to_owned())
    }

    fn spend(&mut self, bytes: u64) -> Result<(), HostTrap> {
        self.filled_bytes = self.filled_bytes.saturating_add(bytes);
        if self.filled_bytes > MOST_FILLED_BYTES {
            return Err(self.give_up("it allocates more than is compared"));
        }
        Ok(())
    }

    fn find(&mut self, address: u64) -> Result<Block, HostTrap> {
        match self.blocks.get(&address) {
            Some(block) if block.is_live => Ok(*block),
            _ => Err(self.give_up("it gives back what is not a block")),
        }
    }

    /// Memory of such a length and alignment; `None` where it cannot be had.
    fn allocate(&mut self, caller: &mut dyn Caller, asked: u64, align: u64) -> Result<Option<u64>, HostTrap> {
        if asked > MOST_BYTES || align > MOST_BYTES {
            return Ok(None);
        }
        let align = align.max(ALIGN);
        let usable = asked.max(1) + self.layout.beyond_bytes;
        let most = usable + 2 * self.layout.zone_bytes + align + ALIGN;
        self.spend(most)?;
        let Some(at) = self.room(caller, usable, align, most)? else {
            self.incomparable = Some("memory was exhausted, which comes sooner or later with every heap");
            return Ok(None);
        };
        let reserved = (at - self.layout.zone_bytes, at + usable + self.layout.zone_bytes);
        let zone = vec![ZONE_BYTE; length(self.layout.zone_bytes)];
        caller.write(reserved.0, &zone)?;
        caller.write(at, &vec![self.layout.fill; length(usable)])?;
        caller.write(at + usable, &zone)?;
        let block = Block { number: self.count, asked, align, is_live: true, reserved };
        self.count += 1;
        self.blocks.insert(at, block);
        Ok(Some(at))
    }

    /// An address with so much room behind it, and a zone on either side.
    fn room(
        &mut self,
        caller: &mut dyn Caller,
        usable: u64,
        align: u64,
        most: u64,
    ) -> Result<Option<u64>, EngineError> {
        if let Some(at) = self.take_fresh(usable, align) {
            return Ok(Some(at));
        }
        if self.grown_bytes > QUARANTINE_BYTES
            && let Some(at) = self.take_again(usable, align)
        {
            return Ok(Some(at));
        }
        let end = caller.memory_bytes()?;
        let pages = most.div_ceil(self.page_bytes) + self.layout.beyond_pages;
        // Of an address space of 32 bits the last page is never used.
        let new_end = end.saturating_add(pages.saturating_mul(self.page_bytes));
        if new_end > (1 << 32) - self.page_bytes || caller.grow(pages).is_none() {
            return Ok(self.take_again(usable, align));
        }
        let grown = caller.memory_bytes()?;
        self.grown_bytes += grown - end;
        if self.fresh.1 == end {
            self.fresh.1 = grown;
        } else {
            let left_over = std::mem::replace(&mut self.fresh, (end, grown));
            self.give(left_over);
        }
        Ok(self.take_fresh(usable, align))
    }

    /// Memory that no block has had.
    fn take_fresh(&mut self, usable: u64, align: u64) -> Option<u64> {
        let (start, end) = self.fresh;
        let (at, taken) = self.fit(self.fresh, usable, align)?;
        // What alignment leaves over is free.
        let left_over = if self.layout.from_the_end {
            self.fresh = (start, taken.0);
            (taken.1, end)
        } else {
            self.fresh = (taken.1, end);
            (start, taken.0)
        };
        self.give(left_over);
        Some(at)
    }

    /// Memory that blocks have had; their addresses are no longer theirs.
    fn take_again(&mut self, usable: u64, align: u64) -> Option<u64> {
        let ranges = self.free.iter().take(MOST_RANGES).map(|(start, bytes)| (*start, start + bytes));
        let (range, (at, taken)) =
            ranges.into_iter().find_map(|range| Some((range, self.fit(range, usable, align)?)))?;
        let gone: Vec<u64> = self.blocks.range(taken.0..taken.1).map(|(at, _)| *at).collect();
        for block in gone {
            self.blocks.remove(&block);
        }
        self.free.remove(&range.0);
        self.give((range.0, taken.0));
        self.give((taken.1, range.1));
        Some(at)
    }

    /// Where a block lies in a range that it fits into, and what it takes with its zones.
    fn fit(&self, range: (u64, u64), usable: u64, align: u64) -> Option<(u64, (u64, u64))> {
        let zone = self.layout.zone_bytes;
        let at = if self.layout.from_the_end {
            let last = range.1.checked_sub(usable + zone)?;
            last - last % align
        } else {
            (range.0 + zone).next_multiple_of(align)
        };
        let taken = (at.checked_sub(zone)?, at + usable + zone);
        (taken.0 >= range.0 && taken.1 <= range.1).then_some((at, taken))
    }

    /// Adds a range to those that are free, joined with its neighbours.
    fn give(&mut self, (mut start, mut end): (u64, u64)) {
        if start >= end {
            return;
        }
        if let Some((&at, &bytes)) = self.free.range(..start).next_back()
            && at + bytes == start
        {
            self.free.remove(&at);
            start = at;
        }
        if let Some(bytes) = self.free.remove(&end) {
            end += bytes;
        }
        self.free.insert(start, end - start);
    }

    fn zeroed(&mut self, caller: &mut dyn Caller, bytes: u64) -> Result<Option<u64>, HostTrap> {
        let Some(at) = self.allocate(caller, bytes, ALIGN)? else { return Ok(None) };
        caller.write(at, &vec![0; length(bytes)])?;
        Ok(Some(at))
    }

    fn resize(
        &mut self,
        caller: &mut dyn Caller,
        old: u64,
        bytes: Option<u64>,
    ) -> Result<Option<u64>, HostTrap> {
        if old == 0 {
            return bytes.map_or(Ok(None), |bytes| self.allocate(caller, bytes, ALIGN));
        }
        let block = self.find(old)?;
        let Some(bytes) = bytes.filter(|bytes| *bytes <= MOST_BYTES) else { return Ok(None) };
        if bytes == 0 {
            return Err(self.give_up("it makes a block 0 bytes long, which C does not define"));
        }
        if self.layout.stays && bytes <= block.asked {
            self.blocks.insert(old, Block { number: self.count, asked: bytes, ..block });
            self.count += 1;
            // What was the block's is a zone now.
            let end = old + bytes + self.layout.beyond_bytes;
            caller.write(end, &vec![ZONE_BYTE; length(block.reserved.1 - end)])?;
            return Ok(Some(old));
        }
        let Some(at) = self.allocate(caller, bytes, ALIGN)? else { return Ok(None) };
        let kept = caller.read(old, block.asked.min(bytes))?;
        caller.write(at, &kept)?;
        self.release(caller, old)?;
        Ok(Some(at))
    }

    fn release(&mut self, caller: &mut dyn Caller, at: u64) -> Result<(), HostTrap> {
        let block = self.find(at)?;
        let usable = block.asked.max(1) + self.layout.beyond_bytes;
        self.spend(usable)?;
        caller.write(at, &vec![self.layout.gone(); length(usable)])?;
        self.blocks.insert(at, Block { is_live: false, ..block });
        self.give(block.reserved);
        Ok(())
    }
}

impl Heap for Shadow {
    fn places(&self, address: u64) -> Vec<(usize, u64)> {
        self.locate(address).map(|(block, offset)| (block.number, offset)).into_iter().collect()
    }

    fn live(&self) -> Vec<(u64, usize, u64)> {
        Self::live(self).map(|(at, block)| (at, block.number, block.asked)).collect()
    }

    fn align(&self, address: u64) -> u64 {
        self.locate(address).map_or(ALIGN, |(block, _)| block.align)
    }

    fn is_unwritten(&self, byte: u8, _: Place) -> bool {
        self.layout.is_unwritten(byte)
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// An address or a length, which has 32 bits.
fn low(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
