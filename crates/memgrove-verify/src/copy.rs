//! Copies of a module that show more of it: functions that it does not export, its memory, a larger maximum.
//!
//! ```wat
//! ;; before
//! (import "env" "sbrk" (func $sbrk (param i32) (result i32)))
//! ;; after: called from the module, so that the host finds the memory to work on
//! (import "env" "sbrk" (func $sbrk (param i32) (result i32)))
//! (func (export "probe/0") (param i32) (result i32) (call $sbrk (local.get 0)))
//! ```
//!
//! Everything else stays as it is, byte for byte, so that a copy runs as the module does. No index moves. A shared
//! memory is not shared in a copy, which one thread runs: engines do not let a host read a shared one.

use std::ops::Range;

use wasmparser::{
    BinaryReader, CompositeInnerType, ExternalKind, Imports, MemoryType, Operator, Parser, Payload, TypeRef,
};

/// The order of the sections in a module, by their ids.
const ORDER: [u8; 13] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
const IMPORTS: u8 = 2;
const FUNCTIONS: u8 = 3;
const MEMORIES: u8 = 5;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;

/// What is inside a module, as far as copies need it.
pub(super) struct Anatomy<'a> {
    wasm: &'a [u8],
    /// Contents of the sections that are not custom, by id.
    sections: Vec<(u8, Range<usize>)>,
    /// Number of parameters of each type, 0 for one that is no function.
    parameters: Vec<u32>,
    /// Type index of each imported function.
    imported: Vec<u32>,
    /// Functions in all.
    function_count: u32,
    /// The first memory and where its limits stand.
    memory: Option<(MemoryType, Range<usize>)>,
    /// Some memory is imported or exported, so that a host can see one.
    shows_memory: bool,
    export_names: Vec<&'a str>,
    /// Functions that are exported, by index.
    exported: Vec<(u32, &'a str)>,
    /// Of each function that the module defines: whether it grows memory itself, and whom it calls.
    bodies: Vec<(bool, Vec<u32>)>,
}

/// What a copy shows in addition.
#[derive(Default)]
pub(super) struct Shown {
    /// Functions by index.
    pub functions: Vec<u32>,
    /// The least maximum of the first memory in pages; none: as it is.
    pub maximum_pages: Option<u64>,
}

/// A copy, and how its functions are named.
pub(super) struct Copy {
    pub wasm: Vec<u8>,
    prefix: String,
}

impl Copy {
    /// The name that a function which was asked for is exported under.
    pub fn name(&self, function: u32) -> String {
        format!("{}{function}", self.prefix)
    }

    /// The name is one that the copy has and the module has not.
    pub fn is_added(&self, name: &str) -> bool {
        name.starts_with(&self.prefix)
    }
}

impl<'a> Anatomy<'a> {
    /// Reads a valid module; `None` for one whose memory stands where copies cannot change it.
    pub fn read(wasm: &'a [u8]) -> Option<Self> {
        let mut anatomy = Self {
            wasm,
            sections: Vec::new(),
            parameters: Vec::new(),
            imported: Vec::new(),
            function_count: 0,
            memory: None,
            shows_memory: false,
            export_names: Vec::new(),
            exported: Vec::new(),
            bodies: Vec::new(),
        };
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.ok()?;
            if let Some((id, range)) = payload.as_section().filter(|(id, _)| *id != 0) {
                let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
                anatomy.sections.push((id, range));
            }
            match payload {
                Payload::TypeSection(section) => {
                    for group in section {
                        let counts = group.ok()?.into_types().map(|sub| match sub.composite_type.inner {
                            CompositeInnerType::Func(function) => count(function.params().len()),
                            _ => 0,
                        });
                        anatomy.parameters.extend(counts);
                    }
                }
                Payload::ImportSection(section) => anatomy.imports(section)?,
                Payload::FunctionSection(section) => anatomy.function_count += section.count(),
                Payload::MemorySection(section) => {
                    if let (None, Some(first)) =
                        (&anatomy.memory, section.into_iter_with_offsets().next().transpose().ok()?)
                    {
                        let (at, ty) = first;
                        anatomy.memory = Some((ty, limits(wasm, usize::try_from(at).ok()?)?));
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.ok()?;
                        anatomy.export_names.push(export.name);
                        match export.kind {
                            ExternalKind::Memory => anatomy.shows_memory = true,
                            ExternalKind::Func | ExternalKind::FuncExact => {
                                anatomy.exported.push((export.index, export.name));
                            }
                            _ => {}
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let (mut grows, mut calls) = (false, Vec::new());
                    for operator in body.get_operators_reader().ok()? {
                        match operator.ok()? {
                            Operator::MemoryGrow { .. } => grows = true,
                            Operator::Call { function_index } | Operator::ReturnCall { function_index }
                                if !calls.contains(&function_index) || calls.len() > 64 =>
                            {
                                calls.push(function_index);
                            }
                            _ => {}
                        }
                    }
                    anatomy.bodies.push((grows, calls));
                }
                _ => {}
            }
        }
        anatomy.function_count += count(anatomy.imported.len());
        Some(anatomy)
    }

    fn imports(&mut self, section: wasmparser::ImportSectionReader<'a>) -> Option<()> {
        for group in section {
            match group.ok()? {
                Imports::Single(at, import) => match import.ty {
                    TypeRef::Func(ty) | TypeRef::FuncExact(ty) => self.imported.push(ty),
                    TypeRef::Memory(ty) => {
                        self.shows_memory = true;
                        let at = limits_of_import(self.wasm, usize::try_from(at).ok()?)?;
                        self.memory.get_or_insert((ty, at));
                    }
                    _ => {}
                },
                // Compact groups share one type; a memory in one cannot be changed alone.
                group => {
                    for import in group {
                        match import.ok()?.1.ty {
                            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => self.imported.push(ty),
                            TypeRef::Memory(_) => return None,
                            _ => {}
                        }
                    }
                }
            }
        }
        Some(())
    }

    /// The module that was read.
    pub const fn wasm(&self) -> &'a [u8] {
        self.wasm
    }

    /// The type of the first memory.
    pub fn memory(&self) -> Option<MemoryType> {
        self.memory.as_ref().map(|(ty, _)| *ty)
    }

    /// Number of imported functions.
    pub fn imported_count(&self) -> u32 {
        count(self.imported.len())
    }

    /// Names under which imported functions are exported.
    pub fn exported_imports(&self) -> impl Iterator<Item = &'a str> {
        let imported = self.imported_count();
        self.exported.iter().filter(move |(index, _)| *index < imported).map(|(_, name)| *name)
    }

    /// Names under which a function is exported.
    pub fn names_of(&self, function: u32) -> impl Iterator<Item = &'a str> {
        self.exported.iter().filter(move |(index, _)| *index == function).map(|(_, name)| *name)
    }

    /// Code of the module grows memory.
    pub fn grows(&self) -> bool {
        self.bodies.iter().any(|(grows, _)| *grows)
    }

    /// Functions that grow memory, then those that call them, and so on for some levels.
    pub fn growing(&self, most: usize) -> Vec<u32> {
        const LEVELS: usize = 3;
        let imported = self.imported_count();
        let mut chosen: Vec<u32> = (imported..)
            .zip(&self.bodies)
            .filter(|(_, (grows, _))| *grows)
            .map(|(index, _)| index)
            .take(most)
            .collect();
        let mut level = chosen.clone();
        for _ in 0..LEVELS {
            if level.is_empty() || chosen.len() >= most {
                break;
            }
            let callers = (imported..)
                .zip(&self.bodies)
                .filter(|(index, (_, calls))| {
                    !chosen.contains(index) && calls.iter().any(|callee| level.contains(callee))
                })
                .map(|(index, _)| index)
                .take(most - chosen.len());
            level = callers.collect();
            chosen.extend(&level);
        }
        chosen.truncate(most);
        chosen
    }

    /// The copy that shows so much.
    pub fn copy(&self, shown: &Shown) -> Copy {
        let mut prefix = "probe/".to_owned();
        while self.export_names.iter().any(|name| name.starts_with(&prefix)) {
            prefix.push('/');
        }
        let (mut types, mut bodies, mut exports) = (Vec::new(), Vec::new(), Vec::new());
        for &function in &shown.functions {
            let index = match self.imported.get(function as usize) {
                None => function,
                // Called from outside, an import has no module behind it.
                Some(&ty) => {
                    types.push(leb(ty));
                    bodies.push(self.wrapper(function, ty));
                    self.function_count + count(types.len()) - 1
                }
            };
            exports.push(export(&format!("{prefix}{function}"), 0, index));
        }
        if self.memory.is_some() && !self.shows_memory {
            exports.push(export(&format!("{prefix}memory"), 2, 0));
        }
        let mut out = b"\0asm\x01\0\0\0".to_vec();
        for id in ORDER {
            let found = self.sections.iter().find(|(have, _)| *have == id).map(|(_, range)| range.clone());
            let added: &[Vec<u8>] = match id {
                FUNCTIONS => &types,
                EXPORTS => &exports,
                CODE => &bodies,
                _ => &[],
            };
            let Some(contents) = self.section(id, found, shown, added) else { continue };
            out.push(id);
            out.extend(leb(count(contents.len())));
            out.extend(contents);
        }
        Copy { wasm: out, prefix }
    }

    /// A section with what is added to it; `None` if there is none.
    fn section(
        &self,
        id: u8,
        range: Option<Range<usize>>,
        shown: &Shown,
        added: &[Vec<u8>],
    ) -> Option<Vec<u8>> {
        let Some(range) = range else { return (!added.is_empty()).then(|| append(&[0], added)) };
        let contents = &self.wasm[range.clone()];
        if matches!(id, IMPORTS | MEMORIES)
            && let Some((ty, limits)) = &self.memory
            && range.contains(&limits.start)
        {
            let least = shown.maximum_pages.unwrap_or(0);
            let maximum = ty.maximum.map(|maximum| maximum.max(least));
            if ty.shared || maximum != ty.maximum {
                let mut changed = self.wasm[range.start..limits.start].to_vec();
                changed.extend(encode_limits(&MemoryType { maximum, shared: false, ..*ty }));
                changed.extend(&self.wasm[limits.end..range.end]);
                return Some(changed);
            }
        }
        Some(if added.is_empty() { contents.to_vec() } else { append(contents, added) })
    }

    /// The body of a function that hands its arguments on to an imported one.
    fn wrapper(&self, function: u32, ty: u32) -> Vec<u8> {
        let mut body = vec![0];
        for at in 0..self.parameters.get(ty as usize).copied().unwrap_or(0) {
            body.push(0x20);
            body.extend(leb(at));
        }
        body.push(0x10);
        body.extend(leb(function));
        body.push(0x0b);
        let mut sized = leb(count(body.len()));
        sized.extend(body);
        sized
    }
}

/// A vector of the format with more elements.
fn append(contents: &[u8], added: &[Vec<u8>]) -> Vec<u8> {
    let mut reader = BinaryReader::new(contents, 0);
    let had = reader.read_var_u32().unwrap_or(0);
    let rest = contents.get(position(&reader)..).unwrap_or_default();
    let mut out = leb(had + count(added.len()));
    out.extend(rest);
    out.extend(added.iter().flatten());
    out
}

fn position(reader: &BinaryReader<'_>) -> usize {
    usize::try_from(reader.original_position()).unwrap_or(usize::MAX)
}

/// Where the limits of a memory stand that begin at `at`.
fn limits(wasm: &[u8], at: usize) -> Option<Range<usize>> {
    let mut reader = BinaryReader::new(wasm.get(at..)?, 0);
    let flags = reader.read_u8().ok()?;
    for _ in 0..1 + u32::from(flags & 1 != 0) + u32::from(flags & 8 != 0) {
        reader.read_var_u64().ok()?;
    }
    Some(at..at + position(&reader))
}

/// The same for a memory that is imported by the entry that begins at `at`.
fn limits_of_import(wasm: &[u8], at: usize) -> Option<Range<usize>> {
    const MEMORY: u8 = 2;
    let mut reader = BinaryReader::new(wasm.get(at..)?, 0);
    reader.read_string().ok()?;
    reader.read_string().ok()?;
    (reader.read_u8().ok()? == MEMORY).then(|| limits(wasm, at + position(&reader))).flatten()
}

fn encode_limits(ty: &MemoryType) -> Vec<u8> {
    let flag = |is: bool, bit: u8| if is { bit } else { 0 };
    let mut out = vec![
        flag(ty.maximum.is_some(), 1)
            | flag(ty.shared, 2)
            | flag(ty.memory64, 4)
            | flag(ty.page_size_log2.is_some(), 8),
    ];
    out.extend(leb64(ty.initial));
    out.extend(ty.maximum.into_iter().flat_map(leb64));
    out.extend(ty.page_size_log2.into_iter().flat_map(leb));
    out
}

fn export(name: &str, kind: u8, index: u32) -> Vec<u8> {
    let mut out = leb(count(name.len()));
    out.extend(name.as_bytes());
    out.push(kind);
    out.extend(leb(index));
    out
}

fn leb(number: u32) -> Vec<u8> {
    leb64(number.into())
}

fn leb64(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

/// A number of things in a module, which has no more than 32 bits of them.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A copy of a module given as text, as text.
    fn copied(text: &str, functions: &[u32], maximum_pages: Option<u64>) -> Copy {
        let wasm = wat::parse_str(text).expect("the test's text is well-formed");
        let anatomy = Anatomy::read(&wasm).expect("it can be copied");
        let copy = anatomy.copy(&Shown { functions: functions.to_vec(), maximum_pages });
        wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
            .validate_all(&copy.wasm)
            .expect("a copy is valid");
        copy
    }

    #[test]
    fn imports_inner_functions_and_memory_are_shown() {
        let text = r#"(module
            (import "env" "f" (func (param i32 f64) (result i64)))
            (memory 1 2)
            (func $inner (result i32) (memory.grow (i32.const 1)))
            (func (export "probe/0") (drop (call $inner)))
            (data (i32.const 0) "x"))"#;
        let copy = copied(text, &[0, 1], None);
        let anatomy = Anatomy::read(&copy.wasm).expect("a copy can be copied");
        assert!(anatomy.shows_memory && anatomy.grows());
        assert_eq!(copy.name(0), "probe//0", "a name that the module has not");
        assert_eq!(anatomy.names_of(3).collect::<Vec<_>>(), ["probe//0"], "a function that calls the import");
        assert_eq!(anatomy.names_of(1).collect::<Vec<_>>(), ["probe//1"], "the function itself");
        assert_eq!(anatomy.growing(9), [1, 2]);
    }

    #[test]
    fn a_module_of_imports_alone_gets_the_sections_it_lacks() {
        let copy = copied(r#"(module (import "env" "f" (func)) (import "env" "m" (memory 0)))"#, &[0], None);
        assert_eq!(Anatomy::read(&copy.wasm).expect("valid").names_of(1).collect::<Vec<_>>(), ["probe/0"]);
    }

    #[test]
    fn a_maximum_is_raised_wherever_the_memory_stands() {
        for text in [
            r#"(module (import "env" "m" (memory 3 3)) (import "env" "f" (func)))"#,
            "(module (memory 3 3) (memory 1 1))",
            "(module (memory i64 3 3))",
            "(module (memory 3 3 shared))",
        ] {
            let copy = copied(text, &[], Some(300));
            let memory = Anatomy::read(&copy.wasm).expect("valid").memory().expect("a memory");
            assert_eq!((memory.initial, memory.maximum), (3, Some(300)), "{text}");
            assert!(!memory.shared, "{text}: one thread runs it");
            let same = copied(text, &[], Some(2));
            let memory = Anatomy::read(&same.wasm).expect("valid").memory().expect("a memory");
            assert_eq!((memory.initial, memory.maximum), (3, Some(3)), "{text}: never lowered");
        }
    }
}
