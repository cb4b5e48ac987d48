//! `memgrove bench`: which allocator is best for this workload?

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use clap::Args;
use memgrove_lab::engine::{self, EngineId, Settings};
use memgrove_lab::guest::Role;
use memgrove_lab::measure::catalogue::Catalogue;
use memgrove_lab::measure::results::Results;
use memgrove_lab::measure::saved::{self, ResultsError};
use memgrove_lab::measure::{Event, MeasureError, Plan, Request, Save, Trace, run as measure};
use memgrove_text::{Text, escape_file_name};
use memgrove_view::Json;

use crate::exit::{Exit, UserError};
use crate::interrupt::RunFolder;
use crate::output::Output;
use crate::output_file::{self, Target};

const EXAMPLES: &str = "\
Examples:
  memgrove bench --quick                                   fuel, bytes and a first look at times
  memgrove bench --allocators ours,dlmalloc --report out.html
  memgrove bench --workloads larson,json --engine wasmtime,node --rounds 9
  memgrove bench --trace app.mgtr                          replay a recorded heap on every allocator
  memgrove bench --save run.json                           raw samples; repeat it to go on after an interruption
  memgrove bench --from run.json --report out.html         render, measure nothing";

/// Size in per cent of the standard that keeps a run of everything under five minutes on two cores.
const DEFAULT_SCALE_PERCENT: u32 = 25;

/// Of a quick run.
const QUICK_SCALE_PERCENT: u32 = 5;

/// The allocators of a quick run: most of its time goes into compiling guests.
const QUICK_ALLOCATORS: [&str; 6] = ["bump", "dlmalloc", "talc-wasm", "rlsf", "wee-alloc", "ours"];

/// Compare allocators side by side in WebAssembly
///
/// Every allocator is compiled into one guest module with every workload. What is exact is counted first:
/// executed instructions (fuel), calls, heap bytes. Wall times follow in rounds, cold and warm, with the base
/// measured a second time as a control that shows the noise. An allocator that corrupts, leaks, runs out of memory or
/// collapses is shown as a failure with the reason.
#[derive(Debug, Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", crate::exit::HELP))]
pub(crate) struct BenchArgs {
    /// Allocators by name, or `ours`, `peers`, `all`
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    allocators: Vec<String>,

    /// Workloads by name
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    workloads: Vec<String>,

    /// Engines for wall times: wasmtime, wasmi, node, wasmtime-py (PyPI's, newer) [default: wasmtime, and node and
    /// wasmtime-py if installed]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    engine: Vec<EngineId>,

    /// Measure your own guest module (interface: guests/README.md)
    #[arg(long, value_name = "FILE")]
    guest: Vec<PathBuf>,

    /// Replay a recorded trace; without `--workloads`, traces only
    #[arg(long, value_name = "FILE")]
    trace: Vec<PathBuf>,

    /// Size of the workloads, in per cent of the standard size [default: 25, quick: 5]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    scale: Option<u32>,

    /// Seed of the workloads' random numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u32,

    /// Rounds of wall times; 0 counts only [default: 5, quick: 3]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,

    /// Rounds of the same work in one instance: what a heap holds after 1, 2, 20 and N of them, and whether it
    /// still grows
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100_000))]
    repeat: u32,

    /// Numbers of threads [default: 1,2; quick: none]
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: Vec<u32>,

    /// Small workloads, our allocators and the best known, wasmtime only: under half a minute
    #[arg(long)]
    quick: bool,

    /// Save raw samples after every measurement, and resume from FILE if it exists
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    /// Measure nothing; render a saved run
    #[arg(long, value_name = "FILE", conflicts_with_all = ["save", "quick", "allocators", "workloads", "guest", "trace"])]
    from: Option<PathBuf>,

    /// Write a self-contained HTML report with charts
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Write the tables as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,

    /// With --markdown: also write SVG charts to a folder named like the Markdown file, and link them
    #[arg(long, requires = "markdown")]
    plots: bool,

    /// Print the raw samples as JSON instead of tables
    #[arg(long)]
    json: bool,

    /// List allocators and workloads, and exit
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(args: &BenchArgs, out: &mut Output) -> Result<Exit> {
    if args.list {
        return list(&Catalogue::embedded()?, out);
    }
    // What engines leave in the folder for temporary files goes with it.
    let _folder = RunFolder::new();
    let targets = Targets::new(args)?;
    let results = match &args.from {
        Some(path) => saved::read(path)?,
        None => measured(args, targets.save.as_ref(), out)?,
    };
    if let Some(target) = &targets.report {
        target.write(memgrove_view::bench::html(&results).as_bytes())?;
        out.note(format!("report: {}", target.name()));
    }
    if let (Some(target), Some(path)) = (&targets.markdown, &args.markdown) {
        let source = args.from.as_ref().or(args.save.as_ref()).and_then(|path| path.file_name());
        let source = source.map_or_else(|| "a run".into(), |name| name.to_string_lossy());
        let folder = path.with_extension("");
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let plots = if args.plots { memgrove_view::bench::plots(&results) } else { Vec::new() };
        let page = memgrove_view::bench::markdown(&results, &source, &name, &plots);
        if args.plots {
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("creating {}", escape_file_name(folder.as_os_str())))?;
        }
        let pictures: Vec<_> = plots
            .iter()
            .map(|plot| Target::new(&folder.join(&plot.file), "a chart of --plots"))
            .collect::<Result<_>>()?;
        targets.refuse_clashes(args, &pictures)?;
        for (picture, plot) in pictures.iter().zip(&plots) {
            picture.write(plot.svg.as_bytes())?;
        }
        // Last, so that it never shows pictures that are not there.
        target.write(page.as_bytes())?;
    }
    if args.json {
        out.json(&Json::pretty(&results)?.then(&Json::frame("\n")))?;
    } else {
        out.print(memgrove_view::bench::text(&results))?;
    }
    Ok(Exit::Done)
}

/// Where files go, refused before anything is measured where that is impossible.
struct Targets {
    save: Option<Target>,
    report: Option<Target>,
    markdown: Option<Target>,
}

impl Targets {
    fn new(args: &BenchArgs) -> Result<Self> {
        let target =
            |path: &Option<PathBuf>, what| path.as_deref().map(|path| Target::new(path, what)).transpose();
        let targets = Self {
            save: target(&args.save, "--save")?,
            report: target(&args.report, "--report")?,
            markdown: target(&args.markdown, "--markdown")?,
        };
        if targets.save.as_ref().is_some_and(|save| !save.is_file()) {
            return Err(UserError::usage("--save is a device or a pipe, which cannot be read again")
                .hint("give the name of a file")
                .into());
        }
        if args.plots && args.markdown.as_ref().is_some_and(|path| path.with_extension("") == *path) {
            return Err(UserError::usage(
                "--markdown has no extension, so the folder for --plots has its name",
            )
            .hint("give a name that ends in .md")
            .into());
        }
        targets.refuse_clashes(args, &[])?;
        Ok(targets)
    }

    /// No target, `pictures` included, may be another one or an input.
    fn refuse_clashes(&self, args: &BenchArgs, pictures: &[Target]) -> Result<()> {
        let named = [(&self.save, "--save"), (&self.report, "--report"), (&self.markdown, "--markdown")];
        let named = named.into_iter().filter_map(|(target, what)| Some((target.as_ref()?, what)));
        let all: Vec<_> =
            named.chain(pictures.iter().map(|picture| (picture, "a chart of --plots"))).collect();
        let inputs = args.from.iter().chain(&args.guest).chain(&args.trace);
        output_file::refuse_clashes(&all, inputs.map(PathBuf::as_path))
    }
}

fn measured(args: &BenchArgs, save: Option<&Target>, out: &mut Output) -> Result<Results> {
    let mut catalogue = Catalogue::embedded()?;
    let mut allocators = match (args.allocators.as_slice(), args.quick) {
        ([], true) => QUICK_ALLOCATORS.map(str::to_owned).to_vec(),
        (named, _) => named.to_vec(),
    };
    for path in &args.guest {
        let name = catalogue.add_file(path).map_err(MeasureError::from)?;
        if !allocators.is_empty() {
            allocators.push(name); // who names a file wants it measured
        }
    }
    let traces = args.trace.iter().map(|path| Trace::read(path)).collect::<Result<Vec<_>, _>>()?;
    let request = Request {
        allocators,
        workloads: args.workloads.clone(),
        engines: engines(args, out),
        traces,
        scale_percent: args.scale.unwrap_or(if args.quick {
            QUICK_SCALE_PERCENT
        } else {
            DEFAULT_SCALE_PERCENT
        }),
        seed: args.seed,
        rounds: args.rounds.unwrap_or(if args.quick { 3 } else { 5 }),
        repeats: args.repeat,
        calls: !args.quick,
        threads: match (args.threads.as_slice(), args.quick) {
            ([], true) => Vec::new(),
            ([], false) => vec![1, 2],
            (threads, _) => threads.to_vec(),
        },
        commit: std::env::var("MEMGROVE_COMMIT").ok(),
    };
    let plan = Plan::new(&catalogue, &request)?;
    let mut results = match &args.save {
        Some(path) => saved::resume(path, plan.setting.clone()).map_err(MeasureError::from)?,
        None => Results::new(plan.setting.clone()),
    };
    let bar = out.progress(plan.works.len().max(2) as u64, "measuring");
    let told = Mutex::new(&mut *out);
    let tell = |event: Event<'_>| {
        let mut out = told.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Phase { name, steps } => {
                bar.restart(steps as u64);
                bar.message(name);
                if bar.is_hidden() {
                    out.note(format!("{name} ({steps} steps)"));
                }
            }
            Event::Step => bar.step(),
            Event::Failed { allocator, workload, failure } => {
                out.note(format!("FAIL {allocator}, {workload}: {failure}"));
            }
            Event::Warning(words) => out.warning(words),
        }
    };
    let keep = |results: &Results| match save {
        Some(target) => target
            .put(results.to_json().as_bytes())
            .map_err(|error| ResultsError::File { path: PathBuf::from(target.name()), error }),
        None => Ok(()),
    };
    let outcome = measure(&plan, &catalogue, &mut results, save.map(|_| &keep as Save<'_>), &tell);
    out.progress_done();
    match outcome {
        Ok(()) => Ok(results),
        Err(error) => {
            // What was measured until then is shown all the same.
            if !results.counts.is_empty() {
                let mut text = memgrove_view::bench::text(&results);
                text.gap();
                out.print(text)?;
            }
            Err(error.into())
        }
    }
}

/// The engines asked for; without a wish, those of the default that are there.
fn engines(args: &BenchArgs, out: &mut Output) -> Vec<EngineId> {
    if !args.engine.is_empty() {
        return args.engine.clone();
    }
    if args.quick || args.rounds == Some(0) {
        return vec![EngineId::Wasmtime];
    }
    let mut engines = vec![EngineId::Wasmtime];
    for id in [EngineId::Node, EngineId::WasmtimePy] {
        match engine::open(id, &Settings::default()) {
            Ok(_) => engines.push(id),
            Err(error) => out.note(format!("skipped: {error}; {}", id.install())),
        }
    }
    engines
}

fn list(catalogue: &Catalogue, out: &mut Output) -> Result<Exit> {
    let width = |names: Vec<&str>| names.into_iter().map(str::len).max().unwrap_or(0);
    let guests = &catalogue.manifest.guests;
    let wide = width(guests.iter().map(|guest| guest.allocator.as_str()).collect());
    let mut text = Text::from("Allocators:");
    for guest in guests {
        let role = match guest.role {
            Role::Floor => "the floor",
            Role::Peer => "peer",
            Role::Ours => "ours",
            Role::Hardened => "ours, with traps at misuse",
        };
        text.line(format!("  {:wide$}  {} {}, {role}", guest.allocator, guest.title, guest.version));
    }
    let workloads = &catalogue.manifest.workloads;
    let wide = width(workloads.iter().map(|info| info.id.as_str()).collect());
    text.gap();
    text.line("Workloads:");
    for info in workloads {
        text.line(format!("  {:wide$}  {} ({})", info.id, info.title, info.source));
    }
    out.print(text)?;
    Ok(Exit::Done)
}
