//! Puts the search for leaks (`trace/leaks.wat`) into the module, behind the checker.

use memgrove_module::Facts;
use memgrove_module::facts::ValType;
use memgrove_profile::layout::Parts;
use wasm_encoder::{Function, Instruction as I, MemArg, MemArgTarget, ValType as Type};

use crate::edit::Edits;
use crate::frames::Added;
use crate::graft::{Constant, Data, Donor, GraftError, Item, Joint, Roots, graft};

static LEAKS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/leaks.wasm"));

/// A shadow of the longest memory has 8,193 pages. Of blocks, which take 48 bytes at least there, the search notes 8 bytes
/// each; and 17 pages of it are for the nodes and the globals.
pub(super) const MOST_SHADOW_PAGES: u64 = (1 << 13) + 1 + (1 << 16) / 6 + 17;

/// What the search is put among.
pub(super) struct Around {
    pub shadow: u32,
    /// Functions of the checker, and of the recorder.
    pub sync: u32,
    pub is_sound: u32,
    pub log: u32,
    /// The global, and its first value, where it is known: see [`super::Bounds`].
    pub stack_pointer: Option<u32>,
    pub stack_base: u32,
}

/// Adds it. Returns the function that the host calls at the end.
pub(super) fn add(
    edits: &mut Edits<'_, '_>,
    facts: &Facts<'_>,
    added: Added,
    around: &Around,
) -> Result<u32, GraftError> {
    let (put_globals, globals_bytes) = globals(edits, facts, around.shadow);
    let constant = |value: u32| Some(Item::Constant(Constant::I32(value)));
    let joint = Joint {
        bind: &|import| match import.name {
            "program" => Some(Item::Memory(0)),
            "shadow" => Some(Item::Memory(around.shadow)),
            "recording" => Some(Item::Memory(added.memory)),
            "sync" => Some(Item::Func(around.sync)),
            "is_sound" => Some(Item::Func(around.is_sound)),
            "log" => Some(Item::Func(around.log)),
            "put_globals" => Some(Item::Func(put_globals)),
            "globals_bytes" => constant(globals_bytes),
            "frames" => Some(Item::Global(added.sp)),
            "first_frame" => constant(Parts::OWN.stack),
            "stack_pointer" => around.stack_pointer.map(Item::Global).or_else(|| constant(0)),
            "stack_base" => constant(around.stack_base),
            _ => None,
        },
        memory: None,
        name: &|func| format!("memgrove.leaks.{func}"),
        data: Data::Segments,
    };
    let donor = Donor::read(LEAKS)?;
    let finish = donor.func("finish").ok_or_else(|| GraftError::NoExport("finish".to_owned()))?;
    let grafted = graft(edits, &donor, Roots { funcs: &[finish], bodies: &[] }, &joint)?;
    grafted.func(finish).ok_or_else(|| GraftError::NoExport("finish".to_owned()))
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
