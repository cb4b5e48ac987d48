//! `docs/corpus.md`: five questions about the corpus. Rows of its modules are what the command says, the page is made of the rows,
//! and DuckDB answers the same questions.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use xshell::{Shell, cmd};

use crate::workspace::{Workspace, folder};

/// The rows, which hold facts and no bytes of the modules.
const ROWS: &str = "results/corpus.csv";
const PAGE: &str = "docs/corpus.md";
/// The folder of its pictures.
const PICTURES: &str = "docs/corpus";
/// What a row may take in CSV on average, so that a table of millions stays small.
const MOST_BYTES_A_ROW: u64 = 600;
/// Columns that change with every version of the knowledge, whether or not it says something else of these modules.
const MADE_BY: [&str; 2] = ["tool", "knowledge"];
const INTRODUCTION: &str = "The modules are the corpus of this project: real ones, as npm has them (`knowledge/corpus/modules.csv`); nothing of them but \
the rows in `results/corpus.csv` is committed. `cargo xtask report` makes the rows, this page and its pictures, and has DuckDB answer the same \
questions. For rows of your own: `cargo run -p memgrove-rows --example questions -- ROWS.csv PAGE.md`.";

/// Makes rows and page, or compares them; has DuckDB asked either way. `memgrove` has the workspace's examples beside it.
pub fn run(workspace: &Workspace, memgrove: &Path, check: bool) -> Result<()> {
    let sh = workspace.shell()?;
    let (rows, now) = (workspace.root().join(ROWS), workspace.out().join("corpus.csv"));
    make_rows(workspace, &sh, memgrove, &now)?;
    few_bytes_a_row(&now)?;
    if check {
        compare_rows(&rows, &now)?;
    } else if compare_rows(&rows, &now).is_err() {
        fs::copy(&now, &rows)?;
    }
    let place = tempfile::tempdir()?;
    let page = place.path().join("corpus.md");
    let questions = memgrove.with_file_name("examples").join("questions");
    cmd!(sh, "{questions} {rows} {page} {INTRODUCTION}").run()?;
    let (pictures, made) = (workspace.root().join(PICTURES), folder(&place.path().join("corpus"))?);
    let committed = workspace.root().join(PAGE);
    if check {
        let is_same = fs::read(&committed).ok() == fs::read(&page).ok() && folder(&pictures)? == made;
        ensure!(is_same, "{PAGE} or a picture of it is not what {ROWS} gives\nhint: cargo xtask report");
    } else {
        sh.remove_path(&pictures)?;
        sh.create_dir(&pictures)?;
        for (name, bytes) in made {
            fs::write(pictures.join(name), bytes)?;
        }
        fs::copy(page, &committed)?;
    }
    let answers = cmd!(sh, "python3 recipes/duckdb_sql.py {ROWS}").read()?;
    same_answers(workspace, &answers)
}

/// Rows of the corpus, in the order of the list.
fn make_rows(workspace: &Workspace, sh: &Shell, memgrove: &Path, to: &Path) -> Result<()> {
    let place = tempfile::tempdir()?;
    let list = place.path().join("list");
    write_list(workspace, &list)?;
    sh.remove_path(to)?;
    // One worker, so that rows come in that order, and time for a machine that does much else.
    let options = ["--jobs", "1", "--max-time", "600"];
    Ok(cmd!(sh, "{memgrove} --quiet inspect --format csv -o {to} --files-from {list} {options...}").run()?)
}

/// The corpus for --files-from, each module named as npm has it, in the order of the names.
pub fn write_list(workspace: &Workspace, to: &Path) -> Result<()> {
    let mut entries = super::listed(workspace)?;
    entries.sort_by(|a, b| (&a.npm, &a.path).cmp(&(&b.npm, &b.path)));
    let mut out = BufWriter::new(File::create(to)?);
    for entry in &entries {
        let path = workspace.out().join("corpus").join(&entry.id).with_added_extension("wasm");
        let bytes = fs::read(&path)
            .with_context(|| format!("{} (hint: cargo xtask corpus fetch)", path.display()))?;
        let name = format!("npm:{}/{}", entry.npm, entry.path);
        let line = serde_json::json!({ "name": name, "bytes": STANDARD.encode(bytes) });
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

fn few_bytes_a_row(path: &Path) -> Result<()> {
    let (bytes, rows) = (fs::metadata(path)?.len(), records(path)?.len() as u64);
    ensure!(
        bytes <= MOST_BYTES_A_ROW * rows,
        "{rows} rows of CSV take {bytes} bytes, more than {MOST_BYTES_A_ROW} each"
    );
    Ok(())
}

/// Whether two files have the same rows but for what made them.
fn compare_rows(committed: &Path, now: &Path) -> Result<()> {
    let (was, is) = (records(committed)?, records(now)?);
    for (was, is) in was.iter().zip(&is) {
        if let Some(at) = was.iter().zip(is).position(|(was, is)| was != is) {
            bail!(
                "{ROWS} is not what the command says, first of {}: {} was {:?}, is {:?}\nhint: cargo xtask report",
                is.get(1).map_or("", |(_, source)| source.as_str()),
                is[at].0,
                was[at].1,
                is[at].1,
            );
        }
        ensure!(was.len() == is.len(), "{ROWS} has other columns\nhint: cargo xtask report");
    }
    ensure!(was.len() == is.len(), "{ROWS} has {} rows instead of {}", was.len(), is.len());
    Ok(())
}

/// The rows of a file, each with the names of its columns.
fn records(path: &Path) -> Result<Vec<Vec<(String, String)>>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| path.display().to_string())?;
    let names = reader.headers()?.clone();
    let row = |record: csv::Result<csv::StringRecord>| {
        let record = record?;
        let cells = names.iter().zip(&record).filter(|(name, _)| !MADE_BY.contains(name));
        Ok(cells.map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect())
    };
    reader.records().map(row).collect()
}

/// Whether the page and what `recipes/duckdb_sql.py` printed have the same questions and the same tables.
pub fn same_answers(workspace: &Workspace, printed: &str) -> Result<()> {
    compare_answers(&fs::read_to_string(workspace.root().join(PAGE)).context(PAGE)?, printed)
}

fn compare_answers(page: &str, printed: &str) -> Result<()> {
    let (page, printed) = (tables(page), tables(printed));
    for (ours, duckdb) in page.iter().zip(&printed) {
        ensure!(ours == duckdb, "DuckDB answers otherwise:\n  {duckdb}\nwhere {PAGE} has\n  {ours}");
    }
    ensure!(page.len() == printed.len(), "DuckDB prints {} lines instead of {}", printed.len(), page.len());
    ensure!(page.len() > 50, "{PAGE} has only {} lines of answers", page.len());
    Ok(())
}

/// Headings and rows of tables, as they are shown.
fn tables(markdown: &str) -> Vec<String> {
    let lines = markdown.lines().filter(|line| line.starts_with("## ") || line.starts_with("| "));
    let lines = lines.filter(|line| !line.starts_with("| ---"));
    let shown =
        |line: &str| line.replace('\\', "").replace("&#58;", ":").replace("&lt;", "<").replace("&gt;", ">");
    lines.map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_answer_is_noticed() {
        let row = |number: usize| format!("| a\\_{number} | {number} |\n");
        let page: String = (0..60).map(row).collect();
        let plain = page.replace('\\', "");
        compare_answers(&format!("## Q\n\n{page}"), &format!("## Q\n| --- | --- |\n{plain}")).unwrap();
        for other in [plain.replace("| 7 |", "| 8 |"), plain.replace("| a_59 | 59 |\n", ""), String::new()] {
            compare_answers(&page, &other).unwrap_err();
        }
        compare_answers("", "").unwrap_err();
    }

    #[test]
    fn rows_that_are_too_long_are_noticed() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("rows.csv");
        for (length, is_few) in [(580, true), (610, false)] {
            let rows = format!("s,{}\n", "x".repeat(length)).repeat(3);
            fs::write(&path, format!("source,allocator\n{rows}")).unwrap();
            assert_eq!(few_bytes_a_row(&path).is_ok(), is_few, "{length}");
        }
    }

    #[test]
    fn a_row_that_says_something_else_is_noticed() {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = place.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let was = write("a", "tool,knowledge,source,allocator\nt 1,k 1,s,wee\n");
        compare_rows(&was, &write("b", "tool,knowledge,source,allocator\nt 2,k 2,s,wee\n")).unwrap();
        for other in [
            "tool,knowledge,source,allocator\nt 1,k 1,s,talc\n",
            "tool,knowledge,source,allocator\n",
            "tool,knowledge,source\nt 1,k 1,s\n",
        ] {
            compare_rows(&was, &write("c", other)).unwrap_err();
        }
    }
}
