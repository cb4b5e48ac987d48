//! `memgrove trace`: a module that records what its heap does, and what such a recording says.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use memgrove_api::trace::{Request, instrument, role_names};
use memgrove_inspect::Facts;
use memgrove_rewrite::trace::{EXPORT, Traced};
use memgrove_text::escape_file_name;
use memgrove_view::{bytes, count};

use super::trace_map;
use super::trace_read::{self, Original, ReadArgs};
use super::trace_run::{self, RunArgs};
use crate::exit::{self, Exit, UserError};
use crate::input;
use crate::output::Output;
use crate::output_file::{self, Target};
use memgrove_api::size;

const LONG_ABOUT: &str = "\
Record what a module's heap does, without rebuilding it, and read the recording

Without -o, the module is run: a command with the arguments behind `--`, this process's streams and the folders of --dir, or \
a function of a library with --invoke. Then a report says what its heap did; --html, --dhat and other options write it in other formats.

With -o, the module is instrumented: the same imports and exports, and one more, the memory `memgrove_profile`, in which \
each call of the allocator is noted with its size, its block and the stack of calls that led to it. These functions are \
those that `memgrove inspect -v` lists, or those named with --alloc. It needs an engine with several memories, unless --one-memory \
is given: then `memgrove_profile` is the module's own memory, and `memgrove_profile_place` a function that returns where in it.

With --profile, a recording is read: the most memory that was live and who held it, what was live at the end, and who \
asks most often. FILE is then the original module, which has the names. A recording is what the function \
`readProfile` of profile.mjs (crates/memgrove-profile) makes of that memory; a copy of the whole memory will do, too.";

const EXAMPLES: &str = "\
Examples:
  memgrove trace app.wasm --dir . --html heap.html -- input.txt
  memgrove trace library.wasm --invoke work 1000
  memgrove trace app.wasm -o traced.wasm
  memgrove trace app.wasm -o traced.wasm --alloc 244=malloc,1827=free
  memgrove trace app.wasm -o traced.wasm --one-memory --max-log 32MiB
  memgrove trace app.wasm -o traced.wasm --map app.map && memgrove trace app.wasm --map app.map --resolve stack.txt
  memgrove trace app.wasm --profile app.mgpr
  memgrove trace app.wasm --profile app.mgpr --pprof app.pb.gz --dhat dhat.json
  memgrove trace app.wasm --diff first.mgpr second.mgpr";

/// Record what a module's heap does, without rebuilding it
#[derive(Clone, Debug, Args)]
#[command(long_about = LONG_ABOUT, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct TraceArgs {
    /// The module; `-` is standard input
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// Where to write the instrumented module
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    #[arg(long, value_name = "FUNC=ROLE", value_delimiter = ',', help = ALLOC_HELP, long_help = alloc_help(&role_names()))]
    alloc: Vec<String>,

    /// Record sizes and blocks only, without the stacks of calls
    #[arg(long, conflicts_with = "profile")]
    no_stacks: bool,

    /// Record stacks of functions only, not by which of its calls a function called another
    #[arg(long, conflicts_with_all = ["profile", "no_stacks"])]
    no_call_sites: bool,

    /// Record some blocks only: one in so many bytes asked for, such as 512KiB; each figure is then an estimate
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "profile")]
    sample: Option<u64>,

    /// Seed of --sample; the same seed gives the same blocks
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "sample")]
    seed: u64,

    /// The most memory that the recording may take; the log ends there, counts go on [default: 1GiB; with --one-memory 8MiB]
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "profile")]
    max_log: Option<u64>,

    /// Record into a block of the module's own allocator, for engines that know one memory only
    #[arg(long, conflicts_with = "profile")]
    one_memory: bool,

    /// Several instances have one memory: number their events, so that their recordings are read together. Always done for a
    /// shared memory
    #[arg(long, conflicts_with_all = ["profile", "one_memory", "sample"])]
    instances: bool,

    /// With -o: write where functions and instructions of FILE are in OUT. With --resolve: read it
    #[arg(long, value_name = "MAP", conflicts_with_all = ["profile", "diff"])]
    map: Option<PathBuf>,

    /// Print this text, an engine's stack of the instrumented module, with places and names of FILE; `-` is standard input
    #[arg(long, value_name = "STACK", requires = "map", conflicts_with_all = ["output", "profile", "diff"])]
    resolve: Option<PathBuf>,

    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    read: ReadArgs,

    /// Refuse files with more bytes than this, also after unpacking
    #[arg(long, value_name = "BYTES", default_value_t = memgrove_open::DEFAULT_MAX_BYTES)]
    max_size: u64,
}

pub(super) const ALLOC_HELP: &str =
    "A function of the allocator, by index or name, and what it does; several with commas";

pub(super) fn alloc_help(roles: &str) -> String {
    format!(
        "{ALLOC_HELP}\n\nFUNC is an index, the name of an export, or one of the name section. ROLE is one of {roles}."
    )
}

pub(crate) fn run(args: &TraceArgs, out: &mut Output) -> Result<Exit> {
    let name = escape_file_name(args.path.as_os_str());
    let wasm = input::read_one(&args.path, args.max_size, "trace")?;
    let facts = memgrove_inspect::facts(&wasm).with_context(|| name.clone())?;
    let original = Original { path: &args.path, name: &name, facts: &facts, max_size: args.max_size };
    if let (Some(stack), Some(map)) = (&args.resolve, &args.map) {
        return trace_map::resolve(stack, map, &args.read, &original, out);
    }
    if args.map.is_some() && args.output.is_none() {
        return Err(UserError::usage("--map is written with -o and read with --resolve")
            .hint("memgrove trace FILE -o OUT --map MAP, then memgrove trace FILE --map MAP --resolve STACK")
            .into());
    }
    if args.read.is_asked() {
        return trace_read::run(&args.read, &original, out);
    }
    match &args.output {
        Some(path) => write(args, path, &original, &wasm, out),
        None => {
            let instrument = |out: &mut Output| traced(args, &original, out);
            trace_run::run(&args.run, &args.read, &original, instrument, out)
        }
    }
}

fn write(
    args: &TraceArgs,
    path: &Path,
    original: &Original<'_>,
    wasm: &[u8],
    out: &mut Output,
) -> Result<Exit> {
    let target = Target::new(path, "OUT")?;
    let map = args.map.as_deref().map(|path| Target::new(path, "--map")).transpose()?;
    let targets: Vec<_> =
        std::iter::once((&target, "OUT")).chain(map.iter().map(|map| (map, "--map"))).collect();
    output_file::refuse_clashes(&targets, std::iter::once(&*args.path))?;
    let traced = traced(args, original, out)?;
    target.write(&traced.wasm)?;
    if let Some(map) = &map {
        map.write(&trace_map::written(&traced, wasm)?)?;
    }
    for note in &traced.notes {
        out.note(note.clone());
    }
    out.note(done(&traced, wasm.len(), original.facts, &target.name()));
    Ok(Exit::Done)
}

/// The module with recorder, and what there is to say of it.
fn traced(args: &TraceArgs, original: &Original<'_>, out: &mut Output) -> Result<Traced> {
    let request = Request {
        alloc: args.alloc.clone(),
        stacks: !args.no_stacks,
        call_sites: !args.no_call_sites,
        sample_mean_bytes: args.sample,
        seed: args.seed,
        max_bytes: args.max_log,
        one_memory: args.one_memory,
        instances: args.instances,
    };
    let instrumented = instrument(original.facts, &request).with_context(|| original.name.to_owned())?;
    for (func, role) in &instrumented.functions {
        out.note(format!("function {func} is {role}"));
    }
    Ok(instrumented.traced)
}

/// What was written, for people.
fn done(traced: &Traced, bytes_before: usize, facts: &Facts<'_>, target: &str) -> String {
    let percent = (traced.wasm.len() as u64 * 100) / (bytes_before as u64).max(1);
    format!(
        "{target}: {} ({percent} % of the original); {} of {} that the module defines record their frame; \
         the recording is in the exported memory `{EXPORT}`",
        bytes(traced.wasm.len() as u64),
        traced.framed,
        count(facts.functions.len() as u64, "function"),
    )
}
