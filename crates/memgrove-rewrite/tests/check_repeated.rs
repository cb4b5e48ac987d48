//! Which accesses are left out as one before them tests the same bytes, and which are not.

use memgrove_rewrite::check::{Options, check};
use memgrove_rewrite::swap::{Member, Role};

/// 0 malloc, 1 free, 2 calls free, 3 calls nothing.
const HEAP: &str = r#"(memory 1) (table 2 funcref) (elem (i32.const 0) $other $frees)
    (global $next (mut i32) (i32.const 1024))
    (func $malloc (param i32) (result i32)
        (global.get $next) (global.set $next (i32.add (global.get $next) (local.get 0))))
    (func $free (param i32))
    (func $frees (param i32) (call $free (local.get 0)))
    (func $other (param i32 i32) (result i32) (local.get 0))"#;

/// How many accesses of a function `(p q: i32)` are left out, and how many are checked.
#[track_caller]
fn left_out(code: &str) -> (u32, u32) {
    let text = format!(
        r#"(module {HEAP} (func (export "run") (param $p i32) (param $q i32) (local $r i32) {code}))"#
    );
    let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let facts = memgrove_module::facts(&wasm).expect("it is valid");
    let member = |func, role| Member { func, role, has_heap: false, is_certain: true };
    let options = Options {
        members: vec![member(0, Role::Malloc), member(1, Role::Free)],
        max_bytes: 1 << 20,
        ..Options::default()
    };
    let checked = check(&facts, &options).expect("it can be checked");
    (checked.proven, checked.sites)
}

const READ: &str = "(drop (i32.load (local.get $p)))";
const WRITE: &str = "(i32.store (local.get $p) (i32.const 1))";

#[track_caller]
fn cases(cases: &[(&str, u32)]) {
    for (code, expected) in cases {
        let code = code.replace("READ", READ).replace("WRITE", WRITE);
        let (left_out, checked) = left_out(&code);
        let accesses = u32::try_from(code.matches("load").count() + code.matches("store").count());
        assert_eq!(left_out, *expected, "{code}");
        assert_eq!(Ok(left_out + checked), accesses, "{code}");
    }
}

#[test]
fn the_same_bytes_of_the_same_value_are_tested_once() {
    cases(&[
        ("READ READ", 1),
        ("WRITE READ WRITE", 2),
        // A word that is read may end behind its block, one that is written may not.
        ("READ WRITE READ", 1),
        ("(drop (i64.load (local.get $p))) READ", 1),
        ("READ (drop (i64.load (local.get $p)))", 0),
        ("WRITE (drop (i32.load8_u offset=3 (local.get $p)))", 1),
        ("READ (drop (i32.load8_u offset=3 (local.get $p)))", 0),
        ("WRITE (drop (i32.load8_u offset=4 (local.get $p)))", 0),
        // What lies between two bytes that may be accessed, and no more than 7 apart.
        (
            "WRITE (i32.store offset=8 (local.get $p) (i32.const 1)) (i64.store offset=2 (local.get $p) (i64.const 1))",
            1,
        ),
        (
            "WRITE (i32.store8 offset=11 (local.get $p) (i32.const 1)) (i32.store offset=4 (local.get $p) (i32.const 1))",
            1,
        ),
        (
            "WRITE (i32.store8 offset=12 (local.get $p) (i32.const 1)) (i32.store offset=4 (local.get $p) (i32.const 1))",
            0,
        ),
        ("READ (drop (i32.load offset=8 (local.get $p))) (drop (i32.load offset=4 (local.get $p)))", 1),
        // Other values.
        ("READ (drop (i32.load (local.get $q)))", 0),
        ("READ (local.set $p (local.get $q)) READ", 0),
        (
            "READ (local.set $r (local.get $p)) (local.set $p (local.get $q)) (drop (i32.load (local.get $r)))",
            1,
        ),
        ("(drop (i32.load (local.tee $p (local.get $q)))) (drop (i32.load (local.get $q))) READ", 2),
        (
            "(drop (i32.load (i32.add (local.get $p) (i32.const 8)))) (drop (i32.load (i32.add (local.get $p) (i32.const 8))))",
            1,
        ),
        (
            "(drop (i32.load (i32.add (local.get $p) (i32.const 8)))) (drop (i32.load (i32.sub (local.get $p) (i32.const 8))))",
            0,
        ),
        ("(drop (i32.load (i32.load (local.get $p)))) (drop (i32.load (i32.load (local.get $p))))", 1),
    ]);
}

#[test]
fn all_is_tested_again_where_the_allocator_may_have_been_called() {
    cases(&[
        ("READ (call $free (local.get $q)) READ", 0),
        ("READ (call $frees (local.get $q)) READ", 0),
        ("READ (drop (call $malloc (local.get $q))) READ", 0),
        ("READ (call_indirect (param i32) (local.get $q) (i32.const 1)) READ", 0),
        ("READ (drop (call $other (local.get $q) (local.get $q))) READ", 1),
        (
            "READ (drop (call_indirect (param i32 i32) (result i32) (local.get $q) (local.get $q) (i32.const 0))) READ",
            1,
        ),
        ("READ (if (local.get $q) (then (call $free (local.get $q)))) READ", 0),
        ("READ (if (local.get $q) (then (call $free (local.get $q))) (else READ)) READ", 0),
        ("(if (local.get $q) (then (call $free (local.get $q)) READ) (else READ)) READ", 0),
        ("READ (loop $l READ (call $free (local.get $p)) (br_if $l (local.get $q)))", 0),
        ("READ (loop $l READ (br_if $l (local.get $q)) (call $free (local.get $p))) READ", 0),
    ]);
}

#[test]
fn what_is_tested_on_some_ways_only_is_tested_again() {
    cases(&[
        ("(if (local.get $q) (then READ)) READ", 0),
        ("(if (local.get $q) (then READ) (else READ)) READ", 0),
        ("READ (if (local.get $q) (then READ) (else READ)) READ", 3),
        ("(block $b (br_if $b (local.get $q)) READ) READ", 0),
        ("(block $b READ (br_if $b (local.get $q)) READ) READ", 2),
        ("(block $b (block $c (br_table $b $c (local.get $q))) READ) READ", 0),
        ("(block $b (block $c (br_if $b (local.get $q)) READ) READ) READ", 1),
        (
            "(block $b (block $c READ (br_if $b (local.get $q))) (drop (i32.load (local.get $q)))) READ (drop (i32.load (local.get $q)))",
            1,
        ),
        ("(loop $l (block $b (br_if $b (local.get $q)) READ) READ (br_if $l (local.get $q))) READ", 1),
        // Locals that are set on one way, or before a loop begins again.
        ("READ (if (local.get $q) (then (local.set $p (local.get $q)))) READ", 0),
        ("READ (block $b (br_if $b (local.get $q)) (local.set $p (local.get $q))) READ", 0),
        ("READ (loop $l READ (local.set $p (local.get $q)) (br_if $l (local.get $q)))", 0),
        ("READ (loop $l READ (local.set $r (local.get $q)) (br_if $l (local.get $q)))", 1),
        // Handlers of exceptions are other ways.
        ("READ (try_table (call $other (local.get $p) (local.get $q)) drop) READ", 0),
    ]);
}

#[test]
fn blocks_in_blocks_are_read_in_linear_time() {
    let depth = 2000;
    let code = format!(
        "{}{}READ",
        "(block (local.set $r (local.get $p)) READ (br_if 0 (local.get $q)) ".repeat(depth),
        ")".repeat(depth)
    );
    let code = code.replace("READ", READ);
    let began = std::time::Instant::now();
    let (left_out, checked) = left_out(&code);
    assert_eq!((left_out + checked) as usize, depth + 1);
    assert!(began.elapsed().as_secs() < 60);
}
