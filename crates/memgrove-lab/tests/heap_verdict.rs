//! What verification says of heaps that `fix --allocator` could put inside: of memgrove's own, of one that is written here,
//! and of such as are wrong.

use memgrove_lab::verify::{Question, Reason, Verdict, Verification, verify};
use memgrove_rewrite::{Allocator, Fixed, Options, Plan, fix};

/// What a program imports, and uses: a list of numbers that is made, read and given back.
const IMPORTS: &str = r#"
    (import "env" "malloc" (func $malloc (param i32) (result i32)))
    (import "env" "calloc" (func $calloc (param i32 i32) (result i32)))
    (import "env" "realloc" (func $realloc (param i32 i32) (result i32)))
    (import "env" "aligned_alloc" (func $aligned_alloc (param i32 i32) (result i32)))
    (import "env" "malloc_usable_size" (func $usable (param i32) (result i32)))
    (import "env" "free" (func $free (param i32)))"#;

const PROGRAM: &str = r#"
    (memory (export "memory") 1 100)
    (global $first (mut i32) (i32.const 0))
    (data (i32.const 1024) "what the program has")
    ;; A list in memory, its first node at address 16.
    (func (export "push") (param $number i32) (result i32) (local $node i32)
        (local.set $node (call $malloc (i32.const 8)))
        (i32.store (local.get $node) (i32.load (i32.const 16)))
        (i32.store offset=4 (local.get $node) (local.get $number))
        (i32.store (i32.const 16) (local.get $node))
        (local.get $node))
    (func (export "sum") (result i32) (local $node i32) (local $sum i32)
        (local.set $node (i32.load (i32.const 16)))
        (block $end (loop $next
            (br_if $end (i32.eqz (local.get $node)))
            (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get $node))))
            (local.set $node (i32.load (local.get $node)))
            (br $next)))
        (local.get $sum))
    (func (export "pop") (result i32) (local $node i32) (local $number i32)
        (local.set $node (i32.load (i32.const 16)))
        (if (i32.eqz (local.get $node)) (then (return (i32.const -1))))
        (i32.store (i32.const 16) (i32.load (local.get $node)))
        (local.set $number (i32.load offset=4 (local.get $node)))
        (call $free (local.get $node))
        (local.get $number))"#;

fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn fixed(wasm: &[u8]) -> Fixed {
    let options = Options { allocator: Some(Allocator::Wee), ..Options::default() };
    let fixed = fix(wasm, &options).expect("it can be fixed");
    assert!(fixed.plan.is_complete(), "{:#?}", fixed.plan.imports);
    fixed
}

fn verified(original: &[u8], fixed: &[u8], plan: &Plan) -> Verification {
    verify(original, fixed, plan).expect("both are valid")
}

fn reasons(verification: &Verification) -> Vec<Reason> {
    let mut reasons: Vec<_> = verification.not_run.iter().map(|not_run| not_run.gap.reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}

#[test]
fn memgroves_heap_is_verified_by_block_and_offset() {
    let original = assemble(&format!("(module {IMPORTS} {PROGRAM})"));
    let fixed = fixed(&original);
    let verification = verified(&original, &fixed.wasm, &fixed.plan);
    assert_eq!(verification.verdict, Verdict::Verified, "{verification:#?}");
    for evidence in &verification.evidence {
        // Two rounds push twice and pop twice; what the second leaves is compared in its block.
        assert_eq!((evidence.calls_returned, evidence.stand_ins_compared), (6, 6), "{evidence:#?}");
        assert!(evidence.stand_in_calls_returned > 200, "{evidence:#?}");
        assert_eq!(evidence.memory_bytes_compared, 65536 + evidence.blocks_compared as u64 * 8);
        assert!(evidence.growth.is_some());
    }
}

#[test]
fn blocks_that_are_left_are_compared_where_they_lie() {
    // Three nodes stay, each pointing to the next; and one is pointed to by nothing.
    let program = r#"(memory (export "memory") 1)
        (func (export "make") (local $i i32) (local $node i32)
            (loop $next
                (local.set $node (call $malloc (i32.const 12)))
                (i32.store (local.get $node) (i32.load (i32.const 16)))
                (i32.store8 offset=11 (local.get $node) (i32.add (local.get $i) (i32.const 65)))
                (i32.store (i32.const 16) (local.get $node))
                (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3)))))"#;
    let import = r#"(import "env" "malloc" (func $malloc (param i32) (result i32)))"#;
    let original = assemble(&format!("(module {import} {program})"));
    let wee = fixed(&original);
    let verification = verified(&original, &wee.wasm, &wee.plan);
    assert_eq!(verification.verdict, Verdict::Verified, "{verification:#?}");
    assert!(verification.evidence.iter().all(|evidence| evidence.blocks_compared == 6), "{verification:#?}");
    // The same with a letter that is another; and one that is written where no pointer leads.
    let heap = |program: &str| assemble(&format!("(module {} {program})", Heap::RIGHT.malloc()));
    let right = verified(&original, &heap(program), &wee.plan);
    assert_eq!(right.verdict, Verdict::Verified, "{right:#?}");
    let wrong = verified(&original, &heap(&program.replace("65", "66")), &wee.plan);
    assert_eq!(wrong.verdict, Verdict::Failed, "{wrong:#?}");
    let lost = program.replace("(i32.store (i32.const 16) (local.get $node))", "");
    let original = assemble(&format!("(module {import} {lost})"));
    let verification = verified(&original, &fixed(&original).wasm, &wee.plan);
    assert_eq!(verification.verdict, Verdict::VerifiedInPart, "{verification:#?}");
    assert_eq!(reasons(&verification), [Reason::DependsOnHeap]);
}

#[test]
fn what_depends_on_addresses_or_on_what_nobody_wrote_is_not_compared() {
    for (what, body) in [
        ("the order of two blocks", "(i32.lt_u (call $malloc (i32.const 8)) (call $malloc (i32.const 8)))"),
        ("a hash of an address", "(i32.rem_u (call $malloc (i32.const 8)) (i32.const 10007))"),
        ("bytes that were never written", "(i32.load (call $malloc (i32.const 8)))"),
        ("what is usable", "(call $usable (call $malloc (i32.const 8)))"),
    ] {
        let original = assemble(&format!(
            r#"(module {IMPORTS} (memory (export "memory") 1)
                (func (export "seven") (result i32) (i32.const 7))
                (func (export "f") (result i32) {body}))"#
        ));
        let fixed = fixed(&original);
        let verification = verified(&original, &fixed.wasm, &fixed.plan);
        assert_eq!(verification.verdict, Verdict::VerifiedInPart, "{what}: {verification:#?}");
        assert_eq!(reasons(&verification), [Reason::DependsOnHeap], "{what}");
    }
}

#[test]
fn what_two_heaps_have_in_common_by_chance_is_asked_of_others() {
    // Single bits of addresses, in which two heaps agree every other time, and a third does not.
    let bits = (4..16).map(|bit| {
        format!(
            r#"(func (export "bit {bit}") (param i32) (result i32) (i32.and
                (i32.shr_u (call $malloc (i32.mul (local.get 0) (i32.const {bit}))) (i32.const {bit})) (i32.const 1)))"#
        )
    });
    let bits: String = bits.collect();
    let original = assemble(&format!(r#"(module {IMPORTS} (memory (export "memory") 1) {bits})"#));
    let fixed = fixed(&original);
    let verification = verified(&original, &fixed.wasm, &fixed.plan);
    assert_eq!(verification.verdict, Verdict::VerifiedInPart, "{verification:#?}");
    assert_eq!(reasons(&verification), [Reason::DependsOnHeap]);
}

#[test]
fn what_c_leaves_open_says_nothing_about_a_heap() {
    for (what, body) in [
        (
            "a block given back twice",
            "(call $free (local.tee 0 (call $malloc (i32.const 8)))) (call $free (local.get 0))",
        ),
        ("no block at all", "(call $free (i32.const 7))"),
    ] {
        let original = assemble(&format!(
            r#"(module {IMPORTS} (memory (export "memory") 1)
                (func (export "seven") (result i32) (i32.const 7))
                (func (export "f") (local i32) {body}))"#
        ));
        let fixed = fixed(&original);
        let verification = verified(&original, &fixed.wasm, &fixed.plan);
        assert_eq!(verification.verdict, Verdict::VerifiedInPart, "{what}: {verification:#?}");
        assert_eq!(reasons(&verification), [Reason::DependsOnHeap], "{what}");
    }
}

/// A heap in text: memory is taken from the end of what there is, and the block that was given back last is given
/// out again, if it is long enough. Before each block stands its length.
#[derive(Clone, Copy)]
struct Heap {
    /// `$bytes` becomes what a block takes with what stands before it.
    length: &'static str,
    /// Where a block lies, from where its memory begins (`$at`), aligned to `$align`.
    place: &'static str,
    calloc: &'static str,
    realloc: &'static str,
    free: &'static str,
}

impl Heap {
    const RIGHT: Self = Self {
        length: "(i32.add (local.get $bytes) (i32.const 16))",
        place: "(i32.and (i32.add (i32.add (local.get $at) (i32.const 8)) (i32.sub (local.get $align) (i32.const 1)))
                    (i32.sub (i32.const 0) (local.get $align)))",
        calloc: "(memory.fill (local.get $block) (i32.const 0) (local.get $bytes))",
        realloc: "(memory.copy (local.get $block) (local.get $old)
                    (select (local.get $had) (local.get $bytes) (i32.lt_u (local.get $had) (local.get $bytes))))",
        free: "(global.set $last (local.get $block))",
    };

    fn malloc(self) -> String {
        let Self { length, place, .. } = self;
        format!(
            r#"(func $malloc (param $bytes i32) (result i32) (call $block (local.get $bytes) (i32.const 16)))
            (global $next (mut i32) (i32.const 65536)) (global $last (mut i32) (i32.const 0))
            (func $block (param $bytes i32) (param $align i32) (result i32) (local $at i32) (local $block i32) (local $end i32)
                (if (i32.gt_u (local.get $bytes) (i32.const 1000000000)) (then (return (i32.const 0))))
                (if (i32.lt_u (local.get $align) (i32.const 16)) (then (local.set $align (i32.const 16))))
                (if (global.get $last) (then
                    (local.set $block (global.get $last))
                    (if (i32.and (i32.le_u (local.get $bytes) (i32.load (i32.sub (local.get $block) (i32.const 4))))
                            (i32.eq (local.get $align) (i32.const 16)))
                        (then (global.set $last (i32.const 0)) (return (local.get $block))))))
                (local.set $at (global.get $next))
                (local.set $block {place})
                (local.set $end (i32.add (i32.add (local.get $block) {length}) (i32.const 16)))
                (block $enough (loop $more
                    (br_if $enough (i32.le_u (local.get $end) (i32.shl (memory.size) (i32.const 16))))
                    (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (return (i32.const 0))))
                    (br $more)))
                (global.set $next (i32.and (i32.add (local.get $block) {length}) (i32.const -16)))
                (i32.store (i32.sub (local.get $block) (i32.const 4)) (local.get $bytes))
                (local.get $block))"#
        )
    }

    /// All of the family, in the order of the imports.
    fn text(self) -> String {
        let Self { calloc, realloc, free, .. } = self;
        format!(
            r#"{}
            (func $allocate (param i32) (result i32) unreachable)
            (func $calloc (param $count i32) (param $size i32) (result i32) (local $bytes i32) (local $block i32)
                (if (i64.gt_u (i64.mul (i64.extend_i32_u (local.get $count)) (i64.extend_i32_u (local.get $size)))
                        (i64.const 1000000000)) (then (return (i32.const 0))))
                (local.set $bytes (i32.mul (local.get $count) (local.get $size)))
                (local.set $block (call $malloc (local.get $bytes)))
                (if (local.get $block) (then {calloc}))
                (local.get $block))
            (func $realloc (param $old i32) (param $bytes i32) (result i32) (local $block i32) (local $had i32)
                (if (i32.eqz (local.get $old)) (then (return (call $malloc (local.get $bytes)))))
                (local.set $had (i32.load (i32.sub (local.get $old) (i32.const 4))))
                (local.set $block (call $malloc (local.get $bytes)))
                (if (local.get $block) (then {realloc}))
                (local.get $block))
            (func $aligned_alloc (param $align i32) (param $bytes i32) (result i32)
                (call $block (local.get $bytes) (local.get $align)))
            (func $usable (param $block i32) (result i32)
                (if (result i32) (local.get $block)
                    (then (i32.load (i32.sub (local.get $block) (i32.const 4)))) (else (i32.const 0))))
            (func $free (param $block i32) {free})"#,
            self.malloc()
        )
    }
}

#[test]
fn a_wrong_heap_is_seen_whether_the_program_reaches_its_fault_or_not() {
    let right = Heap::RIGHT;
    let heaps = [
        ("blocks that overlap", Heap { length: "(i32.and (local.get $bytes) (i32.const -32))", ..right }),
        ("blocks that lie aside", Heap { place: "(i32.add (local.get $at) (i32.const 24))", ..right }),
        ("a calloc that does not clear", Heap { calloc: "", ..right }),
        ("a realloc that loses what there was", Heap { realloc: "", ..right }),
        (
            "a realloc that copies too little",
            Heap { realloc: "(memory.copy (local.get $block) (local.get $old) (i32.const 8))", ..right },
        ),
        (
            "a free that gives out what is still held",
            Heap { free: "(global.set $last (i32.sub (global.get $next) (i32.const 64)))", ..right },
        ),
        (
            "a free that writes into the program's data",
            Heap { free: "(i32.store (i32.const 1024) (local.get $block))", ..right },
        ),
    ];
    for is_used in [true, false] {
        let program = if is_used {
            PROGRAM.to_owned()
        } else {
            r#"(memory (export "memory") 1 100) (func (export "seven") (result i32) (i32.const 7))"#
                .to_owned()
        };
        let original = assemble(&format!("(module {IMPORTS} {program})"));
        let plan = fixed(&original).plan;
        let ordered = |heap: Heap| {
            let text = heap.text();
            // Functions stand in the order of the imports: the two that only these heaps have go last.
            let (malloc, rest) = text.split_once("(global $next").expect("it is there");
            let (inner, family) = rest.split_once("(func $allocate").expect("it is there");
            let family = family.split_once("unreachable)").expect("it is there").1;
            assemble(&format!("(module {malloc} {family} (global $next{inner} {program})"))
        };
        let verification = verified(&original, &ordered(right), &plan);
        assert_eq!(verification.verdict, Verdict::Verified, "used: {is_used}: {verification:#?}");
        for (what, heap) in heaps {
            let verification = verified(&original, &ordered(heap), &plan);
            assert_eq!(verification.verdict, Verdict::Failed, "{what}, used: {is_used}: {verification:#?}");
            let mut failed = verification.failures();
            assert!(failed.any(|check| check.question == Question::StandsIn), "{what}: {verification:#?}");
        }
    }
}
