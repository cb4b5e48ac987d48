//! Rewrites a WebAssembly module so that its memory management needs no host.
//!
//! A module's way: [`plan()`] reads it and says of each import what will stand for it, or why
//! it must stay; [`apply`] carries the plan out and validates the result; [`fix()`] does both.
//! Bytes in, values out: nothing here does I/O.
//!
//! ```
//! let wasm = wat::parse_str(r#"(module (import "env" "memory" (memory 1)))"#).unwrap();
//! let fixed = memgrove_rewrite::fix(&wasm, &memgrove_rewrite::Options::default()).unwrap();
//! assert!(fixed.plan.is_complete());
//! ```
#![forbid(unsafe_code)]

pub mod check;
mod contract;
pub mod edit;
mod edits;
mod encode;
mod error;
mod frames;
mod glue;
pub mod graft;
mod heap;
mod lower;
mod mark;
mod module;
mod pass;
mod plan;
mod runtime;
mod structure;
pub mod swap;
pub mod trace;
#[cfg(test)]
mod unproven;

pub use contract::{Form, forms};
pub use error::Error;
pub use glue::{Glue, GlueError};
pub use heap::{Allocator, HeapFunction};
pub use lower::LOWERABLE;
pub use plan::{
    Behaviour, Change, DecidedBy, Decision, Discard, Item, Options, Plan, StubGroup, Stubs, Traps,
};
pub use runtime::RuntimeFunction;

pub use memgrove_module::recognise::Purpose;
use memgrove_module::{Facts, facts};
use wasmparser::{Validator, WasmFeatures};

/// A module that has been fixed.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// The new module: validated.
    pub wasm: Vec<u8>,
    /// What was done.
    pub plan: Plan,
}

/// Says what can be done about a module's imports and its memory. Linear in its size.
///
/// # Errors
/// If `wasm` is not a valid core module, with the byte offset.
pub fn plan(wasm: &[u8], options: &Options) -> Result<Plan, Error> {
    pass::run(&module::Module::read(&read(wasm)?)?, options)
}

/// Plans and applies.
///
/// # Errors
/// Those of [`plan()`] and [`apply`].
pub fn fix(wasm: &[u8], options: &Options) -> Result<Fixed, Error> {
    fix_facts(&read(wasm)?, options)
}

/// The same for a module that has been read already.
///
/// # Errors
/// Those of [`fix()`].
pub fn fix_facts(facts: &Facts<'_>, options: &Options) -> Result<Fixed, Error> {
    if facts.component.is_some() {
        return Err(Error::Component);
    }
    let module = module::Module::read(facts)?;
    let plan = pass::run(&module, options)?;
    let wasm = write(&module, &plan)?;
    Ok(Fixed { wasm, plan })
}

/// Carries out a plan made for this module: its satisfied imports are replaced, the others stay.
///
/// A plan with nothing to change gives back the same bytes.
///
/// # Errors
/// If the module is not the plan's, or cannot be encoded. Bytes that do not validate are
/// never returned.
pub fn apply(wasm: &[u8], plan: &Plan) -> Result<Vec<u8>, Error> {
    write(&module::Module::read(&read(wasm)?)?, plan)
}

fn read(wasm: &[u8]) -> Result<Facts<'_>, Error> {
    if wasmparser::Parser::is_component(wasm) {
        return Err(Error::Component);
    }
    Ok(facts(wasm)?)
}

fn write(module: &module::Module<'_>, plan: &Plan) -> Result<Vec<u8>, Error> {
    if plan.is_empty() {
        return Ok(module.sections.bytes.to_vec());
    }
    let wasm = match plan.edits.is_empty() {
        true => module.sections.bytes.to_vec(),
        false => encode::encode(module, &plan.edits, runtime::donor()?)?,
    };
    lower::lower(wasm, &plan.lower)
}

fn validator() -> Validator {
    Validator::new_with_features(WasmFeatures::all())
}

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
