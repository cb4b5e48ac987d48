//! Makes every generated file anew, each after what it is made from. What is measured is left alone: figures are taken
//! on a machine that does nothing else (`cargo xtask report --measure`).

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::donors::{self, DonorsTask};
use crate::guests::{self, BuildArgs, GuestsTask};
use crate::report::{self, ReportArgs};
use crate::size::{self, SizeArgs};
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub struct RegenerateArgs {
    /// Name the steps in their order, and stop.
    #[arg(long)]
    list: bool,
}

/// A step: what it makes, and how.
type Step = (&'static str, fn(&Workspace, &Shell) -> Result<()>);

/// Each needs those before it: the command embeds donors and guests, the samples are what it fixes, the pages and
/// golden files are what it prints.
const STEPS: &[Step] = &[
    ("crates/memgrove-rewrite/donors", |workspace, _| donors::run(workspace, &DonorsTask::Build)),
    ("guests/prebuilt", |workspace, _| guests::run(workspace, &GuestsTask::Build(BuildArgs::default()))),
    ("results/size.json", |workspace, _| size::run(workspace, &SizeArgs::blessed())),
    ("samples/prebuilt", |workspace, sh| {
        let memgrove = workspace.memgrove(sh)?;
        Ok(cmd!(sh, "{memgrove} --quiet survey --build --modules samples/prebuilt").ignore_stdout().run()?)
    }),
    // The tests write what they compare, golden files as well as manual pages and completions.
    ("tests/cli, docs/man, completions", |_, sh| {
        sh.set_var("SNAPSHOTS", "overwrite");
        Ok(cmd!(sh, "cargo test --locked --workspace --test cli").run()?)
    }),
    (
        "docs/results.md, docs/results, docs/swap.md, results/corpus.csv, docs/corpus.md, docs/corpus",
        |workspace, _| report::run(workspace, &ReportArgs::default()),
    ),
];

pub fn run(workspace: &Workspace, args: &RegenerateArgs) -> Result<()> {
    for (made, make) in STEPS {
        println!("{made}");
        if !args.list {
            make(workspace, &workspace.shell()?)?;
        }
    }
    if !args.list {
        println!("now look at what has changed: git diff --stat");
    }
    Ok(())
}
