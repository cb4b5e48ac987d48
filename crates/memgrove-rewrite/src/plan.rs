//! The plan: what every import is for, and what will stand for it.

use std::fmt;

use memgrove_module::facts::Proposal;
use memgrove_module::recognise::Purpose;
use serde::Serialize;

use crate::edits::Edits;
use crate::glue::Glue;
use crate::heap::{Allocator, HeapFunction};
use crate::runtime::RuntimeFunction;

/// What is asked of [`plan`](crate::plan()).
#[derive(Debug, Clone)]
pub struct Options {
    /// Which groups of imports may be answered by stand-ins that are not the real thing.
    pub stubs: Stubs,
    /// Imports, as module and name, that the target host provides: they stay.
    pub provided: Vec<(String, String)>,
    /// The target host's functions look for a memory exported as `memory`: the module exports
    /// the one it has, or an empty one.
    pub export_memory: bool,
    /// Largest size, in bytes, that the first memory may have at least, where the module declares a smaller
    /// maximum. Without it a declared maximum is kept.
    pub max_memory_bytes: Option<u64>,
    /// The heap that is put inside where the module imports C's `malloc` and its family. Without it they stay.
    pub allocator: Option<Allocator>,
    /// What the JavaScript beside the module says of its imports. Where it says nothing of one, the module decides.
    pub glue: Option<Glue>,
    /// Functions that trap when they are called, where they would stay imports.
    pub trap: Traps,
    /// What stands for wasm-bindgen's function that gives memory back.
    pub discard: Discard,
    /// Proposals that the output is to do without, as far as possible (see [`LOWERABLE`](crate::LOWERABLE)).
    pub lower: Vec<Proposal>,
}

/// What stands for `__wbindgen_memory_discard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Discard {
    /// The range is filled with zeros, and stays the module's.
    #[default]
    Lower,
    /// The instruction `memory.discard` of the proposal memory-control.
    Raise,
}

/// Functions that are to trap when called, where nothing else stands for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traps {
    /// All that would stay.
    pub rest: bool,
    /// Those that are for these purposes.
    pub purposes: Vec<Purpose>,
    /// Those of these names: `name`, `module.name`, or what a minified name is known to be.
    pub names: Vec<String>,
}

impl Traps {
    /// Adds what a word on the command line stands for: `rest`, a purpose, or else a name.
    pub fn add(&mut self, word: &str) {
        match Purpose::ALL.iter().find(|purpose| purpose.id() == word) {
            _ if word == "rest" => self.rest = true,
            Some(&purpose) => self.purposes.push(purpose),
            None => self.names.push(word.to_owned()),
        }
    }

    /// Nothing is to trap.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Options {
    /// The target host provides this import.
    #[must_use]
    pub fn is_provided(&self, module: &str, name: &str) -> bool {
        self.provided.iter().any(|(from, item)| from == module && item == name)
    }
}

impl Default for Options {
    /// For a host that provides nothing.
    fn default() -> Self {
        Self {
            stubs: Stubs::all(),
            provided: Vec::new(),
            export_memory: false,
            max_memory_bytes: None,
            allocator: None,
            glue: None,
            trap: Traps::default(),
            discard: Discard::default(),
            lower: Vec::new(),
        }
    }
}

/// Declares the groups, each said once: its name on the command line, and what its stand-ins are.
macro_rules! stub_groups {
    ($($group:ident $name:literal $about:literal,)*) => {
        /// A group of imports with a stand-in that is correct but poorer than a host's function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum StubGroup {
            $(#[doc = $about] $group,)*
        }

        impl StubGroup {
            /// Every group.
            pub const ALL: &[Self] = &[$(Self::$group),*];

            /// Its name, as on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$group => $name,)* }
            }

            /// What its stand-ins are, in a few words.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$group => $about,)* }
            }
        }
    };
}

stub_groups! {
    Wasi "wasi" "no arguments, no files, output dropped",
    Libc "libc" "locks, time zones, system calls that return ENOSYS",
    Clock "clock" "advances 1 ms per call",
    Random "random" "the same bytes in every run, NOT for keys",
    Exceptions "exceptions" "a throw terminates the program",
    Glue "glue" "error paths of JavaScript glue",
    Log "log" "your own functions that print a text (pointer, length), which is dropped; not included in all",
}

/// A set of [`StubGroup`]s.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stubs(u8);

/// Says of each group whether it is allowed. The mark of a fixed module is made from these words (`mark.rs`), so they stay.
impl fmt::Debug for Stubs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = f.debug_struct("Stubs");
        for group in StubGroup::ALL {
            set.field(group.name(), &self.allows(*group));
        }
        set.finish()
    }
}

impl Stubs {
    /// Every group but [`StubGroup::Log`]: only their authors know what those functions are.
    #[must_use]
    pub const fn all() -> Self {
        Self((1 << StubGroup::ALL.len()) - 1 - (1 << StubGroup::Log as u8))
    }

    /// No group: only what can be satisfied exactly.
    #[must_use]
    pub const fn none() -> Self {
        Self(0)
    }

    /// This set and a group.
    #[must_use]
    pub const fn with(self, group: StubGroup) -> Self {
        Self(self.0 | 1 << group as u8)
    }

    /// Whether a group is in it.
    #[must_use]
    pub const fn allows(self, group: StubGroup) -> bool {
        self.0 & 1 << group as u8 != 0
    }

    /// Adds what a name on the command line stands for: a group, `all` or `none`. `false` if there is none of that name.
    pub fn set(&mut self, name: &str) -> bool {
        *self = match (name, StubGroup::ALL.iter().find(|group| group.name() == name)) {
            ("all", _) => Self(self.0 | Self::all().0),
            ("none", _) => Self::none(),
            (_, Some(group)) => self.with(*group),
            (_, None) => return false,
        };
        true
    }
}

/// What becomes of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "decision")]
pub enum Decision {
    /// The module satisfies it itself.
    Inside {
        /// What stands for it.
        stand_in: String,
        /// Why that is right, or how it differs from a host's answer.
        why: String,
        /// It behaves as the host's would; `false`: it is poorer, as `why` says.
        exact: bool,
        /// What proves that the import is what the stand-in replaces.
        decided_by: DecidedBy,
    },
    /// It is a function that traps when it is called, because that was asked for.
    Traps {
        /// Why it would have stayed.
        why: String,
    },
    /// It stays an import.
    Stays {
        /// Why.
        why: String,
    },
}

/// What proves which function, memory, table or global of a family an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedBy {
    /// Its name, together with the type that its family gives that name.
    Name,
    /// The code around its uses, whatever its name.
    Use,
    /// The JavaScript glue that belongs to the module.
    Glue,
}

/// What stands for an import, for a host that is to do the same (see [`Plan::initial_data`]).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Behaviour {
    /// A function that traps.
    Traps,
    /// A function that ends the program with its argument as exit code (see [`Plan::exit_code`]).
    Exits,
    /// A function that answers this number.
    Answers(i64),
    /// A function that does what this one of the runtime does.
    Computes(RuntimeFunction),
    /// A function of C's heap, of which one is put inside.
    Allocates(HeapFunction),
    /// A function that needs the module's own functions or table, or is a single instruction.
    Other,
    /// A global with this value.
    I32(u32),
    /// A global with this value.
    F64(f64),
    /// A memory of at least so many pages of 64 KiB.
    Memory(u64),
    /// A table of at least so many entries.
    Table(u64),
    /// The import stays, and is a function.
    StaysFunction,
    /// The import stays, and is something else.
    Stays,
}

/// One import.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    /// Module it is imported from.
    pub module: String,
    /// Its name.
    pub name: String,
    /// Its type, like `func i32 -> i32`.
    #[serde(rename = "type")]
    pub ty: String,
    /// The name it has in its family, where the module's own is minified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_as: Option<String>,
    /// What it is for.
    pub purpose: Purpose,
    /// The module asks for memory through it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub grows: bool,
    /// What it is given to show is dropped, because that was asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drops_output: bool,
    /// What becomes of it.
    #[serde(flatten)]
    pub decision: Decision,
    /// The same for a machine.
    #[serde(skip)]
    pub behaviour: Behaviour,
}

impl Item {
    /// Its name, with what it is known to be, for people.
    #[must_use]
    pub fn told(&self) -> String {
        match &self.known_as {
            Some(known) => format!("{}.{} = {known}", self.module, self.name),
            None => format!("{}.{}", self.module, self.name),
        }
    }

    /// Whether a user may mean it by this name: `name`, `module.name`, or what a minified name is known to be.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        let plain = |known: &str| known.trim_start_matches('_') == name.trim_start_matches('_');
        let of_module = || name.strip_prefix(self.module.as_str()).and_then(|rest| rest.strip_prefix('.'));
        self.name == name || of_module() == Some(&self.name) || self.known_as.as_deref().is_some_and(plain)
    }
}

/// Whether a function is one of those that every use of a file begins with: C's, WASI's, system calls by name, and by
/// i386's numbers as fastcomp has them.
fn opens_files(module: &str, name: &str) -> bool {
    let plain = name.trim_start_matches('_');
    let of_c = ["fopen", "freopen", "open", "openat", "creat", "opendir"].contains(&plain);
    match module {
        "wali" => matches!(plain, "SYS_open" | "SYS_openat"),
        "wasi_snapshot_preview1" | "wasi_unstable" => plain == "path_open",
        "env" | "a" => {
            of_c || plain == "path_open"
                || matches!(plain, "syscall_openat" | "syscall_open" | "sys_open" | "syscall5" | "syscall295")
                    && name.starts_with("__")
        }
        _ => false,
    }
}

/// A change that no import asks for: the break, constructors, growth, sections left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it concerns.
    pub subject: String,
    /// What is done.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What will be done to a module. Made by [`plan`](crate::plan()), carried out by
/// [`apply`](crate::apply).
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Every import, in the order of the module.
    pub imports: Vec<Item>,
    /// Everything else that changes.
    pub changes: Vec<Change>,
    /// Things to know that change nothing.
    pub notes: Vec<String>,
    #[serde(skip)]
    pub(crate) lower: Vec<Proposal>,
    #[serde(skip)]
    pub(crate) page_bytes: u64,
    #[serde(skip)]
    pub(crate) edits: Edits,
}

impl Plan {
    /// Imports that stay.
    pub fn remaining(&self) -> impl Iterator<Item = &Item> {
        self.imports.iter().filter(|item| matches!(item.decision, Decision::Stays { .. }))
    }

    /// Functions that trap when they are called, because that was asked for.
    pub fn trapping(&self) -> impl Iterator<Item = &Item> {
        self.imports.iter().filter(|item| matches!(item.decision, Decision::Traps { .. }))
    }

    /// Imports that open files and are inside: there, no file is ever found.
    pub fn file_openers(&self) -> impl Iterator<Item = &Item> {
        self.imports.iter().filter(|item| {
            let is_inside = matches!(item.decision, Decision::Inside { .. } | Decision::Traps { .. });
            is_inside && opens_files(&item.module, item.known_as.as_deref().unwrap_or(&item.name))
        })
    }

    /// The output will import nothing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.remaining().next().is_none()
    }

    /// What the output's memory holds beyond the module's own data when it starts: address and
    /// bytes. A host that emulates the original contract writes the same.
    pub fn initial_data(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.edits.data.iter().map(|(at, bytes)| (*at, bytes.as_slice()))
    }

    /// Addresses and lengths in the first memory that stand-ins keep what they need at: the break.
    pub fn reserved(&self) -> impl Iterator<Item = (u32, u32)> {
        const BREAK_BYTES: u32 = 4;
        [(self.edits.layout.break_cell, BREAK_BYTES)].into_iter().filter(|(at, _)| *at != 0)
    }

    /// Functions, by original index, that the output calls when it is instantiated.
    pub fn called_at_start(&self) -> impl Iterator<Item = u32> {
        self.edits.constructors.iter().copied()
    }

    /// Bytes of a page of the first memory: 65536 unless its type says otherwise.
    #[must_use]
    pub fn page_bytes(&self) -> u64 {
        self.page_bytes
    }

    /// The maximum in pages that the output's first memory has, where the plan sets that memory's limits and
    /// it has one. A host that emulates the original contract allows as much.
    #[must_use]
    pub fn maximum_pages(&self) -> Option<u64> {
        let own = || self.edits.own_memories.get(&0);
        self.edits.memories.get(&0).or_else(own).and_then(|ty| ty.maximum)
    }

    /// The exported global that holds the exit code once the program has ended, and -1 before.
    #[must_use]
    pub fn exit_code(&self) -> Option<&str> {
        self.edits.exit.as_ref().map(|exit| exit.name.as_str())
    }

    /// Exports that the output has not any more.
    pub fn dropped_exports(&self) -> impl Iterator<Item = &str> {
        self.edits.drop_exports.iter().map(String::as_str)
    }

    /// The module moves a break without growing memory, which was left to its host, and the output grows memory
    /// behind it.
    #[must_use]
    pub fn grows_behind_a_break(&self) -> bool {
        !self.edits.watched_breaks.is_empty()
    }

    /// There is nothing to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.lower.is_empty()
    }
}
