//! From one section of the binary to its part of [`Facts`].

use super::exports::ExportIndex;
use super::proposals::Proposal;
use super::types::{
    ActiveData, ConstExpr, DataSegment, ElementMode, ElementSegment, Export, ExternKind, ExternType,
    Function, Global, Import, ImportedFunc, Memory, Section,
};
use super::value_types::{FuncType, TypeDef};
use super::{CallGraph, ComponentItem, Facts, Numbers, Start, encoding, offset32, wasm_types};
use wasmparser::{
    CompositeInnerType, DataKind, DataSectionReader, ElementItems, ElementKind, ElementSectionReader,
    ExportSectionReader, ExternalKind, HeapType, ImportSectionReader, Imports, Payload, TypeRef,
    TypeSectionReader,
};

impl<'a> Facts<'a> {
    /// Takes over a section that the validator has accepted.
    pub(super) fn section(&mut self, payload: Payload<'a>) -> wasmparser::Result<()> {
        self.list(&payload);
        match payload {
            Payload::TypeSection(reader) => self.type_section(reader),
            Payload::ImportSection(reader) => self.import_section(reader),
            Payload::FunctionSection(reader) => {
                for type_index in reader {
                    let type_index = type_index?;
                    self.functions.push(Function {
                        type_index,
                        body_offset: 0,
                        body_len: 0,
                        numbers: Numbers::default(),
                    });
                }
                Ok(())
            }
            Payload::TableSection(reader) => {
                let range = reader.range();
                for table in reader.into_iter_with_offsets() {
                    let (offset, table) = table?;
                    if let wasmparser::TableInit::Expr(expr) = &table.init {
                        self.const_expr(expr);
                        self.proposals.note(
                            Proposal::FunctionReferences,
                            "table with an initial value",
                            None,
                            offset,
                        );
                    }
                    let ty = wasm_types::table_type(table.ty, offset, &mut self.proposals);
                    self.add_table(ty, offset);
                }
                encoding::note_limits::<wasmparser::Table<'_>>(self.bytes, &range, &mut self.proposals);
                Ok(())
            }
            Payload::MemorySection(reader) => {
                let range = reader.range();
                for memory in reader.into_iter_with_offsets() {
                    let (offset, ty) = memory?;
                    let ty = wasm_types::memory_type(ty, offset, &mut self.proposals);
                    self.add_memory(Memory { ty, import: None, offset: offset32(offset) });
                }
                encoding::note_limits::<wasmparser::MemoryType>(self.bytes, &range, &mut self.proposals);
                Ok(())
            }
            Payload::TagSection(reader) => {
                // Even an empty section takes the proposal.
                self.proposals.note_tag("tag section", None, reader.range().start);
                for tag in reader.into_iter_with_offsets() {
                    let (offset, tag) = tag?;
                    self.add_tag(tag.func_type_idx, offset);
                }
                Ok(())
            }
            Payload::GlobalSection(reader) => {
                for global in reader.into_iter_with_offsets() {
                    let (offset, global) = global?;
                    let ty = wasm_types::global_type(global.ty, offset, &mut self.proposals);
                    let init = self.const_expr(&global.init_expr);
                    if let ConstExpr::RefFunc(func) = init {
                        self.referenced_funcs.push(func);
                    }
                    self.globals.push(Global { ty, init: Some(init), offset: offset32(offset) });
                }
                Ok(())
            }
            Payload::ExportSection(reader) => self.export_section(reader),
            Payload::StartSection { func, range } => {
                self.start = Some(Start { func, offset: offset32(range.start) });
                Ok(())
            }
            Payload::ElementSection(reader) => self.element_section(reader),
            Payload::DataCountSection { range, .. } => {
                self.proposals.note(Proposal::BulkMemory, "data count section", None, range.start);
                Ok(())
            }
            Payload::CodeSectionStart { .. } => {
                self.call_graph = CallGraph::new(self.imported_func_count());
                Ok(())
            }
            Payload::DataSection(reader) => self.data_section(reader),
            Payload::CustomSection(reader) => {
                match reader.name() {
                    "name" => self.names.read(reader.data(), reader.data_offset()),
                    name => self.custom.read(name, reader.data(), reader.data_offset()),
                }
                Ok(())
            }
            Payload::ComponentImportSection(reader) => {
                for import in reader.into_iter_with_offsets() {
                    let (offset, import) = import?;
                    if let Some(component) = &mut self.component {
                        let item = ComponentItem { name: import.name.name, offset: offset32(offset) };
                        component.imports.push(item);
                    }
                }
                Ok(())
            }
            Payload::ComponentExportSection(reader) => {
                for export in reader.into_iter_with_offsets() {
                    let (offset, export) = export?;
                    if let Some(component) = &mut self.component {
                        let item = ComponentItem { name: export.name.name, offset: offset32(offset) };
                        component.exports.push(item);
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What can be known only when everything has been read.
    pub(super) fn finish(&mut self) {
        self.call_graph.shrink();
        self.export_index = ExportIndex::new(&self.exports);
        self.proposals.settle();
        self.sites.shrink_to_fit();
        self.referenced_funcs.sort_unstable();
        self.referenced_funcs.dedup();
        self.written_globals.sort_unstable();
        self.written_globals.dedup();
        self.written_globals.shrink_to_fit();
        self.global_reads.shrink_to_fit();
        let mutable_import = self.globals.iter().find(|global| global.init.is_none() && global.ty.mutable);
        if let Some(global) = mutable_import {
            let offset = u64::from(global.offset);
            self.proposals.note(Proposal::MutableGlobals, "imported mutable global", None, offset);
        }
        let mutable_export = self.exports.iter().find(|export| {
            export.kind == ExternKind::Global
                && self.globals.get(export.index as usize).is_some_and(|global| global.ty.mutable)
        });
        if let Some(export) = mutable_export {
            let offset = u64::from(export.offset);
            self.proposals.note(Proposal::MutableGlobals, "exported mutable global", None, offset);
        }
    }

    fn const_expr(&mut self, expr: &wasmparser::ConstExpr<'a>) -> ConstExpr {
        // Imported globals come first.
        let imported = self.globals.partition_point(|global| global.init.is_none());
        wasm_types::const_expr(expr, offset32(imported as u64), &mut self.proposals)
    }

    fn list(&mut self, payload: &Payload<'a>) {
        let (name, custom) = match payload {
            Payload::TypeSection(_) => ("type", false),
            Payload::ImportSection(_) => ("import", false),
            Payload::FunctionSection(_) => ("function", false),
            Payload::TableSection(_) => ("table", false),
            Payload::MemorySection(_) => ("memory", false),
            Payload::TagSection(_) => ("tag", false),
            Payload::GlobalSection(_) => ("global", false),
            Payload::ExportSection(_) => ("export", false),
            Payload::StartSection { .. } => ("start", false),
            Payload::ElementSection(_) => ("element", false),
            Payload::DataCountSection { .. } => ("data count", false),
            Payload::CodeSectionStart { .. } => ("code", false),
            Payload::DataSection(_) => ("data", false),
            Payload::CustomSection(reader) => (reader.name(), true),
            Payload::ModuleSection { .. } => ("core module", false),
            Payload::InstanceSection(_) => ("core instance", false),
            Payload::CoreTypeSection(_) => ("core type", false),
            Payload::ComponentSection { .. } => ("component", false),
            Payload::ComponentInstanceSection(_) => ("instance", false),
            Payload::ComponentAliasSection(_) => ("alias", false),
            Payload::ComponentTypeSection(_) => ("component type", false),
            Payload::ComponentCanonicalSection(_) => ("canon", false),
            Payload::ComponentStartSection { .. } => ("component start", false),
            Payload::ComponentImportSection(_) => ("component import", false),
            Payload::ComponentExportSection(_) => ("component export", false),
            _ => return,
        };
        let Some((_, range)) = payload.as_section() else { return };
        self.sections.push(Section {
            name,
            custom,
            offset: offset32(range.start),
            size_bytes: offset32(range.end - range.start),
        });
    }

    fn type_section(&mut self, reader: TypeSectionReader<'a>) -> wasmparser::Result<()> {
        for group in reader.into_iter_with_offsets() {
            let (offset, group) = group?;
            if group.is_explicit_rec_group() {
                self.proposals.note(Proposal::Gc, "recursive type group", None, offset);
            }
            for ty in group.into_types() {
                if !ty.is_final || !ty.supertype_idxs.is_empty() {
                    self.proposals.note(Proposal::Gc, "subtype", None, offset);
                }
                let composite = &ty.composite_type;
                if composite.descriptor_idx.is_some() || composite.describes_idx.is_some() {
                    self.proposals.note(Proposal::CustomDescriptors, "type with a descriptor", None, offset);
                }
                if composite.shared {
                    self.proposals.note(Proposal::SharedEverythingThreads, "shared type", None, offset);
                }
                let def = match &ty.composite_type.inner {
                    CompositeInnerType::Func(func) => self.func_type_def(func, offset),
                    CompositeInnerType::Cont(_) => {
                        self.proposals.note(Proposal::StackSwitching, "continuation type", None, offset);
                        TypeDef::Other
                    }
                    CompositeInnerType::Struct(ty) => self.aggregate(&ty.fields, offset),
                    CompositeInnerType::Array(ty) => self.aggregate(&[ty.0], offset),
                };
                self.types.push(def);
            }
        }
        Ok(())
    }

    fn aggregate(&mut self, fields: &[wasmparser::FieldType], offset: u64) -> TypeDef {
        self.proposals.note(Proposal::Gc, "struct or array type", None, offset);
        for field in fields {
            if let wasmparser::StorageType::Val(ty) = field.element_type {
                wasm_types::note_val_type(ty, None, offset, &mut self.proposals);
            }
        }
        TypeDef::Other
    }

    fn func_type_def(&mut self, func: &wasmparser::FuncType, offset: u64) -> TypeDef {
        let values = func.params().iter().chain(func.results());
        let itself = offset32(self.types.len() as u64);
        if values.clone().any(|ty| refers_to_or_behind(*ty, itself)) {
            self.proposals.note(Proposal::Gc, "type that refers to itself", None, offset);
        }
        values.clone().for_each(|&ty| wasm_types::note_val_type(ty, None, offset, &mut self.proposals));
        if func.results().len() > 1 {
            self.proposals.note(Proposal::MultiValue, "function type with several results", None, offset);
        }
        TypeDef::Func(FuncType {
            values: values.map(|&ty| wasm_types::val_type(ty)).collect(),
            param_count: offset32(func.params().len() as u64),
        })
    }

    fn import_section(&mut self, reader: ImportSectionReader<'a>) -> wasmparser::Result<()> {
        let range = reader.range();
        for group in reader.into_iter_with_offsets() {
            let (offset, group) = group?;
            match group {
                Imports::Single(offset, import) => {
                    self.add_import(import.module, import.name, import.ty, offset)
                }
                Imports::Compact1 { module, items } => {
                    self.proposals.note(Proposal::CompactImports, "compact import", None, offset);
                    for item in items.into_iter_with_offsets() {
                        let (offset, item) = item?;
                        self.add_import(module, item.name, item.ty, offset);
                    }
                }
                Imports::Compact2 { module, ty, names } => {
                    self.proposals.note(Proposal::CompactImports, "compact import", None, offset);
                    for name in names.into_iter_with_offsets() {
                        let (offset, name) = name?;
                        self.add_import(module, name, ty, offset);
                    }
                }
            }
        }
        if !self.memories.is_empty() || !self.tables.is_empty() {
            encoding::note_limits::<Imports<'_>>(self.bytes, &range, &mut self.proposals);
        }
        Ok(())
    }

    fn add_import(&mut self, module: &'a str, name: &'a str, ty: TypeRef, offset: u64) {
        let import = offset32(self.imports.len() as u64);
        let (ty, index) = match ty {
            TypeRef::Func(type_index) | TypeRef::FuncExact(type_index) => {
                if matches!(ty, TypeRef::FuncExact(_)) {
                    self.proposals.note(Proposal::CustomDescriptors, "exact function import", None, offset);
                }
                self.imported_funcs.push(ImportedFunc { type_index, import });
                (ExternType::Func(type_index), self.imported_funcs.len() - 1)
            }
            TypeRef::Table(ty) => {
                let ty = wasm_types::table_type(ty, offset, &mut self.proposals);
                self.add_table(ty, offset);
                (ExternType::Table(ty), self.tables.len() - 1)
            }
            TypeRef::Memory(ty) => {
                let ty = wasm_types::memory_type(ty, offset, &mut self.proposals);
                self.add_memory(Memory { ty, import: Some(import), offset: offset32(offset) });
                (ExternType::Memory(ty), self.memories.len() - 1)
            }
            TypeRef::Global(ty) => {
                let ty = wasm_types::global_type(ty, offset, &mut self.proposals);
                self.globals.push(Global { ty, init: None, offset: offset32(offset) });
                (ExternType::Global(ty), self.globals.len() - 1)
            }
            TypeRef::Tag(tag) => {
                self.proposals.note_tag("imported tag", None, offset);
                self.add_tag(tag.func_type_idx, offset);
                (ExternType::Tag(tag.func_type_idx), self.tag_count as usize - 1)
            }
        };
        let index = offset32(index as u64);
        self.imports.push(Import { module, name, ty, index, offset: offset32(offset) });
    }

    fn add_tag(&mut self, type_index: u32, offset: u64) {
        self.tag_count += 1;
        if self.func_type_at(type_index).is_some_and(|ty| !ty.results().is_empty()) {
            self.proposals.note(Proposal::StackSwitching, "tag with results", None, offset);
        }
    }

    fn add_table(&mut self, ty: super::TableType, offset: u64) {
        if !self.tables.is_empty() {
            self.proposals.note(Proposal::ReferenceTypes, "second table", None, offset);
        }
        self.tables.push(ty);
    }

    fn add_memory(&mut self, memory: Memory) {
        if !self.memories.is_empty() {
            self.proposals.note(Proposal::MultiMemory, "second memory", None, u64::from(memory.offset));
        }
        self.memories.push(memory);
    }

    fn export_section(&mut self, reader: ExportSectionReader<'a>) -> wasmparser::Result<()> {
        for export in reader.into_iter_with_offsets() {
            let (offset, export) = export?;
            let kind = match export.kind {
                ExternalKind::Func | ExternalKind::FuncExact => ExternKind::Func,
                ExternalKind::Table => ExternKind::Table,
                ExternalKind::Memory => ExternKind::Memory,
                ExternalKind::Global => ExternKind::Global,
                ExternalKind::Tag => ExternKind::Tag,
            };
            self.exports.push(Export {
                name: export.name,
                kind,
                index: export.index,
                offset: offset32(offset),
            });
        }
        Ok(())
    }

    fn element_section(&mut self, reader: ElementSectionReader<'a>) -> wasmparser::Result<()> {
        for element in reader.into_iter_with_offsets() {
            let (offset, element) = element?;
            let mode = match element.kind {
                ElementKind::Passive => {
                    self.proposals.note(Proposal::BulkMemory, "passive element segment", None, offset);
                    ElementMode::Passive
                }
                ElementKind::Declared => {
                    self.proposals.note(Proposal::BulkMemory, "declared element segment", None, offset);
                    ElementMode::Declared
                }
                ElementKind::Active { table_index, offset_expr } => {
                    let start = self.const_expr(&offset_expr);
                    ElementMode::Active { table: table_index.unwrap_or(0), start }
                }
            };
            let first = offset32(self.element_funcs.len() as u64);
            match element.items {
                ElementItems::Functions(funcs) => {
                    for func in funcs {
                        self.element_funcs.push(func?);
                    }
                }
                ElementItems::Expressions(ty, exprs) => {
                    let ty = wasmparser::ValType::Ref(ty);
                    wasm_types::note_val_type(ty, None, offset, &mut self.proposals);
                    for expr in exprs {
                        let func = match self.const_expr(&expr?) {
                            ConstExpr::RefFunc(func) => func,
                            _ => u32::MAX,
                        };
                        self.element_funcs.push(func);
                    }
                }
            }
            let last = offset32(self.element_funcs.len() as u64);
            self.elements.push(ElementSegment { mode, funcs: first..last, offset: offset32(offset) });
        }
        Ok(())
    }

    fn data_section(&mut self, reader: DataSectionReader<'a>) -> wasmparser::Result<()> {
        self.data.reserve_exact(reader.count() as usize);
        for data in reader.into_iter_with_offsets() {
            let (offset, data) = data?;
            let active = match data.kind {
                DataKind::Passive => {
                    self.proposals.note(Proposal::BulkMemory, "passive data segment", None, offset);
                    None
                }
                DataKind::Active { memory_index, offset_expr } => {
                    if memory_index != 0 {
                        self.proposals.note(Proposal::MultiMemory, "data for a second memory", None, offset);
                    }
                    let address = self.const_expr(&offset_expr);
                    Some(ActiveData { memory: memory_index, address })
                }
            };
            // The bytes end where the segment does.
            let offset = offset32(data.range.end - data.data.len() as u64);
            self.data.push(DataSegment { active, bytes: data.data, offset });
        }
        Ok(())
    }
}

/// Whether a value type refers to the type `index` or to a later one, which takes a recursive group.
fn refers_to_or_behind(ty: wasmparser::ValType, index: u32) -> bool {
    let wasmparser::ValType::Ref(ty) = ty else { return false };
    let (HeapType::Concrete(at) | HeapType::Exact(at)) = ty.heap_type() else { return false };
    at.as_module_index().is_some_and(|at| at >= index)
}
