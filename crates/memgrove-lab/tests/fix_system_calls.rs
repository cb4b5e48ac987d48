//! System calls and `sbrk` over `memory.grow`, executed: on two engines, beside the original under
//! a host that keeps the original contract, and held against what Linux promises.

#[path = "fix_support/random.rs"]
mod random;
#[path = "fix_support/trio.rs"]
mod trio;

use std::ops::Range;

use memgrove_lab::engine::{self, EngineId, Host, Instance, Limits, Settings, Value};
use memgrove_rewrite::{Options, fix};
use random::Random;
use trio::Trio;

const PAGE: u32 = 65536;
const ENOMEM: i32 = -12;
const EINVAL: i32 = -22;
const ENODEV: i32 = -19;
const ENOSYS: i32 = -38;

/// musl's calls by number of arguments, exported as they are.
const MUSL: &str = r#"(module
    (import "env" "memory" (memory 2 64))
    (import "env" "__syscall0" (func $0 (param i32) (result i32)))
    (import "env" "__syscall1" (func $1 (param i32 i32) (result i32)))
    (import "env" "__syscall2" (func $2 (param i32 i32 i32) (result i32)))
    (import "env" "__syscall3" (func $3 (param i32 i32 i32 i32) (result i32)))
    (import "env" "__syscall4" (func $4 (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "__syscall6" (func $6 (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (data (i32.const 1024) "static data")
    (func (export "brk") (param i32) (result i32) (call $1 (i32.const 45) (local.get 0)))
    (func (export "mmap") (param i32) (result i32)
        ;; PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS
        (call $6 (i32.const 192) (i32.const 0) (local.get 0) (i32.const 3) (i32.const 0x22) (i32.const -1) (i32.const 0)))
    (func (export "mmap_file") (param i32) (result i32)
        (call $6 (i32.const 192) (i32.const 0) (local.get 0) (i32.const 3) (i32.const 2) (i32.const 5) (i32.const 0)))
    (func (export "mmap_fixed") (param i32 i32) (result i32)
        (call $6 (i32.const 192) (local.get 0) (local.get 1) (i32.const 3) (i32.const 0x32) (i32.const -1) (i32.const 0)))
    (func (export "munmap") (param i32 i32) (result i32) (call $2 (i32.const 91) (local.get 0) (local.get 1)))
    (func (export "mremap") (param i32 i32 i32 i32) (result i32)
        (call $4 (i32.const 163) (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
    (func (export "madvise") (param i32 i32 i32) (result i32)
        (call $3 (i32.const 219) (local.get 0) (local.get 1) (local.get 2)))
    (export "number" (func $0)))"#;

#[test]
fn the_break_moves_up_and_down_and_reads_as_zero() {
    let mut trio = Trio::new(MUSL);
    let start = trio.address("brk", &[0]);
    assert_eq!(start, 2 * PAGE, "above everything static");
    assert_eq!(trio.address("brk", &[start + 100_000]), start + 100_000);
    assert!(trio.memory_bytes() >= start + 100_000);
    assert_eq!(trio.read(start, 100_000), vec![0; 100_000]);
    trio.fill(&(start..start + 100_000), 7);
    assert_eq!(trio.address("brk", &[start + 10]), start + 10, "down");
    assert_eq!(trio.address("brk", &[start + 100_000]), start + 100_000, "and up again");
    assert_eq!(trio.read(start, 10), [7; 10], "what stayed below is kept");
    assert_eq!(trio.read(start + 10, 99_990), vec![0; 99_990], "what was given back is zero");
    assert_eq!(trio.address("brk", &[start - 1]), start + 100_000, "never below the start");
    assert_eq!(trio.read(1024, 11), b"static data");
}

#[test]
fn growth_refused_is_said_and_leaves_everything_valid() {
    let mut trio = Trio::new(MUSL);
    let start = trio.address("brk", &[0]);
    assert_eq!(trio.address("brk", &[65 * PAGE]), start, "beyond the maximum: the old break");
    assert_eq!(trio.call("mmap", &[63 * PAGE]), ENOMEM);
    assert_eq!(trio.call("mmap", &[u32::MAX]), ENOMEM);
    let all = trio.address("mmap", &[62 * PAGE]);
    assert_eq!(trio.memory_bytes(), 64 * PAGE);
    trio.fill(&(all..all + 62 * PAGE), 9);
    assert_eq!(trio.call("mmap", &[1]), ENOMEM, "full");
    assert_eq!(trio.call("mremap", &[all, 62 * PAGE, 63 * PAGE, 1]), ENOMEM);
    assert_eq!(trio.address("brk", &[start + 1]), start, "a mapping lies above");
    assert_eq!(trio.read(all + 62 * PAGE - 8, 8), [9; 8]);
    assert_eq!(trio.call("munmap", &[all, 62 * PAGE]), 0);
    assert_eq!(trio.address("mmap", &[61 * PAGE]), all, "and then there is room again");
    assert_eq!(trio.read(all, 61 * PAGE), vec![0; 61 * PAGE as usize], "zero again");
}

#[test]
fn mappings_lie_above_the_break_and_stop_it() {
    let mut trio = Trio::new(MUSL);
    let start = trio.address("brk", &[0]);
    trio.call("brk", &[start + 10]);
    let map = trio.address("mmap", &[5000]);
    assert!(map >= start + 10 && map.is_multiple_of(PAGE));
    assert_eq!(trio.address("brk", &[start + 20]), start + 20, "inside its own page");
    assert_eq!(trio.address("brk", &[map + 1]), start + 20, "not over the mapping");
    assert_eq!(trio.address("brk", &[map + 10 * PAGE]), start + 20);
    assert_eq!(trio.call("munmap", &[start, 4096]), EINVAL, "the break's region is no mapping");
    assert_eq!(trio.call("munmap", &[0, 4096]), EINVAL, "static data is none either");
    assert_eq!(trio.call("munmap", &[map + 1, 4096]), EINVAL, "not at a page");
    assert_eq!(trio.call("munmap", &[map, 0]), EINVAL);
    assert_eq!(trio.call("munmap", &[map, 100 * PAGE]), EINVAL, "beyond the end of memory");
}

#[test]
fn unmapping_a_part_keeps_the_rest_whatever_the_page_size() {
    let mut trio = Trio::new(MUSL);
    // A program with pages of 4 KiB that wants 32 KiB aligned to 128 KiB: it maps more and trims.
    let map = trio.address("mmap", &[4 * PAGE]);
    let kept = map + 3 * 4096..map + 3 * 4096 + 32_768;
    trio.fill(&(map..map + 4 * PAGE), 3);
    assert_eq!(trio.call("munmap", &[map, kept.start - map]), 0);
    assert_eq!(trio.call("munmap", &[kept.end, map + 4 * PAGE - kept.end]), 0);
    assert_eq!(trio.read(kept.start, 32_768), vec![3; 32_768]);
    let next = trio.address("mmap", &[3 * PAGE]);
    assert!(next >= kept.end, "{next:#x} meets {kept:#x?}");
    assert_eq!(trio.read(next, 3 * PAGE), vec![0; 3 * PAGE as usize]);
    assert_eq!(trio.memory_bytes(), 6 * PAGE, "the tail was used again");
}

#[test]
fn unmapping_twice_or_across_free_regions_changes_nothing_more() {
    let mut trio = Trio::new(MUSL);
    let map = trio.address("mmap", &[8 * PAGE]);
    for (at, pages) in [(2, 1), (4, 1), (2, 1), (6, 2), (1, 6), (0, 8), (0, 8), (3, 1)] {
        assert_eq!(trio.call("munmap", &[map + at * PAGE, pages * PAGE]), 0);
    }
    assert_eq!(trio.address("mmap", &[8 * PAGE]), map, "all of it is one region again");
    assert_eq!(trio.read(map, 8 * PAGE), vec![0; 8 * PAGE as usize]);
    assert_eq!(trio.memory_bytes(), 10 * PAGE);
}

#[test]
fn mremap_keeps_contents_in_place_or_elsewhere() {
    let mut trio = Trio::new(MUSL);
    let first = trio.address("mmap", &[PAGE]);
    trio.fill(&(first..first + PAGE), 1);
    assert_eq!(trio.address("mremap", &[first, PAGE, 3 * PAGE, 0]), first, "in place at the end of memory");
    assert_eq!(trio.read(first + PAGE, 2 * PAGE), vec![0; 2 * PAGE as usize], "what is new is zero");
    let second = trio.address("mmap", &[PAGE]);
    trio.fill(&(second..second + PAGE), 2);
    assert_eq!(trio.call("mremap", &[first, 3 * PAGE, 4 * PAGE, 0]), ENOMEM, "it may not move");
    let moved = trio.address("mremap", &[first, 3 * PAGE, 4 * PAGE, 1]);
    assert_ne!(moved, first);
    assert_eq!(trio.read(moved, PAGE), vec![1; PAGE as usize], "contents are kept");
    assert_eq!(trio.read(moved + PAGE, 3 * PAGE), vec![0; 3 * PAGE as usize]);
    assert_eq!(trio.read(second, PAGE), vec![2; PAGE as usize]);
    assert_eq!(trio.address("mremap", &[moved, 4 * PAGE, 4096, 0]), moved, "smaller, in place");
    assert_eq!(trio.read(moved, 4096), [1; 4096]);
    assert_eq!(trio.address("mmap", &[3 * PAGE]), first, "the old place is free");
    for [at, old, new, flags] in
        [[moved, 4096, 0, 1], [moved + 1, 4096, 8192, 1], [moved, 4096, 8192, 3], [1024, 4096, 8192, 1]]
    {
        assert_eq!(trio.call("mremap", &[at, old, new, flags]), EINVAL);
    }
}

#[test]
fn advice_files_and_unknown_calls() {
    let mut trio = Trio::new(MUSL);
    let map = trio.address("mmap", &[2 * PAGE]);
    trio.fill(&(map..map + 2 * PAGE), 5);
    assert_eq!(trio.call("madvise", &[map, PAGE, 3]), 0, "MADV_WILLNEED");
    assert_eq!(trio.read(map, PAGE), vec![5; PAGE as usize]);
    assert_eq!(trio.call("madvise", &[map, PAGE, 4]), 0, "MADV_DONTNEED");
    assert_eq!(trio.read(map, PAGE), vec![0; PAGE as usize]);
    assert_eq!(trio.read(map + PAGE, PAGE), vec![5; PAGE as usize]);
    assert_eq!(trio.call("madvise", &[map, 100 * PAGE, 4]), ENOMEM);
    assert_eq!(trio.call("mmap_file", &[4096]), ENODEV);
    assert_eq!(trio.call("mmap_fixed", &[map, 4096]), ENOMEM);
    assert_eq!(trio.read(map + PAGE, PAGE), vec![5; PAGE as usize]);
    assert_eq!(trio.call("mmap", &[0]), EINVAL);
    for number in [0, 4, 20, 125, 146, 999] {
        assert_eq!(trio.call("number", &[number]), ENOSYS, "call {number}");
    }
    for number in [1, 252] {
        assert_eq!(trio.try_call("number", &[Value::u32(number)]), None, "exit does not return");
    }
}

/// A mapping, and the byte that fills it.
struct Mapping {
    range: Range<u32>,
    byte: u8,
}

/// Any order of calls: mappings are zero at first, keep what is written, meet neither each other
/// nor the break; and all three agree on every answer.
#[test]
fn any_order_of_calls_keeps_the_contract() {
    for seed in 0..6 {
        let mut random = Random(seed);
        let mut trio = Trio::new(MUSL);
        let start = trio.address("brk", &[0]);
        let mut end = start;
        let mut mappings: Vec<Mapping> = Vec::new();
        let mut byte = 0_u8;
        for _ in 0..250 {
            byte = byte % 250 + 1;
            match random.below(8) {
                0 => {
                    let wanted = start + random.below(6 * PAGE);
                    let now = trio.address("brk", &[wanted]);
                    assert!(now == wanted || now == end && wanted > end);
                    end = now;
                }
                1..=3 => {
                    let length = random.below(5 * PAGE) + 1;
                    let at = trio.address("mmap", &[length]);
                    if at.cast_signed() == ENOMEM {
                        continue;
                    }
                    let range = at..at + length.next_multiple_of(4096);
                    assert!(at.is_multiple_of(PAGE) && at >= end, "{at:#x} under the break at {end:#x}");
                    assert!(trio.read(at, length).iter().all(|&byte| byte == 0), "fresh memory is zero");
                    trio.fill(&range, byte);
                    mappings.push(Mapping { range, byte });
                }
                4 | 5 if !mappings.is_empty() => {
                    // A part of a mapping, in either unit of pages.
                    let at = random.below(u32::try_from(mappings.len()).expect("few")) as usize;
                    let Mapping { range, byte } = mappings.swap_remove(at);
                    let pages = u32::try_from(range.len()).expect("small") / 4096;
                    let (from, to) = (random.below(pages), random.below(pages) + 1);
                    let (from, to) = if from < to { (from, to) } else { (0, pages) };
                    let hole = range.start + from * 4096..range.start + to * 4096;
                    assert_eq!(trio.call("munmap", &[hole.start, hole.end - hole.start]), 0);
                    for rest in [range.start..hole.start, hole.end..range.end] {
                        if !rest.is_empty() {
                            mappings.push(Mapping { range: rest, byte });
                        }
                    }
                }
                6 if !mappings.is_empty() => {
                    let at = random.below(u32::try_from(mappings.len()).expect("few")) as usize;
                    let Mapping { range, byte } = &mut mappings[at];
                    let old = range.end - range.start;
                    let new = random.below(5 * PAGE) + 1;
                    let to = trio.address("mremap", &[range.start, old, new, random.below(2)]);
                    if to.cast_signed() == ENOMEM {
                        continue;
                    }
                    let new = new.next_multiple_of(4096);
                    let kept = trio.read(to, old.min(new));
                    assert!(kept.iter().all(|have| have == byte), "contents are kept");
                    if new > old {
                        assert!(trio.read(to + old, new - old).iter().all(|&byte| byte == 0));
                    }
                    *range = to..to + new;
                    trio.fill(range, *byte);
                }
                _ => {
                    let Some(Mapping { range, byte }) = mappings.first() else { continue };
                    assert_eq!(trio.call("madvise", &[range.start, range.end - range.start, 4]), 0);
                    assert!(trio.read(range.start, range.end - range.start).iter().all(|&byte| byte == 0));
                    trio.fill(range, *byte);
                }
            }
            mappings.sort_by_key(|mapping| mapping.range.start);
            for pair in mappings.windows(2) {
                assert!(
                    pair[0].range.end <= pair[1].range.start,
                    "{:?} meets {:?}",
                    pair[0].range,
                    pair[1].range
                );
            }
        }
        for Mapping { range, byte } in &mappings {
            let contents = trio.read(range.start, range.end - range.start);
            assert!(contents.iter().all(|have| have == byte), "{range:?} was overwritten");
        }
        // Everything unmapped is one region again: nothing was lost.
        for Mapping { range, .. } in mappings {
            trio.call("munmap", &[range.start, range.end - range.start]);
        }
        let size = trio.memory_bytes();
        let first = trio.address("mmap", &[1]);
        trio.call("munmap", &[first, 4096]);
        assert_eq!(trio.address("mmap", &[size - first]), first, "seed {seed}");
        assert_eq!(trio.memory_bytes(), size);
    }
}

#[test]
fn sbrk_gives_memory_and_refuses_what_is_not_there() {
    let mut trio = Trio::new(
        r#"(module
            (import "env" "memory" (memory 1 4))
            (import "env" "sbrk" (func $sbrk (param i32) (result i32)))
            (export "sbrk" (func $sbrk))
            (func (export "grow") (result i32) (memory.grow (i32.const 1))))"#,
    );
    let start = trio.address("sbrk", &[0]);
    assert_eq!(start, PAGE);
    assert_eq!(trio.address("sbrk", &[100]), start);
    assert_eq!(trio.address("sbrk", &[0]), start + 100);
    trio.fill(&(start..start + 100), 4);
    assert_eq!(trio.address("sbrk", &[10_u32.wrapping_neg()]), start + 100, "down");
    assert_eq!(trio.address("sbrk", &[10]), start + 90);
    assert_eq!(trio.read(start + 80, 20), [[4; 10], [0; 10]].concat());
    assert_eq!(trio.call("sbrk", &[1000_u32.wrapping_neg()]), -1, "not below the start");
    assert_eq!(trio.call("sbrk", &[4 * PAGE]), -1, "beyond the maximum");
    assert_eq!(trio.call("sbrk", &[i32::MAX.cast_unsigned()]), -1);
    // Somebody else grows: the next region begins above theirs.
    assert_eq!(trio.call("grow", &[]), 2);
    assert_eq!(trio.address("sbrk", &[PAGE]), 3 * PAGE);
    assert_eq!(trio.call("sbrk", &[1]), -1, "full");
    assert_eq!(trio.address("sbrk", &[0]), 4 * PAGE, "and still valid");
}

#[test]
fn an_empty_memory_never_gives_out_the_null_pointer() {
    let mut trio = Trio::new(
        r#"(module
            (import "env" "memory" (memory 0 4))
            (import "env" "sbrk" (func $sbrk (param i32) (result i32)))
            (export "sbrk" (func $sbrk)))"#,
    );
    assert_eq!(trio.address("sbrk", &[100]), PAGE);
}

/// At the edge of the address space an end would be 2^32, that is 0. Only the engine that does
/// not touch what is not used is asked.
#[test]
fn nothing_wraps_around_at_4_gib() {
    let wasm = wat::parse_str(
        r#"(module
            (import "env" "memory" (memory 65534))
            (import "env" "sbrk" (func $sbrk (param i32) (result i32)))
            (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
            (import "env" "__syscall6" (func $6 (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (export "sbrk" (func $sbrk))
            (export "resize" (func $resize))
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "mmap") (param i32) (result i32)
                (call $6 (i32.const 192) (i32.const 0) (local.get 0) (i32.const 3) (i32.const 0x22) (i32.const -1) (i32.const 0))))"#,
    )
    .unwrap();
    let fixed = fix(&wasm, &Options::default()).unwrap();
    // Two memories of 4 GiB, of which hardly a page is touched.
    let settings = Settings::within(Limits { memory_bytes: 4 << 32, ..Limits::OWN });
    let engine = engine::open(EngineId::Wasmtime, &settings).unwrap();
    let module = engine.compile(&fixed.wasm).unwrap();
    let call = |instance: &mut Box<dyn Instance>, name: &str, argument: u32| match instance
        .call(name, &[Value::u32(argument)])
        .unwrap()
        .values[..]
    {
        [Value::I32(number)] => number,
        ref other => panic!("{other:?}"),
    };
    let mut instance = module.instantiate(&Host::new()).unwrap();
    assert_eq!(call(&mut instance, "mmap", 2 * PAGE), ENOMEM, "the last page stays unused");
    assert_eq!(call(&mut instance, "resize", u32::MAX), 0);
    assert_eq!(call(&mut instance, "sbrk", PAGE).cast_unsigned(), 65534 * PAGE);
    assert_eq!(call(&mut instance, "sbrk", 1), -1);
    assert_eq!(call(&mut instance, "mmap", 1), ENOMEM);
    // The module itself takes the last page.
    let mut instance = module.instantiate(&Host::new()).unwrap();
    assert_eq!(call(&mut instance, "sbrk", 0).cast_unsigned(), 65534 * PAGE);
    assert_eq!(call(&mut instance, "grow", 2), 65534);
    for (name, refusal) in [("sbrk", -1), ("mmap", ENOMEM)] {
        assert_eq!(call(&mut instance, name, 1), refusal, "{name}");
    }
}

#[test]
fn wali_answers_in_64_bits_with_the_same_rules() {
    let mut trio = Trio::new(
        r#"(module
            (import "env" "memory" (memory 2 16))
            (import "wali" "SYS_brk" (func $brk (param i32) (result i64)))
            (import "wali" "SYS_mmap" (func $mmap (param i32 i32 i32 i32 i32 i64) (result i64)))
            (import "wali" "SYS_munmap" (func $munmap (param i32 i32) (result i64)))
            (import "wali" "SYS_mremap" (func $mremap (param i32 i32 i32 i32 i32) (result i64)))
            (import "wali" "SYS_madvise" (func $madvise (param i32 i32 i32) (result i64)))
            (import "wali" "SYS_getpid" (func $getpid (result i64)))
            (import "wali" "SYS_exit_group" (func $exit (param i32) (result i64)))
            (export "brk" (func $brk)) (export "munmap" (func $munmap)) (export "mremap" (func $mremap))
            (export "madvise" (func $madvise)) (export "getpid" (func $getpid)) (export "exit" (func $exit))
            (func (export "mmap") (param i32 i32 i32) (result i64)
                (call $mmap (i32.const 0) (local.get 0) (i32.const 3) (local.get 1) (local.get 2) (i64.const 0))))"#,
    );
    let mut call = |name: &str, arguments: &[u32]| {
        let arguments: Vec<Value> = arguments.iter().copied().map(Value::u32).collect();
        match trio.try_call(name, &arguments) {
            Some(Value::I64(number)) => number,
            other => panic!("{name}: {other:?}"),
        }
    };
    const ANONYMOUS: u32 = 0x22;
    let page = i64::from(PAGE);
    assert_eq!(call("brk", &[0]), 2 * page);
    assert_eq!(call("brk", &[2 * PAGE + 5]), 2 * page + 5);
    let map = call("mmap", &[PAGE, ANONYMOUS, u32::MAX]);
    assert_eq!(map, 3 * page);
    assert_eq!(call("mmap", &[PAGE, 2, 7]), i64::from(ENODEV), "a negative number keeps its sign");
    let at = u32::try_from(map).unwrap();
    assert_eq!(call("mremap", &[at, PAGE, 2 * PAGE, 1, 0]), map);
    assert_eq!(call("madvise", &[at, PAGE, 4]), 0);
    assert_eq!(call("munmap", &[at, 2 * PAGE]), 0);
    assert_eq!(call("mmap", &[20 * PAGE, ANONYMOUS, u32::MAX]), i64::from(ENOMEM));
    assert_eq!(call("getpid", &[]), i64::from(ENOSYS));
    assert_eq!(trio.try_call("exit", &[Value::I32(0)]), None);
}
