//! What the command prints as JSON is what docs/schema says, to the last field: a field without a description fails here.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::schema_check::Schema;
use crate::support;

/// Runs a command that prints JSON, whatever its status: a refusal is a document, too.
fn printed(folder: &Path, command: &str) -> Value {
    let samples = support::root().join("samples/prebuilt");
    let root = support::root();
    let arguments = command.split_whitespace().map(|word| {
        let word = word.replace("SAMPLES", &samples.to_string_lossy());
        word.replace("ROOT", &root.to_string_lossy())
    });
    let done = support::memgrove(folder).args(arguments).output().unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|error| panic!("{command}: {error}: {}", String::from_utf8_lossy(&done.stderr)))
}

/// Compares what the commands print with a schema.
fn conforms(schema: &str, commands: &[&str]) {
    let schema = Schema::read(schema);
    let folder = support::workspace();
    for command in commands {
        let faults = schema.faults(&printed(folder.path(), command));
        assert!(faults.is_empty(), "{command}:\n{}", faults.join("\n"));
    }
}

#[test]
fn inspect_json() {
    conforms(
        "inspect",
        &[
            "inspect --json add.wat component.wat heap-in-component.wat objects.wat grow.wat",
            // Errors, archives, wrapped and inlined modules.
            "inspect --json . missing.wasm",
            "inspect --json SAMPLES/c-emscripten-dlmalloc.wasm SAMPLES/rust-std-dlmalloc.wasm \
             SAMPLES/life-wasm-bindgen-wee_alloc.wasm SAMPLES/c-musl2018-fixed.wasm",
        ],
    );
}

#[test]
fn inspect_ndjson_prints_the_elements_of_files() {
    let schema = Schema::read("inspect");
    let folder = support::workspace();
    let done = support::memgrove(folder.path())
        .args(["inspect", "--format", "ndjson", "add.wat", "cut.wasm"])
        .output()
        .unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    assert_eq!(text.lines().count(), 2);
    for line in text.lines() {
        let faults = schema.faults_at("#/properties/files/items", &serde_json::from_str(line).unwrap());
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

#[test]
fn fix_json_without_an_engine() {
    conforms(
        "fix",
        &[
            "fix add.wat --dry-run --json",
            "fix allocates.wat --dry-run --json",
            "fix draws.wat --dry-run --json",
            "fix allocates.wat --dry-run --json --host wasmtime",
            "fix SAMPLES/c-emscripten-dlmalloc.wasm --dry-run --json --stub wasi",
        ],
    );
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "without engines nothing is verified")]
fn fix_json() {
    conforms(
        "fix",
        &[
            "fix allocates.wat -o out1.wasm --json",
            "fix draws.wat -o out2.wasm --json --trap rest",
            "fix resize-heap.wat -o out3.wasm --json --allocator wee",
            "fix SAMPLES/c-musl2018.wasm -o out4.wasm --json --partial",
        ],
    );
}

#[test]
fn swap_json_without_an_engine() {
    conforms(
        "swap",
        &["swap add.wat --to wee --dry-run --json", "swap rounds.wat --to wee --dry-run --json"],
    );
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "without engines nothing is verified")]
fn swap_json() {
    conforms("swap", &["swap SAMPLES/life-wasm-bindgen-wee_alloc.wasm --to dlmalloc -o out.wasm --json"]);
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "without engines nothing runs")]
fn trace_and_advise_json() {
    conforms(
        "trace",
        &[
            "trace heap.wat --json --invoke malloc 24",
            "trace rounds.wat --json --invoke work 300",
            "trace heap.wat --json --sample 1KiB --invoke malloc 5000",
        ],
    );
    let folder = support::workspace();
    for (count, file) in [("50", "before.mgpr"), ("400", "after.mgpr")] {
        let done = support::memgrove(folder.path())
            .args(["trace", "-q", "rounds.wat", "--invoke", "work", count, "--save", file])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    for (schema, command) in [
        ("trace-diff", "trace rounds.wat --diff before.mgpr after.mgpr --json"),
        ("advise", "advise after.mgpr rounds.wat --allocators memgrove-wee --json"),
    ] {
        let faults = Schema::read(schema).faults(&printed(folder.path(), command));
        assert!(faults.is_empty(), "{command}:\n{}", faults.join("\n"));
    }
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "without engines nothing runs")]
fn check_json() {
    conforms(
        "check",
        &[
            "check -q misuse.wat --json --invoke overflow 13",
            "check -q misuse.wat --json --invoke stale 13",
            "check -q misuse.wat --json --invoke twice 40",
            "check -q misuse.wat --json --invoke correct 13",
            "check -q leaks.wat --json --invoke kept 13",
            "check -q leaks.wat --json --invoke dropped 13",
        ],
    );
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "without engines there is no bench")]
fn bench_json() {
    conforms("bench", &["bench --from ROOT/results/bench.json --json"]);
}

#[test]
#[ignore = "takes seven seconds of CPU; the step `survey` of `cargo xtask test` runs it"]
fn survey_json() {
    conforms("survey", &["survey --json"]);
}

/// docs/inspect-json.md explains every field.
#[test]
fn inspect_json_is_explained() {
    let schema = fs::read_to_string(support::root().join("docs/schema/inspect.schema.json")).unwrap();
    let document = fs::read_to_string(support::root().join("docs/inspect-json.md")).unwrap();
    let mut names = Vec::new();
    fields(&serde_json::from_str(&schema).unwrap(), &mut names);
    assert!(names.len() > 100);
    let missing: Vec<_> = names
        .into_iter()
        .filter(|name| !document.contains(&format!("`{name}`")) && !document.contains(&format!("\"{name}\"")))
        .collect();
    assert!(missing.is_empty(), "docs/inspect-json.md lacks {}", missing.join(", "));
}

/// The names of all properties.
fn fields(schema: &Value, names: &mut Vec<String>) {
    names.extend(
        schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone()),
    );
    match schema {
        Value::Object(parts) => parts.values().for_each(|part| fields(part, names)),
        Value::Array(parts) => parts.iter().for_each(|part| fields(part, names)),
        _ => {}
    }
}

/// A schema that no test asks about, or a document that names none, would be believed without cause.
#[test]
fn every_schema_is_used_and_described() {
    let tests = include_str!("schemas.rs");
    let overview = fs::read_to_string(support::root().join("docs/schema/README.md")).unwrap();
    let mut count = 0;
    let mut bare = Vec::new();
    for entry in fs::read_dir(support::root().join("docs/schema")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(".schema.json") else { continue };
        assert!(tests.contains(&format!("\"{name}\"")), "no test uses {name}");
        assert!(overview.contains(&format!("{name}.schema.json")), "docs/schema/README.md lacks {name}");
        let text = fs::read(support::root().join("docs/schema").join(format!("{name}.schema.json"))).unwrap();
        without_description(&serde_json::from_slice(&text).unwrap(), name, &mut bare);
        count += 1;
    }
    assert!(count >= 9);
    assert!(bare.is_empty(), "no description: {}", bare.join(", "));
}

/// Properties that nobody would understand; a constant needs no words.
fn without_description(schema: &Value, at: &str, bare: &mut Vec<String>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, rule) in properties.into_iter().flatten() {
        if rule.get("description").is_none() && rule.get("const").is_none() {
            bare.push(format!("{at}.{name}"));
        }
    }
    match schema {
        Value::Object(parts) => {
            parts.iter().for_each(|(name, part)| without_description(part, &format!("{at}/{name}"), bare))
        }
        Value::Array(parts) => parts.iter().for_each(|part| without_description(part, at, bare)),
        _ => {}
    }
}
