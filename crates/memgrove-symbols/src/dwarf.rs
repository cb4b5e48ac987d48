//! Functions, files and lines by DWARF, whose addresses are bytes from the contents of the code section.
//!
//! A linker that drops a function leaves what DWARF says of it, at an address that is no function's. Newer ones write
//! one that lies beyond all code; older ones 0, where it covers the first functions of the module. So an address is
//! looked up only if a function that DWARF knows begins where the body around it does, and no dropped one covers it.

use std::collections::BTreeSet;

use addr2line::Context;
use gimli::{AttributeValue, EndianSlice, LittleEndian};
use memgrove_module::facts::Facts;
use memgrove_profile::Frame;

use crate::{Error, demangle};

type Slice<'m> = EndianSlice<'m, LittleEndian>;

pub(crate) struct Dwarf<'m> {
    context: Context<Slice<'m>>,
    /// Where the bodies of functions that DWARF knows begin and end, as offsets of the module.
    bodies: Vec<(u32, u32)>,
    /// Where the module's code begins.
    code_start: u32,
    /// Addresses below this may be of a function that the linker dropped.
    dropped_end: u64,
}

impl<'m> Dwarf<'m> {
    /// The DWARF in `debug`, which describes the code of `module`.
    pub(crate) fn read(debug: &'m Facts<'m>, module: &Facts<'_>) -> Result<Self, Error> {
        if !debug.custom.dwarf {
            return Err(Error::NoDwarf);
        }
        let load = |id: gimli::SectionId| {
            Ok::<_, gimli::Error>(EndianSlice::new(section(debug, id.name()), LittleEndian))
        };
        let dwarf = gimli::Dwarf::load(load).map_err(Error::Dwarf)?;
        let code_start = code_start(module);
        let (starts, dropped_end) = function_starts(&dwarf).map_err(Error::Dwarf)?;
        let known = |start: u32| starts.contains(&u64::from(start.saturating_sub(code_start)));
        let bodies = module.functions.iter().filter(|body| known(body.body_offset));
        let bodies = bodies.map(|body| (body.body_offset, body.body_offset + body.body_len)).collect();
        let context = Context::from_dwarf(dwarf).map_err(Error::Dwarf)?;
        Ok(Self { context, bodies, code_start, dropped_end })
    }

    /// The frames at an offset of the module, the innermost first; none where nothing is known for sure.
    pub(crate) fn frames(&self, offset: u32) -> Vec<Frame> {
        let at = self.bodies.partition_point(|&(start, _)| start <= offset);
        let body = at.checked_sub(1).and_then(|at| self.bodies.get(at));
        let address = u64::from(offset.saturating_sub(self.code_start));
        if body.is_none_or(|&(_, end)| offset >= end) || address < self.dropped_end {
            return Vec::new();
        }
        let mut frames = Vec::new();
        // Split DWARF lies in files that nobody gave.
        let Ok(mut found) = self.context.find_frames(address).skip_all_loads() else { return Vec::new() };
        while let Ok(Some(frame)) = found.next() {
            let name = frame.function.and_then(|function| Some(demangle(&function.raw_name().ok()?)));
            let location = frame.location;
            frames.push(Frame {
                function: name.unwrap_or_default(),
                file: location.as_ref().and_then(|place| place.file).map(str::to_owned),
                line: location.as_ref().and_then(|place| place.line),
                column: location.as_ref().and_then(|place| place.column).filter(|&column| column > 0),
                ..Frame::default()
            });
        }
        frames
    }
}

/// Where functions begin, and where the one at address 0 that reaches furthest ends. Linear in the DWARF.
fn function_starts(dwarf: &gimli::Dwarf<Slice<'_>>) -> gimli::Result<(BTreeSet<u64>, u64)> {
    let mut starts = BTreeSet::new();
    let mut dropped_end = 0;
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        let unit = dwarf.unit(header)?;
        let unit = unit.unit_ref(dwarf);
        let mut entries = unit.entries();
        while let Some(entry) = entries.next_dfs()? {
            if entry.tag() != gimli::DW_TAG_subprogram {
                continue;
            }
            let Some(low) = entry.attr_value(gimli::DW_AT_low_pc) else { continue };
            let Some(low) = unit.attr_address(low)? else { continue };
            starts.insert(low);
            if low == 0 {
                let end = match entry.attr_value(gimli::DW_AT_high_pc) {
                    Some(AttributeValue::Udata(len)) => len,
                    Some(value) => {
                        unit.attr_address(value)?.or_else(|| value.udata_value()).unwrap_or(u64::MAX)
                    }
                    None => u64::MAX,
                };
                dropped_end = dropped_end.max(end);
            }
        }
    }
    Ok((starts, dropped_end))
}

/// Where the contents of the code section begin.
fn code_start(facts: &Facts<'_>) -> u32 {
    facts
        .sections
        .iter()
        .find(|section| !section.custom && section.name == "code")
        .map_or(0, |code| code.offset)
}

/// The contents of the code section.
pub(crate) fn code<'m>(facts: &Facts<'m>) -> &'m [u8] {
    let code = facts.sections.iter().find(|section| !section.custom && section.name == "code");
    code.and_then(|code| contents(facts, code.offset, code.size_bytes)).unwrap_or_default()
}

/// The contents of a custom section, without its name.
fn section<'m>(facts: &Facts<'m>, name: &str) -> &'m [u8] {
    let section = facts.sections.iter().find(|section| section.custom && section.name == name);
    let Some(section) = section else { return &[] };
    // Its name and the length of it, as LEB128, come first.
    let contents = contents(facts, section.offset, section.size_bytes).unwrap_or_default();
    let len_bytes = contents.iter().position(|byte| byte & 0x80 == 0).map_or(0, |last| last + 1);
    contents.get(len_bytes + name.len()..).unwrap_or_default()
}

fn contents<'m>(facts: &Facts<'m>, offset: u32, size: u32) -> Option<&'m [u8]> {
    facts.bytes().get(offset as usize..)?.get(..size as usize)
}
