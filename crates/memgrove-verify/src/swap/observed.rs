//! A module's own heap, as the calls tell that an observed copy of it wrote down.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use memgrove_module::allocator::Param;
use memgrove_rewrite::swap::{LOG_BYTES, Member, Observed, RECORD_BYTES, RETURNED, Role};

use crate::engine::{EngineError, Instance, Memory, Value};
use crate::heap::{Heap, Place};

/// Blocks are found by the pages that they lie in.
const PAGE_BYTES: u64 = 4096;
/// Blocks of a page that are kept in mind, the latest; older ones nothing points to, as a rule.
const MOST_OF_PAGE: usize = 256;
/// Where an old allocator keeps a block's length nothing can be told of a longer one.
const MOST_BYTES: u32 = i32::MAX.cast_unsigned();

/// What a program asked of its heap, without addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Of which function.
    func: u32,
    /// Lengths, alignments and counts.
    numbers: Vec<u32>,
    /// The block that was handed in, by its number.
    block: Option<usize>,
    /// It returned nothing.
    is_null: bool,
}

struct Block {
    at: u64,
    asked: u64,
    /// Bytes that nobody filled: what the block is longer by than it was.
    unfilled: Range<u64>,
}

/// The heap of one instance.
#[derive(Default)]
pub(super) struct Seen {
    /// The byte that new blocks were filled with; none: they were left as they are.
    fill: Option<u8>,
    blocks: Vec<Block>,
    live: BTreeMap<u64, usize>,
    by_page: HashMap<u64, Vec<usize>>,
    /// Nothing that follows can be compared, and why.
    incomparable: Option<&'static str>,
}

impl Seen {
    pub fn new(fill: Option<u8>) -> Self {
        Self { fill, ..Self::default() }
    }

    /// Why what the program does cannot be compared from here on, if that is so.
    pub const fn incomparable(&self) -> Option<&'static str> {
        self.incomparable
    }

    /// New blocks are filled with this byte from now on.
    pub const fn fill_with(&mut self, fill: Option<u8>) {
        self.fill = fill;
    }

    /// How many blocks there have been.
    pub const fn count(&self) -> usize {
        self.blocks.len()
    }

    /// The lowest address that was given out.
    pub fn lowest(&self) -> Option<u64> {
        self.blocks.iter().map(|block| block.at).min()
    }

    /// The address of a block that is there.
    pub fn address(&self, number: usize) -> Option<u64> {
        self.blocks.get(number).map(|block| block.at)
    }

    /// Gets ready for a call.
    pub fn prepare(&self, instance: &mut dyn Instance, names: &Observed) -> Result<(), EngineError> {
        let fill = self.fill.map_or(memgrove_rewrite::swap::NO_FILL, i32::from);
        instance.set_global(&names.used, Value::I32(0))?;
        instance.set_global(&names.depth, Value::I32(0))?;
        instance.set_global(&names.fill, Value::I32(fill))
    }

    /// Takes over what was written down in the last call; what the program asked.
    pub fn learn(
        &mut self,
        instance: &mut dyn Instance,
        names: &Observed,
        members: &BTreeMap<u32, Member>,
    ) -> Result<Vec<Asked>, EngineError> {
        let used = instance.global(&names.used)?.as_u32().unwrap_or(0).min(LOG_BYTES);
        let log = instance.read(Memory::Export(&names.log), 0, used.into())?;
        if used == LOG_BYTES {
            self.incomparable = Some("it allocates more than is compared");
        }
        let mut asked = Vec::new();
        for record in log.chunks_exact(RECORD_BYTES as usize) {
            if self.incomparable.is_some() {
                break;
            }
            let word = |at: usize| {
                record
                    .get(at * 4..at * 4 + 4)
                    .and_then(|word| word.try_into().ok())
                    .map_or(0, u32::from_le_bytes)
            };
            let Some(member) = members.get(&word(0)) else { continue };
            let arguments = [word(1), word(2), word(3), word(4)];
            let result = (word(6) == RETURNED).then(|| word(5));
            let out = match (member.role, result) {
                (Role::PosixMemalign, Some(0)) => {
                    let bytes = instance.read(Memory::Main, arguments[0].into(), 4)?;
                    crate::heap::number(&bytes).and_then(|at| u32::try_from(at).ok()).unwrap_or(0)
                }
                _ => 0,
            };
            asked.push(self.take(member, arguments, result, out));
        }
        Ok(asked)
    }

    /// One call: its arguments, and its result if it returned.
    fn take(&mut self, member: &Member, arguments: [u32; 4], result: Option<u32>, out: u32) -> Asked {
        let role = member.role;
        let given = |wanted: Param| role.params().iter().zip(arguments).find(|(param, _)| **param == wanted);
        let given = |wanted: Param| given(wanted).map(|(_, value)| value);
        let (old, old_size) = (given(Param::Pointer), given(Param::OldSize));
        let size = match (given(Param::Count), given(Param::Size)) {
            (Some(count), Some(size)) => count.checked_mul(size),
            (_, size) => size,
        };
        let is_address = |param: &Param| matches!(param, Param::Pointer | Param::OutPointer);
        let numbers = role.params().iter().zip(arguments).filter(|(param, _)| !is_address(param));
        let numbers = numbers.map(|(_, value)| value).collect();
        let mut asked = Asked { func: member.func, numbers, block: None, is_null: result == Some(0) };
        let Some(result) = result else {
            self.incomparable = Some("it ends inside of its allocator");
            return asked;
        };
        if member.role == Role::UsableSize {
            self.incomparable = Some("it asks how long a block is in truth");
            return asked;
        }
        // Rust's functions may be handed the alignment for an empty block.
        let is_block = |at: u32| at != 0 && self.live.contains_key(&u64::from(at));
        let is_empty = old_size == Some(0) && old.is_some_and(|old| !is_block(old));
        let mut kept = 0;
        if let Some(old) = old.filter(|old| *old != 0 && !is_empty) {
            let Some(&number) = self.live.get(&u64::from(old)) else {
                self.incomparable = Some("it gives back what is not a block");
                return asked;
            };
            asked.block = Some(number);
            kept = self.blocks[number].asked;
            if role == Role::Realloc && size == Some(0) {
                self.incomparable = Some("it makes a block 0 bytes long, which C does not define");
                return asked;
            }
            if member.role.frees() || result != 0 {
                self.live.remove(&u64::from(old));
            }
        }
        let Some(size) = size else { return asked };
        let at = if role == Role::PosixMemalign { out } else { result };
        if at == 0 {
            asked.is_null = true;
            if size <= MOST_BYTES {
                self.incomparable = Some("memory was exhausted, which comes sooner or later with every heap");
            }
            return asked;
        }
        let size = u64::from(size);
        let unfilled = if self.fill.is_none() && !role.clears() {
            kept.min(size)..size
        } else if role.is_new_block() {
            0..0
        } else {
            kept.min(size)..size
        };
        self.add(at.into(), size, unfilled);
        asked
    }

    fn add(&mut self, at: u64, asked: u64, unfilled: Range<u64>) {
        let number = self.blocks.len();
        self.blocks.push(Block { at, asked, unfilled });
        self.live.insert(at, number);
        for page in at / PAGE_BYTES..=(at + asked) / PAGE_BYTES {
            let known = self.by_page.entry(page).or_default();
            if known.len() >= 2 * MOST_OF_PAGE {
                known.drain(..MOST_OF_PAGE);
            }
            known.push(number);
        }
    }
}

impl Heap for Seen {
    fn places(&self, address: u64) -> Vec<(usize, u64)> {
        let known = self.by_page.get(&(address / PAGE_BYTES));
        let of = |number: &usize| {
            let block = &self.blocks[*number];
            let offset = address.checked_sub(block.at)?;
            // The end of a block is an address that a program may hold.
            (offset <= block.asked.max(1)).then_some((*number, offset))
        };
        known.into_iter().flatten().rev().filter_map(of).collect()
    }

    fn live(&self) -> Vec<(u64, usize, u64)> {
        self.live.iter().map(|(at, number)| (*at, *number, self.blocks[*number].asked)).collect()
    }

    fn align(&self, _: u64) -> u64 {
        1
    }

    fn is_unwritten(&self, byte: u8, place: Place) -> bool {
        match place {
            Place::Own(_) => false,
            Place::Block(number, offset) => {
                self.fill == Some(byte)
                    || self.blocks.get(number).is_some_and(|block| block.unfilled.contains(&offset))
            }
        }
    }
}
