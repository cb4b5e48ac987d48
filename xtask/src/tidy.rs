//! What a reader would trip over: a document that names a file which is not there, and traces of one machine.

mod wording;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use wording::Wording;

use crate::packages;
use crate::workspace::Workspace;

/// Folders whose files are named in documents by a path from the root.
const TOP_LEVEL: &[&str] = &[
    "crates/",
    "docs/",
    "book/",
    "guests/",
    "knowledge/",
    "samples/",
    "tests/",
    "xtask/",
    "fuzz/",
    "results/",
    "completions/",
    ".ci/",
];

/// Names that stand, quoted, in one table only, with the folder or file that holds it and those that may have them for
/// another reason: a second list would be a second answer to the same question.
const ONE_LIST: &[(&str, &[&str])] = &[
    (
        "emscripten_resize_heap",
        &[
            // What the import is.
            "crates/memgrove-module/src/recognise/table.rs",
            // What is promised under the name, and what stands for it.
            "crates/memgrove-rewrite/src/contract/emscripten.rs",
            // The emulated hosts, which are written a second time on purpose.
            "crates/memgrove-verify/src/",
            "crates/memgrove-lab/src/survey/host/",
            // Tests beside the code.
            "crates/memgrove-rewrite/src/unproven.rs",
        ],
    ),
    (
        "enlargeMemory",
        &[
            "crates/memgrove-module/src/recognise/table.rs",
            "crates/memgrove-rewrite/src/contract/emscripten.rs",
            "crates/memgrove-verify/src/",
            "crates/memgrove-lab/src/survey/host/",
        ],
    ),
    (
        "SYS_brk",
        &[
            "crates/memgrove-rewrite/src/contract/linux.rs",
            "crates/memgrove-rewrite/src/unproven.rs",
            "crates/memgrove-verify/src/",
        ],
    ),
    // An engine sets it for a thread.
    (
        "__stack_pointer",
        &["crates/memgrove-module/src/recognise/stack.rs", "crates/memgrove-lab/src/engine/"],
    ),
];

/// A table of names. A source that quotes more than a few of them is a second table.
struct Table {
    /// Names of what.
    of: &'static str,
    /// The files that hold it, by the beginnings of their paths.
    files: &'static [&'static str],
    /// What stands before each name in these files.
    before: &'static str,
    /// Sources that have several of the names for a reason of their own.
    others: &'static [&'static str],
}

const TABLES: &[Table] = &[
    Table {
        of: "stand-ins",
        files: &["crates/memgrove-rewrite/runtime/"],
        before: "(export",
        others: &[
            // What is promised under the name; what an import is.
            "crates/memgrove-rewrite/src/contract/",
            "crates/memgrove-module/src/recognise/",
            // Hosts: emulated ones, written a second time on purpose, and the lab's own.
            "crates/memgrove-verify/src/library.rs",
            "crates/memgrove-lab/src/survey/host/",
            "crates/memgrove-lab/src/wasi/",
            // Tests beside the code.
            "crates/memgrove-rewrite/src/unproven.rs",
        ],
    },
    Table {
        of: "allocators' functions",
        files: &["crates/memgrove-inspect/src/detect/functions/names.rs"],
        before: "named(",
        others: &[
            // C's functions: as roles, as imports, as the exports of our own heaps, as the emulated host's.
            "crates/memgrove-module/src/allocator/role.rs",
            "crates/memgrove-rewrite/src/heap.rs",
            "crates/memgrove-rewrite/src/swap/",
            "crates/memgrove-verify/src/library.rs",
            // Words of operations.
            "crates/memgrove-view/src/words/mod.rs",
        ],
    },
    Table {
        of: "roles",
        files: &["crates/memgrove-module/src/allocator/role.rs"],
        before: " =",
        others: &[
            "crates/memgrove-inspect/src/detect/functions/names.rs",
            "crates/memgrove-rewrite/src/heap.rs",
            "crates/memgrove-rewrite/src/swap/",
            "crates/memgrove-verify/src/library.rs",
            "crates/memgrove-view/src/words/mod.rs",
        ],
    },
];
/// A pair of names may be a question about these two.
const FEW_NAMES: usize = 3;

/// Variants of enums that no second enum has, with the places that may declare them: of the roles of allocators' functions,
/// and of C's functions that are imported.
const ONE_ENUM: &[(&str, &[&str])] = &[
    ("PosixMemalign", &["crates/memgrove-module/src/allocator/", "crates/memgrove-rewrite/src/heap.rs"]),
    ("OutPointer", &["crates/memgrove-module/src/allocator/"]),
];

/// Absolute folders of build machines; in a committed file, text or binary, they are a leak.
const MACHINE_PATHS: &[&str] = &["/root/", "/work/"];

pub fn run(workspace: &Workspace) -> Result<()> {
    let sh = workspace.shell()?;
    let mut faults = Vec::new();
    let today = today()?;
    let files = tracked(&sh)?;
    let readme = std::fs::read_to_string(workspace.root().join("README.md"))?;
    let wording = Wording::read(workspace.root())?;
    let tables = read_tables(workspace.root(), &files)?;
    for lock in files.iter().filter(|file| file.ends_with("/Cargo.lock")) {
        let manifest = lock.replace("Cargo.lock", "Cargo.toml");
        // What is built with `--locked` elsewhere, such as the Python package, stands on crates of this workspace.
        if cmd!(sh, "cargo update --quiet --workspace --locked --manifest-path {manifest}")
            .quiet()
            .ignore_stderr()
            .run()
            .is_err()
        {
            faults.push(format!("{lock} is behind: cargo update --workspace --manifest-path {manifest}"));
        }
    }
    for file in files {
        let path = workspace.root().join(&file);
        // A file deleted in the work tree is still tracked; its absence is the documents' affair.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        if !file.starts_with("xtask/src/tidy.rs") {
            faults.extend(machine_paths(&file, &bytes));
        }
        if file.starts_with("knowledge/engines/") {
            match age(&bytes, today) {
                Age::Unknown => faults.push(format!(
                    "{file}: no `checked = \"YYYY-MM-DD\"` says when it was compared with its source"
                )),
                Age::Old(days) => {
                    println!("warning: {file} was compared with its source {days} days ago: look again");
                }
                Age::Current => {}
            }
        }
        if let Some(folder) = file
            .strip_suffix("/Cargo.toml")
            .filter(|file| file.starts_with("crates/") && file.matches('/').count() == 1)
        {
            if !workspace.root().join(folder).join("README.md").exists() {
                faults.push(format!("{folder}: no README.md says what the crate is for"));
            }
            if !readme.contains(&format!("`{folder}`")) {
                faults.push(format!("README.md: its table of crates lacks `{folder}`"));
            }
        }
        if is_source(&file) {
            let text = String::from_utf8_lossy(&bytes);
            faults.extend(second_lists(&file, &text));
            faults.extend(tables.iter().filter_map(|(table, names)| table.second(names, &file, &text)));
            faults.extend(second_enums(&file, &text));
        }
        if let Ok(text) = std::str::from_utf8(&bytes) {
            faults.extend(wording.faults(&file, text));
        }
        if file.ends_with(".md") {
            let text = std::str::from_utf8(&bytes).with_context(|| format!("{file} is not UTF-8"))?;
            faults.extend(missing_files(workspace.root(), &file, text));
        }
    }
    if !faults.is_empty() {
        bail!("{} faults:\n{}", faults.len(), faults.join("\n"));
    }
    println!("tidy: documents and tracked files are in order");
    packages::check_manifests(workspace)
}

const YEAR_DAYS: i64 = 365;

/// How long ago an engine's file was compared with its source.
#[derive(Debug, PartialEq, Eq)]
enum Age {
    /// It does not say.
    Unknown,
    /// More than a year: so many days.
    Old(i64),
    Current,
}

/// Engines get proposals within a year; a file that is older says "no" where it should say "yes".
fn age(file: &[u8], today: i64) -> Age {
    match std::str::from_utf8(file).ok().and_then(checked) {
        None => Age::Unknown,
        Some(day) if today - day > YEAR_DAYS => Age::Old(today - day),
        Some(_) => Age::Current,
    }
}

/// Days since 1970.
fn today() -> Result<i64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).context("the clock")?;
    Ok(i64::try_from(now.as_secs() / 86_400)?)
}

/// The day on which an engine's file was checked, in days since 1970.
fn checked(text: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix("checked = \""))?;
    let mut parts = line.strip_suffix('"')?.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    // Years that begin in March: the leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(days + (153 * month + 2) / 5 + day - 1 - 719_468)
}

fn tracked(sh: &Shell) -> Result<Vec<String>> {
    let listing = cmd!(sh, "git ls-files --cached --others --exclude-standard -z").quiet().read()?;
    Ok(listing.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

fn machine_paths(file: &str, bytes: &[u8]) -> Vec<String> {
    MACHINE_PATHS
        .iter()
        .filter(|needle| contains(bytes, needle.as_bytes()))
        .map(|needle| format!("{file}: holds the machine's path `{needle}`"))
        .collect()
}

/// The sources of a crate, without its tests.
fn is_source(file: &str) -> bool {
    file.starts_with("crates/") && file.contains("/src/") && file.ends_with(".rs")
}

/// The lines that are no comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Names that are quoted outside of the one table that holds them.
fn second_lists(file: &str, text: &str) -> Vec<String> {
    ONE_LIST
        .iter()
        .filter(|(name, places)| {
            !places.iter().any(|place| file.starts_with(place))
                && code(text).any(|line| line.contains(&format!("\"{name}\"")))
        })
        .map(|(name, places)| format!("{file}: `{name}` is quoted, which only {} may", places[0]))
        .collect()
}

impl Table {
    fn is_in(&self, file: &str) -> bool {
        self.files.iter().any(|start| file.starts_with(start))
    }

    /// The names that a file of the table holds.
    fn names<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let rest = text.split(self.before).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
        rest.filter_map(|rest| rest.split('"').next())
    }

    /// A fault where another source has a list of them.
    fn second(&self, names: &BTreeSet<String>, file: &str, text: &str) -> Option<String> {
        if self.is_in(file) || self.others.iter().any(|other| file.starts_with(other)) {
            return None;
        }
        let quoted: BTreeSet<&str> = code(text).flat_map(|line| line.split('"').skip(1).step_by(2)).collect();
        let found = quoted.iter().filter(|name| names.contains(**name)).count();
        (found > FEW_NAMES).then(|| {
            format!("{file}: {found} names of {} are quoted, whose table is {}", self.of, self.files[0])
        })
    }
}

/// The tables, each with its names.
fn read_tables(root: &Path, files: &[String]) -> Result<Vec<(&'static Table, BTreeSet<String>)>> {
    let mut tables = Vec::new();
    for table in TABLES {
        let mut names = BTreeSet::new();
        for file in files.iter().filter(|file| table.is_in(file)) {
            let text = std::fs::read_to_string(root.join(file)).with_context(|| file.clone())?;
            names.extend(table.names(&text).map(str::to_owned));
        }
        if names.len() <= FEW_NAMES {
            bail!("{}: no table of {} is found there", table.files[0], table.of);
        }
        tables.push((table, names));
    }
    Ok(tables)
}

/// Variants that a second enum declares.
fn second_enums(file: &str, text: &str) -> Vec<String> {
    let declares = |name: &str| {
        code(text).any(|line| {
            line.trim().strip_prefix(name).is_some_and(|rest| rest == "," || rest.starts_with(" ="))
        })
    };
    let may = |places: &[&str]| places.iter().any(|place| file.starts_with(place));
    let found = ONE_ENUM.iter().filter(|(name, places)| !may(places) && declares(name));
    found
        .map(|(name, places)| format!("{file}: a second enum has `{name}`, which stands in {}", places[0]))
        .collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Paths that a document names, in back quotes or as link targets, and that do not exist.
fn missing_files(root: &Path, file: &str, text: &str) -> Vec<String> {
    let folder = root.join(file);
    let folder = folder.parent().unwrap_or(root);
    named_paths(text)
        .filter(|name| !root.join(name).exists() && !folder.join(name).exists())
        .map(|name| format!("{file}: names `{name}`, which does not exist"))
        .collect()
}

fn named_paths(text: &str) -> impl Iterator<Item = &str> {
    let quoted =
        text.split('`').skip(1).step_by(2).filter(|name| TOP_LEVEL.iter().any(|top| name.starts_with(top)));
    let linked = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"));
    // In a drawing nothing is quoted.
    let drawn = text
        .split_whitespace()
        .map(|word| word.trim_end_matches(['.', ',', ';', ')']))
        .filter(|word| word.starts_with("crates/"));
    quoted.chain(linked).chain(drawn).filter(|name| !name.contains([' ', '*', '<', '{', '…', '\n', '`']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted() {
        let day = |text: &str| checked(&format!("id = \"x\"\nchecked = \"{text}\"\n"));
        assert_eq!(day("1970-01-01"), Some(0));
        assert_eq!(day("2000-03-01"), Some(11_017));
        assert_eq!(day("2026-11-26"), Some(20_783));
        assert_eq!(day("soon"), None);
    }

    #[test]
    fn an_engines_file_is_old_after_a_year() {
        let file = b"id = \"x\"\nchecked = \"2000-03-01\"\n";
        assert_eq!(age(file, 11_017 + 365), Age::Current);
        assert_eq!(age(file, 11_017 + 366), Age::Old(366));
        assert_eq!(age(b"id = \"x\"\n", 11_017), Age::Unknown);
    }

    #[test]
    fn finds_quoted_and_linked_paths_only() {
        let text = "see `crates/a/b.rs`, `memory.grow`, `crates/*/x`, [c](docs/c.md#part) and [d](https://d)";
        assert_eq!(named_paths(text).collect::<Vec<_>>(), ["crates/a/b.rs", "docs/c.md"]);
        assert_eq!(named_paths("facts ─► code   crates/a.rs, b.rs\n").collect::<Vec<_>>(), ["crates/a.rs"]);
    }

    #[test]
    fn a_missing_file_is_a_fault() {
        let faults = missing_files(Path::new("/nonexistent"), "README.md", "`crates/gone.rs`");
        assert_eq!(faults.len(), 1, "{faults:?}");
    }

    #[test]
    fn a_second_list_is_a_fault() {
        let text = "const GROWS: &[&str] = &[\"emscripten_resize_heap\"];";
        assert_eq!(second_lists("crates/memgrove-inspect/src/detect/imports.rs", text).len(), 1);
        assert_eq!(second_lists("crates/memgrove-module/src/recognise/table.rs", text), [""; 0]);
        assert!(
            is_source("crates/memgrove-view/src/words.rs") && !is_source("crates/memgrove-lab/tests/x.rs")
        );
    }

    #[test]
    fn a_planted_table_is_a_fault() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let files: Vec<String> = [
            "crates/memgrove-rewrite/runtime/25_libc.wat",
            "crates/memgrove-inspect/src/detect/functions/names.rs",
            "crates/memgrove-module/src/allocator/role.rs",
        ]
        .map(str::to_owned)
        .to_vec();
        let tables = read_tables(&root, &files).expect("they are there");
        for (of, planted) in [
            ("stand-ins", ["strlen", "strchr", "isalpha", "memcmp"]),
            ("allocators' functions", ["dlmalloc", "_malloc", "__wbindgen_malloc", "mi_malloc"]),
            ("roles", ["rust_alloc", "rust_dealloc", "sized_free", "new"]),
        ] {
            let (table, names) = tables.iter().find(|(table, _)| table.of == of).expect("a table");
            let text = format!("const NAMES: [&str; 4] = {planted:?};");
            assert!(table.second(names, "crates/memgrove-view/src/lib.rs", &text).is_some(), "{of}");
            assert_eq!(table.second(names, table.files[0], &text), None, "{of}");
            let comment = format!("// {planted:?}");
            assert_eq!(table.second(names, "crates/memgrove-view/src/lib.rs", &comment), None, "{of}");
        }
    }

    #[test]
    fn a_second_enum_of_roles_is_a_fault() {
        let text = "enum Role {\n    Malloc,\n    PosixMemalign,\n}";
        assert_eq!(second_enums("crates/memgrove-rewrite/src/trace/role.rs", text).len(), 1);
        assert_eq!(second_enums("crates/memgrove-module/src/allocator/role.rs", text), [""; 0]);
        let use_of_it = "match role {\n    Role::PosixMemalign => (),\n}";
        assert_eq!(second_enums("crates/memgrove-rewrite/src/trace/role.rs", use_of_it), [""; 0]);
    }

    #[test]
    fn a_machine_path_is_found_in_binary_too() {
        assert_eq!(machine_paths("x.wasm", b"\0asm /root/.cargo/registry").len(), 1);
        assert!(machine_paths("x.wasm", b"\0asm src/lib.rs").is_empty());
    }
}
