//! The shipped modules: they are what their sources make today, and they do what the survey says.
#![allow(clippy::print_stderr, reason = "a test says what it left out, and where its pictures are")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use memgrove_lab::engine::EngineId;
use memgrove_lab::survey::{
    EngineTrial, Engines, ModuleFacts, Row, RunsAs, Survey, Trial, hash_sources, prebuilt, prebuilt_subjects,
    source_files, survey,
};
use memgrove_lab::toolchain::{Contract, RECIPES, Tools};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples")
}

const RENEW: &str = "renew them with: cargo run --release -- survey --build --modules samples/prebuilt";

#[test]
fn every_row_has_a_module() {
    let shipped = prebuilt().unwrap();
    for recipe in RECIPES {
        assert!(
            shipped.iter().any(|module| module.recipe.id == recipe.id),
            "{} is missing; {RENEW}",
            recipe.id
        );
    }
}

#[test]
fn no_module_is_older_than_its_sources() {
    for module in prebuilt().unwrap() {
        let sources = source_files(&samples(), module.recipe).unwrap();
        assert_eq!(sources, module.entry.sources, "{}: other sources; {RENEW}", module.entry.id);
        let hash = hash_sources(&samples(), &sources).unwrap();
        assert_eq!(
            hash, module.entry.sources_sha256,
            "{}: its sources have changed; {RENEW}",
            module.entry.id
        );
    }
}

#[test]
fn fixed_modules_are_what_fix_makes_of_the_originals_today() {
    let shipped = prebuilt().unwrap();
    let fixed: Vec<_> = shipped.iter().filter(|module| module.recipe.fixed).collect();
    assert!(!fixed.is_empty());
    for module in fixed {
        let id = module.entry.id.strip_suffix("-fixed").expect("a fixed module is named after its original");
        let original =
            shipped.iter().find(|other| other.entry.id == id).expect("its original is shipped too");
        let now = memgrove_rewrite::fix(original.wasm, &memgrove_rewrite::Options::default()).unwrap();
        assert!(now.wasm == module.wasm, "{}: fix makes another module of {id}; {RENEW}", module.entry.id);
    }
}

#[test]
fn swapped_modules_are_what_swap_makes_of_the_originals_today() {
    let shipped = prebuilt().unwrap();
    let swapped: Vec<_> =
        shipped.iter().filter_map(|module| Some((module, module.recipe.swapped?))).collect();
    assert!(!swapped.is_empty());
    for (module, to) in swapped {
        let id = module.entry.id.strip_suffix("-swapped").expect("it is named after its original");
        let original =
            shipped.iter().find(|other| other.entry.id == id).expect("its original is shipped too");
        let facts = memgrove_inspect::facts(original.wasm).unwrap();
        let options = memgrove_verify::swap::options_for(&facts, to).unwrap();
        let now = memgrove_rewrite::swap::swap(&facts, &options).unwrap();
        assert!(now.wasm == module.wasm, "{}: swap makes another module of {id}; {RENEW}", module.entry.id);
    }
}

#[test]
fn the_manifest_says_what_the_modules_are() {
    for module in prebuilt().unwrap() {
        assert_eq!(module.wasm.len() as u64, module.entry.size_bytes, "{}", module.entry.id);
        assert!(module.entry.is_of(module.wasm), "{}: another hash; {RENEW}", module.entry.id);
        let facts = memgrove_inspect::facts(module.wasm).unwrap();
        let now = ModuleFacts::of(&memgrove_inspect::conclude(&facts));
        let differences = module.entry.facts.differences(&now);
        assert!(differences.is_empty(), "{}: {differences:#?}", module.entry.id);
    }
}

#[test]
fn neither_modules_nor_manifest_name_places_of_the_machine_that_made_them() {
    let home = std::env::var("HOME").unwrap_or_default();
    let here = env!("CARGO_MANIFEST_DIR").trim_end_matches("/crates/memgrove-lab");
    let places = ["/home/", "/root", "/tmp", "/Users/", here, &home];
    let places: Vec<&&str> = places.iter().filter(|place| place.len() > 1).collect();
    for module in prebuilt().unwrap() {
        let manifest = serde_json::to_string(&module.entry).unwrap();
        for place in &places {
            let within = module.wasm.windows(place.len()).any(|window| window == place.as_bytes());
            assert!(!within, "{}: names {place}", module.entry.id);
            assert!(!manifest.contains(**place), "{}: its manifest entry names {place}", module.entry.id);
        }
    }
}

/// Everything on every engine, once for all tests.
static ALL: LazyLock<Survey> = LazyLock::new(|| {
    let engines = Engines::open(Tools::from_environment());
    survey(&prebuilt_subjects().unwrap(), &engines, Vec::new())
});

/// The engines that must be there: one that is a process may be missing, and is then said to be.
fn check_trials(row: &Row) {
    let module = row.module.as_ref().unwrap();
    for trial in &module.trials {
        let where_ = format!("{} on {}", row.id, trial.engine);
        let is_process = trial.engine.parse::<EngineId>().is_ok_and(EngineId::is_process);
        if is_process && !trial.with_nothing.tried() {
            eprintln!("skipped: {where_}: {:?}", trial.with_nothing);
            continue;
        }
        match (&trial.with_nothing, module.facts.imports.as_slice()) {
            (Trial::Runs { .. }, []) => {}
            (Trial::Refused { import: Some(import), .. }, imports) => {
                let known = imports.iter().any(|known| known.starts_with(&format!("{import} ")));
                assert!(known, "{where_}: {import} is none of its imports {imports:?}");
            }
            (other, imports) => panic!("{where_}, with nothing, imports {imports:?}: {other:?}"),
        }
        match (&trial.under_its_host, row.made_for) {
            (None, Contract::Bare) => {}
            (Some(Trial::Runs { memory_bytes }), _) => assert!(*memory_bytes > 0, "{where_}"),
            (other, made_for) => panic!("{where_}, made for {made_for:?}: {other:?}"),
        }
    }
}

#[test]
fn every_module_runs_where_it_should_and_nowhere_else() {
    let result = &*ALL;
    assert_eq!(result.rows.len(), RECIPES.len());
    for row in &result.rows {
        check_trials(row);
    }
    assert!(result.conclusion.failing.is_empty(), "{:?}", result.conclusion.failing);

    // The study's own claim, as its program behaves today.
    let winner = result.rows.iter().find(|row| row.id == "rust-no-std-wee_alloc").unwrap();
    assert!(winner.runs_with_nothing());
    for loser in ["c-emscripten-dlmalloc", "c-fastcomp2018-handmade", "c-musl2018"] {
        assert!(!result.conclusion.portable.iter().any(|id| id == loser), "{loser}");
    }
}

/// The wasmtime of PyPI takes no part in a survey, which it could: it does with every module what the one that is
/// linked in does, to the byte of memory.
#[test]
fn both_wasmtimes_do_the_same() {
    let ids = [EngineId::Wasmtime, EngineId::WasmtimePy];
    let result =
        survey(&prebuilt_subjects().unwrap(), &Engines::only(&ids, Tools::from_environment()), Vec::new());
    for row in &result.rows {
        check_trials(row);
        let [linked, served] = row.module.as_ref().unwrap().trials.as_slice() else {
            panic!("{}: not two engines", row.id)
        };
        if !served.with_nothing.tried() {
            return; // it is not here, which check_trials has said
        }
        assert_eq!(sizes(linked), sizes(served), "{}", row.id);
    }
}

/// What a module has of memory after its trials, where it runs.
fn sizes(trial: &EngineTrial) -> Vec<Option<u64>> {
    let trials = std::iter::once(&trial.with_nothing).chain(&trial.under_its_host);
    trials
        .map(|trial| match trial {
            Trial::Runs { memory_bytes } => Some(*memory_bytes),
            _ => None,
        })
        .collect()
}

#[test]
fn the_inspector_and_the_engines_agree_about_a_bare_host() {
    for row in &ALL.rows {
        let module = row.module.as_ref().unwrap();
        let verdict = module.verdicts.iter().find(|verdict| verdict.host == "bare");
        let verdict = verdict.expect("there is a profile of a host that gives nothing");
        assert_eq!(verdict.runs(), row.runs_with_nothing(), "{}: {verdict:?}", row.id);
    }
}

/// How a module is used on a host follows from the host's way to start programs and from what the module exports.
#[test]
fn hosts_use_modules_as_commands_and_libraries() {
    let engines = Engines::only(&[], Tools::from_environment());
    let survey = survey(&prebuilt_subjects().unwrap(), &engines, Vec::new());
    let on = |row: &str, host: &str| {
        let row = survey.rows.iter().find(|known| known.id == row).unwrap_or_else(|| panic!("no row {row}"));
        let verdicts = &row.module.as_ref().unwrap().verdicts;
        let verdict =
            verdicts.iter().find(|verdict| verdict.host == host).unwrap_or_else(|| panic!("no host {host}"));
        (verdict.instantiates, verdict.runs_as)
    };
    let (command, library) = (Some(RunsAs::Command), Some(RunsAs::Library));
    // It has `_start`, and asks for WASI.
    assert_eq!(on("c-wasi-libc-dlmalloc", "wasmtime"), (true, command));
    assert_eq!(on("c-wasi-libc-dlmalloc", "browser"), (false, None));
    // It has functions only: to be named on the command line, or called by JavaScript.
    assert_eq!(on("rust-no-std-wee_alloc", "wasmtime"), (true, library));
    assert_eq!(on("rust-no-std-wee_alloc", "browser"), (true, library));
    // One host's command calls nothing of it, and another asks for a function of its own: both instantiate it.
    assert_eq!(on("rust-no-std-wee_alloc", "wazero"), (true, None));
    assert_eq!(on("rust-no-std-wee_alloc", "wasm4"), (true, None));
    // A proposal that is not offered is no matter of exports.
    assert_eq!(on("rust-no-std-wee_alloc", "cosmwasm"), (false, None));
}
