//! Every entry of `knowledge/` is read, is listed, and does to its fixture what it says.

use memgrove_inspect::facts::Proposal;
use memgrove_inspect::knowledge::Knowledge;
use memgrove_inspect::report::Outcome;
use memgrove_inspect::{conclude, facts};
use memgrove_module::recognise::{IMPORTS, ImportEntry};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn knowledge_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../knowledge")
}

fn file_stems(dir: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(knowledge_dir().join(dir)).unwrap();
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_file_is_compiled_in() {
    let knowledge = Knowledge::builtin();
    let hosts: BTreeSet<String> = knowledge.hosts.iter().map(|host| host.id.clone()).collect();
    let engines: BTreeSet<String> = knowledge.engines.iter().map(|engine| engine.id.clone()).collect();
    assert_eq!(hosts, file_stems("hosts"), "ids of hosts and their files");
    assert_eq!(engines, file_stems("engines"), "ids of engines and their files");
}

#[test]
fn every_entry_names_its_source() {
    let knowledge = Knowledge::builtin();
    let sources = (knowledge.hosts.iter().map(|host| &host.source))
        .chain(knowledge.engines.iter().map(|engine| &engine.source))
        .chain(knowledge.interfaces.iter().map(|interface| &interface.source))
        .map(String::as_str)
        .chain(IMPORTS.iter().map(|import| import.source));
    for source in sources {
        assert!(source.starts_with("https://"), "{source}");
    }
}

#[test]
fn engines_name_proposals_that_exist() {
    for engine in &Knowledge::builtin().engines {
        for proposal in engine.since.keys().chain(engine.flag.keys()) {
            assert!(Proposal::from_id(proposal).is_some(), "{}: {proposal}", engine.id);
        }
        let both = engine.since.keys().find(|proposal| engine.flag.contains_key(*proposal));
        assert_eq!(both, None, "{}: on by default or not?", engine.id);
    }
}

#[test]
fn imports_match_their_fixtures_first() {
    for entry in IMPORTS {
        let bytes = wat(&format!("(module {})", entry.fixture));
        let facts = facts(&bytes).unwrap();
        let import = &facts.imports[0];
        let matching: Vec<&ImportEntry> =
            IMPORTS.iter().filter(|known| known.pattern.matches(&facts, import)).collect();
        let first = matching.first().unwrap_or_else(|| panic!("nothing matches {}", entry.fixture));
        assert!(std::ptr::eq(*first, entry), "{} is matched first by {}", entry.fixture, first.fixture);
    }
}

#[test]
fn hosts_run_and_refuse_their_fixtures() {
    for host in &Knowledge::builtin().hosts {
        let outcome = |text: &str| {
            let bytes = wat(text);
            let report = conclude(&facts(&bytes).unwrap());
            report.verdicts.into_iter().find(|verdict| verdict.host == host.id).unwrap()
        };
        let runs = outcome(host.runs.as_deref().expect("a module that runs"));
        assert_ne!(runs.outcome, Outcome::No, "{}: {runs:?}", host.id);
        for refused in host.refuses.as_ref().expect("a module that does not run").list() {
            let refuses = outcome(refused);
            assert_eq!(refuses.outcome, Outcome::No, "{}: {refused}: {refuses:?}", host.id);
        }
    }
}

#[test]
fn interfaces_have_their_fixtures_types_and_are_provided_whole() {
    let knowledge = Knowledge::builtin();
    assert_eq!(
        knowledge.interfaces.iter().map(|interface| interface.id.clone()).collect::<BTreeSet<_>>(),
        file_stems("interfaces")
    );
    for interface in &knowledge.interfaces {
        let ty_is_right = |import: &str| {
            let bytes = wat(&format!("(module {import})"));
            let facts = facts(&bytes).unwrap();
            let import = &facts.imports[0];
            interface
                .types(import.module, import.name)
                .is_some_and(|types| types.holds(&import.ty.describe(&facts)))
        };
        assert!(ty_is_right(&interface.fixture) && !ty_is_right(&interface.refuses), "{}", interface.id);
        let types = interface.functions.values().chain(interface.modules.values().flat_map(|m| m.values()));
        for ty in types.flat_map(|types| types.list()) {
            assert!(is_function_type(ty), "{}: {ty}", interface.id);
        }
        // What is left out must be there, and a module has to be named somewhere.
        for provides in knowledge.hosts.iter().flat_map(|host| &host.provides) {
            if provides.interface.as_ref() == Some(&interface.id) {
                let unknown = provides.except.iter().find(|name| !interface.functions.contains_key(*name));
                assert_eq!(unknown, None, "{}", interface.id);
                assert_eq!(
                    provides.pattern.module.is_none(),
                    interface.functions.is_empty(),
                    "{}",
                    interface.id
                );
            }
        }
    }
}

/// `(i32 i64) -> i32`, as reports write types: a slip here would refuse every module.
fn is_function_type(text: &str) -> bool {
    let is_value = |ty: &str| matches!(ty, "i32" | "i64" | "f32" | "f64");
    text.strip_prefix('(').and_then(|text| text.split_once(") -> ")).is_some_and(|(params, result)| {
        (params.is_empty() || params.split(' ').all(is_value)) && (result == "()" || is_value(result))
    })
}

#[test]
fn a_users_profile_is_added_or_refused_with_its_place() {
    let mut knowledge = Knowledge::builtin().clone();
    let text = "id = 'mine'\ntitle = 'Mine'\ndescription = ''\nsource = ''\nengines = ['wasmtime']\n\
                [[provides]]\nmodule = 'env'\nname = 'log*'\ntype = '(i32) -> ()'\n";
    assert_eq!(knowledge.add_host("mine.toml", text).unwrap(), "mine");
    let check = |text: &str, expected| {
        let bytes = wat(text);
        let report = memgrove_inspect::conclude_with(&facts(&bytes).unwrap(), &knowledge);
        let verdict = report.verdicts.into_iter().find(|verdict| verdict.host == "mine").unwrap();
        assert_eq!(verdict.outcome, expected, "{text}");
    };
    check(r#"(module (import "env" "log_i32" (func (param i32))))"#, Outcome::Runs);
    check(r#"(module (import "env" "log_f32" (func (param f32))))"#, Outcome::No);
    check(r#"(module (import "env" "lag" (func (param i32))))"#, Outcome::No);

    let mut refuse = |text: &str, expected: &[&str]| {
        let errors = knowledge.add_host("bad.toml", text).unwrap_err();
        assert_eq!(errors.0.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{text}");
        assert_eq!(errors.to_string(), expected.join("\n"));
    };
    refuse("id = 'x'\ntitle = ", &["bad.toml:2:9: string values must be quoted, expected literal string"]);
    refuse(
        "id = 'x'\nname = ''\nengines = ['chakra', 'wasmi 1.0']\nlacks = 'simd'\n[[provides]]\nmodule = 3\n\
         interface = 'posix'\n[[provides]]\nkind = 'function'\n[limits]\ntables = -1\nno_start = 'yes'\n",
        &[
            "bad.toml:1:1: `title` is missing: write `title = \"My host\"`",
            "bad.toml:2:1: unknown field `name`; known are id, title, order, description, source, engines, supports, \
             lacks, made_by, provides, missing_functions, function_types, components, entry, memory_limit_bytes, limits, \
             price, shared_memory, wasi_memory_export, wasi_after_start, unchecked, runs, refuses",
            "bad.toml:3:12: unknown engine `chakra`; known are wasmtime, wasmi, wasmer, wasmedge, wazero, wasm3, wamr, \
             chrome, firefox, safari, node, deno",
            "bad.toml:4:9: `lacks` has a value of another kind: write `lacks = [\"threads\"]`",
            "bad.toml:6:10: `module` has a value of another kind: write `module = \"env\"`",
            "bad.toml:7:13: unknown interface `posix`; known are cosmwasm, extism, near, proxy-wasm, shopify-functions, soroban, \
             stylus, typst, wamr-libc, wasi_snapshot_preview1, wasm3-libc, wasm4",
            "bad.toml:9:8: `kind` is one of func, table, memory, global, tag",
            "bad.toml:11:10: `tables` has a value of another kind: write `tables = 1`",
            "bad.toml:12:12: `no_start` has a value of another kind: write `no_start = true`",
        ],
    );
    refuse(
        "id = 'x'\ntitle = 'X'\nsupports = ['simd', 'sind']\n[[provides]]\nname = 'a'\nsizes = [1]\n",
        &[
            &format!(
                "bad.toml:3:21: unknown proposal `sind`; known are {}",
                Proposal::ALL.iter().map(|proposal| proposal.id()).collect::<Vec<_>>().join(", ")
            ),
            "bad.toml:6:1: unknown field `sizes`; known are module, name, kind, type, pairs, interface, except, size, \
             condition",
        ],
    );
}

/// A profile has an id, a title and what the host provides; nothing else is asked for.
#[test]
fn a_short_profile_will_do() {
    let mut knowledge = Knowledge::builtin().clone();
    let text = "id = 'mine'\ntitle = 'Mine'\n[[provides]]\nmodule = 'env'\n";
    knowledge.add_host("mine.toml", text).unwrap();
    let outcome = |text: &str| {
        let bytes = wat(text);
        let report = memgrove_inspect::conclude_with(&facts(&bytes).unwrap(), &knowledge);
        report.verdicts.into_iter().find(|verdict| verdict.host == "mine").unwrap().outcome
    };
    assert_eq!(outcome(r#"(module (import "env" "log" (func (param i32))) (type (struct)))"#), Outcome::Runs);
    assert_eq!(outcome(r#"(module (import "other" "log" (func (param i32))))"#), Outcome::No);
}
