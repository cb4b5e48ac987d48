//! The JSON of a report is an interface: its names may be added to, not changed, without a new schema version.
//!
//! `BLESS=1 cargo test -p memgrove-inspect --test json` accepts a change.

use memgrove_inspect::{conclude, facts};
use std::collections::BTreeSet;
use std::path::Path;

const MODULE: &str = r#"
(module $golden
  (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
  (import "env" "mystery" (func (param i64 externref)))
  (memory (export "memory") 2 32)
  (global $__stack_pointer (mut i32) (i32.const 69632))
  (data (i32.const 1024) "static")
  (func $frame (param i32) (local i32)
    global.get $__stack_pointer i32.const 32 i32.sub local.tee 1 global.set $__stack_pointer
    local.get 1 i32.const 32 i32.add global.set $__stack_pointer)
  (func $grow (export "malloc") (param i32) (result i32)
    local.get 0 call $resize if (result i32) i32.const 1 memory.grow else memory.size end)
  (func (export "_initialize") i32.const 1 call $frame))
"#;

fn golden(name: &str) -> String {
    let bytes = wat::parse_str(MODULE).unwrap();
    let report = conclude(&facts(&bytes).unwrap());
    let mut json = serde_json::to_value(&report).unwrap();
    // These change whenever knowledge does; tests/knowledge.rs covers them.
    for (part, kept) in [("verdicts", 2), ("engines", 1)] {
        json[part].as_array_mut().unwrap().truncate(kept);
    }
    for part in ["toolchain", "allocator"] {
        json[part].as_object_mut().unwrap().insert("evidence".into(), "left out".into());
        for key in ["value", "confidence", "level"] {
            assert!(json[part].as_object_mut().unwrap().remove(key).is_some(), "{name}: {part}.{key}");
        }
    }
    serde_json::to_string_pretty(&json).unwrap() + "\n"
}

#[test]
fn the_report_serialises_as_agreed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/report.json");
    let found = golden("report");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    if let Some(line) = differing.or((found.lines().count() != expected.lines().count()).then_some(0)) {
        let around =
            |text: &str| text.lines().skip(line.saturating_sub(2)).take(6).collect::<Vec<_>>().join("\n");
        panic!("line {}:\n{}\nwas\n{}\nBLESS=1 accepts it", line + 1, around(&found), around(&expected));
    }
}

/// Every field name of a report is described in the document.
#[test]
fn the_document_names_every_field() {
    let document = include_str!("../../../docs/inspect-json.md");
    let bytes = wat::parse_str(MODULE).unwrap();
    let json = serde_json::to_value(conclude(&facts(&bytes).unwrap())).unwrap();
    let mut names = BTreeSet::new();
    collect_names(&json, &mut names);
    let version = format!("`schema_version` is {}.", memgrove_inspect::report::SCHEMA_VERSION);
    assert!(document.contains(&version), "docs/inspect-json.md does not say: {version}");
    let missing: Vec<&String> =
        names.iter().filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/inspect-json.md does not mention {missing:?}");
}

fn collect_names(json: &serde_json::Value, names: &mut BTreeSet<String>) {
    match json {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                names.insert(name.clone());
                collect_names(value, names);
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect_names(value, names)),
        _ => {}
    }
}
