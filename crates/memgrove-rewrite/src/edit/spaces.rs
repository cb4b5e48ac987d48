//! From edit indices to the output's.
//!
//! In each index space the imports that stay come first, then what was imported and now is the module's own,
//! then what it defined, then what is added. So nothing moves at all while every import stays, or when every
//! one of a kind is satisfied, and bodies are copied as they are.

use std::collections::BTreeMap;

use super::{Edits, count};

/// One map an index space. Types, tags, elements and data only ever get more behind them.
#[derive(Default)]
pub(super) struct Spaces {
    pub funcs: Space,
    pub tables: Space,
    pub memories: Space,
    pub globals: Space,
}

/// The map of one index space; `None` means that nothing moved.
#[derive(Default)]
pub(super) struct Space(Option<Vec<u32>>);

impl Space {
    /// A space of `imported` imports, of which `inside` become the module's own.
    fn new<T>(imported: u32, inside: &BTreeMap<u32, T>) -> Self {
        let kept = (0..imported).filter(|index| !inside.contains_key(index));
        let taken = (0..imported).filter(|index| inside.contains_key(index));
        let mut map = vec![0; imported as usize];
        let mut moved = false;
        for (new, old) in (0..).zip(kept.chain(taken)) {
            map[old as usize] = new;
            moved |= new != old;
        }
        Self(moved.then_some(map))
    }

    /// The output's index.
    pub fn get(&self, index: u32) -> u32 {
        let moved = self.0.as_ref().and_then(|map| map.get(index as usize));
        moved.copied().unwrap_or(index)
    }

    pub fn is_identity(&self) -> bool {
        self.0.is_none()
    }

    /// Exchanges two indices, of `len`.
    fn swap(&mut self, a: u32, b: u32, len: u32) {
        let map = self.0.get_or_insert_default();
        map.extend(count(map.len())..len);
        map.swap(a as usize, b as usize);
    }
}

impl Spaces {
    pub fn new(edits: &Edits<'_, '_>) -> Self {
        let sections = edits.sections;
        let mut funcs = Space::new(sections.imported_funcs, &edits.satisfied);
        for (&func, &inner) in &edits.wrapped {
            // An import cannot move behind its wrapper, so what refers to it moves instead.
            if func < sections.imported_funcs {
                funcs.swap(func, inner, edits.next_func());
            }
        }
        Self {
            funcs,
            tables: Space::new(sections.imported_tables, &edits.set_tables),
            memories: Space::new(sections.imported_memories, &edits.set_memories),
            globals: Space::new(sections.imported_globals, &edits.set_globals),
        }
    }

    /// Function bodies can be copied byte for byte.
    pub fn are_identity(&self) -> bool {
        self.funcs.is_identity()
            && self.tables.is_identity()
            && self.memories.is_identity()
            && self.globals.is_identity()
    }
}
