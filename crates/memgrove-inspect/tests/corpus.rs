//! The facts of real modules, compared with a table made by other tools.
//!
//! Needs the modules in `out/corpus` (`cargo xtask corpus` fetches them); without them it only says so.

#![allow(clippy::print_stdout, reason = "says how many modules were there to be looked at")]

use memgrove_inspect::facts::Facts;
use memgrove_inspect::report::{Grower, Outcome, Report};
use memgrove_inspect::{conclude, facts};
use std::collections::BTreeMap;
use std::path::Path;

type Row = BTreeMap<String, String>;

fn table() -> Vec<Row> {
    let mut lines = include_str!("data/corpus-facts.csv").lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let cells = line.split(',').map(str::to_owned);
        columns.iter().map(|column| (*column).to_owned()).zip(cells).collect()
    };
    lines.map(row).collect()
}

fn each_module(mut check: impl FnMut(&Row, &Facts<'_>, &Report)) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../out/corpus");
    let mut seen = 0;
    for row in table() {
        let Ok(bytes) = std::fs::read(dir.join(format!("{}.wasm", row["id"]))) else { continue };
        let facts = facts(&bytes).unwrap_or_else(|error| panic!("{}: {error}", row["id"]));
        let report = conclude(&facts);
        check(&row, &facts, &report);
        seen += 1;
    }
    println!("{seen} modules of out/corpus looked at");
}

fn facts_agree_with_the_table(row: &Row, facts: &Facts<'_>, report: &Report) {
    let id = &row["id"];
    let number = |column: &str| row[column].parse::<u64>().unwrap_or(0);
    let same = |what: &str, found: u64, column: &str| assert_eq!(found, number(column), "{id}: {what}");
    let memory = facts.memories.first();
    let kind = match memory {
        None => "none",
        Some(memory) if memory.import.is_some() => "imported",
        Some(_) => "own",
    };
    assert_eq!(kind, row["mem_kind"], "{id}");
    same("initial pages", memory.map_or(0, |memory| memory.ty.min_pages), "mem_min");
    same("maximum", memory.and_then(|memory| memory.ty.max_pages).unwrap_or(0), "mem_max");
    same("shared", memory.is_some_and(|memory| memory.ty.shared).into(), "mem_shared");
    same("memory64", memory.is_some_and(|memory| memory.ty.memory64).into(), "memory64");
    same("memory.grow sites", facts.grow_sites().count() as u64, "grow_sites");
    same("memory.size sites", facts.size_sites().count() as u64, "size_sites");
    same("imports", facts.imports.len() as u64, "import_count");
    same("exports", facts.exports.len() as u64, "n_exports");
    same("functions", facts.functions.len() as u64, "n_funcs");
    let start = facts.start.map_or(String::new(), |start| format!("f{}", start.func));
    assert_eq!(start, row["start_fn"], "{id}: start function");

    let active = facts.data.iter().filter_map(|data| Some((data.active?, data)));
    let ends =
        active.clone().filter_map(|(active, data)| Some(active.address.address()? + data.bytes.len() as u64));
    same("end of the active segments", ends.max().unwrap_or(0), "data_end");
    same(
        "passive segments",
        facts.data.iter().filter(|data| data.active.is_none()).count() as u64,
        "passive_segs",
    );
    let relocatable = active.filter(|(active, _)| active.address.address().is_none()).count();
    same("relocatable segments", relocatable as u64, "dyn_offset_segs");

    // Where the glue's names or the structure tell, so do we; where they do not, we claim nothing.
    let growth = report.memory.growth.value.as_ref().unwrap();
    let expected = &row["resize_heap_by_structure"];
    if !expected.is_empty() {
        let found: Vec<&str> = growth.imports.iter().map(|import| import.name.as_str()).collect();
        assert_eq!(found, [expected.as_str()], "{id}: the import that asks for memory");
    }
    if number("grow_sites") > 0 && !growth.fixed {
        assert!(matches!(growth.who, Grower::Module | Grower::ModuleAndImport), "{id}: {growth:?}");
    }
}

#[test]
fn facts_and_conclusions_hold_together() {
    each_module(|row, facts, report| {
        facts_agree_with_the_table(row, facts, report);
        layout_is_ordered_and_without_gaps(row, report);
        nothing_with_imports_runs_bare(row, facts, report);
    });
}

fn layout_is_ordered_and_without_gaps(row: &Row, report: &Report) {
    let mut at = 0;
    for region in &report.memory.regions {
        assert_eq!(region.start, at, "{}: {region:?}", row["id"]);
        let Some(end) = region.end else { break };
        assert!(end > region.start, "{}: {region:?}", row["id"]);
        at = end;
    }
}

fn nothing_with_imports_runs_bare(row: &Row, facts: &Facts<'_>, report: &Report) {
    let bare = report.verdicts.iter().find(|verdict| verdict.host == "bare").unwrap();
    assert_eq!(bare.outcome == Outcome::No, !facts.imports.is_empty(), "{}: {bare:?}", row["id"]);
}
