//! Writes the code by which several values travel between blocks and functions (see `multi.rs`).

use std::collections::BTreeMap;

use wasm_encoder::{BlockType as NewBlock, Instruction, ValType as NewType};
use wasmparser::{BlockType, Operator, ValType};

use super::multi::{MultiValue, new_type};
use crate::Error;
use crate::edit::{Sections, Splice, Subject};

/// Writes the code that carries values.
pub(super) struct Carrier {
    multi: MultiValue,
    /// The first global of each type.
    globals: BTreeMap<ValType, u32>,
    here: Here,
}

/// The function at hand.
#[derive(Default)]
struct Here {
    is_touched: bool,
    /// The local for the condition of a branch.
    condition: u32,
    /// The first local of each type.
    locals: BTreeMap<ValType, u32>,
    frames: Vec<Block>,
}

/// A block that is open.
#[derive(Clone, Default)]
struct Block {
    params: Vec<ValType>,
    results: Vec<ValType>,
    is_loop: bool,
    /// Its results travel in locals.
    in_locals: bool,
    is_function: bool,
}

/// Where the values of a label travel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Stack,
    Locals,
    Globals,
}

impl Block {
    /// What a branch to it carries, and how.
    fn label(&self) -> (&[ValType], Way) {
        match (self.is_loop, self.is_function) {
            (true, _) => (&self.params, if self.params.is_empty() { Way::Stack } else { Way::Locals }),
            (_, true) => (&self.results, if self.results.len() > 1 { Way::Globals } else { Way::Stack }),
            _ => (&self.results, if self.in_locals { Way::Locals } else { Way::Stack }),
        }
    }
}

/// The slots of a list of values, each of its own.
fn slots(first: &BTreeMap<ValType, u32>, types: &[ValType]) -> Vec<u32> {
    let mut next = first.clone();
    types
        .iter()
        .map(|ty| {
            let slot = next.entry(*ty).or_default();
            *slot += 1;
            *slot - 1
        })
        .collect()
}

impl Here {
    fn label(&self, depth: u32) -> (Vec<ValType>, Way) {
        let at = self.frames.len().checked_sub(1 + depth as usize);
        let (types, way) = at.and_then(|at| self.frames.get(at)).map_or((&[][..], Way::Stack), Block::label);
        (types.to_vec(), way)
    }
}

impl Carrier {
    /// The first global of each type.
    pub fn new(multi: MultiValue, globals: BTreeMap<ValType, u32>) -> Self {
        Self { multi, globals, here: Here::default() }
    }

    /// Begins a function; the locals that it gets.
    pub fn function(
        &mut self,
        function: &Subject<'_, '_>,
        sections: &Sections<'_>,
    ) -> Result<Vec<NewType>, Error> {
        let Some(room) = self.multi.locals.get(&function.index) else {
            self.here.is_touched = false;
            return Ok(Vec::new());
        };
        let mut next = function.first_local + 1;
        let mut locals = BTreeMap::new();
        for (&ty, &times) in room {
            locals.insert(ty, next);
            next += times;
        }
        // The function's type as it was: in the sections, which do not change.
        let results = sections.func_type(function.index).map_or(&[][..], |ty| ty.results()).to_vec();
        let frames = vec![Block { results, is_function: true, ..Block::default() }];
        self.here = Here { is_touched: true, condition: function.first_local, locals, frames };
        self.multi.locals_of(function.index)
    }

    fn put(&self, types: &[ValType], way: Way) -> Vec<Instruction<'static>> {
        match way {
            Way::Stack => Vec::new(),
            Way::Locals => {
                slots(&self.here.locals, types).into_iter().rev().map(Instruction::LocalSet).collect()
            }
            Way::Globals => {
                slots(&self.globals, types).into_iter().rev().map(Instruction::GlobalSet).collect()
            }
        }
    }

    fn take(&self, types: &[ValType], way: Way) -> Vec<Instruction<'static>> {
        match way {
            Way::Stack => Vec::new(),
            Way::Locals => slots(&self.here.locals, types).into_iter().map(Instruction::LocalGet).collect(),
            Way::Globals => slots(&self.globals, types).into_iter().map(Instruction::GlobalGet).collect(),
        }
    }

    /// Puts what an instruction needs before and behind it.
    pub fn instruction(
        &mut self,
        operator: &Operator<'_>,
        sections: &Sections<'_>,
        splice: &mut Splice,
    ) -> Result<(), Error> {
        if !self.here.is_touched {
            return Ok(());
        }
        match operator {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                self.open(operator, *blockty, sections, splice)?;
            }
            Operator::Else => {
                let Some(block) = self.here.frames.last().cloned() else { return Ok(()) };
                if block.in_locals {
                    before(splice, self.put(&block.results, Way::Locals));
                }
                after(splice, self.take(&block.params, Way::Locals));
            }
            Operator::End => {
                let Some(block) = self.here.frames.pop() else { return Ok(()) };
                if block.is_function {
                    let (types, way) = block.label();
                    before(splice, self.put(types, way));
                } else if block.in_locals {
                    before(splice, self.put(&block.results, Way::Locals));
                    after(splice, self.take(&block.results, Way::Locals));
                }
            }
            Operator::Br { relative_depth } => {
                let (types, way) = self.here.label(*relative_depth);
                before(splice, self.put(&types, way));
            }
            Operator::BrIf { relative_depth } => {
                let (types, way) = self.here.label(*relative_depth);
                if way != Way::Stack {
                    splice.before(&Instruction::LocalSet(self.here.condition));
                    before(splice, self.put(&types, way));
                    splice.before(&Instruction::LocalGet(self.here.condition));
                    after(splice, self.take(&types, way));
                }
            }
            Operator::BrTable { targets } => {
                let mut depths = targets.targets().collect::<Result<Vec<u32>, _>>()?;
                depths.push(targets.default());
                self.table(&depths, splice);
            }
            Operator::Return => {
                let (types, way) = self.here.frames.first().map_or((&[][..], Way::Stack), Block::label);
                before(splice, self.put(types, way));
            }
            Operator::Call { function_index } => {
                if let Some(ty) = sections.func_type(*function_index).filter(|ty| ty.results().len() > 1) {
                    after(splice, self.take(ty.results(), Way::Globals));
                }
            }
            Operator::CallIndirect { type_index, .. } => {
                if let Some(ty) = sections.func_type_at(*type_index).filter(|ty| ty.results().len() > 1) {
                    after(splice, self.take(ty.results(), Way::Globals));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn open(
        &mut self,
        operator: &Operator<'_>,
        blockty: BlockType,
        sections: &Sections<'_>,
        splice: &mut Splice,
    ) -> Result<(), Error> {
        let (params, results) = match blockty {
            BlockType::Empty => (Vec::new(), Vec::new()),
            BlockType::Type(ty) => (Vec::new(), vec![ty]),
            BlockType::FuncType(ty) => {
                let ty = sections.func_type_at(ty);
                ty.map(|ty| (ty.params().to_vec(), ty.results().to_vec())).unwrap_or_default()
            }
        };
        let is_if = matches!(operator, Operator::If { .. });
        // An `if` without `else` hands its parameters on, so that its results have to be where these are.
        let in_locals = results.len() > 1 || is_if && !params.is_empty();
        if matches!(blockty, BlockType::FuncType(_)) {
            if is_if && !params.is_empty() {
                splice.before(&Instruction::LocalSet(self.here.condition));
            }
            before(splice, self.put(&params, Way::Locals));
            if is_if && !params.is_empty() {
                splice.before(&Instruction::LocalGet(self.here.condition));
            }
            let new = match results.first() {
                Some(&ty) if !in_locals => NewBlock::Result(new_type(ty)?),
                _ => NewBlock::Empty,
            };
            splice.remove().before(&match operator {
                Operator::Loop { .. } => Instruction::Loop(new),
                Operator::If { .. } => Instruction::If(new),
                _ => Instruction::Block(new),
            });
            after(splice, self.take(&params, Way::Locals));
        }
        let is_loop = matches!(operator, Operator::Loop { .. });
        self.here.frames.push(Block { params, results, is_loop, in_locals, is_function: false });
        Ok(())
    }

    /// A branch through a table: all its labels take the same values, but perhaps not in the same way.
    fn table(&self, depths: &[u32], splice: &mut Splice) {
        let labels: Vec<(Vec<ValType>, Way)> = depths.iter().map(|&depth| self.here.label(depth)).collect();
        let Some((types, _)) = labels.first() else { return };
        if labels.iter().all(|(_, way)| *way == Way::Stack) {
            return;
        }
        let condition = self.here.condition;
        splice.before(&Instruction::LocalSet(condition));
        before(splice, self.put(types, Way::Locals));
        if labels.iter().any(|(_, way)| *way == Way::Globals) {
            before(splice, self.take(types, Way::Locals));
            before(splice, self.put(types, Way::Globals));
        }
        if labels.iter().all(|(_, way)| *way != Way::Stack) {
            splice.before(&Instruction::LocalGet(condition));
            return;
        }
        // A value on the stack for some of them, and none for others, is no table: one after another.
        splice.remove();
        let ways = || depths.iter().zip(&labels).map(|(&depth, (_, way))| (depth, *way));
        for (number, (depth, way)) in (0..).zip(ways().take(depths.len() - 1)) {
            splice
                .before(&Instruction::LocalGet(condition))
                .before(&Instruction::I32Const(number))
                .before(&Instruction::I32Eq)
                .before(&Instruction::If(NewBlock::Empty));
            if way == Way::Stack {
                before(splice, self.take(types, Way::Locals));
            }
            splice.before(&Instruction::Br(depth + 1)).before(&Instruction::End);
        }
        if let Some((depth, way)) = ways().next_back() {
            if way == Way::Stack {
                before(splice, self.take(types, Way::Locals));
            }
            splice.before(&Instruction::Br(depth));
        }
    }
}

fn before(splice: &mut Splice, code: Vec<Instruction<'static>>) {
    for instruction in code {
        splice.before(&instruction);
    }
}

fn after(splice: &mut Splice, code: Vec<Instruction<'static>>) {
    for instruction in code {
        splice.after(&instruction);
    }
}
