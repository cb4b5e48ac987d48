//! What the tests of edits share.

use memgrove_rewrite::edit::{Edited, Edits, Sections, Untouched};

pub fn parse(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// The text of a module.
pub fn text(wasm: &[u8]) -> String {
    wasmprinter::print_bytes(wasm).unwrap()
}

/// A module with edits and nothing instrumented.
pub fn edit(wasm: &[u8], with: impl FnOnce(&mut Edits<'_, '_>)) -> Edited {
    let sections = Sections::read(wasm).unwrap();
    let mut edits = Edits::new(&sections);
    with(&mut edits);
    edits.apply(&mut Untouched).unwrap()
}
