//! A profile's figures for people.

use memgrove_profile::{Metric, NodeSummary, class_bounds};
use memgrove_text::{Line, Text, Tone, escape_name};

use super::HeapProfile;
use crate::layout::Lines;
use crate::words::grouped;
use crate::{bytes, count};

/// Frames of a stack that the text shows.
const SHOWN_FRAMES: usize = 12;
/// The longest bar of a histogram, in characters.
const BAR: u64 = 30;

impl HeapProfile<'_> {
    /// For people: the figures, then the stacks that hold most, grow, leak most and ask most.
    #[must_use]
    pub fn text(&self) -> Text {
        let summary = self.summary;
        let mut lines = Lines::default();
        lines.line(
            Line::new()
                .with(Tone::Heading, escape_name(self.name))
                .plain(format!(": at most {} live at once", bytes(summary.peak_bytes))),
        );
        for caution in self.cautions() {
            lines.field("caution", Tone::Warn, &caution);
        }
        for (label, words) in self.sample() {
            lines.field(label, Tone::Warn, &words);
        }
        lines.field(
            "peak",
            Tone::Plain,
            &format!(
                "after {} of {}, when {} had been asked for: {}",
                grouped(summary.peak_at),
                count(summary.changes, "change"),
                bytes(summary.peak_at_allocated_bytes),
                count(summary.peak_blocks, "block"),
            ),
        );
        lines.field(
            "asked for",
            Tone::Plain,
            &format!(
                "{} in {}, of which {} freed by the next call; {}; {}",
                bytes(summary.allocated_bytes),
                count(summary.allocations, "allocation"),
                grouped(summary.temporary),
                count(summary.reallocations, "reallocation"),
                count(summary.frees, "free"),
            ),
        );
        if summary.refused > 0 {
            lines.field("refused", Tone::Warn, &count(summary.refused, "allocation"));
        }
        lines.field(
            "at the end",
            Tone::Plain,
            &format!("{} live in {}", bytes(summary.final_bytes), count(summary.final_blocks, "block")),
        );
        if let Some(words) = self.spread() {
            lines.field("spread", Tone::Plain, &words);
        }
        self.list(&mut lines, "Held at the peak", bytes, |node| Metric::Peak.of(node));
        self.list(
            &mut lines,
            "Grew in every quarter of the run",
            |value| format!("{} more than after the first", bytes(value)),
            |node| node.steady_growth_bytes().unwrap_or(0),
        );
        self.list(&mut lines, "Live at the end", bytes, |node| Metric::Final.of(node));
        self.list(
            &mut lines,
            "Asked for most often",
            |value| count(value, "allocation"),
            |node| Metric::Count.of(node),
        );
        self.list(
            &mut lines,
            "Freed by the next call",
            |value| count(value, "temporary allocation"),
            |node| node.temporary,
        );
        let sizes: Vec<u64> = summary.sizes.iter().map(|class| class.count).collect();
        histogram(&mut lines, "Blocks by size", &sizes, "byte");
        histogram(&mut lines, "Freed blocks by age", &summary.lifetimes, "change");
        lines.into_text()
    }

    /// What the reader has to know before the figures.
    pub(super) fn cautions(&self) -> Vec<String> {
        let (profile, contradictions) = (self.profile, self.summary.contradictions);
        let mut cautions = Vec::new();
        if profile.missing_events > 0 {
            cautions.push(format!(
                "other instances had the same memory, and {} of theirs are missing: give all of their recordings",
                count(profile.missing_events, "event"),
            ));
        }
        if contradictions.freed_unknown + contradictions.allocated_live > 0 {
            cautions.push(format!(
                "{} of blocks that no traced call had allocated, {} at the address of a live block: \
                 not all of the allocator's functions were traced, or the program misuses its heap",
                count(contradictions.freed_unknown, "free"),
                count(contradictions.allocated_live, "allocation"),
            ));
        }
        if profile.are_samples_full {
            cautions.push(
                "more sampled blocks were live than fit: later ones are missing; take a larger --sample"
                    .to_owned(),
            );
        }
        if profile.is_log_cut {
            cautions.push(format!(
                "the log ended at its limit, after {} of {}: the figures below are those of the log",
                grouped(profile.events.len() as u64),
                count(profile.event_count, "event"),
            ));
        }
        if profile.are_stacks_cut {
            cautions.push(
                "more functions were in progress than fit: the deepest are missing in some stacks".to_owned(),
            );
        }
        if profile.are_stacks_mixed {
            cautions.push(
                "calls were suspended and went on in another order: stacks may be those of others".to_owned(),
            );
        }
        if profile.are_nodes_full {
            cautions.push("more stacks than fit: later ones count for their callers".to_owned());
        }
        cautions
    }

    /// What a sampled recording estimates: each with its label.
    pub(super) fn sample(&self) -> Vec<(&'static str, String)> {
        let Some(estimates) = self.profile.estimates() else { return Vec::new() };
        let mean = bytes(self.profile.sample_bytes.unwrap_or_default().into());
        let words = format!("of one block in {mean} asked for: the figures below are those of the sample");
        let mut said = vec![("sample", words)];
        for (label, estimate) in [("est. peak", estimates.peak), ("est. end", estimates.end)] {
            let (low, high) = estimate.bytes_interval();
            let [value, low, high] = [estimate.bytes(), low, high].map(whole_bytes);
            said.push((label, format!("about {value} live; 95 %: {low} to {high}")));
        }
        said
    }

    /// How densely the blocks lay; nothing of a heap that held nothing.
    pub(super) fn spread(&self) -> Option<String> {
        let (at_peak, all) = (self.summary.peak_extent?, self.summary.extent?);
        let percent = |part: u64, of: u64| part.saturating_mul(100).checked_div(of);
        let mut words = format!(
            "at the peak the blocks lay within {}, {} % of it live",
            bytes(at_peak.bytes()),
            percent(self.summary.peak_bytes, at_peak.bytes())?
        );
        if let Some(percent) = percent(self.summary.final_bytes, all.bytes()) {
            words.push_str(&format!(
                "; at the end {percent} % of the {} that blocks ever lay in",
                bytes(all.bytes())
            ));
        }
        Some(words)
    }

    fn list(
        &self,
        lines: &mut Lines,
        title: &str,
        words: impl Fn(u64) -> String,
        value: impl Fn(&NodeSummary) -> u64,
    ) {
        let values = self.summary.nodes.iter().map(|(&node, figures)| (value(figures), node));
        let mut stacks: Vec<(u64, u32)> = values.filter(|&(value, _)| value > 0).collect();
        stacks.sort_unstable_by_key(|&(value, node)| (std::cmp::Reverse(value), node));
        if stacks.is_empty() {
            return;
        }
        lines.gap();
        lines.line(Line::new().with(Tone::Heading, title));
        for &(value, node) in stacks.iter().take(self.top) {
            lines.line(Line::new().plain(format!("  {}", words(value))));
            self.stack(lines, node);
        }
        if let Some(more) = stacks.len().checked_sub(self.top).filter(|&more| more > 0) {
            lines.line(Line::new().plain(format!("  and {}", count(more as u64, "more stack"))));
        }
    }

    pub(super) fn stack(&self, lines: &mut Lines, node: u32) {
        let frames = self.frames(node);
        if frames.is_empty() {
            lines.line(Line::new().plain("    (the host, without an entry)"));
        }
        for frame in frames.iter().take(SHOWN_FRAMES) {
            let inlined = if frame.is_inlined { ", inlined" } else { "" };
            lines.line(Line::new().plain(format!("    {}{inlined}", frame.label())));
        }
        if let Some(more) = frames.len().checked_sub(SHOWN_FRAMES).filter(|&more| more > 0) {
            lines.line(Line::new().plain(format!("    and {}", count(more as u64, "more frame"))));
        }
    }
}

/// An estimate for people.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes of a 32-bit memory, none below 0"
)]
fn whole_bytes(value: f64) -> String {
    bytes(value.round() as u64)
}

/// Bars for the classes that have something.
fn histogram(lines: &mut Lines, title: &str, classes: &[u64], unit: &str) {
    let Some(&most) = classes.iter().max().filter(|&&most| most > 0) else { return };
    lines.gap();
    lines.line(Line::new().with(Tone::Heading, title));
    let first = classes.iter().position(|&value| value > 0).unwrap_or(0);
    let last = classes.iter().rposition(|&value| value > 0).unwrap_or(0);
    for (class, &value) in classes.iter().enumerate().take(last + 1).skip(first) {
        let (low, high) = class_bounds(class);
        let range = if low == high { grouped(low) } else { format!("{}–{}", grouped(low), grouped(high)) };
        let range = format!("{range} {unit}{}", if high == 1 { "" } else { "s" });
        // A bar for whatever there is, however little.
        let len = (value * BAR).div_ceil(most);
        let bar = "█".repeat(usize::try_from(len).unwrap_or(0));
        lines.line(Line::new().plain(format!("  {range:>24}  {bar} {}", grouped(value))));
    }
}
