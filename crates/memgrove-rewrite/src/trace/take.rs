//! The function that takes a block of the program's own allocator, by whichever of its functions is known.

use wasm_encoder::{Function, Instruction, ValType};

use super::{Options, Role, TraceError};
use crate::edit::Edits;

/// What the block is aligned to, where the allocator is told: all that the recorder stores there.
const ALIGN: i32 = 8;

/// Adds a function `(size: i32) -> block: i32`, which passes through the wrapper of the one that it calls. Returns its edit
/// index.
pub(super) fn function(edits: &mut Edits<'_, '_>, options: &Options) -> Result<u32, TraceError> {
    let mut known: Vec<(u32, Vec<Instruction<'static>>)> = Vec::new();
    let (size, align) = (Instruction::LocalGet(0), Instruction::I32Const(ALIGN));
    let number = |value| Instruction::I32Const(value);
    // Which heap a method is to be given, only its callers know.
    let functions = || options.functions.iter().filter(|(func, _)| !options.methods.contains(func));
    for (&func, role) in functions() {
        // The simplest is taken, as it is the one that is most surely what it seems.
        let (rank, arguments) = match role {
            Role::Malloc => (0, vec![size.clone()]),
            Role::RustAlloc => (1, vec![size.clone(), align.clone()]),
            Role::RustAllocAlignFirst => (1, vec![align.clone(), size.clone()]),
            Role::Calloc => (2, vec![size.clone(), number(1)]),
            Role::Memalign => (3, vec![align.clone(), size.clone()]),
            Role::CabiRealloc => (4, vec![number(0), number(0), align.clone(), size.clone()]),
            _ => continue,
        };
        let arguments = arguments.into_iter().chain([Instruction::Call(func), Instruction::End]);
        known.push((rank, arguments.collect()));
    }
    let Some((_, code)) = known.into_iter().min_by_key(|(rank, _)| *rank) else {
        let is_collected = functions().any(|(_, role)| *role == Role::New);
        let why = if is_collected {
            "its heap is collected, so nothing would keep it"
        } else {
            "name one that does"
        };
        return Err(TraceError::NoBlock { why });
    };
    let mut body = Function::new([]);
    code.iter().for_each(|instruction| {
        body.instruction(instruction);
    });
    let ty = edits.add_type(vec![ValType::I32], vec![ValType::I32]);
    Ok(edits.add_func(ty, body, "memgrove.take"))
}
