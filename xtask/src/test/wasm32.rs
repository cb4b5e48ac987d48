//! The steps that compile for wasm32: every set of features, and the lints of what natively does not compile.

use anyhow::Result;
use xshell::{Shell, cmd};

use super::ONLY_CHECKED;
use crate::archives;
use crate::wasm_rust::WasmRust;
use crate::workspace::Workspace;

/// One folder and the same flags for both steps, so that the standard library is built once for them.
const TARGET: &str = "out/target/wasm32";

/// Warnings fail, as the lints do.
const STRICT: &str = "-Dwarnings";

/// The target features of a module with threads.
const ATOMICS: &str = "-Ctarget-feature=+atomics,+bulk-memory,+mutable-globals";

/// Each crate that is meant for wasm32, with each of its sets of features, and the standard library it needs.
const ON_WASM32: &[(&str, &[&str], &str)] = &[
    ("memgrove", &["--no-default-features"], "core"),
    ("memgrove", &["--all-features"], "core,alloc"),
    ("memgrove-trace", &[], "core,alloc"),
    ("memgrove-profile", &[], "std,panic_abort"),
    ("memgrove-symbols", &[], "std,panic_abort"),
    ("memgrove-module", &["--no-default-features"], "std,panic_abort"),
    ("memgrove-inspect", &["--no-default-features"], "std,panic_abort"),
    ("memgrove-inspect", &["--all-features"], "std,panic_abort"),
    ("memgrove-rewrite", &[], "std,panic_abort"),
    ("memgrove-verify", &[], "std,panic_abort"),
    ("memgrove-open", &[], "std,panic_abort"),
    ("memgrove-results", &[], "std,panic_abort"),
    ("memgrove-view", &[], "std,panic_abort"),
    ("memgrove-api", &[], "std,panic_abort"),
    ("memgrove-js", &[], "std,panic_abort"),
];

/// Checks each crate that is meant for wasm32 there, without and with the features of threads; the allocators for
/// memory64, too.
pub fn features(_: &Workspace, sh: &Shell) -> Result<()> {
    let rust = WasmRust::find(sh)?;
    for (package, features, library) in ON_WASM32 {
        rust.enter_checks(sh, &[STRICT]);
        let arguments = rust.arguments(library);
        cmd!(sh, "cargo check --quiet --locked --target-dir {TARGET} -p {package}")
            .args(*features)
            .args(ONLY_CHECKED)
            .args(arguments)
            .run()?;
    }
    // With threads: told apart by their stacks, by #[thread_local], by the standard library.
    let ways: [(&[&str], &[&str], &str); 3] = [
        (&[], &[], "core,alloc"),
        (&[], &["--cfg=memgrove_thread_local"], "core,alloc"),
        (&["--features=std"], &[], "std,panic_abort"),
    ];
    rust.enter_checks(sh, &[STRICT, ATOMICS]);
    for (features, flags, library) in ways {
        let arguments = rust.arguments(library);
        // Flags of the one crate, so that the standard library is not compiled for them again.
        cmd!(sh, "cargo rustc --profile=check --lib --quiet --locked --target-dir {TARGET} -p memgrove")
            .args(features)
            .args(ONLY_CHECKED)
            .args(arguments)
            .arg("--")
            .args(flags)
            .run()?;
    }
    let Some(arguments) = rust.arguments64("core") else {
        println!("memory64 is left out: it needs a standard library built from source");
        return Ok(());
    };
    rust.enter_checks(sh, &[STRICT]);
    Ok(cmd!(sh, "cargo check --quiet --locked --target-dir {TARGET} -p memgrove")
        .args(ONLY_CHECKED)
        .args(arguments)
        .run()?)
}

/// What clippy looks at on wasm32: where the package's workspace is, what to choose of it, and the flags.
const LINTED: &[(&str, &[&str], &[&str])] = &[
    ("crates/memgrove-c", &["--features=wee"], &[]),
    ("crates/memgrove-c", &["--features=dlmalloc"], &[]),
    ("crates/memgrove-c", &["--features=jemalloc"], &[]),
    ("crates/memgrove-c", &["--features=hoard,hardened"], &[]),
    ("crates/memgrove-donor", &[], &[]),
    ("crates/memgrove-donor", &["--no-default-features", "--features=placed,wee"], &[]),
    ("crates/memgrove-donor", &["--no-default-features", "--features=placed,dlmalloc"], &[]),
    ("crates/memgrove-donor", &["--no-default-features", "--features=placed,jemalloc"], &[]),
    ("crates/memgrove-donor", &["--no-default-features", "--features=placed,hoard"], &[]),
    ("crates/memgrove-donor", &["--no-default-features", "--features=placed,hardened"], &[]),
    (".", &["-p=memgrove"], &[]),
    (".", &["-p=memgrove", "--features=encoded-links,custom-page-sizes"], &[]),
    (".", &["-p=memgrove"], &[ATOMICS]),
    ("guests", &["-p=minimal", "--features=memgrove-wee"], &[]),
    ("guests", &["-p=minimal", "--features=initial-memory"], &[]),
    ("samples", &["-p=study-no-std", "--features=memgrove-wee"], &[]),
];

/// Runs the lints of the compiler for wasm32, warnings denied. Only what natively is not there, or differs.
pub fn clippy(_: &Workspace, sh: &Shell) -> Result<()> {
    let rust = WasmRust::find(sh)?;
    let clippy = rust.clippy()?;
    // The build of the archives compiles its shims in C.
    sh.set_var("CC_wasm32_unknown_unknown", archives::clang(sh, "clang")?);
    sh.set_var("CXX_wasm32_unknown_unknown", archives::clang(sh, "clang++")?);
    sh.set_var("AR_wasm32_unknown_unknown", "ar");
    for (folder, chosen, flags) in LINTED {
        println!("clippy on wasm32: {folder} {}", [*chosen, *flags].concat().join(" "));
        rust.enter_checks(sh, &[&[STRICT], *flags].concat());
        let arguments = rust.arguments("core,alloc");
        cmd!(
            sh,
            "{clippy} clippy --quiet --locked --manifest-path {folder}/Cargo.toml --target-dir {TARGET}"
        )
        .args(ONLY_CHECKED)
        .args(*chosen)
        .args(arguments)
        .args(["--", "-D", "warnings"])
        .quiet()
        .run()?;
    }
    Ok(())
}
