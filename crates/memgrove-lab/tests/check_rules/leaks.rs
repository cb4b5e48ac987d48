//! Which of the blocks that are live at the end are lost: where pointers are found, and where none is.

use memgrove_lab::engine::{Host, Value};
use memgrove_profile::{Profile, Search};

use crate::trace_support::{ENGINES, start_with};
use crate::{C, FINISH, MEMORY, checked, finished, misuses, module, options, with_stack};

/// Bytes that are lost, and of those to which other lost blocks point: different sizes tell blocks apart.
fn lost(profile: &Profile) -> (Vec<u32>, Vec<u32>) {
    let findings = profile.findings.as_ref().expect("it is a check's");
    assert_eq!(findings.search, Search::Done { in_progress: false });
    let bytes = |is_indirect: bool| {
        let of = findings.lost.iter().filter(|lost| lost.is_indirect == is_indirect);
        of.map(|lost| lost.bytes).collect()
    };
    (bytes(false), bytes(true))
}

/// What `run` leaves on both engines.
#[track_caller]
fn expect(original: &[u8], direct: &[u32], indirect: &[u32]) {
    let wasm = checked(original, &options(C));
    for engine in ENGINES {
        let mut instance = start_with(engine, &wasm, &Host::new());
        instance.call("run", &[]).unwrap_or_else(|error| panic!("{engine}: {error}"));
        let profile = finished(&mut *instance);
        assert_eq!(lost(&profile), (direct.to_vec(), indirect.to_vec()), "{engine}");
    }
}

/// The same of code with the blocks 0 of 40 bytes, and 1 of 24 bytes, in locals.
#[track_caller]
fn expect_of_blocks(code: &str, direct: &[u32], indirect: &[u32]) {
    let text = format!(
        r#"(global $kept (mut i32) (i32.const 0)) (global $long (mut i64) (i64.const 0))
        (func (export "run") (local i32 i32)
            (local.set 0 (call $malloc (i32.const 40)))
            (local.set 1 (call $malloc (i32.const 24)))
            {code})"#
    );
    expect(&module(MEMORY, &text), direct, indirect);
}

#[test]
fn a_block_is_reached_from_globals_memory_and_other_blocks() {
    // In locals that are gone.
    expect_of_blocks("", &[40, 24], &[]);
    let point_0_to_1 = "(i32.store offset=32 (local.get 0) (local.get 1))";
    expect_of_blocks(point_0_to_1, &[40], &[24]);
    for root in [
        "(global.set $kept (local.get 0))",
        // Into the block, and right behind it.
        "(global.set $kept (i32.add (local.get 0) (i32.const 39)))",
        "(global.set $kept (i32.add (local.get 0) (i32.const 40)))",
        "(global.set $long (i64.extend_i32_u (local.get 0)))",
        "(global.set $long (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)))",
        "(i32.store (i32.const 8) (local.get 0))",
        "(i32.store (i32.const 1020) (local.get 0))",
        "(i32.store (i32.const 65532) (local.get 0))",
    ] {
        expect_of_blocks(root, &[24], &[]);
        expect_of_blocks(&format!("{root} {point_0_to_1}"), &[], &[]);
    }
    for none in [
        // Before it, behind it, and at no multiple of 4.
        "(global.set $kept (i32.sub (local.get 0) (i32.const 1)))",
        "(global.set $kept (i32.add (local.get 0) (i32.const 41)))",
        "(i32.store offset=2 align=2 (i32.const 4) (local.get 0))",
    ] {
        expect_of_blocks(none, &[40, 24], &[]);
    }
}

#[test]
fn lost_blocks_may_point_to_each_other() {
    let mutual = "(i32.store (local.get 0) (local.get 1)) (i32.store (local.get 1) (local.get 0))";
    expect_of_blocks(mutual, &[], &[40, 24]);
    expect_of_blocks("(i32.store (local.get 0) (local.get 0))", &[40, 24], &[]);
    expect_of_blocks(&format!("{mutual} (global.set $kept (local.get 1))"), &[], &[]);
}

#[test]
fn freed_blocks_hold_no_pointers() {
    let freed = "(i32.store offset=36 (local.get 0) (local.get 1)) (call $free (local.get 0))";
    expect_of_blocks(freed, &[24], &[]);
    // Also when they have left the quarantine, which is an eighth of a page or two: the block before is let out with others.
    let many = r#"(local.set 0 (i32.const 40))
        (loop
            (call $free (call $malloc (i32.const 700)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))"#;
    expect_of_blocks(&format!("{freed} {many}"), &[24], &[]);
}

#[test]
fn what_lies_below_the_stack_pointer_is_no_root() {
    // `deep` leaves a pointer in a frame of its own; `run` keeps one in its frame, if it goes on.
    let text = |frame: i32| {
        format!(
            r#"(func $deep (local i32)
            (global.set $sp (local.tee 0 (i32.sub (global.get $sp) (i32.const 64))))
            (i32.store offset=16 (local.get 0) (call $malloc (i32.const 40)))
            (call $work)
            (global.set $sp (i32.add (local.get 0) (i32.const {frame}))))
        (func (export "run") (local i32)
            (global.set $sp (local.tee 0 (i32.sub (global.get $sp) (i32.const 32))))
            (call $deep)
            (global.set $sp (i32.add (local.get 0) (i32.const 32))))"#
        )
    };
    for (base, data) in [(9000, 1040), (65536, 66000)] {
        expect(&with_stack(base, data, &text(64)), &[40], &[]);
        // A stack that the program moves itself is not known to be unused: the pointer may be data.
        let moved = text(64).replace(
            "(func (export \"run\") (local i32)",
            &format!("(func (export \"run\") (local i32) (global.set $sp (i32.const {}))", base - 4000),
        );
        expect(&with_stack(base, data, &moved), &[], &[]);
    }
    // It ends while the frame is in use.
    let text = r#"(func (export "run") (local i32)
        (global.set $sp (local.tee 0 (i32.sub (global.get $sp) (i32.const 64))))
        (i32.store offset=16 (local.get 0) (call $malloc (i32.const 40))))"#;
    expect(&with_stack(9000, 1040, text), &[], &[]);
}

#[test]
fn functions_in_progress_and_broken_headers_are_said() {
    let text = r#"
        (func (export "trap") (drop (call $malloc (i32.const 24))) (unreachable))
        (func (export "break") (param i32)
            (i32.store (i32.sub (call $malloc (i32.const 24)) (local.get 0)) (i32.const 7)))"#;
    let wasm = checked(&module(MEMORY, text), &options(C));
    for engine in ENGINES {
        let mut instance = start_with(engine, &wasm, &Host::new());
        assert!(instance.call("trap", &[]).is_err());
        let findings = finished(&mut *instance).findings.expect("it is a check's");
        assert_eq!(findings.search, Search::Done { in_progress: true }, "{engine}");
        assert_eq!(findings.lost.len(), 1);

        let mut instance = start_with(engine, &wasm, &Host::new());
        instance.call("break", &[Value::I32(16)]).expect("it goes on");
        let findings = finished(&mut *instance).findings.expect("it is a check's");
        assert_eq!((findings.search, findings.lost), (Search::Broken, Vec::new()), "{engine}");
    }
}

/// Many blocks, and the search over them.
#[test]
fn each_block_of_many_is_found() {
    // A list of 3,000 blocks of 8 bytes, of which only the address of the last is kept; after it 2,000 of 12 bytes.
    let text = r#"(func (export "run") (local i32 i32)
        (loop
            (local.set 1 (call $malloc (i32.const 8)))
            (i32.store offset=4 (local.get 1) (i32.load (i32.const 512)))
            (i32.store (i32.const 512) (local.get 1))
            (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 3000))))
        (loop
            (drop (call $malloc (i32.const 12)))
            (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 5000)))))"#;
    let wasm = checked(&module("(memory 8)", text), &options(C));
    for engine in ENGINES {
        let mut instance = start_with(engine, &wasm, &Host::new());
        instance.call("run", &[]).expect("it runs");
        let profile = finished(&mut *instance);
        assert_eq!(profile.nodes.iter().map(|node| node.count).sum::<u64>(), 5000);
        let [lost] = profile.findings.expect("it is a check's").lost[..] else { panic!("one stack") };
        assert_eq!((lost.blocks, lost.bytes, lost.is_indirect), (2000, 24_000, false), "{engine}");
    }
}

#[test]
fn the_program_may_go_on_after_the_search() {
    // The memory grows into where the search had its room in the shadow.
    let text = r#"
        (func (export "run") (local i32)
            (loop
                (drop (call $malloc (i32.const 8)))
                (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 1000)))))
        (func (export "more") (local i32)
            (drop (memory.grow (i32.const 64)))
            (local.set 0 (i32.shl (memory.size) (i32.const 16)))
            (loop
                (drop (i32.load (local.tee 0 (i32.sub (local.get 0) (i32.const 4)))))
                (br_if 0 (i32.gt_u (local.get 0) (i32.const 262144)))))"#;
    let wasm = checked(&module(MEMORY, text), &options(C));
    for engine in ENGINES {
        let mut instance = start_with(engine, &wasm, &Host::new());
        instance.call("run", &[]).expect("it runs");
        instance.call(FINISH, &[]).expect("it is exported");
        instance.call("more", &[]).expect("it runs");
        assert_eq!(misuses(&mut *instance), [], "{engine}");
    }
}
