//! The allocator fingerprints: compiled from source here, distilled into one small file that the inspector embeds.

mod calibrate;
mod compile;
mod distil;
mod recipe;

use anyhow::{Result, ensure};
use clap::Subcommand;

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
    /// Compile what is missing, distil the library, calibrate it and write knowledge/fingerprints.
    Build,
}

pub fn run(workspace: &Workspace, task: &FingerprintsTask) -> Result<()> {
    match task {
        FingerprintsTask::Compile { only } => compile_all(workspace, only.as_deref()),
        FingerprintsTask::Build => build(workspace),
    }
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
            Ok(path) => println!("{:8} {}", std::fs::metadata(&path)?.len(), build.name()),
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
        let path = compiler.path(&build);
        if !path.exists() { continue; }
        let class = build.recipe.allocator.clone().zip(build.recipe.profile.clone());
        let sample = Sample::read(build.name(), class, path)?;
        match build.split {
            Split::Train => train.push(sample),
            Split::HeldOut => held_out.push(sample),
        }
    }
    let library = distil::distil(&train);
    println!("{} samples, {} held out; {} profiles, {} grams, {} bytes", train.len(), held_out.len(), library.profiles.len(), library.grams.len(), library.encode().len());
    for (title, samples) in [("train", &train), ("held out", &held_out)] {
        println!("== {title}");
        for scored in calibrate::score(&library, samples)? {
            println!("{:44} own {:.3}  other {:?}", scored.sample.name, scored.own(), scored.best_other());
        }
    }
    std::fs::write(workspace.root().join("knowledge/fingerprints/library.bin"), library.encode())?;
    Ok(())
}
