//! `memgrove fix`: a module that runs anywhere, from one that needs its host for memory.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;
use memgrove_api::HostTarget;
use memgrove_api::fix::{self, Planned, Request, Script, lower};
use memgrove_inspect::facts;
use memgrove_rewrite::{Allocator, Discard, LOWERABLE, StubGroup, Stubs, Traps};
use memgrove_text::{escape_file_name, shorten};
#[cfg(feature = "engines")]
use memgrove_view::fix::Done;
use memgrove_view::fix::Fix;

use crate::exit::{self, Exit, UserError};
use crate::input::{self, Source};
#[cfg(feature = "engines")]
use crate::interrupt::RunFolder;
use crate::output::Output;
use crate::output_file::{self, Target};
use memgrove_api::size;

const LONG_ABOUT: &str = "\
Make a module run anywhere: satisfy its imports inside the module

First a plan: each import, its purpose, what will replace it and why that is right, or why it must stay. Then the \
module is rewritten and always verified: it validates, `inspect` finds that it runs on a bare engine, and on two engines \
it instantiates with nothing, its memory grows, each stand-in does what the host's function does, and its exports do what \
the original's do under an emulated host: same results, memory and reasons of traps. \
OUT is written only after that; the input is never modified.

The heading gives the verdict. verified: all of that was executed. verified in part: what was not run is named. \
not verified: nothing could be run to its end; OUT is written, and the exit status is 4.

What needs a host by nature (JavaScript objects, drawing, sockets) stays an import. If imports stay, or if the result \
does not run on the target host, nothing is written. --partial writes it anyway; the exit \
status is 3 either way.";

const EXAMPLES: &str = "\
Examples:
  memgrove fix app.wasm -o anywhere.wasm      plan, rewrite, verify, write
  memgrove fix app.wasm --dry-run             only report what would be done
  memgrove fix app.wasm --explain env.log     why one import is satisfied or stays, and what to try
  memgrove fix app.wasm -o out.wasm --host wasmtime   leave WASI to the host
  memgrove fix app.wasm -o out.wasm --stub none       only what can be satisfied exactly
  memgrove fix app.wasm -o out.wasm --allocator wee   put a heap inside for imported malloc and free
  memgrove fix app.wasm -o out.wasm --glue app.js     Emscripten's JavaScript names the minified imports
  memgrove fix app.wasm -o out.wasm --trap rest       it has to load; what is not known traps when called
  memgrove fix app.wasm -o out.wasm --host wasm3 --lower   write in older instructions what the host lacks
  memgrove fix app.wasm -o out.wasm --json | jq '.plan.imports'";

/// The reasons of a host quote names, which may be as long as the file; of all this many characters are shown.
const LONGEST_REFUSAL: usize = 1500;

/// Make a module run anywhere: satisfy its imports inside the module
#[derive(Clone, Debug, Args)]
#[command(long_about = LONG_ABOUT, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct FixArgs {
    /// The module; `-` is standard input
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// Output file; an existing file is replaced atomically, only on success
    #[arg(short, long, value_name = "OUT", required_unless_present_any = ["dry_run", "explain"])]
    output: Option<PathBuf>,

    /// Only report what would be done
    #[arg(short = 'n', long, conflicts_with = "output")]
    dry_run: bool,

    /// Explain one import: its purpose, known types, what becomes of it and why, and what to try; writes nothing
    ///
    /// NAME or MODULE.NAME.
    #[arg(long, value_name = "IMPORT", conflicts_with_all = ["output", "json"])]
    explain: Option<String>,

    #[arg(long, value_name = "GROUP", value_delimiter = ',', default_value = "all", value_parser = stub_names(),
          help = STUB_HELP, long_help = stub_help())]
    stub: Vec<String>,

    /// Functions that trap when called instead of staying imports: a name, a group of imports, or all the rest
    ///
    /// A name is NAME or MODULE.NAME; a group is what imports are for, as in the plan's JSON: js-glue, wasi, threads,
    /// unknown and so on; rest: every function that would stay. What is called that traps ends the program; the plan and
    /// the verdict name these functions.
    #[arg(long, value_name = "NAME|GROUP|rest", value_delimiter = ',')]
    trap: Vec<String>,

    /// Heap to put inside if the module imports malloc, free and their family
    ///
    /// All of the family that is imported, or none of it. Without it these imports stay. wee: the smallest code, every
    /// call in constant time; the heap lies in memory that it grows itself.
    #[arg(long, value_name = "HEAP", value_parser = Allocator::ALL.map(Allocator::name))]
    allocator: Option<String>,

    /// Target host (id or TOML file): imports it provides are kept, and the result has to run on it
    #[arg(long, value_name = "PROFILE", default_value = "bare")]
    host: String,

    /// Write the output even if imports remain or the target host does not run it; the status stays 3
    #[arg(long)]
    partial: bool,

    /// Exit with status 0 although nothing of the result could be run
    #[arg(long)]
    accept_unverified: bool,

    /// Write in WebAssembly 1.0 what can be: of the proposals that the target host lacks, of those named, or of all
    ///
    /// Sign extension, saturating conversions, several values at once, memory.copy and memory.fill, long numbers of
    /// linkers; results and traps stay the same. What needs such a proposal nevertheless (segments that code copies, tables
    /// that grow, exported functions of several results) is named, and the result is written only with --partial.
    #[arg(long, value_name = "PROPOSAL", value_delimiter = ',', num_args = 0..=1, require_equals = true,
          default_missing_value = lower::HOST, value_parser = lower_names())]
    lower: Vec<String>,

    /// How to handle giving memory back (`__wbindgen_memory_discard`, `memory.discard`)
    ///
    /// lower: the range is filled with zeros, which any engine can; also of the instruction. raise: the import becomes the
    /// instruction, for engines with the proposal memory-control. Without it an import is lowered, and an instruction stays.
    #[arg(long, value_name = "WAY", value_parser = ["lower", "raise"])]
    discard: Option<String>,

    /// Raise the memory's maximum to SIZE, such as 256MiB, where the module declares a smaller one
    ///
    /// A number of bytes, or of KiB, MiB or GiB. Without it a declared maximum is kept, so that a program that meets
    /// it behaves as before.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_memory: Option<u64>,

    /// The module's JavaScript, made by Emscripten: it names the minified imports
    ///
    /// Understood are ES modules, UMD and MODULARIZE, also minified: the object that is passed to the module, as an object
    /// literal, with functions called by their names in Emscripten's library or of one statement. Of a FILE that is
    /// JavaScript with the module inside, it is taken from there.
    #[arg(long, value_name = "JS")]
    glue: Option<PathBuf>,

    /// Write plan and verification as JSON
    #[arg(long)]
    json: bool,

    /// Refuse files with more bytes than this, also after unpacking
    #[arg(long, value_name = "BYTES", default_value_t = memgrove_open::DEFAULT_MAX_BYTES)]
    max_size: u64,
}

const STUB_HELP: &str = "Groups of imports that may be replaced by simplified stand-ins";

fn stub_names() -> PossibleValuesParser {
    PossibleValuesParser::new(
        ["all", "none"].into_iter().chain(StubGroup::ALL.iter().map(|group| group.name())),
    )
}

fn lower_names() -> PossibleValuesParser {
    PossibleValuesParser::new(
        [lower::HOST, lower::ALL].into_iter().chain(LOWERABLE.iter().map(|proposal| proposal.id())),
    )
}

fn stub_help() -> String {
    let groups = StubGroup::ALL.iter().map(|group| format!("{}: {}.", group.name(), group.about()));
    format!("{STUB_HELP}\n\n{}", groups.collect::<Vec<_>>().join(" "))
}

pub(crate) fn run(args: &FixArgs, out: &mut Output) -> Result<Exit> {
    if !args.dry_run && args.explain.is_none() && !cfg!(feature = "engines") {
        return Err(exit::no_engine("fix").into());
    }
    let name = escape_file_name(args.path.as_os_str());
    let host = input::host(&args.host)?;
    let target = target(args)?;
    let (wasm, around) = input::read_one_with_script(&args.path, args.max_size, "fix")?;
    let original = facts(&wasm).context(name.clone())?;
    let glue = args.glue.as_deref().map(|path| read_glue(path, args.max_size)).transpose();
    let glue = glue.context(name.clone())?;
    let script = match &glue {
        Some((name, text)) => Some(Script::Named { name, text }),
        None => around.as_deref().map(Script::Around),
    };
    let request = request(args, &host, script);
    let carried = fix::carry_out(&original, &request).context(name.clone())?;
    let planned = Planned::new(&name, &original, &carried, &request).context(name.clone())?;
    if let Some(import) = &args.explain {
        for item in planned.explained(import).context(name.clone())? {
            out.print(memgrove_view::explain::explain(item))?;
        }
        return Ok(Exit::Done);
    }
    if args.dry_run {
        show(args, &planned.shown(None), out)?;
        return Ok(if planned.is_as_wanted() { Exit::Done } else { Exit::No });
    }
    if let Some(refusal) = planned.refusal() {
        show(args, &planned.shown(None), out)?;
        let refusal = shorten(&refusal, LONGEST_REFUSAL);
        out.note(format!("nothing written: {refusal}; use --partial to write anyway"));
        return Ok(Exit::No);
    }
    verify_and_write(args, &planned, target.as_ref(), out)
}

/// What is asked for, but for files.
fn request<'a>(args: &FixArgs, host: &'a HostTarget, script: Option<Script<'a>>) -> Request<'a> {
    let mut stubs = Stubs::none();
    for group in &args.stub {
        stubs.set(group);
    }
    let mut trap = Traps::default();
    for word in &args.trap {
        trap.add(word);
    }
    Request {
        host,
        stubs,
        trap,
        allocator: args.allocator.as_deref().and_then(Allocator::named),
        max_memory_bytes: args.max_memory,
        lower: args.lower.clone(),
        discard: discard(args),
        script,
        partial: args.partial,
    }
}

fn discard(args: &FixArgs) -> Option<Discard> {
    match args.discard.as_deref() {
        Some("raise") => Some(Discard::Raise),
        Some(_) => Some(Discard::Lower),
        None => None,
    }
}

/// The JavaScript that `--glue` names, and its name as it is shown.
fn read_glue(path: &Path, max_bytes: u64) -> Result<(String, String)> {
    let name = escape_file_name(path.as_os_str());
    let bytes =
        Source::File(path.to_owned()).read(max_bytes).with_context(|| format!("reading the glue {name}"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        UserError::failed(format!("the glue {name} is not UTF-8 text (at offset {offset:#x})"))
            .hint("--glue takes the .js file that Emscripten wrote with the module")
    })?;
    Ok((name, text))
}

fn show(args: &FixArgs, fix: &Fix<'_>, out: &mut Output) -> Result<()> {
    if args.json {
        out.json(&fix.json()?)?
    } else {
        out.print(fix.text())?
    }
    Ok(())
}

#[cfg(feature = "engines")]
fn verify_and_write(
    args: &FixArgs,
    planned: &Planned<'_>,
    target: Option<&Target>,
    out: &mut Output,
) -> Result<Exit> {
    use memgrove_lab::verify::{Verdict, verify_facts};

    // What engines leave in the folder for temporary files goes with it.
    let _folder = RunFolder::new();
    let Planned { original, fixed, result, report, .. } = planned;
    let verification = verify_facts(original, result, report, &fixed.plan);
    let target = target.filter(|_| verification.passed());
    if let Some(target) = target {
        target.write(&fixed.wasm)?;
    }
    let written_to = target.map(Target::name);
    let done = Done {
        bytes_after: fixed.wasm.len(),
        verification: &verification,
        written_to: written_to.as_deref(),
    };
    show(args, &planned.shown(Some(done)), out)?;
    if !verification.passed() {
        return Err(UserError::failed("the fixed module did not pass verification, so it was not written")
            .hint("the failed checks are listed above; the input is unchanged")
            .into());
    }
    if !planned.is_as_wanted_but_for_imports() {
        return Ok(Exit::No);
    }
    if verification.verdict == Verdict::NotVerified && !args.accept_unverified {
        out.note("written, but nothing of it could be run; --accept-unverified takes that for done");
        return Ok(Exit::Unverified);
    }
    Ok(Exit::Done)
}

/// Without an engine nothing is verified, so nothing is written; see [`run`].
#[cfg(not(feature = "engines"))]
fn verify_and_write(_: &FixArgs, _: &Planned<'_>, _: Option<&Target>, _: &mut Output) -> Result<Exit> {
    Err(exit::no_engine("fix").into())
}

/// Where the result goes; refused before any work is done where it cannot.
fn target(args: &FixArgs) -> Result<Option<Target>> {
    let Some(path) = &args.output else { return Ok(None) };
    let target = Target::new(path, "OUT")?;
    let profile = Some(Path::new(&args.host)).filter(|host| host.exists());
    output_file::refuse_clashes(
        &[(&target, "OUT")],
        std::iter::once(&*args.path).chain(profile).chain(args.glue.as_deref()),
    )?;
    Ok(Some(target))
}
