//! `fix` ends with the inspector's verdict on the host that the result is for.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{memgrove, root};

/// What a run came to.
struct Done {
    status: i32,
    json: Value,
    stderr: String,
    written: Option<Vec<u8>>,
}

/// Fixes a file into a fresh folder, with the report as JSON.
fn fix(file: &Path, options: &[&str]) -> Done {
    let folder = tempfile::tempdir().unwrap();
    let done = memgrove(folder.path())
        .arg("fix")
        .arg(file)
        .args(["-o", "out.wasm", "--json", "--accept-unverified"])
        .args(options)
        .output()
        .unwrap();
    let json = serde_json::from_slice(&done.stdout).unwrap_or(Value::Null);
    Done {
        status: done.status.code().unwrap(),
        json,
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        written: fs::read(folder.path().join("out.wasm")).ok(),
    }
}

fn case(name: &str) -> std::path::PathBuf {
    root().join("tests/cases").join(name)
}

/// The result runs on the host it is for, is written with status 0, and fixing it again changes nothing.
fn runs(name: &str, options: &[&str]) -> Vec<u8> {
    let done = fix(&case(name), options);
    assert_eq!(done.status, 0, "{name}: {}", done.stderr);
    assert_ne!(done.json["host"]["outcome"], "no", "{name}");
    assert_eq!(done.json["host"]["reasons"], serde_json::json!([]), "{name}");
    let written = done.written.expect("OUT is written");
    let folder = tempfile::tempdir().unwrap();
    let once = folder.path().join("once.wasm");
    fs::write(&once, &written).unwrap();
    let twice = fix(&once, options);
    assert!(twice.written.as_ref() == Some(&written), "{name}: {}", twice.stderr);
    written
}

/// The host does not run the result, which is written only with --partial; the status is 3 anyway.
fn refused(name: &str, options: &[&str], said: &str) {
    let done = fix(&case(name), options);
    assert_eq!(done.status, 3, "{name}: {}", done.stderr);
    assert_eq!(done.json["host"]["outcome"], "no", "{name}");
    let reasons = done.json["host"]["reasons"].to_string();
    assert!(
        reasons.contains(said) && done.stderr.contains("nothing written"),
        "{name}: {reasons} {}",
        done.stderr
    );
    assert!(done.written.is_none(), "{name}");
    let partial: Vec<&str> = options.iter().copied().chain(["--partial"]).collect();
    let done = fix(&case(name), &partial);
    assert_eq!(done.status, 3, "{name} --partial: {}", done.stderr);
    assert!(done.written.is_some(), "{name} --partial: {}", done.stderr);
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn a_host_without_what_the_result_uses_is_no() {
    let profile = case("proposal-lacking/mvp.toml");
    let profile = profile.to_str().unwrap();
    refused("proposal-lacking/bulk.wat", &["--host", profile], "bulk-memory is used");
    let done = fix(&case("proposal-lacking/bulk.wat"), &["--host", profile]);
    assert_eq!(done.json["host"]["id"], "mvp");
    runs("proposal-lacking/bulk.wat", &[]);
    // Only asked about, too.
    let folder = tempfile::tempdir().unwrap();
    let asked = memgrove(folder.path())
        .args(["fix", "-n", "--host", profile])
        .arg(case("proposal-lacking/bulk.wat"))
        .output()
        .unwrap();
    assert_eq!(asked.status.code(), Some(3));
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn what_a_host_lacks_is_lowered_where_that_is_asked_for() {
    let profile = case("proposal-lacking/mvp.toml");
    let profile = profile.to_str().unwrap();
    let first_version = |wasm: &[u8]| {
        let features = wasmparser::WasmFeatures::WASM1;
        wasmparser::Validator::new_with_features(features).validate_all(wasm).is_ok()
    };
    assert!(first_version(&runs("proposal-lacking/bulk.wat", &["--host", profile, "--lower"])));
    assert!(first_version(&runs("proposal-lacking/bulk.wat", &["--lower=all"])));
    let only = runs("proposal-lacking/bulk.wat", &["--lower=bulk-memory,sign-extension"]);
    assert!(!first_version(&only));
    // A host that lacks nothing, and a list that does not hold all that this one lacks.
    assert_eq!(runs("proposal-lacking/bulk.wat", &["--lower"]), runs("proposal-lacking/bulk.wat", &[]));
    let some = ["--host", profile, "--lower=bulk-memory"];
    refused("proposal-lacking/bulk.wat", &some, "sign-extension is used");
    // Without it, it is said that it would help.
    let hint = fix(&case("proposal-lacking/bulk.wat"), &["--host", profile]).stderr;
    assert!(hint.contains("--lower writes what it lacks"), "{hint}");
    // What cannot be lowered is named, and then nothing is written unless that is asked for.
    let done = fix(&case("proposal-lacking/passive.wat"), &["--lower=bulk-memory"]);
    assert_eq!((done.status, &done.written), (3, &None));
    assert!(done.stderr.contains("bulk-memory is still needed: "), "{}", done.stderr);
    assert!(done.json["plan"]["notes"].to_string().contains("cannot be lowered"), "{}", done.json["plan"]);
    let done = fix(&case("proposal-lacking/passive.wat"), &["--lower=bulk-memory", "--partial"]);
    assert_eq!((done.status, done.written.is_some()), (3, true), "{}", done.stderr);
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn functions_of_wasi_find_the_memory_they_look_for() {
    for host in ["wasmtime", "wasmi", "wasmer", "node-wasi"] {
        for name in ["memory-export/mem0.wat", "memory-export/nomem.wat"] {
            let printed = memories_exported(&runs(name, &["--host", host]));
            assert!(printed.contains(&"memory".to_owned()), "{name} for {host}: {printed:?}");
        }
    }
}

/// Names of exported memories.
fn memories_exported(wasm: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        if let wasmparser::Payload::ExportSection(section) = payload.unwrap() {
            let exports = section.into_iter().map(Result::unwrap);
            names.extend(
                exports
                    .filter(|export| export.kind == wasmparser::ExternalKind::Memory)
                    .map(|export| export.name.to_owned()),
            );
        }
    }
    names
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn functions_of_wasi_have_one_type() {
    for host in ["wasmtime", "wasmi", "wasmer", "wasmedge", "wazero"] {
        refused(
            "import-types/wrongsig.wat",
            &["--host", host],
            "random_get is (i32 i64) -> i32, expected (i32 i32) -> i32",
        );
        refused("import-types/wasi64.wat", &["--host", host], "expected (i32 i32 i32 i32) -> i32");
    }
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn a_module_that_cannot_start_is_mended_or_refused() {
    for name in ["memory-limits/min1data3.wat", "memory-limits/maxsmall.wat", "hostile/no-verify.wat"] {
        runs(name, &[]);
    }
    let folder = tempfile::tempdir().unwrap();
    for (text, said) in [
        // No memory or table that the module takes is large enough.
        (
            r#"(module (import "env" "memory" (memory 1 1)) (data (i32.const 65536) "a"))"#,
            "beyond the initial memory",
        ),
        (
            r#"(module (import "env" "memory" (memory 1)) (data (i32.const -1) "ab"))"#,
            "beyond the initial memory",
        ),
        (
            r#"(module (import "env" "t" (table 1 1 funcref)) (func $f) (elem (i32.const 1) $f))"#,
            "longer than its table",
        ),
        // Its own is not.
        (r#"(module (memory 1) (data (i32.const 65536) "a"))"#, "beyond the initial memory"),
        (
            r#"(module (memory (export "memory") 0) (memory 1) (data (memory 0) (i32.const 0) "a"))"#,
            "beyond the initial memory",
        ),
        (r#"(module (table 1 funcref) (func $f) (elem (i32.const 1) $f))"#, "longer than its table"),
        (r#"(module (func $s unreachable) (start $s))"#, "traps at once"),
    ] {
        let file = folder.path().join("module.wat");
        fs::write(&file, text).unwrap();
        let done = fix(&file, &[]);
        assert_eq!(done.status, 3, "{text}: {}", done.stderr);
        assert!(done.json["host"]["reasons"].to_string().contains(said), "{text}: {}", done.json["host"]);
        assert!(done.written.is_none(), "{text}");
    }
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn fixing_once_is_enough_whatever_the_memory() {
    for name in ["hostile/idemp.wat", "page-size/heapsize.wat", "memory64/plain64.wat"] {
        runs(name, &[]);
    }
}
