//! Writes the edited module, one section at a time: copied as it is where nothing in it changes.

use std::collections::{BTreeMap, HashMap};

use wasm_encoder::reencode::Reencode;
use wasm_encoder::{
    BlockType, ConstExpr, CustomSection, DataCountSection, DataSection, ElementSection,
    Elements as ElementItems, ExportSection, FunctionSection, GlobalSection, ImportSection, MemorySection,
    Module as Output, RawSection, StartSection, TableSection, TagSection, TypeSection,
};
use wasmparser::TypeRef;

use super::body::Original;
use super::map::{AddedFunction, Map};
use super::sections::{ImportEntry, id};
use super::spaces::Spaces;
use super::splice::Instrument;
use super::{Address, Edited, Edits, Signature, Value, count};
use crate::Error;

/// The order of the sections in a module (custom sections may lie anywhere).
const ORDER: [u8; 13] = [
    id::TYPE,
    id::IMPORT,
    id::FUNCTION,
    id::TABLE,
    id::MEMORY,
    id::TAG,
    id::GLOBAL,
    id::EXPORT,
    id::START,
    id::ELEMENT,
    id::DATA_COUNT,
    id::CODE,
    id::DATA,
];

/// Writes what `edits` and `instrument` make of a module. Not validated.
pub(super) fn write(edits: Edits<'_, '_>, instrument: &mut dyn Instrument) -> Result<Edited, Error> {
    let sections = edits.sections;
    let mut writer = Writer::new(&edits);
    // First of all, as the types of blocks may be added here, and custom sections in front speak of it.
    let mut code = writer.code(instrument)?;
    let original_start = count(sections.start_of(id::CODE).unwrap_or_default());
    if edits.is_empty() && !code.originals.iter().any(|original| original.is_instrumented) {
        let code_len = count(sections.contents(id::CODE).map_or(0, <[u8]>::len));
        let map = Map::identity(count(sections.funcs.len()), original_start, code_len);
        return Ok(Edited { wasm: sections.bytes.to_vec(), map, notes: Vec::new() });
    }
    let mut map = writer.map();
    map.set_code(std::mem::take(&mut code.runs.0), original_start);
    writer.originals = std::mem::take(&mut code.originals);

    let mut out = Output::new();
    let mut code_start = 0;
    // Position in ORDER of the next section to write.
    let mut next = 0;
    let last = sections.list.iter().rposition(|(id, _)| *id != id::CUSTOM);
    for (at, (section, range)) in sections.list.iter().enumerate() {
        let mut until = next;
        if *section == id::CUSTOM {
            writer.custom(&mut out, &sections.custom(range)?, &map)?;
        } else if let Some(position) = ORDER.iter().position(|known| known == section) {
            until = position + 1;
        }
        if last == Some(at) {
            until = ORDER.len();
        }
        for &missing in ORDER.get(next..until).unwrap_or_default() {
            writer.section(&mut out, missing, &mut code.bytes, &mut code_start)?;
        }
        next = until.max(next);
    }
    // A module of custom sections, or of none at all.
    for &missing in ORDER.get(next..).unwrap_or_default() {
        writer.section(&mut out, missing, &mut code.bytes, &mut code_start)?;
    }
    for (name, contents) in &edits.customs {
        out.section(&CustomSection { name: name.into(), data: contents.into() });
    }
    map.set_output_start(code_start);
    let notes = std::mem::take(&mut writer.notes);
    Ok(Edited { wasm: out.finish(), map, notes })
}

/// The output in the making.
pub(super) struct Writer<'e, 'm, 'a> {
    pub edits: &'e Edits<'m, 'a>,
    pub spaces: Spaces,
    pub notes: Vec<String>,
    /// What became of the bodies of the original.
    pub originals: Vec<Original>,
    /// Types that bodies needed, behind those of the edits.
    types: Vec<Signature>,
    type_positions: HashMap<Signature, u32>,
    /// Block types for the results of functions, by the index of their type.
    pub result_blocks: HashMap<u32, BlockType>,
    /// Globals that are constants now: constant expressions hold their value.
    pub constants: BTreeMap<u32, Value>,
}

impl<'e, 'm, 'a> Writer<'e, 'm, 'a> {
    fn new(edits: &'e Edits<'m, 'a>) -> Self {
        let globals = &edits.sections.globals;
        let constants = edits.set_globals.iter().map(|(&global, &value)| (global, value));
        Self {
            edits,
            spaces: Spaces::new(edits),
            notes: Vec::new(),
            originals: Vec::new(),
            types: Vec::new(),
            type_positions: HashMap::new(),
            result_blocks: HashMap::new(),
            constants: constants
                .filter(|(global, _)| globals.get(*global as usize).is_some_and(|ty| !ty.mutable))
                .collect(),
        }
    }

    /// The index of a type that a body needs.
    pub fn add_type(&mut self, signature: Signature) -> u32 {
        let edits = self.edits;
        if let Some(&index) = edits.type_positions.get(&signature) {
            return index;
        }
        let first = edits.sections.type_count() + count(edits.types.len());
        let types = &mut self.types;
        *self.type_positions.entry(signature).or_insert_with_key(|signature| {
            types.push(signature.clone());
            first + count(types.len() - 1)
        })
    }

    /// Where functions went; their code is filled in later.
    fn map(&self) -> Map {
        let edits = self.edits;
        let own = count(edits.sections.funcs.len());
        let functions = (0..own).map(|index| {
            self.spaces.funcs.get(match edits.wrapped.get(&index) {
                Some(&inner) => inner,
                None => index,
            })
        });
        // Other code than the original's stands there.
        let replaced = |index: &u32| {
            let has_other_code = edits.satisfied.contains_key(index) || edits.replaced.contains_key(index);
            has_other_code && !edits.wrapped.contains_key(index)
        };
        let functions = functions.zip(0..).map(|(new, old)| if replaced(&old) { u32::MAX } else { new });
        let references = (0..own).map(|index| self.spaces.funcs.get(index)).collect();
        let added = (own..).zip(&edits.funcs).map(|(index, function)| AddedFunction {
            // The wrapper lies where its name is asked for: in the place of the wrapped.
            index: self.spaces.funcs.get(function.wraps.unwrap_or(index)),
            name: function.name.clone(),
            wraps: function.wraps,
        });
        Map::new(functions.collect(), references, added.collect())
    }

    fn copy(&self, out: &mut Output, id: u8) {
        if let Some(data) = self.edits.sections.contents(id) {
            out.section(&RawSection { id, data });
        }
    }

    /// Writes the section `id`, if the output has one. `code` is taken when it is written.
    fn section(
        &mut self,
        out: &mut Output,
        id: u8,
        code: &mut Vec<u8>,
        code_start: &mut u32,
    ) -> Result<(), Error> {
        match id {
            id::TYPE => self.types(out)?,
            id::IMPORT => self.imports(out)?,
            id::FUNCTION => self.functions(out),
            id::TABLE => self.tables(out)?,
            id::MEMORY => self.memories(out)?,
            id::TAG => self.tags(out)?,
            id::GLOBAL => self.globals(out)?,
            id::EXPORT => self.exports(out)?,
            id::START => self.start(out)?,
            id::ELEMENT => self.elements(out)?,
            id::DATA_COUNT => self.count_data(out),
            id::CODE if self.defines_functions() => {
                // It is most of the module, and twice there until here.
                let code = std::mem::take(code);
                out.section(&RawSection { id, data: &code });
                *code_start = count(out.len() - code.len());
            }
            id::DATA => self.data(out)?,
            _ => {}
        }
        Ok(())
    }

    /// Constants and code hold the same indices as before.
    fn are_indices_kept(&self) -> bool {
        self.spaces.are_identity() && self.constants.is_empty()
    }

    fn defines_functions(&self) -> bool {
        let sections = self.edits.sections;
        let own = sections.funcs.len() > sections.imported_funcs as usize;
        own || !self.edits.satisfied.is_empty() || !self.edits.funcs.is_empty()
    }

    fn types(&mut self, out: &mut Output) -> Result<(), Error> {
        let edits = self.edits;
        if edits.types.is_empty() && self.types.is_empty() && edits.set_types.is_empty() {
            self.copy(out, id::TYPE);
            return Ok(());
        }
        let mut types = TypeSection::new();
        if !edits.set_types.is_empty() {
            for ty in 0..edits.sections.type_count() {
                let have = edits.sections.func_type_at(ty).and_then(super::signature);
                let set = edits.set_types.get(&ty).cloned().or(have);
                let (params, results) =
                    set.ok_or_else(|| Error::Encode(format!("type {ty} is not that of a function")))?;
                types.ty().function(params, results);
            }
        } else if let Some(items) = edits.sections.items(id::TYPE)? {
            self.parse_type_section(&mut types, items)?;
        }
        for (params, results) in edits.types.iter().chain(&self.types) {
            types.ty().function(params.iter().copied(), results.iter().copied());
        }
        out.section(&types);
        Ok(())
    }

    fn imports(&mut self, out: &mut Output) -> Result<(), Error> {
        let edits = self.edits;
        let mut imports = ImportSection::new();
        for ImportEntry { import, index } in edits.sections.imports()? {
            let inside = match import.ty {
                TypeRef::Func(_) | TypeRef::FuncExact(_) => edits.satisfied.contains_key(&index),
                TypeRef::Table(_) => edits.set_tables.contains_key(&index),
                TypeRef::Memory(_) => edits.set_memories.contains_key(&index),
                TypeRef::Global(_) => edits.set_globals.contains_key(&index),
                TypeRef::Tag(_) => false,
            };
            if !inside {
                self.parse_import(&mut imports, import)?;
            }
        }
        if !imports.is_empty() {
            out.section(&imports);
        }
        Ok(())
    }

    fn functions(&self, out: &mut Output) {
        let edits = self.edits;
        let types = &edits.sections.funcs;
        let satisfied = edits.satisfied.keys().map(|&import| types[import as usize]);
        let own = types.iter().copied().skip(edits.sections.imported_funcs as usize);
        let mut functions = FunctionSection::new();
        for ty in satisfied.chain(own).chain(edits.funcs.iter().map(|function| function.ty)) {
            functions.function(ty);
        }
        if !functions.is_empty() {
            out.section(&functions);
        }
    }

    fn tables(&mut self, out: &mut Output) -> Result<(), Error> {
        let mut tables = TableSection::new();
        for ty in self.edits.set_tables.values() {
            tables.table(*ty);
        }
        if let Some(items) = self.edits.sections.items(id::TABLE)? {
            self.parse_table_section(&mut tables, items)?;
        }
        for ty in &self.edits.tables {
            tables.table(*ty);
        }
        if !tables.is_empty() {
            out.section(&tables);
        }
        Ok(())
    }

    fn memories(&mut self, out: &mut Output) -> Result<(), Error> {
        let edits = self.edits;
        let imported = edits.sections.imported_memories;
        let mut memories = MemorySection::new();
        for (_, ty) in edits.set_memories.range(..imported) {
            memories.memory(*ty);
        }
        for (index, ty) in (0..).zip(&edits.sections.memories).skip(imported as usize) {
            let ty = match edits.set_memories.get(&index) {
                Some(ty) => *ty,
                None => self.memory_type(*ty)?,
            };
            memories.memory(ty);
        }
        for ty in &edits.memories {
            memories.memory(*ty);
        }
        if !memories.is_empty() {
            out.section(&memories);
        }
        Ok(())
    }

    fn tags(&mut self, out: &mut Output) -> Result<(), Error> {
        if let Some(items) = self.edits.sections.items(id::TAG)? {
            let mut tags = TagSection::new();
            self.parse_tag_section(&mut tags, items)?;
            out.section(&tags);
        }
        Ok(())
    }

    fn globals(&mut self, out: &mut Output) -> Result<(), Error> {
        let edits = self.edits;
        let mut globals = GlobalSection::new();
        for (&index, value) in &edits.set_globals {
            let ty = self.global_type(edits.sections.globals[index as usize])?;
            globals.global(ty, &ConstExpr::extended([value.instruction()]));
        }
        if let Some(items) = edits.sections.items(id::GLOBAL)? {
            self.parse_global_section(&mut globals, items)?;
        }
        for (ty, init) in &edits.globals {
            globals.global(*ty, init);
        }
        if !globals.is_empty() {
            out.section(&globals);
        }
        Ok(())
    }

    fn exports(&mut self, out: &mut Output) -> Result<(), Error> {
        let edits = self.edits;
        let mut exports = ExportSection::new();
        for export in edits.sections.items::<wasmparser::Export<'_>>(id::EXPORT)?.into_iter().flatten() {
            let export = export?;
            if edits.drop_exports.contains(export.name) {
                continue;
            }
            let index = match edits.export_instead.get(&export.index) {
                Some(&instead) if crate::module::is_func(export.kind) => instead,
                _ => export.index,
            };
            let index = self.external_index(export.kind, index)?;
            exports.export(export.name, self.export_kind(export.kind)?, index);
        }
        for (name, kind, index) in &edits.exports {
            let index = self.external_index(*kind, *index)?;
            exports.export(name, self.export_kind(*kind)?, index);
        }
        if !exports.is_empty() {
            out.section(&exports);
        }
        Ok(())
    }

    fn start(&mut self, out: &mut Output) -> Result<(), Error> {
        if let Some(func) = self.edits.start.or(self.edits.sections.start) {
            out.section(&StartSection { function_index: self.function_index(func)? });
        }
        Ok(())
    }

    fn elements(&mut self, out: &mut Output) -> Result<(), Error> {
        if self.are_indices_kept() && self.edits.elements.is_empty() {
            self.copy(out, id::ELEMENT);
            return Ok(());
        }
        let mut elements = ElementSection::new();
        if let Some(items) = self.edits.sections.elements()? {
            self.parse_element_section(&mut elements, items)?;
        }
        for added in &self.edits.elements {
            let funcs: Vec<u32> = added.funcs.iter().map(|&func| self.spaces.funcs.get(func)).collect();
            let table = self.spaces.tables.get(added.table);
            let at = ConstExpr::i32_const(added.at.cast_signed());
            elements.active((table != 0).then_some(table), &at, ElementItems::Functions(funcs.into()));
        }
        if !elements.is_empty() || self.edits.sections.contents(id::ELEMENT).is_some() {
            out.section(&elements);
        }
        Ok(())
    }

    fn count_data(&self, out: &mut Output) {
        let edits = self.edits;
        let passive = edits.data.iter().any(|segment| segment.active.is_none());
        let was_there = edits.sections.counts_data() && !edits.drops_data_count;
        if passive || was_there {
            out.section(&DataCountSection { count: edits.sections.data_count + count(edits.data.len()) });
        }
    }

    fn data(&mut self, out: &mut Output) -> Result<(), Error> {
        if self.edits.data.is_empty() && self.are_indices_kept() {
            self.copy(out, id::DATA);
            return Ok(());
        }
        let mut data = DataSection::new();
        if let Some(items) = self.edits.sections.items(id::DATA)? {
            self.parse_data_section(&mut data, items)?;
        }
        for segment in &self.edits.data {
            let bytes = segment.bytes.iter().copied();
            match segment.active {
                Some((memory, at)) => {
                    let at = match at {
                        Address::I32(at) => ConstExpr::i32_const(at.cast_signed()),
                        Address::I64(at) => ConstExpr::i64_const(at.cast_signed()),
                    };
                    data.active(self.spaces.memories.get(memory), &at, bytes);
                }
                None => {
                    data.passive(bytes);
                }
            }
        }
        if !data.is_empty() {
            out.section(&data);
        }
        Ok(())
    }
}
