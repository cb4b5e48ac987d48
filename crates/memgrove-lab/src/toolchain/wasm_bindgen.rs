//! wasm-bindgen: rustc's module, post-processed by the samples' own `bindgen-driver`.
//!
//! The `wasm-bindgen` command has to match the library version to the digit. The driver is a package of the
//! samples' workspace, so the two versions come from one lock file and nothing has to be installed.

use super::rustc::RustForWasm;
use super::{Absence, Driver, Plan, Recipe, Step, Toolchain, Tools, Workplace};

pub(super) struct WasmBindgen;

impl Toolchain for WasmBindgen {
    fn id(&self) -> &'static str {
        "wasm-bindgen"
    }

    fn name(&self) -> &'static str {
        "rustc + wasm-bindgen"
    }

    fn install(&self) -> &'static str {
        "rustup target add wasm32-unknown-unknown, or apt-get install rustc-web rust-web-src lld-22; \
         wasm-bindgen itself comes through cargo"
    }

    fn detect(&self, tools: &Tools) -> Result<Box<dyn Driver>, Absence> {
        Ok(Box::new(Found(RustForWasm::find(tools)?)))
    }
}

struct Found(RustForWasm);

impl Driver for Found {
    fn versions(&self) -> Vec<String> {
        vec![self.0.version().to_owned()]
    }

    fn plan(&self, recipe: &Recipe, place: &Workplace) -> Plan {
        let (compile, raw) = self.0.build("life", recipe.options, place);
        // Runs here, not in wasm: the compiler for this machine, whatever was chosen for wasm32.
        let process = Step::new(self.0.cargo())
            .args(["run", "--quiet", "--locked", "-p", "bindgen-driver", "--"])
            .arg(&raw)
            .arg(&place.output)
            .env("CARGO_TARGET_DIR", place.cache.join("host"));
        Plan {
            steps: vec![compile, process],
            module: place.output.join("life_bg.wasm"),
            glue: Some(place.output.join("life.js")),
        }
    }
}
