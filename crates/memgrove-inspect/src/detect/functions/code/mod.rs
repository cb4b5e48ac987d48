//! What a function does with its parameters, read in one pass over its code.
//!
//! Values are followed through locals and branches. Where two ways meet with different values, nothing is known of
//! them; ways back to the start of a loop are not followed, so an answer is a hint that others must confirm.

mod blocks;

use std::collections::BTreeSet;

use wasmparser::Operator;

use self::blocks::Block;
use crate::facts::{Facts, ValType};

/// Functions longer than this in bytes are not read: allocators are a few kilobytes.
const MAX_BODY: u32 = 48 * 1024;
/// As many calls are kept; with four times as many nothing more is found ("Bounds" in CONTRIBUTING.md).
const MAX_CALLS: usize = 256;
/// As many static addresses are kept; the same holds of them.
const MAX_STATICS: usize = 512;
/// Nothing static lies below: address 0 is null, and small constants are numbers.
const FIRST_ADDRESS: i64 = 8;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// A parameter, with a constant added.
    Param(u32, i64),
    /// Something made of a parameter.
    From(u32),
    /// A constant.
    Const(i64),
    /// A call's result, with a constant added.
    Result(u32, i64),
    Other,
}

/// What happens to a parameter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Use {
    /// Read or written at, at an offset that is not below it.
    pub(super) at: bool,
    /// Read or written before: a block's header.
    pub(super) before: bool,
    /// Rounded up: something is added, then low bits are cleared or shifted out.
    pub(super) rounded: bool,
    /// Multiplied by another parameter.
    pub(super) multiplied: bool,
}

/// A direct call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) callee: u32,
    pub(super) args: Vec<Value>,
}

/// What a function does.
#[derive(Debug, Clone, Default)]
pub(super) struct Code {
    /// One for each parameter.
    pub(super) params: Vec<Use>,
    /// Direct calls, in the order of the code.
    pub(super) calls: Vec<Call>,
    /// Constant addresses that it reads or writes.
    pub(super) statics: BTreeSet<u64>,
    /// Globals that it reads or writes.
    pub(super) globals: BTreeSet<u32>,
    /// Whether it reads or writes memory itself.
    pub(super) touches: bool,
    /// Whose result it returns.
    pub(super) returns: Option<u32>,
    /// Before whose result memory is read or written: the new block's header.
    pub(super) before_results: BTreeSet<u32>,
}

/// Reads a function. O(its operators).
pub(super) fn read(facts: &Facts<'_>, func: u32) -> Option<Code> {
    let function = facts.function(func).filter(|function| function.body_len <= MAX_BODY)?;
    let ty = facts.func_type_at(function.type_index)?;
    let params = u32::try_from(ty.params().len()).ok()?;
    let mut reader = Reader {
        facts,
        code: Code { params: vec![Use::default(); ty.params().len()], ..Code::default() },
        locals: (0..params).map(|param| Value::Param(param, 0)).collect(),
        stack: Vec::new(),
        blocks: Vec::new(),
        left: false,
    };
    let mut operators = facts.operators(func)?;
    while !operators.eof() && reader.blocks.len() < MAX_DEPTH {
        let Ok(operator) = operators.read() else { break };
        reader.read(&operator);
    }
    Some(reader.code)
}

struct Reader<'f, 'a> {
    facts: &'f Facts<'a>,
    code: Code,
    /// What is known of locals; further ones are `Other`.
    locals: Vec<Value>,
    stack: Vec<Value>,
    /// Open blocks, the innermost last.
    blocks: Vec<Block>,
    /// Whether the code that follows, up to the end of the block, is never reached.
    left: bool,
}

/// Locals followed, so that a branch costs no more: the parameters come first.
const MAX_LOCALS: usize = 32;
/// Blocks followed into each other; a hostile module has a million.
const MAX_DEPTH: usize = 1 << 12;

impl Reader<'_, '_> {
    fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or(Value::Other)
    }

    fn read(&mut self, operator: &Operator<'_>) {
        use Operator as O;
        if self.block(operator) || self.left {
            return;
        }
        match *operator {
            O::LocalGet { local_index } => {
                let value = self.locals.get(local_index as usize).copied().unwrap_or(Value::Other);
                self.stack.push(value);
            }
            O::LocalSet { local_index } | O::LocalTee { local_index } => {
                let value = self.pop();
                let at = local_index as usize;
                if at < MAX_LOCALS {
                    if at >= self.locals.len() {
                        self.locals.resize(at + 1, Value::Other);
                    }
                    self.locals[at] = value;
                }
                if matches!(operator, O::LocalTee { .. }) {
                    self.stack.push(value);
                }
            }
            O::I32Const { value } => self.stack.push(Value::Const(i64::from(value))),
            O::I64Const { value } => self.stack.push(Value::Const(value)),
            O::I32Add | O::I64Add => self.sum(1),
            O::I32Sub | O::I64Sub => self.sum(-1),
            O::I32And | O::I64And => self.mask(),
            O::I32ShrU | O::I64ShrU | O::I32Shl | O::I64Shl => self.shift(),
            O::I32Mul | O::I64Mul => {
                let (b, a) = (self.pop(), self.pop());
                if let (Some(a), Some(b)) = (param(a), param(b))
                    && a != b
                {
                    self.code.params[a as usize].multiplied = true;
                    self.code.params[b as usize].multiplied = true;
                }
                self.stack.push(Value::Other);
            }
            O::I64ExtendI32U | O::I64ExtendI32S | O::I32WrapI64 => {}
            O::I32Popcnt
            | O::I64Popcnt
            | O::I32Clz
            | O::I64Clz
            | O::I32Ctz
            | O::I64Ctz
            | O::I32Eqz
            | O::I64Eqz => {
                self.pop();
                self.stack.push(Value::Other);
            }
            O::Drop => {
                self.pop();
            }
            O::Select => {
                let (_, _, a) = (self.pop(), self.pop(), self.pop());
                self.stack.push(param(a).map_or(Value::Other, Value::From));
            }
            O::GlobalGet { global_index } => {
                self.global(global_index);
                self.stack.push(Value::Other);
            }
            O::GlobalSet { global_index } => {
                self.global(global_index);
                self.pop();
            }
            O::Call { function_index } => self.call(function_index),
            O::ReturnCall { function_index } => {
                self.call(function_index);
                self.code.returns = Some(function_index);
                self.left = true;
            }
            O::Br { relative_depth } => {
                self.branch(relative_depth);
                self.left = true;
            }
            O::BrIf { relative_depth } => {
                self.pop();
                self.branch(relative_depth);
            }
            O::BrTable { ref targets } => {
                for depth in targets.targets().chain([Ok(targets.default())]).map_while(Result::ok) {
                    self.branch(depth);
                }
                self.left = true;
            }
            O::Unreachable => self.left = true,
            O::Return => {
                self.left = true;
                if let Value::Result(callee, 0) = self.pop() {
                    self.code.returns = Some(callee);
                }
                self.stack.clear();
            }
            // The last value before the end of the function is its result.
            O::End => {
                let value = self.stack.last().copied().unwrap_or(Value::Other);
                self.code.returns = match value {
                    Value::Result(callee, 0) => Some(callee),
                    _ => self.code.returns,
                };
            }
            O::MemoryCopy { .. } | O::MemoryFill { .. } => {
                let [_, b, a] = [self.pop(), self.pop(), self.pop()];
                for value in [a, b] {
                    self.access(value, 0);
                }
            }
            ref other => self.memory_or_other(other),
        }
    }

    fn memory_or_other(&mut self, operator: &Operator<'_>) {
        use Operator as O;
        match operator {
            O::I32Load { memarg }
            | O::I64Load { memarg }
            | O::I32Load8U { memarg }
            | O::I32Load8S { memarg }
            | O::I32Load16U { memarg }
            | O::I32Load16S { memarg }
            | O::I64Load32U { memarg }
            | O::I64Load32S { memarg }
            | O::I32AtomicLoad { memarg }
            | O::I32AtomicLoad8U { memarg } => {
                let address = self.pop();
                self.access(address, memarg.offset);
                self.stack.push(Value::Other);
            }
            O::I32Store { memarg }
            | O::I64Store { memarg }
            | O::I32Store8 { memarg }
            | O::I32Store16 { memarg }
            | O::I64Store32 { memarg }
            | O::I32AtomicStore { memarg }
            | O::I32AtomicStore8 { memarg } => {
                let (_, address) = (self.pop(), self.pop());
                self.access(address, memarg.offset);
            }
            O::I32AtomicRmwCmpxchg { memarg } => {
                let [_, _, address] = [self.pop(), self.pop(), self.pop()];
                self.access(address, memarg.offset);
                self.stack.push(Value::Other);
            }
            O::I32AtomicRmwXchg { memarg } | O::I32AtomicRmwAdd { memarg } => {
                let (_, address) = (self.pop(), self.pop());
                self.access(address, memarg.offset);
                self.stack.push(Value::Other);
            }
            O::I32Eq
            | O::I32Ne
            | O::I32LtS
            | O::I32LtU
            | O::I32GtS
            | O::I32GtU
            | O::I32LeS
            | O::I32LeU
            | O::I32GeS
            | O::I32GeU
            | O::I32Or
            | O::I32Xor
            | O::I64Or
            | O::I64Xor => {
                self.pop();
                self.pop();
                self.stack.push(Value::Other);
            }
            O::MemorySize { .. } => self.stack.push(Value::Other),
            O::MemoryGrow { .. } => {
                self.pop();
                self.stack.push(Value::Other);
            }
            // Whatever else there is, and every end of straight code: nothing is known of what lies on the stack.
            _ => self.stack.clear(),
        }
    }

    fn sum(&mut self, sign: i64) {
        let (b, a) = (self.pop(), self.pop());
        let add = |offset: i64, value: i64| offset.wrapping_add(value.wrapping_mul(sign));
        let value = match (a, b) {
            (Value::Param(param, offset), Value::Const(value)) => Value::Param(param, add(offset, value)),
            (Value::Result(callee, offset), Value::Const(value)) => Value::Result(callee, add(offset, value)),
            (Value::Const(value), Value::Const(other)) => Value::Const(add(value, other)),
            (Value::Const(value), Value::Param(param, offset)) if sign == 1 => {
                Value::Param(param, offset.wrapping_add(value))
            }
            _ => Value::Other,
        };
        self.stack.push(value);
    }

    /// Adding and then clearing low bits rounds up; what else the mask clears is the compiler's knowledge.
    fn mask(&mut self) {
        let (b, a) = (self.pop(), self.pop());
        if let (Value::Param(param, 1..), Value::Const(mask)) = (a, b)
            && mask & 3 == 0
        {
            self.code.params[param as usize].rounded = true;
        }
        self.stack.push(param(a).or(param(b)).map_or(Value::Other, Value::From));
    }

    fn shift(&mut self) {
        let (_, a) = (self.pop(), self.pop());
        if let Value::Param(param, 1..) = a {
            self.code.params[param as usize].rounded = true;
        }
        self.stack.push(param(a).map_or(Value::Other, Value::From));
    }

    fn access(&mut self, address: Value, offset: u64) {
        self.code.touches = true;
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        match address {
            Value::Param(param, base) => {
                let used = &mut self.code.params[param as usize];
                if base.wrapping_add(offset) < 0 { used.before = true } else { used.at = true }
            }
            Value::Const(base) => self.constant(base.wrapping_add(offset)),
            Value::Result(callee, base) if base.wrapping_add(offset) < 0 => {
                self.code.before_results.insert(callee);
            }
            _ => {}
        }
    }

    fn constant(&mut self, address: i64) {
        if address >= FIRST_ADDRESS && self.code.statics.len() < MAX_STATICS {
            self.code.statics.insert(address.cast_unsigned());
        }
    }

    fn global(&mut self, index: u32) {
        let global = self.facts.globals.get(index as usize);
        if global.is_some_and(|global| {
            global.ty.mutable && matches!(global.ty.content, ValType::I32 | ValType::I64)
        }) {
            self.code.globals.insert(index);
        }
    }

    fn call(&mut self, callee: u32) {
        let Some(ty) = self.facts.func_type(callee) else { return self.stack.clear() };
        let mut args: Vec<Value> = (0..ty.params().len()).map(|_| self.pop()).collect();
        args.reverse();
        if self.code.calls.len() < MAX_CALLS {
            self.code.calls.push(Call { callee, args });
        }
        if ty.results().len() == 1 {
            self.stack.push(Value::Result(callee, 0));
        } else {
            self.stack.clear();
        }
    }
}

fn param(value: Value) -> Option<u32> {
    match value {
        Value::Param(param, _) | Value::From(param) => Some(param),
        _ => None,
    }
}
