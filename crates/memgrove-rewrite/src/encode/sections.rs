//! One section at a time: copied as it is where nothing in it changes.

use wasm_encoder::reencode::Reencode;
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, ExportSection, Function,
    FunctionSection, GlobalSection, ImportSection, Instruction, MemorySection, Module as Output,
    StartSection, TableSection, TagSection, TypeSection,
};
use wasmparser::{BinaryReader, FromReader, FunctionBody, Operator, SectionLimited, TypeRef};

use super::Emitter;
use super::added::{after_break, count};
use crate::Error;
use crate::edits::WatchedBreak;

impl<'a> Emitter<'_, 'a> {
    /// Writes the section `id`, if the output has one.
    pub fn section(&mut self, out: &mut Output, id: u8) -> Result<(), Error> {
        match id {
            1 => self.types(out)?,
            2 => self.imports(out)?,
            3 => self.functions(out)?,
            4 => self.tables(out)?,
            5 => self.memories(out)?,
            6 => self.globals(out)?,
            7 => self.exports(out)?,
            8 => self.start(out)?,
            9 => self.elements(out)?,
            10 => self.code(out)?,
            11 => self.data(out)?,
            12 => self.data_count(out),
            13 => self.tags(out)?,
            _ => self.copy(out, id),
        }
        Ok(())
    }

    /// A reader over the items of a section of the input.
    fn items<T: FromReader<'a>>(&self, id: u8) -> Result<Option<SectionLimited<'a, T>>, Error> {
        match self.contents(id) {
            Some(bytes) => Ok(Some(SectionLimited::new(BinaryReader::new(bytes, 0))?)),
            None => Ok(None),
        }
    }

    fn types(&mut self, out: &mut Output) -> Result<(), Error> {
        if self.added.types.is_empty() {
            self.copy(out, 1);
            return Ok(());
        }
        let mut types = TypeSection::new();
        if let Some(items) = self.items(1)? {
            self.parse_type_section(&mut types, items)?;
        }
        for (params, results) in &self.added.types {
            types.ty().function(params.iter().copied(), results.iter().copied());
        }
        out.section(&types);
        Ok(())
    }

    fn imports(&mut self, out: &mut Output) -> Result<(), Error> {
        let mut imports = ImportSection::new();
        for entry in &self.module.imports {
            let inside = match entry.import.ty {
                TypeRef::Func(_) | TypeRef::FuncExact(_) => self.edits.funcs.contains_key(&entry.index),
                TypeRef::Table(_) => self.edits.tables.contains_key(&entry.index),
                TypeRef::Memory(_) => self.edits.memories.contains_key(&entry.index),
                TypeRef::Global(_) => self.edits.globals.contains_key(&entry.index),
                TypeRef::Tag(_) => false,
            };
            if !inside {
                self.parse_import(&mut imports, entry.import)?;
            }
        }
        if !imports.is_empty() {
            out.section(&imports);
        }
        Ok(())
    }

    fn functions(&mut self, out: &mut Output) -> Result<(), Error> {
        let mut functions = FunctionSection::new();
        for (ty, _) in &self.added.stand_ins {
            functions.function(*ty);
        }
        for ty in &self.module.funcs[self.module.imported_funcs as usize..] {
            functions.function(*ty);
        }
        for (ty, _, _) in &self.added.helpers {
            functions.function(*ty);
        }
        if !functions.is_empty() {
            out.section(&functions);
        }
        Ok(())
    }

    fn tables(&mut self, out: &mut Output) -> Result<(), Error> {
        let mut tables = TableSection::new();
        for ty in self.edits.tables.values() {
            let ty = self.table_type(*ty)?;
            tables.table(ty);
        }
        if let Some(items) = self.items(4)? {
            self.parse_table_section(&mut tables, items)?;
        }
        if !tables.is_empty() {
            out.section(&tables);
        }
        Ok(())
    }

    fn memories(&mut self, out: &mut Output) -> Result<(), Error> {
        let mut memories = MemorySection::new();
        for ty in self.edits.memories.values() {
            let ty = self.memory_type(*ty)?;
            memories.memory(ty);
        }
        let own = self.module.memories.iter().enumerate().skip(self.module.imported_memories as usize);
        for (index, ty) in own {
            let ty = self.edits.own_memories.get(&count(index)).unwrap_or(ty);
            let ty = self.memory_type(*ty)?;
            memories.memory(ty);
        }
        if let Some(ty) = self.edits.added_memory {
            let ty = self.memory_type(ty)?;
            memories.memory(ty);
        }
        if !memories.is_empty() {
            out.section(&memories);
        }
        Ok(())
    }

    fn tags(&mut self, out: &mut Output) -> Result<(), Error> {
        if let Some(items) = self.items(13)? {
            let mut tags = TagSection::new();
            self.parse_tag_section(&mut tags, items)?;
            out.section(&tags);
        }
        Ok(())
    }

    fn globals(&mut self, out: &mut Output) -> Result<(), Error> {
        let mut globals = GlobalSection::new();
        for (&index, value) in &self.edits.globals {
            let ty = self.global_type(self.module.globals[index as usize])?;
            let mut bytes = Vec::new();
            wasm_encoder::Encode::encode(&value.instruction(), &mut bytes);
            globals.global(ty, &ConstExpr::raw(bytes));
        }
        if let Some(items) = self.items(6)? {
            self.parse_global_section(&mut globals, items)?;
        }
        for (ty, init) in &self.added.globals {
            globals.global(*ty, init);
        }
        if !globals.is_empty() {
            out.section(&globals);
        }
        Ok(())
    }

    fn exports(&mut self, out: &mut Output) -> Result<(), Error> {
        let mut exports = ExportSection::new();
        for export in &self.module.exports {
            let kind = self.export_kind(export.kind)?;
            let index = match self.added.guards.get(&export.index) {
                Some(&guard) if crate::module::is_func(export.kind) => guard,
                _ => self.external_index(export.kind, export.index)?,
            };
            exports.export(export.name, kind, index);
        }
        for (name, kind, index) in &self.edits.exports {
            let index = self.external_index(*kind, *index)?;
            exports.export(name, self.export_kind(*kind)?, index);
        }
        if !exports.is_empty() {
            out.section(&exports);
        }
        Ok(())
    }

    fn start(&mut self, out: &mut Output) -> Result<(), Error> {
        let start = match (self.added.start, self.module.start) {
            (Some(added), _) => Some(added),
            (None, Some(original)) => Some(self.function_index(original)?),
            (None, None) => None,
        };
        if let Some(function_index) = start {
            out.section(&StartSection { function_index });
        }
        Ok(())
    }

    fn elements(&mut self, out: &mut Output) -> Result<(), Error> {
        if self.indices.are_identity() && self.constants.is_empty() {
            self.copy(out, 9);
        } else if let Some(items) = self.items(9)? {
            let mut elements = ElementSection::new();
            self.parse_element_section(&mut elements, items)?;
            out.section(&elements);
        }
        Ok(())
    }

    fn data_count(&mut self, out: &mut Output) {
        if self.contents(12).is_some() {
            let count = count(self.module.data.len() + self.edits.data.len());
            out.section(&DataCountSection { count });
        }
    }

    fn data(&mut self, out: &mut Output) -> Result<(), Error> {
        if self.edits.data.is_empty() && self.indices.are_identity() && self.constants.is_empty() {
            self.copy(out, 11);
            return Ok(());
        }
        let mut data = DataSection::new();
        if let Some(items) = self.items(11)? {
            self.parse_data_section(&mut data, items)?;
        }
        let memory = self.indices.memories.get(0);
        for (at, bytes) in &self.edits.data {
            data.active(memory, &ConstExpr::i32_const(at.cast_signed()), bytes.iter().copied());
        }
        if !data.is_empty() {
            out.section(&data);
        }
        Ok(())
    }

    fn code(&mut self, out: &mut Output) -> Result<(), Error> {
        let mut code = CodeSection::new();
        for (_, body) in &self.added.stand_ins {
            code.function(body);
        }
        let identity = self.indices.are_identity();
        for body in &self.module.bodies {
            let watched = self.watched_in(body)?;
            if !watched.is_empty() {
                let body = self.with_growth(body, &watched)?;
                code.function(&body);
            } else if identity {
                code.raw(body.as_bytes());
            } else {
                self.parse_function_body(&mut code, body.clone())?;
            }
        }
        for (_, body, _) in &self.added.helpers {
            code.function(body);
        }
        if !code.is_empty() {
            out.section(&code);
        }
        Ok(())
    }

    /// The watched breaks that a function may move.
    fn watched_in(&self, body: &FunctionBody<'a>) -> Result<Vec<WatchedBreak>, Error> {
        let mut found = Vec::new();
        if self.edits.watched_breaks.is_empty() {
            return Ok(found);
        }
        let cells = self.edits.watched_breaks.iter();
        for &watched in cells {
            let moves = match watched {
                WatchedBreak::Global(global) => {
                    let mut sets = false;
                    for operator in body.get_operators_reader()? {
                        sets |= matches!(operator?, Operator::GlobalSet { global_index } if global_index == global);
                    }
                    sets
                }
                WatchedBreak::Cell(at) => crate::structure::uses_cell(body, at)?,
            };
            if moves {
                found.push(watched);
            }
        }
        Ok(found)
    }

    /// The body with a check behind every instruction that may have moved a break.
    fn with_growth(&mut self, body: &FunctionBody<'a>, watched: &[WatchedBreak]) -> Result<Function, Error> {
        let Some(cover) = self.added.cover else {
            return Err(Error::Encode("a watched break without the function that grows".to_owned()));
        };
        let mut out = self.new_function_with_parsed_locals(body)?;
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let operator = reader.read()?;
            let moved: Vec<WatchedBreak> = watched
                .iter()
                .copied()
                .filter(|watched| match (watched, &operator) {
                    (WatchedBreak::Global(global), Operator::GlobalSet { global_index }) => {
                        global == global_index
                    }
                    (WatchedBreak::Cell(_), Operator::I32Store { .. }) => true,
                    _ => false,
                })
                .collect();
            let instruction: Instruction<'_> = self.instruction(operator)?;
            out.instruction(&instruction);
            for watched in moved {
                for instruction in after_break(watched, cover, &self.indices) {
                    out.instruction(&instruction);
                }
            }
        }
        Ok(out)
    }
}
