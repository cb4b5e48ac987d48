//! Custom sections: what speaks of functions and code follows them, or is left out with a note.
//!
//! | section | what becomes of it |
//! |---|---|
//! | `name` | functions, locals, tables, memories and globals by their new indices; added functions named; labels of instrumented functions left out |
//! | `metadata.code.*` (branch hints) | functions and offsets by the map |
//! | `target_features` | `multimemory` added with a second memory, `reference-types` with a second table |
//! | `.debug_*`, `reloc.*`, `linking`, `sourceMappingURL`, `external_debug_info` | left out: they hold offsets into the original |
//! | `memgrove.fixed` | the mark of an earlier fix: its caller's to decide |
//! | all others | kept: `dylink.0` stays first, `build_id` names the build that the debug files are of, `producers` |

use wasm_encoder::reencode::Reencode;
use wasm_encoder::{CustomSection, Encode, IndirectNameMap, Module as Output, NameMap, NameSection};
use wasmparser::{BinaryReader, CustomSectionReader, KnownCustom, Name, NameSectionReader};

use super::body::Original;
use super::count;
use super::map::Map;
use super::spaces::Space;
use super::write::Writer;
use crate::Error;

/// A custom section that holds offsets into the original's code or file, and means nothing in another.
pub(crate) fn refers_to_offsets(name: &str) -> bool {
    name.starts_with(".debug_")
        || name.starts_with("reloc.")
        || matches!(name, "linking" | "sourceMappingURL" | "external_debug_info")
}

/// Offsets in a function's body and what is said of the instructions there.
type Entries<'a> = Vec<(u32, &'a [u8])>;

impl Writer<'_, '_, '_> {
    /// Writes a custom section as it belongs into the output.
    pub fn custom(
        &mut self,
        out: &mut Output,
        custom: &CustomSectionReader<'_>,
        map: &Map,
    ) -> Result<(), Error> {
        let name = custom.name();
        if self.edits.drop_customs.iter().any(|dropped| dropped == name) {
            return Ok(());
        }
        if refers_to_offsets(name) {
            self.notes.push(format!("{name}: left out, as it holds offsets into the original"));
            return Ok(());
        }
        if let KnownCustom::Name(_) = custom.as_known()
            && let Some(names) = self.names(custom)
        {
            out.section(&names);
            return Ok(());
        }
        let changed = if name.starts_with("metadata.code.") {
            let metadata = self.code_metadata(custom, map);
            if metadata.is_none() {
                self.notes.push(format!("{name}: left out, as it could not be read"));
                return Ok(());
            }
            metadata
        } else if name == "target_features" {
            self.target_features(custom)
        } else {
            None
        };
        let data = changed.map_or_else(|| custom.data().into(), Into::into);
        out.section(&CustomSection { name: name.into(), data });
        Ok(())
    }

    /// The features with those that additions need; `None` if there are none of these, or it cannot be read.
    fn target_features(&self, custom: &CustomSectionReader<'_>) -> Option<Vec<u8>> {
        let sections = self.edits.sections;
        let mut reader = BinaryReader::new(custom.data(), custom.data_offset());
        let mut features = Vec::new();
        for _ in 0..reader.read_var_u32().ok()? {
            let prefix = reader.read_u8().ok()?;
            features.push((prefix, reader.read_string().ok()?));
        }
        let has_second = |had: usize, added: usize| added > 0 && had + added > 1;
        let needed = [
            ("multimemory", has_second(sections.memories.len(), self.edits.memories.len())),
            ("reference-types", has_second(sections.tables.len(), self.edits.tables.len())),
        ];
        let mut changed = false;
        for (name, _) in needed.iter().filter(|(_, is_needed)| *is_needed) {
            match features.iter_mut().find(|(_, known)| known == name) {
                Some((b'+', _)) => continue,
                Some((prefix, _)) => *prefix = b'+',
                None => features.push((b'+', name)),
            }
            changed = true;
        }
        if !changed {
            return None;
        }
        let mut bytes = Vec::new();
        count(features.len()).encode(&mut bytes);
        for (prefix, name) in features {
            bytes.push(prefix);
            name.encode(&mut bytes);
        }
        Some(bytes)
    }

    /// The name section by new indices, with the added functions named; `None` if it cannot be read (names
    /// are not validated), in which case it is kept as it is.
    fn names(&mut self, custom: &CustomSectionReader<'_>) -> Option<NameSection> {
        let reader = NameSectionReader::new(BinaryReader::new(custom.data(), custom.data_offset()));
        let mut names = NameSection::new();
        for subsection in reader {
            match subsection.ok()? {
                Name::Function(map) => names.functions(&self.function_names(map)?),
                Name::Table(map) => names.tables(&sorted(map, &self.spaces.tables)?),
                Name::Memory(map) => names.memories(&sorted(map, &self.spaces.memories)?),
                Name::Global(map) => names.globals(&sorted(map, &self.spaces.globals)?),
                Name::Local(map) => names.locals(&self.names_within(map, |_| true)?),
                Name::Label(map) => {
                    // Blocks may have been added in front of theirs.
                    let is_kept = |func| self.original(func).is_none_or(|original| !original.is_instrumented);
                    names.labels(&self.names_within(map, is_kept)?);
                }
                other => self.parse_custom_name_subsection(&mut names, other).ok()?,
            }
        }
        Some(names)
    }

    fn function_names(&self, map: wasmparser::NameMap<'_>) -> Option<NameMap> {
        let edits = self.edits;
        let first = count(edits.sections.funcs.len());
        let mut entries: Vec<(u32, &str)> = Vec::new();
        for (index, function) in (first..).zip(&edits.funcs) {
            entries.push((self.spaces.funcs.get(function.wraps.unwrap_or(index)), &function.name));
        }
        for naming in map {
            let naming = naming.ok()?;
            let name = edits.renamed.get(&naming.index).map_or(naming.name, String::as_str);
            entries.push((self.definition(naming.index), name));
        }
        Some(in_order(entries))
    }

    /// The output's index of a function's own code.
    fn definition(&self, func: u32) -> u32 {
        self.spaces.funcs.get(self.edits.wrapped.get(&func).copied().unwrap_or(func))
    }

    /// Names inside of functions, by the functions' new indices.
    fn names_within(
        &self,
        map: wasmparser::IndirectNameMap<'_>,
        is_kept: impl Fn(u32) -> bool,
    ) -> Option<IndirectNameMap> {
        let mut entries = Vec::new();
        for inner in map {
            let inner = inner.ok()?;
            if !is_kept(inner.index) {
                continue;
            }
            let mut names = NameMap::new();
            for naming in inner.names {
                let naming = naming.ok()?;
                names.append(naming.index, naming.name);
            }
            entries.push((self.definition(inner.index), names));
        }
        entries.sort_by_key(|(index, _)| *index);
        let mut indirect = IndirectNameMap::new();
        for (index, names) in &entries {
            indirect.append(*index, names);
        }
        Some(indirect)
    }

    fn original(&self, func: u32) -> Option<&Original> {
        let at = func.checked_sub(self.edits.sections.imported_funcs)?;
        self.originals.get(at as usize)
    }

    /// Where an instruction is now, both counted from the start of the function's body.
    fn offset_in_body(&self, func: u32, offset: u32, map: &Map) -> Option<u32> {
        let start = self.original(func)?.start;
        map.offset(start.checked_add(offset)?)?.checked_sub(map.offset(start)?)
    }

    /// A section of code metadata by new functions and offsets; `None` if it cannot be read.
    ///
    /// Each function has entries of an offset from the start of its body, and bytes. What is said of an
    /// instruction that was taken out goes with it.
    fn code_metadata(&self, custom: &CustomSectionReader<'_>, map: &Map) -> Option<Vec<u8>> {
        let mut reader = BinaryReader::new(custom.data(), custom.data_offset());
        let mut functions: Vec<(u32, Entries<'_>)> = Vec::new();
        for _ in 0..reader.read_var_u32().ok()? {
            let original = reader.read_var_u32().ok()?;
            let mut entries = Vec::new();
            for _ in 0..reader.read_var_u32().ok()? {
                let offset = reader.read_var_u32().ok()?;
                let len = reader.read_var_u32().ok()?;
                let bytes = reader.read_bytes(usize::try_from(len).ok()?).ok()?;
                if let Some(offset) = self.offset_in_body(original, offset, map) {
                    entries.push((offset, bytes));
                }
            }
            if let Some(function) = map.function(original)
                && !entries.is_empty()
            {
                functions.push((function, entries));
            }
        }
        if !reader.eof() {
            return None;
        }
        functions.sort_unstable_by_key(|(function, _)| *function);
        let mut bytes = Vec::new();
        count(functions.len()).encode(&mut bytes);
        for (function, entries) in functions {
            function.encode(&mut bytes);
            count(entries.len()).encode(&mut bytes);
            for (offset, data) in entries {
                offset.encode(&mut bytes);
                data.encode(&mut bytes);
            }
        }
        Some(bytes)
    }
}

/// Names at their new indices.
fn sorted(map: wasmparser::NameMap<'_>, indices: &Space) -> Option<NameMap> {
    let mut entries: Vec<(u32, &str)> = Vec::new();
    for naming in map {
        let naming = naming.ok()?;
        entries.push((indices.get(naming.index), naming.name));
    }
    Some(in_order(entries))
}

/// Names in their order, as the section must be whatever moved.
fn in_order(mut entries: Vec<(u32, &str)>) -> NameMap {
    entries.sort_unstable();
    let mut names = NameMap::new();
    for (index, name) in entries {
        names.append(index, name);
    }
    names
}
