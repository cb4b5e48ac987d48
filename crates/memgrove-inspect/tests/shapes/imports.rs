//! Many imports, and what refers to them.

use super::name;
use super::wasm::{F64, FUNC, GLOBAL, I32, I64, MEMORY, TABLE, Wasm, call, i32_const, leb, sized};

pub fn imports_named(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[I32], &[I32]);
    for i in 0..n {
        wasm.import_func("env", &name(i), ty);
    }
    wasm.finish()
}

pub fn imports_nameless(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    for _ in 0..n {
        wasm.import_func("", "", ty);
    }
    wasm.finish()
}

pub fn imports_growing(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[I32], &[I32]);
    for _ in 0..n {
        wasm.import_func("env", "emscripten_resize_heap", ty);
    }
    wasm.memory(1, None);
    wasm.finish()
}

pub fn imports_compact(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    let long = "m".repeat(n.min(100_000));
    // A module name, an empty name, 0x7f: then the items.
    let item = |i: usize| [sized(format!("{i:x}").as_bytes()), vec![FUNC], leb(u64::from(ty))].concat();
    let items: Vec<u8> = (0..n).flat_map(item).collect();
    wasm.import_raw(&[sized(long.as_bytes()), vec![0, 0x7f], leb(n as u64), items].concat(), n as u32);
    wasm.finish()
}

pub fn imports_wide(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    // wasmparser bounds the sum of the sizes of the types of all imports and exports.
    let ty = wasm.ty(&[I64; 60], &[I32]);
    for i in 0..n {
        let func = wasm.import_func("env", &name(i), ty);
        wasm.export(&name(i), FUNC, func);
    }
    wasm.finish()
}

pub fn imports_invoke(n: usize) -> Vec<u8> {
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

pub fn imports_syscall(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[I32, I32], &[I32]);
    for _ in 0..n {
        wasm.import_func("env", "__syscall1", ty);
    }
    wasm.memory(1, None);
    wasm.finish()
}

pub fn imports_glue(n: usize) -> Vec<u8> {
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

pub fn imports_of_one_stand_in(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[I32, I32, I32], &[I32]);
    for _ in 0..n {
        wasm.import_func("env", "emscripten_memcpy_big", ty);
    }
    wasm.memory(1, None);
    wasm.finish()
}

/// Emscripten's way of growing, so that minified names are looked at: the growing import is the first.
pub fn minified(wasm: &mut Wasm, n: usize) -> u32 {
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

pub fn imports_minified(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    minified(&mut wasm, n);
    let all: Vec<u8> = (1..=n as u32)
        .flat_map(|i| [i32_const(1), i32_const(2), call(i), vec![0x45, 0x1a]].concat())
        .collect();
    let ty = wasm.ty(&[], &[]);
    wasm.func(ty, &all);
    wasm.finish()
}

pub fn imports_minified_apart(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    minified(&mut wasm, n);
    let ty = wasm.ty(&[], &[]);
    for i in 1..=n as u32 {
        wasm.func(ty, &[i32_const(1), i32_const(2), call(i), vec![0x45, 0x1a]].concat());
    }
    wasm.finish()
}

pub fn tables_and_exports(n: usize) -> Vec<u8> {
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

pub fn globals_and_reads(n: usize) -> Vec<u8> {
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

pub fn globals_minified(n: usize) -> Vec<u8> {
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
