//! `docs/programs.md`, from `results/programs.json`.

use std::fmt::Write;

use anyhow::Result;
use memgrove_results::bench::stats::geometric_mean;
use memgrove_results::programs::{Program, Programs, Taken};

use crate::report;
use crate::workspace::Workspace;

/// What it is made of.
const FIGURES: &str = "results/programs.json";
const PAGE: &str = "docs/programs.md";
/// What the others are compared with: the default of Rust's standard library.
const BASE: &str = "dlmalloc";
/// Ours, and the peers that people take, in this order.
const SHOWN: [&str; 9] = [
    BASE,
    "memgrove-dlmalloc",
    "memgrove-jemalloc",
    "memgrove-hoard",
    "memgrove-wee",
    "wasi-libc",
    "emscripten-emmalloc",
    "talc-wasm",
    "rlsf",
];

/// Writes the page, or says whether it is what the figures give.
pub fn run(workspace: &Workspace, check: bool) -> Result<()> {
    report::render(workspace, (FIGURES, PAGE), check, |figures, _| page(figures))
}

fn page(all: &Programs) -> Result<String> {
    let mut out = String::new();
    write!(
        out,
        "# Allocators under the calls of real programs

{} published packages, recorded by `memgrove trace` at work under their own JavaScript, and their calls replayed on each allocator, as `memgrove advise` does.
The traces are in `results/traces`; none of them was used to choose anything in our allocators but what the changelog names. Counted by {}, so that the same code gives
the same figures: they are in `{FIGURES}`, this page is made of them by `cargo xtask report`. `crates/memgrove-cli/tests/trace_corpus/programs.rs` says how to record
again, `crates/memgrove-lab/tests/programs.rs` how to count again.

| program | package | work | calls | most live, KiB |
|---|---|---|---:|---:|
",
        all.programs.len(),
        all.engine,
    )?;
    for Program { recorded, calls, peak_live_bytes, .. } in &all.programs {
        let live = peak_live_bytes.div_ceil(1024);
        writeln!(out, "| {} | {} | {} | {calls} | {live} |", recorded.name, recorded.package, recorded.work)?;
    }
    out += "
## Instructions

Of the allocator in each call, with each byte that it copies or clears as one: what the replay takes, less what it takes on a heap that only bumps a pointer. The last
line is the geometric mean of what each program takes in parts of what it takes with `dlmalloc`, the Rust crate; with the number of programs where some failed.

";
    table(
        &mut out,
        all,
        &|program, taken| (taken.instructions as f64 / program.calls as f64).max(1.0),
        &|value| format!("{value:.0}"),
    )?;
    out += "
## Pages

Of 64 KiB, in the heap at the end; it never shrinks.

";
    table(&mut out, all, &|_, taken| taken.pages as f64, &|value| format!("{value:.0}"))?;
    out += "
## Not finished

";
    for program in &all.programs {
        for run in &program.allocators {
            if let Some(failure) = &run.failure {
                writeln!(out, "- {} {failure} ({}).", run.allocator, program.recorded.name)?;
            }
        }
    }
    Ok(out)
}

/// A line for each program, a column for each allocator, and the mean of the ratios.
fn table(
    out: &mut String,
    all: &Programs,
    value: &dyn Fn(&Program, Taken) -> f64,
    show: &dyn Fn(f64) -> String,
) -> Result<()> {
    writeln!(out, "| program | {} |", SHOWN.join(" | "))?;
    writeln!(out, "|---|{}", "---:|".repeat(SHOWN.len()))?;
    let of = |program: &Program, allocator| Some(value(program, program.taken(allocator)?));
    for program in &all.programs {
        let cells = SHOWN.map(|allocator| of(program, allocator).map_or_else(|| "–".to_owned(), show));
        writeln!(out, "| {} | {} |", program.recorded.name, cells.join(" | "))?;
    }
    let means = SHOWN.map(|allocator| {
        let ratios = all.programs.iter().filter_map(|one| Some(of(one, allocator)? / of(one, BASE)?));
        let ratios: Vec<f64> = ratios.collect();
        let mean = geometric_mean(ratios.iter().copied()).unwrap_or(f64::NAN);
        let count =
            if ratios.len() < all.programs.len() { format!(" ({})", ratios.len()) } else { String::new() };
        format!("{mean:.3}{count}")
    });
    Ok(writeln!(out, "| in parts of dlmalloc's | {} |", means.join(" | "))?)
}
