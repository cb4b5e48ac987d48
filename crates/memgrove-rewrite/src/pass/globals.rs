//! Imported globals: the addresses that a loader chooses.
//!
//! ```wat
//! ;; before (Emscripten's fastcomp)
//! (import "env" "DYNAMICTOP_PTR" (global $ptr i32))
//! (import "env" "STACKTOP" (global $top i32))
//! (import "env" "memory" (memory 256 256))
//! ;; after: everything static lies below the old minimum of 256 pages, so the cells, the
//! ;; stack (which grows up) and the heap lie above it
//! (memory 337 32768)
//! (global $ptr i32 (i32.const 16777232))
//! (global $top i32 (i32.const 16777248))
//! (data (i32.const 16777232) "\20\00\50\01")   ;; the first break
//! ```
//!
//! Where static data (with its zeros) ends is known only to the glue; but the glue laid out
//! static data, stack and the first heap inside the memory it created, whose size is the
//! import's minimum. What lies above that is free for certain.

use memgrove_module::facts::ConstExpr;
use wasmparser::{Dylink0Subsection, KnownCustom, MemoryType, TypeRef, ValType};

use super::{PAGE, Pass, functions};
use crate::Error;
use crate::edit::ImportEntry;
use crate::edits::{Layout, Value};
use crate::module::Module;
use crate::plan::DecidedBy;
use crate::runtime::RuntimeFunction;

/// Emscripten's TOTAL_STACK, its default for every version that imports STACKTOP.
const STACK_BYTES: u64 = 5 * 1024 * 1024;
/// Stack of a side module: as much as wasm-ld gives a program by default, which is a page.
const SIDE_STACK_BYTES: u64 = PAGE;
/// Below this address the null pointer and its neighbours stay unused, as in Emscripten.
const STATIC_BASE: u64 = 1024;

/// What a global is, by its name or its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    BreakPointer,
    StackTop,
    StackMax,
    TempDouble,
    MemoryBase,
    TableBase,
    StackPointer,
    HeapBase,
    Zero,
    NaN,
    Infinity,
}

/// Room that a side module (dynamic library) asks for.
pub(super) struct Dylink {
    pub memory_size: u32,
    /// As a power of two.
    pub memory_alignment: u32,
    pub table_size: u32,
    /// It needs other modules.
    pub needs_others: bool,
}

/// Decides about every imported global.
pub(super) fn run(pass: &mut Pass<'_, '_>) -> Result<(), Error> {
    let module = pass.module;
    let recovered = module.code.break_pointer().map(|found| found.global);
    let mut roles = Vec::new();
    for (at, entry) in module.imports.iter().enumerate() {
        let TypeRef::Global(ty) = entry.import.ty else { continue };
        if pass.is_provided(&entry.import) {
            pass.stays(at, "the host that this is for provides it");
            pass.address_stays = true;
            continue;
        }
        let told = name_by_glue(pass, entry).and_then(|name| role_by_name("env", name, ty.content_type));
        let role = told
            .or_else(|| role_by_name(entry.import.module, entry.import.name, ty.content_type))
            .or_else(|| (recovered == Some(entry.index)).then_some(Role::BreakPointer))
            .or_else(|| role_by_use(module, entry.index));
        match role {
            Some(role) if pass.lays_out_memory0() || !is_address(role) => roles.push((at, entry.index, role)),
            Some(_) if pass.owns_memory0() => stays_address(
                pass,
                at,
                "it is an address in a memory of 64-bit addresses or of other pages than 64 KiB, for which no layout is known",
            ),
            Some(_) => stays_address(pass, at, "it is an address in a memory that stays the host's"),
            None => {
                let why = crate::contract::why_it_stays(pass.items[at].purpose, entry.import.module);
                pass.stays(at, why.unwrap_or(super::ONLY_ITS_HOST_KNOWS));
            }
        }
    }
    let wants_cell = roles.iter().any(|(_, _, role)| {
        matches!(role, Role::BreakPointer | Role::StackTop | Role::StackMax | Role::TempDouble)
    }) || functions::uses(pass, RuntimeFunction::EmscriptenGetSbrkPtr);
    let layout = if wants_cell && pass.lays_out_memory0() { Some(place(pass, &roles)?) } else { None };
    let side = if layout.is_none() { place_side_module(pass, &roles)? } else { None };
    for (at, global, role) in roles {
        satisfy(pass, at, global, role, layout.as_ref(), side.as_ref());
    }
    Ok(())
}

/// Records that an address stays, which others may be laid out around.
fn stays_address(pass: &mut Pass<'_, '_>, at: usize, why: &'static str) {
    pass.stays(at, why);
    pass.address_stays = true;
}

/// Addresses of fastcomp's layout.
struct Places {
    temp_double: u32,
    break_cell: u32,
    stack_top: u32,
    stack_max: u32,
}

/// Addresses for a side module.
struct SidePlaces {
    memory_base: u32,
    stack_pointer: u32,
    heap_base: u32,
    /// The library needs others.
    needs_others: bool,
}

/// Lays out cells, stack and heap above the memory's old minimum.
fn place(pass: &mut Pass<'_, '_>, roles: &[(usize, u32, Role)]) -> Result<Places, Error> {
    let has = |wanted: &[Role]| roles.iter().any(|(_, _, role)| wanted.contains(role));
    let stack = if has(&[Role::StackTop, Role::StackMax]) { STACK_BYTES } else { 0 };
    let base = static_end(pass);
    let cell = base + 16;
    let stack_top = base + 32;
    let stack_max = stack_top + stack;
    require_memory(pass, stack_max, "the heap's start")?;
    let places = Places {
        temp_double: address(base, "a cell")?,
        break_cell: address(cell, "the break's cell")?,
        stack_top: address(stack_top, "the stack")?,
        stack_max: address(stack_max, "the stack")?,
    };
    pass.edits.layout = Layout { break_cell: places.break_cell, ..pass.edits.layout };
    if has(&[Role::BreakPointer]) || functions::uses(pass, RuntimeFunction::EmscriptenGetSbrkPtr) {
        pass.edits.data.push((places.break_cell, places.stack_max.to_le_bytes().to_vec()));
        pass.change(
            "first break",
            format!(
                "{:#x} is written to {:#x} by a data segment, before anything runs",
                places.stack_max, places.break_cell
            ),
            "the glue wrote it; everything static lies below the memory's old minimum, the heap above",
        );
    }
    Ok(places)
}

/// Where nothing static can be any more: the end of the memory that the glue created.
pub(super) fn static_end(pass: &Pass<'_, '_>) -> u64 {
    let minimum = pass.memory0().map_or(0, |ty| ty.initial * PAGE);
    let bound = pass.module.code.data_end().max(stack_bound(pass.module));
    minimum.max(bound.next_multiple_of(PAGE))
}

/// The largest initial value of a mutable i32 global that can be an address: a stack pointer
/// starts at the end of its stack.
pub(super) fn stack_bound(module: &Module<'_>) -> u64 {
    module
        .facts
        .globals
        .iter()
        .filter(|global| global.ty.mutable)
        .filter_map(|global| match global.init {
            Some(ConstExpr::I32(value)) if value > 0 => Some(u64::from(value.cast_unsigned())),
            _ => None,
        })
        // Not an address: no such memory would be given to a program of that time.
        .filter(|&value| value < 1 << 30)
        .max()
        .unwrap_or(0)
}

/// Raises the minimum of memory 0 to hold `end` bytes and keeps room to grow.
pub(super) fn require_memory(pass: &mut Pass<'_, '_>, end: u64, what: &'static str) -> Result<(), Error> {
    let Some(ty) = pass.memory0() else { return Ok(()) };
    let pages = end.div_ceil(PAGE);
    if pages <= ty.initial {
        return Ok(());
    }
    if pages > super::memory::MAX_PAGES {
        return Err(Error::NoRoom { what, end });
    }
    let maximum = ty.maximum.map(|max| {
        // What stood in all of the old memory, its heap above all, may need as much room behind what is placed
        // now: a fixed memory would leave the heap none.
        max.max((pages + max).min(super::memory::SIGNED_MAX_PAGES)).max(pages)
    });
    pass.set_memory0(MemoryType { initial: pages, maximum, ..ty });
    pass.change(
        "memory",
        format!("minimum raised from {} to {pages} pages", ty.initial),
        format!("to hold {what}"),
    );
    Ok(())
}

/// A side module gets its static data, then a stack, then what follows.
fn place_side_module(
    pass: &mut Pass<'_, '_>,
    roles: &[(usize, u32, Role)],
) -> Result<Option<SidePlaces>, Error> {
    if !roles
        .iter()
        .any(|(_, _, role)| matches!(role, Role::MemoryBase | Role::StackPointer | Role::HeapBase))
    {
        return Ok(None);
    }
    let Some(dylink) = dylink(pass.module) else { return Ok(None) };
    let alignment = 1_u64 << dylink.memory_alignment.min(16);
    let base = STATIC_BASE.next_multiple_of(alignment.max(16));
    let end = (base + u64::from(dylink.memory_size)).next_multiple_of(16);
    let top = end + SIDE_STACK_BYTES;
    require_memory(pass, top, "static data and stack")?;
    Ok(Some(SidePlaces {
        memory_base: address(base, "static data")?,
        stack_pointer: address(top, "the stack")?,
        heap_base: address(top, "the heap")?,
        needs_others: dylink.needs_others,
    }))
}

fn satisfy(
    pass: &mut Pass<'_, '_>,
    at: usize,
    global: u32,
    role: Role,
    layout: Option<&Places>,
    side: Option<&SidePlaces>,
) {
    const CHOSEN: &str = "above the memory's old minimum, so it cannot meet static data";
    if side.is_some_and(|side| side.needs_others) {
        pass.stays(at, "the library needs other libraries, which a host has to load");
        return;
    }
    let i32_value = |value: u32| Value::I32(value);
    let (value, why) = match (role, layout, side) {
        (Role::BreakPointer, Some(places), _) => (i32_value(places.break_cell), CHOSEN),
        (Role::StackTop, Some(places), _) => (i32_value(places.stack_top), CHOSEN),
        (Role::StackMax, Some(places), _) => (i32_value(places.stack_max), CHOSEN),
        (Role::TempDouble, Some(places), _) => (i32_value(places.temp_double), CHOSEN),
        (Role::MemoryBase, _, Some(side)) => {
            (i32_value(side.memory_base), "where the library's static data begins")
        }
        (Role::StackPointer, _, Some(side)) => {
            (i32_value(side.stack_pointer), "the end of a stack behind the static data")
        }
        (Role::HeapBase, _, Some(side)) => (i32_value(side.heap_base), "behind static data and stack"),
        (Role::MemoryBase, _, None) => {
            (i32_value(1024), "Emscripten's STATIC_BASE: static data begins at 1024")
        }
        (Role::TableBase, _, None) => (i32_value(0), "the module's entries are the table's first"),
        (Role::TableBase, _, Some(_)) => (i32_value(1), "the library's entries follow the null entry"),
        (Role::Zero, ..) => (i32_value(0), "the program has not been aborted"),
        (Role::NaN, ..) => (Value::F64(f64::NAN), "the constant of that name"),
        (Role::Infinity, ..) => (Value::F64(f64::INFINITY), "the constant of that name"),
        _ => {
            stays_address(pass, at, "nothing says how much room the module's data needs");
            return;
        }
    };
    let stand_in = match value {
        Value::I32(value) => format!("the constant {value:#x}"),
        Value::F64(value) => format!("the constant {value}"),
    };
    let entry = pass.module.imports[at].import;
    let ty = pass.module.sections.globals[global as usize].content_type;
    let told =
        name_by_glue(pass, &pass.module.imports[at]).filter(|name| role_by_name("env", name, ty).is_some());
    let decided_by = match role_by_name(entry.module, entry.name, ty) {
        _ if told.is_some() => DecidedBy::Glue,
        Some(_) => DecidedBy::Name,
        None => DecidedBy::Use,
    };
    if let Some(told) = told {
        pass.items[at].known_as = Some(told.to_owned());
    }
    pass.inside(at, stand_in, why, true, decided_by);
    pass.edits.globals.insert(global, value);
}

/// The name that the glue beside the module gives to an import.
fn name_by_glue<'m>(pass: &Pass<'m, '_>, entry: &ImportEntry<'_>) -> Option<&'m str> {
    pass.options.glue.as_ref()?.told(entry.import.module, entry.import.name)?.name.as_deref()
}

fn is_address(role: Role) -> bool {
    !matches!(role, Role::TableBase | Role::Zero | Role::NaN | Role::Infinity)
}

fn role_by_name(module: &str, name: &str, ty: ValType) -> Option<Role> {
    if module == "global" || module == "global.Math" {
        return match (name, ty) {
            ("NaN", ValType::F64) => Some(Role::NaN),
            ("Infinity", ValType::F64) => Some(Role::Infinity),
            _ => None,
        };
    }
    if ty != ValType::I32 || module != "env" {
        return None;
    }
    match name.trim_start_matches('_') {
        "DYNAMICTOP_PTR" => Some(Role::BreakPointer),
        "STACKTOP" => Some(Role::StackTop),
        "STACK_MAX" => Some(Role::StackMax),
        "tempDoublePtr" => Some(Role::TempDouble),
        "memoryBase" | "memory_base" | "gb" => Some(Role::MemoryBase),
        "tableBase" | "table_base" | "fb" => Some(Role::TableBase),
        "stack_pointer" => Some(Role::StackPointer),
        "heap_base" => Some(Role::HeapBase),
        "ABORT" => Some(Role::Zero),
        _ => None,
    }
}

/// A global with a letter for a name: a copy of it that code moves is the top of the stack.
fn role_by_use(module: &Module<'_>, imported: u32) -> Option<Role> {
    let ty = module.sections.globals[imported as usize];
    if ty.content_type != ValType::I32 || ty.mutable || module.code.break_pointer().is_none() {
        return None;
    }
    module.code.moved_copies().contains(&imported).then_some(Role::StackTop)
}

/// What the `dylink.0` section says, or `dylink`, its predecessor.
pub(super) fn dylink(module: &Module<'_>) -> Option<Dylink> {
    if let Some(custom) = module.customs.iter().find(|custom| custom.name() == "dylink") {
        let mut reader = custom.data_reader();
        let (memory_size, memory_alignment) = (reader.read_var_u32().ok()?, reader.read_var_u32().ok()?);
        let (table_size, _alignment) = (reader.read_var_u32().ok()?, reader.read_var_u32().ok()?);
        let needs_others = reader.read_var_u32().is_ok_and(|needed| needed > 0);
        return Some(Dylink { memory_size, memory_alignment, table_size, needs_others });
    }
    let KnownCustom::Dylink0(reader) =
        module.customs.iter().find(|custom| custom.name() == "dylink.0")?.as_known()
    else {
        return None;
    };
    let mut dylink = Dylink { memory_size: 0, memory_alignment: 0, table_size: 0, needs_others: false };
    for subsection in reader {
        match subsection.ok()? {
            Dylink0Subsection::MemInfo(info) => {
                dylink.memory_size = info.memory_size;
                dylink.memory_alignment = info.memory_alignment;
                dylink.table_size = info.table_size;
            }
            Dylink0Subsection::Needed(needed) => dylink.needs_others = !needed.is_empty(),
            _ => {}
        }
    }
    Some(dylink)
}

/// A layout constant must be satisfied for its users to be right.
pub(super) fn break_cell_is_placed(pass: &Pass<'_, '_>) -> bool {
    pass.edits.layout.break_cell != 0
}

fn address(at: u64, what: &'static str) -> Result<u32, Error> {
    u32::try_from(at).map_err(|_| Error::NoRoom { what, end: at })
}
