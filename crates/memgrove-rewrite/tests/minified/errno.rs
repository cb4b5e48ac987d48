//! What a function does with an import's result tells whose error numbers it returns.

use super::*;

#[test]
fn a_result_is_followed_through_blocks_branches_and_locals() {
    for code in [
        "(func (result i32) (call $syscall_ret (call $import (i32.const 1) (i32.const 2))))",
        // Out of two blocks at once.
        "(func (param i32) (result i32)
            (call $syscall_ret
                (block $out (result i32)
                    (block $middle
                        (br_if $middle (local.get 0))
                        (br $out (call $import (i32.const 1) (i32.const 2))))
                    (i32.const -8))))",
        // The value of one arm of an if.
        "(func (param i32) (result i32)
            (call $syscall_ret
                (if (result i32) (local.get 0)
                    (then (call $import (i32.const 1) (i32.const 2)))
                    (else (i32.const 0)))))",
        // Kept in a local, and tested for something else first.
        "(func (param i32) (result i32)
            (if (i32.ne (local.tee 0 (call $import (i32.const 1) (i32.const 2))) (i32.const -8))
                (then (return (call $syscall_ret (local.get 0)))))
            (i32.const 0))",
        // One of two values.
        "(func (param i32) (result i32)
            (local.set 0 (call $import (i32.const 1) (i32.const 2)))
            (call $syscall_ret (select (i32.const 0) (local.get 0) (i32.eq (local.get 0) (i32.const -4)))))",
        // Compared on the spot.
        "(func (result i32) (i32.gt_u (call $import (i32.const 1) (i32.const 2)) (i32.const -4096)))",
        // One call that proves it is enough; another ignores the result.
        "(func (result i32)
            (drop (call $import (i32.const 1) (i32.const 2)))
            (call $syscall_ret (call $import (i32.const 1) (i32.const 2))))",
    ] {
        assert_eq!(behaviour(TWO, code), NEGATIVE, "{code}");
    }
    for code in [
        "(func (result i32) (call $wasi_ret (call $import (i32.const 1) (i32.const 2000))))",
        "(func (param i32) (result i32)
            (call $wasi_ret
                (select
                    (local.tee 0 (call $import (i32.const 1) (i32.const 2000)))
                    (i32.const 0)
                    (i32.ne (local.get 0) (i32.const 27)))))",
    ] {
        assert_eq!(behaviour(TWO, code), POSITIVE, "{code}");
    }
}

#[test]
fn a_use_that_proves_nothing_leaves_the_import_to_its_host() {
    for code in [
        // A pointer, as from `localtime`: 52 would be an address.
        "(func (result i32) (i32.load (call $import (i32.const 1) (i32.const 2))))",
        // A truth value.
        "(func (if (call $import (i32.const 1) (i32.const 2)) (then)))",
        "(func (param i32) (br_if 0 (i32.eqz (call $import (i32.const 1) (i32.const 2)))))",
        // Another variable than errno.
        "(func (param i32)
            (local.set 0 (call $import (i32.const 1) (i32.const 2)))
            (i32.store (i32.const 6000) (local.get 0)))",
        // Errno, but on the spot: a program may do that with what its own function returns.
        "(func (param i32) (result i32)
            (if (local.tee 0 (call $import (i32.const 1) (i32.const 2000)))
                (then (i32.store (i32.const 5000) (local.get 0)) (return (i32.const -1))))
            (i32.const 0))",
        // The local is set to something else before it gets there.
        "(func (param i32) (result i32)
            (local.set 0 (call $import (i32.const 1) (i32.const 2)))
            (local.set 0 (i32.const 3))
            (call $syscall_ret (local.get 0)))",
        // Only the condition of what gets there.
        "(func (result i32)
            (call $syscall_ret (select (i32.const 0) (i32.const 1) (call $import (i32.const 1) (i32.const 2)))))",
        // Around a loop.
        "(func (param i32) (loop (br_if 0 (call $import (i32.const 1) (i32.const 2)))))",
        "(func (drop (call $import (i32.const 1) (i32.const 2))))",
        "",
    ] {
        assert_eq!(behaviour(TWO, code), Behaviour::StaysFunction, "{code}");
    }
    // Both conventions cannot be true of one function.
    let both = "(func (result i32)
        (drop (call $wasi_ret (call $import (i32.const 1) (i32.const 2))))
        (call $syscall_ret (call $import (i32.const 1) (i32.const 2))))";
    assert_eq!(behaviour(TWO, both), Behaviour::StaysFunction);
}

#[test]
fn the_reason_for_staying_says_what_was_missing() {
    for (import, code, part) in [
        (TWO, "(func (result i32) (i32.load (call $import (i32.const 1) (i32.const 2))))", "wrong guess"),
        ("(param i32)", "(func (call $import (i32.const 1)))", "without result"),
        (TWO, "(table funcref (elem $import))", "through the table"),
    ] {
        let plan = with(import, code);
        let Decision::Stays { why } = &plan.imports[1].decision else { panic!("{:?}", plan.imports[1]) };
        assert!(why.contains("minified") && why.contains(part), "{why}");
    }
}
