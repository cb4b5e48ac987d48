//! The mark of a fixed module whose imports are not all gone: a custom section.
//!
//! What an import is follows from all of the module: from the other imports, and from the code around
//! it. Both are different once a part of them has been satisfied, so fixing the result would be to
//! decide with less to go by. The mark says for which options and which remaining imports that has been
//! done: for the same, nothing more is decided; for others, as if it were not there.

use std::fmt::Write as _;

use wasmparser::Import;

use crate::glue::Glue;
use crate::module::Module;
use crate::plan::{Discard, Options, StubGroup};

/// Name of the custom section.
pub(crate) const SECTION: &str = "memgrove.fixed";

/// What the mark holds for a module that was fixed with `options` and imports `remaining`.
pub(crate) fn contents<'a>(options: &Options, remaining: impl Iterator<Item = &'a Import<'a>>) -> [u8; 8] {
    let mut digest = Digest(0xcbf2_9ce4_8422_2325);
    // Writing into a digest cannot fail.
    // Written out, so that a module stays marked when the types of this crate change.
    let Options { stubs, provided, export_memory, max_memory_bytes, allocator, glue, trap, discard, lower } =
        options;
    let groups: Vec<String> =
        // A group that came later shows only where it is allowed.
        StubGroup::ALL
            .iter()
            .filter(|group| **group != StubGroup::Log || stubs.allows(**group))
            .map(|group| format!("{}: {}", group.name(), stubs.allows(*group))).collect();
    let _ = write!(
        digest,
        "{} Options {{ stubs: Stubs {{ {} }}, provided: {provided:?}, export_memory: {export_memory:?}, \
         max_memory_bytes: {max_memory_bytes:?} }}",
        env!("CARGO_PKG_VERSION"),
        groups.join(", ")
    );
    // Without it the mark is that of versions that had no such option.
    if let Some(allocator) = allocator {
        let _ = write!(digest, " {}", allocator.name());
    }
    if !trap.is_empty() {
        let purposes: Vec<&str> = trap.purposes.iter().map(|purpose| purpose.id()).collect();
        let _ = write!(digest, " trap {} {purposes:?} {:?}", trap.rest, trap.names);
    }
    if *discard != Discard::default() {
        let _ = write!(digest, " discard {discard:?}");
    }
    if !lower.is_empty() {
        let ids: Vec<&str> = lower.iter().map(|proposal| proposal.id()).collect();
        let _ = write!(digest, " lower {ids:?}");
    }
    for ((module, name), told) in glue.iter().flat_map(Glue::all) {
        let _ = write!(digest, " glue {module:?} {name:?} {:?} {:?}", told.name, told.body);
    }
    for import in remaining {
        let _ = write!(digest, "{:?} {:?} {:?}", import.module, import.name, import.ty);
    }
    digest.0.to_le_bytes()
}

/// The module carries the mark for these options and its imports.
pub(crate) fn is_fixed(module: &Module<'_>, options: &Options) -> bool {
    let mut marks = module.customs.iter().filter(|custom| custom.name() == SECTION).peekable();
    marks.peek().is_some() && {
        let expected = contents(options, module.imports.iter().map(|entry| &entry.import));
        marks.any(|custom| custom.data() == expected)
    }
}

/// FNV-1a with 64 bits.
struct Digest(u64);

impl std::fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
