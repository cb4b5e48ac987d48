//! What `fix` makes of many modules stays what it was, bit for bit, and so does what it says of them.
//!
//! The expected digests stand in `tests/data/fix-*.txt`. A change that is meant to change them renews them, and its
//! commit message says what became different and why that is right:
//!
//! ```sh
//! BLESS=1 cargo test --locked --workspace --test unchanged -- --include-ignored
//! ```
//!
//! The corpus is looked at where it has been fetched (`cargo xtask corpus`). Of the generated modules the first block
//! is looked at each time, all of them with `--include-ignored`.

#![allow(clippy::print_stdout, reason = "says how many modules were there to be looked at")]

mod generated;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use memgrove_rewrite::{Options, Stubs, fix};
use sha2::{Digest, Sha256};

use generated::{Smith, misleading, options};

/// Modules of which one digest is made.
const BLOCK: u64 = 1000;
/// Blocks of each kind of generated modules.
const BLOCKS: u64 = 10;

/// Digests of modules and of plans.
#[derive(Default)]
struct Pair {
    modules: Sha256,
    plans: Sha256,
}

impl Pair {
    fn add(&mut self, wasm: &[u8], options: &Options) {
        match fix(wasm, options) {
            Ok(fixed) => {
                self.modules.update(&fixed.wasm);
                self.plans.update(serde_json::to_vec(&fixed.plan).expect("a plan serialises"));
            }
            Err(error) => self.plans.update(error.to_string()),
        }
    }

    /// In hexadecimal, the modules' first.
    fn text(self) -> String {
        let hex = |digest: Sha256| {
            digest.finalize().iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        format!("{} {}", hex(self.modules), hex(self.plans))
    }
}

/// Lines of a name and two digests, as a file holds them.
type Lines = BTreeMap<String, String>;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn read(name: &str) -> Lines {
    let text = std::fs::read_to_string(file(name)).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(name, digests)| (name.to_owned(), digests.to_owned())).collect()
}

/// Compares what was found with what is expected, or makes it what is expected.
fn compare(name: &str, found: &Lines) {
    /// Two tests renew one file.
    static ONE_WRITES: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = ONE_WRITES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut expected = read(name);
    if std::env::var_os("BLESS").is_some() {
        expected.extend(found.clone());
        let text: String = expected.iter().map(|(name, digests)| format!("{name} {digests}\n")).collect();
        std::fs::write(file(name), text).expect("the data can be written");
        return;
    }
    let different: Vec<_> = found.iter().filter(|(at, digests)| expected.get(*at) != Some(digests)).collect();
    assert!(different.is_empty(), "`fix` makes or says something else of these (see {name}): {different:#?}");
}

#[test]
fn the_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../out/corpus");
    let files = std::fs::read_dir(folder).into_iter().flatten().map_while(Result::ok);
    let mut found = Lines::new();
    for file in files.filter(|file| file.path().extension().is_some_and(|extension| extension == "wasm")) {
        let wasm = std::fs::read(file.path()).expect("readable");
        let mut pair = Pair::default();
        pair.add(&wasm, &Options::default());
        pair.add(&wasm, &Options { stubs: Stubs::none(), ..Options::default() });
        found.insert(file.file_name().to_string_lossy().into_owned(), pair.text());
    }
    println!("{} modules of out/corpus looked at", found.len());
    compare("fix-corpus.txt", &found);
}

/// Digests of the first blocks of modules.
fn blocks(count: u64, kind: &str, mut module: impl FnMut(u64) -> Option<Vec<u8>>) -> Lines {
    let block = |block: u64| {
        let mut pair = Pair::default();
        for seed in block * BLOCK..(block + 1) * BLOCK {
            if let Some(wasm) = module(seed) {
                pair.add(&wasm, &options(seed));
            }
        }
        (format!("{kind}-{block}"), pair.text())
    };
    (0..count).map(block).collect()
}

fn generated(count: u64) {
    let mut smith = Smith::new(11);
    let mut found = blocks(count, "smith", |_| smith.module());
    found.extend(blocks(count, "misleading", |seed| Some(misleading(seed))));
    compare("fix-generated.txt", &found);
}

#[test]
fn a_thousand_generated_modules_of_each_kind() {
    generated(1);
}

#[test]
#[ignore = "ten thousand modules of each kind take a minute"]
fn all_generated_modules() {
    generated(BLOCKS);
}
