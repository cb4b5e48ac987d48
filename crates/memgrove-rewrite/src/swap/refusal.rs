//! Why a module keeps its allocator.

use std::fmt;

use memgrove_module::Facts;
use memgrove_module::facts::{ExternKind, PAGE_SIZE_LOG2, ValType};
use thiserror::Error;

use super::Options;
use super::role::{Member, Role, has_wide_addresses, is_replaceable};

/// How a function knows the allocator from inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It reads or writes what the allocator keeps at this address.
    State {
        /// The address, in bytes.
        address: u32,
    },
    /// It reads or writes before a block, where the allocator's header is.
    Header,
    /// It is told where the heap is, and looks there.
    Heap,
    /// What it does is not understood.
    NotUnderstood,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State { address } => write!(f, "uses the allocator's state at {address:#x}"),
            Self::Header => f.write_str("looks at the header before a block"),
            Self::Heap => f.write_str("looks at what the allocator keeps"),
            Self::NotUnderstood => f.write_str("holds code that is not understood"),
        }
    }
}

/// Why a module keeps its allocator.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is not known which functions allocate and free.
    #[error("found no pair of functions that allocate and free")]
    NoPair,
    /// A role was given to what is no function that the module defines.
    #[error("the module defines no function {func}")]
    NoFunction {
        /// Its index.
        func: u32,
    },
    /// A function cannot have the role that was given to it.
    #[error("function {func} cannot be {role}: its type is {ty}")]
    Role {
        /// Its index.
        func: u32,
        /// The role.
        role: Role,
        /// Its type.
        ty: String,
    },
    /// A function has a role for which there is no adaptor.
    #[error("function {func} is {role}, which is not replaced but calls what is")]
    NoAdaptor {
        /// Its index.
        func: u32,
        /// The role.
        role: Role,
    },
    /// A collector knows where its objects' headers are.
    #[error(
        "its heap is collected ({language}): the collector, and inlined code, know the headers of its objects"
    )]
    Collected {
        /// Whose.
        language: &'static str,
    },
    /// A side module's heap is that of the program that loads it.
    #[error(
        "it is a side module, linked dynamically (it imports `__memory_base` or from `GOT`): its heap is that of the program that loads it"
    )]
    SideModule,
    /// A main module's addresses are known when it is loaded.
    #[error(
        "it is linked dynamically, as a program that loads side modules (it imports `__memory_base` or from `GOT`): where its \
         allocator's variables are is decided when it is loaded, so the file does not tell which code uses them"
    )]
    MainModule,
    /// Addresses have 64 bits.
    #[error("its memory has 64-bit addresses, and there is no heap for them")]
    Memory64,
    /// Pages have another length.
    #[error("its memory's pages are not of 64 KiB")]
    PageSize,
    /// Threads share the memory, and there is no place by which each of them finds the new heap.
    #[error(
        "its memory is shared between threads, which would find the new heap by a word of the old allocator's: none is known \
         that holds 0 when the module starts and that nothing else writes"
    )]
    NoWord,
    /// There is no memory.
    #[error("it has no memory")]
    NoMemory,
    /// It was done already.
    #[error("its allocator has been swapped already, by memgrove {version}; swap the original")]
    Already {
        /// The version that did it.
        version: String,
    },
    /// A function that is not replaced knows the allocator from inside.
    #[error("function {func}{} would stay, and {why}{}", named(name.as_deref()), and_others(*others))]
    KnownFromInside {
        /// Its index.
        func: u32,
        /// Its name, if it has one, and else the first that it is exported by; cut if it is long.
        name: Option<String>,
        /// How it shows.
        why: Why,
        /// Functions like it.
        others: u32,
    },
    /// There are more and more functions that know it.
    #[error("too many functions know the allocator from inside")]
    NotClosed,
    /// It holds blocks from before.
    #[error(
        "the allocator's state at {address:#x} is not as a linker leaves it (it holds {value:#x}): the file is a snapshot \
         with live blocks"
    )]
    Snapshot {
        /// The address, in bytes.
        address: u32,
        /// What is there.
        value: u32,
    },
    /// How the module comes by memory is not known.
    #[error("how the allocator comes by memory is not known")]
    Growth,
}

impl Refusal {
    /// What to try.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoPair => {
                "`memgrove inspect -v` lists the allocator's functions that are known; a file with its names, not stripped, \
                 shows more of them"
            }
            Self::SideModule => "swap the allocator of the program that loads it",
            Self::MainModule => "link it statically, if it loads no side modules",
            Self::KnownFromInside { .. } | Self::NotClosed => {
                "where you build the module: without link-time optimization the allocator's code stays in its own functions; \
                 `memgrove trace` and `memgrove check` need less than `swap`"
            }
            Self::Snapshot { .. } => "swap the module from which the snapshot was made, then make it again",
            Self::Already { .. } => "the original is needed, as the old allocator's code is gone",
            Self::NoWord => "build it without threads, or with another allocator",
            _ => return None,
        })
    }

    /// With the name of the function that is meant.
    pub(super) fn with_names(mut self, facts: &Facts<'_>) -> Self {
        const MOST_LETTERS: usize = 80;
        if let Self::KnownFromInside { func, name, .. } = &mut self {
            let exported = || facts.exports_of(ExternKind::Func, *func).next().map(|export| export.name);
            *name = facts.func_name(*func).or_else(exported).map(|name| {
                match name.char_indices().nth(MOST_LETTERS) {
                    Some((end, _)) => format!("{}…", &name[..end]),
                    None => name.to_owned(),
                }
            });
        }
        self
    }
}

fn named(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" (`{name}`)"))
}

fn and_others(others: u32) -> String {
    match others {
        0 => String::new(),
        1 => ", and so does 1 other".to_owned(),
        others => format!(", and so do {others} others"),
    }
}

/// What speaks against these members: one is no function of the module's, or cannot be what it is said to be.
pub(super) fn of_members(facts: &Facts<'_>, members: &[Member]) -> Result<(), Refusal> {
    let address = if has_wide_addresses(facts) { ValType::I64 } else { ValType::I32 };
    for member in members {
        let ty = facts.func_type(member.func).filter(|_| facts.function(member.func).is_some());
        let ty = ty.ok_or(Refusal::NoFunction { func: member.func })?;
        if !member.fits(ty, address) {
            return Err(Refusal::Role { func: member.func, role: member.role, ty: ty.to_string() });
        }
        if !is_replaceable(member.role) {
            return Err(Refusal::NoAdaptor { func: member.func, role: member.role });
        }
    }
    Ok(())
}

/// What speaks against any heap in this module.
pub(super) fn of_module(facts: &Facts<'_>, options: &Options) -> Result<(), Refusal> {
    if facts.custom.dylink.is_some() || facts.imports.iter().any(|import| import.module.starts_with("GOT.")) {
        let has_heap = ["malloc", "_malloc"]
            .iter()
            .any(|name| facts.exported_func(name).is_some_and(|func| facts.function(func).is_some()));
        return Err(if has_heap { Refusal::MainModule } else { Refusal::SideModule });
    }
    let Some(memory) = facts.memories.first().map(|memory| memory.ty) else { return Err(Refusal::NoMemory) };
    if memory.memory64 {
        return Err(Refusal::Memory64);
    }
    if memory.page_size_log2 != PAGE_SIZE_LOG2 {
        return Err(Refusal::PageSize);
    }
    let has = |role: fn(Role) -> bool| options.members.iter().any(|member| role(member.role));
    if has(Role::is_new_block) && has(Role::frees) { Ok(()) } else { Err(Refusal::NoPair) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused() {
        let text = r#"(module (import "env" "f" (func)) (func (param i32) (result i32) local.get 0) (func (param i32 i32)))"#;
        let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
        let facts = memgrove_module::facts(&wasm).expect("it is valid");
        let refused = |func, role, has_heap| {
            of_members(&facts, &[Member { func, role, has_heap, is_certain: true }]).err()
        };
        assert_eq!(refused(1, Role::Malloc, false), None);
        assert_eq!(refused(2, Role::Free, true), None, "a method");
        assert!(matches!(refused(1, Role::Free, false), Some(Refusal::Role { .. })), "it returns something");
        assert!(
            matches!(refused(0, Role::Malloc, false), Some(Refusal::NoFunction { func: 0 })),
            "an import"
        );
        assert!(matches!(refused(3, Role::Malloc, false), Some(Refusal::NoFunction { func: 3 })));
        let without = Refusal::NoAdaptor { func: 2, role: Role::SizedFree };
        assert_eq!(refused(2, Role::SizedFree, false), Some(without));
    }
}
