//! What a function's filter of numbers says, against the function read again.

use std::path::Path;

use memgrove_module::facts::{Facts, Numbers, facts};
use wasmparser::Operator;

fn may_name(facts: &Facts<'_>, func: u32, wanted: Numbers) -> bool {
    facts.function(func).is_some_and(|function| function.numbers.may_meet(wanted))
}

fn number(value: u64) -> Numbers {
    Numbers::of_range(&(value..=value))
}

/// Each constant and global of a module passes its function's filter; returns how many there were.
fn check(bytes: &[u8]) -> usize {
    let facts = facts(bytes).unwrap();
    let mut checked = 0;
    for func in facts.imported_func_count()..facts.func_count() {
        let mut operators = facts.operators(func).unwrap();
        while !operators.eof() {
            let wanted = match operators.read().unwrap() {
                Operator::I32Const { value } => number(u64::from(value.cast_unsigned())),
                Operator::I64Const { value } => number(value.cast_unsigned()),
                Operator::I32Load { memarg }
                | Operator::I64Store { memarg }
                | Operator::F64Load { memarg }
                | Operator::I32Store8 { memarg } => number(memarg.offset),
                Operator::GlobalGet { global_index } | Operator::GlobalSet { global_index } => {
                    Numbers::of_global(global_index)
                }
                _ => continue,
            };
            assert!(may_name(&facts, func, wanted), "function {func}, {wanted:?}");
            checked += 1;
        }
    }
    checked
}

#[test]
fn no_number_of_a_real_module_is_missed() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/prebuilt");
    let files = std::fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path());
    let modules = files.filter(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    let checked: usize = modules.map(|path| check(&std::fs::read(path).unwrap())).sum();
    assert!(checked > 1000, "{checked}");
}

#[test]
fn each_kind_of_number_is_noted_for_its_own_function() {
    let wasm = wat::parse_str(
        "(module (memory 2) (global $g (mut i32) (i32.const 0))
            (func i32.const 70000 drop)
            (func i64.const 90000 drop)
            (func (drop (f32.load offset=110000 (i32.const 0))))
            (func (global.set $g (i32.const 1)))
            (func (drop (i64.load32_u offset=130000 (i32.const 0)))))",
    )
    .unwrap();
    let facts = facts(&wasm).unwrap();
    let wanted = [number(70_000), number(90_000), number(110_000), Numbers::of_global(0), number(130_000)];
    for (func, wanted) in (0..).zip(wanted) {
        let holders: Vec<u32> = (0..5).filter(|&other| may_name(&facts, other, wanted)).collect();
        assert_eq!(holders, [func]);
    }
}
