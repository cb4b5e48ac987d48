//! Expected against found, with the confidence of each answer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use memgrove_inspect::report::Level;
use memgrove_inspect::{Conclusion, Evidence};
use rayon::prelude::*;

use super::Entry;
use crate::workspace::Workspace;

/// Share of modules whose toolchain family must be right.
const TOOLCHAIN_RIGHT: f64 = 0.95;
/// Share of modules whose allocator must be right.
const ALLOCATOR_RIGHT: f64 = 0.90;

/// Stands in a list where nobody knows the answer: shown, but not counted.
const UNLABELLED: &str = "?";

/// One question about one module.
struct Answer {
    expected: String,
    found: String,
    level: Level,
    confidence: f32,
    right: bool,
    evidence: Vec<Evidence>,
}

impl Answer {
    fn new<T>(expected: &str, conclusion: &Conclusion<T>, name: impl Fn(&T) -> &str) -> Self {
        let found = conclusion.value.as_ref().map_or("unknown", name).to_owned();
        Self {
            right: Entry::expects(expected, &found),
            expected: expected.to_owned(),
            found,
            level: conclusion.level(),
            confidence: conclusion.confidence.value(),
            evidence: conclusion.evidence.clone(),
        }
    }

    fn wrong_and_sure(&self) -> bool {
        !self.right && self.expected != UNLABELLED && self.level == Level::High
    }
}

pub fn run(workspace: &Workspace, dir: Option<&Path>, verbose: bool) -> Result<()> {
    let (entries, modules) = match dir {
        Some(dir) => (super::entries(dir)?, dir.to_path_buf()),
        None => (super::listed(workspace)?, workspace.out().join("corpus")),
    };
    let answers: Vec<(&Entry, [Answer; 2])> = entries
        .par_iter()
        .map(|entry| {
            let path = modules.join(&entry.id).with_added_extension("wasm");
            let bytes = fs::read(&path)
                .with_context(|| format!("{} (hint: cargo xtask corpus fetch)", path.display()))?;
            let facts = memgrove_inspect::facts(&bytes).with_context(|| entry.npm.clone())?;
            let (toolchain, allocator) = memgrove_inspect::detect::origin(&facts);
            let answers = [
                Answer::new(&entry.toolchain, &toolchain, |toolchain| &toolchain.family),
                Answer::new(&entry.allocator, &allocator, |allocator| &allocator.id),
            ];
            if verbose && !entry.variant.is_empty() {
                let found =
                    toolchain.value.as_ref().and_then(|value| value.variant.as_deref()).unwrap_or("-");
                if found != entry.variant {
                    println!(
                        "variant: {} {}: expected {}, found {found}",
                        entry.npm, entry.path, entry.variant
                    );
                }
            }
            Ok((entry, answers))
        })
        .collect::<Result<_>>()?;
    let mut complaints = Vec::new();
    for (which, (question, threshold)) in
        [("toolchain", TOOLCHAIN_RIGHT), ("allocator", ALLOCATOR_RIGHT)].into_iter().enumerate()
    {
        print(question, &answers, which, verbose);
        let known = answers.iter().filter(|(_, both)| both[which].expected != UNLABELLED).count();
        let right = answers.iter().filter(|(_, both)| both[which].right).count();
        let share = right as f64 / known as f64;
        let sure: Vec<_> = answers
            .iter()
            .filter(|(_, both)| both[which].wrong_and_sure())
            .map(|(entry, _)| &entry.npm)
            .collect();
        println!(
            "{question}: {right} of {} right ({:.1} %), {} wrong with high confidence\n",
            known,
            share * 100.0,
            sure.len()
        );
        if share < threshold {
            complaints.push(format!(
                "{question}: {:.1} % right, at least {:.0} % must be",
                share * 100.0,
                threshold * 100.0
            ));
        }
        if !sure.is_empty() {
            complaints.push(format!("{question}: wrong with high confidence: {sure:?}"));
        }
    }
    ensure!(complaints.is_empty(), "{}", complaints.join("; "));
    Ok(())
}

fn print(question: &str, answers: &[(&Entry, [Answer; 2])], which: usize, verbose: bool) {
    println!("{question:<24} {:<24} high medium  low", "found");
    let mut cells: BTreeMap<(&str, &str), [usize; 4]> = BTreeMap::new();
    for (_, both) in answers {
        let answer = &both[which];
        let column = match answer.level {
            Level::High => 0,
            Level::Medium => 1,
            Level::Low => 2,
            Level::Unknown => 3,
        };
        cells.entry((&answer.expected, &answer.found)).or_default()[column] += 1;
    }
    for ((expected, found), [high, medium, low, _]) in &cells {
        let mark = if Entry::expects(expected, found) {
            " "
        } else if *expected == UNLABELLED {
            "?"
        } else {
            "✗"
        };
        println!("{mark}{expected:<23} {found:<24} {high:4} {medium:6} {low:4}");
    }
    for (entry, both) in answers {
        let answer = &both[which];
        let wrong = !answer.right && answer.expected != UNLABELLED;
        if wrong || (verbose && answer.level < Level::High) {
            println!(
                "  {} {} {}: expected {}, found {} ({:.2})",
                if wrong { "✗" } else { "." },
                entry.npm,
                entry.path,
                answer.expected,
                answer.found,
                answer.confidence
            );
            if verbose {
                for evidence in &answer.evidence {
                    println!("      {}", evidence.text);
                }
            }
        }
    }
}
