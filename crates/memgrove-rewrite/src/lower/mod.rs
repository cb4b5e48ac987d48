//! Instructions of later proposals, written in WebAssembly 1.0 for hosts that lack these proposals.
//!
//! ```wat
//! ;; before
//! (memory.fill (local.get $at) (i32.const 0) (local.get $count))
//! (i32.extend8_s (local.get $byte))
//! ;; after: a function of `lower/lower.wat`, or the instructions themselves
//! (call $memgrove.memory.fill (local.get $at) (i32.const 0) (local.get $count))
//! (i32.shr_s (i32.shl (local.get $byte) (i32.const 24)) (i32.const 24))
//! ```
//!
//! Results, and where and why it traps, stay the same: nothing is written when a range is out of bounds. What a proposal
//! has beyond these instructions stays, and the module still needs it: segments that code puts into memory or a table,
//! tables that grow, several memories. A number in a long form (a linker's table index in `call_indirect`) is written short.

mod carrier;
mod form;
mod instrument;
mod multi;

use std::collections::BTreeMap;

use memgrove_module::facts::Proposal;
use wasmparser::{Import, TypeRef};

use self::form::{Form, Helper, Lowerable};
use self::instrument::Lowering;
use self::multi::MultiValue;
use crate::Error;
use crate::edit::{Edits, Sections};
use crate::graft::{Data, Donor, Item, Joint, Roots, graft};
use crate::plan::Change;
use crate::runtime::defect;

/// The proposals of which something can be written without them.
pub const LOWERABLE: &[Proposal] = &[
    Proposal::SignExtension,
    Proposal::SaturatingFloatToInt,
    Proposal::MultiValue,
    Proposal::BulkMemory,
    Proposal::ReferenceTypes,
    Proposal::MemoryControl,
];

static WASM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/lower.wasm"));

/// What a module holds that can be lowered.
pub(crate) struct Scan {
    /// How often each of these instructions or constructs stands in it.
    found: BTreeMap<(Proposal, &'static str), usize>,
    helpers: BTreeMap<Helper, ()>,
    /// For each function that the module defines, whether anything in it changes.
    touched: Vec<bool>,
    /// Code refers to data segments, so that their number has to be known before it.
    names_data: bool,
    multi: Option<MultiValue>,
    /// Why several values at once stay.
    pub why_not: Option<&'static str>,
}

impl Scan {
    /// Looks for what of `wanted` can be lowered. Linear in the size of the module.
    pub fn new(sections: &Sections<'_>, wanted: &[Proposal]) -> Result<Self, Error> {
        let lowerable = Lowerable::new(sections, wanted);
        let mut scan = Self {
            found: BTreeMap::new(),
            helpers: BTreeMap::new(),
            touched: Vec::new(),
            names_data: false,
            multi: None,
            why_not: None,
        };
        for body in sections.bodies()? {
            let mut is_touched = false;
            let mut reader = body?.get_operators_reader()?;
            while !reader.eof() {
                let (operator, from) = reader.read_with_offset()?;
                scan.names_data |= form::names_data(&operator);
                let bytes = sections.range(from..reader.original_position());
                let Some((proposal, name, form)) = lowerable.form(&operator, bytes) else { continue };
                is_touched = true;
                *scan.found.entry((proposal, name)).or_default() += 1;
                if let Form::Call(helper) = form {
                    scan.helpers.insert(helper, ());
                }
            }
            scan.touched.push(is_touched);
        }
        if sections.counts_data() && !scan.names_data && wanted.contains(&Proposal::BulkMemory) {
            scan.found.insert((Proposal::BulkMemory, "data count section"), 1);
        }
        if wanted.contains(&Proposal::MultiValue) {
            match MultiValue::find(sections, &mut scan.touched, &mut scan.found)? {
                Ok(multi) => scan.multi = multi,
                Err(why) => scan.why_not = Some(why),
            }
        }
        Ok(scan)
    }

    /// What is done, one change a proposal.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        for &proposal in LOWERABLE {
            let found = self.found.iter().filter(|((of, _), _)| *of == proposal);
            let parts: Vec<String> = found
                .map(|((_, name), count)| match count {
                    1 => (*name).to_owned(),
                    count => format!("{name} ({count} times)"),
                })
                .collect();
            if !parts.is_empty() {
                changes.push(Change {
                    subject: proposal.id().to_owned(),
                    what: format!("written in WebAssembly 1.0: {}", parts.join(", ")),
                    why: "the result is to do without this proposal; it does the same".to_owned(),
                });
            }
        }
        changes
    }
}

/// What lowering a valid module changes, and what is to be known about it.
pub(crate) fn changes(wasm: &[u8], wanted: &[Proposal]) -> Result<(Vec<Change>, Vec<String>), Error> {
    if wanted.is_empty() {
        return Ok(Default::default());
    }
    let scan = Scan::new(&Sections::read_valid(wasm)?, wanted)?;
    let notes = scan.why_not.map(|why| format!("{} stays: {why}", Proposal::MultiValue.id()));
    Ok((scan.changes(), notes.into_iter().collect()))
}

/// Writes what can be written without the proposals `wanted` so, in a valid module. Linear in its size.
pub(crate) fn lower(wasm: Vec<u8>, wanted: &[Proposal]) -> Result<Vec<u8>, Error> {
    if wanted.is_empty() {
        return Ok(wasm);
    }
    let sections = Sections::read_valid(&wasm)?;
    let scan = Scan::new(&sections, wanted)?;
    if scan.found.is_empty() {
        return Ok(wasm);
    }
    let mut edits = Edits::new(&sections);
    let helpers = add_helpers(&mut edits, scan.helpers.keys().copied())?;
    if !scan.names_data && wanted.contains(&Proposal::BulkMemory) {
        edits.drop_data_count();
    }
    let multi = scan.multi.map(|multi| multi.apply(&mut edits)).transpose()?;
    let lowerable = Lowerable::new(&sections, wanted);
    let mut lowering = Lowering::new(&sections, lowerable, helpers, scan.touched, multi);
    Ok(edits.apply(&mut lowering)?.wasm)
}

/// Adds the functions that are called. Returns where they are.
fn add_helpers(
    edits: &mut Edits<'_, '_>,
    helpers: impl Iterator<Item = Helper>,
) -> Result<BTreeMap<Helper, u32>, Error> {
    let donor = Donor::read_valid(WASM).map_err(defect)?;
    let wanted: Vec<(Helper, u32)> =
        helpers.filter_map(|helper| Some((helper, donor.func(helper.name())?))).collect();
    let funcs: Vec<u32> = wanted.iter().map(|(_, func)| *func).collect();
    let joint = Joint {
        bind: &|import: &Import<'_>| matches!(import.ty, TypeRef::Memory(_)).then_some(Item::Memory(0)),
        memory: None,
        name: &|func| donor.name_behind("memgrove.", func),
        data: Data::Segments,
    };
    let grafted = graft(edits, &donor, Roots { funcs: &funcs, bodies: &[] }, &joint).map_err(defect)?;
    let at = |func| grafted.func(func).ok_or_else(|| Error::Encode("a function was not grafted".to_owned()));
    wanted.into_iter().map(|(helper, func)| Ok((helper, at(func)?))).collect()
}

/// The number of a function among those that a module defines.
fn defined(sections: &Sections<'_>, func: u32) -> usize {
    func.saturating_sub(sections.imported_funcs) as usize
}
