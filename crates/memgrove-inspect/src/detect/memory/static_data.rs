//! Where static data lies, and what of it no segment covers.

use super::constants::MemoryInits;
use crate::facts::{ConstExpr, Facts, offset32};
use crate::report::{AddressRange, Conclusion, Confidence, Evidence, StaticData};

pub(super) fn static_data(facts: &Facts<'_>, inits: &MemoryInits) -> Conclusion<StaticData> {
    if facts.memories.is_empty() {
        return Conclusion::unknown();
    }
    let mut found = StaticData {
        start: u64::MAX,
        end: 0,
        active_segments: 0,
        passive_segments: 0,
        relocatable_segments: 0,
        bytes: 0,
    };
    let mut last = None;
    let mut cover = |address: u64, len: u64, offset: u32| {
        found.start = found.start.min(address);
        let end = address.saturating_add(len);
        if end > found.end {
            found.end = end;
            last = Some(offset);
        }
    };
    for data in &facts.data {
        found.bytes += data.bytes.len() as u64;
        match data.active {
            None => found.passive_segments += 1,
            Some(active) => {
                found.active_segments += 1;
                match active.address.address() {
                    None if active.memory == 0 => found.relocatable_segments += 1,
                    Some(address) if active.memory == 0 && !data.bytes.is_empty() => {
                        cover(address, data.bytes.len() as u64, data.offset);
                    }
                    _ => {}
                }
            }
        }
    }
    for copy in &inits.copies {
        cover(copy.address, copy.len, copy.offset);
    }
    if found.end == 0 {
        return no_constant_place(facts, &found);
    }
    let mut evidence = vec![Evidence {
        text: format!("the last data segment ends at {:#x}", found.end),
        offset: last,
        func: None,
    }];
    for copy in inits.copies.iter().take(4) {
        let text = format!("memory.init copies segment {} to {:#x}", copy.segment, copy.address);
        evidence.push(Evidence::in_func(copy.func, copy.offset, text));
    }
    let copied = offset32(inits.copies.len() as u64);
    let confidence = if found.relocatable_segments == 0 && copied >= found.passive_segments {
        Confidence::CERTAIN
    } else {
        // Some segments go to places that only running the module would show.
        Confidence::MEDIUM
    };
    Conclusion::new(found, confidence).with_evidence(evidence)
}

fn no_constant_place(facts: &Facts<'_>, found: &StaticData) -> Conclusion<StaticData> {
    let unknown = Conclusion::unknown();
    if found.relocatable_segments > 0 {
        return unknown.because(Evidence::new("data segments are placed relative to imported globals"));
    }
    if found.passive_segments > 0 {
        return unknown
            .because(Evidence::new("all data segments are passive and copied to places not constant"));
    }
    if facts.data.is_empty() {
        return unknown.because(Evidence::new("there are no data segments"));
    }
    unknown
}

pub(super) fn bss(
    facts: &Facts<'_>,
    data: Option<&StaticData>,
    inits: &MemoryInits,
) -> Conclusion<AddressRange> {
    let data_end = data.map_or(0, |data| data.end);
    // Threads: the module clears its bss itself, and says so with constants.
    let behind_data = |fill: &&super::constants::ZeroFill| fill.address >= data_end && fill.len > 0;
    if let Some(fill) = inits.zero_fills.iter().filter(behind_data).max_by_key(|fill| fill.len) {
        let range = AddressRange { start: fill.address, end: fill.address.saturating_add(fill.len) };
        let evidence = Evidence::in_func(fill.func, fill.offset, "memory.fill clears it next to memory.init");
        return Conclusion::new(range, Confidence::HIGH).because(evidence);
    }
    if let Some((end, offset)) =
        facts.named_address("__data_end").filter(|(end, _)| *end >= data_end && data.is_some())
    {
        let range = AddressRange { start: data_end, end };
        let evidence = Evidence::at(offset, format!("__data_end is {end:#x}"));
        return Conclusion::new(range, Confidence::CERTAIN).because(evidence);
    }
    let Some(dylink) = &facts.custom.dylink else {
        return Conclusion::unknown()
            .because(Evidence::new("the file says where segments end, not where static data ends"));
    };
    let relative_end = facts.data.iter().filter_map(|data| {
        let addend = match data.active?.address {
            ConstExpr::Global(_) => 0,
            ConstExpr::GlobalPlus { addend, .. } => u64::try_from(addend).ok()?,
            _ => return None,
        };
        Some(addend.saturating_add(data.bytes.len() as u64))
    });
    let start = relative_end.max().unwrap_or(0);
    let end = u64::from(dylink.memory_size_bytes);
    let evidence =
        Evidence::new(format!("dylink asks for {end} bytes at __memory_base; addresses are relative to it"));
    if end >= start {
        Conclusion::new(AddressRange { start, end }, Confidence::HIGH).because(evidence)
    } else {
        Conclusion::unknown().because(evidence)
    }
}
