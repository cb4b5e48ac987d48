//! The outside of a module: what it imports and exports, with types. Engines report these in their own
//! types, or, like JavaScript, not at all.

use wasmparser::{CompositeInnerType, ExternalKind, FuncType, Parser, Payload, TypeRef};

use super::demand::Declared;
use super::{EngineError, Signature};

/// Imports and exports of a module.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// In the module's order.
    pub imports: Vec<Import>,
    /// In the module's order.
    pub exports: Vec<Export>,
    /// What it takes.
    pub(super) declared: Declared,
}

/// One import.
#[derive(Clone, Debug)]
pub struct Import {
    /// Module name.
    pub module: String,
    /// Field name.
    pub name: String,
    /// What it is.
    pub kind: ImportKind,
}

/// What an import is, with its type.
#[derive(Clone, Debug)]
pub enum ImportKind {
    /// A function.
    Function(Signature),
    /// A memory.
    Memory {
        /// Pages it must have at least.
        minimum_pages: u64,
        /// Pages it may have at most.
        maximum_pages: Option<u64>,
        /// Whether threads share it.
        shared: bool,
        /// Whether addresses have 64 bits.
        memory64: bool,
    },
    /// A table.
    Table {
        /// Elements it must have at least.
        minimum_elements: u64,
        /// Elements it may have at most.
        maximum_elements: Option<u64>,
        /// Whether it holds functions (else external references).
        functions: bool,
    },
    /// A global.
    Global {
        /// Type of its value.
        value: super::ValueType,
        /// Whether it can change.
        mutable: bool,
    },
    /// An exception tag.
    Tag,
}

/// One export.
#[derive(Clone, Debug)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ExportKind,
}

/// What an export is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// A function.
    Function(Signature),
    /// A memory.
    Memory,
    /// A table.
    Table,
    /// A global.
    Global {
        /// Type of its value.
        value: super::ValueType,
        /// Whether it can change.
        mutable: bool,
    },
    /// An exception tag.
    Tag,
}

impl Shape {
    /// Reads the outside of a module. The code is not looked at; the engine validates it.
    ///
    /// # Errors
    /// [`EngineError::Compile`] with the byte offset.
    pub fn of(wasm: &[u8]) -> Result<Self, EngineError> {
        read(wasm).map_err(|error| EngineError::Compile { words: error.to_string() })
    }

    /// The type of an exported function.
    ///
    /// # Errors
    /// [`EngineError::Export`] if there is none of that name.
    pub fn function(&self, name: &str) -> Result<&Signature, EngineError> {
        match self.exports.iter().find(|export| export.name == name).map(|export| &export.kind) {
            Some(ExportKind::Function(signature)) => Ok(signature),
            Some(_) => Err(EngineError::export(name, "is not a function")),
            None => Err(EngineError::export(name, "does not exist")),
        }
    }

    /// Bytes of the largest function body: what compiling takes grows with it.
    #[must_use]
    pub const fn largest_body_bytes(&self) -> u64 {
        self.declared.largest_body
    }

    /// Name of the exported memory that a host would use: `memory`, else the first.
    ///
    /// # Errors
    /// [`EngineError::Export`] if none is exported.
    pub fn main_memory(&self) -> Result<&str, EngineError> {
        let memories = || self.exports.iter().filter(|export| export.kind == ExportKind::Memory);
        let chosen = memories().find(|export| export.name == "memory").or_else(|| memories().next());
        let none = || EngineError::export("memory", "the module shows no memory");
        chosen.map(|export| export.name.as_str()).ok_or_else(none)
    }

    /// Name of the first exported table.
    ///
    /// # Errors
    /// [`EngineError::Export`] if none is exported.
    pub fn main_table(&self) -> Result<&str, EngineError> {
        let first = self.exports.iter().find(|export| export.kind == ExportKind::Table);
        let none = || EngineError::export("table", "the module shows no table");
        first.map(|export| export.name.as_str()).ok_or_else(none)
    }
}

fn read(wasm: &[u8]) -> wasmparser::Result<Shape> {
    let mut types: Vec<Option<FuncType>> = Vec::new();
    let mut functions: Vec<u32> = Vec::new();
    let mut globals: Vec<wasmparser::GlobalType> = Vec::new();
    let mut shape = Shape::default();
    let signature = |types: &[Option<FuncType>], index: u32| {
        let function = types.get(index as usize).and_then(Option::as_ref);
        function.map_or_else(Signature::default, |function| Signature {
            parameters: function.params().iter().map(|&value| value.into()).collect(),
            results: function.results().iter().map(|&value| value.into()).collect(),
        })
    };
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::TypeSection(section) => {
                for group in section {
                    types.extend(group?.into_types().map(|sub| match sub.composite_type.inner {
                        CompositeInnerType::Func(function) => Some(function),
                        _ => None,
                    }));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    let kind = match import.ty {
                        TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                            functions.push(index);
                            ImportKind::Function(signature(&types, index))
                        }
                        TypeRef::Memory(memory) => {
                            shape.declared.memory(&memory, Some(shape.imports.len()));
                            ImportKind::Memory {
                                minimum_pages: memory.initial,
                                maximum_pages: memory.maximum,
                                shared: memory.shared,
                                memory64: memory.memory64,
                            }
                        }
                        TypeRef::Table(table) => {
                            shape.declared.table(&table, Some(shape.imports.len()));
                            ImportKind::Table {
                                minimum_elements: table.initial,
                                maximum_elements: table.maximum,
                                functions: table.element_type.is_func_ref(),
                            }
                        }
                        TypeRef::Global(global) => {
                            globals.push(global);
                            ImportKind::Global { value: global.content_type.into(), mutable: global.mutable }
                        }
                        TypeRef::Tag(_) => ImportKind::Tag,
                    };
                    let (module, name) = (import.module.to_owned(), import.name.to_owned());
                    shape.imports.push(Import { module, name, kind });
                }
            }
            Payload::FunctionSection(section) => {
                for index in section {
                    functions.push(index?);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    shape.declared.memory(&memory?, None);
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    shape.declared.table(&table?.ty, None);
                }
            }
            Payload::StartSection { .. } => shape.declared.starts = true,
            Payload::CodeSectionEntry(body) => {
                let bytes = body.range().end.saturating_sub(body.range().start);
                shape.declared.largest_body = shape.declared.largest_body.max(bytes);
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    globals.push(global?.ty);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let at = export.index as usize;
                    let kind = match export.kind {
                        ExternalKind::Func | ExternalKind::FuncExact => {
                            let index = functions.get(at).copied().unwrap_or(u32::MAX);
                            ExportKind::Function(signature(&types, index))
                        }
                        ExternalKind::Memory => {
                            shape.declared.exports_memory(at);
                            ExportKind::Memory
                        }
                        ExternalKind::Table => ExportKind::Table,
                        ExternalKind::Global => match globals.get(at) {
                            Some(global) => ExportKind::Global {
                                value: global.content_type.into(),
                                mutable: global.mutable,
                            },
                            None => continue,
                        },
                        ExternalKind::Tag => ExportKind::Tag,
                    };
                    shape.exports.push(Export { name: export.name.to_owned(), kind });
                }
            }
            _ => {}
        }
    }
    Ok(shape)
}
