//! The recordings of several instances with one memory, as one.

mod checks;

use std::collections::HashMap;

use thiserror::Error;

use crate::links::Tree;
use crate::nested::{Call, Calls};
use crate::read::{Event, Node, NumberedCall, Profile, Site, What};

/// Why recordings cannot be read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MergeError {
    /// There is none.
    #[error("there is no recording")]
    None,
    /// They are of different modules.
    #[error("they are recordings of different modules")]
    Modules,
    /// Their events have no numbers.
    #[error("their events are not numbered, so nothing tells their order")]
    NotNumbered,
    /// The instances did not have one memory, or two of them made a counter at the same time.
    #[error("their events are numbered by different counters, so nothing tells their order")]
    Counters,
    /// Two have an event with the same number.
    #[error("two of them have the same event: number {number}")]
    SameEvent {
        /// Its number.
        number: u64,
    },
    /// Two have a stack with the same number, which threads of one check have not.
    #[error("two of them have the same stack: number {node}")]
    SameNode {
        /// Its number.
        node: u32,
    },
    /// Only some are of a check.
    #[error("some are recordings of a check and others of a trace")]
    Kinds,
}

/// A change of the heap in the making.
struct Change {
    number: u64,
    event: Event,
    /// Of the end of a reallocation: the number of its beginning.
    begun: Option<u64>,
}

impl Profile {
    /// One recording of all that several instances did to the memory that they have in common: each event at its place.
    ///
    /// A block may be freed by another instance than the one that allocated it. A reallocation during which others used
    /// the heap is a free and an allocation.
    ///
    /// # Errors
    /// [`MergeError`] if their order is not known.
    pub fn merge(profiles: Vec<Self>) -> Result<Self, MergeError> {
        let first = profiles.first().ok_or(MergeError::None)?;
        let original = first.original;
        if profiles.iter().any(|profile| profile.original != original) {
            return Err(MergeError::Modules);
        }
        if profiles.iter().any(|profile| profile.findings.is_some()) {
            return checks::merge(&profiles);
        }
        // An instance that did nothing says nothing.
        let does = |profile: &&Self| !profile.events.is_empty();
        if profiles.iter().filter(does).any(|profile| profile.numbers.len() != profile.events.len()) {
            return Err(MergeError::NotNumbered);
        }
        let mut counters = profiles.iter().filter(does).map(|profile| profile.counter);
        let counter = counters.next().flatten();
        if counters.any(|other| other != counter) {
            return Err(MergeError::Counters);
        }

        let mut nodes = Nodes::default();
        let mut changes: Vec<Change> = Vec::new();
        let mut numbers: Vec<u64> = Vec::new();
        for profile in &profiles {
            let placed = nodes.add(profile);
            let mut place = |call: Call| {
                let number = |at: usize| profile.numbers.get(at).copied().unwrap_or_default();
                let node = placed.get(call.event.node as usize).copied().unwrap_or_default();
                let event = Event { node, is_nested: false, ..call.event };
                if let Some((at, block)) = call.from {
                    let event = Event { what: What::Moving { block }, ..event };
                    changes.push(Change { number: number(at), event, begun: None });
                }
                let begun = call.from.map(|(at, _)| number(at));
                changes.push(Change { number: number(call.at), event, begun });
            };
            let mut calls = Calls::default();
            for (at, event) in profile.events.iter().enumerate() {
                calls.take(at, *event, &mut place);
            }
            calls.end(&mut place);
            numbers.extend(&profile.numbers);
        }
        numbers.sort_unstable();
        if let Some(same) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(MergeError::SameEvent { number: same[0] });
        }
        let is_any = |flag: fn(&Self) -> bool| profiles.iter().any(flag);
        let sum = |figure: fn(&Self) -> u64| profiles.iter().map(figure).fold(0, u64::saturating_add);
        let is_log_cut = is_any(|profile| profile.is_log_cut);
        // What was never logged has numbers, too.
        let last = numbers.last().map_or(0, |last| last.saturating_add(1));
        let missing_events = last.saturating_sub(numbers.len() as u64);
        Ok(Self {
            original,
            is_log_cut,
            are_nodes_full: is_any(|profile| profile.are_nodes_full),
            event_count: sum(|profile| profile.event_count),
            allocated_bytes: sum(|profile| profile.allocated_bytes),
            events: in_order(changes),
            are_stacks_cut: is_any(|profile| profile.are_stacks_cut),
            are_stacks_mixed: is_any(|profile| profile.are_stacks_mixed),
            sample_bytes: None,
            are_samples_full: false,
            findings: None,
            is_of_one_instance: false,
            own_nodes: Vec::new(),
            numbers: Vec::new(),
            counter,
            missing_events: if is_log_cut { 0 } else { missing_events },
            nodes: nodes.tree.nodes,
            calls: nodes.tree.calls,
            funcs: nodes.tree.funcs,
        })
    }
}

/// The events, sorted. What others did while a block was reallocated came before or behind the moment at which it moved.
fn in_order(mut changes: Vec<Change>) -> Vec<Event> {
    changes.sort_by_key(|change| change.number);
    let begins: Vec<Option<u64>> = changes.iter().skip(1).map(|next| next.begun).chain([None]).collect();
    // The reallocation that nobody came in between.
    let mut whole = None;
    let events = changes.into_iter().zip(begins).map(|(Change { number, mut event, begun }, next_begun)| {
        match event.what {
            What::Moving { block } => {
                whole = next_begun.filter(|begun| *begun == number);
                if whole.is_none() {
                    event.what = What::Freed { block, size: 0 };
                }
            }
            What::Moved { block, size, align_log2 } if begun.is_some() && begun != whole => {
                event.what = What::Allocated { block, size, align_log2 };
            }
            _ => {}
        }
        event
    });
    // A reallocation to nothing is a free, which was noted where it began.
    events.filter(|event| !matches!(event.what, What::Allocated { block: 0, .. })).collect()
}

/// The tree of all stacks: what is the same in several instances is one.
#[derive(Default)]
struct Nodes {
    tree: Tree,
    known: HashMap<(u32, Site, Option<NumberedCall>, Option<u32>), u32>,
}

impl Nodes {
    /// Adds those of one profile. Returns their positions.
    fn add(&mut self, profile: &Profile) -> Vec<u32> {
        let mut placed: Vec<u32> = Vec::with_capacity(profile.nodes.len());
        for (at, node) in profile.nodes.iter().enumerate() {
            let parent = placed.get(node.parent as usize).copied().unwrap_or_default();
            let call = profile.calls.get(at).copied().flatten();
            let func = profile.funcs.get(at).copied().flatten();
            let next = u32::try_from(self.tree.nodes.len()).unwrap_or(u32::MAX);
            let position = match at {
                0 => 0,
                _ => *self.known.entry((parent, node.site, call, func)).or_insert(next),
            };
            if position as usize == self.tree.nodes.len() {
                self.tree.push(Node { parent, count: 0, bytes: 0, ..*node }, call, func);
            }
            if let Some(known) = self.tree.nodes.get_mut(position as usize) {
                known.count = known.count.saturating_add(node.count);
                known.bytes = known.bytes.saturating_add(node.bytes);
            }
            placed.push(position);
        }
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reallocation_that_others_came_in_between_is_a_free_and_an_allocation() {
        let change =
            |number, what, begun| Change { number, event: Event { what, is_nested: false, node: 0 }, begun };
        let moved = |block| What::Moved { block, size: 9, align_log2: 0 };
        let events = in_order(vec![
            change(0, What::Moving { block: 16 }, None),
            change(4, moved(32), Some(0)),
            change(1, What::Moving { block: 48 }, None),
            change(2, moved(64), Some(1)),
            change(3, What::Allocated { block: 16, size: 8, align_log2: 0 }, None),
            change(5, What::Moving { block: 16 }, None),
            change(6, What::Allocated { block: 80, size: 8, align_log2: 0 }, None),
            change(7, moved(0), Some(5)),
        ]);
        let what: Vec<What> = events.into_iter().map(|event| event.what).collect();
        let allocated = |block, size| What::Allocated { block, size, align_log2: 0 };
        let expected = [
            What::Freed { block: 16, size: 0 },
            What::Moving { block: 48 },
            moved(64),
            allocated(16, 8),
            allocated(32, 9),
            What::Freed { block: 16, size: 0 },
            allocated(80, 8),
        ];
        assert_eq!(what, expected);
    }
}
