//! A module that gives functions to others.

use std::collections::HashMap;

use wasmparser::{
    Data, DataKind, Element, ElementItems, ElementKind, FuncType, FunctionBody, Global, Import, KnownCustom,
    Name, Operator, Table, TypeRef,
};

use super::{Constant, GraftError, unsupported};
use crate::edit::{ImportEntry, Sections, count, id};
use crate::module::is_func;

/// A module that gives functions to others, read.
pub struct Donor<'a> {
    pub(super) sections: Sections<'a>,
    /// Imports by index space: functions, tables, memories, globals.
    pub(super) imports: Imports<'a>,
    exports: HashMap<&'a str, u32>,
    /// By function: its name in the name section, else the first of its exports in the order of the alphabet.
    names: HashMap<u32, &'a str>,
    pub(super) bodies: Vec<FunctionBody<'a>>,
    pub(super) tables: Vec<Table<'a>>,
    pub(super) globals: Vec<Global<'a>>,
    pub(super) elements: Vec<Segment>,
    pub(super) data: Vec<Data<'a>>,
}

/// What a donor imports, each by its index.
#[derive(Default)]
pub(super) struct Imports<'a> {
    pub funcs: Vec<Import<'a>>,
    pub tables: Vec<Import<'a>>,
    pub memories: Vec<Import<'a>>,
    pub globals: Vec<Import<'a>>,
}

/// An element segment of a donor.
pub(super) enum Segment {
    /// Functions that are in a table from the beginning.
    Active { table: u32, at: Offset, funcs: Vec<u32> },
    /// It only declares that functions are referred to.
    Declared,
    /// Anything else.
    Other,
}

/// Where an active segment goes: the sum of an imported global, if there is one, and a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    pub global: Option<u32>,
    pub number: i64,
}

impl<'a> Donor<'a> {
    /// Reads a module, which is validated. Linear in its size.
    ///
    /// # Errors
    /// If it is not a valid core module, with the byte offset; or if it has a start function.
    pub fn read(bytes: &'a [u8]) -> Result<Self, GraftError> {
        Self::from_sections(Sections::read(bytes)?)
    }

    /// Reads a module that has been validated.
    pub(crate) fn read_valid(bytes: &'a [u8]) -> Result<Self, GraftError> {
        Self::from_sections(Sections::read_valid(bytes)?)
    }

    fn from_sections(sections: Sections<'a>) -> Result<Self, GraftError> {
        if sections.start.is_some() {
            return Err(GraftError::StartFunction);
        }
        let mut imports = Imports::default();
        for ImportEntry { import, .. } in sections.imports()? {
            match import.ty {
                TypeRef::Func(_) | TypeRef::FuncExact(_) => imports.funcs.push(import),
                TypeRef::Table(_) => imports.tables.push(import),
                TypeRef::Memory(_) => imports.memories.push(import),
                TypeRef::Global(_) => imports.globals.push(import),
                TypeRef::Tag(_) => {}
            }
        }
        let funcs = sections.exports().filter(|export| is_func(export.kind));
        let elements: Vec<Element<'_>> = sections.all(id::ELEMENT)?;
        let mut donor = Self {
            imports,
            exports: funcs.map(|export| (export.name, export.index)).collect(),
            names: HashMap::new(),
            bodies: sections.all(id::CODE)?,
            tables: sections.all(id::TABLE)?,
            globals: sections.all(id::GLOBAL)?,
            elements: elements.iter().map(segment).collect::<Result<_, _>>()?,
            data: sections.all(id::DATA)?,
            sections,
        };
        donor.read_names();
        let mut exports: Vec<(&str, u32)> = donor.funcs().collect();
        exports.sort_unstable();
        for (name, func) in exports {
            donor.names.entry(func).or_insert(name);
        }
        Ok(donor)
    }

    /// Names that cannot be read are none.
    fn read_names(&mut self) {
        for custom in self.sections.customs().map_while(Result::ok) {
            let KnownCustom::Name(names) = custom.as_known() else { continue };
            for names in names.into_iter().map_while(Result::ok) {
                let Name::Function(functions) = names else { continue };
                self.names.extend(
                    functions.into_iter().map_while(Result::ok).map(|naming| (naming.index, naming.name)),
                );
            }
        }
    }

    /// What a function is called: in the name section, else as an export.
    #[must_use]
    pub fn name(&self, func: u32) -> Option<&'a str> {
        self.names.get(&func).copied()
    }

    /// What a function is called in a module that it is put into: `prefix` and its name, or its number.
    #[must_use]
    pub fn name_behind(&self, prefix: &str, func: u32) -> String {
        self.name(func).map_or_else(|| format!("{prefix}{func}"), |name| format!("{prefix}{name}"))
    }

    /// The index of the function exported as `name`.
    #[must_use]
    pub fn func(&self, name: &str) -> Option<u32> {
        self.exports.get(name).copied()
    }

    /// Names and indices of the exported functions, in no particular order.
    pub fn funcs(&self) -> impl Iterator<Item = (&'a str, u32)> {
        self.exports.iter().map(|(name, index)| (*name, *index))
    }

    /// The type of a function, by its index.
    #[must_use]
    pub fn func_type(&self, func: u32) -> Option<&FuncType> {
        self.sections.func_type(func)
    }

    /// The imported functions, in the order of their indices.
    pub fn imported_funcs(&self) -> &[Import<'a>] {
        &self.imports.funcs
    }

    /// The imported globals, in the order of their indices.
    pub fn imported_globals(&self) -> &[Import<'a>] {
        &self.imports.globals
    }

    /// First address and end of what the active data segments with constant offsets fill, in bytes.
    #[must_use]
    pub fn data_range(&self) -> Option<std::ops::Range<u64>> {
        let mut all: Option<std::ops::Range<u64>> = None;
        for data in &self.data {
            let DataKind::Active { offset_expr, .. } = &data.kind else { continue };
            let Ok(Offset { global: None, number }) = offset(offset_expr) else { continue };
            let start = number.cast_unsigned();
            let end = start.saturating_add(data.data.len() as u64);
            all = Some(all.map_or(start..end, |all| all.start.min(start)..all.end.max(end)));
        }
        all
    }

    /// Active data that is put at a distance from an imported global: the distance and the bytes, for position-independent
    /// code whose host decides late where it lies.
    pub fn placed_data(&self) -> impl Iterator<Item = (u32, &'a [u8])> + '_ {
        self.data.iter().filter_map(|data| {
            let DataKind::Active { offset_expr, .. } = &data.kind else { return None };
            let Offset { global: Some(_), number } = offset(offset_expr).ok()? else { return None };
            Some((u32::try_from(number).ok()?, data.data))
        })
    }

    /// The body of a function that the donor defines.
    pub(super) fn body(&self, func: u32) -> Option<&FunctionBody<'a>> {
        self.bodies.get(func.checked_sub(self.sections.imported_funcs)? as usize)
    }

    /// The first value of a global that the donor defines.
    pub(super) fn first_value(&self, global: u32) -> Result<Init, GraftError> {
        let at = global.checked_sub(self.sections.imported_globals);
        let global = at.and_then(|at| self.globals.get(at as usize));
        let expr = &global.ok_or(unsupported("a global that is not there"))?.init_expr;
        let mut reader = expr.get_operators_reader();
        let operator = reader.read()?;
        if reader.is_end_then_eof() {
            match operator {
                Operator::I64Const { value } => {
                    return Ok(Init::Constant(Constant::I64(value.cast_unsigned())));
                }
                Operator::F32Const { value } => return Ok(Init::Constant(Constant::F32(value.bits()))),
                Operator::F64Const { value } => return Ok(Init::Constant(Constant::F64(value.bits()))),
                Operator::RefNull { hty } => return Ok(Init::Null(hty)),
                _ => {}
            }
        }
        Ok(Init::Sum(offset(expr)?))
    }
}

/// The first value of a donor's global.
pub(super) enum Init {
    Constant(Constant),
    Null(wasmparser::HeapType),
    Sum(Offset),
}

fn segment(element: &Element<'_>) -> Result<Segment, GraftError> {
    Ok(match (&element.kind, &element.items) {
        (ElementKind::Declared, _) => Segment::Declared,
        (ElementKind::Active { table_index, offset_expr }, ElementItems::Functions(funcs)) => {
            Segment::Active {
                table: table_index.unwrap_or(0),
                at: offset(offset_expr)?,
                funcs: funcs.clone().into_iter().collect::<Result<_, _>>()?,
            }
        }
        _ => Segment::Other,
    })
}

/// Reads a constant expression that is a number, an imported global, or the sum of such.
pub(super) fn offset(expr: &wasmparser::ConstExpr<'_>) -> Result<Offset, GraftError> {
    let mut sum = Offset { global: None, number: 0 };
    let (mut terms, mut additions) = (0, 0);
    let mut reader = expr.get_operators_reader();
    while !reader.is_end_then_eof() {
        match reader.read()? {
            Operator::I32Const { value } => {
                sum.number = sum.number.wrapping_add(i64::from(value.cast_unsigned()))
            }
            Operator::I64Const { value } => sum.number = sum.number.wrapping_add(value),
            Operator::GlobalGet { global_index } if sum.global.is_none() => sum.global = Some(global_index),
            Operator::I32Add | Operator::I64Add => {
                additions += 1;
                continue;
            }
            _ => return Err(unsupported("a constant expression that is no sum")),
        }
        terms += 1;
    }
    if terms != additions + 1 {
        return Err(unsupported("a constant expression that is no sum"));
    }
    Ok(sum)
}

/// Number of imports of a kind.
pub(super) fn imported(imports: &[Import<'_>]) -> u32 {
    count(imports.len())
}
