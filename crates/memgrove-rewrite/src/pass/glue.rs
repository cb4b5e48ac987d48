//! What the glue beside the module says of its imports (see `glue/mod.rs`).
//!
//! ```wat
//! ;; before, with the glue {a: _fd_write, b: () => 52}
//! (import "a" "a" (func $a (param i32 i32 i32 i32) (result i32)))
//! (import "a" "b" (func $b (param i32 i32) (result i32)))
//! ;; after: $a is the stand-in of `fd_write`; $b does what its body says
//! (func $b (param i32 i32) (result i32) (i32.const 52))
//! ```
//!
//! A name counts with the types that it has had, as everywhere. If one has another type, the glue is not this module's.

use wasmparser::{TypeRef, ValType};

use crate::contract::{self, Answer, Does};
use crate::edit::ImportEntry;
use crate::error::Error;
use crate::glue::{Body, Glue, GlueError, Told};
use crate::module::Module;

/// The names in the glue fit the types in the module.
pub(super) fn check(module: &Module<'_>, glue: &Glue) -> Result<(), Error> {
    for entry in &module.imports {
        let (TypeRef::Func(_) | TypeRef::FuncExact(_)) = entry.import.ty else { continue };
        let name = told(glue, entry).and_then(|told| told.name.as_deref());
        if let Some(name) = name.filter(|name| contract::contradicts(module, name, entry.index)) {
            return Err(Error::Glue(GlueError::OtherTypes {
                module: entry.import.module.to_owned(),
                name: entry.import.name.to_owned(),
                known_as: name.to_owned(),
            }));
        }
    }
    Ok(())
}

/// What the glue says of an import.
pub(super) fn told<'g>(glue: &'g Glue, entry: &ImportEntry<'_>) -> Option<&'g Told> {
    glue.told(entry.import.module, entry.import.name)
}

/// What stands for an import of which the glue says this.
pub(super) fn answer(module: &Module<'_>, told: &Told, import: u32) -> Option<Answer> {
    let by_name = told.name.as_deref().and_then(|name| contract::lookup_told(module, name, import));
    by_name.or_else(|| match told.body? {
        Body::Copies => contract::lookup_told(module, "emscripten_memcpy_big", import),
        // What JavaScript returns becomes a number of the result's type, but for an i64, which takes no such number.
        Body::Returns(number) => {
            let results = module.sections.func_type(import)?.results();
            let is_number = matches!(results, [] | [ValType::I32 | ValType::F32 | ValType::F64]);
            let stand_in = contract::fit(module, Does::Return(number), import).filter(|_| is_number)?;
            let why = match results {
                [] => "its function in the glue does nothing",
                _ => "its function in the glue returns this number and does nothing else",
            };
            Some(Answer { stand_in, stub: None, why })
        }
    })
}

/// Why an import stays of which the glue says this.
pub(super) fn why_it_stays(told: &Told) -> String {
    match &told.name {
        Some(name) => format!("the glue calls it `{name}`, which has no stand-in"),
        None if told.word.is_empty() => {
            "glue not understood: it gives a function without a name, and what that does is more than can be told"
                .to_owned()
        }
        None => format!(
            "glue not understood: `{}` is no name of Emscripten's library, and its body tells too little",
            told.word
        ),
    }
}

/// Nothing that an import can be may call back and catch: what the glue says of it stands for certain.
pub(super) fn is_certain(told: &Told) -> bool {
    told.name.is_some() || told.body.is_some()
}
