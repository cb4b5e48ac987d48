//! Reads functions, each as closely as a question needs: at a glance, or following its values.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::Code;
use memgrove_module::code::{Flows, memory_access};
use memgrove_module::facts::{Facts, Numbers};
use wasmparser::Operator;

use super::own::WORD_BYTES;
use super::role::has_wide_addresses;
use super::uses::{Uses, most_flags};

/// Bytes of bodies whose flow is kept; decoded they take 40 times that. Functions that hold code of an allocator's are a few:
/// those of the corpus have 85 KB at most.
const KEPT_BYTES: u32 = 128 << 10;

/// Reads functions once each, however often it is asked.
pub(crate) struct Reader<'c, 'a> {
    pub code: &'c Code<'a>,
    uses: BTreeMap<u32, Option<Uses>>,
    glances: BTreeMap<u32, Option<Glance>>,
    /// Those of functions that may hold code of the allocator's: they are asked for in each round in which something is
    /// added.
    pub flows: Flows<'c, 'a>,
}

impl<'c, 'a> Reader<'c, 'a> {
    pub fn new(code: &'c Code<'a>) -> Self {
        Self {
            code,
            uses: BTreeMap::new(),
            glances: BTreeMap::new(),
            flows: Flows::keeping(code, KEPT_BYTES),
        }
    }

    /// What a function does with memory; `None` if it is not understood.
    pub fn uses(&mut self, func: u32) -> Option<&Uses> {
        let code = self.code;
        self.uses.entry(func).or_insert_with(|| Uses::of(code, func)).as_ref()
    }

    /// Whether a function may look a little before an address, or at flags in a word behind which it hands one on. To see
    /// that it does not costs less than to follow its values.
    pub fn may_look_before(&mut self, func: u32) -> bool {
        self.glance(func).is_none_or(|glance| glance.looks_before)
    }

    /// Whether a function holds a number that may lead to one of these addresses. O(1) for most that hold none, else
    /// O(its numbers × log addresses).
    pub fn mentions(&mut self, func: u32, addresses: &BTreeSet<u32>) -> bool {
        // A base and a distance from it: the base is the number.
        const FARTHEST: u32 = 1024;
        let (Some(first), Some(last)) = (addresses.first(), addresses.last()) else { return false };
        let range = first.saturating_sub(FARTHEST)..=last.saturating_add(WORD_BYTES);
        let wanted = Numbers::of_range(&(u64::from(*range.start())..=u64::from(*range.end())));
        if self.code.facts().function(func).is_some_and(|function| !function.numbers.may_meet(wanted)) {
            return false;
        }
        let Some(glance) = self.glance(func) else { return true };
        // What is kept may lie far apart, and variables of the program's between.
        let leads_there = |number: &u32| {
            let near = number.saturating_sub(WORD_BYTES)..=number.saturating_add(FARTHEST);
            addresses.range(near).next().is_some()
        };
        let from = glance.numbers.partition_point(|number| number < range.start());
        let numbers = glance.numbers.get(from..).unwrap_or_default();
        numbers.iter().take_while(|number| *number <= range.end()).any(leads_there)
    }

    fn glance(&mut self, func: u32) -> Option<&Glance> {
        let facts = self.code.facts();
        self.glances.entry(func).or_insert_with(|| Glance::at(facts, func)).as_ref()
    }
}

/// What a function shows without its values being followed.
struct Glance {
    /// It may look a little before an address, or at flags in a word behind which it hands one on.
    looks_before: bool,
    /// Its 32-bit constants and the distances of its accesses, sorted.
    numbers: Box<[u32]>,
}

impl Glance {
    /// Looks at a function; `None` if it cannot be read. O(its operators).
    ///
    /// If it subtracts no small number but from a global, which is how a stack grows, and takes no flags apart, it does not
    /// look before an address.
    fn at(facts: &Facts<'_>, func: u32) -> Option<Self> {
        // A header is nearer, but an offset may be added to what is left.
        const SMALL: std::ops::RangeInclusive<i64> = 1..=4096;
        let is_wide = has_wide_addresses(facts);
        let flags = 1..=most_flags(is_wide);
        let mut numbers = Vec::new();
        let (mut looks_before, mut subtracts, mut has_small) = (false, false, false);
        let (mut takes_bits, mut has_flags) = (false, false);
        // The two operators before: a constant, and whether a global stands before it.
        let (mut constant, mut of_global, mut is_global) = (None, false, false);
        for operator in facts.operators(func)? {
            let operator = operator.ok()?;
            let (before, was_of_global) = (constant.take(), of_global);
            of_global = is_global;
            is_global = matches!(operator, Operator::GlobalGet { .. });
            match operator {
                Operator::I32Const { value } => {
                    numbers.push(value.cast_unsigned());
                    looks_before |= (-4096..0).contains(&value);
                    constant = Some(i64::from(value));
                    has_flags |= flags.contains(&i64::from(value));
                }
                Operator::I64Const { value } if is_wide => {
                    numbers.extend(u32::try_from(value));
                    looks_before |= (-4096..0).contains(&value);
                    constant = Some(value);
                    has_flags |= flags.contains(&value);
                }
                Operator::I32Sub | Operator::I64Sub if is_wide || operator == Operator::I32Sub => {
                    match before {
                        Some(value) => looks_before |= SMALL.contains(&value) && !was_of_global,
                        // What is taken away came by a local.
                        None => subtracts = true,
                    }
                }
                // Whatever is done with the constant, it may be taken away later.
                Operator::LocalSet { .. } | Operator::LocalTee { .. } | Operator::End | Operator::Select => {
                    has_small |= before.is_some_and(|value| SMALL.contains(&value))
                }
                Operator::I32And | Operator::I64And => takes_bits = true,
                other => {
                    if let Some(access) = memory_access(&other) {
                        numbers.extend(u32::try_from(access.memarg.offset));
                    }
                }
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        looks_before |= subtracts && has_small || takes_bits && has_flags;
        Some(Self { looks_before, numbers: numbers.into_boxed_slice() })
    }
}
