//! What a hostile module may take, of each engine: each kind ends in an error that says which limit it was.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use memgrove_lab::engine::{
    self, EngineError, EngineId, Host, Limits, Memory, Resource, Settings, TrapReason, Value,
};

const MIB: u64 = 1 << 20;

/// Small, so that nothing here takes long or much.
fn limits() -> Limits {
    Limits {
        memory_bytes: 64 * MIB,
        table_elements: 100_000,
        fuel: 200_000_000,
        call: Duration::from_millis(800),
        process_bytes: 256 * MIB,
        ..Limits::UNKNOWN
    }
}

fn hostile(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/hostile").join(name);
    wat::parse_file(path).expect("a valid module")
}

/// What came of it: an error, or a call that returned.
fn run(id: EngineId, settings: &Settings, wasm: &[u8]) -> Result<(), EngineError> {
    let host =
        Host::new()
            .memory("env", "memory", 0)
            .function("env", "emscripten_notify_memory_growth", |_, _| Ok(Vec::new()));
    let engine = engine::open(id, settings)?;
    let mut instance = engine.compile(wasm)?.instantiate(&host)?;
    let shape = engine::Shape::of(wasm)?;
    let parameters = &shape.function("f")?.parameters;
    let arguments: Vec<Value> = parameters.iter().map(|ty| ty.zero()).collect();
    instance.call("f", &arguments).map(drop)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Budget(Resource),
    Time,
    Fuel,
    Stack,
    /// An object is larger than the engine's heap can be.
    Memory,
}

fn end_of(error: &EngineError) -> Option<End> {
    Some(match error {
        EngineError::Budget(exceeded) => End::Budget(exceeded.resource),
        EngineError::Timeout { .. } => End::Time,
        EngineError::Trap { reason: TrapReason::OutOfFuel, .. } => End::Fuel,
        EngineError::Trap { reason: TrapReason::StackOverflow, .. } => End::Stack,
        EngineError::Trap { reason: TrapReason::OutOfMemory, .. } => End::Memory,
        _ => return None,
    })
}

/// Runs a case on every engine that can compile it, and returns how many could.
fn ends(name: &str, accepted: &[End], engines: &[EngineId]) -> usize {
    ends_within(&limits(), name, accepted, engines)
}

#[expect(clippy::print_stderr, reason = "a test says what it left out")]
fn ends_within(limits: &Limits, name: &str, accepted: &[End], engines: &[EngineId]) -> usize {
    let wasm = hostile(name);
    let mut tried = 0;
    for &id in engines {
        let settings = Settings::counting(*limits);
        let begin = Instant::now();
        match run(id, &settings, &wasm) {
            Err(EngineError::Absent { reason, .. }) if id.is_process() => {
                eprintln!("not tested on {id}: {reason}");
                continue;
            }
            // The proposal is not there.
            Err(EngineError::Compile { .. }) if id != EngineId::Wasmtime => continue,
            outcome => {
                let end = outcome.as_ref().err().and_then(end_of);
                assert!(
                    end.is_some_and(|end| accepted.contains(&end)),
                    "{name} on {id}: {outcome:?} is none of {accepted:?}"
                );
                assert!(outcome.is_err_and(|error| error.is_exhausted()), "{name} on {id}");
            }
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{name} on {id}: {:?}", begin.elapsed());
        tried += 1;
    }
    tried
}

const LINKED: [EngineId; 2] = [EngineId::Wasmtime, EngineId::Wasmi];
const PROCESSES: [EngineId; 2] = [EngineId::Node, EngineId::WasmtimePy];
const MEMORY: End = End::Budget(Resource::MemoryBytes);
const ELEMENTS: End = End::Budget(Resource::TableElements);
/// A process tells nobody: it is watched, or what it has is asked for after the call.
const PROCESS: End = End::Budget(Resource::ProcessBytes);

#[test]
fn tables_are_summed() {
    for name in ["table-grow.wat", "tables-grow.wat"] {
        assert_eq!(ends(name, &[ELEMENTS], &LINKED), 2);
        ends(name, &[PROCESS, End::Time], &PROCESSES);
    }
    assert!(ends("tables-declared.wat", &[ELEMENTS], &EngineId::ALL) >= 2);
}

#[test]
fn memories_are_summed() {
    for name in ["memories-declared.wat", "memory-declared.wat", "memory-imported.wat"] {
        assert!(ends(name, &[MEMORY], &EngineId::ALL) >= 2);
    }
    assert_eq!(ends("memories-grow.wat", &[MEMORY], &LINKED), 2);
    ends("memories-grow.wat", &[PROCESS, End::Time], &PROCESSES);
    assert!(ends("memory64-declared.wat", &[MEMORY], &EngineId::ALL) >= 2);
    // V8, where it knows such memories, refuses a terabyte itself: then there is nothing to count.
    let others = [EngineId::Wasmtime, EngineId::Wasmi, EngineId::WasmtimePy];
    assert!(ends("memory64-grow.wat", &[MEMORY], &others) >= 2);
}

#[test]
fn shared_memories_count_though_no_limiter_is_asked() {
    for name in ["shared-grow.wat", "shared-hidden.wat", "shared-start.wat"] {
        assert_eq!(ends(name, &[MEMORY], &[EngineId::Wasmtime]), 1);
        ends(name, &[MEMORY, PROCESS, End::Time], &PROCESSES);
    }
}

#[test]
fn collected_heaps_count_as_memory() {
    // Wasmtime counts fuel for each element.
    let limits = Limits { fuel: 1 << 40, ..limits() };
    // Throwing is slow, so that the clock may be first.
    for (name, end) in
        [("array-large.wat", End::Memory), ("arrays-kept.wat", MEMORY), ("throw-loop.wat", End::Time)]
    {
        assert_eq!(ends_within(&limits, name, &[MEMORY, end], &[EngineId::Wasmtime]), 1);
        ends_within(&limits, name, &[PROCESS, End::Memory, End::Time], &PROCESSES);
    }
}

#[test]
fn stack_fuel_and_time_end_calls_and_start_functions() {
    let few = Limits { fuel: 10_000_000, ..limits() };
    let ends = |name: &str, accepted: &[End]| ends_within(&few, name, accepted, &EngineId::ALL);
    assert!(ends("recursion.wat", &[End::Stack]) >= 2);
    for name in ["start-loop.wat", "start-fill.wat", "fill-loop.wat", "host-loop.wat"] {
        assert!(ends(name, &[End::Fuel, End::Time]) >= 2);
    }
    assert!(ends("wait.wat", &[End::Time]) >= 1);
    // Calls of the host take time that fuel does not count.
    let much = Limits { fuel: 1 << 40, ..limits() };
    for name in ["host-loop.wat", "fill-loop.wat"] {
        assert!(ends_within(&much, name, &[End::Fuel, End::Time], &EngineId::ALL) >= 2);
    }
}

/// Without fuel the clock has to do, on every engine, interruptible or not.
#[test]
fn time_ends_what_counts_no_fuel() {
    let wasm = wat::parse_str(r#"(module (func (export "f") (loop (br 0))) (func (export "fine")))"#)
        .expect("a valid module");
    for timing in [false, true] {
        for id in EngineId::ALL {
            let limits = Limits { call: Duration::from_millis(200), ..limits() };
            let settings = Settings { timing, ..Settings::within(limits) };
            match run(id, &settings, &wasm) {
                Err(EngineError::Absent { .. }) if id.is_process() => {}
                outcome => assert_eq!(
                    outcome,
                    Err(EngineError::Timeout { limit: limits.call }),
                    "{id}, timing: {timing}"
                ),
            }
        }
    }
}

#[test]
fn a_run_has_a_deadline_over_all_its_calls() {
    let wasm = wat::parse_str(r#"(module (func (export "f") (loop (br 0))))"#).expect("a valid module");
    let run_limit = Duration::from_millis(300);
    for id in LINKED {
        let settings = Settings::within(Limits { run: Some(run_limit), ..limits() });
        let engine = engine::open(id, &settings).expect("a linked engine");
        let mut instance = engine.compile(&wasm).unwrap().instantiate(&Host::new()).unwrap();
        assert!(matches!(instance.call("f", &[]), Err(EngineError::Timeout { .. })), "{id}");
        let error = engine.compile(&wasm).and_then(|module| module.instantiate(&Host::new())).err();
        assert_eq!(error, Some(EngineError::Timeout { limit: run_limit }), "{id}");
    }
}

#[test]
fn instances_of_all_engines_share_one_budget_and_give_it_back() {
    let wasm = wat::parse_str(r#"(module (memory (export "memory") 600))"#).expect("a valid module");
    let settings = Settings::counting(limits());
    let modules = LINKED.map(|id| engine::open(id, &settings).unwrap().compile(&wasm).unwrap());
    let first = modules[0].instantiate(&Host::new()).expect("room for one");
    let error = modules[1].instantiate(&Host::new()).err().expect("no room for two");
    assert!(matches!(&error, EngineError::Budget(exceeded) if exceeded.asked == 1200 << 16), "{error:?}");
    drop(first);
    for _ in 0..20 {
        for module in &modules {
            module.instantiate(&Host::new()).expect("room again");
        }
    }
    assert_eq!(settings.budget.memory_bytes(), 0);
    let apart = Settings { apart: true, ..settings };
    let module = engine::open(EngineId::Wasmtime, &apart).unwrap().compile(&wasm).unwrap();
    let _both = [module.instantiate(&Host::new()).unwrap(), module.instantiate(&Host::new()).unwrap()];
}

/// Growth that the module's own type refuses is none of ours: the module sees it, and nothing is counted.
#[test]
fn a_refusal_by_the_type_is_seen_by_the_module() {
    let wasm = wat::parse_str(
        r#"(module (memory (export "memory") 1 5) (memory $free 1) (table 1 3 funcref)
            (func (export "memory.grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "free.grow") (param i32) (result i32) (memory.grow $free (local.get 0)))
            (func (export "table.grow") (param i32) (result i32) (table.grow (ref.null func) (local.get 0))))"#,
    )
    .expect("a valid module");
    for id in LINKED {
        let settings = Settings::counting(limits());
        let module = engine::open(id, &settings).unwrap().compile(&wasm).unwrap();
        let mut instance = module.instantiate(&Host::new()).unwrap();
        let mut grow = |name: &str, by: i32| instance.call(name, &[Value::I32(by)]);
        let before = |pages: i32| Ok(vec![Value::I32(pages)]);
        for (name, by, expected) in [
            ("memory.grow", 3, 1),
            ("memory.grow", 2, -1),
            ("memory.grow", -1, -1),
            ("free.grow", 99, 1),
            ("free.grow", 65536, -1),
            ("free.grow", -1, -1),
            ("free.grow", 65536, -1),
            ("table.grow", 3, -1),
            ("table.grow", 2, 1),
            ("table.grow", 1000, -1),
        ] {
            let outcome = grow(name, by).map(|outcome| outcome.values);
            assert_eq!(outcome, before(expected), "{id}: {name} by {by}");
        }
        assert_eq!(settings.budget.memory_bytes(), 104 << 16, "{id}");
        let error = grow("free.grow", 60_000).expect_err("beyond the budget");
        assert_eq!(end_of(&error), Some(MEMORY), "{id}: {error:?}");
        assert_eq!(instance.grow(Memory::Main, 1).unwrap(), Some(4), "{id}");
        assert_eq!(instance.grow(Memory::Main, 1).unwrap(), None, "{id}: its own maximum");
        drop(instance);
        assert_eq!(settings.budget.memory_bytes(), 0, "{id}");
    }
}

/// A function of the host that grows the memory, or calls back, cannot hide that a limit was met.
#[test]
fn a_host_function_hides_no_limit() {
    let wasm = wat::parse_str(
        r#"(module (import "env" "grow" (func $grow (result i32))) (import "env" "back" (func $back (result i32)))
            (memory (export "memory") 1)
            (func (export "spin") (loop (br 0)))
            (func $deep (export "deep") (call $deep) (call $deep))
            (func (export "grows") (result i32) (call $grow))
            (func (export "calls") (result i32) (call $back)))"#,
    )
    .expect("a valid module");
    for (inner, end) in [("spin", End::Fuel), ("deep", End::Stack)] {
        let host = Host::new()
            .function("env", "grow", |caller, _| Ok(vec![Value::I32(i32::from(caller.grow(5000).is_some()))]))
            .function("env", "back", move |caller, _| {
                Ok(vec![Value::I32(i32::from(caller.call(inner, &[]).is_ok()))])
            });
        for id in LINKED {
            let limits = Limits { fuel: 10_000_000, call: Duration::from_secs(30), ..limits() };
            let engine = engine::open(id, &Settings::counting(limits)).unwrap();
            let mut instance = engine.compile(&wasm).unwrap().instantiate(&host).unwrap();
            let error = instance.call("grows", &[]).expect_err("beyond the budget");
            assert_eq!(end_of(&error), Some(MEMORY), "{id}: {error:?}");
            let error = instance.call("calls", &[]).expect_err("no end");
            assert_eq!(end_of(&error), Some(end), "{id}: {error:?}");
        }
    }
}

/// Host and module that call each other without end take stack that no engine counts.
#[test]
fn calls_between_host_and_module_are_bounded() {
    let wasm = wat::parse_str(
        r#"(module (import "env" "invoke" (func $invoke (param i32)))
            (table (export "table") 1 funcref) (elem (i32.const 0) $again)
            (func $again (call $invoke (i32.const 0)))
            (func (export "f") (call $invoke (i32.const 0)))
            (func (export "fine")))"#,
    )
    .expect("a valid module");
    // As the glue of some toolchains does: what is thrown inside is swallowed.
    let host = Host::new().function("env", "invoke", |caller, _| {
        let _ = caller.call_table(0, &[]);
        Ok(Vec::new())
    });
    for id in EngineId::ALL {
        let engine = match engine::open(id, &Settings::counting(Limits { fuel: 1 << 40, ..Limits::OWN })) {
            Err(EngineError::Absent { .. }) if id.is_process() => continue,
            engine => engine.expect("a linked engine"),
        };
        let mut instance = engine.compile(&wasm).unwrap().instantiate(&host).unwrap();
        for _ in 0..2 {
            let error = instance.call("f", &[]).expect_err("no end");
            assert_eq!(end_of(&error), Some(End::Stack), "{id}: {error:?}");
            instance.call("fine", &[]).expect("still usable");
        }
    }
}

/// Code that takes long to compile: it is compiled, or its size or its time is refused.
#[test]
fn compiling_is_bounded() {
    use std::fmt::Write as _;
    let mut one_body =
        String::from("(module (memory 1) (func (export \"f\") (param i32) (result i32) local.get 0\n");
    for number in 0..60_000 {
        writeln!(one_body, "i32.const {number} i32.mul local.tee 0 i32.load local.get 0 i32.add").unwrap();
    }
    one_body += "))";
    let mut locals = String::from("(module\n");
    for _ in 0..40 {
        locals += "(func (param i32) (local";
        locals += &" i64".repeat(10_000);
        locals += ") (loop (br_if 0 (local.get 0))))\n";
    }
    locals += "(func (export \"f\")))";
    let mut table = String::from("(module (func (export \"f\") (param i32) (block (br_table");
    table += &" 0".repeat(200_000);
    table += " (local.get 0)))))";
    for (name, text) in [("one body", one_body), ("locals", locals), ("br_table", table)] {
        let wasm = wat::parse_str(&text).expect("a valid module");
        for id in LINKED {
            let begin = Instant::now();
            let limits = Limits { compile: Duration::from_millis(500), ..limits() };
            let engine = engine::open(id, &Settings::counting(limits)).unwrap();
            let outcome = engine.compile(&wasm).map(drop);
            let is_fine = match &outcome {
                Ok(()) | Err(EngineError::Compile { .. }) => true, // wasmi has limits of its own
                Err(error) => end_of(error) == Some(End::Time),
            };
            assert!(is_fine, "{name} on {id}: {outcome:?}");
            assert!(begin.elapsed() < Duration::from_secs(10), "{name} on {id}: {:?}", begin.elapsed());
            if name != "locals" {
                let small = Limits { body_bytes: 1000, ..limits };
                let engine = engine::open(id, &Settings::counting(small)).unwrap();
                let error = engine.compile(&wasm).err().expect("beyond the budget");
                assert_eq!(
                    end_of(&error),
                    Some(End::Budget(Resource::BodyBytes)),
                    "{name} on {id}: {error:?}"
                );
            }
        }
    }
}

/// Threads over one memory: its maximum counts in full, tables of all instances together, and time ends every one.
#[test]
fn a_team_is_bounded_too() {
    let team = |text: &str| {
        let wasm = wat::parse_str(text).expect("a valid module");
        [EngineId::Wasmtime, EngineId::Node].map(|id| {
            let mut team = engine::assemble(id, &Settings::within(limits()), &wasm)?;
            team.hire(2, 0, 1 << 15)?;
            team.together("work", &[], &[], 2).map(drop)
        })
    };
    let module = |memory: &str, more: &str, body: &str| {
        format!(
            r#"(module (import "env" "memory" (memory {memory} shared)) {more}
                (global (export "__stack_pointer") (mut i32) (i32.const 0))
                (func (export "__wasm_init_tls") (param i32))
                (func (export "work") (param i32) (result i32) {body}))"#
        )
    };
    let absent = |outcome: &Result<(), EngineError>| matches!(outcome, Err(EngineError::Absent { .. }));
    let [wasmtime, node] = team(&module("1 65536", "", "(i32.const 0)"));
    for outcome in [wasmtime, node].iter().filter(|outcome| !absent(outcome)) {
        let error = outcome.as_ref().expect_err("four gigabytes");
        assert_eq!(end_of(error), Some(MEMORY), "{error:?}");
    }
    let grow = "(loop (drop (table.grow (ref.null func) (i32.const 30000))) (br 0)) (i32.const 0)";
    let [wasmtime, node] = team(&module("1 2", "(table 1 funcref)", grow));
    assert_eq!(wasmtime.as_ref().err().and_then(end_of), Some(ELEMENTS), "{wasmtime:?}");
    assert!(absent(&node) || node.as_ref().err().and_then(end_of).is_some(), "{node:?}");
    let [wasmtime, node] = team(&module("1 2", "", "(loop (br 0)) (i32.const 0)"));
    assert_eq!(wasmtime.as_ref().err().and_then(end_of), Some(End::Time), "{wasmtime:?}");
    assert!(absent(&node) || node.as_ref().err().and_then(end_of) == Some(End::Time), "{node:?}");
}
