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

use memgrove_module::facts::{ExternKind, MemoryType, SiteKind};
use memgrove_module::{Facts, PAGE_SIZE_LOG2};
use wasmparser::BinaryReader;

/// The sections of a module in their order, by id and by the name that facts have for them.
const ORDER: [(u8, &str); 13] = [
    (1, "type"),
    (IMPORTS, "import"),
    (FUNCTIONS, "function"),
    (4, "table"),
    (MEMORIES, "memory"),
    (13, "tag"),
    (6, "global"),
    (EXPORTS, "export"),
    (8, "start"),
    (9, "element"),
    (12, "data count"),
    (CODE, "code"),
    (11, "data"),
];
const IMPORTS: u8 = 2;
const FUNCTIONS: u8 = 3;
const MEMORIES: u8 = 5;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;

/// What is inside a module, as far as copies need it.
pub(super) struct Anatomy<'a> {
    facts: &'a Facts<'a>,
    /// The first memory and where its limits stand.
    memory: Option<(MemoryType, Range<usize>)>,
    /// Some memory is imported or exported, so that a host can see one.
    shows_memory: bool,
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
    /// What the module says.
    pub fn facts(&self) -> &'a Facts<'a> {
        self.facts
    }

    /// Of a module that was read; `None` for one whose memory stands where copies cannot change it.
    pub fn new(facts: &'a Facts<'a>) -> Option<Self> {
        let is_imported = |memory: &memgrove_module::facts::Memory| memory.import.is_some();
        let memory = match facts.memories.first() {
            None => None,
            Some(memory) => {
                let at = memory.offset as usize;
                let limits = match memory.import.and_then(|at| facts.imports.get(at as usize)) {
                    Some(import) => limits_of_import(facts.bytes(), at, (import.module, import.name))?,
                    None => limits(facts.bytes(), at)?,
                };
                Some((memory.ty, limits))
            }
        };
        let shows_memory = facts.memories.iter().any(is_imported)
            || facts.exports.iter().any(|export| export.kind == ExternKind::Memory);
        Some(Self { facts, memory, shows_memory })
    }

    /// The module that was read.
    pub fn wasm(&self) -> &'a [u8] {
        self.facts.bytes()
    }

    /// The type of the first memory.
    pub fn memory(&self) -> Option<MemoryType> {
        self.memory.as_ref().map(|(ty, _)| *ty)
    }

    /// Number of imported functions.
    pub fn imported_count(&self) -> u32 {
        self.facts.imported_func_count()
    }

    /// Names under which imported functions are exported.
    pub fn exported_imports(&self) -> impl Iterator<Item = &'a str> {
        let imported = self.imported_count();
        let exports = self.facts.exports.iter();
        let functions = exports.filter(|export| export.kind == ExternKind::Func);
        functions.filter(move |export| export.index < imported).map(|export| export.name)
    }

    /// Names under which a function is exported.
    pub fn names_of(&self, function: u32) -> impl Iterator<Item = &'a str> {
        self.facts.exports_of(ExternKind::Func, function).map(|export| export.name)
    }

    /// Code of the module grows memory.
    pub fn grows(&self) -> bool {
        self.facts.grow_sites().next().is_some()
    }

    /// Functions that grow memory, then those that call them, and so on for some levels.
    pub fn growing(&self, most: usize) -> Vec<u32> {
        const LEVELS: usize = 3;
        let sites = self.facts.first_sites(|site| matches!(site.kind, SiteKind::Grow { .. }));
        let mut chosen: Vec<u32> = sites.map(|site| site.func).take(most).collect();
        let mut level = chosen.clone();
        let defined = self.imported_count()..self.facts.func_count();
        for _ in 0..LEVELS {
            if level.is_empty() || chosen.len() >= most {
                break;
            }
            let calls = |function: u32| {
                let callees = self.facts.call_graph.callees(function);
                level.iter().any(|callee| callees.binary_search(callee).is_ok())
            };
            let callers = defined
                .clone()
                .filter(|function| !chosen.contains(function) && calls(*function))
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
        while self.facts.exports.iter().any(|export| export.name.starts_with(&prefix)) {
            prefix.push('/');
        }
        let (mut types, mut bodies, mut exports) = (Vec::new(), Vec::new(), Vec::new());
        for &function in &shown.functions {
            let index = match self.facts.imported_funcs.get(function as usize) {
                None => function,
                // Called from outside, an import has no module behind it.
                Some(import) => {
                    types.push(leb(import.type_index));
                    bodies.push(self.wrapper(function));
                    self.facts.func_count() + count(types.len()) - 1
                }
            };
            exports.push(export(&format!("{prefix}{function}"), 0, index));
        }
        if self.memory.is_some() && !self.shows_memory {
            exports.push(export(&format!("{prefix}memory"), 2, 0));
        }
        let mut out = b"\0asm\x01\0\0\0".to_vec();
        for (id, name) in ORDER {
            let mut sections = self.facts.sections.iter();
            let found = sections.find(|section| !section.custom && section.name == name).map(|section| {
                let start = section.offset as usize;
                start..start + section.size_bytes as usize
            });
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
        let contents = &self.wasm()[range.clone()];
        if matches!(id, IMPORTS | MEMORIES)
            && let Some((ty, limits)) = &self.memory
            && range.contains(&limits.start)
            && limits.end <= range.end
        {
            let least = shown.maximum_pages.unwrap_or(0);
            let max_pages = ty.max_pages.map(|maximum| maximum.max(least));
            if ty.shared || max_pages != ty.max_pages {
                let mut changed = self.wasm()[range.start..limits.start].to_vec();
                changed.extend(encode_limits(&MemoryType { max_pages, shared: false, ..*ty }));
                changed.extend(&self.wasm()[limits.end..range.end]);
                return Some(changed);
            }
        }
        Some(if added.is_empty() { contents.to_vec() } else { append(contents, added) })
    }

    /// The body of a function that hands its arguments on to an imported one.
    fn wrapper(&self, function: u32) -> Vec<u8> {
        let mut body = vec![0];
        for at in 0..self.facts.func_type(function).map_or(0, |ty| count(ty.params().len())) {
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

/// The same for a memory that is imported by the entry that begins at `at`. None for one in a group, whose entries share
/// a name or a type: it cannot be changed alone.
fn limits_of_import(wasm: &[u8], at: usize, names: (&str, &str)) -> Option<Range<usize>> {
    const MEMORY: u8 = 2;
    let mut reader = BinaryReader::new(wasm.get(at..)?, 0);
    let is_alone = (reader.read_string().ok()?, reader.read_string().ok()?) == names;
    (is_alone && reader.read_u8().ok()? == MEMORY).then(|| limits(wasm, at + position(&reader))).flatten()
}

fn encode_limits(ty: &MemoryType) -> Vec<u8> {
    let flag = |is: bool, bit: u8| if is { bit } else { 0 };
    let page_size = Some(ty.page_size_log2).filter(|log2| *log2 != PAGE_SIZE_LOG2);
    let mut out = vec![
        flag(ty.max_pages.is_some(), 1)
            | flag(ty.shared, 2)
            | flag(ty.memory64, 4)
            | flag(page_size.is_some(), 8),
    ];
    out.extend(leb64(ty.min_pages));
    out.extend(ty.max_pages.into_iter().flat_map(leb64));
    out.extend(page_size.into_iter().flat_map(leb));
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
    use memgrove_module::facts;

    use super::*;

    fn memory(copy: &Copy) -> MemoryType {
        facts(&copy.wasm).expect("a copy is valid").memories.first().expect("a memory").ty
    }

    /// A copy of a module given as text, as text.
    fn copied(text: &str, functions: &[u32], maximum_pages: Option<u64>) -> Copy {
        let wasm = wat::parse_str(text).expect("the test's text is well-formed");
        let facts = facts(&wasm).expect("the test's module is valid");
        let anatomy = Anatomy::new(&facts).expect("it can be copied");
        anatomy.copy(&Shown { functions: functions.to_vec(), maximum_pages })
    }

    #[test]
    fn a_memory_in_a_group_of_imports_is_not_copied() {
        // Module `m`, then a group of entries that share it: `a` is a memory of one page.
        let group = b"\x02\x0b\x01\x01m\x00\x7f\x01\x01a\x02\x00\x01";
        let wasm = [b"\0asm\x01\0\0\0".as_slice(), group].concat();
        let facts = facts(&wasm).expect("the test's module is valid");
        assert_eq!(facts.memories.len(), 1);
        assert!(Anatomy::new(&facts).is_none());
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
        let facts = facts(&copy.wasm).expect("a copy is valid");
        let anatomy = Anatomy::new(&facts).expect("a copy can be copied");
        assert!(anatomy.shows_memory && anatomy.grows());
        assert_eq!(copy.name(0), "probe//0", "a name that the module has not");
        assert_eq!(anatomy.names_of(3).collect::<Vec<_>>(), ["probe//0"], "a function that calls the import");
        assert_eq!(anatomy.names_of(1).collect::<Vec<_>>(), ["probe//1"], "the function itself");
        assert_eq!(anatomy.growing(9), [1, 2]);
    }

    #[test]
    fn a_module_of_imports_alone_gets_the_sections_it_lacks() {
        let copy = copied(r#"(module (import "env" "f" (func)) (import "env" "m" (memory 0)))"#, &[0], None);
        let facts = facts(&copy.wasm).expect("a copy is valid");
        assert_eq!(facts.exported_func("probe/0"), Some(1));
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
            let memory = memory(&copy);
            assert_eq!((memory.min_pages, memory.max_pages), (3, Some(300)), "{text}");
            assert!(!memory.shared, "{text}: one thread runs it");
            let memory = self::memory(&copied(text, &[], Some(2)));
            assert_eq!((memory.min_pages, memory.max_pages), (3, Some(3)), "{text}: never lowered");
        }
    }
}
