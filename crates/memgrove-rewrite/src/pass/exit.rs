//! A program that ends says with which code, and ends `_start` if that is what calls.
//!
//! ```wat
//! ;; before
//! (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
//! (func $_start (export "_start") … (call $exit (i32.const 0)) unreachable)
//! ;; after: a host reads the code; a call from anywhere else traps, as nothing behind it may run
//! (global $code (export "memgrove_exit_code") (mut i32) (i32.const -1))
//! (func $exit (param i32) (global.set $code (local.get 0)) unreachable)
//! (func $_start (export "_start")
//!   … (global.set $code (i32.const 0)) (if (global.get $code) (then unreachable)) return unreachable)
//! ```
//!
//! `_start` is called by its host alone, so that its return is the program's end; with another code than 0 it traps. What
//! only hands its argument on to the import (`__wasi_proc_exit`, `_Exit`) counts as the import. Where an engine of the first
//! version of WebAssembly is the target, an exported global that changes is more than it knows: such engines take none of
//! the modules that call `proc_exit` either.

use std::collections::BTreeSet;

use memgrove_module::facts::ExternKind;
use wasmparser::Operator;

use super::Pass;
use crate::edits::{Exit, StandIn};
use crate::module::Module;

/// The exported global: −1 until the program ends.
const NAME: &str = "memgrove_exit_code";
/// Functions in a row that hand a code on: `exit`, `_Exit` and `__wasi_proc_exit` are three.
const MOST_FORWARDERS: usize = 4;

/// Finds where a program ends.
pub(super) fn run(pass: &mut Pass<'_, '_>) {
    let ends = |stand_in: &StandIn| matches!(stand_in, StandIn::Exit);
    let imports: BTreeSet<u32> =
        pass.edits.funcs.iter().filter(|(_, stand_in)| ends(stand_in)).map(|(&import, _)| import).collect();
    if imports.is_empty() {
        return;
    }
    let exits = with_forwarders(pass.module, imports);
    let start = start(pass.module).filter(|&start| {
        let calls = |operator: &Operator<'_>| matches!(operator, Operator::Call { function_index } if exits.contains(function_index));
        pass.module.code.operators(start).iter().any(calls)
    });
    let name = pass.free_name(NAME);
    pass.change(
        "exit",
        format!("the exported global `{name}` holds the exit code; before, it is -1"),
        match start {
            Some(_) => "a call that ends the program traps, as nothing behind it may run; in `_start` itself it returns when the code is 0",
            None => "a call that ends the program traps, as nothing behind it may run",
        },
    );
    pass.edits.exit = Some(Exit { name, start, exits });
}

/// The program's entry, where only a host calls it.
fn start(module: &Module<'_>) -> Option<u32> {
    let start = module.facts.export("_start").filter(|export| export.kind == ExternKind::Func)?.index;
    let is_own = start >= module.sections.imported_funcs && module.sections.start != Some(start);
    // Exports take addresses too, so ask for elements and the code.
    let is_referred = || {
        module.elements().any(|element| match element.items {
            wasmparser::ElementItems::Functions(functions) => {
                functions.into_iter().any(|function| function.ok() == Some(start))
            }
            // Expressions may refer to any function.
            wasmparser::ElementItems::Expressions(..) => true,
        })
    };
    let is_entry = is_own && module.has_type(start, "->") && module.code.callers(start).is_empty();
    (is_entry && !is_referred()).then_some(start)
}

/// The imports, and functions that do nothing but call one of them with their argument.
fn with_forwarders(module: &Module<'_>, imports: BTreeSet<u32>) -> BTreeSet<u32> {
    let mut exits = imports;
    let mut newest: Vec<u32> = exits.iter().copied().collect();
    for _ in 0..MOST_FORWARDERS {
        let callers = newest.iter().flat_map(|&exit| module.code.callers(exit)).copied();
        let forwards = |function: &u32| {
            !exits.contains(function)
                && module.has_type(*function, "i32 ->")
                && matches!(
                    module.code.operators(*function).as_slice(),
                    [
                        Operator::LocalGet { local_index: 0 },
                        Operator::Call { function_index },
                        Operator::Unreachable,
                        Operator::End
                    ] | [
                        Operator::LocalGet { local_index: 0 },
                        Operator::Call { function_index },
                        Operator::End
                    ] if exits.contains(function_index)
                )
        };
        let found: BTreeSet<u32> = callers.filter(forwards).collect();
        if found.is_empty() {
            break;
        }
        newest = found.iter().copied().collect();
        exits.extend(found);
    }
    exits
}
