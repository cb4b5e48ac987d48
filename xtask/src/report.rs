//! The committed results pages are rendered from the committed samples, and from nothing else.

use std::fs;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use xshell::cmd;

use crate::workspace::{Workspace, folder};
use crate::{corpus, programs_page, swap_page, workers};

/// The samples that docs/results.md is made of.
const SAMPLES: &str = "results/bench.json";
/// The folder of its charts, beside it.
const PLOTS: &str = "results";

#[derive(clap::Args, Default)]
pub struct ReportArgs {
    /// Write nothing; fail if the page is not what the samples give.
    #[arg(long)]
    check: bool,
    /// Measure everything anew first: for a machine that does nothing else. Goes on after an interruption.
    #[arg(long, conflicts_with = "check")]
    measure: bool,
}

impl ReportArgs {
    /// Only a look at whether the page is what the samples give.
    pub fn checked() -> Self {
        Self { check: true, measure: false }
    }
}

/// Writes a page that is made of the figures in a JSON file, or says whether it is what they give. `make` gets the figures, and the
/// page as it is, of which it may keep parts.
pub fn render<T: DeserializeOwned>(
    workspace: &Workspace,
    (figures, page): (&str, &str),
    check: bool,
    make: impl FnOnce(&T, &str) -> Result<String>,
) -> Result<()> {
    let place = workspace.root().join(page);
    let json = fs::read_to_string(workspace.root().join(figures)).with_context(|| figures.to_owned())?;
    let before = fs::read_to_string(&place).unwrap_or_default();
    let made = make(&serde_json::from_str(&json).with_context(|| figures.to_owned())?, &before)?;
    if !check {
        return Ok(fs::write(place, made)?);
    }
    if before != made {
        bail!("{page} is not what {figures} gives\nhint: cargo xtask report");
    }
    Ok(())
}

pub fn run(workspace: &Workspace, args: &ReportArgs) -> Result<()> {
    let sh = workspace.shell()?;
    swap_page::run(workspace, args.check)?;
    programs_page::run(workspace, args.check)?;
    workers::page::run(workspace, args.check)?;
    if args.measure {
        if let Ok(commit) = cmd!(sh, "git rev-parse --short HEAD").quiet().ignore_stderr().read() {
            sh.set_var("MEMGROVE_COMMIT", commit);
        }
        sh.create_dir("results")?;
        cmd!(
            sh,
            "cargo run --release --locked -- bench --scale 100 --rounds 9 --threads 1,2 --repeat 200 --save {SAMPLES}"
        )
        .run()?;
    }
    if !workspace.root().join(SAMPLES).exists() {
        bail!("{SAMPLES} is not there\nhint: cargo xtask report --measure, on a quiet machine");
    }
    let made = workspace.out().join("results.md");
    let plots = workspace.out().join(PLOTS);
    sh.create_dir(workspace.out())?;
    sh.remove_path(&plots)?;
    let memgrove = workspace.memgrove(&sh)?;
    corpus::page::run(workspace, &memgrove, args.check)?;
    cmd!(sh, "{memgrove} --quiet bench --from {SAMPLES} --markdown {made} --plots").ignore_stdout().run()?;
    let docs = workspace.root().join("docs");
    let (page, pictures) = (docs.join("results.md"), docs.join(PLOTS));
    if args.check {
        if fs::read(&page).ok() != fs::read(&made).ok() || folder(&pictures)? != folder(&plots)? {
            bail!(
                "docs/results.md or a picture beside it is not what {SAMPLES} gives\nhint: cargo xtask report"
            );
        }
        return Ok(());
    }
    sh.remove_path(&pictures)?;
    sh.create_dir(&pictures)?;
    for (name, bytes) in folder(&plots)? {
        fs::write(pictures.join(name), bytes)?;
    }
    Ok(fs::copy(made, page).map(|_| ())?)
}
