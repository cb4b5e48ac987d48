//! rustc through cargo, for `wasm32-unknown-unknown`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{Absence, Driver, Plan, Program, Recipe, Step, Toolchain, Tools, Workplace};

const TARGET: &str = "wasm32-unknown-unknown";

pub(super) struct Rustc;

impl Toolchain for Rustc {
    fn id(&self) -> &'static str {
        "rustc"
    }

    fn name(&self) -> &'static str {
        "rustc"
    }

    fn install(&self) -> &'static str {
        "rustup target add wasm32-unknown-unknown, or apt-get install rustc-web rust-web-src lld-22"
    }

    fn detect(&self, tools: &Tools) -> Result<Box<dyn Driver>, Absence> {
        Ok(Box::new(RustForWasm::find(tools)?))
    }
}

/// A cargo and a rustc which together can build for wasm32.
#[derive(Debug, Clone)]
pub(super) struct RustForWasm {
    cargo: PathBuf,
    rustc: PathBuf,
    version: String,
    sysroot: PathBuf,
    library: Library,
}

/// Where the standard library for the target comes from.
#[derive(Debug, Clone)]
enum Library {
    /// Installed for the target.
    Installed,
    /// Built from the sources installed beside the compiler; the linker is a system one.
    FromSource { linker: PathBuf },
}

impl RustForWasm {
    /// Debian's compiler for wasm where it is, else the first rustc that has the target or its sources.
    pub(super) fn find(tools: &Tools) -> Result<Self, Absence> {
        let cargo = tools.find("cargo").ok_or_else(|| Absence::Missing("cargo".into()))?;
        let candidates: Vec<PathBuf> =
            [Some(PathBuf::from("/usr/bin/rustc")).filter(|path| path.is_file()), tools.find("rustc")]
                .into_iter()
                .flatten()
                .collect();
        let mut reason = Absence::Missing("rustc".into());
        for rustc in candidates {
            match Self::with(tools, &cargo, &rustc) {
                Ok(found) => return Ok(found),
                Err(absence) => reason = absence,
            }
        }
        Err(reason)
    }

    fn with(tools: &Tools, cargo: &Path, rustc: &Path) -> Result<Self, Absence> {
        let version = tools.ask(rustc, &["--version"]).map_err(Absence::Broken)?;
        let sysroot = PathBuf::from(tools.ask(rustc, &["--print", "sysroot"]).map_err(Absence::Broken)?);
        let library = if sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir() {
            Library::Installed
        } else if sysroot.join("lib/rustlib/src/rust/library/std").is_dir() {
            let (_, linker) = tools
                .find_any(&["wasm-ld-22", "wasm-ld"])
                .ok_or_else(|| Absence::Missing("wasm-ld-22 or wasm-ld".into()))?;
            Library::FromSource { linker }
        } else {
            return Err(Absence::Missing(format!("the standard library for {TARGET} ({version})")));
        };
        Ok(Self { cargo: cargo.into(), rustc: rustc.into(), version, sysroot, library })
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn cargo(&self) -> &Path {
        &self.cargo
    }

    /// The command that builds a package of the samples for wasm32, and where its module will be.
    pub(super) fn build(&self, package: &str, features: &[&str], place: &Workplace) -> (Step, PathBuf) {
        let target_folder = place.cache.join("rust");
        let mut step = self.command(place, &target_folder, "std,panic_abort", &[]).args(["-p", package]);
        if !features.is_empty() {
            step = step.arg("--features").arg(features.join(","));
        }
        let module = format!("{}.wasm", package.replace('-', "_"));
        (step, target_folder.join(TARGET).join("release").join(module))
    }

    /// `cargo build` for wasm32 with `flags` for the compiler; `library` is what of the standard library has to be
    /// built with it where that is not installed.
    pub(super) fn command(
        &self,
        place: &Workplace,
        target_folder: &Path,
        library: &str,
        flags: &[&str],
    ) -> Step {
        let step = Step::new(&self.cargo)
            .args(["build", "--release", "--locked", "--target", TARGET])
            .env("RUSTC", &self.rustc)
            .env("CARGO_TARGET_DIR", target_folder)
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags(place, flags));
        match &self.library {
            Library::Installed => step,
            Library::FromSource { linker } => step
                .arg(format!("-Zbuild-std={library}"))
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker),
        }
    }

    /// `more` flags, and names for folders: panic messages carry source paths, and must not carry this machine's.
    fn flags(&self, place: &Workplace, more: &[&str]) -> OsString {
        let mut prefixes = vec![
            (place.samples.clone(), "/samples"),
            (place.crates(), "/memgrove"),
            (self.sysroot.join("lib/rustlib/src"), "/rustc"),
        ];
        prefixes.extend(place.crate_sources().into_iter().map(|folder| (folder, "/crates")));
        let mut flags: Vec<OsString> = more.iter().map(OsString::from).collect();
        for (prefix, name) in prefixes {
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(prefix);
            flag.push("=");
            flag.push(name);
            flags.push(flag);
        }
        flags.join(OsStr::new("\u{1f}"))
    }
}

impl Driver for RustForWasm {
    fn versions(&self) -> Vec<String> {
        vec![self.version.clone()]
    }

    fn plan(&self, recipe: &Recipe, place: &Workplace) -> Plan {
        let package = if recipe.program == Program::RustStd { "study-std" } else { "study-no-std" };
        let (step, module) = self.build(package, recipe.options, place);
        Plan { steps: vec![step], module, glue: None }
    }
}
