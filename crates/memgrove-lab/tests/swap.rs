//! Swaps allocators of real modules, and runs what comes out on two engines.
//!
//! The corpus is fetched by `cargo xtask corpus fetch` into `out/corpus`; without it the tests that need it say so and
//! pass. `--include-ignored` takes all of the corpus: every heap is put into every module, and of each module two of the
//! results are run, with dlmalloc and with one of the others in turn. That takes a quarter of an hour of two cores if the
//! workspace's own crates are optimised, which `CARGO_PROFILE_DEV_OPT_LEVEL=2` does, and more than an hour if not.

#![allow(clippy::print_stderr, reason = "figures, for who runs it with --nocapture")]

mod fix_support;

use memgrove_lab::engine::{self, EngineId, Limits, Settings};
use memgrove_lab::verify::{SwapQuestion, SwapVerification, Verdict, verify_swap};
use memgrove_rewrite::edit::{Edits, Sections, Untouched};
use memgrove_rewrite::swap::{Refusal, Role, SwapError, Swapped, To, swap};
use memgrove_verify::engine::{Host, Memory, Value};
use rayon::prelude::*;

/// Recognised allocators in the corpus that stay, by the id of its list, with a part of the reason that is given.
const STAY: [(&str, &str); 1] = [
    // Frozen after it had run.
    ("925d6f5bbddabc68", "snapshot"),
];
/// Memories that do not grow, in which a heap with blocks of powers of two, or with a page for each class of sizes, runs
/// out much earlier than the old one: verification says so.
const SHORT_OF_MEMORY: [&str; 2] = ["378270933e73660b", "79e025a30d201578"];
/// Of the recognised allocators so many percent are swapped and verified, at least.
const LEAST_PERCENT: usize = 90;
/// Families whose heap is no collector's.
const FAMILIES: [&str; 8] = ["dlmalloc", "emmalloc", "wee_alloc", "talc", "lol_alloc", "musl", "zig", "rlsf"];

fn swapped(wasm: &[u8], to: To) -> Result<Swapped, SwapError> {
    let facts = memgrove_inspect::facts(wasm).expect("valid");
    let options = memgrove_verify::swap::options_for(&facts, to)?;
    swap(&facts, &options)
}

fn verified(wasm: &[u8], swapped: &Swapped) -> SwapVerification {
    verify_swap(&memgrove_inspect::facts(wasm).expect("valid"), swapped)
}

fn imports_and_exports(wasm: &[u8]) -> (Vec<String>, Vec<String>) {
    let facts = memgrove_inspect::facts(wasm).expect("valid");
    let imports = facts.imports.iter().map(|import| format!("{}.{}", import.module, import.name)).collect();
    let exports =
        facts.exports.iter().map(|export| format!("{} {:?} {}", export.name, export.kind, export.index));
    (imports, exports.collect())
}

#[test]
fn some_of_the_corpus_is_swapped_and_driven() {
    // The last holds code of dlmalloc's that was inlined into a function of the program.
    const SOME: [&str; 6] = [
        "26f7e3780b2bb520",
        "ac117124a64442a4",
        "99fbb1e2895986dc",
        "b96063c7ce14045f",
        "e61b1989f3745f67",
        "be2dc7da3885e550",
    ];
    let Some(modules) = fix_support::corpus() else { return };
    let some: Vec<_> = modules.into_iter().filter(|(id, _)| SOME.contains(&id.as_str())).collect();
    check_corpus(&some, &[], &|_| vec![To::Wee]);
}

#[test]
#[ignore = "takes minutes: all of the corpus"]
fn every_recognised_allocator_is_swapped_or_refused_with_its_reason() {
    let Some(modules) = fix_support::corpus() else { return };
    let others: Vec<To> = To::ALL.into_iter().filter(|to| *to != To::Dlmalloc).collect();
    // Each of the others for about as many modules.
    check_corpus(&modules, &To::ALL, &|rank| vec![To::Dlmalloc, others[rank % others.len()]]);
}

/// What came of one module.
#[derive(Default)]
struct Found {
    is_recognised: bool,
    /// Swapped and verified, with another heap than those of the lists above at least.
    is_swapped: bool,
    is_driven: bool,
    lines: Vec<String>,
    problems: Vec<String>,
}

/// Puts the planned heaps into each module, and runs what comes out with some.
fn check_corpus(modules: &[(String, Vec<u8>)], planned: &[To], run: &(dyn Fn(usize) -> Vec<To> + Sync)) {
    let ranks: Vec<usize> = (0..modules.len()).collect();
    let found: Vec<Found> = ranks
        .par_iter()
        .map(|&rank| {
            let (id, wasm) = &modules[rank];
            let found = check_module(id, wasm, planned, &run(rank));
            found.lines.iter().for_each(|line| eprintln!("{id} {line}"));
            found
        })
        .collect();
    let count = |is: fn(&Found) -> bool| found.iter().filter(|found| is(found)).count();
    let (recognised, swapped) =
        (count(|found| found.is_recognised), count(|found| found.is_recognised && found.is_swapped));
    eprintln!("{recognised} recognised; {swapped} swapped, {} of all driven", count(|found| found.is_driven));
    let problems: Vec<&str> =
        found.iter().flat_map(|found| found.problems.iter().map(String::as_str)).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(swapped * 100 >= LEAST_PERCENT * recognised, "{swapped} of {recognised}");
}

fn check_module(id: &str, wasm: &[u8], planned: &[To], run: &[To]) -> Found {
    let mut found = Found::default();
    let Ok(facts) = memgrove_inspect::facts(wasm) else { return found };
    let report = memgrove_inspect::conclude(&facts);
    let family = report.allocator.identity.value.as_ref().map_or("", |value| value.family.as_str());
    found.is_recognised = FAMILIES.contains(&family);
    let swapped = |to: To| {
        let options = memgrove_verify::swap::options(&report, to).map_err(|why| why.to_string())?;
        swap(&facts, &options).map_err(|error: SwapError| error.to_string())
    };
    if let Some((_, why)) = STAY.iter().find(|(stays, _)| *stays == id) {
        match swapped(To::Dlmalloc) {
            Ok(_) => found.problems.push(format!("{id}: swapped, but should stay: {why}")),
            Err(said) if !said.contains(why) => found.problems.push(format!("{id}: {said}")),
            Err(said) => found.lines.push(format!("stays: {said}")),
        }
        return found;
    }
    for &to in planned.iter().filter(|to| !run.contains(to)) {
        match swapped(to) {
            Ok(swapped) => assert_eq!(imports_and_exports(wasm), imports_and_exports(&swapped.wasm), "{id}"),
            Err(said) if found.is_recognised => {
                found.problems.push(format!("{id} to {}: {said}", to.name()));
            }
            Err(_) => {}
        }
    }
    found.is_swapped = true;
    for &to in run {
        let swapped = match swapped(to) {
            Ok(swapped) => swapped,
            Err(said) => {
                found.is_swapped = false;
                if found.is_recognised {
                    found.problems.push(format!("{id} to {}: {said}", to.name()));
                }
                continue;
            }
        };
        assert_eq!(imports_and_exports(wasm), imports_and_exports(&swapped.wasm), "{id}");
        let verification = verify_swap(&facts, &swapped);
        found.is_driven |= verification.checks.iter().any(|check| check.question == SwapQuestion::Heap);
        for check in &verification.checks {
            if check.question == SwapQuestion::Exports && check.engine == "wasmtime" {
                found.lines.push(format!("to {}: {:?}", to.name(), check.outcome));
            }
        }
        let needs_showing = swapped.replaced.iter().any(|member| !member.is_certain);
        if verification.refutes_roles() || needs_showing && !verification.are_roles_shown {
            // The command writes nothing.
            found.is_swapped = false;
            found.lines.push(format!("to {}: roles are not shown by running it", to.name()));
        } else if verification.failures().count() > 0 && SHORT_OF_MEMORY.contains(&id) && to != To::Dlmalloc {
            found.lines.push(format!("to {}: runs out of memory earlier", to.name()));
        } else {
            let failures = verification.failures();
            found.problems.extend(failures.map(|failed| format!("{id} to {}: {failed:?}", to.name())));
        }
    }
    found
}

/// Rust with and without functions of its allocator inlined, C and C++.
const SAMPLES: [&str; 4] = [
    "life-wasm-bindgen-wee_alloc",
    "life-wasm-bindgen-dlmalloc",
    "c-wasi-libc-dlmalloc",
    "cpp-wasi-libc-dlmalloc",
];

#[test]
fn samples_take_every_heap() {
    // Each heap is run in one of them, however many heaps there are.
    check_samples(&|rank, to| {
        To::ALL.iter().position(|heap| *heap == to).is_some_and(|at| at % SAMPLES.len() == rank)
    });
}

#[test]
#[ignore = "takes half a minute: every heap is run in every sample"]
fn samples_run_with_every_heap() {
    check_samples(&|_, _| true);
}

/// What an engine has to know beyond WebAssembly 1.0.
fn proposals(wasm: &[u8]) -> Vec<&'static str> {
    let facts = memgrove_inspect::facts(wasm).expect("valid");
    facts.proposals.iter().map(|used| used.proposal.id()).collect()
}

fn check_samples(is_run: &(dyn Fn(usize, To) -> bool + Sync)) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/prebuilt/");
    let pairs: Vec<(usize, To)> =
        (0..SAMPLES.len()).flat_map(|rank| To::ALL.into_iter().map(move |to| (rank, to))).collect();
    let problems: Vec<String> = pairs
        .par_iter()
        .filter_map(|&(rank, to)| {
            let name = SAMPLES[rank];
            let wasm = std::fs::read(format!("{folder}{name}.wasm")).expect("it is there");
            let swapped = match swapped(&wasm, to) {
                Ok(swapped) => swapped,
                Err(why) => return Some(format!("{name} to {}: {why}", to.name())),
            };
            let (before, after) = (proposals(&wasm), proposals(&swapped.wasm));
            if let Some(new) = after.iter().find(|after| !before.contains(after)) {
                return Some(format!("{name} to {}: needs {new}, which it did not", to.name()));
            }
            if !is_run(rank, to) {
                return None;
            }
            let verification = verified(&wasm, &swapped);
            let is_fine = matches!(verification.verdict, Verdict::Verified | Verdict::VerifiedInPart);
            (!is_fine).then(|| format!("{name} to {}: {:?}", to.name(), verification.checks))
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_same_bytes_come_out_again_and_a_second_swap_is_refused() {
    let wasm = include_bytes!("../../../samples/prebuilt/life-wasm-bindgen-wee_alloc.wasm");
    let first = swapped(wasm, To::Dlmalloc).expect("it can be swapped");
    assert_eq!(first.wasm, swapped(wasm, To::Dlmalloc).expect("again").wasm);
    let again = swapped(&first.wasm, To::Wee).expect_err("the mark tells");
    assert!(matches!(again, SwapError::Refused(Refusal::Already { .. })), "{again}");
}

#[test]
fn a_swapped_module_is_told_to_have_the_new_allocator() {
    // With names, which told of the old one.
    let wasm = include_bytes!("../../../samples/prebuilt/life-wasm-bindgen-wee_alloc.wasm");
    let name = |wasm: &[u8]| {
        let facts = memgrove_inspect::facts(wasm).expect("valid");
        memgrove_inspect::conclude(&facts).allocator.identity.value.map(|value| value.name)
    };
    assert_eq!(name(wasm).as_deref(), Some("wee_alloc"));
    for (to, new) in [
        (To::Wee, "memgrove Wee"),
        (To::Dlmalloc, "memgrove Dlmalloc"),
        (To::Jemalloc, "memgrove Jemalloc"),
        (To::Hoard, "memgrove Hoard"),
        (To::Hardened, "memgrove Dlmalloc"),
    ] {
        let swapped = swapped(wasm, to).expect("it can be swapped");
        assert_eq!(name(&swapped.wasm).as_deref(), Some(new), "to {}", to.name());
    }
}

#[test]
fn wee_allocs_leak_is_gone_after_the_swap() {
    leak(1000);
}

#[test]
#[ignore = "the long form"]
fn wee_allocs_leak_is_gone_in_the_long_run() {
    leak(100_000);
}

/// Blocks of growing sizes, all given back: pages of the original grow, pages of the swapped module do not.
fn leak(rounds: u32) {
    let wasm = include_bytes!("../../../samples/prebuilt/life-wasm-bindgen-wee_alloc.wasm");
    let module = swapped(wasm, To::Wee).expect("it can be swapped");
    let settings =
        Settings::counting(Limits { fuel: u64::from(rounds) * 1_000_000_000, ..Limits::VERIFICATION });
    let engine = engine::open(EngineId::Wasmtime, &settings).expect("it is linked in");
    let functions: Vec<(Role, u32)> =
        module.replaced.iter().map(|member| (member.role, member.func)).collect();
    let pages = |wasm: &[u8], rounds: u32| {
        let wasm = exporting(wasm, &functions);
        let mut host = Host::new();
        for import in &memgrove_inspect::facts(&wasm).expect("valid").imports {
            host = host.function(import.module, import.name, |caller, _| {
                Ok(caller.signature().results.iter().map(|ty| ty.zero()).collect())
            });
        }
        let mut instance = engine.compile(&wasm).expect("valid").instantiate(&host).expect("it starts");
        for round in 0..rounds {
            let mut live = Vec::new();
            for block in 0..8_u32 {
                let bytes = 40 + (round * 97 + block * 131) % 6000;
                let at =
                    instance.call("alloc", &[Value::u32(4), Value::u32(bytes)]).expect("there is memory");
                live.push((at.values[0], bytes));
            }
            for (at, bytes) in live {
                instance.call("dealloc", &[at, Value::u32(4), Value::u32(bytes)]).expect("it frees");
            }
        }
        instance.memory_bytes(Memory::Main).expect("it has a memory") >> 16
    };
    let (original, early, late) =
        (pages(wasm, rounds), pages(&module.wasm, rounds / 10), pages(&module.wasm, rounds));
    eprintln!("{rounds} rounds: {original} pages before; {early}, then {late} after");
    assert_eq!(late, early, "flat");
    assert!(original > late, "the old one leaks: {original} pages, {late} after");
}

/// The module with the allocator's functions exported.
fn exporting(wasm: &[u8], functions: &[(Role, u32)]) -> Vec<u8> {
    let sections = Sections::read(wasm).expect("valid");
    let mut edits = Edits::new(&sections);
    for (role, func) in functions {
        let name = match role {
            Role::RustAllocAlignFirst => "alloc",
            Role::RustDeallocAlignFirst => "dealloc",
            other => panic!("{other:?}"),
        };
        edits.add_export(name, wasmparser::ExternalKind::Func, *func).expect("it has no such export");
    }
    edits.apply(&mut Untouched).expect("it can be written").wasm
}
