//! Fixes every module of the corpus and asks two engines about each.
//!
//! The corpus is fetched by `cargo xtask corpus fetch` into `out/corpus`; without it these
//! tests say so and pass.

mod fix_support;

use std::collections::BTreeSet;

use memgrove_lab::verify::{Outcome, Question, Verdict, verify};
use memgrove_rewrite::{Options, fix};

/// What needs a host by nature: JavaScript objects, embind, another module, files and threads.
/// By the id of the corpus's list; every other module must become import-free.
const HOST_BOUND: [&str; 21] = [
    "32edef33d9cb9a6f",
    "376a6db1cdb04d1f",
    "3ee66612f95701f4",
    "47c8c14da56c5f72",
    "795b3d1b8233cd8b",
    "79e025a30d201578",
    "8813d5dc5b66f30b",
    "8b22fb346d991c88",
    "925d6f5bbddabc68",
    "96cd041e337ade6c",
    "ad68ce5a5ebcbc83",
    "ad93aaccd9049f37",
    "b391794bf4002976",
    "b96063c7ce14045f",
    "bc0caf7816dcda07",
    "be2dc7da3885e550",
    "ceba77d6f845797a",
    "cfda8a42f05eca2c",
    "e0127a854c853a80",
    "e61b1989f3745f67",
    "f7f630370f0ec106",
];

/// Emscripten's modules with minified names that would need only memory, libc and WASI, of which the
/// code around an import does not prove what it is; only the glue beside the module would tell.
const UNPROVEN: [(&str, &str); 3] = [
    ("0734155c83e49398", "a.l takes and returns nothing; a.p fills a few bytes; a.y and a.z map files"),
    ("80260eee5795ee80", "a.b takes and returns nothing"),
    ("83869197b3c5ebf9", "a.a is given four bytes of room; what with, its inlined caller does not tell"),
];

#[test]
fn modules_that_need_memory_libc_or_wasi_become_import_free_and_work() {
    let Some(modules) = fix_support::corpus() else { return };
    let unproven = UNPROVEN.iter().map(|(id, _)| *id);
    let host_bound: BTreeSet<&str> = HOST_BOUND.into_iter().chain(unproven).collect();
    let mut problems = Vec::new();
    let mut table = String::new();
    for (id, wasm) in &modules {
        let fixed = match fix(wasm, &Options::default()) {
            Ok(fixed) => fixed,
            Err(error) => {
                problems.push(format!("{id}: {error}"));
                continue;
            }
        };
        let complete = fixed.plan.is_complete();
        if complete == host_bound.contains(id.as_str()) {
            problems.push(format!("{id}: complete is {complete}"));
        }
        if !complete {
            continue;
        }
        let verification = verify(wasm, &fixed.wasm, &fixed.plan).expect("both are valid");
        for check in &verification.checks {
            table += &format!("{id} {} {}: {:?}\n", check.engine, check.question.text(), check.outcome);
            if let Outcome::Failed(why) = &check.outcome {
                problems.push(format!("{id} on {}: {}: {why}", check.engine, check.question.text()));
            }
        }
        table += &format!("{id} on a bare engine, says inspect: {:?}\n", verification.inspected);
        if !matches!(verification.inspected, Outcome::Passed(_)) {
            problems.push(format!("{id}: inspect on the result: {:?}", verification.inspected));
        }
        let again = fix(&fixed.wasm, &Options::default()).expect("a fixed module is valid");
        if again.wasm != fixed.wasm {
            problems.push(format!(
                "{id}: fixing twice changes more: {:?} {:?}",
                again.plan.imports, again.plan.changes
            ));
        }
        if !matches!(verification.verdict, Verdict::Verified | Verdict::VerifiedInPart) {
            problems.push(format!("{id}: {}", verification.verdict.text()));
        }
        // Every module whose code grows memory was seen to do it.
        for check in verification.checks.iter().filter(|check| check.question == Question::Grows) {
            if matches!(check.outcome, Outcome::Skipped(_)) {
                problems.push(format!("{id}: growth was not seen on {}: {:?}", check.engine, check.outcome));
            }
        }
        table += &format!("{id} {}: {:?}\n", verification.verdict.text(), verification.not_run);
    }
    fix_support::say(&table);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
