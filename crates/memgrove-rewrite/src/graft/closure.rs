//! What functions of a donor reach.

use std::collections::BTreeSet;

use wasm_encoder::reencode::{Error as ReencodeError, Reencode};
use wasmparser::Operator;

use super::donor::{Donor, Init, Segment, imported};
use super::{GraftError, from_reencode, unsupported};

/// What functions of a donor reach, each by its index in the donor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closure {
    /// Functions, with those that one asked for; imported ones, too.
    pub funcs: BTreeSet<u32>,
    /// Of these, the ones that are called or referred to from inside.
    pub called: BTreeSet<u32>,
    /// Globals, imported ones too.
    pub globals: BTreeSet<u32>,
    /// Of these, the ones that code writes.
    pub written_globals: BTreeSet<u32>,
    /// Tables, imported ones too.
    pub tables: BTreeSet<u32>,
    /// Memories, imported ones too, that are read, written, asked for their size, or grown.
    pub memories: BTreeSet<u32>,
    /// Passive data segments.
    pub passive_data: BTreeSet<u32>,
    /// Functions that hold `memory.size` or `memory.grow`.
    pub count_pages: BTreeSet<u32>,
    /// Some memory is grown.
    pub grows: bool,
}

impl Donor<'_> {
    /// Everything that `roots` reach. Linear in the donor.
    ///
    /// # Errors
    /// If it uses something that cannot be grafted.
    pub fn closure(&self, roots: impl IntoIterator<Item = u32>) -> Result<Closure, GraftError> {
        let mut walk = Walk::default();
        for root in roots {
            walk.reach(root);
        }
        loop {
            while let Some(func) = walk.open.pop() {
                self.walk_body(func, &mut walk)?;
            }
            // A table that is used may call what is in it.
            if !self.walk_tables(&mut walk)? && walk.open.is_empty() {
                break;
            }
        }
        for &global in &walk.found.globals.clone() {
            if global >= imported(&self.imports.globals)
                && let Init::Sum(sum) = self.first_value(global)?
            {
                walk.found.globals.extend(sum.global);
            }
        }
        if !walk.found.memories.is_empty() {
            for data in &self.data {
                if let wasmparser::DataKind::Active { offset_expr, memory_index } = &data.kind {
                    walk.found.globals.extend(super::donor::offset(offset_expr)?.global);
                    walk.found.memories.insert(*memory_index);
                }
            }
        }
        Ok(walk.found)
    }

    fn walk_body(&self, func: u32, walk: &mut Walk) -> Result<(), GraftError> {
        let Some(body) = self.body(func) else { return Ok(()) };
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let operator = reader.read()?;
            match operator {
                Operator::MemoryGrow { .. } => {
                    walk.found.grows = true;
                    walk.found.count_pages.insert(func);
                }
                Operator::MemorySize { .. } => {
                    walk.found.count_pages.insert(func);
                }
                Operator::GlobalSet { global_index } => {
                    walk.found.written_globals.insert(global_index);
                }
                _ => {}
            }
            // Every index of an operator passes through `walk`: no list of operators is kept here.
            walk.instruction(operator).map_err(from_reencode)?;
        }
        Ok(())
    }

    /// Reaches what lies in the tables that have been found. Whether anything is new.
    fn walk_tables(&self, walk: &mut Walk) -> Result<bool, GraftError> {
        let new: Vec<u32> = walk.found.tables.difference(&walk.tables_read).copied().collect();
        for &table in &new {
            walk.tables_read.insert(table);
            for segment in &self.elements {
                match segment {
                    Segment::Active { table: of, at, funcs } if *of == table => {
                        walk.found.globals.extend(at.global);
                        for &func in funcs {
                            walk.found.called.insert(func);
                            walk.reach(func);
                        }
                    }
                    Segment::Other => {
                        return Err(unsupported("element segments that are not lists of functions"));
                    }
                    Segment::Active { .. } | Segment::Declared => {}
                }
            }
        }
        Ok(!new.is_empty())
    }
}

/// What has been found so far.
#[derive(Default)]
struct Walk {
    found: Closure,
    /// Functions whose bodies are still to be read.
    open: Vec<u32>,
    tables_read: BTreeSet<u32>,
}

impl Walk {
    fn reach(&mut self, func: u32) {
        if self.found.funcs.insert(func) {
            self.open.push(func);
        }
    }
}

impl Reencode for Walk {
    type Error = GraftError;

    fn function_index(&mut self, func: u32) -> Result<u32, ReencodeError<GraftError>> {
        self.found.called.insert(func);
        self.reach(func);
        Ok(func)
    }

    fn global_index(&mut self, global: u32) -> Result<u32, ReencodeError<GraftError>> {
        self.found.globals.insert(global);
        Ok(global)
    }

    fn table_index(&mut self, table: u32) -> Result<u32, ReencodeError<GraftError>> {
        self.found.tables.insert(table);
        Ok(table)
    }

    fn memory_index(&mut self, memory: u32) -> Result<u32, ReencodeError<GraftError>> {
        self.found.memories.insert(memory);
        Ok(memory)
    }

    fn data_index(&mut self, data: u32) -> Result<u32, ReencodeError<GraftError>> {
        self.found.passive_data.insert(data);
        Ok(data)
    }

    fn element_index(&mut self, _: u32) -> Result<u32, ReencodeError<GraftError>> {
        Err(ReencodeError::UserError(unsupported("passive element segments")))
    }

    fn tag_index(&mut self, _: u32) -> Result<u32, ReencodeError<GraftError>> {
        Err(ReencodeError::UserError(unsupported("exceptions")))
    }
}
