//! The memory map: memory 0 as a list of regions, from address 0 upwards without gaps.

use memgrove_module::counted;

use super::Layout;
use crate::facts::Facts;
use crate::report::{Evidence, Grower, Growth, Region, RegionKind, StackDirection};

struct Known {
    kind: RegionKind,
    start: u64,
    end: u64,
    label: String,
    evidence: Vec<Evidence>,
}

pub(super) fn regions(facts: &Facts<'_>, layout: &Layout<'_>, growth: Option<&Growth>) -> Vec<Region> {
    let Some(memory) = facts.memories.first() else { return Vec::new() };
    let initial_end = memory.ty.min_bytes();
    let mut known = known(facts, layout);
    if let Some(base) = layout.heap_base.value.filter(|base| *base < initial_end) {
        let label = "free before the first growth".to_owned();
        let evidence = layout.heap_base.evidence.clone();
        known.push(Known { kind: RegionKind::Room, start: base, end: initial_end, label, evidence });
    }
    known.sort_by_key(|region| region.start);

    let mut regions: Vec<Region> = Vec::new();
    let mut at = 0;
    for region in known {
        let (start, end) = (region.start.max(at), region.end.min(initial_end.max(region.start)));
        if start >= end {
            continue;
        }
        if start > at {
            regions.push(gap(at, start, layout));
        }
        regions.push(Region {
            kind: region.kind,
            start,
            end: Some(end),
            label: region.label,
            evidence: region.evidence,
        });
        at = end;
    }
    if at < initial_end {
        regions.push(gap(at, initial_end, layout));
        at = initial_end;
    }
    if let Some(growth) = growth
        && growth.who != Grower::Nobody
    {
        let limit = if memory.ty.memory64 { None } else { Some(1 << 32) };
        let end = memory.ty.max_bytes().or(limit);
        if end.is_none_or(|end| end > at) {
            let label = match growth.who {
                Grower::Module => "added by memory.grow",
                Grower::Import => "added by the host when asked",
                Grower::ModuleAndImport => "added by memory.grow or by the host when asked",
                _ => "added only if the host grows memory by itself",
            };
            let evidence = vec![Evidence::at(memory.offset, declared(facts))];
            regions.push(Region {
                kind: RegionKind::Growth,
                start: at,
                end,
                label: label.to_owned(),
                evidence,
            });
        }
    }
    regions
}

fn declared(facts: &Facts<'_>) -> String {
    let Some(memory) = facts.memories.first() else { return String::new() };
    match memory.ty.max_pages {
        Some(max) => format!("memory of {}, at most {max}", counted(memory.ty.min_pages, "page")),
        None => format!("memory of {} without a maximum", counted(memory.ty.min_pages, "page")),
    }
}

fn known(facts: &Facts<'_>, layout: &Layout<'_>) -> Vec<Known> {
    let mut known = Vec::new();
    if let Some(data) = layout.static_data.value {
        let evidence = layout.static_data.evidence.clone();
        let label = "static data".to_owned();
        known.push(Known { kind: RegionKind::Data, start: data.start, end: data.end, label, evidence });
        let stack_below = layout.stack_range().is_some_and(|range| range.start < data.start);
        if !stack_below && data.start > 0 && data.start <= 4096 {
            let label = "unused, so that null points nowhere".to_owned();
            known.push(Known {
                kind: RegionKind::Null,
                start: 0,
                end: data.start,
                label,
                evidence: Vec::new(),
            });
        }
    }
    // A side module's addresses are relative to a base that the loader chooses.
    if let Some(bss) = layout.bss.value.filter(|_| facts.custom.dylink.is_none()) {
        let evidence = layout.bss.evidence.clone();
        let label = "zero-initialised static data (bss)".to_owned();
        known.push(Known { kind: RegionKind::Bss, start: bss.start, end: bss.end, label, evidence });
    }
    if let Some(stack) = &layout.stack.value
        && let Some(range) = stack.range
    {
        let way = match stack.direction {
            StackDirection::Down => ", grows down",
            StackDirection::Up => ", grows up",
            StackDirection::Unknown => "",
        };
        let label = format!("stack of {} bytes{way}", range.len_bytes());
        let evidence = layout.stack.evidence.clone();
        known.push(Known { kind: RegionKind::Stack, start: range.start, end: range.end, label, evidence });
    }
    known
}

/// What no evidence covers. Between data and heap base it can only be bss or stack.
fn gap(start: u64, end: u64, layout: &Layout<'_>) -> Region {
    let stack_placed = layout.stack_range().is_some();
    let label = match (layout.heap_base.value, layout.static_data.value) {
        (Some(base), Some(data)) if start >= data.end && end <= base && stack_placed => {
            "static data without initial values, most likely"
        }
        (Some(base), Some(data)) if start >= data.end && end <= base => {
            "bss and stack, in this order most likely"
        }
        (None, Some(data)) if start >= data.end => "bss, stack or free: the file does not say",
        _ => "not known",
    };
    Region { kind: RegionKind::Unknown, start, end: Some(end), label: label.to_owned(), evidence: Vec::new() }
}
