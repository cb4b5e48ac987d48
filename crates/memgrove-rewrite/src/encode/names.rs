//! Custom sections: names follow their functions, what would become wrong is left out.

use wasm_encoder::reencode::Reencode;
use wasm_encoder::{CustomSection, Module as Output, NameMap, NameSection};
use wasmparser::{BinaryReader, CustomSectionReader, KnownCustom, Name, NameSectionReader};

use super::Emitter;
use super::added::count;
use crate::Error;

impl Emitter<'_, '_> {
    /// Writes a custom section as it belongs into the output.
    pub fn custom(&mut self, out: &mut Output, custom: &CustomSectionReader<'_>) -> Result<(), Error> {
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
                    let mut entries = Vec::new();
                    for naming in map {
                        let naming = naming.ok()?;
                        entries.push((self.indices.funcs.get(naming.index), naming.name.to_owned()));
                    }
                    let first = count(self.module.funcs.len());
                    for (index, (_, _, name)) in (first..).zip(&self.added.helpers) {
                        entries.push((index, name.clone()));
                    }
                    // Sorted, as the section must be, whatever moved.
                    entries.sort();
                    let mut functions = NameMap::new();
                    for (index, name) in &entries {
                        functions.append(*index, name);
                    }
                    names.functions(&functions);
                }
                other => self.parse_custom_name_subsection(&mut names, other).ok()?,
            }
        }
        Some(names)
    }
}
