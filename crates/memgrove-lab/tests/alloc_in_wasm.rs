//! memgrove's allocators under the shadow heap inside wasm: built from guests/alloc-check; for wasm32, with threads,
//! and for memory64. Run by wasmtime, and by Node where it can.
#![allow(clippy::print_stderr, reason = "says what was left out")]

mod wasm_compiler;

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use memgrove_lab::engine::{
    EngineError, EngineId, Host, Instance, Limits, Memory, Module, Settings, Team, Value, assemble, open,
};
use wasm_compiler::{Compiler, Guest, WASM32, compiler};

const WASM64: &str = "wasm64-unknown-unknown";

/// The most that the threads' shared memory can have, in pages: little enough to be exhausted.
const SHARED_PAGES: u64 = 4_096;

/// The shadow heap's guest for a target.
fn alloc_check(target: &str) -> Guest<'_> {
    let library = "std,panic_abort";
    Guest { name: "alloc-check", target, profile: "release", library, features: "" }
}

/// The module for wasm32, built once.
fn wasm32() -> &'static [u8] {
    static MODULE: OnceLock<Vec<u8>> = OnceLock::new();
    MODULE.get_or_init(|| compiler().build(&alloc_check(WASM32), "alloc-check", &[]))
}

/// It, compiled once.
fn module() -> &'static dyn Module {
    static MODULE: OnceLock<Box<dyn Module>> = OnceLock::new();
    let module = MODULE.get_or_init(|| {
        let engine = open(EngineId::Wasmtime, &Settings::default()).expect("wasmtime is built in");
        let module = engine.compile(wasm32()).expect("a valid module");
        assert!(module.shape().imports.is_empty(), "nothing but memory.grow is needed");
        module
    });
    module.as_ref()
}

fn instance(module: &dyn Module) -> Box<dyn Instance> {
    module.instantiate(&Host::new()).expect("an instance with no imports")
}

fn number(instance: &mut dyn Instance, export: &str, arguments: &[u32]) -> u64 {
    let arguments: Vec<_> = arguments.iter().map(|&argument| Value::u32(argument)).collect();
    match instance.call(export, &arguments) {
        Ok(outcome) => outcome.integer(export).expect("a number"),
        Err(error) => panic!("{export}{arguments:?}: {error}; {}", message(instance)),
    }
}

/// What the guest says about what went wrong.
fn message(instance: &mut dyn Instance) -> String {
    let mut figure = |export| instance.call(export, &[]).and_then(|outcome| outcome.integer(export));
    let (address, bytes) =
        (figure("message").expect("an address"), figure("message_bytes").expect("a length"));
    let message = instance.read(Memory::Main, address, bytes).expect("the message");
    String::from_utf8_lossy(&message).into_owned()
}

/// Calls a test in a fresh instance; what went wrong is the guest's message.
fn test(module: &dyn Module, export: &str, arguments: &[u32]) -> Box<dyn Instance> {
    let mut instance = instance(module);
    if number(instance.as_mut(), export, arguments) != 0 {
        panic!("{export}{arguments:?}: {}", message(instance.as_mut()));
    }
    instance
}

fn allocators(module: &dyn Module) -> u32 {
    u32::try_from(number(instance(module).as_mut(), "allocators", &[])).expect("a small number")
}

#[test]
fn random_work_checked_after_every_step() {
    for allocator in 0..allocators(module()) {
        for seed in 0..4 {
            test(module(), "random", &[allocator, seed, 10_000]);
        }
    }
}

/// A program that lives long, with one thread: neither caches nor heaps for threads are in the way of an emptied heap. The
/// figures: pages after one round, two and all of them, and the last round that took more.
#[test]
fn the_same_work_again_and_again_needs_no_more() {
    const ROUNDS: u32 = 40;
    // The dearest allowed: the last growth where everything is given back after a round, and where a service keeps some; and what
    // is held at the end, in percent of what it was after two rounds.
    const ALLOWED: [(&str, u64, u64, u64); 4] =
        [("Dlmalloc", 2, 30, 105), ("Wee", 10, 10, 400), ("Jemalloc", 6, 6, 108), ("Hoard", 2, 10, 102)];
    let beyond =
        number(instance(module()).as_mut(), "rounds", &[u32::try_from(ALLOWED.len()).expect("a few"), 0, 1]);
    assert_eq!(beyond, 0, "an allocator has no row");
    let loads = number(instance(module()).as_mut(), "loads", &[]);
    for (allocator, (name, settled, keeps, percent)) in (0..).zip(ALLOWED) {
        for load in 0..u32::try_from(loads).expect("a small number") {
            let mut instance = instance(module());
            let figures = number(instance.as_mut(), "rounds", &[allocator, load, ROUNDS]);
            assert_ne!(figures, 0, "{name}, load {load}: {}", message(instance.as_mut()));
            let [first, second, last, growth] = [0, 16, 32, 48].map(|shift| figures >> shift & 0xffff);
            let kept = number(instance.as_mut(), "keeps", &[load]) != 0;
            let shown =
                format!("{name}, load {load}: {first} {second} {last}, last growth in round {growth}");
            assert!(growth <= if kept { keeps } else { settled }, "{shown}");
            assert!(last <= second * percent / 100 + 1, "{shown}");
        }
    }
}

/// Regions of 2 to 16 KiB that cannot grow, as hosts on microcontrollers give them: what is usable at 24, 100, 300 and 1000 bytes.
#[test]
fn small_regions_are_used() {
    const SIZES: [u32; 4] = [24, 100, 300, 1_000];
    // In percent, as the table in the crate's README.
    const LEAST: [(&str, [[u64; 4]; 4]); 4] = [
        ("Wee", [[75, 73, 43, 48], [75, 75, 51, 73], [75, 76, 54, 85], [75, 77, 56, 91]]),
        ("Dlmalloc", [[65, 83, 73, 48], [69, 87, 87, 73], [72, 91, 91, 85], [73, 93, 95, 91]]),
        ("Jemalloc", [[0, 0, 0, 0], [49, 43, 43, 48], [73, 65, 65, 73], [86, 76, 76, 85]]),
        ("Hoard", [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [49, 43, 45, 42]]),
    ];
    let beyond = number(
        instance(module()).as_mut(),
        "usable_bytes",
        &[u32::try_from(LEAST.len()).expect("a few"), 1 << 14, 24],
    );
    assert_eq!(beyond, u64::MAX, "an allocator has no row");
    for (allocator, (name, least)) in (0..).zip(LEAST) {
        for (kib, least) in [2, 4, 8, 16].into_iter().zip(least) {
            let mut instance = instance(module());
            let percent = SIZES.map(|size| {
                let bytes = number(instance.as_mut(), "usable_bytes", &[allocator, kib << 10, size]);
                assert_ne!(bytes, u64::MAX, "{name}, {kib} KiB, {size}: {}", message(instance.as_mut()));
                bytes * 100 / (u64::from(kib) << 10)
            });
            let enough = percent.iter().zip(least).all(|(&percent, least)| percent >= least);
            assert!(enough, "{name}, {kib} KiB: {percent:?} %, {least:?} expected");
        }
    }
}

/// The module with one of its exported functions as its start function.
fn with_start(wasm: &[u8], export: &str) -> Vec<u8> {
    let mut module = wasm_encoder::Module::new();
    let mut function_index = None;
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        let payload = payload.expect("a valid module");
        if let wasmparser::Payload::ExportSection(exports) = &payload {
            let mut exports = exports.clone().into_iter().map(|export| export.expect("a valid module"));
            function_index = exports.find(|found| found.name == export).map(|found| found.index);
        }
        if let Some((id, range)) = payload.as_section() {
            let bytes = [range.start, range.end].map(|at| usize::try_from(at).expect("within the file"));
            module.section(&wasm_encoder::RawSection { id, data: &wasm[bytes[0]..bytes[1]] });
            // The section that follows the exports.
            if id == wasm_encoder::SectionId::Export as u8 {
                let function_index = function_index.expect("the export");
                module.section(&wasm_encoder::StartSection { function_index });
            }
        }
    }
    module.finish()
}

#[test]
fn the_start_function_may_allocate() {
    let started = with_start(wasm32(), "in_start");
    for id in [EngineId::Wasmtime, EngineId::Wasmi] {
        let engine = open(id, &Settings::default()).expect("it is built in");
        let check = |wasm: &[u8]| {
            let module = engine.compile(wasm).expect("a valid module");
            let mut instance = instance(module.as_ref());
            let failed = number(instance.as_mut(), "after_start", &[]);
            (failed, message(instance.as_mut()))
        };
        assert_eq!(check(&started), (0, String::new()), "{id}");
        // The same where it is not called: what is asked can be missing.
        assert_eq!(check(wasm32()), (1, "the start function kept 0 blocks".into()), "{id}");
    }
}

#[test]
fn four_gibibytes_are_filled_to_the_edge() {
    for allocator in 0..allocators(module()) {
        let mut instance = test(module(), "fill", &[allocator]);
        assert_eq!(instance.memory_bytes(Memory::Main).expect("a memory"), 1 << 32, "allocator {allocator}");
    }
}

/// The flags for threads, as the crate's README gives them.
fn readme_flags() -> Vec<&'static str> {
    let readme = include_str!("../../memgrove/README.md");
    let (_, flags) = readme.split_once("RUSTFLAGS=\"-Ctarget-feature=+atomics").expect("flags for threads");
    let (flags, _) = flags.split_once('"').expect("their end");
    let start = readme.find("-Ctarget-feature=+atomics").expect("as above");
    readme[start..][.."-Ctarget-feature=+atomics".len() + flags.len()]
        .split([' ', '\\', '\n'])
        .filter(|flag| !flag.is_empty())
        .collect()
}

/// The module with a shared memory, built once.
fn threaded_module() -> &'static [u8] {
    static MODULE: OnceLock<Vec<u8>> = OnceLock::new();
    MODULE.get_or_init(|| {
        let flags = readme_flags();
        assert!(flags.contains(&format!("-Clink-arg=--max-memory={}", SHARED_PAGES << 16).as_str()));
        // The host sets it when it starts a thread; tools that prepare a module for threads export it themselves.
        let flags = [&flags[..], &["-Clink-arg=--export=__stack_pointer"]].concat();
        compiler().build(&alloc_check(WASM32), "alloc-check-threads", &flags)
    })
}

/// A fresh memory with a heap that several threads share, and what they do with it.
struct Shop {
    team: Box<dyn Team>,
    heap: u32,
    threads: u32,
}

impl Shop {
    fn open(engine: EngineId, heap: u32, threads: u32) -> Result<Self, EngineError> {
        // A busy machine may take its time.
        let settings = Settings::within(Limits { call: Duration::from_secs(600), ..Limits::OWN });
        let mut shop = Self { team: assemble(engine, &settings, threaded_module())?, heap, threads };
        // As a tool would that prepares a module for threads after linking: its data lie at `__heap_base`.
        let words = shop.ask("settle", &[]);
        assert!(words > 1_000, "only {words} words of initial memory are left: the test would see nothing");
        let (areas, bytes) = (shop.ask("areas", &[threads]), shop.ask("area_bytes", &[]));
        shop.team.hire(threads, areas, bytes)?;
        Ok(shop)
    }

    fn ask(&mut self, export: &str, arguments: &[u32]) -> u32 {
        let arguments: Vec<_> = arguments.iter().map(|&argument| Value::u32(argument)).collect();
        let answer = self.team.call(export, &arguments).unwrap_or_else(|error| panic!("{export}: {error}"));
        answer.and_then(Value::as_u32).unwrap_or_else(|| panic!("{export} answers {answer:?}"))
    }

    /// All threads do this at once; their figures, of which none is 0.
    fn together(&mut self, export: &str, argument: u32) -> Vec<u64> {
        let (heap, after) = (Value::u32(self.heap), Value::u32(argument));
        let figures = match self.team.together(export, &[heap], &[after], self.threads) {
            Ok((figures, _)) => figures,
            Err(error) => {
                let message = self.message();
                let (pages, refused) = (self.ask("pages", &[]), self.ask("refused_bytes", &[]));
                panic!(
                    "{export} on heap {}: {error:?}; {message}; {pages} pages, the shadow was refused {refused} bytes",
                    self.heap
                )
            }
        };
        self.expect(figures.iter().all(|&figure| figure != 0), export);
        let finished = self.ask("finish", &[self.heap]) == 0;
        self.expect(finished, "finish");
        let lost = self.ask("unsettled", &[]);
        assert_eq!(
            lost, 0,
            "heap {}: words after __heap_base that are not its own were overwritten",
            self.heap
        );
        figures
    }

    /// What went wrong is the guest's message.
    fn expect(&mut self, holds: bool, what: &str) {
        if !holds {
            let message = self.message();
            panic!("{what} on heap {}: {message}", self.heap);
        }
    }

    fn message(&mut self) -> String {
        let (address, bytes) = (self.ask("message", &[]), self.ask("message_bytes", &[]));
        let message = self.team.read(address.into(), bytes.into()).expect("the message");
        String::from_utf8_lossy(&message).into_owned()
    }
}

/// Calls `work` for every heap and for each number of threads. Says so if the engine is not here.
fn for_each_shop(engine: EngineId, threads: &[u32], work: impl Fn(&mut Shop)) {
    // One after the other: threads that spin while the one they wait for has no processor make each other slow.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut heap = 0;
    loop {
        for &threads in threads {
            match Shop::open(engine, heap, threads) {
                Ok(mut shop) => {
                    if heap == shop.ask("heaps", &[]) {
                        return;
                    }
                    work(&mut shop);
                }
                Err(EngineError::Absent { reason, .. }) if engine == EngineId::Node => {
                    return eprintln!("skipped: {reason}");
                }
                Err(error) => panic!("{engine}: {error}"),
            }
        }
        heap += 1;
    }
}

/// All threads together make at least this many calls to each heap, while memory grows.
fn threads_pass_blocks(engine: EngineId, threads: &[u32], operations: u32) {
    for_each_shop(engine, threads, |shop| {
        let pages = shop.ask("pages", &[]);
        let figures = shop.together("pass", operations / shop.threads);
        let done: u64 = figures.iter().map(|figure| figure & 0xffff_ffff).sum();
        let received: u64 = figures.iter().map(|figure| figure >> 32).sum();
        let (heap, threads, grown) = (shop.heap, shop.threads, shop.ask("pages", &[]) - pages);
        eprintln!(
            "{engine}, heap {heap}, {threads} threads: {done} calls, {received} blocks passed, {grown} pages"
        );
        assert!(done >= u64::from(operations / threads * threads), "heap {heap}: {done} operations");
        assert!(received > 1_000, "heap {heap}, {threads} threads: only {received} blocks were passed");
        // How much depends on who comes first; a hundred and more is usual.
        assert!(grown > 50, "heap {heap}, {threads} threads: memory grew by {grown} pages");
    });
}

#[test]
fn threads_on_wasmtime_pass_blocks() {
    threads_pass_blocks(EngineId::Wasmtime, &[2, 3, 8], 450_000);
}

#[test]
fn workers_on_node_pass_blocks() {
    threads_pass_blocks(EngineId::Node, &[2, 3, 8], 450_000);
}

#[test]
#[ignore = "takes long; crates/memgrove/README.md has the command"]
fn threads_on_wasmtime_pass_ten_million_blocks() {
    threads_pass_blocks(EngineId::Wasmtime, &[2, 4, 8], 10_000_000);
}

#[test]
#[ignore = "takes long; crates/memgrove/README.md has the command"]
fn workers_on_node_pass_ten_million_blocks() {
    threads_pass_blocks(EngineId::Node, &[2, 4, 8], 10_000_000);
}

/// V8 tells a thread late of another one's growth, and till then refuses to fill that memory.
#[test]
fn blocks_in_memory_that_another_worker_grew_can_be_filled() {
    for_each_shop(EngineId::Node, &[2], |shop| {
        let figures = shop.team.together("relay", &[Value::u32(shop.heap)], &[Value::u32(100)], 2);
        let fine = figures.as_ref().is_ok_and(|(figures, _)| figures == &[100, 100]);
        assert!(fine, "heap {}: {figures:?}", shop.heap);
    });
}

#[test]
fn threads_exhaust_the_memory_together() {
    for_each_shop(EngineId::Wasmtime, &[2, 3, 4], |shop| {
        shop.together("exhaust", 5);
        // An allocator may leave a little that is too short for anybody: less than a longer page map, which has 8 bytes for
        // each KiB and is laid half as long again as it must be, beside the old one.
        let (pages, map) = (u64::from(shop.ask("pages", &[])), SHARED_PAGES * 3 / 2 / 128);
        assert!(pages > SHARED_PAGES - map - 16, "heap {}: {pages} of {SHARED_PAGES} pages", shop.heap);
    });
}

/// The module for memory64, built once; `None` where it cannot be built.
fn module64() -> Option<&'static [u8]> {
    static MODULE: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let module = MODULE.get_or_init(|| {
        // More than 4 GiB from the start: addresses beyond what 32 bits can say, without copying a memory to grow it.
        let flags = [
            format!("-Clink-arg=--initial-memory={INITIAL_BYTES64}"),
            format!("-Clink-arg=--max-memory={MAXIMUM_BYTES64}"),
        ];
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        Compiler::find(WASM64).map(|compiler| compiler.build(&alloc_check(WASM64), "alloc-check-64", &flags))
    });
    if module.is_none() {
        eprintln!("skipped: no Rust compiler for {WASM64}; hint: cargo xtask setup");
    }
    module.as_deref()
}

const INITIAL_BYTES64: u64 = (4 << 30) + (64 << 16);
const MAXIMUM_BYTES64: u64 = 5 << 30;

#[test]
fn memory64_is_worked_and_filled() {
    let Some(wasm) = module64() else { return };
    let settings = Settings::within(Limits { memory_bytes: MAXIMUM_BYTES64, ..Limits::OWN });
    for id in [EngineId::Wasmtime, EngineId::Node] {
        let compiled = open(id, &settings).and_then(|engine| engine.compile(wasm));
        let module = match compiled {
            Ok(module) => module,
            // Node has it from version 24 on.
            Err(EngineError::Absent { .. } | EngineError::Compile { .. }) if id == EngineId::Node => {
                eprintln!("skipped: no Node with memory64 here");
                continue;
            }
            Err(error) => panic!("{id}: {error}"),
        };
        assert!(module.shape().imports.is_empty(), "nothing but memory.grow is needed");
        for allocator in 0..allocators(module.as_ref()) {
            for seed in 0..2 {
                test(module.as_ref(), "random", &[allocator, seed, 5_000]);
            }
            let mut instance = test(module.as_ref(), "fill", &[allocator]);
            let bytes = instance.memory_bytes(Memory::Main).expect("a memory");
            assert_eq!(bytes, MAXIMUM_BYTES64, "{id}, allocator {allocator}");
        }
    }
}
