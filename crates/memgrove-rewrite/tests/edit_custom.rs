//! Custom sections of an edited module: what speaks of functions and code is kept right, or left out with a note.

mod edit_support;

use memgrove_rewrite::Error;
use memgrove_rewrite::edit::{Edits, Frame, Instrument, Sections, Subject, applied};
use wasm_encoder::{ConstExpr, Function, GlobalType, Instruction, MemoryType, ValType};
use wasmparser::{Parser, Payload};

use edit_support::{edit, parse, text};

/// Restores a global at every exit of every function.
struct Restored {
    global: u32,
}

impl Instrument for Restored {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        let save = [Instruction::GlobalGet(self.global), Instruction::LocalSet(function.first_local)];
        let restore = [Instruction::LocalGet(function.first_local), Instruction::GlobalSet(self.global)];
        Ok(Some(Frame {
            locals: vec![ValType::I32],
            entry: save.into_iter().collect(),
            exit: restore.into_iter().collect(),
        }))
    }
}

/// A function that calls another with its only argument.
fn calls(to: u32) -> Function {
    let mut body = Function::new([]);
    body.instruction(&Instruction::LocalGet(0)).instruction(&Instruction::Call(to));
    body.instruction(&Instruction::End);
    body
}

fn custom<'a>(wasm: &'a [u8], name: &str) -> Option<&'a [u8]> {
    Parser::new(0).parse_all(wasm).find_map(|payload| match payload.unwrap() {
        Payload::CustomSection(custom) if custom.name() == name => Some(custom.data()),
        _ => None,
    })
}

#[test]
fn names_follow_their_functions() {
    let wasm = parse(
        r#"(module $m (import "a" "gone" (func $gone)) (import "a" "stays" (func $stays)) (global $g i32 (i32.const 0))
            (func $f (param $p i32) (local $l i32) (block $b (br $b)) (call $stays)))"#,
    );
    let sections = Sections::read(&wasm).unwrap();
    let mut edits = Edits::new(&sections);
    let mut nothing = Function::new([]);
    nothing.instruction(&Instruction::End);
    edits.satisfy(0, nothing).unwrap();
    edits.wrap(2, "memgrove.f", calls).unwrap();
    let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    let global = edits.add_global(ty, ConstExpr::i32_const(0));
    let edited = edits.apply(&mut Restored { global }).unwrap();
    let text = text(&edited.wasm);
    for part in ["(module $m", "(import \"a\" \"stays\" (func $stays", "(func $gone", "(func $memgrove.f"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.contains("(func $f (;3;) (type 1) (param $p i32)"), "{text}");
    assert!(text.contains("(local $l i32)"), "{text}");
    assert!(!text.contains("$b"), "labels are counted from the first block, which is another now: {text}");
}

#[test]
fn branch_hints_move_with_their_instructions() {
    let text = r#"(module (import "a" "gone" (func $gone)) (import "a" "b" (func $b))
        (func $f (param i32) (call $b)
            (@metadata.code.branch_hint "\01") (if (local.get 0) (then (call $b)))))"#;
    let wasm = parse(text);
    let sections = Sections::read(&wasm).unwrap();
    let mut edits = Edits::new(&sections);
    let mut nothing = Function::new([]);
    nothing.instruction(&Instruction::End);
    edits.satisfy(0, nothing).unwrap();
    let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    let global = edits.add_global(ty, ConstExpr::i32_const(0));
    let edited = edits.apply(&mut Restored { global }).unwrap();
    let printed = text_of_hints(&edited.wasm);
    let hint = printed.iter().position(|line| line.contains("branch_hint")).expect("the hint is there");
    assert!(printed[hint + 1].starts_with("if"), "{printed:?}");
}

fn text_of_hints(wasm: &[u8]) -> Vec<String> {
    text(wasm).lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn sections_that_describe_code_are_kept_right_or_left_out_with_a_note() {
    let wasm = parse(
        r#"(module (@custom "dylink.0" (before first) "\01\04\00\00\00\00")
            (@custom ".debug_info" "x") (@custom "sourceMappingURL" "\01x") (@custom "producers" "\00")
            (@custom "build_id" "\01x") (@custom "target_features" "\02+\04simd-\0bmultimemory")
            (memory 1) (table 1 funcref) (func (export "f")))"#,
    );
    let second =
        MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
    let edited = edit(&wasm, |edits| {
        edits.add_memory(second);
        edits.add_table(wasm_encoder::TableType {
            element_type: wasm_encoder::RefType::FUNCREF,
            table64: false,
            minimum: 1,
            maximum: None,
            shared: false,
        });
    });
    assert_eq!(custom(&edited.wasm, ".debug_info"), None);
    assert_eq!(custom(&edited.wasm, "sourceMappingURL"), None);
    assert_eq!(edited.notes.len(), 2, "{:?}", edited.notes);
    for name in ["dylink.0", "producers", "build_id"] {
        assert_eq!(custom(&edited.wasm, name), custom(&wasm, name), "{name}");
    }
    assert_eq!(&edited.wasm[8..9], [0], "dylink.0 comes first");
    assert_eq!(
        custom(&edited.wasm, "target_features").unwrap(),
        b"\x03+\x04simd+\x0bmultimemory+\x0freference-types"
    );
}

#[test]
fn each_tool_leaves_its_record() {
    let wasm = parse(r#"(module (func (export "f")))"#);
    assert!(applied(&wasm).is_empty());
    let once = edit(&wasm, |edits| edits.record("trace", "1.2.3")).wasm;
    let twice = edit(&once, |edits| edits.record("check", "1.2.4")).wasm;
    let records = applied(&twice);
    let told: Vec<_> = records.iter().map(|one| (one.tool.as_str(), one.version.as_str())).collect();
    assert_eq!(told, [("trace", "1.2.3"), ("check", "1.2.4")]);
    assert_ne!(records[0].original, records[1].original);
    // A record that is cut short is none, and nothing panics.
    for end in 0..twice.len() {
        assert!(applied(&twice[..end]).len() <= 2);
    }
}
