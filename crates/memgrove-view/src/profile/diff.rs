//! What grew between two profiles of one module.

use std::collections::BTreeMap;

use memgrove_profile::{NodeSummary, Profile, Site, Summary};
use memgrove_text::{Line, Text, Tone, escape_name};
use serde::Serialize;

use super::HeapProfile;
use super::json::FrameRecord;
use crate::layout::Lines;
use crate::{Json, bytes, count};

/// Version of the JSON.
const SCHEMA: u32 = 1;

/// Two profiles of one module: an earlier and a later one, or two runs.
pub struct ProfileDiff<'p> {
    /// The earlier one, or the run that the other is held against.
    pub before: &'p HeapProfile<'p>,
    /// The later one.
    pub after: &'p HeapProfile<'p>,
}

/// A stack in both.
struct Change {
    /// Its node in the first profile and in the second, where it is there.
    nodes: [Option<u32>; 2],
    figures: [NodeSummary; 2],
}

#[derive(Serialize)]
struct Record<'a> {
    schema: u32,
    file: &'a str,
    peak_bytes: [u64; 2],
    final_bytes: [u64; 2],
    final_blocks: [u64; 2],
    allocations: [u64; 2],
    allocated_bytes: [u64; 2],
    is_log_cut: [bool; 2],
    stacks: Vec<StackRecord>,
}

/// A stack's figures before and after; the innermost frame first.
#[derive(Serialize)]
struct StackRecord {
    final_bytes: [u64; 2],
    final_blocks: [u64; 2],
    at_peak_bytes: [u64; 2],
    allocations: [u64; 2],
    allocated_bytes: [u64; 2],
    frames: Vec<FrameRecord>,
}

impl Change {
    /// Bytes more live at the end.
    fn final_growth(&self) -> i128 {
        i128::from(self.figures[1].final_bytes) - i128::from(self.figures[0].final_bytes)
    }

    fn count_growth(&self) -> i128 {
        i128::from(self.figures[1].count) - i128::from(self.figures[0].count)
    }
}

impl ProfileDiff<'_> {
    /// For people: what grew, what shrank, what is asked for more often.
    #[must_use]
    pub fn text(&self) -> Text {
        let mut lines = Lines::default();
        let [before, after] = [self.before.summary, self.after.summary];
        lines.line(Line::new().with(Tone::Heading, escape_name(self.after.name)).plain(": before and after"));
        let fields = [
            ("peak", bytes(before.peak_bytes), bytes(after.peak_bytes)),
            ("at the end", held(before), held(after)),
            (
                "asked for",
                format!("{} in {}", bytes(before.allocated_bytes), count(before.allocations, "allocation")),
                format!("{} in {}", bytes(after.allocated_bytes), count(after.allocations, "allocation")),
            ),
        ];
        for (label, before, after) in fields {
            lines.field(label, Tone::Plain, &format!("{before} → {after}"));
        }
        for (profile, which) in [(self.before, "first"), (self.after, "second")] {
            if profile.profile.is_log_cut {
                lines.field("caution", Tone::Warn, &format!("the log of the {which} ended at its limit"));
            }
        }
        let changes = self.changes();
        let grew = |change: &Change| change.final_growth();
        let bytes_of = |value| bytes(u64::try_from(value).unwrap_or(u64::MAX));
        self.list(&mut lines, &changes, "Grew", grew, |value| format!("{} more", bytes_of(value)));
        self.list(
            &mut lines,
            &changes,
            "Shrank",
            |change| -change.final_growth(),
            |value| format!("{} less", bytes_of(value)),
        );
        self.list(&mut lines, &changes, "Asked for more often", Change::count_growth, |value| {
            format!("{} more", count(u64::try_from(value).unwrap_or(u64::MAX), "allocation"))
        });
        lines.into_text()
    }

    /// For programs: one document, with every stack whose figures differ.
    ///
    /// # Errors
    /// What the serialiser says; there is no value here that it refuses.
    pub fn json(&self) -> serde_json::Result<Json> {
        let both = [self.before, self.after];
        let totals = both.map(|profile| profile.summary);
        let changes = self.changes();
        let differ = changes.iter().filter(|change| change.figures[0] != change.figures[1]);
        Json::pretty(&Record {
            schema: SCHEMA,
            file: self.after.name,
            peak_bytes: totals.map(|summary| summary.peak_bytes),
            final_bytes: totals.map(|summary| summary.final_bytes),
            final_blocks: totals.map(|summary| summary.final_blocks),
            allocations: totals.map(|summary| summary.allocations),
            allocated_bytes: totals.map(|summary| summary.allocated_bytes),
            is_log_cut: both.map(|profile| profile.profile.is_log_cut),
            stacks: differ
                .map(|change| StackRecord {
                    final_bytes: change.figures.map(|figures| figures.final_bytes),
                    final_blocks: change.figures.map(|figures| figures.final_blocks),
                    at_peak_bytes: change.figures.map(|figures| figures.at_peak_bytes),
                    allocations: change.figures.map(|figures| figures.count),
                    allocated_bytes: change.figures.map(|figures| figures.bytes),
                    frames: self.frames(change).into_iter().map(FrameRecord::from).collect(),
                })
                .collect(),
        })
    }

    fn list(
        &self,
        lines: &mut Lines,
        changes: &[Change],
        title: &str,
        value: impl Fn(&Change) -> i128,
        words: impl Fn(i128) -> String,
    ) {
        let mut ordered: Vec<(i128, &Change)> =
            changes.iter().map(|change| (value(change), change)).filter(|&(value, _)| value > 0).collect();
        ordered.sort_by_key(|&(value, change)| (std::cmp::Reverse(value), change.nodes));
        if ordered.is_empty() {
            return;
        }
        lines.gap();
        lines.line(Line::new().with(Tone::Heading, title));
        let top = self.after.top;
        for &(value, change) in ordered.iter().take(top) {
            lines.line(Line::new().plain(format!("  {}", words(value))));
            match change.nodes {
                [_, Some(node)] => self.after.stack(lines, node),
                [Some(node), None] => self.before.stack(lines, node),
                [None, None] => {}
            }
        }
        if let Some(more) = ordered.len().checked_sub(top).filter(|&more| more > 0) {
            lines.line(Line::new().plain(format!("  and {}", count(more as u64, "more stack"))));
        }
    }

    fn frames(&self, change: &Change) -> Vec<memgrove_profile::Frame> {
        match change.nodes {
            [_, Some(node)] => self.after.frames(node),
            [Some(node), None] => self.before.frames(node),
            [None, None] => Vec::new(),
        }
    }

    /// Every stack with blocks in one of the two. A stack is the same where its call sites are. Linear in the nodes.
    fn changes(&self) -> Vec<Change> {
        // A node's parent comes before it, so one pass numbers the stacks of both.
        let mut stacks: BTreeMap<(usize, Site), usize> = BTreeMap::new();
        let places = [self.before.profile, self.after.profile].map(|profile| place(profile, &mut stacks));
        let mut changes: BTreeMap<usize, Change> = BTreeMap::new();
        for (which, profile) in [self.before, self.after].into_iter().enumerate() {
            for (&node, figures) in &profile.summary.nodes {
                let Some(&place) = places[which].get(node as usize) else { continue };
                let new = || Change { nodes: [None; 2], figures: [NodeSummary::default(); 2] };
                let change = changes.entry(place).or_insert_with(new);
                change.nodes[which] = Some(node);
                change.figures[which] = *figures;
            }
        }
        changes.into_values().collect()
    }
}

/// A number for each node's stack, the same in each profile; the root's is 0.
fn place(profile: &Profile, stacks: &mut BTreeMap<(usize, Site), usize>) -> Vec<usize> {
    let mut places: Vec<usize> = Vec::with_capacity(profile.nodes.len());
    for (index, node) in profile.nodes.iter().enumerate() {
        let parent = places.get(node.parent as usize).copied().unwrap_or(0);
        let next = stacks.len() + 1;
        places.push(if index == 0 { 0 } else { *stacks.entry((parent, node.site)).or_insert(next) });
    }
    places
}

fn held(summary: &Summary) -> String {
    format!("{} in {}", bytes(summary.final_bytes), count(summary.final_blocks, "block"))
}
