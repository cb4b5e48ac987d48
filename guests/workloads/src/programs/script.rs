use rhai::{Engine, INT, Scope};

use super::wrong;
use crate::Load;

const SCRIPT: &str = r#"
    fn fib(n) { if n < 2 { n } else { fib(n - 1) + fib(n - 2) } }
    let table = #{};
    let list = [];
    for i in 0..rounds {
        let key = "key" + ((i * 7919 + seed) % 97);
        if !(key in table) { table[key] = []; }
        table[key].push(i);
        list.push(key + ":" + i);
    }
    list.sort();
    let doubled = list.filter(|s| s.len() > 6).map(|s| s + s);
    let total = fib(11);
    for key in table.keys() { total += table[key].len() * key.len(); }
    for s in doubled { total = (total * 31 + s.len()) % 1000003; }
    total
"#;

/// Compiles and runs a script: values shared by count, maps, closures, many short strings.
pub fn run(load: &Load) -> u64 {
    // Fixed, so that hash tables are the same in every build. Only the first call counts, and all say the same.
    let _ = rhai::config::hashing::set_hashing_seed(Some([11, 22, 33, 44]));
    let mut sum = 0u64;
    let mut engine = Engine::new();
    // The defaults are lower in a build with debug assertions.
    engine.set_max_call_levels(32).set_max_expr_depths(64, 64);
    for round in 0..load.times(1) {
        let mut scope = Scope::new();
        scope.push("rounds", 300 as INT).push("seed", INT::from(load.seed % 1000) + round as INT);
        match engine.eval_with_scope::<INT>(&mut scope, SCRIPT) {
            Ok(total) => sum = sum.rotate_left(9) ^ total as u64,
            Err(_) => wrong(),
        }
    }
    sum
}
