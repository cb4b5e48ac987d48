//! Linux's memory calls as an emulated host answers them: the rules of the stand-ins in
//! `crates/memgrove-rewrite/runtime/20_break.wat`, written once more.

use std::collections::BTreeMap;

/// Mappings begin at multiples of it.
use memgrove_module::PAGE_BYTES as PAGE;

use crate::engine::{Caller, EngineError};

/// What lengths are counted in.
const GRAIN: u64 = 4096;
/// The last page of the address space is never used.
const TOP: u64 = (1 << 32) - PAGE;

const ENOSYS: i64 = -38;
const EINVAL: i64 = -22;
const ENODEV: i64 = -19;
const ENOMEM: i64 = -12;

/// A system call that concerns memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Brk,
    Mmap,
    Munmap,
    Mremap,
    Madvise,
}

/// Break and mappings of one instance. Addresses and lengths in bytes.
#[derive(Default)]
pub(super) struct Kernel {
    started: bool,
    /// End of the memory that the program started with.
    map_low: u64,
    low: u64,
    at: u64,
    /// End of the break's region.
    end: u64,
    /// Start and length of what was unmapped, or grown and not yet used.
    free: BTreeMap<u64, u64>,
}

impl Kernel {
    /// musl's system call `number`, one of i386's; `None` if it does not return.
    pub fn syscall(
        &mut self,
        caller: &mut dyn Caller,
        number: u64,
        arguments: &[u64],
    ) -> Result<Option<i64>, EngineError> {
        let call = match number {
            45 => Call::Brk,
            91 => Call::Munmap,
            163 => Call::Mremap,
            192 => Call::Mmap,
            219 => Call::Madvise,
            1 | 252 => return Ok(None),
            _ => return Ok(Some(ENOSYS)),
        };
        self.call(caller, call, arguments).map(Some)
    }

    /// A call with its arguments; the result as a 32-bit number with a sign.
    pub fn call(
        &mut self,
        caller: &mut dyn Caller,
        call: Call,
        arguments: &[u64],
    ) -> Result<i64, EngineError> {
        self.start(caller)?;
        let argument = |at: usize| arguments.get(at).copied().unwrap_or(0) & 0xffff_ffff;
        let (a, b, c, d) = (argument(0), argument(1), argument(2), argument(3));
        let answer = match call {
            Call::Brk => self.brk(caller, a)?,
            Call::Mmap if d & 0x20 == 0 && argument(4) != 0xffff_ffff => ENODEV,
            Call::Mmap if d & 0x10 != 0 => ENOMEM,
            Call::Mmap => self.map(caller, b)?,
            Call::Munmap => self.unmap(caller, a, b)?,
            Call::Mremap => self.remap(caller, a, b, c, d)?,
            Call::Madvise if c != 4 => 0,
            Call::Madvise if a + b > end_of(caller)? => ENOMEM,
            Call::Madvise => clear(caller, a, a + b).map(|()| 0)?,
        };
        Ok(signed(answer))
    }

    /// `sbrk`: the old break, or −1.
    pub fn sbrk(&mut self, caller: &mut dyn Caller, by: i32) -> Result<i64, EngineError> {
        self.start(caller)?;
        let old = self.at;
        let Some(new) = old.checked_add_signed(i64::from(by)) else { return Ok(-1) };
        if by <= 0 {
            if new < self.low {
                return Ok(-1);
            }
            clear(caller, new, old)?;
            self.at = new;
            return Ok(signed(old.cast_signed()));
        }
        if self.reach_break(caller, new)? {
            self.at = new;
            return Ok(signed(old.cast_signed()));
        }
        // Something lies above: go on behind it.
        let old = end_of(caller)?;
        let new = old.saturating_add_signed(i64::from(by));
        if old == self.end || new > TOP || !grow(caller, new)? {
            return Ok(-1);
        }
        (self.low, self.at, self.end) = (old, new, end_of(caller)?);
        Ok(signed(old.cast_signed()))
    }

    fn start(&mut self, caller: &mut dyn Caller) -> Result<(), EngineError> {
        if self.started {
            return Ok(());
        }
        self.started = true;
        if caller.memory_bytes()? == 0 {
            caller.grow(1);
        }
        self.end = end_of(caller)?;
        (self.map_low, self.low, self.at) = (self.end, self.end, self.end);
        Ok(())
    }

    fn reach_break(&mut self, caller: &mut dyn Caller, end: u64) -> Result<bool, EngineError> {
        if end <= self.end {
            return Ok(true);
        }
        if end > TOP || self.end != end_of(caller)? || !grow(caller, end)? {
            return Ok(false);
        }
        self.end = end_of(caller)?;
        Ok(true)
    }

    fn brk(&mut self, caller: &mut dyn Caller, to: u64) -> Result<i64, EngineError> {
        if to >= self.low {
            if to < self.at {
                clear(caller, to, self.at)?;
                self.at = to;
            } else if self.reach_break(caller, to)? {
                self.at = to;
            }
        }
        Ok(self.at.cast_signed())
    }

    fn map(&mut self, caller: &mut dyn Caller, length: u64) -> Result<i64, EngineError> {
        if length == 0 {
            return Ok(EINVAL);
        }
        let length = length.next_multiple_of(GRAIN);
        let fits = |(&at, &size): (&u64, &u64)| {
            let start = at.next_multiple_of(PAGE);
            (start + length <= at + size).then_some(start)
        };
        if let Some(start) = self.free.iter().find_map(fits) {
            self.take(start, length);
            return Ok(start.cast_signed());
        }
        let end = end_of(caller)?;
        let start = match self.free.last_key_value() {
            Some((&at, &size)) if at + size == end => at.next_multiple_of(PAGE),
            _ => end,
        };
        if !self.reach(caller, start + length)? {
            return Ok(ENOMEM);
        }
        self.take(start, length);
        Ok(start.cast_signed())
    }

    /// Grows memory to `end`; what is new becomes free.
    fn reach(&mut self, caller: &mut dyn Caller, end: u64) -> Result<bool, EngineError> {
        let old = end_of(caller)?;
        if end > TOP || !grow(caller, end)? {
            return Ok(false);
        }
        let new = end_of(caller)?;
        self.give(old, new);
        Ok(true)
    }

    fn give(&mut self, at: u64, end: u64) {
        let joined: Vec<(u64, u64)> = self
            .free
            .range(..=end)
            .filter(|&(&start, &size)| start + size >= at)
            .map(|(&start, &size)| (start, start + size))
            .collect();
        let (mut start, mut stop) = (at, end);
        for (low, high) in joined {
            self.free.remove(&low);
            start = start.min(low);
            stop = stop.max(high);
        }
        self.free.insert(start, stop - start);
    }

    /// Takes a range that lies inside one free region.
    fn take(&mut self, start: u64, length: u64) {
        let Some((&at, &size)) = self.free.range(..=start).next_back() else { return };
        self.free.remove(&at);
        if at < start {
            self.free.insert(at, start - at);
        }
        if start + length < at + size {
            self.free.insert(start + length, at + size - start - length);
        }
    }

    fn is_mappable(&self, caller: &mut dyn Caller, at: u64, length: u64) -> Result<bool, EngineError> {
        let end = at + length;
        let inside = at.is_multiple_of(GRAIN) && length > 0 && at >= self.map_low && end <= end_of(caller)?;
        Ok(inside && (at >= self.end || end <= self.low))
    }

    fn unmap(&mut self, caller: &mut dyn Caller, at: u64, length: u64) -> Result<i64, EngineError> {
        let length = length.next_multiple_of(GRAIN);
        if !self.is_mappable(caller, at, length)? {
            return Ok(EINVAL);
        }
        clear(caller, at, at + length)?;
        self.give(at, at + length);
        Ok(0)
    }

    fn remap(
        &mut self,
        caller: &mut dyn Caller,
        at: u64,
        old: u64,
        new: u64,
        flags: u64,
    ) -> Result<i64, EngineError> {
        let (old, new) = (old.next_multiple_of(GRAIN), new.next_multiple_of(GRAIN));
        if new == 0 || flags > 1 || !self.is_mappable(caller, at, old)? {
            return Ok(EINVAL);
        }
        if new > TOP {
            return Ok(ENOMEM);
        }
        if new <= old {
            if new < old {
                clear(caller, at + new, at + old)?;
                self.give(at + new, at + old);
            }
            return Ok(at.cast_signed());
        }
        let end = at + old;
        let behind = self.free.get(&end).copied().unwrap_or(0);
        let at_the_end = end + behind == end_of(caller)?;
        if behind >= new - old || at_the_end && self.reach(caller, at + new)? {
            self.take(end, new - old);
            return Ok(at.cast_signed());
        }
        if flags == 0 {
            return Ok(ENOMEM);
        }
        let to = self.map(caller, new)?;
        if to > 0 {
            let bytes = caller.read(at, old)?;
            caller.write(to.cast_unsigned(), &bytes)?;
            clear(caller, at, end)?;
            self.give(at, end);
        }
        Ok(to)
    }
}

fn end_of(caller: &mut dyn Caller) -> Result<u64, EngineError> {
    Ok(caller.memory_bytes()?.min(TOP))
}

/// Grows until memory reaches `end`.
fn grow(caller: &mut dyn Caller, end: u64) -> Result<bool, EngineError> {
    let have = caller.memory_bytes()?;
    Ok(end <= have || caller.grow((end - have).div_ceil(PAGE)).is_some())
}

fn clear(caller: &mut dyn Caller, from: u64, to: u64) -> Result<(), EngineError> {
    let length = usize::try_from(to - from).unwrap_or(usize::MAX);
    caller.write(from, &vec![0; length])
}

/// An address or a negated errno as 32 bits with a sign, as calls answer it.
fn signed(number: i64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "addresses have 32 bits, error numbers fewer")]
    let word = number as i32;
    i64::from(word)
}
