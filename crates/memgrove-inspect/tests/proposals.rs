//! The proposals found are exactly those without which a module does not validate: the validator itself is asked
//! (`check_any_bytes`), with what is found, and with each one of it left out.
//!
//! The long form of [`generated_modules`] is this test with `MEMGROVE_FUZZ_ROUNDS=100000` and a build with
//! optimisation.

use memgrove_inspect::facts;
use memgrove_inspect::robust::check_any_bytes;

/// The proposals that a module uses, by their ids.
fn found(bytes: &[u8]) -> Vec<&'static str> {
    check_any_bytes(bytes);
    let facts = facts(bytes).unwrap_or_else(|error| panic!("{error}"));
    facts.proposals.iter().map(|first| first.proposal.id()).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(found(&bytes), expected, "{text}");
}

#[test]
fn what_is_not_what_it_looks_like() {
    check("(module)", &[]);
    check("(module (memory 1) (func (drop (f64.load (i32.const 0)))))", &[]);
    // Atomics: an ordering is a proposal of its own, on a fence and in a load.
    check("(module (func (atomic.fence)))", &["threads"]);
    check("(module (func (atomic.fence acqrel)))", &["threads", "acquire-release-atomics"]);
    check(
        "(module (memory 1) (func (drop (i32.atomic.load acqrel (i32.const 0)))))",
        &["threads", "acquire-release-atomics"],
    );
    check("(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))", &["threads"]);
    check("(module (func (pause)))", &["acquire-release-atomics"]);
    // Tags.
    check("(module (tag))", &["exceptions"]);
    check("(module (tag (param i32)))", &["exceptions"]);
    check("(module (type $t (func (result i32))) (tag (type $t)))", &["exceptions", "stack-switching"]);
    check("(module (import \"a\" \"b\" (tag (result i32))))", &["exceptions", "stack-switching"]);
    check("(module (tag $e) (func try catch $e end))", &["legacy-exceptions"]);
    check("(module (tag $e) (func (throw $e)))", &["exceptions"]);
    check(
        "(module (func try catch_all end) (func (block (try_table (catch_all 0)))))",
        &["legacy-exceptions", "exceptions"],
    );
    check("(module (func (param exnref)))", &["reference-types", "exceptions"]);
    // Types that refer to themselves need a recursive group, which gc brought.
    check("(module (type $t (func (param (ref null $t)))))", &["reference-types", "gc"]);
    check(
        "(module (type $t (func)) (func (param (ref null $t))))",
        &["reference-types", "function-references"],
    );
    check("(module (type $t (func)) (func (param (ref $t))))", &["reference-types", "function-references"]);
    check("(module (rec (type (func)) (type (func))))", &["gc"]);
    check("(module (type (sub (func))))", &["gc"]);
    // gc has references to defined types too.
    check("(module (type $t (struct)) (func (param (ref null $t))))", &["reference-types", "gc"]);
    check("(module (func (param (ref func))))", &["reference-types", "function-references"]);
    check("(module (func (param (ref any))))", &["reference-types", "gc"]);
    check("(module (func (param (ref func) (ref any))))", &["reference-types", "function-references", "gc"]);
    check(
        "(module (func (param anyref) (drop (ref.cast (ref struct) (local.get 0)))))",
        &["reference-types", "gc"],
    );
    check(
        "(module (func (param funcref) (drop (ref.cast (ref func) (local.get 0)))))",
        &["reference-types", "function-references", "gc"],
    );
    check("(module (func (drop (ref.null func))))", &["reference-types"]);
    // Exact types and descriptors.
    check("(module (type $t (func)) (import \"a\" \"b\" (func (exact (type $t)))))", &["custom-descriptors"]);
    check(
        "(module (rec (type $a (descriptor $b) (struct)) (type $b (describes $a) (struct))))",
        &["gc", "custom-descriptors"],
    );
    check(
        "(module (type $t (struct)) (func (param (ref null (exact $t)))))",
        &["reference-types", "gc", "custom-descriptors"],
    );
    // Segments.
    check("(module (table 1 funcref) (func $f) (elem (i32.const 0) $f))", &[]);
    check(
        "(module (table 1 funcref) (func $f) (elem (i32.const 0) funcref (ref.func $f)))",
        &["reference-types"],
    );
    check("(module (func $f) (elem func $f))", &["bulk-memory"]);
    check("(module (func $f) (elem declare func $f))", &["bulk-memory"]);
    check("(module (memory 1) (data \"a\"))", &["bulk-memory"]);
    check("(module (table 1 funcref) (table 1 funcref))", &["reference-types"]);
    check("(module (table 1 externref))", &["reference-types"]);
    check(
        "(module (table 1 (ref func) (ref.func $f)) (func $f))",
        &["reference-types", "function-references"],
    );
    check("(module (global i32 (i32.add (i32.const 1) (i32.const 2))))", &["extended-const"]);
    check("(module (global i32 (i32.const 1)) (global i32 (global.get 0)))", &["gc"]);
    check("(module (global (export \"g\") (mut i32) (i32.const 1)))", &["mutable-globals"]);
    check("(module (memory i64 1))", &["memory64"]);
    check("(module (table i64 1 funcref))", &["memory64"]);
    check("(module (memory 1 (pagesize 1)))", &["custom-page-sizes"]);
    check("(module (memory 1 2 shared))", &["threads"]);
    check("(module (func (param v128)))", &["simd"]);
    check(
        "(module (func (param i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1)) drop drop))",
        &["wide-arithmetic"],
    );
    check("(module (func (result i32 i32) unreachable))", &["multi-value"]);
    check(
        "(module (memory 1) (func (memory.copy (i32.const 0) (i32.const 0) (i32.const 0))))",
        &["bulk-memory"],
    );
    check("(module (table 1 funcref) (func (drop (table.size 0))))", &["reference-types"]);
    check(
        "(module (table 1 funcref) (func (table.copy (i32.const 0) (i32.const 0) (i32.const 0))))",
        &["bulk-memory"],
    );
    check("(module (type $f (func)) (type $c (cont $f)))", &["stack-switching"]);
    check(
        "(module (type $a (array i8)) (func (param (ref $a)) (drop (i32.load (type $a) (local.get 0) (i32.const 0)))))",
        &["reference-types", "gc", "multibyte-array-access"],
    );
}

/// A cast between types that are not related is allowed since custom-descriptors.
#[test]
fn a_cast_sideways() {
    let module = |from: &str, to: &str| {
        format!(
            "(module (type $s (struct)) (type $a (array i8))
               (func (param {from}) (block (result {to}) (drop (br_on_cast 0 {from} {to} (local.get 0))) unreachable) drop))"
        )
    };
    check(&module("anyref", "(ref null $s)"), &["reference-types", "gc"]);
    check(&module("(ref null $s)", "(ref null $s)"), &["reference-types", "gc"]);
    check(&module("structref", "arrayref"), &["reference-types", "gc", "custom-descriptors"]);
}

/// One function with these bytes as its body, in a module with a memory and a table.
fn with_body(body: &[u8]) -> Vec<u8> {
    let mut bytes =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x04\x04\x01\x70\0\x01\x05\x03\x01\0\x01".to_vec();
    let len = u8::try_from(body.len() + 2).unwrap();
    bytes.extend([0x0a, len + 2, 1, len, 0]);
    bytes.extend(body);
    bytes.push(0x0b);
    bytes
}

/// Numbers written longer than they need to be.
#[test]
fn the_form_of_a_number_can_take_a_proposal() {
    let check = |body: &[u8], expected: &[&str]| assert_eq!(found(&with_body(body)), expected, "{body:x?}");
    // call_indirect: the table's index.
    check(b"\x41\0\x11\0\0", &[]);
    check(b"\x41\0\x11\0\x80\0", &["reference-types"]);
    check(b"\x41\0\x11\x80\0\0", &[]);
    // memory.size: the memory's.
    check(b"\x3f\0\x1a", &[]);
    check(b"\x3f\x80\0\x1a", &["multi-memory"]);
    check(b"\x41\0\x41\0\x41\0\xfc\x0b\x80\0", &["bulk-memory"]);
    check(b"\x41\0\x41\0\x41\0\xfc\x0a\0\0", &["bulk-memory"]);
    // i32.load: a memory's index that need not be there, and a long offset.
    check(b"\x41\0\x28\x02\0\x1a", &[]);
    check(b"\x41\0\x28\x42\0\0\x1a", &["multi-memory"]);
    check(b"\x41\0\x28\x02\x80\x80\x80\x80\0\x1a", &[]);
    check(b"\x41\0\x28\x02\x80\x80\x80\x80\x80\0\x1a", &["memory64"]);
    check(b"\x41\0\x28\x82\x80\0\x80\x80\x80\x80\0\x1a", &[]);
    // v128.load and i32.atomic.load: the opcode has two parts.
    check(b"\x41\0\xfd\0\x04\0\x1a", &["simd"]);
    check(b"\x41\0\xfd\0\x44\0\0\x1a", &["simd", "multi-memory"]);
    check(b"\x41\0\xfe\x10\x42\0\0\x1a", &["threads", "multi-memory"]);
    check(b"\x41\0\xfd\x80\0\x04\0\x1a", &["simd"]);
}

/// Limits of memories and tables, of the module's own and imported ones.
#[test]
fn the_form_of_a_limit_can_take_a_proposal() {
    let section = |id: u8, body: &[u8]| {
        let head = [id, u8::try_from(body.len()).unwrap()];
        [b"\0asm\x01\0\0\0".as_slice(), &head, body].concat()
    };
    let check =
        |id, body: &[u8], expected: &[&str]| assert_eq!(found(&section(id, body)), expected, "{body:x?}");
    let long = b"\x82\x80\x80\x80\x80\0";
    check(5, b"\x01\0\x82\x80\x80\x80\0", &[]);
    check(5, &[b"\x01\0".as_slice(), long].concat(), &["memory64"]);
    check(5, &[b"\x01\x01\0".as_slice(), long].concat(), &["memory64"]);
    check(4, &[b"\x01\x70\0".as_slice(), long].concat(), &["memory64"]);
    check(2, &[b"\x01\x01a\x01b\x02\0".as_slice(), long].concat(), &["memory64"]);
    check(2, &[b"\x01\x01a\x01b\x01\x70\0".as_slice(), long].concat(), &["memory64"]);
    check(2, b"\x01\x01a\x01b\x02\0\x02", &[]);
}

/// Pseudo-random numbers (xorshift64*), the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % limit
    }
}

fn rounds() -> u64 {
    std::env::var("MEMGROVE_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(600)
}

/// Modules with all proposals that the generator knows, each on in half of the rounds, and with some bytes changed.
#[test]
fn generated_modules() {
    for round in 0..rounds() {
        let mut random = Random(round * 2 + 1);
        random.next();
        let seed: Vec<u8> = (0..4000).map(|_| random.next().to_le_bytes()[7]).collect();
        let switches = random.next();
        let on = |bit: u32| switches >> bit & 1 == 0;
        let config = wasm_smith::Config {
            bulk_memory_enabled: on(0),
            exceptions_enabled: on(1),
            gc_enabled: on(2) && on(3),
            compact_imports_enabled: on(4),
            custom_descriptors_enabled: on(2) && on(3) && on(5),
            custom_page_sizes_enabled: on(6),
            memory64_enabled: on(7),
            multi_value_enabled: on(8),
            reference_types_enabled: on(3),
            relaxed_simd_enabled: on(9) && on(10),
            saturating_float_to_int_enabled: on(11),
            sign_extension_ops_enabled: on(12),
            shared_everything_threads_enabled: on(2) && on(3) && on(13) && on(14),
            simd_enabled: on(10),
            tail_call_enabled: on(15),
            threads_enabled: on(14),
            wide_arithmetic_enabled: on(16),
            acquire_release_atomics_enabled: on(14) && on(17),
            multibyte_array_access_enabled: on(2) && on(3) && on(18),
            extended_const_enabled: on(19),
            max_memories: if on(20) { 1 } else { 3 },
            max_tables: if on(21) || !on(3) { 1 } else { 4 },
            allow_floats: on(22),
            ..wasm_smith::Config::default()
        };
        let mut unstructured = arbitrary::Unstructured::new(&seed);
        let Ok(module) = wasm_smith::Module::new(config, &mut unstructured) else { continue };
        let bytes = module.to_bytes();
        check_any_bytes(&bytes);
        // Few of these validate, but those that do have what no generator writes.
        for _ in 0..if bytes.len() > 8 { 8 } else { 0 } {
            let mut changed = bytes.clone();
            for _ in 0..=random.below(3) {
                let at = 8 + random.below(changed.len() - 8);
                changed[at] = random.next().to_le_bytes()[5];
            }
            if facts(&changed).is_ok() {
                check_any_bytes(&changed);
            }
        }
    }
}
