//! Numbers of instructions and limits that are written in a way which takes a proposal, although their value does not: linkers
//! leave long forms of relocatable numbers behind, and older engines refuse them.

use super::proposals::{Proposal, ProposalsUsed};
use std::ops::Range;
use wasmparser::{BinaryReader, FromReader, OperatorsReader, SectionLimited, WasmFeatures};

/// Which number of an instruction to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// None.
    Plain,
    /// The index of table 0.
    Table,
    /// Indices of memories.
    Memory,
    /// Alignment, memory and offset of a load, a store or an atomic instruction.
    MemArg,
}

/// Bytes of the longest load or store of a plain opcode without long forms: opcode, alignment, 32-bit offset.
const MAX_PLAIN_MEM_ARG: usize = 1 + 1 + 5;

/// Notes the proposals that the bytes of an instruction take for their form alone. Most are told by a look at one byte.
pub(super) fn note(encoding: Encoding, bytes: &[u8], func: u32, offset: u64, proposals: &mut ProposalsUsed) {
    let mut need = |feature, proposal, what| {
        if !proposals.contains(proposal) && !decodes_without(bytes, feature) {
            proposals.note(proposal, what, Some(func), offset);
        }
    };
    match encoding {
        Encoding::Plain => {}
        // The index stands last. Its last byte is 0, and the one before belongs to it if more is to follow.
        Encoding::Table => {
            if bytes.iter().rev().nth(1).is_some_and(|byte| byte & 0x80 != 0) {
                let what = "call_indirect with a long table index";
                proposals.note(Proposal::ReferenceTypes, what, Some(func), offset);
            }
        }
        Encoding::Memory => {
            // `memory.size` and `memory.grow` with a single byte 0 are nearly all.
            if bytes.len() > 2 {
                need(WasmFeatures::MULTI_MEMORY, Proposal::MultiMemory, "long memory index");
            }
        }
        Encoding::MemArg => {
            if flags(bytes).is_none_or(|flags| flags & 0x40 != 0) {
                need(WasmFeatures::MULTI_MEMORY, Proposal::MultiMemory, "memory index in a load or store");
            }
            if bytes.len() > MAX_PLAIN_MEM_ARG {
                need(WasmFeatures::MEMORY64, Proposal::Memory64, "long offset in a load or store");
            }
        }
    }
}

/// The first byte of a load's or store's alignment and flags.
fn flags(bytes: &[u8]) -> Option<u8> {
    let (opcode, mut rest) = bytes.split_first()?;
    if matches!(opcode, 0xfd | 0xfe) {
        // The second part of the opcode is a number.
        let long = rest.iter().position(|byte| byte & 0x80 == 0)?;
        rest = rest.get(long + 1..)?;
    }
    rest.first().copied()
}

fn decodes_without(bytes: &[u8], feature: WasmFeatures) -> bool {
    let reader = BinaryReader::new_features(bytes, 0, WasmFeatures::all().difference(feature));
    let mut operators = OperatorsReader::new(reader);
    operators.read().is_ok() && operators.eof()
}

/// Notes what limits of memories and tables take that are written longer than numbers of 32 bits may be. `range` is that of
/// a section of `T`.
pub(super) fn note_limits<'a, T: FromReader<'a>>(
    module: &'a [u8],
    range: &Range<u64>,
    proposals: &mut ProposalsUsed,
) {
    if proposals.contains(Proposal::Memory64) {
        return;
    }
    let bounds = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
    let Some(section) = bounds.and_then(|(start, end)| module.get(start..end)) else { return };
    let features = WasmFeatures::all().difference(WasmFeatures::MEMORY64);
    let reader = BinaryReader::new_features(section, range.start, features);
    let reads = SectionLimited::<T>::new(reader)
        .and_then(|items| items.into_iter().try_for_each(|item| item.map(drop)));
    if let Err(error) = reads {
        proposals.note(Proposal::Memory64, "long limits of a memory or table", None, error.offset());
    }
}
