//! The part of `docs/rows.md` about two workers against one, from `results/workers.json`.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};
use memgrove_results::bench::stats::Summary;

use super::{AIM, Engine, Measured, QUIET, Run};
use crate::report;
use crate::workspace::Workspace;

/// What it is made of.
const FIGURES: &str = "results/workers.json";
const PAGE: &str = "docs/rows.md";
/// The heading of the part, which goes on to the next one.
const HEADING: &str = "## Two workers against one\n";

/// Writes figures, and the page.
pub(super) fn save(workspace: &Workspace, measured: &Measured) -> Result<()> {
    fs::write(workspace.root().join(FIGURES), serde_json::to_string_pretty(measured)? + "\n")?;
    run(workspace, false)
}

/// Writes the part of the page, or says whether it is what the figures give.
pub fn run(workspace: &Workspace, check: bool) -> Result<()> {
    report::render(workspace, (FIGURES, PAGE), check, |measured, page| replaced(page, &part(measured)?))
}

/// The page with another part under the heading.
fn replaced(page: &str, part: &str) -> Result<String> {
    let (before, rest) = page.split_once(HEADING).with_context(|| format!("{PAGE} lacks {HEADING:?}"))?;
    let after = rest.find("\n## ").map_or("", |at| &rest[at..]);
    Ok(format!("{before}{HEADING}\n{part}{after}"))
}

fn part(measured: &Measured) -> Result<String> {
    let Measured { date, cpu, cores, modules, module_bytes, few, engines } = measured;
    let mut out = format!(
        "<!-- Rendered from {FIGURES}; `cargo xtask report` writes it, `--check` compares. -->

Each recipe with one and with two workers, in turns, over the same {modules} modules ({} MB; half are wasm-smith's, half the corpus and the samples, changed). So many
workers are as many tasks at once on as many cores, on which the engine's own processes run, too. `cargo xtask workers --save` measures it, on a machine that does
nothing else, and fails where two workers are less than {AIM} times as fast.

",
        module_bytes / 1_000_000,
    );
    let others = measured.others();
    if let Some(others) = others.filter(|others| *others > QUIET) {
        writeln!(
            out,
            "The last run ({date}) says too little for its figures to stand here: just before one of its jobs other processes took {:.0} % of the machine.",
            others * 100.0
        )?;
        return Ok(out);
    }
    let quiet = others.map_or_else(String::new, |others| {
        format!("; just before each run other processes took at most {:.0} % of them", others * 100.0)
    });
    write!(
        out,
        "Measured {date} on {cores} cores of {cpu}{quiet}. Seconds, medians of {}. The engine's start-up stands apart, and so does what a job of {few}
modules takes when everything has been started: work is the whole job without it.

| engine | workers | start-up | job of {few} | whole job | modules a second of work | times as fast at work (range) | at the whole job |
|---|--:|--:|--:|--:|--:|--:|--:|
",
        pairs(engines)
    )?;
    for engine in engines {
        let (work, whole) = engine.speedups()?;
        let ones: Vec<_> = engine.pairs.iter().map(|pair| &pair.one).collect();
        let twos: Vec<_> = engine.pairs.iter().map(|pair| &pair.two).collect();
        writeln!(out, "| {} | 1 | {} | | |", engine.name, seconds(&ones, *modules)?)?;
        let (two, range) = (seconds(&twos, *modules)?, range(engine));
        writeln!(out, "| | 2 | {two} | {:.2} ({range}) | {:.2} |", work.median, whole.median)?;
    }
    Ok(out)
}

/// How many pairs each engine has.
fn pairs(engines: &[Engine]) -> String {
    match engines.iter().map(|engine| engine.pairs.len()).min().unwrap_or_default() {
        1 => "1 pair".to_owned(),
        count => format!("{count} pairs"),
    }
}

/// Medians of runs: start-up, job of a few, whole job, modules a second.
fn seconds(runs: &[&Run], modules: usize) -> Result<String> {
    let median = |of: fn(&Run) -> f64| {
        Summary::of(runs.iter().map(|run| of(run))).map(|it| it.median).context("nothing was measured")
    };
    #[expect(clippy::cast_precision_loss, reason = "a count of modules")]
    let rate = modules as f64 / median(Run::work)?;
    Ok(format!(
        "{:.1} | {:.1} | {:.1} | {rate:.0}",
        median(|run| run.start)?,
        median(|run| run.fixed)?,
        median(|run| run.whole)?
    ))
}

/// The smallest and the largest of the pairs' ratios at the work.
fn range(engine: &Engine) -> String {
    let ratios = engine.pairs.iter().map(|pair| pair.one.work() / pair.two.work());
    let (least, most) =
        ratios.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), it| (least.min(it), most.max(it)));
    format!("{least:.2}–{most:.2}")
}

#[cfg(test)]
mod tests {
    use super::super::Pair;
    use super::*;

    fn run(whole: f64, others: Option<f64>) -> Run {
        Run { others, start: 9.0, fixed: 2.0, whole, rows: 1000 }
    }

    fn measured(others: Option<f64>) -> Measured {
        let pair = |one, two| Pair { one: run(one, others), two: run(two, Some(0.01)) };
        Measured {
            date: "2026-01-02".to_owned(),
            cpu: "a processor".to_owned(),
            cores: 2,
            modules: 1000,
            module_bytes: 48_000_000,
            few: 32,
            engines: vec![Engine {
                name: "Spark 4".to_owned(),
                pairs: vec![pair(12.0, 7.0), pair(22.0, 12.0), pair(12.0, 8.0)],
            }],
        }
    }

    #[test]
    fn the_part_has_the_medians() {
        let part = part(&measured(Some(0.034))).unwrap();
        for line in [
            "| Spark 4 | 1 | 9.0 | 2.0 | 12.0 | 100 | | |\n",
            "| | 2 | 9.0 | 2.0 | 8.0 | 167 | 2.00 (1.67–2.00) | 1.71 |\n",
            "the same 1000 modules (48 MB;",
            "medians of 3 pairs.",
            "took at most 3 % of them.",
        ] {
            assert!(part.contains(line), "{line}\n{part}");
        }
    }

    #[test]
    fn figures_of_a_busy_machine_are_not_shown() {
        let has_figures = |others| part(&measured(Some(others))).unwrap().contains("| Spark 4 |");
        assert!(has_figures(0.09) && !has_figures(0.11));
    }

    #[test]
    fn what_the_system_does_not_tell_is_not_told() {
        let part = part(&measured(None)).unwrap();
        assert!(!part.contains("other processes") && part.contains("of a processor."), "{part}");
    }

    #[test]
    fn only_the_part_is_replaced() {
        let page = format!("# Rows\n\n{HEADING}\nold\n\n### old\n\n## Columns\n\nnew\n");
        assert_eq!(
            replaced(&page, "new\n").unwrap(),
            format!("# Rows\n\n{HEADING}\nnew\n\n## Columns\n\nnew\n")
        );
        let last = format!("# Rows\n\n{HEADING}\nold\n");
        assert_eq!(replaced(&last, "new\n").unwrap(), format!("# Rows\n\n{HEADING}\nnew\n"));
        replaced("# Rows\n", "new\n").unwrap_err();
    }
}
