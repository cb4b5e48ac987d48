//! A heap profile as one page: timeline, flame graph, histograms, sites.

use memgrove_profile::{Point, class_bounds};

use super::HeapProfile;
use super::flame::{METRICS, place};
use crate::html::{BarChart, Cell, Column, Html, Page, Table, data, element};
use crate::words::grouped;
use crate::{Json, bytes, count};

/// Points of the timeline: more would not be seen.
const POINTS: usize = 600;
/// Rows of the table of sites.
const ROWS: usize = 200;
/// The timeline's own units, which the page stretches.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 200.0;

impl HeapProfile<'_> {
    /// One self-contained page.
    ///
    /// # Errors
    /// What the serialiser says; there is no value here that it refuses.
    pub fn html(&self) -> serde_json::Result<String> {
        let summary = self.summary;
        let mut page = Page::new(format!("Heap of {}", self.name));
        page.style(include_str!("profile.css"));
        page.lede(format!(
            "At most {} live at once, in {}; {} at the end.",
            bytes(summary.peak_bytes),
            count(summary.peak_blocks, "block"),
            bytes(summary.final_bytes)
        ));
        page.section("Figures", self.facts());
        page.section("Live bytes over the run", self.timeline_html());
        page.section("Who asked for it", self.flame_html()?);
        page.section("Sizes and ages", self.histograms());
        page.section("Call sites", self.sites());
        page.footer(format!(
            "memgrove {}: {} of {}. A change is an allocation, a free or a reallocation; the recording has no clock.",
            env!("CARGO_PKG_VERSION"),
            count(summary.changes, "change"),
            self.name
        ));
        page.script(include_str!("profile.js"));
        Ok(page.render())
    }

    fn facts(&self) -> Html {
        let summary = self.summary;
        let mut rows: Vec<(&str, String)> = vec![
            (
                "peak",
                format!(
                    "after {} of {}, when {} had been asked for",
                    grouped(summary.peak_at),
                    count(summary.changes, "change"),
                    bytes(summary.peak_at_allocated_bytes)
                ),
            ),
            (
                "asked for",
                format!(
                    "{} in {} and {}",
                    bytes(summary.allocated_bytes),
                    count(summary.allocations, "allocation"),
                    count(summary.reallocations, "reallocation")
                ),
            ),
            (
                "freed",
                format!("{}, {} by the next call", count(summary.frees, "block"), grouped(summary.temporary)),
            ),
            (
                "at the end",
                format!("{} live in {}", bytes(summary.final_bytes), count(summary.final_blocks, "block")),
            ),
        ];
        rows.extend(self.sample());
        rows.extend(self.spread().map(|words| ("spread", words)));
        rows.extend(self.cautions().into_iter().map(|words| ("caution", words)));
        let mut list = element("dl").class("facts");
        for (term, words) in rows {
            list = list.child(element("dt").child(term)).child(element("dd").child(words));
        }
        list.into()
    }

    fn timeline_html(&self) -> Html {
        let points = self.profile.timeline(self.summary, POINTS);
        let changes = chart(&points, self.summary.peak_bytes, |point| point.changes);
        let allocated = chart(&points, self.summary.peak_bytes, |point| point.allocated_bytes);
        let end = |words: String, chart: Html, class: &str| {
            element("div")
                .class(&format!("timeline {class}"))
                .child(element("div").class("top soft").child(bytes(self.summary.peak_bytes)))
                .child(chart)
                .child(
                    element("div")
                        .class("ends soft")
                        .child(element("span").child("start"))
                        .child(element("span").child(words)),
                )
        };
        let last = points.last().map_or(0, |point| point.allocated_bytes);
        let radio = |id: &str, label: &str, checked: bool| {
            let input = element("input").attr("type", "radio").attr("name", "axis").attr("id", id);
            let input = if checked { input.attr("checked", "") } else { input };
            element("label").child(input).child(label)
        };
        element("div")
            .class("axes")
            .child(radio("by-changes", "by changes of the heap", true))
            .child(radio("by-bytes", "by bytes asked for", false))
            .child(end(count(self.summary.changes, "change"), changes, "changes"))
            .child(end(format!("{} asked for", bytes(last)), allocated, "bytes"))
            .into()
    }

    fn flame_html(&self) -> serde_json::Result<Html> {
        let mut metrics =
            element("div").class("metrics").attr("role", "group").attr("aria-label", "Width of a frame");
        for (index, (name, unit)) in METRICS.into_iter().enumerate() {
            metrics = metrics.child(
                element("button")
                    .attr("type", "button")
                    .attr("data-metric", index)
                    .attr("data-unit", unit)
                    .attr("aria-pressed", index == 0)
                    .child(name),
            );
        }
        let search = element("input")
            .attr("type", "search")
            .attr("id", "flame-search")
            .attr("placeholder", "search functions and places")
            .attr("aria-label", "Search in the flame graph");
        let graph = element("div")
            .attr("id", "flame")
            .child(element("div").class("controls").child(metrics).child(search))
            .child(element("p").class("note").attr("id", "flame-said").attr("aria-live", "polite"))
            .child(element("div").class("scroll").child(element("div").attr("id", "flame-rows")))
            .child(element("p").class("note").child(
                "Callers stand above what they call. Press a frame to zoom in, one above it to zoom out.",
            ));
        let noscript =
            element("noscript").child("The flame graph needs JavaScript; the table below does not.");
        Ok(Html::from_iter([
            graph.into(),
            noscript.into(),
            data("flame-data", &Json::compact(&self.flame())?),
        ]))
    }

    fn histograms(&self) -> Html {
        let summary = self.summary;
        let counts: Vec<u64> = summary.sizes.iter().map(|class| class.count).collect();
        let held: Vec<u64> = summary.sizes.iter().map(|class| class.bytes).collect();
        let charts = [
            bars("Blocks by size", "blocks", &counts, bytes_range),
            bars("Bytes asked for, by the block's size", "bytes", &held, bytes_range),
            bars("Freed blocks by age", "blocks; the age in changes", &summary.lifetimes, |class| {
                let (low, high) = class_bounds(class);
                if low == high { grouped(low) } else { format!("{}–{}", grouped(low), grouped(high)) }
            }),
        ];
        element("div").class("charts").children(charts).into()
    }

    fn sites(&self) -> Html {
        let mut sites: Vec<_> = self.through_sites().into_iter().collect();
        sites.sort_by_key(|&(site, figures)| (std::cmp::Reverse(figures), site));
        let columns = [Column::code("function"), Column::code("at")];
        let columns = columns.into_iter().chain(METRICS.iter().map(|(name, _)| Column::number(*name)));
        let mut table = Table::new(columns).sortable();
        for (site, figures) in sites.iter().take(ROWS) {
            let Some(frame) = self.frames_of(*site).into_iter().next() else { continue };
            let words = METRICS.iter().zip(figures).map(|((_, unit), &value)| {
                let shown = if *unit == "bytes" { bytes(value) } else { grouped(value) };
                // Sorting needs no more digits than a float has.
                #[allow(clippy::cast_precision_loss, reason = "it is for sorting only")]
                Cell::number(value as f64, shown)
            });
            let names = [Cell::from(frame.function.as_str()), Cell::from(place(&frame))];
            table.row(names.into_iter().chain(words));
        }
        let note = "What was asked for below each call site; a site that recurs in a stack counts once.";
        let mut html = Html::from(element("p").class("note").child(note));
        html.push(Html::from(table));
        if let Some(more) = sites.len().checked_sub(ROWS).filter(|&more| more > 0) {
            html.push(element("p").class("note").child(format!("and {}", count(more as u64, "more site"))));
        }
        html
    }
}

/// The sizes of a class, whose bounds are powers of two.
fn bytes_range(class: usize) -> String {
    let (low, high) = class_bounds(class);
    if low == high {
        return bytes(low);
    }
    let (from, to) = (bytes(low), bytes(high.saturating_add(1)));
    match (from.split_once(' '), to.split_once(' ')) {
        (Some((from, unit)), Some((to, other))) if unit == other => format!("{from} to {to} {unit}"),
        _ => format!("{from} to {to}"),
    }
}

/// Bars for the classes from the first to the last that has something.
fn bars(title: &str, unit: &str, classes: &[u64], label: impl Fn(usize) -> String) -> Html {
    let Some(first) = classes.iter().position(|&value| value > 0) else { return Html::empty() };
    let last = classes.iter().rposition(|&value| value > 0).unwrap_or(first);
    let mut chart = BarChart::new(title, unit);
    for (class, &value) in classes.iter().enumerate().take(last + 1).skip(first) {
        #[allow(clippy::cast_precision_loss, reason = "a bar has no more digits")]
        let value = value as f64;
        chart = chart.bar(label(class), value);
    }
    chart.into()
}

/// An area under the live bytes; `x` is where a point stands.
fn chart(points: &[Point], peak_bytes: u64, x: impl Fn(&Point) -> u64) -> Html {
    #[allow(clippy::cast_precision_loss, reason = "a picture has no more digits")]
    let scale = |value: u64, of: u64, to: f64| if of == 0 { 0.0 } else { value as f64 / of as f64 * to };
    let right = points.last().map_or(0, &x);
    let mut path = format!("M0 {HEIGHT}");
    for point in points {
        let (x, y) = (scale(x(point), right, WIDTH), HEIGHT - scale(point.live_bytes, peak_bytes, HEIGHT));
        path.push_str(&format!("L{x:.1} {y:.1}"));
    }
    path.push_str(&format!("L{WIDTH} {HEIGHT}Z"));
    let svg = element("svg")
        .attr("viewBox", format!("0 0 {WIDTH} {HEIGHT}"))
        .attr("preserveAspectRatio", "none")
        .attr("role", "img")
        .attr("aria-label", "Live bytes over the run")
        .child(element("path").attr("d", path));
    svg.into()
}
