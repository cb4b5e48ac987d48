//! The stand-ins of `runtime/*.wat`, and copying them into another module.

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::reencode::{Error as ReencodeError, Reencode};
use wasm_encoder::{Function, Instruction};
use wasmparser::{
    FuncType, FunctionBody, GlobalType, MemoryType, Operator, Parser, Payload, TypeRef, ValType,
};

use crate::Error;
use crate::edits::Layout;

/// The imported global that is the size of a page as a power of two.
const PAGE_SHIFT: &str = "page_shift";
/// That of a page of 64 KiB.
pub(crate) const PAGE_LOG2: u32 = 16;

static WASM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/runtime.wasm"));

/// The compiled stand-ins, read.
pub(crate) struct Runtime {
    types: Vec<FuncType>,
    /// Type of each function; the runtime imports none.
    funcs: Vec<u32>,
    bodies: Vec<FunctionBody<'static>>,
    /// Names of the imported globals (see [`Layout`]), which come first in the index space.
    params: Vec<&'static str>,
    /// Types and initial values of the globals defined.
    globals: Vec<(GlobalType, Value)>,
    exports: BTreeMap<&'static str, u32>,
}

/// Initial value of a global of the runtime.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    I32(i32),
    I64(i64),
    F64(wasmparser::Ieee64),
}

impl Runtime {
    /// Reads the embedded module.
    pub fn load() -> Result<Self, Error> {
        let mut runtime = Self {
            types: Vec::new(),
            funcs: Vec::new(),
            bodies: Vec::new(),
            params: Vec::new(),
            globals: Vec::new(),
            exports: BTreeMap::new(),
        };
        for payload in Parser::new(0).parse_all(WASM) {
            match payload? {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        runtime.types.push(ty?);
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if matches!(import.ty, TypeRef::Global(_)) {
                            runtime.params.push(import.name);
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        runtime.funcs.push(ty?);
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        let global = global?;
                        let value = match global.init_expr.get_operators_reader().read()? {
                            Operator::I64Const { value } => Value::I64(value),
                            Operator::I32Const { value } => Value::I32(value),
                            Operator::F64Const { value } => Value::F64(value),
                            other => {
                                return Err(Error::Encode(format!(
                                    "a stand-in's global starts as {other:?}"
                                )));
                            }
                        };
                        runtime.globals.push((global.ty, value));
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        runtime.exports.insert(export.name, export.index);
                    }
                }
                Payload::CodeSectionEntry(body) => runtime.bodies.push(body),
                _ => {}
            }
        }
        Ok(runtime)
    }

    /// Index of the stand-in called `name`.
    pub fn func(&self, name: &str) -> Option<u32> {
        self.exports.get(name).copied()
    }

    /// The types of all stand-ins, for tests.
    #[cfg(test)]
    pub fn all_types(&self) -> impl Iterator<Item = &FuncType> {
        self.exports.values().map(|&func| self.func_type(func))
    }

    /// Type of a function of the runtime.
    pub fn func_type(&self, index: u32) -> &FuncType {
        &self.types[self.funcs[index as usize] as usize]
    }

    /// The stand-in called `name` reads, writes or grows memory.
    pub fn uses_memory(&self, name: &str) -> bool {
        self.func(name).is_some_and(|func| self.closure([func]).is_ok_and(|needed| needed.memory))
    }

    /// The stand-in called `name` is right over this memory.
    ///
    /// Its addresses are i32; and where it counts pages, it has to know their size.
    pub fn works_on(&self, name: &str, memory: Option<&MemoryType>) -> bool {
        let Some(needed) = self.func(name).and_then(|func| self.closure([func]).ok()) else { return false };
        match memory {
            _ if !needed.memory && !needed.break_cell => true,
            Some(memory) => {
                let has_other_pages = memory.page_size_log2.is_some_and(|log2| log2 != PAGE_LOG2);
                !(memory.memory64 || needed.fixed_pages && has_other_pages)
            }
            None => false,
        }
    }

    /// The stand-in called `name` needs to know where the break is kept.
    pub fn uses_break_cell(&self, name: &str) -> bool {
        self.func(name).is_some_and(|func| self.closure([func]).is_ok_and(|needed| needed.break_cell))
    }

    /// The stand-in called `name` can grow memory.
    pub fn grows_memory(&self, name: &str) -> bool {
        self.func(name).is_some_and(|func| self.closure([func]).is_ok_and(|needed| needed.grows))
    }

    /// Type and initial value of a global that the runtime defines.
    pub fn global(&self, index: u32) -> (GlobalType, Value) {
        self.globals[index as usize - self.params.len()]
    }

    /// Everything that `roots` call, directly or not, and the globals all of them use.
    pub fn closure(&self, roots: impl IntoIterator<Item = u32>) -> Result<Needed, Error> {
        let mut needed = Needed::default();
        let mut open: Vec<u32> = roots.into_iter().collect();
        let mut seen: BTreeSet<u32> = open.iter().copied().collect();
        while let Some(func) = open.pop() {
            let (mut counts_pages, mut knows_their_size) = (false, false);
            for operator in self.bodies[func as usize].get_operators_reader()? {
                match operator? {
                    Operator::Call { function_index } => {
                        needed.called.insert(function_index);
                        if seen.insert(function_index) {
                            open.push(function_index);
                        }
                    }
                    Operator::GlobalGet { global_index } | Operator::GlobalSet { global_index }
                        if global_index as usize >= self.params.len() =>
                    {
                        needed.globals.insert(global_index);
                    }
                    Operator::GlobalGet { global_index } => {
                        let param = self.params.get(global_index as usize).copied();
                        knows_their_size |= param == Some(PAGE_SHIFT);
                        needed.break_cell |= param == Some("break_cell");
                    }
                    operator @ (Operator::MemorySize { .. } | Operator::MemoryGrow { .. }) => {
                        counts_pages = true;
                        needed.memory = true;
                        needed.grows |= matches!(operator, Operator::MemoryGrow { .. });
                    }
                    other => needed.memory |= touches_memory(&other),
                }
            }
            needed.fixed_pages |= counts_pages && !knows_their_size;
        }
        Ok(needed)
    }

    /// The body of `func` with the indices of another module.
    pub fn copy<'m>(&'m self, func: u32, into: &mut Copier<'m>) -> Result<Function, Error> {
        into.params = &self.params;
        let body = &self.bodies[func as usize];
        let mut copy = into.new_function_with_parsed_locals(body)?;
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            copy.instruction(&into.parse_instruction(&mut reader)?);
        }
        Ok(copy)
    }
}

/// What a set of stand-ins brings along.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "a set with names")]
pub(crate) struct Needed {
    /// Functions that are called by others, so need an index of their own.
    pub called: BTreeSet<u32>,
    /// Globals that they use.
    pub globals: BTreeSet<u32>,
    /// They read, write or grow memory 0.
    pub memory: bool,
    /// They grow memory 0.
    pub grows: bool,
    /// They count pages as if each had 64 KiB.
    pub fixed_pages: bool,
    /// They need the address of the break.
    pub break_cell: bool,
}

/// Loads and stores as the stand-ins use them.
fn touches_memory(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::I32Load { .. }
            | Operator::I64Load { .. }
            | Operator::I64Load32S { .. }
            | Operator::I32Load8U { .. }
            | Operator::I32Store { .. }
            | Operator::I64Store { .. }
            | Operator::F64Load { .. }
            | Operator::F64Store { .. }
            | Operator::I32Store8 { .. }
    )
}

/// Translates the runtime's indices to those of the module being written.
pub(crate) struct Copier<'m> {
    /// Where each called function of the runtime lies in the output.
    pub funcs: &'m BTreeMap<u32, u32>,
    /// Where each of its globals lies.
    pub globals: &'m BTreeMap<u32, u32>,
    /// Index of the memory it works on.
    pub memory: u32,
    /// Values for its imported globals.
    pub layout: Layout,
    /// Size of the memory's pages as a power of two.
    pub page_shift: u32,
    params: &'m [&'static str],
}

impl<'m> Copier<'m> {
    /// A translation that knows no imported globals until [`Runtime::copy`] is called.
    pub fn new(
        funcs: &'m BTreeMap<u32, u32>,
        globals: &'m BTreeMap<u32, u32>,
        memory: u32,
        layout: Layout,
        page_shift: u32,
    ) -> Self {
        Self { funcs, globals, memory, layout, page_shift, params: &[] }
    }
}

impl Reencode for Copier<'_> {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, func: u32) -> Result<u32, ReencodeError> {
        Ok(self.funcs[&func])
    }

    fn memory_index(&mut self, _: u32) -> Result<u32, ReencodeError> {
        Ok(self.memory)
    }

    fn global_index(&mut self, global: u32) -> Result<u32, ReencodeError> {
        Ok(self.globals[&global])
    }

    fn parse_instruction<'a>(
        &mut self,
        reader: &mut wasmparser::OperatorsReader<'a>,
    ) -> Result<Instruction<'a>, ReencodeError> {
        let operator = reader.read()?;
        if let Operator::GlobalGet { global_index } = operator
            && let Some(name) = self.params.get(global_index as usize)
        {
            let value = match *name {
                "break_cell" => self.layout.break_cell,
                "heap_base" => self.layout.heap_base,
                PAGE_SHIFT => self.page_shift,
                "page_mask" => (1 << self.page_shift) - 1,
                _ => self.layout.scratch,
            };
            return Ok(Instruction::I32Const(value.cast_signed()));
        }
        self.instruction(operator)
    }
}

/// How a function of type `from` can be called as if it were of type `to`.
///
/// Parameters are narrowed or widened, results dropped, widened, or invented as zero; `None`
/// where that would not be the same call.
pub(crate) fn adapt(to: &FuncType, from: &FuncType) -> Option<Adapter> {
    if to.params().len() != from.params().len() || to.results().len() > 1 || from.results().len() > 1 {
        return None;
    }
    let params = to
        .params()
        .iter()
        .zip(from.params())
        .map(|(&have, &want)| convert(have, want))
        .collect::<Option<Vec<_>>>()?;
    let result = match (from.results(), to.results()) {
        ([], []) => Tail::Nothing,
        ([_], []) => Tail::Drop,
        ([], [ty]) => Tail::Zero(*ty),
        ([have], [want]) => Tail::Convert(match (*have, *want) {
            // An i32 result is a number with a sign: −errno must stay negative.
            (ValType::I32, ValType::I64) => Some(Instruction::I64ExtendI32S),
            (ValType::I32, ValType::F64) => Some(Instruction::F64ConvertI32S),
            (have, want) => convert(have, want)?,
        }),
        _ => return None,
    };
    Some(Adapter { params, result })
}

/// Conversions around a call.
pub(crate) struct Adapter {
    /// After each argument.
    pub params: Vec<Option<Instruction<'static>>>,
    /// After the call.
    pub result: Tail,
}

/// What becomes of the result.
pub(crate) enum Tail {
    Nothing,
    Drop,
    Zero(ValType),
    Convert(Option<Instruction<'static>>),
}

fn convert(have: ValType, want: ValType) -> Option<Option<Instruction<'static>>> {
    match (have, want) {
        (have, want) if have == want => Some(None),
        (ValType::I64, ValType::I32) => Some(Some(Instruction::I32WrapI64)),
        (ValType::I32, ValType::I64) => Some(Some(Instruction::I64ExtendI32U)),
        (ValType::F32, ValType::F64) => Some(Some(Instruction::F64PromoteF32)),
        (ValType::F64, ValType::F32) => Some(Some(Instruction::F32DemoteF64)),
        _ => None,
    }
}
