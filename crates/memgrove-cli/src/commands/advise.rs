//! `memgrove advise`: a recorded program on every allocator.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use memgrove_api::{HostTarget, profile};
use memgrove_inspect::Facts;
use memgrove_lab::measure::advise::{Chain, Replayers};
use memgrove_lab::measure::catalogue::Catalogue;
use memgrove_lab::measure::{MeasureError, Trace};
use memgrove_profile::Profile;
use memgrove_results::advice::{Advice, PAGE_BYTES, Present, Verdict, held_by};
use memgrove_rewrite::swap::{SwapError, To, swap};
use memgrove_text::escape_file_name;
use memgrove_view::advise::{Advised, SwapAdvice};

use super::trace_read::{Original, read_recorded};
use crate::exit::{self, Exit, UserError};
use crate::input;
use crate::interrupt::RunFolder;
use crate::output::Output;

const LONG_ABOUT: &str = "\
Recommend an allocator for a recorded program

PROFILE is a recording of `memgrove trace`, or a trace as `memgrove bench --trace` takes it. Its calls are replayed, in order, \
on each allocator that `memgrove bench --list` names: how many pages the heap grows to, and again when the same calls are \
repeated; the smallest heap of fixed size that holds them; the allocator's own instructions; its code. All of it is counted, \
so the same recording gives the same answer.

With --host, the instructions are priced as that chain does, and it is the price that counts.

Recommended is the allocator with the fewest pages; among those about equal (5 %, or one page of ten) the one with the fewest \
instructions; among those about equal (10 %) the one with the least code. If that is the present one, it is kept.

With FILE, the module that was traced, the present allocator is named, and whether `memgrove swap` can put a better one in.";

const EXAMPLES: &str = "\
Examples:
  memgrove trace app.wasm --save app.mgpr -- input.txt && memgrove advise app.mgpr app.wasm
  memgrove advise app.mgpr --allocators ours,dlmalloc
  memgrove advise app.mgpr --host near
  memgrove advise app.mgpr --json";

/// First bytes of a trace for `memgrove bench`.
const TRACE_MAGIC: [u8; 4] = *b"MGTR";

/// Recommend an allocator for a recorded program
#[derive(Clone, Debug, Args)]
#[command(long_about = LONG_ABOUT, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct AdviseArgs {
    /// The recording
    #[arg(value_name = "PROFILE")]
    profile: PathBuf,

    /// The module that was traced
    #[arg(value_name = "FILE")]
    module: Option<PathBuf>,

    /// Allocators or groups to try (all, ours, peers), in addition to dlmalloc [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    allocators: Vec<String>,

    /// Count what a chain charges for the instructions, and judge by that: cosmwasm, near, or a .toml file
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    /// Write the advice as JSON
    #[arg(long)]
    json: bool,

    /// Refuse modules with more bytes than this, also after unpacking
    #[arg(long, value_name = "BYTES", default_value_t = memgrove_open::DEFAULT_MAX_BYTES)]
    max_size: u64,
}

pub(crate) fn run(args: &AdviseArgs, out: &mut Output) -> Result<Exit> {
    let name = escape_file_name(args.profile.as_os_str());
    let wasm = args.module.as_ref().map(|path| input::read_one(path, args.max_size, "advise")).transpose()?;
    let module_name = args.module.as_ref().map(|path| escape_file_name(path.as_os_str()));
    let facts = wasm.as_ref().map(|wasm| memgrove_inspect::facts(wasm)).transpose();
    let facts = facts.with_context(|| module_name.clone().unwrap_or_default())?;
    let module = args
        .module
        .as_deref()
        .zip(module_name.as_deref())
        .zip(facts.as_ref())
        .map(|((path, name), facts)| Original { path, name, facts, max_size: args.max_size });
    let recorded = recorded(&args.profile, &name, module.as_ref(), args.max_size)?;
    let trace = Trace::of(recorded.trace, &args.profile).map_err(MeasureError::from)?;

    // What engines leave in the folder for temporary files goes with it.
    let _folder = RunFolder::new();
    let catalogue = Catalogue::embedded().map_err(MeasureError::from)?;
    let chain = args.host.as_deref().map(chain).transpose()?;
    let replayers = Replayers::load(&catalogue, &args.allocators, chain)?;
    let bar = out.progress(replayers.count() as u64, "replaying");
    let advice = replayers.advise(&trace, &|| bar.step());
    out.progress_done();

    let present = module.as_ref().map(|module| module.facts);
    let present =
        (present.is_some() || recorded.pages.is_some()).then(|| present_of(present, recorded.pages));
    let swap = module.as_ref().and_then(|module| swap_advice(&advice, present.as_ref(), module));
    let advised = Advised {
        name: &name,
        advice: &advice,
        present: present.as_ref(),
        cut_from: recorded.cut_from,
        swap: swap.as_ref(),
    };
    if args.json {
        out.json(&advised.json()?)?
    } else {
        out.print(advised.text())?
    }
    Ok(Exit::Done)
}

/// The chain that `--host` names.
fn chain(name: &str) -> Result<Chain> {
    let host = input::host(name)?;
    let price = host.price().cloned().ok_or_else(|| {
        UserError::usage(format!("host `{}` has no prices", host.id())).hint(format!(
            "hosts with prices: {}; a profile of your own says them in [price]",
            HostTarget::priced().join(", ")
        ))
    })?;
    Ok(Chain { host: host.id().to_owned(), price })
}

/// What is replayed of a recording, and what it tells beside.
struct Recorded {
    trace: Vec<u8>,
    /// Pages from the lowest block to the end of the highest.
    pages: Option<u64>,
    /// Events that there were, if the log has not all.
    cut_from: Option<u64>,
}

fn recorded(path: &Path, name: &str, module: Option<&Original<'_>>, max_size: u64) -> Result<Recorded> {
    let bytes = read_recorded(path, max_size)?;
    if bytes.starts_with(&TRACE_MAGIC) {
        return Ok(Recorded { trace: bytes, pages: None, cut_from: None });
    }
    let profile = profile::read(bytes).map_err(|error| {
        UserError::failed(format!("{name}: {error}"))
            .hint("a recording is what memgrove trace --save writes, or readProfile of profile.mjs returns")
    })?;
    let profile = match module {
        Some(module) => profile::located(profile, module.facts).with_context(|| name.to_owned())?,
        None => profile,
    };
    let trace = profile.mgtr_of_log().map_err(profile::not_replayable).with_context(|| name.to_owned())?;
    Ok(Recorded {
        trace,
        pages: pages_of(&profile),
        cut_from: profile.is_log_cut.then_some(profile.event_count),
    })
}

/// Pages in which the recorded program's allocator had its blocks.
fn pages_of(profile: &Profile) -> Option<u64> {
    let extent = profile.summary().extent?;
    Some(extent.bytes().div_ceil(PAGE_BYTES))
}

fn present_of(facts: Option<&Facts<'_>>, pages: Option<u64>) -> Present {
    let allocator = facts.and_then(|facts| memgrove_inspect::conclude(facts).allocator.identity.value);
    let candidates = allocator.as_ref().map_or(&[][..], |allocator| held_by(&allocator.id));
    Present {
        name: allocator.map(|allocator| allocator.name),
        recorded_pages: pages,
        candidates: candidates.iter().map(|&guest| guest.to_owned()).collect(),
    }
}

/// The heap of `memgrove swap` that is this candidate.
fn heap_of(allocator: &str) -> Option<To> {
    allocator.strip_prefix("memgrove-").and_then(To::named)
}

/// Whether a better allocator can be put into the module, of those that swap has.
fn swap_advice(advice: &Advice, present: Option<&Present>, module: &Original<'_>) -> Option<SwapAdvice> {
    if !matches!(advice.verdict(present), Verdict::Take { .. }) {
        return None;
    }
    let is_present = |allocator: &str| {
        present.is_some_and(|present| present.candidates.iter().any(|known| known == allocator))
    };
    let mut possible = advice.clone();
    possible
        .candidates
        .retain(|candidate| heap_of(&candidate.allocator).is_some() || is_present(&candidate.allocator));
    let Verdict::Take { allocator, .. } = possible.verdict(present) else {
        return Some(SwapAdvice::NoneBetter);
    };
    let to = heap_of(&allocator)?;
    let refused = |reason: String| Some(SwapAdvice::Refused { reason });
    let options = match memgrove_verify::swap::options_for(module.facts, to) {
        Ok(options) => options,
        Err(why) => return refused(why.to_string()),
    };
    match swap(module.facts, &options) {
        Ok(_) => Some(SwapAdvice::Swap {
            command: format!("memgrove swap {} --to {} -o OUT", module.name, to.name()),
            allocator,
        }),
        Err(SwapError::Refused(why)) => refused(why.to_string()),
        Err(error) => refused(error.to_string()),
    }
}
