//! Fixing twice changes nothing more, and what needs nothing is left byte for byte alone.

mod generated;

use memgrove_rewrite::{Decision, Options, fix};

use generated::{Smith, misleading, options};

/// What a second fix would change that the first did not.
fn changes_again(wasm: &[u8], options: &Options, what: &str) -> Option<String> {
    let shown = || wasmprinter::print_bytes(wasm).unwrap_or_default();
    let once = fix(wasm, options).unwrap_or_else(|error| panic!("{what}: {error}\n{}", shown()));
    let twice = fix(&once.wasm, options).expect("the output can be fixed");
    if twice.wasm == once.wasm {
        return None;
    }
    let changed: Vec<_> =
        twice.plan.imports.iter().filter(|item| matches!(item.decision, Decision::Inside { .. })).collect();
    Some(format!("{what}: {changed:?} {:?}\n{}", twice.plan.changes, shown()))
}

fn assert_stable(again: &[String]) {
    assert!(again.is_empty(), "{} change again:\n{}", again.len(), again.join("\n"));
}

#[test]
fn random_modules() {
    let mut smith = Smith::new(1);
    let mut made = 0;
    let mut again = Vec::new();
    for round in 0..400 {
        let Some(wasm) = smith.module() else { continue };
        made += 1;
        again.extend(changes_again(&wasm, &options(round), &format!("round {round}")));
    }
    assert_stable(&again);
    assert!(made >= 300, "only {made} of the seeds made a module");
}

#[test]
fn the_corpus() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../out/corpus");
    let files = std::fs::read_dir(folder).into_iter().flatten().map_while(Result::ok);
    let mut again = Vec::new();
    for file in files.filter(|file| file.path().extension().is_some_and(|extension| extension == "wasm")) {
        let wasm = std::fs::read(file.path()).expect("readable");
        // Large ones say nothing that small ones do not, and take long.
        if wasm.len() < 2 << 20 {
            let what = file.path().display().to_string();
            let again_here = changes_again(&wasm, &Options::default(), &what);
            again.extend(again_here.map(|text| text.lines().next().unwrap_or_default().to_owned()));
        }
    }
    assert_stable(&again);
}

#[test]
fn imports_under_misleading_names() {
    let mut again = Vec::new();
    for seed in 0..6000 {
        again.extend(changes_again(&misleading(seed), &options(seed), &format!("seed {seed}")));
    }
    assert_stable(&again);
}
