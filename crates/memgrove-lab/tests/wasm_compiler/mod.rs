//! The Rust compiler for wasm, for tests that build a guest.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const WASM32: &str = "wasm32-unknown-unknown";

/// A compiler, and a linker if it must compile the standard library.
pub struct Compiler {
    rustc: PathBuf,
    linker: Option<&'static str>,
}

impl Compiler {
    /// Debian's rustc-web, which compiles the standard library, or rustup's target.
    pub fn find(target: &str) -> Option<Self> {
        for rustc in ["/usr/bin/rustc", "rustc"] {
            let Ok(output) = Command::new(rustc).args(["--print", "sysroot"]).output() else { continue };
            let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
            if sysroot.join("lib/rustlib").join(target).join("lib").is_dir() {
                return Some(Self { rustc: rustc.into(), linker: None });
            }
            if sysroot.join("lib/rustlib/src/rust/library/std").is_dir() {
                let linker = ["wasm-ld-22", "wasm-ld"].into_iter().find(|linker| {
                    let version = Command::new(linker).arg("--version").output();
                    version.is_ok_and(|output| output.status.success())
                });
                if linker.is_some() {
                    return Some(Self { rustc: rustc.into(), linker });
                }
            }
        }
        None
    }

    /// Builds a crate below `guests` into a folder of `out` and returns the module.
    pub fn build(&self, guest: &Guest<'_>, folder: &str, flags: &[&str]) -> Vec<u8> {
        let Guest { name, target, profile, library, features } = *guest;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target_dir = root.join("out").join(folder);
        std::fs::create_dir_all(&target_dir).expect("a folder in out");
        // Until it is read: every build of a guest in one folder has the same path.
        let reading = File::create(target_dir.join("reading.lock")).expect("a file in out");
        reading.lock().expect("a lock");
        // Of what is linked only the guest need know: with flags for all crates the standard library would be compiled again.
        let (of_linker, of_all): (Vec<&str>, Vec<&str>) =
            flags.iter().partition(|flag| flag.starts_with("-Clink-arg="));
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(root.join("guests").join(name))
            .args(["rustc", "--locked", "--profile", profile, "--target", target])
            .args(["--no-default-features", "--features", features])
            .env("CARGO_TARGET_DIR", &target_dir)
            .env("RUSTC", &self.rustc)
            .env("CARGO_ENCODED_RUSTFLAGS", of_all.join("\u{1f}"));
        if let Some(linker) = self.linker {
            let variable = target.to_uppercase().replace('-', "_");
            cargo.arg(format!("-Zbuild-std={library}"));
            cargo.env("RUSTC_BOOTSTRAP", "1").env(format!("CARGO_TARGET_{variable}_LINKER"), linker);
        }
        let status = cargo.arg("--").args(of_linker).status().expect("cargo starts");
        assert!(status.success(), "guests/{name} builds for {target}");
        let module = format!("{target}/{profile}/{}.wasm", name.replace('-', "_"));
        std::fs::read(target_dir.join(module)).expect("the module")
    }
}

/// What is built: a crate below `guests`, and how.
#[derive(Clone, Copy)]
pub struct Guest<'a> {
    pub name: &'a str,
    pub target: &'a str,
    pub profile: &'a str,
    /// The crates of the standard library that it needs.
    pub library: &'a str,
    /// Separated by commas.
    pub features: &'a str,
}

pub fn compiler() -> Compiler {
    Compiler::find(WASM32).unwrap_or_else(|| {
        panic!("no Rust compiler for {WASM32}; hint: cargo xtask setup, or rustup target add {WASM32}")
    })
}
