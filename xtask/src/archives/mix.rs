//! Rust and C in one module. A Rust heap of ours and an archive of ours would overwrite each other, so the linker refuses them;
//! C's malloc over the Rust heap is the way that works.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use super::{RUN_BARE, clang, scratch};
use crate::wasm_rust::WasmRust;
use crate::workspace::Workspace;

/// What the linker shows where both heaps are linked: the name says what to do.
const REFUSAL: &str =
    "memgrove_two_heaps_in_one_module__leave_out_the_C_archive_and_write_memgrove_c_malloc_in_Rust";

/// Rust's and C's blocks by turns in a module without imports.
const RUN_BOTH: &str = "
    const module = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));
    const {exports} = new WebAssembly.Instance(module, {});
    const step = exports.both(20000);
    if (step) throw new Error(`overwritten at step ${step}`);";

/// Links an allocator's archive with Rust programs that are built by each of `profiles`.
pub fn check(workspace: &Workspace, allocator: &str, profiles: &[&str], archive: &Path) -> Result<()> {
    let sh = workspace.shell()?;
    let scratch = scratch(workspace, allocator)?;
    let tests = workspace.root().join("crates/memgrove-c/tests");
    let (family, objects) = (scratch.join("family.o"), scratch.join("objects.o"));
    let (clang, clangxx) = (clang(&sh, "clang")?, clang(&sh, "clang++")?);
    let common = ["-O2", "-mbulk-memory", "-fno-builtin", "-c", "-I"];
    let include = workspace.root().join("crates/memgrove-c/include");
    cmd!(sh, "{clang} --target=wasm32 {common...} {include}")
        .args([&tests.join("family.c"), Path::new("-o"), &family])
        .quiet()
        .run()?;
    cmd!(sh, "{clangxx} --target=wasm32 -fno-exceptions {common...} {include}")
        .args([&tests.join("objects.cpp"), Path::new("-o"), &objects])
        .quiet()
        .run()?;

    // However the program is optimised, and whether C's part comes before the archive or is in it.
    for &profile in profiles {
        for linked in [&[archive][..], &[&family, archive]] {
            match build(workspace, profile, allocator, linked) {
                // Link-time optimisation drops what the linker would have seen: then the two heaps must get along.
                Ok(module) if profile == "lto" => cmd!(sh, "node -e {RUN_BOTH} {module}")
                    .quiet()
                    .run()
                    .with_context(|| format!("{allocator}, {profile}: two heaps in one module"))?,
                Ok(_) => {
                    bail!("{allocator}, {profile}: a Rust heap and an archive are linked into one module")
                }
                Err(error) => ensure!(
                    error.to_string().contains(REFUSAL),
                    "{allocator}, {profile}: the linker does not say what is wrong: {error}"
                ),
            }
        }
        let features = format!("{allocator},c_malloc");
        let module = build(workspace, profile, &features, &[&family])?;
        run(&sh, &module).with_context(|| format!("{profile}: family.c over {allocator}"))?;
    }
    let module = build(workspace, "release", &format!("{allocator},c_malloc,cxx_new"), &[&objects])?;
    run(&sh, &module).with_context(|| format!("objects.cpp over {allocator}"))?;
    if allocator == "dlmalloc" {
        let module = build(workspace, "release", "hardened,c_malloc", &[&family])?;
        run(&sh, &module).context("family.c over Hardened")?;
    }
    println!(
        "archives: {allocator} in Rust serves C and C++ in the same module, and does not link with its archive"
    );
    Ok(())
}

fn run(sh: &Shell, module: &Path) -> Result<()> {
    cmd!(sh, "node -e {RUN_BARE} {module}").quiet().run()?;
    Ok(cmd!(sh, "node -e {RUN_BOTH} {module}").quiet().run()?)
}

/// Builds `tests/mix`, linked with these files. The error is what cargo and the linker say.
fn build(workspace: &Workspace, profile: &str, features: &str, linked: &[&Path]) -> Result<PathBuf> {
    let sh = workspace.shell()?;
    let rust = WasmRust::find(&sh)?;
    let mut flags = vec!["-Clink-arg=--max-memory=67108864".to_owned()];
    flags.push("-Clink-arg=--export=__wasm_call_ctors".to_owned());
    flags.extend(linked.iter().map(|file| format!("-Clink-arg={}", file.display())));
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    // Of what is linked only the last crate need know: with flags for all of them everything would be compiled again.
    rust.enter(&sh, &[])?;
    let target = workspace.out().join("target/archives-mix");
    let output =
        cmd!(sh, "cargo rustc --quiet --locked --manifest-path crates/memgrove-c/tests/mix/Cargo.toml")
            .args(["--profile", profile, "--features", features])
            .args(["--target-dir".as_ref(), target.as_os_str()])
            .args(rust.arguments("core,alloc,compiler_builtins"))
            .arg("--")
            .args(flags)
            .quiet()
            .ignore_status()
            .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(target.join("wasm32-unknown-unknown").join(folder).join("mix.wasm"))
}
