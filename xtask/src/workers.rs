//! Two workers against one, in Spark and in Ray: the recipes over the same modules, on as many cores as workers.

pub mod page;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use memgrove_results::bench::stats::Summary;
use serde::{Deserialize, Serialize};
use xshell::{Shell, cmd};

use crate::python;
use crate::workspace::Workspace;

/// How many times as fast two workers must be, as the median of the pairs.
const AIM: f64 = 1.8;
/// Modules of the job that shows what every job costs.
const FEW: usize = 32;
/// Id of its recipe, name, and the Python package with its version.
const ENGINES: [(&str, &str, &str); 2] = [("spark", "Spark", "pyspark"), ("ray", "Ray", "ray")];
/// Share of all cores up to which other processes may be taken for nothing.
const QUIET: f64 = 0.1;
/// How long others are watched before each run.
const WATCHED: Duration = Duration::from_secs(2);

#[derive(Args)]
pub struct WorkersArgs {
    /// How many modules, from `crates/memgrove-rows/examples/many.rs`.
    #[arg(long, default_value_t = 10_000)]
    modules: usize,
    /// How often one and two workers are measured, in turns.
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Only this engine.
    #[arg(long, value_parser = ["spark", "ray"])]
    engine: Option<String>,
    /// Write the figures to results/workers.json and into docs/rows.md, also when they miss the aim.
    #[arg(long, conflicts_with = "engine")]
    save: bool,
}

/// What was measured, and where.
#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    /// When, as a date.
    date: String,
    /// Model of the processor.
    cpu: String,
    /// Number of cores; two are used.
    cores: usize,
    /// Number of modules.
    modules: usize,
    /// Their bytes together.
    module_bytes: u64,
    /// Modules of the small job.
    few: usize,
    engines: Vec<Engine>,
}

/// An engine's runs.
#[derive(Debug, Serialize, Deserialize)]
struct Engine {
    /// Name and version.
    name: String,
    /// Of one and of two workers, in turns.
    pairs: Vec<Pair>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Pair {
    one: Run,
    two: Run,
}

impl Measured {
    /// The largest share that others took just before a run, where the system tells.
    fn others(&self) -> Option<f64> {
        let pairs = self.engines.iter().flat_map(|engine| &engine.pairs);
        let shares: Option<Vec<_>> = pairs.flat_map(|pair| [pair.one.others, pair.two.others]).collect();
        shares.map(|shares| shares.into_iter().fold(0.0, f64::max))
    }
}

/// One process: the engine, started, and three jobs.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    /// Share of all cores that other processes took just before, where the system tells.
    others: Option<f64>,
    /// Seconds until the first job had ended, in which everything was started.
    start: f64,
    /// Seconds of a job over a few modules.
    fixed: f64,
    /// Seconds of the job over all modules.
    whole: f64,
    /// Rows of that job.
    rows: usize,
}

impl Run {
    /// Seconds of inspecting the modules, without what a job of any size takes.
    fn work(&self) -> f64 {
        self.whole - self.fixed
    }
}

impl Engine {
    /// How many times as fast two workers are, by the median of the pairs: at the work, and at the whole job.
    fn speedups(&self) -> Result<(Summary, Summary)> {
        let of = |seconds: fn(&Run) -> f64| {
            let ratios = self.pairs.iter().map(|pair| seconds(&pair.one) / seconds(&pair.two));
            Summary::of(ratios).with_context(|| format!("{}: nothing was measured", self.name))
        };
        Ok((of(Run::work)?, of(|run| run.whole)?))
    }
}

pub fn run(workspace: &Workspace, args: &WorkersArgs) -> Result<()> {
    ensure!(args.pairs > 0 && args.modules > FEW, "nothing to measure");
    let cores = std::thread::available_parallelism()?.get();
    if cores < 2 {
        bail!("two workers need two cores");
    }
    let place = tempfile::tempdir()?;
    let wheel = python::wheel(workspace)?;
    let (sh, python) = python::with_wheel(workspace, &wheel, &place.path().join("packages"))?;
    let (few, many) = folders(workspace, args.modules)?;
    let script = workspace.root().join("crates/memgrove-python/benches/workers.py");
    let mut measured = Measured {
        date: cmd!(sh, "date +%F").quiet().read()?,
        cpu: cpu(),
        cores,
        modules: args.modules,
        module_bytes: bytes_in(&many)?,
        few: FEW,
        engines: Vec::new(),
    };
    for (id, name, package) in ENGINES {
        if args.engine.as_deref().is_some_and(|only| only != id) {
            continue;
        }
        let mut engine =
            Engine { name: format!("{name} {}", version(&sh, &python, package)?), pairs: Vec::new() };
        println!("{}: seconds over {} modules", engine.name, args.modules);
        println!("  workers  others before  start-up  a job of {FEW}  whole job");
        let recipe = workspace.root().join(format!("recipes/{id}_rows.py"));
        let measure = |workers: usize| -> Result<Run> {
            let others = others();
            let count = workers.to_string();
            let printed = cmd!(sh, "{python} {script} {id} {recipe} {count} {few} {many}")
                .quiet()
                .ignore_stderr()
                .read()?;
            // Ray may warn behind it.
            let seconds = printed.lines().rfind(|line| line.starts_with('{'));
            let seconds = seconds.with_context(|| format!("it printed no seconds: {printed}"))?;
            let run = Run { others, ..serde_json::from_str(seconds).with_context(|| printed.clone())? };
            ensure!(run.rows >= args.modules, "{} rows of {} modules", run.rows, args.modules);
            let others =
                others.map_or_else(|| "unknown".to_owned(), |share| format!("{:.0} %", share * 100.0));
            println!("  {workers:7}  {others:>13}  {:8.1}  {:11.1}  {:9.1}", run.start, run.fixed, run.whole);
            Ok(run)
        };
        for _ in 0..args.pairs {
            engine.pairs.push(Pair { one: measure(1)?, two: measure(2)? });
        }
        let (work, whole) = engine.speedups()?;
        println!(
            "  two workers: {:.2} times as fast, {:.2} with what a job of {FEW} takes (median)",
            work.median, whole.median
        );
        measured.engines.push(engine);
    }
    if args.save {
        page::save(workspace, &measured)?;
    }
    if let Some(others) = measured.others().filter(|others| *others > QUIET) {
        println!(
            "other processes took up to {:.0} % of the machine: measure again when it is quiet",
            others * 100.0
        );
    }
    let mut too_slow = Vec::new();
    for engine in &measured.engines {
        let (work, _) = engine.speedups()?;
        if work.median < AIM {
            too_slow.push(format!("{}: {:.2}", engine.name, work.median));
        }
    }
    ensure!(too_slow.is_empty(), "two workers are not {AIM} times as fast as one: {}", too_slow.join(", "));
    Ok(())
}

/// The version of a Python package that is installed.
fn version(sh: &Shell, python: &Path, package: &str) -> Result<String> {
    let program = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))";
    Ok(cmd!(sh, "{python} -c {program} {package}").quiet().read()?)
}

/// The processor's model, where the system tells.
fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "unknown processor".to_owned(), |(_, model)| model.to_owned())
}

/// Share of all cores that is taken while this process only waits, where the system tells.
fn others() -> Option<f64> {
    let before = ticks(&fs::read_to_string("/proc/stat").ok()?)?;
    std::thread::sleep(WATCHED);
    let after = ticks(&fs::read_to_string("/proc/stat").ok()?)?;
    let (idle, all) = (after.0.checked_sub(before.0)?, after.1.checked_sub(before.1)?);
    #[expect(clippy::cast_precision_loss, reason = "ticks of two seconds")]
    (all > 0).then(|| 1.0 - idle as f64 / all as f64)
}

/// Idle ticks of all cores since the start, and all ticks, of Linux's `/proc/stat`.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let all = stat.lines().next()?.strip_prefix("cpu ")?;
    // user, nice, system, idle, waiting for a disk, interrupts, soft ones, taken by other machines; guests are in the first two.
    let ticks: Vec<u64> = all.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    Some((ticks.get(3)? + ticks.get(4)?, ticks.iter().sum()))
}

/// Bytes of a folder's files.
fn bytes_in(folder: &Path) -> Result<u64> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_what_is_not_idle() {
        let stat = "cpu  10 20 30 400 50 1 2 7 9 9\ncpu0 1 2 3 4\n";
        assert_eq!(ticks(stat), Some((450, 520)));
        for stat in ["", "intr 1 2", "cpu 1 2", "cpu  1 2 3 x 5"] {
            assert_eq!(ticks(stat), None, "{stat:?}");
        }
    }
}
