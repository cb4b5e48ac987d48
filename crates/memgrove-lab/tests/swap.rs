//! Swaps allocators of real modules, and runs what comes out on two engines.
//!
//! The corpus is fetched by `cargo xtask corpus fetch` into `out/corpus`; without it the tests that need it say so and
//! pass. `--include-ignored` puts every heap into every module, and takes the long form of the others.

#![allow(clippy::print_stderr, reason = "figures, for who runs it with --nocapture")]

mod fix_support;

use std::collections::BTreeMap;

use memgrove_lab::engine::{self, EngineId, Limits, Settings};
use memgrove_lab::verify::{SwapQuestion, SwapVerification, Verdict, verify_swap};
use memgrove_rewrite::edit::{Edits, Sections, Untouched};
use memgrove_rewrite::swap::{Role, SwapError, Swapped, To, swap};
use memgrove_verify::engine::{Host, Memory, Value};

/// Recognised allocators in the corpus that stay, by the id of its list, with a part of the reason that is given.
const STAY: [(&str, &str); 5] = [
    // Reads and checks a block's header wherever Rust's dealloc was inlined.
    ("7907415f9e7bbc84", "looks at the header"),
    // Frozen after it had run.
    ("925d6f5bbddabc68", "snapshot"),
    ("ad68ce5a5ebcbc83", "shared between threads"),
    ("e0127a854c853a80", "shared between threads"),
    // Rust's realloc was merged with the growing of a vector.
    ("be2dc7da3885e550", "uses the allocator's state"),
];
/// Memories that do not grow, in which a heap with blocks of powers of two, or with a page for each class of sizes, runs
/// out much earlier than the old one: verification says so.
const SHORT_OF_MEMORY: [&str; 2] = ["378270933e73660b", "79e025a30d201578"];
/// Of the recognised allocators so many percent are swapped and verified; the aim is 90.
const LEAST_PERCENT: usize = 70;
/// Families whose heap is no collector's.
const FAMILIES: [&str; 8] = ["dlmalloc", "emmalloc", "wee_alloc", "talc", "lol_alloc", "musl", "zig", "rlsf"];

fn swapped(wasm: &[u8], to: To) -> Result<Swapped, String> {
    let facts = memgrove_inspect::facts(wasm).map_err(|error| error.to_string())?;
    let options = memgrove_verify::swap::options_for(&facts, to).map_err(|why| why.to_string())?;
    swap(&facts, &options).map_err(|error: SwapError| error.to_string())
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
    const SOME: [&str; 5] =
        ["26f7e3780b2bb520", "ac117124a64442a4", "99fbb1e2895986dc", "b96063c7ce14045f", "e61b1989f3745f67"];
    let Some(modules) = fix_support::corpus() else { return };
    let some: Vec<_> = modules.into_iter().filter(|(id, _)| SOME.contains(&id.as_str())).collect();
    check_corpus(&some, &[To::Wee]);
}

#[test]
#[ignore = "takes minutes: all of the corpus"]
fn every_recognised_allocator_is_swapped_or_refused_with_its_reason() {
    let Some(modules) = fix_support::corpus() else { return };
    check_corpus(&modules, &[To::Wee]);
}

#[test]
#[ignore = "takes minutes: another heap"]
fn every_recognised_allocator_is_swapped_for_dlmalloc() {
    let Some(modules) = fix_support::corpus() else { return };
    check_corpus(&modules, &[To::Dlmalloc]);
}

#[test]
#[ignore = "takes minutes: the other heaps"]
fn every_recognised_allocator_is_swapped_for_the_other_heaps() {
    let Some(modules) = fix_support::corpus() else { return };
    check_corpus(&modules, &[To::Jemalloc, To::Hoard, To::Hardened]);
}

fn check_corpus(modules: &[(String, Vec<u8>)], heaps: &[To]) {
    let stay: BTreeMap<&str, &str> = STAY.into_iter().collect();
    let (mut problems, mut recognised, mut done, mut ran) = (Vec::new(), 0, 0, 0);
    for (id, wasm) in modules {
        let Ok(facts) = memgrove_inspect::facts(wasm) else { continue };
        let report = memgrove_inspect::conclude(&facts);
        let family = report.allocator.identity.value.map(|value| value.family).unwrap_or_default();
        let is_ours = FAMILIES.contains(&family.as_str());
        recognised += usize::from(is_ours);
        for &to in heaps {
            match (swapped(wasm, to), stay.get(id.as_str())) {
                (Ok(_), Some(why)) => problems.push(format!("{id}: swapped, but should stay: {why}")),
                (Err(said), Some(why)) if !said.contains(why) => problems.push(format!("{id}: {said}")),
                (Err(said), None) if is_ours => problems.push(format!("{id}: {said}")),
                (Err(_), _) => {}
                (Ok(swapped), None) => {
                    assert_eq!(imports_and_exports(wasm), imports_and_exports(&swapped.wasm), "{id}");
                    let verification = verified(wasm, &swapped);
                    let is_driven =
                        verification.checks.iter().any(|check| check.question == SwapQuestion::Heap);
                    ran += usize::from(is_driven);
                    for check in &verification.checks {
                        if check.question == SwapQuestion::Exports && check.engine == "wasmtime" {
                            eprintln!("{id} to {}: {:?}", to.name(), check.outcome);
                        }
                    }
                    let needs_showing = swapped.replaced.iter().any(|member| !member.is_certain);
                    let is_short = verification.failures().count() > 0
                        && SHORT_OF_MEMORY.contains(&id.as_str())
                        && to != To::Dlmalloc;
                    if verification.refutes_roles() || needs_showing && !verification.are_roles_shown {
                        // The command writes nothing.
                        eprintln!("{id} to {}: roles are not shown by running it", to.name());
                    } else if is_short {
                        eprintln!("{id} to {}: runs out of memory earlier", to.name());
                    } else {
                        problems.extend(
                            verification.failures().map(|failed| format!("{id} {}: {failed:?}", to.name())),
                        );
                        done += usize::from(is_ours);
                    }
                }
            }
        }
    }
    eprintln!("{recognised} recognised; {done} swapped, {ran} of all swapped driven");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(done * 100 >= LEAST_PERCENT * recognised * heaps.len(), "{done} of {recognised}");
}

#[test]
fn samples_take_every_heap() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/prebuilt/");
    let (mut problems, mut count) = (Vec::new(), 0);
    for name in ["life-wasm-bindgen-wee_alloc", "c-wasi-libc-dlmalloc", "cpp-wasi-libc-dlmalloc"] {
        let wasm = std::fs::read(format!("{folder}{name}.wasm")).expect("it is there");
        for to in To::ALL {
            match swapped(&wasm, to) {
                Ok(swapped) => {
                    let verification = verified(&wasm, &swapped);
                    count += usize::from(verification.verdict != Verdict::NotVerified);
                    problems.extend(
                        verification.failures().map(|failed| format!("{name} {}: {failed:?}", to.name())),
                    );
                }
                Err(why) => problems.push(format!("{name} to {}: {why}", to.name())),
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count >= 10, "{count} were run");
}

#[test]
fn the_same_bytes_come_out_again_and_a_second_swap_is_refused() {
    let wasm = include_bytes!("../../../samples/prebuilt/life-wasm-bindgen-wee_alloc.wasm");
    let first = swapped(wasm, To::Dlmalloc).expect("it can be swapped");
    assert_eq!(first.wasm, swapped(wasm, To::Dlmalloc).expect("again").wasm);
    let again = swapped(&first.wasm, To::Wee).expect_err("the mark tells");
    assert!(again.contains("already") || again.contains("no function"), "{again}");
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
