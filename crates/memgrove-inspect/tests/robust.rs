//! Bad input: a clear error or a report, never a panic, in bounded time.

use memgrove_inspect::{Error, facts, robust::check_any_bytes};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// A small module with one of everything that is parsed by hand.
const SMALL: &str = r#"
(module $small
  (import "env" "memory" (memory 1 2))
  (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
  (global $__stack_pointer (mut i32) (i32.const 66560))
  (global $__heap_base i32 (i32.const 66560))
  (table 2 funcref)
  (elem (i32.const 0) func $grow $frame)
  (data (i32.const 1024) "hello")
  (data $later "passive")
  (func $frame (param i32) (local i32)
    global.get $__stack_pointer i32.const 16 i32.sub local.tee 1 global.set $__stack_pointer
    i32.const 2048 i32.const 0 i32.const 7 memory.init $later
    local.get 1 i32.const 16 i32.add global.set $__stack_pointer)
  (func $grow (export "grow") (result i32)
    memory.size drop i32.const 1 memory.grow i32.const 131072 call $resize drop)
  (start $main)
  (func $main))
"#;

/// Pseudo-random numbers (xorshift64*), the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[7]).collect()
    }
}

#[test]
fn truncated_at_every_byte() {
    let whole = wat::parse_str(SMALL).unwrap();
    check_any_bytes(&whole);
    for len in 0..whole.len() {
        check_any_bytes(&whole[..len]);
        // A cut between two sections can leave a valid module.
        let Err(error) = facts(&whole[..len]) else { continue };
        let truncated = matches!(error, Error::Invalid { truncated: true, .. } | Error::NotWasm { .. });
        // Where the last complete section needs one that is gone, the error is about that.
        let dangling = error.to_string().contains("inconsistent") || error.to_string().contains("count");
        assert!(truncated || dangling, "cut to {len}: {error}");
    }
}

#[test]
fn one_byte_changed_anywhere() {
    let mut bytes = wat::parse_str(SMALL).unwrap();
    for at in 0..bytes.len() {
        let before = bytes[at];
        for value in [0, 0x7f, 0x80, 0xff, before ^ 1, before.wrapping_add(1)] {
            bytes[at] = value;
            check_any_bytes(&bytes);
        }
        bytes[at] = before;
    }
}

#[test]
fn random_bytes() {
    let mut random = Random(1);
    for _ in 0..2000 {
        let len = usize::try_from(random.next() % 200).unwrap();
        let bytes = random.bytes(len);
        check_any_bytes(&bytes);
        check_any_bytes(&[b"\0asm\x01\0\0\0", &bytes[..]].concat());
        check_any_bytes(&[b"\0asm\x0d\0\x01\0", &bytes[..]].concat());
    }
}

#[test]
fn generated_modules() {
    let mut random = Random(7);
    for round in 0..1500 {
        let seed = random.bytes(6000);
        let input = wasm_smith::Config {
            gc_enabled: round % 2 == 0,
            threads_enabled: round % 3 == 0,
            memory64_enabled: round % 5 == 0,
            exceptions_enabled: round % 2 == 1,
            tail_call_enabled: round % 4 == 0,
            simd_enabled: round % 3 != 1,
            relaxed_simd_enabled: round % 6 == 0,
            wide_arithmetic_enabled: round % 7 == 0,
            custom_page_sizes_enabled: round % 4 == 1,
            extended_const_enabled: round % 2 == 0,
            max_memories: if round % 3 == 0 { 3 } else { 1 },
            max_tables: if round % 5 == 0 { 4 } else { 1 },
            generate_custom_sections: true,
            ..wasm_smith::Config::default()
        };
        let mut unstructured = arbitrary::Unstructured::new(&seed);
        let Ok(module) = wasm_smith::Module::new(input, &mut unstructured) else { continue };
        check_any_bytes(&module.to_bytes());
    }
}

#[test]
fn not_webassembly_at_all() {
    let check = |bytes: &[u8], expected: &str| assert_eq!(facts(bytes).unwrap_err().to_string(), expected);
    check(b"", "not a WebAssembly binary: it starts with no bytes at all (at offset 0x0)");
    check(b"\x1f\x8b\x08", "not a WebAssembly binary: it starts with gzip data (at offset 0x0)");
    check(b"var x;", "not a WebAssembly binary: it starts with 76 61 72 20 78 3b \"var x;\" (at offset 0x0)");
    check(b"\0asm\x02\0\0\0", "unknown WebAssembly version 0x2 (at offset 0x4)");
    check(b"\0as", "unexpected end in the magic number (at offset 0x3)");
    assert_eq!(facts(b"\0asm\x01\0").unwrap_err().hint(), Some("the file may be cut short"));
}

/// Inspects a large module and returns how long it took.
fn time(bytes: &[u8]) -> Duration {
    let start = Instant::now();
    check_any_bytes(bytes);
    start.elapsed()
}

/// Unoptimised builds on a loaded machine are slow; quadratic behaviour would take minutes.
const LIMIT: Duration = Duration::from_secs(150);

#[test]
fn a_declaration_of_4_gib_costs_nothing() {
    assert!(
        time(&wat::parse_str("(module (memory 65536 65536) (data (i32.const -1) \"x\"))").unwrap()) < LIMIT
    );
    assert!(time(&wat::parse_str("(module (memory i64 281474976710656))").unwrap()) < LIMIT);
    assert!(time(&wat::parse_str("(module (table 0xffffffff funcref))").unwrap()) < LIMIT);
}

#[test]
fn a_hundred_thousand_imports() {
    let mut text = "(module".to_owned();
    for i in 0..100_000 {
        write!(text, "(import \"env\" \"f{i}\" (func (param i32) (result i32)))").unwrap();
    }
    text.push(')');
    assert!(time(&wat::parse_str(text).unwrap()) < LIMIT);
}

#[test]
fn blocks_nested_a_hundred_thousand_deep() {
    let depth = 100_000;
    let body = [&[0][..], &[0x02, 0x40].repeat(depth), &[0x0b].repeat(depth), &[0x0b]].concat();
    assert!(time(&module_with_body(&body)) < LIMIT);
    // Never closed.
    check_any_bytes(&module_with_body(&[&[0][..], &[0x02, 0x40].repeat(depth)].concat()));
}

#[test]
fn a_hundred_thousand_growth_sites_in_as_many_functions() {
    let mut text = "(module (memory 1)".to_owned();
    for i in 0..20_000 {
        write!(text, "(func (export \"f{i}\") (drop (memory.grow (i32.const 1)))").unwrap();
        if i > 0 {
            write!(text, "(call {})", i - 1).unwrap();
        }
        text.push(')');
    }
    text.push(')');
    assert!(time(&wat::parse_str(text).unwrap()) < LIMIT);
}

#[test]
fn a_constant_expression_of_a_hundred_thousand_additions() {
    let mut text = "(module (global i32 i32.const 1".to_owned();
    text.push_str(&" i32.const 1 i32.add".repeat(100_000));
    text.push_str("))");
    assert!(time(&wat::parse_str(text).unwrap()) < LIMIT);
}

#[test]
fn tens_of_thousands_of_segments() {
    let mut text = "(module (memory 1) (func $f) (table 1 funcref)".to_owned();
    for i in 0..50_000 {
        write!(text, "(data (i32.const {i}) \"x\") (elem (i32.const 0) func $f)").unwrap();
    }
    text.push_str("(func (export \"g\") (drop (memory.grow (i32.load (i32.const 4))))))");
    assert!(time(&wat::parse_str(text).unwrap()) < LIMIT);
}

/// A module with one function of type `() -> ()`.
fn module_with_body(body: &[u8]) -> Vec<u8> {
    let leb = |mut n: usize| {
        let mut out = Vec::new();
        loop {
            let byte = u8::try_from(n & 0x7f).unwrap();
            n >>= 7;
            out.push(if n == 0 { byte } else { byte | 0x80 });
            if n == 0 {
                return out;
            }
        }
    };
    let section = |id: u8, contents: &[u8]| [&[id][..], &leb(contents.len()), contents].concat();
    let code = [&[1][..], &leb(body.len()), body].concat();
    let magic = b"\0asm\x01\0\0\0";
    [&magic[..], &section(1, &[1, 0x60, 0, 0]), &section(3, &[1, 0]), &section(10, &code)].concat()
}
