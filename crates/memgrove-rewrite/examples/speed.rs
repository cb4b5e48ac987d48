//! How long fixing takes beside parsing and re-encoding the same module unchanged, over files:
//! `cargo run --release --example speed -- FILE…`. The aim is at most three times as long.
#![expect(clippy::print_stdout, reason = "this is a command")]

use std::time::{Duration, Instant};
use std::{env, fs};

use memgrove_rewrite::{Options, fix};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};

/// Runs of each, of which the quickest counts.
const RUNS: usize = 5;

fn main() {
    let mut sum = [Duration::ZERO; 2];
    for file in env::args_os().skip(1) {
        let wasm = fs::read(&file).expect("a readable file");
        let reencode = quickest(|| {
            let mut out = wasm_encoder::Module::new();
            let done =
                RoundtripReencoder.parse_core_module(&mut out, wasmparser::Parser::new(0), &wasm).is_ok();
            done && !out.finish().is_empty()
        });
        let fixed = quickest(|| fix(&wasm, &Options::default()).is_ok());
        sum[0] += reencode;
        sum[1] += fixed;
        let ratio = fixed.as_secs_f64() / reencode.as_secs_f64();
        println!("{ratio:5.2} {:9} bytes {reencode:?} {fixed:?} {}", wasm.len(), file.to_string_lossy());
    }
    println!("{:5.2} in all: {:?} {:?}", sum[1].as_secs_f64() / sum[0].as_secs_f64(), sum[0], sum[1]);
}

fn quickest(mut run: impl FnMut() -> bool) -> Duration {
    (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            assert!(run(), "the file is a module");
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}
