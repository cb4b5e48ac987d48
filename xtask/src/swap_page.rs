//! `docs/swap.md`, from `results/swap.json`.

use std::fmt::Write;

use anyhow::Result;
use memgrove_results::swapped::{Figures, Package, Swaps};

use crate::report;
use crate::workspace::Workspace;

/// What it is made of.
const FIGURES: &str = "results/swap.json";
const PAGE: &str = "docs/swap.md";
/// Of two runs of the same, so much may be chance.
const CHANCE: f64 = 0.05;

/// Writes the page, or says whether it is what the figures give.
pub fn run(workspace: &Workspace, check: bool) -> Result<()> {
    report::render(workspace, (FIGURES, PAGE), check, |figures, _| page(figures))
}

fn page(swaps: &Swaps) -> Result<String> {
    let mut out = String::new();
    let (packages, pairs) = (swaps.packages.len(), rows(swaps).count());
    let machine =
        if swaps.quiet { "a machine that did nothing else" } else { "a machine that others used, too" };
    write!(
        out,
        "# Swapped allocators under their programs' own JavaScript

{packages} packages of the corpus, each as published and with each of our heaps in its place ({pairs} pairs), at the work in
`crates/memgrove-lab/tests/own_js/large`, which for most needs far more memory than the module has at its start. All print what the original prints, but where a
reason is given. Measured {} on {machine}, with {}. The figures are in `{FIGURES}`, this page is made of them by
`cargo xtask report`; `crates/memgrove-lab/tests/swap_figures.rs` says how to measure again.

## Bytes and pages

Differences from the original. Bytes: as it is; after `wasm-opt`; under Brotli. Pages have 64 KiB: at the start, and when the work is done.

| package | heap | bytes | wasm-opt | Brotli | first | last |
|---|---|---:|---:|---:|---:|---:|
",
        swaps.measured,
        swaps.tools.join(", "),
    )?;
    for package in &swaps.packages {
        let Figures { bytes, optimised_bytes, brotli_bytes, initial_pages, peak_pages, .. } = &package.before;
        let optimised = optimised_bytes.map_or_else(|| "–".to_owned(), |bytes| bytes.to_string());
        writeln!(
            out,
            "| {} | its own | {bytes} | {optimised} | {brotli_bytes} | {initial_pages} | {peak_pages} |",
            package.package
        )?;
        for (heap, now) in of(package) {
            let optimised = now
                .optimised_bytes
                .zip(*optimised_bytes)
                .map_or_else(|| "–".to_owned(), |(now, was)| difference(now, was));
            writeln!(
                out,
                "| | {heap} | {} | {optimised} | {} | {} | {} |",
                difference(now.bytes, *bytes),
                difference(now.brotli_bytes, *brotli_bytes),
                now.initial_pages,
                now.peak_pages,
            )?;
        }
        for after in package.after.iter().filter(|after| after.figures.is_none()) {
            // An error's kind; what follows is its text.
            let why = after.why.as_deref().unwrap_or_default();
            let why = why.splitn(3, ": ").take(2).collect::<Vec<_>>().join(": ").replace('|', "\\|");
            writeln!(out, "| | {} | {why} | | | | |", after.heap)?;
        }
    }
    out += "
## Instructions and time

Instructions are those of the allocator alone, on wasmtime: of a program that begins and asks for much that is new (160 drawn calls, then six blocks of 1 MiB),
and of 300 rounds of eight blocks of 40 to 6,040 bytes that are given back, when memory is there; with them the pages that are then taken. Time is that of the whole program in Node, its
start included, in parts of the original's, by the clock and of the processor: medians of rounds in turn. `control` is the original against itself: what differs
less than that is chance.

| package | heap | beginning | steady | steady pages | clock | processor |
|---|---|---:|---:|---:|---:|---:|
";
    for package in &swaps.packages {
        let Package { before, control, .. } = package;
        writeln!(out, "| {} | its own | {} | | |", package.package, heap(before))?;
        writeln!(out, "| | control | | | | {} |", ratios(control.ratios(&before.times)))?;
        for (name, now) in of(package) {
            writeln!(out, "| | {name} | {} | {} |", heap(now), ratios(now.times.ratios(&before.times)))?;
        }
    }
    out += "
## Where the old one is better

";
    let count = |is_worse: &dyn Fn(&Figures, &Figures) -> bool| {
        rows(swaps).filter(|(package, _, now)| is_worse(&package.before, now)).count()
    };
    writeln!(
        out,
        "Of the {pairs} pairs the old heap has the smaller file in {}, fewer pages at the end of the work in {}, fewer instructions at the beginning in {} and in the steady
state in {}; by the processor's time it is quicker by more than {:.0} % and more than the control in {}.

A beginning takes more with ours because memory comes in steps of a page of WebAssembly's, at each of which `dlmalloc` and `hardened` merge what was given back,
and `jemalloc` and `hoard` extend their table of pages. When memory is there, a new block of a few thousand bytes takes our `dlmalloc` 318 instructions where it
took keccak-wasm's 50 to 100. `hardened` fills and checks each block. `wee` rounds up to a power of two, so that it takes up to four times the pages where blocks are large,
and has no room in argon2-browser@1.5.2's memory, which cannot grow.

## Behind the figures

- `sql.js@1.13.0` holds a copy of dlmalloc's `realloc` inside a function of SQLite's. It works on as it is, with a word before each block by which it copies;
  blocks take 16 bytes more for that.
- `onigasm@2.2.4`, which is not measured here, traps with `hardened`, and rightly: its JavaScript gets 8 bytes from `malloc` for a result of three words
  (`lib/OnigScanner.js`).
- More packages are compared, but not measured, by `cargo test --locked --workspace --test swap_own_js -- --include-ignored --nocapture`.",
        count(&|was, is| is.bytes > was.bytes),
        count(&|was, is| is.peak_pages > was.peak_pages),
        count(&|was, is| was.heap.zip(is.heap).is_some_and(|(was, is)| is.instructions > was.instructions)),
        count(&|was, is| was.heap.zip(is.heap).is_some_and(|(was, is)| is.steady_instructions > was.steady_instructions)),
        CHANCE * 100.0,
        slower(swaps),
    )?;
    out += THREADS_AND_REFUSALS;
    Ok(out)
}

/// What no figure says.
const THREADS_AND_REFUSALS: &str = "
## Threads

A module whose threads share a memory gets the same heap, behind a lock. Each thread is an instance of its own, so the heap is found by a word of the old
allocator's that holds 0 when the module starts and that nothing else uses; the first thread that allocates makes the heap, and the others wait for it. The
lock is waited for by looking again, as `memory.atomic.wait` traps on the main thread of a browser; and each thread that takes it learns of memory that another one
grew, which V8 reports late. There is one lock for all threads, as the old ones had. A thread that traps inside the heap (`hardened` does on misuse) keeps the lock:
the others then wait for ever, so end the program, as WASI does. The verification runs one thread, and says so.
`crates/memgrove-lab/tests/swap_threads.rs` runs several: Rust's allocator, Emscripten's with pthreads under its own JavaScript, and four threads that all begin at once.

## What is refused

- A function that stays and reads what the old allocator keeps: it is named. `mallinfo` is one, where it is exported: it returns counts that only the old
  heap has (chunks by kind, bytes mapped by themselves), and zeros in their place would not be true. `malloc_trim` stays, and says that there was nothing to give back.
- A program that loads side modules, and a side module: where the allocator's variables are is decided when they are loaded. DuckDB is one.
- A file that was frozen with live blocks in it; 64-bit addresses; the heap of a collector.
";

fn of(package: &Package) -> impl Iterator<Item = (&str, &Figures)> {
    package.after.iter().filter_map(|after| Some((after.heap.as_str(), after.figures.as_ref()?)))
}

fn rows(swaps: &Swaps) -> impl Iterator<Item = (&Package, &str, &Figures)> {
    swaps.packages.iter().flat_map(|package| of(package).map(move |(heap, now)| (package, heap, now)))
}

/// Pairs that take more of the processor's time, by more than chance and than the control differs.
fn slower(swaps: &Swaps) -> usize {
    let by = |package: &Package, now: &Figures| {
        let (_, control) = package.control.ratios(&package.before.times)?;
        let (_, ratio) = now.times.ratios(&package.before.times)?;
        Some(ratio - 1.0 > CHANCE.max((control - 1.0).abs()))
    };
    rows(swaps).filter(|(package, _, now)| by(package, now) == Some(true)).count()
}

fn difference(now: u64, was: u64) -> String {
    format!("{:+}", i128::from(now) - i128::from(was))
}

fn heap(figures: &Figures) -> String {
    match figures.heap {
        Some(heap) => format!("{} | {} | {}", heap.instructions, heap.steady_instructions, heap.steady_pages),
        None => "– | – | –".to_owned(),
    }
}

fn ratios(ratios: Option<(f64, f64)>) -> String {
    ratios.map_or_else(|| "– | –".to_owned(), |(wall, cpu)| format!("{wall:.2} | {cpu:.2}"))
}
