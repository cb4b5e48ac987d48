//! `memgrove survey`: which toolchain, with which allocator, makes the most portable module?

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use memgrove_lab::survey::{
    Engines, Progress as Follow, Rebuild, Rebuilt, Subject, Survey, ToolchainState, prebuilt,
    prebuilt_subjects, rebuild, rebuilt_subjects, survey,
};
use memgrove_lab::toolchain::{RECIPES, Recipe, Tools, find_samples};
use memgrove_text::escape_file_name;
use memgrove_view::Json;

use crate::exit::{Exit, UserError};
use crate::interrupt::RunFolder;
use crate::output::{Output, Progress};
use crate::output_file::{self, Target};

const EXAMPLES: &str = "\
Examples:
  memgrove survey                          from the modules that are shipped inside memgrove
  memgrove survey --build --html out.html  build them all with this machine's toolchains first
  memgrove survey --json | jq '.rows[] | {id, imports: .module.facts.imports}'";

/// Show which toolchain, with which allocator, makes the most portable module
///
/// The study's program (allocate 64 KiB, copy the program's name into them, compare) in C, C++ and Rust, by
/// every toolchain with every allocator it offers. Each module is inspected, instantiated with nothing and
/// under the host it is made for, and run on wasmtime, wasmi and Node twice, once with the name that the
/// program accepts and once with one it must reject.
#[derive(Debug, Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", crate::exit::HELP))]
pub(crate) struct SurveyArgs {
    /// Build the modules with the toolchains on this machine
    ///
    /// For a toolchain that is missing or fails, the shipped modules stand in. A run that was interrupted can
    /// simply be repeated.
    #[arg(long)]
    build: bool,

    /// Fail (status 3) if built modules differ from the shipped ones
    #[arg(long, requires = "build")]
    check: bool,

    /// The samples' sources [default: `samples` here or in a folder above]
    #[arg(long, requires = "build", value_name = "DIR")]
    samples: Option<PathBuf>,

    /// Where built modules and their manifest go [default: `out/survey/modules` next to the samples]
    #[arg(long, requires = "build", value_name = "DIR")]
    modules: Option<PathBuf>,

    /// Print JSON; its rows keep their names and meaning from version to version
    #[arg(long)]
    json: bool,

    /// Write the report as one self-contained HTML file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Subjects, the toolchains looked for, and whether everything went well so far.
type Prepared = (Vec<Subject>, Vec<ToolchainState>, Exit);

pub(crate) fn run(args: &SurveyArgs, out: &mut Output) -> Result<Exit> {
    // What engines and toolchains leave in the folder for temporary files goes with it.
    let _folder = RunFolder::new();
    let html = args.html.as_deref().map(|path| Target::new(path, "--html")).transpose()?;
    let tools = Tools::from_environment();
    let (subjects, toolchains, exit) =
        if args.build { build(args, &tools, out)? } else { (prebuilt_subjects()?, Vec::new(), Exit::Done) };
    let result = survey(&subjects, &Engines::open(tools), toolchains);
    if let Some(target) = html {
        target.write(memgrove_view::survey::html(&result).as_bytes())?;
        out.note(format!("report: {}", target.name()));
    }
    print(args, &result, out)?;
    Ok(exit)
}

fn print(args: &SurveyArgs, result: &Survey, out: &mut Output) -> Result<()> {
    if args.json {
        out.json(&Json::pretty(result)?.then(&Json::frame("\n")))?;
    } else {
        out.print(memgrove_view::survey::text(result))?;
    }
    Ok(())
}

fn build(args: &SurveyArgs, tools: &Tools, out: &mut Output) -> Result<Prepared> {
    let samples = match &args.samples {
        Some(samples) => samples
            .canonicalize()
            .with_context(|| format!("cannot open {}", escape_file_name(samples.as_os_str())))?,
        None => find_samples(&std::env::current_dir()?).ok_or_else(|| {
            UserError::failed("the samples' sources are not here")
                .hint("run this in a checkout of memgrove, or say where they are with --samples DIR")
        })?,
    };
    let work = samples.parent().unwrap_or(&samples).join("out/survey");
    let modules = args.modules.clone().unwrap_or_else(|| work.join("modules"));
    let bar = out.progress(RECIPES.len() as u64, "building");
    let mut progress = Building { out: &mut *out, bar, exit: Exit::Done };
    let write = |path: &Path, bytes: &[u8]| {
        output_file::write_file(path, bytes).map_err(|error| std::io::Error::other(format!("{error:#}")))
    };
    let plan =
        Rebuild { samples: &samples, modules: &modules, cache: &work.join("cache"), tools, write: &write };
    let (toolchains, rebuilt) = rebuild(&plan, &mut progress)?;
    let mut exit = progress.exit;
    out.progress_done();
    if args.check {
        exit = exit.and(check(&rebuilt, out)?);
    }
    Ok((rebuilt_subjects(rebuilt)?, toolchains, exit))
}

/// Shows what is being built, and a failure when it happens.
struct Building<'o> {
    out: &'o mut Output,
    bar: Progress,
    exit: Exit,
}

impl Follow for Building<'_> {
    fn building(&mut self, recipe: &Recipe, index: usize, total: usize) {
        self.bar.at(index as u64);
        self.bar.message(recipe.id);
        if self.bar.is_hidden() {
            self.out.note(format!("[{}/{total}] {}", index + 1, recipe.id));
        }
    }

    fn built(&mut self, rebuilt: &Rebuilt) {
        match &rebuilt.result {
            Ok(_) => {}
            Err(failure) if failure.is_missing() => {
                self.out.note(format!("{}: {failure}", rebuilt.recipe.id));
            }
            Err(failure) => {
                self.exit = self.exit.and(Exit::Failed);
                self.out.warning(format!("{}: {failure}", rebuilt.recipe.id));
            }
        }
    }
}

/// Says how the built modules' facts differ from those of the shipped ones.
fn check(rebuilt: &[Rebuilt], out: &mut Output) -> Result<Exit> {
    let shipped = prebuilt()?;
    let mut exit = Exit::Done;
    for Rebuilt { recipe, result } in rebuilt {
        let Ok(made) = result else { continue };
        let Some(known) = shipped.iter().find(|module| module.recipe.id == recipe.id) else {
            exit = Exit::No;
            out.warning(format!("{}: no such module is shipped", recipe.id));
            continue;
        };
        for difference in known.entry.facts.differences(&made.entry.facts) {
            exit = Exit::No;
            out.warning(format!("{}: {difference}", recipe.id));
        }
    }
    Ok(exit)
}
