//! What a heap profile says: who holds the memory, and who asked for it.

use memgrove_module::code::CallOffsets;
use memgrove_module::facts::Facts;
use memgrove_profile::{Metric, NodeSummary, Profile, Site, Summary};
use memgrove_text::{Line, Text, Tone, escape_name, shorten};
use serde::Serialize;

use crate::layout::Lines;
use crate::words::LONGEST_NAME;
use crate::{Json, bytes, count};

/// Version of the JSON.
const SCHEMA: u32 = 1;
/// Frames of a stack that the text shows.
const SHOWN_FRAMES: usize = 12;

/// Finds out where the calls of a profile's stacks lie in the module that was traced.
pub fn locate(profile: &mut Profile, module: &Facts<'_>) {
    let mut offsets = CallOffsets::new(module);
    profile.locate(|call| offsets.offset(call.caller, call.callee, call.number));
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

/// A profile together with the module that was traced.
pub struct HeapProfile<'p> {
    /// The module's name.
    pub name: &'p str,
    /// The module that was traced, untraced.
    pub module: &'p Facts<'p>,
    /// The profile.
    pub profile: &'p Profile,
    /// Its figures.
    pub summary: &'p Summary,
    /// Stacks to show in each list.
    pub top: usize,
}

/// The JSON.
#[derive(Serialize)]
struct Record<'a> {
    schema: u32,
    file: &'a str,
    /// With sampling: the mean distance of hits in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_bytes: Option<u32>,
    is_log_cut: bool,
    are_stacks_folded: bool,
    events: u64,
    #[serde(flatten)]
    totals: Totals<'a>,
    stacks: Vec<Stack<'a>>,
}

/// The figures of the whole profile.
#[derive(Serialize)]
struct Totals<'a> {
    changes: u64,
    allocations: u64,
    allocated_bytes: u64,
    frees: u64,
    reallocations: u64,
    refused: u64,
    temporary: u64,
    peak_bytes: u64,
    peak_at: u64,
    final_bytes: u64,
    final_blocks: u64,
    contradictions: &'a memgrove_profile::Contradictions,
}

/// A stack and its figures; the innermost frame first.
#[derive(Serialize)]
struct Stack<'a> {
    #[serde(flatten)]
    figures: &'a NodeSummary,
    frames: Vec<Frame>,
}

/// A frame of a stack.
#[derive(Serialize)]
struct Frame {
    /// Function index; none where the offset lies in no function.
    func: Option<u32>,
    /// Its name, if it has one.
    name: Option<String>,
    /// Offset of the call in the original; none for an entry by the host.
    offset: Option<u32>,
}

impl HeapProfile<'_> {
    /// For people: the figures, then the stacks that hold most, leak most and ask most.
    #[must_use]
    pub fn text(&self) -> Text {
        let Self { profile, summary, .. } = self;
        let mut lines = Lines::default();
        lines.line(
            Line::new()
                .with(Tone::Heading, escape_name(self.name))
                .plain(format!(": at most {} live at once", bytes(summary.peak_bytes))),
        );
        let contradictions = summary.contradictions.freed_unknown + summary.contradictions.allocated_live;
        if contradictions > 0 {
            lines.field(
                "caution",
                Tone::Warn,
                &format!(
                    "{} of blocks that no traced call had allocated, {} at the address of a live block: \
                     not all of the allocator's functions were traced, or the program misuses its heap",
                    count(summary.contradictions.freed_unknown, "free"),
                    count(summary.contradictions.allocated_live, "allocation"),
                ),
            );
        }
        if let Some(estimates) = profile.estimates() {
            let mean = bytes(profile.sample_bytes.unwrap_or_default().into());
            lines.field(
                "sample",
                Tone::Warn,
                &format!("of one block in {mean} asked for: the figures below are those of the sample"),
            );
            for (when, estimate) in [("peak", estimates.peak), ("end", estimates.end)] {
                let (low, high) = estimate.bytes_interval();
                let [value, low, high] = [estimate.bytes(), low, high].map(whole_bytes);
                lines.field(when, Tone::Plain, &format!("about {value} live; 95 %: {low} to {high}"));
            }
        }
        if profile.are_samples_full {
            lines.field(
                "caution",
                Tone::Warn,
                "more sampled blocks were live than fit: later ones are missing; take a larger --sample",
            );
        }
        if profile.is_log_cut {
            lines.field(
                "caution",
                Tone::Warn,
                &format!(
                    "the log ended at its limit, after {} of {}: the figures below are those of the log",
                    profile.events.len(),
                    count(profile.event_count, "event"),
                ),
            );
        }
        if profile.are_stacks_cut {
            lines.field(
                "caution",
                Tone::Warn,
                "more functions were in progress than fit: the deepest are missing in some stacks",
            );
        }
        if profile.are_stacks_mixed {
            lines.field(
                "caution",
                Tone::Warn,
                "calls were suspended and went on in another order: stacks may be those of others",
            );
        }
        if profile.are_nodes_full {
            lines.field("caution", Tone::Warn, "more stacks than fit: later ones count for their callers");
        }
        lines.field(
            "asked for",
            Tone::Plain,
            &format!(
                "{} in {}, of which {} freed by the next call; {}; {}",
                bytes(summary.allocated_bytes),
                count(summary.allocations, "allocation"),
                summary.temporary,
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
        self.list(&mut lines, "Held at the peak", Metric::Peak);
        self.list(&mut lines, "Live at the end", Metric::Final);
        self.list(&mut lines, "Asked for most often", Metric::Count);
        lines.into_text()
    }

    /// For programs: one document.
    ///
    /// # Errors
    /// What the serialiser says; there is no value here that it refuses.
    pub fn json(&self) -> serde_json::Result<Json> {
        let summary = self.summary;
        let stacks = summary.nodes.iter().map(|(&node, figures)| Stack {
            figures,
            frames: self.profile.stack(node).map(|site| self.frame(site)).collect(),
        });
        Json::pretty(&Record {
            schema: SCHEMA,
            file: self.name,
            sample_bytes: self.profile.sample_bytes,
            is_log_cut: self.profile.is_log_cut,
            are_stacks_folded: self.profile.are_nodes_full,
            events: self.profile.event_count,
            totals: Totals {
                changes: summary.changes,
                allocations: summary.allocations,
                allocated_bytes: summary.allocated_bytes,
                frees: summary.frees,
                reallocations: summary.reallocations,
                refused: summary.refused,
                temporary: summary.temporary,
                peak_bytes: summary.peak_bytes,
                peak_at: summary.peak_at,
                final_bytes: summary.final_bytes,
                final_blocks: summary.final_blocks,
                contradictions: &summary.contradictions,
            },
            stacks: stacks.collect(),
        })
    }

    /// Collapsed stacks, as flame graph tools read them.
    #[must_use]
    pub fn collapsed(&self, metric: Metric) -> String {
        self.profile.collapsed(self.summary, metric, |site| self.name_of(site))
    }

    fn list(&self, lines: &mut Lines, title: &str, metric: Metric) {
        let mut stacks: Vec<(u64, u32)> = self
            .summary
            .nodes
            .iter()
            .map(|(&node, figures)| (metric.of(figures), node))
            .filter(|&(value, _)| value > 0)
            .collect();
        stacks.sort_unstable_by_key(|&(value, node)| (std::cmp::Reverse(value), node));
        if stacks.is_empty() {
            return;
        }
        lines.gap();
        lines.line(Line::new().with(Tone::Heading, title));
        for &(value, node) in stacks.iter().take(self.top) {
            let value = if metric == Metric::Count { count(value, "allocation") } else { bytes(value) };
            lines.line(Line::new().plain(format!("  {value}")));
            let mut frames = self.profile.stack(node);
            for site in frames.by_ref().take(SHOWN_FRAMES) {
                lines.line(Line::new().plain(format!("    {}", self.name_of(site))));
            }
            let more = frames.count();
            if more > 0 {
                lines.line(Line::new().plain(format!("    and {}", count(more as u64, "more frame"))));
            }
        }
        if let Some(more) = stacks.len().checked_sub(self.top).filter(|&more| more > 0) {
            lines.line(Line::new().plain(format!("  and {}", count(more as u64, "more stack"))));
        }
    }

    /// A frame in words, escaped.
    fn name_of(&self, site: Site) -> String {
        let frame = self.frame(site);
        let name = match (frame.name, frame.func) {
            (Some(name), _) => escape_name(&shorten(&name, LONGEST_NAME)).into_owned(),
            (None, Some(func)) => format!("function {func}"),
            (None, None) => "(no function)".to_owned(),
        };
        match (site, frame.offset) {
            (Site::Entry(_), _) => format!("{name}, called by the host"),
            (_, Some(offset)) => format!("{name} at {offset:#x}"),
            (_, None) => name,
        }
    }

    fn frame(&self, site: Site) -> Frame {
        let (func, offset) = match site {
            Site::Entry(func) => (Some(func), None),
            Site::Call(offset) => (self.function_at(offset), Some(offset)),
            Site::Within(func) => (Some(func), None),
        };
        let name = func.and_then(|func| self.module.func_name(func)).map(str::to_owned);
        Frame { func, name, offset }
    }

    /// The function whose body holds this offset. Logarithmic.
    fn function_at(&self, offset: u32) -> Option<u32> {
        let functions = &self.module.functions;
        let at = functions.partition_point(|function| function.body_offset <= offset).checked_sub(1)?;
        let function = functions.get(at)?;
        let into = offset - function.body_offset;
        (into < function.body_len)
            .then(|| self.module.imported_func_count() + u32::try_from(at).unwrap_or(u32::MAX))
    }
}
