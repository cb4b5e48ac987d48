//! The one list of what is checked, by hand and by CI. Every step runs even when one before it failed.

mod wasm32;

use std::time::Instant;

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

use crate::archives::{self, ArchivesArgs};
use crate::corpus::{self, CorpusTask};
use crate::donors::{self, DonorsTask};
use crate::fingerprints::{self, FingerprintsTask};
use crate::npm;
use crate::packages::{self, PackagesArgs};
use crate::python;
use crate::report::{self, ReportArgs};
use crate::size::{self, SizeArgs};
use crate::workspace::Workspace;
use crate::{setup, tidy};

#[derive(clap::Args)]
pub struct TestArgs {
    /// Run only the steps whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Name the steps, with tier and budget, and stop.
    #[arg(long)]
    list: bool,
    /// Also run the second tier: what takes long and has a short sibling in the first.
    #[arg(long)]
    all: bool,
    /// Take the machine as it is; install nothing.
    #[arg(long)]
    no_setup: bool,
}

/// When a step runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tier {
    /// On every change: what CI runs.
    Every,
    /// With `--all`, before a release; the named step of the first tier is its short form.
    Long { short: &'static str },
}

/// One check: its name, when it runs, how long it may take, and what runs it.
struct Step {
    name: &'static str,
    tier: Tier,
    /// Seconds on two cores, on a machine that has built nothing yet. A step over its budget is reported, not failed:
    /// machines differ. That the first tier's budgets fit into CI's time is a test.
    budget_s: u32,
    run: fn(&Workspace, &Shell) -> Result<()>,
}

impl Step {
    const fn every(name: &'static str, budget_s: u32, run: fn(&Workspace, &Shell) -> Result<()>) -> Self {
        Self { name, tier: Tier::Every, budget_s, run }
    }

    const fn long(
        name: &'static str,
        short: &'static str,
        budget_s: u32,
        run: fn(&Workspace, &Shell) -> Result<()>,
    ) -> Self {
        Self { name, tier: Tier::Long { short }, budget_s, run }
    }
}

/// For what is only checked, never run: the standard library and the dependencies of build scripts are compiled all the same,
/// and optimising them takes longer than the checks.
const ONLY_CHECKED: [&str; 2] =
    ["--config=profile.dev.package.'*'.opt-level=0", "--config=profile.dev.package.'*'.debug=false"];

/// What the first tier may take together, in seconds on two cores.
const EVERY_BUDGET_S: u32 = 40 * 60;

const STEPS: &[Step] = &[
    Step::every("format", 20, format),
    Step::every("tidy", 5, |workspace, _| tidy::run(workspace)),
    // Among its lints: no function of std that is newer than the `rust-version` of its crate.
    Step::every("clippy", 255, clippy),
    Step::every("documentation", 90, documentation),
    Step::every("features-on-wasm32", 230, wasm32::features),
    Step::every("archives", 200, |workspace, _| archives::run(workspace, &ArchivesArgs::checked())),
    Step::every("corpus", 45, |workspace, _| corpus::run(workspace, &CorpusTask::Fetch)),
    Step::every("tests", 920, |_, sh| Ok(cmd!(sh, "cargo test --locked --workspace --no-fail-fast").run()?)),
    // The allocators once more, with a secret in every list.
    Step::every("encoded-links", 50, encoded_links),
    Step::every("results", 25, |workspace, _| report::run(workspace, &ReportArgs::checked())),
    Step::every("size", 45, |workspace, _| size::run(workspace, &SizeArgs::default())),
    // Every interleaving of the allocators' lock and of finding a block's heap; most of it compiling.
    Step::every("loom", 50, loom),
    // The peers and workloads run natively, which is quicker than a guest.
    Step::every("guests-tests", 110, guests_tests),
    Step::every("donors", 5, |workspace, _| donors::run(workspace, &DonorsTask::Check)),
    Step::every("oldest-dependencies-of-libraries", 80, |workspace, sh| {
        oldest_dependencies(
            workspace,
            sh,
            &["-p", "memgrove-inspect", "-p", "memgrove-rewrite", "-p", "memgrove-view"],
        )
    }),
    Step::every("fingerprints", 10, |workspace, _| fingerprints::run(workspace, &FingerprintsTask::Read)),
    // As it is packed, in Node and in Chromium.
    Step::every("npm", 260, |workspace, _| npm::test(workspace)),
    // Every toolchain builds the survey's modules again, and their facts are what the prebuilt ones' manifest says.
    Step::long("survey", "tests", 240, survey),
    // A C archive and a Rust heap in one module for each allocator and by each profile, and Emscripten at each level.
    Step::long("archives-whole", "archives", 400, |workspace, _| {
        archives::run(workspace, &ArchivesArgs::checked_whole())
    }),
    Step::long("fingerprints-held-out", "fingerprints", 1800, |workspace, _| {
        fingerprints::run(workspace, &FingerprintsTask::Check)
    }),
    Step::long("oldest-dependencies", "oldest-dependencies-of-libraries", 900, |workspace, sh| {
        oldest_dependencies(workspace, sh, &["--workspace", "--all-targets"])
    }),
    Step::long("oldest-compiler", "clippy", 120, oldest_compiler),
    Step::long("packages", "tidy", 240, |workspace, _| packages::run(workspace, &PackagesArgs::checked())),
    Step::long("alloc-stress", "tests", 1200, alloc_stress),
    // Deno and Bun, Vite 5 to 8, and 39 loads of packages with every module traced, and checked, as they are instantiated.
    Step::long("npm-elsewhere", "npm", 900, |workspace, _| npm::test_elsewhere(workspace)),
    // Arrow and Parquet, the Python package as it is installed, and the recipes on the engines they are for.
    Step::long("rows", "tests", 1500, python::test),
];

fn clippy(workspace: &Workspace, sh: &Shell) -> Result<()> {
    cmd!(sh, "cargo clippy --locked --workspace --all-targets -- -D warnings").run()?;
    cmd!(sh, "cargo clippy --locked -p memgrove --all-features --all-targets -- -D warnings").run()?;
    // What is for wasm32 only has another compiler, see there.
    for (folder, only_wasm) in [("guests", "minimal"), ("samples", "study-no-std")] {
        let place = ["--manifest-path", &format!("{folder}/Cargo.toml"), "--target-dir", "target/guests"];
        cmd!(sh, "cargo clippy --locked --workspace --exclude {only_wasm} --all-targets")
            .args(place)
            .args(["--", "-D", "warnings"])
            .run()?;
    }
    wasm32::clippy(workspace)
}

/// Workspaces of their own, each formatted like the main one.
const EXCLUDED: &[&str] =
    &["guests", "samples", "crates/memgrove-c", "crates/memgrove-donor", "crates/memgrove-python"];

fn format(_: &Workspace, sh: &Shell) -> Result<()> {
    cmd!(sh, "cargo fmt --all --check").run()?;
    for folder in EXCLUDED {
        cmd!(sh, "cargo fmt --all --check --manifest-path {folder}/Cargo.toml").run()?;
    }
    Ok(())
}

/// The guests' workloads and peers, natively.
fn guests_tests(_: &Workspace, sh: &Shell) -> Result<()> {
    let place = ["--manifest-path", "guests/Cargo.toml", "--target-dir", "target/guests"];
    Ok(cmd!(sh, "cargo test --locked --workspace --exclude minimal --no-fail-fast").args(place).run()?)
}

/// What Cargo.toml asks of dependencies is enough: everything compiles with the oldest versions that it allows.
fn oldest_dependencies(workspace: &Workspace, sh: &Shell, what: &[&str]) -> Result<()> {
    let lock = workspace.root().join("out/oldest/Cargo.lock");
    sh.create_dir(workspace.root().join("out/oldest"))?;
    // Both are unstable, and all that is wanted of them is the list of versions.
    sh.set_var("RUSTC_BOOTSTRAP", "1");
    let path = format!("resolver.lockfile-path='{}'", lock.display());
    let place = ["-Zunstable-options", "-Zlockfile-path", "-Zdirect-minimal-versions", "--config", &path];
    cmd!(sh, "cargo").args(place).args(["update", "--quiet"]).run()?;
    Ok(cmd!(sh, "cargo")
        .args(place)
        .args(["check", "--target-dir", "out/target/oldest"])
        .args(ONLY_CHECKED)
        .args(what)
        .run()?)
}

/// The allocators compile with the compiler that their `rust-version` names.
fn oldest_compiler(_: &Workspace, sh: &Shell) -> Result<()> {
    let metadata = cmd!(sh, "cargo metadata --locked --no-deps --format-version 1").quiet().read()?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let package = metadata["packages"].as_array().into_iter().flatten().find(|it| it["name"] == "memgrove");
    let Some(version) = package.and_then(|it| it["rust_version"].as_str()) else {
        bail!("crates/memgrove/Cargo.toml has no rust-version");
    };
    // Asking rustup would have it install the compiler, from a server that may be out of reach.
    let installed = cmd!(sh, "rustup toolchain list").quiet().read()?;
    if !installed.lines().any(|line| line.starts_with(version)) {
        bail!("no compiler {version} here\nhint: rustup toolchain install {version}");
    }
    let target = "out/target/oldest-compiler";
    Ok(cmd!(sh, "cargo +{version} check --locked -p memgrove --all-features --target-dir {target}").run()?)
}

/// Ten million calls by 2, 4 and 8 threads on each heap, inside wasm; its short form is among the tests.
fn alloc_stress(_: &Workspace, sh: &Shell) -> Result<()> {
    Ok(cmd!(sh, "cargo test --locked --workspace --test alloc_in_wasm -- --ignored --nocapture").run()?)
}

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
    cmd!(sh, "{memgrove} survey --build --check").run()?;
    Ok(cmd!(sh, "cargo test --locked --workspace --test cli -- --ignored survey_json book").run()?)
}

pub fn run(workspace: &Workspace, args: &TestArgs) -> Result<()> {
    if args.list {
        list();
        return Ok(());
    }
    if !args.no_setup {
        setup::run(workspace, &setup::SetupArgs::default())?;
    }
    let wanted = |step: &&Step| match &args.only {
        Some(part) => step.name.contains(part.as_str()),
        None => args.all || step.tier == Tier::Every,
    };
    let mut failed = Vec::new();
    let mut over = Vec::new();
    let mut passed = 0;
    for step in STEPS.iter().filter(wanted) {
        println!("\n==== {}", step.name);
        let start = Instant::now();
        // A shell of its own, so that no step inherits another's variables.
        let result = (step.run)(workspace, &workspace.shell()?);
        let seconds = start.elapsed().as_secs_f64();
        if seconds > f64::from(step.budget_s) {
            over.push(format!("{} took {seconds:.0} s of {} s", step.name, step.budget_s));
        }
        match result {
            Ok(()) => {
                passed += 1;
                println!("==== {}: passed in {seconds:.0} s", step.name);
            }
            Err(error) => {
                failed.push(step.name);
                println!("==== {}: FAILED after {seconds:.0} s: {error:#}", step.name);
            }
        }
    }
    for line in over {
        println!("over budget: {line}");
    }
    println!("\nsteps: {passed} passed, {} failed", failed.len());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Names every step with its tier and budget.
fn list() {
    for step in STEPS {
        let when = match step.tier {
            Tier::Every => "every change".to_owned(),
            Tier::Long { short } => format!("--all; its short form is in `{short}`"),
        };
        println!("{:24} {:5} s  {when}", step.name, step.budget_s);
    }
    println!(
        "{:24} {:5} s  of {EVERY_BUDGET_S} s for every change, on two cores",
        "together",
        every_budget_s()
    );
}

fn every_budget_s() -> u32 {
    STEPS.iter().filter(|step| step.tier == Tier::Every).map(|step| step.budget_s).sum()
}

fn documentation(_: &Workspace, sh: &Shell) -> Result<()> {
    sh.set_var("RUSTDOCFLAGS", "-D warnings");
    Ok(cmd!(sh, "cargo doc --locked --workspace --no-deps").run()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tier_fits_into_its_time() {
        assert!(every_budget_s() <= EVERY_BUDGET_S, "{} s", every_budget_s());
    }

    #[test]
    fn every_long_step_has_a_short_form_in_the_first_tier() {
        for step in STEPS {
            if let Tier::Long { short } = step.tier {
                let found = STEPS.iter().find(|other| other.name == short);
                assert!(
                    found.is_some_and(|found| found.tier == Tier::Every),
                    "{}: no step {short}",
                    step.name
                );
            }
        }
    }

    #[test]
    fn names_are_unique() {
        for (at, step) in STEPS.iter().enumerate() {
            assert!(STEPS[..at].iter().all(|other| other.name != step.name), "{}", step.name);
        }
    }
}
