//! Guests that ask their allocator for all that C or Rust promises, in random orders drawn from seeds: with another
//! allocator, they see the same. At two bases of the heap, and until memory is exhausted.
//!
//! The guests are compiled when the test runs, by what there is; the long form takes every toolchain and every allocator
//! of Rust's.

mod fix_support;
mod guest_support;

use memgrove_lab::engine::{self, EngineId, Instance, Limits, Settings, Value};
use memgrove_lab::verify::{Verdict, verify_swap};
use memgrove_rewrite::edit::{Edits, Sections, Untouched};
use memgrove_rewrite::swap::{Manners, Member, Options, Role, Swapped, To, swap};
use memgrove_verify::engine::Host;

const SEEDS: [u32; 3] = [1, 0x9e37_79b9, 77_777];
const CALLS: u32 = 3000;
/// By which the heap lies further on.
const SHIFT_BYTES: u32 = 1 << 16;
/// Pages that a memory has for exhausting it, more than at its start.
const MORE_PAGES: u64 = 40;

/// Compiles the guest in C.
fn c(program: &str, arguments: &[&str]) -> Result<Vec<u8>, String> {
    guest_support::c(program, arguments, &guest_support::source("swap_seeded/guest.c"))
}

/// The module with a memory that has room for so many pages more than at its start.
fn limited(wasm: &[u8]) -> Vec<u8> {
    let facts = memgrove_inspect::facts(wasm).expect("valid");
    let minimum = facts.memories[0].ty.min_pages;
    let sections = Sections::read(wasm).expect("valid");
    let mut edits = Edits::new(&sections);
    let ty = wasm_encoder::MemoryType {
        minimum,
        maximum: Some(minimum + MORE_PAGES),
        memory64: false,
        shared: false,
        page_size_log2: None,
    };
    edits.set_memory(0, ty).expect("there is one");
    edits.apply(&mut Untouched).expect("it can be written").wasm
}

fn start(wasm: &[u8]) -> Box<dyn Instance> {
    let settings = Settings::counting(Limits { fuel: 1 << 36, ..Limits::VERIFICATION });
    let engine = engine::open(EngineId::Wasmtime, &settings).expect("it is linked in");
    let mut host = Host::new();
    for import in &memgrove_inspect::facts(wasm).expect("valid").imports {
        host = host.function(import.module, import.name, |caller, _| {
            Ok(caller.signature().results.iter().map(|ty| ty.zero()).collect())
        });
    }
    let mut instance = engine.compile(wasm).expect("valid").instantiate(&host).expect("it starts");
    let _ = instance.call("_initialize", &[]);
    instance
}

fn call(instance: &mut dyn Instance, name: &str, arguments: &[u32]) -> u64 {
    let arguments: Vec<Value> = arguments.iter().copied().map(Value::u32).collect();
    let outcome = instance.call(name, &arguments).unwrap_or_else(|error| panic!("{name}: {error}"));
    outcome.values.first().and_then(|value| value.as_u64()).unwrap_or(0)
}

/// What a guest sees; the upper half of a number says what was broken.
fn seen(wasm: &[u8], shift: u32, has_corners: bool) -> Vec<u64> {
    let mut instance = start(wasm);
    if shift > 0 {
        call(instance.as_mut(), "shift", &[shift]);
    }
    let mut seen: Vec<u64> =
        SEEDS.iter().map(|seed| call(instance.as_mut(), "work", &[*seed, CALLS])).collect();
    if has_corners {
        seen.push(call(instance.as_mut(), "corners", &[]));
    }
    seen
}

/// A guest and its allocator: swapped for every one of these, it sees the same.
fn examine(title: &str, wasm: &[u8], known: &dyn Fn(&[u8], To) -> Options, has_corners: bool, heaps: &[To]) {
    let swapped = |wasm: &[u8], to: To| -> Swapped {
        let facts = memgrove_inspect::facts(wasm).expect("valid");
        swap(&facts, &known(wasm, to)).unwrap_or_else(|why| panic!("{title} to {}: {why}", to.name()))
    };
    let before = seen(wasm, 0, has_corners);
    assert_eq!(before, seen(wasm, SHIFT_BYTES, has_corners), "{title}: it sees where its blocks lie");
    assert!(before.iter().all(|number| number >> 32 == 0), "{title}: a promise is broken: {before:x?}");
    let narrow = limited(wasm);
    let exhausted = |wasm: &[u8]| {
        // Each in an instance of its own: what was cut into small blocks need not serve for large ones.
        [400, 30_000].map(|bytes| call(start(wasm).as_mut(), "exhaust", &[bytes]))
    };
    let exhausted_before = exhausted(&narrow);
    for &to in heaps {
        let new = swapped(wasm, to);
        let facts = memgrove_inspect::facts(wasm).expect("valid");
        let verification = verify_swap(&facts, &new);
        let is_fine = matches!(verification.verdict, Verdict::Verified | Verdict::VerifiedInPart);
        assert!(is_fine && verification.are_roles_shown, "{title} to {}: {verification:?}", to.name());
        for shift in [0, SHIFT_BYTES] {
            assert_eq!(before, seen(&new.wasm, shift, has_corners), "{title} to {}", to.name());
        }
        let after = exhausted(&swapped(&narrow, to).wasm);
        assert!(after.iter().all(|number| number >> 32 == 0), "{title} to {}: {after:x?}", to.name());
        for (before, after) in exhausted_before.iter().zip(after) {
            // wee_alloc does not find again what it has freed, and is none to go by then.
            assert!(before >> 32 != 0 || *before == after, "{title} to {}: {before:x} {after:x}", to.name());
        }
        fix_support::say(&format!("{title} to {}: {} functions, the same", to.name(), new.replaced.len()));
    }
}

fn by_inspecting(wasm: &[u8], to: To) -> Options {
    let facts = memgrove_inspect::facts(wasm).expect("valid");
    memgrove_verify::swap::options_for(&facts, to).expect("it is no collector's")
}

const WASI: [&str; 8] = [
    "--target=wasm32-wasi",
    "--no-wasm-opt",
    "-mexec-model=reactor",
    "-fno-builtin",
    "-O2",
    "-w",
    "-DUSABLE",
    "-g0",
];

#[test]
fn a_guest_in_c_sees_the_same() {
    let wasm = c("clang-22", &WASI).expect("clang-22 is installed: cargo xtask setup");
    examine("wasi-libc", &wasm, &by_inspecting, true, &[To::Dlmalloc]);
}

#[test]
#[ignore = "compiles with all toolchains there are, and runs every heap: minutes"]
fn guests_in_c_see_the_same_with_every_toolchain_and_heap() {
    let emscripten = [
        "-sSTANDALONE_WASM",
        "--no-entry",
        "-sALLOW_MEMORY_GROWTH=1",
        "-fno-builtin",
        "-w",
        "-DUSABLE",
        "--profiling-funcs",
    ];
    let rows: [(&str, &str, Vec<&str>); 5] = [
        ("wasi-libc", "clang-22", WASI.to_vec()),
        ("Emscripten's dlmalloc, -O2", "emcc", [&emscripten[..], &["-O2"]].concat()),
        ("Emscripten's dlmalloc, -Os", "emcc", [&emscripten[..], &["-Os"]].concat()),
        ("emmalloc, -O2", "emcc", [&emscripten[..], &["-O2", "-sMALLOC=emmalloc"]].concat()),
        ("emmalloc, -Os", "emcc", [&emscripten[..], &["-Os", "-sMALLOC=emmalloc"]].concat()),
    ];
    for (title, program, arguments) in rows {
        match c(program, &arguments) {
            Ok(wasm) => examine(title, &wasm, &by_inspecting, true, &To::ALL),
            Err(why) => fix_support::say(&format!("skipped: {title}: {why}")),
        }
    }
}

/// Compiles the guest in Rust.
fn rust(allocator: &str) -> Result<Vec<u8>, String> {
    guest_support::rust(&guest_support::source("swap_seeded/rust"), "swap-seeded", "guest.wasm", allocator)
}

/// The functions of Rust's allocator by the ends of their names, where the compiler has left them apart. Of a `Layout`, a
/// trait's methods are handed the alignment first, `__rust_realloc` the size.
fn by_name(wasm: &[u8], to: To) -> Options {
    let facts = memgrove_inspect::facts(wasm).expect("valid");
    let role = |func: u32, name: &str| -> Option<Member> {
        let params = facts.func_type(func)?.params().len();
        let ends = |part: &str| name.contains(part);
        // talc's own methods stand for those of the trait.
        let (role, own) = if ends("GlobalAlloc5alloc") || ends("E8allocate") {
            (Role::RustAllocAlignFirst, 2)
        } else if ends("GlobalAlloc7dealloc") || ends("E10deallocate") {
            (Role::RustDeallocAlignFirst, 3)
        } else if ends("___rust_realloc") {
            (Role::RustRealloc, 4)
        } else {
            return None;
        };
        Some(Member { func, role, has_heap: params > own, is_certain: false })
    };
    let members = facts.names.funcs.iter().filter_map(|(func, name)| role(func, name)).collect();
    let mut options = Options { to, members, sbrk: None, manners: Manners::default() };
    if let Ok(known) = memgrove_verify::swap::options_for(&facts, to) {
        options.manners = known.manners;
    }
    options
}

#[test]
#[ignore = "compiles Rust's library: minutes"]
fn guests_in_rust_see_the_same_with_every_heap() {
    for allocator in ["talc", "dlmalloc", "wee_alloc", "lol_alloc"] {
        let wasm = match rust(allocator) {
            Ok(wasm) => wasm,
            Err(why) => {
                fix_support::say(&format!("skipped: {allocator}: {why}"));
                continue;
            }
        };
        let known: &dyn Fn(&[u8], To) -> Options =
            if allocator == "dlmalloc" { &by_inspecting } else { &by_name };
        examine(allocator, &wasm, known, false, &To::ALL);
    }
}
