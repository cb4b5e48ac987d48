//! A copy of a module that writes down what its allocator is asked and returns, for whoever compares two runs.
//!
//! ```text
//! log, a memory of its own:  | function | 4 arguments | result | state | 0 |  32 bytes a call from outside the allocator
//! ```
//!
//! New blocks are filled with a byte, so that what nobody has written shows.

use memgrove_module::allocator::{Operation, Param};
use memgrove_module::{Code, Facts};
use wasm_encoder::{
    BlockType, ConstExpr, Function, GlobalType, Instruction, MemArg, MemArgTarget, MemoryType, ValType,
};
use wasmparser::ExternalKind;

use super::role::{Member, Role};
use crate::edit::{Edits, Sections, Untouched};

/// Pages of the log.
const LOG_PAGES: u64 = 16;
/// Bytes of the log.
pub const LOG_BYTES: u32 = 1 << 20;
/// Bytes of one call in the log.
pub const RECORD_BYTES: u32 = 32;
/// The state of a call that has returned; one that has not has 0.
pub const RETURNED: u32 = 1;
/// Where the result and the state of a record are, in bytes.
const RESULT_AT: u64 = 20;
const STATE_AT: u64 = 24;
/// The number that says that new blocks are left as they are.
pub const NO_FILL: i32 = -1;

/// A module whose allocator is observed, and the names by which that is done.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The module.
    pub wasm: Vec<u8>,
    /// Exported memory: the log.
    pub log: String,
    /// Exported global: bytes of the log that are used. Whoever reads it sets it to 0.
    pub used: String,
    /// Exported global: how deep inside the allocator; to be set to 0 after a trap.
    pub depth: String,
    /// Exported global: the stack pointer, where there is one.
    pub stack: Option<String>,
    /// Exported global: the byte for new blocks, or [`NO_FILL`].
    pub fill: String,
}

/// Indices that the wrappers share.
struct Shared {
    log: u32,
    used: u32,
    depth: u32,
    fill: u32,
}

/// Wraps the functions of the allocator.
///
/// # Errors
/// If the module cannot be written, or exports these names already.
pub fn observe(facts: &Facts<'_>, members: &[Member]) -> Result<Observed, crate::Error> {
    let sections = Sections::read_valid(facts.bytes())?;
    let mut edits = Edits::new(&sections);
    let global = || GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    let [used, depth, fill] =
        [0, 0, NO_FILL].map(|value| edits.add_global(global(), ConstExpr::i32_const(value)));
    let log = edits.add_memory(MemoryType {
        minimum: LOG_PAGES,
        maximum: Some(LOG_PAGES),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    // A host's memory is the first that is exported.
    let is_shown = facts.memories.first().is_some_and(|memory| memory.import.is_some())
        || facts.exports.iter().any(|export| export.kind == memgrove_module::facts::ExternKind::Memory);
    if !is_shown {
        edits.add_export("memory", ExternalKind::Memory, 0)?;
    }
    let names = ["log", "used", "depth", "fill"].map(|name| format!("memgrove.observed.{name}"));
    edits.add_export(&*names[0], ExternalKind::Memory, log)?;
    for (name, index) in names[1..].iter().zip([used, depth, fill]) {
        edits.add_export(name.as_str(), ExternalKind::Global, index)?;
    }
    // A constant one is no stack's, and an imported one that is may belong to the host.
    let pointer = Code::new(facts).stack_pointer().map(|pointer| pointer.global);
    let pointer = pointer.filter(|global| {
        let global = facts.globals.get(*global as usize);
        global.is_some_and(|global| {
            global.ty.mutable && global.ty.content == memgrove_module::facts::ValType::I32
        })
    });
    let stack = pointer.map(|global| {
        let name = "memgrove.observed.stack".to_owned();
        edits.add_export(name.as_str(), ExternalKind::Global, global).map(|()| name)
    });
    let stack = stack.transpose()?;
    let shared = Shared { log, used, depth, fill };
    for member in members {
        edits.wrap(member.func, format!("memgrove.observed.{}", member.func), |inner| {
            shared.wrapper(member, inner)
        })?;
    }
    let wasm = edits.apply(&mut Untouched)?.wasm;
    let [log, used, depth, fill] = names;
    Ok(Observed { wasm, log, used, depth, stack, fill })
}

impl Shared {
    /// Notes the call, makes it, and notes the result.
    fn wrapper(&self, member: &Member, inner: u32) -> Function {
        use Instruction as I;
        let params = member.role.param_count() + u32::from(member.has_heap);
        let (depth, at, result) = (params, params + 1, params + 2);
        let mut body = Function::new([(3, ValType::I32)]);
        let mut push = |instructions: &[Instruction<'_>]| {
            for instruction in instructions {
                body.instruction(instruction);
            }
        };
        // Where the record is; none inside of the allocator, and none when the log is full.
        push(&[
            I::I32Const(-1),
            I::LocalSet(at),
            I::GlobalGet(self.depth),
            I::LocalTee(depth),
            I::I32Eqz,
            I::GlobalGet(self.used),
            I::I32Const(LOG_BYTES.cast_signed()),
            I::I32LtU,
            I::I32And,
            I::If(BlockType::Empty),
            I::GlobalGet(self.used),
            I::LocalTee(at),
            I::I32Const(RECORD_BYTES.cast_signed()),
            I::I32Add,
            I::GlobalSet(self.used),
            I::LocalGet(at),
            I::I32Const(member.func.cast_signed()),
            I::I32Store(self.in_log(0)),
            I::LocalGet(at),
            I::I32Const(0),
            I::I32Store(self.in_log(STATE_AT)),
        ]);
        for (position, param) in (u32::from(member.has_heap)..params).enumerate() {
            push(&[I::LocalGet(at), I::LocalGet(param), I::I32Store(self.in_log(4 + 4 * position as u64))]);
        }
        push(&[I::End, I::LocalGet(depth), I::I32Const(1), I::I32Add, I::GlobalSet(self.depth)]);
        for param in 0..params {
            push(&[I::LocalGet(param)]);
        }
        push(&[I::Call(inner)]);
        if member.role.returns() {
            push(&[I::LocalSet(result)]);
        }
        push(&[
            I::LocalGet(depth),
            I::GlobalSet(self.depth),
            I::LocalGet(at),
            I::I32Const(-1),
            I::I32Ne,
            I::If(BlockType::Empty),
            I::LocalGet(at),
            I::LocalGet(result),
            I::I32Store(self.in_log(RESULT_AT)),
            I::LocalGet(at),
            I::I32Const(RETURNED.cast_signed()),
            I::I32Store(self.in_log(STATE_AT)),
        ]);
        if let Some(size) = fresh_size(member.role) {
            push(&[
                I::LocalGet(result),
                I::I32Const(0),
                I::I32Ne,
                I::GlobalGet(self.fill),
                I::I32Const(NO_FILL),
                I::I32Ne,
                I::I32And,
                I::If(BlockType::Empty),
                I::LocalGet(result),
                I::GlobalGet(self.fill),
                I::LocalGet(size + u32::from(member.has_heap)),
                I::MemoryFill(0),
                I::End,
            ]);
        }
        push(&[I::End]);
        if member.role.returns() {
            push(&[I::LocalGet(result)]);
        }
        push(&[I::End]);
        body
    }

    fn in_log(&self, offset: u64) -> MemArg {
        MemArg { offset, align: 2, target: MemArgTarget::Memory(self.log), ordering: None }
    }
}

/// The parameter that is the length of a new block of which nothing is promised.
fn fresh_size(role: Role) -> Option<u32> {
    let is_fresh = role.is_new_block() && role.operation() != Operation::Calloc;
    role.position(Param::Size).filter(|_| is_fresh)
}
