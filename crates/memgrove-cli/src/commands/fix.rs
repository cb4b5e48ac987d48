//! `memgrove fix`: a module that runs anywhere, from one that needs its host for memory.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use memgrove_inspect::facts;
use memgrove_inspect::facts::MemoryType;
use memgrove_lab::verify::{self, Outcome, Reason, Verdict, Verification};
use memgrove_rewrite::{Decision, Fixed, Options, Plan, Stubs};
use memgrove_text::{Line, Text, Tone, escape_file_name, escape_name, shorten};
use serde::Serialize;

use super::fix_host::{HostTarget, HostVerdict};
use crate::exit::{self, Exit, UserError};
use crate::input::Source;
use crate::output::{Json, Output};
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
  memgrove fix app.wasm -o out.wasm --host wasmtime   leave WASI to the host
  memgrove fix app.wasm -o out.wasm --stub none       only what can be satisfied exactly
  memgrove fix app.wasm -o out.wasm --json | jq '.plan.imports'";

/// A name may be as long as the file; of one this many characters are shown.
const LONGEST_NAME: usize = 160;

/// The same for a text that quotes names.
const LONGEST_TEXT: usize = 1500;

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

    /// Target host (id or TOML file): imports it provides are kept, and the result has to run on it
    #[arg(long, value_name = "PROFILE", default_value = "bare")]
    host: String,

    /// Write the output even if imports remain or the target host does not run it; the status stays 3
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
    #[arg(long, value_name = "BYTES", default_value_t = memgrove_open::DEFAULT_MAX_BYTES)]
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
    host: &'a HostVerdict,
    /// What verification came to; none before it.
    verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<&'a Verification>,
    written: bool,
}

pub(crate) fn run(args: &FixArgs, out: &mut Output) -> Result<Exit> {
    let name = escape_file_name(args.path.as_os_str());
    let host = HostTarget::named(&args.host)?;
    let target = target(args)?;
    let wasm = read(args, &name)?;
    let options = options(args, &host, &wasm).with_context(|| name.clone())?;
    let Fixed { wasm: fixed, plan } = memgrove_rewrite::fix(&wasm, &options).with_context(|| name.clone())?;
    let on_host = host.verdict(&fixed).with_context(|| name.clone())?;
    if args.dry_run {
        report(args, out, &name, &wasm, &plan, &on_host, None, None)?;
        let is_yes = may_write(args, &options, &plan) && !on_host.is_no();
        return Ok(if is_yes { Exit::Done } else { Exit::No });
    }
    let refusal = match plan.remaining().count() {
        _ if args.partial => None,
        _ if may_write(args, &options, &plan) => {
            on_host.is_no().then(|| format!("the target host does not run the result: {}", on_host.words()))
        }
        1 => Some("1 import stays".to_owned()),
        count => Some(format!("{count} imports stay")),
    };
    if let Some(refusal) = refusal {
        report(args, out, &name, &wasm, &plan, &on_host, None, None)?;
        out.note(format!(
            "nothing written: {}; --partial writes the module all the same",
            shorten(&refusal, LONGEST_TEXT)
        ));
        return Ok(Exit::No);
    }
    let verification = verify::verify(&wasm, &fixed, &plan);
    let target = target.as_ref().filter(|_| verification.passed());
    if let Some(target) = target {
        target.write(&fixed)?;
    }
    report(args, out, &name, &wasm, &plan, &on_host, Some((&fixed, &verification)), target)?;
    if !verification.passed() {
        return Err(UserError::failed("the fixed module did not pass verification, so it was not written")
            .hint("the failed checks are listed above; the input is unchanged")
            .into());
    }
    if on_host.is_no() {
        return Ok(Exit::No);
    }
    if verification.verdict == Verdict::NotVerified && !args.accept_unverified {
        out.note("written, but nothing of it could be run; --accept-unverified takes that for done");
        return Ok(Exit::Unverified);
    }
    Ok(Exit::Done)
}

/// Nothing stays that the target does not provide, or the user wants it anyway.
fn may_write(args: &FixArgs, options: &Options, plan: &Plan) -> bool {
    args.partial || plan.remaining().all(|item| options.is_provided(&item.module, &item.name))
}

fn options(args: &FixArgs, host: &HostTarget, wasm: &[u8]) -> Result<Options> {
    let mut stubs = Stubs::none();
    for group in &args.stub {
        stubs.set(group);
    }
    let facts = facts(wasm)?;
    if let (Some(bytes), Some(memory)) = (args.max_memory, facts.memories.first()) {
        check_maximum(bytes, &memory.ty)?;
    }
    Ok(Options {
        stubs,
        provided: host.provided(&facts),
        export_memory: host.needs_memory_export(&facts),
        max_memory_bytes: args.max_memory,
    })
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
    let mut binaries =
        memgrove_open::binaries(bytes, name, args.max_size).with_context(|| name.to_owned())?;
    match (binaries.pop(), binaries.len()) {
        (Some(binary), 0) => Ok(binary.bytes),
        (_, more) => Err(UserError::failed(format!("{name} holds {} modules", more + 1))
            .hint("extract the one to fix into a file of its own")
            .into()),
    }
}

/// Where the result goes; refused before any work is done where it cannot.
fn target(args: &FixArgs) -> Result<Option<Target>> {
    let Some(path) = &args.output else { return Ok(None) };
    let target = Target::new(path, "OUT")?;
    let profile = Some(Path::new(&args.host)).filter(|host| host.exists());
    output_file::refuse_clashes(&[(&target, "OUT")], std::iter::once(&*args.path).chain(profile))?;
    Ok(Some(target))
}

#[expect(clippy::too_many_arguments, reason = "what a report is made of")]
fn report(
    args: &FixArgs,
    out: &mut Output,
    name: &str,
    wasm: &[u8],
    plan: &Plan,
    on_host: &HostVerdict,
    done: Option<(&[u8], &Verification)>,
    written: Option<&Target>,
) -> Result<()> {
    if args.json {
        let record = Record {
            schema: SCHEMA,
            file: name,
            complete: plan.is_complete(),
            bytes_before: wasm.len(),
            bytes_after: done.map(|(fixed, _)| fixed.len()),
            plan,
            host: on_host,
            verdict: done.map(|(_, verification)| verification.verdict),
            verification: done.map(|(_, verification)| verification),
            written: written.is_some(),
        };
        out.json(&Json::pretty(&record)?.then(&Json::frame("\n")))?;
        return Ok(());
    }
    let mut text = describe(name, plan);
    text.line(describe_host(on_host));
    if let Some((fixed, verification)) = done {
        text.append(describe_verification(verification));
        if let Some(target) = written {
            text.gap();
            text.line(format!("{} -> {} bytes, written to {}", wasm.len(), fixed.len(), target.name()));
        }
    }
    out.print(text)?;
    Ok(())
}

/// The plan for people.
fn describe(name: &str, plan: &Plan) -> Text {
    let mut text = Text::from(Line::new().with(Tone::Heading, escape_name(name)));
    if plan.is_empty() {
        text.line("  nothing to change");
    }
    for item in &plan.imports {
        let known = item.known_as.as_ref().map(|known| format!(" = {known}")).unwrap_or_default();
        let (tone, sign, what, why) = match &item.decision {
            Decision::Inside { stand_in, why, exact: true, .. } => {
                (Tone::Good, "inside", stand_in.as_str(), why)
            }
            Decision::Inside { stand_in, why, exact: false, .. } => {
                (Tone::Warn, "stub  ", stand_in.as_str(), why)
            }
            Decision::Stays { why } => (Tone::Bad, "stays ", "stays an import", why),
        };
        let about = format!("{} · {}", shorten(&item.ty, LONGEST_TEXT), item.purpose);
        let short = |name| shorten(name, LONGEST_NAME);
        let name = format!(" {}.{}{known} ", short(&item.module), short(&item.name));
        text.line(Line::new().plain("  ").with(tone, sign).plain(name).with(Tone::Soft, about));
        text.line(format!("         {}", shorten(&format!("{what}: {why}"), LONGEST_TEXT)));
    }
    for change in &plan.changes {
        let what =
            format!(" {}: {}", shorten(&change.subject, LONGEST_NAME), shorten(&change.what, LONGEST_TEXT));
        text.line(Line::new().plain("  ").with(Tone::Good, "change").plain(what));
        text.line(format!("         {}", shorten(&change.why, LONGEST_TEXT)));
    }
    for note in &plan.notes {
        text.line(
            Line::new().plain("  ").with(Tone::Soft, format!("note   {}", shorten(note, LONGEST_TEXT))),
        );
    }
    text
}

/// What the inspector says of the result on the host that it is for.
fn describe_host(on_host: &HostVerdict) -> Line {
    let (tone, word) = if on_host.is_no() { (Tone::Bad, "NO     ") } else { (Tone::Good, "yes    ") };
    let answer = format!(" {}: {}", on_host.question(), shorten(&on_host.words(), LONGEST_TEXT));
    Line::new().plain("  ").with(tone, word).plain(answer)
}

fn describe_verification(verification: &Verification) -> Text {
    let tone = match verification.verdict {
        Verdict::Verified => Tone::Good,
        Verdict::VerifiedInPart | Verdict::NotVerified => Tone::Warn,
        Verdict::Failed => Tone::Bad,
    };
    let not_run = match not_run(verification) {
        list if list.is_empty() || verification.verdict == Verdict::Failed => String::new(),
        list => shorten(&format!("; not run: {}", list.join("; ")), LONGEST_TEXT).into_owned(),
    };
    let mut text = Text::from(Line::new().with(tone, verification.verdict.text()).plain(not_run));
    let mut line = |question: &str, outcome: &Outcome| {
        let (tone, word, detail) = match outcome {
            Outcome::Passed(detail) => (Tone::Good, "yes    ", detail),
            Outcome::NotNeeded(detail) => (Tone::Soft, "-      ", detail),
            Outcome::Skipped(gap) => (Tone::Warn, "not run", &gap.words),
            Outcome::Failed(detail) => (Tone::Bad, "NO     ", detail),
        };
        text.line(
            Line::new()
                .plain("  ")
                .with(tone, word)
                .plain(format!(" {question}: {}", shorten(detail, LONGEST_TEXT))),
        );
    };
    line("on a bare engine, says inspect", &verification.inspected);
    for check in &verification.checks {
        line(&format!("{} on {}", check.question.text(), check.engine), &check.outcome);
    }
    text
}

/// What was not executed or compared, each once: engines mostly share it.
fn not_run(verification: &Verification) -> Vec<&str> {
    let mut list: Vec<&str> = Vec::new();
    let mut told: Vec<(Reason, Option<verify::Question>)> = Vec::new();
    for not_run in &verification.not_run {
        let kind = (not_run.gap.reason, not_run.question);
        let words = not_run.gap.words.as_str();
        if !told.contains(&kind) && !list.contains(&words) {
            list.push(words);
        }
        told.push(kind);
    }
    list
}
