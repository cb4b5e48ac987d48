//! Many modules, for a long run: `cargo run --release -p memgrove-rows --example many -- 100000 FOLDER… | memgrove inspect
//! --format parquet -o OUT --files-from -`.
//!
//! Each line is a module with its bytes, but for one of a thousand, which names in turn one of the arguments that are no folder: give it what
//! hangs (a FIFO that nothing writes to), is too large or unpacks without end. Of ten, five are wasm-smith's; three are a module of the folders with a section of
//! their own, so that no two have the same bytes; one is such a module again as it is, and one has a byte changed.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use arbitrary::Unstructured;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Larger modules of the folders are left out: one would take the time of thousands.
const MOST_BYTES: u64 = 600_000;

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let count: u64 = args.next().and_then(|count| count.parse().ok()).unwrap_or(1000);
    let (folders, poison): (Vec<_>, Vec<_>) = args.map(PathBuf::from).partition(|path| path.is_dir());
    let mut poison = poison.iter().cycle();
    let mut seeds = Vec::new();
    for folder in folders {
        let mut paths: Vec<_> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let is_wasm = path.extension().is_some_and(|extension| extension == "wasm");
            if is_wasm && path.metadata()?.len() <= MOST_BYTES {
                seeds.push(std::fs::read(path)?);
            }
        }
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    for number in 0..count {
        if number % 1000 == 999
            && let Some(path) = poison.next()
        {
            writeln!(out, "{}", serde_json::json!({ "path": path }))?;
            continue;
        }
        let bytes = module(number, &seeds);
        writeln!(out, r#"{{"name":"m{number}","bytes":"{}"}}"#, STANDARD.encode(bytes))?;
    }
    out.flush()
}

fn module(number: u64, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Random(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let seed = seeds.get(random.below(seeds.len()));
    match (number % 10, seed) {
        (0..=4, _) | (_, None) => {
            let noise: Vec<u8> = (0..2048).flat_map(|_| random.next().to_le_bytes()).collect();
            let config = wasm_smith::Config::default();
            wasm_smith::Module::new(config, &mut Unstructured::new(&noise))
                .map_or_else(|_| b"\0asm\x01\0\0\0".to_vec(), |module| module.to_bytes())
        }
        (5..=7, Some(seed)) => {
            // A custom section `n` with the number.
            let mut bytes = seed.clone();
            bytes.extend([0, 10, 1, b'n']);
            bytes.extend(number.to_le_bytes());
            bytes
        }
        (8, Some(seed)) => seed.clone(),
        (_, Some(seed)) => {
            let mut bytes = seed.clone();
            let at = random.below(bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
            bytes
        }
    }
}

/// Xorshift: the same modules each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }
}
