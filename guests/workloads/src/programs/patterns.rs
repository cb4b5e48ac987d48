use regex::Regex;

use super::{hash, prose, wrong};
use crate::Load;

/// Compiles expressions (large, short-lived structures) and rewrites text with them.
pub fn run(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut sum = 0u64;
    for _ in 0..load.times(2) {
        let text = prose(&mut rng, 1000);
        for (expression, replacement) in [
            (r"(?P<user>[a-z]+)@(?P<host>[a-z]+)\.example", "$host at $user"),
            (r"\b(\d{1,3})(\d{3})\b", "$1,$2"),
            (r"\b([a-z]*)(hum|vel|cor)([a-z]*)\b", "$3-$2-$1"),
            (r"(an|ba|go){2,}", "<$0>"),
        ] {
            let Ok(regex) = Regex::new(expression) else { wrong() };
            let changed = regex.replace_all(&text, replacement);
            let pieces: Vec<String> = regex.split(&text).map(str::to_owned).collect();
            sum = sum.rotate_left(5) ^ hash(changed.as_bytes()) ^ pieces.len() as u64;
        }
    }
    sum
}
