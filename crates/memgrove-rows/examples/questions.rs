//! Five questions about many modules, answered as a page with pictures, from rows that `memgrove inspect --format csv` wrote:
//! `cargo run -p memgrove-rows --example questions -- ROWS.csv PAGE.md [INTRODUCTION]`. The pictures lie beside the page, in a folder of
//! its name.
//!
//! What is asked stands in recipes/questions.sql, and the page shows it; the answers are counted here, without a database, so that
//! DuckDB's can be compared with them.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use memgrove_view::Grid;
use memgrove_view::html::{Axis, BarChart, XyChart};
use serde::Deserialize;

/// The questions, each behind a line of its own.
const QUESTIONS: &str = include_str!("../../../recipes/questions.sql");
/// Rows of a table of modules.
const MOST_MODULES: usize = 20;
/// Bars of a chart.
const MOST_BARS: usize = 24;
const PAGE_BYTES: u64 = 65536;

/// The columns that are looked at.
#[derive(Deserialize)]
struct Row {
    tool: String,
    knowledge: String,
    source: String,
    status: String,
    size_bytes: Option<u64>,
    toolchain: String,
    allocator: String,
    allocator_confidence: Option<f64>,
    defects: String,
    runs: String,
    runs_if: String,
    runs_not: String,
    memory_min_bytes: Option<u64>,
    growth: String,
    imports: Option<u64>,
    proposals: String,
}

impl Row {
    fn leaks(&self) -> bool {
        list(&self.defects).any(|defect| defect == "leaks")
    }

    fn is_bare(&self) -> bool {
        list(&self.runs).any(|host| host == "bare")
    }

    /// Of the memory at the start.
    fn pages(&self) -> Option<u64> {
        self.memory_min_bytes.map(|bytes| bytes / PAGE_BYTES)
    }
}

/// An answer: a table, and a picture of it.
struct Answer {
    table: Grid,
    picture: Option<Picture>,
}

struct Picture {
    name: &'static str,
    title: &'static str,
    svg: Option<String>,
}

/// Pictures, each behind the name of its file.
type Files = Vec<(String, String)>;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [rows, page, introduction @ ..] = &args[..] else {
        return Err("usage: questions ROWS.csv PAGE.md [INTRODUCTION]".into());
    };
    let all: Vec<Row> = csv::Reader::from_path(rows)?.deserialize().collect::<Result<_, _>>()?;
    let pictures = Path::new(page).with_extension("");
    fs::create_dir_all(&pictures)?;
    let folder = pictures.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (text, files) = answers(&all, &introduction.join(" "), &folder)?;
    for (name, svg) in files {
        fs::write(pictures.join(name), svg)?;
    }
    Ok(fs::write(page, text)?)
}

/// The page, and its pictures by name.
fn answers(all: &[Row], introduction: &str, folder: &str) -> Result<(String, Files), Box<dyn Error>> {
    let rows: Vec<&Row> = all.iter().filter(|row| row.status == "ok").collect();
    let made_by: BTreeSet<_> =
        all.iter().map(|row| format!("{}, knowledge {}", row.tool, row.knowledge)).collect();
    let mut out = format!("# Questions about {} modules\n\n", rows.len());
    if !introduction.is_empty() {
        let _ = writeln!(out, "{introduction}\n");
    }
    let _ = writeln!(
        out,
        "Inspected by {}; {} of {} rows have the status `ok`. The confidence of an allocator is 0 to 1.",
        made_by.into_iter().collect::<Vec<_>>().join(" and "),
        rows.len(),
        all.len(),
    );
    out += &in_short(&rows);
    let mut files = Files::new();
    let asked: Vec<_> = QUESTIONS.split("-- ").skip(1).filter_map(|part| part.split_once('\n')).collect();
    let ways: [fn(&[&Row]) -> Answer; 7] = [allocators, leaks, defects, hosts, growth, memory, proposals];
    if asked.len() != ways.len() {
        return Err("recipes/questions.sql has another number of questions".into());
    }
    for ((question, query), answer) in asked.iter().zip(ways) {
        let Answer { table, picture } = answer(&rows);
        let _ = write!(out, "\n## {question}\n\n");
        if let Some(Picture { name, title, svg: Some(svg) }) = picture {
            let _ = write!(out, "![{title}]({folder}/{name}.svg)\n\n");
            files.push((format!("{name}.svg"), svg));
        }
        let query = query.trim();
        let _ = write!(out, "{}\n```sql\n{query}\n```\n", table.markdown());
    }
    Ok((out, files))
}

/// The five answers, each in a line.
fn in_short(rows: &[&Row]) -> String {
    let number = |is: &dyn Fn(&&Row) -> bool| rows.iter().copied().filter(is).count();
    let most = count(rows.iter().map(|row| (or_unknown(&row.allocator), ""))).into_iter().next();
    let (allocator, modules, _) = most.unwrap_or_default();
    let mut pages: Vec<_> = rows.iter().filter_map(|row| row.pages()).collect();
    pages.sort_unstable();
    let median = median(&pages).unwrap_or_default();
    format!(
        "
- **Allocators**: `{allocator}` is the most frequent, in {modules} modules; in {} it is unknown.
- **Leaks**: in {} modules the allocator often or never uses freed memory again.
- **Hosts**: {} modules run without a host, {} need a known host and run there as they are or under conditions, {} run on none of the known hosts.
- **Memory**: half of the modules that have one begin with {median} pages of 64 KiB or fewer.
- **Proposals**: {} modules use none.
",
        number(&|row| row.allocator.is_empty()),
        number(&|row| row.leaks()),
        number(&|row| row.is_bare()),
        number(&|row| !row.is_bare() && (!row.runs.is_empty() || !row.runs_if.is_empty())),
        number(&|row| row.runs.is_empty() && row.runs_if.is_empty()),
        number(&|row| row.proposals.is_empty()),
    )
}

/// Of sorted numbers; the lower one of the two in the middle.
fn median(sorted: &[u64]) -> Option<u64> {
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

fn list(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';').filter(|entry| !entry.is_empty())
}

fn or_unknown(cell: &str) -> &str {
    if cell.is_empty() { "unknown" } else { cell }
}

/// How often each word is there, and with what; the most frequent first.
fn count<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(&'a str, u64, String)> {
    let mut counts: BTreeMap<&str, (u64, BTreeSet<&str>)> = BTreeMap::new();
    for (word, with) in pairs {
        let entry = counts.entry(word).or_default();
        entry.0 += 1;
        entry.1.insert(with);
    }
    let joined = |with: BTreeSet<&str>| with.into_iter().collect::<Vec<_>>().join(", ");
    let mut counts: Vec<_> =
        counts.into_iter().map(|(word, (count, with))| (word, count, joined(with))).collect();
    counts.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    counts
}

/// A table of counts, and bars of them.
fn counted<'a>(
    headings: [&str; 3],
    name: &'static str,
    title: &'static str,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Answer {
    let counts = count(pairs);
    let mut table = Grid::new(headings);
    for (word, count, with) in &counts {
        table.row([(*word).to_owned(), count.to_string(), with.clone()]);
    }
    Answer { table, picture: Some(bars(name, title, &counts)) }
}

/// A picture of counts.
fn bars(name: &'static str, title: &'static str, counts: &[(&str, u64, String)]) -> Picture {
    let chart = counts
        .iter()
        .take(MOST_BARS)
        .fold(BarChart::new(title, ""), |chart, (word, count, _)| chart.bar(*word, to_f64(*count)));
    Picture { name, title, svg: chart.to_svg() }
}

fn allocators(rows: &[&Row]) -> Answer {
    let pairs = rows.iter().map(|row| (or_unknown(&row.allocator), or_unknown(&row.toolchain)));
    counted(["allocator", "modules", "toolchains"], "allocators", "Modules by allocator", pairs)
}

fn leaks(rows: &[&Row]) -> Answer {
    let mut leaking: Vec<_> = rows.iter().filter(|row| row.leaks()).collect();
    leaking.sort_by_key(|row| (std::cmp::Reverse(row.size_bytes), &row.source));
    let mut table = Grid::new(["source", "allocator", "confidence", "bytes"]);
    for row in leaking.iter().take(MOST_MODULES) {
        let confidence = row.allocator_confidence.unwrap_or_default();
        let bytes = row.size_bytes.unwrap_or_default();
        table.row([row.source.clone(), row.allocator.clone(), format!("{confidence:?}"), bytes.to_string()]);
    }
    let by_allocator = count(leaking.iter().map(|row| (row.allocator.as_str(), "")));
    let title = "Modules whose allocator often or never uses freed memory again";
    Answer { table, picture: Some(bars("leaks", title, &by_allocator)) }
}

fn defects(rows: &[&Row]) -> Answer {
    let pairs = rows.iter().flat_map(|row| list(&row.defects).map(|defect| (defect, row.allocator.as_str())));
    counted(
        ["defect", "modules", "allocators"],
        "defects",
        "Modules by known defect of their allocator",
        pairs,
    )
}

fn hosts(rows: &[&Row]) -> Answer {
    let mut outcomes: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for row in rows {
        for (index, cell) in [&row.runs, &row.runs_if, &row.runs_not].into_iter().enumerate() {
            for host in list(cell) {
                outcomes.entry(host).or_default()[index] += 1;
            }
        }
    }
    let mut outcomes: Vec<_> = outcomes.into_iter().collect();
    outcomes.sort_by_key(|(_, [runs, runs_if, _])| std::cmp::Reverse((*runs, *runs_if)));
    let title = "Modules that run on each host";
    let mut table = Grid::new(["host", "runs", "runs if", "no"]);
    let mut chart = BarChart::new(title, "").series(["as they are", "under conditions"]);
    for (host, [runs, runs_if, no]) in outcomes {
        table.row([host.to_owned(), runs.to_string(), runs_if.to_string(), no.to_string()]);
        chart = chart.row(host, [Some(to_f64(runs)), Some(to_f64(runs_if))]);
    }
    Answer { table, picture: Some(Picture { name: "hosts", title, svg: chart.to_svg() }) }
}

fn growth(rows: &[&Row]) -> Answer {
    let mut table = Grid::new(["growth", "modules", "without imports", "run without a host"]);
    for (growth, modules, _) in count(rows.iter().map(|row| (or_unknown(&row.growth), ""))) {
        let own = || rows.iter().filter(|row| or_unknown(&row.growth) == growth);
        let pure = own().filter(|row| row.imports == Some(0)).count();
        let bare = own().filter(|row| row.is_bare()).count();
        table.row([growth.to_owned(), modules.to_string(), pure.to_string(), bare.to_string()]);
    }
    Answer { table, picture: None }
}

fn memory(rows: &[&Row]) -> Answer {
    let mut by_toolchain: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for row in rows {
        by_toolchain.entry(or_unknown(&row.toolchain)).or_default().extend(row.pages());
    }
    by_toolchain.retain(|_, pages| !pages.is_empty());
    let mut all: Vec<u64> = by_toolchain.values().flatten().copied().collect();
    let mut lines: Vec<_> = by_toolchain
        .into_iter()
        .map(|(toolchain, mut pages)| {
            pages.sort_unstable();
            (median(&pages).unwrap_or_default(), toolchain, pages)
        })
        .collect();
    lines.sort();
    let mut table = Grid::new(["toolchain", "modules", "least pages", "median pages", "most pages"]);
    for (median, toolchain, pages) in &lines {
        let figures =
            [pages.len() as u64, pages[0], *median, pages[pages.len() - 1]].map(|figure| figure.to_string());
        table.row(std::iter::once((*toolchain).to_owned()).chain(figures));
    }
    all.sort_unstable();
    let title = "Share of modules that begin with at most so many pages of 64 KiB";
    let share = |index: usize| 100.0 * to_f64(index as u64 + 1) / to_f64(all.len() as u64);
    let steps = all.iter().enumerate().map(|(index, pages)| (to_f64(*pages), share(index)));
    let chart = XyChart::new(title, Axis::new("pages at the start").log(), Axis::new("% of the modules"));
    Answer { table, picture: Some(Picture { name: "memory", title, svg: chart.step("all", steps).to_svg() }) }
}

fn proposals(rows: &[&Row]) -> Answer {
    let pairs = rows.iter().flat_map(|row| {
        let none = row.proposals.is_empty().then_some("none");
        list(&row.proposals).chain(none).map(|proposal| (proposal, or_unknown(&row.toolchain)))
    });
    counted(["proposal", "modules", "toolchains"], "proposals", "Modules by proposal that they use", pairs)
}

#[expect(clippy::cast_precision_loss, reason = "counts of modules are far below 2^53")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
