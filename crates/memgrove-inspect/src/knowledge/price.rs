//! What chains charge for instructions.

use serde::Deserialize;

/// What a chain charges for instructions, in its own unit. Each price is a multiple of a step.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The chain's unit.
    pub unit: String,
    /// Units of one step.
    pub step: u64,
    /// Steps of an instruction that has no other price.
    pub each: u8,
    /// Prices of single instructions.
    #[serde(default)]
    pub instructions: Vec<InstructionPrice>,
    /// Steps for each byte that memory.copy, memory.fill and memory.init write, besides the instruction's.
    #[serde(default)]
    pub byte: u8,
    /// Steps for each page that memory.grow asks for, besides the instruction's.
    #[serde(default)]
    pub page: u8,
    /// What else the chain charges for, for people: it is not counted.
    #[serde(default)]
    pub without: String,
}

/// What some instructions cost.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstructionPrice {
    /// Steps of each.
    pub steps: u8,
    /// Their names in the text format.
    pub names: Vec<String>,
}

macro_rules! names_of {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        &[$(stringify!($op)),*]
    };
}

/// All instructions, as wasmparser calls them.
const OPERATORS: &[&str] = wasmparser::for_each_operator!(names_of);

/// What wasmparser, and with it an engine's table of costs, calls an instruction of the text format: `MemoryGrow` for
/// `memory.grow`. `None` if there is no such instruction.
#[must_use]
pub fn operator_name(instruction: &str) -> Option<&'static str> {
    let name: String = instruction
        .split(['.', '_'])
        .flat_map(|word| {
            let mut chars = word.chars();
            chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars)
        })
        .collect();
    OPERATORS.iter().copied().find(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_known_by_their_names_in_the_text_format() {
        for (text, name) in [
            ("memory.grow", "MemoryGrow"),
            ("br_if", "BrIf"),
            ("i32.trunc_sat_f64_s", "I32TruncSatF64S"),
            ("v128.load", "V128Load"),
            ("end", "End"),
        ] {
            assert_eq!(operator_name(text), Some(name));
        }
        assert_eq!(operator_name("memory.shrink"), None);
    }
}
