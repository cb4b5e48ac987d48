//! A record of `memgrove bench` as text, Markdown and HTML. All of it is computed from the record; nothing is
//! measured here.

mod html;
mod plots;
mod tables;

use std::fmt::Write;

use memgrove_text::{Text, escape};

use crate::grid::{self, markdown as markdown_text};
use memgrove_results::EngineId;
use memgrove_results::bench::results::{Heat, Results};
use tables::{by_workload, failures, overview, scaling};

pub use html::html;
pub use plots::{Plot, plots};

/// For a terminal.
#[must_use]
pub fn text(results: &Results) -> Text {
    let mut out = Text::from(heading(results));
    out.gap();
    out.append(overview(results, tables::HEATS).text());
    let mut part = |title: &str, grid: &grid::Grid| {
        if !grid.is_empty() {
            out.gap();
            out.line(title);
            out.append(grid.text());
        }
    };
    part("Memory and code", &tables::memory(results));
    part("Fuel by workload, ratio to the base", &by_workload(results, tables::fuel_cell));
    part("Heap bytes / peak live bytes, by workload", &by_workload(results, tables::footprint_cell));
    part(
        &format!("The same work again and again. {}", tables::repeated_words(results)),
        &by_workload(results, tables::repeated_cell),
    );
    part(
        "Threads: time of N threads each doing what one did, and of threads passing blocks",
        &scaling(results),
    );
    part("Failures", &failures(results));
    out.gap();
    out.line(noise(results));
    out
}

/// For the documents: the page says how it was made, and what it does not show. It shows `pictures`, which lie in `folder`
/// beside it.
#[must_use]
pub fn markdown(results: &Results, source: &str, folder: &str, pictures: &[Plot]) -> String {
    // Inside a comment, where only its end means anything.
    let source = escape(source).replace("--", "- -").replace(['<', '>'], "");
    let mut out = format!(
        "# Allocators side by side\n\n<!-- Rendered from {source}; `cargo xtask report` writes it, `--check` compares. -->\n\n\
         {}\n\nRepeat it: `memgrove bench --scale {} --seed {} --rounds {} --save FILE`, on a machine that does nothing else.\n",
        markdown_text(&heading(results)),
        results.setting.scale_percent,
        results.setting.seed,
        results.setting.rounds
    );
    if !pictures.is_empty() {
        out += "\n## At a glance\n";
    }
    for Plot { file, title, .. } in pictures {
        let title = markdown_text(title);
        let _ = write!(out, "\n![{title}]({}/{})\n", address(folder), address(file));
    }
    let mut part = |title: &str, grid: &grid::Grid, words: &str| {
        if !grid.is_empty() {
            let _ = write!(out, "\n## {title}\n\n{words}{}", grid.markdown());
        }
    };
    part("All workloads", &overview(results, tables::HEATS), OVERVIEW_WORDS);
    part("Memory and code", &tables::memory(results), MEMORY_WORDS);
    part("Fuel by workload", &by_workload(results, tables::fuel_cell), "Ratio to the base.\n\n");
    part(
        "Own fuel per call",
        &by_workload(results, tables::own_fuel_cell),
        "Fuel less the floor's, by call.\n\n",
    );
    part("Dearest single call", &by_workload(results, tables::dearest_cell), DEAREST_WORDS);
    part("Footprint", &by_workload(results, tables::footprint_cell), "Heap bytes by peak live bytes.\n\n");
    part(
        "The same work again and again",
        &by_workload(results, tables::repeated_cell),
        &format!("{}.\n\n", tables::repeated_words(results)),
    );
    for engine in results.timed_engines() {
        let cell = |results: &Results, allocator: &str, workload: &str| {
            tables::wall_cell(results, engine, Heat::Warm, allocator, workload)
        };
        part(&format!("Warm wall time on {engine}"), &by_workload(results, cell), WALL_WORDS);
    }
    part(
        "Threads",
        &scaling(results),
        "Time of N threads by the time of one: 1 is perfect where each does what one did.\n\n",
    );
    part("Failures", &failures(results), "");
    let _ = write!(out, "\n## Noise and caveats\n\n{}\n\n{CAVEATS}", markdown_text(&noise(results)));
    out
}

/// Returns a file name as a part of an address: every byte that could end or split one is written in per cent.
fn address(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

const OVERVIEW_WORDS: &str = "Geometric means over the workloads that an allocator did; ratios to the base. `≈` marks a \
     difference from the base that is within measurement noise.\n\n";
const MEMORY_WORDS: &str = "Growths of memory in a first run, on average; the most fuel that a single call took; the heap after the last round of repeated work, by the base's; \
     under how many workloads it still grew after the second round.\n\n";
const DEAREST_WORDS: &str = "The most fuel that one call took in a first run, less the floor's for the same call. Clearing and \
     copying are one instruction of `memory.fill` or `memory.copy`, whatever they are long.\n\n";
const WALL_WORDS: &str = "Ratio to the base by round, median. `≈`: no difference.\n\n";
const CAVEATS: &str = "Fuel counts executed instructions, not time: a cache miss costs nothing, and `memory.grow` almost \
     nothing. Wall times are of the machine named above. A workload is not your program: measure it with \
     `memgrove bench --trace` or a guest of your own (`--guest`).\n";

fn heading(results: &Results) -> String {
    let setting = &results.setting;
    let engines: Vec<_> =
        setting.engines.iter().map(|engine| format!("{} {}", engine.engine, engine.version)).collect();
    format!(
        "{} on {} ({} cores, {}); scale {} %, seed {}; base {}; {}",
        setting.commit.as_deref().map_or_else(
            || format!("memgrove {}", setting.memgrove),
            |commit| format!("memgrove {} ({commit})", setting.memgrove)
        ),
        setting.machine.cpu,
        setting.machine.cores,
        setting.machine.system,
        setting.scale_percent,
        setting.seed,
        setting.base,
        engines.join(", ")
    )
}

/// What the control says about the wall times.
fn noise(results: &Results) -> String {
    let engines = results.timed_engines();
    if engines.is_empty() {
        return "No wall times were taken; fuel and bytes are exact.".to_owned();
    }
    let one = |engine: EngineId, heat: Heat| {
        let control = results.wall_mean(engine, heat, &results.setting.base, true)?;
        let per_workload = results.setting.workloads.iter().filter_map(|info| {
            Some(results.wall_ratio(engine, heat, &results.setting.base, &info.id, true)?.noise)
        });
        let worst = per_workload.fold(0.0, f64::max);
        Some(format!(
            "{engine} {}: {:.3} in the mean, up to {:.0} % in one workload",
            heat.name(),
            control.ratio,
            worst * 100.0
        ))
    };
    let mut told = Vec::new();
    for engine in engines {
        told.extend(one(engine, Heat::Cold));
        told.extend(one(engine, Heat::Warm));
    }
    let mut words = format!(
        "Control ({} a second time, as if it were another allocator; 1 would be no noise): {}. Fuel and bytes are exact.",
        results.setting.base,
        told.join("; ")
    );
    if results.timed_engines().contains(&EngineId::WasmtimePy) {
        words += " A time on wasmtime-py is one call of the engine from Python, of which Python takes two microseconds.";
    }
    words
}
