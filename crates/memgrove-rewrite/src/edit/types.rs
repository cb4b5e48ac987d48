//! Types of items by their edit indices, for what is to be joined to them.

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{GlobalType, TableType};

use super::{Edits, Signature, count};

impl Edits<'_, '_> {
    /// Parameters and results of a function; `None` if there is no such function.
    pub(crate) fn signature(&self, func: u32) -> Option<Signature> {
        let sections = self.sections;
        let ty = match sections.funcs.get(func as usize) {
            Some(&ty) => ty,
            None => self.funcs.get((func - count(sections.funcs.len())) as usize)?.ty,
        };
        match ty.checked_sub(sections.type_count()) {
            Some(added) => self.types.get(added as usize).cloned(),
            None => signature(sections.func_type_at(ty)?),
        }
    }

    /// The type of a global; `None` if there is none.
    pub(crate) fn global_type(&self, global: u32) -> Option<GlobalType> {
        match self.sections.globals.get(global as usize) {
            Some(&ty) => RoundtripReencoder.global_type(ty).ok(),
            None => {
                let added = global - count(self.sections.globals.len());
                self.globals.get(added as usize).map(|(ty, _)| *ty)
            }
        }
    }

    /// The type of a table; `None` if there is none.
    pub(crate) fn table_type(&self, table: u32) -> Option<TableType> {
        match self.sections.tables.get(table as usize) {
            Some(&ty) => RoundtripReencoder.table_type(ty).ok(),
            None => self.tables.get((table - count(self.sections.tables.len())) as usize).copied(),
        }
    }

    /// Whether a memory has 64-bit addresses; `None` if there is no such memory.
    pub(crate) fn memory_is_64(&self, memory: u32) -> Option<bool> {
        match self.sections.memories.get(memory as usize) {
            Some(ty) => Some(ty.memory64),
            None => {
                let added = memory - count(self.sections.memories.len());
                self.memories.get(added as usize).map(|ty| ty.memory64)
            }
        }
    }
}

/// Parameters and results as the encoder has them; `None` where it cannot express a type.
pub(crate) fn signature(ty: &wasmparser::FuncType) -> Option<Signature> {
    let convert = |types: &[wasmparser::ValType]| {
        types.iter().map(|&ty| RoundtripReencoder.val_type(ty).ok()).collect::<Option<Vec<_>>>()
    };
    Some((convert(ty.params())?, convert(ty.results())?))
}
