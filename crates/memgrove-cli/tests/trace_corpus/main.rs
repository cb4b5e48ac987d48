//! Traced modules of the corpus behave as the originals under their own JavaScript, and record a sound heap; also when
//! there is no room for the log. Checked ones behave so, too, and report nothing.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use memgrove_profile::{Contradictions, Misuse, MisuseKind, Profile};
use memgrove_rewrite::trace::fingerprint;

#[path = "../../../memgrove-lab/tests/fix_support/mod.rs"]
mod fix_support;
#[path = "../../../memgrove-lab/tests/own_js/mod.rs"]
mod own_js;

mod cost;
mod leak;
mod more;
mod programs;

use more::MORE;
use own_js::{LARGE, Node, OwnJs, PACKAGES};

/// Modules of the corpus that must have been compared.
const LEAST: usize = 12;
/// The same of checked modules: others are refused, as their allocators are not known well enough.
const LEAST_CHECKED: usize = 12;
/// The same with all packages.
const LEAST_OF_ALL: usize = 20;

/// Runs the command; its words on standard error if it fails.
fn memgrove(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(env!("CARGO_BIN_EXE_memgrove")).args(arguments).output().expect("it starts");
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Errors that these packages have: of a package, the kind and the address of the access, or none for a call of the allocator.
const TRUE_ERRORS: &[(&str, MisuseKind, &[Option<u32>])] = &[
    // Its `OnigScanner.js` asks for 8 bytes for a result (`_malloc(8)`), in which `findBestMatch` stores three words, at 0,
    // 4 and 8: `i32.store offset=8` at 0x24302 and at 0x242e5.
    ("onigasm@2.2.4", MisuseKind::Overflow, &[Some(0x24302), Some(0x242e5)]),
    // Its JavaScript copies the argument, bytes, into `__wbindgen_malloc(size)` (`passArray8ToWasm0`), which is function
    // 440 and asks for an alignment of 4, `(size < -3) << 2`; it is freed with an alignment of 1, as Rust frees bytes. In
    // later versions of wasm-bindgen `__wbindgen_malloc` has a parameter for the alignment.
    ("@netlify/binary-info@1.0.0", MisuseKind::WrongAlignment, &[None]),
    // The same in others of before <https://github.com/wasm-bindgen/wasm-bindgen/pull/3463>: `__wbindgen_malloc(size)` asks for
    // the alignment of usize, while strings and bytes are freed with 1; and `__wbindgen_free(block, size)` frees with 4.
    ("wasm-flate@1.0.2", MisuseKind::WrongAlignment, &[None]),
    ("@polkadot/wasm-crypto@1.4.1", MisuseKind::WrongAlignment, &[None]),
    ("@polkadot/wasm-crypto@0.2.1", MisuseKind::WrongAlignment, &[None]),
];

/// A package's module, from the corpus or from where it is in the package.
fn module_of(modules: &[(String, Vec<u8>)], file: Option<&str>, package: &OwnJs) -> Option<Vec<u8>> {
    let of_corpus = || modules.iter().find(|(id, _)| id == package.id).map(|(_, wasm)| wasm.clone());
    let of_package = |file| fs::read(fix_support::fetch(package.package).ok()?.join(file)).ok();
    file.map_or_else(of_corpus, of_package)
}

/// What the package prints with the traced module in place of its own, and the recordings.
fn run_traced(
    package: &OwnJs,
    node: &Node,
    folder: &Path,
    original: &[u8],
    traced: &Path,
) -> (Result<String, String>, Vec<Profile>) {
    let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace_corpus/traced.cjs");
    let profiles = folder.join("profiles");
    let _ = fs::remove_dir_all(&profiles);
    fs::create_dir_all(&profiles).expect("a folder");
    let sha256: String = fingerprint(original).iter().map(|byte| format!("{byte:02x}")).collect();
    let table = serde_json::json!({ sha256: traced }).to_string();
    let arguments = ["--require".to_owned(), hook.to_string_lossy().into_owned()];
    let environment = [("REPLACED", table), ("PROFILES", profiles.to_string_lossy().into_owned())];
    let printed = own_js::run(package, node, &arguments, &environment);
    let mut recordings = Vec::new();
    for entry in fs::read_dir(&profiles).expect("a folder").map_while(Result::ok) {
        let memory = fs::read(entry.path()).expect("a readable file");
        let bytes = Profile::bytes_of_memory(&memory).expect("a recording");
        recordings.push(Profile::read(&bytes).expect("a whole one"));
    }
    (printed, recordings)
}

#[test]
fn traced_modules_answer_as_the_originals_do_under_their_own_javascript() {
    let Some(modules) = fix_support::corpus() else { return };
    let Some(node) = Node::with_several_memories() else {
        fix_support::say("skipped: no Node knows several memories; `cargo xtask setup` gets one");
        return;
    };
    let root = snapbox::dir::DirRoot::mutable_temp().expect("a folder");
    let folder = root.path().expect("it has a path").to_owned();
    let mut problems = Vec::new();
    let mut compared = 0;
    for package in PACKAGES {
        let Some((_, wasm)) = modules.iter().find(|(id, _)| id == package.id) else {
            problems.push(format!("{}: not in the corpus", package.id));
            continue;
        };
        let original = match own_js::run(package, &node, &[], &[]) {
            Ok(original) => original,
            Err(why) => {
                fix_support::say(&format!("{}: the original does not run: {why}", package.package));
                continue;
            }
        };
        let (input, output) = (folder.join("in.wasm"), folder.join("out.wasm"));
        fs::write(&input, wasm).expect("a writable folder");
        let (input, written) = (input.to_string_lossy(), output.to_string_lossy());
        if let Err(why) = memgrove(&["trace", &input, "-o", &written]) {
            fix_support::say(&format!("{}: not traced: {why}", package.package));
            continue;
        }
        let (answer, profiles) = run_traced(package, &node, &folder, wasm, &output);
        if answer.as_ref() != Ok(&original) {
            problems.push(format!("{}: {original:.200}\n  traced: {answer:.200?}", package.package));
        }
        let events: u64 = profiles.iter().map(|profile| profile.event_count).sum();
        for profile in &profiles {
            let contradictions = profile.summary().contradictions;
            if contradictions != Contradictions::default() {
                problems.push(format!("{}: {contradictions:?}", package.package));
            }
        }
        // Without room for a log the program does the same, and everything is counted.
        memgrove(&["trace", &input, "-o", &written, "--max-log", "1MiB"]).expect("it was traced before");
        let (answer, cut) = run_traced(package, &node, &folder, wasm, &output);
        if answer.as_ref() != Ok(&original) {
            problems.push(format!("{}, log cut: {original:.200}\n  traced: {answer:.200?}", package.package));
        }
        for profile in cut.iter().filter(|profile| profile.event_count > 0) {
            let counted: u64 = profile.nodes.iter().map(|node| node.bytes).sum();
            if !profile.is_log_cut || counted != profile.allocated_bytes {
                problems.push(format!("{}: {counted} bytes of {}", package.package, profile.allocated_bytes));
            }
        }
        fix_support::say(&format!("{}: the same, {events} events", package.package));
        // What allocates nothing is no evidence.
        compared += usize::from(events > 0);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(compared >= LEAST, "only {compared} were compared");
}

#[test]
fn checked_modules_answer_as_the_originals_do_and_report_nothing() {
    let checked = check("apart", PACKAGES.iter().map(|package| (None, package)));
    assert!(checked.as_ref().is_none_or(|checked| checked.len() >= LEAST_CHECKED), "only {checked:?}");
}

#[test]
#[ignore = "all packages, also at work that grows memory: minutes"]
fn more_checked_modules_report_nothing() {
    report_nothing("apart");
}

#[test]
#[ignore = "all packages, also at work that grows memory: minutes"]
fn more_checked_modules_report_nothing_in_the_same_layout() {
    report_nothing("same");
}

fn report_nothing(layout: &str) {
    let of_corpus = PACKAGES.iter().chain(LARGE).map(|package| (None, package));
    let of_packages = MORE.iter().map(|(file, package)| (Some(*file), package));
    let Some(mut checked) = check(layout, of_corpus.chain(of_packages)) else { return };
    checked.retain(|id| !packages_with_errors().any(|with| with == *id));
    fix_support::say(&format!("{} modules: {checked:?}", checked.len()));
    assert!(checked.len() >= LEAST_OF_ALL, "only {checked:?}");
}

/// The ids of modules that are known not to be clean.
fn packages_with_errors() -> impl Iterator<Item = &'static str> {
    let is_known = |package: &&OwnJs| TRUE_ERRORS.iter().any(|(name, ..)| *name == package.package);
    PACKAGES.iter().chain(LARGE).filter(is_known).map(|package| package.id)
}

/// The package whose module tells how much longer checked files are.
const SIZED: &str = "sql.js@1.13.0";

/// Which forms of a checked module are longer than is promised. `output` is the one that is written by default, and is so
/// again.
fn oversized(input: &str, output: &Path) -> Vec<String> {
    let written = output.to_string_lossy();
    let bytes = |path: &Path| fs::metadata(path).expect("it is there").len();
    let before = bytes(Path::new(input));
    let mut oversized = Vec::new();
    for (options, most_percent) in [(&["--by-call", "--no-sites"][..], 30), (&["--by-call"], 50), (&[], 90)] {
        memgrove(&[&["check", input, "-o", &written], options].concat()).expect("it was checked before");
        let grown = bytes(output) - before;
        fix_support::say(&format!("{SIZED}, {options:?}: {grown} bytes more than {before}"));
        if grown * 100 > before * most_percent {
            oversized.push(format!("{SIZED}: {grown} bytes more than {before} with {options:?}"));
        }
    }
    oversized
}

/// Runs the packages with checked modules, each with the place of its module where that is not in the corpus. Returns the
/// ids of those modules that allocate, or `None` if nothing could be run.
fn check(
    layout: &str,
    packages: impl IntoIterator<Item = (Option<&'static str>, &'static OwnJs)>,
) -> Option<BTreeSet<&'static str>> {
    let modules = fix_support::corpus()?;
    let Some(node) = Node::with_several_memories() else {
        fix_support::say("skipped: no Node knows several memories; `cargo xtask setup` gets one");
        return None;
    };
    let root = snapbox::dir::DirRoot::mutable_temp().expect("a folder");
    let folder = root.path().expect("it has a path").to_owned();
    let mut problems = Vec::new();
    let mut compared = BTreeSet::new();
    for (file, package) in packages {
        let Some(wasm) = module_of(&modules, file, package) else { continue };
        let wasm = &wasm;
        let (input, output) = (folder.join("in.wasm"), folder.join("out.wasm"));
        fs::write(&input, wasm).expect("a writable folder");
        let (input, written) = (input.to_string_lossy(), output.to_string_lossy());
        if let Err(why) = memgrove(&["check", &input, "-o", &written, "--layout", layout]) {
            fix_support::say(&format!("{}: not checked: {why}", package.package));
            continue;
        }
        if package.package == SIZED && layout == "apart" {
            problems.extend(oversized(&input, &output));
        }
        let original = match own_js::run(package, &node, &[], &[]) {
            Ok(original) => original,
            Err(why) => {
                fix_support::say(&format!("{}: the original does not run: {why}", package.package));
                continue;
            }
        };
        let (answer, profiles) = run_traced(package, &node, &folder, wasm, &output);
        if answer.as_ref() != Ok(&original) {
            problems.push(format!("{}: {original:.200}\n  checked: {answer:.200?}", package.package));
        }
        let (mut allocated, mut unknown) = (0, 0);
        for profile in &profiles {
            let Some(findings) = &profile.findings else {
                problems.push(format!("{}: not the recording of a check", package.package));
                continue;
            };
            allocated = allocated.max(profile.nodes.len() - 1);
            unknown += findings.unknown_frees;
            let is_known = |misuse: &&Misuse| {
                let known = |(of, kind, sites): &&(&str, MisuseKind, &[Option<u32>])| {
                    *of == package.package && *kind == misuse.kind && sites.contains(&misuse.site)
                };
                TRUE_ERRORS.iter().any(|error| known(&error))
            };
            for misuse in findings.misuses.iter().filter(|misuse| !is_known(misuse)) {
                problems.push(format!("{}: {misuse:?}", package.package));
            }
        }
        fix_support::say(&format!(
            "{}: the same, {allocated} stacks, {unknown} unknown frees",
            package.package
        ));
        // What allocates nothing is no evidence.
        if allocated > 0 {
            compared.insert(package.id);
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    Some(compared)
}
