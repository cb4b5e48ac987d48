//! Who calls whom directly, as compressed rows (CSR): one array of callees, one of row ends.

/// The direct calls (`call`, `return_call`) between functions of the function index space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallGraph {
    imported: u32,
    /// `row_ends[i]` is the end of the row of defined function `i` in `callees`.
    row_ends: Vec<u32>,
    /// Sorted within each row, without repetition.
    callees: Vec<u32>,
}

/// The same edges the other way round. Built on demand: most questions need only [`CallGraph::callees`].
#[derive(Debug, Clone, Default)]
pub struct Callers {
    row_ends: Vec<u32>,
    callers: Vec<u32>,
}

impl CallGraph {
    pub(super) fn new(imported: u32) -> Self {
        Self { imported, ..Self::default() }
    }

    pub(super) fn append(&mut self, counts: &[u32], callees: &[u32]) {
        let mut end = self.row_ends.last().copied().unwrap_or(0);
        self.row_ends.extend(counts.iter().map(|count| {
            end += count;
            end
        }));
        self.callees.extend_from_slice(callees);
    }

    /// Number of defined functions whose calls are known.
    pub(super) fn rows(&self) -> usize {
        self.row_ends.len()
    }

    pub(super) fn shrink(&mut self) {
        self.row_ends.shrink_to_fit();
        self.callees.shrink_to_fit();
    }

    /// Functions that `func` calls directly, sorted. Empty for an import.
    #[must_use]
    pub fn callees(&self, func: u32) -> &[u32] {
        let Some(row) = func.checked_sub(self.imported).map(|row| row as usize) else { return &[] };
        row_of(&self.row_ends, &self.callees, row)
    }

    /// Number of distinct (caller, callee) pairs.
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.callees.len()
    }

    /// The same edges by callee. O(functions + edges).
    #[must_use]
    pub fn callers(&self) -> Callers {
        let funcs = self.imported as usize + self.row_ends.len();
        let mut row_ends = vec![0u32; funcs];
        for &callee in &self.callees {
            if let Some(count) = row_ends.get_mut(callee as usize) {
                *count += 1;
            }
        }
        // Counts become row starts, then, while the rows fill, row ends.
        let mut start = 0;
        for count in &mut row_ends {
            start += std::mem::replace(count, start);
        }
        let mut callers = vec![0; start as usize];
        for (row, caller) in (0..self.row_ends.len()).zip(self.imported..) {
            for &callee in row_of(&self.row_ends, &self.callees, row) {
                if let Some(end) = row_ends.get_mut(callee as usize) {
                    callers[*end as usize] = caller;
                    *end += 1;
                }
            }
        }
        Callers { row_ends, callers }
    }
}

impl Callers {
    /// Functions that call `func` directly, sorted.
    #[must_use]
    pub fn of(&self, func: u32) -> &[u32] {
        row_of(&self.row_ends, &self.callers, func as usize)
    }
}

fn row_of<'a>(row_ends: &[u32], values: &'a [u32], row: usize) -> &'a [u32] {
    let Some(&end) = row_ends.get(row) else { return &[] };
    let start = if row == 0 { 0 } else { row_ends[row - 1] };
    &values[start as usize..end as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_mirror_callees() {
        let mut graph = CallGraph::new(2);
        graph.append(&[2, 0], &[0, 3]); // 2 -> 0, 3; 3 -> nothing
        graph.append(&[3], &[0, 2, 4]); // 4 -> 0, 2, itself
        assert_eq!(graph.callees(1), &[] as &[u32]);
        assert_eq!(graph.callees(2), [0, 3]);
        assert_eq!(graph.callees(3), &[] as &[u32]);
        assert_eq!(graph.callees(4), [0, 2, 4]);
        assert_eq!(graph.callees(5), &[] as &[u32]);
        let callers = graph.callers();
        assert_eq!(callers.of(0), [2, 4]);
        assert_eq!(callers.of(1), &[] as &[u32]);
        assert_eq!(callers.of(2), [4]);
        assert_eq!(callers.of(3), [2]);
        assert_eq!(callers.of(4), [4]);
        assert_eq!(callers.of(9), &[] as &[u32]);
    }
}
