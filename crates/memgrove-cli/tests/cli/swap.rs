//! What only `swap` prints.

use serde_json::Value;

use crate::support::{memgrove, root};

/// Swaps a sample into a fresh folder, with its sizes after `wasm-opt`, which is looked for in `path`.
fn swap(path: &str, options: &[&str]) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    memgrove(folder.path())
        .arg("swap")
        .arg(root().join("samples/prebuilt/life-wasm-bindgen-wee_alloc.wasm"))
        .args(["--to", "wee", "-o", "out.wasm", "--wasm-opt"])
        .args(options)
        .env("PATH", path)
        .output()
        .unwrap()
}

#[test]
fn without_wasm_opt_the_error_says_how_to_get_it() {
    let done = swap("", &[]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("wasm-opt cannot be used") && said.contains("npm install binaryen"), "{said}");
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
fn sizes_after_wasm_opt_are_reported() {
    let tools = root().join("out/tools/node_modules/.bin");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let done = swap(&path, &["--json"]);
    if !tools.join("wasm-opt").exists() && !done.status.success() {
        eprintln!("skipped: no wasm-opt here; `cargo xtask setup` gets one");
        return;
    }
    let report: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    for which in ["before", "after"] {
        let size = |of: &str| report[format!("{of}_{which}")].as_u64().expect("a size");
        assert!((1000..size("bytes")).contains(&size("wasm_opt_bytes")), "{which}: {report}");
    }
}
