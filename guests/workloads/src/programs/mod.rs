//! Real programs, as ordinary crates, on input made from the seed.

mod compress;
mod json;
mod markdown;
mod patterns;
mod script;
mod strings;

use crate::status::{Status, fail};
use crate::table::{Kind, Workload};
use crate::{Load, Rng};

const fn program(
    id: &'static str,
    title: &'static str,
    source: &'static str,
    run: fn(&Load) -> u64,
) -> Workload {
    Workload { id, title, source, kind: Kind::Program, run }
}

pub static TABLE: &[Workload] = &[
    program("json", "parse, edit and print documents", "crate serde_json 1", json::run),
    program("regex", "compile expressions, search and replace in text", "crate regex 1", patterns::run),
    program("script", "an interpreter: maps, closures, strings", "crate rhai 1", script::run),
    program("markdown", "Markdown to HTML", "crate pulldown-cmark 0.13", markdown::run),
    program(
        "strings",
        "an in-memory table with a hash index and an ordered index of strings",
        "crate hashbrown 0.16, std's BTreeMap",
        strings::run,
    ),
    program("deflate", "compress and decompress", "crate miniz_oxide 0.9", compress::run),
];

/// A program's own check failed: on a sound heap it cannot, because the input is made to be right.
fn wrong() -> ! {
    fail(Status::Corrupted)
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A made-up word.
fn word(rng: &mut Rng) -> String {
    const SYLLABLES: [&str; 16] =
        ["an", "ba", "cor", "de", "el", "fi", "go", "hum", "is", "ka", "lo", "mer", "no", "pra", "ti", "vel"];
    (0..rng.between(1, 4)).map(|_| SYLLABLES[rng.below(16)]).collect()
}

/// A paragraph of made-up words with a few numbers and addresses in it.
fn prose(rng: &mut Rng, words: usize) -> String {
    let mut text = String::new();
    for index in 0..words {
        if index > 0 {
            text.push(' ');
        }
        match rng.below(20) {
            0 => text.push_str(&rng.below(100_000).to_string()),
            1 => text.push_str(&format!("{}@{}.example", word(rng), word(rng))),
            _ => text.push_str(&word(rng)),
        }
    }
    text
}
