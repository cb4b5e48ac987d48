//! Packages of npm with every module instrumented by `memgrove/register`: they print what they print without it, and the
//! recordings name the functions that allocate.
#![allow(clippy::print_stdout, reason = "a table of what was seen")]

mod fix_support;
mod own_js;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use memgrove_profile::Profile;
use own_js::{LARGE, Node, PACKAGES};

/// The fewest packages of which the recordings have to say something.
const LEAST_RECORDED: usize = 5;

/// What the threads of a program wrote.
struct Recorded {
    allocations: u64,
    functions: BTreeSet<String>,
    untouched: Vec<String>,
}

#[test]
#[ignore = "needs `cargo xtask npm` to have been run, and fetches packages; the package's own test is the short form"]
fn packages_print_the_same_and_their_recordings_name_functions() {
    let register = fix_support::root().join("out/package/memgrove/register.js");
    assert!(register.is_file(), "{}: run `cargo xtask npm` first", register.display());
    let node = Node::with_several_memories().expect("a Node whose engine has several memories");
    let mut recorded = 0;
    let mut wrong = Vec::new();
    for package in PACKAGES.iter().chain(LARGE) {
        for operation in ["trace", "check"] {
            let folder = tempfile::tempdir().unwrap();
            let plain = own_js::run(package, &node, &[], &[]);
            let hooked =
                own_js::run(package, &node, &arguments(&register), &settings(operation, folder.path()));
            let is_same = plain == hooked;
            let seen = read(folder.path());
            println!(
                "{:<32} {operation:<6} {}  {:>8} allocations by {:>4} functions  {}",
                package.package,
                if is_same { "same " } else { "OTHER" },
                seen.allocations,
                seen.functions.len(),
                seen.untouched.join("; ")
            );
            if plain.is_ok() && !is_same {
                wrong.push(format!("{} {operation}: {plain:?} {hooked:?}", package.package));
            }
            recorded += usize::from(operation == "trace" && is_same && !seen.functions.is_empty());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(recorded >= LEAST_RECORDED, "{recorded}");
}

fn arguments(register: &Path) -> [String; 2] {
    ["--import".to_owned(), format!("file://{}", register.display())]
}

fn settings(operation: &str, out: &Path) -> [(&'static str, String); 1] {
    let settings = serde_json::json!({ "operation": operation, "out": out, "cache": null, "says": false });
    [("MEMGROVE_REGISTER", settings.to_string())]
}

fn read(folder: &Path) -> Recorded {
    let mut seen = Recorded { allocations: 0, functions: BTreeSet::new(), untouched: Vec::new() };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => {
                let list: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                let words = list["untouched"].as_array().into_iter().flatten();
                seen.untouched.extend(words.filter_map(|one| one["why"].as_str().map(str::to_owned)));
            }
            Some("mgpr") => {
                let profile = Profile::read(&fs::read(&path).unwrap()).unwrap();
                let summary = profile.summary();
                seen.allocations += summary.allocations;
                for node in 1..profile.nodes.len() {
                    let stack = profile.stack(u32::try_from(node).unwrap());
                    seen.functions.extend(stack.map(|site| format!("{site:?}")));
                }
            }
            _ => {}
        }
    }
    seen
}
