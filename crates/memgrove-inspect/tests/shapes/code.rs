//! Much code: growth sites, functions, calls, blocks.

use super::imports::{imports_named, minified};
use super::name;
use super::wasm::{F64, FUNC, I32, MEMORY, Wasm, call, i32_const, leb, section, sized};

/// `memory.grow` by one page.
pub const GROW: &[u8] = &[0x41, 1, 0x40, 0, 0x1a];

pub fn growth_and_exports(n: usize) -> Vec<u8> {
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

pub fn growth_in_one(n: usize) -> Vec<u8> {
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

pub fn growth_long_name(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.memory(1, None);
    let grower = wasm.func(ty, &GROW.repeat(n));
    wasm.export(&"e".repeat((8 * n).min(100_000)), FUNC, grower);
    wasm.names(&[(1, vec![(grower, "g".repeat(8 * n))])]);
    wasm.finish()
}

pub fn growth_chain(n: usize) -> Vec<u8> {
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

pub fn growth_many_names(n: usize) -> Vec<u8> {
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

pub fn sizes_and_callees(n: usize) -> Vec<u8> {
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

pub fn sizes_and_imports(n: usize) -> Vec<u8> {
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

pub fn functions_and_calls(n: usize) -> Vec<u8> {
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

pub fn functions_and_types(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    for i in 0..n {
        let params: Vec<u8> = (0..14).map(|bit| if i >> bit & 1 == 0 { I32 } else { F64 }).collect();
        let ty = wasm.ty(&params, &[]);
        let func = wasm.func(ty, &[]);
        wasm.export(&name(i), FUNC, func);
    }
    wasm.finish()
}

pub fn functions_and_names(n: usize) -> Vec<u8> {
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

pub fn functions_and_locals(n: usize) -> Vec<u8> {
    let mut out = Wasm::default();
    let ty = out.ty(&[], &[]);
    out.memory(1, None);
    for _ in 0..n {
        out.func_with(ty, &[vec![1], leb(50_000), vec![I32]].concat(), &[0x20, 0, 0x1a]);
    }
    out.finish()
}

pub fn functions_tiny(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    for _ in 0..n {
        wasm.func(ty, &[]);
    }
    wasm.finish()
}

pub fn constructors(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    let ty = wasm.ty(&[], &[]);
    wasm.import("env", "memory", MEMORY, &[0, 1]);
    for i in 0..n {
        let func = wasm.func(ty, &[0x01, 0x41, 0, 0x1a]);
        wasm.export(&format!("__GLOBAL__I_{i}"), FUNC, func);
    }
    wasm.finish()
}

pub fn blocks_deep(n: usize) -> Vec<u8> {
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

pub fn branch_tables(n: usize) -> Vec<u8> {
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

pub fn copies(n: usize) -> Vec<u8> {
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

pub fn tees(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    minified(&mut wasm, 1);
    let ty = wasm.ty(&[I32, I32], &[]);
    let body = [i32_const(1), i32_const(2), call(1), [0x22, 0].repeat(n), vec![0x1a]].concat();
    wasm.func(ty, &body);
    wasm.finish()
}

pub fn stores_behind_call(n: usize) -> Vec<u8> {
    let mut wasm = Wasm::default();
    minified(&mut wasm, 1);
    let ty = wasm.ty(&[I32, I32], &[]);
    let one = [i32_const(1), i32_const(2), call(1), vec![0x21, 0], vec![0x20, 0, 0x1a]].concat();
    wasm.func(ty, &one.repeat(n));
    wasm.finish()
}

pub fn start_reaches(n: usize) -> Vec<u8> {
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
pub fn allocator_copies(n: usize) -> Vec<u8> {
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
