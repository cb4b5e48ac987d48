//! `memgrove swap`: another allocator in an existing module.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use memgrove_api::swap::Made;
use memgrove_rewrite::swap::{Swapped, To};
use memgrove_text::escape_file_name;
use memgrove_view::swap::Swap;

use crate::exit::{self, Exit};
use crate::input;
use crate::output::Output;
use crate::output_file::{self, Target};

const LONG_ABOUT: &str = "\
Put another allocator into an existing module, in place of its own

The functions of the old allocator are found as `memgrove inspect -v` lists them. They are replaced where it can be shown \
that nothing else in the module knows how the old allocator works inside; if not, the module is refused, with the reason. \
Imports and exports stay the same, and memory grows the way it did before.

Then original and result are verified on two engines: the old functions do what they are taken for, the new ones keep the \
same promises under the same calls, and exports return the same. OUT is written only after that.";

const EXAMPLES: &str = "\
Examples:
  memgrove swap app.wasm --to wee -o out.wasm
  memgrove swap app.wasm --to dlmalloc --dry-run
  memgrove swap app.wasm --to hardened -o out.wasm    trap on double free and overflow";

/// Put another allocator into an existing module
#[derive(Clone, Debug, Args)]
#[command(long_about = LONG_ABOUT, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct SwapArgs {
    /// The module; `-` is standard input
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// The new allocator
    #[arg(long, value_name = "HEAP", value_parser = To::ALL.map(To::name))]
    to: String,

    /// Output file; an existing file is replaced atomically, only on success
    #[arg(short, long, value_name = "OUT", required_unless_present = "dry_run")]
    output: Option<PathBuf>,

    /// Only report what would be done
    #[arg(short = 'n', long, conflicts_with = "output")]
    dry_run: bool,

    /// Exit with status 0 although nothing of the result could be run
    #[arg(long)]
    accept_unverified: bool,

    /// Report also the sizes after Binaryen's wasm-opt -Oz, which must be in PATH; may take minutes for a large module
    #[arg(long, conflicts_with = "dry_run")]
    wasm_opt: bool,

    /// Write the report as JSON
    #[arg(long)]
    json: bool,

    /// Refuse files with more bytes than this, also after unpacking
    #[arg(long, value_name = "BYTES", default_value_t = memgrove_open::DEFAULT_MAX_BYTES)]
    max_size: u64,
}

pub(crate) fn run(args: &SwapArgs, out: &mut Output) -> Result<Exit> {
    if !args.dry_run && !cfg!(feature = "engines") {
        return Err(exit::no_engine("swap").into());
    }
    let name = escape_file_name(args.path.as_os_str());
    let target = args.output.as_ref().map(|path| Target::new(path, "OUT")).transpose()?;
    if let Some(target) = &target {
        output_file::refuse_clashes(&[(target, "OUT")], std::iter::once(&*args.path))?;
    }
    let wasm = input::read_one(&args.path, args.max_size, "swap")?;
    let facts = memgrove_inspect::facts(&wasm).with_context(|| name.clone())?;
    let to = memgrove_api::swap::heap(&args.to)?;
    let swapped = match memgrove_api::swap::make(&facts, to).with_context(|| name.clone())? {
        Made::Swapped(swapped) => swapped,
        Made::Refused(why) => {
            show(args, &Swap { result: Err(Some(&why)), ..shown(&name, to, &wasm) }, out)?;
            return Ok(Exit::No);
        }
    };
    let Some(target) = target else {
        show(args, &Swap { result: Ok(&swapped), ..shown(&name, to, &wasm) }, out)?;
        return Ok(Exit::Done);
    };
    verify_and_write(args, &facts, &swapped, &shown(&name, to, &wasm), &target, out)
}

/// What is shown of a module of which nothing else is known yet.
fn shown<'a>(name: &'a str, to: To, wasm: &[u8]) -> Swap<'a> {
    Swap {
        name,
        to,
        bytes_before: wasm.len(),
        result: Err(None),
        verification: None,
        brotli_bytes: None,
        wasm_opt_bytes: None,
        written_to: None,
    }
}

fn show(args: &SwapArgs, swap: &Swap<'_>, out: &mut Output) -> Result<()> {
    if args.json {
        out.json(&swap.json()?)?
    } else {
        out.print(swap.text())?
    }
    Ok(())
}

#[cfg(feature = "engines")]
fn verify_and_write(
    args: &SwapArgs,
    facts: &memgrove_inspect::Facts<'_>,
    swapped: &Swapped,
    shown: &Swap<'_>,
    target: &Target,
    out: &mut Output,
) -> Result<Exit> {
    use memgrove_api::swap::{Decision, decide};
    use memgrove_lab::measure::brotli_bytes;
    use memgrove_lab::verify::verify_swap;

    use crate::exit::UserError;

    // What engines leave in the folder for temporary files goes with it.
    let _folder = crate::interrupt::RunFolder::new();
    let wasm_opt_bytes =
        args.wasm_opt.then(|| optimised_bytes([facts.bytes(), &swapped.wasm])).transpose()?;
    let verification = verify_swap(facts, swapped);
    let packed = (brotli_bytes(facts.bytes()), brotli_bytes(&swapped.wasm));
    let base = Swap {
        result: Ok(swapped),
        verification: Some(&verification),
        brotli_bytes: Some(packed),
        wasm_opt_bytes,
        ..(*shown).clone()
    };
    let decision = decide(swapped, &verification);
    if let Some(why) = decision.refusal() {
        show(args, &base, out)?;
        if decision == Decision::Failed {
            return Err(UserError::failed(format!("{why}, so it was not written"))
                .hint("the failed checks are listed above; the input is unchanged")
                .into());
        }
        out.note(format!("nothing written: {why}"));
        return Ok(Exit::No);
    }
    target.write(&swapped.wasm)?;
    let written_to = target.name();
    show(args, &Swap { written_to: Some(&written_to), ..base }, out)?;
    if decision == Decision::UseUnverified && !args.accept_unverified {
        out.note("written, but nothing of it could be run; --accept-unverified takes that for done");
        return Ok(Exit::Unverified);
    }
    Ok(Exit::Done)
}

/// Bytes of original and result after `wasm-opt`.
#[cfg(feature = "engines")]
fn optimised_bytes(modules: [&[u8]; 2]) -> Result<(u64, u64)> {
    use crate::exit::UserError;
    use memgrove_lab::toolchain::{Tools, WasmOpt};

    let tools = Tools::from_environment();
    let wasm_opt = WasmOpt::detect(&tools).map_err(|absence| {
        UserError::failed(format!("wasm-opt cannot be used: {absence}"))
            .hint(format!("install it with `{}`, or leave out --wasm-opt", WasmOpt::install()))
    })?;
    let [before, after] =
        modules.map(|wasm| wasm_opt.optimise(&tools, wasm).map(|optimised| optimised.wasm.len() as u64));
    Ok((before?, after?))
}

/// Without an engine nothing is verified, so nothing is written; see [`run`].
#[cfg(not(feature = "engines"))]
fn verify_and_write(
    _: &SwapArgs,
    _: &memgrove_inspect::Facts<'_>,
    _: &Swapped,
    _: &Swap<'_>,
    _: &Target,
    _: &mut Output,
) -> Result<Exit> {
    Err(exit::no_engine("swap").into())
}
