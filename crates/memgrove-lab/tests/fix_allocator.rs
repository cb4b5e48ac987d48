//! The heap that `--allocator` puts inside, at work: driven through the functions that it stands for, on two
//! engines, with others growing memory in between and growth refused.
#![allow(clippy::print_stderr, reason = "a test says what it left out")]

#[path = "fix_support/random.rs"]
mod random;

use std::collections::BTreeMap;
use std::process::Command;

use memgrove_lab::engine::{self, Engine, EngineId, Host, Instance, Memory, Settings, Value};
use memgrove_lab::verify::{ENGINES, Verdict, verify};
use memgrove_rewrite::{Allocator, Fixed, Options, fix};
use random::Random;

const PAGE: u32 = 65536;
/// What C aligns blocks to on wasm32.
const ALIGN: u32 = 16;

/// All of the family, exported as it is imported, and a break beside it.
const FAMILY: &str = r#"
    (import "env" "malloc" (func $malloc (param i32) (result i32)))
    (import "env" "calloc" (func $calloc (param i32 i32) (result i32)))
    (import "env" "realloc" (func $realloc (param i32 i32) (result i32)))
    (import "env" "aligned_alloc" (func $aligned_alloc (param i32 i32) (result i32)))
    (import "env" "posix_memalign" (func $posix_memalign (param i32 i32 i32) (result i32)))
    (import "env" "malloc_usable_size" (func $usable (param i32) (result i32)))
    (import "env" "free" (func $free (param i32)))
    (import "env" "sbrk" (func $sbrk (param i32) (result i32)))
    (export "malloc" (func $malloc)) (export "calloc" (func $calloc)) (export "realloc" (func $realloc))
    (export "aligned_alloc" (func $aligned_alloc)) (export "posix_memalign" (func $posix_memalign))
    (export "usable" (func $usable)) (export "free" (func $free)) (export "sbrk" (func $sbrk))"#;

/// The module with each of the heaps.
fn fixed(text: &str) -> [Fixed; Allocator::ALL.len()] {
    let wasm = wat::parse_str(text).expect("the test's text is well-formed");
    Allocator::ALL.map(|allocator| fixed_with(&wasm, allocator))
}

fn fixed_with(wasm: &[u8], allocator: Allocator) -> Fixed {
    let fixed =
        fix(wasm, &Options { allocator: Some(allocator), ..Options::default() }).expect("it can be fixed");
    assert!(fixed.plan.is_complete(), "{:#?}", fixed.plan.imports);
    fixed
}

fn open(id: EngineId) -> Box<dyn Engine> {
    engine::open(id, &Settings::default()).expect("a linked engine")
}

/// A heap at work, and what must be true of it.
struct Subject {
    instance: Box<dyn Instance>,
    /// Live blocks and regions that others have: start, length and what they are filled with.
    live: BTreeMap<u32, (u32, u8)>,
    /// Those that are blocks.
    blocks: Vec<u32>,
}

impl Subject {
    fn new(engine: &dyn Engine, wasm: &[u8]) -> Self {
        let module = engine.compile(wasm).expect("it compiles");
        let instance = module.instantiate(&Host::new()).expect("it instantiates");
        let mut subject = Self { instance, live: BTreeMap::new(), blocks: Vec::new() };
        // The module's own memory is nobody's to touch.
        let own = subject.bytes();
        subject.take(0, own, 0xa5);
        subject
    }

    fn call(&mut self, name: &str, arguments: &[u32]) -> u32 {
        let arguments: Vec<Value> = arguments.iter().copied().map(Value::u32).collect();
        let outcome = self.instance.call(name, &arguments).unwrap_or_else(|error| panic!("{name}: {error}"));
        outcome.values.first().and_then(|value| value.as_u32()).unwrap_or(0)
    }

    fn bytes(&mut self) -> u32 {
        u32::try_from(self.instance.memory_bytes(Memory::Main).expect("a memory")).expect("less than 4 GiB")
    }

    fn read(&mut self, at: u32, length: u32) -> Vec<u8> {
        self.instance.read(Memory::Main, at.into(), length.into()).expect("inside of memory")
    }

    /// Somebody has these bytes from now on, and nobody had them before.
    fn take(&mut self, at: u32, length: u32, filled: u8) {
        if length > 0 {
            let below = self.live.range(..at + length).next_back();
            if let Some((start, (has, _))) = below {
                assert!(start + has <= at, "{at:#x} lies in what begins at {start:#x} and has {has} bytes");
            }
            let bytes = vec![filled; length as usize];
            self.instance.write(Memory::Main, at.into(), &bytes).expect("inside of memory");
        }
        self.live.insert(at, (length, filled));
    }

    /// Nobody else has written to them.
    fn check(&mut self, at: u32) {
        let (length, filled) = self.live[&at];
        assert!(self.read(at, length).iter().all(|byte| *byte == filled), "{length} bytes at {at:#x}");
    }

    fn give(&mut self, at: u32) -> (u32, u8) {
        self.check(at);
        self.live.remove(&at).expect("it was live")
    }

    /// A block that was asked for; null only where growth was refused.
    fn block(&mut self, at: u32, length: u32, align: u32, filled: u8) {
        assert_ne!(at, 0, "{length} bytes were refused");
        assert!(at.is_multiple_of(align.max(ALIGN)), "{at:#x} is no multiple of {align}");
        let usable = self.call("usable", &[at]);
        assert!(usable >= length, "{usable} of {length} bytes");
        // A block of no bytes has an address of its own, too.
        self.take(at, length.max(1), filled);
        self.blocks.push(at);
    }

    /// One call of a random sequence.
    fn step(&mut self, random: &mut Random, filled: u8) {
        let length = match random.below(20) {
            0 => random.below(200_000),
            1..4 => random.below(5000),
            _ => random.below(200),
        };
        match random.below(16) {
            0..4 => {
                let at = self.call("malloc", &[length]);
                self.block(at, length, ALIGN, filled);
            }
            4..6 => {
                let count = random.below(5);
                let at = self.call("calloc", &[count, length]);
                assert!(self.read(at, count * length).iter().all(|byte| *byte == 0), "calloc at {at:#x}");
                self.block(at, count * length, ALIGN, filled);
            }
            6 => {
                let align = 1 << random.below(13);
                let at = self.call("aligned_alloc", &[align, length]);
                self.block(at, length, align, filled);
            }
            7 => {
                // The result's place, in a block of its own.
                let out = self.call("malloc", &[4]);
                let align = 4 << random.below(11);
                assert_eq!(self.call("posix_memalign", &[out, align, length]), 0);
                let at = self.read(out, 4).try_into().map(u32::from_le_bytes).expect("four bytes");
                self.call("free", &[out]);
                self.block(at, length, align, filled);
            }
            8..11 if !self.blocks.is_empty() => {
                let which = random.below(u32::try_from(self.blocks.len()).expect("few"));
                let old = self.blocks.swap_remove(which as usize);
                let (had, was) = self.give(old);
                let length = length.max(1);
                let at = self.call("realloc", &[old, length]);
                let kept = self.read(at, had.min(length));
                assert!(kept.iter().all(|byte| *byte == was), "{had} bytes from {old:#x} to {at:#x}");
                self.block(at, length, ALIGN, filled);
            }
            11 => {
                // A stranger: the host, or the break.
                let by = 1 + random.below(100_000);
                let at = match random.below(8) {
                    0 => {
                        let pages = self.instance.grow(Memory::Main, 1).expect("a memory");
                        u32::try_from(pages.expect("there is no maximum")).expect("few") * PAGE
                    }
                    1 => self.call("sbrk", &[by]),
                    _ => return,
                };
                let length = if at + by <= self.bytes() { by.min(PAGE) } else { 1 };
                self.take(at, length, filled);
            }
            _ if !self.blocks.is_empty() => {
                let which = random.below(u32::try_from(self.blocks.len()).expect("few"));
                let old = self.blocks.swap_remove(which as usize);
                self.give(old);
                self.call("free", &[old]);
            }
            _ => {
                self.call("free", &[0]);
            }
        }
    }
}

#[test]
fn a_random_sequence_keeps_every_block_and_all_that_is_not_the_heaps() {
    for fixed in fixed(&format!(r#"(module {FAMILY} (memory (export "memory") 2))"#)) {
        for seed in 0..4 {
            let mut ends = Vec::new();
            for id in ENGINES {
                let mut subject = Subject::new(open(id).as_ref(), &fixed.wasm);
                let mut random = Random(seed);
                for round in 0..1500_u32 {
                    subject.step(&mut random, 1 + u8::try_from(round % 250).expect("small"));
                }
                for at in subject.live.keys().copied().collect::<Vec<_>>() {
                    subject.check(at);
                }
                ends.push((subject.live.clone(), subject.bytes()));
            }
            assert_eq!(ends[0], ends[1], "the engines agree on every address");
        }
    }
}

#[test]
fn refused_growth_returns_null_and_leaves_everything_as_it_was() {
    for fixed in fixed(&format!(r#"(module {FAMILY} (memory (export "memory") 1 3))"#)) {
        for id in ENGINES {
            let mut subject = Subject::new(open(id).as_ref(), &fixed.wasm);
            assert_eq!(subject.call("malloc", &[1 << 20]), 0);
            assert_eq!(subject.call("malloc", &[u32::MAX]), 0);
            assert_eq!(subject.call("calloc", &[1 << 20, 1 << 20]), 0, "their product has no 32 bits");
            assert_eq!(subject.call("aligned_alloc", &[3, 8]), 0, "no power of two");
            let mut blocks = 0;
            loop {
                let at = subject.call("malloc", &[1000]);
                if at == 0 {
                    break;
                }
                subject.block(at, 1000, ALIGN, 7);
                blocks += 1;
            }
            assert!(blocks > 60, "{blocks} blocks of 1000 bytes in two pages");
            assert_eq!(subject.bytes(), 3 * PAGE);
            let first = subject.blocks[0];
            assert_eq!(subject.call("realloc", &[first, 1 << 20]), 0);
            for at in subject.blocks.clone() {
                subject.give(at);
                subject.call("free", &[at]);
            }
            assert_ne!(subject.call("malloc", &[1000]), 0, "what was given back is there again");
            subject.check(0);
        }
    }
}

#[test]
fn a_memory_that_cannot_grow_at_first_is_asked_again() {
    for fixed in fixed(&format!(r#"(module {FAMILY} (memory (export "memory") 1 2))"#)) {
        for id in ENGINES {
            let mut subject = Subject::new(open(id).as_ref(), &fixed.wasm);
            // The host takes the only page that there is.
            assert_eq!(subject.instance.grow(Memory::Main, 1).expect("a memory"), Some(1));
            for _ in 0..2 {
                assert_eq!(subject.call("malloc", &[8]), 0);
                assert_eq!(subject.call("realloc", &[0, 8]), 0);
                subject.call("free", &[0]);
            }
        }
    }
}

/// C without a library: a list of squares, whose blocks are longer and shorter with time.
const PROGRAM: &str = r#"
    typedef __SIZE_TYPE__ size_t;
    void *malloc(size_t); void *realloc(void *, size_t); void free(void *);
    struct node { struct node *next; unsigned *numbers; unsigned count; };
    __attribute__((export_name("sum"))) unsigned sum(unsigned rounds) {
        struct node *first = 0;
        for (unsigned i = 0; i < rounds; i++) {
            struct node *node = malloc(sizeof *node);
            if (!node) return 0;
            node->next = first; node->numbers = 0; node->count = 0; first = node;
            for (struct node *at = first; at; at = at->next) {
                unsigned *more = realloc(at->numbers, (at->count + 1) * sizeof *more);
                if (!more) return 0;
                more[at->count++] = i * i; at->numbers = more;
            }
            if (i % 3 == 2) {
                struct node *second = first->next;
                first->next = second->next;
                free(second->numbers); free(second);
            }
        }
        unsigned total = 0;
        for (struct node *at = first; at;) {
            for (unsigned i = 0; i < at->count; i++) total += at->numbers[i];
            struct node *next = at->next;
            free(at->numbers); free(at); at = next;
        }
        return total;
    }"#;

/// The same without a heap that could be wrong.
fn expected(rounds: u32) -> u32 {
    let mut nodes: Vec<Vec<u32>> = Vec::new();
    for i in 0..rounds {
        nodes.push(Vec::new());
        for node in &mut nodes {
            node.push(i.wrapping_mul(i));
        }
        if i % 3 == 2 {
            nodes.remove(nodes.len() - 2);
        }
    }
    nodes.iter().flatten().fold(0, |sum, number| sum.wrapping_add(*number))
}

#[test]
fn a_program_of_c_that_was_linked_without_a_library_runs_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, module) = (folder.path().join("sum.c"), folder.path().join("sum.wasm"));
    std::fs::write(&source, PROGRAM).expect("it can be written");
    let linker = ["--no-entry", "--allow-undefined"].map(|flag| format!("-Wl,{flag}"));
    let status = Command::new("clang-22")
        .args(["--target=wasm32", "-O2", "-nostdlib", "-ffreestanding", "-fno-builtin"])
        .args(linker)
        .arg(&source)
        .arg("-o")
        .arg(&module)
        .status();
    match status {
        Ok(status) => assert!(status.success(), "clang: {status}"),
        Err(error) => {
            // `cargo xtask setup` installs it; a machine without it has the other tests.
            eprintln!("no clang-22 here, so nothing is compiled: {error}");
            return;
        }
    }
    let wasm = std::fs::read(&module).expect("clang wrote it");
    for fixed in Allocator::ALL.map(|allocator| fixed_with(&wasm, allocator)) {
        assert_eq!(fixed.plan.imports.len(), 3);
        let verification = verify(&wasm, &fixed.wasm, &fixed.plan).expect("both are valid");
        assert_eq!(verification.verdict, Verdict::Verified, "{verification:#?}");
        for id in ENGINES {
            let module = open(id).compile(&fixed.wasm).expect("it compiles");
            let mut instance = module.instantiate(&Host::new()).expect("it instantiates");
            for rounds in [1, 30, 200] {
                let outcome = instance.call("sum", &[Value::u32(rounds)]).expect("it returns");
                assert_eq!(outcome.values, [Value::u32(expected(rounds))], "{rounds} rounds on {id}");
            }
        }
    }
}
