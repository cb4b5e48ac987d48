//! The cases of `tests/cases` that `fix` makes run anywhere: fixed, verified, and asked for what is right on each engine.

mod fix_support;

use std::fs;

use memgrove_lab::engine::{self, Host, Instance, Settings, Value};
use memgrove_lab::verify::{ENGINES, Verdict, verify};
use memgrove_rewrite::{Allocator, Options, fix};

fn case(name: &str) -> Vec<u8> {
    let path = fix_support::root().join("tests/cases").join(name);
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if name.ends_with(".wat") { wat::parse_bytes(&bytes).expect("well-formed").into_owned() } else { bytes }
}

/// Fixes a case, verifies it, and asks the result on each engine, with nothing to import.
fn fixed(name: &str, options: &Options, mut ask: impl FnMut(&mut dyn Instance)) -> Verdict {
    let wasm = case(name);
    let fixed = fix(&wasm, options).expect("it can be fixed");
    let verification = verify(&wasm, &fixed.wasm, &fixed.plan).expect("both are valid");
    for id in ENGINES {
        let engine = engine::open(id, &Settings::default()).expect("a linked engine");
        let module = engine.compile(&fixed.wasm).unwrap_or_else(|error| panic!("{name} on {id}: {error}"));
        let instance = module.instantiate(&Host::new());
        ask(instance.unwrap_or_else(|error| panic!("{name} on {id}: {error}")).as_mut());
    }
    verification.verdict
}

fn call(instance: &mut dyn Instance, name: &str, arguments: &[Value]) -> Vec<Value> {
    instance.call(name, arguments).unwrap_or_else(|error| panic!("{name}: {error}")).values
}

fn is_verified(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Verified | Verdict::VerifiedInPart)
}

#[test]
fn older_calendars_are_utc() {
    let verdict = fixed("calendar/tz.wat", &Options::default(), |instance| {
        // The time at 64 is the first second but a few hours of 2024; a year of C counts from 1900.
        let time = 0x65b0_7800;
        assert_eq!(call(instance, "year", &[]), [Value::I32(124)]);
        assert_eq!(call(instance, "gyear", &[]), [Value::I32(124)]);
        assert_eq!(call(instance, "mk", &[]), [Value::I32(time)]);
        assert_eq!(call(instance, "tg", &[]), [Value::I32(time)]);
        call(instance, "zone", &[]);
    });
    assert!(is_verified(verdict), "{verdict:?}");
}

#[test]
fn a_command_that_ends_normally_returns() {
    let verdict = fixed("exit/exit.wat", &Options::default(), |instance| {
        assert_eq!(instance.global("memgrove_exit_code").expect("exported"), Value::I32(-1));
        call(instance, "_start", &[]);
        assert_eq!(instance.global("memgrove_exit_code").expect("exported"), Value::I32(0));
        assert_eq!(call(instance, "result", &[]), [Value::I32(123)]);
    });
    assert_eq!(verdict, Verdict::Verified);
}

#[test]
fn a_library_of_tinygo_has_a_clock_and_does_not_sleep() {
    let verdict = fixed("tinygo/wasm.wat", &Options::default(), |instance| {
        for name in ["_start", "sleep", "fin"] {
            call(instance, name, &[]);
        }
        assert_eq!(call(instance, "multiply", &[Value::I32(6), Value::I32(7)]), [Value::I32(42)]);
    });
    assert!(is_verified(verdict), "{verdict:?}");
}

#[test]
fn undefined_functions_of_c_are_cs() {
    let options = Options { allocator: Some(Allocator::Wee), ..Options::default() };
    let verdict = fixed("freestanding/app.wasm", &options, |instance| {
        for length in [4, 100, 70_000] {
            let found = call(instance, "work", &[Value::I32(length)]);
            assert_eq!(found, [Value::I32(length - 1)], "the length of a string of so many bytes");
        }
    });
    assert_eq!(verdict, Verdict::Verified);
    // Without a heap of ours its two functions stay, and nothing else does.
    let plan = fix(&case("freestanding/app.wasm"), &Options::default()).expect("a plan").plan;
    let stays: Vec<&str> = plan.remaining().map(|import| import.name.as_str()).collect();
    assert_eq!(stays, ["malloc", "free"]);
}

#[test]
fn what_assemblyscript_asks_of_javascript() {
    let verdict = fixed("assemblyscript/now.wasm", &Options::default(), |instance| {
        let at = |instance: &mut dyn Instance| match call(instance, "today", &[])[..] {
            [Value::I64(time)] => time,
            ref other => panic!("{other:?}"),
        };
        let (first, second) = (at(instance), at(instance));
        assert!(second > first, "a clock, {first} and {second}");
    });
    assert_eq!(verdict, Verdict::Verified);
    let verdict = fixed("assemblyscript/console.wasm", &Options::default(), |instance| {
        call(instance, "hi", &[]);
        let Value::F64(random) = call(instance, "mr", &[])[0] else { panic!("a number") };
        assert!((0.0..1.0).contains(&f64::from_bits(random)), "{random}");
        assert!(instance.call("quit", &[]).is_err(), "it ends the program");
        assert_eq!(instance.global("memgrove_exit_code").expect("exported"), Value::I32(2));
    });
    assert_eq!(verdict, Verdict::Verified);
}
