//! Imported functions get bodies.
//!
//! ```wat
//! ;; before
//! (import "env" "emscripten_resize_heap" (func $grow (param i32) (result i32)))
//! (import "env" "abort" (func $abort))
//! ;; after: at the same indices, so that no call changes
//! (func $grow (param $bytes i32) (result i32)
//!   (local $missing i32)
//!   ;; … pages that are missing …
//!   (i32.ne (memory.grow (local.get $missing)) (i32.const -1)))
//! (func $abort unreachable)
//! ```
//!
//! A name is looked up in the families' contracts, together with its module and type; where it says
//! nothing (minified), the code around its uses decides. A function that nothing inside the module
//! can stand for stays, with what it is for.

use std::borrow::Cow;

use wasmparser::TypeRef;

use memgrove_module::facts::Import;
use memgrove_module::recognise::{self, Purpose};

use super::{Pass, allocator, glue as by_glue, minified};
use crate::contract::{self, Answer};
use crate::edits::StandIn;
use crate::plan::{DecidedBy, Decision, Discard};
use crate::runtime::RuntimeFunction;
use crate::structure;

/// Decides about every imported function.
pub(super) fn run(pass: &mut Pass<'_, '_>) {
    let module = pass.module;
    let can_catch = structure::can_catch(module, pass.options.glue.as_ref())
        || minified::may_catch(module, pass.options.glue.as_ref());
    let mut glue = Vec::new();
    for (at, entry) in module.imports.iter().enumerate() {
        let (TypeRef::Func(_) | TypeRef::FuncExact(_)) = entry.import.ty else { continue };
        let (from, name) = (entry.import.module, entry.import.name);
        if pass.is_provided(&entry.import) {
            pass.stays(at, "the host that this is for provides it");
            continue;
        }
        if allocator::is_member(from, name) {
            continue;
        }
        if contract::is_glue_module(module, from) {
            glue.push(at);
            continue;
        }
        let told = pass.options.glue.as_ref().and_then(|all| by_glue::told(all, entry));
        if let Some(name) = told.and_then(|told| told.name.as_ref()) {
            pass.items[at].known_as = Some(name.clone());
            let from = if contract::is_wasi_name(name) { "wasi_snapshot_preview1" } else { "env" };
            let position =
                module.facts.imported_funcs.get(entry.index as usize).map(|func| func.import as usize);
            let import = position.and_then(|at| module.facts.imports.get(at));
            let named = import.map(|import| Import { module: from, name, ..*import });
            if let Some(known) = named.and_then(|import| recognise::by_name(module.facts, &import)) {
                pass.items[at].purpose = known.purpose;
                pass.items[at].grows = known.grows;
            }
        }
        let answer = match module.code.imports().role(entry.index) {
            _ if told.is_some_and(by_glue::is_certain) => {
                let answer = told.and_then(|told| by_glue::answer(module, told, entry.index));
                answer.map(|answer| (answer, DecidedBy::Glue))
            }
            Some(role) => {
                pass.items[at].known_as = role.name().map(str::to_owned);
                let answer = minified::answer(module, role, entry.index);
                answer.map(|answer| (answer, DecidedBy::Use))
            }
            None => contract::lookup(module, from, name, entry.index).map(|answer| (answer, DecidedBy::Name)),
        };
        let answer = answer.or_else(|| {
            let answer = if can_catch { None } else { no_return(pass, at, entry.index) };
            Some((answer?, DecidedBy::Use))
        });
        let raises = pass.options.discard == Discard::Raise && name == contract::DISCARD;
        let answer = answer.map(|(answer, by)| {
            let raised = raises.then(|| contract::raised_discard(module)).flatten();
            (raised.unwrap_or(answer), by)
        });
        decide(pass, at, entry.index, answer);
        if let (Some(told), Decision::Stays { why }) = (told, &mut pass.items[at].decision)
            && [super::ONLY_ITS_HOST_KNOWS, minified::why_unknown(module, entry.index).unwrap_or_default()]
                .contains(&why.as_str())
        {
            *why = by_glue::why_it_stays(told);
        }
    }
    decide_glue(pass, &glue);
    drop_descriptions(pass);
}

/// What wasm-bindgen's tool would have run and taken out goes, where its imports go.
fn drop_descriptions(pass: &mut Pass<'_, '_>) {
    let module = pass.module;
    let is_gone = module.imports.iter().zip(&pass.items).any(|(entry, item)| {
        contract::is_glue_module(module, entry.import.module)
            && matches!(entry.import.ty, TypeRef::Func(_))
            && module.sections.func_type(entry.index).is_some_and(|ty| {
                contract::is_for_the_tool(entry.import.name, &structure::signature_text(ty))
            })
            && matches!(item.decision, Decision::Inside { .. })
    });
    let descriptions = module.exports.iter().filter(|export| contract::is_description(export.name));
    let dropped: Vec<String> =
        descriptions.filter(|_| is_gone).map(|export| export.name.to_owned()).collect();
    if !dropped.is_empty() {
        pass.change(
            "exports",
            match dropped.len() {
                1 => format!("`{}` is left out", dropped[0]),
                count => format!("{count} exports like `{}` are left out", dropped[0]),
            },
            "the module never went through wasm-bindgen, whose tool alone calls them",
        );
        pass.edits.drop_exports = dropped;
    }
}

/// Whatever it is, its callers put `unreachable` behind every call: it ends what is under way, and
/// where nothing can catch that, a trap does the same.
fn no_return(pass: &Pass<'_, '_>, at: usize, import: u32) -> Option<Answer> {
    // What only a host has may do more than end what is under way.
    let needs_host = contract::why_it_stays(pass.items[at].purpose, pass.items[at].module.as_str()).is_some();
    (!needs_host && pass.module.code.never_returns(import)).then_some(Answer {
        stand_in: StandIn::Trap,
        stub: None,
        why: "every call of it is followed by `unreachable`, so it never returns, and nothing in the module can catch what it throws; a trap ends the program as it would",
    })
}

fn decide(pass: &mut Pass<'_, '_>, at: usize, import: u32, answer: Option<(Answer, DecidedBy)>) {
    let imported = pass.module.imports[at].import;
    let Some((answer, decided_by)) = answer else {
        let purpose = pass.items[at].purpose;
        let mistyped = contract::why_not(pass.module, imported.module, imported.name);
        let by_purpose = contract::why_it_stays(purpose, imported.module);
        // Of a function that has a stand-in with another type, the type is the reason.
        let by_purpose = match purpose {
            Purpose::Wasi | Purpose::WasiUnstable => mistyped.or(by_purpose),
            _ => by_purpose,
        };
        let mut why: Cow<'_, str> = by_purpose.unwrap_or(super::ONLY_ITS_HOST_KNOWS).into();
        if by_purpose.is_none() {
            let known = pass.module.code.imports().at(at).entry;
            if let Some(reason) = minified::why_unknown(pass.module, import).or(mistyped) {
                why = reason.into();
            } else if let Some(known) = known.filter(|known| known.purpose != Purpose::Unknown) {
                let what = known.meaning.unwrap_or_else(|| known.purpose.title());
                why = format!("it is known ({what}), but nothing stands for it yet").into();
            }
            if pass.module.sections.memories.first().is_some_and(|memory| memory.memory64) {
                why = "the memory's addresses have 64 bits, and stand-ins that use memory know 32".into();
            } else if counts_other_pages(pass, imported.name) {
                why = "its stand-in counts pages of 64 KiB, and the memory's are of another size".into();
            }
        }
        pass.stays(at, why);
        return;
    };
    if let Some(group) = answer.stub.filter(|group| !pass.options.stubs.allows(*group)) {
        let why =
            format!("only a stand-in that is poorer is possible, and --stub {} is not given", group.name());
        pass.stays(at, why);
        return;
    }
    pass.items[at].drops_output = answer.stub == Some(contract::Group::Log);
    let stand_in = contract::describe(&answer.stand_in);
    pass.inside(at, stand_in, answer.why, answer.stub.is_none(), decided_by);
    pass.edits.funcs.insert(import, answer.stand_in);
}

/// There is a stand-in of that name, but not for a memory with pages of this size.
fn counts_other_pages(pass: &Pass<'_, '_>, name: &str) -> bool {
    let memory = pass.module.sections.memories.first();
    let name = name.trim_start_matches('_');
    memory.is_some_and(|memory| super::page_bytes(memory) != super::PAGE)
        && RuntimeFunction::ALL.iter().any(|function| function.name() == name && !function.works_on(memory))
}

/// wasm-bindgen's functions pass handles among each other: if one needs JavaScript, a made-up
/// handle from another would reach it. So all are satisfied, or only those that never return.
fn decide_glue(pass: &mut Pass<'_, '_>, glue: &[usize]) {
    let module = pass.module;
    let answers: Vec<_> = glue
        .iter()
        .map(|&at| {
            let entry = &module.imports[at];
            contract::wasm_bindgen_lookup(module, entry.import.name, entry.index)
        })
        .collect();
    // What traps meets no handle of JavaScript's either.
    let traps = |at: usize| super::trap::asks_for(&pass.options.trap, &pass.items[at], false);
    let complete = glue.iter().zip(&answers).all(|(&at, answer)| answer.is_some() || traps(at));
    for (&at, answer) in glue.iter().zip(answers) {
        let import = module.imports[at].index;
        match answer {
            Some(answer) if complete || answer.stand_in == StandIn::Trap => {
                decide(pass, at, import, Some((answer, DecidedBy::Name)));
            }
            Some(_) => pass.stays(
                at,
                "other functions of the glue need real JavaScript objects, and they share handles with this one",
            ),
            None => decide(pass, at, import, None),
        }
    }
}

/// Some import is replaced by this function.
pub(super) fn uses(pass: &Pass<'_, '_>, function: RuntimeFunction) -> bool {
    pass.edits.funcs.values().any(|stand_in| *stand_in == StandIn::Runtime(function))
}

/// Some import stays.
pub(super) fn any_stays(pass: &Pass<'_, '_>) -> bool {
    pass.items.iter().any(|item| matches!(item.decision, Decision::Stays { .. }))
}
