//! `memgrove inspect`: what a module's memory is, what made it, where it runs.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use memgrove_api::policy::{Hosts, Policy, known_host};
use memgrove_api::{CoreModule, Document, FileNames, profile_error};
use memgrove_inspect::Knowledge;
use memgrove_text::{Line, Tone, escape_file_name, escape_name};
use memgrove_view::report::{Failure, HtmlReport, Inspected};
use memgrove_view::{column, count};

use crate::exit::{self, Exit, UserError};
use crate::input::{self, Source};
use crate::ordered::for_each_ordered;
use crate::output::Output;
use crate::output_file::{self, Target};
use crate::rows::{self, RowArgs, RowFormat, RowRun};
use crate::select::SelectArgs;
use crate::writer::{Format, Writer};

const LONG_ABOUT: &str = "\
Report a module's memory, toolchain, allocator and where it runs

For each WebAssembly module: on which hosts it runs and why not on others; its memory with static data, stack and heap, \
and who makes it grow; the allocator and the toolchain, in stripped modules too; what it imports and for what; which \
proposals it uses and which engines have them. Nothing is executed.

A file may be a module, a component (each core module inside is inspected as well), the text format, one of these compressed \
with gzip or zstd, or JavaScript or HTML with modules inlined. Files are recognised by what is in them, not by \
their names.";

const EXAMPLES: &str = "\
Examples:
  memgrove inspect app.wasm                 everything that matters, on a screen
  memgrove inspect -v app.wasm              with the evidence for each conclusion
  memgrove inspect dist/                    one line for each module in a folder
  curl -s https://… | memgrove inspect -    from standard input
  memgrove inspect --json app.wasm | jq '.files[0].report.allocator'
  memgrove inspect --html report.html dist/
  memgrove inspect --extract parts c.wasm   with the core modules of a component as files
  memgrove inspect --require bare app.wasm  exit status 0 only if it runs without imports
  memgrove inspect --host ours.toml --require ours uploads/ --format ndjson
  find crates -name '*.crate' | memgrove inspect --format csv -o rows.csv --files-from -";

/// Report a module's memory, toolchain, allocator and where it runs
#[derive(Clone, Debug, Args)]
#[command(long_about = LONG_ABOUT, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct InspectArgs {
    /// Files and folders; `-` is standard input
    ///
    /// Folders are searched at any depth; files in them that hold no WebAssembly are only counted.
    #[arg(value_name = "FILE", required_unless_present_any = ["list_hosts", "files_from"])]
    paths: Vec<PathBuf>,

    /// Output format
    #[arg(short, long, value_enum, default_value_t = Format::Auto, help_heading = "Output")]
    format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    json: bool,

    /// Also write a report as one self-contained HTML file
    #[arg(long, value_name = "OUT", help_heading = "Output")]
    html: Option<PathBuf>,

    /// Also write each core module found inside a file to the folder DIR, which must be empty or new
    ///
    /// Those of components, and those compressed, in archives, inlined in JavaScript or written as text. Each is
    /// named after what it lies in; what it is called is printed on standard error.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    extract: Option<PathBuf>,

    /// Show the evidence for each conclusion, and cut no list short
    #[arg(short, long, help_heading = "Output")]
    verbose: bool,

    /// Add a host profile of your own, as a TOML file (may be repeated)
    ///
    /// The files in knowledge/hosts/ are examples of the format. A profile with the id of a known host
    /// takes its place.
    #[arg(long, value_name = "FILE", help_heading = "Hosts")]
    host: Vec<PathBuf>,

    /// Exit with status 3 unless every module runs on this host (may be repeated)
    #[arg(long, value_name = "HOST", help_heading = "Hosts")]
    require: Vec<String>,

    /// Count "runs if" as a pass for --require
    #[arg(long, requires = "require", help_heading = "Hosts")]
    allow_conditions: bool,

    /// Exit with status 3 unless every module meets the policy in FILE (see memgrove.toml in the README)
    ///
    /// Required hosts, imports that are allowed or denied, the most memory and bytes, allocators and warnings that are
    /// not wanted. What --require says is added to its hosts.
    #[arg(long, value_name = "FILE", help_heading = "Hosts")]
    policy: Option<PathBuf>,

    /// List the known hosts, including those of --host, and exit
    #[arg(long, help_heading = "Hosts")]
    list_hosts: bool,

    #[command(flatten)]
    select: SelectArgs,

    /// Number of files to inspect in parallel [default: one per processor]
    #[arg(short, long, value_name = "N", help_heading = "Limits")]
    jobs: Option<usize>,

    /// Refuse files with more bytes than this, also after unpacking
    ///
    /// A number of bytes, or of KiB, MiB or GiB.
    #[arg(long, value_name = "SIZE", default_value_t = memgrove_open::DEFAULT_MAX_BYTES, value_parser = memgrove_api::size, help_heading = "Limits")]
    max_size: u64,

    #[command(flatten)]
    rows: RowArgs,
}

pub(crate) fn run(args: &InspectArgs, out: &mut Output) -> Result<Exit> {
    let knowledge = knowledge(&args.host)?;
    if args.list_hosts {
        return list_hosts(&knowledge, out);
    }
    if let Some(format) = args.format.rows() {
        return rows(args, format, &knowledge, out);
    }
    args.rows.refuse_without_rows()?;
    for host in args.select.hosts() {
        known_host(host, &knowledge)?;
    }
    let policy = policy(args, &knowledge)?;
    if let Some(jobs) = args.jobs {
        rayon::ThreadPoolBuilder::new().num_threads(jobs).build_global().context("starting threads")?;
    }
    let found = input::walk(&args.paths, args.max_size);
    let html = html_target(args, &found.sources)?;
    let extracted = args.extract.as_deref().map(Extracted::new).transpose()?;
    let many = found.folders || found.sources.len() > 1;
    let mut session = Session::new(args, policy, many, html, extracted);
    for (folder, error) in found.unreadable {
        session.failed(&escape_file_name(folder.as_os_str()), &exit::failure(&anyhow!(error)), out);
    }

    session.writer.begin(out)?;
    let progress = out.progress(found.sources.len() as u64, "inspecting");
    let inspect = |source: &Source| inspect(source, &knowledge, args);
    // Twice as many as can be worked on: nobody waits, and little is held.
    let window = 2 * rayon::current_num_threads();
    let stopped = for_each_ordered(&found.sources, window, inspect, |files| {
        progress.step();
        match files.iter().try_for_each(|(file, modules)| session.take(file, modules, out)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    });
    out.progress_done();
    if let ControlFlow::Break(error) = stopped {
        return Err(error);
    }
    session.finish(found.sources.len(), found.skipped, out)
}

/// Flat rows. What is shown for people, chosen or demanded is not for them: whatever reads them does that.
fn rows(args: &InspectArgs, format: RowFormat, knowledge: &Knowledge, out: &mut Output) -> Result<Exit> {
    let given = [
        (args.html.is_some(), "--html"),
        (args.extract.is_some(), "--extract"),
        (!args.require.is_empty(), "--require"),
        (args.policy.is_some(), "--policy"),
        (args.verbose, "--verbose"),
        (!args.select.is_empty(), "an option that chooses or sorts"),
    ];
    if let Some((_, name)) = given.iter().find(|(is_given, _)| *is_given) {
        return Err(UserError::usage(format!("rows are written without {name}"))
            .hint("every input gets its row; choose among them where they are read")
            .into());
    }
    let run = RowRun {
        args: &args.rows,
        format,
        paths: &args.paths,
        hosts: &args.host,
        jobs: args.jobs,
        max_size: args.max_size,
    };
    if rows::is_worker() { rows::work(&run, knowledge) } else { rows::run(&run, knowledge, out) }
}

/// Where the HTML report goes; it must not be one of the files that are read.
fn html_target(args: &InspectArgs, sources: &[Source]) -> Result<Option<Target>> {
    let Some(path) = &args.html else { return Ok(None) };
    let target = Target::new(path, "--html")?;
    let others = args.host.iter().chain(&args.policy).map(PathBuf::as_path);
    let inputs = sources.iter().map(Source::path).chain(others);
    output_file::refuse_clashes(&[(&target, "--html")], inputs)?;
    Ok(Some(target))
}

/// What is known about hosts, with those that the user adds.
fn knowledge(hosts: &[PathBuf]) -> Result<Knowledge> {
    let mut knowledge = Knowledge::builtin().clone();
    for path in hosts {
        let name = escape_file_name(path.as_os_str());
        let text = input::settings(path, "host profile")?;
        knowledge.add_host(&name, &text).map_err(|errors| profile_error(&errors))?;
    }
    Ok(knowledge)
}

/// The widest that the column of ids becomes.
const MAX_ID_WIDTH: usize = 40;

fn list_hosts(knowledge: &Knowledge, out: &mut Output) -> Result<Exit> {
    // As wide as it is shown, but one long id must not push all titles away.
    let width = knowledge
        .hosts
        .iter()
        .map(|host| escape_name(&host.id).chars().count())
        .max()
        .unwrap_or(0)
        .min(MAX_ID_WIDTH);
    for host in &knowledge.hosts {
        let id = Line::new().with(Tone::Heading, column(&escape_name(&host.id), width));
        out.print(id.plain("  ").plain(escape_name(&host.title)))?;
    }
    Ok(Exit::Done)
}

/// What is demanded of every module: the file of --policy, and --require.
fn policy(args: &InspectArgs, knowledge: &Knowledge) -> Result<Policy> {
    let file = args.policy.as_deref().map(|path| {
        let text = input::settings(path, "policy")?;
        Ok::<_, anyhow::Error>((text, escape_file_name(path.as_os_str())))
    });
    let file = file.transpose()?;
    let file = file.as_ref().map(|(text, name)| (text.as_str(), name.as_str()));
    let hosts = Hosts { require: args.require.clone(), allow_conditions: args.allow_conditions };
    Ok(Policy::with(file, &hosts, knowledge)?)
}

/// Reads one source and says what is in it. Never fails as a whole: a failure is a result, too.
fn inspect(source: &Source, knowledge: &Knowledge, args: &InspectArgs) -> Vec<(Inspected, Vec<CoreModule>)> {
    let (name, max_bytes) = (source.name(), args.max_size);
    match source.read(max_bytes) {
        Ok(bytes) if args.extract.is_some() => {
            memgrove_api::inspect_and_extract(bytes, &name, knowledge, max_bytes)
        }
        Ok(bytes) => {
            let inspected = memgrove_api::inspect(bytes, &name, knowledge, max_bytes);
            inspected.into_iter().map(|inspected| (inspected, Vec::new())).collect()
        }
        Err(error) => {
            let result = Err(exit::failure(&error));
            vec![(Inspected { name, wrapped_in: Vec::new(), result }, Vec::new())]
        }
    }
}

/// The folder of --extract.
struct Extracted {
    folder: PathBuf,
    names: FileNames,
    count: u64,
}

impl Extracted {
    /// Makes the folder. One that holds something is refused, so that nothing is overwritten.
    fn new(folder: &Path) -> Result<Self> {
        let name = escape_file_name(folder.as_os_str());
        let refused = |why: &str, hint: &str| {
            Err(UserError::usage(format!("--extract: {name} {why}")).hint(hint.to_owned()).into())
        };
        match fs::read_dir(folder) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return refused("is not empty, and nothing is overwritten", "give a new folder");
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder).with_context(|| format!("creating the folder {name}"))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return refused("is not a folder", "give a new folder");
            }
            Err(error) => return Err(error).with_context(|| format!("reading the folder {name}")),
        }
        Ok(Self { folder: folder.to_owned(), names: FileNames::default(), count: 0 })
    }

    fn write(&mut self, from: &str, modules: &[CoreModule], out: &mut Output) -> Result<()> {
        for module in modules {
            let path = self.folder.join(self.names.unique(&module.file_name));
            output_file::write_file(&path, &module.bytes)?;
            self.count += 1;
            let path = escape_file_name(path.as_os_str());
            out.note(format!("{}: {}", escape_name(from), escape_name(&path)));
        }
        Ok(())
    }
}

/// What is kept from one file to the next.
struct Session<'a> {
    args: &'a InspectArgs,
    policy: Policy,
    writer: Writer,
    html: Option<(Target, HtmlReport)>,
    extracted: Option<Extracted>,
    many: bool,
    exit: Exit,
    shown: usize,
    failed: usize,
}

impl<'a> Session<'a> {
    fn new(
        args: &'a InspectArgs,
        policy: Policy,
        many: bool,
        html: Option<Target>,
        extracted: Option<Extracted>,
    ) -> Self {
        let format = if args.json { Format::Json } else { args.format };
        let document = Document::new(format.resolve(many), args.verbose, &policy.hosts.require);
        Self {
            args,
            policy,
            writer: Writer::new(document, args.select.sort),
            html: html.map(|target| (target, HtmlReport::new())),
            extracted,
            many,
            exit: Exit::Done,
            shown: 0,
            failed: 0,
        }
    }

    fn take(&mut self, file: &Inspected, modules: &[CoreModule], out: &mut Output) -> Result<()> {
        match &file.result {
            Ok(report) if !self.args.select.wants(report) => return Ok(()),
            Ok(report) => {
                self.shown += 1;
                for fault in self.policy.faults(report) {
                    out.error_line(&file.name, &fault);
                    self.exit = self.exit.and(Exit::No);
                }
            }
            Err(failure) => self.failed(&file.name, failure, out),
        }
        if let Some((_, html)) = &mut self.html {
            html.add(file);
        }
        if let Some(extracted) = &mut self.extracted {
            extracted.write(&file.name, modules, out)?;
        }
        self.writer.file(file, out)
    }

    fn failed(&mut self, name: &str, failure: &Failure, out: &mut Output) {
        self.failed += 1;
        self.exit = self.exit.and(Exit::Failed);
        // Among many files each failure is one line.
        if self.many { out.error_line(name, &failure.message) } else { out.failure(Some(name), failure) }
    }

    fn finish(self, sources: usize, skipped: u64, out: &mut Output) -> Result<Exit> {
        self.writer.end(out)?;
        if let Some((target, html)) = self.html {
            target.write(html.render().as_bytes())?;
        }
        if self.extracted.as_ref().is_some_and(|extracted| extracted.count == 0) {
            out.note("nothing to extract: no module lies inside another file".to_owned());
        }
        if self.many {
            let mut parts = vec![count(self.shown as u64, "module")];
            if self.failed > 0 {
                parts.push(format!("{} could not be read", self.failed));
            }
            if skipped > 0 {
                parts.push(format!("{} without WebAssembly skipped", count(skipped, "file")));
            }
            out.note(parts.join(", "));
        }
        if sources == 0 {
            out.warning("nothing to inspect: the folder holds no WebAssembly");
        }
        Ok(self.exit)
    }
}
