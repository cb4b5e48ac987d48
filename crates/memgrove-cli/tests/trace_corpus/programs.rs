//! What real programs ask of their allocators, recorded by `memgrove trace` under the programs' own JavaScript.
//!
//! The traces are data of the project, `results/traces`: sizes, alignments, and which block is freed when, without
//! addresses or contents. `cargo test --locked --workspace --test trace_corpus programs -- --ignored --nocapture` records
//! them anew, with `ONLY=name` one of them; what allocators take for them is in `results/programs.json`.

use std::fs;

use memgrove_results::programs::Recorded;

use super::own_js::{self, LARGE, Node, OwnJs, PACKAGES};
use super::{fix_support, memgrove, module_of, run_traced};

/// A program, and what it does.
struct Program {
    /// The trace's file is called so.
    name: &'static str,
    work: &'static str,
    /// Where the module is in the package, if it is not in the corpus.
    file: Option<&'static str>,
    package: OwnJs,
}

/// A program whose work is known.
fn known(name: &'static str, package: &str, work: &'static str) -> Program {
    let package =
        *LARGE.iter().chain(PACKAGES).find(|known| known.package == package).expect("its work is known");
    Program { name, work, file: None, package }
}

impl Program {
    /// With less to do, so that the trace is no longer than it must be.
    fn less(mut self, much: &str, less: &str) -> Self {
        assert!(self.package.javascript.contains(much), "{}", self.name);
        self.package.javascript = self.package.javascript.replace(much, less).leak();
        self
    }
}

fn programs() -> Vec<Program> {
    let sql = known("", "sql.js@1.13.0", "").package;
    vec![
        known("commitments", "rust-verkle-wasm@0.0.1", "a hash over an elliptic curve, by wasm-bindgen"),
        known("database", "sql.js@1.13.0", "SQLite: 200 MB of blobs in a database in memory"),
        known(
            "dictionary",
            "hunspell-asm@4.0.2",
            "a spell checker: a dictionary of 20,000 words, 200 words looked up",
        )
        .less("400000", "20000"),
        known("graphs", "@hpcc-js/wasm@0.3.6", "Graphviz: graphs parsed and laid out"),
        known("images", "@cwasm/lodepng@0.1.9", "PNG images decoded"),
        known("layout", "yoga-dom@0.0.15", "Yoga: 11,111 boxes laid out"),
        known("markdown", "md4w@0.2.7", "Markdown to HTML and JSON").less("60000", "6000"),
        known("patterns", "onigasm@2.2.4", "Oniguruma: regular expressions made and searched for"),
        Program {
            name: "physics",
            work: "Rapier: 900 steps of a game's world in which bodies come and go, by wasm-bindgen",
            file: Some("rapier_wasm2d_bg.wasm"),
            package: OwnJs {
                id: "rapier2d",
                package: "@dimforge/rapier2d-compat@0.14.0",
                javascript: include_str!("programs/physics.js"),
            },
        },
        Program {
            name: "service",
            work: "SQLite behind 4,000 requests: sessions come and go, with a report now and then",
            file: None,
            package: OwnJs { javascript: include_str!("programs/service.js"), ..sql },
        },
        known("text", "harfbuzzjs@0.4.8", "HarfBuzz: text shaped"),
    ]
}

#[test]
#[ignore = "fetches packages and writes results/traces: minutes"]
fn programs_are_recorded() {
    let modules = fix_support::corpus().expect("cargo xtask corpus fetch");
    let node = Node::with_several_memories().expect("cargo xtask setup");
    let folder = tempfile::tempdir().expect("a folder");
    let traces = fix_support::root().join("results/traces");
    fs::create_dir_all(&traces).expect("a folder");
    let only = std::env::var("ONLY").ok();
    let mut problems = Vec::new();
    for Program { name, file, package, .. } in programs() {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let wasm = module_of(&modules, file, &package).expect("the module is there");
        let (input, output) = (folder.path().join("in.wasm"), folder.path().join("out.wasm"));
        fs::write(&input, &wasm).expect("a writable folder");
        let trace = memgrove(&["trace", &input.to_string_lossy(), "-o", &output.to_string_lossy()])
            .and_then(|()| own_js::run(&package, &node, &[], &[]))
            .and_then(|original| {
                let (printed, profiles) = run_traced(&package, &node, folder.path(), &wasm, &output);
                if printed.as_ref() != Ok(&original) {
                    return Err(format!("{original:.200}\n  traced: {printed:.200?}"));
                }
                // An instance that only makes others ready records next to nothing.
                let longest = profiles.iter().max_by_key(|profile| profile.event_count);
                longest.ok_or("nothing was recorded")?.mgtr().map_err(|why| why.to_string())
            });
        match trace {
            Ok(trace) => {
                fs::write(traces.join(format!("{name}.mgtr")), &trace).expect("a writable folder");
                fix_support::say(&format!("{name}: {} bytes", trace.len()));
            }
            Err(why) => problems.push(format!("{name}: {why}")),
        }
    }
    let recorded: Vec<Recorded> = programs()
        .into_iter()
        .map(|Program { name, work, package, .. }| Recorded {
            name: name.to_owned(),
            package: package.package.to_owned(),
            work: work.to_owned(),
        })
        .collect();
    let text = serde_json::to_string_pretty(&recorded).expect("plain values");
    fs::write(traces.join("programs.json"), text + "\n").expect("a writable folder");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
