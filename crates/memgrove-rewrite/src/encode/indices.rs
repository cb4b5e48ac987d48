//! From the original module's indices to the output's.
//!
//! In each index space the imports that stay come first, then what was imported and now is
//! the module's own, then what it defined, then what is added. So nothing moves at all when
//! every import of a kind is satisfied, and names and bodies stay as they are.

use crate::module::Module;

/// One map an index space; `None` means that nothing moved.
#[derive(Default)]
pub(crate) struct Indices {
    pub funcs: Map,
    pub tables: Map,
    pub memories: Map,
    pub globals: Map,
}

/// Map of one index space.
#[derive(Default)]
pub(crate) struct Map(Option<Vec<u32>>);

impl Map {
    fn new(imported: u32, inside: impl Fn(u32) -> bool) -> Self {
        let kept: Vec<u32> = (0..imported).filter(|&i| !inside(i)).collect();
        let taken: Vec<u32> = (0..imported).filter(|&i| inside(i)).collect();
        let order: Vec<u32> = kept.into_iter().chain(taken).collect();
        if order.iter().enumerate().all(|(new, &old)| new == old as usize) {
            return Self(None);
        }
        let mut map = vec![0; order.len()];
        for (new, old) in (0..).zip(order) {
            map[old as usize] = new;
        }
        Self(Some(map))
    }

    /// The new index of `old`.
    pub fn get(&self, old: u32) -> u32 {
        match &self.0 {
            Some(map) => map.get(old as usize).copied().unwrap_or(old),
            None => old,
        }
    }

    /// Nothing moved.
    pub fn is_identity(&self) -> bool {
        self.0.is_none()
    }
}

impl Indices {
    /// The order that `edits` lead to.
    pub fn new(module: &Module<'_>, edits: &crate::edits::Edits) -> Self {
        Self {
            funcs: Map::new(module.imported_funcs, |i| edits.funcs.contains_key(&i)),
            tables: Map::new(module.imported_tables, |i| edits.tables.contains_key(&i)),
            memories: Map::new(module.imported_memories, |i| edits.memories.contains_key(&i)),
            globals: Map::new(module.imported_globals, |i| edits.globals.contains_key(&i)),
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
