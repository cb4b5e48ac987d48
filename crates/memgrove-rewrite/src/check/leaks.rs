//! Puts the search for leaks (`trace/leaks.wat`) into the module, behind the checker.

use memgrove_module::Facts;
use memgrove_module::facts::ValType;
use wasm_encoder::{Function, Instruction as I, MemArg, MemArgTarget, ValType as Type};

use super::checker::Checker;
use super::threads;
use crate::edit::Edits;
use crate::graft::{Constant, Data, Donor, GraftError, Item, Joint, Roots, graft};

pub(super) static LEAKS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/leaks.wasm"));

/// A shadow of the longest memory has 8,193 pages. Of blocks, which take 48 bytes at least there, the search notes 8 bytes
/// each; and 17 pages of it are for the nodes and the globals.
pub(super) const MOST_SHADOW_PAGES: u64 = (1 << 13) + 1 + (1 << 16) / 6 + 17;

/// Adds it among what `around` names, as it does for the checker. Returns the function that the host calls at the end.
pub(super) fn add(
    edits: &mut Edits<'_, '_>,
    facts: &Facts<'_>,
    checker: &Checker,
    around: &dyn Fn(&str) -> Option<Item>,
) -> Result<u32, GraftError> {
    let (put_globals, globals_bytes) = match checker.threads {
        None => globals(edits, facts, checker.shadow),
        // Nothing is searched.
        Some(_) => (0, 0),
    };
    let joint = Joint {
        bind: &|import| {
            Some(match import.name {
                "sync" => Item::Func(checker.sync),
                "is_sound" => Item::Func(checker.is_sound),
                "size_of" => Item::Func(checker.size_of),
                "nodes_of" => Item::Func(checker.nodes_of),
                "next_live" => Item::Func(checker.next_live),
                "behind" => Item::Func(checker.behind),
                "put_globals" => Item::Func(put_globals),
                "globals_bytes" => Item::Constant(Constant::I32(globals_bytes)),
                other => return around(other).or_else(|| checker.threads?.1.named(other).map(Item::Func)),
            })
        },
        memory: None,
        name: &|func| format!("memgrove.leaks.{func}"),
        data: Data::Segments,
    };
    let moved;
    let (donor, name) = match checker.threads {
        None => (LEAKS, "finish"),
        Some(_) => {
            moved = threads::moved(LEAKS, "shadow", "shadow_at")?;
            (&moved[..], "finish_of_thread")
        }
    };
    let donor = Donor::read(donor)?;
    let missing = || GraftError::NoExport(name.to_owned());
    let finish = donor.func(name).ok_or_else(missing)?;
    let grafted = graft(edits, &donor, Roots { funcs: &[finish], bodies: &[] }, &joint)?;
    grafted.func(finish).ok_or_else(missing)
}

/// A function that puts the values of globals which may hold a pointer into the shadow's memory, and how many bytes they
/// take. What is constant holds none, unless the host says which.
fn globals(edits: &mut Edits<'_, '_>, facts: &Facts<'_>, shadow: u32) -> (u32, u32) {
    let mut body = Function::new([]);
    let mut bytes = 0;
    for (index, global) in (0..).zip(&facts.globals) {
        if !global.ty.mutable && global.init.is_some() {
            continue;
        }
        let at = MemArg {
            offset: u64::from(bytes),
            align: 2,
            target: MemArgTarget::Memory(shadow),
            ordering: None,
        };
        let store = match global.ty.content {
            ValType::I32 => I::I32Store(at),
            ValType::I64 => I::I64Store(at),
            _ => continue,
        };
        body.instruction(&I::LocalGet(0)).instruction(&I::GlobalGet(index)).instruction(&store);
        bytes += 8;
    }
    body.instruction(&I::End);
    let ty = edits.add_type(vec![Type::I32], Vec::new());
    (edits.add_func(ty, body, "memgrove.leaks.globals"), bytes)
}
