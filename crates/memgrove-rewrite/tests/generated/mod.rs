//! Modules from a seed, and what is asked of fixing them, for the tests that look at many.
//!
//! Two kinds: random ones from wasm-smith, and ones put together from the imports that passes know, under names that
//! mislead (a ':' in the module's name, duplicates, names of exports that fixing adds, single letters) and used in the
//! ways that passes look at.

use arbitrary::Unstructured;

#[allow(dead_code, reason = "not every test that has these modules asks for less")]
mod options;
mod random;

#[allow(unused_imports, reason = "not every test that has these modules asks for less")]
pub use options::options;
use random::Random;

/// Random modules, one after the other. Of some seeds wasm-smith makes none.
pub struct Smith {
    random: Random,
    round: u64,
}

impl Smith {
    /// The modules that follow from a seed.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), round: 0 }
    }

    /// The next one.
    pub fn module(&mut self) -> Option<Vec<u8>> {
        let round = self.round;
        self.round += 1;
        let bytes: Vec<u8> = (0..1024).map(|_| self.random.next().to_le_bytes()[0]).collect();
        let config = wasm_smith::Config {
            min_imports: if round.is_multiple_of(2) { 1 } else { 0 },
            max_imports: 8,
            min_exports: 1,
            max_memories: 3,
            memory64_enabled: round.is_multiple_of(4),
            custom_page_sizes_enabled: round % 4 == 1,
            gc_enabled: round.is_multiple_of(8),
            ..wasm_smith::Config::default()
        };
        Some(wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)).ok()?.to_bytes())
    }
}

/// A module of known imports under misleading names.
pub fn misleading(seed: u64) -> Vec<u8> {
    let text = module(&mut Random::new(seed));
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const MODULES: [&str; 9] = [
    "env",
    "env",
    "env",
    "a",
    "a:b",
    "wasi:io/streams@0.2.0",
    "__main_module__",
    "wasi_snapshot_preview1",
    "__wbindgen_placeholder__",
];

/// Names and types that passes know; the rest means nothing.
const FUNCTIONS: [(&str, &str); 44] = [
    ("emscripten_resize_heap", "(param i32) (result i32)"),
    ("emscripten_get_heap_size", "(result i32)"),
    ("emscripten_get_heap_max", "(result i32)"),
    ("emscripten_get_sbrk_ptr", "(result i32)"),
    ("enlargeMemory", "(result i32)"),
    ("getTotalMemory", "(result i32)"),
    ("abortOnCannotGrowMemory", "(result i32)"),
    ("emscripten_memcpy_big", "(param i32 i32 i32) (result i32)"),
    ("emscripten_notify_memory_growth", "(param i32)"),
    ("sbrk", "(param i32) (result i32)"),
    ("__syscall1", "(param i32 i32) (result i32)"),
    ("__syscall6", "(param i32 i32 i32 i32 i32 i32 i32) (result i32)"),
    ("abort", ""),
    ("abort", "(param i32 i32 i32 i32)"),
    ("___setErrNo", "(param i32)"),
    ("invoke_vi", "(param i32 i32)"),
    ("setTempRet0", "(param i32)"),
    ("getTempRet0", "(result i32)"),
    ("emscripten_get_now", "(result f64)"),
    ("pow", "(param f64 f64) (result f64)"),
    ("fd_write", "(param i32 i32 i32 i32) (result i32)"),
    ("fd_close", "(param i32) (result i32)"),
    ("proc_exit", "(param i32)"),
    ("random_get", "(param i32 i32) (result i32)"),
    ("environ_sizes_get", "(param i32 i32) (result i32)"),
    ("__wbindgen_throw", "(param i32 i32)"),
    ("__wbindgen_object_drop_ref", "(param i32)"),
    ("something", "(param i32) (result i32)"),
    ("a", "(param i32) (result i32)"),
    ("b", "(param i32) (result i32)"),
    ("c", "(param i32 i32 i32) (result i32)"),
    ("d", "(result f64)"),
    ("e", ""),
    ("f", "(result i32)"),
    ("g", "(param i32)"),
    ("h", "(param i32 i32) (result i32)"),
    ("i", "(param i32 i32 i32 i32) (result i32)"),
    ("j", "(param i32 i32)"),
    ("k", "(result f64)"),
    ("memory", "(param i32)"),
    ("_initialize", ""),
    ("", ""),
    ("cabi_realloc", "(param i32 i32 i32 i32) (result i32)"),
    ("l", "(param i32) (result i32)"),
];

const GLOBALS: [&str; 9] = [
    "DYNAMICTOP_PTR",
    "STACKTOP",
    "STACK_MAX",
    "__memory_base",
    "__table_base",
    "__stack_pointer",
    "__heap_base",
    "ABORT",
    "g",
];

const EXPORTS: [&str; 8] =
    ["memory", "memory_1", "table", "table_1", "t", "_start", "__wasm_call_ctors", "malloc"];

/// A module as text: imports, code that uses them, exports.
fn module(random: &mut Random) -> String {
    let mut imports = String::new();
    let mut calls: Vec<(usize, &str)> = Vec::new();
    let mut globals = 0;
    let mut memories = 0;
    let mut tables = 0;
    let mut last = String::new();
    for _ in 0..1 + random.below(7) {
        let from = *random.pick(&MODULES);
        let line = match random.below(9) {
            0 => {
                memories += 1;
                let min = random.below(3);
                let max = *random.pick(&["", "2", "3", "100"]);
                let name = *random.pick(&["memory", "mem", "t"]);
                format!("(import \"{from}\" \"{name}\" (memory {min} {max}))\n")
            }
            1 => {
                tables += 1;
                let name = *random.pick(&["table", "t", "memory", "__indirect_function_table"]);
                format!("(import \"{from}\" \"{name}\" (table {} funcref))\n", random.below(3))
            }
            2 => {
                globals += 1;
                format!("(import \"{from}\" \"{}\" (global i32))\n", random.pick(&GLOBALS))
            }
            _ => {
                let (name, ty) = *random.pick(&FUNCTIONS);
                calls.push((calls.len(), ty));
                format!("(import \"{from}\" \"{name}\" (func {ty}))\n")
            }
        };
        imports += &line;
        if random.one_in(4) && line.contains("(func") {
            // The same twice.
            let ty = calls.last().map_or("", |call| call.1);
            calls.push((calls.len(), ty));
            imports += &line;
        }
        last = line;
    }
    if last.contains("(memory") && random.one_in(2) {
        memories += 1;
        imports += &last;
    }
    let mut rest = String::new();
    if memories == 0 && random.below(4) > 0 {
        memories += 1;
        rest += *random.pick(&["(memory 1)\n", "(memory 2 2)\n", "(memory (export \"m\") 2 40)\n"]);
    }
    if tables == 0 && random.one_in(2) {
        tables += 1;
        rest += "(table 2 funcref)\n";
    }
    if random.one_in(3) {
        rest += "(global $base (export \"__heap_base\") i32 (i32.const 70000))\n";
    }
    if globals > 0 && random.one_in(2) {
        rest += "(global $copy (mut i32) (global.get 0))\n";
    }
    if memories > 0 && random.one_in(2) {
        rest += "(data (i32.const 1024) \"\\70\\11\\01\")\n";
    }
    if memories > 0 && random.one_in(4) {
        rest += "(data (i32.const 131080) \"beyond\")\n";
    }
    if tables > 0 && random.one_in(3) {
        rest += "(elem (i32.const 1) $f0 $f0)\n";
    }
    for function in 0..1 + random.below(4) {
        rest += &format!("(func $f{function}\n");
        for _ in 0..random.below(4) {
            if memories > 0 {
                rest += *random.pick(&[
                    "(drop (memory.size))\n",
                    "(i32.store (i32.const 1024) (i32.add (i32.load (i32.const 1024)) (i32.const 8)))\n",
                    "(drop (memory.grow (i32.const 1)))\n",
                    "",
                    "",
                ]);
            }
            if globals > 0 && random.one_in(3) && memories > 0 {
                rest += "(i32.store (global.get 0) (i32.add (i32.load (global.get 0)) (i32.const 8)))\n";
            }
            if let Some((index, ty)) = calls.get(random.below(calls.len().max(1))) {
                for word in ty.split(['(', ')']).filter(|part| part.starts_with("param")) {
                    for ty in word.split(' ').skip(1) {
                        rest += &format!("({ty}.const {})\n", random.pick(&["1", "16", "1024", "70000"]));
                    }
                }
                rest += &format!("call {index}\n");
                if ty.contains("result") {
                    rest += "drop\n";
                }
                if random.one_in(3) {
                    rest += "unreachable\n";
                }
            }
        }
        rest += ")\n";
    }
    let mut names = EXPORTS.to_vec();
    for _ in 0..random.below(4) {
        let name = names.swap_remove(random.below(names.len()));
        rest += &format!("(export \"{name}\" (func $f0))\n");
    }
    format!("(module\n{imports}{rest})")
}
