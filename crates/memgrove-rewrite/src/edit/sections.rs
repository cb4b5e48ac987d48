//! Where a module's sections lie and how large its index spaces are.
//!
//! Nothing is decoded that writing the output does not decide by: function bodies, exports, segments and
//! names are read where they are written.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::OnceLock;

use wasmparser::{
    BinaryReader, CompositeInnerType, CustomSectionReader, ElementSectionReader, FromReader, FuncType,
    FunctionBody, GlobalType, Import, ImportSectionReader, Imports, MemoryType, Parser, Payload,
    SectionLimited, TableType, TagType, TypeRef, TypeSectionReader,
};

use crate::Error;

/// Ids of the sections, as the specification numbers them.
pub(crate) mod id {
    pub const CUSTOM: u8 = 0;
    pub const TYPE: u8 = 1;
    pub const IMPORT: u8 = 2;
    pub const FUNCTION: u8 = 3;
    pub const TABLE: u8 = 4;
    pub const MEMORY: u8 = 5;
    pub const GLOBAL: u8 = 6;
    pub const EXPORT: u8 = 7;
    pub const START: u8 = 8;
    pub const ELEMENT: u8 = 9;
    pub const CODE: u8 = 10;
    pub const DATA: u8 = 11;
    pub const DATA_COUNT: u8 = 12;
    pub const TAG: u8 = 13;
}

/// A module's sections and index spaces.
pub struct Sections<'a> {
    /// The whole module.
    pub(crate) bytes: &'a [u8],
    /// Id and contents of each section, in the order of the file.
    pub(super) list: Vec<(u8, Range<usize>)>,
    /// Type index of every function, imports first.
    pub(crate) funcs: Vec<u32>,
    pub(crate) imported_funcs: u32,
    pub(crate) tables: Vec<TableType>,
    pub(crate) imported_tables: u32,
    pub(crate) memories: Vec<MemoryType>,
    pub(crate) imported_memories: u32,
    pub(crate) globals: Vec<GlobalType>,
    pub(crate) imported_globals: u32,
    pub(crate) tags: Vec<TagType>,
    pub(crate) element_count: u32,
    pub(crate) data_count: u32,
    pub(crate) start: Option<u32>,
    type_count: u32,
    types: OnceLock<Vec<Option<FuncType>>>,
    export_names: OnceLock<HashSet<&'a str>>,
}

/// One import and its index in the index space of its kind.
#[derive(Clone, Copy)]
pub(crate) struct ImportEntry<'a> {
    pub import: Import<'a>,
    pub index: u32,
}

impl<'a> Sections<'a> {
    /// Reads a module, which is validated. Linear in its size.
    ///
    /// # Errors
    /// If `bytes` are not a valid core module, with the byte offset; if its imports have many times more names than
    /// it has bytes, as writing them out would take that much.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        if Parser::is_component(bytes) {
            return Err(Error::Component);
        }
        memgrove_module::facts(bytes)?;
        Self::read_valid(bytes)
    }

    /// Reads a module that has been validated. Linear in the number of items outside of code.
    pub(crate) fn read_valid(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut sections = Self {
            bytes,
            list: Vec::new(),
            funcs: Vec::new(),
            imported_funcs: 0,
            tables: Vec::new(),
            imported_tables: 0,
            memories: Vec::new(),
            imported_memories: 0,
            globals: Vec::new(),
            imported_globals: 0,
            tags: Vec::new(),
            element_count: 0,
            data_count: 0,
            start: None,
            type_count: 0,
            types: OnceLock::new(),
            export_names: OnceLock::new(),
        };
        let mut parser = Parser::new(0);
        let mut rest = bytes;
        // With all bytes there, nothing more is ever asked for.
        while let wasmparser::Chunk::Parsed { consumed, payload } = parser.parse(rest, true)? {
            rest = rest.get(consumed..).unwrap_or_default();
            if let Some((id, range)) = payload.as_section() {
                sections.list.push((id, to_usize(&range)));
            }
            match payload {
                Payload::CodeSectionStart { size, .. } => {
                    parser.skip_section();
                    rest = rest.get(usize::try_from(size).unwrap_or(usize::MAX)..).unwrap_or_default();
                }
                Payload::End(_) => break,
                other => sections.take(other)?,
            }
        }
        Ok(sections)
    }

    fn take(&mut self, payload: Payload<'a>) -> Result<(), Error> {
        match payload {
            Payload::TypeSection(section) => self.type_count = count_types(section)?,
            Payload::ImportSection(section) => self.take_imports(section)?,
            Payload::FunctionSection(section) => extend(&mut self.funcs, section)?,
            Payload::TableSection(section) => {
                for table in section {
                    self.tables.push(table?.ty);
                }
            }
            Payload::MemorySection(section) => extend(&mut self.memories, section)?,
            Payload::TagSection(section) => extend(&mut self.tags, section)?,
            Payload::GlobalSection(section) => {
                for global in section {
                    self.globals.push(global?.ty);
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => self.element_count = section.count(),
            Payload::DataSection(section) => self.data_count = section.count(),
            _ => {}
        }
        Ok(())
    }

    fn take_imports(&mut self, section: ImportSectionReader<'a>) -> Result<(), Error> {
        for import in section.into_imports() {
            match import?.ty {
                TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                    self.funcs.push(ty);
                    self.imported_funcs += 1;
                }
                TypeRef::Table(ty) => {
                    self.tables.push(ty);
                    self.imported_tables += 1;
                }
                TypeRef::Memory(ty) => {
                    self.memories.push(ty);
                    self.imported_memories += 1;
                }
                TypeRef::Global(ty) => {
                    self.globals.push(ty);
                    self.imported_globals += 1;
                }
                TypeRef::Tag(ty) => self.tags.push(ty),
            }
        }
        Ok(())
    }

    /// Bytes of the file.
    pub(crate) fn range(&self, range: Range<u64>) -> &'a [u8] {
        self.bytes.get(to_usize(&range)).unwrap_or_default()
    }

    /// There is a data count section.
    pub(crate) fn counts_data(&self) -> bool {
        self.contents(id::DATA_COUNT).is_some()
    }

    /// Each type is that of a function, on its own and without a place among others.
    pub(crate) fn has_plain_types(&self) -> Result<bool, Error> {
        for group in self.items::<wasmparser::RecGroup>(id::TYPE)?.into_iter().flatten() {
            let group = group?;
            let mut types = group.types();
            let is_plain = |ty: &wasmparser::SubType| {
                let is_func = matches!(ty.composite_type.inner, CompositeInnerType::Func(_));
                is_func && ty.is_final && ty.supertype_idxs.is_empty() && !ty.composite_type.shared
            };
            if group.is_explicit_rec_group() || !types.all(is_plain) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The contents of a section that is no custom section.
    pub(super) fn contents(&self, id: u8) -> Option<&'a [u8]> {
        let (_, range) = self.list.iter().find(|(have, _)| *have == id)?;
        self.bytes.get(range.clone())
    }

    /// Where in the file the contents of a section begin.
    pub(super) fn start_of(&self, id: u8) -> Option<usize> {
        self.list.iter().find(|(have, _)| *have == id).map(|(_, range)| range.start)
    }

    /// The items of a section, their offsets counted from the start of the file.
    pub(crate) fn items<T: FromReader<'a>>(&self, id: u8) -> Result<Option<SectionLimited<'a, T>>, Error> {
        match (self.contents(id), self.start_of(id)) {
            (Some(bytes), Some(at)) => Ok(Some(SectionLimited::new(BinaryReader::new(bytes, at as u64))?)),
            _ => Ok(None),
        }
    }

    /// All items of a section.
    pub(crate) fn all<T: FromReader<'a>>(&self, id: u8) -> Result<Vec<T>, Error> {
        let Some(items) = self.items(id)? else { return Ok(Vec::new()) };
        // Not by doubling: the module is validated, so that its count is true.
        let mut all = Vec::with_capacity(items.count() as usize);
        for item in items {
            all.push(item?);
        }
        Ok(all)
    }

    /// The items of a section, one after the other. They have been validated, so none is left out.
    pub(crate) fn each<T: FromReader<'a>>(&self, id: u8) -> impl Iterator<Item = T> + use<'a, T> {
        self.items(id).ok().flatten().into_iter().flatten().map_while(Result::ok)
    }

    /// The imports, in order.
    pub(crate) fn imports(&self) -> Result<Vec<ImportEntry<'a>>, Error> {
        let mut imports = Vec::new();
        let [mut funcs, mut tables, mut memories, mut globals, mut tags] = [0; 5];
        let Some(section) = self.items::<Imports<'a>>(id::IMPORT)? else { return Ok(imports) };
        for import in section.into_imports() {
            let import = import?;
            let counter = match import.ty {
                TypeRef::Func(_) | TypeRef::FuncExact(_) => &mut funcs,
                TypeRef::Table(_) => &mut tables,
                TypeRef::Memory(_) => &mut memories,
                TypeRef::Global(_) => &mut globals,
                TypeRef::Tag(_) => &mut tags,
            };
            imports.push(ImportEntry { import, index: *counter });
            *counter += 1;
        }
        Ok(imports)
    }

    /// The bodies of the functions that the module defines, in order.
    pub(crate) fn bodies(&self) -> Result<impl Iterator<Item = Result<FunctionBody<'a>, Error>>, Error> {
        Ok(self.items::<FunctionBody<'a>>(id::CODE)?.into_iter().flatten().map(|body| Ok(body?)))
    }

    /// The segments of the element section.
    pub(crate) fn elements(&self) -> Result<Option<ElementSectionReader<'a>>, Error> {
        self.items(id::ELEMENT)
    }

    /// A custom section by the range of its contents.
    pub(super) fn custom(&self, range: &Range<usize>) -> Result<CustomSectionReader<'a>, Error> {
        let bytes = self.bytes.get(range.clone()).unwrap_or_default();
        Ok(CustomSectionReader::new(BinaryReader::new(bytes, range.start as u64))?)
    }

    /// The custom sections, in the order of the file.
    pub(crate) fn customs(&self) -> impl Iterator<Item = Result<CustomSectionReader<'a>, Error>> {
        self.list.iter().filter(|(id, _)| *id == id::CUSTOM).map(|(_, range)| self.custom(range))
    }

    /// The flattened index space of types; `None` where a type is not a function's.
    fn types(&self) -> &[Option<FuncType>] {
        self.types.get_or_init(|| {
            let mut types = Vec::new();
            let section = self.contents(id::TYPE).map(|bytes| BinaryReader::new(bytes, 0));
            let groups = section.and_then(|reader| TypeSectionReader::new(reader).ok());
            for group in groups.into_iter().flatten().map_while(Result::ok) {
                for ty in group.into_types() {
                    types.push(match ty.composite_type.inner {
                        CompositeInnerType::Func(ty) => Some(ty),
                        _ => None,
                    });
                }
            }
            types
        })
    }

    /// Number of types.
    pub(crate) fn type_count(&self) -> u32 {
        self.type_count
    }

    /// The function type with this index; `None` if there is none.
    pub fn func_type_at(&self, ty: u32) -> Option<&FuncType> {
        self.types().get(ty as usize)?.as_ref()
    }

    /// The type of a function; `None` if there is no such function.
    pub fn func_type(&self, func: u32) -> Option<&FuncType> {
        self.func_type_at(*self.funcs.get(func as usize)?)
    }

    /// The index of the function exported as `name`. Linear in the number of exports.
    pub fn exported_func(&self, name: &str) -> Option<u32> {
        self.exports().find_map(|export| {
            (crate::module::is_func(export.kind) && export.name == name).then_some(export.index)
        })
    }

    /// The names of the module's exports.
    pub(super) fn export_names(&self) -> &HashSet<&'a str> {
        self.export_names.get_or_init(|| self.exports().map(|export| export.name).collect())
    }

    /// The module's exports, in order.
    pub(crate) fn exports(&self) -> impl Iterator<Item = wasmparser::Export<'a>> {
        self.items::<wasmparser::Export<'a>>(id::EXPORT)
            .ok()
            .flatten()
            .into_iter()
            .flatten()
            .map_while(Result::ok)
    }
}

fn count_types(section: TypeSectionReader<'_>) -> Result<u32, Error> {
    let mut count = 0_u32;
    for group in section {
        count = count.saturating_add(super::count(group?.types().len()));
    }
    Ok(count)
}

fn extend<'a, T: FromReader<'a>>(list: &mut Vec<T>, section: SectionLimited<'a, T>) -> Result<(), Error> {
    for item in section {
        list.push(item?);
    }
    Ok(())
}

fn to_usize(range: &Range<u64>) -> Range<usize> {
    // The input is in memory, so every offset in it fits.
    let fit = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    fit(range.start)..fit(range.end)
}
