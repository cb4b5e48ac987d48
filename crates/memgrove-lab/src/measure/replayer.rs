//! A guest that can do nothing but replay traces: a hundredth of the code to compile, and its memory can be bounded.
//!
//! ```text
//! guest ─► reach: what `replay` and the questions about it can call      by calls, and by type through tables
//!       ─► every other function becomes `unreachable`, and so do panics
//!       ─► memory.grow n  ─►  call $grow: refuses what goes beyond the exported global LIMIT
//! ```
//!
//! What is left runs instruction by instruction as in the guest, so fuel is the guest's but for a handful each time that
//! memory grows.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_rewrite::Error;
use memgrove_rewrite::edit::{Edits, Frame, Instrument, Sections, Site, Splice, Subject};
use wasm_encoder::{BlockType, ConstExpr, Function, GlobalType, Instruction, ValType};
use wasmparser::{ElementItems, ExternalKind, FuncType, FunctionBody, Operator, Parser, Payload};

/// The exported global with the most pages that the memory may have.
pub(super) const LIMIT: &str = "memgrove_page_limit";

/// What is called of a guest when it replays.
const ROOTS: [&str; 6] = ["trace_buffer", "replay", "status", "calls", "peak_live_bytes", "heap_bytes"];

/// The guest without what replaying does not need.
///
/// # Errors
/// If it is no valid module, or its memory is not its own.
pub(super) fn replayer(wasm: &[u8]) -> Result<Vec<u8>, Error> {
    let sections = Sections::read(wasm)?;
    let calls = Calls::read(wasm, &sections)?;
    let kept = calls.reach(ROOTS.iter().filter_map(|name| sections.exported_func(name)));
    let mut edits = Edits::new(&sections);
    for func in calls.imported..calls.imported.saturating_add(calls.defined) {
        if !kept.contains(&func) {
            let mut body = Function::new([]);
            body.instruction(&Instruction::Unreachable).instruction(&Instruction::End);
            edits.replace(func, body)?;
        }
    }
    let limit = edits.add_global(
        GlobalType { val_type: ValType::I32, mutable: true, shared: false },
        ConstExpr::i32_const(-1),
    );
    edits.add_export(LIMIT, ExternalKind::Global, limit)?;
    let ty = edits.add_type(vec![ValType::I32], vec![ValType::I32]);
    let grow = edits.add_func(ty, bounded_growth(limit), "memgrove.grow");
    Ok(edits.apply(&mut Bounded { grow, kept })?.wasm)
}

/// `memory.grow` that refuses what would make more pages than the limit.
fn bounded_growth(limit: u32) -> Function {
    let mut body = Function::new([]);
    // In 64 bits, as the sum of two numbers of pages may not fit into 32.
    for instruction in [
        Instruction::MemorySize(0),
        Instruction::I64ExtendI32U,
        Instruction::LocalGet(0),
        Instruction::I64ExtendI32U,
        Instruction::I64Add,
        Instruction::GlobalGet(limit),
        Instruction::I64ExtendI32U,
        Instruction::I64GtU,
        Instruction::If(BlockType::Result(ValType::I32)),
        Instruction::I32Const(-1),
        Instruction::Else,
        Instruction::LocalGet(0),
        Instruction::MemoryGrow(0),
        Instruction::End,
        Instruction::End,
    ] {
        body.instruction(&instruction);
    }
    body
}

/// Puts the bounded growth in the place of every `memory.grow`.
struct Bounded {
    grow: u32,
    kept: BTreeSet<u32>,
}

impl Instrument for Bounded {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        let grows = |body: &FunctionBody<'_>| -> Result<bool, Error> {
            for operator in body.get_operators_reader()? {
                if matches!(operator?, Operator::MemoryGrow { mem: 0 }) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let is_asked = self.kept.contains(&function.index) && grows(function.body)?;
        Ok(is_asked.then(Frame::default))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
        if matches!(site.operator, Operator::MemoryGrow { mem: 0 }) {
            splice.remove().before(&Instruction::Call(self.grow));
        }
        Ok(())
    }
}

/// Who calls what.
struct Calls<'s> {
    imported: u32,
    defined: u32,
    /// By defined function.
    calls: Vec<Callees<'s>>,
    /// Functions in element segments, by type: what code can call by type.
    in_tables: BTreeMap<FuncType, Vec<u32>>,
    start: Option<u32>,
}

impl<'s> Calls<'s> {
    fn read(wasm: &[u8], sections: &'s Sections<'_>) -> Result<Self, Error> {
        let mut found =
            Self { imported: 0, defined: 0, calls: Vec::new(), in_tables: BTreeMap::new(), start: None };
        let mut in_tables = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        found.imported += u32::from(matches!(import?.ty, wasmparser::TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(section) => found.defined = section.count(),
                Payload::StartSection { func, .. } => found.start = Some(func),
                Payload::ElementSection(section) => {
                    for element in section {
                        match element?.items {
                            ElementItems::Functions(funcs) => {
                                for func in funcs {
                                    in_tables.push(func?);
                                }
                            }
                            ElementItems::Expressions(_, expressions) => {
                                for expression in expressions {
                                    for operator in expression?.get_operators_reader() {
                                        if let Operator::RefFunc { function_index } = operator? {
                                            in_tables.push(function_index);
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => found.calls.push(calls_of(&body, sections)?),
                _ => {}
            }
        }
        for func in in_tables {
            if let Some(ty) = sections.func_type(func) {
                found.in_tables.entry(ty.clone()).or_default().push(func);
            }
        }
        Ok(found)
    }

    /// What these functions can call, they included. Linear in the calls.
    fn reach(&self, roots: impl Iterator<Item = u32>) -> BTreeSet<u32> {
        let mut kept = BTreeSet::new();
        let mut types = BTreeSet::new();
        let mut open: Vec<u32> = roots.chain(self.start).collect();
        while let Some(func) = open.pop() {
            if !kept.insert(func) {
                continue;
            }
            let calls = func.checked_sub(self.imported).and_then(|at| self.calls.get(at as usize));
            let Some(calls) = calls else { continue };
            if calls.is_a_panic() {
                kept.remove(&func);
                continue;
            }
            open.extend(&calls.direct);
            for ty in &calls.by_type {
                if types.insert(*ty) {
                    open.extend(self.in_tables.get(ty).into_iter().flatten());
                }
            }
        }
        kept
    }
}

/// What a function calls.
#[derive(Default)]
struct Callees<'s> {
    /// Functions that it calls or refers to.
    direct: Vec<u32>,
    /// The types by which it calls others.
    by_type: Vec<&'s FuncType>,
    returns: bool,
}

impl Callees<'_> {
    /// It says something by whatever formats it, and never returns: the end of a run, which has failed before. All
    /// that can be formatted would come with it, so it becomes the trap that it ends in.
    fn is_a_panic(&self) -> bool {
        !self.returns && !self.by_type.is_empty()
    }
}

fn calls_of<'s>(body: &FunctionBody<'_>, sections: &'s Sections<'_>) -> Result<Callees<'s>, Error> {
    let mut calls = Callees::default();
    // Blocks around the instruction; a branch out of all of them returns.
    let mut depth = 0_u32;
    let mut ends_in_trap = false;
    for operator in body.get_operators_reader()? {
        let operator = operator?;
        match &operator {
            Operator::Call { function_index } | Operator::RefFunc { function_index } => {
                calls.direct.push(*function_index);
            }
            Operator::ReturnCall { function_index } => {
                calls.direct.push(*function_index);
                calls.returns = true;
            }
            Operator::CallIndirect { type_index, .. } | Operator::CallRef { type_index } => {
                calls.by_type.extend(sections.func_type_at(*type_index));
            }
            Operator::ReturnCallIndirect { type_index, .. } | Operator::ReturnCallRef { type_index } => {
                calls.by_type.extend(sections.func_type_at(*type_index));
                calls.returns = true;
            }
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
            // Blocks of exceptions are not followed: their functions count as returning.
            Operator::Try { .. } | Operator::TryTable { .. } => {
                depth += 1;
                calls.returns = true;
            }
            Operator::End => {
                calls.returns |= depth == 0 && !ends_in_trap;
                depth = depth.saturating_sub(1);
            }
            Operator::Return => calls.returns = true,
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                calls.returns |= *relative_depth == depth;
            }
            Operator::BrTable { targets } => {
                calls.returns |= targets.default() == depth;
                for target in targets.targets() {
                    calls.returns |= target? == depth;
                }
            }
            Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::BrOnCast { .. }
            | Operator::BrOnCastFail { .. } => calls.returns = true,
            _ => {}
        }
        ends_in_trap = matches!(operator, Operator::Unreachable);
    }
    calls.direct.sort_unstable();
    calls.direct.dedup();
    Ok(calls)
}
