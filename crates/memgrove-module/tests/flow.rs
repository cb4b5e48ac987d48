//! Where values come from.

use memgrove_module::Code;
use memgrove_module::code::Flow;
use memgrove_module::facts::facts;
use wasmparser::Operator;

/// What makes the result of the module's only function: its flow, and the position behind blocks that hand it on.
fn result_of<T>(text: &str, ask: impl FnOnce(&Flow<'_>, Option<usize>) -> T) -> T {
    let bytes = wat::parse_str(text).unwrap();
    let facts = facts(&bytes).unwrap();
    let code = Code::new(&facts);
    let flow = Flow::of(&code, facts.imported_func_count()).unwrap();
    let end = flow.code.len() - 1;
    ask(&flow, flow.operand(end, 0))
}

#[test]
fn a_value_is_looked_for_behind_locals_and_blocks() {
    // The index of the second local is higher than there are instructions.
    for local in [0, 50] {
        let locals = "i32 ".repeat(local + 1);
        let text = format!(
            "(module (func (result i32) (local {locals})
                (local.set {local} (block (result i32) (i32.const 7)))
                (local.get {local})))"
        );
        result_of(&text, |flow, value| {
            assert!(matches!(flow.code[value.unwrap()], Operator::I32Const { value: 7 }));
        });
    }
}

#[test]
fn what_a_branch_brings_is_an_operand_of_the_end() {
    let text = "(module (func (param i32) (result i32)
        (block (result i32)
            (drop (br_if 0 (i32.const 1) (local.get 0)))
            (i32.const 5))))";
    result_of(text, |flow, value| {
        let block = value.unwrap();
        assert!(matches!(flow.code[block], Operator::End));
        assert!(matches!(flow.code[flow.made_by(block, 0).unwrap()], Operator::I32Const { value: 1 }));
        assert!(matches!(flow.code[flow.made_by(block, 1).unwrap()], Operator::I32Const { value: 5 }));
    });
}

#[test]
fn what_an_exception_brings_is_not_known() {
    let text = "(module (tag $t (param i32)) (func $may_throw)
        (func (export \"f\") (result i32)
            (block $caught (result i32)
                (try_table (catch $t $caught) (call $may_throw))
                (i32.const 5))))";
    let bytes = wat::parse_str(text).unwrap();
    let facts = facts(&bytes).unwrap();
    let code = Code::new(&facts);
    let flow = Flow::of(&code, 1).unwrap();
    let value = flow.operand(flow.code.len() - 1, 0).unwrap();
    assert!(!matches!(flow.code[value], Operator::I32Const { .. }), "it may be what was thrown");
    assert_eq!(flow.made_by(value, 0), None);
}
