//! What belongs to the allocator and to nobody else: functions, addresses, globals.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use memgrove_module::code::access;
use wasmparser::Operator;

use super::code::{Code, read};
use crate::facts::{Callers, ConstExpr, DataSegment, ExternKind, Facts, Numbers, Proposal};
use crate::report::{AddressRange, StaticState};

/// Addresses below are taken for numbers: linkers leave the first kilobyte free.
const FIRST_ADDRESS: u64 = 1024;
/// Variables of one allocator lie no further apart; the tables between them are reached by index.
const MAX_GAP_BYTES: u64 = 512;
/// Bytes from an address on that belong to it.
const WORD_BYTES: u64 = 4;
/// Modules with more code are not searched for other uses of the state: that reads every function again.
const MAX_CODE_BYTES: u64 = 2 << 20;
/// Callers listed for each function: one of the corpus has more, 72.
const MAX_CALLERS: usize = 64;
/// Functions that the allocator may consist of; more mean that it is not one's state that was followed.
const MAX_CLOSURE: usize = 256;

/// The allocator's functions and what they use.
pub(super) struct Closure {
    funcs: BTreeSet<u32>,
    codes: BTreeMap<u32, Code>,
    addresses: BTreeSet<u64>,
}

impl Closure {
    /// The interface, and all functions that are called from there only. O(calls).
    pub(super) fn new(facts: &Facts<'_>, callers: &Callers, interface: &BTreeSet<u32>) -> Self {
        let exposed: BTreeSet<u32> = facts.address_taken().into_iter().collect();
        let mut funcs = interface.clone();
        let mut outside_callers: BTreeMap<u32, usize> = BTreeMap::new();
        let mut queue: Vec<u32> = funcs.iter().copied().collect();
        while let Some(func) = queue.pop() {
            for &callee in facts.call_graph.callees(func) {
                if funcs.contains(&callee) || facts.function(callee).is_none() {
                    continue;
                }
                let left = outside_callers
                    .entry(callee)
                    .or_insert_with(|| callers.of(callee).iter().filter(|caller| **caller != callee).count());
                *left = left.saturating_sub(1);
                let closed = *left == 0
                    && !exposed.contains(&callee)
                    && facts.exports_of(ExternKind::Func, callee).next().is_none()
                    && facts.start.is_none_or(|start| start.func != callee);
                if closed && funcs.len() < MAX_CLOSURE {
                    funcs.insert(callee);
                    queue.push(callee);
                }
            }
        }
        let codes: BTreeMap<u32, Code> =
            funcs.iter().filter_map(|&func| Some((func, read(facts, func)?))).collect();
        let addresses = codes
            .values()
            .flat_map(|code| &code.statics)
            .copied()
            .filter(|at| *at >= FIRST_ADDRESS)
            .collect();
        Self { funcs, codes, addresses }
    }

    /// Whether an address lies among the allocator's.
    fn is_near(&self, address: u64) -> bool {
        let before = self.addresses.range(..=address).next_back();
        let after = self.addresses.range(address..).next();
        matches!((before, after), (Some(before), Some(after)) if after - before <= MAX_GAP_BYTES)
    }

    /// Functions outside that call, past the interface, what is below a function of it. O(calls).
    pub(super) fn callers_of_internals(
        &self,
        facts: &Facts<'_>,
        callers: &Callers,
        interface: &BTreeSet<u32>,
        func: u32,
        is_internal: bool,
    ) -> Vec<u32> {
        let own = is_internal.then_some(func);
        let below = facts.call_graph.callees(func).iter().copied().take(MAX_CLOSURE).filter(|callee| {
            !interface.contains(callee)
                && read(facts, *callee).is_some_and(|code| code.statics.iter().any(|at| self.is_near(*at)))
        });
        let mut outside: Vec<u32> = own
            .into_iter()
            .chain(below)
            .flat_map(|inner| callers.of(inner).iter().copied())
            .filter(|caller| !self.funcs.contains(caller))
            .collect();
        outside.sort_unstable();
        outside.dedup();
        outside.truncate(MAX_CALLERS);
        outside
    }

    /// Addresses and globals that nothing else in the module names; `None` where there are none, or too much would
    /// have to be read to know. O(operators + bytes of data).
    pub(super) fn static_state(&self, facts: &Facts<'_>) -> Option<StaticState> {
        let code_bytes: u64 = facts.functions.iter().map(|function| u64::from(function.body_len)).sum();
        // A side module's addresses are relative, an unread function's unknown; vector and atomic accesses are not
        // looked at.
        let others =
            facts.proposals.iter().any(|used| matches!(used.proposal, Proposal::Simd | Proposal::Threads));
        if others
            || code_bytes > MAX_CODE_BYTES
            || facts.custom.dylink.is_some()
            || self.codes.len() < self.funcs.len()
        {
            return None;
        }
        let mut strange = Strange::new(&self.addresses);
        let mut globals: BTreeSet<u32> =
            self.codes.values().flat_map(|code| &code.globals).copied().collect();
        globals.retain(|&global| {
            facts.globals.get(global as usize).is_some_and(|global| global.init.is_some())
                && facts.exports_of(ExternKind::Global, global).next().is_none()
        });
        let addresses = strange.numbers();
        let mut wanted = addresses.or(of_globals(&globals));
        for func in
            (facts.imported_func_count()..facts.func_count()).filter(|func| !self.funcs.contains(func))
        {
            let before = globals.len();
            if !facts.function(func)?.numbers.may_meet(wanted) {
                continue;
            }
            let mut operators = facts.operators(func)?;
            while !operators.eof() {
                match operators.read().ok()? {
                    Operator::I32Const { value } => strange.add(u64::from(value.cast_unsigned())),
                    Operator::I64Const { value } => strange.add(value.cast_unsigned()),
                    Operator::GlobalGet { global_index } | Operator::GlobalSet { global_index } => {
                        globals.remove(&global_index);
                    }
                    other => {
                        if let Some((offset, _)) = access(&other) {
                            strange.add(offset);
                        }
                    }
                }
            }
            if globals.len() < before {
                wanted = addresses.or(of_globals(&globals));
            }
        }
        for global in &facts.globals {
            if let Some(address) = global.init.as_ref().and_then(ConstExpr::address) {
                strange.add(address);
            }
        }
        for segment in &facts.data {
            strange.add_words(segment);
        }
        let ranges = self.ranges(&strange.addresses);
        (!ranges.is_empty() || !globals.is_empty())
            .then(|| StaticState { addresses: ranges, globals: globals.into_iter().collect() })
    }

    /// The addresses without those that are strange: close ones together, if nothing strange lies between.
    fn ranges(&self, strange: &BTreeSet<u64>) -> Vec<AddressRange> {
        let mut ranges: Vec<AddressRange> = Vec::new();
        for &address in self.addresses.difference(strange) {
            let next = strange.range(address..).next().copied().unwrap_or(u64::MAX);
            let end = address.saturating_add(WORD_BYTES).min(next);
            let joins = |last: &AddressRange| {
                address <= last.end.saturating_add(MAX_GAP_BYTES)
                    && strange.range(last.start..address).next().is_none()
            };
            match ranges.last_mut().filter(|last| joins(last)) {
                Some(last) => last.end = last.end.max(end),
                None => ranges.push(AddressRange { start: address, end }),
            }
        }
        ranges
    }
}

/// Addresses among the allocator's that something else names.
struct Strange {
    /// Where the allocator's addresses lie, close ones together, sorted.
    places: Vec<RangeInclusive<u64>>,
    addresses: BTreeSet<u64>,
}

/// The filter that a function passes if it may name one of them. O(globals), of which an allocator has a few.
fn of_globals(globals: &BTreeSet<u32>) -> Numbers {
    globals.iter().fold(Numbers::default(), |all, &global| all.or(Numbers::of_global(global)))
}

impl Strange {
    fn new(own: &BTreeSet<u64>) -> Self {
        let mut places: Vec<RangeInclusive<u64>> = Vec::new();
        for &address in own {
            let end = address.saturating_add(WORD_BYTES);
            match places.last_mut() {
                Some(last) if address <= last.end().saturating_add(MAX_GAP_BYTES) => {
                    *last = *last.start()..=end
                }
                _ => places.push(address..=end),
            }
        }
        Self { places, addresses: BTreeSet::new() }
    }

    /// The filter that a function passes if it may name one of them.
    fn numbers(&self) -> Numbers {
        self.places.iter().fold(Numbers::default(), |all, place| all.or(Numbers::of_range(place)))
    }

    fn add(&mut self, address: u64) {
        let place = self.places.partition_point(|place| *place.end() < address);
        if self.places.get(place).is_some_and(|place| place.contains(&address)) {
            self.addresses.insert(address);
        }
    }

    /// Adds the pointers that a segment holds, which lie where the memory's words do. Optimisers cut zeros off at both
    /// ends, also those of a pointer. O(bytes).
    fn add_words(&mut self, segment: &DataSegment<'_>) {
        const WORD: usize = 4;
        /// Words looked at together.
        const BLOCK: usize = 16 * WORD;
        let address = segment.active.and_then(|active| active.address.address()).unwrap_or(0);
        let missing = usize::try_from(address % WORD as u64).unwrap_or(0);
        let head = segment.bytes.len().min((WORD - missing) % WORD);
        let (head, rest) = segment.bytes.split_at(head);
        if !head.is_empty() {
            let mut word = [0; WORD];
            for (to, &from) in word.iter_mut().skip(missing).zip(head) {
                *to = from;
            }
            self.add(u64::from(u32::from_le_bytes(word)));
        }
        let (Some(first), Some(last)) = (self.places.first(), self.places.last()) else { return };
        let (Ok(first), Ok(span)) =
            (u32::try_from(*first.start()), u32::try_from(last.end().saturating_sub(*first.start())))
        else {
            return;
        };
        for block in rest.chunks(BLOCK) {
            let (words, tail) = block.as_chunks::<WORD>();
            // No branch: this is where the time goes.
            let any = words
                .iter()
                .fold(false, |any, word| any | (u32::from_le_bytes(*word).wrapping_sub(first) <= span));
            if any {
                words.iter().for_each(|word| self.add(u64::from(u32::from_le_bytes(*word))));
            }
            let mut word = [0; WORD];
            word[..tail.len()].copy_from_slice(tail);
            if !tail.is_empty() {
                self.add(u64::from(u32::from_le_bytes(word)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::facts;

    /// The addresses between 2000 and 2100 that the data segments of a module name.
    fn words(text: &str) -> Vec<u64> {
        let wasm = wat::parse_str(format!("(module (memory 1) {text})")).unwrap();
        let facts = facts(&wasm).unwrap();
        let mut strange = Strange::new(&BTreeSet::from([2000, 2100]));
        facts.data.iter().for_each(|segment| strange.add_words(segment));
        strange.addresses.into_iter().collect()
    }

    #[test]
    fn pointers_in_data_are_found_where_words_lie() {
        // 2048 = 0x800, 2064 = 0x810.
        assert_eq!(words(r#"(data (i32.const 1024) "\00\08\00\00")"#), [2048]);
        assert_eq!(
            words(r#"(data (i32.const 1024) "\00\00\00\08\00\00")"#),
            [] as [u64; 0],
            "between two words"
        );
        assert_eq!(words(r#"(data (i32.const 1026) "\00\00\00\08\00\00")"#), [2048]);
        let far = format!(r#"(data (i32.const 1024) "{}\10\08\00\00")"#, "\\ff".repeat(260));
        assert_eq!(words(&far), [2064]);
    }

    #[test]
    fn zeros_that_an_optimiser_cut_off_are_part_of_a_pointer() {
        assert_eq!(words(r#"(data (i32.const 1024) "\10\08")"#), [2064], "at the end");
        assert_eq!(words(r#"(data (i32.const 1025) "\08")"#), [2048], "at both ends");
        assert_eq!(words(r#"(data (i32.const 1025) "\08\00\00\10\08")"#), [2048, 2064]);
    }
}
