//! The allocator fingerprints: compiled from source here, distilled into one small file that the inspector embeds.

mod calibrate;
mod compile;
mod distil;
mod recipe;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use memgrove_inspect::fingerprint::Library;

use crate::workspace::Workspace;
use compile::Compiler;
use distil::Sample;
use recipe::Split;

#[derive(Subcommand)]
pub enum FingerprintsTask {
    /// Only compile the recipes' modules into out/fingerprints.
    Compile {
        /// Only recipes whose id contains this.
        #[arg(long)]
        only: Option<String>,
    },
    /// Compile what is missing, distil the library, write it and show how it does on the builds held out.
    Build,
    /// Check that the library that is there can be read, is in its canonical form and knows what the recipes name.
    Read,
    /// Show how the library that is there does on the builds held out, as far as they can be compiled here.
    Check,
}

pub fn run(workspace: &Workspace, task: &FingerprintsTask) -> Result<()> {
    match task {
        FingerprintsTask::Compile { only } => compile_all(workspace, only.as_deref()),
        FingerprintsTask::Build => build(workspace),
        FingerprintsTask::Read => read(workspace).map(drop),
        FingerprintsTask::Check => check(workspace),
    }
}

fn library_path(workspace: &Workspace) -> PathBuf {
    workspace.root().join("knowledge/fingerprints/library.bin")
}

fn recipes(workspace: &Workspace) -> Result<Vec<recipe::Recipe>> {
    recipe::read(&workspace.root().join("xtask/fingerprints/recipes.toml"))
}

fn compile_all(workspace: &Workspace, only: Option<&str>) -> Result<()> {
    let recipes = recipes(workspace)?;
    let compiler = Compiler::new(workspace)?;
    let mut failed = 0;
    for build in recipe::builds(&recipes) {
        if only.is_some_and(|only| !build.recipe.id.contains(only)) {
            continue;
        }
        match compiler.make(&build) {
            Ok(path) => println!("{:8} {}", fs::metadata(&path)?.len(), build.name()),
            Err(error) => {
                failed += 1;
                println!("  FAILED {error:#}");
            }
        }
    }
    ensure!(failed == 0, "{failed} builds failed");
    Ok(())
}

fn build(workspace: &Workspace) -> Result<()> {
    let recipes = recipes(workspace)?;
    let compiler = Compiler::new(workspace)?;
    let (mut train, mut held_out) = (Vec::new(), Vec::new());
    for build in recipe::builds(&recipes) {
        // A missing toolchain must not make another library: every build counts.
        let path = compiler.make(&build)?;
        let sample = Sample::read(&build, path)?;
        match build.split {
            Split::Train => train.push(sample),
            Split::HeldOut => held_out.push(sample),
        }
    }
    let library = distil::distil(&train);
    let file = library.encode();
    println!(
        "{} builds, {} more held out: {} profiles, {} grams, {} bytes",
        train.len(),
        held_out.len(),
        library.profiles.len(),
        library.grams.len(),
        file.len()
    );
    calibrate::report(&calibrate::score(&library, &held_out)?)?;
    fs::write(library_path(workspace), file)?;
    println!("written to knowledge/fingerprints; now: cargo xtask fingerprints check");
    Ok(())
}

/// Reads the library and compares it with the recipes, without compiling anything.
fn read(workspace: &Workspace) -> Result<Library> {
    let file = fs::read(library_path(workspace))?;
    let library = Library::decode(&file)
        .context("made for another version of shapes: cargo xtask fingerprints build")?;
    ensure!(library.encode() == file, "the file is not in its canonical form");
    let wanted: BTreeSet<String> =
        recipes(workspace)?.into_iter().filter_map(|recipe| recipe.allocator).collect();
    let known: BTreeSet<String> = library.profiles.iter().map(|profile| profile.allocator.clone()).collect();
    ensure!(
        wanted == known,
        "the recipes name {wanted:?}, the library knows {known:?}\nhint: cargo xtask fingerprints build"
    );
    println!("fingerprints: {} profiles, {} bytes", library.profiles.len(), file.len());
    Ok(library)
}

fn check(workspace: &Workspace) -> Result<()> {
    let library = read(workspace)?;
    let recipes = recipes(workspace)?;
    let compiler = Compiler::new(workspace)?;
    let mut held_out = Vec::new();
    for build in recipe::builds(&recipes).iter().filter(|build| build.split == Split::HeldOut) {
        match compiler.make(build) {
            Ok(path) => held_out.push(Sample::read(build, path)?),
            Err(error) => println!("left out: {error:#}"),
        }
    }
    calibrate::report(&calibrate::score(&library, &held_out)?)?;
    calibrate::answers(&held_out)
}
