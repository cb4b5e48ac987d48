//! Known imports: the one table of what a name, in a module and with a type, says.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::facts::{ExternKind, Facts, Import};
use crate::pattern::{ImportPattern, KindName, Names};

include!(concat!(env!("OUT_DIR"), "/imports.rs"));

/// What today's Emscripten grows memory through.
pub const RESIZE_HEAP: &str = "emscripten_resize_heap";
/// What fastcomp did.
pub const ENLARGE_MEMORY: &str = "enlargeMemory";

/// A known import, or a family of them.
#[derive(Debug)]
pub struct ImportEntry {
    /// What it looks like.
    pub pattern: ImportPattern,
    /// What it is for.
    pub purpose: Purpose,
    /// What it does, for people.
    pub meaning: Option<&'static str>,
    /// Whether the module asks for memory through it.
    pub grows: bool,
    /// Where this is from.
    pub source: &'static str,
    /// An import in the text format that must match this entry.
    pub fixture: &'static str,
}

/// As its name in JSON.
impl Serialize for Purpose {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// As its name for people.
impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.title())
    }
}

/// What an import's name says, in its module and with its type. O(entries).
#[must_use]
pub fn by_name(facts: &Facts<'_>, import: &Import<'_>) -> Option<&'static ImportEntry> {
    IMPORTS.iter().find(|entry| entry.pattern.matches(facts, import))
}

/// What a name of Emscripten's library says of an imported function that has another name. O(entries).
pub(super) fn by_library_name(facts: &Facts<'_>, func: u32, name: &str) -> Option<&'static ImportEntry> {
    let modules = ["env", "wasi_snapshot_preview1"];
    let import = facts.import_of(ExternKind::Func, func)?;
    modules.iter().find_map(|&module| by_name(facts, &Import { module, name, ..*import }))
}
