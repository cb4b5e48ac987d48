//! The JavaScript that belongs to a module of Emscripten's, which says what its minified names stand for.
//!
//! ```js
//! var wasmImports = {a: __emscripten_memcpy_js, b: _fd_write, c: () => 52};
//! WebAssembly.instantiate(bytes, {a: wasmImports});
//! ```
//!
//! The glue passes an object whose keys are the module's imports; its values are the functions, called by their names in
//! Emscripten's library with an underscore before them (fastcomp's imports have that underscore themselves). What is read of
//! the language is in `token.rs` and `object.rs`: object literals, and functions of one statement. The object is the one
//! that has all of the module's function imports for keys, and that is assigned to the name that Emscripten gives it
//! (`wasmImports`, `asmLibraryArg`) or passed under the imports' module name. Where two differ, or a name has never had the
//! type that the module imports it with, the glue belongs to another module, and nothing of it counts.
//!
//! Where a minifier went over the glue as well, a value is a letter; then what counts is the body of the function of that
//! name, if it proves what it does (`body.rs`).

mod body;
mod object;
mod token;

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::Facts;
use memgrove_module::facts::{ExternKind, Import};
use memgrove_module::recognise::{ENLARGE_MEMORY, is_minified_import, is_minified_name};
use thiserror::Error;

pub(crate) use self::body::Body;
use self::object::{Member, Value, members};
use self::token::Script;

/// Why glue says nothing about a module.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GlueError {
    /// The text is not JavaScript, or more of it than is understood.
    #[error(
        "a string, comment or bracket does not end, or more of JavaScript would have to be understood (at offset {offset:#x})"
    )]
    NotJavaScript {
        /// Where.
        offset: usize,
    },
    /// The module's names are its own.
    #[error("the module imports nothing under a minified name, so there is nothing for it to say")]
    NothingMinified,
    /// No object has all imports for its keys.
    #[error("no object in it has all {wanted} function imports of module `{module}` for its keys")]
    NoObject {
        /// The imports' module.
        module: String,
        /// How many keys were looked for.
        wanted: usize,
    },
    /// Objects differ.
    #[error(
        "it passes several objects to modules that import `{module}.{name}`, and they differ in what that is"
    )]
    SeveralObjects {
        /// The import's module.
        module: String,
        /// Its name.
        name: String,
    },
    /// It belongs to another module.
    #[error(
        "it belongs to another module: `{module}.{name}` is `{known_as}` by it, which never had this type"
    )]
    OtherTypes {
        /// The import's module.
        module: String,
        /// Its name.
        name: String,
        /// What the glue calls it.
        known_as: String,
    },
    /// It belongs to another module.
    #[error("it belongs to another module: it takes the memory from the export `{name}`, which is none")]
    OtherExports {
        /// The export.
        name: String,
    },
}

/// What glue says of a module's imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glue {
    told: BTreeMap<(String, String), Told>,
}

/// What glue says of one import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// Its name in Emscripten's library, as the module would import it; `None` where the glue has another name.
    pub name: Option<String>,
    /// What the glue writes: a name, or nothing where it writes the function itself.
    pub word: String,
    /// What the function's body proves.
    pub body: Option<Body>,
}

/// The module that WASI's functions are imported from; where only names are minified, they are in it under letters.
const WASI: &str = "wasi_snapshot_preview1";
/// Names that Emscripten gives to the object.
const OBJECTS: [&str; 3] = ["wasmImports", "asmLibraryArg", "asmLibraryImports"];
/// Functions of the glue's own that are imported without an underscore before their names.
const BARE: [&str; 11] = [
    "abort",
    "abortOnCannotGrowMemory",
    "abortStackOverflow",
    "alignfault",
    ENLARGE_MEMORY,
    "ftfault",
    "getTempRet0",
    "getTotalMemory",
    "segfault",
    "setTempRet0",
    "setThrew",
];
const BARE_FAMILIES: [&str; 2] = ["invoke_", "nullFunc_"];
/// Addresses that only fastcomp's modules import.
const OF_FASTCOMP: [&str; 5] = ["ABORT", "DYNAMICTOP_PTR", "STACKTOP", "STACK_MAX", "tempDoublePtr"];
/// A longer name is nobody's but its own; one of so many letters may be a minifier's.
const LONGEST_MINIFIED: usize = 3;

impl Glue {
    /// Reads what JavaScript says of a module's imports. Linear in the text and in the imports.
    ///
    /// # Errors
    /// [`GlueError`], if it says nothing or contradicts itself. Whether the types fit, [`plan`](crate::plan()) says.
    pub fn read(text: &str, facts: &Facts<'_>) -> Result<Self, GlueError> {
        let is_minified = |import: &&Import<'_>| {
            is_minified_import(import) || import.module == WASI && is_minified_name(import.name)
        };
        let module = facts.imports.iter().find(is_minified).map(|import| import.module);
        let module = module.ok_or(GlueError::NothingMinified)?;
        let wanted: BTreeSet<&str> = facts
            .imports
            .iter()
            .filter(|import| is_of(import, module) && import.ty.kind() == ExternKind::Func)
            .map(|import| import.name)
            .collect();
        let script = Script::read(text)?;
        let found = Candidates::find(&script, module, &wanted);
        check_memory(&script, facts)?;
        let objects = found.passed(&script, module);
        let mut objects = objects.into_iter();
        let first = objects
            .next()
            .ok_or_else(|| GlueError::NoObject { module: module.to_owned(), wanted: wanted.len() })?;
        let glue = Self::of(&script, first, module, facts);
        for other in objects {
            let other = Self::of(&script, other, module, facts);
            let differs = glue.told.iter().find(|(import, told)| other.told.get(*import) != Some(*told));
            if let Some(((module, name), _)) = differs {
                return Err(GlueError::SeveralObjects { module: module.clone(), name: name.clone() });
            }
        }
        Ok(glue)
    }

    /// What one object says of the imports.
    fn of(script: &Script<'_>, object: &Object<'_>, module: &str, facts: &Facts<'_>) -> Self {
        let words = || object.members.iter().filter_map(Member::word);
        let is_fastcomp = words().any(|word| OF_FASTCOMP.contains(&word));
        // Where most names are as short, a minifier went over the glue, and a short one proves nothing.
        let short = words().filter(|word| word.len() <= LONGEST_MINIFIED + 1).count();
        let is_minified = 2 * short > words().count();
        let definitions = Definitions::find(script, object);
        let values: BTreeMap<&str, &Value<'_>> =
            object.members.iter().map(|member| (member.key, &member.value)).collect();
        let told = facts.imports.iter().filter(|import| is_of(import, module)).filter_map(|import| {
            let told = match values.get(import.name)? {
                Value::Word(word) => Told {
                    name: library_name(word, is_fastcomp)
                        .filter(|name| !is_minified || name.trim_start_matches('_').len() > LONGEST_MINIFIED)
                        .map(str::to_owned),
                    word: (*word).to_owned(),
                    body: definitions.of(word).and_then(|at| body::prove(script, at)),
                },
                Value::Code(code) => {
                    Told { name: None, word: String::new(), body: body::prove(script, code.start) }
                }
            };
            Some(((import.module.to_owned(), import.name.to_owned()), told))
        });
        Self { told: told.collect() }
    }

    /// What it says of an import.
    pub(crate) fn told(&self, module: &str, name: &str) -> Option<&Told> {
        // A pair of borrowed names cannot be looked up in a map of owned ones.
        self.told.get(&(module.to_owned(), name.to_owned()))
    }

    /// All that it says, for the mark of a fixed module.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&(String, String), &Told)> {
        self.told.iter()
    }
}

/// The glue passes one object under two names, where the module imports from both.
fn is_of(import: &Import<'_>, module: &str) -> bool {
    import.module == module || import.module == WASI
}

/// The name under which the module would import what the glue calls `word`.
fn library_name(word: &str, is_fastcomp: bool) -> Option<&str> {
    let is_bare = BARE.contains(&word) || BARE_FAMILIES.iter().any(|family| word.starts_with(family));
    let is_address = is_fastcomp && (OF_FASTCOMP.contains(&word) || word.ends_with("_base"));
    match word.strip_prefix('_') {
        _ if is_bare || is_address => Some(word),
        Some(_) if is_fastcomp => Some(word),
        Some(name) if !name.is_empty() => Some(name),
        _ => None,
    }
}

/// An object that has all imports for its keys.
struct Object<'a> {
    /// Its opening brace.
    open: usize,
    /// What it is assigned to, or the key that it is the value of.
    names: Vec<&'a str>,
    members: Vec<Member<'a>>,
}

impl<'a> Member<'a> {
    fn word(&self) -> Option<&'a str> {
        match self.value {
            Value::Word(word) => Some(word),
            Value::Code(_) => None,
        }
    }
}

/// Objects that may be the one, and names that are passed under the imports' module.
struct Candidates<'a> {
    objects: Vec<Object<'a>>,
    passed: BTreeSet<&'a str>,
}

/// Objects that have all keys; more are not the glue of one module. Emscripten writes one; a bundle may repeat
/// it for each platform.
const MOST_OBJECTS: usize = 8;

impl<'a> Candidates<'a> {
    fn find(script: &Script<'a>, module: &str, wanted: &BTreeSet<&str>) -> Self {
        let mut found = Self { objects: Vec::new(), passed: BTreeSet::new() };
        for open in (0..script.tokens.len()).filter(|&at| script.is(at, b'{')) {
            let Some(members) = members(script, open) else { continue };
            found
                .passed
                .extend(members.iter().filter(|member| member.key == module).filter_map(Member::word));
            let keys: BTreeSet<&str> = members.iter().map(|member| member.key).collect();
            if members.len() == keys.len() && wanted.is_subset(&keys) && found.objects.len() < MOST_OBJECTS {
                found.objects.push(Object { open, names: assigned_to(script, open), members });
            }
        }
        found
    }

    /// Those that are passed to a module that imports from `module`.
    fn passed(&self, script: &Script<'a>, module: &str) -> Vec<&Object<'a>> {
        let is_passed = |object: &&Object<'a>| {
            let is_named =
                object.names.iter().any(|name| OBJECTS.contains(name) || self.passed.contains(name));
            // `{a: {…}}`
            let before = object.open.checked_sub(2);
            let is_member = before.is_some_and(|key| {
                script.is(key + 1, b':')
                    && (script.word(key) == Some(module) || script.string(key) == Some(module))
            });
            is_named || is_member
        };
        self.objects.iter().filter(is_passed).collect()
    }
}

/// The names that the value at `at` is assigned to: `b` and `c` of `a.b = c = {…}`.
fn assigned_to<'a>(script: &Script<'a>, at: usize) -> Vec<&'a str> {
    let mut names = Vec::new();
    let mut at = at;
    while let Some(before) = at.checked_sub(2).filter(|_| script.is(at - 1, b'=')) {
        let (name, begin) = if script.is(before, b']') {
            (before.checked_sub(1).and_then(|name| script.string(name)), before.saturating_sub(3))
        } else {
            (script.word(before), before)
        };
        let Some(name) = name else { break };
        names.push(name);
        // Over what it is a member of.
        at = begin;
        while at >= 2 && script.is(at - 1, b'.') && script.word(at - 2).is_some() {
            at -= 2;
        }
    }
    names
}

/// Where the functions are written whose names an object has for values.
struct Definitions<'a>(BTreeMap<&'a str, Option<usize>>);

impl<'a> Definitions<'a> {
    /// Looks for declarations in the blocks around the object: others cannot be seen from there. Linear.
    fn find(script: &Script<'a>, object: &Object<'a>) -> Self {
        let words: BTreeSet<&str> = object.members.iter().filter_map(Member::word).collect();
        let mut around = Vec::new();
        for at in 0..object.open {
            if script.is(at, b'{') && script.tokens[at].partner as usize > object.open {
                around.push(at);
            }
        }
        // Innermost block first, then those around it, then the whole text.
        let mut found: BTreeMap<&str, Option<usize>> = BTreeMap::new();
        let mut assigned: BTreeMap<&str, usize> = BTreeMap::new();
        for at in 0..script.tokens.len() {
            let Some(word) = script.word(at).filter(|word| words.contains(word)) else { continue };
            let is_member = at > 0 && script.is(at - 1, b'.');
            if !is_member && script.is(at + 1, b'=') && !script.is(at + 2, b'=') && !script.is(at + 2, b'>') {
                *assigned.entry(word).or_default() += 1;
            }
        }
        let blocks = around.iter().rev().map(|&open| open + 1..script.tokens[open].partner as usize);
        for block in blocks.chain(std::iter::once(0..script.tokens.len())) {
            let mut here: BTreeMap<&str, Option<usize>> = BTreeMap::new();
            let mut at = block.start;
            while at < block.end {
                if let Some(word) = script.word(at).filter(|word| words.contains(word)) {
                    let before = at.checked_sub(1);
                    let is_declared = before.and_then(|at| script.word(at)) == Some("function")
                        && before.and_then(|at| at.checked_sub(1)).and_then(|at| script.word(at))
                            != Some("async");
                    let is_assigned = script.is(at + 1, b'=')
                        && !script.is(at + 2, b'=')
                        && !before.is_some_and(|before| script.is(before, b'.'));
                    let definition = match (is_declared, is_assigned) {
                        (true, _) => Some(Some(at - 1)),
                        // Assigned once and for all.
                        (_, true) => Some(Some(at + 2).filter(|_| assigned.get(word) == Some(&1))),
                        _ => None,
                    };
                    if let Some(definition) = definition {
                        here.entry(word).and_modify(|seen| *seen = None).or_insert(definition);
                    }
                }
                at = script.behind(at);
            }
            for (word, definition) in here {
                found.entry(word).or_insert(definition);
            }
        }
        Self(found)
    }

    /// Where the function of this name is written, if in one place.
    fn of(&self, word: &str) -> Option<usize> {
        self.0.get(word).copied().flatten()
    }
}

/// The export that the glue takes for the memory is one: `wasmMemory = wasmExports["c"]`.
fn check_memory(script: &Script<'_>, facts: &Facts<'_>) -> Result<(), GlueError> {
    for at in 0..script.tokens.len() {
        if script.word(at) != Some("wasmMemory")
            || !script.is(at + 1, b'=')
            || script.word(at + 2) == Some("new")
        {
            continue;
        }
        // The last member of `wasmExports.c`, `Module["asm"]["c"]`.
        let mut end = at + 3;
        let mut member = None;
        if script.word(at + 2).is_none() {
            continue;
        }
        loop {
            if script.is(end, b'.') {
                member = script.word(end + 1);
                end += 2;
            } else if script.is(end, b'[') && script.is(end + 2, b']') {
                member = script.string(end + 1);
                end += 3;
            } else {
                break;
            }
        }
        let from_module =
            matches!(script.word(at + 2), Some("wasmExports")) || script.string(at + 4) == Some("asm");
        if let Some(name) = member.filter(|_| from_module)
            && facts.export(name).is_none_or(|export| export.kind != ExternKind::Memory)
        {
            return Err(GlueError::OtherExports { name: name.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
