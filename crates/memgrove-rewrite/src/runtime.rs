//! The stand-ins of `runtime/*.wat`, and copying them into another module.
//!
//! `build.rs` assembles them and generates the enum that names them, with what it finds out about each: a
//! name that does not exist, or a constant without a value, does not compile.

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::reencode::{Error as ReencodeError, Reencode};
use wasm_encoder::{Function, Instruction};
use wasmparser::{FuncType, FunctionBody, GlobalType, MemoryType, Operator, Parser, Payload, ValType};

use crate::Error;
use crate::edits::Layout;

/// The size of a page of 64 KiB as a power of two.
pub(crate) const PAGE_LOG2: u32 = 16;

static WASM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/runtime.wasm"));

include!(concat!(env!("OUT_DIR"), "/runtime.rs"));

/// What is known of a function of the runtime. The effects are also those of the functions that it calls.
#[expect(clippy::struct_excessive_bools, reason = "a set with names")]
struct Facts {
    name: &'static str,
    /// Its index in the runtime.
    index: u32,
    params: &'static [ValType],
    results: &'static [ValType],
    touches_memory: bool,
    grows_memory: bool,
    /// It counts pages as if each had 64 KiB.
    counts_fixed_pages: bool,
    uses_break_cell: bool,
}

impl RuntimeFunction {
    fn facts(self) -> &'static Facts {
        &FACTS[self as usize]
    }

    /// Its name in the runtime.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// It reads, writes or grows memory, or asks for its size.
    #[must_use]
    pub fn touches_memory(self) -> bool {
        self.facts().touches_memory
    }

    /// It can grow memory.
    #[must_use]
    pub fn grows_memory(self) -> bool {
        self.facts().grows_memory
    }

    /// It needs to know where the break is kept.
    pub(crate) fn uses_break_cell(self) -> bool {
        self.facts().uses_break_cell
    }

    /// Its index in the runtime.
    pub(crate) fn index(self) -> u32 {
        self.facts().index
    }

    /// Types of its parameters.
    pub(crate) fn params(self) -> &'static [ValType] {
        self.facts().params
    }

    /// Types of its results.
    pub(crate) fn results(self) -> &'static [ValType] {
        self.facts().results
    }

    /// It is right over this memory.
    ///
    /// Its addresses are i32; and where it counts pages, it has to know their size.
    pub(crate) fn works_on(self, memory: Option<&MemoryType>) -> bool {
        let facts = self.facts();
        match memory {
            _ if !facts.touches_memory && !facts.uses_break_cell => true,
            Some(memory) => {
                let has_other_pages = memory.page_size_log2.is_some_and(|log2| log2 != PAGE_LOG2);
                !(memory.memory64 || facts.counts_fixed_pages && has_other_pages)
            }
            None => false,
        }
    }
}

/// The compiled stand-ins, read.
pub(crate) struct Runtime {
    types: Vec<FuncType>,
    /// Type of each function; the runtime imports none.
    funcs: Vec<u32>,
    bodies: Vec<FunctionBody<'static>>,
    /// Types and initial values of the globals defined.
    globals: Vec<(GlobalType, Value)>,
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
        let mut runtime =
            Self { types: Vec::new(), funcs: Vec::new(), bodies: Vec::new(), globals: Vec::new() };
        for payload in Parser::new(0).parse_all(WASM) {
            match payload? {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        runtime.types.push(ty?);
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
                Payload::CodeSectionEntry(body) => runtime.bodies.push(body),
                _ => {}
            }
        }
        Ok(runtime)
    }

    /// Type of a function of the runtime.
    pub fn func_type(&self, index: u32) -> &FuncType {
        &self.types[self.funcs[index as usize] as usize]
    }

    /// Type and initial value of a global that the runtime defines.
    pub fn global(&self, index: u32) -> (GlobalType, Value) {
        self.globals[index as usize - CONSTANTS.len()]
    }

    /// Everything that `roots` call, directly or not, and the globals all of them use.
    pub fn closure(&self, roots: impl IntoIterator<Item = u32>) -> Result<Needed, Error> {
        let mut needed = Needed::default();
        let mut open: Vec<u32> = roots.into_iter().collect();
        let mut seen: BTreeSet<u32> = open.iter().copied().collect();
        while let Some(func) = open.pop() {
            for operator in self.bodies[func as usize].get_operators_reader()? {
                match operator? {
                    Operator::Call { function_index } => {
                        needed.called.insert(function_index);
                        if seen.insert(function_index) {
                            open.push(function_index);
                        }
                    }
                    Operator::GlobalGet { global_index } | Operator::GlobalSet { global_index }
                        if global_index as usize >= CONSTANTS.len() =>
                    {
                        needed.globals.insert(global_index);
                    }
                    _ => {}
                }
            }
        }
        Ok(needed)
    }

    /// The body of `func` with the indices of another module.
    pub fn copy(&self, func: u32, into: &mut Copier<'_>) -> Result<Function, Error> {
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
pub(crate) struct Needed {
    /// Functions that are called by others, so need an index of their own.
    pub called: BTreeSet<u32>,
    /// Globals that they use.
    pub globals: BTreeSet<u32>,
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
            && let Some(constant) = CONSTANTS.get(global_index as usize)
        {
            let value = match constant {
                Constant::BreakCell => self.layout.break_cell,
                Constant::HeapBase => self.layout.heap_base,
                Constant::PageShift => self.page_shift,
                Constant::PageMask => (1 << self.page_shift) - 1,
            };
            return Ok(Instruction::I32Const(value.cast_signed()));
        }
        self.instruction(operator)
    }
}

/// How `from` can be called as if it were of type `to`.
///
/// Parameters are narrowed or widened, results dropped, widened, or invented as zero; `None`
/// where that would not be the same call.
pub(crate) fn adapt(to: &FuncType, from: RuntimeFunction) -> Option<Adapter> {
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
