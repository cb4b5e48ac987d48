//! The one list of what is checked, by hand and by CI. Every step runs even when one before it failed.

use std::time::Instant;

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

use crate::archives::{self, ArchivesArgs};
use crate::corpus::{self, CorpusTask};
use crate::report::{self, ReportArgs};
use crate::size::{self, SizeArgs};
use crate::wasm_rust::WasmRust;
use crate::workspace::Workspace;
use crate::{setup, tidy};

#[derive(clap::Args)]
pub struct TestArgs {
    /// Run only the steps whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Name the steps and stop.
    #[arg(long)]
    list: bool,
    /// Take the machine as it is; install nothing.
    #[arg(long)]
    no_setup: bool,
}

/// One check: its name, and what runs it.
struct Step {
    name: &'static str,
    run: fn(&Workspace, &Shell) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "format", run: |_, sh| Ok(cmd!(sh, "cargo fmt --all --check").run()?) },
    Step { name: "tidy", run: |workspace, _| tidy::run(workspace) },
    Step {
        name: "clippy",
        run: |_, sh| {
            cmd!(sh, "cargo clippy --locked --workspace --all-targets -- -D warnings").run()?;
            Ok(cmd!(sh, "cargo clippy --locked -p memgrove --all-features --all-targets -- -D warnings")
                .run()?)
        },
    },
    Step { name: "documentation", run: documentation },
    Step { name: "features-on-wasm32", run: features_on_wasm32 },
    Step { name: "archives", run: |workspace, _| archives::run(workspace, &ArchivesArgs::checked()) },
    Step { name: "corpus", run: |workspace, _| corpus::run(workspace, &CorpusTask::Fetch) },
    Step {
        name: "tests",
        run: |_, sh| Ok(cmd!(sh, "cargo test --locked --workspace --no-fail-fast").run()?),
    },
    // The allocators once more, with a secret in every list.
    Step { name: "encoded-links", run: encoded_links },
    Step { name: "results", run: |workspace, _| report::run(workspace, &ReportArgs::checked()) },
    Step { name: "size", run: |workspace, _| size::run(workspace, &SizeArgs::default()) },
    // Every interleaving of the allocators' lock and of finding a block's heap; under a minute, most of it compiling.
    Step { name: "loom", run: loom },
    // Every toolchain builds the survey's modules anew, and their facts are what the prebuilt ones' manifest says.
    Step { name: "survey", run: survey },
];

fn loom(_: &Workspace, sh: &Shell) -> Result<()> {
    sh.set_var("RUSTFLAGS", "--cfg loom");
    // A folder of its own, because the flag would have everything else compiled again.
    Ok(cmd!(sh, "cargo test --locked --release -p memgrove --test loom --target-dir target/loom").run()?)
}

fn encoded_links(_: &Workspace, sh: &Shell) -> Result<()> {
    let tests = ["--lib", "--test=hardened", "--test=dlmalloc", "--test=jemalloc", "--test=hoard"];
    Ok(cmd!(sh, "cargo test --locked -p memgrove --features encoded-links --no-fail-fast")
        .args(tests)
        .run()?)
}

fn survey(workspace: &Workspace, sh: &Shell) -> Result<()> {
    let memgrove = workspace.memgrove(sh)?;
    Ok(cmd!(sh, "{memgrove} survey --build --check").run()?)
}

/// Each crate that is meant for wasm32, with each of its sets of features, and the standard library it needs.
const ON_WASM32: &[(&str, &[&str], &str)] = &[
    ("memgrove", &["--no-default-features"], "core"),
    ("memgrove", &["--all-features"], "core,alloc"),
    ("memgrove-trace", &[], "core,alloc"),
    ("memgrove-inspect", &["--no-default-features"], "std,panic_abort"),
    ("memgrove-inspect", &["--all-features"], "std,panic_abort"),
    ("memgrove-rewrite", &[], "std,panic_abort"),
];

pub fn run(workspace: &Workspace, args: &TestArgs) -> Result<()> {
    if args.list {
        STEPS.iter().for_each(|step| println!("{}", step.name));
        return Ok(());
    }
    if !args.no_setup {
        setup::run(workspace, &setup::SetupArgs::default())?;
    }
    let wanted = |step: &&Step| args.only.as_ref().is_none_or(|part| step.name.contains(part.as_str()));
    let mut failed = Vec::new();
    let mut passed = 0;
    for step in STEPS.iter().filter(wanted) {
        println!("\n==== {}", step.name);
        let start = Instant::now();
        // A shell of its own, so that no step inherits another's variables.
        match (step.run)(workspace, &workspace.shell()?) {
            Ok(()) => {
                passed += 1;
                println!("==== {}: passed in {:.0} s", step.name, start.elapsed().as_secs_f64());
            }
            Err(error) => {
                failed.push(step.name);
                println!(
                    "==== {}: FAILED after {:.0} s: {error:#}",
                    step.name,
                    start.elapsed().as_secs_f64()
                );
            }
        }
    }
    println!("\nsteps: {passed} passed, {} failed", failed.len());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn documentation(_: &Workspace, sh: &Shell) -> Result<()> {
    sh.set_var("RUSTDOCFLAGS", "-D warnings");
    Ok(cmd!(sh, "cargo doc --locked --workspace --no-deps").run()?)
}

/// Checks each crate that is meant for wasm32 there, without and with the features of threads; the allocators for
/// memory64, too.
fn features_on_wasm32(_: &Workspace, sh: &Shell) -> Result<()> {
    let rust = WasmRust::find(sh)?;
    for (package, features, library) in ON_WASM32 {
        rust.enter(sh, &["-Dwarnings"])?;
        let arguments = rust.arguments(library);
        cmd!(sh, "cargo check --quiet --locked --target-dir out/target/wasm32 -p {package}")
            .args(*features)
            .args(arguments)
            .run()?;
    }
    // With threads: told apart by their stacks, by #[thread_local], by the standard library.
    let atomics = "-Ctarget-feature=+atomics,+bulk-memory,+mutable-globals";
    let ways: [(&[&str], &[&str], &str); 3] = [
        (&["-Dwarnings", atomics], &[], "core"),
        (&["-Dwarnings", atomics, "--cfg=memgrove_thread_local"], &[], "core"),
        (&["-Dwarnings", atomics], &["--features=std"], "std,panic_abort"),
    ];
    for (flags, features, library) in ways {
        rust.enter(sh, flags)?;
        let arguments = rust.arguments(library);
        cmd!(sh, "cargo check --quiet --locked --target-dir out/target/wasm32 -p memgrove")
            .args(features)
            .args(arguments)
            .run()?;
    }
    let Some(arguments) = rust.arguments64("core") else {
        println!("memory64 is left out: it needs a standard library built from source");
        return Ok(());
    };
    rust.enter(sh, &["-Dwarnings"])?;
    Ok(cmd!(sh, "cargo check --quiet --locked --target-dir out/target/wasm32 -p memgrove")
        .args(arguments)
        .run()?)
}
