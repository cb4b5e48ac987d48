//! One walk over the operators of a function, with a stack of the operators that made each value.

use wasmparser::{BlockType, ContType, FrameKind, FuncType, ModuleArity, Operator, RefType, SubType};

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
    /// Moves over one operator and returns its operands.
    pub(super) fn step(&mut self, at: usize, operator: &Operator<'_>) -> Option<Vec<Option<usize>>> {
        let taken = match operator {
            Operator::Block { blockty } | Operator::Loop { blockty } => {
                self.open(*blockty, matches!(operator, Operator::Loop { .. }))?;
                Vec::new()
            }
            Operator::TryTable { try_table } => {
                self.open(try_table.ty, false)?;
                Vec::new()
            }
            Operator::If { blockty } => {
                let condition = self.pop(1);
                self.open(*blockty, false)?;
                condition
            }
            Operator::Else => {
                let (results, height, params) = {
                    let frame = self.frames.last()?;
                    (frame.results, frame.height, frame.params)
                };
                let arm = self.pop(results);
                let frame = self.frames.last_mut()?;
                if !frame.is_dead {
                    frame.incoming.extend(arm);
                }
                frame.is_dead = false;
                self.stack.truncate(height);
                self.stack.extend(std::iter::repeat_n(None, params));
                Vec::new()
            }
            Operator::End => {
                let results = self.frames.last()?.results;
                let last = self.pop(results);
                let frame = self.frames.pop()?;
                self.stack.truncate(frame.height);
                self.push(results, at);
                let mut all = frame.incoming;
                if !frame.is_dead {
                    all.extend(last);
                }
                all
            }
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth, true)?;
                self.die();
                Vec::new()
            }
            Operator::BrIf { relative_depth } => {
                let condition = self.pop(1);
                self.branch(*relative_depth, false)?;
                condition
            }
            Operator::BrTable { targets } => {
                let index = self.pop(1);
                for depth in targets.targets().map_while(Result::ok) {
                    self.branch(depth, false)?;
                }
                self.branch(targets.default(), true)?;
                self.die();
                index
            }
            Operator::Return => {
                let values = self.pop(self.frames.first()?.results);
                self.die();
                values
            }
            Operator::Unreachable => {
                self.die();
                Vec::new()
            }
            Operator::Call { function_index } => {
                let ty = self.facts.func_type(*function_index)?;
                self.call(at, ty.params().len(), ty.results().len())?
            }
            Operator::CallIndirect { type_index, .. } => {
                let ty = self.facts.func_type_at(*type_index)?;
                self.call(at, ty.params().len() + 1, ty.results().len())?
            }
            plain => {
                let (params, results) = plain.operator_arity(&Plain)?;
                self.call(at, params as usize, results as usize)?
            }
        };
        Some(taken)
    }

    fn call(&mut self, at: usize, params: usize, results: usize) -> Option<Vec<Option<usize>>> {
        if params > MOST_VALUES || results > MOST_VALUES {
            return None;
        }
        let taken = self.pop(params);
        self.push(results, at);
        Some(taken)
    }

    fn push(&mut self, count: usize, value: usize) {
        self.stack.extend(std::iter::repeat_n(Some(value), count));
    }

    /// Takes values off the stack; of what is not there, as in code that is not reached, nothing
    /// is known.
    fn pop(&mut self, count: usize) -> Vec<Option<usize>> {
        let height = self.frames.last().map_or(0, |frame| frame.height);
        let have = count.min(self.stack.len().saturating_sub(height));
        let mut taken = vec![None; count - have];
        taken.extend(self.stack.split_off(self.stack.len() - have));
        taken
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
        let values = self.pop(params);
        let height = self.stack.len();
        self.stack.extend(values);
        self.frames.push(Frame { is_loop, height, params, results, incoming: Vec::new(), is_dead: false });
        Some(())
    }

    /// Gives the values of a branch to its target, and takes them off the stack or leaves them.
    fn branch(&mut self, depth: u32, takes: bool) -> Option<()> {
        let target = self.frames.len().checked_sub(1 + depth as usize)?;
        let frame = &self.frames[target];
        let count = if frame.is_loop { frame.params } else { frame.results };
        let values = self.pop(count);
        if !takes {
            self.stack.extend(&values);
        }
        let frame = &mut self.frames[target];
        if !frame.is_loop {
            frame.incoming.extend(&values);
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
