//! Fixes files and prints their plans: `cargo run --example fix -- OUTDIR FILE…`.
#![expect(clippy::print_stdout, reason = "this is a command")]

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let mut args = env::args_os().skip(1).map(PathBuf::from);
    let out = args.next().expect("usage: fix OUTDIR FILE…");
    for file in args {
        let wasm = fs::read(&file).expect("readable");
        println!("== {}", file.display());
        match memgrove_rewrite::fix(&wasm, &memgrove_rewrite::Options::default()) {
            Ok(fixed) => {
                for item in &fixed.plan.imports {
                    println!(
                        "{}.{} [{}] {:?} {}: {:?}",
                        item.module, item.name, item.ty, item.known_as, item.purpose, item.decision
                    );
                }
                for change in &fixed.plan.changes {
                    println!("* {change:?}");
                }
                for note in &fixed.plan.notes {
                    println!("- {note}");
                }
                println!(
                    "=> {} {} -> {} bytes",
                    if fixed.plan.is_complete() { "COMPLETE" } else { "PARTIAL" },
                    wasm.len(),
                    fixed.wasm.len()
                );
                fs::write(out.join(file.file_name().expect("a file")), fixed.wasm).expect("writable");
            }
            Err(error) => println!("=> ERROR {error}"),
        }
    }
}
