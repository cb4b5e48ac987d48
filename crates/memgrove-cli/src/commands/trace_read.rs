//! The reading half of `memgrove trace`: what a recording says, in text, JSON, HTML and other tools' formats.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use memgrove_api::profile::{self, HeapFormat};
use memgrove_inspect::facts::Facts;
use memgrove_profile::{Metric, Profile};
use memgrove_symbols::Symbols;
use memgrove_text::escape_file_name;
use memgrove_view::profile::{HeapProfile, ProfileDiff};

use crate::exit::Exit;
use crate::input::Source;
use crate::output::Output;
use crate::output_file::{self, Target};

/// What is read, and what is written of it.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReadArgs {
    /// Read this recording of FILE; of several instances with one memory, all of theirs with one option each
    #[arg(long, value_name = "PROFILE", conflicts_with = "output")]
    profile: Vec<PathBuf>,

    /// Compare two recordings of FILE: what grew from the first to the second
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"], conflicts_with_all = ["output", "profile", "dir", "env", "invoke", "save", "arguments"])]
    diff: Option<Vec<PathBuf>>,

    /// Write the stacks as lines that flame graph tools read
    #[arg(long, value_name = "OUT", conflicts_with_all = ["output", "diff"])]
    collapsed: Option<PathBuf>,

    /// The value of each stack in --collapsed
    #[arg(long, value_enum, default_value = "peak", requires = "collapsed")]
    metric: MetricName,

    /// Write a page with timeline, flame graph, histograms and call sites
    #[arg(long, value_name = "OUT", conflicts_with_all = ["output", "diff"])]
    html: Option<PathBuf>,

    /// Write DHAT's JSON, for valgrind's dh_view.html
    #[arg(long, value_name = "OUT", conflicts_with_all = ["output", "diff"])]
    dhat: Option<PathBuf>,

    /// Write a compressed profile.proto, for `go tool pprof`
    #[arg(long, value_name = "OUT", conflicts_with_all = ["output", "diff"])]
    pprof: Option<PathBuf>,

    /// Write a profile with native allocations, for profiler.firefox.com
    #[arg(long, value_name = "OUT", conflicts_with_all = ["output", "diff"])]
    firefox: Option<PathBuf>,

    /// Write speedscope's JSON
    #[arg(long, value_name = "OUT", conflicts_with_all = ["output", "diff"])]
    speedscope: Option<PathBuf>,

    /// Write heaptrack's data, for heaptrack_print and heaptrack_gui
    #[arg(long, value_name = "OUT", conflicts_with_all = ["output", "diff"])]
    heaptrack: Option<PathBuf>,

    /// Write a trace for `memgrove bench --trace`; needs a recording whose log is complete
    #[arg(long, value_name = "OUT", conflicts_with_all = ["output", "diff"])]
    mgtr: Option<PathBuf>,

    #[command(flatten)]
    pub(super) names: NameArgs,

    /// Stacks in each list
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    top: usize,

    /// Write what is known as JSON
    #[arg(long)]
    json: bool,
}

/// Where names come from, beside the module.
#[derive(Clone, Debug, Args)]
pub(crate) struct NameArgs {
    /// Take DWARF and names from this file, where FILE itself has none
    #[arg(long, value_name = "WASM")]
    debug_file: Option<PathBuf>,

    /// Take source files and lines from this source map
    #[arg(long, value_name = "MAP")]
    source_map: Option<PathBuf>,

    /// Take function names from this symbol map (emcc --emit-symbol-map)
    #[arg(long, value_name = "SYMBOLS")]
    symbols: Option<PathBuf>,
}

impl NameArgs {
    /// The files that are read.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Path> {
        [&self.debug_file, &self.source_map, &self.symbols].into_iter().flatten().map(PathBuf::as_path)
    }
}

/// What a stack's value is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum MetricName {
    /// Bytes live at the peak
    Peak,
    /// Bytes live at the end
    Final,
    /// Bytes asked for
    Allocated,
    /// Number of allocations
    Count,
}

impl From<MetricName> for Metric {
    fn from(name: MetricName) -> Self {
        match name {
            MetricName::Peak => Self::Peak,
            MetricName::Final => Self::Final,
            MetricName::Allocated => Self::Allocated,
            MetricName::Count => Self::Count,
        }
    }
}

/// The module that was traced.
pub(crate) struct Original<'m> {
    /// Its path, as the user gave it.
    pub path: &'m Path,
    /// Its name, for people.
    pub name: &'m str,
    /// What it says.
    pub facts: &'m Facts<'m>,
    /// Files with more bytes are refused.
    pub max_size: u64,
}

/// A format with its file.
pub(crate) struct Wanted {
    format: HeapFormat,
    target: Target,
    option: &'static str,
}

impl ReadArgs {
    /// Whether a recording is to be read from a file.
    pub(crate) fn is_asked(&self) -> bool {
        !self.profile.is_empty() || self.diff.is_some()
    }

    /// The files that are read in addition to the module.
    fn inputs(&self) -> impl Iterator<Item = &Path> {
        let diff = self.diff.iter().flatten();
        self.profile.iter().chain(diff).map(PathBuf::as_path).chain(self.names.inputs())
    }

    /// The files that are to be written, and one more that is; refused before the work if they cannot be.
    pub(crate) fn targets(
        &self,
        original: &Original<'_>,
        more: Option<(&Target, &'static str)>,
    ) -> Result<Vec<Wanted>> {
        let wanted = self.wanted()?;
        let targets = wanted.iter().map(|wanted| (&wanted.target, wanted.option)).chain(more);
        let targets: Vec<_> = targets.collect();
        output_file::refuse_clashes(&targets, std::iter::once(original.path).chain(self.inputs()))?;
        Ok(wanted)
    }

    fn wanted(&self) -> Result<Vec<Wanted>> {
        let asked = [
            (HeapFormat::Html, "--html", &self.html),
            (HeapFormat::Collapsed(self.metric.into()), "--collapsed", &self.collapsed),
            (HeapFormat::Dhat, "--dhat", &self.dhat),
            (HeapFormat::Pprof, "--pprof", &self.pprof),
            (HeapFormat::Firefox, "--firefox", &self.firefox),
            (HeapFormat::Speedscope, "--speedscope", &self.speedscope),
            (HeapFormat::Heaptrack, "--heaptrack", &self.heaptrack),
            (HeapFormat::Mgtr, "--mgtr", &self.mgtr),
        ];
        let targets =
            asked.into_iter().filter_map(|(format, option, path)| Some((format, option, path.as_ref()?)));
        targets
            .map(|(format, option, path)| Ok(Wanted { format, target: Target::new(path, option)?, option }))
            .collect()
    }
}

/// Reads what is asked for, and says and writes what it says.
pub(crate) fn run(args: &ReadArgs, original: &Original<'_>, out: &mut Output) -> Result<Exit> {
    let wanted = args.targets(original, None)?;
    let profiles = match &args.profile[..] {
        [] => {
            let paths = args.diff.iter().flatten();
            paths.map(|path| read_profile(path, original)).collect::<Result<_>>()?
        }
        paths => vec![read_profiles(paths, original)?],
    };
    present(args, original, &wanted, &profiles, out)
}

/// Says and writes what one recording says, or what two differ in.
pub(crate) fn present(
    args: &ReadArgs,
    original: &Original<'_>,
    wanted: &[Wanted],
    profiles: &[Profile],
    out: &mut Output,
) -> Result<Exit> {
    with_symbols(&args.names, original, out, |symbols, out| {
        let summaries: Vec<_> = profiles.iter().map(Profile::summary).collect();
        let views: Vec<_> = profiles
            .iter()
            .zip(&summaries)
            .map(|(profile, summary)| HeapProfile {
                name: original.name,
                names: symbols,
                profile,
                summary,
                top: args.top,
            })
            .collect();
        match &views[..] {
            [before, after] => {
                let diff = ProfileDiff { before, after };
                if args.json { out.json(&diff.json()?)? } else { out.print(diff.text())? }
            }
            [view] => {
                for wanted in wanted {
                    let bytes =
                        profile::write(wanted.format, view).with_context(|| original.name.to_owned())?;
                    wanted.target.write(&bytes)?;
                }
                if args.json { out.json(&view.json()?)? } else { out.print(view.text())? }
            }
            _ => {}
        }
        Ok(Exit::Done)
    })
}

/// The recording in one file or several, if they are of this module.
pub(crate) fn read_profiles(paths: &[PathBuf], original: &Original<'_>) -> Result<Profile> {
    match paths {
        [path] => read_profile(path, original),
        several => read_together(several, original),
    }
}

fn read_profile(path: &Path, original: &Original<'_>) -> Result<Profile> {
    let name = escape_file_name(path.as_os_str());
    profile::of(read_recorded(path, original.max_size)?, original.facts).with_context(|| name)
}

/// The recordings of instances that had one memory, as one.
fn read_together(paths: &[PathBuf], original: &Original<'_>) -> Result<Profile> {
    let mut profiles = Vec::new();
    for path in paths {
        let recorded = read_recorded(path, original.max_size)?;
        // Which of them is another module's is told by its name.
        let profile = profile::one(recorded, original.facts);
        profiles.push(profile.with_context(|| escape_file_name(path.as_os_str()))?);
    }
    Ok(profile::together(profiles)?)
}

/// The bytes of a recording, which may be longer than a module.
pub(crate) fn read_recorded(path: &Path, max_size: u64) -> Result<Vec<u8>> {
    let read = Source::File(path.to_owned()).read(max_size.max(1 << 32));
    read.with_context(|| format!("reading {}", escape_file_name(path.as_os_str())))
}

/// The names of the module, with what the options add.
pub(crate) fn with_symbols<T>(
    args: &NameArgs,
    original: &Original<'_>,
    out: &mut Output,
    then: impl FnOnce(&Symbols<'_>, &mut Output) -> Result<T>,
) -> Result<T> {
    let read = |path: &PathBuf| {
        let name = escape_file_name(path.as_os_str());
        let bytes = Source::File(path.clone()).read(original.max_size);
        bytes.with_context(|| format!("reading {name}")).map(|bytes| (name, bytes))
    };
    let debug = args.debug_file.as_ref().map(read).transpose()?;
    let debug = debug.as_ref().map(|(name, bytes)| {
        let facts = memgrove_inspect::facts(bytes).with_context(|| name.clone())?;
        Ok::<_, anyhow::Error>((name, facts))
    });
    let debug = debug.transpose()?;
    let mut symbols = Symbols::new(original.facts);
    if let Some(error) = symbols.dwarf_error() {
        out.note(format!("{}: {error}; lines are left out", original.name));
    }
    if let Some((name, facts)) = &debug {
        symbols = symbols.with_debug_file(facts, name).with_context(|| (*name).clone())?;
    } else if let Some(named) = original.facts.custom.external_debug_info {
        out.note(format!("its debug information is in {named}: give that file with --debug-file"));
    }
    if let Some(path) = &args.source_map {
        let (name, bytes) = read(path)?;
        symbols = symbols.with_source_map(&bytes).with_context(|| name)?;
    }
    if let Some(path) = &args.symbols {
        let (name, bytes) = read(path)?;
        symbols = symbols.with_symbol_map(&String::from_utf8_lossy(&bytes)).with_context(|| name)?;
    }
    then(&symbols, out)
}
