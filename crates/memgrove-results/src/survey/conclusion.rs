//! The survey's answer, computed from its rows.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::row::{EngineState, Row, Trial};

/// The study's winner, by the id of its row: later answers are compared with it.
const STUDY_WINNER: &str = "rust-no-std-wee_alloc";

/// What the rows add up to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Conclusion {
    /// Ids of the study's modules that ran with nothing on every engine, smallest first.
    pub portable: Vec<String>,
    /// What stopped the others, most frequent first.
    pub stopped_by: Vec<Stopper>,
    /// Ids of the modules that need a host and did not run under it on some engine.
    pub failing: Vec<String>,
    /// The same in words.
    pub sentences: Vec<String>,
}

/// An import that kept modules from being instantiated with nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stopper {
    /// `module.name`, as the engines named it first.
    pub import: String,
    /// Ids of the modules it stopped.
    pub rows: Vec<String>,
}

/// Best first: what runs with nothing, then fewer imports, then fewer bytes; rows without a module last.
/// The study's modules come before those written by hand in a toolchain's place, and those before what is measured beside them.
pub fn rank(rows: &mut [Row]) {
    rows.sort_by(|a, b| {
        let key = |row: &Row| {
            (
                !row.program.is_study(),
                row.handmade,
                row.module.is_none(),
                Reverse(row.runs_with_nothing()),
                row.import_count(),
                row.shipped_bytes(),
            )
        };
        key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
    });
}

/// Draws the conclusion from ranked rows.
pub fn conclude(rows: &[Row], engines: &[EngineState]) -> Conclusion {
    // What was written by hand says nothing about a toolchain of today.
    let made = |row: &&Row| row.program.is_study() && !row.handmade && row.module.is_some();
    let study: Vec<&Row> = rows.iter().filter(made).collect();
    let portable: Vec<&Row> = study.iter().copied().filter(|row| row.runs_with_nothing()).collect();
    let mut conclusion = Conclusion {
        portable: portable.iter().map(|row| row.id.clone()).collect(),
        stopped_by: stoppers(&study),
        failing: rows.iter().filter(|row| fails_under_its_host(row)).map(|row| row.id.clone()).collect(),
        sentences: Vec::new(),
    };
    conclusion.sentences = sentences(&study, &portable, engines, &conclusion);
    conclusion
}

fn fails_under_its_host(row: &Row) -> bool {
    row.module.iter().flat_map(|module| &module.trials).any(|trial| {
        let decisive = trial.under_its_host.as_ref().unwrap_or(&trial.with_nothing);
        decisive.tried() && !decisive.runs()
    })
}

fn stoppers(rows: &[&Row]) -> Vec<Stopper> {
    let mut by_import: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for row in rows {
        let refusals = row.module.iter().flat_map(|module| &module.trials);
        let first = refusals.into_iter().find_map(|trial| match &trial.with_nothing {
            Trial::Refused { import: Some(import), .. } => Some(import.as_str()),
            _ => None,
        });
        if let Some(import) = first {
            by_import.entry(import).or_default().push(row.id.clone());
        }
    }
    let mut stoppers: Vec<Stopper> =
        by_import.into_iter().map(|(import, rows)| Stopper { import: import.into(), rows }).collect();
    stoppers.sort_by_key(|stopper| Reverse(stopper.rows.len()));
    stoppers
}

fn sentences(
    study: &[&Row],
    portable: &[&Row],
    engines: &[EngineState],
    conclusion: &Conclusion,
) -> Vec<String> {
    let tried: Vec<&str> =
        engines.iter().filter(|engine| engine.missing.is_none()).map(|engine| engine.id).collect();
    if tried.is_empty() || study.is_empty() {
        return vec!["Nothing was run, so nothing follows.".into()];
    }
    let mut sentences = vec![format!(
        "{} of {} modules of the study's program run with nothing at all on {}{}.",
        portable.len(),
        study.len(),
        list(&tried),
        makers_of(portable)
    )];
    if let Some(best) = portable.first() {
        sentences.push(format!("The smallest of them is {}: {}.", combination(best), size(best)));
    }
    sentences.extend(study_winner(study, portable));
    for stopper in &conclusion.stopped_by {
        let makers = study.iter().filter(|row| stopper.rows.contains(&row.id));
        sentences.push(format!(
            "{} stops {} of {}.",
            stopper.import,
            count(stopper.rows.len(), "module"),
            list(&distinct(makers.map(|row| row.toolchain_name.as_str())))
        ));
    }
    sentences.push(match conclusion.failing.as_slice() {
        [] => "Every module runs under the host it is made for.".into(),
        failing => format!(
            "Not every module runs under the host it is made for: {} {}.",
            list(&failing.iter().map(String::as_str).collect::<Vec<_>>()),
            if failing.len() == 1 { "does not" } else { "do not" }
        ),
    });
    sentences
}

/// Who made these: as they left them, and after `memgrove fix`.
fn makers_of(rows: &[&Row]) -> String {
    let makers = |fixed: bool| {
        let rows = rows.iter().filter(|row| row.fixed == fixed);
        list(&distinct(rows.map(|row| row.toolchain_name.as_str())))
    };
    match (makers(false), makers(true)) {
        (made, fixed) if made.is_empty() && fixed.is_empty() => String::new(),
        (made, fixed) if fixed.is_empty() => format!(": those of {made}"),
        (made, fixed) if made.is_empty() => format!(": those of {fixed}, after memgrove fix"),
        (made, fixed) => format!(": those of {made}; and after memgrove fix those of {fixed}"),
    }
}

/// Whether the study's answer still stands, and who is level with it or ahead.
fn study_winner(study: &[&Row], portable: &[&Row]) -> Option<String> {
    let winner = study.iter().find(|row| row.id == STUDY_WINNER)?;
    if !winner.runs_with_nothing() {
        return Some(format!("The study's winner, {}, does not run with nothing here.", combination(winner)));
    }
    let smaller: Vec<String> = portable
        .iter()
        .filter(|row| row.id != STUDY_WINNER && row.shipped_bytes() < winner.shipped_bytes())
        .map(|row| row.allocator.clone())
        .collect();
    Some(format!(
        "The study's winner, {} ({}), still needs nothing; so do {}{}.",
        combination(winner),
        size(winner),
        count(portable.len() - 1, "other"),
        match smaller.as_slice() {
            [] => ", none of them smaller".into(),
            names => format!(
                ", {} of them smaller ({})",
                names.len(),
                list(&distinct(names.iter().map(String::as_str)))
            ),
        }
    ))
}

fn combination(row: &Row) -> String {
    format!("{} ({}) with {}", row.title(), row.program.title(), row.allocator)
}

fn size(row: &Row) -> String {
    match &row.module {
        Some(module) => match module.optimised_bytes {
            Some(bytes) => format!("{bytes} bytes after wasm-opt, {} as built", module.size_bytes),
            None => format!("{} bytes as built", module.size_bytes),
        },
        None => "no module".into(),
    }
}

fn count(number: usize, what: &str) -> String {
    memgrove_module::counted(number as u64, what)
}

fn distinct<'r>(names: impl Iterator<Item = &'r str>) -> Vec<&'r str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

/// "a", "a and b", "a, b and c".
fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [front @ .., last] => format!("{} and {last}", front.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::ModuleFacts;
    use crate::survey::row::{EngineTrial, Module, Origin};
    use crate::survey::{Contract, Program};

    fn engine() -> EngineState {
        EngineState { id: "an-engine", version: Some("1".into()), missing: None }
    }

    fn row(
        id: &str,
        toolchain: &str,
        allocator: &str,
        bytes: u64,
        with_nothing: Trial,
        hosted: Option<Trial>,
    ) -> Row {
        let refused = matches!(with_nothing, Trial::Refused { .. });
        let imports = if refused { vec!["env.f () -> ()".to_owned()] } else { vec![] };
        Row {
            id: id.into(),
            program: Program::C,
            toolchain: toolchain.into(),
            toolchain_name: toolchain.into(),
            variant: String::new(),
            allocator: allocator.into(),
            made_for: if hosted.is_some() { Contract::WasiP1 } else { Contract::Bare },
            handmade: false,
            fixed: false,
            origin: Origin::Built { tools: vec![], commands: vec![] },
            module: Some(Module {
                size_bytes: bytes,
                optimised_bytes: None,
                optimiser: None,
                facts: ModuleFacts {
                    imports,
                    exports: vec![],
                    allocator: None,
                    memories: vec![],
                    memory_grow_sites: 1,
                },
                grower: None,
                verdicts: vec![],
                trials: vec![EngineTrial { engine: "an-engine", with_nothing, under_its_host: hosted }],
            }),
        }
    }

    fn runs() -> Trial {
        Trial::Runs { memory_bytes: 65536 }
    }

    fn refused() -> Trial {
        Trial::Refused { import: Some("env.f".into()), words: "unknown import".into() }
    }

    #[test]
    fn the_answer_follows_the_rows() {
        let mut rows = vec![
            row("c-host", "cc", "dlmalloc", 10, refused(), Some(runs())),
            row(STUDY_WINNER, "rustc", "wee_alloc", 300, runs(), None),
            row("rust-small", "rustc", "tiny", 200, runs(), None),
        ];
        rank(&mut rows);
        let conclusion = conclude(&rows, &[engine()]);
        assert_eq!(conclusion.portable, ["rust-small", STUDY_WINNER]);
        assert_eq!(conclusion.stopped_by, [Stopper { import: "env.f".into(), rows: vec!["c-host".into()] }]);
        let text = conclusion.sentences.join("\n");
        for part in [
            "2 of 3 modules of the study's program run with nothing at all on an-engine: those of rustc.",
            "The smallest of them is rustc (C) with tiny: 200 bytes as built.",
            "so do 1 other, 1 of them smaller (tiny).",
            "env.f stops 1 module of cc.",
            "Every module runs under the host it is made for.",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }

    #[test]
    fn a_fixed_module_is_not_its_toolchains_own() {
        let mut rows = vec![
            row("fixed", "cc", "dlmalloc", 10, runs(), None),
            row("made", "rustc", "dlmalloc", 20, runs(), None),
        ];
        rows[0].fixed = true;
        let text = conclude(&rows, &[engine()]).sentences.join("\n");
        assert!(text.contains("those of rustc; and after memgrove fix those of cc."), "{text}");
        let text = conclude(&rows[..1], &[engine()]).sentences.join("\n");
        assert!(text.contains("on an-engine: those of cc, after memgrove fix."), "{text}");
    }

    #[test]
    fn what_was_written_by_hand_is_ranked_apart() {
        let mut rows = vec![
            row("by-hand", "old", "bump", 1, runs(), None),
            row("made", "rustc", "dlmalloc", 20, runs(), None),
            row("refused", "cc", "dlmalloc", 2, refused(), Some(runs())),
        ];
        rows[0].handmade = true;
        rank(&mut rows);
        assert_eq!(
            rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(),
            ["made", "refused", "by-hand"]
        );
        let conclusion = conclude(&rows, &[engine()]);
        assert_eq!(conclusion.portable, ["made"]);
        let text = conclusion.sentences.join("\n");
        assert!(text.contains("1 of 2 modules") && !text.contains("old"), "{text}");
    }

    #[test]
    fn another_outcome_gives_another_answer() {
        let failed = Trial::Fails { words: "trap".into() };
        let mut rows = vec![
            row("c-host", "cc", "dlmalloc", 10, refused(), Some(failed.clone())),
            row(STUDY_WINNER, "rustc", "wee_alloc", 300, failed, None),
        ];
        rank(&mut rows);
        let conclusion = conclude(&rows, &[engine()]);
        assert!(conclusion.portable.is_empty());
        let text = conclusion.sentences.join("\n");
        for part in [
            "0 of 2 modules",
            "The study's winner, rustc (C) with wee_alloc, does not run with nothing here.",
            "Not every module runs under the host it is made for: rust-no-std-wee_alloc and c-host do not.",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }

    #[test]
    fn nothing_run_nothing_concluded() {
        let missing = EngineState { id: "an-engine", version: None, missing: Some("not here".into()) };
        assert_eq!(conclude(&[], &[missing]).sentences, ["Nothing was run, so nothing follows."]);
    }
}
