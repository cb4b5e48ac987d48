//! Generated modules with one import of each type that the stand-ins know, which nothing proves to
//! be one of theirs: it has to stay.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use wasmparser::FuncType;

use crate::runtime::RuntimeFunction;
use crate::structure::signature_text;
use memgrove_module::recognise::Purpose;
use memgrove_module::{Code, facts};

use crate::{Behaviour, Options, contract, plan};

/// splitmix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = self.next() % from.len() as u64;
        from[usize::try_from(at).expect("an index")].clone()
    }
}

/// Numbers that mean something to one rule or another, but none that is a proof by itself.
const NUMBERS: [i32; 14] = [-1, 0, 1, 4, 12, 14, 16, 48, 60, 256, 512, 1024, 8192, 65536];

/// Every type that a contract names or a stand-in has, and a few more.
fn types() -> Vec<String> {
    let mut types: BTreeSet<String> = contract::all()
        .iter()
        .flat_map(|(_, contract)| contract.types)
        .map(|form| form.replace('p', "i32"))
        .collect();
    let function_type = |function: RuntimeFunction| {
        FuncType::new(function.params().iter().copied(), function.results().iter().copied())
    };
    types.extend(RuntimeFunction::ALL.map(|function| signature_text(&function_type(function))));
    types.extend(
        ["f64 ->", "f32 -> i32", "i64 -> i64", "f64 f64 -> i32", "i32 f32 -> f64"].map(str::to_owned),
    );
    types.into_iter().collect()
}

fn words(ty: &str) -> (Vec<&str>, Option<&str>) {
    let (params, result) = ty.split_once("->").expect("an arrow");
    (params.split_whitespace().collect(), result.split_whitespace().next())
}

fn declaration(ty: &str) -> String {
    let (params, result) = words(ty);
    let result = result.map(|result| format!("(result {result})")).unwrap_or_default();
    format!("(param {}) {result}", params.join(" "))
}

/// A call with made-up arguments.
fn call(random: &mut Random, ty: &str) -> String {
    let (params, _) = words(ty);
    let mut text = "(call $import".to_owned();
    for param in params {
        let number = random.pick(&NUMBERS);
        let argument = match param {
            "i32" => random.pick(&[
                format!("(i32.const {number})"),
                "(local.get $n)".to_owned(),
                "(i32.add (local.get $n) (i32.const 8))".to_owned(),
                format!("(i32.load offset=4 (i32.const {}))", number.unsigned_abs()),
                "(i32.load offset=12 (local.get $n))".to_owned(),
                "(i32.shl (memory.size) (i32.const 16))".to_owned(),
            ]),
            "i64" => random.pick(&[format!("(i64.const {number})"), "(i64.load (local.get $n))".to_owned()]),
            other => format!("({other}.const {number})"),
        };
        let _ = write!(text, " {argument}");
    }
    text + ")"
}

/// A statement that calls the import and does something with its result.
fn statement(random: &mut Random, ty: &str) -> String {
    let call = call(random, ty);
    let Some(result) = words(ty).1 else { return call };
    let number = random.pick(&NUMBERS);
    let integer = match result {
        "i32" => format!("(local.set $i {call})"),
        "i64" => format!("(local.set $i (i32.wrap_i64 {call}))"),
        "f32" => format!("(local.set $i (i32.trunc_sat_f32_s {call}))"),
        _ => format!("(local.set $i (i32.trunc_sat_f64_s (f64.div {call} (f64.const 1000))))"),
    };
    let of_i = [
        "(i32.store (i32.const 2000) (local.get $i))".to_owned(),
        "(global.set $global (local.get $i))".to_owned(),
        "(call $sink (local.get $i))".to_owned(),
        format!("(local.set $i (i32.add (local.get $i) (i32.const {number})))"),
        format!("(if (i32.eq (local.get $i) (i32.const {number})) (then (call $sink (i32.const 1))))"),
        format!("(if (i32.lt_s (local.get $i) (i32.const {number})) (then (return (i32.const -1))))"),
        "(if (i32.eqz (local.get $i)) (then (return (i32.const -1))))".to_owned(),
        "(if (local.get $i) (then (i32.store (i32.const 6000) (local.get $i)) (return (i32.const -1))))".to_owned(),
        "(call $sink (i32.shr_u (local.get $i) (i32.const 16)))".to_owned(),
        "(call $sink (i32.load (local.get $i)))".to_owned(),
        "(br_if $again (local.get $i))".to_owned(),
        // Where memory is asked for, but not for this.
        "(if (i32.gt_u (local.get $n) (i32.shl (memory.size) (i32.const 16))) (then (call $sink (local.get $i))))"
            .to_owned(),
    ];
    if random.next().is_multiple_of(4) {
        return format!("(drop {call})");
    }
    integer + " " + &random.pick(&of_i)
}

/// What grows memory, by its name, and under one that a minifier gave it.
const NAMED: (&str, &str) = ("env", "emscripten_resize_heap");
const MINIFIED: (&str, &str) = ("a", "z");

/// A program of Emscripten's with the import, called in one to three functions.
fn program(random: &mut Random, grow: (&str, &str), from: &str, name: &str, ty: &str) -> Vec<u8> {
    let mut text = format!(
        r#"(module
        (import "{}" "{}" (func $grow (param i32) (result i32)))
        (import "{from}" "{name}" (func $import {}))
        (memory (export "memory") 2)
        (table 4 funcref)
        (global $global (export "g") (mut i32) (i32.const 0))
        (func $sink (export "sink") (param i32) (global.set $global (local.get 0)))
        (func (export "sbrk") (param $by i32) (result i32) (local $old i32) (local $new i32)
            (local.set $new (i32.add (local.tee $old (i32.load (i32.const 4000))) (local.get $by)))
            (if (i32.gt_u (local.get $new) (i32.shl (memory.size) (i32.const 16)))
                (then (if (i32.eqz (call $grow (local.get $new)))
                    (then (i32.store (i32.const 5000) (i32.const 48)) (return (i32.const -1))))))
            (i32.store (i32.const 4000) (local.get $new))
            (local.get $old))
        (func $syscall_ret (export "r") (param i32) (result i32)
            (if (result i32) (i32.ge_u (local.get 0) (i32.const -4095))
                (then (i32.store (i32.const 5000) (i32.sub (i32.const 0) (local.get 0))) (i32.const -1))
                (else (local.get 0))))"#,
        grow.0,
        grow.1,
        declaration(ty)
    );
    for function in 0..=random.next() % 3 {
        let _ = write!(
            text,
            "(func (export \"f{function}\") (param $n i32) (result i32) (local $i i32) (loop $again "
        );
        for _ in 0..=random.next() % 3 {
            text += &statement(random, ty);
        }
        text += ") (local.get $i))";
    }
    wat::parse_str(text + ")").expect("the generated text is well-formed")
}

fn stays(wasm: &[u8], what: &str) {
    let plan = plan(wasm, &Options::default()).expect("it can be planned");
    assert_eq!(
        plan.imports[0].behaviour,
        Behaviour::Computes(RuntimeFunction::EmscriptenResizeHeap),
        "{what}"
    );
    let item = &plan.imports[1];
    assert_eq!(item.behaviour, Behaviour::StaysFunction, "{what}: {item:#?}");
}

#[test]
fn a_type_alone_satisfies_nothing() {
    const NAMES: [(&str, &str); 6] =
        [("a", "b"), ("a", "log"), ("env", "c"), ("env", "beep"), ("game", "d"), ("./foo.js", "call")];
    let mut random = Random(11);
    for ty in types() {
        for (from, name) in NAMES {
            for _ in 0..3 {
                let wasm = program(&mut random, MINIFIED, from, name, &ty);
                stays(&wasm, &format!("{from}.{name} {ty}"));
            }
        }
    }
}

#[test]
fn a_known_name_with_another_type_satisfies_nothing() {
    let mut forms: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    for (from, contract) in contract::all() {
        let known = forms.entry((from, contract.name)).or_default();
        known.extend(contract.types.iter().map(|form| form.replace('p', "i32")));
    }
    // `__syscallN` is two things, and the names of some families are patterns.
    let patterns: [(&str, &str, &[&str]); 11] = [
        ("env", "emscripten_get_heap_max", &["-> i32"]),
        ("env", "__syscall5", &["i32 i32 -> i32", "i32 i32 i32 i32 i32 i32 -> i32"]),
        ("env", "___syscall1", &["i32 i32 -> i32"]),
        ("env", "__syscall_openat", &["i32 i32 i32 i32 -> i32"]),
        ("env", "invoke_vii", &["i32 i32 i32 ->"]),
        ("env", "___setErrNo", &["i32 ->"]),
        // Seconds in 32 bits, where no upper half is handed over.
        ("env", "mktime_js", &["i32 -> i32"]),
        ("env", "timegm_js", &["i32 -> i32"]),
        ("wali", "SYS_brk", &["i32 -> i64"]),
        ("wali", "SYS_exit", &["i32 -> i64"]),
        ("wbg", "__wbindgen_throw", &["i32 i32 ->"]),
    ];
    for (from, name, types) in patterns {
        forms.entry((from, name)).or_default().extend(types.iter().map(|&ty| ty.to_owned()));
    }
    let types = types();
    let mut random = Random(12);
    for ((from, name), known) in &forms {
        for _ in 0..16 {
            let ty = random.pick(&types);
            if !known.contains(&ty) {
                let wasm = program(&mut random, NAMED, from, name, &ty);
                stays(&wasm, &format!("{from}.{name} {ty}"));
            }
        }
    }
}

#[test]
fn a_known_name_in_a_module_of_ones_own_satisfies_nothing() {
    let mut random = Random(13);
    for (_, contract) in contract::all() {
        for from in ["game", "mylib", "./foo.js", "a", "wasi"] {
            if (from, contract.name) == ("wasi", "thread-spawn") {
                continue;
            }
            let ty = random.pick(contract.types).replace('p', "i32");
            let wasm = program(&mut random, NAMED, from, contract.name, &ty);
            stays(&wasm, &format!("{from}.{} {ty}", contract.name));
        }
    }
}

#[test]
fn a_known_name_with_its_type_is_satisfied() {
    /// What reads the break needs one that is placed.
    const BREAK: &str = r#"(import "env" "DYNAMICTOP_PTR" (global i32))"#;
    // The other tests would also pass if nothing ever were.
    let mut random = Random(14);
    for (from, contract) in contract::all() {
        let ty = random.pick(contract.types).replace('p', "i32");
        let text = format!(
            r#"(module (import "{from}" "{}" (func {})) {BREAK} (memory 2))"#,
            contract.name,
            declaration(&ty)
        );
        let wasm = wat::parse_str(text).expect("the generated text is well-formed");
        let plan = plan(&wasm, &Options::default()).expect("it can be planned");
        let item = &plan.imports[0];
        assert_ne!(item.behaviour, Behaviour::StaysFunction, "{from}.{} {ty}: {item:#?}", contract.name);
    }
}

/// A contract's name stands for all its spellings with underscores before it; one of them at least is explained.
#[test]
fn what_a_contract_knows_has_a_purpose() {
    let mut unknown = BTreeSet::new();
    for (from, contract) in contract::all() {
        for ty in contract.types {
            let ty = declaration(&ty.replace('p', "i32"));
            let name = contract.name;
            let is_explained = ["", "_", "__", "___"].iter().any(|underscores| {
                let text =
                    format!(r#"(module (import "{from}" "{underscores}{name}" (func {ty})) (memory 1))"#);
                let wasm = wat::parse_str(text).expect("the generated text is well-formed");
                let facts = facts(&wasm).expect("a valid module");
                Code::new(&facts).imports().at(0).purpose() != Purpose::Unknown
            });
            if !is_explained {
                unknown.insert(format!("{from}.{name} {ty}"));
            }
        }
    }
    assert!(unknown.is_empty(), "knowledge/imports.toml does not say what these are for: {unknown:#?}");
}
