//! The stand-ins for C's mathematical functions beside those of the standard library.

#[path = "fix_support/random.rs"]
mod random;

use memgrove_lab::engine::{self, Host, Instance, Settings, Value};
use memgrove_lab::verify::ENGINES;
use memgrove_rewrite::{Options, fix};
use random::Random;

/// A function, the standard library's, and how far apart they may be.
struct Case {
    name: &'static str,
    of: fn(f64, f64) -> f64,
    has_two: bool,
    /// In units in the last place, for arguments between 2^-LARGE and 2^LARGE in size. Of 40,000 of them against glibc's
    /// functions the worst was at most two thirds of it, one unit less for those of two to four.
    bound_ulps: u64,
}

const fn one(name: &'static str, of: fn(f64, f64) -> f64, bound_ulps: u64) -> Case {
    Case { name, of, has_two: false, bound_ulps }
}

const CASES: [Case; 15] = [
    one("round", |x, _| x.round(), 0),
    one("exp", |x, _| x.exp(), 2),
    one("exp2", |x, _| x.exp2(), 2),
    one("log", |x, _| x.ln(), 2),
    one("log2", |x, _| x.log2(), 2),
    one("log10", |x, _| x.log10(), 3),
    one("sin", |x, _| x.sin(), 3),
    one("cos", |x, _| x.cos(), 3),
    one("tan", |x, _| x.tan(), 4),
    one("atan", |x, _| x.atan(), 6),
    one("asin", |x, _| x.asin(), 8),
    one("acos", |x, _| x.acos(), 8),
    Case { name: "pow", of: f64::powf, has_two: true, bound_ulps: 16 },
    Case { name: "atan2", of: f64::atan2, has_two: true, bound_ulps: 8 },
    Case { name: "fmod", of: |x, y| x % y, has_two: true, bound_ulps: 0 },
];

/// Arguments are of ordinary size up to this power of two: beyond it sin, cos and tan reduce them less exactly.
const LARGE: u64 = 20;

/// A number of either sign with an exponent of the same probability each.
fn ordinary(random: &mut Random) -> f64 {
    let fraction = random.next() >> 12;
    let biased = 1023 - LARGE + random.next() % (2 * LARGE);
    f64::from_bits((random.next() << 63) | (biased << 52) | fraction)
}

/// How many doubles lie between two numbers; none where both are no number.
fn apart_ulps(a: f64, b: f64) -> u64 {
    let order = |x: f64| {
        let bits = x.to_bits().cast_signed();
        if bits < 0 { i64::MIN - bits } else { bits }
    };
    match (a.is_nan(), b.is_nan()) {
        (true, true) => 0,
        (false, false) => order(a).abs_diff(order(b)),
        _ => u64::MAX,
    }
}

fn call(instance: &mut dyn Instance, case: &Case, x: f64, y: f64) -> f64 {
    let mut arguments = vec![Value::F64(x.to_bits())];
    arguments.extend(case.has_two.then(|| Value::F64(y.to_bits())));
    let outcome = instance.call(case.name, &arguments).expect("it does not trap");
    let Some(Value::F64(bits)) = outcome.values.first() else {
        panic!("{}: {:?}", case.name, outcome.values)
    };
    f64::from_bits(*bits)
}

#[test]
fn the_mathematical_functions_are_close_to_the_standard_librarys() {
    const SPECIAL: [f64; 13] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        2.0,
        3.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        1e300,
    ];
    for id in ENGINES {
        let engine = engine::open(id, &Settings::default()).expect("a linked engine");
        for case in &CASES {
            let params = if case.has_two { "f64 f64" } else { "f64" };
            let text = format!(
                r#"(module (import "env" "{0}" (func $f (param {params}) (result f64))) (export "{0}" (func $f)))"#,
                case.name
            );
            let wasm = wat::parse_str(text).expect("the test's text is well-formed");
            let fixed = fix(&wasm, &Options::default()).expect("it can be fixed");
            assert!(fixed.plan.is_complete(), "{}", case.name);
            let module = engine.compile(&fixed.wasm).expect("it compiles");
            let mut instance = module.instantiate(&Host::new()).expect("it instantiates");
            let mut random = Random(9);
            let mut worst = (0, 0.0, 0.0);
            for _ in 0..3000 {
                let mut x = ordinary(&mut random);
                if matches!(case.name, "asin" | "acos") {
                    x %= 1.0;
                }
                let y = ordinary(&mut random);
                let (found, expected) = (call(instance.as_mut(), case, x, y), (case.of)(x, y));
                worst = [worst, (apart_ulps(found, expected), x, y)]
                    .into_iter()
                    .max_by_key(|(apart, ..)| *apart)
                    .expect("one of two");
            }
            assert!(worst.0 <= case.bound_ulps, "{id} {}: {worst:?}", case.name);
            for x in SPECIAL {
                for y in SPECIAL {
                    let is_beyond = matches!(case.name, "sin" | "cos" | "tan") && x.abs() == 1e300;
                    let (found, expected) = (call(instance.as_mut(), case, x, y), (case.of)(x, y));
                    assert!(
                        is_beyond || apart_ulps(found, expected) <= case.bound_ulps,
                        "{id} {}({x:e}, {y:e}): {found:e}, not {expected:e}",
                        case.name
                    );
                }
            }
        }
    }
}
