//! What wasm-bindgen's JavaScript does for a module that hands out numbers and strings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{argument, call_i32};
use crate::engine::{EngineError, Host, HostFunction, HostTrap, Instance, Value};

/// Names end in a hash that changes with the version of wasm-bindgen, so they are told by their beginning.
pub(super) fn host() -> Host {
    Host::new().fallback(|_, name, _| {
        if name == "__wbindgen_init_externref_table" {
            // Fills a table with undefined, null, true and false: no number and no string needs it.
            let nothing: HostFunction = Arc::new(|_, _| Ok(Vec::new()));
            return Some(nothing);
        }
        let throw: HostFunction = Arc::new(|caller, arguments| {
            let (text, length) = (argument(arguments, 0)?, argument(arguments, 1)?);
            let text = caller.read(u64::from(text), u64::from(length))?;
            Err(HostTrap(format!("the module threw: {}", String::from_utf8_lossy(&text))))
        });
        name.contains("__wbindgen_throw").then_some(throw)
    })
}

/// Side of the board and number of generations of a run.
const SIDE: usize = 64;
const GENERATIONS: usize = 20;

/// Lets a board live and answers how many cells are alive at the end.
pub(super) fn run(seed: u32, instance: &mut dyn Instance) -> Result<i32, EngineError> {
    instance.call("__wbindgen_start", &[])?;
    let side = Value::I32(i32::try_from(SIDE).unwrap_or(i32::MAX));
    let universe = Value::I32(call_i32(instance, "universe_new", &[side, side, Value::u32(seed)])?);
    for _ in 0..GENERATIONS {
        instance.call("universe_tick", &[universe])?;
    }
    let population = call_i32(instance, "universe_population", &[universe])?;
    instance.call("__wbg_universe_free", &[universe, Value::I32(0)])?;
    Ok(population)
}

/// The same game played here: cells as a set of coordinates, nothing shared with the sample but the rules and
/// the generator of the first board.
pub(super) fn expected(seed: u32) -> i32 {
    let mut state = seed;
    let mut alive = BTreeSet::new();
    for cell in 0..SIDE * SIDE {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 31 == 1 {
            alive.insert((cell / SIDE, cell % SIDE));
        }
    }
    for _ in 0..GENERATIONS {
        alive = next_generation(&alive);
    }
    i32::try_from(alive.len()).unwrap_or(i32::MAX)
}

fn next_generation(alive: &BTreeSet<(usize, usize)>) -> BTreeSet<(usize, usize)> {
    let mut neighbours = BTreeMap::new();
    for &(row, column) in alive {
        for down in [SIDE - 1, 0, 1] {
            for right in [SIDE - 1, 0, 1] {
                if (down, right) != (0, 0) {
                    *neighbours.entry(((row + down) % SIDE, (column + right) % SIDE)).or_insert(0) += 1;
                }
            }
        }
    }
    let lives = |&(cell, count): &((usize, usize), u32)| count == 3 || (count == 2 && alive.contains(&cell));
    neighbours.into_iter().filter(lives).map(|(cell, _)| cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_three_turns() {
        let row = BTreeSet::from([(5, 4), (5, 5), (5, 6)]);
        let column = BTreeSet::from([(4, 5), (5, 5), (6, 5)]);
        assert_eq!(next_generation(&row), column);
        assert_eq!(next_generation(&column), row);
    }

    #[test]
    fn boards_differ_by_their_seed_and_live_on() {
        assert_ne!(expected(1), expected(2));
        assert!(expected(1) > 0);
    }
}
