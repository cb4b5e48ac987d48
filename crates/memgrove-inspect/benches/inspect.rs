//! What inspecting costs beside merely parsing and validating the same bytes with wasmparser.
//!
//! Reads `out/corpus/*.wasm` where the corpus has been fetched, else `samples/prebuilt/*.wasm`; another folder is named
//! by `MEMGROVE_BENCH_MODULES`. After
//! criterion's figures it prints the ratio for each of the largest modules and for all, from samples taken
//! in turn within one run.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use criterion::{Criterion, Throughput, criterion_group};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};
use wasmparser::{Validator, WasmFeatures};

struct Module {
    name: String,
    bytes: Vec<u8>,
}

fn modules() -> Vec<Module> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var("MEMGROVE_BENCH_MODULES");
    for dir in [named.as_deref().unwrap_or("out/corpus"), "samples/prebuilt"] {
        let Ok(entries) = std::fs::read_dir(root.join(dir)) else { continue };
        let mut modules: Vec<Module> = entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "wasm"))
            .filter_map(|entry| {
                let bytes = std::fs::read(entry.path()).ok()?;
                Some(Module { name: entry.file_name().to_string_lossy().into_owned(), bytes })
            })
            .collect();
        if !modules.is_empty() {
            modules.sort_by_key(|module| std::cmp::Reverse(module.bytes.len()));
            println!("{} modules of {dir}", modules.len());
            return modules;
        }
    }
    Vec::new()
}

fn validate(bytes: &[u8]) {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    black_box(validator.validate_all(bytes).expect("a valid module"));
}

fn inspect(bytes: &[u8]) {
    let facts = memgrove_inspect::facts(bytes).expect("a valid module");
    black_box(memgrove_inspect::conclude(&facts));
}

fn only_facts(bytes: &[u8]) {
    black_box(memgrove_inspect::facts(bytes).expect("a valid module"));
}

fn all_modules(criterion: &mut Criterion) {
    let modules = modules();
    let total: usize = modules.iter().map(|module| module.bytes.len()).sum();
    let mut group = criterion.benchmark_group("corpus");
    group.throughput(Throughput::Bytes(total as u64)).sample_size(10);
    let each = |task: fn(&[u8])| modules.iter().for_each(|module| task(&module.bytes));
    group.bench_function("validate", |bencher| bencher.iter(|| each(validate)));
    group.bench_function("facts", |bencher| bencher.iter(|| each(only_facts)));
    group.bench_function("inspect", |bencher| bencher.iter(|| each(inspect)));
    group.finish();
}

fn print_ratios() {
    let modules = modules();
    println!("{:>10}  {:>9}  {:>9}  {:>6}  module", "bytes", "validate", "inspect", "ratio");
    let mut sums = [Duration::ZERO; 2];
    for (rank, module) in modules.iter().enumerate() {
        let mut best = [Duration::MAX; 2];
        for _ in 0..7 {
            for (best, task) in best.iter_mut().zip([validate, inspect] as [fn(&[u8]); 2]) {
                let start = Instant::now();
                task(&module.bytes);
                *best = (*best).min(start.elapsed());
            }
        }
        sums.iter_mut().zip(best).for_each(|(sum, best)| *sum += best);
        if rank < 10 {
            print_row(module.bytes.len(), best, &module.name);
        }
    }
    print_row(modules.iter().map(|module| module.bytes.len()).sum(), sums, "all");
}

fn print_row(bytes: usize, [validate, inspect]: [Duration; 2], name: &str) {
    let ratio = inspect.as_secs_f64() / validate.as_secs_f64();
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    println!("{bytes:>10}  {:>6.2} ms  {:>6.2} ms  {ratio:>6.2}  {name}", ms(validate), ms(inspect));
}

criterion_group!(benches, all_modules);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    print_ratios();
}
