//! The committed results page is rendered from the committed samples, and from nothing else.

use std::fs;

use anyhow::{Result, bail};
use xshell::cmd;

use crate::workspace::Workspace;

/// The samples, and the page made of them.
const SAMPLES: &str = "results/bench.json";
const PAGE: &str = "docs/results.md";

#[derive(clap::Args)]
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

pub fn run(workspace: &Workspace, args: &ReportArgs) -> Result<()> {
    let sh = workspace.shell()?;
    if args.measure {
        if let Ok(commit) = cmd!(sh, "git rev-parse --short HEAD").quiet().ignore_stderr().read() {
            sh.set_var("MEMGROVE_COMMIT", commit);
        }
        sh.create_dir("results")?;
        cmd!(
            sh,
            "cargo run --release --locked -- bench --scale 100 --rounds 9 --threads 1,2 --save {SAMPLES}"
        )
        .run()?;
    }
    if !workspace.root().join(SAMPLES).exists() {
        bail!("{SAMPLES} is not there\nhint: cargo xtask report --measure, on a quiet machine");
    }
    let made = workspace.out().join("results.md");
    sh.create_dir(workspace.out())?;
    let memgrove = workspace.memgrove(&sh)?;
    cmd!(sh, "{memgrove} --quiet bench --from {SAMPLES} --markdown {made}").ignore_stdout().run()?;
    let made = fs::read_to_string(made)?;
    let page = workspace.root().join(PAGE);
    if args.check {
        if fs::read_to_string(&page).ok().as_deref() != Some(made.as_str()) {
            bail!("{PAGE} is not what {SAMPLES} gives\nhint: cargo xtask report");
        }
        return Ok(());
    }
    sh.create_dir("docs")?;
    Ok(fs::write(page, made)?)
}
