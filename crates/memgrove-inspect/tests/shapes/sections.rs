//! Many items of sections, and many modules.

use super::code::GROW;
use super::name;
use super::wasm::{
    FUNC, GLOBAL, I32, MEMORY, TABLE, TAG, Wasm, call, custom, i32_const, leb, section, sized,
};

pub fn exports_of_one(n: usize) -> Vec<u8> {
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

pub fn names_long(n: usize) -> Vec<u8> {
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

pub fn data_and_constants(n: usize) -> Vec<u8> {
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

pub fn data_overlapping(n: usize) -> Vec<u8> {
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

pub fn data_of_texts(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    wasm.memory(16384, None);
    let texts =
        b"/dlmalloc-0.2. rustc /src/dlmalloc.rs AssemblyScript ~lib/rt go.buildid wasm-bindgen panicked at ";
    wasm.data(4096, &texts.iter().copied().cycle().take(32 * n).collect::<Vec<u8>>());
    let names = (0..1).map(|i| (i, String::from_utf8_lossy(texts).repeat(n / 4 + 1))).collect();
    wasm.names(&[(1, names)]);
    wasm.finish()
}

pub fn data_of_breaks(n: usize) -> Vec<u8> {
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

pub fn data_passive(n: usize) -> Vec<u8> {
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

pub fn break_cells(n: usize) -> Vec<u8> {
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

pub fn elements_and_functions(n: usize) -> Vec<u8> {
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

pub fn tables_and_elements(n: usize) -> Vec<u8> {
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

pub fn globals_and_exports(n: usize) -> Vec<u8> {
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

pub fn tags_and_exports(n: usize) -> Vec<u8> {
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

pub fn memories_and_exports(n: usize) -> Vec<u8> {
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

pub fn custom_sections(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    wasm.memory(1, None);
    for i in 0..n {
        wasm.custom(&name(i), b"");
    }
    wasm.finish()
}

pub fn name_sections(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.import("env", "memory", MEMORY, &[0, 1]);
    wasm.func(ty, &[]);
    for _ in 0..n {
        wasm.names(&[(1, vec![(0, "f".to_owned())])]);
    }
    wasm.finish()
}

pub fn producers_of_one(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let values: Vec<u8> = (0..n).flat_map(|_| [0, 0]).collect();
    let field = "f".repeat(n);
    let one = [sized(field.as_bytes()), leb(n as u64), values].concat();
    wasm.custom("producers", &[vec![1], one].concat());
    wasm.finish()
}

pub fn dylink_needed(n: usize) -> Vec<u8> {
    let names: Vec<u8> = (0..n).flat_map(|i| sized(name(i).as_bytes())).collect();
    let needed = section(2, &[leb(n as u64), names].concat());
    let mut out = b"\0asm\x01\0\0\0".to_vec();
    out.extend(custom("dylink.0", &needed));
    out
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

pub fn component_modules(n: usize) -> Vec<u8> {
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

pub fn components_deep(n: usize) -> Vec<u8> {
    let mut out = COMPONENT.to_vec();
    for _ in 0..n {
        out = [COMPONENT.to_vec(), section(4, &out)].concat();
    }
    out
}
