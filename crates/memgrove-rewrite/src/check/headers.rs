//! Who looks at the header that the allocator keeps before a block, where the checker now has its own.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::Code;
use memgrove_module::code::Flow;
use wasmparser::Operator;

use super::CheckError;
use crate::swap::Member;
use crate::swap::old::Old;
use crate::swap::reader::Reader;

/// Loads of headers by code that stays, by function and position.
pub(super) struct Headers {
    /// They ask whether a new block must be cleared.
    pub tests: BTreeMap<u32, BTreeSet<usize>>,
    /// They are a reallocation's of dlmalloc's that the compiler has put into a function of the program: that is not
    /// wrapped, and sees a header that makes it copy the block.
    pub inlined: BTreeMap<u32, BTreeSet<usize>>,
    /// So many bytes before each block are the allocator's own, as all functions that free it show; 0: not known.
    pub own_bytes: u32,
}

impl Headers {
    /// Finds them.
    ///
    /// # Errors
    /// If a function looks at a header for anything else.
    pub fn find(code: &Code<'_>, old: &Old, members: &[Member]) -> Result<Self, CheckError> {
        let mut reader = Reader::new(code);
        Ok(Self {
            tests: tests(code, old, &mut reader)?,
            inlined: inlined(code, old, members, &mut reader)?,
            own_bytes: own_bytes(old, &mut reader),
        })
    }
}

/// How near before a block all functions look that free it: what lies between is no other block's. What lies farther before
/// may be the end of the block below, as allocators keep lengths of free blocks there.
fn own_bytes(old: &Old, reader: &mut Reader<'_, '_>) -> u32 {
    let frees = old.replaced.values().filter(|member| member.role.frees());
    frees.map(|member| nearest(reader, member.func, u32::from(member.has_heap), DEPTH)).min().unwrap_or(0)
}

/// Functions that hand a block on, one after the other.
const DEPTH: u32 = 4;

/// The same of one function, of a parameter that is a block: what it does not look at, others may to which it hands it.
fn nearest(reader: &mut Reader<'_, '_>, func: u32, block: u32, depth: u32) -> u32 {
    let Some(uses) = reader.uses(func) else { return 0 };
    let before = uses.before_params_at.iter().filter(|(param, ..)| *param == block);
    if let Some(bytes) = before.map(|(_, distance, ..)| distance.unsigned_abs()).min() {
        return u32::try_from(bytes).unwrap_or(0);
    }
    let handed = uses.passed.iter().filter(|(.., param)| *param == block);
    let handed: Vec<(u32, u32)> = handed.map(|(callee, position, _)| (*callee, *position)).collect();
    match depth.checked_sub(1) {
        Some(depth) => {
            let bytes = handed.into_iter().map(|(callee, param)| nearest(reader, callee, param, depth));
            bytes.filter(|bytes| *bytes > 0).min().unwrap_or(0)
        }
        None => 0,
    }
}

/// Those that [`Old`] found, and those of functions to which a new block is handed.
fn tests(
    code: &Code<'_>,
    old: &Old,
    reader: &mut Reader<'_, '_>,
) -> Result<BTreeMap<u32, BTreeSet<usize>>, CheckError> {
    let facts = code.facts();
    let mut tests = old.tests.clone();
    let callers: BTreeSet<u32> = old
        .replaced
        .values()
        .filter(|member| member.role.is_new_block())
        .flat_map(|member| code.callers(member.func).to_vec())
        .filter(|func| !old.is_own(*func))
        .collect();
    let mut handed = BTreeSet::new();
    for caller in callers {
        let Some(uses) = reader.uses(caller) else { continue };
        let is_block = |from: &u32| old.replaced.get(from).is_some_and(|member| member.role.is_new_block());
        handed.extend(uses.handed.iter().filter(|(.., from)| is_block(from)).map(|(to, at, _)| (*to, *at)));
    }
    for (func, param) in handed {
        if old.is_own(func) || facts.function(func).is_none() {
            continue;
        }
        let Some(uses) = reader.uses(func) else { continue };
        for &(_, _, place, is_test) in uses.before_params_at.iter().filter(|(before, ..)| *before == param) {
            if !is_test {
                return Err(CheckError::Header { func });
            }
            tests.entry(func).or_default().insert(place);
        }
    }
    Ok(tests)
}

/// What was only inferred to reallocate has to look for the header where those that free do. If it looks farther before,
/// the program has a header of its own there, and the function does more than reallocating.
fn inlined(
    code: &Code<'_>,
    old: &Old,
    members: &[Member],
    reader: &mut Reader<'_, '_>,
) -> Result<BTreeMap<u32, BTreeSet<usize>>, CheckError> {
    let mut before = |member: &Member| -> Vec<(i64, usize)> {
        let block = u32::from(member.has_heap);
        let uses = reader.uses(member.func);
        let all = uses.into_iter().flat_map(|uses| &uses.before_params_at);
        all.filter(|(param, ..)| *param == block).map(|(_, distance, place, _)| (*distance, *place)).collect()
    };
    let farthest = |places: &[(i64, usize)]| places.iter().map(|(distance, _)| *distance).min();
    let frees = old.replaced.values().filter(|member| member.role.frees());
    let freeing = frees.filter_map(|member| farthest(&before(member))).min();
    let mut inlined = BTreeMap::new();
    for member in old.replaced.values().filter(|member| member.role.takes_block() && !member.role.frees()) {
        let is_inferred = !members.iter().any(|known| known == member && known.is_certain);
        let places = before(member);
        let (Some(freeing), Some(own)) = (freeing, farthest(&places)) else { continue };
        if !is_inferred || own >= freeing {
            continue;
        }
        let header = places.iter().filter(|(distance, _)| *distance == own).map(|(_, place)| *place);
        let loads = header_loads(code, member.func, header);
        let loads = loads.ok_or(CheckError::Header { func: member.func })?;
        inlined.insert(member.func, loads);
    }
    Ok(inlined)
}

/// The loads among these places, if they are of dlmalloc's header: the low three bits are flags, and a block of which both
/// lower ones are not set was mapped. Only of a block that was not, the header is written.
fn header_loads(code: &Code<'_>, func: u32, places: impl Iterator<Item = usize>) -> Option<BTreeSet<usize>> {
    let flow = Flow::of(code, func)?;
    let masked_by = |place: usize, mask: i32| {
        flow.uses(place).iter().any(|&(user, which)| {
            matches!(flow.code[user], Operator::I32And)
                && flow.const_operand(user, 1 - which.min(1)) == Some(mask)
        })
    };
    let loads: BTreeSet<usize> =
        places.filter(|place| matches!(flow.code[*place], Operator::I32Load { .. })).collect();
    let is_header =
        !loads.is_empty() && loads.iter().all(|place| masked_by(*place, -8) && masked_by(*place, 3));
    is_header.then_some(loads)
}
