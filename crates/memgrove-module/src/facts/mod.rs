//! What the file says, before anything is concluded from it.
//!
//! [`facts`] validates the input and gathers everything in one pass; text and bytes are borrowed from the
//! input. All offsets are byte offsets in the whole input, also for a module inside a component.

mod budget;
mod call_graph;
mod code;
mod collect;
mod custom;
mod encoding;
mod exports;
mod names;
mod numbers;
mod proposals;
mod sections;
mod types;
mod value_types;
mod wasm_types;

pub use call_graph::{CallGraph, Callers};
pub use custom::{Custom, Dylink, Producer, TargetFeature};
pub use names::{NameMap, Names};
pub use numbers::Numbers;
pub use proposals::{FirstUse, FloatUse, Proposal, ProposalsUsed};
pub use types::{
    ActiveData, ConstExpr, DataSegment, ElementMode, ElementSegment, Export, ExternKind, ExternType,
    Function, Global, GlobalType, Import, ImportedFunc, Memory, MemoryType, PAGE_BYTES, PAGE_SIZE_LOG2,
    Section, Site, SiteKind, TableType,
};
pub use value_types::{FuncType, TypeDef, ValType};

use crate::Error;
use serde::Serialize;
use std::ops::Range;

/// Validates `bytes` (a core module or a component) and gathers what it says.
///
/// Every proposal that wasmparser knows is accepted; which ones are used is a fact like any other.
/// Time and memory are linear in the input.
///
/// # Errors
/// When the bytes are not WebAssembly, are cut short or break the specification; the error knows where.
pub fn facts(bytes: &[u8]) -> Result<Facts<'_>, Error> {
    collect::collect(bytes)
}

/// What kind of binary it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum BinaryKind {
    /// A core module.
    #[default]
    Module,
    /// A component; its core modules are in [`Component::modules`].
    Component,
}

/// What a module or component says.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    bytes: &'a [u8],
    range: Range<u32>,
    export_index: exports::ExportIndex,
    /// Module or component.
    pub kind: BinaryKind,
    /// Sections in the order of the file.
    pub sections: Vec<Section<'a>>,
    /// The type index space.
    pub types: Vec<TypeDef>,
    /// Imports in the order of the file.
    pub imports: Vec<Import<'a>>,
    /// Exports in the order of the file.
    pub exports: Vec<Export<'a>>,
    /// The imported functions; they come first in the function index space.
    pub imported_funcs: Vec<ImportedFunc>,
    /// Functions defined in the module; they follow the imported ones in the function index space.
    pub functions: Vec<Function>,
    /// The table index space.
    pub tables: Vec<TableType>,
    /// The memory index space.
    pub memories: Vec<Memory>,
    /// The global index space.
    pub globals: Vec<Global>,
    /// Number of exception tags, imported and defined.
    pub tag_count: u32,
    /// The start function.
    pub start: Option<Start>,
    /// Element segments.
    pub elements: Vec<ElementSegment>,
    /// Function indices of all element segments, one after the other.
    pub element_funcs: Vec<u32>,
    /// Data segments.
    pub data: Vec<DataSegment<'a>>,
    /// The `name` section.
    pub names: Names<'a>,
    /// Other custom sections with a known meaning.
    pub custom: Custom<'a>,
    /// Direct calls.
    pub call_graph: CallGraph,
    /// Functions of which `ref.func` takes the address in code or a global, sorted.
    pub referenced_funcs: Vec<u32>,
    /// Globals that code sets, sorted.
    pub written_globals: Vec<u32>,
    /// Functions that read an imported global, or a defined one that copies it, as `(global, function)`, in the order of
    /// the file.
    pub global_reads: Vec<(u32, u32)>,
    /// Whether some code catches exceptions.
    pub catches: bool,
    /// Every `memory.grow`, `memory.size`, `memory.init`, atomic wait and `table.grow`, in the order of the file.
    pub sites: Vec<Site>,
    /// Proposals used.
    pub proposals: ProposalsUsed,
    /// What only a component has.
    pub component: Option<Component<'a>>,
}

/// The start function of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Function index.
    pub func: u32,
    /// Byte offset of the section's contents.
    pub offset: u32,
}

/// What a component says.
#[derive(Debug, Clone, Default)]
pub struct Component<'a> {
    /// Names of what it imports, with their byte offsets.
    pub imports: Vec<ComponentItem<'a>>,
    /// Names of what it exports, with their byte offsets.
    pub exports: Vec<ComponentItem<'a>>,
    /// The core modules inside, also those of components inside this one, in the order of the file.
    pub modules: Vec<Facts<'a>>,
    /// Number of components nested inside, at any depth.
    pub nested_components: u32,
}

/// An import or export of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ComponentItem<'a> {
    /// Its name, such as `wasi:cli/run@0.2.0`.
    pub name: &'a str,
    /// Byte offset of its section.
    pub offset: u32,
}

impl<'a> Facts<'a> {
    /// The whole input (for a module inside a component, the component).
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where in the input this module or component is.
    #[must_use]
    pub fn range(&self) -> Range<u32> {
        self.range.clone()
    }

    /// Size of this module or component in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        u64::from(self.range.end - self.range.start)
    }

    /// Number of imported functions.
    #[must_use]
    pub fn imported_func_count(&self) -> u32 {
        offset32(self.imported_funcs.len() as u64)
    }

    /// Number of functions, imported and defined.
    #[must_use]
    pub fn func_count(&self) -> u32 {
        self.imported_func_count() + offset32(self.functions.len() as u64)
    }

    /// The type with this index, if it is a function type.
    #[must_use]
    pub fn func_type_at(&self, type_index: u32) -> Option<&FuncType> {
        match self.types.get(type_index as usize)? {
            TypeDef::Func(ty) => Some(ty),
            TypeDef::Other => None,
        }
    }

    /// The type of a function of the function index space.
    #[must_use]
    pub fn func_type(&self, func: u32) -> Option<&FuncType> {
        let type_index = match self.function(func) {
            Some(function) => function.type_index,
            None => self.imported_funcs.get(func as usize)?.type_index,
        };
        self.func_type_at(type_index)
    }

    /// The defined function with this index in the function index space; `None` for an import.
    #[must_use]
    pub fn function(&self, func: u32) -> Option<&Function> {
        self.functions.get(func.checked_sub(self.imported_func_count())? as usize)
    }

    /// The bytes of a defined function's body, local declarations first.
    #[must_use]
    pub fn body(&self, func: u32) -> Option<&'a [u8]> {
        let function = self.function(func)?;
        let start = function.body_offset as usize;
        self.bytes.get(start..start + function.body_len as usize)
    }

    /// A reader of a defined function's instructions; it gives their offsets in the input.
    #[must_use]
    pub fn operators(&self, func: u32) -> Option<wasmparser::OperatorsReader<'a>> {
        let function = self.function(func)?;
        let reader = wasmparser::BinaryReader::new(self.body(func)?, u64::from(function.body_offset));
        wasmparser::FunctionBody::new(reader).get_operators_reader().ok()
    }

    /// The import behind an index of the index space of `kind`. O(1) for functions, O(imports) otherwise.
    #[must_use]
    pub fn import_of(&self, kind: ExternKind, index: u32) -> Option<&Import<'a>> {
        if kind == ExternKind::Func {
            let import = self.imported_funcs.get(index as usize)?.import;
            return self.imports.get(import as usize);
        }
        self.imports.iter().find(|import| import.ty.kind() == kind && import.index == index)
    }

    /// The export with this name. O(log exports).
    #[must_use]
    pub fn export(&self, name: &str) -> Option<&Export<'a>> {
        self.export_index.named(&self.exports, name)
    }

    /// The exports of one item, in the order of the file. O(log exports) for the first.
    pub fn exports_of(&self, kind: ExternKind, index: u32) -> impl Iterator<Item = &Export<'a>> {
        self.export_index.of(&self.exports, kind, index)
    }

    /// The exported function with this name.
    #[must_use]
    pub fn exported_func(&self, name: &str) -> Option<u32> {
        self.export(name).filter(|export| export.kind == ExternKind::Func).map(|export| export.index)
    }

    /// The best name of a function: from the `name` section, its import, or its first export. O(log n).
    #[must_use]
    pub fn func_name(&self, func: u32) -> Option<&'a str> {
        self.names
            .funcs
            .get(func)
            .or_else(|| self.import_of(ExternKind::Func, func).map(|import| import.name))
            .or_else(|| self.exports_of(ExternKind::Func, func).next().map(|export| export.name))
    }

    /// The function with this name: in the `name` section, or as an export.
    #[must_use]
    pub fn func_named(&self, name: &str) -> Option<u32> {
        self.exported_func(name).or_else(|| self.names.funcs.find(name))
    }

    /// For each global, whether it is imported or starts as a copy of an imported one.
    fn imported_values(&self) -> Vec<bool> {
        let is_imported = |global: &Global| global.init.is_none();
        let copies = |init: ConstExpr| match init {
            ConstExpr::Global(of) => self.globals.get(of as usize).is_some_and(is_imported),
            _ => false,
        };
        self.globals.iter().map(|global| global.init.is_none_or(copies)).collect()
    }

    /// Functions that an element segment holds or of which a reference is taken: they can be called
    /// indirectly. Sorted, without repetition. O(n log n).
    #[must_use]
    pub fn address_taken(&self) -> Vec<u32> {
        let mut funcs: Vec<u32> =
            self.element_funcs.iter().copied().filter(|&func| func != u32::MAX).collect();
        funcs.extend_from_slice(&self.referenced_funcs);
        funcs.sort_unstable();
        funcs.dedup();
        funcs
    }

    /// The address that a global of this name holds, and where the global is declared: it is exported, or named in the
    /// `name` section (AssemblyScript's names end with `/NAME`). Only constants count.
    #[must_use]
    pub fn named_address(&self, name: &str) -> Option<(u64, u32)> {
        let exported = self.export(name).filter(|export| export.kind == ExternKind::Global);
        let index = exported.map(|export| export.index).or_else(|| {
            let named =
                |(_, n): &(u32, &str)| *n == name || n.rsplit_once('/').is_some_and(|(_, last)| last == name);
            self.names.globals.iter().find(named).map(|(index, _)| index)
        })?;
        let global = self.globals.get(index as usize)?;
        let is_address = matches!(global.ty.content, ValType::I32 | ValType::I64);
        Some((global.init?.address()?, global.offset)).filter(|_| is_address)
    }

    /// The sites of `memory.grow`.
    pub fn grow_sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter().filter(|site| matches!(site.kind, SiteKind::Grow { .. }))
    }

    /// The functions that hold the sites for which `wanted` holds, each once, with the first such site.
    ///
    /// Sites come in the order of the file, so those of one function stand together.
    pub fn first_sites(&self, wanted: impl Fn(&Site) -> bool) -> impl Iterator<Item = &Site> {
        let mut last = None;
        self.sites.iter().filter(move |site| wanted(site) && last.replace(site.func) != Some(site.func))
    }

    /// The sites of `memory.size`.
    pub fn size_sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter().filter(|site| matches!(site.kind, SiteKind::Size { .. }))
    }
}

impl FirstUse {
    /// What needs the proposal, in words: `i32.extend8_s`, `shared memory`.
    #[must_use]
    pub fn describe(&self) -> String {
        code::mnemonic(self.what)
    }
}

impl FloatUse {
    /// What it is, in words: `f64`, `f32.convert_i32_s`.
    #[must_use]
    pub fn describe(&self) -> String {
        code::mnemonic(self.what)
    }
}

/// An offset in an input, or a count of its parts. They fit 32 bits: [`facts`] refuses larger inputs.
#[must_use]
pub fn offset32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
