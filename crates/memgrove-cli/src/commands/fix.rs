//! `memgrove fix`: a module that runs anywhere, from one that needs its host for memory.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use memgrove_inspect::facts::MemoryType;
use memgrove_inspect::knowledge::Host;
use memgrove_inspect::{Knowledge, facts};
use memgrove_lab::verify::{self, Outcome, Reason, Verdict, Verification};
use memgrove_rewrite::{Decision, Fixed, Options, Plan, Stubs};
use serde::Serialize;

use crate::exit::{self, Exit, UserError};
use crate::input::{self, Source};
use crate::output::{Output, printable, style};

const LONG_ABOUT: &str = "\
Make a module run anywhere: satisfy its imports inside the module

First a plan: each import, what it is for, what will stand for it and why that is right, or why it must stay. Then the \
module is rewritten and verified, always: it validates, the inspector says that it runs on a bare engine, and on two engines \
it instantiates with nothing, its memory grows, each stand-in does what the host's function does, and its exports do what \
the original's do under an emulated host: the same results, memory, and reasons of traps. \
OUT is written only after that; the input is never touched.

The heading gives the verdict. verified: all of that was executed. verified in part: what was not run is named. \
not verified: nothing could be run to its end; OUT is written, and the exit status is 4.

What needs a host by nature (JavaScript objects, drawing, sockets) stays an import; then nothing is written and the \
exit status is 3, unless --partial is given.";

const EXAMPLES: &str = "\
Examples:
  memgrove fix app.wasm -o anywhere.wasm      plan, rewrite, verify, write
  memgrove fix app.wasm --dry-run             only say what would be done
  memgrove fix app.wasm -o out.wasm --host wasmtime   leave WASI to the host
  memgrove fix app.wasm -o out.wasm --stub none       only what can be satisfied exactly
  memgrove fix app.wasm -o out.wasm --json | jq '.plan.imports'";

/// Version of the JSON that `--json` writes.
const SCHEMA: u32 = 2;

/// Make a module run anywhere: satisfy its imports inside the module
#[derive(Clone, Debug, Args)]
#[command(long_about = LONG_ABOUT, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct FixArgs {
    /// The module; `-` is standard input
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// Where to write the new module; a file that is there is replaced at once, when all is done
    #[arg(short, long, value_name = "OUT", required_unless_present = "dry_run")]
    output: Option<PathBuf>,

    /// Only say what would be done
    #[arg(short = 'n', long, conflicts_with = "output")]
    dry_run: bool,

    /// Groups of imports that may be answered by something poorer than a host's function
    ///
    /// wasi: no arguments, no files, output dropped. libc: locks, time zones, system calls that answer ENOSYS.
    /// clock: counts questions. random: the same bytes in every run, NOT for keys. exceptions: what is thrown
    /// ends the program. glue: error paths of JavaScript glue.
    #[arg(long, value_name = "GROUP", value_delimiter = ',', default_value = "all",
          value_parser = ["all", "none", "wasi", "libc", "clock", "random", "exceptions", "glue"])]
    stub: Vec<String>,

    /// The host that the result is for, by its id or as a TOML file: what it provides stays an import
    #[arg(long, value_name = "PROFILE", default_value = "bare")]
    host: String,

    /// Write the module although imports stay
    #[arg(long)]
    partial: bool,

    /// Exit with status 0 although nothing of the result could be run
    #[arg(long)]
    accept_unverified: bool,

    /// Raise the memory's maximum to SIZE, such as 256MiB, where the module declares a smaller one
    ///
    /// A number of bytes, or of KiB, MiB or GiB. Without it a declared maximum is kept, so that a program that meets
    /// it behaves as before.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_memory: Option<u64>,

    /// Write plan and verification as JSON
    #[arg(long)]
    json: bool,

    /// Refuse files with more bytes than this, also after unpacking
    #[arg(long, value_name = "BYTES", default_value_t = input::DEFAULT_MAX_BYTES)]
    max_size: u64,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Record<'a> {
    schema: u32,
    file: &'a str,
    complete: bool,
    bytes_before: usize,
    bytes_after: Option<usize>,
    plan: &'a Plan,
    /// What verification came to; none before it.
    verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<&'a Verification>,
    written: bool,
}

pub(crate) fn run(args: &FixArgs, out: &mut Output) -> Result<Exit> {
    let name = args.path.to_string_lossy().into_owned();
    let host = host(&args.host)?;
    if let Some(target) = &args.output {
        refuse_target(target, &args.path)?;
    }
    let wasm = read(args, &name)?;
    let options = options(args, &host, &wasm).with_context(|| name.clone())?;
    if args.dry_run {
        let plan = memgrove_rewrite::plan(&wasm, &options).with_context(|| name.clone())?;
        report(args, out, &name, &wasm, &plan, None, None)?;
        return Ok(if may_write(args, &options, &plan) { Exit::Done } else { Exit::No });
    }
    let Fixed { wasm: fixed, plan } = memgrove_rewrite::fix(&wasm, &options).with_context(|| name.clone())?;
    if !may_write(args, &options, &plan) {
        report(args, out, &name, &wasm, &plan, None, None)?;
        out.note(format_args!(
            "nothing written: {}; --partial writes the module all the same",
            match plan.remaining().count() {
                1 => "1 import stays".to_owned(),
                count => format!("{count} imports stay"),
            }
        ));
        return Ok(Exit::No);
    }
    let verification = verify::verify(&wasm, &fixed, &plan);
    let target = args.output.as_deref().filter(|_| verification.passed());
    if let Some(target) = target {
        write(target, &fixed)?;
    }
    report(args, out, &name, &wasm, &plan, Some((&fixed, &verification)), target)?;
    if !verification.passed() {
        return Err(UserError::failed("the fixed module did not pass verification, so it was not written")
            .hint("the failed checks are listed above; the input is unchanged")
            .into());
    }
    if verification.verdict == Verdict::NotVerified && !args.accept_unverified {
        out.note("written, but nothing of it could be run; --accept-unverified takes that for done");
        return Ok(Exit::Unverified);
    }
    Ok(if plan.is_complete() || !options.provided.is_empty() { Exit::Done } else { Exit::No })
}

/// Nothing stays that the target does not provide, or the user wants it anyway.
fn may_write(args: &FixArgs, options: &Options, plan: &Plan) -> bool {
    args.partial || plan.remaining().all(|item| options.is_provided(&item.module, &item.name))
}

/// The profile that `--host` names.
fn host(name: &str) -> Result<Host> {
    let builtin = Knowledge::builtin();
    if let Some(host) = builtin.host(name) {
        return Ok(host.clone());
    }
    if Path::new(name).extension().is_none_or(|extension| extension != "toml") {
        return Err(UserError::usage(format!("there is no host profile `{name}`"))
            .hint("`memgrove inspect --list-hosts` names them; a profile of your own is a .toml file")
            .into());
    }
    let text = std::fs::read_to_string(name).with_context(|| format!("reading the host profile {name}"))?;
    let mut knowledge = builtin.clone();
    let id =
        knowledge.add_host(name, &text).map_err(|error| UserError::usage(format!("host profile {error}")))?;
    knowledge.host(&id).cloned().context("the profile that was just read")
}

fn options(args: &FixArgs, host: &Host, wasm: &[u8]) -> Result<Options> {
    let mut stubs = Stubs::none();
    for group in &args.stub {
        stubs.set(group);
    }
    let facts = facts(wasm)?;
    if let (Some(bytes), Some(memory)) = (args.max_memory, facts.memories.first()) {
        check_maximum(bytes, &memory.ty)?;
    }
    let provided = facts
        .imports
        .iter()
        .filter(|import| host.provides.iter().any(|provides| provides.pattern.matches(&facts, import)))
        .map(|import| (import.module.to_owned(), import.name.to_owned()))
        .collect();
    Ok(Options { stubs, provided, max_memory_bytes: args.max_memory })
}

/// A size in bytes: a number, or a number of KiB, MiB or GiB.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(format!("unknown unit `{other}`; there are KiB, MiB and GiB")),
    };
    let number: u64 =
        digits.parse().map_err(|_| "not a whole number of bytes, KiB, MiB or GiB".to_owned())?;
    match number.checked_mul(unit) {
        Some(0) => Err("a memory of no bytes is of no use".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("more bytes than 64 bits can count".to_owned()),
    }
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

fn read(args: &FixArgs, name: &str) -> Result<Vec<u8>> {
    let source = if args.path.as_os_str() == "-" { Source::Stdin } else { Source::File(args.path.clone()) };
    let bytes = source.read(args.max_size).with_context(|| format!("reading {name}"))?;
    let mut binaries = input::unwrap(bytes, name, args.max_size).with_context(|| name.to_owned())?;
    match (binaries.pop(), binaries.len()) {
        (Some(binary), 0) => Ok(binary.bytes),
        (_, more) => Err(UserError::failed(format!("{name} holds {} modules", more + 1))
            .hint("extract the one to fix into a file of its own")
            .into()),
    }
}

/// Places where the result cannot go; asked before any work is done.
fn refuse_target(target: &Path, input: &Path) -> Result<()> {
    let same = std::fs::canonicalize(target)
        .ok()
        .is_some_and(|target| std::fs::canonicalize(input).ok() == Some(target));
    if same {
        return Err(UserError::usage("OUT is the input file, which is never touched")
            .hint("give another name with -o")
            .into());
    }
    if target.as_os_str() == "-" {
        return Err(UserError::usage("OUT cannot be standard output, where the report goes")
            .hint("give the name of a file with -o")
            .into());
    }
    if target.is_dir() {
        return Err(UserError::usage(format!("OUT is a folder: {}", target.display()))
            .hint("give the name of a file in it with -o")
            .into());
    }
    Ok(())
}

/// Writes beside the target first and renames, so that the target is never half a module.
fn write(target: &Path, bytes: &[u8]) -> Result<()> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = target.file_name().context("OUT is no file name")?.to_string_lossy();
    let beside = folder.join(format!(".{stem}.{}.part", std::process::id()));
    let done = std::fs::File::create_new(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, target));
    if done.is_err() {
        // Nothing may be left; if this fails too, the first error says more.
        let _ = std::fs::remove_file(&beside);
    }
    done.with_context(|| format!("writing {}", target.display()))?;
    Ok(())
}

fn report(
    args: &FixArgs,
    out: &mut Output,
    name: &str,
    wasm: &[u8],
    plan: &Plan,
    done: Option<(&[u8], &Verification)>,
    written: Option<&Path>,
) -> Result<()> {
    if args.json {
        let record = Record {
            schema: SCHEMA,
            file: name,
            complete: plan.is_complete(),
            bytes_before: wasm.len(),
            bytes_after: done.map(|(fixed, _)| fixed.len()),
            plan,
            verdict: done.map(|(_, verification)| verification.verdict),
            verification: done.map(|(_, verification)| verification),
            written: written.is_some(),
        };
        out.print(format_args!("{}\n", serde_json::to_string_pretty(&record)?))?;
        return Ok(());
    }
    let mut text = describe(name, plan);
    if let Some((fixed, verification)) = done {
        text += &describe_verification(verification);
        if let Some(target) = written {
            writeln!(text, "\n{} -> {} bytes, written to {}", wasm.len(), fixed.len(), target.display())?;
        }
    }
    out.print(text)?;
    Ok(())
}

/// The plan for people.
fn describe(name: &str, plan: &Plan) -> String {
    let (heading, soft, good, warn, bad) =
        (style::HEADING, style::SOFT, style::GOOD, style::WARN, style::BAD);
    let mut text = format!("{heading}{}{heading:#}\n", printable(name));
    if plan.is_empty() {
        text += "  nothing to change\n";
    }
    for item in &plan.imports {
        let known = item.known_as.as_ref().map(|known| format!(" = {known}")).unwrap_or_default();
        let (colour, sign, what, why) = match &item.decision {
            Decision::Inside { stand_in, why, exact: true, .. } => (good, "inside", stand_in.as_str(), why),
            Decision::Inside { stand_in, why, exact: false, .. } => (warn, "stub  ", stand_in.as_str(), why),
            Decision::Stays { why } => (bad, "stays ", "stays an import", why),
        };
        text += &format!(
            "  {colour}{sign}{colour:#} {}.{}{known} {soft}{} · {}{soft:#}\n         {what}: {why}\n",
            printable(&item.module),
            printable(&item.name),
            printable(&item.ty),
            item.purpose
        );
    }
    for change in &plan.changes {
        text += &format!(
            "  {good}change{good:#} {}: {}\n         {}\n",
            change.subject,
            printable(&change.what),
            change.why
        );
    }
    for note in &plan.notes {
        text += &format!("  {soft}note   {note}{soft:#}\n");
    }
    text
}

fn describe_verification(verification: &Verification) -> String {
    let colour = match verification.verdict {
        Verdict::Verified => style::GOOD,
        Verdict::VerifiedInPart | Verdict::NotVerified => style::WARN,
        Verdict::Failed => style::BAD,
    };
    let not_run = match not_run(verification) {
        list if list.is_empty() || verification.verdict == Verdict::Failed => String::new(),
        list => format!("; not run: {}", list.join("; ")),
    };
    let mut text = format!("{colour}{}{colour:#}{not_run}\n", verification.verdict.text());
    let mut line = |question: &str, outcome: &Outcome| {
        let (colour, word, detail) = match outcome {
            Outcome::Passed(detail) => (style::GOOD, "yes    ", detail),
            Outcome::NotNeeded(detail) => (style::SOFT, "-      ", detail),
            Outcome::Skipped(gap) => (style::WARN, "not run", &gap.words),
            Outcome::Failed(detail) => (style::BAD, "NO     ", detail),
        };
        text += &format!("  {colour}{word}{colour:#} {question}: {}\n", printable(detail));
    };
    line("on a bare engine, says inspect", &verification.inspected);
    for check in &verification.checks {
        line(&format!("{} on {}", check.question.text(), check.engine), &check.outcome);
    }
    text
}

/// What was not executed or compared, each once: engines mostly share it.
fn not_run(verification: &Verification) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    let mut told: Vec<(Reason, Option<verify::Question>)> = Vec::new();
    for gap in &verification.not_run {
        if told.contains(&(gap.gap.reason, gap.question)) {
            continue;
        }
        told.push((gap.gap.reason, gap.question));
        let words = printable(&gap.gap.words).to_string();
        if !list.contains(&words) {
            list.push(words);
        }
    }
    list
}
