//! One small module for each family: what becomes of it, and that it stays so.

use memgrove_rewrite::{Behaviour, Decision, Error, Fixed, Options, Purpose, Stubs, fix, plan};

/// Fixes text, checks that nothing is imported and that fixing again changes nothing.
fn complete(text: &str) -> (Fixed, String) {
    let wasm = wat::parse_str(text).expect("the test's text is well-formed");
    let fixed = fix(&wasm, &Options::default()).expect("it can be fixed");
    let remaining: Vec<_> = fixed.plan.remaining().collect();
    assert!(remaining.is_empty(), "{remaining:#?}");
    let again = fix(&fixed.wasm, &Options::default()).expect("its own output can be fixed");
    assert_eq!(again.wasm, fixed.wasm, "fixing twice changes nothing more");
    let printed = wasmprinter::print_bytes(&fixed.wasm).expect("the output can be printed");
    assert!(!printed.contains("(import"), "{printed}");
    (fixed, printed)
}

fn contains(printed: &str, parts: &[&str]) {
    for part in parts {
        assert!(printed.contains(part), "`{part}` is not in\n{printed}");
    }
}

/// Fixes text and gives the purposes and reasons of what stays.
fn remaining(text: &str, options: &Options) -> Vec<(String, Purpose)> {
    let wasm = wat::parse_str(text).expect("the test's text is well-formed");
    let plan = plan(&wasm, options).expect("it can be planned");
    plan.remaining().map(|item| (item.name.clone(), item.purpose)).collect()
}

#[test]
fn a_module_without_needs_is_given_back_byte_for_byte() {
    let wasm = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "f")))"#).unwrap();
    assert_eq!(fix(&wasm, &Options::default()).unwrap().wasm, wasm);
}

#[test]
fn memory_table_and_constants_become_its_own() {
    let (_, printed) = complete(
        r#"(module
            (import "env" "memory" (memory 2 4))
            (import "env" "table" (table 3 funcref))
            (import "global" "NaN" (global f64))
            (import "global" "Infinity" (global $inf f64))
            (global $copy f64 (global.get $inf)))"#,
    );
    contains(
        &printed,
        &[
            "(memory (;0;) 2 4)",
            r#"(export "memory" (memory 0))"#,
            r#"(export "table" (table 0))"#,
            // A copy holds the constant itself: older engines allow nothing else.
            "(global $copy (;2;) f64 f64.const inf",
        ],
    );
}

#[test]
fn an_export_name_that_is_taken_is_left_alone() {
    let (_, printed) = complete(r#"(module (import "env" "m" (memory 1)) (func (export "memory")))"#);
    contains(&printed, &[r#"(export "memory" (func 0))"#, r#"(export "memory_1" (memory 0))"#]);
}

const FASTCOMP: &str = r#"(module
    (import "env" "DYNAMICTOP_PTR" (global $ptr i32))
    (import "env" "STACKTOP" (global $top i32))
    (import "env" "STACK_MAX" (global $max i32))
    (import "env" "tempDoublePtr" (global i32))
    (import "env" "ABORT" (global i32))
    (import "env" "memoryBase" (global i32))
    (import "env" "tableBase" (global i32))
    (import "env" "memory" (memory 256 256))
    (import "env" "enlargeMemory" (func $enlarge (result i32)))
    (import "env" "getTotalMemory" (func $total (result i32)))
    (import "env" "abortOnCannotGrowMemory" (func (result i32)))
    (import "env" "___setErrNo" (func $errno (param i32)))
    (import "env" "abort" (func (param i32)))
    (global $sp (mut i32) (global.get $top))
    (data (i32.const 1024) "static")
    (func (export "___errno_location") (result i32) (i32.const 2000))
    (func (export "_sbrk") (param i32) (result i32)
        (i32.store (global.get $ptr) (local.get 0))
        (drop (call $enlarge))
        (call $errno (i32.const 12))
        (call $total)))"#;

#[test]
fn fastcomp_is_laid_out_above_everything_static() {
    let (fixed, printed) = complete(FASTCOMP);
    // 256 pages of static data and stack as the glue had them; cells, 5 MiB of stack; the heap.
    let heap = 256 * 65536 + 32 + 5 * 1024 * 1024;
    contains(
        &printed,
        &[
            "(memory (;0;) 337 593)",
            "(global $ptr (;0;) i32 i32.const 16777232)",
            "(global $top (;1;) i32 i32.const 16777248)",
            &format!("(global $max (;2;) i32 i32.const {heap})"),
            "(global (;3;) i32 i32.const 16777216)",
            "(global (;5;) i32 i32.const 1024)",
            "memory.grow",
        ],
    );
    let (at, bytes) = fixed.plan.initial_data().next().expect("a first break");
    assert_eq!((at, bytes), (16_777_232, u32::to_le_bytes(heap).as_slice()));
}

#[test]
fn fastcomp_with_minified_names_is_recognised_by_its_sbrk() {
    let (fixed, _) = complete(
        r#"(module
            (import "env" "b" (func $b (param i32)))
            (import "env" "c" (func $c (param i32) (result i32)))
            (import "env" "e" (func $e (result i32)))
            (import "env" "a" (global $a i32))
            (import "env" "memory" (memory 256 256))
            (global $copy (mut i32) (global.get $a))
            (func (export "h") (param i32) (result i32)
                (local i32)
                (if (i32.gt_s (local.tee 1 (i32.add (i32.load (global.get $a)) (local.get 0))) (call $e))
                    (then (if (i32.eqz (call $c (local.get 1)))
                        (then (call $b (i32.const 12)) (return (i32.const -1))))))
                (i32.store (global.get $a) (local.get 1))
                (i32.const 0)))"#,
    );
    let names: Vec<_> = fixed.plan.imports.iter().filter_map(|item| item.known_as.as_deref()).collect();
    assert_eq!(names, ["___setErrNo", "emscripten_resize_heap", "emscripten_get_heap_size"]);
}

#[test]
fn early_llvm_gets_the_first_break_that_its_sbrk_loads() {
    let (fixed, _) = complete(
        r#"(module
            (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
            (import "env" "memory" (memory 256))
            (global $sp (mut i32) (i32.const 5507504))
            (data (i32.const 1024) "static")
            (func (export "sbrk") (param i32) (result i32)
                (if (i32.gt_u
                        (i32.add (i32.load (i32.const 264624)) (local.get 0))
                        (i32.shl (memory.size) (i32.const 16)))
                    (then (if (i32.eqz (call $resize (local.get 0))) (then (return (i32.const -1))))))
                (i32.store (i32.const 264624) (local.get 0))
                (i32.const 0)))"#,
    );
    let data: Vec<_> = fixed.plan.initial_data().collect();
    assert_eq!(data, [(264_624, 5_507_504_u32.to_le_bytes().as_slice())]);
}

#[test]
fn a_break_that_the_linker_initialised_is_left_alone() {
    let (fixed, _) = complete(
        r#"(module
            (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
            (memory (export "memory") 2 100)
            (data (i32.const 1024) "\00\00\01\00")
            (func (export "sbrk") (param i32) (result i32)
                (if (i32.gt_u (i32.load (i32.const 1024)) (memory.size))
                    (then (drop (call $resize (local.get 0)))))
                (i32.store (i32.const 1024) (local.get 0))
                (i32.const 0)))"#,
    );
    assert_eq!(fixed.plan.initial_data().count(), 0);
}

#[test]
fn constructors_run_at_instantiation_and_once() {
    let (fixed, printed) = complete(
        r#"(module
            (import "env" "emscripten_notify_memory_growth" (func (param i32)))
            (global $count (export "count") (mut i32) (i32.const 0))
            (func (export "__wasm_call_ctors") (global.set $count (i32.add (global.get $count) (i32.const 1)))))"#,
    );
    contains(&printed, &["(start ", "(export \"__wasm_call_ctors\" (func 2))"]);
    assert_eq!(fixed.plan.called_at_start().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_start_function_runs_before_the_constructors() {
    let (_, printed) = complete(
        r#"(module
            (import "env" "memory" (memory 1))
            (func $init (memory.fill (i32.const 0) (i32.const 1) (i32.const 2)))
            (func $ctors (export "__wasm_call_ctors") (i32.store (i32.const 4) (i32.const 1)))
            (start $init))"#,
    );
    let start = printed.split("(func $memgrove.start").nth(1).expect("a start function");
    let calls: Vec<_> = start.lines().filter(|line| line.contains("call ")).map(str::trim).collect();
    assert_eq!(calls, ["call $init", "call $memgrove.once.1"]);
}

#[test]
fn musl_system_calls_are_told_from_emscriptens_by_their_types() {
    let musl = r#"(module
        (import "env" "__syscall0" (func (param i32) (result i32)))
        (import "env" "__syscall5" (func (param i32 i32 i32 i32 i32 i32) (result i32)))
        (import "env" "__syscall6" (func (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "env" "memory" (memory 2)))"#;
    let (fixed, _) = complete(musl);
    assert_eq!(fixed.plan.imports[1].purpose, Purpose::Libc);
    let (fixed, _) = complete(
        r#"(module
            (import "env" "__syscall5" (func (param i32 i32) (result i32)))
            (memory 1))"#,
    );
    assert_eq!(fixed.plan.imports[0].purpose, Purpose::Libc);
}

#[test]
fn wali_sbrk_wasi_and_math_are_satisfied_with_types_adapted() {
    complete(
        r#"(module
            (import "wali" "SYS_brk" (func (param i32) (result i64)))
            (import "wali" "SYS_mmap" (func (param i32 i32 i32 i32 i32 i64) (result i64)))
            (import "wali" "SYS_mremap" (func (param i32 i32 i32 i32 i32) (result i64)))
            (import "env" "sbrk" (func (param i32) (result i32)))
            (import "wasi_unstable" "fd_seek" (func (param i32 i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_seek" (func (param i32 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
            (import "env" "emscripten_get_now" (func (result f64)))
            (import "env" "powf" (func (param f32 f32) (result f32)))
            (import "asm2wasm" "f64-rem" (func (param f64 f64) (result f64)))
            (import "global.Math" "exp" (func (param f64) (result f64)))
            (memory (export "memory") 2))"#,
    );
}

#[test]
fn a_host_grown_break_is_followed_by_memory() {
    let (fixed, printed) = complete(
        r#"(module
            (memory (export "memory") 2)
            (global (export "__heap_base") i32 (i32.const 70000))
            (data (i32.const 1024) "\70\11\01")
            (func (export "sbrk") (param i32) (result i32)
                (local i32)
                (local.set 1 (i32.load (i32.const 1024)))
                (i32.store (i32.const 1024) (i32.add (local.get 1) (local.get 0)))
                (local.get 1)))"#,
    );
    assert_eq!(fixed.plan.changes[0].subject, "growth");
    contains(&printed, &["memory.grow"]);
}

#[test]
fn a_side_module_is_placed_by_what_it_asks_for() {
    // dylink: 100 bytes of memory aligned to 16, two table entries.
    let (_, printed) = complete(
        r#"(module
            (@custom "dylink" (before first) "\64\04\02\00\00")
            (import "env" "memory" (memory 1))
            (import "env" "__indirect_function_table" (table 0 funcref))
            (import "env" "__memory_base" (global $base i32))
            (import "env" "__table_base" (global $table i32))
            (data (global.get $base) "x")
            (elem (global.get $table) func $f $f)
            (func $f))"#,
    );
    contains(
        &printed,
        &["(data (;0;) (i32.const 1024) \"x\")", "(table (;0;) 3 funcref)", "(elem (;0;) (i32.const 1)"],
    );
    assert!(!printed.contains("dylink"), "nothing loads it any more");
}

#[test]
fn what_only_a_host_can_do_stays_with_its_purpose() {
    let text = r#"(module
        (import "wbg" "__wbg_getRandomValues_1" (func (param i32 i32)))
        (import "wbg" "__wbindgen_object_drop_ref" (func (param i32)))
        (import "wbg" "__wbindgen_throw" (func (param i32 i32)))
        (import "env" "_embind_register_void" (func (param i32 i32)))
        (import "env" "something" (func (param i32) (result i32)))
        (memory 1))"#;
    let expected = [
        ("__wbg_getRandomValues_1", Purpose::JsGlue),
        // A handle made up here must not reach JavaScript.
        ("__wbindgen_object_drop_ref", Purpose::JsGlue),
        ("_embind_register_void", Purpose::JsGlue),
        ("something", Purpose::Unknown),
    ];
    assert_eq!(
        remaining(text, &Options::default()),
        expected.map(|(name, purpose)| (name.to_owned(), purpose))
    );
}

#[test]
fn a_file_is_wasm_bindgens_glue_only_with_a_function_of_its_own() {
    let module = |other: &str| {
        format!(
            r#"(module (import "./end" "end" (func $end)) {other}
                (func (export "f") (call $end) unreachable))"#
        )
    };
    // It never returns, which its use tells; whoever gives its file such a name.
    complete(&module(""));
    // In glue all functions belong together: where one needs JavaScript, what another does is not guessed.
    let other = r#"(import "./end" "__wbg_log_1234567890abcdef" (func (param i32)))"#;
    let stays = remaining(&module(other), &Options::default());
    assert_eq!(
        stays.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["end", "__wbg_log_1234567890abcdef"]
    );
}

#[test]
fn stubs_and_hosts_decide_about_wasi() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))
        (memory 1))"#;
    let none = Options { stubs: Stubs::none(), ..Options::default() };
    assert_eq!(remaining(text, &none), [("fd_close".to_owned(), Purpose::Wasi)]);
    let host = Options {
        provided: vec![("wasi_snapshot_preview1".to_owned(), "fd_close".to_owned())],
        ..Options::default()
    };
    assert_eq!(remaining(text, &host).len(), 1);
    assert!(remaining(text, &Options::default()).is_empty());
}

#[test]
fn what_stays_keeps_its_index_and_calls_follow() {
    let wasm = wat::parse_str(
        r#"(module
            (import "env" "abort" (func $abort))
            (import "host" "draw" (func $draw (param i32)))
            (func (export "f") (call $draw (i32.const 1)) (call $abort))
            (elem declare func $draw))"#,
    )
    .unwrap();
    let fixed = fix(&wasm, &Options::default()).unwrap();
    let printed = wasmprinter::print_bytes(&fixed.wasm).unwrap();
    contains(&printed, &[r#"(import "host" "draw" (func $draw (;0;)"#, "call $draw", "(func $abort (;1;)"]);
}

#[test]
fn names_follow_and_debug_information_goes() {
    let (fixed, printed) = complete(
        r#"(module
            (@custom ".debug_info" "1234")
            (@custom "mine" "5678")
            (import "env" "abort" (func $abort))
            (func $work (export "f") (call $abort)))"#,
    );
    contains(&printed, &["$abort", "$work", "(@custom \"mine\""]);
    assert!(!printed.contains(".debug_info"));
    assert!(fixed.plan.changes.iter().any(|change| change.what.contains(".debug_info")));
}

#[test]
fn the_plan_can_be_read_by_a_machine() {
    let wasm = wat::parse_str(r#"(module (import "env" "abort" (func)))"#).unwrap();
    let plan = plan(&wasm, &Options::default()).unwrap();
    assert!(matches!(&plan.imports[0].decision, Decision::Inside { exact: true, .. }));
}

#[test]
fn bad_input_is_an_error_with_its_offset() {
    let invalid = |bytes: &[u8]| match fix(bytes, &Options::default()) {
        Err(Error::Invalid { offset, .. }) => offset,
        other => panic!("{other:?}"),
    };
    assert_eq!(invalid(b"\0asm\x01\0\0"), 7);
    assert_eq!(invalid(b"\0asm\x01\0\0\0\x01\xff"), 10);
    assert!(matches!(fix(b"\0asm\x0d\0\x01\0", &Options::default()), Err(Error::Component)));
    let wasm = wat::parse_str(FASTCOMP).unwrap();
    for end in 0..wasm.len() {
        // Cut at a section's end it is a module again; anywhere else it is an error. No panic.
        let _ = fix(&wasm[..end], &Options::default());
    }
}

#[test]
fn no_room_for_a_stack_is_an_error() {
    let text = FASTCOMP.replace("256 256", "65536 65536");
    let result = fix(&wat::parse_str(text).unwrap(), &Options::default());
    assert!(matches!(result, Err(Error::NoRoom { .. })), "{result:?}");
}

#[test]
fn system_calls_of_2020_and_jumps_have_stand_ins() {
    let behaviour = |name: &str, ty: &str| {
        let text = format!(r#"(module (import "env" "{name}" (func {ty})) (memory 1))"#);
        let wasm = wat::parse_str(text).expect("well-formed");
        plan(&wasm, &Options::default()).expect("it can be planned").imports[0].behaviour
    };
    let (two, three) = ("(param i32 i32) (result i32)", "(param i32 i32 i32) (result i32)");
    for (name, ty) in [
        ("__sys_stat64", two),
        ("__sys_open", three),
        ("__sys_fcntl64", three),
        ("__sys_unlink", "(param i32) (result i32)"),
    ] {
        assert_eq!(behaviour(name, ty), Behaviour::Answers(-52), "{name}");
    }
    assert_eq!(behaviour("setjmp", "(param i32) (result i32)"), Behaviour::Answers(0));
    // Not Emscripten's, not a call of that name, not its type.
    for (name, ty) in
        [("sys_open", three), ("__sys_frobnicate", two), ("__sys_stat64", three), ("setjmp", two)]
    {
        assert_eq!(behaviour(name, ty), Behaviour::StaysFunction, "{name} {ty}");
    }
}
