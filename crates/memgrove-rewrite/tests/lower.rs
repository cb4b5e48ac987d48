//! What is lowered, what is not and why, and that no edit is more than it says.

use memgrove_module::facts::Proposal;
use memgrove_rewrite::{Discard, Fixed, LOWERABLE, Options, fix, plan};
use wasmparser::{Validator, WasmFeatures};

fn lower(wasm: &[u8], lower: &[Proposal]) -> Fixed {
    fix(wasm, &Options { lower: lower.to_vec(), ..Options::default() }).expect("it can be lowered")
}

fn lower_text(text: &str) -> Fixed {
    lower(&wat::parse_str(text).expect("well-formed"), LOWERABLE)
}

fn is_first_version(wasm: &[u8]) -> bool {
    Validator::new_with_features(WasmFeatures::WASM1).validate_all(wasm).is_ok()
}

/// It is lowered in full; its text holds `expected`.
fn becomes(text: &str, expected: &[&str]) {
    let fixed = lower_text(text);
    assert!(is_first_version(&fixed.wasm), "{:#?}", fixed.plan);
    let printed = wasmprinter::print_bytes(&fixed.wasm).expect("it can be printed");
    let printed = printed.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in expected {
        assert!(printed.contains(part), "no `{part}` in {printed}");
    }
}

/// Several values stay, for this reason.
fn stays(text: &str, why: &str) {
    let fixed = lower_text(text);
    assert!(!is_first_version(&fixed.wasm), "{text}");
    let notes = fixed.plan.notes.join("; ");
    assert!(notes.contains(&format!("multi-value stays: {why}")), "{text}: {notes}");
}

#[test]
fn instructions_become_older_ones() {
    becomes(
        "(module (func (export \"e\") (param i64) (result i64) (i64.extend16_s (local.get 0))))",
        &["i64.const 48 i64.shl i64.const 48 i64.shr_s"],
    );
    becomes(
        "(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))",
        // Behind it the check of its bounds, and itself.
        &["i32.const 0 i32.const 0 i32.const 0 call 2", "i32.load8_u offset=4294967295"],
    );
    becomes(
        "(module (func (param i32) (select (result i32) (i32.const 1) (i32.const 2) (local.get 0)) (drop)))",
        &["select drop"],
    );
}

#[test]
fn only_what_is_asked_for_is_lowered() {
    let text = "(module (memory 1) (func (param f32) (result i32)
        (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)) (i32.trunc_sat_f32_u (local.get 0))))";
    let wasm = wat::parse_str(text).expect("well-formed");
    assert_eq!(lower(&wasm, &[]).wasm, wasm);
    assert_eq!(lower(&wasm, &[Proposal::SignExtension]).wasm, wasm);
    let fixed = lower(&wasm, &[Proposal::BulkMemory]);
    let features = WasmFeatures::WASM1 | WasmFeatures::SATURATING_FLOAT_TO_INT;
    Validator::new_with_features(features).validate_all(&fixed.wasm).expect("no bulk memory is left");
    assert!(!is_first_version(&fixed.wasm));
    // The plan alone says the same.
    let options = Options { lower: vec![Proposal::BulkMemory], ..Options::default() };
    assert_eq!(plan(&wasm, &options).expect("valid").changes, fixed.plan.changes);
    assert_eq!(memgrove_rewrite::apply(&wasm, &fixed.plan).expect("it can be applied"), fixed.wasm);
}

#[test]
fn long_numbers_of_linkers_are_written_short() {
    let wasm = wat::parse_str(
        "(module (table 1 funcref) (func (export \"f\") (param i32) (call_indirect (local.get 0))))",
    )
    .expect("well-formed");
    // `call_indirect` of type 1, table 0, as `0x80 0x80 0x80 0x80 0x00`; section and body grow by four bytes.
    let at = wasm.windows(3).position(|bytes| bytes == [0x11, 0x01, 0x00]).expect("the call");
    let code = wasm.iter().rposition(|&byte| byte == 10).filter(|&code| code < at).expect("the section");
    let mut long = wasm[..at + 2].to_vec();
    long.extend([0x80, 0x80, 0x80, 0x80]);
    long.extend(&wasm[at + 2..]);
    long[code + 1] += 4;
    long[code + 3] += 4;
    Validator::new().validate_all(&long).expect("still valid");
    assert!(!is_first_version(&long));
    let fixed = lower(&long, LOWERABLE);
    assert!(is_first_version(&fixed.wasm));
    assert!(fixed.plan.changes[0].what.contains("long table index"), "{:?}", fixed.plan.changes);
}

#[test]
fn a_count_of_segments_goes_if_no_code_refers_to_one() {
    let text = |code: &str| format!("(module (memory 1) (data $d \"a\") (func {code}))");
    let init = "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 0))";
    let init = lower_text(&text(init));
    assert!(!is_first_version(&init.wasm) && init.plan.is_empty(), "{:?}", init.plan);
    let copy = "(module (memory 1) (data (i32.const 0) \"a\")
        (func (memory.copy (i32.const 0) (i32.const 0) (i32.const 0))))";
    becomes(copy, &["i32.const 0 i32.const 0 i32.const 0 call 2"]);
}

#[test]
fn memories_of_another_kind_keep_their_instructions() {
    for memory in ["i64 1", "1 1 (pagesize 1)"] {
        let ty = if memory.starts_with('i') { "i64" } else { "i32" };
        let text = format!(
            "(module (memory {memory}) (func (memory.fill ({ty}.const 0) (i32.const 0) ({ty}.const 0))))"
        );
        let wasm = wat::parse_str(text).expect("well-formed");
        assert_eq!(lower(&wasm, LOWERABLE).wasm, wasm);
    }
}

#[test]
fn several_values_stay_where_somebody_would_see_the_difference() {
    let pair = "(result i32 i64) (i32.const 1) (i64.const 2)";
    stays(&format!("(module (func (export \"f\") {pair}))"), "an exported function");
    stays("(module (import \"a\" \"b\" (func (result i32 i64))))", "a function that the host gives");
    stays(
        &format!("(module (table (export \"t\") 1 funcref) (elem (i32.const 0) $f) (func $f {pair}))"),
        "a function that returns several values may be called through a table",
    );
    stays(
        &format!(
            "(module (table 2 funcref) (elem (i32.const 0) $f $g) (func $f {pair}) (func $g)
              (func (export \"c\") (call_indirect (i32.const 0))))"
        ),
        "a call through a table tells functions apart",
    );
    stays(
        &format!("(module (func $f {pair}) (func (try_table (call $f) (drop) (drop))))"),
        "values also travel by exceptions",
    );
}

#[test]
fn many_values_do_not_make_a_module_many_times_larger() {
    let types = "i32 ".repeat(900);
    // A long type that is written once and named again and again; its values are dropped, or never there.
    let drops = "drop ".repeat(900);
    let blocks = format!("(block (type 0) unreachable (br 0)) {drops}").repeat(20);
    let text = format!("(module (type (func (result {types}))) (func {blocks}))");
    let fixed = lower_text(&text);
    let before = wat::parse_str(&text).expect("well-formed").len();
    assert!(fixed.wasm.len() < 64 * before, "{} from {before}", fixed.wasm.len());
    let many = "(block (type 0) unreachable) unreachable ".repeat(2000);
    let text = format!("(module (type (func (result {types}))) (func {many}))");
    stays(&text, "so many values travel at once");
}

#[test]
fn giving_memory_back_is_lowered_or_raised() {
    let text = r#"(module
        (import "env" "__wbindgen_memory_discard" (func $discard (param i32 i32)))
        (memory (export "memory") 2)
        (func (export "f") (call $discard (i32.const 0) (i32.const 65536))))"#;
    let wasm = wat::parse_str(text).expect("well-formed");
    let print = |wasm: &[u8]| wasmprinter::print_bytes(wasm).expect("it can be printed");
    let filled = fix(&wasm, &Options::default()).expect("it can be fixed");
    assert!(filled.plan.is_complete() && is_first_version(&filled.wasm), "{:#?}", filled.plan.imports);
    let options = Options { discard: Discard::Raise, ..Options::default() };
    let raised = fix(&wasm, &options).expect("it can be fixed");
    assert!(raised.plan.is_complete() && print(&raised.wasm).contains("memory.discard"));
    assert!(raised.plan.imports[0].ty.ends_with("i32 i32 ->"));
    // And back: whole pages are filled, anything else traps.
    let lowered = lower(&raised.wasm, &[Proposal::MemoryControl]);
    assert!(is_first_version(&lowered.wasm), "{:#?}", lowered.plan);
    assert!(print(&lowered.wasm).contains("i32.const 65535"));
}
