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
            interface.functions[import.name] == import.ty.describe(&facts)
        };
        assert!(ty_is_right(&interface.fixture) && !ty_is_right(&interface.refuses), "{}", interface.id);
        // A name without a type would be taken with any.
        for provides in knowledge.hosts.iter().flat_map(|host| &host.provides) {
            if provides.interface.as_ref() != Some(&interface.id) {
                continue;
            }
            for name in provides.pattern.name.as_ref().expect("named functions").list() {
                assert!(
                    interface.functions.contains_key(name.as_ref()),
                    "{name} has no type in {}",
                    interface.id
                );
            }
        }
    }
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

    let mut refuse = |text: &str, expected: &str| {
        assert_eq!(knowledge.add_host("bad.toml", text).unwrap_err().to_string(), expected);
    };
    refuse("id = 'x'\ntitle = ", "bad.toml:2:9: string values must be quoted, expected literal string");
    refuse(
        "id = 'x'\ntitle = ''\ndescription = ''\nsource = ''\nengines = ['chakra']\n",
        "bad.toml:5:13: unknown engine `chakra`; known are wasmtime, wasmi, wasmer, wasmedge, wazero, chrome, \
         firefox, safari, node, deno",
    );
}
