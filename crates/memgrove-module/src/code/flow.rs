//! Where the values of one function come from, and where they go.
//!
//! One walk over the operators, with a stack of the operators that made each value. A value is
//! named by the operator that makes it. Locals are followed in the order of the text: a
//! `local.get` has the value of the last `local.set` or `local.tee` before it, which is what a
//! compiler's code means where it matters here. Code that is not understood has no flow, so that
//! nothing is proven by it.

use std::collections::{BTreeMap, BTreeSet};

use std::cell::{Cell, OnceCell};
use std::ops::Range;
use wasmparser::Operator;

use super::Code;
use super::lists::Lists;
use super::walk::{Frame, Walk};

/// The flow of values through one function.
pub struct Flow<'a> {
    /// Its instructions.
    pub code: Vec<Operator<'a>>,
    /// The operators that made each operator's operands, first operand first.
    operands: Lists,
    /// The operators that take what each operator makes, once somebody asks.
    users: OnceCell<Lists>,
    /// Direct calls of imports, by import.
    calls: BTreeMap<u32, Vec<usize>>,
    /// For each `local.get` the `local.set` or `local.tee` that it reads.
    set_by: Lists,
    /// For each `local.set` and `local.tee` the `local.get`s that read it, once somebody asks.
    read_by: OnceCell<Lists>,
    /// How often all operators were looked at.
    scans: Cell<u32>,
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
            walk.step(at, operator)?;
        }
        if !walk.frames.is_empty() {
            return None;
        }
        let operands = walk.operands.shrunk();
        let set_by = locals(&code);
        let mut calls: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (at, operator) in code.iter().enumerate() {
            if let Operator::Call { function_index } = operator
                && *function_index < facts.imported_func_count()
            {
                calls.entry(*function_index).or_default().push(at);
            }
        }
        Some(Self {
            code,
            operands,
            users: OnceCell::new(),
            calls,
            set_by,
            read_by: OnceCell::new(),
            scans: Cell::new(0),
        })
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
        let users = self.users.get_or_init(|| self.operands.inverted());
        let read_by = self.read_by.get_or_init(|| self.set_by.inverted());
        // Most values are taken once, as they stand in the code.
        if let (1, Some(user)) = (users.of(at).len(), users.first(at))
            && !matches!(
                self.code[user],
                Operator::LocalSet { .. } | Operator::LocalTee { .. } | Operator::End | Operator::Select
            )
            && let Some(which) = self.operands.of(user).position(|taken| taken == Some(at))
        {
            return vec![(user, which)];
        }
        let mut open = vec![at];
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        while let Some(value) = open.pop() {
            if !seen.insert(value) || seen.len() > MOST_USES {
                continue;
            }
            for user in users.of(value).flatten() {
                match &self.code[user] {
                    Operator::LocalSet { .. } => open.extend(read_by.of(user).flatten()),
                    Operator::LocalTee { .. } => {
                        open.push(user);
                        open.extend(read_by.of(user).flatten());
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

    /// The constant of 32 or 64 bits that an operand is, with its sign.
    pub fn number_operand(&self, at: usize, which: usize) -> Option<i64> {
        match self.code[self.operand(at, which)?] {
            Operator::I32Const { value } => Some(i64::from(value)),
            Operator::I64Const { value } => Some(value),
            _ => None,
        }
    }

    /// Whether a value is used only to decide: compared with zero, branched on, or dropped.
    pub fn is_truth(&self, at: usize) -> bool {
        let uses = self.uses(at);
        !uses.is_empty()
            && uses.iter().all(|&(user, which)| match self.code[user] {
                Operator::I32Eqz
                | Operator::I64Eqz
                | Operator::If { .. }
                | Operator::BrIf { .. }
                | Operator::Drop => true,
                Operator::I32Eq | Operator::I32Ne | Operator::I64Eq | Operator::I64Ne => {
                    self.number_operand(user, 1 - which.min(1)) == Some(0)
                }
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

// Bounds, so that a question about one function stays linear in its size. How much room they leave: "Bounds" in
// CONTRIBUTING.md.

/// Calls of one import in one function that are looked at: a C library has a few.
const MOST_CALLS: usize = 16;
/// How often all operators of one function are looked at: each question about a value is one look.
const MOST_SCANS: u32 = 256;
/// Parameters and results of a block or a function that a library's code has at most.
pub(super) const MOST_VALUES: usize = 32;
/// Locals and blocks between a value and its use that are looked through; they may refer to each other in a circle.
const DEPTH: usize = 64;
/// Values that one value may become: a local in a loop is many.
const MOST_USES: usize = 256;

/// Which `local.set` or `local.tee` each `local.get` reads.
fn locals(code: &[Operator<'_>]) -> Lists {
    // Compilers number few locals; a function may declare more than it has operators, and name the last of them.
    let mut last: Vec<Option<usize>> = Vec::new();
    let mut last_of_others = BTreeMap::new();
    let mut set_by = Lists::with_capacity(code.len());
    for (at, operator) in code.iter().enumerate() {
        match operator {
            Operator::LocalGet { local_index } => {
                let small = last.get(*local_index as usize).copied().flatten();
                if let Some(set) = small.or_else(|| last_of_others.get(local_index).copied()) {
                    set_by.extend(&[Some(set)]);
                }
            }
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                let local = *local_index as usize;
                if local < code.len() {
                    last.resize(last.len().max(local + 1), None);
                    last[local] = Some(at);
                } else {
                    last_of_others.insert(*local_index, at);
                }
            }
            _ => {}
        }
        set_by.close();
    }
    set_by.shrunk()
}
