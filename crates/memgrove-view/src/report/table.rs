//! One line for each file. The name comes last, so that it never has to be cut.

use memgrove_inspect::Report;
use memgrove_inspect::report::Outcome;
use memgrove_text::{Line, Tone, escape_name};

use super::text::tone;
use crate::layout::column;
use crate::words;

/// Which host the first column is about.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Ids of the hosts that are required; the column shows the worst of their answers. Without any, it shows on
    /// how many of the known hosts it runs, runs under conditions, does not run.
    required: Vec<String>,
}

const RUNS: usize = 11;
const SIZE: usize = 10;
const IMPORTS: usize = 7;
const MEMORY: usize = 20;
const GROWN_BY: usize = 8;
const ALLOCATOR: usize = 24;
const TOOLCHAIN: usize = 30;

impl Columns {
    /// Columns that ask about the hosts of these ids.
    #[must_use]
    pub fn new(required: &[String]) -> Self {
        Self { required: required.to_owned() }
    }

    /// The line above the table.
    #[must_use]
    pub fn head(&self) -> Line {
        let runs = if let [host] = self.required.as_slice() { host.as_str() } else { "hosts" };
        let line = [
            column(runs, RUNS),
            format!("{:>SIZE$}", "size"),
            format!("{:>IMPORTS$}", "imports"),
            column("memory", MEMORY),
            column("grown by", GROWN_BY),
            column("allocator", ALLOCATOR),
            column("toolchain", TOOLCHAIN),
            "file".to_owned(),
        ];
        Line::new().with(Tone::Soft, line.join("  "))
    }

    /// The first column: a word, and how it is coloured.
    fn runs(&self, report: &Report) -> (String, Tone) {
        if self.required.is_empty() {
            let [runs, runs_if, no] = words::outcomes(report);
            let worst = match (runs, runs_if, no) {
                (_, 0, 0) => Outcome::Runs,
                (0, 0, _) => Outcome::No,
                _ => Outcome::RunsIf,
            };
            return (format!("✓{runs:<2} ~{runs_if:<2} ✗{no}"), tone(worst));
        }
        let asked = report.verdicts.iter().filter(|verdict| self.required.contains(&verdict.host));
        match asked.map(|verdict| verdict.outcome).max() {
            Some(worst) => {
                let (mark, word) = words::outcome(worst);
                (format!("{mark} {word}"), tone(worst))
            }
            None => ("?".to_owned(), Tone::Plain),
        }
    }
}

/// The line of a file that could be read.
#[must_use]
pub fn table_row(columns: &Columns, name: &str, report: &Report) -> Line {
    let (runs, tone) = columns.runs(report);
    let growth = report.memory.growth.value.as_ref().map_or("?", |growth| words::growth_short(growth.who));
    let line = [
        format!("{:>SIZE$}", words::bytes(report.size_bytes)),
        format!("{:>IMPORTS$}", report.requirements.import_count),
        column(&memory(report), MEMORY),
        column(growth, GROWN_BY),
        column(&escape_name(&unknown_as_mark(words::allocator(report))), ALLOCATOR),
        column(&escape_name(&unknown_as_mark(words::toolchain(report))), TOOLCHAIN),
        escape_name(name).into_owned(),
    ];
    Line::new().with(tone, column(&runs, RUNS)).plain("  ").plain(line.join("  "))
}

/// `1 MiB..16 MiB`, `1 MiB..` without a maximum, and how many memories there are where it is not one.
fn memory(report: &Report) -> String {
    let memories = &report.memory.memories;
    let Some(memory) = memories.first() else { return "none".to_owned() };
    let max = memory.max_bytes.map(words::bytes).unwrap_or_default();
    let more = if memories.len() > 1 { format!(" (1 of {})", memories.len()) } else { String::new() };
    let imported = if memory.imported.is_some() { "↓" } else { "" };
    format!("{imported}{}..{max}{more}", words::bytes(memory.min_bytes))
}

fn unknown_as_mark(phrase: String) -> String {
    if phrase == "unknown" { "?".to_owned() } else { phrase }
}
