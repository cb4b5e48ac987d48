//! `manifest.json`: how each module beside it was made, and what it is.

use std::io;
use std::path::{Path, PathBuf};

use memgrove_text::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ModuleFacts;
use crate::toolchain::{Built, Contract, Optimised, Program, Recipe};

/// The name of the file.
pub const MANIFEST_FILE: &str = "manifest.json";

/// The modules of one folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Sorted by id.
    pub modules: Vec<Entry>,
}

/// One module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The recipe's id; the module is `<id>.wasm`.
    pub id: String,
    /// The sources' language and shape.
    pub program: Program,
    /// Id of the toolchain.
    pub toolchain: String,
    /// What the toolchain was asked to make.
    pub variant: String,
    /// The allocator linked in.
    pub allocator: String,
    /// The host it is made for.
    pub made_for: Contract,
    /// The tools and their versions.
    pub tools: Vec<String>,
    /// The commands, run in the folder of the samples.
    pub commands: Vec<String>,
    /// The files whose change makes the module stale.
    pub sources: Vec<String>,
    /// Of those files' names and contents.
    pub sources_sha256: String,
    /// Of the module.
    pub sha256: String,
    /// Size of the module.
    pub size_bytes: u64,
    /// Size after `wasm-opt`.
    pub optimised_bytes: Option<u64>,
    /// Version and options of that `wasm-opt`.
    pub optimiser: Option<String>,
    /// What the inspector says of the module.
    pub facts: ModuleFacts,
}

impl Entry {
    /// The record of a module just built from the samples.
    ///
    /// # Errors
    /// When the sources cannot be read.
    pub fn new(
        recipe: &Recipe,
        built: &Built,
        optimised: Option<&Optimised>,
        facts: ModuleFacts,
        samples: &Path,
    ) -> io::Result<Self> {
        let sources = source_files(samples, recipe)?;
        Ok(Self {
            id: recipe.id.into(),
            program: recipe.program,
            toolchain: recipe.toolchain.into(),
            variant: recipe.variant.into(),
            allocator: recipe.allocator.into(),
            made_for: recipe.contract,
            tools: built.tools.clone(),
            commands: built.commands.clone(),
            sources_sha256: hash_sources(samples, &sources)?,
            sources,
            sha256: hex(&Sha256::digest(&built.wasm)),
            size_bytes: built.wasm.len() as u64,
            optimised_bytes: optimised.map(|optimised| optimised.wasm.len() as u64),
            optimiser: optimised.map(|optimised| optimised.how.clone()),
            facts,
        })
    }
}

impl Entry {
    /// Whether `wasm` is the module that was recorded.
    pub fn is_of(&self, wasm: &[u8]) -> bool {
        self.size_bytes == wasm.len() as u64 && self.sha256 == hex(&Sha256::digest(wasm))
    }
}

impl Manifest {
    /// The entry of the recipe called `id`.
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.modules.iter().find(|entry| entry.id == id)
    }

    /// Puts `entry` in the place of one with its id, or where it belongs.
    pub fn put(&mut self, entry: Entry) {
        match self.modules.binary_search_by(|other| other.id.cmp(&entry.id)) {
            Ok(at) => self.modules[at] = entry,
            Err(at) => self.modules.insert(at, entry),
        }
    }
}

/// The files behind a recipe, relative to the samples, with `/` between folders, sorted.
///
/// # Errors
/// When a folder cannot be read.
pub fn source_files(samples: &Path, recipe: &Recipe) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for source in recipe.sources() {
        collect(&samples.join(source), &mut files)?;
    }
    let mut names: Vec<String> = files
        .iter()
        .filter_map(|file| file.strip_prefix(samples).ok())
        .map(|file| {
            file.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
        })
        .filter(|name| !name.ends_with(".md"))
        .collect();
    names.sort();
    Ok(names)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_name() != "target" {
                collect(&entry.path(), files)?;
            }
        }
        Ok(())
    } else if path.is_file() {
        files.push(path.to_owned());
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::NotFound, format!("{} is missing", path.display())))
    }
}

/// One hash over the names and contents of `files`; line ends count as `\n` on every system.
///
/// # Errors
/// When a file cannot be read.
pub fn hash_sources(samples: &Path, files: &[String]) -> io::Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        let text = std::fs::read_to_string(samples.join(file))?.replace("\r\n", "\n");
        hash.update(format!("{file}\0{}\0", text.len()));
        hash.update(text);
    }
    Ok(hex(&hash.finalize()))
}
