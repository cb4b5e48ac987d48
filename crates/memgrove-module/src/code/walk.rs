//! One walk over the operators of a function, with a stack of the operators that made each value.

use wasmparser::{BlockType, Catch, ContType, FrameKind, FuncType, ModuleArity, Operator, RefType, SubType};

use super::flow::MOST_VALUES;
use super::lists::Lists;
use crate::facts::Facts;

/// A block that is open.
pub(super) struct Frame {
    pub(super) is_loop: bool,
    /// Height of the stack under its results.
    pub(super) height: usize,
    pub(super) params: usize,
    pub(super) results: usize,
    /// Values that branches bring to its end.
    pub(super) incoming: Vec<Option<usize>>,
    /// The code up to its end is not reached.
    pub(super) is_dead: bool,
}

pub(super) struct Walk<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) stack: Vec<Option<usize>>,
    pub(super) frames: Vec<Frame>,
    pub(super) operands: Lists,
}

impl Walk<'_> {
    /// Moves over one operator, and notes its operands as the next list. Allocates nothing for most operators.
    pub(super) fn step(&mut self, at: usize, operator: &Operator<'_>) -> Option<()> {
        match operator {
            Operator::Block { blockty } => self.open(*blockty, false)?,
            Operator::Loop { blockty } => self.open(*blockty, true)?,
            Operator::TryTable { try_table } => {
                for catch in &try_table.catches {
                    let (Catch::One { label, .. }
                    | Catch::OneRef { label, .. }
                    | Catch::All { label }
                    | Catch::AllRef { label }) = *catch;
                    self.catch(label)?;
                }
                self.open(try_table.ty, false)?;
            }
            Operator::If { blockty } => {
                self.take(1);
                self.open(*blockty, false)?;
            }
            Operator::Else => {
                let results = self.frames.last()?.results;
                let arm = self.top(results);
                let frame = self.frames.last_mut()?;
                if !frame.is_dead {
                    frame.incoming.extend_from_slice(&self.stack[arm..]);
                }
                frame.is_dead = false;
                self.stack.truncate(frame.height);
                self.stack.extend(std::iter::repeat_n(None, frame.params));
            }
            Operator::End => {
                let results = self.frames.last()?.results;
                let last = self.top(results);
                let frame = self.frames.pop()?;
                self.operands.extend(&frame.incoming);
                if !frame.is_dead {
                    self.operands.extend(&self.stack[last..]);
                }
                self.stack.truncate(frame.height);
                self.push(results, at);
            }
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth)?;
                self.die();
            }
            Operator::BrIf { relative_depth } => {
                self.take(1);
                self.branch(*relative_depth)?;
            }
            Operator::BrTable { targets } => {
                self.take(1);
                for depth in targets.targets().map_while(Result::ok) {
                    self.branch(depth)?;
                }
                self.branch(targets.default())?;
                self.die();
            }
            Operator::Return => {
                self.take(self.frames.first()?.results);
                self.die();
            }
            Operator::Unreachable => self.die(),
            Operator::Call { function_index } => {
                let ty = self.facts.func_type(*function_index)?;
                self.call(at, ty.params().len(), ty.results().len())?;
            }
            Operator::CallIndirect { type_index, .. } => {
                let ty = self.facts.func_type_at(*type_index)?;
                self.call(at, ty.params().len() + 1, ty.results().len())?;
            }
            // What most code consists of, before the long list of all instructions.
            Operator::LocalGet { .. } | Operator::I32Const { .. } | Operator::GlobalGet { .. } => {
                self.stack.push(Some(at));
            }
            Operator::LocalSet { .. } | Operator::Drop | Operator::GlobalSet { .. } => self.take(1),
            Operator::LocalTee { .. }
            | Operator::I32Eqz
            | Operator::I32Load { .. }
            | Operator::I32Load8U { .. }
            | Operator::I64Load { .. } => {
                self.take(1);
                self.stack.push(Some(at));
            }
            Operator::I32Store { .. } | Operator::I32Store8 { .. } | Operator::I64Store { .. } => {
                self.take(2)
            }
            Operator::I32Add
            | Operator::I32Sub
            | Operator::I32And
            | Operator::I32Or
            | Operator::I32Eq
            | Operator::I32Ne
            | Operator::I32LtU
            | Operator::I32GtU
            | Operator::I32Shl
            | Operator::I32ShrU => {
                self.take(2);
                self.stack.push(Some(at));
            }
            plain => {
                let (params, results) = plain.operator_arity(&Plain)?;
                self.call(at, params as usize, results as usize)?;
            }
        }
        self.operands.close();
        Some(())
    }

    fn call(&mut self, at: usize, params: usize, results: usize) -> Option<()> {
        if params > MOST_VALUES || results > MOST_VALUES {
            return None;
        }
        self.take(params);
        self.push(results, at);
        Some(())
    }

    fn push(&mut self, count: usize, value: usize) {
        self.stack.extend(std::iter::repeat_n(Some(value), count));
    }

    /// Takes values off the stack, as operands of the operator.
    fn take(&mut self, count: usize) {
        let from = self.top(count);
        self.operands.extend(&self.stack[from..]);
        self.stack.truncate(from);
    }

    /// Where the topmost values of the stack begin. Of what is not there, as in code that is not reached, nothing is known.
    fn top(&mut self, count: usize) -> usize {
        let height = self.frames.last().map_or(0, |frame| frame.height);
        let have = count.min(self.stack.len().saturating_sub(height));
        let from = self.stack.len() - have;
        if have < count {
            self.stack.splice(from..from, std::iter::repeat_n(None, count - have));
        }
        from
    }

    fn open(&mut self, ty: BlockType, is_loop: bool) -> Option<()> {
        let (params, results) = match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(ty) => {
                let ty = self.facts.func_type_at(ty)?;
                (ty.params().len(), ty.results().len())
            }
        };
        if params > MOST_VALUES || results > MOST_VALUES {
            return None;
        }
        let height = self.top(params);
        self.frames.push(Frame { is_loop, height, params, results, incoming: Vec::new(), is_dead: false });
        Some(())
    }

    /// Gives the values of a branch to its target, and leaves them on the stack.
    fn branch(&mut self, depth: u32) -> Option<()> {
        let target = self.frames.len().checked_sub(1 + depth as usize)?;
        let frame = &self.frames[target];
        let count = if frame.is_loop { frame.params } else { frame.results };
        let from = self.top(count);
        let frame = &mut self.frames[target];
        if !frame.is_loop {
            frame.incoming.extend_from_slice(&self.stack[from..]);
        }
        Some(())
    }

    /// Brings values of an exception, of which nothing is known, to the target of a catch.
    fn catch(&mut self, depth: u32) -> Option<()> {
        let target = self.frames.len().checked_sub(1 + depth as usize)?;
        let frame = &mut self.frames[target];
        if !frame.is_loop {
            frame.incoming.extend(std::iter::repeat_n(None, frame.results));
        }
        Some(())
    }

    fn die(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.is_dead = true;
            self.stack.truncate(frame.height);
        }
    }
}

/// Knows no types: operators that depend on some are asked about elsewhere, or not understood.
struct Plain;

impl ModuleArity for Plain {
    fn sub_type_at(&self, _: u32) -> Option<&SubType> {
        None
    }

    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }

    fn type_index_of_function(&self, _: u32) -> Option<u32> {
        None
    }

    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }

    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }

    fn control_stack_height(&self) -> u32 {
        0
    }

    fn label_block(&self, _: u32) -> Option<(BlockType, FrameKind)> {
        None
    }
}
