//! The edits of a module, as they are collected.

use std::collections::{BTreeMap, HashMap, HashSet};

use wasm_encoder::{ConstExpr, GlobalType, MemoryType, TableType, ValType};
use wasmparser::ExternalKind;

use super::record::{Applied, SECTION};
use super::{Body, Edited, Elements, Instrument, Sections, Segment, Signature, Value, count, write};
use crate::Error;

/// What is to change in a module, in edit indices. Applying no edits gives back the same bytes.
pub struct Edits<'m, 'a> {
    pub(crate) sections: &'m Sections<'a>,
    /// Types that follow the module's own, and their positions.
    pub(super) types: Vec<Signature>,
    pub(super) type_positions: HashMap<Signature, u32>,
    /// Other parameters and results for types of the module.
    pub(super) set_types: BTreeMap<u32, Signature>,
    /// The number of data segments is not told ahead of the code.
    pub(super) drops_data_count: bool,
    /// Bodies for imported functions.
    pub(super) satisfied: BTreeMap<u32, Body>,
    /// Other bodies for functions that the module defines.
    pub(super) replaced: BTreeMap<u32, Body>,
    /// Wrapped functions and the edit index of their definition.
    pub(super) wrapped: BTreeMap<u32, u32>,
    pub(super) funcs: Vec<NewFunction>,
    /// New types of memories; an imported one becomes the module's own.
    pub(super) set_memories: BTreeMap<u32, MemoryType>,
    pub(super) memories: Vec<MemoryType>,
    /// Imported tables that become the module's own.
    pub(super) set_tables: BTreeMap<u32, TableType>,
    pub(super) tables: Vec<TableType>,
    /// Imported globals that become the module's own.
    pub(super) set_globals: BTreeMap<u32, Value>,
    pub(super) globals: Vec<(GlobalType, ConstExpr)>,
    pub(super) data: Vec<Segment>,
    pub(super) elements: Vec<Elements>,
    pub(super) exports: Vec<(String, ExternalKind, u32)>,
    added_names: HashSet<String>,
    /// Exports to leave out, by name.
    pub(super) drop_exports: HashSet<String>,
    /// Exports of these functions become exports of others.
    pub(super) export_instead: BTreeMap<u32, u32>,
    pub(super) start: Option<u32>,
    /// Custom sections to leave out, by name.
    pub(super) drop_customs: Vec<String>,
    /// Other names for functions of the module's, by index.
    pub(super) renamed: BTreeMap<u32, String>,
    /// Custom sections to append.
    pub(super) customs: Vec<(String, Vec<u8>)>,
}

/// A function that the original has not.
pub(super) struct NewFunction {
    pub ty: u32,
    /// `None`: the code of a function that is wrapped.
    pub body: Option<Body>,
    pub name: String,
    pub wraps: Option<u32>,
}

impl<'m, 'a> Edits<'m, 'a> {
    /// No edits.
    #[must_use]
    pub fn new(sections: &'m Sections<'a>) -> Self {
        Self {
            sections,
            types: Vec::new(),
            type_positions: HashMap::new(),
            set_types: BTreeMap::new(),
            drops_data_count: false,
            satisfied: BTreeMap::new(),
            replaced: BTreeMap::new(),
            wrapped: BTreeMap::new(),
            funcs: Vec::new(),
            set_memories: BTreeMap::new(),
            memories: Vec::new(),
            set_tables: BTreeMap::new(),
            tables: Vec::new(),
            set_globals: BTreeMap::new(),
            globals: Vec::new(),
            data: Vec::new(),
            elements: Vec::new(),
            exports: Vec::new(),
            added_names: HashSet::new(),
            drop_exports: HashSet::new(),
            export_instead: BTreeMap::new(),
            start: None,
            drop_customs: Vec::new(),
            renamed: BTreeMap::new(),
            customs: Vec::new(),
        }
    }

    /// The index of a function type, added if these edits have not added it yet.
    pub fn add_type(&mut self, params: Vec<ValType>, results: Vec<ValType>) -> u32 {
        let first = self.sections.type_count();
        let types = &mut self.types;
        *self.type_positions.entry((params, results)).or_insert_with_key(|signature| {
            types.push(signature.clone());
            first + count(types.len() - 1)
        })
    }

    /// Gives one of the module's types other parameters and results: all that has it has to change with it. Each of the
    /// module's types is that of a function.
    pub(crate) fn set_type(&mut self, ty: u32, params: Vec<ValType>, results: Vec<ValType>) {
        self.set_types.insert(ty, (params, results));
    }

    /// Leaves out the data count section, as no code refers to a data segment.
    pub(crate) fn drop_data_count(&mut self) {
        self.drops_data_count = true;
    }

    /// Adds a function of this type. Returns its edit index.
    pub fn add_func(&mut self, ty: u32, body: impl Into<Body>, name: impl Into<String>) -> u32 {
        self.push_func(NewFunction { ty, body: Some(body.into()), name: name.into(), wraps: None })
    }

    fn push_func(&mut self, function: NewFunction) -> u32 {
        self.funcs.push(function);
        count(self.sections.funcs.len() + self.funcs.len() - 1)
    }

    /// The edit index that the next added function will have, for functions that refer to each other.
    #[must_use]
    pub fn next_func(&self) -> u32 {
        count(self.sections.funcs.len() + self.funcs.len())
    }

    /// Gives an imported function a body: it is the module's own from then on.
    ///
    /// # Errors
    /// If it is not imported, or is edited already.
    pub fn satisfy(&mut self, import: u32, body: impl Into<Body>) -> Result<(), Error> {
        if import >= self.sections.imported_funcs {
            return Err(not_editable(import, "it is not imported"));
        }
        self.is_untouched(import)?;
        self.satisfied.insert(import, body.into());
        Ok(())
    }

    /// Gives a function that the module defines another body.
    ///
    /// # Errors
    /// If the module does not define it, or it is edited already.
    pub fn replace(&mut self, func: u32, body: impl Into<Body>) -> Result<(), Error> {
        self.is_defined(func)?;
        self.is_untouched(func)?;
        self.replaced.insert(func, body.into());
        Ok(())
    }

    /// Gives a function that has a name another one: where its body was [replaced](Self::replace), and the name told what
    /// was there before.
    pub fn rename(&mut self, func: u32, name: impl Into<String>) {
        self.renamed.insert(func, name.into());
    }

    /// Puts a function of the same type before another, wherever that is called or referred to.
    ///
    /// `wrapper` is given the edit index that calls the original. The wrapped function may be an import.
    ///
    /// # Errors
    /// If there is no such function, or it is edited already.
    pub fn wrap<B: Into<Body>>(
        &mut self,
        func: u32,
        name: impl Into<String>,
        wrapper: impl FnOnce(u32) -> B,
    ) -> Result<(), Error> {
        let ty =
            *self.sections.funcs.get(func as usize).ok_or_else(|| not_editable(func, "there is none"))?;
        self.is_untouched(func)?;
        let inner = self.next_func();
        let body = wrapper(inner).into();
        let name = name.into();
        let defined = func >= self.sections.imported_funcs;
        if defined {
            self.replaced.insert(func, body);
            self.push_func(NewFunction { ty, body: None, name, wraps: Some(func) });
        } else {
            self.push_func(NewFunction { ty, body: Some(body), name, wraps: Some(func) });
        }
        self.wrapped.insert(func, inner);
        Ok(())
    }

    /// Gives a memory another type; an imported one becomes the module's own.
    ///
    /// # Errors
    /// If there is no such memory.
    pub fn set_memory(&mut self, memory: u32, ty: MemoryType) -> Result<(), Error> {
        is_there("memory", memory, self.sections.memories.len(), None)?;
        self.set_memories.insert(memory, ty);
        Ok(())
    }

    /// Adds a memory. Returns its edit index.
    pub fn add_memory(&mut self, ty: MemoryType) -> u32 {
        self.memories.push(ty);
        count(self.sections.memories.len() + self.memories.len() - 1)
    }

    /// Makes an imported table the module's own.
    ///
    /// # Errors
    /// If it is not imported.
    pub fn set_table(&mut self, table: u32, ty: TableType) -> Result<(), Error> {
        is_there("table", table, self.sections.tables.len(), Some(self.sections.imported_tables))?;
        self.set_tables.insert(table, ty);
        Ok(())
    }

    /// Adds a table. Returns its edit index.
    pub fn add_table(&mut self, ty: TableType) -> u32 {
        self.tables.push(ty);
        count(self.sections.tables.len() + self.tables.len() - 1)
    }

    /// Makes an imported global the module's own.
    ///
    /// If it cannot change, constant expressions get its value, so that the output needs no more proposals
    /// than the original.
    ///
    /// # Errors
    /// If it is not imported.
    pub fn set_global(&mut self, global: u32, value: Value) -> Result<(), Error> {
        is_there("global", global, self.sections.globals.len(), Some(self.sections.imported_globals))?;
        self.set_globals.insert(global, value);
        Ok(())
    }

    /// Adds a global. Its first value holds no index. Returns its edit index.
    pub fn add_global(&mut self, ty: GlobalType, value: ConstExpr) -> u32 {
        self.globals.push((ty, value));
        count(self.sections.globals.len() + self.globals.len() - 1)
    }

    /// Adds a data segment. Returns its edit index.
    pub fn add_data(&mut self, segment: Segment) -> u32 {
        self.data.push(segment);
        self.sections.data_count + count(self.data.len() - 1)
    }

    /// Adds an active element segment.
    pub fn add_elements(&mut self, elements: Elements) {
        self.elements.push(elements);
    }

    /// Adds an export.
    ///
    /// # Errors
    /// If there is one of this name.
    pub fn add_export(
        &mut self,
        name: impl Into<String>,
        kind: ExternalKind,
        index: u32,
    ) -> Result<(), Error> {
        let name = name.into();
        if self.sections.export_names().contains(name.as_str()) || !self.added_names.insert(name.clone()) {
            return Err(Error::ExportExists { name });
        }
        self.exports.push((name, kind, index));
        Ok(())
    }

    /// Leaves out the module's export of this name.
    pub fn drop_export(&mut self, name: impl Into<String>) {
        self.drop_exports.insert(name.into());
    }

    /// Exports `instead` wherever the module exports the function `func`; calls from inside stay as they are.
    pub fn export_instead(&mut self, func: u32, instead: u32) {
        self.export_instead.insert(func, instead);
    }

    /// Runs this function at instantiation, and the module's own start function only if it calls it.
    pub fn set_start(&mut self, func: u32) {
        self.start = Some(func);
    }

    /// Leaves out custom sections of this name.
    pub fn drop_custom(&mut self, name: impl Into<String>) {
        self.drop_customs.push(name.into());
    }

    /// Appends a custom section.
    pub fn add_custom(&mut self, name: impl Into<String>, contents: Vec<u8>) {
        self.customs.push((name.into(), contents));
    }

    /// Appends the record that `tool` has been applied to this module; [`applied`](super::applied) reads it.
    pub fn record(&mut self, tool: &str, version: &str) {
        let applied = Applied::to(self.sections.bytes, tool, version);
        self.add_custom(SECTION, applied.to_bytes());
    }

    /// Writes the edited module. Linear in its size and that of the edits.
    ///
    /// # Errors
    /// If a function is to be instrumented that holds an operator which instrumenting does not understand, or
    /// the module cannot be encoded. Bytes that do not validate are never returned.
    pub fn apply(self, instrument: &mut dyn Instrument) -> Result<Edited, Error> {
        let edited = write::write(self, instrument)?;
        match crate::validator().validate_all(&edited.wasm) {
            Ok(_) => Ok(edited),
            Err(error) => Err(Error::Output { message: error.message().to_owned(), offset: error.offset() }),
        }
    }

    /// Nothing is to be changed but what an instrument changes.
    pub(super) fn is_empty(&self) -> bool {
        let has_functions = !self.satisfied.is_empty() || !self.replaced.is_empty() || !self.funcs.is_empty();
        let has_memories = !self.set_memories.is_empty() || !self.memories.is_empty();
        let has_tables = !self.set_tables.is_empty() || !self.tables.is_empty();
        let has_globals = !self.set_globals.is_empty() || !self.globals.is_empty();
        let has_segments = !self.data.is_empty() || !self.elements.is_empty();
        let has_exports =
            !self.exports.is_empty() || !self.export_instead.is_empty() || !self.drop_exports.is_empty();
        let has_customs = !self.customs.is_empty() || !self.drop_customs.is_empty();
        let has_types = !self.types.is_empty() || !self.set_types.is_empty();
        let has_others = self.start.is_some() || has_types || self.drops_data_count;
        !(has_functions
            || has_memories
            || has_tables
            || has_globals
            || has_segments
            || has_exports
            || has_customs
            || has_others)
    }

    fn is_defined(&self, func: u32) -> Result<(), Error> {
        let defined = self.sections.imported_funcs..count(self.sections.funcs.len());
        if defined.contains(&func) {
            Ok(())
        } else {
            Err(not_editable(func, "the module does not define it"))
        }
    }

    fn is_untouched(&self, func: u32) -> Result<(), Error> {
        let touched = self.satisfied.contains_key(&func)
            || self.replaced.contains_key(&func)
            || self.wrapped.contains_key(&func);
        if touched { Err(not_editable(func, "it is edited already")) } else { Ok(()) }
    }
}

pub(super) fn not_editable(func: u32, why: &'static str) -> Error {
    Error::NotEditable { item: "function", index: func, why }
}

/// An item with this index is there, and imported if that matters.
fn is_there(item: &'static str, index: u32, len: usize, imported: Option<u32>) -> Result<(), Error> {
    let why = match imported {
        _ if index as usize >= len => "there is none",
        Some(imported) if index >= imported => "it is not imported",
        _ => return Ok(()),
    };
    Err(Error::NotEditable { item, index, why })
}
