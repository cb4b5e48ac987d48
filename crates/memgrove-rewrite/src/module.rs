//! A module as the passes and the encoder see it: what it says ([`Facts`]), its functions on demand ([`Code`]), and
//! wasmparser's own items, which keep what facts leave out and are written again.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;

use memgrove_module::facts::{ExternKind, Facts};
use memgrove_module::{Code, recognise};
use wasmparser::{
    CustomSectionReader, Data, Element, Export, ExternalKind, FuncType, FunctionBody, Global, GlobalType,
    Import, MemoryType, Parser, Payload, Table, TableType, TypeRef,
};

use crate::Error;

/// A module, by the sections of the specification.
pub(crate) struct Module<'a> {
    pub facts: &'a Facts<'a>,
    pub code: Code<'a>,
    pub bytes: &'a [u8],
    /// Flattened type index space; `None` where a type is not a function's.
    pub types: Vec<Option<FuncType>>,
    pub imports: Vec<ImportEntry<'a>>,
    /// Type index of every function, imports first.
    pub funcs: Vec<u32>,
    pub imported_funcs: u32,
    pub tables: Vec<TableType>,
    pub imported_tables: u32,
    pub memories: Vec<MemoryType>,
    pub imported_memories: u32,
    pub globals: Vec<GlobalType>,
    pub imported_globals: u32,
    pub exports: Vec<Export<'a>>,
    pub start: Option<u32>,
    pub elements: Vec<Element<'a>>,
    pub data: Vec<Data<'a>>,
    pub customs: Vec<CustomSectionReader<'a>>,
    pub bodies: Vec<FunctionBody<'a>>,
    /// Where each section lies, as `(id, contents)`, in the order of the file.
    pub sections: Vec<(u8, Range<usize>)>,
    /// What contracts ask of all imports together, once.
    pub asked: Asked,
}

/// Answers about all imports together, which are asked for each.
#[derive(Default)]
pub(crate) struct Asked {
    pub is_minified: OnceCell<bool>,
    pub is_emscripten: OnceCell<bool>,
    pub has_panic_hook: OnceCell<bool>,
    pub tool_is_gone: OnceCell<bool>,
    /// Names of modules from which wasm-bindgen's functions are imported.
    pub glue_modules: OnceCell<BTreeSet<String>>,
}

/// One import and its index in the index space of its kind.
#[derive(Clone, Copy)]
pub(crate) struct ImportEntry<'a> {
    pub import: Import<'a>,
    pub index: u32,
}

impl<'a> Module<'a> {
    /// Reads the sections of a module; of function bodies only where they lie. Linear in the sections' entries.
    pub fn read(facts: &'a Facts<'a>) -> Result<Self, Error> {
        let bytes = facts.bytes();
        let mut module = Self {
            facts,
            code: Code::new(facts),
            bytes,
            types: Vec::new(),
            imports: Vec::new(),
            funcs: Vec::new(),
            imported_funcs: 0,
            tables: Vec::new(),
            imported_tables: 0,
            memories: Vec::new(),
            imported_memories: 0,
            globals: Vec::new(),
            imported_globals: 0,
            exports: Vec::new(),
            start: None,
            elements: Vec::new(),
            data: Vec::new(),
            customs: Vec::new(),
            bodies: Vec::new(),
            sections: Vec::new(),
            asked: Asked::default(),
        };
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            if let Some((id, range)) = payload.as_section() {
                module.sections.push((id, to_usize(range)));
            }
            module.take(payload)?;
        }
        Ok(module)
    }

    fn take(&mut self, payload: Payload<'a>) -> Result<(), Error> {
        match payload {
            Payload::Version { encoding: wasmparser::Encoding::Component, .. } => {
                return Err(Error::Component);
            }
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        self.types.push(match ty.composite_type.inner {
                            wasmparser::CompositeInnerType::Func(ty) => Some(ty),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.take_import(import?);
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.funcs.push(ty?);
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let Table { ty, .. } = table?;
                    self.tables.push(ty);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.memories.push(memory?);
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    let Global { ty, .. } = global?;
                    self.globals.push(ty);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    self.exports.push(export?);
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => {
                for element in section {
                    self.elements.push(element?);
                }
            }
            Payload::DataSection(section) => {
                for data in section {
                    self.data.push(data?);
                }
            }
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::CustomSection(section) => self.customs.push(section),
            _ => {}
        }
        Ok(())
    }

    fn take_import(&mut self, import: Import<'a>) {
        let counter = match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.funcs.push(ty);
                &mut self.imported_funcs
            }
            TypeRef::Table(ty) => {
                self.tables.push(ty);
                &mut self.imported_tables
            }
            TypeRef::Memory(ty) => {
                self.memories.push(ty);
                &mut self.imported_memories
            }
            TypeRef::Global(ty) => {
                self.globals.push(ty);
                &mut self.imported_globals
            }
            TypeRef::Tag(_) => {
                self.imports.push(ImportEntry { import, index: 0 });
                return;
            }
        };
        let index = *counter;
        *counter += 1;
        self.imports.push(ImportEntry { import, index });
    }

    /// Whether a function's type is the one that is written like `i32 i32 -> i32`.
    pub fn has_type(&self, func: u32, text: &str) -> bool {
        self.code.has_type(func, text)
    }

    /// Functions are imported under names that a minifier made.
    pub fn is_minified(&self) -> bool {
        *self.asked.is_minified.get_or_init(|| recognise::is_minified(self.facts))
    }

    /// The type of a function, by its index; `None` if it is not a function type (impossible
    /// in a valid module).
    pub fn func_type(&self, index: u32) -> Option<&FuncType> {
        let ty = *self.funcs.get(index as usize)?;
        self.types.get(ty as usize)?.as_ref()
    }

    /// The name under which an item is exported first.
    pub fn exported_as(&self, kind: ExternalKind, index: u32) -> Option<&'a str> {
        let kind = match kind {
            ExternalKind::Func | ExternalKind::FuncExact => ExternKind::Func,
            ExternalKind::Table => ExternKind::Table,
            ExternalKind::Memory => ExternKind::Memory,
            ExternalKind::Global => ExternKind::Global,
            ExternalKind::Tag => ExternKind::Tag,
        };
        self.facts.exports_of(kind, index).next().map(|export| export.name)
    }
}

/// Whether an export or import is a function.
pub(crate) fn is_func(kind: ExternalKind) -> bool {
    matches!(kind, ExternalKind::Func | ExternalKind::FuncExact)
}

fn to_usize(range: Range<u64>) -> Range<usize> {
    // The input is in memory, so every offset in it fits.
    let fit = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    fit(range.start)..fit(range.end)
}
