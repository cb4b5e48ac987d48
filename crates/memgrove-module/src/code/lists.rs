//! A list of positions for each operator of a function, in two vectors: most lists are empty or hold one, and
//! a vector for each would take several times the memory.

/// Stands for no position.
const NONE: u32 = u32::MAX;

/// A list of positions, or of gaps, for each operator.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Where in `items` each list ends; it begins where the one before ends.
    ends: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// No lists yet, with room for those of so many operators.
    pub fn with_capacity(operators: usize) -> Self {
        Self { ends: Vec::with_capacity(operators), items: Vec::with_capacity(operators) }
    }

    /// A part of the list of the next operator.
    pub fn extend(&mut self, part: &[Option<usize>]) {
        self.items.extend(part.iter().map(|item| item.map_or(NONE, position)));
    }

    /// Ends the list of the next operator.
    pub fn close(&mut self) {
        self.ends.push(position(self.items.len()));
    }

    /// The same without room for more.
    pub fn shrunk(mut self) -> Self {
        self.items.shrink_to_fit();
        self
    }

    /// The list of an operator; an empty one where there is none.
    pub fn of(&self, at: usize) -> impl ExactSizeIterator<Item = Option<usize>> {
        let end = self.ends.get(at).copied().unwrap_or_default() as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |&end| end as usize);
        let items = self.items.get(start..end).unwrap_or_default();
        items.iter().map(|&item| (item != NONE).then_some(item as usize))
    }

    /// The first item of an operator's list; `None` if there is none, or a gap.
    pub fn first(&self, at: usize) -> Option<usize> {
        self.of(at).next().flatten()
    }

    /// For each operator, those whose lists hold it, in their order. Linear.
    pub fn inverted(&self) -> Self {
        let held = || self.items.iter().filter(|&&item| item != NONE).map(|&item| item as usize);
        let mut ends = vec![0_u32; self.ends.len()];
        held().for_each(|item| {
            if let Some(count) = ends.get_mut(item) {
                *count += 1;
            }
        });
        // From how many there are to where they begin; filling moves each to where it ends.
        let mut total = 0;
        for end in &mut ends {
            total += std::mem::replace(end, total);
        }
        let mut items = vec![NONE; total as usize];
        for holder in 0..self.ends.len() {
            for item in self.of(holder).flatten() {
                let Some(next) = ends.get_mut(item) else { continue };
                if let Some(slot) = items.get_mut(*next as usize) {
                    *slot = position(holder);
                    *next += 1;
                }
            }
        }
        Self { ends, items }
    }
}

/// A position as it is kept: bodies have fewer than 2³² bytes.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_those_that_hold_each_position() {
        let mut lists = Lists::with_capacity(4);
        for list in [&[][..], &[Some(0)], &[Some(0), None, Some(1)], &[Some(0), Some(0)]] {
            lists.extend(list);
            lists.close();
        }
        assert_eq!(lists.of(2).collect::<Vec<_>>(), [Some(0), None, Some(1)]);
        assert_eq!((lists.first(1), lists.first(0), lists.first(9)), (Some(0), None, None));
        let holders = lists.inverted();
        assert_eq!(holders.of(0).flatten().collect::<Vec<_>>(), [1, 2, 3, 3]);
        assert_eq!(holders.of(1).flatten().collect::<Vec<_>>(), [2]);
        assert_eq!(holders.of(2).len() + holders.of(3).len(), 0);
    }
}
