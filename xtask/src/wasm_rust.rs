//! The Rust compiler for wasm32: Debian's, which builds the standard library from source, or rustup's target.

use std::path::PathBuf;

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

const TARGET: &str = "wasm32-unknown-unknown";

/// A compiler that was found, and how it comes by the standard library.
pub struct WasmRust {
    rustc: PathBuf,
    sysroot: PathBuf,
    /// The linker to name, where the library is built from source; else the toolchain has both.
    linker: Option<String>,
}

/// Where cargo unpacks packages: a folder for each registry.
pub fn registries() -> PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_default();
    home.join("registry/src")
}

impl WasmRust {
    /// Debian's `rustc-web` where it is installed, else the first `rustc` on the PATH if rustup gave it the target.
    pub fn find(sh: &Shell) -> Result<Self> {
        for rustc in ["/usr/bin/rustc", "rustc"] {
            let Ok(sysroot) = cmd!(sh, "{rustc} --print sysroot").quiet().ignore_stderr().read() else {
                continue;
            };
            let (rustc, sysroot) = (PathBuf::from(rustc), PathBuf::from(sysroot));
            if sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir() {
                return Ok(Self { rustc, sysroot, linker: None });
            }
            if sysroot.join("lib/rustlib/src/rust/library/std").is_dir() {
                let linkers = ["wasm-ld-22", "wasm-ld"];
                let found = linkers.into_iter().find(|linker| {
                    cmd!(sh, "{linker} --version").quiet().ignore_stdout().ignore_stderr().run().is_ok()
                });
                if let Some(linker) = found {
                    return Ok(Self { rustc, sysroot, linker: Some(linker.into()) });
                }
            }
        }
        bail!("no Rust compiler for {TARGET}\nhint: cargo xtask setup, or rustup target add {TARGET}")
    }

    /// A linker for position-independent modules: the one that was found, or LLVM's under its plain name.
    pub fn linker(&self) -> &str {
        self.linker.as_deref().unwrap_or("wasm-ld")
    }

    /// The compiler's own clippy: `cargo clippy` for what is built with it. It takes `clippy` as its first argument.
    pub fn clippy(&self) -> Result<PathBuf> {
        let clippy = self.sysroot.join("bin/cargo-clippy");
        if !clippy.is_file() {
            bail!("no {}\nhint: cargo xtask setup, or rustup component add clippy", clippy.display());
        }
        Ok(clippy)
    }

    /// Which compiler it is, for a manifest.
    pub fn version(&self, sh: &Shell) -> Result<String> {
        let rustc = &self.rustc;
        Ok(cmd!(sh, "{rustc} --version").quiet().read()?)
    }

    /// Makes the shell's next cargo calls check for wasm32 with this compiler and these flags, each set of which has its
    /// own standard library in the target folder: cargo keeps one for all where `--remap-path-prefix` is among the flags, and
    /// builds it again whenever another flag changes.
    pub fn enter_checks(&self, sh: &Shell, flags: &[&str]) {
        sh.set_var("RUSTC", &self.rustc);
        if let Some(linker) = &self.linker {
            sh.set_var("RUSTC_BOOTSTRAP", "1");
            sh.set_var("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        sh.set_var("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    }

    /// Makes the shell's next cargo calls build for wasm32 with this compiler and these flags. Paths of this machine
    /// are kept out of what is built.
    pub fn enter(&self, sh: &Shell, flags: &[&str]) -> Result<()> {
        self.enter_checks(sh, &[]);
        let registries = registries();
        let mut all = vec![
            format!("--remap-path-prefix={}=/memgrove", sh.current_dir().display()),
            format!("--remap-path-prefix={}=/rust", self.sysroot.join("lib/rustlib/src/rust").display()),
            format!("--remap-path-prefix={}=/crates", registries.display()),
        ];
        // Below it each registry has a folder with its host's name, which is not for a module either. The last prefix
        // that fits is the one that counts.
        for registry in std::fs::read_dir(&registries).into_iter().flatten().flatten() {
            all.push(format!("--remap-path-prefix={}=/crates", registry.path().display()));
        }
        all.extend(flags.iter().map(|flag| (*flag).to_owned()));
        sh.set_var("CARGO_ENCODED_RUSTFLAGS", all.join("\u{1f}"));
        Ok(())
    }

    /// Arguments for `cargo build` or `cargo check`: the target, and the library if it must be built
    /// (`core`, `core,alloc` or `std,panic_abort`).
    pub fn arguments(&self, library: &str) -> Vec<String> {
        let mut arguments = vec!["--target".into(), TARGET.into()];
        if self.linker.is_some() {
            arguments.push(format!("-Zbuild-std={library}"));
        }
        arguments
    }

    /// The same for memory64, which only a standard library built from source is there for.
    pub fn arguments64(&self, library: &str) -> Option<Vec<String>> {
        let build = format!("-Zbuild-std={library}");
        self.linker.is_some().then(|| vec!["--target".into(), "wasm64-unknown-unknown".into(), build])
    }
}
