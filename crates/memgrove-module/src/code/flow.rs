//! Where the values of one function come from, and where they go.
//!
//! One walk over the operators, with a stack of the operators that made each value. A value is
//! named by the operator that makes it. Locals are followed in the order of the text: a
//! `local.get` has the value of the last `local.set` or `local.tee` before it, which is what a
//! compiler's code means where it matters here. Code that is not understood has no flow, so that
//! nothing is proven by it.

use std::collections::{BTreeMap, BTreeSet};

use std::cell::Cell;
use std::ops::Range;
use wasmparser::{BlockType, ContType, FrameKind, FuncType, ModuleArity, Operator, RefType, SubType};

use super::Code;
use super::lists::Lists;
use crate::facts::Facts;

/// The flow of values through one function.
pub struct Flow<'a> {
    /// Its instructions.
    pub code: Vec<Operator<'a>>,
    /// The operators that made each operator's operands, first operand first.
    operands: Lists,
    /// The operators that take what each operator makes.
    users: Lists,
    /// Direct calls of imports, by import.
    calls: BTreeMap<u32, Vec<usize>>,
    /// For each `local.get` the `local.set` or `local.tee` that it reads.
    set_by: Lists,
    /// For each `local.set` and `local.tee` the `local.get`s that read it.
    read_by: Lists,
    /// How often all operators were looked at.
    scans: Cell<u32>,
}

/// A block that is open.
struct Frame {
    is_loop: bool,
    /// Height of the stack under its results.
    height: usize,
    params: usize,
    results: usize,
    /// Values that branches bring to its end.
    incoming: Vec<Option<usize>>,
    /// The code up to its end is not reached.
    is_dead: bool,
}

impl<'a> Flow<'a> {
    /// Follows the values of a defined function. Linear in its size.
    #[must_use]
    pub fn of(functions: &Code<'a>, function: u32) -> Option<Self> {
        let facts = functions.facts();
        let mut code = functions.operators(function);
        // Kept for a while, and grown by doubling.
        code.shrink_to_fit();
        let results = facts.func_type(function)?.results().len();
        if results > MOST_VALUES {
            return None;
        }
        let mut walk = Walk {
            facts,
            stack: Vec::new(),
            frames: vec![Frame {
                is_loop: false,
                height: 0,
                params: 0,
                results,
                incoming: Vec::new(),
                is_dead: false,
            }],
            operands: Lists::with_capacity(code.len()),
        };
        for (at, operator) in code.iter().enumerate() {
            let operands = walk.step(at, operator)?;
            walk.operands.push(&operands);
        }
        if !walk.frames.is_empty() {
            return None;
        }
        let operands = walk.operands.shrunk();
        let users = operands.inverted();
        let set_by = locals(&code);
        let read_by = set_by.inverted();
        let mut calls: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (at, operator) in code.iter().enumerate() {
            if let Operator::Call { function_index } = operator
                && *function_index < facts.imported_func_count()
            {
                calls.entry(*function_index).or_default().push(at);
            }
        }
        Some(Self { code, operands, users, calls, set_by, read_by, scans: Cell::new(0) })
    }

    /// The positions of a part of the operators, to look at each; none when that was asked for many times
    /// over, so that time stays linear.
    pub fn positions(&self, part: Range<usize>) -> Range<usize> {
        self.scans.set(self.scans.get().saturating_add(1));
        if self.scans.get() > MOST_SCANS { 0..0 } else { part }
    }

    /// All positions behind one, under the same condition.
    pub fn positions_after(&self, at: usize) -> Range<usize> {
        self.positions(at..self.code.len())
    }

    /// Direct calls of an import, as positions: the first few.
    pub fn calls(&self, import: u32) -> &[usize] {
        let calls = self.calls.get(&import).map_or(&[][..], Vec::as_slice);
        &calls[..calls.len().min(MOST_CALLS)]
    }

    /// The imports that are called directly.
    pub fn imports_called(&self) -> impl Iterator<Item = u32> {
        self.calls.keys().copied()
    }

    /// What made the operand of an operator, with locals looked through.
    pub fn operand(&self, at: usize, which: usize) -> Option<usize> {
        let value = self.operands.of(at).nth(which)??;
        Some(self.source(value))
    }

    /// What made the operand of an operator, as it stands in the code: locals are not looked through.
    pub fn made_by(&self, at: usize, which: usize) -> Option<usize> {
        self.operands.of(at).nth(which)?
    }

    /// The operator that made a value, behind locals and blocks that only hand it on.
    pub fn source(&self, mut at: usize) -> usize {
        for _ in 0..DEPTH {
            let before = match &self.code[at] {
                Operator::LocalGet { .. } => self.set_by.first(at).and_then(|set| self.operands.first(set)),
                Operator::LocalTee { .. } => self.operands.first(at),
                Operator::End | Operator::Nop if self.operands.of(at).len() == 1 => self.operands.first(at),
                _ => None,
            };
            match before {
                Some(before) => at = before,
                None => break,
            }
        }
        at
    }

    /// Whether two values are the same: made by one operator, or the same parameter unchanged, or
    /// the same constant.
    pub fn is_same(&self, left: usize, right: usize) -> bool {
        let (left, right) = (self.source(left), self.source(right));
        left == right
            || match (&self.code[left], &self.code[right]) {
                (Operator::LocalGet { local_index: a }, Operator::LocalGet { local_index: b }) => {
                    a == b && self.set_by.first(left).is_none() && self.set_by.first(right).is_none()
                }
                (Operator::I32Const { value: a }, Operator::I32Const { value: b }) => a == b,
                (Operator::GlobalGet { global_index: a }, Operator::GlobalGet { global_index: b }) => a == b,
                _ => false,
            }
    }

    /// The operators that take a value in the end, behind locals, blocks and `select`; each with
    /// the place of the value among its operands.
    pub fn uses(&self, at: usize) -> Vec<(usize, usize)> {
        let mut open = vec![at];
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        while let Some(value) = open.pop() {
            if !seen.insert(value) || seen.len() > MOST_USES {
                continue;
            }
            for user in self.users.of(value).flatten() {
                match &self.code[user] {
                    Operator::LocalSet { .. } => open.extend(self.read_by.of(user).flatten()),
                    Operator::LocalTee { .. } => {
                        open.push(user);
                        open.extend(self.read_by.of(user).flatten());
                    }
                    Operator::End if user + 1 < self.code.len() => open.push(user),
                    operator => {
                        for (which, taken) in self.operands.of(user).enumerate() {
                            if taken == Some(value) {
                                if which < 2 && matches!(operator, Operator::Select) {
                                    open.push(user);
                                }
                                found.push((user, which));
                            }
                        }
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The constant that an operand is.
    pub fn const_operand(&self, at: usize, which: usize) -> Option<i32> {
        match self.code[self.operand(at, which)?] {
            Operator::I32Const { value } => Some(value),
            _ => None,
        }
    }

    /// Whether a value is used only to decide: compared with zero, branched on, or dropped.
    pub fn is_truth(&self, at: usize) -> bool {
        let uses = self.uses(at);
        !uses.is_empty()
            && uses.iter().all(|&(user, which)| match self.code[user] {
                Operator::I32Eqz | Operator::If { .. } | Operator::BrIf { .. } | Operator::Drop => true,
                Operator::I32Eq | Operator::I32Ne => self.const_operand(user, 1 - which.min(1)) == Some(0),
                Operator::Select => which == 2,
                _ => false,
            })
    }

    /// Whether an operand is a parameter that has not been set.
    pub fn is_parameter(&self, at: usize, which: usize, parameter: u32) -> bool {
        self.operand(at, which).is_some_and(|value| {
            matches!(self.code[value], Operator::LocalGet { local_index } if local_index == parameter)
        })
    }

    /// The uses of a value and of those that are the same.
    pub fn all_uses(&self, at: usize) -> Vec<(usize, usize)> {
        let value = self.source(at);
        let Operator::LocalGet { .. } = self.code[value] else { return self.uses(value) };
        let same = (0..self.code.len()).filter(|&other| {
            matches!(self.code[other], Operator::LocalGet { .. }) && self.is_same(other, value)
        });
        same.flat_map(|other| self.uses(other)).collect()
    }

    /// Whether some operator has this constant.
    pub fn has_const(&self, wanted: i32) -> bool {
        self.positions_after(0)
            .any(|at| matches!(self.code[at], Operator::I32Const { value } if value == wanted))
    }

    /// Whether a value is not used at all.
    pub fn is_dropped(&self, at: usize) -> bool {
        self.uses(at).iter().all(|&(user, _)| matches!(self.code[user], Operator::Drop))
    }
}

/// Calls of one import in one function that are looked at.
const MOST_CALLS: usize = 16;
/// How often all operators of one function are looked at.
const MOST_SCANS: u32 = 256;
/// Parameters and results of a block or a function that a library's code has at most.
const MOST_VALUES: usize = 32;
/// Locals and blocks between a value and its use that are looked through.
const DEPTH: usize = 64;
/// Values that one value may become.
const MOST_USES: usize = 256;

struct Walk<'a> {
    facts: &'a Facts<'a>,
    stack: Vec<Option<usize>>,
    frames: Vec<Frame>,
    operands: Lists,
}

impl Walk<'_> {
    /// Moves over one operator and returns its operands.
    fn step(&mut self, at: usize, operator: &Operator<'_>) -> Option<Vec<Option<usize>>> {
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

/// Which `local.set` or `local.tee` each `local.get` reads.
fn locals(code: &[Operator<'_>]) -> Lists {
    let mut last = BTreeMap::new();
    let mut set_by = Lists::with_capacity(code.len());
    for (at, operator) in code.iter().enumerate() {
        match operator {
            Operator::LocalGet { local_index } => match last.get(local_index) {
                Some(&set) => set_by.push(&[Some(set)]),
                None => set_by.push(&[]),
            },
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                last.insert(*local_index, at);
                set_by.push(&[]);
            }
            _ => set_by.push(&[]),
        }
    }
    set_by.shrunk()
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
