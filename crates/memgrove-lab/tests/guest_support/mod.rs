//! Compiles guests of tests, by the compilers that there are.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fix_support;

/// A file or folder beside the tests.
pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// The compiler's words if it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {:.600}", String::from_utf8_lossy(&output.stderr)))
}

/// Compiles a source in C or C++.
pub fn c(program: &str, arguments: &[&str], source: &Path) -> Result<Vec<u8>, String> {
    let place = tempfile::tempdir().expect("a folder");
    let out = place.path().join("guest.wasm");
    let mut command = Command::new(program);
    command.args(arguments).arg(source).arg("-o").arg(&out);
    // Zig is a package of Python's.
    command.env("PYTHONPATH", fix_support::root().join("out/tools/python"));
    run(&mut command)?;
    std::fs::read(out).map_err(|error| error.to_string())
}

/// Compiles a crate in Rust whose feature chooses an allocator; `out/TARGET` keeps what was compiled.
pub fn rust(folder: &Path, target: &str, module: &str, allocator: &str) -> Result<Vec<u8>, String> {
    rust_for("wasm32-unknown-unknown", folder, target, module, allocator)
}

/// The same for another machine of wasm.
pub fn rust_for(
    triple: &str,
    folder: &Path,
    target: &str,
    module: &str,
    allocator: &str,
) -> Result<Vec<u8>, String> {
    let target = fix_support::root().join("out").join(target);
    let mut command = Command::new("cargo");
    command
        .args(["build", "--locked", "--release", "--target", triple, "--features", allocator])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", &target);
    // Debian's compiler has the sources of its library beside it.
    if Path::new("/usr/bin/rustc").is_file() {
        command
            .arg("-Zbuild-std=core,alloc,panic_abort")
            .env("RUSTC", "/usr/bin/rustc")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-22")
            .env("CARGO_TARGET_WASM64_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-22");
    }
    run(&mut command)?;
    std::fs::read(target.join(triple).join("release").join(module)).map_err(|error| error.to_string())
}
