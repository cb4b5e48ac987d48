//! Bytes and purity of our allocators: a minimal module (`guests/minimal`) of each, built for size. It must not
//! import anything and must not hold panic or formatting code; its own bytes are recorded in `results/size.json`
//! and may only grow on purpose.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use wasmparser::{KnownCustom, Name, Parser, Payload};
use xshell::cmd;

use crate::wasm_rust::WasmRust;
use crate::workspace::Workspace;

/// Features of `guests/minimal` that are ours.
const OURS: [&str; 4] = ["memgrove-wee", "memgrove-dlmalloc", "memgrove-jemalloc", "memgrove-hoard"];

/// Where the bytes are recorded.
const RECORD: &str = "results/size.json";

#[derive(clap::Args, Default)]
pub struct SizeArgs {
    /// Record the bytes as they are now.
    #[arg(long)]
    bless: bool,
}

impl SizeArgs {
    /// Records the bytes as they are.
    pub fn blessed() -> Self {
        Self { bless: true }
    }
}

/// What is recorded.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// The tools: with others the bytes differ, and are not compared.
    tools: Vec<String>,
    /// By feature of `guests/minimal`.
    allocators: BTreeMap<String, Size>,
}

/// Own code bytes of one allocator: its minimal module less the same module without an allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Size {
    /// As the linker left it.
    built_bytes: u64,
    /// After `wasm-opt -Oz`.
    optimised_bytes: u64,
}

pub fn run(workspace: &Workspace, args: &SizeArgs) -> Result<()> {
    let nothing = weigh(workspace, "none")?;
    let mut sizes = BTreeMap::new();
    for feature in OURS {
        let with = weigh(workspace, feature).with_context(|| feature.to_owned())?;
        let size = Size {
            built_bytes: with.built_bytes.saturating_sub(nothing.built_bytes),
            optimised_bytes: with.optimised_bytes.saturating_sub(nothing.optimised_bytes),
        };
        println!("size: {feature}: {} bytes, {} after wasm-opt", size.built_bytes, size.optimised_bytes);
        sizes.insert(feature.to_owned(), size);
    }
    let sh = workspace.shell()?;
    let tools = vec![WasmRust::find(&sh)?.version(&sh)?, cmd!(sh, "wasm-opt --version").quiet().read()?];
    let now = Record { tools, allocators: sizes };
    let path = workspace.root().join(RECORD);
    if args.bless {
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        return Ok(fs::write(&path, serde_json::to_string_pretty(&now)? + "\n")?);
    }
    let recorded: Record = serde_json::from_slice(
        &fs::read(&path).with_context(|| format!("{RECORD} (hint: cargo xtask size --bless)"))?,
    )?;
    if recorded.tools != now.tools {
        println!(
            "size: pure; the bytes were recorded with {}, and are not compared",
            recorded.tools.join(", ")
        );
        return Ok(());
    }
    let changed: Vec<_> = difference(&recorded.allocators, &now.allocators);
    if changed.is_empty() {
        return Ok(());
    }
    bail!("{}\nhint: if that is meant to be, cargo xtask size --bless", changed.join("\n"))
}

/// What is not as recorded, in words.
fn difference(recorded: &BTreeMap<String, Size>, now: &BTreeMap<String, Size>) -> Vec<String> {
    now.iter()
        .filter(|(name, size)| recorded.get(*name) != Some(*size))
        .map(|(name, size)| match recorded.get(name) {
            None => format!("{name} is not recorded"),
            Some(old) => format!(
                "{name}: {} bytes after wasm-opt, {} recorded ({} and {} as built)",
                size.optimised_bytes, old.optimised_bytes, size.built_bytes, old.built_bytes
            ),
        })
        .collect()
}

/// Builds the minimal module with one feature, checks that it is pure, and weighs its code.
fn weigh(workspace: &Workspace, feature: &str) -> Result<Size> {
    let sh = workspace.shell()?;
    let rust = WasmRust::find(&sh)?;
    let target = workspace.out().join("target/size");
    rust.enter(&sh, &[])?;
    sh.change_dir("guests");
    sh.set_var("CARGO_TARGET_DIR", &target);
    // Names show what the code is; they lie outside of the code section and do not count.
    sh.set_var("CARGO_PROFILE_SIZE_STRIP", "none");
    cmd!(
        sh,
        "cargo build --quiet --locked --profile size -p minimal --no-default-features --features {feature}"
    )
    .args(rust.arguments("core"))
    .quiet()
    .run()?;
    let built = target.join("wasm32-unknown-unknown/size/minimal.wasm");
    let optimised = target.join("minimal.opt.wasm");
    let module = fs::read(&built)?;
    let impure = impurities(&module)?;
    if !impure.is_empty() {
        bail!("the minimal module is not pure: {}", impure.join(", "));
    }
    cmd!(sh, "wasm-opt -Oz --all-features {built} -o {optimised}").quiet().run().context("wasm-opt")?;
    Ok(Size { built_bytes: code_bytes(&module)?, optimised_bytes: code_bytes(&fs::read(optimised)?)? })
}

fn code_bytes(module: &[u8]) -> Result<u64> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CodeSectionStart { size, .. } = payload? {
            return Ok(size.into());
        }
    }
    Ok(0)
}

/// What an allocator's module must not hold: imports, panic and formatting code, and texts of either.
fn impurities(module: &[u8]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    found.push(format!("import {}.{}", import.module, import.name));
                }
            }
            Payload::DataSection(section) => {
                for segment in section {
                    let data = segment?.data;
                    for text in [&b".rs"[..], b"panicked", b"overflow"] {
                        if data.windows(text.len()).any(|part| part == text) {
                            found.push(format!(
                                "the text {:?} in a data segment",
                                String::from_utf8_lossy(text)
                            ));
                        }
                    }
                }
            }
            Payload::CustomSection(section) => {
                let KnownCustom::Name(names) = section.as_known() else { continue };
                for name in names {
                    let Name::Function(functions) = name? else { continue };
                    for function in functions {
                        let name = function?.name;
                        // The module's own panic handler may be there; what calls it may not.
                        let forbidden = ["panicking", "core::fmt", "core3fmt", "panic_fmt", "unwrap_failed"];
                        if forbidden.iter().any(|part| name.contains(part)) {
                            found.push(format!("function {name}"));
                        }
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module by hand: this crate has no text format at hand.
    fn module(sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut out = b"\0asm\x01\0\0\0".to_vec();
        for (id, body) in sections {
            out.extend([*id, u8::try_from(body.len()).unwrap()]);
            out.extend_from_slice(body);
        }
        out
    }

    #[test]
    fn imports_texts_and_names_are_impure() {
        let ty = (1, &b"\x01\x60\0\0"[..]);
        assert!(impurities(&module(&[ty])).unwrap().is_empty());
        let import = (2, &b"\x01\x03env\x01f\0\0"[..]);
        assert_eq!(impurities(&module(&[ty, import])).unwrap(), ["import env.f"]);
        let memory = (5, &b"\x01\0\x01"[..]);
        let data = (11, &b"\x01\0\x41\0\x0b\x08src/a.rs"[..]);
        assert_eq!(impurities(&module(&[memory, data])).unwrap().len(), 1);
        let mut names_body = b"\x04name\x01".to_vec();
        let entry = b"\x01\0\x16core::panicking::panic";
        names_body.push(u8::try_from(entry.len()).unwrap());
        names_body.extend_from_slice(entry);
        assert_eq!(impurities(&module(&[(0, &names_body)])).unwrap(), ["function core::panicking::panic"]);
    }

    #[test]
    fn a_changed_size_is_told_with_both_figures() {
        let size = |optimised_bytes| Size { built_bytes: 500, optimised_bytes };
        let record = |bytes| BTreeMap::from([("memgrove-wee".to_owned(), size(bytes))]);
        assert!(difference(&record(340), &record(340)).is_empty());
        assert_eq!(
            difference(&record(340), &record(350)),
            ["memgrove-wee: 350 bytes after wasm-opt, 340 recorded (500 and 500 as built)"]
        );
        assert_eq!(difference(&BTreeMap::new(), &record(1)), ["memgrove-wee is not recorded"]);
    }
}
