//! Copies a closure into the edits of a host module.

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::reencode::{Error as ReencodeError, Reencode};
use wasm_encoder::{ConstExpr, Function, GlobalType, Instruction, TableType, ValType};
use wasmparser::{DataKind, Import, Operator};

use super::donor::{Donor, Init, Offset, Segment, imported, offset};
use super::wide::{Around, Wide};
use super::{Closure, Constant, Data, GraftError, Item, Joint, from_reencode, unsupported};
use crate::edit::{Address, Body, Edits, Elements, Segment as NewSegment, signature};

/// A graft: where the donor's functions are in the host, by edit indices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grafted {
    funcs: BTreeMap<u32, u32>,
    bodies: BTreeMap<u32, Body>,
}

/// What is wanted of a donor, by its indices.
#[derive(Debug, Clone, Copy, Default)]
pub struct Roots<'r> {
    /// Functions that become functions of the host.
    pub funcs: &'r [u32],
    /// Functions whose bodies are to stand in the host's own functions: for [`Grafted::body`].
    pub bodies: &'r [u32],
}

impl Grafted {
    /// The edit index of a function of the donor.
    #[must_use]
    pub fn func(&self, of_donor: u32) -> Option<u32> {
        self.funcs.get(&of_donor).copied()
    }

    /// The body of a function of the donor, in edit indices; once, and only if it was asked for.
    pub fn body(&mut self, of_donor: u32) -> Option<Body> {
        self.bodies.remove(&of_donor)
    }
}

/// Adds `roots` and all that they reach to the edits of a host module.
///
/// The same arguments give the same edits. Linear in the donor.
///
/// # Errors
/// If an import is not bound, or something cannot be grafted; the edits are then of no use.
pub fn graft(
    edits: &mut Edits<'_, '_>,
    donor: &Donor<'_>,
    roots: Roots<'_>,
    joint: &Joint<'_>,
) -> Result<Grafted, GraftError> {
    let closure = donor.closure(roots.funcs.iter().chain(roots.bodies).copied())?;
    let mut copier = Copier::new(donor, joint);
    copier.bind_memories(edits, &closure)?;
    copier.bind_globals(edits, &closure)?;
    copier.bind_tables(edits, &closure)?;
    copier.add_data(edits, &closure)?;

    // Indices first: functions may call each other in a circle.
    let first_defined = imported(&donor.imports.funcs);
    let wanted: BTreeSet<u32> = roots.funcs.iter().copied().collect();
    let is_added = |func: &u32| closure.called.contains(func) || wanted.contains(func);
    let defined: Vec<u32> = closure.funcs.range(first_defined..).copied().filter(is_added).collect();
    for &func in closure.funcs.range(..first_defined) {
        let import = &donor.imports.funcs[func as usize];
        let wanted = donor.func_type(func).and_then(signature);
        match bound(joint, import)? {
            Item::Func(index) if wanted.is_some() && edits.signature(index) == wanted => {
                copier.funcs.insert(func, index);
            }
            _ => return Err(mismatch(import)),
        }
    }
    copier.funcs.extend(defined.iter().copied().zip(edits.next_func()..));
    for &func in &defined {
        let ty = copier.donor.sections.funcs.get(func as usize).copied();
        let ty = copier.add_type(edits, ty.ok_or(unsupported("a function without a type"))?)?;
        copier.add_named_types(edits, func)?;
        let body = copier.body(func)?;
        edits.add_func(ty, body, (joint.name)(func));
    }
    let mut bodies = BTreeMap::new();
    for &func in roots.bodies {
        copier.add_named_types(edits, func)?;
        bodies.insert(func, copier.body(func)?.into());
    }
    copier.add_elements(edits)?;
    Ok(Grafted { funcs: copier.funcs, bodies })
}

/// Translates the donor's indices to edit indices of the host.
struct Copier<'c, 'a> {
    donor: &'c Donor<'a>,
    joint: &'c Joint<'c>,
    funcs: BTreeMap<u32, u32>,
    tables: BTreeMap<u32, u32>,
    memories: BTreeMap<u32, u32>,
    globals: BTreeMap<u32, u32>,
    wide: Wide,
    constants: BTreeMap<u32, Constant>,
    data: BTreeMap<u32, u32>,
    types: BTreeMap<u32, u32>,
}

impl<'c, 'a> Copier<'c, 'a> {
    fn new(donor: &'c Donor<'a>, joint: &'c Joint<'c>) -> Self {
        Self {
            donor,
            joint,
            funcs: BTreeMap::new(),
            tables: BTreeMap::new(),
            memories: BTreeMap::new(),
            globals: BTreeMap::new(),
            wide: Wide::default(),
            constants: BTreeMap::new(),
            data: BTreeMap::new(),
            types: BTreeMap::new(),
        }
    }

    fn bind_memories(&mut self, edits: &Edits<'_, '_>, closure: &Closure) -> Result<(), GraftError> {
        for &memory in &closure.memories {
            let is_64 = self.donor.sections.memories.get(memory as usize).is_some_and(|ty| ty.memory64);
            let mut is_wide = false;
            let index = match self.donor.imports.memories.get(memory as usize) {
                Some(import) => match bound(self.joint, import)? {
                    Item::Memory(index) => index,
                    Item::WideMemory(index) if !is_64 => {
                        is_wide = true;
                        self.wide.memories.insert(memory);
                        index
                    }
                    _ => return Err(mismatch(import)),
                },
                None if closure.memories.range(imported(&self.donor.imports.memories)..).count() > 1 => {
                    return Err(unsupported("several memories of its own"));
                }
                None => self.joint.memory.ok_or(GraftError::Memory)?,
            };
            if edits.memory_is_64(index) != Some(is_64 || is_wide) {
                return Err(GraftError::Memory);
            }
            self.memories.insert(memory, index);
        }
        Ok(())
    }

    fn bind_globals(&mut self, edits: &mut Edits<'_, '_>, closure: &Closure) -> Result<(), GraftError> {
        for &global in &closure.globals {
            if let Some(import) = self.donor.imports.globals.get(global as usize) {
                let ty = self.donor.sections.globals[global as usize];
                match bound(self.joint, import)? {
                    Item::Global(index) if self.is_such_global(edits.global_type(index), ty) => {
                        self.globals.insert(global, index);
                    }
                    Item::WideGlobal(index)
                        if ty.content_type == wasmparser::ValType::I32
                            && !closure.written_globals.contains(&global)
                            && edits.global_type(index).is_some_and(|ty| ty.val_type == ValType::I64) =>
                    {
                        self.globals.insert(global, index);
                        self.wide.globals.insert(global);
                    }
                    Item::Constant(constant)
                        if constant.ty() == ty.content_type && !closure.written_globals.contains(&global) =>
                    {
                        self.constants.insert(global, constant);
                    }
                    _ => return Err(mismatch(import)),
                }
                continue;
            }
            let ty = self.donor.sections.globals[global as usize];
            let value = match self.donor.first_value(global)? {
                Init::Constant(constant) => ConstExpr::extended([constant.instruction()]),
                Init::Null(ty) => ConstExpr::ref_null(self.heap_type(ty).map_err(from_reencode)?),
                Init::Sum(sum) => {
                    let number = self.resolve(sum)?;
                    match ty.content_type {
                        wasmparser::ValType::I64 => ConstExpr::i64_const(number),
                        _ => ConstExpr::i32_const(low(number).cast_signed()),
                    }
                }
            };
            let ty = self.global_type(ty).map_err(from_reencode)?;
            self.globals.insert(global, edits.add_global(ty, value));
        }
        Ok(())
    }

    fn bind_tables(&mut self, edits: &mut Edits<'_, '_>, closure: &Closure) -> Result<(), GraftError> {
        let first = imported(&self.donor.imports.tables);
        for &table in &closure.tables {
            let index = match self.donor.imports.tables.get(table as usize) {
                Some(import) => match bound(self.joint, import)? {
                    Item::Table(index) if self.is_such_table(edits.table_type(index), table) => index,
                    _ => return Err(mismatch(import)),
                },
                None => {
                    let table = &self.donor.tables[(table - first) as usize];
                    if table.ty.table64 {
                        return Err(unsupported("tables with 64-bit indices"));
                    }
                    if matches!(table.init, wasmparser::TableInit::Expr(_)) {
                        return Err(unsupported("a table that is filled when it is made"));
                    }
                    edits.add_table(self.table_type(table.ty).map_err(from_reencode)?)
                }
            };
            self.tables.insert(table, index);
        }
        Ok(())
    }

    /// A global of the host can stand for one of this type; also one that changes for one that code only reads.
    fn is_such_global(&mut self, have: Option<GlobalType>, ty: wasmparser::GlobalType) -> bool {
        let wanted = self.global_type(ty).ok();
        have.zip(wanted).is_some_and(|(have, wanted)| {
            have == wanted || !wanted.mutable && have == GlobalType { mutable: true, ..wanted }
        })
    }

    /// A table of the host can stand for this one of the donor.
    fn is_such_table(&mut self, have: Option<TableType>, table: u32) -> bool {
        let wanted = self.donor.sections.tables.get(table as usize);
        let wanted = wanted.and_then(|&ty| self.table_type(ty).ok());
        have.zip(wanted).is_some_and(|(have, wanted)| {
            have.element_type == wanted.element_type && have.table64 == wanted.table64
        })
    }

    fn add_data(&mut self, edits: &mut Edits<'_, '_>, closure: &Closure) -> Result<(), GraftError> {
        for (index, data) in (0..).zip(&self.donor.data) {
            let active = match &data.kind {
                DataKind::Active { .. } if self.joint.data == Data::Code => continue,
                DataKind::Active { memory_index, offset_expr } => {
                    let Some(&memory) = self.memories.get(memory_index) else { continue };
                    let at = self.resolve(offset(offset_expr)?)?;
                    let address = match edits.memory_is_64(memory) {
                        Some(true) => Address::I64(at.cast_unsigned()),
                        _ => Address::I32(low(at)),
                    };
                    Some((memory, address))
                }
                DataKind::Passive if closure.passive_data.contains(&index) => None,
                DataKind::Passive => continue,
            };
            self.data.insert(index, edits.add_data(NewSegment { active, bytes: data.data.to_vec() }));
        }
        Ok(())
    }

    /// Adds the types that the body of a function names.
    fn add_named_types(&mut self, edits: &mut Edits<'_, '_>, func: u32) -> Result<(), GraftError> {
        let mut named = Types::default();
        if let Some(body) = self.donor.body(func) {
            let mut reader = body.get_operators_reader()?;
            while !reader.eof() {
                named.parse_instruction(&mut reader).map_err(from_reencode)?;
            }
        }
        for &ty in &named.0 {
            self.add_type(edits, ty)?;
        }
        Ok(())
    }

    fn add_type(&mut self, edits: &mut Edits<'_, '_>, ty: u32) -> Result<u32, GraftError> {
        if let Some(&index) = self.types.get(&ty) {
            return Ok(index);
        }
        let Some(func_type) = self.donor.sections.func_type_at(ty) else {
            return Err(unsupported("types of structures and arrays"));
        };
        let convert = |types: &[wasmparser::ValType]| {
            let one = |&ty| NoTypes.val_type(ty).map_err(from_reencode);
            types.iter().map(one).collect::<Result<Vec<_>, _>>()
        };
        let index = edits.add_type(convert(func_type.params())?, convert(func_type.results())?);
        self.types.insert(ty, index);
        Ok(index)
    }

    fn body(&mut self, func: u32) -> Result<Function, GraftError> {
        let body = self.donor.body(func).ok_or(unsupported("a function without a body"))?;
        let mut locals = Vec::new();
        for local in body.get_locals_reader()? {
            let (count, ty) = local?;
            locals.push((count, self.val_type(ty).map_err(from_reencode)?));
        }
        let params = self.donor.func_type(func).map_or(0, |ty| ty.params().len());
        let wide = self.wide.of_body(body, &mut locals, params)?;
        let mut copy = Function::new(locals);
        let mut reader = body.get_operators_reader()?;
        // Position-independent code adds where a datum lies to where all of them do, also where that is 0.
        let mut zero = None;
        while !reader.eof() {
            let around = match &wide {
                Some(kept) => self.wide.around(&reader.clone().read()?, kept)?,
                None => Around::default(),
            };
            let instruction = self.parse_instruction(&mut reader).map_err(from_reencode)?;
            if !around.is_empty() {
                let zero = zero.take();
                for instruction in
                    zero.iter().chain(&around.before).chain([&instruction]).chain(&around.after)
                {
                    copy.instruction(instruction);
                }
                continue;
            }
            match (zero.take(), instruction) {
                (Some(_), Instruction::I32Add) => {}
                (before, instruction) => {
                    before.iter().for_each(|before| {
                        copy.instruction(before);
                    });
                    match instruction {
                        Instruction::I32Const(0) => zero = Some(instruction),
                        other => {
                            copy.instruction(&other);
                        }
                    }
                }
            }
        }
        Ok(copy)
    }

    fn add_elements(&self, edits: &mut Edits<'_, '_>) -> Result<(), GraftError> {
        for segment in &self.donor.elements {
            let Segment::Active { table, at, funcs } = segment else { continue };
            let Some(&table) = self.tables.get(table) else { continue };
            let at = low(self.resolve(*at)?);
            let funcs = funcs.iter().filter_map(|func| self.funcs.get(func)).copied().collect();
            edits.add_elements(Elements { table, at, funcs });
        }
        Ok(())
    }

    /// The number that a sum comes to.
    fn resolve(&self, sum: Offset) -> Result<i64, GraftError> {
        let base = match sum.global {
            None => 0,
            Some(global) => match self.constants.get(&global) {
                Some(Constant::I32(base)) => i64::from(*base),
                Some(Constant::I64(base)) => base.cast_signed(),
                _ => return Err(unsupported("a place that depends on a global of the host")),
            },
        };
        Ok(base.wrapping_add(sum.number))
    }
}

/// The low 32 bits.
fn low(number: i64) -> u32 {
    (number & 0xffff_ffff) as u32
}

fn bound(joint: &Joint<'_>, import: &Import<'_>) -> Result<Item, GraftError> {
    (joint.bind)(import).ok_or_else(|| {
        let (module, name) = (import.module.to_owned(), import.name.to_owned());
        GraftError::Unbound { module, name }
    })
}

fn mismatch(import: &Import<'_>) -> GraftError {
    GraftError::Mismatch { module: import.module.to_owned(), name: import.name.to_owned() }
}

/// An index of the donor by the host's.
fn translated(map: &BTreeMap<u32, u32>, index: u32) -> Result<u32, ReencodeError<GraftError>> {
    map.get(&index).copied().ok_or(ReencodeError::UserError(unsupported("an item outside of its closure")))
}

impl Reencode for Copier<'_, '_> {
    type Error = GraftError;

    fn function_index(&mut self, func: u32) -> Result<u32, ReencodeError<GraftError>> {
        translated(&self.funcs, func)
    }

    fn table_index(&mut self, table: u32) -> Result<u32, ReencodeError<GraftError>> {
        translated(&self.tables, table)
    }

    fn memory_index(&mut self, memory: u32) -> Result<u32, ReencodeError<GraftError>> {
        translated(&self.memories, memory)
    }

    fn global_index(&mut self, global: u32) -> Result<u32, ReencodeError<GraftError>> {
        translated(&self.globals, global)
    }

    fn data_index(&mut self, data: u32) -> Result<u32, ReencodeError<GraftError>> {
        translated(&self.data, data)
    }

    fn type_index(&mut self, ty: u32) -> Result<u32, ReencodeError<GraftError>> {
        translated(&self.types, ty)
    }

    fn parse_instruction<'i>(
        &mut self,
        reader: &mut wasmparser::OperatorsReader<'i>,
    ) -> Result<Instruction<'i>, ReencodeError<GraftError>> {
        let operator = reader.read()?;
        if let Operator::GlobalGet { global_index } = operator
            && let Some(constant) = self.constants.get(&global_index)
        {
            return Ok(constant.instruction());
        }
        self.instruction(operator)
    }
}

/// The types that instructions name.
#[derive(Default)]
struct Types(BTreeSet<u32>);

impl Reencode for Types {
    type Error = GraftError;

    fn type_index(&mut self, ty: u32) -> Result<u32, ReencodeError<GraftError>> {
        self.0.insert(ty);
        Ok(ty)
    }
}

/// A place where no type of the donor may be named: a function type that names others.
struct NoTypes;

impl Reencode for NoTypes {
    type Error = GraftError;

    fn type_index(&mut self, _: u32) -> Result<u32, ReencodeError<GraftError>> {
        Err(ReencodeError::UserError(unsupported("function types that name others")))
    }
}
