//! The functions, types and globals that the output has and the input had not.

use std::collections::{BTreeMap, HashMap};

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, ConstExpr, Function, GlobalType, Instruction, MemArg, MemArgTarget, ValType};

use super::indices::Indices;
use crate::Error;
use crate::edits::{Edits, StandIn, WatchedBreak};
use crate::module::Module;
use crate::runtime::{Adapter, Copier, PAGE_LOG2, Runtime, RuntimeFunction, Tail, Value, adapt};

/// What makes memory reach the end of a watched break.
const COVER: RuntimeFunction = RuntimeFunction::EmscriptenResizeHeap;

/// A type of function, as the encoder wants it.
pub(crate) type Signature = (Vec<ValType>, Vec<ValType>);

/// Additions, in the order of their indices.
#[derive(Default)]
pub(crate) struct Added {
    /// Types that follow the module's own.
    pub types: Vec<Signature>,
    /// Their positions.
    type_positions: HashMap<Signature, usize>,
    /// Bodies of the imports that became functions, in index order.
    pub stand_ins: Vec<(u32, Function)>,
    /// Functions that follow the module's own: type, body, name.
    pub helpers: Vec<(u32, Function, String)>,
    /// Globals that follow the module's own.
    pub globals: Vec<(GlobalType, ConstExpr)>,
    /// The function to start with, if it changes.
    pub start: Option<u32>,
    /// Constructors (original index) and the functions that run them once.
    pub guards: BTreeMap<u32, u32>,
    /// The function that makes memory reach an address, for watched breaks.
    pub cover: Option<u32>,
}

impl Added {
    /// Builds everything that `edits` ask for.
    pub fn new(
        module: &Module<'_>,
        edits: &Edits,
        indices: &Indices,
        runtime: &Runtime,
    ) -> Result<Self, Error> {
        let mut added = Self::default();
        let first_func = count(module.funcs.len());
        let first_global = count(module.globals.len());

        // Which functions and globals of the runtime come along, and where they go. A body is copied to the one
        // import that it stands for; where it stands for several, they call it.
        let mut uses: BTreeMap<RuntimeFunction, usize> = BTreeMap::new();
        for stand_in in edits.funcs.values() {
            if let StandIn::Runtime(function) = stand_in {
                *uses.entry(*function).or_default() += 1;
            }
        }
        let is_direct = |import: u32, function: RuntimeFunction| {
            let is_only = uses.get(&function) == Some(&1);
            let is_typed = |ty: &wasmparser::FuncType| {
                ty.params() == function.params() && ty.results() == function.results()
            };
            is_only && module.func_type(import).is_some_and(is_typed)
        };
        let mut roots = Vec::new();
        let mut called = Vec::new();
        for (&import, stand_in) in &edits.funcs {
            if let StandIn::Runtime(function) = stand_in {
                roots.push(function.index());
                if !is_direct(import, *function) {
                    called.push(function.index());
                }
            }
        }
        if !edits.watched_breaks.is_empty() {
            roots.push(COVER.index());
            called.push(COVER.index());
        }
        let needed = runtime.closure(roots)?;
        called.extend(&needed.called);
        called.sort_unstable();
        called.dedup();
        let funcs: BTreeMap<u32, u32> = called.iter().copied().zip(first_func..).collect();
        let globals: BTreeMap<u32, u32> = needed.globals.iter().copied().zip(first_global..).collect();
        for &global in &needed.globals {
            let (ty, value) = runtime.global(global);
            added.globals.push((
                GlobalType { val_type: val_type(ty.content_type)?, mutable: ty.mutable, shared: false },
                match value {
                    Value::I32(value) => ConstExpr::i32_const(value),
                    Value::I64(value) => ConstExpr::i64_const(value),
                    Value::F64(value) => ConstExpr::f64_const(value.into()),
                },
            ));
        }
        let page_shift =
            module.memories.first().and_then(|memory| memory.page_size_log2).unwrap_or(PAGE_LOG2);
        let mut copier = Copier {
            funcs: &funcs,
            globals: &globals,
            memory: indices.memories.get(0),
            layout: edits.layout,
            page_shift,
        };
        for &func in &called {
            let ty = added.add_type(module, signature(runtime.func_type(func))?);
            let body = runtime.copy(func, &mut copier)?;
            added.helpers.push((ty, body, format!("memgrove.{func}")));
        }
        if !edits.watched_breaks.is_empty() {
            added.cover = funcs.get(&COVER.index()).copied();
        }

        // A body for every import that is satisfied, at its place.
        for (&import, stand_in) in &edits.funcs {
            let ty = module.funcs[import as usize];
            let body = match stand_in {
                StandIn::Runtime(function) if is_direct(import, *function) => {
                    runtime.copy(function.index(), &mut copier)?
                }
                StandIn::Runtime(function) => adapted(module, import, *function, &funcs)?,
                other => added.plain(module, import, other, indices)?,
            };
            added.stand_ins.push((ty, body));
        }
        added.add_start(module, edits, indices);
        Ok(added)
    }

    /// Index of a type, added if need be.
    fn add_type(&mut self, module: &Module<'_>, signature: Signature) -> u32 {
        let types = &mut self.types;
        let at = *self.type_positions.entry(signature).or_insert_with_key(|signature| {
            types.push(signature.clone());
            types.len() - 1
        });
        count(module.types.len()) + count(at)
    }

    /// Bodies that need nothing from the runtime.
    fn plain(
        &mut self,
        module: &Module<'_>,
        import: u32,
        stand_in: &StandIn,
        indices: &Indices,
    ) -> Result<Function, Error> {
        let (params, results) = signature(func_type(module, import)?)?;
        let mut body = Function::new([]);
        match stand_in {
            StandIn::Trap | StandIn::Runtime(_) => {
                body.instruction(&Instruction::Unreachable);
            }
            StandIn::Return(number) => {
                for result in &results {
                    body.instruction(&constant(*result, *number));
                }
            }
            StandIn::Operator(op) => {
                for i in 0..count(params.len()) {
                    body.instruction(&Instruction::LocalGet(i));
                }
                body.instruction(&op.instruction());
            }
            StandIn::StoreErrno(location) => {
                body.instruction(&Instruction::Call(indices.funcs.get(*location)))
                    .instruction(&Instruction::LocalGet(0))
                    .instruction(&Instruction::I32Store(i32_at(indices)));
                if !results.is_empty() {
                    body.instruction(&Instruction::LocalGet(0));
                }
            }
            StandIn::Invoke => {
                let callee = (params[1..].to_vec(), results);
                let type_index = self.add_type(module, callee);
                for i in 1..count(params.len()) {
                    body.instruction(&Instruction::LocalGet(i));
                }
                body.instruction(&Instruction::LocalGet(0)).instruction(&Instruction::CallIndirect {
                    type_index,
                    table_index: indices.tables.get(0),
                });
            }
        }
        body.instruction(&Instruction::End);
        Ok(body)
    }

    /// Constructors that run once, and a start function that runs them.
    fn add_start(&mut self, module: &Module<'_>, edits: &Edits, indices: &Indices) {
        if edits.constructors.is_empty() {
            return;
        }
        let ty = self.add_type(module, (Vec::new(), Vec::new()));
        let next = |added: &Self| count(module.funcs.len()) + count(added.helpers.len());
        for &constructor in &edits.constructors {
            let done = count(module.globals.len()) + count(self.globals.len());
            self.globals.push((
                GlobalType { val_type: ValType::I32, mutable: true, shared: false },
                ConstExpr::i32_const(0),
            ));
            let mut body = Function::new([]);
            body.instruction(&Instruction::GlobalGet(done))
                .instruction(&Instruction::If(BlockType::Empty))
                .instruction(&Instruction::Return)
                .instruction(&Instruction::End)
                .instruction(&Instruction::I32Const(1))
                .instruction(&Instruction::GlobalSet(done))
                .instruction(&Instruction::Call(indices.funcs.get(constructor)))
                .instruction(&Instruction::End);
            self.guards.insert(constructor, next(self));
            self.helpers.push((ty, body, format!("memgrove.once.{constructor}")));
        }
        let mut body = Function::new([]);
        if let Some(func) = module.start {
            body.instruction(&Instruction::Call(indices.funcs.get(func)));
        }
        for constructor in &edits.constructors {
            body.instruction(&Instruction::Call(self.guards[constructor]));
        }
        body.instruction(&Instruction::End);
        self.start = Some(next(self));
        self.helpers.push((ty, body, "memgrove.start".to_owned()));
    }
}

/// A call of a runtime function with arguments and result converted.
fn adapted(
    module: &Module<'_>,
    import: u32,
    function: RuntimeFunction,
    funcs: &BTreeMap<u32, u32>,
) -> Result<Function, Error> {
    let Adapter { params, result } = adapt(func_type(module, import)?, function)
        .ok_or_else(|| Error::Encode(format!("`{}` does not fit the import's type", function.name())))?;
    let mut body = Function::new([]);
    for (i, conversion) in (0..).zip(&params) {
        body.instruction(&Instruction::LocalGet(i));
        if let Some(conversion) = conversion {
            body.instruction(conversion);
        }
    }
    body.instruction(&Instruction::Call(funcs[&function.index()]));
    match result {
        Tail::Nothing | Tail::Convert(None) => {}
        Tail::Drop => {
            body.instruction(&Instruction::Drop);
        }
        Tail::Zero(ty) => {
            body.instruction(&constant(val_type(ty)?, 0));
        }
        Tail::Convert(Some(conversion)) => {
            body.instruction(&conversion);
        }
    }
    body.instruction(&Instruction::End);
    Ok(body)
}

/// What is put behind an instruction that may have moved a watched break.
pub(crate) fn after_break(watched: WatchedBreak, cover: u32, indices: &Indices) -> Vec<Instruction<'static>> {
    let mut check = match watched {
        WatchedBreak::Global(global) => vec![Instruction::GlobalGet(indices.globals.get(global))],
        WatchedBreak::Cell(at) => {
            vec![Instruction::I32Const(at.cast_signed()), Instruction::I32Load(i32_at(indices))]
        }
    };
    check.extend([Instruction::Call(cover), Instruction::Drop]);
    check
}

/// An aligned i32 in memory 0.
fn i32_at(indices: &Indices) -> MemArg {
    MemArg { offset: 0, align: 2, target: MemArgTarget::Memory(indices.memories.get(0)), ordering: None }
}

fn constant(ty: ValType, number: i64) -> Instruction<'static> {
    match ty {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a stand-in's number is meant for the type at hand"
        )]
        ValType::I32 => Instruction::I32Const(number as i32),
        ValType::I64 => Instruction::I64Const(number),
        #[expect(clippy::cast_precision_loss, reason = "these numbers are small")]
        ValType::F32 => Instruction::F32Const((number as f32).into()),
        #[expect(clippy::cast_precision_loss, reason = "these numbers are small")]
        ValType::F64 => Instruction::F64Const((number as f64).into()),
        // A reference or a vector: no contract that returns a number has one.
        ValType::V128 => Instruction::V128Const(0),
        ValType::Ref(_) => Instruction::Unreachable,
    }
}

fn func_type<'m>(module: &'m Module<'_>, func: u32) -> Result<&'m wasmparser::FuncType, Error> {
    module.func_type(func).ok_or_else(|| Error::Encode(format!("function {func} has no function type")))
}

fn signature(ty: &wasmparser::FuncType) -> Result<Signature, Error> {
    let convert = |types: &[wasmparser::ValType]| types.iter().map(|&ty| val_type(ty)).collect();
    Ok((convert(ty.params())?, {
        let results: Result<_, Error> = convert(ty.results());
        results
    }?))
}

fn val_type(ty: wasmparser::ValType) -> Result<ValType, Error> {
    Ok(RoundtripReencoder.val_type(ty)?)
}

/// Counts of things in a module fit into 32 bits: each takes a byte of a file at least.
pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
