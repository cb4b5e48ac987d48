//! The tables that every format shows.

use crate::grid::Grid;
use memgrove_module::PAGE_BYTES;
use memgrove_results::EngineId;
use memgrove_results::bench::results::{Allocator, Heat, Results};
use memgrove_results::bench::stats::{Comparison, Difference};
use memgrove_results::bench::summary::Line;

/// Every kind of time.
pub(super) const HEATS: &[Heat] = &[Heat::Warm, Heat::Cold];

const NOTHING: &str = "–";

/// One line for each allocator, with times of these kinds.
pub(super) fn overview(results: &Results, heats: &[Heat]) -> Grid {
    let engines = results.timed_engines();
    let mut headings = vec![
        "allocator".to_owned(),
        "fuel".to_owned(),
        "own fuel/call (range)".to_owned(),
        "heap/live".to_owned(),
        "own bytes -Oz".to_owned(),
    ];
    for engine in &engines {
        headings.extend(heats.iter().map(|heat| format!("{engine} {}", heat.name())));
    }
    headings.push("workloads done".to_owned());
    let mut grid = Grid::new(headings);
    for line in results.lines() {
        let mut row = vec![
            name(line.allocator),
            ratio(line.fuel_ratio),
            line.own_fuel.map_or_else(
                || NOTHING.to_owned(),
                |own| format!("{:.0} ({:.0}–{:.0})", own.median, own.least, own.most),
            ),
            ratio(line.footprint),
            line.allocator
                .own_code
                .map_or_else(|| NOTHING.to_owned(), |code| code.oz_optimised_bytes.to_string()),
        ];
        for &engine in &engines {
            for &heat in heats {
                let mean = results.wall_mean(engine, heat, &line.allocator.id, false);
                row.push(compared(mean.filter(|_| line.allocator.id != results.setting.base)));
            }
        }
        row.push(done(&line));
        grid.row(row);
    }
    grid
}

/// What an allocator's memory and code come to, as far as it was measured. One line for each allocator; none if nothing was.
pub(super) fn memory(results: &Results) -> Grid {
    let lines = results.lines();
    let packed = |line: &Line<'_>| line.allocator.own_code.and_then(|code| code.oz_brotli_bytes);
    let is_repeated = lines.iter().any(|line| line.grows_late.is_some());
    let has_dearest = lines.iter().any(|line| line.dearest_call_fuel.is_some());
    let mut headings = vec!["allocator".to_owned(), "growths a load".to_owned()];
    if has_dearest {
        headings.push("dearest call, fuel".to_owned());
    }
    if is_repeated {
        headings.push(format!("heap after {} rounds", results.setting.repeats));
        headings.push("grows after round 2".to_owned());
    }
    headings.push("own bytes, Brotli".to_owned());
    let mut grid = Grid::new(headings);
    if !lines.iter().any(|line| line.growths.is_some() || packed(line).is_some()) {
        return grid;
    }
    let or_nothing = |shown: Option<String>| shown.unwrap_or_else(|| NOTHING.to_owned());
    for line in lines {
        let growths = line.growths.map(|mean| format!("{mean:.1}"));
        let mut row = vec![name(line.allocator), or_nothing(growths)];
        if has_dearest {
            row.push(or_nothing(line.dearest_call_fuel.map(|fuel| fuel.to_string())));
        }
        if is_repeated {
            row.push(ratio(line.held_ratio));
            row.push(or_nothing(line.grows_late.map(|(late, of)| format!("{late} of {of}"))));
        }
        row.push(or_nothing(packed(&line).map(|bytes| bytes.to_string())));
        grid.row(row);
    }
    grid
}

fn done(line: &Line<'_>) -> String {
    match line.failures.len() {
        0 => format!("all {}", line.counted),
        failed => format!("{} of {}, FAIL {failed}", line.sound, line.counted),
    }
}

/// A row for each workload, a column for each allocator.
pub(super) fn by_workload(results: &Results, cell: impl Fn(&Results, &str, &str) -> Option<String>) -> Grid {
    let allocators = &results.setting.allocators;
    let headings =
        std::iter::once("workload").chain(allocators.iter().map(|allocator| allocator.id.as_str()));
    let mut grid = Grid::new(headings);
    for workload in &results.setting.workloads {
        let cells: Vec<_> =
            allocators.iter().map(|allocator| cell(results, &allocator.id, &workload.id)).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| NOTHING.to_owned()));
            grid.row(std::iter::once(workload.id.clone()).chain(cells));
        }
    }
    grid
}

/// A failure in place of the figure, where there is one.
fn or_failure(results: &Results, allocator: &str, workload: &str, shown: Option<String>) -> Option<String> {
    let failure = results.count(allocator, workload)?.failure.as_ref();
    match (failure, shown) {
        (Some(failure), Some(shown)) => Some(format!("{shown} ({})", failure.word())),
        (Some(failure), None) => Some(format!("FAIL {}", failure.word())),
        (None, shown) => shown,
    }
}

pub(super) fn fuel_cell(results: &Results, allocator: &str, workload: &str) -> Option<String> {
    let shown = results.fuel_ratio(allocator, workload).map(|ratio| format!("{ratio:.3}"));
    or_failure(results, allocator, workload, shown)
}

pub(super) fn own_fuel_cell(results: &Results, allocator: &str, workload: &str) -> Option<String> {
    let shown = results.own_fuel_per_call(allocator, workload).map(|fuel| format!("{fuel:.1}"));
    or_failure(results, allocator, workload, shown)
}

pub(super) fn dearest_cell(results: &Results, allocator: &str, workload: &str) -> Option<String> {
    Some(results.figures(allocator, workload)?.dearest_call_fuel?.to_string())
}

pub(super) fn footprint_cell(results: &Results, allocator: &str, workload: &str) -> Option<String> {
    let shown = results.footprint(allocator, workload).map(|ratio| format!("{ratio:.2}"));
    or_failure(results, allocator, workload, shown)
}

/// Pages of 64 KiB of the heap after the rounds that were looked at, and where it grew last.
pub(super) fn repeated_cell(results: &Results, allocator: &str, workload: &str) -> Option<String> {
    let repeated = results.repeated(allocator, workload)?;
    if let Some(failure) = &repeated.failure {
        return Some(format!("FAIL {}", failure.word()));
    }
    let mut shown = String::new();
    for held in &repeated.held {
        shown += &format!("{} ", held.heap_bytes.div_ceil(PAGE_BYTES));
    }
    Some(shown + &format!("({})", repeated.last_growth_round))
}

/// What [`repeated_cell`] shows, in words.
pub(super) fn repeated_words(results: &Results) -> String {
    let rounds: Vec<String> = results
        .repeated
        .first()
        .map(|repeated| repeated.held.iter().map(|held| held.round.to_string()).collect())
        .unwrap_or_default();
    format!("Pages of 64 KiB after rounds {}; in brackets the last round that grew", rounds.join(", "))
}

pub(super) fn wall_cell(
    results: &Results,
    engine: EngineId,
    heat: Heat,
    allocator: &str,
    workload: &str,
) -> Option<String> {
    let comparison = results.wall_ratio(engine, heat, allocator, workload, false);
    comparison.map(|comparison| compared(Some(comparison).filter(|_| allocator != results.setting.base)))
}

/// Time of N threads by the time of one.
pub(super) fn scaling(results: &Results) -> Grid {
    let mut grid = Grid::new([
        "workload",
        "engine",
        "threads",
        "allocator",
        "median ms",
        "× one thread",
        "spread",
        "heap bytes",
    ]);
    for wall in &results.threads {
        let times = wall.elapsed_ns.iter().map(|&ns| memgrove_results::bench::summary::to_f64(ns) / 1e6);
        let median = memgrove_results::bench::stats::Summary::of(times);
        let scale = results.scaling(wall);
        let figures = match (&wall.failure, median) {
            (Some(failure), _) => {
                [format!("FAIL {}", failure.word()), NOTHING.to_owned(), NOTHING.to_owned()]
            }
            (None, Some(median)) => [
                format!("{:.2}", median.median),
                scale.map_or_else(|| NOTHING.to_owned(), |scale| format!("{:.2}", scale.median)),
                format!("{:.0} %", median.relative_spread() * 100.0),
            ],
            (None, None) => [NOTHING.to_owned(), NOTHING.to_owned(), NOTHING.to_owned()],
        };
        let head = [
            wall.workload.clone(),
            wall.engine.to_string(),
            wall.threads.to_string(),
            wall.allocator.clone(),
        ];
        grid.row(head.into_iter().chain(figures).chain([wall.heap_bytes.to_string()]));
    }
    grid
}

/// Every failure with its reason.
pub(super) fn failures(results: &Results) -> Grid {
    let mut grid = Grid::new(["allocator", "workload", "why it fails"]);
    for count in &results.counts {
        if let Some(failure) = &count.failure {
            grid.row([count.allocator.clone(), count.workload.clone(), failure.to_string()]);
        }
    }
    for repeated in &results.repeated {
        if let Some(failure) = &repeated.failure {
            let place = format!("{}, repeated", repeated.workload);
            grid.row([repeated.allocator.clone(), place, failure.to_string()]);
        }
    }
    for wall in &results.walls {
        if let Some(failure) = &wall.failure {
            grid.row([
                wall.allocator.clone(),
                format!("{} on {}", wall.workload, wall.engine),
                failure.to_string(),
            ]);
        }
    }
    for wall in &results.threads {
        if let Some(failure) = &wall.failure {
            let place = format!("{}, {} threads on {}", wall.workload, wall.threads, wall.engine);
            grid.row([wall.allocator.clone(), place, failure.to_string()]);
        }
    }
    grid
}

pub(super) fn name(allocator: &Allocator) -> String {
    match allocator.version.as_str() {
        "" => allocator.id.clone(),
        version => format!("{} {version}", allocator.id),
    }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| NOTHING.to_owned(), |ratio| format!("{ratio:.3}"))
}

/// A ratio with its noise; `≈` before it where it says nothing.
pub(super) fn compared(comparison: Option<Comparison>) -> String {
    let Some(comparison) = comparison else { return NOTHING.to_owned() };
    let sign = if comparison.difference() == Difference::None { "≈" } else { "" };
    format!("{sign}{:.2} ±{:.2}", comparison.ratio, comparison.noise)
}
