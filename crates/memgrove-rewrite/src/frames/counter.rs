//! Numbers for events where several instances have one memory, so that their recordings can be put in one order.

use sha2::{Digest, Sha256};
use wasm_encoder::{ConstExpr, GlobalType, ValType};

use super::{Added, fingerprint};
use crate::edit::Edits;
use crate::graft::{Constant, Data, Donor, GraftError, Item, Joint, Roots, graft};

static COUNTER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/counter.wasm"));

/// Puts the numbering before what records events. `take` is a function `(i32) -> i32` that takes a block of the program's
/// allocator; `note`, `log` and, with stacks, `node_of` are functions of the recorder. All in edit indices.
pub(crate) fn number(
    edits: &mut Edits<'_, '_>,
    added: Added,
    take: u32,
    [note, log, node_of]: [u32; 3],
) -> Result<Added, GraftError> {
    let donor = Donor::read(COUNTER)?;
    let is_shared = edits.sections.memories.first().is_some_and(|memory| memory.shared);
    let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    let counter = edits.add_global(ty, ConstExpr::i32_const(0));
    let (mark, rest) = mark(&fingerprint(edits.sections.bytes));
    let joint = Joint {
        bind: &|import| {
            Some(match import.name {
                "program" => Item::Memory(0),
                "recording" => Item::Memory(added.memory),
                "counter" => Item::Global(counter),
                "sp" => Item::Global(added.sp),
                "state" => Item::Global(added.state),
                "site" => Item::Global(added.site),
                "mark" => Item::Constant(Constant::I64(mark)),
                "mark_rest" => Item::Constant(Constant::I64(rest)),
                "take" => Item::Func(take),
                "note" => Item::Func(note),
                "log" => Item::Func(log),
                "node_of" => Item::Func(node_of),
                _ => return None,
            })
        },
        memory: None,
        name: &|func| format!("memgrove.counter.{func}"),
        data: Data::Segments,
    };
    let (find, record) = match (is_shared, added.stack.is_some()) {
        (true, true) => ("find_shared", "record_shared"),
        (true, false) => ("find_shared", "record_flat_shared"),
        (false, true) => ("find", "record"),
        (false, false) => ("find", "record_flat"),
    };
    let func = |name: &str| donor.func(name).ok_or_else(|| GraftError::NoExport(name.to_owned()));
    let (find, record) = (func(find)?, func(record)?);
    let grafted = graft(edits, &donor, Roots { funcs: &[find, record], bodies: &[] }, &joint)?;
    let placed = |func: u32| grafted.func(func).ok_or_else(|| GraftError::NoExport(func.to_string()));
    Ok(Added { record: placed(record)?, begin: Some(placed(find)?), ..added })
}

/// What stands before the counter in memory, by which instances of the same module find it.
fn mark(original: &[u8; 32]) -> (u64, u64) {
    let hash: [u8; 32] =
        Sha256::new().chain_update(b"memgrove counter").chain_update(original).finalize().into();
    let number = |at: usize| hash[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    (number(0), number(8))
}
