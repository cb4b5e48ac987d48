//! What a program was promised by its old allocator holds with another: beside a program that moves the break itself, for
//! errno, at the end of memory, and with `fix` before or after.

use memgrove_lab::engine::{self, EngineId, Instance, Limits, Memory, Settings, Value};
use memgrove_lab::verify::{SwapQuestion, Verdict, verify, verify_swap};
use memgrove_rewrite::Options as FixOptions;
use memgrove_rewrite::edit::{Edits, Sections, Untouched};
use memgrove_rewrite::swap::{Manners, Member, Options, Role, Swapped, To, swap};
use memgrove_verify::engine::Host;

/// A heap that takes memory by moving the break, which the program moves, too. It keeps a list of one block that was
/// given back, and sets errno when memory is refused.
const WITH_SBRK: &str = include_str!("../../../tests/cli/files/swappable.wat");

fn options(to: To) -> Options {
    let member = |func, role| Member { func, role, has_heap: false, is_certain: true };
    let members = vec![member(1, Role::Malloc), member(2, Role::Free)];
    Options { to, members, sbrk: Some(0), manners: Manners::default() }
}

fn start(wasm: &[u8]) -> Box<dyn Instance> {
    let settings = Settings::counting(Limits::VERIFICATION);
    let engine = engine::open(EngineId::Wasmtime, &settings).expect("it is linked in");
    engine.compile(wasm).expect("valid").instantiate(&Host::new()).expect("it needs nothing")
}

fn call(instance: &mut dyn Instance, name: &str, arguments: &[u32]) -> Option<u32> {
    let arguments: Vec<Value> = arguments.iter().copied().map(Value::u32).collect();
    let outcome = instance.call(name, &arguments).ok()?;
    Some(outcome.values.first().and_then(|value| value.as_u32()).unwrap_or(0))
}

fn with_sbrk(to: To) -> (Vec<u8>, Swapped) {
    let wasm = wat::parse_str(WITH_SBRK).expect("the test's text is well-formed");
    let facts = memgrove_inspect::facts(&wasm).expect("the test's module is valid");
    let swapped = swap(&facts, &options(to)).expect("nothing else knows the allocator");
    (wasm, swapped)
}

#[test]
fn blocks_and_what_a_program_takes_by_sbrk_do_not_overlap() {
    for to in To::ALL {
        let (_, swapped) = with_sbrk(to);
        let mut instance = start(&swapped.wasm);
        let mut taken: Vec<(u32, u32, u8)> = Vec::new();
        for round in 0..60_u32 {
            let bytes = 16 + (round * 7919) % 9000;
            let name = if round % 3 == 0 { "sbrk" } else { "malloc" };
            let at = call(instance.as_mut(), name, &[bytes]).expect("it returns");
            assert!(at != 0 && at != u32::MAX, "{}: {name} is refused memory", to.name());
            let mark = u8::try_from(round + 1).expect("few rounds");
            instance.write(Memory::Main, at.into(), &vec![mark; bytes as usize]).expect("it is in memory");
            taken.push((at, bytes, mark));
            if round % 5 == 4 {
                let which = taken.iter().position(|(_, _, mark)| (u32::from(*mark) - 1) % 3 != 0);
                let (at, ..) = taken.remove(which.expect("there is a block"));
                call(instance.as_mut(), "free", &[at]).expect("it returns");
            }
        }
        for (at, bytes, mark) in taken {
            let kept = instance.read(Memory::Main, at.into(), bytes.into()).expect("it is in memory");
            assert!(kept.iter().all(|byte| *byte == mark), "{}: {at:#x} was overwritten", to.name());
        }
    }
}

#[test]
fn errno_is_set_when_memory_is_refused_and_left_alone_else() {
    for to in To::ALL {
        let (_, swapped) = with_sbrk(to);
        assert_eq!(swapped.errno, Some(1040), "{}", to.name());
        let mut instance = start(&swapped.wasm);
        for (bytes, errno) in [(100, 0), (400 << 16, 48), (0xffff_fff0, 48), (3000, 0)] {
            call(instance.as_mut(), "clear_errno", &[]);
            let at = call(instance.as_mut(), "malloc", &[bytes]).expect("it returns");
            assert_eq!(
                (at == 0, call(instance.as_mut(), "errno", &[])),
                (errno == 48, Some(errno)),
                "{}",
                to.name()
            );
        }
    }
}

#[test]
fn errno_of_a_thread_is_set_too() {
    // Behind what a function returns, as where `__errno_location` is called, and behind a global, as thread-local variables.
    for (place, offset) in [("(call $place)", 0), ("(global.get $base)", 16)] {
        let text =
            WITH_SBRK.replace("(i32.store (i32.const 1040)", &format!("(i32.store offset={offset} {place}"));
        let end = text.trim_end().strip_suffix(')').expect("it is a module");
        let more = format!(
            "(global $base (mut i32) (i32.const {})) (func $place (result i32) (i32.const 1040))",
            1040 - offset
        );
        let wasm = wat::parse_str(format!("{end} {more})")).expect("the text is well-formed");
        let facts = memgrove_inspect::facts(&wasm).expect("valid");
        let swapped = swap(&facts, &options(To::Wee)).expect("nothing else knows the allocator");
        assert_eq!(swapped.errno, None, "it has no address that is the same for all");
        let mut instance = start(&swapped.wasm);
        for (bytes, errno) in [(100, 0), (400 << 16, 48), (3000, 0)] {
            call(instance.as_mut(), "clear_errno", &[]);
            call(instance.as_mut(), "malloc", &[bytes]).expect("it returns");
            assert_eq!(call(instance.as_mut(), "errno", &[]), Some(errno), "{place}: {bytes} bytes");
        }
    }
}

#[test]
fn misuse_traps_in_an_existing_binary_with_the_hardened_heap() {
    let (wasm, swapped) = with_sbrk(To::Hardened);
    type Misuse = fn(&mut dyn Instance) -> Option<u32>;
    let misuses: [(&str, Misuse); 3] = [
        ("freed twice", |instance| {
            let at = call(instance, "malloc", &[40])?;
            call(instance, "malloc", &[40])?;
            call(instance, "free", &[at])?;
            call(instance, "free", &[at])
        }),
        ("written past the end", |instance| {
            let at = call(instance, "malloc", &[40])?;
            instance.write(Memory::Main, u64::from(at) + 40, &[0; 4]).ok()?;
            call(instance, "free", &[at])
        }),
        ("no block", |instance| {
            let at = call(instance, "malloc", &[40])?;
            call(instance, "free", &[at + 16])
        }),
    ];
    for (name, misuse) in misuses {
        assert!(misuse(start(&wasm).as_mut()).is_some(), "{name}: the old heap does not notice");
        assert!(misuse(start(&swapped.wasm).as_mut()).is_none(), "{name}: not noticed");
    }
    let (_, other) = with_sbrk(To::Dlmalloc);
    assert!(misuses[1].1(start(&other.wasm).as_mut()).is_some(), "only the hardened heap traps");
}

fn sample(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/prebuilt/");
    std::fs::read(format!("{folder}{name}.wasm")).expect("it is there")
}

fn swapped_sample(wasm: &[u8], to: To) -> Swapped {
    let facts = memgrove_inspect::facts(wasm).expect("valid");
    let options = memgrove_verify::swap::options_for(&facts, to).expect("it is no collector's");
    swap(&facts, &options).expect("it can be swapped")
}

fn imports(wasm: &[u8]) -> Vec<String> {
    let facts = memgrove_inspect::facts(wasm).expect("valid");
    facts.imports.iter().map(|import| format!("{}.{}", import.module, import.name)).collect()
}

#[test]
fn swap_and_fix_go_in_either_order() {
    for name in ["c-wasi-libc-dlmalloc", "cpp-wasi-libc-dlmalloc"] {
        let wasm = sample(name);
        let fix = |wasm: &[u8]| memgrove_rewrite::fix(wasm, &FixOptions::default()).expect("it can be fixed");
        let swapped = swapped_sample(&wasm, To::Dlmalloc);
        let after = fix(&swapped.wasm);
        let verified = verify(&swapped.wasm, &after.wasm, &after.plan).expect("valid");
        assert_ne!(verified.verdict, Verdict::Failed, "{name}: {verified:?}");
        let before = fix(&wasm);
        let swapped = swapped_sample(&before.wasm, To::Dlmalloc);
        let facts = memgrove_inspect::facts(&before.wasm).expect("valid");
        let verified = verify_swap(&facts, &swapped);
        assert!(
            matches!(verified.verdict, Verdict::Verified | Verdict::VerifiedInPart),
            "{name}: {verified:?}"
        );
        assert_eq!(imports(&after.wasm), imports(&swapped.wasm), "{name}");
    }
}

/// The module with a memory that has room for so many pages more than at its start.
fn limited(wasm: &[u8], more_pages: u64) -> Vec<u8> {
    let facts = memgrove_inspect::facts(wasm).expect("valid");
    let memory = facts.memories[0].ty;
    let sections = Sections::read(wasm).expect("valid");
    let mut edits = Edits::new(&sections);
    let ty = wasm_encoder::MemoryType {
        minimum: memory.min_pages,
        maximum: Some(memory.min_pages + more_pages),
        memory64: false,
        shared: false,
        page_size_log2: None,
    };
    edits.set_memory(0, ty).expect("there is one");
    edits.apply(&mut Untouched).expect("it can be written").wasm
}

#[test]
fn memory_that_cannot_grow_is_exhausted_about_as_late_as_before_or_the_swap_fails() {
    let heap_of = |more_pages: u64| {
        let wasm = limited(&sample("c-wasi-libc-dlmalloc"), more_pages);
        let facts = memgrove_inspect::facts(&wasm).expect("valid");
        let verified = verify_swap(&facts, &swapped_sample(&wasm, To::Dlmalloc));
        let heap = verified.checks.iter().find(|check| check.question == SwapQuestion::Heap);
        (verified.verdict, heap.expect("it was asked").outcome.clone())
    };
    // Room for all that is asked for: both heaps have it.
    let (verdict, heap) = heap_of(12);
    assert_eq!(verdict, Verdict::Verified, "{heap:?}");
    // Not for the last large blocks, of which the new heap has place for one less.
    let (verdict, heap) = heap_of(8);
    assert_eq!(verdict, Verdict::Failed, "{heap:?}");
    assert!(format!("{heap:?}").contains("is exhausted with"), "{heap:?}");
}

/// A component's allocator over C's: it hands out, moves and gives back blocks.
const CABI_REALLOC: &str = r#"
  (func (export "cabi_realloc") (param $old i32) (param $old_bytes i32) (param $align i32) (param $bytes i32) (result i32)
    (local $new i32) (local $at i32)
    (if (i32.eqz (local.get $bytes)) (then (return (local.get $align))))
    (if (i32.eqz (local.tee $new (call $malloc (local.get $bytes)))) (then (unreachable)))
    (if (i32.eqz (local.get $old_bytes)) (then (return (local.get $new))))
    (block $done
      (loop $again
        (br_if $done (i32.ge_u (local.get $at) (local.get $old_bytes)))
        (br_if $done (i32.ge_u (local.get $at) (local.get $bytes)))
        (i32.store8 (i32.add (local.get $new) (local.get $at))
          (i32.load8_u (i32.add (local.get $old) (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $again)))
    (call $free (local.get $old))
    (local.get $new)))"#;

#[test]
fn cabi_realloc_keeps_what_was_in_a_block_with_every_heap() {
    let end = WITH_SBRK.trim_end().strip_suffix(')').expect("it is a module");
    let wasm = wat::parse_str(format!("{end}{CABI_REALLOC}")).expect("the text is well-formed");
    let facts = memgrove_inspect::facts(&wasm).expect("valid");
    for to in To::ALL {
        // As the command does it: whatever the inspector finds.
        let options = memgrove_verify::swap::options_for(&facts, to).expect("it has an allocator");
        let swapped = swap(&facts, &options).unwrap_or_else(|why| panic!("{}: {why}", to.name()));
        let mut instance = start(&swapped.wasm);
        let mut realloc =
            |numbers: [u32; 4]| call(instance.as_mut(), "cabi_realloc", &numbers).expect("it returns");
        assert_eq!(realloc([0, 0, 8, 0]), 8, "an empty block is its alignment");
        let blocks = [24, 700, 9000].map(|bytes| (realloc([0, 0, 8, bytes]), bytes));
        for (at, bytes) in blocks {
            assert!(at != 0 && at % 8 == 0, "{}: {at:#x}", to.name());
            instance.write(Memory::Main, at.into(), &vec![0x5a; bytes as usize]).expect("it is in memory");
        }
        for (at, bytes) in blocks {
            let moved =
                call(instance.as_mut(), "cabi_realloc", &[at, bytes, 8, bytes * 3]).expect("it returns");
            let kept = instance.read(Memory::Main, moved.into(), bytes.into()).expect("it is in memory");
            assert!(kept.iter().all(|byte| *byte == 0x5a), "{}: {bytes} bytes", to.name());
        }
        let verification = verify_swap(&facts, &swapped);
        assert_eq!(verification.failures().count(), 0, "{}: {:?}", to.name(), verification.checks);
    }
}

/// The module with an export that returns this number and leaves it in a block.
fn answering(number: u32) -> String {
    let export = format!(
        r#"(func (export "answer") (result i32) (local $at i32)
             (local.set $at (call $malloc (i32.const 64)))
             (i32.store (local.get $at) (i32.const {number}))
             (i32.load (local.get $at))))"#
    );
    let end = WITH_SBRK.trim_end().strip_suffix(')').expect("it is a module");
    format!("{end}\n{export}")
}

#[test]
fn an_export_that_returns_something_else_is_found() {
    let with = |number: u32| wat::parse_str(answering(number)).expect("the text is well-formed");
    let (original, other) = (with(77_777), with(77_778));
    let facts = memgrove_inspect::facts(&original).expect("valid");
    let mut swapped = swap(&facts, &options(To::Hardened)).expect("nothing else knows the allocator");
    let verdict = |swapped: &Swapped| {
        let verification = verify_swap(&facts, swapped);
        verification.failures().map(|check| check.question).collect::<Vec<_>>()
    };
    assert_eq!(verdict(&swapped), []);
    let facts_of_other = memgrove_inspect::facts(&other).expect("valid");
    swapped.wasm = swap(&facts_of_other, &options(To::Hardened)).expect("as the first").wasm;
    let failed = verdict(&swapped);
    assert!(
        !failed.is_empty() && failed.iter().all(|question| *question == SwapQuestion::Exports),
        "{failed:?}"
    );
}

#[test]
fn bytes_are_copied_and_filled_at_every_length_and_place() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../memgrove-rewrite/swap/bytes.wat");
    let text = std::fs::read_to_string(path).expect("it is there");
    let alone = text.replace("(import \"env\" \"memory\" (memory 0))", "(memory (export \"memory\") 1)");
    let mut instance = start(&wat::parse_str(alone).expect("the text is well-formed"));
    let before: Vec<u8> = (0..1024_u32).map(|at| u8::try_from(at % 251).expect("a byte")).collect();
    for (copy, fill) in [("copy", "fill"), ("bulk_copy", "bulk_fill")] {
        for length in (0..150_usize).chain([256, 259]) {
            for (from, to) in [(0, 512), (3, 512), (8, 517), (1, 514), (2, 515)] {
                instance.write(Memory::Main, 0, &before).expect("it is in memory");
                let numbers = [to, from, length].map(|number| u32::try_from(number).expect("small"));
                assert_eq!(call(instance.as_mut(), copy, &numbers), Some(numbers[0]), "{copy}{numbers:?}");
                let mut expected = before.clone();
                expected.copy_within(from..from + length, to);
                let found = instance.read(Memory::Main, 0, 1024).expect("it is in memory");
                assert_eq!(found, expected, "{copy}{numbers:?}");
                // Of the number only the lowest byte counts.
                let numbers = [numbers[0], 0x1ff_u32.wrapping_sub(numbers[2]), numbers[2]];
                assert_eq!(call(instance.as_mut(), fill, &numbers), Some(numbers[0]), "{fill}{numbers:?}");
                expected[to..to + length].fill(numbers[1].to_le_bytes()[0]);
                let found = instance.read(Memory::Main, 0, 1024).expect("it is in memory");
                assert_eq!(found, expected, "{fill}{numbers:?}");
            }
        }
    }
}
