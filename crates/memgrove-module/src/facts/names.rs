//! The `name` section. It is a custom section: whatever is wrong with it, the module stays valid.

use wasmparser::{BinaryReader, Name, NameSectionReader};

/// Names of an index space, sorted by index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameMap<'a> {
    entries: Vec<(u32, &'a str)>,
}

impl<'a> NameMap<'a> {
    /// The name of the item with this index. O(log n).
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&'a str> {
        let at = self.entries.binary_search_by_key(&index, |&(index, _)| index).ok()?;
        Some(self.entries[at].1)
    }

    /// The first item with this name. O(n).
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u32> {
        self.entries.iter().find(|(_, n)| *n == name).map(|&(index, _)| index)
    }

    /// All `(index, name)` pairs, by index.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &'a str)> + '_ {
        self.entries.iter().copied()
    }

    /// Number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn read(map: wasmparser::NameMap<'a>) -> Self {
        let mut entries: Vec<_> =
            map.into_iter().map_while(Result::ok).map(|naming| (naming.index, naming.name)).collect();
        entries.shrink_to_fit();
        Self { entries }
    }
}

/// What the `name` section says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names<'a> {
    /// Whether there is such a section at all.
    pub present: bool,
    /// Name of the module.
    pub module: Option<&'a str>,
    /// Functions.
    pub funcs: NameMap<'a>,
    /// Tables.
    pub tables: NameMap<'a>,
    /// Memories.
    pub memories: NameMap<'a>,
    /// Globals.
    pub globals: NameMap<'a>,
    /// Data segments.
    pub data: NameMap<'a>,
}

impl<'a> Names<'a> {
    pub(super) fn read(&mut self, data: &'a [u8], offset: u64) {
        self.present = true;
        for subsection in NameSectionReader::new(BinaryReader::new(data, offset)) {
            match subsection {
                Ok(Name::Module { name, .. }) => self.module = Some(name),
                Ok(Name::Function(map)) => self.funcs = NameMap::read(map),
                Ok(Name::Table(map)) => self.tables = NameMap::read(map),
                Ok(Name::Memory(map)) => self.memories = NameMap::read(map),
                Ok(Name::Global(map)) => self.globals = NameMap::read(map),
                Ok(Name::Data(map)) => self.data = NameMap::read(map),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
}
