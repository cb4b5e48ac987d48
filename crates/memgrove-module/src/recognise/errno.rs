//! What becomes of an import's result: the only thing about a call that a minifier must keep.
//!
//! ```wat
//! (call $syscall_ret                 ;; a defined function that stores 0 - x to errno
//!   (block (result i32)
//!     (br 0 (call $import …))        ;; so this answers a negated errno,
//!     …))                            ;; whatever way the value takes to get there
//! ```
//!
//! A value is followed from its call through blocks, branches and locals, forwards, until
//! something tells what kind of number it is. What is not understood ends the search without
//! an answer.

use std::collections::BTreeSet;

use wasmparser::Operator;

use crate::code::{Code, MOST_CALLERS};

/// What a result turned out to be, at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ResultUse {
    /// Dropped.
    Ignored,
    /// Linux's way: given to musl's `__syscall_ret`, or compared with −4096 as that does.
    NegativeErrno,
    /// WASI's way: given to the function that stores it to errno. A store on the spot proves less: a
    /// program may set errno to what its own function returns.
    Errno,
}

/// Where a program keeps errno, and the functions that put results there.
#[derive(Debug, Default)]
pub(crate) struct Errno {
    address: Option<i64>,
    /// musl's `__syscall_ret`: stores 0 − x if x is above −4096.
    negative: BTreeSet<u32>,
    /// `__wasi_syscall_ret`: stores x, if it is not 0, to the same address.
    positive: BTreeSet<u32>,
}

impl Errno {
    /// Finds them by their code: linear in the size of the module.
    pub fn find(functions: &Code<'_>) -> Self {
        let mut errno = Self::default();
        let takes_one = |func: &u32| functions.has_type(*func, "i32 -> i32");
        let defined = functions.defined();
        let short: Vec<u32> =
            defined.filter(takes_one).filter(|&f| functions.body_len(f) <= BODY_BYTES).collect();
        for &func in &short {
            let code = functions.operators(func);
            let answers_minus_one = code.iter().any(|op| matches!(op, Operator::I32Const { value: -1 }));
            if compares_errno(&code) && answers_minus_one {
                errno.negative.insert(func);
                errno.address = errno.address.or_else(|| stored_at(functions, &code, Stored::Negated));
            }
        }
        for func in short {
            let stored = stored_at(functions, &functions.operators(func), Stored::AsItIs);
            if stored.is_some() && stored == errno.address {
                errno.positive.insert(func);
            }
        }
        errno
    }
}

/// Bytes of a function that does no more than set errno.
const BODY_BYTES: u32 = 64;
/// Operators that are looked at behind one call: a library tests what its host returns at once.
const REACH: usize = 64;
/// Operators of the expressions between a value and its `select`: a comparison and what is compared.
const SIMPLE: usize = 16;

/// How the first parameter is stored.
#[derive(PartialEq, Eq)]
enum Stored {
    AsItIs,
    Negated,
}

/// The constant address at which a function stores its first parameter.
fn stored_at(functions: &Code<'_>, code: &[Operator<'_>], how: Stored) -> Option<i64> {
    code.windows(5).find_map(|window| match (&how, window) {
        (
            Stored::Negated,
            [
                base,
                Operator::I32Const { value: 0 },
                Operator::LocalGet { local_index: 0 },
                Operator::I32Sub,
                Operator::I32Store { memarg },
            ],
        )
        | (
            Stored::AsItIs,
            [_, _, base, Operator::LocalGet { local_index: 0 }, Operator::I32Store { memarg }],
        ) => Some(constant(functions, base)? + i64::try_from(memarg.offset).ok()?),
        _ => None,
    })
}

/// A constant, also behind a function that only returns it (`__errno_location`).
fn constant(functions: &Code<'_>, operator: &Operator<'_>) -> Option<i64> {
    match operator {
        Operator::I32Const { value } => Some(i64::from(*value)),
        Operator::Call { function_index } if *function_index >= functions.facts().imported_func_count() => {
            match functions.operators(*function_index).as_slice() {
                [Operator::I32Const { value }, Operator::End] => Some(i64::from(*value)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn compares_errno(code: &[Operator<'_>]) -> bool {
    code.iter().any(|op| matches!(op, Operator::I32Const { value: -4096 | -4095 }))
}

/// How direct calls of one import use its result.
#[derive(Debug, Default)]
pub(crate) struct ResultUses {
    found: BTreeSet<ResultUse>,
    /// Some call uses it in a way that is not understood.
    others: bool,
}

impl ResultUses {
    /// Looks at every direct call. Linear in the size of the functions that call it.
    pub fn of(functions: &Code<'_>, errno: &Errno, import: u32) -> Self {
        let callers = functions.callers(import);
        let mut uses = Self::default();
        if callers.len() > MOST_CALLERS {
            uses.others = true;
            return uses;
        }
        for &caller in callers {
            let code = functions.operators(caller);
            let blocks = Blocks::of(&code);
            for (at, operator) in code.iter().enumerate() {
                if matches!(operator, Operator::Call { function_index } if *function_index == import) {
                    match (Follow { errno, code: &code, blocks: &blocks }).value(at + 1) {
                        Some(known) => {
                            uses.found.insert(known);
                        }
                        None => uses.others = true,
                    }
                }
            }
        }
        uses
    }

    /// One call shows this, and none shows another kind of number: an import has one contract,
    /// so that one proof is enough.
    pub fn show(&self, kind: ResultUse) -> bool {
        self.found.contains(&kind)
            && self.found.iter().all(|have| *have == kind || *have == ResultUse::Ignored)
    }
}

/// The blocks of a function.
struct Blocks {
    all: Vec<Block>,
    /// For each operator the innermost block that it is in.
    innermost: Vec<Option<usize>>,
}

/// From its first operator to its `end`.
#[derive(Clone, Copy)]
struct Block {
    end: usize,
    is_loop: bool,
    parent: Option<usize>,
}

impl Blocks {
    fn of(code: &[Operator<'_>]) -> Self {
        let mut blocks = Self { all: Vec::new(), innermost: Vec::with_capacity(code.len()) };
        let mut open = None;
        for (at, operator) in code.iter().enumerate() {
            blocks.innermost.push(open);
            let is_loop = matches!(operator, Operator::Loop { .. });
            match operator {
                Operator::Block { .. }
                | Operator::If { .. }
                | Operator::Loop { .. }
                | Operator::TryTable { .. } => {
                    blocks.all.push(Block { end: code.len(), is_loop, parent: open });
                    open = Some(blocks.all.len() - 1);
                }
                Operator::End => {
                    if let Some(block) = open {
                        blocks.all[block].end = at;
                        open = blocks.all[block].parent;
                    }
                }
                _ => {}
            }
        }
        blocks
    }

    /// The block around an operator that a branch of this depth goes to.
    fn around(&self, at: usize, depth: u32) -> Option<Block> {
        let mut block = self.all[(*self.innermost.get(at)?)?];
        for _ in 0..depth {
            block = self.all[block.parent?];
        }
        Some(block)
    }
}

/// Follows one value through a function.
struct Follow<'f, 'a> {
    errno: &'f Errno,
    code: &'f [Operator<'a>],
    blocks: &'f Blocks,
}

impl Follow<'_, '_> {
    /// What becomes of the value on top of the stack before the operator at `at`.
    fn value(&self, at: usize) -> Option<ResultUse> {
        self.value_within(at, REACH)
    }

    /// The same, looking at so many operators. No more than that many calls of itself stand on the stack.
    fn value_within(&self, mut at: usize, reach: usize) -> Option<ResultUse> {
        for looked_at in 1..=reach {
            match self.code.get(at)? {
                Operator::Drop => return Some(ResultUse::Ignored),
                // The value of the block, unless the block has none: then this is invalid code.
                Operator::End | Operator::Nop => at += 1,
                Operator::Else => at = self.blocks.around(at, 0)?.end + 1,
                Operator::Br { relative_depth } => {
                    let target = self.blocks.around(at, *relative_depth)?;
                    if target.is_loop {
                        return None;
                    }
                    at = target.end + 1;
                }
                Operator::Call { function_index } => return self.given_to(*function_index),
                Operator::I32Const { value: -4096 | -4095 } => {
                    return matches!(
                        self.code.get(at + 1)?,
                        Operator::I32GtU | Operator::I32GeU | Operator::I32LtU | Operator::I32LeU
                    )
                    .then_some(ResultUse::NegativeErrno);
                }
                Operator::LocalSet { local_index } => return self.local(at + 1, *local_index),
                Operator::LocalTee { local_index } => {
                    return self
                        .value_within(at + 1, reach - looked_at)
                        .or_else(|| self.local(at + 1, *local_index));
                }
                // `x == EINTR ? 0 : x` is still what x is.
                _ => at = self.behind_select(at)?,
            }
        }
        None
    }

    fn given_to(&self, function: u32) -> Option<ResultUse> {
        if self.errno.negative.contains(&function) {
            Some(ResultUse::NegativeErrno)
        } else {
            self.errno.positive.contains(&function).then_some(ResultUse::Errno)
        }
    }

    /// The position behind a `select` that has the value on top of the stack as one of its two
    /// operands, and nothing but simple expressions before it.
    fn behind_select(&self, at: usize) -> Option<usize> {
        // Values from the followed one upwards.
        let mut height = 1_usize;
        for (offset, operator) in self.code.get(at..)?.iter().take(SIMPLE).enumerate() {
            match operator {
                Operator::I32Const { .. } | Operator::LocalGet { .. } | Operator::GlobalGet { .. } => {
                    height += 1
                }
                Operator::I32Eqz if height > 1 => {}
                Operator::I32Eq
                | Operator::I32Ne
                | Operator::I32LtS
                | Operator::I32LtU
                | Operator::I32GtS
                | Operator::I32GtU
                | Operator::I32GeS
                | Operator::I32LeS
                | Operator::I32And
                | Operator::I32Or
                | Operator::I32Add
                | Operator::I32Sub
                | Operator::I32ShrS
                | Operator::I32ShrU
                    if height > 2 =>
                {
                    height -= 1;
                }
                // The condition is on top; the value is under it, or under the other operand.
                Operator::Select if height == 2 || height == 3 => return Some(at + offset + 1),
                Operator::Select if height > 3 => height -= 2,
                _ => return None,
            }
        }
        None
    }

    /// What becomes of a local, from `at` on until it is set again.
    fn local(&self, at: usize, local: u32) -> Option<ResultUse> {
        for (offset, operator) in self.code.get(at..)?.iter().take(REACH).enumerate() {
            let at = at + offset;
            match operator {
                Operator::LocalGet { local_index } if *local_index == local => {
                    if let Some(known @ (ResultUse::NegativeErrno | ResultUse::Errno)) = self.plainly(at + 1)
                    {
                        return Some(known);
                    }
                }
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index }
                    if *local_index == local =>
                {
                    return None;
                }
                _ => {}
            }
        }
        None
    }

    /// What the value on top of the stack is taken for at once, without following locals.
    fn plainly(&self, at: usize) -> Option<ResultUse> {
        match self.code.get(at)? {
            Operator::Call { function_index } => self.given_to(*function_index),
            Operator::I32Const { value: -4096 | -4095 } => matches!(
                self.code.get(at + 1)?,
                Operator::I32GtU | Operator::I32GeU | Operator::I32LtU | Operator::I32LeU
            )
            .then_some(ResultUse::NegativeErrno),
            _ => match self.code.get(self.behind_select(at)?)? {
                Operator::Call { function_index } => self.given_to(*function_index),
                _ => None,
            },
        }
    }
}
