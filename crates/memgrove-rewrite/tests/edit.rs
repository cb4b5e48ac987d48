//! Edits: WAT in, WAT out; the map; what is refused. `memgrove-lab/tests/edits.rs` runs them.

mod edit_support;

use std::collections::BTreeMap;

use arbitrary::Unstructured;
use memgrove_rewrite::Error;
use memgrove_rewrite::edit::{
    Edited, Edits, Frame, Instrument, Map, Sections, Site, Splice, Subject, Untouched,
};
use wasm_encoder::{ConstExpr, Function, GlobalType, Instruction, MemoryType, ValType};
use wasmparser::{FunctionBody, Operator, Parser, Payload};

use edit_support::{edit, parse, text};

/// A function that passes its arguments on.
fn pass_on(to: u32, params: u32) -> Function {
    let mut body = Function::new([]);
    for param in 0..params {
        body.instruction(&Instruction::LocalGet(param));
    }
    body.instruction(&Instruction::Call(to)).instruction(&Instruction::End);
    body
}

/// Asserts that `edited` prints as `expected` does.
fn check(edited: &Edited, expected: &str) {
    assert_eq!(text(&edited.wasm), text(&parse(expected)));
}

#[test]
fn no_edits_are_the_same_bytes() {
    // With a length in more bytes than it needs, which writing it again would change.
    let mut wasm = parse(r#"(module (func (export "f") (call 0)))"#);
    let at = wasm.iter().position(|&byte| byte == 1).unwrap();
    assert_eq!(wasm[8], 1, "the type section, {at}");
    let size = wasm[9];
    wasm.splice(9..10, [size | 0x80, 0]);
    let edited = edit(&wasm, |_| {});
    assert_eq!(edited.wasm, wasm);
    assert_eq!(
        edited.map.offset(u32::try_from(wasm.len()).unwrap() - 1),
        Some(u32::try_from(wasm.len()).unwrap() - 1)
    );
}

#[test]
fn a_wrapper_takes_the_index_of_what_it_wraps() {
    let wasm = parse(
        r#"(module (table 1 funcref) (elem (i32.const 0) $f) (start $s)
            (func $f (export "f") (param i32) (result i32) (call $f (local.get 0)))
            (func $s (drop (call $f (i32.const 1))) (drop (ref.func $f))))"#,
    );
    let edited = edit(&wasm, |edits| edits.wrap(0, "memgrove.f", |inner| pass_on(inner, 1)).unwrap());
    check(
        &edited,
        r#"(module (table 1 funcref) (elem (i32.const 0) $memgrove.f) (start $s)
            (func $memgrove.f (export "f") (param i32) (result i32) (call $f (local.get 0)))
            (func $s (drop (call $memgrove.f (i32.const 1))) (drop (ref.func $memgrove.f)))
            (func $f (param i32) (result i32) (call $memgrove.f (local.get 0))))"#,
    );
    let map = &edited.map;
    assert_eq!((map.function(0), map.reference(0), map.function(1)), (Some(2), Some(0), Some(1)));
    assert_eq!((map.original_function(2), map.original_function(0)), (Some(0), None));
    assert_eq!((map.added()[0].index, map.added()[0].wraps), (0, Some(0)));
}

#[test]
fn an_import_is_wrapped_by_moving_what_refers_to_it() {
    let wasm = parse(
        r#"(module (import "env" "malloc" (func $malloc (param i32) (result i32)))
            (func $f (export "f") (result i32) (call $malloc (i32.const 8))) (export "malloc" (func $malloc)))"#,
    );
    let edited = edit(&wasm, |edits| edits.wrap(0, "memgrove.malloc", |inner| pass_on(inner, 1)).unwrap());
    check(
        &edited,
        r#"(module (import "env" "malloc" (func $malloc (param i32) (result i32)))
            (func $f (export "f") (result i32) (call $memgrove.malloc (i32.const 8)))
            (func $memgrove.malloc (export "malloc") (param i32) (result i32) (call $malloc (local.get 0))))"#,
    );
    assert_eq!((edited.map.function(0), edited.map.reference(0)), (Some(0), Some(2)));
}

#[test]
fn functions_are_satisfied_replaced_and_added_in_one_go() {
    let wasm = parse(
        r#"(module (import "a" "gone" (func $gone)) (import "a" "stays" (func $stays))
            (func $f (export "f") (call $gone) (call $stays)) (func $g (export "g") (call $f)))"#,
    );
    let edited = edit(&wasm, |edits| {
        let ty = edits.add_type(vec![ValType::I64], vec![]);
        let mut drop = Function::new([]);
        drop.instruction(&Instruction::End);
        let added = edits.add_func(ty, drop, "memgrove.added");
        let mut calls = Function::new([]);
        calls.instruction(&Instruction::I64Const(1)).instruction(&Instruction::Call(added));
        calls.instruction(&Instruction::Call(1)).instruction(&Instruction::End);
        edits.satisfy(0, calls).unwrap();
        let mut other = Function::new([]);
        other.instruction(&Instruction::Call(0)).instruction(&Instruction::End);
        edits.replace(3, other).unwrap();
    });
    check(
        &edited,
        r#"(module (type (func)) (type (func (param i64)))
            (import "a" "stays" (func $stays (type 0)))
            (func $gone (call $memgrove.added (i64.const 1)) (call $stays))
            (func $f (export "f") (call $gone) (call $stays))
            (func $g (export "g") (call $gone))
            (func $memgrove.added (param i64)))"#,
    );
    assert_eq!(edited.map.function(0), None, "its code is another");
    assert_eq!(edited.map.reference(0), Some(1));
}

#[test]
fn what_cannot_be_edited_so_is_refused() {
    let wasm = parse(r#"(module (import "a" "b" (func)) (func (export "old")))"#);
    let sections = Sections::read(&wasm).unwrap();
    let mut edits = Edits::new(&sections);
    let body = || {
        let mut body = Function::new([]);
        body.instruction(&Instruction::End);
        body
    };
    assert!(matches!(edits.satisfy(1, body()), Err(Error::NotEditable { index: 1, .. })));
    assert!(matches!(edits.replace(0, body()), Err(Error::NotEditable { index: 0, .. })));
    assert!(matches!(edits.replace(2, body()), Err(Error::NotEditable { index: 2, .. })));
    assert!(matches!(edits.wrap(2, "", |_| body()), Err(Error::NotEditable { index: 2, .. })));
    edits.wrap(1, "", |_| body()).unwrap();
    assert!(matches!(edits.wrap(1, "", |_| body()), Err(Error::NotEditable { index: 1, .. })));
    assert!(matches!(edits.replace(1, body()), Err(Error::NotEditable { index: 1, .. })));
    let value = memgrove_rewrite::edit::Value::I32(1);
    assert!(matches!(edits.set_global(0, value), Err(Error::NotEditable { item: "global", .. })));
    edits.add_export("new", wasmparser::ExternalKind::Func, 1).unwrap();
    for name in ["new", "old"] {
        let again = edits.add_export(name, wasmparser::ExternalKind::Func, 1);
        assert!(matches!(again, Err(Error::ExportExists { .. })), "{name}");
    }
    // A body that is not valid is never returned.
    let mut edits = Edits::new(&sections);
    let mut wrong = Function::new([]);
    wrong.instruction(&Instruction::I32Const(1)).instruction(&Instruction::End);
    edits.replace(1, wrong).unwrap();
    assert!(matches!(edits.apply(&mut Untouched), Err(Error::Output { .. })));
}

/// Instruments every function in every way at once.
struct Everything {
    global: u32,
}

impl Instrument for Everything {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        let save = [Instruction::GlobalGet(self.global), Instruction::LocalSet(function.first_local)];
        let restore = [Instruction::LocalGet(function.first_local), Instruction::GlobalSet(self.global)];
        Ok(Some(Frame {
            locals: vec![ValType::I32],
            entry: save.into_iter().collect(),
            exit: restore.into_iter().collect(),
        }))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
        match site.operator {
            Operator::I32Load { .. } => {
                splice.before(&Instruction::I32Const(-4)).before(&Instruction::I32And);
            }
            Operator::Call { .. } => {
                splice.after(&Instruction::GlobalGet(self.global)).after(&Instruction::Drop);
            }
            Operator::I32Mul => {
                splice.remove().after(&Instruction::I32Add);
            }
            _ => {}
        }
        Ok(())
    }
}

fn everything(wasm: &[u8]) -> Result<Edited, Error> {
    let sections = Sections::read(wasm)?;
    let mut edits = Edits::new(&sections);
    let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    let global = edits.add_global(ty, ConstExpr::i32_const(0));
    edits.apply(&mut Everything { global })
}

#[test]
fn instructions_are_put_before_behind_and_in_the_place_of_others() {
    let edited = everything(&parse(
        r#"(module (memory 1) (func $f (param i32) (result i32) (local i64)
            (if (local.get 0) (then (return (i32.const 7))))
            (i32.mul (i32.const 2) (call $f (i32.load (local.get 0))))))"#,
    ))
    .unwrap();
    check(
        &edited,
        r#"(module (memory 1) (global (mut i32) (i32.const 0))
        (func $f (param i32) (result i32) (local i64 i32)
            (local.set 2 (global.get 0))
            (block (result i32)
                (if (local.get 0) (then (br 1 (i32.const 7))))
                (i32.const 2) (call $f (i32.load (i32.and (local.get 0) (i32.const -4)))) (global.get 0) (drop) (i32.add))
            (global.set 0 (local.get 2))))"#,
    );
}

#[test]
fn handlers_in_all_their_forms_stay_what_they_were() {
    // A catch that branches to the function's label, one inside, a rethrow, and a delegation to the caller.
    let edited = everything(&parse(
        r#"(module (tag $t (param i32))
            (func (result i32) (block (result i32)
                (try_table (result i32) (catch $t 1) (catch $t 0) (throw $t (i32.const 1)))))
            (func (result i32)
                try (result i32) (return (i32.const 1)) catch $t drop rethrow 0 catch_all rethrow 0 end)
            (func (result i32) try (result i32) (throw $t (i32.const 1)) delegate 0))"#,
    ))
    .unwrap();
    check(
        &edited,
        r#"(module (tag $t (param i32)) (global (mut i32) (i32.const 0))
            (func (result i32) (local i32) (local.set 0 (global.get 0))
                (block (result i32) (block (result i32)
                    (try_table (result i32) (catch $t 1) (catch $t 0) (throw $t (i32.const 1)))))
                (global.set 0 (local.get 0)))
            (func (result i32) (local i32) (local.set 0 (global.get 0))
                block (result i32)
                try (result i32) (br 1 (i32.const 1)) catch $t drop rethrow 0 catch_all rethrow 0 end end
                (global.set 0 (local.get 0)))
            (func (result i32) (local i32) (local.set 0 (global.get 0))
                block (result i32) try (result i32) (throw $t (i32.const 1)) delegate 0 end
                (global.set 0 (local.get 0))))"#,
    );
}

#[test]
fn an_operator_that_is_not_understood_refuses_its_function() {
    let wasm = parse(
        r#"(module (type $ft (func)) (type $ct (cont $ft)) (tag $t)
            (func $plain) (func $suspends (suspend $t)))"#,
    );
    match everything(&wasm) {
        Err(Error::NotUnderstood { func: 1, operator, offset }) => {
            assert_eq!(operator, "Suspend");
            assert_eq!(wasm[usize::try_from(offset).unwrap()], 0xe2, "the offset is the operator's");
        }
        other => panic!("{other:?}"),
    }
    // Left alone, it may be wherever it is.
    edit(&wasm, |edits| edits.wrap(1, "", |inner| pass_on(inner, 0)).unwrap());
}

/// Offsets and operators of all bodies, without the indices that may change.
fn operators(wasm: &[u8]) -> BTreeMap<u32, String> {
    let mut all = BTreeMap::new();
    for body in bodies(wasm) {
        for item in body.get_operators_reader().unwrap().into_iter_with_offsets() {
            let (operator, at) = item.unwrap();
            let text = format!("{operator:?}");
            all.insert(u32::try_from(at).unwrap(), text.split([' ', '{', '(']).next().unwrap().to_owned());
        }
    }
    all
}

fn bodies(wasm: &[u8]) -> Vec<FunctionBody<'_>> {
    let payloads = Parser::new(0).parse_all(wasm);
    payloads
        .filter_map(|payload| match payload.unwrap() {
            Payload::CodeSectionEntry(body) => Some(body),
            _ => None,
        })
        .collect()
}

/// Every instruction of the original is where the map says, or was replaced by what `instead` says.
fn check_map(what: &str, original: &[u8], edited: &[u8], map: &Map, instead: &[(&str, &str)]) -> usize {
    let (before, after) = (operators(original), operators(edited));
    for (at, operator) in &before {
        let Some(now) = map.offset(*at) else { panic!("{what}: {operator} at {at:#x} is lost") };
        let found = after.get(&now).map(String::as_str);
        let may_be = instead.iter().any(|(from, to)| from == operator && found == Some(to));
        assert!(
            found == Some(operator.as_str()) || may_be,
            "{what}: {operator} at {at:#x} is {found:?} at {now:#x}"
        );
        assert_eq!(map.original_offset(now), Some(*at), "{what}: and back");
    }
    let back = after.keys().filter(|&&at| map.original_offset(at).is_some()).count();
    assert_eq!(back, before.len(), "{what}: what was added has no original");
    before.len()
}

/// Random modules with imports of which some are satisfied, so that indices change their lengths.
fn random_module(seed: u64) -> Option<Vec<u8>> {
    let mut state = seed;
    let bytes: Vec<u8> = (0..4096)
        .map(|_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            state.to_le_bytes()[4]
        })
        .collect();
    let config = wasm_smith::Config { min_imports: 2, min_funcs: 3, ..wasm_smith::Config::default() };
    let module = wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    Some(module.to_bytes())
}

#[test]
fn every_instruction_is_where_the_map_says() {
    let (mut modules, mut instructions, mut moved) = (0, 0, 0);
    for seed in 0..300 {
        let Some(wasm) = random_module(seed) else { continue };
        let sections = Sections::read(&wasm).unwrap();
        let mut edits = Edits::new(&sections);
        let mut trap = Function::new([]);
        trap.instruction(&Instruction::Unreachable).instruction(&Instruction::End);
        moved += u32::from(edits.satisfy(0, trap).is_ok());
        let last = (0..).take_while(|&func| sections.func_type(func).is_some()).last();
        if let Some(func) = last.filter(|&func| func > 0) {
            let params = u32::try_from(sections.func_type(func).unwrap().params().len()).unwrap();
            edits.wrap(func, "memgrove.last", |inner| pass_on(inner, params)).unwrap();
        }
        edits.add_memory(MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let edited = match edits.apply(&mut Untouched) {
            Ok(edited) => edited,
            Err(error) => panic!("seed {seed}: {error}"),
        };
        instructions += check_map(&format!("seed {seed}"), &wasm, &edited.wasm, &edited.map, &[]);
        modules += 1;
        match everything_but_loads(&wasm) {
            Ok(edited) => {
                let instead = [("Return", "Br")];
                check_map(&format!("seed {seed}, instrumented"), &wasm, &edited.wasm, &edited.map, &instead);
            }
            Err(Error::NotUnderstood { .. }) => {}
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(modules > 200 && instructions > 10_000 && moved > 50, "{modules} {instructions} {moved}");
}

/// Instruments every function; loads and multiplications stay.
fn everything_but_loads(wasm: &[u8]) -> Result<Edited, Error> {
    struct Calls(Everything);
    impl Instrument for Calls {
        fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
            self.0.function(function)
        }
        fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
            if matches!(site.operator, Operator::Call { .. }) {
                return self.0.instruction(site, splice);
            }
            Ok(())
        }
    }
    let sections = Sections::read(wasm)?;
    let mut edits = Edits::new(&sections);
    let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    let global = edits.add_global(ty, ConstExpr::i32_const(0));
    edits.apply(&mut Calls(Everything { global }))
}

#[test]
fn offsets_count_from_the_code_section_for_debuggers() {
    let wasm = parse(r#"(module (func (export "f") (nop) (drop (i32.const 1))))"#);
    let edited = edit(&wasm, |edits| {
        edits.add_type(vec![ValType::I32; 200], vec![]);
    });
    let start = u32::try_from(bodies(&wasm)[0].range().start).unwrap();
    let new_start = u32::try_from(bodies(&edited.wasm)[0].range().start).unwrap();
    assert_eq!(edited.map.offset(start), Some(new_start));
    // Contents of the code section: the count, then the body's size, then the body.
    assert_eq!(edited.map.code_offset(2), Some(2));
    let copied: Map = serde_json::from_str(&serde_json::to_string(&edited.map).unwrap()).unwrap();
    assert_eq!(copied, edited.map);
}
