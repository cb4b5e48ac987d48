//! Layout and growth on small modules, one for each family of toolchains.

use memgrove_inspect::report::{
    AddressRange, Grower, Level, MemoryReport, RegionKind, Role, StackDirection, StackPlacement,
};
use memgrove_inspect::{Report, conclude, facts};

fn inspect(text: &str) -> Report {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    conclude(&facts(&bytes).unwrap())
}

/// Two functions with LLVM's prologue, moving global 0 by `step`.
fn prologues(step: i32) -> String {
    let one = format!(
        "(func (export \"NAME\") (local i32) global.get 0 i32.const {step} i32.sub local.tee 0 global.set 0 \
         local.get 0 i32.const {step} i32.add global.set 0)"
    );
    ["a", "b", "c"].map(|name| one.replace("NAME", name)).join(" ")
}

fn kinds(memory: &MemoryReport) -> Vec<RegionKind> {
    memory.regions.iter().map(|region| region.kind).collect()
}

#[test]
fn stack_first_as_rustc_links() {
    let report = inspect(&format!(
        "(module (memory 17) (global (mut i32) (i32.const 1048576)) (global (export \"__data_end\") i32 (i32.const \
         1048700)) (global (export \"__heap_base\") i32 (i32.const 1048704)) (data (i32.const 1048576) \"hello\") {})",
        prologues(16)
    ));
    let memory = &report.memory;
    let stack = memory.stack.value.as_ref().unwrap();
    assert_eq!(stack.range, Some(AddressRange { start: 0, end: 1_048_576 }));
    assert_eq!((stack.direction, stack.placement), (StackDirection::Down, StackPlacement::First));
    assert_eq!(memory.stack.level(), Level::High);
    assert_eq!(memory.bss.value, Some(AddressRange { start: 1_048_581, end: 1_048_700 }));
    assert_eq!(memory.heap_base.value, Some(1_048_704));
    assert_eq!(memory.room_before_growth_bytes.value, Some(17 * 65536 - 1_048_704));
    use RegionKind::{Bss, Data, Room, Stack, Unknown};
    assert_eq!(kinds(memory), [Stack, Data, Bss, Unknown, Room]);
}

#[test]
fn data_first_as_wasi_sdk_links() {
    let report = inspect(&format!(
        "(module (memory (export \"memory\") 2) (global (mut i32) (i32.const 66576)) (data (i32.const 1024) \"hello\") {} \
         (func (export \"malloc\") (result i32) (memory.grow (i32.const 1))))",
        prologues(16)
    ));
    let memory = &report.memory;
    let stack = memory.stack.value.as_ref().unwrap();
    assert_eq!(stack.placement, StackPlacement::AfterData);
    // The file does not say where bss ends and the stack's limit is.
    assert_eq!(stack.range, None);
    assert_eq!(memory.bss.value, None);
    assert_eq!((memory.heap_base.value, memory.heap_base.level()), (Some(66576), Level::High));
    use RegionKind::{Data, Growth, Null, Room, Unknown};
    assert_eq!(kinds(memory), [Null, Data, Unknown, Room, Growth]);
}

#[test]
fn a_check_for_overflow_hides_no_prologue() {
    let report = inspect(
        "(module (memory 2) (global (mut i32) (i32.const 70000)) (global (mut i32) (i32.const 4000)) (data (i32.const \
         1024) \"x\") (func $overflow) (func (export \"f\") (local i32) global.get 0 i32.const 32 i32.sub local.tee 0 \
         global.get 1 i32.lt_u if call $overflow end local.get 0 global.set 0))",
    );
    let stack = report.memory.stack.value.unwrap();
    assert_eq!((stack.pointer_global, stack.direction), (0, StackDirection::Down));
    assert_eq!(report.memory.heap_base.value, Some(70000));
}

#[test]
fn an_end_without_a_beginning_is_no_bss() {
    let report = inspect(
        "(module (memory (export \"memory\") 2) (global (export \"__data_end\") i32 (i32.const 1024)) \
         (global (export \"__heap_base\") i32 (i32.const 66560)))",
    );
    assert_eq!(report.memory.bss.value, None);
    assert_eq!(report.memory.heap_base.value, Some(66560));
}

#[test]
fn negative_additions_lower_the_stack_too() {
    let report = inspect(
        "(module (memory 2) (global (mut i32) (i32.const 70000)) (data (i32.const 1024) \"x\") (func (export \"f\") \
         (local i32) global.get 0 i32.const -32 i32.add local.tee 0 global.set 0))",
    );
    assert_eq!(report.memory.stack.value.unwrap().direction, StackDirection::Down);
}

/// A name proves something where only its family uses it, and where one import has it.
#[test]
fn an_import_is_the_stack_pointer_by_name_in_env_only() {
    let is_known = |imports: &str| {
        let report = inspect(&format!("(module {imports} (memory 2))"));
        report.memory.stack.value.is_some()
    };
    let import =
        |module: &str, name: &str, ty: &str| format!("(import \"{module}\" \"{name}\" (global {ty}))");
    let word = "(mut i32)";
    assert!(is_known(&import("env", "__stack_pointer", word)));
    assert!(is_known(&import("env", "STACKTOP", "i32")));
    assert!(!is_known(&import("game", "__stack_pointer", word)));
    assert!(!is_known(&import("env", "__stack_pointer", "(mut f64)")));
    assert!(!is_known(&(import("env", "STACKTOP", "i32") + &import("env", "__stack_pointer", word))));
}

const FASTCOMP: &str = "(module
  (import \"env\" \"memory\" (memory 256 256))
  (import \"env\" \"DYNAMICTOP_PTR\" (global i32))
  (import \"env\" \"STACKTOP\" (global i32))
  (import \"env\" \"enlargeMemory\" (func (result i32)))
  (import \"env\" \"getTotalMemory\" (func (result i32)))
  (import \"env\" \"abortOnCannotGrowMemory\" (func (result i32)))
  (import \"env\" \"___setErrNo\" (func (param i32)))
  (global (mut i32) (global.get 1))
  (data (i32.const 1024) \"x\")
  (func (export \"_main\") (local i32) global.get 2 local.set 0 global.get 2 i32.const 16 i32.add global.set 2))";

#[test]
fn fastcomp_leaves_the_layout_to_its_host() {
    let report = inspect(FASTCOMP);
    let memory = &report.memory;
    let stack = memory.stack.value.as_ref().unwrap();
    assert_eq!((stack.direction, stack.imported, stack.base), (StackDirection::Up, true, None));
    // The end of the segments is not the end of static data: no heap base is better than a wrong one.
    assert_eq!(memory.heap_base.value, None);
    let growth = memory.growth.value.as_ref().unwrap();
    assert_eq!((growth.who, growth.fixed), (Grower::Nobody, true));
    assert_eq!(report.startup.role.value, Some(Role::Application));
    let growing = inspect(&FASTCOMP.replace("256 256", "256"));
    assert_eq!(growing.memory.growth.value.unwrap().who, Grower::Import);
}

#[test]
fn threads_place_their_data_by_code() {
    let report = inspect(
        "(module (memory 2 2 shared) (global (mut i32) (i32.const 70000)) (data $d \"hello\") (start $init)
         (func $init i32.const 1024 i32.const 0 i32.const 5 memory.init $d
           i32.const 1040 i32.const 0 i32.const 3000 memory.fill data.drop $d)
         (func (export \"f\") (local i32) global.get 0 i32.const 32 i32.sub local.tee 0 global.set 0))",
    );
    let data = report.memory.static_data.value.unwrap();
    assert_eq!((data.start, data.end, data.passive_segments), (1024, 1029, 1));
    assert_eq!(report.memory.bss.value, Some(AddressRange { start: 1040, end: 4040 }));
    assert_eq!(report.memory.stack.value.unwrap().range, Some(AddressRange { start: 4048, end: 70000 }));
    assert!(report.startup.start_function.is_some());
}

#[test]
fn a_side_module_lies_where_the_loader_puts_it() {
    let report = inspect(
        "(module (@custom \"dylink.0\" (before first) \"\\01\\04\\40\\04\\01\\00\")
         (import \"env\" \"__memory_base\" (global i32)) (import \"env\" \"memory\" (memory 1))
         (data (global.get 0) \"0123456789abcdef\") (func (export \"f\")))",
    );
    let memory = &report.memory;
    assert_eq!(memory.static_data.value, None);
    assert_eq!(memory.bss.value, Some(AddressRange { start: 16, end: 64 }));
    assert_eq!(memory.heap_base.value, None);
    assert_eq!(report.startup.role.value, Some(Role::SideModule));
}

#[test]
fn a_snapshot_gives_no_heap_base() {
    let report = inspect(&format!(
        "(module (memory 17) (global (mut i32) (i32.const 1048576)) (data (i32.const 1048000) \"stack\") \
         (data (i32.const 1049000) \"heap\") {})",
        prologues(16)
    ));
    assert_eq!(report.memory.heap_base.value, None);
    assert_eq!(report.memory.stack.value.unwrap().placement, StackPlacement::First);
}

#[test]
fn the_break_in_a_data_segment_is_the_heap_base() {
    let report = inspect(
        "(module (memory 2) (data (i32.const 1024) \"\\d0\\07\\01\\00\") (func (export \"sbrk\") (result i32)
         i32.const 1024 i32.load drop memory.size))",
    );
    assert_eq!(
        (report.memory.heap_base.value, report.memory.heap_base.level()),
        (Some(0x107d0), Level::High)
    );
}

#[test]
fn who_grows_the_memory() {
    let check =
        |text: &str, expected| assert_eq!(inspect(text).memory.growth.value.unwrap().who, expected, "{text}");
    check("(module)", Grower::NoMemory);
    check("(module (memory 1))", Grower::Nobody);
    check("(module (memory (export \"memory\") 1))", Grower::Host);
    check("(module (import \"env\" \"memory\" (memory 1)))", Grower::Host);
    check(
        "(module (memory (export \"memory\") 1 1) (func (drop (memory.grow (i32.const 1)))))",
        Grower::Nobody,
    );
    check("(module (memory 1) (func (drop (memory.grow (i32.const 1)))))", Grower::Module);
    // Growing by zero asks for the size.
    check("(module (memory (export \"m\") 1) (func (drop (memory.grow (i32.const 0)))))", Grower::Host);
    check(
        "(module (import \"env\" \"sbrk\" (func (param i32) (result i32))) (memory (export \"memory\") 1))",
        Grower::Import,
    );
    // A raw system call of musl has its number as first parameter …
    check(
        "(module (import \"env\" \"__syscall3\" (func (param i32 i32 i32 i32) (result i32))) (memory (export \"m\") 1))",
        Grower::Import,
    );
    // … Emscripten's has it in the name.
    check(
        "(module (import \"env\" \"__syscall5\" (func (param i32 i32) (result i32))) (memory (export \"memory\") 1))",
        Grower::Host,
    );
}

#[test]
fn threads_that_may_not_know_of_growth_are_told_of() {
    let says = |memory: &str, pages: &str, words: &str| {
        let text = format!(
            "(module {memory} (func (drop (memory.grow (i32.const 1)))) (func (drop (memory.grow (i32.const {pages})))))"
        );
        inspect(&text).memory.growth.evidence.iter().any(|evidence| evidence.text.contains(words))
    };
    assert!(says("(memory 1 2 shared)", "1", "may trap"));
    assert!(says("(memory 1 2 shared)", "0", "see each other's growth in time"));
    assert!(!says("(memory 1 2 shared)", "0", "may trap"));
    assert!(!says("(memory 1 1 shared)", "1", "V8"));
    assert!(!says("(memory 1 2)", "1", "V8"));
}

#[test]
fn a_minified_import_is_known_by_what_calls_it() {
    /// `sbrk` with what it asks when the size is beyond memory.
    fn module(size: &str, ask: &str) -> String {
        format!(
            r#"(module
            (import "a" "a" (func $a (param i32) (result i32)))
            (import "a" "b" (func $b (param i32) (result i32)))
            (memory (export "d") 1)
            (func $size (result i32) (i32.shl (memory.size) (i32.const 16)))
            (func (export "e") (param i32) (result i32)
                (drop (call $a (i32.const 1)))
                (if (i32.gt_u (local.get 0) {size}) (then {ask}))
                (local.get 0)))"#
        )
    }
    const SIZE: &str = "(i32.shl (memory.size) (i32.const 16))";
    const ASK_B: &str = "(if (i32.eqz (call $b (local.get 0))) (then (return (i32.const -1))))";
    let growers = |text: &str| -> Vec<String> {
        let growth = inspect(text).memory.growth.value.unwrap();
        growth.imports.iter().map(ToString::to_string).collect()
    };
    assert_eq!(growers(&module(SIZE, ASK_B)), ["a.b"]);
    assert_eq!(growers(&module("(call $size)", ASK_B)), ["a.b"], "the size in a function of its own");
    let none = |text: &str, why: &str| assert_eq!(growers(text), [] as [&str; 0], "{why}");
    none(&module("(i32.mul (memory.size) (i32.const 7))", ASK_B), "not compared with the size in bytes");
    none(&module(SIZE, "(drop (call $b (local.get 0)))"), "a result that is dropped decides nothing");
    none(&module(SIZE, &format!("{ASK_B} {}", ASK_B.replace("$b", "$a"))), "two that look alike");
    let long = module(SIZE, ASK_B).replace("\"b\"", "\"compute_something\"");
    none(&long, "a long name is not minified");
    none(&module(SIZE, ASK_B).replace("\"a\" \"", "\"game\" \""), "no module of Emscripten's");
}

#[test]
fn growth_is_traced_to_what_reaches_it() {
    let report = inspect(
        "(module (memory 1) (table 1 funcref) (elem (i32.const 0) $b) (start $s)
         (func $grow (drop (memory.grow (i32.const 1)))) (func $b call $grow) (func $s)
         (func (export \"malloc\") call $grow) (func (export \"other\")))",
    );
    let growth = report.memory.growth.value.unwrap();
    assert_eq!(growth.functions[0].reached_from, ["export malloc", "table"]);
}

#[test]
fn constructors_and_roles() {
    let role = |text: &str| inspect(text).startup.role.value.unwrap();
    assert_eq!(role("(module (func (export \"_start\")))"), Role::Application);
    assert_eq!(role("(module (func (export \"_initialize\")))"), Role::Library);
    assert_eq!(role("(module (func (export \"run\")))"), Role::Library);
    assert_eq!(role("(module (func (export \"run\")) (func (export \"resume\")))"), Role::Application);
    assert_eq!(role("(module (memory (export \"memory\") 1))"), Role::Data);
    let report = inspect(
        "(module (func $__wasm_call_ctors) (func $init call $__wasm_call_ctors) (start $init) (func (export \"f\")))",
    );
    let constructor = &report.startup.constructors[0];
    assert_eq!((constructor.exported, constructor.run_by_start), (false, true));
}
