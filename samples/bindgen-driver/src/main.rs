//! `bindgen-driver IN.wasm OUT_DIR`: the post-processing that every module using wasm-bindgen goes through.
//!
//! The command-line tool has to be of exactly the version of the library that a module links. Calling its
//! library from this workspace's lock file keeps the two together, without an installation.

use std::path::PathBuf;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let input = arguments.next().context("the module to process is missing")?;
    let output = arguments.next().context("the output directory is missing")?;
    let mut bindgen = Bindgen::new();
    bindgen.web(true)?;
    bindgen.input_path(&input).typescript(false).generate(&output)
}
