//! The cases with every toolchain and allocator that there is.

use memgrove_profile::MisuseKind;
use memgrove_rewrite::check::Layout;

use crate::tables::{CASES, OF_CPP, OF_RUST};
use crate::{WASI, both_in, compile, fix_support, guest_support, one_byte};

/// Compiles the cases in Rust, with this allocator.
fn rust(allocator: &str) -> Result<Vec<u8>, String> {
    guest_support::rust(&guest_support::source("check_seeded/rust"), "check-seeded", "cases.wasm", allocator)
}

const ZIG_STACK: &str = "-DSTACK=16777216";

#[test]
#[ignore = "compiles with all toolchains there are: minutes"]
fn seeded_misuse_is_found_with_every_toolchain() {
    let zig =
        ["-m", "ziglang", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor", "-w", "-g0", ZIG_STACK];
    let zig_cpp =
        ["-m", "ziglang", "c++", "-target", "wasm32-wasi", "-mexec-model=reactor", "-w", "-g0", ZIG_STACK];
    let cpp = ["-x", "c++", "-DNEW", "-fno-exceptions"];
    // Emscripten 3.1.6 gives 5 MiB.
    let emscripten = [
        "-DSTACK=5242880",
        "-sSTANDALONE_WASM",
        "--no-entry",
        "-sALLOW_MEMORY_GROWTH=1",
        "-w",
        "--profiling-funcs",
    ];
    let rows: Vec<(&str, &str, Vec<&str>, &[_])> = vec![
        ("C, wasi-libc, -O1", "clang-22", [WASI, &["-O1"]].concat(), CASES),
        ("C, wasi-libc, -O2", "clang-22", [WASI, &["-O2"]].concat(), CASES),
        (
            "C, wasi-libc, -Os, SIMD, bulk",
            "clang-22",
            [WASI, &["-Os", "-msimd128", "-mbulk-memory"]].concat(),
            CASES,
        ),
        ("C, zig, -O2", "python3", [&zig[..], &["-O2"]].concat(), CASES),
        ("C, zig, -Os", "python3", [&zig[..], &["-Os"]].concat(), CASES),
        ("C++, zig, -O2", "python3", [&zig_cpp[..], &["-O2"], &cpp].concat(), &CASES[..OF_CPP]),
        ("C, emcc dlmalloc", "emcc", [&emscripten[..], &["-O2"]].concat(), CASES),
        ("C, emcc dlmalloc, -Os", "emcc", [&emscripten[..], &["-Os"]].concat(), CASES),
        ("C, emcc emmalloc", "emcc", [&emscripten[..], &["-O2", "-sMALLOC=emmalloc"]].concat(), CASES),
        ("C++, emcc dlmalloc, -O1", "emcc", [&emscripten[..], &["-O1"], &cpp].concat(), &CASES[..OF_CPP]),
        // The optimiser puts `malloc` into `operator new`: it is right that this is refused.
        ("C++, emcc dlmalloc, -O2", "emcc", [&emscripten[..], &["-O2"], &cpp].concat(), &CASES[..OF_CPP]),
    ];
    let mut tally = Tally::default();
    for (title, program, arguments, cases) in rows {
        match compile(program, &arguments) {
            Ok(wasm) => tally.add(title, &wasm, cases),
            Err(why) => fix_support::say(&format!("skipped: {title}: {why}")),
        }
    }
    tally.expect_enough();
}

#[test]
#[ignore = "compiles Rust's core: minutes"]
fn seeded_misuse_is_found_with_rusts_allocators() {
    let mut tally = Tally::default();
    for allocator in ["dlmalloc", "wee_alloc", "lol_alloc", "talc"] {
        let title = format!("Rust, {allocator}");
        match rust(allocator) {
            Ok(wasm) => tally.add(&title, &wasm, OF_RUST),
            Err(why) => fix_support::say(&format!("skipped: {title}: {why}")),
        }
    }
    tally.expect_enough();
}

/// The allocator of Rust's standard library with 64-bit addresses.
#[test]
#[ignore = "compiles Rust's core for wasm64: a minute"]
fn seeded_misuse_is_found_in_rust_where_addresses_have_64_bits() {
    let mut tally = Tally::default();
    let folder = guest_support::source("check_seeded/rust");
    let wasm = guest_support::rust_for(
        "wasm64-unknown-unknown",
        &folder,
        "check-seeded-64",
        "cases.wasm",
        "dlmalloc",
    );
    match wasm {
        Ok(wasm) => tally.add("Rust, wasm64, dlmalloc", &wasm, OF_RUST),
        Err(why) => fix_support::say(&format!("skipped: Rust, wasm64: {why}")),
    }
    tally.expect_enough();
}

/// What was found of many modules: of how many cases, in each layout.
#[derive(Default)]
struct Tally {
    found: [(usize, usize); 2],
    missed: Vec<String>,
}

impl Tally {
    /// Nothing that is none was reported, and with blocks apart nearly all was found.
    fn expect_enough(self) {
        let Tally { found: [(found, all), (same, of)], missed } = self;
        fix_support::say(&format!(
            "{found} of {all}, in the same layout {same} of {of}\n{}",
            missed.join("\n")
        ));
        assert!(!missed.iter().any(|words| words.starts_with("FALSE")), "{}", missed.join("\n"));
        assert!(found * 100 >= all * 95, "{found} of {all}");
    }

    fn add(&mut self, title: &str, wasm: &[u8], cases: &[(&str, MisuseKind, &str)]) {
        for (layout, sum) in [Layout::Apart, Layout::Same].into_iter().zip(&mut self.found) {
            let title = format!("{title}, {layout:?}");
            let (right, number, words) = both_in(layout, &title, wasm, cases);
            *sum = (sum.0 + right, sum.1 + number);
            let bytes = match number {
                0 => String::new(),
                _ => format!("; one byte, of 64: {:?}", one_byte(&title, wasm, layout)),
            };
            fix_support::say(&format!("{title}: {right} of {number}{bytes}"));
            self.missed.extend(words);
        }
    }
}
