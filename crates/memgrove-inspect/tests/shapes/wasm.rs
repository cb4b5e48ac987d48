//! Writes modules, valid and strange ones, byte by byte.

/// A module in the making. Sections are written in the order of the specification.
#[derive(Default)]
pub struct Wasm {
    types: Items,
    imports: Items,
    funcs: Items,
    tables: Items,
    memories: Items,
    tags: Items,
    globals: Items,
    exports: Items,
    start: Option<u32>,
    elements: Items,
    has_data_count: bool,
    code: Items,
    data: Items,
    customs: Vec<u8>,
    /// Number of imported functions.
    imported_funcs: u32,
}

#[derive(Default)]
struct Items {
    count: u32,
    bytes: Vec<u8>,
}

impl Items {
    fn add(&mut self, bytes: &[u8]) -> u32 {
        self.bytes.extend_from_slice(bytes);
        self.count += 1;
        self.count - 1
    }
}

pub const I32: u8 = 0x7f;
pub const I64: u8 = 0x7e;
pub const F64: u8 = 0x7c;
pub const FUNC: u8 = 0;
pub const TABLE: u8 = 1;
pub const MEMORY: u8 = 2;
pub const GLOBAL: u8 = 3;
pub const TAG: u8 = 4;

/// An unsigned number in LEB128.
pub fn leb(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

/// A signed number in LEB128.
pub fn sleb(mut value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0) {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

/// A length, then the bytes.
pub fn sized(bytes: &[u8]) -> Vec<u8> {
    [leb(bytes.len() as u64), bytes.to_vec()].concat()
}

pub fn i32_const(value: i32) -> Vec<u8> {
    [vec![0x41], sleb(i64::from(value))].concat()
}

pub fn call(func: u32) -> Vec<u8> {
    [vec![0x10], leb(u64::from(func))].concat()
}

/// A section, or nothing if it has no contents.
pub fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    [vec![id], sized(contents)].concat()
}

/// A custom section.
pub fn custom(name: &str, contents: &[u8]) -> Vec<u8> {
    section(0, &[sized(name.as_bytes()), contents.to_vec()].concat())
}

impl Wasm {
    pub fn ty(&mut self, params: &[u8], results: &[u8]) -> u32 {
        self.types.add(&[vec![0x60], sized(params), sized(results)].concat())
    }

    pub fn import(&mut self, module: &str, name: &str, kind: u8, ty: &[u8]) -> u32 {
        if kind == FUNC {
            self.imported_funcs += 1;
        }
        self.imports
            .add(&[sized(module.as_bytes()), sized(name.as_bytes()), vec![kind], ty.to_vec()].concat())
    }

    pub fn import_func(&mut self, module: &str, name: &str, ty: u32) -> u32 {
        self.import(module, name, FUNC, &leb(u64::from(ty)));
        self.imported_funcs - 1
    }

    /// An entry of the import section as it is: the compact forms among others.
    pub fn import_raw(&mut self, bytes: &[u8], funcs: u32) {
        self.imports.add(bytes);
        self.imported_funcs += funcs;
    }

    /// A function without locals; `code` is without its `end`.
    pub fn func(&mut self, ty: u32, code: &[u8]) -> u32 {
        self.code.add(&sized(&[vec![0], code.to_vec(), vec![0x0b]].concat()));
        self.imported_funcs + self.funcs.add(&leb(u64::from(ty)))
    }

    /// A function with local declarations as they are.
    pub fn func_with(&mut self, ty: u32, locals: &[u8], code: &[u8]) -> u32 {
        self.code.add(&sized(&[locals.to_vec(), code.to_vec(), vec![0x0b]].concat()));
        self.imported_funcs + self.funcs.add(&leb(u64::from(ty)))
    }

    pub fn table(&mut self, min: u64) -> u32 {
        self.tables.add(&[vec![0x70, 0], leb(min)].concat())
    }

    pub fn memory(&mut self, min: u64, max: Option<u64>) -> u32 {
        let limits = match max {
            Some(max) => [vec![1], leb(min), leb(max)].concat(),
            None => [vec![0], leb(min)].concat(),
        };
        self.memories.add(&limits)
    }

    pub fn tag(&mut self, ty: u32) -> u32 {
        self.tags.add(&[vec![0], leb(u64::from(ty))].concat())
    }

    pub fn global(&mut self, ty: u8, mutable: bool, init: &[u8]) -> u32 {
        self.globals.add(&[vec![ty, u8::from(mutable)], init.to_vec(), vec![0x0b]].concat())
    }

    pub fn export(&mut self, name: &str, kind: u8, index: u32) {
        self.exports.add(&[sized(name.as_bytes()), vec![kind], leb(u64::from(index))].concat());
    }

    pub fn start(&mut self, func: u32) {
        self.start = Some(func);
    }

    pub fn element(&mut self, at: i32, funcs: &[u32]) {
        let list: Vec<u8> = funcs.iter().flat_map(|&func| leb(u64::from(func))).collect();
        let bytes = [vec![0], i32_const(at), vec![0x0b], leb(funcs.len() as u64), list].concat();
        self.elements.add(&bytes);
    }

    pub fn data(&mut self, at: i32, bytes: &[u8]) {
        self.data.add(&[vec![0], i32_const(at), vec![0x0b], sized(bytes)].concat());
    }

    pub fn passive(&mut self, bytes: &[u8]) {
        self.has_data_count = true;
        self.data.add(&[vec![1], sized(bytes)].concat());
    }

    pub fn custom(&mut self, name: &str, contents: &[u8]) {
        self.customs.extend(custom(name, contents));
    }

    /// A name section; `subsections` are of functions (1), globals (7) and so on.
    pub fn names(&mut self, subsections: &[(u8, Vec<(u32, String)>)]) {
        let mut contents = Vec::new();
        for (id, names) in subsections {
            let mut map = leb(names.len() as u64);
            for (index, name) in names {
                map.extend(leb(u64::from(*index)));
                map.extend(sized(name.as_bytes()));
            }
            contents.extend(section(*id, &map));
        }
        self.custom("name", &contents);
    }

    pub fn finish(self) -> Vec<u8> {
        let mut out = b"\0asm\x01\0\0\0".to_vec();
        let mut add = |id: u8, items: &Items| {
            if items.count > 0 {
                out.extend(section(id, &[leb(u64::from(items.count)), items.bytes.clone()].concat()));
            }
        };
        add(1, &self.types);
        add(2, &self.imports);
        add(3, &self.funcs);
        add(4, &self.tables);
        add(5, &self.memories);
        add(13, &self.tags);
        add(6, &self.globals);
        add(7, &self.exports);
        if let Some(start) = self.start {
            out.extend(section(8, &leb(u64::from(start))));
        }
        let mut add = |id: u8, items: &Items| {
            if items.count > 0 {
                out.extend(section(id, &[leb(u64::from(items.count)), items.bytes.clone()].concat()));
            }
        };
        add(9, &self.elements);
        if self.has_data_count {
            out.extend(section(12, &leb(u64::from(self.data.count))));
        }
        let mut add = |id: u8, items: &Items| {
            if items.count > 0 {
                out.extend(section(id, &[leb(u64::from(items.count)), items.bytes.clone()].concat()));
            }
        };
        add(10, &self.code);
        add(11, &self.data);
        out.extend(self.customs);
        out
    }
}
