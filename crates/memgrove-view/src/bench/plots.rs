//! What a record shows at a glance: speed against what it costs, and threads.

use std::collections::BTreeSet;

use crate::html::{Axis, XyChart};

use memgrove_results::EngineId;
use memgrove_results::bench::results::{Heat, Results};
use memgrove_results::bench::stats::geometric_mean;
use memgrove_results::bench::summary::{Line, to_f64};
use memgrove_results::guest::Role;

/// A footprint further from the least than this is named in the title and not drawn: it would press the others together.
const FAR: f64 = 3.0;
const FUEL: &str = "fuel, ratio to the base";
const FOOTPRINT: &str = "heap bytes / peak live bytes";

/// A chart as a file of its own.
#[derive(Clone, Debug)]
pub struct Plot {
    /// The file's name.
    pub file: String,
    /// What it shows, in a line.
    pub title: String,
    /// SVG.
    pub svg: String,
}

/// The charts that a document shows beside the tables; those without values are left out.
#[must_use]
pub fn plots(results: &Results) -> Vec<Plot> {
    let lines = results.lines();
    let mut charts = vec![
        ("fuel-footprint".to_owned(), "Speed and footprint".to_owned(), fuel_and_footprint(&lines)),
        ("fuel-size".to_owned(), "Speed and code size".to_owned(), fuel_and_size(&lines)),
    ];
    for engine in results.timed_engines() {
        let title = format!("Wall time and footprint on {engine}");
        charts.push((format!("wall-{engine}"), title, wall_and_footprint(results, &lines, engine)));
        let title = format!("Threads on {engine}");
        charts.push((format!("threads-{engine}"), title, threads(results, engine)));
    }
    let plot = |(file, title, chart): (String, String, XyChart)| {
        Some(Plot { file: format!("{file}.svg"), title, svg: chart.to_svg()? })
    };
    charts.into_iter().filter_map(plot).collect()
}

/// Fuel by footprint, one point an allocator.
pub(super) fn fuel_and_footprint(lines: &[Line<'_>]) -> XyChart {
    let axes = (Axis::new(FOOTPRINT).loose(), Axis::new(FUEL).loose());
    let (near, title) = near("speed and footprint", lines);
    points(title, axes, &near, |line| Some((line.footprint?, line.fuel_ratio?)))
}

/// Fuel by an allocator's own code.
pub(super) fn fuel_and_size(lines: &[Line<'_>]) -> XyChart {
    let axes = (Axis::new("own code at -Oz, bytes").log(), Axis::new(FUEL).loose());
    points("speed and code size", axes, lines, |line| {
        Some((to_f64(line.allocator.own_code?.oz_optimised_bytes), line.fuel_ratio?))
    })
}

fn wall_and_footprint(results: &Results, lines: &[Line<'_>], engine: EngineId) -> XyChart {
    let axes = (Axis::new(FOOTPRINT).loose(), Axis::new("warm wall time, ratio to the base").loose());
    let (near, title) = near(&format!("wall time on {engine} and footprint"), lines);
    points(title, axes, &near, |line| {
        let id = &line.allocator.id;
        let wall = results.wall_mean(engine, Heat::Warm, id, false).map(|mean| mean.ratio);
        Some((line.footprint?, wall.or_else(|| (*id == results.setting.base).then_some(1.0))?))
    })
}

/// The lines whose footprint can be shown, and the title that names the others.
fn near<'r>(title: &str, lines: &[Line<'r>]) -> (Vec<Line<'r>>, String) {
    let shown = || lines.iter().filter(|line| line.allocator.role != Role::Floor);
    let least = shown().filter_map(|line| line.footprint).fold(f64::INFINITY, f64::min);
    let is_far = |line: &&Line<'_>| line.footprint.is_some_and(|footprint| footprint > FAR * least);
    let far: Vec<_> = shown()
        .filter(is_far)
        .map(|line| format!("{} {:.1}", line.allocator.id, line.footprint.unwrap_or_default()))
        .collect();
    let title = match far.as_slice() {
        [] => title.to_owned(),
        far => format!("{title}; beyond: {}", far.join(", ")),
    };
    (lines.iter().filter(|line| !is_far(line)).cloned().collect(), title)
}

fn points(
    title: impl Into<String>,
    (x, y): (Axis, Axis),
    lines: &[Line<'_>],
    at: impl Fn(&Line<'_>) -> Option<(f64, f64)>,
) -> XyChart {
    [(Role::Ours, "memgrove"), (Role::Peer, "peers")].into_iter().fold(
        XyChart::new(title, x, y),
        |chart, (role, name)| {
            let own = lines.iter().filter(|line| line.allocator.role == role);
            let point = |line| {
                let (x, y) = at(line)?;
                Some((x, y, line.allocator.id.clone()))
            };
            chart.points(name, own.filter_map(point))
        },
    )
}

/// The mean over the workloads with threads, one line an allocator.
fn threads(results: &Results, engine: EngineId) -> XyChart {
    let counts: BTreeSet<u32> =
        results.threads.iter().filter(|wall| wall.engine == engine).map(|wall| wall.threads).collect();
    let title = format!("time of N threads by one thread's on {engine}, mean of the workloads");
    let y = Axis::new("time by one thread's").log().loose();
    results.setting.allocators.iter().fold(
        XyChart::new(title, Axis::new("threads").loose().whole(), y),
        |chart, allocator| {
            let mean = |&threads: &u32| {
                let own = results.threads.iter().filter(|wall| {
                    (wall.engine, wall.threads, &wall.allocator) == (engine, threads, &allocator.id)
                });
                let scales = own.filter_map(|wall| Some(results.scaling(wall)?.median));
                Some((f64::from(threads), geometric_mean(scales)?))
            };
            let means: Vec<_> = counts.iter().filter_map(mean).collect();
            if means.is_empty() { chart } else { chart.line(allocator.id.clone(), means) }
        },
    )
}
