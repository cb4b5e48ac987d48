//! Prints what is concluded about the origin of each file named: for looking at many at once.
#![allow(clippy::print_stdout, reason = "an example prints")]

use memgrove_inspect::{detect::origin, facts};

fn main() {
    for path in std::env::args().skip(1) {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let Ok(facts) = facts(&bytes) else { continue };
        let (toolchain, allocator) = origin(&facts);
        let named = toolchain
            .value
            .as_ref()
            .map(|value| (&value.name, &value.version_of, &value.version, &value.languages));
        println!("{path}: {named:?} {:.2}", toolchain.confidence.value());
        toolchain.evidence.iter().for_each(|seen| println!("    {}", seen.text));
        println!(
            "  {:?} {:.2}",
            allocator.value.as_ref().map(|value| &value.id),
            allocator.confidence.value()
        );
        allocator.evidence.iter().for_each(|seen| println!("    {}", seen.text));
    }
}
