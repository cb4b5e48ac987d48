//! What inspecting generated modules takes, at `n`, `2n` and `4n`: straight lines, or not.
//!
//! `cargo run -p memgrove-inspect --example shapes -- 1000 [PART OF A NAME]`
#![allow(clippy::print_stdout, reason = "an example prints its figures")]

#[path = "../tests/shapes/mod.rs"]
mod shapes;

use shapes::counting::{count, cpu_nanoseconds};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let n: usize = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let part = arguments.next().unwrap_or_default();
    // What is read once a process is not the module's.
    drop(memgrove_inspect::facts(b"\0asm\x01\0\0\0").map(|facts| memgrove_inspect::conclude(&facts)));
    println!("{:>9}  {:>9}  {:>11}  {:>11}  {:>11}  shape", "bytes", "ms", "peak", "total", "JSON");
    for (name, shape) in shapes::SHAPES.iter().filter(|(name, _)| name.contains(&part)) {
        for n in [n, 2 * n, 4 * n] {
            let wasm = shape(n);
            let start = cpu_nanoseconds();
            let (json, taken) = count(|| match memgrove_inspect::facts(&wasm) {
                Ok(facts) => {
                    serde_json::to_vec(&memgrove_inspect::conclude(&facts)).map_or(0, |json| json.len())
                }
                Err(error) => {
                    println!("{error}");
                    0
                }
            });
            let ms = cpu_nanoseconds().saturating_sub(start) as f64 / 1e6;
            println!(
                "{:>9}  {ms:>9.1}  {:>11}  {:>11}  {json:>11}  {name}",
                wasm.len(),
                taken.peak,
                taken.total
            );
        }
    }
}
