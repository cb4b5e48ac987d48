//! Accesses of every width, in every form of a checked module.

use memgrove_lab::engine::{self, EngineId, Host, Settings, Value};
use memgrove_profile::MisuseKind::{self, Overflow};
use memgrove_rewrite::check::Options;

use crate::trace_support::{ENGINES, start_with};
use crate::{C, MEMORY, checked, misuses, module, options};

/// What accesses lead to whose address is in local 0, a block of 21 bytes, each with the first byte that is misuse: in a
/// loop, where it is tested in line, and outside; with the address in a local, and computed; alone, and so often that
/// functions do it.
#[track_caller]
fn expect_of_block(engines: &[EngineId], cases: &[(&str, Option<u32>)]) {
    expect_of_block_in(module, engines, cases);
}

/// The same of modules that are made so.
#[track_caller]
pub(crate) fn expect_of_block_in(
    module: impl Fn(&str, &str) -> Vec<u8>,
    engines: &[EngineId],
    cases: &[(&str, Option<u32>)],
) {
    let mut exports = String::new();
    let mut export = |name: String, code: &str| {
        exports.push_str(&format!(
            r#"(func (export "{name}") (local i32 i32) (local.set 0 (call $malloc (i32.const 21))) {code})"#
        ));
    };
    for (number, (code, _)) in cases.iter().enumerate() {
        let computed = code.replace("(local.get 0)", "(i32.add (local.get 0) (local.get 1))");
        export(format!("plain {number}"), code);
        export(format!("computed {number}"), &computed);
        export(format!("loop {number}"), &format!("(loop {code})"));
        export(format!("computed loop {number}"), &format!("(loop {computed})"));
    }
    let alone = module(MEMORY, &exports);
    for (code, _) in cases {
        exports.push_str(&format!("(func (param i32 i32) {})", code.repeat(30)));
    }
    for original in [alone, module(MEMORY, &exports)] {
        for (in_line, sites) in [(true, true), (false, true), (false, false)] {
            let wasm = checked(&original, &Options { in_line, sites, ..options(C) });
            for engine in engines {
                let compiled = engine::open(*engine, &Settings::default()).expect("the engine is linked in");
                let compiled = compiled.compile(&wasm).expect("it compiles");
                for (number, (code, bad)) in cases.iter().enumerate() {
                    for way in ["plain", "computed", "loop", "computed loop"] {
                        let mut instance = compiled.instantiate(&Host::new()).expect("it instantiates");
                        instance.call(&format!("{way} {number}"), &[]).expect("it runs");
                        let found: Vec<(MisuseKind, u32)> =
                            misuses(&mut *instance).iter().map(|one| (one.kind, one.into_access)).collect();
                        let expected: Vec<_> = bad.iter().map(|bad| (Overflow, *bad)).collect();
                        assert_eq!(found, expected, "{engine}, {way}, {in_line}, {sites}: {code}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_width_is_tested_to_the_byte() {
    // A block of 21 bytes: granules of 8, 8 and 5.
    let cases = [
        ("(drop (i32.load8_u offset=20 (local.get 0)))", None),
        ("(drop (i32.load8_u offset=21 (local.get 0)))", Some(0)),
        ("(i32.store16 offset=20 (local.get 0) (i32.const 1))", Some(1)),
        ("(i32.store offset=16 (local.get 0) (i32.const 1))", None),
        ("(i32.store offset=20 (local.get 0) (i32.const 1))", Some(1)),
        ("(i64.store offset=16 (local.get 0) (i64.const 1))", Some(5)),
        ("(f64.store offset=16 (local.get 0) (f64.const 1))", Some(5)),
        ("(f32.store offset=20 (local.get 0) (f32.const 1))", Some(1)),
        // A word that is read aligned may go beyond the end, one that is not may not.
        ("(drop (i64.load offset=16 (local.get 0)))", None),
        ("(drop (i64.load offset=15 align=1 (local.get 0)))", Some(6)),
        ("(drop (i32.load offset=24 (local.get 0)))", Some(0)),
        ("(drop (i32.load offset=19 align=1 (local.get 0)))", Some(2)),
        // Across two granules.
        ("(i64.store offset=12 align=1 (local.get 0) (i64.const 1))", None),
        ("(i64.store offset=14 align=1 (local.get 0) (i64.const 1))", Some(7)),
        ("(memory.fill (local.get 0) (i32.const 0) (i32.const 21))", None),
        ("(memory.fill (local.get 0) (i32.const 0) (i32.const 22))", Some(21)),
        ("(memory.copy (i32.const 64) (local.get 0) (i32.const 22))", Some(21)),
        ("(memory.copy (local.get 0) (i32.const 64) (i32.const 22))", Some(21)),
        ("(memory.fill (local.get 0) (i32.const 0) (i32.const 0))", None),
    ];
    expect_of_block(&ENGINES, &cases);
}

/// Functions that do accesses load and store what the instructions did.
#[test]
fn accesses_mean_what_they_meant() {
    let loads = [
        ("i32", "load load8_s load8_u load16_s load16_u"),
        ("i64", "load load8_s load8_u load16_s load16_u load32_s load32_u"),
        ("f32", "load"),
        ("f64", "load"),
    ];
    let stores = [
        ("i32", "store store8 store16"),
        ("i64", "store store8 store16 store32"),
        ("f32", "store"),
        ("f64", "store"),
    ];
    let mut text = r#"(data (i32.const 64) "\f0\80\81\92\a3\b4\c5\e6\07")"#.to_owned();
    let mut names = Vec::new();
    for (ty, loads) in loads {
        for load in loads.split(' ') {
            let name = format!("{ty}.{load}");
            let code = format!("({name} offset=1 (local.get 0))");
            text.push_str(&format!(r#"(func (export "{name}") (param i32) (result {ty}) {code})"#));
            text.push_str(&format!("(func (param i32) {})", format!("(drop {code})").repeat(10)));
            names.push(name);
        }
    }
    for (ty, stores) in stores {
        for store in stores.split(' ') {
            let name = format!("{ty}.{store}");
            let code = format!("({name} offset=1 (local.get 0) ({ty}.const -2))");
            text.push_str(&format!(
                r#"(func (export "{name}") (param i32) (result i64) {code} (i64.load offset=1 (local.get 0)))"#
            ));
            text.push_str(&format!("(func (param i32) {})", code.repeat(10)));
            names.push(name);
        }
    }
    let original = module(MEMORY, &text);
    for sites in [true, false] {
        let checked = checked(&original, &Options { sites, ..options(C) });
        for engine in ENGINES {
            let results = |wasm: &[u8]| {
                let mut instance = start_with(engine, wasm, &Host::new());
                let run = |name: &String| instance.call(name, &[Value::I32(64)]).expect("it runs").values;
                names.iter().map(run).collect::<Vec<_>>()
            };
            assert_eq!(results(&original), results(&checked), "{engine}, sites: {sites}");
        }
    }
}

#[test]
fn vectors_lanes_and_atomics_are_tested() {
    let cases = [
        ("(v128.store offset=16 (local.get 0) (v128.const i64x2 0 0))", Some(5)),
        ("(v128.store (local.get 0) (v128.const i64x2 0 0))", None),
        ("(drop (v128.load offset=16 (local.get 0)))", None),
        ("(drop (v128.load offset=8 align=1 (local.get 0)))", Some(13)),
        ("(drop (v128.load32_splat offset=24 (local.get 0)))", Some(0)),
        ("(drop (v128.load64_lane offset=24 1 (local.get 0) (v128.const i64x2 0 0)))", Some(0)),
        ("(v128.store8_lane offset=21 3 (local.get 0) (v128.const i64x2 0 0))", Some(0)),
        ("(drop (i32.atomic.rmw.add offset=20 (local.get 0) (i32.const 1)))", Some(1)),
        ("(drop (i32.atomic.rmw.cmpxchg offset=16 (local.get 0) (i32.const 1) (i32.const 2)))", None),
        ("(drop (i64.atomic.rmw.cmpxchg offset=16 (local.get 0) (i64.const 1) (i64.const 2)))", Some(5)),
        ("(i32.atomic.store8 offset=21 (local.get 0) (i32.const 1))", Some(0)),
    ];
    expect_of_block(&[EngineId::Wasmtime], &cases);
}
