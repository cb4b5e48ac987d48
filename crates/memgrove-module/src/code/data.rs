//! What active segments put into memory 0.

use std::collections::BTreeMap;

/// Pieces of data that do not overlap, by their start.
#[derive(Default)]
pub(super) struct InitialData<'a> {
    pieces: BTreeMap<u64, &'a [u8]>,
}

impl<'a> InitialData<'a> {
    /// Later segments overwrite earlier ones. O(n log n).
    pub(super) fn new(segments: &[(u64, &'a [u8])]) -> Self {
        let mut data = Self::default();
        // From the last to the first: what is there already stays. Neighbours are joined, so that each stretch is met
        // once by a segment that reaches it and is then a part of a longer one.
        let mut covered: BTreeMap<u64, u64> = BTreeMap::new();
        for &(start, bytes) in segments.iter().rev().filter(|(_, bytes)| !bytes.is_empty()) {
            let end = start.saturating_add(bytes.len() as u64);
            let (mut at, mut first, mut last) = (start, start, end);
            if let Some((&from, &until)) = covered.range(..=start).next_back()
                && until >= start
            {
                covered.remove(&from);
                (at, first, last) = (until, from, end.max(until));
            }
            while at < end {
                let next = covered.range(at..=end).next().map(|(&from, &until)| (from, until));
                let (from, until) = next.unwrap_or((end, end));
                data.insert(start, bytes, at, from);
                covered.remove(&from);
                last = last.max(until);
                at = until;
            }
            covered.insert(first, last);
        }
        data
    }

    /// The part of a segment between two addresses.
    fn insert(&mut self, start: u64, bytes: &'a [u8], from: u64, to: u64) {
        let at = |address: u64| usize::try_from(address - start).unwrap_or(usize::MAX);
        if let Some(part) = bytes.get(at(from)..at(to)).filter(|part| !part.is_empty()) {
            self.pieces.insert(from, part);
        }
    }

    /// The byte at an address: 0 where nothing is put.
    pub(super) fn byte(&self, address: u64) -> u8 {
        let Some((start, bytes)) = self.pieces.range(..=address).next_back() else { return 0 };
        usize::try_from(address - start).ok().and_then(|at| bytes.get(at)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Like the specification: segments are copied one after the other.
    fn slowly(segments: &[(u64, &[u8])], size: usize) -> Vec<u8> {
        let mut memory = vec![0; size];
        for (start, bytes) in segments {
            for (i, byte) in bytes.iter().enumerate() {
                memory[usize::try_from(*start).unwrap() + i] = *byte;
            }
        }
        memory
    }

    #[test]
    fn later_segments_overwrite_earlier_ones() {
        // Of a fixed sequence, so that a failure can be repeated.
        let mut state = 7_u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for round in 0..2000 {
            let contents: Vec<(u64, Vec<u8>)> = (1..=random(9))
                .map(|i| (u64::from(random(20)), vec![u8::try_from(i).unwrap(); random(12) as usize]))
                .collect();
            let segments: Vec<(u64, &[u8])> =
                contents.iter().map(|(at, bytes)| (*at, bytes.as_slice())).collect();
            let data = InitialData::new(&segments);
            let expected = slowly(&segments, 40);
            let found: Vec<u8> = (0..40).map(|address| data.byte(address)).collect();
            assert_eq!(found, expected, "round {round}: {segments:?}");
        }
    }
}
