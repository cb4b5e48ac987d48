//! What is lowered needs none of the proposals any more, and does the same on two engines.

use arbitrary::Unstructured;
use memgrove_lab::engine::{self, EngineError, Host, Instance, Memory, Settings, Value};
use memgrove_lab::verify::{ENGINES, Outcome, verify_within};
use memgrove_rewrite::{LOWERABLE, Options, fix};
use wasm_smith::{Config, Module};
use wasmparser::{Validator, WasmFeatures};

#[path = "fix_support/random.rs"]
mod random;
#[path = "fix_support/mod.rs"]
mod support;
use random::bytes;
use support::say;

/// Instructions a random function may execute.
const FUEL: u64 = 100_000;

fn options() -> Options {
    Options { lower: LOWERABLE.to_vec(), ..Options::default() }
}

/// The first version, which has nothing of what can be lowered.
fn without() -> WasmFeatures {
    WasmFeatures::WASM1
}

fn lowered(wasm: &[u8]) -> Vec<u8> {
    let fixed = fix(wasm, &options()).expect("it can be lowered");
    assert!(!fixed.plan.changes.is_empty());
    Validator::new_with_features(without())
        .validate_all(&fixed.wasm)
        .unwrap_or_else(|error| panic!("{error}: {:#?}", fixed.plan.changes));
    let again = fix(&fixed.wasm, &options()).expect("it can be read");
    assert_eq!(again.wasm, fixed.wasm, "lowering twice changes nothing more");
    fixed.wasm
}

/// A module and what it is lowered to, on both engines.
struct Four(Vec<(String, Box<dyn Instance>)>);

impl Four {
    fn new(wasm: &[u8]) -> Self {
        let lowered = lowered(wasm);
        let mut instances = Vec::new();
        for (what, wasm) in [("original", wasm), ("lowered", &lowered)] {
            for id in ENGINES {
                let engine = engine::open(id, &Settings::default()).expect("a linked engine");
                let module = engine.compile(wasm).expect("it compiles");
                let instance = module.instantiate(&Host::new()).expect("it instantiates");
                instances.push((format!("{what} on {id}"), instance));
            }
        }
        Self(instances)
    }

    /// What all four return, by its bits; `Err`: all trap, for the same reason.
    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<String, String> {
        let answers: Vec<_> = self
            .0
            .iter_mut()
            .map(|(_, instance)| match instance.call(name, arguments) {
                Ok(outcome) => Ok(format!("{:?}", outcome.values)),
                Err(EngineError::Trap { reason, .. }) => Err(format!("{reason:?}")),
                Err(error) => panic!("{name}: {error}"),
            })
            .collect();
        for ((who, _), answer) in self.0.iter().zip(&answers) {
            assert_eq!(answer, &answers[0], "{name} {arguments:?}: {who}");
        }
        answers[0].clone()
    }

    /// The memories are the same.
    fn same_memory(&mut self) -> Vec<u8> {
        let contents: Vec<Vec<u8>> = self
            .0
            .iter_mut()
            .map(|(_, instance)| {
                let bytes = instance.memory_bytes(Memory::Main).expect("a memory");
                instance.read(Memory::Main, 0, bytes).expect("inside")
            })
            .collect();
        for ((who, _), bytes) in self.0.iter().zip(&contents) {
            assert!(bytes == &contents[0], "{who} has another memory");
        }
        contents[0].clone()
    }
}

#[test]
fn bulk_memory_keeps_its_bounds_and_overlaps() {
    let mut four = Four::new(
        &wat::parse_str(
            r#"(module (memory (export "memory") 1)
              (data (i32.const 0) "abcdefghijklmnopqrstuvwxyz0123456789")
              (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
              (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2))))"#,
        )
        .expect("well-formed"),
    );
    let end = 0x10000;
    let (mut returned, mut trapped) = (0, 0);
    // Distances around a word and lengths around several, in both directions, at the end of memory, beyond it, and beyond 32 bits.
    let ends = [0, 1, 7, 8, 9, 16, end - 9, end - 8, end - 1, end, end + 1, u32::MAX - 7, u32::MAX];
    for to in ends {
        for from in ends {
            for count in [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, end, u32::MAX] {
                let arguments = [to, from, count].map(Value::u32);
                *(if four.call("copy", &arguments).is_ok() { &mut returned } else { &mut trapped }) += 1;
            }
        }
        four.same_memory();
        for byte in [0, 0x5a, 0xff, 0x1234_56a5] {
            for count in [0, 1, 7, 8, 9, 23, end, u32::MAX] {
                let arguments = [to, byte, count].map(Value::u32);
                *(if four.call("fill", &arguments).is_ok() { &mut returned } else { &mut trapped }) += 1;
            }
        }
        four.same_memory();
        four.call("copy", &[Value::u32(0), Value::u32(64), Value::u32(64)]).expect("inside");
    }
    assert!(returned > 500 && trapped > 500, "{returned} returned, {trapped} trapped");
    assert_eq!(four.call("copy", &[end, 0, 1].map(Value::u32)), Err("MemoryOutOfBounds".to_owned()));
}

#[test]
fn numbers_are_converted_and_extended_alike() {
    let mut text = "(module (memory 0)".to_owned();
    let mut names = Vec::new();
    for to in ["i32", "i64"] {
        for from in ["f32", "f64"] {
            for sign in ["s", "u"] {
                let name = format!("{to}.trunc_sat_{from}_{sign}");
                text += &format!(
                    r#"(func (export "{name}") (param {from}) (result {to}) ({name} (local.get 0)))"#
                );
                names.push((name, from));
            }
        }
        for bits in [8, 16, 32].into_iter().filter(|bits| to == "i64" || *bits < 32) {
            let name = format!("{to}.extend{bits}_s");
            text += &format!(r#"(func (export "{name}") (param {to}) (result {to}) ({name} (local.get 0)))"#);
            names.push((name, to));
        }
    }
    let mut four = Four::new(&wat::parse_str(text + ")").expect("well-formed"));
    let mut bounds =
        vec![0.0, 0.5, 0.999_999_999, 1.0, 1.5, f64::INFINITY, f64::NAN, f64::MIN_POSITIVE, f64::MAX];
    for power in [7, 8, 15, 16, 24, 31, 32, 53, 63, 64] {
        let bound = 2.0_f64.powi(power);
        bounds.extend([
            bound,
            bound - 0.5,
            bound - 1.0,
            bound + 0.5,
            bound + 1.0,
            bound.next_down(),
            bound.next_up(),
        ]);
        // A power of two is one in either width.
        let narrow = 2.0_f32.powi(power);
        bounds.extend([f64::from(narrow.next_down()), f64::from(narrow.next_up())]);
    }
    let mut seen = std::collections::HashSet::new();
    for bound in bounds.iter().flat_map(|&bound| [bound, -bound]) {
        for (name, ty) in &names {
            #[expect(clippy::cast_possible_truncation, reason = "bits to be extended")]
            let value = match *ty {
                "f32" => Value::F32((bound as f32).to_bits()),
                "f64" => Value::F64(bound.to_bits()),
                "i32" => Value::I32(bound as i64 as i32),
                _ => Value::I64(bound as i64),
            };
            seen.insert((name.clone(), four.call(name, &[value]).expect("no conversion traps")));
        }
    }
    assert!(seen.len() > 250, "only {} different results", seen.len());
}

/// Values between blocks and functions in every way in which they travel.
const SEVERAL: &str = r#"(module
  (type $pair (func (param i32) (result i32 i64)))
  (table 2 2 funcref) (elem (i32.const 0) $swap $twice)
  (func $swap (type $pair) (local.get 0) (i64.extend_i32_s (local.get 0)))
  (func $twice (type $pair)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 7) (i64.const 9))))
    (i32.sub (local.get 0) (i32.const 1)) (call $swap)
    (br_if 0 (i32.gt_u (local.get 0) (i32.const 5)))
    (i64.const 3) (i64.mul))
  (func (export "indirect") (param i32 i32) (result i64)
    (call_indirect (type $pair) (local.get 0) (local.get 1)) (drop) (i64.extend_i32_u))
  (func (export "second") (param i32) (result i64) (call $twice (local.get 0)) (local.set 0 (i32.const 0)) (i64.add (i64.const 1)) (return))
  (func (export "loop") (param i32) (result i32)
    (i32.const 1) (local.get 0)
    (loop (param i32 i32) (result i32)
      (local.set 0) (i32.mul (i32.const 3)) (local.get 0)
      (i32.sub (i32.const 1)) (local.tee 0) (local.get 0)
      (br_if 0) (drop)))
  (func (export "choose") (param i32) (result i32)
    (local.get 0) (i32.const 10)
    (local.get 0)
    (if (param i32 i32) (result i32 i32) (then (drop) (i32.const 3)) (else (i32.add) (i32.const 4)))
    (i32.sub)
    (local.get 0) (if (param i32) (result i32) (then (i32.const 100) (i32.mul)))
    (local.get 0) (if (param i32) (then (drop) (return (i32.const -1))) (else (drop)))
    (i32.const 5))
  (func (export "table") (param i32) (result i32)
    (block (result i32)
      (block (result i32)
        (i32.const 40)
        (loop (param i32) (result i32)
          (block (param i32) (result i32 i32)
            (i32.add (i32.const 1)) (local.get 0)
            (local.set 0 (i32.add (local.get 0) (i32.const 1)))
            (br_table 1 2 3 4 3))
          (i32.add)))
      (i32.add (i32.const 1000)))
    (i32.add (i32.const 2000))))"#;

#[test]
fn several_values_at_once_travel_alike() {
    let mut four = Four::new(&wat::parse_str(SEVERAL).expect("well-formed"));
    let mut traps = 0;
    for number in [0, 1, 2, 3, 4, 5, 6, 7, 100] {
        for name in ["second", "loop", "choose", "table"] {
            // A loop that counts down from 0 takes its time.
            if (name, number) != ("loop", 0) {
                four.call(name, &[Value::I32(number)]).expect("it returns");
            }
        }
        for at in 0..3 {
            traps += u32::from(four.call("indirect", &[Value::I32(number), Value::I32(at)]).is_err());
        }
    }
    assert_eq!(traps, 9, "only the third entry is none");
}

/// A random module of what can be lowered.
fn module(seed: u64) -> Option<Vec<u8>> {
    // What is exported has one result, so that functions of several stay inside.
    let exports = r#"(module
        (func (export "a") (param i32 f32) (result i32) i32.const 0)
        (func (export "b") (param f64 i64) (result i64) i64.const 0)
        (func (export "c") (param i32 i32 i32))
        (memory (export "memory") 1 2))"#;
    let config = Config {
        exports: Some(wat::parse_str(exports).expect("well-formed")),
        bulk_memory_enabled: true,
        sign_extension_ops_enabled: true,
        saturating_float_to_int_enabled: true,
        multi_value_enabled: true,
        reference_types_enabled: false,
        simd_enabled: false,
        relaxed_simd_enabled: false,
        tail_call_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        memory64_enabled: false,
        extended_const_enabled: false,
        shared_everything_threads_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        compact_imports_enabled: false,
        max_memories: 1,
        max_imports: 0,
        max_tables: 1,
        max_memory32_bytes: 2 * 65536,
        memory_max_size_required: true,
        memory_offset_choices: wasm_smith::MemoryOffsetChoices(90, 9, 1),
        max_data_segments: 4,
        max_instructions: 200,
        canonicalize_nans: true,
        ..Config::default()
    };
    let module = Module::new(config, &mut Unstructured::new(&bytes(seed, 4096))).ok()?;
    Some(module.to_bytes())
}

/// How many of these random modules changed, and in how many of them both ran and agreed.
fn compare(seeds: std::ops::Range<u64>) -> (usize, usize, usize) {
    let (mut changed, mut agreed, mut plain) = (0, 0, 0);
    for seed in seeds {
        let Some(wasm) = module(seed) else { continue };
        let fixed = fix(&wasm, &options()).expect("a valid module can be lowered");
        if fixed.wasm == wasm {
            continue;
        }
        changed += 1;
        plain += usize::from(Validator::new_with_features(without()).validate_all(&fixed.wasm).is_ok());
        let verification = verify_within(&wasm, &fixed.wasm, &fixed.plan, FUEL).expect("both are valid");
        let failures: Vec<_> = verification.failures().collect();
        assert!(failures.is_empty(), "seed {seed}: {failures:#?}");
        let ran = verification.evidence.iter().any(|evidence| evidence.calls_returned > 0);
        let passed = verification.checks.iter().any(|check| matches!(check.outcome, Outcome::Passed(_)));
        agreed += usize::from(ran && passed);
    }
    (changed, agreed, plain)
}

#[test]
fn random_modules_do_the_same_when_lowered() {
    let (changed, agreed, plain) = compare(0..36);
    say(&format!("{changed} changed, {agreed} ran and agreed, {plain} need none of the proposals"));
    assert!(changed > 30 && agreed > 20 && plain > 2, "{changed} changed, {agreed} agreed, {plain} plain");
}

/// wasmi gives up on this module, as it is and lowered; that is no difference of the two.
#[test]
fn what_an_engine_cannot_do_is_no_difference() {
    let path = support::root().join("tests/cases/engine/wasmi-panics.wasm");
    let wasm = std::fs::read(path).expect("a module");
    let fixed = fix(&wasm, &options()).expect("a valid module can be lowered");
    let verification = verify_within(&wasm, &fixed.wasm, &fixed.plan, FUEL).expect("both are valid");
    let failures: Vec<_> = verification.failures().collect();
    assert!(failures.is_empty(), "{failures:#?}");
    // Otherwise wasmi has been mended, and another module has to show this.
    let said = format!("{verification:?}");
    assert!(said.contains("the engine itself failed"), "{said}");
}

#[test]
#[ignore = "minutes"]
fn many_random_modules_do_the_same_when_lowered() {
    let (changed, agreed, plain) = compare(1000..3000);
    say(&format!("{changed} changed, {agreed} ran and agreed, {plain} need none of the proposals"));
    assert!(agreed > 1000, "{agreed}");
}
