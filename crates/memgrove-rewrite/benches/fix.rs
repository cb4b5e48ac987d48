//! What fixing costs beside merely parsing and re-encoding the same bytes with wasmparser and wasm-encoder.
//!
//! Reads `out/corpus/*.wasm` where the corpus has been fetched, else `samples/prebuilt/*.wasm`; another folder is named
//! by `MEMGROVE_BENCH_MODULES`. After
//! criterion's figures it prints the ratio for each of the largest modules and for all, from samples taken
//! in turn within one run. The aim is at most 3.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../tests/depth/mod.rs"]
mod depth;

use criterion::{Criterion, Throughput, criterion_group};
use memgrove_rewrite::Options;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};

/// What fixing may take, in the time of re-encoding.
const AIM: f64 = 3.0;

struct Module {
    name: String,
    bytes: Vec<u8>,
}

/// The core modules, the largest first.
fn modules() -> Vec<Module> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var("MEMGROVE_BENCH_MODULES");
    for dir in [named.as_deref().unwrap_or("out/corpus"), "samples/prebuilt"] {
        let mut modules: Vec<Module> = std::fs::read_dir(root.join(dir))
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "wasm"))
            .filter_map(|entry| {
                let bytes = std::fs::read(entry.path()).ok()?;
                Some(Module { name: entry.file_name().to_string_lossy().into_owned(), bytes })
            })
            .filter(|module| !wasmparser::Parser::is_component(&module.bytes))
            .collect();
        if !modules.is_empty() {
            modules.sort_by_key(|module| std::cmp::Reverse(module.bytes.len()));
            println!("{} modules of {dir}", modules.len());
            return modules;
        }
    }
    Vec::new()
}

fn reencode(bytes: &[u8]) {
    let mut out = wasm_encoder::Module::new();
    RoundtripReencoder
        .parse_core_module(&mut out, wasmparser::Parser::new(0), bytes)
        .expect("a module that can be re-encoded");
    black_box(out.finish());
}

fn fix(bytes: &[u8]) {
    black_box(memgrove_rewrite::fix(bytes, &Options::default()).expect("a valid module"));
}

fn only_plan(bytes: &[u8]) {
    black_box(memgrove_rewrite::plan(bytes, &Options::default()).expect("a valid module"));
}

fn all_modules(criterion: &mut Criterion) {
    let modules = modules();
    let total: usize = modules.iter().map(|module| module.bytes.len()).sum();
    let mut group = criterion.benchmark_group("corpus");
    group.throughput(Throughput::Bytes(total as u64)).sample_size(10);
    let each = |task: fn(&[u8])| modules.iter().for_each(|module| task(&module.bytes));
    group.bench_function("reencode", |bencher| bencher.iter(|| each(reencode)));
    group.bench_function("plan", |bencher| bencher.iter(|| each(only_plan)));
    group.bench_function("fix", |bencher| bencher.iter(|| each(fix)));
    group.bench_function("instrument", |bencher| bencher.iter(|| each(instrument)));
    group.finish();
}

fn instrument(bytes: &[u8]) {
    black_box(depth::instrument(bytes).expect("a module that can be instrumented"));
}

/// The modules that can be swapped, with what is to be replaced: who asks has found that, and the facts are part of the task.
fn swappable() -> Vec<(Module, memgrove_rewrite::swap::Options)> {
    let options = |module: Module| {
        let facts = memgrove_inspect::facts(&module.bytes).ok()?;
        let options =
            memgrove_verify::swap::options_for(&facts, memgrove_rewrite::swap::To::Dlmalloc).ok()?;
        memgrove_rewrite::swap::swap(&facts, &options).ok()?;
        Some((module, options))
    };
    modules().into_iter().filter_map(options).collect()
}

fn swap(bytes: &[u8], options: &memgrove_rewrite::swap::Options) {
    let facts = memgrove_inspect::facts(bytes).expect("a valid module");
    black_box(memgrove_rewrite::swap::swap(&facts, options).expect("it was swapped before"));
}

/// Prints how long a task takes beside re-encoding.
fn print_ratios(name: &str, modules: &[Module], task: &dyn Fn(usize, &[u8])) {
    println!("{:>10}  {:>9}  {name:>10}  {:>6}  module", "bytes", "reencode", "ratio");
    let mut sums = [Duration::ZERO; 2];
    let mut ratios = Vec::new();
    for (rank, module) in modules.iter().enumerate() {
        let mut best = [Duration::MAX; 2];
        for _ in 0..5 {
            let re_encoded = |_: usize, bytes: &[u8]| reencode(bytes);
            for (best, task) in best.iter_mut().zip([&re_encoded as &dyn Fn(usize, &[u8]), task]) {
                let start = Instant::now();
                task(rank, &module.bytes);
                *best = (*best).min(start.elapsed());
            }
        }
        sums.iter_mut().zip(best).for_each(|(sum, best)| *sum += best);
        ratios.push((best[1].as_secs_f64() / best[0].as_secs_f64(), module.bytes.len()));
        if rank < 10 {
            print_row(module.bytes.len(), best, &module.name);
        }
    }
    print_row(modules.iter().map(|module| module.bytes.len()).sum(), sums, "all");
    ratios.sort_by(|left, right| left.0.total_cmp(&right.0));
    if let [least, .., most] = ratios.as_slice() {
        let median = ratios[ratios.len() / 2].0;
        println!("ratio of single modules: {:.2} to {:.2}, median {median:.2}", least.0, most.0);
    }
    let above: Vec<String> = ratios
        .iter()
        .filter(|(ratio, _)| *ratio > AIM)
        .map(|(ratio, bytes)| format!("{ratio:.2} ({bytes} bytes)"))
        .collect();
    println!("above {AIM}: {}", if above.is_empty() { "none".to_owned() } else { above.join(", ") });
}

fn print_row(bytes: usize, [reencode, task]: [Duration; 2], name: &str) {
    let ratio = task.as_secs_f64() / reencode.as_secs_f64();
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    println!("{bytes:>10}  {:>6.2} ms  {:>7.2} ms  {ratio:>6.2}  {name}", ms(reencode), ms(task));
}

criterion_group!(benches, all_modules);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    let modules = modules();
    print_ratios("fix", &modules, &|_, bytes| fix(bytes));
    print_ratios("instrument", &modules, &|_, bytes| instrument(bytes));
    let (modules, options): (Vec<Module>, Vec<_>) = swappable().into_iter().unzip();
    print_ratios("swap", &modules, &|at, bytes| swap(bytes, &options[at]));
}
