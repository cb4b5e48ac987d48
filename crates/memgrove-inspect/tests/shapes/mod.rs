//! Modules of `n` things of one kind times `n` of another: what is done for each pair of them shows.
//!
//! A file grows with `n` in proportion. So must the time, the memory and the report.
#![allow(dead_code, reason = "each test that includes this uses a part of it")]
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "numbers here are small")]

pub mod counting;
mod wasm;

use wasm::{F64, FUNC, GLOBAL, I32, I64, MEMORY, TABLE, TAG, call, custom, i32_const, leb, sized};
pub use wasm::{Wasm, section};

/// A kind of module, by the number of its parts.
pub type Shape = fn(usize) -> Vec<u8>;

/// All kinds, with their names.
pub const SHAPES: &[(&str, Shape)] = &[
    ("imports with names", imports_named),
    ("imports without names", imports_nameless),
    ("imports that grow memory", imports_growing),
    ("compact imports of one long module name", imports_compact),
    ("imports of a wide type", imports_wide),
    ("imports of invoke, each of its own type", imports_invoke),
    ("imports of raw system calls", imports_syscall),
    ("imports of JavaScript glue", imports_glue),
    ("imports of one stand-in", imports_of_one_stand_in),
    ("minified imports called in one function", imports_minified),
    ("minified imports called in a function each", imports_minified_apart),
    ("imported tables, names taken by exports", tables_and_exports),
    ("imported globals with copies and reads", globals_and_reads),
    ("imported globals with letters for names", globals_minified),
    ("growth sites and exports", growth_and_exports),
    ("growth sites in one function, and its callers", growth_in_one),
    ("growth sites in a function with a long name", growth_long_name),
    ("growth sites reached by a chain of calls", growth_chain),
    ("growth sites reached from one export under many names", growth_many_names),
    ("size sites and callees", sizes_and_callees),
    ("size sites and imports", sizes_and_imports),
    ("functions and calls", functions_and_calls),
    ("functions and types", functions_and_types),
    ("functions and names", functions_and_names),
    ("functions with many locals", functions_and_locals),
    ("tiny functions", functions_tiny),
    ("constructors", constructors),
    ("exports of one function", exports_of_one),
    ("long names", names_long),
    ("data segments and constants", data_and_constants),
    ("data segments over each other", data_overlapping),
    ("data of rule texts", data_of_texts),
    ("data of heap bases, and functions", data_of_breaks),
    ("passive segments", data_passive),
    ("break cells and data", break_cells),
    ("element segments and functions", elements_and_functions),
    ("tables and element segments", tables_and_elements),
    ("globals and exports", globals_and_exports),
    ("tags and exports", tags_and_exports),
    ("memories and exports", memories_and_exports),
    ("custom sections", custom_sections),
    ("name sections", name_sections),
    ("producers of one field", producers_of_one),
    ("libraries needed", dylink_needed),
    ("deep blocks", blocks_deep),
    ("branch tables", branch_tables),
    ("copies to memcpy's import", copies),
    ("tees behind a call", tees),
    ("stores behind a call", stores_behind_call),
    ("start function that reaches all", start_reaches),
    ("copies of one allocator", allocator_copies),
    ("modules in a component", component_modules),
    ("components in components", components_deep),
];

fn name(i: usize) -> String {
    format!("name_{i}")
}

fn imports_named(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[I32], &[I32]);
    for i in 0..n {
        wasm.import_func("env", &name(i), ty);
    }
    wasm.finish()
}

fn imports_nameless(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    for _ in 0..n {
        wasm.import_func("", "", ty);
    }
    wasm.finish()
}

fn imports_growing(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[I32], &[I32]);
    for _ in 0..n {
        wasm.import_func("env", "emscripten_resize_heap", ty);
    }
    wasm.memory(1, None);
    wasm.finish()
}

fn imports_compact(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    let long = "m".repeat(n.min(100_000));
    // A module name, an empty name, 0x7f: then the items.
    let item = |i: usize| [sized(format!("{i:x}").as_bytes()), vec![FUNC], leb(u64::from(ty))].concat();
    let items: Vec<u8> = (0..n).flat_map(item).collect();
    wasm.import_raw(&[sized(long.as_bytes()), vec![0, 0x7f], leb(n as u64), items].concat(), n as u32);
    wasm.finish()
}

fn imports_wide(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    // wasmparser bounds the sum of the sizes of the types of all imports and exports.
    let ty = wasm.ty(&[I64; 60], &[I32]);
    for i in 0..n {
        let func = wasm.import_func("env", &name(i), ty);
        wasm.export(&name(i), FUNC, func);
    }
    wasm.finish()
}

fn imports_invoke(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    for i in 0..n {
        // A binary number of two types, twelve digits long.
        let mut params = vec![I32];
        params.extend((0..12).map(|bit| if i >> bit & 1 == 0 { I32 } else { F64 }));
        let ty = wasm.ty(&params, &[]);
        wasm.import_func("env", &format!("invoke_{i}"), ty);
    }
    wasm.table(8);
    wasm.finish()
}

fn imports_syscall(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[I32, I32], &[I32]);
    for _ in 0..n {
        wasm.import_func("env", "__syscall1", ty);
    }
    wasm.memory(1, None);
    wasm.finish()
}

fn imports_glue(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let new = wasm.ty(&[], &[I32]);
    let stack = wasm.ty(&[I32, I32], &[]);
    for i in 0..n {
        let (stem, ty) = [("new", new), ("stack", stack), ("error", stack)][i % 3];
        wasm.import_func("wbg", &format!("__wbg_{stem}_{i:016x}"), ty);
    }
    wasm.memory(1, None);
    wasm.finish()
}

fn imports_of_one_stand_in(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[I32, I32, I32], &[I32]);
    for _ in 0..n {
        wasm.import_func("env", "emscripten_memcpy_big", ty);
    }
    wasm.memory(1, None);
    wasm.finish()
}

/// Emscripten's way of growing, so that minified names are looked at: the growing import is the first.
fn minified(wasm: &mut Wasm, n: usize) -> u32 {
    let ty = wasm.ty(&[I32], &[I32]);
    let other = wasm.ty(&[I32, I32], &[I32]);
    wasm.import_func("a", "a", ty);
    for i in 0..n {
        let letter = |digit: usize| char::from(b'a' + (digit % 26) as u8);
        let short: String = [letter(i / 676), letter(i / 26), letter(i)].iter().collect();
        wasm.import_func("a", &short, other);
    }
    wasm.memory(1, None);
    let sbrk = [vec![0x3f, 0, 0x41, 16, 0x74, 0x1a, 0x20, 0], call(0)].concat();
    wasm.func(ty, &sbrk)
}

fn imports_minified(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    minified(&mut wasm, n);
    let all: Vec<u8> = (1..=n as u32)
        .flat_map(|i| [i32_const(1), i32_const(2), call(i), vec![0x45, 0x1a]].concat())
        .collect();
    let ty = wasm.ty(&[], &[]);
    wasm.func(ty, &all);
    wasm.finish()
}

fn imports_minified_apart(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    minified(&mut wasm, n);
    let ty = wasm.ty(&[], &[]);
    for i in 1..=n as u32 {
        wasm.func(ty, &[i32_const(1), i32_const(2), call(i), vec![0x45, 0x1a]].concat());
    }
    wasm.finish()
}

fn tables_and_exports(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    for _ in 0..n {
        wasm.import("env", "t", TABLE, &[0x70, 0, 1]);
    }
    let func = wasm.func(ty, &[]);
    wasm.export("t", FUNC, func);
    for i in 1..n {
        wasm.export(&format!("t_{i}"), FUNC, func);
    }
    wasm.finish()
}

fn globals_and_reads(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    for i in 0..n {
        wasm.import("env", &name(i), GLOBAL, &[I32, 0]);
    }
    for i in 0..n {
        wasm.global(I32, true, &[vec![0x23], leb(i as u64)].concat());
    }
    let reads: Vec<u8> = (0..2 * n).flat_map(|i| [vec![0x23], leb(i as u64), vec![0x1a]].concat()).collect();
    wasm.func(ty, &reads);
    wasm.memory(1, None);
    wasm.finish()
}

fn globals_minified(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    for _ in 0..n {
        wasm.import("env", "a", GLOBAL, &[I32, 0]);
    }
    for i in 0..n {
        wasm.global(I32, true, &[vec![0x23], leb(i as u64)].concat());
    }
    wasm.import("env", "memory", MEMORY, &[0, 16]);
    // A break behind the last of them: all others are looked at before.
    for i in 0..n as u64 {
        let get = [vec![0x23], leb(i)].concat();
        let last = i + 1 == n as u64;
        let load = [get.clone(), vec![0x28, 2, 0, 0x1a]].concat();
        let store = [get.clone(), i32_const(7), vec![0x36, 2, 0]].concat();
        wasm.func(ty, &if last { [load, store].concat() } else { [get, vec![0x1a]].concat() });
    }
    wasm.finish()
}

/// `memory.grow` by one page.
const GROW: &[u8] = &[0x41, 1, 0x40, 0, 0x1a];

fn growth_and_exports(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(1, None);
    for i in 0..n {
        wasm.func(ty, GROW);
        let other = wasm.func(ty, &[]);
        wasm.export(&name(i), FUNC, other);
    }
    wasm.finish()
}

fn growth_in_one(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(1, None);
    let grower = wasm.func(ty, &GROW.repeat(n));
    for i in 0..n {
        let caller = wasm.func(ty, &call(grower));
        wasm.export(&name(i), FUNC, caller);
    }
    wasm.finish()
}

fn growth_long_name(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(1, None);
    let grower = wasm.func(ty, &GROW.repeat(n));
    wasm.export(&"e".repeat((8 * n).min(100_000)), FUNC, grower);
    wasm.names(&[(1, vec![(grower, "g".repeat(8 * n))])]);
    wasm.finish()
}

fn growth_chain(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(1, None);
    for i in 0..n as u32 {
        let next = if i + 1 < n as u32 { call(i + 1) } else { Vec::new() };
        wasm.func(ty, &[next, GROW.to_vec()].concat());
    }
    wasm.export("main", FUNC, 0);
    wasm.finish()
}

fn growth_many_names(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(1, None);
    let main = n as u32;
    for _ in 0..n {
        wasm.func(ty, GROW);
    }
    let all: Vec<u8> = (0..main).flat_map(call).collect();
    let main = wasm.func(ty, &all);
    for i in 0..n {
        wasm.export(&name(i), FUNC, main);
    }
    wasm.finish()
}

fn sizes_and_callees(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(1, None);
    for _ in 0..n {
        wasm.func(ty, &[]);
    }
    let body: Vec<u8> = (0..n as u32).flat_map(|i| [vec![0x3f, 0, 0x1a], call(i)].concat()).collect();
    wasm.func(ty, &body);
    wasm.finish()
}

fn sizes_and_imports(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[I32], &[I32]);
    for i in 0..n {
        wasm.import_func("a", &name(i), ty);
    }
    wasm.memory(1, None);
    for i in 0..n as u32 {
        wasm.func(ty, &[vec![0x3f, 0, 0x1a, 0x20, 0], call(i)].concat());
    }
    wasm.finish()
}

fn functions_and_calls(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(1, None);
    for i in 0..n {
        let calls: Vec<u8> = (0..8).flat_map(|k| call(((i * 7 + k * 13) % n) as u32)).collect();
        wasm.func(ty, &[calls, GROW.to_vec()].concat());
    }
    wasm.start(0);
    wasm.finish()
}

fn functions_and_types(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    for i in 0..n {
        let params: Vec<u8> = (0..14).map(|bit| if i >> bit & 1 == 0 { I32 } else { F64 }).collect();
        let ty = wasm.ty(&params, &[]);
        let func = wasm.func(ty, &[]);
        wasm.export(&name(i), FUNC, func);
    }
    wasm.finish()
}

fn functions_and_names(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(1, None);
    let mut names = Vec::new();
    for i in 0..n {
        let func = wasm.func(ty, GROW);
        names.push((func, format!("_GLOBAL__sub_I_{i}")));
    }
    wasm.names(&[(1, names)]);
    wasm.finish()
}

fn functions_and_locals(n: usize) -> Vec<u8> {
    let mut out = Wasm::default();
    let ty = out.ty(&[], &[]);
    out.memory(1, None);
    for _ in 0..n {
        out.func_with(ty, &[vec![1], leb(50_000), vec![I32]].concat(), &[0x20, 0, 0x1a]);
    }
    out.finish()
}

fn functions_tiny(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    for _ in 0..n {
        wasm.func(ty, &[]);
    }
    wasm.finish()
}

fn constructors(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.import("env", "memory", MEMORY, &[0, 1]);
    for i in 0..n {
        let func = wasm.func(ty, &[0x01, 0x41, 0, 0x1a]);
        wasm.export(&format!("__GLOBAL__I_{i}"), FUNC, func);
    }
    wasm.finish()
}

fn exports_of_one(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[I32], &[I32]);
    wasm.import("env", "memory", MEMORY, &[0, 1]);
    let func = wasm.func(ty, &[vec![0x20, 0, 0x40, 0]].concat());
    for i in 0..n {
        wasm.export(&format!("x_malloc_{i}"), FUNC, func);
        wasm.export(&format!("memory_{i}"), FUNC, func);
    }
    wasm.finish()
}

fn names_long(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    let long = |letter: &str| letter.repeat((16 * n).min(100_000));
    wasm.import_func(&long("m"), &long("i"), ty);
    wasm.import_func(&long("m"), "emscripten_resize_heap", ty);
    wasm.memory(1, None);
    let func = wasm.func(ty, GROW);
    wasm.start(func);
    wasm.export(&long("e"), FUNC, func);
    wasm.export(&long("f"), MEMORY, 0);
    wasm.names(&[(1, vec![(func, "_GLOBAL__".to_owned() + &"g".repeat(32 * n))]), (7, vec![(0, long("v"))])]);
    wasm.custom(&"c".repeat(16 * n), b"");
    let field = "field".repeat(4 * n);
    wasm.custom("producers", &[vec![1], sized(field.as_bytes()), vec![1], sized(b"x"), sized(b"y")].concat());
    wasm.custom("target_features", &[vec![1, b'+'], sized("t".repeat(16 * n).as_bytes())].concat());
    wasm.finish()
}

fn data_and_constants(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(16384, None);
    let loads: Vec<u8> =
        (0..n).flat_map(|i| [i32_const(4096 + 8 * i as i32), vec![0x28, 2, 0, 0x1a]].concat()).collect();
    wasm.func(ty, &[vec![0x3f, 0, 0x1a], loads, GROW.to_vec()].concat());
    for i in 0..n {
        wasm.data(1 << 20 | (8 * i as i32), b"data");
    }
    wasm.finish()
}

fn data_overlapping(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(16384, None);
    let loads: Vec<u8> = (0..n)
        .flat_map(|i| [i32_const(4096 + 4 * (i % 64) as i32), vec![0x28, 2, 0, 0x1a]].concat())
        .collect();
    wasm.func(ty, &[vec![0x3f, 0, 0x1a], loads].concat());
    for i in 0..n {
        wasm.data(4096 - (i % 7) as i32, &[1; 16]);
    }
    wasm.finish()
}

fn data_of_texts(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    wasm.memory(16384, None);
    let texts =
        b"/dlmalloc-0.2. rustc /src/dlmalloc.rs AssemblyScript ~lib/rt go.buildid wasm-bindgen panicked at ";
    wasm.data(4096, &texts.iter().copied().cycle().take(32 * n).collect::<Vec<u8>>());
    let names = (0..1).map(|i| (i, String::from_utf8_lossy(texts).repeat(n / 4 + 1))).collect();
    wasm.names(&[(1, names)]);
    wasm.finish()
}

fn data_of_breaks(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    let memory = wasm.memory(1000, None);
    wasm.export("memory", MEMORY, memory);
    let base: i32 = 1 << 20;
    let global = wasm.global(I32, false, &i32_const(base));
    wasm.export("__heap_base", GLOBAL, global);
    wasm.data(1024, &base.to_le_bytes().repeat(n));
    // Each loads from one of them, and stores elsewhere.
    for i in 0..n as i32 {
        let load = [i32_const(1024 + 4 * i), vec![0x28, 2, 0, 0x1a]].concat();
        let store = [i32_const(8), i32_const(7), vec![0x36, 2, 0]].concat();
        wasm.func(ty, &[load, store].concat());
    }
    wasm.finish()
}

fn data_passive(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(1000, None);
    let mut body = Vec::new();
    for i in 0..n {
        wasm.passive(b"passive");
        body.extend([i32_const(1024 + 8 * i as i32), i32_const(0), i32_const(7)].concat());
        body.extend([vec![0xfc, 8], leb(i as u64), vec![0]].concat());
    }
    let init = wasm.func(ty, &body);
    wasm.start(init);
    wasm.finish()
}

fn break_cells(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[I32], &[I32]);
    wasm.import_func("env", "emscripten_resize_heap", ty);
    wasm.import("env", "memory", MEMORY, &[0, 16]);
    let cells: Vec<u8> = (0..n as i32)
        .flat_map(|i| {
            let at = i32_const(1024 + 4 * i);
            [at.clone(), at, vec![0x28, 2, 0, 0x36, 2, 0]].concat()
        })
        .collect();
    wasm.func(ty, &[cells, vec![0x20, 0], call(0)].concat());
    for i in 0..n {
        wasm.data(0x8_0000 + 4 * i as i32, &[0; 4]);
    }
    wasm.finish()
}

fn elements_and_functions(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(1, None);
    wasm.table(n as u64);
    for i in 0..n {
        let func = wasm.func(ty, GROW);
        wasm.element(i as i32, &[func]);
    }
    wasm.finish()
}

fn tables_and_elements(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    let func = wasm.func(ty, &[]);
    for i in 0..n {
        let table = wasm.table(20_000_000 / n as u64);
        wasm.export(&name(i), TABLE, table);
        wasm.element(0, &[func]);
    }
    wasm.finish()
}

fn globals_and_exports(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    wasm.memory(1, None);
    let mut names = Vec::new();
    for i in 0..n {
        let global = wasm.global(I32, true, &i32_const(66560 + i as i32));
        wasm.export(&name(i), GLOBAL, global);
        names.push((global, format!("~lib/{i}/x")));
    }
    wasm.names(&[(7, names)]);
    wasm.finish()
}

fn tags_and_exports(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[I32], &[]);
    for i in 0..n {
        wasm.import("env", &name(i), TAG, &[vec![0], leb(u64::from(ty))].concat());
    }
    for i in 0..n {
        wasm.tag(ty);
        wasm.export(&name(i), TAG, i as u32);
    }
    wasm.finish()
}

fn memories_and_exports(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let memories = n.min(100) as u32;
    for _ in 0..memories {
        wasm.import("env", "memory", MEMORY, &[0, 1]);
    }
    for i in 0..n {
        wasm.export(&name(i), MEMORY, i as u32 % memories.div_ceil(2));
    }
    wasm.finish()
}

fn custom_sections(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    wasm.memory(1, None);
    for i in 0..n {
        wasm.custom(&name(i), b"");
    }
    wasm.finish()
}

fn name_sections(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.import("env", "memory", MEMORY, &[0, 1]);
    wasm.func(ty, &[]);
    for _ in 0..n {
        wasm.names(&[(1, vec![(0, "f".to_owned())])]);
    }
    wasm.finish()
}

fn producers_of_one(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let values: Vec<u8> = (0..n).flat_map(|_| [0, 0]).collect();
    let field = "f".repeat(n);
    let one = [sized(field.as_bytes()), leb(n as u64), values].concat();
    wasm.custom("producers", &[vec![1], one].concat());
    wasm.finish()
}

fn dylink_needed(n: usize) -> Vec<u8> {
    let names: Vec<u8> = (0..n).flat_map(|i| sized(name(i).as_bytes())).collect();
    let needed = section(2, &[leb(n as u64), names].concat());
    let mut out = b"\0asm\x01\0\0\0".to_vec();
    out.extend(custom("dylink.0", &needed));
    out
}

fn blocks_deep(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    minified(&mut wasm, 1);
    let ty = wasm.ty(&[], &[]);
    let mut body = Vec::new();
    for i in 0..n {
        body.extend([0x02, 0x40]);
        body.extend([i32_const(1), i32_const(2), call(1), vec![0x0d], leb(i as u64)].concat());
    }
    body.extend(vec![0x0b; n]);
    wasm.func(ty, &body);
    wasm.finish()
}

fn branch_tables(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(1, None);
    let table = [vec![0x41, 0, 0x0e], leb(n as u64), vec![0; n + 1]].concat();
    let body = [vec![0x02, 0x40], table, vec![0x0b], GROW.to_vec()].concat();
    for _ in 0..4 {
        wasm.func(ty, &body);
    }
    wasm.finish()
}

fn copies(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let grow = wasm.ty(&[I32], &[I32]);
    let copy = wasm.ty(&[I32, I32, I32], &[I32]);
    wasm.import_func("a", "a", grow);
    wasm.import_func("a", "b", copy);
    wasm.memory(1, None);
    wasm.func(grow, &[vec![0x3f, 0, 0x1a, 0x20, 0], call(0)].concat());
    let one = [vec![0x20, 0, 0x20, 1, 0x20, 2], call(1), vec![0x1a]].concat();
    let compare = [vec![0x20, 1], i32_const(512), vec![0x4f, 0x1a]].concat();
    let body = [one.repeat(n), compare.repeat(n), vec![0x20, 0]].concat();
    wasm.func(copy, &body);
    wasm.finish()
}

fn tees(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    minified(&mut wasm, 1);
    let ty = wasm.ty(&[I32, I32], &[]);
    let body = [i32_const(1), i32_const(2), call(1), [0x22, 0].repeat(n), vec![0x1a]].concat();
    wasm.func(ty, &body);
    wasm.finish()
}

fn stores_behind_call(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    minified(&mut wasm, 1);
    let ty = wasm.ty(&[I32, I32], &[]);
    let one = [i32_const(1), i32_const(2), call(1), vec![0x21, 0], vec![0x20, 0, 0x1a]].concat();
    wasm.func(ty, &one.repeat(n));
    wasm.finish()
}

fn start_reaches(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    for i in 0..n as u32 {
        let func = wasm.func(ty, &if i + 1 < n as u32 { call(i + 1) } else { Vec::new() });
        wasm.export(&format!("_GLOBAL__{i}"), FUNC, func);
    }
    wasm.start(0);
    wasm.finish()
}

/// A module of our own with its longest functions repeated until it has `n` more.
fn allocator_copies(n: usize) -> Vec<u8> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/prebuilt");
    let mut files: Vec<_> = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .filter_map(|path| std::fs::read(path).ok())
        .collect();
    files.sort_by_key(|file| (file.len(), file.clone()));
    let Some(module) = files.first() else { return imports_named(n) };
    repeat_functions(module, n / 8).unwrap_or_else(|| imports_named(n))
}

fn repeat_functions(module: &[u8], n: usize) -> Option<Vec<u8>> {
    let (mut types, mut bodies) = (Vec::new(), Vec::new());
    let mut sections = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        let payload = payload.ok()?;
        if let Some((id, range)) = payload.as_section() {
            sections.push((id, module.get(range.start as usize..range.end as usize)?.to_vec()));
        }
        match payload {
            wasmparser::Payload::FunctionSection(section) => {
                types = section.into_iter().map(Result::unwrap).collect();
            }
            wasmparser::Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes().to_vec()),
            _ => {}
        }
    }
    let mut order: Vec<usize> = (0..bodies.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(bodies[i].len()));
    for at in order.into_iter().take(8).cycle().take(n) {
        types.push(types[at]);
        bodies.push(bodies[at].clone());
    }
    let mut out = b"\0asm\x01\0\0\0".to_vec();
    for (id, contents) in sections {
        let contents = match id {
            3 => {
                let list: Vec<u8> = types.iter().flat_map(|&ty| leb(u64::from(ty))).collect();
                [leb(types.len() as u64), list].concat()
            }
            10 => {
                let list: Vec<u8> = bodies.iter().flat_map(|body| sized(body)).collect();
                [leb(bodies.len() as u64), list].concat()
            }
            _ => contents,
        };
        out.extend(section(id, &contents));
    }
    Some(out)
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn component_modules(n: usize) -> Vec<u8> {
    let mut out = COMPONENT.to_vec();
    for _ in 0..(n / 8).min(999) {
        let mut wasm = Wasm::default();
        let ty = wasm.ty(&[], &[]);
        for i in 0..8 {
            wasm.import_func("env", &name(i), ty);
        }
        wasm.custom("padding", &[0; 1024]);
        out.extend(section(1, &wasm.finish()));
    }
    out
}

fn components_deep(n: usize) -> Vec<u8> {
    let mut out = COMPONENT.to_vec();
    for _ in 0..n {
        out = [COMPONENT.to_vec(), section(4, &out)].concat();
    }
    out
}
