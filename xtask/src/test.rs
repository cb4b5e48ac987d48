//! The one list of what is checked, by hand and by CI. Every step runs even when one before it failed.

mod beside;
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
    /// Run the step of this name and nothing else: how a step runs beside others.
    #[arg(long, hide = true, conflicts_with_all = ["only", "list", "all"])]
    step: Option<String>,
}

/// When a step runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tier {
    /// On every change: what CI runs.
    Every,
    /// With `--all`, before a release; the named step of the first tier is its short form.
    Long { short: &'static str },
}

/// What else runs while a step does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    /// Steps run in the order of the list.
    InOrder,
    /// Runs beside those in order that are near it in the list: it leaves a processor idle most of the time.
    Beside,
    /// Nothing else runs: what was started beside other steps has ended.
    Alone,
}

/// One check: its name, when it runs, how long it may take, and what runs it.
struct Step {
    name: &'static str,
    tier: Tier,
    company: Company,
    /// Seconds on two cores, by itself, on a machine that has built nothing yet. A step over its budget is reported, not failed:
    /// machines differ. That the first tier's budgets fit into CI's time is a test.
    budget_s: u32,
    run: fn(&Workspace, &Shell) -> Result<()>,
}

impl Step {
    const fn every(name: &'static str, budget_s: u32, run: fn(&Workspace, &Shell) -> Result<()>) -> Self {
        Self { name, tier: Tier::Every, company: Company::InOrder, budget_s, run }
    }

    const fn long(
        name: &'static str,
        short: &'static str,
        budget_s: u32,
        run: fn(&Workspace, &Shell) -> Result<()>,
    ) -> Self {
        Self { name, tier: Tier::Long { short }, company: Company::InOrder, budget_s, run }
    }

    const fn with(mut self, company: Company) -> Self {
        self.company = company;
        self
    }

    fn is_every(&self) -> bool {
        self.tier == Tier::Every
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
    Step::every("clippy", 200, clippy),
    Step::every("documentation", 90, documentation),
    // They wait for one processor to compile `core`, again and again.
    Step::every("clippy-on-wasm32", 55, wasm32::clippy).with(Company::Beside),
    Step::every("features-on-wasm32", 130, wasm32::features).with(Company::Beside),
    Step::every("archives", 200, |workspace, _| archives::run(workspace, &ArchivesArgs::checked()))
        .with(Company::Beside),
    Step::every("corpus", 45, |workspace, _| corpus::run(workspace, &CorpusTask::Fetch)),
    Step::every("tests", 920, |_, sh| Ok(cmd!(sh, "cargo test --locked --workspace --no-fail-fast").run()?))
        .with(Company::Alone),
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

fn clippy(_: &Workspace, sh: &Shell) -> Result<()> {
    cmd!(sh, "cargo clippy --locked --workspace --all-targets -- -D warnings").run()?;
    cmd!(sh, "cargo clippy --locked -p memgrove --all-features --all-targets -- -D warnings").run()?;
    // What is for wasm32 only is a step of its own.
    for (folder, only_wasm) in [("guests", "minimal"), ("samples", "study-no-std")] {
        let place = ["--manifest-path", &format!("{folder}/Cargo.toml"), "--target-dir", "target/guests"];
        cmd!(sh, "cargo clippy --locked --workspace --exclude {only_wasm} --all-targets")
            .args(place)
            .args(["--", "-D", "warnings"])
            .run()?;
    }
    Ok(())
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
    if let Some(name) = &args.step {
        let step = STEPS.iter().find(|step| step.name == name);
        let Some(step) = step else { bail!("there is no step {name}\nhint: --list names them") };
        return (step.run)(workspace, &workspace.shell()?);
    }
    if !args.no_setup {
        setup::run(workspace, &setup::SetupArgs::default())?;
    }
    let wanted = |step: &&Step| match &args.only {
        Some(part) => step.name.contains(part.as_str()),
        None => args.all || step.is_every(),
    };
    let wanted: Vec<&Step> = STEPS.iter().filter(wanted).collect();
    let mut done = Vec::new();
    for group in wanted.chunk_by(|_, next| next.company != Company::Alone) {
        run_group(workspace, group, &mut done)?;
    }
    for Done { step, seconds, .. } in &done {
        if *seconds > f64::from(step.budget_s) {
            println!("over budget: {} took {seconds:.0} s of {} s", step.name, step.budget_s);
        }
    }
    let failed: Vec<&str> =
        done.iter().filter(|done| done.result.is_err()).map(|done| done.step.name).collect();
    println!("\nsteps: {} passed, {} failed", done.len() - failed.len(), failed.len());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// A step that ran.
struct Done {
    step: &'static Step,
    seconds: f64,
    result: Result<()>,
}

impl Done {
    /// Runs a step as it is told, and takes the time.
    fn run(step: &'static Step, run: impl FnOnce() -> Result<()>) -> Self {
        let start = Instant::now();
        let result = run();
        Self { step, seconds: start.elapsed().as_secs_f64(), result }
    }

    fn print_result(&self) {
        let Self { step, seconds, result } = self;
        match result {
            Ok(()) => println!("==== {}: passed in {seconds:.0} s", step.name),
            Err(error) => println!("==== {}: FAILED after {seconds:.0} s: {error:#}", step.name),
        }
    }
}

/// Runs steps of which only the first may want no company.
fn run_group(workspace: &Workspace, group: &[&'static Step], done: &mut Vec<Done>) -> Result<()> {
    let (alone, group) = group.split_at(usize::from(group[0].company == Company::Alone));
    done.extend(alone.iter().map(|step| run_step(workspace, step)));
    let (beside, in_order): (Vec<&Step>, Vec<&Step>) =
        group.iter().partition(|step| step.company == Company::Beside);
    if in_order.is_empty() {
        done.extend(beside.into_iter().map(|step| run_step(workspace, step)));
        return Ok(());
    }
    let beside = beside::start(workspace, beside)?;
    done.extend(in_order.into_iter().map(|step| run_step(workspace, step)));
    done.extend(beside.end()?);
    Ok(())
}

fn run_step(workspace: &Workspace, step: &'static Step) -> Done {
    println!("\n==== {}", step.name);
    // A shell of its own, so that no step inherits another's variables.
    let done = Done::run(step, || (step.run)(workspace, &workspace.shell()?));
    done.print_result();
    done
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
    STEPS.iter().filter(|step| step.is_every()).map(|step| step.budget_s).sum()
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
                assert!(found.is_some_and(|found| found.is_every()), "{}: no step {short}", step.name);
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
