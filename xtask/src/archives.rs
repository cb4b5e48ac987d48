//! Makes `libmemgrove_<allocator>.a` for C and C++, one archive for each allocator.

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::wasm_rust::WasmRust;
use crate::workspace::Workspace;

/// The allocators that have an archive: the features of `crates/memgrove-c`.
pub const ALLOCATORS: &[&str] = &["wee", "dlmalloc", "jemalloc"];

#[derive(clap::Args, Default)]
pub struct ArchivesArgs {
    /// Only this allocator's.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(ALLOCATORS))]
    only: Option<String>,
}

pub fn run(workspace: &Workspace, args: &ArchivesArgs) -> Result<()> {
    let sh = workspace.shell()?;
    let rust = WasmRust::find(&sh)?;
    // `memory.copy` and `memory.fill` are in every engine; without them realloc copies byte by byte.
    rust.enter(&sh, &["-Ctarget-feature=+bulk-memory"])?;
    sh.set_var("CC_wasm32_unknown_unknown", clang(&sh, "clang")?);
    sh.set_var("CXX_wasm32_unknown_unknown", clang(&sh, "clang++")?);
    // Only collects the objects; rustc writes the archive and its index.
    sh.set_var("AR_wasm32_unknown_unknown", "ar");
    let folder = workspace.out().join("archives");
    sh.create_dir(&folder)?;
    for allocator in ALLOCATORS {
        if args.only.as_ref().is_some_and(|only| only != allocator) {
            continue;
        }
        let target = workspace.out().join("target/archives");
        let arguments = rust.arguments("core,compiler_builtins");
        cmd!(sh, "cargo build --quiet --locked --release --manifest-path crates/memgrove-c/Cargo.toml")
            .args(["--target-dir".as_ref(), target.as_os_str()])
            .args(["--features", *allocator])
            .args(arguments)
            .run()
            .with_context(|| format!("the archive of {allocator}"))?;
        let archive = folder.join(format!("libmemgrove_{allocator}.a"));
        sh.copy_file(target.join("wasm32-unknown-unknown/release/libmemgrove_c.a"), &archive)?;
        println!("archives: out/archives/libmemgrove_{allocator}.a");
    }
    sh.copy_file("crates/memgrove-c/include/memgrove.h", folder.join("memgrove.h"))?;
    Ok(())
}

/// The newest clang that is here; Debian's oldest cannot build for wasm32 without its libraries, so 22 comes first.
fn clang(sh: &Shell, name: &str) -> Result<String> {
    [format!("{name}-22"), name.to_owned()]
        .into_iter()
        .find(|command| cmd!(sh, "{command} --version").quiet().ignore_stdout().ignore_stderr().run().is_ok())
        .with_context(|| format!("no {name} here\nhint: cargo xtask setup"))
}
