//! `memgrove check`: misuse of the heap, in any module, without rebuilding it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use memgrove_api::check::Request;
use memgrove_rewrite::check::{Checked, FINISH};
use memgrove_text::escape_file_name;
use memgrove_view::bytes;
use memgrove_view::check::{CheckReport, Suppression};

use super::trace_read::{self, NameArgs, Original};
use super::trace_run::{self, RunArgs};
use crate::exit::{self, Exit, UserError};
use crate::input;
use crate::output::Output;
use crate::output_file::{self, Target};
use memgrove_api::size;

const LONG_ABOUT: &str = "\
Find misuse of a module's heap, without rebuilding it

Finds use after free, overflow and underflow of heap blocks by as little as one byte, double and invalid free, wrong \
sizes and alignments given to Rust's dealloc, blocks freed by a function of another heap, use of an allocation that was refused, and overflow of the stack. Each report has the stacks of the access, of the block's allocation and of \
its free. The program goes on: there is one report for each place in the code. At its end, blocks that are still live are listed, \
with those that are lost: nothing in memory or in a global points to them.

Without -o, the module is run: a command with the arguments behind `--`, this process's streams and the folders of --dir, \
or a function of a library with --invoke. With -o, the instrumented module is written: the same imports and exports, and \
two more, the memory `memgrove_profile` with the reports and the function `memgrove_finish`, which counts what is still \
live and searches memory and globals for pointers to it. With --profile, such a memory is read; FILE is then the original module.

Where threads share a memory, what is known of blocks stands in that memory, and each thread, which is an instance of its \
own, has its own recording: run them by their own JavaScript, with `npx memgrove check node app.js`, or with -o, and give the \
recordings of all of them with --profile. Blocks that are lost are not searched for then.

The module's allocator must be known from the code, or its functions be named with --alloc, and nothing else may know how it \
works inside, as for `memgrove swap`; if not, the module is refused, with the reason. It needs an engine with several memories. Of a memory with \
64-bit addresses the first 4 GiB are checked; a checked program gets no more.";

const EXAMPLES: &str = "\
Examples:
  memgrove check app.wasm --dir . -- input.txt
  memgrove check library.wasm --invoke work 1000
  memgrove check app.wasm -o app.checked.wasm
  memgrove check app.wasm --alloc 244=malloc,1827=free
  memgrove check app.wasm --profile memory.bin --sarif app.sarif
  memgrove check app.wasm --fail-on use-after-free,double-free,leak";

/// Find misuse of a module's heap, without rebuilding it
#[derive(Clone, Debug, Args)]
#[command(long_about = LONG_ABOUT, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct CheckArgs {
    /// The module; `-` is standard input
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// Where to write the instrumented module
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Read the reports of this recording of FILE; of threads that share a memory, all of theirs with one option each
    #[arg(long, value_name = "PROFILE", conflicts_with = "output")]
    profile: Vec<PathBuf>,

    #[arg(
        long,
        value_name = "KIND",
        value_delimiter = ',',
        value_parser = clap::builder::PossibleValuesParser::new(memgrove_api::check::kinds()),
        help = "Exit with status 3 for these kinds only; by default for every kind but leak and lost. leak: blocks live at the end; lost: those of them to which certainly no pointer is left"
    )]
    fail_on: Vec<String>,

    /// Leave out reports that a line `KIND:FUNCTION` of this file fits: a kind or `*`, and a part of a function's name
    #[arg(long, value_name = "FILE", conflicts_with = "output")]
    suppress: Option<PathBuf>,

    #[arg(
        long,
        value_name = "FUNC=ROLE",
        value_delimiter = ',',
        conflicts_with = "profile",
        help = super::trace::ALLOC_HELP,
        long_help = super::trace::alloc_help(&memgrove_api::check::role_names())
    )]
    alloc: Vec<String>,

    /// Check by calls in loops, too, not in line: slower, and fewer bytes
    #[arg(long, conflicts_with = "profile")]
    by_call: bool,

    /// Report accesses by function, width and kind, without offset or line: a shorter module
    ///
    /// Each combination is reported once in a function. With --by-call a module grows least.
    #[arg(long, conflicts_with = "profile")]
    no_sites: bool,

    /// Test the reads of this function to the byte; by index or name, several with commas
    ///
    /// By default an aligned read may go beyond the end of a block in the word that holds the end, as in a fast strlen.
    #[arg(long, value_name = "FUNC", value_delimiter = ',', conflicts_with = "profile")]
    exact: Vec<String>,

    #[arg(
        long,
        value_name = "LAYOUT",
        value_parser = clap::builder::PossibleValuesParser::new(memgrove_api::check::layouts()),
        default_value = "apart",
        conflicts_with = "profile",
        help = "Where blocks lie. apart: with red zones between them, freed ones in quarantine; same: where they do without a check",
        long_help = "Where blocks lie\n\napart: with red zones between them, and freed ones in quarantine, which finds most.\nsame: where they do without a check, for programs whose results or faults depend on addresses. A freed block is then watched until its bytes are handed out again, and next to a block only what is known to be no other's: the rest of the eight bytes in which it ends, and, where the allocator has a word of its own before each block, eight more and the four bytes before it."
    )]
    layout: String,

    /// Tell functions apart in stacks, not by which of its calls a function called another
    #[arg(long, conflicts_with = "profile")]
    no_call_sites: bool,

    /// The most memory that stacks and reports may take
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "64MiB", conflicts_with = "profile")]
    max_log: u64,

    /// Write the reports as SARIF 2.1.0
    #[arg(long, value_name = "OUT", conflicts_with = "output")]
    sarif: Option<PathBuf>,

    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    names: NameArgs,

    /// Stacks of blocks that are live at the end, to show
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    top: usize,

    /// Write what is known as JSON
    #[arg(long, conflicts_with = "output")]
    json: bool,

    /// Refuse files with more bytes than this, also after unpacking
    #[arg(long, value_name = "BYTES", default_value_t = memgrove_open::DEFAULT_MAX_BYTES)]
    max_size: u64,
}

pub(crate) fn run(args: &CheckArgs, out: &mut Output) -> Result<Exit> {
    let name = escape_file_name(args.path.as_os_str());
    let wasm = input::read_one(&args.path, args.max_size, "check")?;
    let facts = memgrove_inspect::facts(&wasm).with_context(|| name.clone())?;
    let original = Original { path: &args.path, name: &name, facts: &facts, max_size: args.max_size };
    if let Some(path) = &args.output {
        return instrument(args, path, &original, out);
    }
    let suppressions = args.suppress.as_deref().map(suppressions).transpose()?.unwrap_or_default();
    let save = args.run.save()?;
    let sarif = args.sarif.as_deref().map(|path| Target::new(path, "--sarif")).transpose()?;
    let targets: Vec<(&Target, &str)> = save
        .iter()
        .map(|target| (target, "--save"))
        .chain(sarif.iter().map(|target| (target, "--sarif")))
        .collect();
    let inputs = [Some(&args.path), args.suppress.as_ref()].into_iter().flatten().chain(&args.profile);
    let inputs = inputs.map(PathBuf::as_path).chain(args.names.inputs());
    output_file::refuse_clashes(&targets, inputs)?;

    let (profile, ended) = match &args.profile[..] {
        paths @ [_, ..] => (trace_read::read_profiles(paths, &original)?, Exit::Done),
        [] => {
            let instrument = |out: &mut Output| Ok(checked(args, &original, out)?.wasm);
            let (recording, ended) = trace_run::record(&args.run, &original, instrument, Some(FINISH), out)?;
            if let Some(target) = &save {
                target.write(&recording)?;
            }
            let profile = memgrove_api::profile::of(recording, original.facts);
            (profile.with_context(|| original.name.to_owned())?, ended)
        }
    };
    if profile.findings.is_none() {
        return Err(UserError::failed(format!("{name}: the recording is not that of a check"))
            .hint("read it with memgrove trace --profile")
            .into());
    }
    trace_read::with_symbols(&args.names, &original, out, |names, out| {
        let report = CheckReport {
            name: original.name,
            module: original.facts,
            names,
            profile: &profile,
            entered: args.profile.is_empty().then(|| args.run.entered()),
            suppressions: &suppressions,
            top: args.top,
        };
        if let Some(target) = &sarif {
            target.write(report.sarif()?.as_str().as_bytes())?;
        }
        if args.json {
            out.json(&report.json()?)?
        } else {
            out.print(report.text())?
        }
        let failing = memgrove_api::check::failing(&report, &args.fail_on);
        failing.notes.into_iter().for_each(|note| out.note(note));
        // What was found says more than how the program ended, which it may have been the cause of.
        Ok(if failing.kinds.is_empty() { ended } else { Exit::No })
    })
}

fn instrument(args: &CheckArgs, path: &Path, original: &Original<'_>, out: &mut Output) -> Result<Exit> {
    let target = Target::new(path, "OUT")?;
    output_file::refuse_clashes(&[(&target, "OUT")], std::iter::once(&*args.path))?;
    let checked = checked(args, original, out)?;
    target.write(&checked.wasm)?;
    for note in &checked.notes {
        out.note(note.clone());
    }
    let before = original.facts.bytes().len() as u64;
    out.note(format!(
        "{}: {} ({} % of the original); accesses checked: {}; left out, as they touch no block or one before them tests the same bytes: {}",
        target.name(),
        bytes(checked.wasm.len() as u64),
        (checked.wasm.len() as u64 * 100) / before.max(1),
        checked.sites,
        checked.proven,
    ));
    Ok(Exit::Done)
}

/// The module that reports, and what there is to say of it.
fn checked(args: &CheckArgs, original: &Original<'_>, out: &mut Output) -> Result<Checked> {
    let (name, facts) = (original.name, original.facts);
    let request = Request {
        alloc: args.alloc.clone(),
        call_sites: !args.no_call_sites,
        in_line: !args.by_call,
        sites: !args.no_sites,
        exact: args.exact.clone(),
        layout: args.layout.clone(),
        max_bytes: args.max_log,
    };
    let checked = memgrove_api::check::instrument(facts, &request).with_context(|| name.to_owned())?;
    for member in &checked.wrapped {
        let heap = checked.heaps.get(&member.func).map_or(String::new(), |heap| format!(", of heap {heap}"));
        out.note(format!("function {} is {}{heap}", member.func, member.role.name()));
    }
    Ok(checked)
}

/// The lines of a file of suppressions.
fn suppressions(path: &Path) -> Result<Vec<Suppression>> {
    let name = escape_file_name(path.as_os_str());
    let text = fs::read_to_string(path).with_context(|| format!("reading {name}"))?;
    Ok(memgrove_api::check::suppressions(&text, &name)?)
}
