//! The functions, types and globals that the output has and the input had not.

use std::collections::BTreeMap;

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, ConstExpr, Function, GlobalType, HeapType, Instruction, ValType};

use super::growth::I32;
use super::heap;
use wasmparser::ExternalKind;

use crate::Error;
use crate::edit::{Edits as Editor, Signature, count};
use crate::edits::{Edits, StandIn};
use crate::graft::{Data, Donor, Grafted, Joint, Roots, graft};
use crate::module::Module;
use crate::runtime::{self, Adapter, PAGE_LOG2, RuntimeFunction, Tail, adapt};

/// What makes memory reach the end of a watched break.
const COVER: RuntimeFunction = RuntimeFunction::EmscriptenResizeHeap;

/// What instruments refer to.
pub(super) struct Added {
    /// The function that makes memory reach an address, for watched breaks.
    pub cover: Option<u32>,
    /// The global that holds the exit code.
    pub exit_code: Option<u32>,
}

/// Adds what `edits` ask for.
pub(super) fn add(
    module: &Module<'_>,
    edits: &Edits,
    donor: &Donor<'_>,
    editor: &mut Editor<'_, '_>,
) -> Result<Added, Error> {
    let exit_code = match &edits.exit {
        Some(exit) => {
            let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
            let global = editor.add_global(ty, ConstExpr::i32_const(-1));
            editor.add_export(&exit.name, ExternalKind::Global, global)?;
            Some(global)
        }
        None => None,
    };
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
        is_only && module.sections.func_type(import).is_some_and(is_typed)
    };
    let (mut funcs, mut bodies) = (Vec::new(), Vec::new());
    for (&import, stand_in) in &edits.funcs {
        if let StandIn::Runtime(function) = stand_in {
            let roots = if is_direct(import, *function) { &mut bodies } else { &mut funcs };
            roots.push(function.index());
        }
    }
    if !edits.watched_breaks.is_empty() {
        funcs.push(COVER.index());
    }
    let page_shift =
        module.sections.memories.first().and_then(|memory| memory.page_size_log2).unwrap_or(PAGE_LOG2);
    let joint = Joint {
        bind: &|import| runtime::bind(import, edits.layout, page_shift),
        memory: None,
        name: &|func| donor.name_behind("memgrove.", func),
        data: Data::Segments,
    };
    let roots = Roots { funcs: &funcs, bodies: &bodies };
    let mut grafted = graft(editor, donor, roots, &joint).map_err(runtime::defect)?;

    // A body for every import that is satisfied, at its place.
    for (&import, stand_in) in &edits.funcs {
        let body = match stand_in {
            StandIn::Runtime(function) => match grafted.body(function.index()) {
                Some(body) => body,
                None => adapted(module, import, *function, &grafted)?.into(),
            },
            // All of a heap at once, below.
            StandIn::Heap(..) => continue,
            StandIn::Exit => ends(exit_code).into(),
            other => plain(module, import, other, editor)?.into(),
        };
        editor.satisfy(import, body)?;
    }
    heap::graft(edits, editor)?;
    add_start(module, edits, editor);
    let cover = grafted.func(COVER.index()).filter(|_| !edits.watched_breaks.is_empty());
    Ok(Added { cover, exit_code })
}

/// Keeps the exit code and does not return.
fn ends(exit_code: Option<u32>) -> Function {
    let mut body = Function::new([]);
    if let Some(global) = exit_code {
        body.instruction(&Instruction::LocalGet(0)).instruction(&Instruction::GlobalSet(global));
    }
    body.instruction(&Instruction::Unreachable).instruction(&Instruction::End);
    body
}

/// Bodies that need nothing from the runtime.
fn plain(
    module: &Module<'_>,
    import: u32,
    stand_in: &StandIn,
    editor: &mut Editor<'_, '_>,
) -> Result<Function, Error> {
    let (params, results) = signature(func_type(module, import)?)?;
    let mut body = Function::new([]);
    match stand_in {
        StandIn::Trap | StandIn::Exit | StandIn::Runtime(_) | StandIn::Heap(..) => {
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
            body.instruction(&Instruction::Call(*location))
                .instruction(&Instruction::LocalGet(0))
                .instruction(&Instruction::I32Store(I32));
            if !results.is_empty() {
                body.instruction(&Instruction::LocalGet(0));
            }
        }
        StandIn::GrowTable(table) => {
            body.instruction(&Instruction::RefNull(HeapType::EXTERN))
                .instruction(&Instruction::I32Const(4))
                .instruction(&Instruction::TableGrow(*table))
                .instruction(&Instruction::I32Const(-1))
                .instruction(&Instruction::I32Eq)
                .instruction(&Instruction::If(BlockType::Empty))
                .instruction(&Instruction::Unreachable)
                .instruction(&Instruction::End);
        }
        StandIn::Invoke => {
            let type_index = editor.add_type(params[1..].to_vec(), results);
            for i in 1..count(params.len()) {
                body.instruction(&Instruction::LocalGet(i));
            }
            body.instruction(&Instruction::LocalGet(0))
                .instruction(&Instruction::CallIndirect { type_index, table_index: 0 });
        }
    }
    body.instruction(&Instruction::End);
    Ok(body)
}

/// Constructors that run once, and a start function that runs them.
fn add_start(module: &Module<'_>, edits: &Edits, editor: &mut Editor<'_, '_>) {
    if edits.constructors.is_empty() {
        return;
    }
    let ty = editor.add_type(Vec::new(), Vec::new());
    let mut start = Function::new([]);
    if let Some(func) = module.sections.start {
        start.instruction(&Instruction::Call(func));
    }
    for &constructor in &edits.constructors {
        let flag = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        let done = editor.add_global(flag, ConstExpr::i32_const(0));
        let mut body = Function::new([]);
        body.instruction(&Instruction::GlobalGet(done))
            .instruction(&Instruction::If(BlockType::Empty))
            .instruction(&Instruction::Return)
            .instruction(&Instruction::End)
            .instruction(&Instruction::I32Const(1))
            .instruction(&Instruction::GlobalSet(done))
            .instruction(&Instruction::Call(constructor))
            .instruction(&Instruction::End);
        let guard = editor.add_func(ty, body, format!("memgrove.once.{constructor}"));
        editor.export_instead(constructor, guard);
        start.instruction(&Instruction::Call(guard));
    }
    start.instruction(&Instruction::End);
    let start = editor.add_func(ty, start, "memgrove.start");
    editor.set_start(start);
}

/// A stand-in that cannot be put where its plan says.
fn defect(what: &str, function: RuntimeFunction) -> Error {
    Error::Encode(format!("`{}` {what}", function.name()))
}

/// A call of a runtime function with arguments and result converted.
fn adapted(
    module: &Module<'_>,
    import: u32,
    function: RuntimeFunction,
    grafted: &Grafted,
) -> Result<Function, Error> {
    let Adapter { params, result } = adapt(func_type(module, import)?, function)
        .ok_or_else(|| defect("does not fit the import's type", function))?;
    let mut body = Function::new([]);
    for (i, conversion) in (0..).zip(&params) {
        body.instruction(&Instruction::LocalGet(i));
        if let Some(conversion) = conversion {
            body.instruction(conversion);
        }
    }
    let func = grafted.func(function.index());
    body.instruction(&Instruction::Call(func.ok_or_else(|| defect("was not grafted", function))?));
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
    module
        .sections
        .func_type(func)
        .ok_or_else(|| Error::Encode(format!("function {func} has no function type")))
}

fn signature(ty: &wasmparser::FuncType) -> Result<Signature, Error> {
    crate::edit::signature(ty).ok_or_else(|| Error::Encode("a type that cannot be written".to_owned()))
}

fn val_type(ty: wasmparser::ValType) -> Result<ValType, Error> {
    Ok(RoundtripReencoder.val_type(ty)?)
}
