//! The book's commands are run, and print what it quotes. A page names the files that it needs in a comment:
//! `<!-- files: app.wasm=c-emscripten-dlmalloc.wasm -->`, from samples/prebuilt or tests/cli/files.
//!
//! In a session (` ```console `) each `$ memgrove …` is run in a folder of the page. Lines below it are printed by it, in any
//! order; `…` stands for more. `$ echo $?` shows its status, which is 0 otherwise. `$ cat FILE` shows a file to be made.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support;

fn pages() -> PathBuf {
    support::root().join("book/src")
}

fn read(page: &str) -> String {
    fs::read_to_string(pages().join(page)).unwrap()
}

/// The fenced blocks of a page: the word behind the fence, and the text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = page.split("```").collect();
    assert!(parts.len() % 2 == 1, "a block is not closed");
    parts.iter().skip(1).step_by(2).map(|block| block.split_once('\n').unwrap()).collect()
}

/// A folder with the files that the page asks for.
fn folder(page: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for list in page.split("<!-- files: ").skip(1) {
        let (list, _) = list.split_once(" -->").unwrap();
        for pair in list.split(' ') {
            let (name, source) = pair.split_once('=').unwrap();
            let places =
                ["samples/prebuilt", "tests/cli/files"].map(|place| support::root().join(place).join(source));
            let found = places.iter().find(|path| path.is_file()).unwrap_or_else(|| panic!("no {source}"));
            fs::copy(found, folder.path().join(name)).unwrap();
        }
    }
    folder
}

/// What the last command of a session did.
#[derive(Default)]
struct Last {
    command: String,
    printed: String,
    status: i32,
    was_shown: bool,
}

impl Last {
    fn run(folder: &Path, command: &str) -> Self {
        let done = support::memgrove(folder).args(command.split_whitespace()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            command: command.to_owned(),
            printed: text(&done.stdout) + &text(&done.stderr),
            status: done.status.code().unwrap(),
            was_shown: false,
        }
    }

    /// A status that the page does not show is 0.
    fn end(&self) {
        assert!(self.was_shown || self.status == 0, "{}: {}", self.command, self.printed);
    }
}

/// Runs the sessions of a page; returns the number of commands.
fn run(page: &str) -> usize {
    let text = read(page);
    let folder = folder(&text);
    let mut commands = 0;
    for (_, session) in blocks(&text).into_iter().filter(|(kind, _)| *kind == "console") {
        let mut last = Last::default();
        let mut file: Option<(PathBuf, String)> = None;
        for line in session.lines() {
            if line.starts_with("$ ")
                && let Some((path, text)) = file.take()
            {
                fs::write(path, text).unwrap();
            }
            if let Some(command) = line.strip_prefix("$ memgrove ") {
                last.end();
                last = Last::run(folder.path(), command);
                commands += 1;
            } else if line == "$ echo $?" {
                last.was_shown = true;
                last.printed = last.status.to_string();
            } else if let Some(name) = line.strip_prefix("$ cat ") {
                file = Some((folder.path().join(name), String::new()));
            } else if let Some((_, text)) = &mut file {
                text.push_str(line);
                text.push('\n');
            } else if line.trim() != "…" {
                let is_printed = last.printed.lines().any(|printed| printed.trim_end() == line.trim_end());
                assert!(is_printed, "{page}: {}: {line:?} is not in:\n{}", last.command, last.printed);
            }
        }
        last.end();
    }
    commands
}

macro_rules! pages {
    ($($name:ident $page:literal $(#[$attribute:meta])*,)*) => {
        $(#[test]
        $(#[$attribute])*
        fn $name() {
            assert!(run($page) > 0);
        })*

        /// The pages that are run.
        const RUN: &[&str] = &[$($page),*];
    };
}

pages! {
    start "start.md",
    portability "portability.md" #[ignore = "takes ten seconds of CPU; the step `survey` runs it"],
    why_not "why-not.md",
    fix "fix.md",
    choose "choose.md",
    wee_alloc "wee_alloc.md" #[ignore = "takes long; the step `survey` runs it"],
    leak "leak.md",
    check "check.md",
    swap "swap.md" #[ignore = "takes long; the step `survey` runs it"],
    platform "platform.md",
}

/// Pages without a command of ours.
const PROSE: &[&str] = &["SUMMARY.md", "reference.md", "inside.md"];

/// Other commands: they need more than this command, and are run where it is said.
const ELSEWHERE: &[(&str, &str)] = &[
    ("cargo build --release", "by hand before a release; `cargo xtask release`"),
    ("cargo build --release -p memgrove-cli --no-default-features", "by hand before a release"),
    ("cargo run --release -- bench --quick", "by hand before a release"),
    ("cargo xtask archives", "the step `archives`"),
    (
        "clang --target=wasm32 -nostdlib -Wl,--no-entry app.c out/archives/libmemgrove_dlmalloc.a -o app.wasm",
        "the step `archives`, with more warnings",
    ),
    ("npx memgrove trace node app.js", "npm/tests/register.test.mjs"),
    ("npx memgrove check node app.js", "npm/tests/register.test.mjs"),
    ("memgrove check app.wasm -o checked.wasm", "crates/memgrove-cli/tests/cli/outputs.rs"),
    (
        "memgrove check app.wasm --profile main.mgpr --profile worker.mgpr",
        "crates/memgrove-lab/tests/check_threads.rs, without the command",
    ),
    ("memgrove check app.wasm --alloc my_alloc=malloc,my_release=free", "crates/memgrove-api/src/check.rs"),
];

#[test]
fn every_page_is_listed_and_every_command_is_run_somewhere() {
    let summary = read("SUMMARY.md");
    let allocators = fs::read_to_string(support::root().join("crates/memgrove/README.md")).unwrap();
    for entry in fs::read_dir(pages()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "SUMMARY.md lacks {name}");
        assert!(RUN.contains(&&*name) || PROSE.contains(&&*name), "no test runs {name}");
        let text = read(&name);
        for (kind, block) in blocks(&text) {
            match kind {
                "sh" => {
                    for line in block.lines() {
                        let command = line.split('#').next().unwrap().trim();
                        assert!(ELSEWHERE.iter().any(|(known, _)| *known == command), "{name}: {command}");
                    }
                }
                // The crate's own README is a test.
                "rust" => assert!(allocators.contains(block.trim()), "{name}: {block}"),
                "console" => assert!(RUN.contains(&&*name), "{name}"),
                "text" | "rust,ignore" => {}
                other => panic!("{name}: what is a block of {other:?}?"),
            }
        }
    }
}

#[test]
fn links_lead_somewhere() {
    const OURS: &str = "https://github.com/memgrove/memgrove/";
    let mut count = 0;
    for entry in fs::read_dir(pages()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let text = read(&name);
        for link in text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()) {
            let path = match link.strip_prefix(OURS) {
                Some(path) => support::root().join(path.splitn(3, '/').nth(2).unwrap()),
                None => pages().join(link),
            };
            assert!(path.exists(), "{name}: {link}");
            count += 1;
        }
    }
    assert!(count > 20);
}
