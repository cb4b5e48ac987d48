//! The corpus: real modules of known origin, listed in knowledge/corpus/modules.csv, fetched through npm into
//! out/corpus and never committed; and how often the inspector is right about them.

mod confusion;
mod fetch;
pub mod page;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde::Deserialize;

use crate::workspace::Workspace;

#[derive(Subcommand)]
pub enum CorpusTask {
    /// Download what is missing through npm (no install script is run) and verify every checksum.
    Fetch,
    /// Print how often toolchain and allocator are right; fail below the thresholds.
    Confusion {
        /// Another folder with a `modules.csv` of the same columns and the modules beside it.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Also print the evidence of every wrong or unknown answer.
        #[arg(long)]
        verbose: bool,
    },
}

pub fn run(workspace: &Workspace, task: &CorpusTask) -> Result<()> {
    match task {
        CorpusTask::Fetch => fetch::run(workspace),
        CorpusTask::Confusion { dir, verbose } => confusion::run(workspace, dir.as_deref(), *verbose),
    }
}

/// A module of the corpus, and what it is known to be.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    /// The start of the checksum; the file is out/corpus/ID.wasm.
    pub id: String,
    /// Package and version.
    pub npm: String,
    /// Path inside the package.
    pub path: String,
    /// 1: the module is inlined in a script at that path.
    pub inline: u8,
    /// Checksum of the module.
    pub sha256: String,
    /// Its size.
    #[expect(dead_code, reason = "for readers of the table; the checksum says more")]
    pub size_bytes: u64,
    /// Family in knowledge/toolchains; several where the source leaves it open.
    pub toolchain: String,
    /// Variant of it, where known.
    pub variant: String,
    /// Id in knowledge/allocators; `custom` where it is one that nobody else has.
    pub allocator: String,
}

impl Entry {
    /// Whether an answer is one of the expected ones.
    pub fn expects(expected: &str, answer: &str) -> bool {
        expected.split('|').any(|one| one == answer || (one == "custom" && answer == "unknown"))
    }
}

/// Reads the list in a folder.
pub fn entries(dir: &std::path::Path) -> Result<Vec<Entry>> {
    let path = dir.join("modules.csv");
    let mut reader = csv::Reader::from_path(&path).with_context(|| path.display().to_string())?;
    let entries: Vec<Entry> = reader.deserialize().collect::<Result<_, _>>()?;
    let ids: BTreeSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    anyhow::ensure!(ids.len() == entries.len(), "{}: an id occurs twice", path.display());
    Ok(entries)
}

/// The corpus's own list.
pub fn listed(workspace: &Workspace) -> Result<Vec<Entry>> {
    entries(&workspace.root().join("knowledge/corpus"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inspector_is_right_about_the_corpus() {
        let workspace = Workspace::find().unwrap();
        if !workspace.out().join("corpus").is_dir() {
            println!("no out/corpus here: run `cargo xtask corpus fetch` first");
            return;
        }
        confusion::run(&workspace, None, false).unwrap();
    }

    #[test]
    fn every_label_is_one_that_the_inspector_can_give() {
        let workspace = Workspace::find().unwrap();
        let known = |folder: &str, key: &str| -> BTreeSet<String> {
            let files = std::fs::read_dir(workspace.root().join("knowledge").join(folder)).unwrap();
            let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
            let texts: Vec<String> = texts.collect();
            let lines = texts.iter().flat_map(|text| text.lines());
            lines.filter_map(|line| line.strip_prefix(key)?.split('\'').nth(1)).map(str::to_owned).collect()
        };
        let (families, ids) = (known("toolchains", "family = "), known("allocators", "id = "));
        for entry in listed(&workspace).unwrap() {
            for family in entry.toolchain.split('|') {
                assert!(families.contains(family), "{}: {family}", entry.npm);
            }
            for id in entry.allocator.split('|') {
                assert!(ids.contains(id), "{}: {id}", entry.npm);
            }
        }
    }
}
