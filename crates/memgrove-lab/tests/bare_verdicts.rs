//! What the inspector says of a bare engine, confirmed by two of them: "runs" by instantiating with no imports at
//! all, "no" by failing to.
//!
//! Over the corpus, which `cargo xtask corpus fetch` puts into `out/corpus` (without it that test says so and passes),
//! and over the modules in `samples/prebuilt`.

mod fix_support;

use memgrove_inspect::report::Outcome;
use memgrove_lab::engine::{self, EngineError, EngineId, Host, Settings};

/// Compiling takes wasmtime a minute for the largest modules of the corpus, and which engine refuses an import makes no
/// difference; so only wasmi is asked about larger ones.
const COMPILED_BYTES_MAX: usize = 2 << 20;

/// The modules that the verdict is wrong about, and how many were asked about, by the verdict.
fn contradicted(modules: &[(String, Vec<u8>)]) -> (Vec<String>, [usize; 2]) {
    let engines: Vec<_> = [EngineId::Wasmtime, EngineId::Wasmi]
        .into_iter()
        // A start function is run by instantiation: bounded, for modules of which nothing is known.
        .map(|id| engine::open(id, &Settings::bounded(1 << 32)).expect("both are linked in"))
        .collect();
    let mut wrong = Vec::new();
    let mut asked = [0; 2];
    for (name, wasm) in modules {
        let facts = memgrove_inspect::facts(wasm).expect("a valid module");
        let report = memgrove_inspect::conclude(&facts);
        let verdict = report.verdicts.iter().find(|verdict| verdict.host == "bare").expect("a known host");
        let runs = verdict.outcome != Outcome::No;
        asked[usize::from(runs)] += 1;
        for engine in &engines {
            if engine.name() == EngineId::Wasmtime.name() && wasm.len() > COMPILED_BYTES_MAX {
                continue;
            }
            let answer = engine.compile(wasm).and_then(|module| module.instantiate(&Host::new()).map(drop));
            let agrees = match &answer {
                // A start function that traps was found and called: the module is there.
                Ok(()) | Err(EngineError::Trap { .. }) => runs,
                Err(_) => !runs,
            };
            if !agrees {
                wrong.push(format!(
                    "{}: said {:?}, {} says {answer:?}",
                    name,
                    verdict.outcome,
                    engine.name()
                ));
            }
        }
    }
    (wrong, asked)
}

#[test]
fn engines_confirm_the_bare_verdict_of_every_prebuilt_sample() {
    let (wrong, asked) = contradicted(&fix_support::modules_in("samples/prebuilt"));
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(asked[0] >= 10 && asked[1] >= 5, "no and yes: {asked:?}");
}

#[test]
fn engines_confirm_the_bare_verdict_of_every_module_of_the_corpus() {
    let Some(corpus) = fix_support::corpus() else { return };
    let (wrong, asked) = contradicted(&corpus);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(asked[0] >= 40 && asked[1] >= 3, "no and yes: {asked:?}");
}
