//! `memgrove fix`: a module that runs anywhere, from one that needs its host for memory.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;
use memgrove_inspect::facts::MemoryType;
use memgrove_inspect::{Facts, Report, facts};
use memgrove_rewrite::{Allocator, Discard, Fixed, Options, StubGroup, Stubs, Traps};
use memgrove_text::{escape_file_name, shorten};
use memgrove_view::fix::{Done, Fix, HostVerdict};

use super::fix_glue;
use super::fix_host::HostTarget;
use super::fix_lower;
use crate::args::size;
use crate::exit::{self, Exit, UserError};
use crate::input;
#[cfg(feature = "engines")]
use crate::interrupt::RunFolder;
use crate::output::Output;
use crate::output_file::{self, Target};

const LONG_ABOUT: &str = "\
Make a module run anywhere: satisfy its imports inside the module

First a plan: each import, what it is for, what will stand for it and why that is right, or why it must stay. Then the \
module is rewritten and verified, always: it validates, the inspector says that it runs on a bare engine, and on two engines \
it instantiates with nothing, its memory grows, each stand-in does what the host's function does, and its exports do what \
the original's do under an emulated host: the same results, memory, and reasons of traps. \
OUT is written only after that; the input is never touched.

The heading gives the verdict. verified: all of that was executed. verified in part: what was not run is named. \
not verified: nothing could be run to its end; OUT is written, and the exit status is 4.

What needs a host by nature (JavaScript objects, drawing, sockets) stays an import; then, and where the inspector says \
that the result does not run on the host it is for, nothing is written. --partial writes it nevertheless; the exit \
status is 3 either way.";

const EXAMPLES: &str = "\
Examples:
  memgrove fix app.wasm -o anywhere.wasm      plan, rewrite, verify, write
  memgrove fix app.wasm --dry-run             only say what would be done
  memgrove fix app.wasm --explain env.log     why one import is satisfied or stays, and what to try
  memgrove fix app.wasm -o out.wasm --host wasmtime   leave WASI to the host
  memgrove fix app.wasm -o out.wasm --stub none       only what can be satisfied exactly
  memgrove fix app.wasm -o out.wasm --allocator wee   put a heap inside for imported malloc and free
  memgrove fix app.wasm -o out.wasm --glue app.js     Emscripten's JavaScript says what minified names are
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

    /// Where to write the new module; a file that is there is replaced at once, when all is done
    #[arg(short, long, value_name = "OUT", required_unless_present_any = ["dry_run", "explain"])]
    output: Option<PathBuf>,

    /// Only say what would be done
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

    /// The heap that is put inside where the module imports malloc, free and their family
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
          default_missing_value = fix_lower::HOST, value_parser = fix_lower::values())]
    lower: Vec<String>,

    /// What becomes of giving memory back (`__wbindgen_memory_discard`, `memory.discard`)
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

    /// The module's JavaScript, by Emscripten: says what its minified imports are
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

const STUB_HELP: &str = "Groups of imports that may be answered by something poorer than a host's function";

fn stub_names() -> PossibleValuesParser {
    PossibleValuesParser::new(
        ["all", "none"].into_iter().chain(StubGroup::ALL.iter().map(|group| group.name())),
    )
}

fn stub_help() -> String {
    let groups = StubGroup::ALL.iter().map(|group| format!("{}: {}.", group.name(), group.about()));
    format!("{STUB_HELP}\n\n{}", groups.collect::<Vec<_>>().join(" "))
}

pub(crate) fn run(args: &FixArgs, out: &mut Output) -> Result<Exit> {
    if !args.dry_run && args.explain.is_none() && !cfg!(feature = "engines") {
        return Err(UserError::no_engine("fix").into());
    }
    let name = escape_file_name(args.path.as_os_str());
    let host = HostTarget::named(&args.host)?;
    let target = target(args)?;
    let (wasm, script) = input::read_one_with_script(&args.path, args.max_size, "fix")?;
    let original = facts(&wasm).context(name.clone())?;
    let (options, fixed) = fixed(args, &host, &original, script.as_deref()).context(name.clone())?;
    let planned = Planned::new(args, &options, &host, (&original, &fixed), name.clone()).context(name)?;
    if let Some(name) = &args.explain {
        return planned.explain(name, out);
    }
    if args.dry_run {
        planned.show(args, None, out)?;
        let is_done = planned.is_allowed && !planned.on_host.is_no() && planned.still_needed.is_empty();
        return Ok(if is_done { Exit::Done } else { Exit::No });
    }
    if let Some(refusal) = planned.refusal(args) {
        planned.show(args, None, out)?;
        let refusal = shorten(&refusal, LONGEST_REFUSAL);
        out.note(format!("nothing written: {refusal}; --partial writes the module all the same"));
        return Ok(Exit::No);
    }
    verify_and_write(args, &planned, target.as_ref(), out)
}

/// The module fixed as it was asked for, with what the JavaScript beside or around it says.
fn fixed(
    args: &FixArgs,
    host: &HostTarget,
    original: &Facts<'_>,
    script: Option<&str>,
) -> Result<(Options, Fixed)> {
    let mut options = options(args, host, original)?;
    let mut fixed = match &args.glue {
        Some(path) => {
            options.glue = Some(fix_glue::named(path, args.max_size, original)?);
            memgrove_rewrite::fix_facts(original, &options).map_err(|error| fix_glue::refused(path, error))?
        }
        None => fix_glue::fix_with_own(script, original, &mut options)?,
    };
    let is_missing = |name: &&String| !fixed.plan.imports.iter().any(|item| item.is_called(name));
    if let Some(name) = options.trap.names.iter().find(is_missing) {
        return Err(UserError::usage(format!("--trap: the module imports nothing called `{name}`"))
            .hint("--dry-run lists its imports; groups are memory, wasi, js-glue, unknown and so on, or rest")
            .into());
    }
    if !options.lower.is_empty() {
        fixed.plan.notes.extend(fix_lower::still_needed(&options.lower, &facts(&fixed.wasm)?));
    }
    Ok((options, fixed))
}

/// A plan carried out in memory, and what is known of the result without running it. Original and result are read once.
struct Planned<'a> {
    name: String,
    original: &'a Facts<'a>,
    fixed: &'a Fixed,
    /// What the result says.
    #[cfg_attr(not(feature = "engines"), expect(dead_code, reason = "only verification reads it"))]
    result: Facts<'a>,
    /// What the inspector says of the result.
    #[cfg_attr(not(feature = "engines"), expect(dead_code, reason = "only verification reads it"))]
    report: Report,
    on_host: HostVerdict,
    /// Of what the target host lacks, something could be lowered.
    lower_helps: bool,
    /// What the result was to do without and needs nevertheless.
    still_needed: Vec<String>,
    /// Nothing stays that the target does not provide, or the user wants it anyway.
    is_allowed: bool,
}

impl<'a> Planned<'a> {
    fn new(
        args: &FixArgs,
        options: &Options,
        host: &HostTarget,
        (original, fixed): (&'a Facts<'a>, &'a Fixed),
        name: String,
    ) -> Result<Self> {
        let result = facts(&fixed.wasm)?;
        let report = host.report(&result);
        let on_host = host.verdict(&report)?;
        let lower_helps = args.lower.is_empty() && fix_lower::helps(host, &result);
        let still_needed = fix_lower::still_needed(&options.lower, &result);
        let mut remaining = fixed.plan.remaining();
        let is_allowed = args.partial || remaining.all(|item| options.is_provided(&item.module, &item.name));
        Ok(Self { name, original, fixed, result, report, on_host, lower_helps, still_needed, is_allowed })
    }

    /// Why the result is not to be written.
    fn refusal(&self, args: &FixArgs) -> Option<String> {
        match self.fixed.plan.remaining().count() {
            _ if args.partial => None,
            _ if self.is_allowed && self.on_host.is_no() => {
                let hint = if self.lower_helps {
                    "; --lower writes what it lacks in older instructions"
                } else {
                    ""
                };
                Some(format!("the target host does not run the result: {}{hint}", self.on_host.words()))
            }
            _ if self.is_allowed => (!self.still_needed.is_empty()).then(|| self.still_needed.join("; ")),
            1 => Some("1 import stays".to_owned()),
            count => Some(format!("{count} imports stay")),
        }
    }

    /// Explains the imports of a name.
    fn explain(&self, name: &str, out: &mut Output) -> Result<Exit> {
        let mut named = self.fixed.plan.imports.iter().filter(|item| item.is_called(name)).peekable();
        if named.peek().is_none() {
            return Err(UserError::usage(format!("--explain: the module imports nothing called `{name}`"))
                .hint("--dry-run lists its imports")
                .into());
        }
        for item in named {
            out.print(memgrove_view::explain::explain(item))?;
        }
        Ok(Exit::Done)
    }

    fn show(&self, args: &FixArgs, done: Option<Done<'_>>, out: &mut Output) -> Result<()> {
        let fix = Fix {
            name: &self.name,
            bytes_before: self.original.bytes().len(),
            plan: &self.fixed.plan,
            host: &self.on_host,
            done,
        };
        if args.json {
            out.json(&fix.json()?)?
        } else {
            out.print(fix.text())?
        }
        Ok(())
    }
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
    planned.show(args, Some(done), out)?;
    if !verification.passed() {
        return Err(UserError::failed("the fixed module did not pass verification, so it was not written")
            .hint("the failed checks are listed above; the input is unchanged")
            .into());
    }
    if planned.on_host.is_no() || !planned.still_needed.is_empty() {
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
    Err(UserError::no_engine("fix").into())
}

fn options(args: &FixArgs, host: &HostTarget, facts: &Facts<'_>) -> Result<Options> {
    let mut stubs = Stubs::none();
    for group in &args.stub {
        stubs.set(group);
    }
    let mut trap = Traps::default();
    for word in &args.trap {
        trap.add(word);
    }
    if let (Some(bytes), Some(memory)) = (args.max_memory, facts.memories.first()) {
        check_maximum(bytes, &memory.ty)?;
    }
    Ok(Options {
        stubs,
        provided: host.provided(facts),
        export_memory: host.needs_memory_export(facts),
        max_memory_bytes: args.max_memory,
        allocator: args.allocator.as_deref().and_then(Allocator::named),
        glue: None,
        trap,
        discard: match args.discard.as_deref() {
            Some("raise") => Discard::Raise,
            _ => Discard::Lower,
        },
        lower: fix_lower::proposals(&args.lower, args.discard.as_deref() == Some("lower"), host, facts),
    })
}

/// Whether the memory can have such a maximum.
fn check_maximum(bytes: u64, memory: &MemoryType) -> Result<()> {
    let page_bytes = memory.page_size_bytes();
    if !bytes.is_multiple_of(page_bytes) {
        return Err(UserError::usage(format!("--max-memory {bytes} is not a multiple of a page"))
            .hint(format!("this memory's pages have {page_bytes} bytes"))
            .into());
    }
    if !memory.memory64 && bytes > 1 << 32 {
        return Err(UserError::usage(format!("--max-memory {bytes} is more than a 32-bit memory can have"))
            .hint("the most is 4GiB")
            .into());
    }
    Ok(())
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
