//! The memory map as SVG: a strip in proportion, and a table of its regions.

use crate::html::{Cell, Column, Html, Table, element, series_colour};
use memgrove_inspect::report::{MemoryReport, RegionKind};

use super::map;
use crate::words;

/// The strip is as fine as this.
const CELLS: usize = 400;

/// The map of memory 0, or nothing where no region is known.
pub(super) fn memory_map(memory: &MemoryReport) -> Html {
    let stretches = map::layout(&memory.regions, CELLS);
    if stretches.is_empty() {
        return Html::empty();
    }
    let digits = map::address_digits(&memory.regions, memory.memories.first()) + 2;
    let mut table =
        Table::new([Column::text(""), Column::text("from"), Column::number("size"), Column::text("what")]);
    let mut strip = Html::empty();
    let mut at = 0;
    for stretch in &stretches {
        let region = stretch.region;
        let size = stretch.size_bytes.map_or("open".to_owned(), words::bytes);
        let address = format!("{:#0digits$x}", region.start);
        let tip = format!("{}: {size} from {address}", map::label(region));
        let rect = element("rect")
            .attr("x", at)
            .attr("y", 0)
            .attr("width", stretch.cells)
            .attr("height", 26)
            .attr("fill", colour(region.kind))
            .attr("fill-opacity", opacity(region.kind));
        strip.push(rect.child(element("title").child(tip)));
        at += stretch.cells;
        let style = format!("background:{};opacity:{}", colour(region.kind), opacity(region.kind));
        let swatch = element("span").class("swatch").attr("style", style);
        let address = element("span").class("code nowrap").child(address);
        table.row([Cell::new(swatch), Cell::new(address), Cell::new(size), Cell::new(map::label(region))]);
    }
    let svg = element("svg")
        .attr("viewBox", format!("0 0 {at} 26"))
        .attr("preserveAspectRatio", "none")
        .attr("class", "strip")
        .attr("role", "img")
        .attr("aria-label", "map of the memory")
        .child(strip);
    element("figure").child(svg).child(Html::from(table)).into()
}

fn colour(kind: RegionKind) -> &'static str {
    match kind {
        RegionKind::Data => series_colour(0),
        RegionKind::Bss => series_colour(6),
        RegionKind::Stack => series_colour(4),
        RegionKind::Room | RegionKind::Growth => series_colour(2),
        RegionKind::Null | RegionKind::Unknown => series_colour(7),
    }
}

/// What is not there yet, or not known, is drawn fainter.
const fn opacity(kind: RegionKind) -> &'static str {
    match kind {
        RegionKind::Growth => "0.3",
        RegionKind::Null | RegionKind::Unknown => "0.45",
        RegionKind::Room => "0.65",
        RegionKind::Data | RegionKind::Bss | RegionKind::Stack => "1",
    }
}
