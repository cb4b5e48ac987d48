//! Modules that keep their allocator, each with the reason.

use memgrove_rewrite::swap::{Manners, Member, Options, Refusal, Role, SwapError, To, Why, swap};

/// A list of blocks that were given back, in one word of memory, and memory from a pointer that is only moved.
const HEAP: &str = r#"
  (func $malloc (export "malloc") (param i32) (result i32) (local $at i32)
    (if (local.tee $at (i32.load (i32.const 2048)))
      (then (i32.store (i32.const 2048) (i32.load (local.get $at))) (return (local.get $at))))
    (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (return (i32.const 0))))
    (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 65528)))
  (func $free (export "free") (param i32)
    (i32.store (local.get 0) (i32.load (i32.const 2048)))
    (i32.store (i32.const 2048) (local.get 0)))
"#;

fn member(func: u32, role: Role) -> Member {
    Member { func, role, has_heap: false, is_certain: true }
}

fn swapped(text: &str, to: To, members: Vec<Member>) -> Result<Vec<u8>, SwapError> {
    let wasm = wat::parse_str(text).expect("the test's text is well-formed");
    of_bytes(&wasm, to, members)
}

fn of_bytes(wasm: &[u8], to: To, members: Vec<Member>) -> Result<Vec<u8>, SwapError> {
    let facts = memgrove_module::facts(wasm).expect("the test's module is valid");
    let options = Options { to, members, sbrk: None, manners: Manners::default() };
    swap(&facts, &options).map(|swapped| swapped.wasm)
}

fn pair() -> Vec<Member> {
    vec![member(0, Role::Malloc), member(1, Role::Free)]
}

fn refused(text: &str, members: Vec<Member>) -> Refusal {
    match swapped(text, To::Wee, members) {
        Err(SwapError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_module_of_which_all_is_known_is_swapped() {
    for to in To::ALL {
        swapped(&format!("(module (memory 1) {HEAP})"), to, pair()).expect("nothing stands against it");
    }
}

#[test]
fn what_is_no_module_with_a_heap_of_its_own_is_refused() {
    assert!(matches!(
        swapped("(component)", To::Wee, pair()),
        Err(SwapError::Module(memgrove_rewrite::Error::Component))
    ));
    // Objects are the engine's.
    let collected = "(module (type $s (struct (field i32))) (func (export \"new\") (result (ref $s)) (struct.new_default $s)))";
    assert_eq!(refused(collected, vec![]), Refusal::NoMemory);
    assert_eq!(refused(&format!("(module (memory 1) {HEAP})"), vec![]), Refusal::NoPair);
    let nothing = "(module (memory 1) (func (export \"add\") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))";
    assert_eq!(refused(nothing, vec![]), Refusal::NoPair);
}

#[test]
fn memories_for_which_there_is_no_heap_are_refused() {
    let long = "(module (memory i64 1) (func (param i64) (result i64) (local.get 0)) (func (param i64)))";
    assert_eq!(refused(long, pair()), Refusal::Memory64);
}

#[test]
fn threads_find_the_heap_by_a_word_of_the_old_one_that_is_0_or_the_module_is_refused() {
    let module = |more: &str| format!("(module (memory 1 9 shared) {HEAP} {more})");
    swapped(&module(""), To::Wee, pair()).expect("the list begins empty");
    let start = |clears: &str| {
        module(&format!(
            "(data $passive \"\\00\\00\\00\\00\\07\")
             (func $start (memory.init $passive (i32.const 1024) (i32.const 0) (i32.const 5)) {clears})
             (start $start)"
        ))
    };
    // What is put into memory by code is only known where that code says so.
    assert_eq!(refused(&start(""), pair()), Refusal::NoWord);
    let clear = "(memory.fill (i32.const 2000) (i32.const 0) (i32.const 100))";
    swapped(&start(clear), To::Wee, pair()).expect("it is cleared");
    let copy =
        |from: u32| format!("(memory.init $passive (i32.const 2048) (i32.const {from}) (i32.const 4))");
    swapped(&start(&copy(0)), To::Wee, pair()).expect("it is copied as 0");
    assert_eq!(refused(&start(&format!("{clear} {}", copy(1))), pair()), Refusal::NoWord);
    // The program sets it back, which no old block outlives.
    let resets = "(func (export \"reset\") (i32.store (i32.const 2048) (i32.const 0)))";
    assert_eq!(refused(&module(resets), pair()), Refusal::NoWord);
    // A lock is the address of which a library may be told.
    let locked = HEAP.replace("i32.store (i32.const 2048)", "i32.atomic.store (i32.const 2048)");
    assert_eq!(refused(&format!("(module (memory 1 9 shared) {locked})"), pair()), Refusal::NoWord);
}

#[test]
fn dynamic_linking_is_refused_on_both_sides() {
    let dylink = "(@custom \"dylink.0\" (before first) \"\\01\\04\\00\\00\\00\\00\")";
    let side = format!(
        "(module {dylink} (import \"env\" \"memory\" (memory 1)) (import \"env\" \"__memory_base\" (global i32)))"
    );
    assert_eq!(refused(&side, vec![]), Refusal::SideModule);
    let main = format!("(module {dylink} (import \"env\" \"__memory_base\" (global i32)) (memory 1) {HEAP})");
    assert_eq!(refused(&main, vec![]), Refusal::MainModule);
}

#[test]
fn a_function_that_reads_what_the_allocator_keeps_is_named() {
    // Its answer is about the old heap, and no heap of ours counts what it would have to say.
    let text = format!(
        "(module (memory 1) {HEAP} (func (export \"mallinfo\") (result i32) (i32.load (i32.const 2048))))"
    );
    let why = Why::State { address: 2048 };
    let name = Some("mallinfo".to_owned());
    let refusal = refused(&text, pair());
    assert_eq!(refusal, Refusal::KnownFromInside { func: 2, name, why, others: 0 });
    assert_eq!(
        refusal.to_string(),
        "function 2 (`mallinfo`) would stay, and uses the allocator's state at 0x800"
    );
    let text = format!(
        "(module (memory 1) {HEAP} (func (export \"length\") (param i32) (result i32) (local i32)
           (local.set 1 (i32.and (i32.load (i32.sub (local.get 0) (i32.const 4))) (i32.const -8)))
           (call $free (local.get 0)) (local.get 1)))"
    );
    let name = Some("length".to_owned());
    assert_eq!(
        refused(&text, pair()),
        Refusal::KnownFromInside { func: 2, name, why: Why::Header, others: 0 }
    );
}

#[test]
fn malloc_trim_says_that_there_is_nothing_to_give_back() {
    let trim = |name: &str, ty: &str| {
        format!(
            "(module (memory 1) {HEAP} (func (export \"{name}\") {ty}
               (i32.store (i32.const 2048) (i32.const 0)) (i32.load (i32.const 2048))))"
        )
    };
    let wasm =
        swapped(&trim("malloc_trim", "(param i32) (result i32)"), To::Wee, pair()).expect("it is known");
    let facts = memgrove_module::facts(&wasm).expect("valid");
    let func = facts.exported_func("malloc_trim").expect("exports stay");
    let body: Vec<_> = facts
        .operators(func)
        .expect("it is there")
        .into_iter()
        .map(|op| format!("{:?}", op.expect("valid")))
        .collect();
    assert_eq!(body, ["I32Const { value: 0 }", "End"]);
    // Another name or type promises something else.
    for (name, ty) in [("trim", "(param i32) (result i32)"), ("malloc_trim", "(result i32)")] {
        assert!(
            matches!(refused(&trim(name, ty), pair()), Refusal::KnownFromInside { func: 2, .. }),
            "{name} {ty}"
        );
    }
}

#[test]
fn inlined_code_of_dlmallocs_sees_a_block_that_was_mapped() {
    // The check of a length, as Rust's dealloc has it; the function that unites free chunks is left out with it.
    let text = format!(
        "(module (memory 1) {HEAP} (func (export \"dealloc\") (param $at i32) (param $size i32) (local $word i32)
           (local.set $word (i32.load (i32.sub (local.get $at) (i32.const 4))))
           (if (i32.lt_u (i32.and (local.get $word) (i32.const -8))
                 (i32.add (local.get $size)
                   (select (i32.const 4) (i32.const 8) (i32.and (local.get $word) (i32.const 3)))))
             (then (unreachable)))
           (if (i32.eqz (i32.and (local.get $word) (i32.const 3))) (then (call $free (local.get $at)) (return)))
           (i32.store (local.get $at) (i32.load (i32.const 2048)))))"
    );
    let wasm = wat::parse_str(&text).expect("the test's text is well-formed");
    let facts = memgrove_module::facts(&wasm).expect("valid");
    let with = |marks_mapped_blocks: bool| {
        let mut manners = Manners::default();
        manners.marks_mapped_blocks = marks_mapped_blocks;
        swap(&facts, &Options { to: To::Dlmalloc, members: pair(), sbrk: None, manners })
    };
    let swapped = with(true).expect("what reads the allocator's state is not reached");
    assert!(swapped.notes.iter().any(|note| note.contains("word before each block")), "{:?}", swapped.notes);
    // Another allocator's word means something else.
    assert!(matches!(with(false), Err(SwapError::Refused(Refusal::KnownFromInside { func: 2, .. }))));
}

#[test]
fn what_was_swapped_already_is_refused_for_whatever_heap() {
    let text = format!("(module (memory 1) {HEAP})");
    let once = swapped(&text, To::Dlmalloc, pair()).expect("nothing stands against it");
    for to in [To::Dlmalloc, To::Wee] {
        // The new heap's functions may be unknown to who asks.
        for members in [pair(), vec![]] {
            let again = of_bytes(&once, to, members);
            assert!(matches!(again, Err(SwapError::Refused(Refusal::Already { .. }))), "{again:?}");
        }
    }
}
