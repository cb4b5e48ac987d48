//! C's strings and characters, older calendars, programs that end and waits for nobody: executed, on two engines and, where
//! a host can keep the original contract, beside the original.

#[path = "fix_support/trio.rs"]
mod trio;

use memgrove_lab::engine::{self, Host, Memory, Settings, Value};
use memgrove_lab::verify::ENGINES;
use memgrove_rewrite::{Options, fix};
use trio::Trio;

/// A module that imports functions from `env` and exports them.
fn importing(functions: &[(&str, &str)]) -> String {
    let import = |(name, ty): &(&str, &str)| {
        let (params, result) = ty.split_once("->").expect("an arrow");
        let result = if result.trim().is_empty() { String::new() } else { format!("(result {result})") };
        format!(
            r#"(import "env" "{name}" (func ${name} (param {params}) {result})) (export "{name}" (func ${name}))"#
        )
    };
    // Imports come before everything else.
    let (imports, exports): (Vec<String>, Vec<String>) = functions
        .iter()
        .map(import)
        .map(|both| {
            let at = both.find("(export").expect("there is one");
            (both[..at].to_owned(), both[at..].to_owned())
        })
        .unzip();
    format!("(module {} (import \"env\" \"memory\" (memory 1)) {})", imports.concat(), exports.concat())
}

#[test]
fn more_strings_as_c_has_them() {
    const TWO: &str = "i32 i32 -> i32";
    const THREE: &str = "i32 i32 i32 -> i32";
    let two =
        ["strnlen", "stpcpy", "strstr", "strspn", "strcspn", "strpbrk", "strcasecmp"].map(|name| (name, TWO));
    let three = ["strncat", "strncasecmp", "bcmp"].map(|name| (name, THREE));
    let others =
        [("atoi", "i32 -> i32"), ("bzero", "i32 i32 ->"), ("__wbindgen_memory_discard", "i32 i32 ->")];
    let all: Vec<_> = two.into_iter().chain(three).chain(others).collect();
    let mut trio = Trio::new(&importing(&all));
    trio.write(100, b"banana split\0");
    trio.write(200, b"an\0BANANAS\0\0 \t\x0b-0120x\0+7\0-2147483648\0");
    assert_eq!([3, 6, 40].map(|most| trio.call("strnlen", &[103, most])), [3, 6, 9]);
    assert_eq!([200, 203, 211].map(|wanted| trio.call("strstr", &[100, wanted])), [101, 0, 100]);
    // Of "an": none of "banana split" at first, then five.
    assert_eq!((trio.call("strspn", &[100, 200]), trio.call("strspn", &[101, 200])), (0, 5));
    assert_eq!((trio.call("strcspn", &[100, 200]), trio.call("strcspn", &[106, 203])), (1, 6));
    assert_eq!((trio.call("strpbrk", &[100, 200]), trio.call("strpbrk", &[106, 203])), (101, 0));
    assert_eq!((trio.call("strncasecmp", &[100, 203, 6]), trio.call("strncasecmp", &[100, 203, 0])), (0, 0));
    assert!(trio.call("strcasecmp", &[100, 203]) < 0 && trio.call("strncasecmp", &[203, 100, 7]) > 0);
    assert_eq!((trio.call("bcmp", &[101, 103, 3]), trio.call("bcmp", &[101, 103, 4]) != 0), (0, true));
    assert_eq!([212, 222, 225, 200].map(|at| trio.call("atoi", &[at])), [-120, 7, i32::MIN, 0]);
    assert_eq!(trio.call("stpcpy", &[300, 100]), 312);
    trio.fill(&(320..330), 7);
    assert_eq!(trio.call("strncat", &[312, 203, 3]), 312);
    assert_eq!(trio.call("strncat", &[300, 200, 9]), 300);
    assert_eq!(trio.read(300, 18), b"banana splitBANan\0");
    trio.call("bzero", &[321, 3]);
    trio.call("__wbindgen_memory_discard", &[326, 2]);
    assert_eq!(trio.read(320, 10), b"\x07\0\0\0\x07\x07\0\0\x07\x07");
    assert_eq!(trio.try_call("bzero", &[65530, 100].map(Value::u32)), None);
}

#[test]
fn numbers_of_any_base_as_c_has_them() {
    const THREE: &str = "i32 i32 i32 -> i32";
    let mut trio = Trio::new(&importing(&[("strtol", THREE), ("strtoul", THREE)]));
    // Text, base, what is a signed and what an unsigned number, and how many characters they have.
    for (text, base, signed, unsigned, length) in [
        ("12", 10, 12, 12, 2),
        (" \t\x0b-12z", 10, -12, (-12_i32).cast_unsigned(), 6),
        ("+7", 0, 7, 7, 2),
        ("0755", 0, 0o755, 0o755, 4),
        ("0x1fG", 0, 0x1f, 0x1f, 4),
        ("-0XfF", 16, -255, (-255_i32).cast_unsigned(), 5),
        ("0x1f", 10, 0, 0, 1),
        // No digit behind the prefix: the 0 is the number.
        ("0xg", 0, 0, 0, 1),
        ("0xg", 16, 0, 0, 1),
        ("zZ", 36, 35 * 36 + 35, 35 * 36 + 35, 2),
        ("109", 2, 2, 2, 2),
        ("2147483647", 10, i32::MAX, 0x7fff_ffff, 10),
        ("2147483648", 10, i32::MAX, 0x8000_0000, 10),
        ("-2147483648", 10, i32::MIN, 0x8000_0000, 11),
        ("-2147483649", 10, i32::MIN, 0x7fff_ffff, 11),
        ("4294967295", 10, i32::MAX, u32::MAX, 10),
        ("4294967296", 10, i32::MAX, u32::MAX, 10),
        ("-4294967295", 10, i32::MIN, 1, 11),
        ("-4294967296", 10, i32::MIN, u32::MAX, 11),
        ("99999999999999999999999999999999999999", 10, i32::MAX, u32::MAX, 38),
        ("", 10, 0, 0, 0),
        (" - 1", 10, 0, 0, 0),
        ("x", 16, 0, 0, 0),
        // No bases.
        ("1", 1, 0, 0, 0),
        ("1", 37, 0, 0, 0),
        ("1", -10, 0, 0, 0),
    ] {
        let is_of = format!("{text:?} to base {base}");
        trio.write(100, text.as_bytes());
        trio.write(100 + u32::try_from(text.len()).unwrap(), b"\0");
        for (name, number) in [("strtol", signed), ("strtoul", unsigned.cast_signed())] {
            trio.fill(&(300..304), 7);
            assert_eq!(trio.call(name, &[100, 300, i32::cast_unsigned(base)]), number, "{name}: {is_of}");
            assert_eq!(trio.read(300, 4), u32::to_le_bytes(100 + length), "{name}: {is_of}");
            // Who does not ask for the end is not told.
            assert_eq!(trio.call(name, &[100, 0, i32::cast_unsigned(base)]), number, "{name}: {is_of}");
        }
    }
}

#[test]
fn strings_as_c_has_them() {
    const TWO: &str = "i32 i32 -> i32";
    const THREE: &str = "i32 i32 i32 -> i32";
    let mut trio = Trio::new(&importing(&[
        ("strlen", "i32 -> i32"),
        ("strcmp", TWO),
        ("strncmp", THREE),
        ("strchr", TWO),
        ("strrchr", TWO),
        ("strcpy", TWO),
        ("strncpy", THREE),
        ("strcat", TWO),
        ("memset", THREE),
        ("memcmp", THREE),
        ("memchr", THREE),
    ]));
    trio.write(100, b"banana\0");
    trio.write(200, b"band\xff\0");
    assert_eq!((trio.call("strlen", &[100]), trio.call("strlen", &[106])), (6, 0));
    assert!(trio.call("strcmp", &[100, 200]) < 0 && trio.call("strcmp", &[200, 100]) > 0);
    assert_eq!((trio.call("strcmp", &[100, 100]), trio.call("strncmp", &[100, 200, 3])), (0, 0));
    assert!(trio.call("strncmp", &[200, 100, 4]) > 0);
    assert_eq!(
        (trio.call("strchr", &[100, b'a'.into()]), trio.call("strrchr", &[100, b'a'.into()])),
        (101, 105)
    );
    assert_eq!((trio.call("strchr", &[100, b'x'.into()]), trio.call("strrchr", &[100, b'x'.into()])), (0, 0));
    assert_eq!((trio.call("strchr", &[100, 0]), trio.call("strrchr", &[100, 0])), (106, 106));
    // A character counts as a byte without sign.
    assert_eq!(trio.call("strchr", &[200, u32::MAX]), 204);
    assert_eq!(trio.call("strcpy", &[300, 100]), 300);
    assert_eq!(trio.call("strcat", &[300, 200]), 300);
    assert_eq!(trio.read(300, 12), b"bananaband\xff\0");
    trio.fill(&(400..410), 7);
    assert_eq!(trio.call("strncpy", &[400, 100, 3]), 400);
    assert_eq!(trio.call("strncpy", &[404, 104, 4]), 404);
    assert_eq!(trio.read(400, 9), b"ban\x07na\0\0\x07");
    assert_eq!(trio.call("memset", &[500, 0x1ff, 3]), 500);
    assert_eq!(trio.read(499, 5), b"\0\xff\xff\xff\0");
    assert!(trio.call("memcmp", &[500, 100, 2]) > 0);
    assert_eq!((trio.call("memcmp", &[500, 501, 2]), trio.call("memcmp", &[500, 100, 0])), (0, 0));
    assert_eq!(
        (trio.call("memchr", &[100, b'n'.into(), 2]), trio.call("memchr", &[100, b'n'.into(), 3])),
        (0, 102)
    );
    // Beyond memory it is an end, on all sides.
    assert_eq!(trio.try_call("memset", &[65530, 1, 100].map(Value::u32)), None);
}

#[test]
fn characters_as_the_c_locale_has_them() {
    type Class = fn(u8) -> bool;
    const CLASSES: [(&str, Class); 12] = [
        ("isdigit", |c| c.is_ascii_digit()),
        ("isalpha", |c| c.is_ascii_alphabetic()),
        ("isalnum", |c| c.is_ascii_alphanumeric()),
        ("isupper", |c| c.is_ascii_uppercase()),
        ("islower", |c| c.is_ascii_lowercase()),
        ("isxdigit", |c| c.is_ascii_hexdigit()),
        ("isspace", |c| matches!(c, 9..=13 | b' ')),
        ("isprint", |c| (32..127).contains(&c)),
        ("isgraph", |c| c.is_ascii_graphic()),
        ("isblank", |c| matches!(c, b' ' | b'\t')),
        ("iscntrl", |c| c < 32 || c == 127),
        ("ispunct", |c| c.is_ascii_punctuation()),
    ];
    let names = CLASSES.iter().map(|(name, _)| *name).chain(["toupper", "tolower", "abs"]);
    let functions: Vec<(&str, &str)> = names.map(|name| (name, "i32 -> i32")).collect();
    let mut trio = Trio::new(&importing(&functions));
    for c in -1_i32..=300 {
        let byte = u8::try_from(c).ok();
        for (name, class) in CLASSES {
            let is_of = byte.is_some_and(|byte| byte.is_ascii() && class(byte));
            assert_eq!(trio.call(name, &[c.cast_unsigned()]) != 0, is_of, "{name} {c}");
        }
        let upper = byte.map_or(c, |byte| byte.to_ascii_uppercase().into());
        let lower = byte.map_or(c, |byte| byte.to_ascii_lowercase().into());
        assert_eq!(
            (trio.call("toupper", &[c.cast_unsigned()]), trio.call("tolower", &[c.cast_unsigned()])),
            (upper, lower)
        );
    }
    assert_eq!(trio.call("abs", &[(-7_i32).cast_unsigned()]), 7);
    assert_eq!(trio.call("abs", &[i32::MIN.cast_unsigned()]), i32::MIN);
}

/// The fixed module on each engine.
fn fixed(text: &str) -> Vec<Box<dyn engine::Instance>> {
    let wasm = wat::parse_str(text).expect("the test's text is well-formed");
    let fixed = fix(&wasm, &Options::default()).expect("it can be fixed");
    assert!(fixed.plan.is_complete(), "{:#?}", fixed.plan.imports);
    let start = |id| {
        let engine = engine::open(id, &Settings::default()).expect("a linked engine");
        Some(engine.compile(&fixed.wasm).ok()?.instantiate(&Host::new()).expect("it instantiates"))
    };
    ENGINES.into_iter().filter_map(start).collect()
}

#[test]
fn a_time_behind_an_address_has_as_many_bits_as_it_needs() {
    let instances = fixed(
        r#"(module
            (import "env" "memory" (memory 1))
            (import "env" "_gmtime_js" (func $at (param i32 i32)))
            (import "env" "_localtime_js" (func $halves (param i32 i32 i32) (result i32)))
            (export "at" (func $at)) (export "halves" (func $halves)))"#,
    );
    assert_eq!(instances.len(), 2);
    for mut instance in instances {
        let year = |instance: &mut dyn engine::Instance| {
            let bytes = instance.read(Memory::Main, 200 + 20, 4).unwrap();
            1900 + i32::from_le_bytes(bytes.try_into().unwrap())
        };
        let at = [100, 200].map(Value::u32);
        for (time, expected) in
            [(1_700_000_000_i64, Some(2023)), (-1, Some(1969)), (1 << 31, None), (1 << 40, None)]
        {
            instance.write(Memory::Main, 100, &time.to_le_bytes()).unwrap();
            let is_told = instance.call("at", &at).is_ok();
            assert_eq!(is_told.then(|| year(instance.as_mut())), expected, "{time}");
        }
        // What has 64 bits for certain is any year.
        let time = 4_107_542_400_i64;
        let halves = [Value::u32(u32::try_from(time & 0xffff_ffff).unwrap()), Value::I32(0), Value::u32(200)];
        instance.call("halves", &halves).unwrap();
        assert_eq!(year(instance.as_mut()), 2100);
    }
}

#[test]
fn fastcomps_calendar_has_times_of_32_bits() {
    let mut instances = fixed(
        r#"(module
            (import "env" "memory" (memory 1))
            (import "env" "_gmtime_r" (func $gmtime (param i32 i32) (result i32)))
            (import "env" "_mktime" (func $mktime (param i32) (result i32)))
            (export "gmtime" (func $gmtime)) (export "mktime" (func $mktime)))"#,
    );
    assert_eq!(instances.len(), 2);
    // 2023-11-14 22:13:20, a Tuesday; 1969-12-31 23:59:59, a Wednesday; the last second of 32 bits, a Tuesday.
    for (time, expected) in [
        (1_700_000_000_i32, [20, 13, 22, 14, 10, 123, 2, 317, 0, 0, 0]),
        (-1, [59, 59, 23, 31, 11, 69, 3, 364, 0, 0, 0]),
        (i32::MAX, [7, 14, 3, 19, 0, 138, 2, 18, 0, 0, 0]),
    ] {
        for instance in &mut instances {
            instance.write(Memory::Main, 100, &time.to_le_bytes()).unwrap();
            // What lies behind a time of 32 bits is none of it, and what a name was before is none.
            instance.write(Memory::Main, 104, &[0xaa; 200]).unwrap();
            let at = instance.call("gmtime", &[100, 200].map(Value::u32)).unwrap();
            assert_eq!(at.values, [Value::u32(200)]);
            let bytes = instance.read(Memory::Main, 200, 44).unwrap();
            let fields: Vec<i32> =
                bytes.chunks(4).map(|word| i32::from_le_bytes(word.try_into().unwrap())).collect();
            assert_eq!(fields, expected, "{time}");
            assert_eq!(instance.call("mktime", &[Value::u32(200)]).unwrap().values, [Value::I32(time)]);
        }
    }
}

#[test]
fn an_exit_code_can_be_read() {
    let text = |code: &str| {
        format!(
            r#"(module
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (func (export "_start") (i32.store (i32.const 8) (i32.const 5)) (call $exit {code}) (i32.store (i32.const 8) (i32.const 6)))
                (func (export "deep") (param i32) (call $exit (local.get 0))))"#
        )
    };
    for (code, returns) in [(0, true), (3, false)] {
        for mut instance in fixed(&text(&format!("(i32.const {code})"))) {
            assert_eq!(instance.global("memgrove_exit_code"), Ok(Value::I32(-1)));
            assert_eq!(instance.call("_start", &[]).is_ok(), returns);
            assert_eq!(instance.global("memgrove_exit_code"), Ok(Value::I32(code)));
            assert_eq!(instance.read(Memory::Main, 8, 1).unwrap(), [5], "nothing behind the exit has run");
            assert!(
                instance.call("deep", &[Value::I32(9)]).is_err(),
                "the callers of what ends do not go on"
            );
            assert_eq!(instance.global("memgrove_exit_code"), Ok(Value::I32(9)));
        }
    }
}

#[test]
fn a_wait_for_nobody_compares_and_times_out() {
    let instances = fixed(
        r#"(module
            (import "env" "memory" (memory 1 2 shared))
            (data (i32.const 16) "\2a\00\00\00\01\00\00\00")
            (func (export "wait32") (param i32 i32 i64) (result i32)
                (memory.atomic.wait32 offset=4 (local.get 0) (local.get 1) (local.get 2)))
            (func (export "wait64") (param i32 i64 i64) (result i32)
                (memory.atomic.wait64 (local.get 0) (local.get 1) (local.get 2))))"#,
    );
    // wasmi has no threads.
    assert!(!instances.is_empty());
    for mut instance in instances {
        let mut wait = |name: &str, at: u32, expected: Value, timeout: i64| {
            let outcome = instance.call(name, &[Value::u32(at), expected, Value::I64(timeout)]);
            outcome.ok().map(|outcome| outcome.values[0])
        };
        assert_eq!(wait("wait32", 12, Value::I32(41), -1), Some(Value::I32(1)), "not equal");
        assert_eq!(wait("wait32", 12, Value::I32(42), 1 << 40), Some(Value::I32(2)), "timed out, at once");
        assert_eq!(wait("wait32", 12, Value::I32(42), -1), None, "for ever");
        assert_eq!(wait("wait32", 13, Value::I32(41), 0), None, "not aligned");
        assert_eq!(wait("wait32", 65532, Value::I32(41), 0), None, "out of bounds");
        assert_eq!(wait("wait64", 16, Value::I64(0x1_0000_002a), 0), Some(Value::I32(2)));
        assert_eq!(wait("wait64", 16, Value::I64(0x2a), -1), Some(Value::I32(1)));
    }
}
