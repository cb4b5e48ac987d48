//! The memory map: a strip in proportion, and a line for each region. Laid out once, drawn as text or SVG.

use memgrove_inspect::report::{MemorySummary, Region, RegionKind};

/// A stretch of the strip.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stretch<'a> {
    pub(crate) region: &'a Region,
    /// Bytes; `None` where it has no end.
    pub(crate) size_bytes: Option<u64>,
    /// How many cells of the strip it takes.
    pub(crate) cells: usize,
}

/// The share of the strip that stands for memory still to be grown; its size is no measure.
const GROWTH_SHARE: usize = 12;

/// Spreads the regions over `width` cells in proportion to their sizes; each gets at least one.
pub(crate) fn layout<'a>(regions: &'a [Region], width: usize) -> Vec<Stretch<'a>> {
    let mut stretches: Vec<_> = regions
        .iter()
        .map(|region| {
            let size_bytes = region.end.map(|end| end.saturating_sub(region.start));
            Stretch { region, size_bytes, cells: 1 }
        })
        // A memory that begins with its stack has no null region to show, for instance.
        .filter(|stretch| stretch.size_bytes != Some(0))
        .collect();
    let open =
        |stretch: &Stretch<'_>| stretch.region.kind == RegionKind::Growth || stretch.size_bytes.is_none();
    let mut left = width.saturating_sub(stretches.len());
    for stretch in stretches.iter_mut().filter(|stretch| open(stretch)) {
        let cells = (width / GROWTH_SHARE).min(left);
        stretch.cells += cells;
        left -= cells;
    }
    let size =
        |stretch: &Stretch<'_>| if open(stretch) { 0 } else { u128::from(stretch.size_bytes.unwrap_or(0)) };
    let total: u128 = stretches.iter().map(size).sum();
    if total == 0 {
        // Nothing but memory still to be grown.
        if let Some(stretch) = stretches.last_mut() {
            stretch.cells += left;
        }
        return stretches;
    }
    // Largest remainders: what rounding down leaves goes to those that lost most by it.
    let free = left as u128;
    let mut remainders = Vec::new();
    for (index, stretch) in stretches.iter_mut().enumerate() {
        let share = size(stretch) * free;
        let cells = usize::try_from(share / total).unwrap_or(0);
        stretch.cells += cells;
        left -= cells.min(left);
        remainders.push((share % total, index));
    }
    remainders.sort_unstable_by(|a, b| b.cmp(a));
    for (_, index) in remainders.into_iter().take(left) {
        stretches[index].cells += 1;
    }
    stretches
}

/// What a region is, for its line in the map: its label, or the kind where it has none.
pub(crate) fn label(region: &Region) -> &str {
    if !region.label.is_empty() {
        return &region.label;
    }
    match region.kind {
        RegionKind::Null => "null page",
        RegionKind::Data => "static data",
        RegionKind::Bss => "zeroed static data (bss)",
        RegionKind::Stack => "stack",
        RegionKind::Room => "free for the heap",
        RegionKind::Growth => "by growing",
        RegionKind::Unknown => "not known",
    }
}

/// The character that fills a region of the strip; different without colour, too.
pub(crate) const fn fill(kind: RegionKind) -> char {
    match kind {
        RegionKind::Null => '·',
        RegionKind::Data => '█',
        RegionKind::Bss => '▓',
        RegionKind::Stack => '▒',
        RegionKind::Room => '░',
        RegionKind::Growth => '┄',
        RegionKind::Unknown => '?',
    }
}

/// How many hexadecimal digits the addresses of the map need, at least four.
pub(crate) fn address_digits(regions: &[Region], memory: Option<&MemorySummary>) -> usize {
    let last = regions.iter().flat_map(|region| [Some(region.start), region.end]).flatten().max();
    let last = last.max(memory.map(|memory| memory.min_bytes)).unwrap_or(0);
    (1..=16).find(|digits| *digits == 16 || last >> (4 * digits) == 0).unwrap_or(16).max(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(kind: RegionKind, start: u64, end: Option<u64>) -> Region {
        Region { kind, start, end, label: String::new(), evidence: Vec::new() }
    }

    #[track_caller]
    fn check(sizes: &[u64], width: usize, cells: &[usize]) {
        let mut start = 0;
        let regions: Vec<_> = sizes
            .iter()
            .map(|size| {
                start += size;
                region(RegionKind::Data, start - size, Some(start))
            })
            .collect();
        let seen: Vec<_> = layout(&regions, width).iter().map(|stretch| stretch.cells).collect();
        assert_eq!(seen, cells);
    }

    #[test]
    fn cells_are_in_proportion_and_nobody_is_lost() {
        check(&[1, 1], 10, &[5, 5]);
        check(&[1, 1_000_000, 1], 10, &[1, 8, 1]);
        check(&[1, 0, 1], 10, &[5, 5]);
        check(&[u64::MAX / 4, u64::MAX / 4], 7, &[3, 4]);
        check(&[1, 1, 1], 2, &[1, 1, 1]);
        check(&[], 10, &[]);
    }

    #[test]
    fn memory_to_be_grown_has_a_fixed_share() {
        let regions =
            [region(RegionKind::Data, 0, Some(100)), region(RegionKind::Growth, 100, Some(1 << 32))];
        let cells: Vec<_> = layout(&regions, 24).iter().map(|stretch| stretch.cells).collect();
        assert_eq!(cells, [21, 3]);
        let cells: Vec<_> = layout(&regions[1..], 24).iter().map(|stretch| stretch.cells).collect();
        assert_eq!(cells, [24]);
    }

    #[test]
    fn addresses_are_as_long_as_the_longest() {
        assert_eq!(address_digits(&[], None), 4);
        assert_eq!(address_digits(&[region(RegionKind::Data, 0, Some(0x10_0000))], None), 6);
        assert_eq!(address_digits(&[region(RegionKind::Data, 0, Some(u64::MAX))], None), 16);
    }
}
