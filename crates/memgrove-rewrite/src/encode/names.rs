//! Custom sections: names follow their functions, what would become wrong is left out.

use wasm_encoder::reencode::Reencode;
use wasm_encoder::{CustomSection, IndirectNameMap, Module as Output, NameMap, NameSection};
use wasmparser::{BinaryReader, CustomSectionReader, KnownCustom, Name, NameSectionReader};

use super::Emitter;
use super::added::count;
use super::indices::Map;
use crate::Error;

impl Emitter<'_, '_> {
    /// Writes a custom section as it belongs into the output.
    pub fn custom(&mut self, out: &mut Output, custom: &CustomSectionReader<'_>) -> Result<(), Error> {
        // That of an earlier fix, with other options.
        if custom.name() == crate::mark::SECTION {
            return Ok(());
        }
        if self.edits.drop_customs.iter().any(|name| name == custom.name()) {
            return Ok(());
        }
        if let KnownCustom::Name(_) = custom.as_known()
            && let Some(names) = self.names(custom)
        {
            out.section(&names);
            return Ok(());
        }
        out.section(&CustomSection { name: custom.name().into(), data: custom.data().into() });
        Ok(())
    }

    /// The name section with the added functions named; `None` if it cannot be read (names
    /// are not validated), in which case it is kept as it is.
    fn names(&mut self, custom: &CustomSectionReader<'_>) -> Option<NameSection> {
        let reader = NameSectionReader::new(BinaryReader::new(custom.data(), custom.data_offset()));
        let mut names = NameSection::new();
        for subsection in reader {
            match subsection.ok()? {
                Name::Function(map) => {
                    let first = count(self.module.funcs.len());
                    let added =
                        (first..).zip(&self.added.helpers).map(|(index, (.., name))| (index, name.as_str()));
                    names.functions(&sorted(map, &self.indices.funcs, added)?);
                }
                Name::Table(map) => names.tables(&sorted(map, &self.indices.tables, [])?),
                Name::Memory(map) => names.memories(&sorted(map, &self.indices.memories, [])?),
                Name::Global(map) => names.globals(&sorted(map, &self.indices.globals, [])?),
                Name::Local(map) => names.locals(&sorted_within(map, &self.indices.funcs)?),
                Name::Label(map) => names.labels(&sorted_within(map, &self.indices.funcs)?),
                other => self.parse_custom_name_subsection(&mut names, other).ok()?,
            }
        }
        Some(names)
    }
}

/// Names at their new indices, and in their order, as the section must be whatever moved.
fn sorted<'a>(
    map: wasmparser::NameMap<'a>,
    indices: &Map,
    added: impl IntoIterator<Item = (u32, &'a str)>,
) -> Option<NameMap> {
    let mut entries: Vec<(u32, &str)> = added.into_iter().collect();
    for naming in map {
        let naming = naming.ok()?;
        entries.push((indices.get(naming.index), naming.name));
    }
    entries.sort_unstable();
    let mut names = NameMap::new();
    for (index, name) in entries {
        names.append(index, name);
    }
    Some(names)
}

/// Names inside of functions, by the functions' new indices.
fn sorted_within(map: wasmparser::IndirectNameMap<'_>, functions: &Map) -> Option<IndirectNameMap> {
    let mut entries = Vec::new();
    for inner in map {
        let inner = inner.ok()?;
        let mut names = NameMap::new();
        for naming in inner.names {
            let naming = naming.ok()?;
            names.append(naming.index, naming.name);
        }
        entries.push((functions.get(inner.index), names));
    }
    entries.sort_unstable_by_key(|(index, _)| *index);
    let mut indirect = IndirectNameMap::new();
    for (index, names) in &entries {
        indirect.append(*index, names);
    }
    Some(indirect)
}
