//! Edited modules do what the original does, on two engines: wrapped, instrumented, fixed before or after.

#[path = "../../memgrove-rewrite/examples/count_mallocs.rs"]
mod count_mallocs;
mod fix_support;
#[path = "fix_support/random.rs"]
mod random;
#[path = "fix_support/smith.rs"]
#[allow(dead_code, reason = "the parts that make and compare modules")]
mod smith;

use std::collections::BTreeSet;
use std::sync::Arc;

use count_mallocs::count_calls;
use memgrove_lab::engine::{self, EngineId, Host, HostTrap, Instance, Memory, Settings, Value};
use memgrove_rewrite::edit::{Edits, Frame, Instrument, Sections, Subject, Untouched, applied};
use memgrove_rewrite::graft::{Constant, Data, Donor, Item, Joint, Roots, graft};
use memgrove_rewrite::{Options, fix, plan};
use random::bytes;
use wasm_encoder::{ConstExpr, Function, GlobalType, Instruction, ValType};
use wasmparser::ExternalKind;

const ENGINES: [EngineId; 2] = [EngineId::Wasmtime, EngineId::Wasmi];

fn start(engine: EngineId, wasm: &[u8]) -> Box<dyn Instance> {
    let engine = engine::open(engine, &Settings::default()).expect("the engine is linked in");
    engine.compile(wasm).and_then(|module| module.instantiate(&Host::new())).expect("it instantiates")
}

fn counts(instance: &mut dyn Instance) -> [u32; 2] {
    let bytes = instance.read(Memory::Export("memgrove_counts"), 0, 8).expect("the counts are there");
    let word = |at| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    [word(0), word(4)]
}

/// A module that calls its allocator directly, through a table, by a reference and as a tail call.
///
/// wasmi has no function references, so it gets another direct call instead.
fn program(engine: EngineId) -> Vec<u8> {
    let by_reference = match engine {
        EngineId::Wasmi => "(call $malloc (i32.const 8))",
        _ => "(call_ref $malloc (i32.const 8) (ref.func $malloc))",
    };
    let text = format!(
        r#"(module
    (type $malloc (func (param i32) (result i32)))
    (memory (export "memory") 1)
    (table 2 funcref)
    (elem (i32.const 0) $malloc $free)
    (elem declare func $malloc)
    (global $next (mut i32) (i32.const 16))
    (func $malloc (export "malloc") (param $size i32) (result i32)
        (global.get $next)
        (global.set $next (i32.add (global.get $next) (local.get $size))))
    (func $free (export "free") (param i32))
    (func (export "work") (param $times i32) (result i32) (local $at i32)
        (loop $again
            (local.set $at (call $malloc (i32.const 8)))
            (i32.store (local.get $at) (i32.const 0x01020304))
            (call_indirect (param i32) (local.get $at) (i32.const 1))
            (local.set $at (call_indirect (type $malloc) (i32.const 8) (i32.const 0)))
            (local.set $at {by_reference})
            (local.set $times (i32.sub (local.get $times) (i32.const 1)))
            (br_if $again (local.get $times)))
        (return_call $malloc (i32.const 0))))"#
    );
    wat::parse_str(text).expect("well-formed")
}

#[test]
fn every_call_of_a_wrapped_function_is_counted_whoever_calls() {
    for id in ENGINES {
        let wasm = program(id);
        let edited = count_calls(&wasm, &["malloc", "free"]).expect("it can be edited");
        let (mut before, mut after) = (start(id, &wasm), start(id, &edited.wasm));
        let arguments = [Value::I32(100)];
        let expected = before.call("work", &arguments).expect("it runs").values;
        assert_eq!(after.call("work", &arguments).expect("it runs").values, expected, "{id}");
        after.call("free", &[Value::I32(16)]).expect("it runs");
        assert_eq!(counts(&mut *after), [301, 101], "{id}");
        let contents = |instance: &mut dyn Instance| instance.read(Memory::Main, 0, 65536).expect("a page");
        assert_eq!(contents(&mut *before), contents(&mut *after), "{id}");
        let [record] = &applied(&edited.wasm)[..] else { panic!("one tool was applied") };
        assert_eq!(record.tool, "count");
        assert!(count_calls(&edited.wasm, &["malloc"]).is_err(), "it says that it is done already");
    }
}

/// A donor whose functions call each other by a table, read its data and count in its global.
const DONOR: &str = r#"(module
    (type $binary (func (param i32 i32) (result i32)))
    (import "env" "__memory_base" (global $base i32))
    (memory 1) (table 2 funcref) (elem (i32.const 1) $add)
    (global $calls (mut i32) (i32.const 0))
    (data (global.get $base) "\05\00\00\00")
    (func $add (type $binary) (i32.add (local.get 0) (local.get 1)))
    (func (export "root") (param i32) (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 100)))
        (i32.add (global.get $calls)
            (call_indirect (type $binary) (local.get 0) (i32.load (global.get $base)) (i32.const 1)))))"#;

#[test]
fn a_graft_runs_in_its_host_as_in_its_donor() {
    let host = r#"(module (import "env" "work" (func $work (param i32) (result i32)))
        (memory (export "memory") 1) (table 1 funcref) (elem (i32.const 0) $f) (global (mut i32) (i32.const 9))
        (func $f (export "f") (param i32) (result i32)
            (i32.mul (global.get 0) (call $work (local.get 0)))))"#;
    let (host, donor) =
        (wat::parse_str(host).expect("well-formed"), wat::parse_str(DONOR).expect("well-formed"));
    let sections = Sections::read(&host).expect("valid");
    let donor = Donor::read(&donor).expect("valid");
    let root = donor.func("root").expect("it is exported");
    // As a function of its own that the import's place calls, and with its body in the import's place.
    for in_place in [false, true] {
        let mut edits = Edits::new(&sections);
        let at = |_: &wasmparser::Import<'_>| Some(Item::Constant(Constant::I32(4096)));
        let joint = Joint {
            bind: &at,
            memory: Some(0),
            name: &|func| format!("memgrove.{func}"),
            data: Data::Segments,
        };
        let wanted = [root];
        let roots = if in_place {
            Roots { bodies: &wanted, ..Roots::default() }
        } else {
            Roots { funcs: &wanted, ..Roots::default() }
        };
        let mut grafted = graft(&mut edits, &donor, roots, &joint).expect("it can be grafted");
        let body = if in_place {
            grafted.body(root).expect("it was asked for")
        } else {
            let mut body = Function::new([]);
            let func = grafted.func(root).expect("it was asked for");
            body.instruction(&Instruction::LocalGet(0)).instruction(&Instruction::Call(func));
            body.instruction(&Instruction::End);
            body.into()
        };
        edits.satisfy(0, body).expect("an import");
        let wasm = edits.apply(&mut Untouched).expect("it can be written").wasm;
        for id in ENGINES {
            let mut instance = start(id, &wasm);
            let results: Vec<_> =
                (0..3).map(|_| instance.call("f", &[Value::I32(2)]).expect("it runs").values).collect();
            let expected = [107, 207, 307].map(|sum| vec![Value::I32(9 * sum)]);
            assert_eq!(results, expected, "{id}");
            let data = instance.read(Memory::Main, 4096, 4).expect("inside of memory");
            assert_eq!(data, [5, 0, 0, 0], "{id}");
        }
    }
}

/// Puts a counter before every function.
fn wrap_all(wasm: &[u8], export: bool) -> Vec<u8> {
    let sections = Sections::read(wasm).expect("valid");
    let mut edits = Edits::new(&sections);
    let counter = edits.add_global(COUNTER, ConstExpr::i64_const(0));
    if export {
        edits.add_export("memgrove_calls", ExternalKind::Global, counter).expect("a new name");
    }
    for func in 0.. {
        let Some(ty) = sections.func_type(func) else { break };
        let params = ty.params().len();
        let wrapped = edits.wrap(func, format!("memgrove.{func}"), |inner| {
            let mut body = Function::new([]);
            for instruction in add_one(counter) {
                body.instruction(&instruction);
            }
            for param in (0..).take(params) {
                body.instruction(&Instruction::LocalGet(param));
            }
            body.instruction(&Instruction::Call(inner)).instruction(&Instruction::End);
            body
        });
        wrapped.expect("each function is wrapped once");
    }
    edits.apply(&mut Untouched).expect("it can be edited").wasm
}

const COUNTER: GlobalType = GlobalType { val_type: ValType::I64, mutable: true, shared: false };

fn add_one(global: u32) -> [Instruction<'static>; 4] {
    [
        Instruction::GlobalGet(global),
        Instruction::I64Const(1),
        Instruction::I64Add,
        Instruction::GlobalSet(global),
    ]
}

/// Counts how often functions are entered and left. Depth is kept in a local, as by a shadow stack.
struct Balance {
    entered: u32,
    left: u32,
    depth: u32,
}

impl Instrument for Balance {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, memgrove_rewrite::Error> {
        let saved = function.first_local;
        let mut entry: Vec<Instruction<'_>> = add_one(self.entered).into();
        entry.extend([Instruction::GlobalGet(self.depth), Instruction::LocalSet(saved)]);
        entry.extend(add_one(self.depth));
        let mut exit: Vec<Instruction<'_>> = add_one(self.left).into();
        exit.extend([Instruction::LocalGet(saved), Instruction::GlobalSet(self.depth)]);
        Ok(Some(Frame {
            locals: vec![ValType::I64],
            entry: entry.into_iter().collect(),
            exit: exit.into_iter().collect(),
        }))
    }
}

fn balance(wasm: &[u8], export: bool) -> Vec<u8> {
    let sections = Sections::read(wasm).expect("valid");
    let mut edits = Edits::new(&sections);
    let [entered, left, depth] = [(); 3].map(|()| edits.add_global(COUNTER, ConstExpr::i64_const(0)));
    if export {
        for (name, global) in [("entered", entered), ("left", left), ("depth", depth)] {
            let added = edits.add_export(format!("memgrove_{name}"), ExternalKind::Global, global);
            added.expect("a new name");
        }
    }
    edits.apply(&mut Balance { entered, left, depth }).expect("it can be instrumented").wasm
}

/// Entered and left so often, after calls that all returned; the depth is what it was.
fn assert_balanced(what: &str, instance: &mut dyn Instance) -> u64 {
    let global = |name: &str| {
        let value = instance.global(&format!("memgrove_{name}")).expect("it is exported");
        value.as_u64().expect("an integer")
    };
    let [entered, left, depth] = ["entered", "left", "depth"].map(global);
    assert_eq!((entered, depth), (left, 0), "{what}");
    entered
}

#[test]
fn each_way_out_of_a_function_is_seen() {
    // One function for each way, and how many functions are entered when it is called.
    let ways = [
        ("falls off the end", "(i32.const 1)", 1),
        ("returns", "(return (i32.const 2))", 1),
        ("returns from blocks", "(block (loop (block (return (i32.const 3))))) (unreachable)", 1),
        ("branches to the function", "(br 0 (i32.const 4))", 1),
        ("branches from blocks", "(block (loop (br 2 (i32.const 5)))) (unreachable)", 1),
        ("branches if", "(drop (br_if 0 (i32.const 6) (local.get 0))) (i32.const 7)", 1),
        ("branches by a table", "(block (br_table 1 1 (i32.const 8) (local.get 0))) (unreachable)", 1),
        ("returns if", "(if (local.get 0) (then (return (i32.const 9)))) (i32.const 10)", 1),
        ("calls in its place", "(return_call $leaf (local.get 0))", 2),
        (
            "calls by a table in its place",
            "(return_call_indirect (type $way) (local.get 0) (i32.const 0))",
            2,
        ),
        ("calls by a reference in its place", "(return_call_ref $way (local.get 0) (ref.func $leaf))", 2),
        ("is a long chain", "(return_call $chain (i32.const 1000))", 1002),
        ("has several results", "(drop (drop (call $three (local.get 0))))", 2),
        ("handles in a block", "(block (result i32) (i32.add (call $leaf (i32.const 1)) (i32.const 1)))", 2),
    ];
    for id in ENGINES {
        // wasmi has no function references.
        let ways = ways.iter().filter(|(_, body, _)| id != EngineId::Wasmi || !body.contains("_ref"));
        let ways: Vec<_> = ways.copied().collect();
        let functions: String = ways
            .iter()
            .map(|(name, body, _)| format!("(func (export \"{name}\") (type $way) {body})\n"))
            .collect();
        let text = format!(
            r#"(module (type $way (func (param i32) (result i32)))
            (table 1 funcref) (elem (i32.const 0) $leaf)
            (func $leaf (type $way) (i32.mul (local.get 0) (i32.const 3)))
            (func $chain (type $way)
                (if (i32.eqz (local.get 0)) (then (return (i32.const 11))))
                (return_call $chain (i32.sub (local.get 0) (i32.const 1))))
            (func $three (param i32) (result i32 i64 f32)
                (if (local.get 0) (then (return (i32.const 1) (i64.const 2) (f32.const 3))))
                (i32.const 4) (i64.const 5) (f32.const 6))
            {functions})"#
        );
        let wasm = wat::parse_str(text).expect("well-formed");
        let edited = balance(&wasm, true);
        for argument in [0, 1] {
            for &(name, _, functions) in &ways {
                let (mut before, mut after) = (start(id, &wasm), start(id, &edited));
                let arguments = [Value::I32(argument)];
                let expected = before.call(name, &arguments).expect("it returns").values;
                let found = after.call(name, &arguments).expect("it returns").values;
                assert_eq!(found, expected, "{name} on {id}");
                assert_eq!(assert_balanced(name, &mut *after), functions, "{name} on {id}");
            }
        }
    }
}

#[test]
fn random_modules_do_the_same_when_every_function_is_wrapped_or_instrumented() {
    let (mut modules, mut compared) = (0, 0);
    for seed in 0..60 {
        let Some(original) = smith::module(&bytes(seed, 2048)) else { continue };
        let fixed = fix(&original, &Options::default()).expect("a valid module can be fixed");
        if !fixed.plan.is_complete() {
            continue;
        }
        modules += 1;
        let bare = plan(&fixed.wasm, &Options::default()).expect("valid");
        for (what, edited) in
            [("wrapped", wrap_all(&fixed.wasm, false)), ("balanced", balance(&fixed.wasm, false))]
        {
            let verification = smith::verify(&fixed.wasm, &edited, &bare);
            let failures: Vec<_> = verification.failures().collect();
            assert!(failures.is_empty(), "seed {seed}, {what}: {failures:#?}");
            compared += verification.evidence.iter().map(|evidence| evidence.calls_returned).sum::<usize>();
        }
    }
    assert!(modules >= 30, "only {modules} of the seeds made a module");
    assert!(compared >= 40, "only {compared} calls were compared");
}

/// Numbers that a function may be called with; `None` where it wants something else.
fn arguments(signature: &engine::Signature) -> Option<Vec<Value>> {
    use engine::ValueType;
    let value = |ty: &ValueType| match ty {
        ValueType::I32 => Some(Value::I32(1)),
        ValueType::I64 => Some(Value::I64(1)),
        ValueType::F32 => Some(Value::F32(0)),
        ValueType::F64 => Some(Value::F64(0)),
        _ => None,
    };
    signature.parameters.iter().map(value).collect()
}

#[test]
fn random_functions_are_left_as_often_as_they_are_entered() {
    let mut balanced = 0;
    for seed in 0..60 {
        let Some(original) = smith::module(&bytes(seed, 2048)) else { continue };
        let fixed = fix(&original, &Options::default()).expect("a valid module can be fixed");
        let edited = balance(&fixed.wasm, true);
        for id in ENGINES {
            let engine = engine::open(id, &Settings::bounded(200_000)).expect("the engine is linked in");
            let Ok(module) = engine.compile(&edited) else { continue };
            let exports = module.shape().exports.clone();
            for export in exports {
                let engine::ExportKind::Function(signature) = &export.kind else { continue };
                let Some(arguments) = arguments(signature) else { continue };
                // Another instance each time, as what has trapped has not left its functions.
                let Ok(mut instance) = module.instantiate(&Host::new()) else { break };
                if instance.call(&export.name, &arguments).is_ok() {
                    assert_balanced(&format!("seed {seed}, {}, {id}", export.name), &mut *instance);
                    balanced += 1;
                }
            }
        }
    }
    assert!(balanced >= 40, "only {balanced} calls returned");
}

/// SQLite as sql.js ships it, without names.
const SQLITE: &str = "0734155c83e49398";

#[test]
fn sqlite_does_the_same_traced_fixed_and_both_in_either_order() {
    let Some(modules) = fix_support::corpus() else { return };
    let (_, wasm) = modules.iter().find(|(id, _)| id == SQLITE).expect("the corpus has SQLite");
    let options = Options::default();
    let imports: BTreeSet<_> = {
        let plan = plan(wasm, &options).expect("valid");
        plan.imports.iter().map(|item| (item.module.clone(), item.name.clone())).collect()
    };
    // malloc and free, as the package's JavaScript maps the minifier's letters.
    let names = ["Da", "Ea"];
    let traced = count_calls(wasm, &names).expect("it can be edited").wasm;
    let traced_then_fixed = fix(&traced, &options).expect("a traced module can be fixed").wasm;
    let fixed = fix(wasm, &options).expect("valid").wasm;
    let fixed_then_traced = count_calls(&fixed, &names).expect("it can be edited").wasm;
    assert_eq!(applied(&traced_then_fixed).len(), 1, "fixing keeps the record");
    assert_eq!(applied(&fixed_then_traced).len(), 1);
    let of = |wasm: &[u8]| -> BTreeSet<_> {
        let plan = plan(wasm, &options).expect("valid");
        plan.imports.iter().map(|item| (item.module.clone(), item.name.clone())).collect()
    };
    assert_eq!(of(&traced), imports, "tracing adds no import and takes none away");
    assert_eq!(of(&traced_then_fixed), of(&fixed_then_traced));
    // What stays an import is not called by this.
    let mut seen = Vec::new();
    for wasm in [&fixed_then_traced, &traced_then_fixed] {
        for id in ENGINES {
            let engine = engine::open(id, &Settings::default()).expect("the engine is linked in");
            let module = engine.compile(wasm).expect("it compiles");
            let host = Host::new().fallback(|module, name, _| {
                let words = format!("{module}.{name} stays");
                Some(Arc::new(move |_, _| Err(HostTrap(words.clone()))))
            });
            let mut instance = module.instantiate(&host).expect("it instantiates");
            seen.push((query(&mut *instance), counts(&mut *instance)));
        }
    }
    fix_support::say(&format!("{seen:?}"));
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    let (_, [mallocs, frees]) = seen[0];
    assert!(mallocs > 100 && frees > 50 && frees <= mallocs, "{seen:?}");
}

/// What SQLite answers, through its C interface: malloc Da, open Ca, prepare_v2 R, step S, column_int64 W or text X.
fn query(instance: &mut dyn Instance) -> String {
    const QUERY: &[u8] = b"with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
        select count(*) || ' ' || sum(i) || ' ' || max(hex(i * 7919)) from n order by 1\0";
    let call = |instance: &mut dyn Instance, name: &str, arguments: &[u32]| {
        let arguments: Vec<Value> = arguments.iter().copied().map(Value::u32).collect();
        let outcome = instance.call(name, &arguments).unwrap_or_else(|error| panic!("{name}: {error}"));
        outcome.values.first().and_then(|value| value.as_u32()).unwrap_or(0)
    };
    let put = |instance: &mut dyn Instance, bytes: &[u8]| {
        let at = call(instance, "Da", &[u32::try_from(bytes.len()).expect("small")]);
        instance.write(Memory::Main, u64::from(at), bytes).expect("inside of memory");
        at
    };
    let (cell, name) = (put(instance, &[0; 8]), put(instance, b":memory:\0"));
    let text = put(instance, QUERY);
    let word = |instance: &mut dyn Instance| {
        let bytes = instance.read(Memory::Main, u64::from(cell), 4).expect("inside of memory");
        u32::from_le_bytes(bytes.try_into().expect("four bytes"))
    };
    assert_eq!(call(instance, "Ca", &[name, cell]), 0, "it opens");
    let database = word(instance);
    assert_eq!(call(instance, "R", &[database, text, u32::MAX, cell, 0]), 0, "it prepares");
    let statement = word(instance);
    assert_eq!(call(instance, "S", &[statement]), 100, "SQLITE_ROW");
    let (at, length) = (call(instance, "X", &[statement, 0]), call(instance, "pa", &[statement, 0]));
    let answer = instance.read(Memory::Main, u64::from(at), u64::from(length)).expect("inside of memory");
    assert_eq!(call(instance, "V", &[statement]), 0, "it is finalized");
    for block in [text, name] {
        call(instance, "Ea", &[block]);
    }
    String::from_utf8(answer).expect("text")
}
