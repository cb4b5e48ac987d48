//! Two workers against one, in Spark and in Ray: the recipes over the same modules, on as many cores as workers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use memgrove_results::bench::stats::Summary;
use serde::Deserialize;
use xshell::cmd;

use crate::python;
use crate::workspace::Workspace;

/// How many times as fast two workers must be, as the median of the pairs.
const AIM: f64 = 1.8;
/// Modules of the job that shows what every job costs.
const FEW: usize = 32;
const ENGINES: [&str; 2] = ["spark", "ray"];

#[derive(Args)]
pub struct WorkersArgs {
    /// How many modules, from `crates/memgrove-rows/examples/many.rs`.
    #[arg(long, default_value_t = 10_000)]
    modules: usize,
    /// How often one and two workers are measured, in turns.
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Only this engine.
    #[arg(long, value_parser = ENGINES)]
    engine: Option<String>,
}

/// Seconds of one process.
#[derive(Deserialize)]
struct Run {
    /// Until the first job had ended, in which everything was started.
    start: f64,
    /// Of a job over a few modules.
    fixed: f64,
    /// Of the job over all modules.
    whole: f64,
    rows: usize,
}

impl Run {
    /// Of inspecting the modules, without what a job of any size takes.
    fn work(&self) -> f64 {
        self.whole - self.fixed
    }
}

pub fn run(workspace: &Workspace, args: &WorkersArgs) -> Result<()> {
    ensure!(args.pairs > 0 && args.modules > FEW, "nothing to measure");
    if std::thread::available_parallelism()?.get() < 2 {
        bail!("two workers need two cores");
    }
    let place = tempfile::tempdir()?;
    let wheel = python::wheel(workspace)?;
    let (sh, python) = python::with_wheel(workspace, &wheel, &place.path().join("packages"))?;
    let (few, many) = folders(workspace, args.modules)?;
    let script = workspace.root().join("crates/memgrove-python/benches/workers.py");
    let mut too_slow = Vec::new();
    for engine in ENGINES {
        if args.engine.as_deref().is_some_and(|only| only != engine) {
            continue;
        }
        println!("{engine}: seconds over {} modules", args.modules);
        println!("  workers  start-up  a job of {FEW}  whole job");
        let recipe = workspace.root().join(format!("recipes/{engine}_rows.py"));
        let measure = |workers: usize| -> Result<Run> {
            let count = workers.to_string();
            let printed = cmd!(sh, "{python} {script} {engine} {recipe} {count} {few} {many}")
                .quiet()
                .ignore_stderr()
                .read()?;
            let last = printed.lines().last().context("it printed nothing")?;
            let run: Run = serde_json::from_str(last).with_context(|| printed.clone())?;
            ensure!(run.rows >= args.modules, "{} rows of {} modules", run.rows, args.modules);
            println!("  {workers:7}  {:8.1}  {:11.1}  {:9.1}", run.start, run.fixed, run.whole);
            Ok(run)
        };
        let mut ratios = Vec::new();
        for _ in 0..args.pairs {
            let (one, two) = (measure(1)?, measure(2)?);
            ratios.push((one.work() / two.work(), one.whole / two.whole));
        }
        let median = |of: fn(&(f64, f64)) -> f64| {
            Summary::of(ratios.iter().map(of)).map(|summary| summary.median).context("nothing was measured")
        };
        let (work, whole) = (median(|ratio| ratio.0)?, median(|ratio| ratio.1)?);
        println!(
            "  two workers: {work:.2} times as fast, {whole:.2} with what a job of {FEW} takes (median)"
        );
        if work < AIM {
            too_slow.push(format!("{engine}: {work:.2}"));
        }
    }
    ensure!(too_slow.is_empty(), "two workers are not {AIM} times as fast as one: {}", too_slow.join(", "));
    Ok(())
}

/// Folders of few and of many modules, made where they are not there.
fn folders(workspace: &Workspace, modules: usize) -> Result<(PathBuf, PathBuf)> {
    let place = workspace.out().join("workers");
    let (few, many) = (place.join("few"), place.join(modules.to_string()));
    if many.exists() {
        return Ok((few, many));
    }
    let sh = workspace.shell()?;
    let seeds = [workspace.out().join("corpus"), workspace.root().join("samples/prebuilt")];
    ensure!(seeds[0].is_dir(), "out/corpus is not there\nhint: cargo xtask corpus fetch");
    let count = modules.to_string();
    let lines = cmd!(sh, "cargo run --quiet --locked -p memgrove-rows --example many -- {count}")
        .args(seeds)
        .read()?;
    let modules: Vec<_> = lines.lines().map(module).collect::<Result<_>>()?;
    write(&few, &modules[..FEW])?;
    // It has its name only once it is whole.
    let unfinished = place.join("unfinished");
    sh.remove_path(&unfinished)?;
    write(&unfinished, &modules)?;
    Ok(fs::rename(unfinished, &many).map(|()| (few, many))?)
}

/// Name and bytes in a line of the list.
fn module(line: &str) -> Result<(String, Vec<u8>)> {
    let fields: BTreeMap<String, String> = serde_json::from_str(line)?;
    let field = |name: &str| fields.get(name).with_context(|| format!("a line without {name}"));
    Ok((format!("{}.wasm", field("name")?), STANDARD.decode(field("bytes")?)?))
}

fn write(folder: &Path, modules: &[(String, Vec<u8>)]) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (name, bytes) in modules {
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}
