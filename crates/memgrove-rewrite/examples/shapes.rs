//! What planning and rewriting generated modules takes, at `n`, `2n` and `4n`: straight lines, or not.
//!
//! `cargo run -p memgrove-rewrite --example shapes -- 1000 [PART OF A NAME]`
#![allow(clippy::print_stdout, reason = "an example prints its figures")]

#[path = "../../memgrove-inspect/tests/shapes/mod.rs"]
mod shapes;

use memgrove_rewrite::{Options, fix, plan};
use shapes::counting::{count, cpu_nanoseconds};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let n: usize = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let part = arguments.next().unwrap_or_default();
    println!(
        "{:>9}  {:>9}  {:>9}  {:>11}  {:>11}  {:>11}  shape",
        "bytes", "plan ms", "fix ms", "peak", "total", "output"
    );
    for (name, shape) in shapes::SHAPES.iter().filter(|(name, _)| name.contains(&part)) {
        for n in [n, 2 * n, 4 * n] {
            let wasm = shape(n);
            let start = cpu_nanoseconds();
            drop(plan(&wasm, &Options::default()));
            let planned = cpu_nanoseconds();
            let (output, taken) = count(|| match fix(&wasm, &Options::default()) {
                Ok(fixed) => fixed.wasm.len(),
                Err(error) => {
                    println!("{error}");
                    0
                }
            });
            let [plan_ms, fix_ms] =
                [planned - start, cpu_nanoseconds() - planned].map(|nanoseconds| nanoseconds as f64 / 1e6);
            println!(
                "{:>9}  {plan_ms:>9.1}  {fix_ms:>9.1}  {:>11}  {:>11}  {output:>11}  {name}",
                wasm.len(),
                taken.peak,
                taken.total
            );
        }
    }
}
