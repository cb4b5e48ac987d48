//! C's `memcpy` and `memset` for the heap that is put inside: loops, or bulk memory's instructions where the module has such.

use std::collections::BTreeMap;

use memgrove_module::Facts;
use memgrove_module::facts::Proposal;

use crate::edit::Edits;
use crate::graft::{Data, Donor, GraftError, Item, Joint, Roots, graft};

/// Both, in either form.
static BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bytes.wasm"));

/// How many bytes are copied and filled in a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    /// By `memory.copy` and `memory.fill`: the engine that runs the module knows them.
    Bulk,
    /// By loops of WebAssembly 1.0.
    Loops,
}

impl Bytes {
    pub fn of(facts: &Facts<'_>) -> Self {
        if facts.proposals.contains(Proposal::BulkMemory) { Self::Bulk } else { Self::Loops }
    }

    /// The names that [`BYTES`] has for what a heap imports as `copy` and `fill`.
    const fn names(self) -> [(&'static str, &'static str); 2] {
        match self {
            Self::Bulk => [("copy", "bulk_copy"), ("fill", "bulk_fill")],
            Self::Loops => [("copy", "copy"), ("fill", "fill")],
        }
    }

    /// Adds what the functions `roots` of a heap need of it: edit indices by the name under which it is imported.
    pub fn add(
        self,
        edits: &mut Edits<'_, '_>,
        heap: &Donor<'_>,
        roots: &[u32],
    ) -> Result<BTreeMap<&'static str, u32>, GraftError> {
        let reached = heap.closure(roots.iter().copied())?;
        let is_reached = |name: &str| {
            let mut imports = heap.imported_funcs().iter().zip(0..);
            imports.any(|(import, index)| import.name == name && reached.funcs.contains(&index))
        };
        let donor = Donor::read_valid(BYTES)?;
        let wanted: Vec<(&'static str, u32)> = self
            .names()
            .into_iter()
            .filter(|(name, _)| is_reached(name))
            .filter_map(|(name, form)| Some((name, donor.func(form)?)))
            .collect();
        let roots: Vec<u32> = wanted.iter().map(|(_, func)| *func).collect();
        let name = |func: u32| donor.name_behind("memgrove.heap.", func);
        let bind = |_: &wasmparser::Import<'_>| Some(Item::Memory(0));
        let joint = Joint { bind: &bind, memory: None, name: &name, data: Data::Code };
        let grafted = graft(edits, &donor, Roots { funcs: &roots, bodies: &[] }, &joint)?;
        wanted.into_iter().map(|(name, of)| Ok((name, grafted.func(of).ok_or(GraftError::Memory)?))).collect()
    }
}
