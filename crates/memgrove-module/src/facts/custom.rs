//! Custom sections with a known meaning. All of them are read leniently: what cannot be read is skipped.

use serde::Serialize;
use wasmparser::{BinaryReader, Dylink0SectionReader, Dylink0Subsection};

/// An entry of the `producers` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Producer<'a> {
    /// `language`, `sdk` or `processed-by`.
    pub field: &'a str,
    /// Name of the language or tool.
    pub name: &'a str,
    /// Its version; may be empty.
    pub version: &'a str,
}

/// An entry of the `target_features` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TargetFeature<'a> {
    /// `+` used, `-` not to be linked with, `=` required.
    pub prefix: char,
    /// Name of the feature in LLVM.
    pub name: &'a str,
}

/// The `dylink.0` section of a side module (or of a main module that takes side modules).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Dylink<'a> {
    /// Bytes of memory that the loader must reserve at `__memory_base`.
    pub memory_size_bytes: u32,
    /// Alignment of that memory in bytes.
    pub memory_align_bytes: u64,
    /// Table elements that the loader must reserve at `__table_base`.
    pub table_size: u32,
    /// Libraries that must be loaded first.
    pub needed: Vec<&'a str>,
}

/// What the custom sections say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Custom<'a> {
    /// `producers`.
    pub producers: Vec<Producer<'a>>,
    /// `target_features`.
    pub target_features: Vec<TargetFeature<'a>>,
    /// `dylink.0`, or the older `dylink`.
    pub dylink: Option<Dylink<'a>>,
    /// `sourceMappingURL`.
    pub source_mapping_url: Option<&'a str>,
    /// `build_id`.
    pub build_id: Option<&'a [u8]>,
    /// `external_debug_info`.
    pub external_debug_info: Option<&'a str>,
    /// Whether DWARF sections (`.debug_info`) are there.
    pub dwarf: bool,
    /// Whether it is an object file (`linking`), not a linked module.
    pub linking: bool,
}

impl<'a> Custom<'a> {
    pub(super) fn read(&mut self, name: &str, data: &'a [u8], offset: u64) {
        let mut reader = BinaryReader::new(data, offset);
        match name {
            "producers" => read_producers(&mut reader, &mut self.producers).unwrap_or_default(),
            "target_features" => {
                read_target_features(&mut reader, &mut self.target_features).unwrap_or_default();
            }
            "dylink.0" => self.dylink = Some(read_dylink0(reader)),
            "dylink" => self.dylink = read_dylink(&mut reader),
            "sourceMappingURL" => self.source_mapping_url = reader.read_unlimited_string().ok(),
            "external_debug_info" => self.external_debug_info = reader.read_unlimited_string().ok(),
            "build_id" => {
                self.build_id =
                    reader.read_var_u32().ok().and_then(|len| reader.read_bytes(len as usize).ok());
            }
            "linking" => self.linking = true,
            ".debug_info" => self.dwarf = true,
            _ => {}
        }
    }
}

// wasmparser's own reader refuses field names beyond the three known ones; we keep whatever is there.
fn read_producers<'a>(reader: &mut BinaryReader<'a>, out: &mut Vec<Producer<'a>>) -> wasmparser::Result<()> {
    for _ in 0..reader.read_var_u32()? {
        let field = reader.read_unlimited_string()?;
        for _ in 0..reader.read_var_u32()? {
            let name = reader.read_unlimited_string()?;
            let version = reader.read_unlimited_string()?;
            out.push(Producer { field, name, version });
        }
    }
    Ok(())
}

fn read_target_features<'a>(
    reader: &mut BinaryReader<'a>,
    out: &mut Vec<TargetFeature<'a>>,
) -> wasmparser::Result<()> {
    for _ in 0..reader.read_var_u32()? {
        let prefix = char::from(reader.read_u8()?);
        let name = reader.read_unlimited_string()?;
        out.push(TargetFeature { prefix, name });
    }
    Ok(())
}

fn read_dylink0<'a>(reader: BinaryReader<'a>) -> Dylink<'a> {
    let mut dylink = Dylink::default();
    for subsection in Dylink0SectionReader::new(reader).map_while(Result::ok) {
        match subsection {
            Dylink0Subsection::MemInfo(info) => {
                dylink.memory_size_bytes = info.memory_size;
                dylink.memory_align_bytes = 1u64.checked_shl(info.memory_alignment).unwrap_or(0);
                dylink.table_size = info.table_size;
            }
            Dylink0Subsection::Needed(needed) => dylink.needed = needed,
            _ => {}
        }
    }
    dylink
}

/// The form before 2022: five numbers and names, no subsections.
fn read_dylink<'a>(reader: &mut BinaryReader<'a>) -> Option<Dylink<'a>> {
    let memory_size_bytes = reader.read_var_u32().ok()?;
    let memory_alignment = reader.read_var_u32().ok()?;
    let table_size = reader.read_var_u32().ok()?;
    let _table_alignment = reader.read_var_u32().ok()?;
    let count = reader.read_var_u32().unwrap_or(0);
    let needed = (0..count).map_while(|_| reader.read_unlimited_string().ok()).collect();
    let memory_align_bytes = 1u64.checked_shl(memory_alignment).unwrap_or(0);
    Some(Dylink { memory_size_bytes, memory_align_bytes, table_size, needed })
}
