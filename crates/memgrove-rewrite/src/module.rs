//! What the passes need to know of a module, read once.
//!
//! Everything is borrowed from the input; function bodies are looked at once for the few
//! operators that matter here and decoded again only where a question needs it.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;
use std::ops::Range;

use crate::lookup::Lookup;

use wasmparser::{
    ConstExpr, CustomSectionReader, Data, DataKind, Element, ElementItems, Export, ExternalKind, FuncType,
    FunctionBody, Global, GlobalType, Import, MemoryType, Operator, Parser, Payload, Table, TableType,
    TypeRef,
};

use crate::Error;

/// A module, by the sections of the specification.
pub(crate) struct Module<'a> {
    pub bytes: &'a [u8],
    /// Flattened type index space; `None` where a type is not a function's.
    pub types: Vec<Option<FuncType>>,
    pub imports: Vec<ImportEntry<'a>>,
    /// Type index of every function, imports first.
    pub funcs: Vec<u32>,
    pub imported_funcs: u32,
    /// Module and name of each imported function.
    func_imports: Vec<(&'a str, &'a str)>,
    pub tables: Vec<TableType>,
    pub imported_tables: u32,
    pub memories: Vec<MemoryType>,
    pub imported_memories: u32,
    pub globals: Vec<GlobalType>,
    pub imported_globals: u32,
    /// Initial value of each defined global, where it is a plain constant or a copy.
    pub global_inits: Vec<Init>,
    pub exports: Vec<Export<'a>>,
    pub start: Option<u32>,
    pub elements: Vec<Element<'a>>,
    pub data: Vec<Data<'a>>,
    pub customs: Vec<CustomSectionReader<'a>>,
    pub bodies: Vec<FunctionBody<'a>>,
    /// Where each section lies, as `(id, contents)`, in the order of the file.
    pub sections: Vec<(u8, Range<usize>)>,
    pub scan: Scan,
    /// Bytes of function bodies that [`Self::operators`] has decoded.
    read_again: Cell<usize>,
    /// What is asked for each import or cell, found once.
    pub lookup: Lookup<'a>,
    /// Functions that are exported or in an element segment, and whether globals may hold others.
    referred: OnceCell<(BTreeSet<u32>, bool)>,
    /// What contracts ask of all imports together, once.
    pub is_minified: OnceCell<bool>,
}

/// One import and its index in the index space of its kind.
#[derive(Clone, Copy)]
pub(crate) struct ImportEntry<'a> {
    pub import: Import<'a>,
    pub index: u32,
}

/// A constant expression, as far as layouts are interested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Init {
    I32(i32),
    I64(i64),
    /// The value of another global.
    Copy(u32),
    Other,
}

/// What one walk over all operators found.
#[derive(Default)]
pub(crate) struct Scan {
    /// For every imported function, where it is called.
    pub calls: Vec<Vec<CallSite>>,
    /// Functions (by index) that hold `memory.size`.
    pub size_in: Vec<u32>,
    /// Functions (by index) that hold `memory.grow`.
    pub grow_in: Vec<u32>,
    /// Functions that read an imported global, or a defined one that copies it, as `(global, function)`.
    pub reads_global: Vec<(u32, u32)>,
    /// Globals that code writes.
    pub written_globals: Vec<bool>,
    /// Some code catches exceptions.
    pub catches: bool,
}

/// A direct call of an import.
#[derive(Clone, Copy)]
pub(crate) struct CallSite {
    /// The function that calls.
    pub caller: u32,
    /// The next operator is `unreachable`: the caller does not expect to get control back.
    pub then_unreachable: bool,
}

impl<'a> Module<'a> {
    /// Reads `bytes`, which have been validated. Linear in their length.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut module = Self {
            bytes,
            types: Vec::new(),
            imports: Vec::new(),
            funcs: Vec::new(),
            imported_funcs: 0,
            func_imports: Vec::new(),
            tables: Vec::new(),
            imported_tables: 0,
            memories: Vec::new(),
            imported_memories: 0,
            globals: Vec::new(),
            imported_globals: 0,
            global_inits: Vec::new(),
            exports: Vec::new(),
            start: None,
            elements: Vec::new(),
            data: Vec::new(),
            customs: Vec::new(),
            bodies: Vec::new(),
            sections: Vec::new(),
            scan: Scan::default(),
            read_again: Cell::new(0),
            lookup: Lookup::default(),
            referred: OnceCell::new(),
            is_minified: OnceCell::new(),
        };
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            if let Some((id, range)) = payload.as_section() {
                module.sections.push((id, to_usize(range)));
            }
            module.take(payload)?;
        }
        module.scan()?;
        Ok(module)
    }

    fn take(&mut self, payload: Payload<'a>) -> Result<(), Error> {
        match payload {
            Payload::Version { encoding: wasmparser::Encoding::Component, .. } => {
                return Err(Error::Component);
            }
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        self.types.push(match ty.composite_type.inner {
                            wasmparser::CompositeInnerType::Func(ty) => Some(ty),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.take_import(import?);
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.funcs.push(ty?);
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let Table { ty, .. } = table?;
                    self.tables.push(ty);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.memories.push(memory?);
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    let Global { ty, init_expr } = global?;
                    self.globals.push(ty);
                    self.global_inits.push(read_init(&init_expr));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    self.exports.push(export?);
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => {
                for element in section {
                    self.elements.push(element?);
                }
            }
            Payload::DataSection(section) => {
                for data in section {
                    self.data.push(data?);
                }
            }
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::CustomSection(section) => self.customs.push(section),
            _ => {}
        }
        Ok(())
    }

    fn take_import(&mut self, import: Import<'a>) {
        let counter = match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.funcs.push(ty);
                self.func_imports.push((import.module, import.name));
                &mut self.imported_funcs
            }
            TypeRef::Table(ty) => {
                self.tables.push(ty);
                &mut self.imported_tables
            }
            TypeRef::Memory(ty) => {
                self.memories.push(ty);
                &mut self.imported_memories
            }
            TypeRef::Global(ty) => {
                self.globals.push(ty);
                &mut self.imported_globals
            }
            TypeRef::Tag(_) => {
                self.imports.push(ImportEntry { import, index: 0 });
                return;
            }
        };
        let index = *counter;
        *counter += 1;
        self.imports.push(ImportEntry { import, index });
    }

    fn scan(&mut self) -> Result<(), Error> {
        let mut scan = Scan {
            calls: vec![Vec::new(); self.imported_funcs as usize],
            written_globals: vec![false; self.globals.len()],
            ..Scan::default()
        };
        // A global that matters: imported, or a copy of an imported one.
        let watched: Vec<bool> = (0..self.globals.len())
            .map(|index| {
                index < self.imported_globals as usize
                    || matches!(
                        self.global_inits[index - self.imported_globals as usize],
                        Init::Copy(of) if of < self.imported_globals
                    )
            })
            .collect();
        for (function, body) in (self.imported_funcs..).zip(&self.bodies) {
            let mut reader = body.get_operators_reader()?;
            let mut called_import = None;
            while !reader.eof() {
                let operator = reader.read()?;
                if let Some(import) = called_import.take() {
                    let calls: &mut Vec<CallSite> = &mut scan.calls[import as usize];
                    calls.push(CallSite {
                        caller: function,
                        then_unreachable: matches!(operator, Operator::Unreachable),
                    });
                }
                match operator {
                    Operator::Call { function_index } if function_index < self.imported_funcs => {
                        called_import = Some(function_index);
                    }
                    Operator::MemorySize { .. } => push_once(&mut scan.size_in, function),
                    Operator::MemoryGrow { .. } => push_once(&mut scan.grow_in, function),
                    Operator::GlobalGet { global_index } if watched[global_index as usize] => {
                        push_once(&mut scan.reads_global, (global_index, function));
                    }
                    Operator::Try { .. } | Operator::TryTable { .. } => scan.catches = true,
                    Operator::GlobalSet { global_index } => {
                        scan.written_globals[global_index as usize] = true;
                    }
                    _ => {}
                }
            }
        }
        self.scan = scan;
        Ok(())
    }

    /// The module and name that a function is imported from.
    pub fn func_import(&self, index: u32) -> Option<(&'a str, &'a str)> {
        self.func_imports.get(index as usize).copied()
    }

    /// The type of a function, by its index; `None` if it is not a function type (impossible
    /// in a valid module).
    pub fn func_type(&self, index: u32) -> Option<&FuncType> {
        let ty = *self.funcs.get(index as usize)?;
        self.types.get(ty as usize)?.as_ref()
    }

    /// The operators of a defined function, for questions about a few of them.
    ///
    /// None of one that is so long that no library's function is in sight, as decoded they take 40
    /// times their bytes; and none at all when the questions have read the module many times over:
    /// what is then not known stays with the host, and time stays linear.
    pub fn operators(&self, function: u32) -> Vec<Operator<'a>> {
        const MOST_BYTES: usize = 128 << 10;
        function
            .checked_sub(self.imported_funcs)
            .and_then(|index| self.bodies.get(index as usize))
            .filter(|body| body.as_bytes().len() <= MOST_BYTES && self.may_read(body.as_bytes().len()))
            .and_then(|body| body.get_operators_reader().ok())
            .map(|reader| reader.into_iter().map_while(Result::ok).collect())
            .unwrap_or_default()
    }

    /// Bytes of a defined function's body; 0 for an import.
    pub fn body_len(&self, function: u32) -> usize {
        function
            .checked_sub(self.imported_funcs)
            .and_then(|index| self.bodies.get(index as usize))
            .map_or(0, |body| body.as_bytes().len())
    }

    /// Counts bytes that are read again.
    fn may_read(&self, bytes: usize) -> bool {
        const TIMES: usize = 16;
        const SMALL_BYTES: usize = 1 << 20;
        let read = self.read_again.get().saturating_add(bytes);
        self.read_again.set(read);
        read <= self.bytes.len().saturating_mul(TIMES).saturating_add(SMALL_BYTES)
    }

    /// What is exported as `name`.
    pub fn export(&self, name: &str) -> Option<&Export<'a>> {
        self.exports.get(self.lookup.named(&self.exports, name)?)
    }

    /// The first export of an item.
    pub fn export_of(&self, kind: ExternalKind, index: u32) -> Option<&Export<'a>> {
        self.exports.get(self.lookup.exported(&self.exports, kind, index)?)
    }

    /// The function exported as `name`.
    pub fn exported_func(&self, name: &str) -> Option<u32> {
        self.export(name).filter(|export| is_func(export.kind)).map(|export| export.index)
    }

    /// The value of an immutable i32 global exported as `name`.
    pub fn exported_i32(&self, name: &str) -> Option<u32> {
        let export = self.export(name).filter(|export| export.kind == ExternalKind::Global)?;
        match self.init(export.index)? {
            Init::I32(value) => Some(value.cast_unsigned()),
            _ => None,
        }
    }

    /// Initial value of a defined global.
    pub fn init(&self, global: u32) -> Option<Init> {
        self.global_inits.get(global.checked_sub(self.imported_globals)? as usize).copied()
    }

    /// End of the active data segments with a constant offset in memory 0, in bytes.
    pub fn data_end(&self) -> u64 {
        self.lookup.data_end(|| {
            self.active_data().map(|(at, bytes)| at.saturating_add(bytes.len() as u64)).max().unwrap_or(0)
        })
    }

    /// Active data segments of memory 0 with a constant offset.
    pub fn active_data(&self) -> impl Iterator<Item = (u64, &'a [u8])> {
        self.data.iter().filter_map(|data| match &data.kind {
            DataKind::Active { memory_index: 0, offset_expr } => match read_init(offset_expr) {
                Init::I32(at) => Some((u64::from(at.cast_unsigned()), data.data)),
                Init::I64(at) => Some((at.cast_unsigned(), data.data)),
                _ => None,
            },
            _ => None,
        })
    }

    /// The i32 that the data segments put at `at`: 0 where they put nothing.
    pub fn initial_i32(&self, at: u32) -> u32 {
        let data = self.lookup.initial_data(|| self.active_data().collect());
        let mut address = u64::from(at);
        u32::from_le_bytes([(); 4].map(|()| {
            let byte = data.byte(address);
            address += 1;
            byte
        }))
    }

    /// Whether code loads an i32 from this constant address.
    pub fn loads_from(&self, at: u32) -> bool {
        let loads = || self.bodies.iter().flat_map(crate::lookup::constant_loads).collect();
        self.lookup.loads(loads).contains(&at)
    }

    /// An imported function that is only called directly, and each time with `unreachable` behind
    /// it: it is not expected to return.
    pub fn never_returns(&self, import: u32) -> bool {
        let calls = &self.scan.calls[import as usize];
        !calls.is_empty() && calls.iter().all(|call| call.then_unreachable) && !self.is_referred_to(import)
    }

    /// Whether a function may be called other than directly: it is exported, or in an element segment, as
    /// every function is to which code refers, or some global may hold it.
    fn is_referred_to(&self, func: u32) -> bool {
        let (referred, in_globals) = self.referred.get_or_init(|| {
            let exports =
                self.exports.iter().filter(|export| is_func(export.kind)).map(|export| export.index);
            let mut all: BTreeSet<u32> = exports.collect();
            for element in &self.elements {
                match &element.items {
                    ElementItems::Functions(functions) => all.extend(functions.clone().into_iter().flatten()),
                    ElementItems::Expressions(_, expressions) => {
                        for expression in expressions.clone().into_iter().flatten() {
                            let mut reader = expression.get_operators_reader();
                            if let Ok(Operator::RefFunc { function_index }) = reader.read() {
                                all.insert(function_index);
                            }
                        }
                    }
                }
            }
            let defined = self.globals.get(self.imported_globals as usize..).unwrap_or_default();
            (all, defined.iter().any(|global| global.content_type.is_reference_type()))
        });
        *in_globals || referred.contains(&func)
    }
}

/// Whether an export or import is a function.
pub(crate) fn is_func(kind: ExternalKind) -> bool {
    matches!(kind, ExternalKind::Func | ExternalKind::FuncExact)
}

/// Reads a constant expression.
pub(crate) fn read_init(expr: &ConstExpr<'_>) -> Init {
    let mut reader = expr.get_operators_reader();
    let init = match reader.read() {
        Ok(Operator::I32Const { value }) => Init::I32(value),
        Ok(Operator::I64Const { value }) => Init::I64(value),
        Ok(Operator::GlobalGet { global_index }) => Init::Copy(global_index),
        _ => return Init::Other,
    };
    if reader.is_end_then_eof() { init } else { Init::Other }
}

fn push_once<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if list.last() != Some(&item) {
        list.push(item);
    }
}

fn to_usize(range: Range<u64>) -> Range<usize> {
    // The input is in memory, so every offset in it fits.
    let fit = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    fit(range.start)..fit(range.end)
}
