//! What a release is made of, in one folder, and tested from there. Nothing is published: that is done from the folder, by the
//! workflow or by hand, crates in the order of `cargo xtask packages --order`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use xshell::{Shell, cmd};

use crate::archives::{self, ArchivesArgs};
use crate::workspace::Workspace;
use crate::{npm, packages, page, python, sources};

#[derive(clap::Args)]
pub struct ReleaseArgs {
    /// Make and test everything, and publish nothing. There is no other way yet.
    #[arg(long, required = true)]
    dry_run: bool,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Make the command for this target instead of the machine's own: x86_64-unknown-linux-musl is a program without libraries. It must
    /// run here, and rustup must have the target.
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Also from a work tree with changes that are not committed.
    #[arg(long)]
    allow_dirty: bool,
}

/// What the command may take on Linux, without its debug information: 21.7 MB of it were code, and 4.3 data, when it took 29.6.
const MOST_COMMAND_BYTES: u64 = 30_000_000;

/// A part of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The crates, as the registry takes them.
    Crates,
    /// The command for this machine; its debug information is a file of its own.
    Binary,
    /// The archives for C and C++.
    Archives,
    /// The npm package.
    Npm,
    /// The Python package for this machine.
    Wheel,
    /// The page.
    Page,
    /// The changes, for the release's page.
    Changes,
}

/// The checksums of all other files.
const SUMS: &str = "SHA256SUMS";

pub fn run(workspace: &Workspace, args: &ReleaseArgs) -> Result<()> {
    if !args.dry_run {
        bail!("only a dry run is there");
    }
    let sh = workspace.shell()?;
    if !args.allow_dirty && !cmd!(sh, "git status --porcelain").quiet().read()?.is_empty() {
        bail!("there are changes that are not committed\nhint: commit them, or --allow-dirty");
    }
    let folder = workspace.out().join("release");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let binary = Binary::new(workspace, args.target.as_deref())?;
    let wanted = |part: &&Part| args.only.is_empty() || args.only.contains(part);
    let parts: Vec<Part> = Part::value_variants().iter().filter(wanted).copied().collect();
    for part in &parts {
        println!("==== {part:?}");
        for file in part.make(workspace, &binary)? {
            let name = file.file_name().with_context(|| format!("{} has no name", file.display()))?;
            fs::copy(&file, folder.join(name)).with_context(|| file.display().to_string())?;
        }
    }
    let sums = checksums(&folder)?;
    fs::write(folder.join(SUMS), &sums)?;
    for part in &parts {
        part.test(workspace, &folder, &binary).with_context(|| format!("testing {part:?}"))?;
    }
    print!("{sums}");
    println!("release: out/release was made and tested; nothing is published");
    Ok(())
}

impl Part {
    /// Makes the files.
    fn make(self, workspace: &Workspace, command: &Binary) -> Result<Vec<PathBuf>> {
        Ok(match self {
            Self::Crates => packages::pack(workspace)?,
            Self::Binary => command.make(workspace)?,
            Self::Archives => {
                archives::run(workspace, &ArchivesArgs::default())?;
                vec![named(&workspace.out().join("archives"), "memgrove-c-", ".tar.gz")?]
            }
            Self::Npm => vec![npm::pack(workspace)?.0],
            Self::Wheel => vec![python::wheel(workspace)?],
            Self::Page => {
                let page = page::write(workspace, &npm::packed(workspace)?)?;
                let named = page.with_file_name("memgrove-page.html");
                fs::copy(&page, &named)?;
                vec![named, page.with_file_name(page::LIVE)]
            }
            Self::Changes => {
                let changes = fs::read_to_string(workspace.root().join("CHANGELOG.md"))?;
                let path = workspace.out().join("CHANGES.md");
                fs::write(&path, newest(&changes)?)?;
                vec![path]
            }
        })
    }

    /// Uses what lies in the folder, as somebody does who fetched it.
    fn test(self, workspace: &Workspace, folder: &Path, command: &Binary) -> Result<()> {
        let sh = workspace.shell()?;
        let place = tempfile::tempdir()?;
        let sample = workspace.root().join("samples/prebuilt/c-emscripten-dlmalloc.wasm");
        match self {
            Self::Crates => packages::used(workspace, folder)?,
            Self::Binary => {
                let name = &command.name;
                let (packed, at) = (folder.join(format!("{name}.tar.gz")), place.path());
                cmd!(sh, "tar -xzf {packed} -C {at}").quiet().run()?;
                let memgrove = at.join(name).join(format!("memgrove{}", std::env::consts::EXE_SUFFIX));
                if command.is_static() {
                    let dynamic = cmd!(sh, "readelf --dynamic {memgrove}").quiet().read()?;
                    if dynamic.contains("NEEDED") {
                        bail!("{name} needs libraries: {dynamic}");
                    }
                }
                let out = at.join("anywhere.wasm");
                cmd!(sh, "{memgrove} --quiet fix {sample} -o {out}").quiet().ignore_stdout().run()?;
                cmd!(sh, "{memgrove} inspect --require bare {out}").quiet().ignore_stdout().run()?;
            }
            Self::Archives => {
                let packed = named(folder, "memgrove-c-", ".tar.gz")?;
                archives::check_package(workspace, &packed)?;
            }
            Self::Npm => {
                let tarball = named(folder, "memgrove-", ".tgz")?;
                npm::install_packed(&sh, &tarball, place.path())?;
                sh.change_dir(place.path());
                cmd!(sh, "npx memgrove fix {sample} -o anywhere.wasm").quiet().ignore_stdout().run()?;
                cmd!(sh, "npx memgrove inspect --require bare anywhere.wasm")
                    .quiet()
                    .ignore_stdout()
                    .run()?;
            }
            Self::Wheel => python::test_wheel(workspace, &named(folder, "memgrove-", ".whl")?)?,
            Self::Page => {
                let html = fs::read_to_string(folder.join("memgrove-page.html"))?;
                // The step `npm` opens it in a browser; here it only has to be the page.
                if !html.contains("Content-Security-Policy") || !page::is_whole(&html) {
                    bail!("the page is not whole");
                }
                let live = fs::read_to_string(folder.join(page::LIVE))?;
                if !live.contains("globalThis.memgrove") || !page::is_whole(&live) {
                    bail!("{} is not whole", page::LIVE);
                }
            }
            Self::Changes => {
                if fs::metadata(folder.join("CHANGES.md"))?.len() < 100 {
                    bail!("there are no changes to tell");
                }
            }
        }
        Ok(())
    }
}

/// The command as it is released for a target.
struct Binary {
    /// `memgrove-0.1.0-x86_64-unknown-linux-gnu`, as `[package.metadata.binstall]` of memgrove-cli expects it.
    name: String,
    /// The target, if it is not the machine's own.
    target: Option<String>,
}

impl Binary {
    fn new(workspace: &Workspace, target: Option<&str>) -> Result<Self> {
        let own = own_target(workspace)?;
        let name = format!("memgrove-{}-{}", env!("CARGO_PKG_VERSION"), target.unwrap_or(&own));
        Ok(Self { name, target: target.filter(|target| *target != own).map(str::to_owned) })
    }

    /// Whether it is linked with all that it needs.
    fn is_static(&self) -> bool {
        self.name.ends_with("-musl")
    }

    /// The command with licences and completions; and its debug information, where the machine has `objcopy` to take it out.
    fn make(&self, workspace: &Workspace) -> Result<Vec<PathBuf>> {
        let sh = workspace.shell()?;
        let can_split = has_objcopy(&sh);
        if !can_split {
            // A release goes to people who download it, so rather none than within.
            sh.set_var("CARGO_PROFILE_DIST_STRIP", "symbols");
            sh.set_var("CARGO_PROFILE_DIST_DEBUG", "none");
        }
        let mut built = workspace.out().join("target/dist-binary");
        let arguments = self.target.iter().flat_map(|target| ["--target", target]);
        cmd!(sh, "cargo build --quiet --locked --profile dist -p memgrove-cli --target-dir {built}")
            .args(arguments)
            .run()?;
        built.extend(&self.target);
        pack_binary(workspace, &sh, &self.name, &built.join("dist"), can_split)
    }
}

/// The triple of this machine, as rustc names it.
fn own_target(workspace: &Workspace) -> Result<String> {
    let sh = workspace.shell()?;
    let version = cmd!(sh, "rustc --version --verbose").quiet().read()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names its host")?.to_owned())
}

/// Packs the command that lies in the folder `built`.
fn pack_binary(
    workspace: &Workspace,
    sh: &Shell,
    name: &str,
    built: &Path,
    can_split: bool,
) -> Result<Vec<PathBuf>> {
    let folder = workspace.out().join("target").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(folder.join("man"))?;
    let command = format!("memgrove{}", std::env::consts::EXE_SUFFIX);
    fs::copy(built.join(&command), folder.join(&command))?;
    for file in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(workspace.root().join(file), folder.join(file))?;
    }
    for (from, to) in [("docs/man", "man"), ("completions", "completions")] {
        fs::create_dir_all(folder.join(to))?;
        for entry in fs::read_dir(workspace.root().join(from))? {
            let entry = entry?;
            fs::copy(entry.path(), folder.join(to).join(entry.file_name()))?;
        }
    }
    let parent = workspace.out().join("target");
    let mut made = Vec::new();
    if can_split {
        let debug = format!("{command}.debug");
        take_out_debug(sh, &folder.join(&command), &parent.join(&debug))?;
        let packed = parent.join(format!("{name}-debug.tar.gz"));
        cmd!(sh, "tar -czf {packed} -C {parent} {debug}").quiet().run()?;
        made.push(packed);
    }
    let bytes = fs::metadata(folder.join(&command))?.len();
    println!("release: {command}: {bytes} bytes");
    if can_split && bytes > MOST_COMMAND_BYTES {
        bail!("{command} has {bytes} bytes, more than {MOST_COMMAND_BYTES}");
    }
    let packed = parent.join(format!("{name}.tar.gz"));
    cmd!(sh, "tar -czf {packed} -C {parent} {name}").quiet().run()?;
    made.push(packed);
    for file in &made {
        println!("release: {}: {} bytes", file.display(), fs::metadata(file)?.len());
    }
    Ok(made)
}

/// Whether there is an `objcopy`, and programs are of the kind that it splits.
fn has_objcopy(sh: &Shell) -> bool {
    cfg!(target_os = "linux")
        && cmd!(sh, "objcopy --version").quiet().ignore_stdout().ignore_stderr().run().is_ok()
}

/// Moves a program's symbols and debug information into a file, which the program then names, so that debuggers find it.
fn take_out_debug(sh: &Shell, program: &Path, debug: &Path) -> Result<()> {
    cmd!(sh, "objcopy --only-keep-debug {program} {debug}").quiet().run()?;
    cmd!(sh, "objcopy --strip-all --add-gnu-debuglink={debug} {program}").quiet().run()?;
    Ok(())
}

/// The one file with this beginning and this end.
fn named(folder: &Path, start: &str, end: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(start) && name.ends_with(end) {
            return Ok(entry.path());
        }
    }
    bail!("{}: no {start}…{end}", folder.display())
}

/// As `sha256sum --check` reads them.
fn checksums(folder: &Path) -> Result<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != SUMS {
            lines.push((name, sources::digest(&fs::read(entry.path())?)));
        }
    }
    lines.sort();
    Ok(lines.into_iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect())
}

/// The newest section of the changelog, without what concerns only its developers.
fn newest(changes: &str) -> Result<String> {
    let section = changes.split("\n## ").nth(1).context("CHANGELOG.md has a section")?;
    let (_, text) = section.split_once('\n').context("a section has a heading")?;
    let shown = text.split("\n### ").filter(|part| !part.starts_with("Internal"));
    Ok(shown.collect::<Vec<_>>().join("\n### ").trim().to_owned() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_changes_are_for_users() {
        let changes = "# Changelog\n\n## 0.2.0\n\n### Added\n\n- a\n\n### Internal\n\n- b\n\n### Fixed\n\n- c\n\n## 0.1.0\n\n- d\n";
        assert_eq!(newest(changes).unwrap(), "### Added\n\n- a\n\n### Fixed\n\n- c\n");
    }

    #[test]
    fn debug_information_is_taken_out_of_a_program_that_still_runs() {
        let sh = Shell::new().unwrap();
        if !has_objcopy(&sh) {
            println!("skipped: there is no objcopy");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (program, debug) = (folder.path().join("program"), folder.path().join("program.debug"));
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let whole = fs::metadata(&program).unwrap().len();
        take_out_debug(&sh, &program, &debug).unwrap();
        let stripped = fs::metadata(&program).unwrap().len();
        assert!(stripped < whole, "{stripped} of {whole}");
        let tests = cmd!(sh, "{program} --list").quiet().read().unwrap();
        assert!(tests.contains("debug_information_is_taken_out"), "{tests}");
        // For a debugger, and a part of the running program all the same.
        const LOADED: &str = ".debug_gdb_scripts";
        // Name and length of each section that holds debug information: all that the program had is in the file.
        let sections = |of: &Path| {
            let listed = cmd!(sh, "objdump --section-headers {of}").quiet().read().unwrap();
            let lines = listed.lines().map(|line| line.split_whitespace().skip(1).take(2).map(str::to_owned));
            lines.map(Iterator::collect::<Vec<_>>).collect::<Vec<_>>()
        };
        let debugging = |of: &Path| {
            let is_debug = |section: &Vec<String>| {
                section.first().is_some_and(|name| name.starts_with(".debug_") && name != LOADED)
            };
            sections(of).into_iter().filter(is_debug).collect::<Vec<_>>()
        };
        let before = debugging(&std::env::current_exe().unwrap());
        assert!(!before.is_empty());
        assert_eq!(debugging(&debug), before, "what was taken out is there");
        assert!(debugging(&program).is_empty(), "nothing of it stays");
        assert!(
            sections(&program)
                .iter()
                .any(|section| section.first().is_some_and(|name| name == ".gnu_debuglink"))
        );
    }

    #[test]
    fn checksums_name_every_file_but_their_own() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a", SUMS] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let sums = checksums(folder.path()).unwrap();
        let names: Vec<_> = sums.lines().filter_map(|line| line.split("  ").nth(1)).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
