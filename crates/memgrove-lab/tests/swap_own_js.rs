//! Swapped modules of the corpus under their own JavaScript, in Node: they print what the originals print.
//!
//! Packages are fetched with npm, the corpus by `cargo xtask corpus fetch`; what is not there is said. The long form lets
//! memory grow as far as the module's work needs, most to eight times its initial length and more.

#![allow(clippy::print_stderr, reason = "figures, for who runs it with --nocapture")]

mod fix_support;
mod own_js;

use std::fs;
use std::path::Path;

use memgrove_lab::verify::verify_swap;
use memgrove_rewrite::swap::{Swapped, To, swap};
use own_js::{LARGE, Node, OwnJs, PACKAGES};

/// Modules that must have been compared in the long form, and of these grown to eight times their length.
const LEAST: usize = 15;
const LEAST_GROWN: usize = 8;
/// How far memory has to grow to count for the latter.
const GROWTH: u64 = 8;
/// Programs that `hardened` traps in, by the id of their module: they write 12 bytes into a block of 8.
const MISUSE: [&str; 1] = ["b63d2d2d3b0be091"];
/// What a heap of powers of two has no room for in a memory that cannot grow.
const SHORT_OF_MEMORY: [(&str, To); 1] = [("9f8026eb7514ac35", To::Wee)];
/// What the short form drives: quick, and one of each: C with headers, Rust's dlmalloc, wee_alloc.
const SOME: [&str; 3] = ["67d12d34f82ef700", "0f0209cc4ee5ffd8", "99fbb1e2895986dc"];

/// What was printed, and bytes of the module's memory at the start and at the end.
type Run = Result<(String, u64, u64), String>;

fn run(package: &OwnJs, node: &Node, sha256: &str, module: Option<&Path>, sizes: &Path) -> Run {
    let table = module.map(|path| serde_json::json!({ sha256: path }).to_string()).unwrap_or_default();
    let arguments = ["--require".to_owned(), own_js::hook()];
    let environment = [("REPLACED", table), ("SIZES", sizes.to_string_lossy().into_owned())];
    let printed = own_js::run(package, node, &arguments, &environment)?;
    let sizes = fs::read(sizes).map_err(|error| error.to_string())?;
    let sizes: Vec<(Option<String>, u64, u64)> =
        serde_json::from_slice(&sizes).map_err(|error| error.to_string())?;
    let (_, start, end) = sizes
        .into_iter()
        .find(|(of, ..)| of.as_deref() == Some(sha256))
        .ok_or("its JavaScript did not instantiate the module of the corpus")?;
    Ok((printed, start, end))
}

/// Whether running the original has shown which of its functions are the allocator's.
fn are_shown(facts: &memgrove_inspect::Facts<'_>, swapped: &Swapped) -> bool {
    let verification = verify_swap(facts, swapped);
    verification.are_roles_shown && !verification.refutes_roles()
}

/// The number of modules that were compared, and of those that grew far.
fn drive(packages: &[OwnJs], heaps: &[To]) -> Option<(usize, usize)> {
    let modules = fix_support::corpus()?;
    let node = Node::with_several_memories().unwrap_or_else(Node::any);
    let folder = tempfile::tempdir().expect("a folder");
    let (module_path, sizes) = (folder.path().join("swapped.wasm"), folder.path().join("sizes.json"));
    let (mut compared, mut grown, mut problems) = (0, 0, Vec::new());
    for package in packages {
        let Some((_, wasm)) = modules.iter().find(|(id, _)| id == package.id) else {
            problems.push(format!("{}: not in the corpus", package.id));
            continue;
        };
        let sha256: String =
            memgrove_rewrite::trace::fingerprint(wasm).iter().map(|byte| format!("{byte:02x}")).collect();
        let original = match run(package, &node, &sha256, None, &sizes) {
            Ok(original) => original,
            Err(why) => {
                fix_support::say(&format!("{}: the original does not run: {why}", package.package));
                continue;
            }
        };
        let facts = memgrove_inspect::facts(wasm).expect("a valid module");
        let (mut is_compared, mut are_roles_shown) = (false, None);
        for &to in heaps {
            let swapped = memgrove_verify::swap::options_for(&facts, to)
                .map_err(|why| why.to_string())
                .and_then(|options| swap(&facts, &options).map_err(|error| error.to_string()));
            let swapped = match swapped {
                Ok(swapped) => swapped,
                Err(why) => {
                    fix_support::say(&format!("{} to {}: stays: {why}", package.package, to.name()));
                    continue;
                }
            };
            // The command writes nothing without that.
            let needs_showing = swapped.replaced.iter().any(|member| !member.is_certain);
            if needs_showing && !*are_roles_shown.get_or_insert_with(|| are_shown(&facts, &swapped)) {
                fix_support::say(&format!("{}: stays: roles are not shown by running it", package.package));
                break;
            }
            fs::write(&module_path, &swapped.wasm).expect("a writable folder");
            let after = run(package, &node, &sha256, Some(&module_path), &sizes);
            match &after {
                Ok((printed, start, end)) if *printed == original.0 => {
                    fix_support::say(&format!(
                        "{} to {}: the same; {} -> {} pages before, {} -> {} after",
                        package.package,
                        to.name(),
                        original.1 >> 16,
                        original.2 >> 16,
                        start >> 16,
                        end >> 16,
                    ));
                    is_compared = true;
                }
                Err(_) if to == To::Hardened && MISUSE.contains(&package.id) => {
                    fix_support::say(&format!("{} to {}: traps on misuse", package.package, to.name()));
                }
                Err(why) if SHORT_OF_MEMORY.contains(&(package.id, to)) => {
                    fix_support::say(&format!(
                        "{} to {}: out of memory: {why:.60}",
                        package.package,
                        to.name()
                    ));
                }
                other => problems.push(format!(
                    "{} to {}: {:.300}\n  after: {other:.300?}",
                    package.package,
                    to.name(),
                    original.0
                )),
            }
        }
        compared += usize::from(is_compared);
        grown += usize::from(is_compared && original.2 >= GROWTH * original.1);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    fix_support::say(&format!("{compared} compared, {grown} of them grown {GROWTH} times"));
    Some((compared, grown))
}

#[test]
fn swapped_modules_print_the_same_under_their_own_javascript() {
    let some: Vec<OwnJs> = PACKAGES.iter().filter(|package| SOME.contains(&package.id)).copied().collect();
    if let Some((compared, _)) = drive(&some, &[To::Dlmalloc]) {
        assert!(compared > 0, "none was compared");
    }
}

#[test]
#[ignore = "takes minutes: memory grows by hundreds of megabytes"]
fn swapped_modules_print_the_same_far_beyond_their_initial_memory() {
    if let Some((compared, grown)) = drive(LARGE, &To::ALL) {
        assert!(compared >= LEAST && grown >= LEAST_GROWN, "{compared} compared, {grown} grown");
    }
}
