//! Carries out what the passes decided, as edits (see `edit/mod.rs`).

mod added;
mod exit;
mod growth;
mod heap;
mod wait;

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};

use self::exit::Instruments;
use self::growth::Growth;
use crate::edit::{Address, Edits as Editor, Segment};
use crate::edits::Edits;
use crate::graft::Donor;
use crate::module::Module;
use crate::{Error, mark};

/// Encodes `module` with `edits` applied: validated. Linear in the size of the input.
pub(crate) fn encode(module: &Module<'_>, edits: &Edits, donor: &Donor<'_>) -> Result<Vec<u8>, Error> {
    let mut editor = Editor::new(&module.sections);
    let mut encoder = RoundtripReencoder;
    for (&memory, ty) in edits.memories.iter().chain(&edits.own_memories) {
        editor.set_memory(memory, encoder.memory_type(*ty)?)?;
    }
    if let Some(ty) = edits.added_memory {
        editor.add_memory(encoder.memory_type(ty)?);
    }
    for (&table, ty) in &edits.tables {
        editor.set_table(table, encoder.table_type(*ty)?)?;
    }
    for (&global, &value) in &edits.globals {
        editor.set_global(global, value)?;
    }
    for (at, bytes) in &edits.data {
        editor.add_data(Segment { active: Some((0, Address::I32(*at))), bytes: bytes.clone() });
    }
    for (name, kind, index) in &edits.exports {
        editor.add_export(name, *kind, *index)?;
    }
    for name in &edits.drop_exports {
        editor.drop_export(name);
    }
    for name in &edits.drop_customs {
        editor.drop_custom(name);
    }
    // That of an earlier fix, with other options.
    editor.drop_custom(mark::SECTION);
    if let Some(mark) = edits.mark {
        editor.add_custom(mark::SECTION, mark.to_vec());
    }
    let added = added::add(module, edits, donor, &mut editor)?;
    let growth = Growth::new(&edits.watched_breaks, added.cover);
    Ok(editor
        .apply(&mut Instruments::new(growth, edits.exit.as_ref().zip(added.exit_code), edits.never_waits))?
        .wasm)
}
