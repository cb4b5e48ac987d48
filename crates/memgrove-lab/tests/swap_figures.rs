//! The figures of `docs/swap.md`: `results/swap.json`, from which `cargo xtask report` makes the page.
//!
//! `BLESS=1 cargo test --locked --workspace --test swap_figures -- --ignored --nocapture` measures them anew, in half an
//! hour; with `QUIET=1` on a machine that does nothing else, with `ONLY=id` of one module, beside what is there. The short test measures again what does not depend on the
//! machine, so that the figures are those of the code as it is.

#![allow(clippy::print_stderr, reason = "figures, for who runs it with --nocapture")]

mod fix_support;
mod own_js;

use std::fs;
use std::path::{Path, PathBuf};

use memgrove_lab::engine::{self, EngineId, Limits, Settings};
use memgrove_lab::measure::brotli_bytes;
use memgrove_lab::toolchain::{Tools, WasmOpt};
use memgrove_results::swapped::{After, Figures, Heap, Package, Swaps, Times};
use memgrove_rewrite::swap::{To, swap};
use memgrove_verify::swap::{Cost, Costs};
use own_js::{LARGE, Node, OwnJs};

/// Smallest module first.
const MEASURED: [&str; 14] = [
    "1ae6d8be503e5b8c",
    "0c2149886c13e4ea",
    "67d12d34f82ef700",
    "9f8026eb7514ac35",
    "47c8c14da56c5f72",
    "26f7e3780b2bb520",
    "e61b1989f3745f67",
    "ac117124a64442a4",
    "bc0caf7816dcda07",
    "99fbb1e2895986dc",
    "80260eee5795ee80",
    "72d3e3a2553b4508",
    "795b3d1b8233cd8b",
    "0734155c83e49398",
];
/// What the short test measures again: the smallest, with all heaps but the one whose checks take most of the time.
const AGAIN: &str = "1ae6d8be503e5b8c";
/// Each module is run so often, in turn with the others.
const ROUNDS: usize = 3;

fn results() -> PathBuf {
    fix_support::root().join("results/swap.json")
}

fn costs(wasm: &[u8], to: To) -> Result<(Vec<u8>, Option<Costs>), String> {
    let facts = memgrove_inspect::facts(wasm).map_err(|error| error.to_string())?;
    let options = memgrove_verify::swap::options_for(&facts, to).map_err(|why| why.to_string())?;
    let swapped = swap(&facts, &options).map_err(|why| why.to_string())?;
    let settings = Settings::counting(Limits::VERIFICATION);
    let engine = engine::open(EngineId::Wasmtime, &settings).map_err(|error| error.to_string())?;
    let costs = memgrove_verify::swap::costs(&facts, &swapped, engine.as_ref());
    Ok((swapped.wasm, costs))
}

fn heap(cost: &Cost) -> Option<Heap> {
    Some(Heap {
        steady_pages: cost.steady_pages,
        instructions: cost.instructions?,
        steady_instructions: cost.steady_instructions?,
    })
}

/// What does not depend on the machine.
fn figures(wasm: &[u8], cost: Option<&Cost>) -> Figures {
    Figures {
        bytes: wasm.len() as u64,
        optimised_bytes: None,
        brotli_bytes: brotli_bytes(wasm),
        initial_pages: 0,
        peak_pages: 0,
        heap: cost.and_then(heap),
        times: Times::default(),
    }
}

#[test]
fn the_figures_are_those_of_the_code() {
    let Some(modules) = fix_support::corpus() else { return };
    let text = fs::read_to_string(results()).expect("it is committed");
    let swaps: Swaps = serde_json::from_str(&text).expect("it was written by this test");
    let (_, wasm) = modules.iter().find(|(known, _)| known == AGAIN).expect("it is in the corpus");
    let package = swaps.packages.iter().find(|package| package.module == AGAIN).expect("it was measured");
    for to in To::ALL.into_iter().filter(|to| *to != To::Hardened) {
        let (swapped, costs) = costs(wasm, to).expect("it is swapped");
        let costs = costs.expect("it can be driven");
        let after = package.after.iter().find(|after| after.heap == to.name());
        let after = after.and_then(|after| after.figures.as_ref()).expect("it was measured");
        let numbers = |of: &Figures| (of.bytes, of.brotli_bytes, of.heap);
        let hint = format!("{} to {}: see the head of this file", package.package, to.name());
        assert_eq!(numbers(&package.before), numbers(&figures(wasm, Some(&costs.before))), "{hint}");
        assert_eq!(numbers(after), numbers(&figures(&swapped, Some(&costs.after))), "{hint}");
    }
}

/// Runs the package's JavaScript once, with another module if there is one: what it printed, pages at the start and at the
/// end.
fn run(
    package: &OwnJs,
    node: &Node,
    replaced: Option<(&str, &Path)>,
    sha256: &str,
    times: &mut Times,
) -> Result<(String, u64, u64), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (sizes_file, times_file) = (folder.path().join("sizes.json"), folder.path().join("times.json"));
    let table = replaced.map(|(of, path)| serde_json::json!({ of: path }).to_string()).unwrap_or_default();
    let environment = [
        ("REPLACED", table),
        ("SIZES", sizes_file.to_string_lossy().into_owned()),
        ("TIMES", times_file.to_string_lossy().into_owned()),
    ];
    let arguments = ["--require".to_owned(), own_js::hook()];
    let printed = own_js::run(package, node, &arguments, &environment)?;
    let read = |path: &Path| fs::read(path).map_err(|error| error.to_string());
    let sizes: Vec<(Option<String>, u64, u64)> =
        serde_json::from_slice(&read(&sizes_file)?).map_err(|error| error.to_string())?;
    let (wall, cpu): (f64, f64) =
        serde_json::from_slice(&read(&times_file)?).map_err(|error| error.to_string())?;
    times.wall_ms.push((wall * 10.0).round() / 10.0);
    times.cpu_ms.push((cpu * 10.0).round() / 10.0);
    let own = sizes.into_iter().find(|(of, ..)| of.as_deref() == Some(sha256));
    let (_, start, end) = own.ok_or("its JavaScript did not instantiate the module of the corpus")?;
    Ok((printed, start >> 16, end >> 16))
}

fn measure(package: &OwnJs, wasm: &[u8], node: &Node, tools: &Tools) -> Result<Package, String> {
    let sha256: String =
        memgrove_rewrite::trace::fingerprint(wasm).iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let wasm_opt = WasmOpt::detect(tools).ok();
    let optimised = |wasm: &[u8]| Some(wasm_opt.as_ref()?.optimise(tools, wasm).ok()?.wasm.len() as u64);
    let mut before = figures(wasm, None);
    before.optimised_bytes = optimised(wasm);
    let mut after = Vec::new();
    for to in To::ALL {
        let (figures, why) = match costs(wasm, to) {
            Ok((swapped, costs)) => {
                before.heap = before.heap.or_else(|| heap(&costs.as_ref()?.before));
                fs::write(folder.path().join(to.name()), &swapped).map_err(|error| error.to_string())?;
                let figures = figures(&swapped, costs.as_ref().map(|costs| &costs.after));
                (Some(Figures { optimised_bytes: optimised(&swapped), ..figures }), None)
            }
            Err(why) => (None, Some(why)),
        };
        after.push(After { heap: to.name().to_owned(), figures, why });
    }
    let mut control = Times::default();
    for _ in 0..ROUNDS {
        let was = run(package, node, None, &sha256, &mut before.times)?;
        (before.initial_pages, before.peak_pages) = (was.1, was.2);
        for After { heap, figures, why } in &mut after {
            let Some(found) = figures else { continue };
            let path = folder.path().join(&*heap);
            match run(package, node, Some((&sha256, &path)), &sha256, &mut found.times) {
                Ok(is) if is.0 == was.0 => (found.initial_pages, found.peak_pages) = (is.1, is.2),
                Ok(_) => (*figures, *why) = (None, Some("prints something else".to_owned())),
                Err(words) => (*figures, *why) = (None, Some(words)),
            }
        }
        run(package, node, None, &sha256, &mut control)?;
    }
    let (module, package) = (package.id.to_owned(), package.package.to_owned());
    Ok(Package { package, module, before, control, after })
}

#[test]
#[ignore = "takes half an hour, and writes results/swap.json"]
fn measure_and_write() {
    let Some(modules) = fix_support::corpus() else { return };
    if std::env::var_os("BLESS").is_none() {
        fix_support::say("nothing is measured without BLESS=1, as results/swap.json would be written");
        return;
    }
    let node = Node::with_several_memories().unwrap_or_else(Node::any);
    let tools = Tools::from_environment();
    let version = std::process::Command::new(node.path()).arg("--version").output().expect("it runs");
    let node_version = format!("Node {}", String::from_utf8_lossy(&version.stdout).trim());
    let wasm_opt = WasmOpt::detect(&tools).map_or("no wasm-opt".to_owned(), |found| found.describe());
    let today = std::process::Command::new("date").arg("+%F").output().expect("it runs");
    let mut swaps = Swaps {
        measured: String::from_utf8_lossy(&today.stdout).trim().to_owned(),
        quiet: std::env::var_os("QUIET").is_some(),
        tools: vec![node_version, wasm_opt, "Brotli at quality 9".to_owned()],
        packages: Vec::new(),
    };
    let only = std::env::var("ONLY").ok();
    if only.is_some() {
        let text = fs::read_to_string(results()).expect("what was measured before");
        swaps.packages = serde_json::from_str::<Swaps>(&text).expect("written by this test").packages;
    }
    for id in MEASURED.into_iter().filter(|id| only.as_ref().is_none_or(|only| only == id)) {
        let package = LARGE.iter().find(|package| package.id == id).expect("it has work");
        let Some((_, wasm)) = modules.iter().find(|(known, _)| known == id) else { continue };
        match measure(package, wasm, &node, &tools) {
            Ok(found) => {
                eprintln!("{}", found.package);
                match swaps.packages.iter_mut().find(|package| package.module == id) {
                    Some(known) => *known = found,
                    None => swaps.packages.push(found),
                }
            }
            Err(why) => eprintln!("{}: {why}", package.package),
        }
        let text = serde_json::to_string_pretty(&swaps).expect("plain values") + "\n";
        fs::write(results(), text).expect("it can be written");
    }
    assert!(swaps.packages.len() >= 10, "{}", swaps.packages.len());
}
