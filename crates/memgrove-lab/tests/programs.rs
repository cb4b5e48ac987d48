//! The figures of `docs/programs.md`: `results/programs.json`, from which `cargo xtask report` makes the page.
//!
//! `BLESS=1 cargo test --locked --workspace --test programs -- --ignored` counts them anew, in minutes. The short test counts two
//! programs again, so that the figures are those of the code as it is.

use std::fs;
use std::path::PathBuf;

use memgrove_lab::measure::Trace;
use memgrove_lab::measure::advise::Replayers;
use memgrove_lab::measure::catalogue::Catalogue;
use memgrove_results::guest::Role;
use memgrove_results::programs::{Program, Programs, Recorded, Run, Taken};

/// What the short test counts again, and on what: ours, and the base, which is always there.
const AGAIN: [&str; 2] = ["commitments", "text"];
const OURS: &str = "ours";

fn results() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../results")
}

fn recorded() -> Vec<Recorded> {
    let text = fs::read_to_string(results().join("traces/programs.json")).expect("it is committed");
    serde_json::from_str(&text).expect("it was written with the traces")
}

/// Counts these programs on allocators, by name or group.
fn count(programs: impl IntoIterator<Item = Recorded>, allocators: &str) -> Programs {
    let catalogue = Catalogue::embedded().expect("it is there");
    let replayers = Replayers::load(&catalogue, &[allocators.to_owned()], None).expect("they are ready");
    let mut engine = String::new();
    let programs = programs.into_iter().map(|recorded| {
        let trace = Trace::read(&results().join("traces").join(format!("{}.mgtr", recorded.name)));
        let advice = replayers.advise(&trace.expect("it is committed"), &|| ());
        engine.clone_from(&advice.engine);
        let asked =
            advice.candidates.into_iter().filter(|one| !matches!(one.role, Role::Floor | Role::Hardened));
        let allocators = asked.map(|one| Run {
            taken: one
                .figures
                .map(|taken| Taken { pages: taken.peak_pages, instructions: taken.instructions }),
            allocator: one.allocator,
            failure: one.failure,
        });
        Program {
            calls: advice.calls,
            peak_live_bytes: advice.peak_live_bytes,
            allocators: allocators.collect(),
            recorded,
        }
    });
    let programs = programs.collect();
    Programs { engine, programs }
}

fn committed() -> Programs {
    let text = fs::read_to_string(results().join("programs.json")).expect("it is committed");
    serde_json::from_str(&text).expect("it was written by this test")
}

#[test]
fn the_figures_are_those_of_the_code() {
    let again = count(recorded().into_iter().filter(|one| AGAIN.contains(&one.name.as_str())), OURS);
    assert_eq!(again.programs.len(), AGAIN.len());
    let committed = committed();
    assert_eq!(again.engine, committed.engine, "see the head of this file");
    for program in again.programs {
        let known = committed.programs.iter().find(|known| known.recorded == program.recorded);
        let mut known = known.expect("it was counted").clone();
        let is_again = |run: &Run| program.allocators.iter().any(|again| again.allocator == run.allocator);
        known.allocators.retain(is_again);
        assert_eq!(known, program, "see the head of this file");
    }
}

#[test]
#[ignore = "all programs on all allocators: minutes"]
fn all_figures_are_those_of_the_code() {
    let counted = count(recorded(), "all");
    if std::env::var_os("BLESS").is_some() {
        let text = serde_json::to_string_pretty(&counted).expect("plain values");
        fs::write(results().join("programs.json"), text + "\n").expect("a writable folder");
    }
    assert_eq!(counted, committed(), "see the head of this file");
}
