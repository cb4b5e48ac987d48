//! What the project does to itself: one file a task, called alike by hand and by CI.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the person who called it")]

mod archives;
mod corpus;
mod donors;
mod fingerprints;
mod guests;
mod npm;
mod packages;
mod page;
mod programs_page;
mod python;
mod regenerate;
mod release;
mod report;
mod setup;
mod size;
mod sources;
mod swap_page;
mod test;
mod tidy;
mod wasm_rust;
mod workers;
mod workspace;

use clap::{Parser, Subcommand};
use workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set-up, checks and generated files of the project")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Make the archives for C and C++ in out/archives.
    Archives(archives::ArchivesArgs),
    /// The corpus of real modules: fetch it, and count how often the inspector is right.
    #[command(subcommand)]
    Corpus(corpus::CorpusTask),
    /// The donors: our heaps as modules, whose functions `memgrove fix` puts into others.
    #[command(subcommand)]
    Donors(donors::DonorsTask),
    /// Allocator fingerprints: compile known allocators, distil the library, check it.
    #[command(subcommand)]
    Fingerprints(fingerprints::FingerprintsTask),
    /// The guests: wasm programs of one allocator and every workload.
    #[command(subcommand)]
    Guests(guests::GuestsTask),
    /// Build the npm package into out/package.
    Npm(npm::NpmArgs),
    /// Check and make the crates' packages in out/packages, and use one by version.
    Packages(packages::PackagesArgs),
    /// Build the page into out/page.
    Page(page::PageArgs),
    /// Make every generated file anew, in the right order; nothing is measured.
    Regenerate(regenerate::RegenerateArgs),
    /// Make everything that a release consists of in out/release, and test it from there; publishes nothing.
    Release(release::ReleaseArgs),
    /// Render docs/results.md from results/bench.json, docs/swap.md from results/swap.json, docs/programs.md from results/programs.json, a part of docs/rows.md from results/workers.json, and docs/corpus.md from the corpus; `--measure` measures the first first.
    Report(report::ReportArgs),
    /// Install what the tests need and say what is installed.
    Setup(setup::SetupArgs),
    /// Check that our allocators are pure and as small as recorded.
    Size(size::SizeArgs),
    /// Set up, format, lint, build and run every test (what CI calls).
    Test(test::TestArgs),
    /// Check that documents name files that exist, that nothing of one machine got in, and that crates can be published.
    Tidy,
    /// Measure in Spark and in Ray how many times as fast two workers are as one; on a quiet machine.
    Workers(workers::WorkersArgs),
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let workspace = Workspace::find()?;
    match args.task {
        Task::Archives(args) => archives::run(&workspace, &args),
        Task::Corpus(task) => corpus::run(&workspace, &task),
        Task::Donors(task) => donors::run(&workspace, &task),
        Task::Fingerprints(task) => fingerprints::run(&workspace, &task),
        Task::Guests(task) => guests::run(&workspace, &task),
        Task::Npm(args) => npm::run(&workspace, &args),
        Task::Packages(args) => packages::run(&workspace, &args),
        Task::Page(args) => page::run(&workspace, &args),
        Task::Regenerate(args) => regenerate::run(&workspace, &args),
        Task::Release(args) => release::run(&workspace, &args),
        Task::Report(args) => report::run(&workspace, &args),
        Task::Setup(args) => setup::run(&workspace, &args),
        Task::Size(args) => size::run(&workspace, &args),
        Task::Test(args) => test::run(&workspace, &args),
        Task::Tidy => tidy::run(&workspace),
        Task::Workers(args) => workers::run(&workspace, &args),
    }
}
