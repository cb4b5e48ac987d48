//! The engines agree with each other, and each says what stopped it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use std::time::{Duration, Instant};

use memgrove_lab::engine::{
    self, Engine, EngineError, EngineId, Host, HostTrap, Instance, Limits, Memory, Settings, TrapReason,
    Value,
};
use memgrove_lab::verify::{Reason, Verdict, verify_on};

/// Every engine of this machine; those that are processes may be missing, the others may not.
#[expect(clippy::print_stderr, reason = "a test says what it left out")]
fn engines(settings: &Settings) -> Vec<Box<dyn Engine>> {
    EngineId::ALL
        .into_iter()
        .filter_map(|id| match engine::open(id, settings) {
            Ok(engine) => Some(engine),
            Err(EngineError::Absent { reason, .. }) if id.is_process() => {
                eprintln!("not tested on {id}: {reason}");
                None
            }
            Err(error) => panic!("{id}: {error}"),
        })
        .collect()
}

/// Runs `check` with an instance of `wat` on every engine.
fn on_each(wat: &str, host: &Host, check: impl Fn(&str, Result<Box<dyn Instance>, EngineError>)) {
    on_each_with(&Settings::default(), wat, host, check);
}

fn on_each_with(
    settings: &Settings,
    wat: &str,
    host: &Host,
    check: impl Fn(&str, Result<Box<dyn Instance>, EngineError>),
) {
    let wasm = wat::parse_str(wat).unwrap();
    for engine in engines(settings) {
        let name = engine.name();
        check(name, engine.compile(&wasm).and_then(|module| module.instantiate(host)));
    }
}

#[test]
fn calls_memory_and_globals_agree() {
    let wat = r#"(module
        (memory (export "memory") 1 3)
        (global (export "counter") (mut i64) (i64.const -5))
        (func (export "swap") (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
        (func (export "float") (param f32 f64) (result f64)
            (f64.add (f64.promote_f32 (local.get 0)) (local.get 1)))
        (func (export "count") (global.set 0 (i64.add (global.get 0) (i64.const 1))))
        (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;
    on_each(wat, &Host::new(), |name, instance| {
        let mut instance = instance.unwrap();
        let swapped = instance.call("swap", &[Value::I32(-1), Value::I64(i64::MIN)]).unwrap();
        assert_eq!(swapped.values, [Value::I64(i64::MIN), Value::I32(-1)], "{name}");
        let arguments = [Value::F32(1.5f32.to_bits()), Value::F64(2.25f64.to_bits())];
        assert_eq!(
            instance.call("float", &arguments).unwrap().values,
            [Value::F64(3.75f64.to_bits())],
            "{name}"
        );
        instance.call("count", &[]).unwrap();
        assert_eq!(instance.global("counter").unwrap(), Value::I64(-4), "{name}");
        instance.set_global("counter", Value::I64(i64::MAX)).unwrap();
        assert_eq!(instance.global("counter").unwrap(), Value::I64(i64::MAX), "{name}");

        instance.write(Memory::Main, 65_530, b"edge").unwrap();
        assert_eq!(instance.read(Memory::Export("memory"), 65_531, 3).unwrap(), b"dge", "{name}");
        let edge = instance.call("load", &[Value::I32(65_530)]).unwrap();
        assert_eq!(edge.integer("load").unwrap(), u64::from(b'e'), "{name}");
        assert_eq!(
            instance.read(Memory::Main, 65_535, 2),
            Err(EngineError::OutOfBounds { address: 65_535, length_bytes: 2 }),
            "{name}"
        );
        assert_eq!(instance.grow(Memory::Main, 2).unwrap(), Some(1), "{name}");
        assert_eq!(instance.grow(Memory::Main, 1).unwrap(), None, "{name}: beyond the maximum");
        assert_eq!(instance.memory_bytes(Memory::Main).unwrap(), 3 * 65_536, "{name}");
    });
}

#[test]
fn a_missing_import_is_named_by_each() {
    let wat = r#"(module (import "env" "there" (func)) (import "env" "missing" (func (param i32)))
        (import "other" "table" (table 1 funcref)))"#;
    let host = Host::new().function("env", "there", |_, _| Ok(vec![]));
    on_each(wat, &host, |name, instance| {
        let error = instance.err().unwrap();
        // V8 looks whether every module name is there before it looks at any field.
        let expected = if name == "node" { ("other", "table") } else { ("env", "missing") };
        assert_eq!(error.import(), Some(expected), "{name}: {error:?}");
        let EngineError::Import { words, unsupplied, .. } = error else { unreachable!() };
        assert!(!words.is_empty(), "{name}");
        assert_eq!(unsupplied, ["env.missing", "other.table"], "{name}");
    });
}

#[test]
fn a_host_serves_functions_memory_table_and_globals() {
    let wat = r#"(module
        (import "env" "memory" (memory 1 10))
        (import "env" "table" (table 2 funcref))
        (import "env" "base" (global i32))
        (import "env" "sum" (func $sum (param i32 i64) (result i64)))
        (import "env" "grow" (func $grow (result i32)))
        (elem (i32.const 1) $seven)
        (func $seven (result i32) (i32.const 7))
        (func (export "inner") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
        (func (export "run") (result i64)
            (i32.store (global.get 0) (i32.const 40))
            (drop (call $grow))
            (call $sum (i32.const 2) (i64.const 3)))
        (func (export "pages") (result i32) (memory.size)))"#;
    let host = Host::new()
        .memory("env", "memory", 2)
        .table("env", "table", 4)
        .global("env", "base", Value::I32(128))
        .function("env", "grow", |caller, _| {
            Ok(vec![Value::I32(caller.grow(1).map_or(-1, |pages| i32::try_from(pages).unwrap()))])
        })
        .function("env", "sum", |caller, arguments| {
            let stored = caller.read(128, 1)?[0];
            caller.write(129, &[stored + 1])?;
            let inner = caller.call("inner", &[Value::I32(100)])?;
            let seven = caller.call_table(1, &[])?;
            let numbers = arguments.iter().chain(&inner).chain(&seven).filter_map(|value| value.as_u64());
            Ok(vec![Value::I64(i64::from(stored) + numbers.sum::<u64>().cast_signed())])
        });
    on_each(wat, &host, |name, instance| {
        let mut instance = instance.unwrap();
        let sum = instance.call("run", &[]).unwrap();
        assert_eq!(sum.values, [Value::I64(40 + 2 + 3 + 101 + 7)], "{name}");
        assert_eq!(instance.read(Memory::Main, 128, 2).unwrap(), [40, 41], "{name}");
        assert_eq!(instance.call("pages", &[]).unwrap().values, [Value::I32(3)], "{name}");
    });
}

#[test]
fn a_host_function_can_refuse_and_must_keep_its_type() {
    let wat = r#"(module (import "wasi" "exit" (func $exit (param i32))) (import "env" "wrong" (func $wrong (result i32)))
        (func (export "exit") (call $exit (i32.const 3)))
        (func (export "wrong") (result i32) (call $wrong)))"#;
    let host = Host::new()
        .function("wasi", "exit", |_, arguments| Err(HostTrap(format!("exit {:?}", arguments[0].as_u32()))))
        .function("env", "wrong", |_, _| Ok(vec![Value::I64(1)]));
    on_each(wat, &host, |name, instance| {
        let mut instance = instance.unwrap();
        let error = instance.call("exit", &[]).unwrap_err();
        assert_eq!(error.trap(), Some(&TrapReason::Host("exit Some(3)".to_owned())), "{name}: {error:?}");
        let error = instance.call("wrong", &[]).unwrap_err();
        assert!(
            matches!(error.trap(), Some(TrapReason::Host(words)) if words.contains("I64")),
            "{name}: {error:?}"
        );
    });
}

#[test]
fn a_fallback_sees_the_type() {
    let wat = r#"(module (import "x" "y" (func $y (param i32) (result f64)))
        (func (export "run") (result f64) (call $y (i32.const 1))))"#;
    let host = Host::new().fallback(|module, name, signature| {
        assert_eq!((module, name), ("x", "y"));
        let results: Vec<_> = signature.results.iter().map(|result| result.zero()).collect();
        Some(Arc::new(move |_, _| Ok(results.clone())))
    });
    on_each(wat, &host, |name, instance| {
        assert_eq!(instance.unwrap().call("run", &[]).unwrap().values, [Value::F64(0)], "{name}");
    });
}

#[test]
fn traps_have_the_same_reason_everywhere() {
    let wat = r#"(module (memory 1) (table 1 funcref) (type $v (func))
        (func (export "unreachable") (unreachable))
        (func (export "memory") (drop (i32.load (i32.const -4))))
        (func (export "table") (call_indirect (type $v) (i32.const 9)))
        (func (export "null") (call_indirect (type $v) (i32.const 0)))
        (func (export "divide") (drop (i32.div_u (i32.const 1) (i32.const 0))))
        (func $deep (export "deep") (call $deep) (call $deep)))"#;
    on_each(wat, &Host::new(), |name, instance| {
        let mut instance = instance.unwrap();
        for (export, reason) in [
            ("unreachable", TrapReason::Unreachable),
            ("memory", TrapReason::MemoryOutOfBounds),
            ("table", TrapReason::TableOutOfBounds),
            ("null", TrapReason::IndirectCall),
            ("divide", TrapReason::Arithmetic),
            ("deep", TrapReason::StackOverflow),
        ] {
            let error = instance.call(export, &[]).unwrap_err();
            assert_eq!(error.trap(), Some(&reason), "{name}, {export}: {error:?}");
        }
        let error = instance.call("nothing", &[]).unwrap_err();
        assert!(matches!(&error, EngineError::Export { name, .. } if name == "nothing"), "{name}: {error:?}");
        let error = instance.call("deep", &[Value::I32(1)]).unwrap_err();
        assert!(matches!(error, EngineError::Export { .. }), "{name}: {error:?}");
    });
}

#[test]
fn start_runs_under_the_host_and_can_trap() {
    let wat = r#"(module (import "env" "seen" (func $seen)) (func $start (call $seen) (unreachable)) (start $start))"#;
    let seen = Arc::new(AtomicU64::new(0));
    let counter = seen.clone();
    let host = Host::new().function("env", "seen", move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(vec![])
    });
    let tried = AtomicU64::new(0);
    on_each(wat, &host, |name, instance| {
        let error = instance.err().unwrap();
        assert_eq!(error.trap(), Some(&TrapReason::Unreachable), "{name}: {error:?}");
        tried.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(seen.load(Ordering::Relaxed), tried.load(Ordering::Relaxed));
}

#[test]
fn what_is_no_module_does_not_compile() {
    for engine in engines(&Settings::default()) {
        for wasm in [&b"\0asm\x01\0\0\0\x01"[..], b"", b"hello"] {
            let error = engine.compile(wasm).err().unwrap();
            assert!(matches!(error, EngineError::Compile { .. }), "{}: {error:?}", engine.name());
        }
    }
}

/// A process is asked in messages, which take far longer than a short call: they are in no figure.
#[test]
fn a_call_is_timed_where_it_runs() {
    let wat = r#"(module (func (export "nothing") (param i32 i32 i32) (result i64) (i64.const 1)))"#;
    let arguments = [Value::I32(1); 3];
    let is_process = |name: &str| name.parse::<EngineId>().is_ok_and(EngineId::is_process);
    for engine in engines(&Settings::default()).iter().filter(|engine| is_process(engine.name())) {
        let module = engine.compile(&wat::parse_str(wat).unwrap()).unwrap();
        let mut instance = module.instantiate(&Host::new()).unwrap();
        let (told, seen): (Vec<_>, Vec<_>) = (0..200)
            .map(|_| {
                let begin = Instant::now();
                let outcome = instance.call("nothing", &arguments).unwrap();
                (outcome.elapsed, begin.elapsed())
            })
            .unzip();
        let (told, seen) = (told.into_iter().min().unwrap(), seen.into_iter().min().unwrap());
        assert!(told < seen / 3, "{}: {told:?} of {seen:?}", engine.name());
    }
}

#[test]
fn endless_work_ends() {
    let wat = r#"(module (func (export "spin") (loop (br 0))) (func (export "fine")))"#;
    let limits = Limits { fuel: 1_000_000, call: Duration::from_secs(2), ..Limits::UNKNOWN };
    let settings = Settings::counting(limits);
    on_each_with(&settings, wat, &Host::new(), |name, instance| {
        let mut instance = instance.unwrap();
        instance.call("fine", &[]).unwrap();
        let error = instance.call("spin", &[]).unwrap_err();
        let ended =
            matches!(error, EngineError::Timeout { .. }) || error.trap() == Some(&TrapReason::OutOfFuel);
        assert!(ended, "{name}: {error:?}");
    });
}

#[test]
fn fuel_counts_bytes_of_bulk_operations_and_repeats() {
    let wat = r#"(module (memory 1)
        (func (export "nothing"))
        (func (export "fill") (param i32) (memory.fill (i32.const 0) (i32.const 1) (local.get 0)))
        (func (export "copy") (param i32) (memory.copy (i32.const 0) (i32.const 8) (local.get 0))))"#;
    let engine = engine::open(EngineId::Wasmtime, &Settings::bounded(1 << 40)).unwrap();
    let module = engine.compile(&wat::parse_str(wat).unwrap()).unwrap();
    let mut instance = module.instantiate(&Host::new()).unwrap();
    let mut fuel = |export, bytes: &[Value]| instance.call(export, bytes).unwrap().fuel.unwrap();
    assert_eq!(fuel("nothing", &[]), 1);
    for export in ["fill", "copy"] {
        let short = fuel(export, &[Value::I32(10)]);
        assert_eq!(fuel(export, &[Value::I32(1010)]) - short, 1000, "{export}");
        assert_eq!(fuel(export, &[Value::I32(10)]), short, "{export}");
    }
}

#[test]
fn engines_tell_their_version() {
    for engine in engines(&Settings::default()) {
        assert!(engine.version().contains('.'), "{}: {}", engine.name(), engine.version());
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a test says what it left out")]
fn a_thread_that_fails_is_reported_though_another_waits_for_it() {
    let wasm = wat::parse_str(
        r#"(module
            (import "env" "memory" (memory 1 2 shared))
            (global (export "__stack_pointer") (mut i32) (i32.const 0))
            (func (export "__wasm_init_tls") (param i32))
            (func (export "work") (param $thread i32) (result i32)
                (if (local.get $thread) (then (unreachable)))
                (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))"#,
    )
    .expect("a valid module");
    for id in [EngineId::Wasmtime, EngineId::Node] {
        let begin = Instant::now();
        let mut team = match engine::assemble(id, &Settings::default(), &wasm) {
            Ok(team) => team,
            Err(EngineError::Absent { reason, .. }) if id == EngineId::Node => {
                eprintln!("skipped: {reason}");
                continue;
            }
            Err(error) => panic!("{id}: {error}"),
        };
        team.hire(2, 0, 1 << 15).expect("two threads");
        let outcome = team.together("work", &[], &[], 2);
        assert!(
            matches!(outcome, Err(EngineError::Trap { reason: TrapReason::Unreachable, .. })),
            "{id}: {outcome:?}"
        );
        assert!(begin.elapsed() < Limits::OWN.call / 2, "{id}: not waited for");
    }
}

#[test]
fn verification_takes_any_engine_behind_the_traits() {
    let wasm = wat::parse_str(
        r#"(module
            (import "env" "memory" (memory 1 256))
            (import "env" "sbrk" (func $sbrk (param i32) (result i32)))
            (func (export "malloc") (param i32) (result i32) (call $sbrk (local.get 0)))
            (func (export "triple") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3))))"#,
    )
    .unwrap();
    let fixed = memgrove_rewrite::fix(&wasm, &memgrove_rewrite::Options::default()).unwrap();
    let settings = Settings::counting(Limits::VERIFICATION);
    for id in EngineId::ALL {
        let verification =
            verify_on(&[id], &settings, &wasm, &fixed.wasm, &fixed.plan).expect("both are valid");
        let is_absent =
            verification.not_run.first().is_some_and(|not_run| not_run.gap.reason == Reason::EngineAbsent);
        assert!(!is_absent || id.is_process(), "{id} is linked in");
        let expected = if is_absent { Verdict::NotVerified } else { Verdict::Verified };
        assert_eq!(verification.verdict, expected, "{id}: {verification:#?}");
        assert_eq!(verification.evidence[0].engine, id.name());
    }
}
