//! The facts of real modules, compared with the corpus table. Run where `cargo xtask corpus` has fetched the
//! modules into `out/corpus`; skipped (and said so) elsewhere.

use memgrove_inspect::facts::SiteKind;
use memgrove_inspect::{conclude, facts};

fn modules() -> Vec<(String, Vec<u8>)> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../out/corpus");
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut modules: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|ext| ext == "wasm"))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect();
    modules.sort();
    modules
}

#[test]
fn prints() {
    for (name, bytes) in modules() {
        let facts = facts(&bytes).unwrap();
        let report = conclude(&facts);
        let grow = facts.sites.iter().filter(|s| matches!(s.kind, SiteKind::Grow { .. })).count();
        let size = facts.sites.iter().filter(|s| matches!(s.kind, SiteKind::Size { .. })).count();
        println!(
            "{name} grow {grow} size {size} imports {} funcs {} edges {} {:?}",
            facts.imports.len(),
            facts.func_count(),
            facts.call_graph.edge_count(),
            report.proposals.iter().map(|p| p.proposal.id()).collect::<Vec<_>>()
        );
    }
}
