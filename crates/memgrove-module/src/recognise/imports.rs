//! What each import of a module is.

use std::collections::BTreeMap;

use super::table::{ImportEntry, Purpose};
use super::{minified, table};
use crate::code::Code;
use crate::facts::Import;

/// The imports of a module, each decided once.
#[derive(Debug, Default)]
pub struct Imports {
    /// By position in [`Facts::imports`](crate::Facts::imports).
    known: Vec<Known>,
    /// By function index, what use tells.
    roles: BTreeMap<u32, Role>,
}

/// What is known of an import.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known {
    /// What its use proves it to be, where its name is a minifier's.
    pub role: Option<Role>,
    /// What is known of its name: its own, or the one that its use tells.
    pub entry: Option<&'static ImportEntry>,
}

/// What the code around its uses proves an import to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The function of this name in Emscripten's library.
    Library(&'static str),
    /// A clock that tells milliseconds.
    Clock,
    /// One of the two calls that copy the environment.
    Environment,
    /// A system call: it answers a negated error number.
    SystemCall(Numbers),
    /// A call of WASI: it answers an error number.
    WasiCall,
    /// One of WASI's functions by its module, whatever its name; its use does not tell which.
    OfWasi,
}

/// Whose error numbers a C library has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// Fastcomp's.
    Linux,
    /// Today's.
    Wasi,
}

impl Role {
    /// The name in Emscripten's library, where use tells that much.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Library(name) => Some(name),
            _ => None,
        }
    }

    /// What it is for, where it has no name.
    fn purpose(self) -> Option<Purpose> {
        Some(match self {
            Self::Library(_) => return None,
            Self::Clock => Purpose::ClockRandom,
            Self::Environment | Self::WasiCall | Self::OfWasi => Purpose::Wasi,
            Self::SystemCall(_) => Purpose::Libc,
        })
    }
}

impl Known {
    /// What the import is for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        let by_entry = || self.entry.map(|entry| entry.purpose);
        self.role.and_then(Role::purpose).or_else(by_entry).unwrap_or(Purpose::Unknown)
    }

    /// Whether the module asks for memory through it.
    #[must_use]
    pub fn grows(&self) -> bool {
        self.entry.is_some_and(|entry| entry.grows)
    }
}

impl Imports {
    /// Linear in the imports, and in the functions that call those under minified names.
    pub(crate) fn find(code: &Code<'_>) -> Self {
        let facts = code.facts();
        let roles = minified::recover(code);
        let is_minified = minified::is_minified(facts);
        // A minifier makes names like `log`, too.
        let is_told = |import: &&Import<'_>| !is_minified || !minified::may_be_minified(import);
        let by_name = |import| Some(import).filter(is_told).and_then(|import| table::by_name(facts, import));
        let mut known: Vec<Known> =
            facts.imports.iter().map(|import| Known { role: None, entry: by_name(import) }).collect();
        for (&func, &role) in &roles {
            let Some(import) = facts.imported_funcs.get(func as usize) else { continue };
            if let Some(known) = known.get_mut(import.import as usize) {
                let entry = role.name().and_then(|name| table::by_library_name(facts, func, name));
                *known = Known { role: Some(role), entry };
            }
        }
        Self { known, roles }
    }

    /// What is known of an import, by its position. O(1).
    #[must_use]
    pub fn at(&self, position: usize) -> Known {
        self.known.get(position).copied().unwrap_or_default()
    }

    /// What the use of an imported function proves it to be. O(log imports).
    #[must_use]
    pub fn role(&self, func: u32) -> Option<Role> {
        self.roles.get(&func).copied()
    }

    /// Positions of the imports through which the module asks for memory.
    pub fn growers(&self) -> impl Iterator<Item = usize> + '_ {
        self.known.iter().enumerate().filter(|(_, known)| known.grows()).map(|(at, _)| at)
    }
}
