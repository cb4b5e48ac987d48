//! `memgrove trace`: a module that records what its heap does, and what such a recording says.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use memgrove_inspect::facts::{Facts, Proposal};
use memgrove_inspect::report::{AllocatorFunction, Level};
use memgrove_rewrite::trace::{EXPORT, Options, ROLES, Role, Sample, TraceError, Traced, trace};
use memgrove_text::escape_file_name;
use memgrove_view::{bytes, count};

use super::trace_map;
use super::trace_read::{self, Original, ReadArgs};
use super::trace_run::{self, RunArgs};
use crate::args::size;
use crate::exit::{self, Exit, UserError};
use crate::input;
use crate::output::Output;
use crate::output_file::{self, Target};

const LONG_ABOUT: &str = "\
Record what a module's heap does, without rebuilding it, and read the recording

Without -o, the module is run: a command with the arguments behind `--`, this process's streams and the folders of --dir, or \
a function of a library with --invoke. What its heap did is then said, and written in the formats that are asked for.

With -o, the module is instrumented: the same imports and exports, and one more, the memory `memgrove_profile`, in which \
each call of the allocator is noted with its size, its block and the stack of calls that led to it. Which functions those \
are is what `memgrove inspect -v` lists, or what --alloc says. It needs an engine with several memories, unless --one-memory \
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

    #[arg(long, value_name = "FUNC=ROLE", value_delimiter = ',', help = ALLOC_HELP, long_help = alloc_help())]
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

const ALLOC_HELP: &str =
    "A function of the allocator, by index or name, and what it does; several with commas";

fn alloc_help() -> String {
    let roles = role_names();
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
        Some(path) => instrument(args, path, &original, &wasm, out),
        None => {
            let instrument = |out: &mut Output| traced(args, &original, &wasm, out);
            trace_run::run(&args.run, &args.read, &original, instrument, out)
        }
    }
}

fn instrument(
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
    let traced = traced(args, original, wasm, out)?;
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
fn traced(args: &TraceArgs, original: &Original<'_>, wasm: &[u8], out: &mut Output) -> Result<Traced> {
    let (name, facts) = (original.name, original.facts);
    refuse_what_has_no_heap(facts, wasm, name, !args.alloc.is_empty())?;
    let functions = match args.alloc.is_empty() {
        true => Some(recognised(facts)).filter(is_traceable).ok_or_else(|| {
            UserError::failed(format!("{name}: no function is known that allocates, and one that frees"))
                .hint("name them with --alloc, such as --alloc 244=malloc,1827=free; memgrove inspect -v shows what is known")
        })?,
        false => args.alloc.iter().map(|given| named_role(given, facts)).collect::<Result<_>>()?,
    };
    for (func, role) in &functions {
        out.note(format!("function {func} is {role}"));
    }
    let sample = args
        .sample
        .map(|bytes| Sample { mean_bytes: u32::try_from(bytes).unwrap_or(u32::MAX), seed: args.seed });
    let options = Options {
        functions,
        sample,
        stacks: !args.no_stacks,
        call_sites: !args.no_call_sites,
        max_bytes: args.max_log.unwrap_or(if args.one_memory { 8 << 20 } else { 1 << 30 }),
        one_memory: args.one_memory,
        instances: args.instances,
    };
    trace(wasm, &options).map_err(|error| explain(error, name))
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

/// Says so early of what cannot be traced whatever its functions are.
fn refuse_what_has_no_heap(facts: &Facts<'_>, wasm: &[u8], name: &str, is_named: bool) -> Result<()> {
    if let Some(version) = memgrove_rewrite::trace::traced_by(wasm) {
        return Err(explain(TraceError::Already { version }, name));
    }
    if let Some(component) = &facts.component {
        let cores: Vec<(usize, Range<u32>)> = component
            .modules
            .iter()
            .enumerate()
            .filter(|(_, core)| is_traceable(&recognised(core)))
            .map(|(at, core)| (at, core.range()))
            .collect();
        let error =
            format!("{name}: it is a component of {}", count(component.modules.len() as u64, "core module"));
        let hint = match &cores[..] {
            [] => "none of them has an allocator that is known; extract the one that has it".to_owned(),
            [(at, range), ..] => format!(
                "an allocator is in core module {at}, bytes {:#x} to {:#x}: extract that, such as with \
                 `wasm-tools component unbundle`, trace it, and put it back",
                range.start, range.end
            ),
        };
        return Err(UserError::failed(error).hint(hint).into());
    }
    if !is_named && facts.proposals.contains(Proposal::Gc) && !is_traceable(&recognised(facts)) {
        return Err(UserError::failed(format!(
            "{name}: its objects are WasmGC's, so the heap is the engine's, and no function of the module allocates"
        ))
        .hint("use the heap profiler of the engine; an allocator beside them can be named with --alloc")
        .into());
    }
    Ok(())
}

/// The functions of the allocator that inspect is fairly sure of.
///
/// A wrong one does no harm to the program: the recording contradicts itself, and says so when it is read.
fn recognised(facts: &Facts<'_>) -> BTreeMap<u32, Role> {
    let report = memgrove_inspect::conclude(facts);
    let functions =
        report.allocator.functions.iter().filter(|function| function.confidence.level() >= Level::Medium);
    functions.filter_map(|function| Some((function.func, role_of(function)?))).collect()
}

/// Something allocates, and something frees.
fn is_traceable(roles: &BTreeMap<u32, Role>) -> bool {
    roles.values().any(|role| role.allocates()) && roles.values().any(|role| role.frees())
}

/// Whether a function with this role hands blocks out or takes them back.
fn is_traced(role: Role) -> bool {
    role.allocates() || role.frees()
}

/// The names of the roles that `--alloc` takes.
fn role_names() -> String {
    let names: Vec<&str> = ROLES.iter().filter(|role| is_traced(**role)).map(|role| role.name()).collect();
    names.join(", ")
}

/// The role of a function by what its parameters mean; `None` for what is not traced.
fn role_of(function: &AllocatorFunction) -> Option<Role> {
    // A method's blocks are handed on by functions without a heap before their parameters.
    let (role, has_heap) = Role::of(function.role, function.abi?.params)?;
    (is_traced(role) && !has_heap).then_some(role)
}

/// `FUNC=ROLE`, where FUNC is an index or a name.
fn named_role(given: &str, facts: &Facts<'_>) -> Result<(u32, Role)> {
    let (func, role) = given.rsplit_once('=').ok_or_else(|| {
        UserError::usage(format!("--alloc {given} has no role"))
            .hint("write FUNC=ROLE, such as 244=malloc or free=free")
    })?;
    let parsed = role.parse().ok().filter(|role| is_traced(*role));
    let role: Role = parsed.ok_or_else(|| {
        UserError::usage(format!("--alloc {given}: there is no role {role}"))
            .hint(format!("the roles are {}", role_names()))
    })?;
    let index = func.parse().ok().or_else(|| facts.func_named(func));
    let index = index.ok_or_else(|| {
        UserError::failed(format!("there is no function named {func}"))
            .hint("memgrove inspect -v lists the exports; an index will do, too")
    })?;
    Ok((index, role))
}

/// An error with what can be done about it.
fn explain(error: TraceError, name: &str) -> anyhow::Error {
    let hint = match &error {
        TraceError::Already { .. } => "trace the original",
        TraceError::Role { .. } => "memgrove inspect names the allocator; --help lists what each role takes",
        TraceError::NoBlock { .. } => "leave out --one-memory, for an engine with several memories",
        TraceError::Memory64 { .. } => "trace it without --sample and --one-memory",
        TraceError::Shared { .. } => "trace it without --sample and --one-memory",
        _ => return anyhow::Error::new(error).context(name.to_owned()),
    };
    UserError::failed(format!("{name}: {error}")).hint(hint).into()
}
