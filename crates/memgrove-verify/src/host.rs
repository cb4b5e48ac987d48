//! A host that keeps the contract of a module's original imports: what its glue would do,
//! written once more, in another language and on the other side of the border.
//!
//! What a function is, it tells by itself from the name (`library.rs`); what it does is in `twins.rs`. Where there is no name, it has
//! to take the plan's word, and says so: [`Emulated::unconfirmed`].

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use memgrove_rewrite::{Behaviour, DecidedBy, Decision, Item, Plan};

use super::heap::{Layout, Shared};
use super::library::{self, Action};
use super::twins::{Call, State, divisor, twin};
use crate::engine::{Caller, Host, HostTrap, Value, ValueType};

/// A host for a fixed module: the functions that stay are there and trap.
pub(super) fn of_the_rest(plan: &Plan) -> Host {
    plan.remaining().fold(Host::new(), |host, item| traps(host, &item.module, &item.name))
}

fn traps(host: Host, module: &str, name: &str) -> Host {
    let words = format!("`{name}` belongs to the host");
    host.function(module, name, move |_, _| Err(HostTrap(words.clone())))
}

/// A host for the original module, and what it had to take the plan's word for.
pub struct Emulated {
    /// Keeps the contract of the original imports.
    pub host: Host,
    /// Imports, as module and name, for which the host does what the plan says they do, because
    /// nothing else tells it. That both modules agree says nothing about these.
    pub unconfirmed: Vec<(String, String)>,
    /// Set whenever a function has ended the program, which is another reason to trap than what a function found
    /// to be wrong.
    pub ended: Arc<AtomicBool>,
    /// The code with which the program ended last; `i64::MIN` before, which is none: those have 32 bits.
    pub exit_code: Arc<AtomicI64>,
}

/// No exit code: those have 32 bits.
pub(super) const NO_EXIT: i64 = i64::MIN;

/// Returns the host that keeps the contract of a module's original imports.
///
/// Its memory begins as zeros: [`Plan::initial_data`] is to be written to it before anything runs.
///
/// # Errors
/// The import that has no second implementation here.
pub fn emulate(plan: &Plan) -> Result<Emulated, String> {
    emulate_on(plan, &Shared::new(Layout::FIRST, plan.page_bytes()))
}

/// The same with C's heap given, for a module that imports one.
pub(super) fn emulate_on(plan: &Plan, heap: &Shared) -> Result<Emulated, String> {
    let ended = Arc::new(AtomicBool::new(false));
    let exit_code = Arc::new(AtomicI64::new(NO_EXIT));
    let break_cell = plan.initial_data().next().map_or(0, |(at, _)| at);
    let state = Arc::new(Mutex::new(State::new(plan.page_bytes(), break_cell)));
    let mut host = Host::new();
    let mut unconfirmed = Vec::new();
    for item in &plan.imports {
        let (module, name) = (item.module.as_str(), item.name.as_str());
        let (action, is_confirmed) = match item.behaviour {
            Behaviour::Memory(pages) => {
                host = host.memory(module, name, pages);
                continue;
            }
            Behaviour::Table(entries) => {
                host = host.table(module, name, entries);
                continue;
            }
            Behaviour::I32(value) => {
                host = host.global(module, name, Value::u32(value));
                unconfirmed.extend(is_by_use(item).then(|| (item.module.clone(), item.name.clone())));
                continue;
            }
            Behaviour::F64(value) => {
                host = host.global(module, name, Value::F64(value.to_bits()));
                continue;
            }
            Behaviour::StaysFunction => {
                host = traps(host, module, name);
                continue;
            }
            Behaviour::Traps => own_or(item, Action::Traps),
            Behaviour::Exits => own_or(item, Action::Exits),
            Behaviour::Answers(number) => own_or(item, Action::Returns(number)),
            Behaviour::Computes(function) => own_or(item, Action::Computes(function)),
            Behaviour::Allocates(function) => own_or(item, Action::Allocates(function)),
            _ => return Err(format!("`{name}` needs the module itself")),
        };
        if !is_confirmed && !matches!(item.decision, Decision::Traps { .. }) {
            unconfirmed.push((item.module.clone(), item.name.clone()));
        }
        host = match action {
            Action::Traps => {
                let (ended, words) = (Arc::clone(&ended), format!("`{name}` ends the program"));
                host.function(module, name, move |_, _| {
                    ended.store(true, Ordering::Relaxed);
                    Err(HostTrap(words.clone()))
                })
            }
            Action::Exits => {
                let (ended, words) = (Arc::clone(&ended), format!("`{name}` ends the program"));
                let exit_code = Arc::clone(&exit_code);
                host.function(module, name, move |_, arguments| {
                    ended.store(true, Ordering::Relaxed);
                    if let [Value::I32(code)] = arguments {
                        exit_code.store(i64::from(*code), Ordering::Relaxed);
                    }
                    Err(HostTrap(words.clone()))
                })
            }
            Action::Returns(number) => {
                host.function(module, name, move |caller, _| Ok(answer(caller, number)))
            }
            Action::Computes(function) => {
                let Ok(twin) = twin(function) else {
                    return Err(format!("`{name}` has no second implementation to compare with"));
                };
                let (state, ended) = (Arc::clone(&state), Arc::clone(&ended));
                host.function(module, name, move |caller, arguments| {
                    let mut state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    let number = twin(&mut Call { caller: &mut *caller, arguments, state: &mut state });
                    ended.fetch_or(state.has_ended, Ordering::Relaxed);
                    Ok(divided(answer(caller, number?), divisor(function)))
                })
            }
            Action::Allocates(function) => {
                let heap = heap.clone();
                host.function(module, name, move |caller, arguments| {
                    let numbers: Vec<u64> =
                        arguments.iter().map(|argument| argument.as_u64().unwrap_or(0)).collect();
                    let number = heap.lock().call(caller, function, &numbers)?;
                    Ok(answer(caller, number))
                })
            }
            Action::ReturnsConstant => return Err(format!("what `{name}` returns is not known")),
        };
    }
    Ok(Emulated { host, unconfirmed, ended, exit_code })
}

/// What the host does for a function, and whether it knows that by itself: from the name that the
/// module gives it, or that the module's glue does. Otherwise it does what was planned.
fn own_or(item: &Item, planned: Action) -> (Action, bool) {
    let params = item.ty.split("->").next().map_or(0, |params| params.split_whitespace().skip(1).count());
    let decided_by = match &item.decision {
        Decision::Inside { decided_by, .. } => Some(*decided_by),
        Decision::Traps { .. } | Decision::Stays { .. } => None,
    };
    let own = match (decided_by, &item.known_as) {
        _ if item.drops_output => library::shows_text(&item.name).then_some(Action::Returns(0)),
        (Some(DecidedBy::Name), _) => library::action(&item.module, &item.name, params),
        (Some(DecidedBy::Glue), Some(known)) => library::action("env", known, params),
        _ => None,
    };
    match own {
        // How the module was built is in the plan; that it is a constant, in the name.
        Some(Action::ReturnsConstant) => (planned, matches!(planned, Action::Returns(_))),
        Some(own) => (own, true),
        None => (planned, false),
    }
}

/// Only the code around its uses says what it is.
fn is_by_use(item: &Item) -> bool {
    matches!(item.decision, Decision::Inside { decided_by: DecidedBy::Use, .. })
}

/// Numbers in floating point, divided.
fn divided(mut values: Vec<Value>, by: u64) -> Vec<Value> {
    for value in &mut values {
        if let (Value::F64(bits), 2..) = (&mut *value, by) {
            #[expect(clippy::cast_precision_loss, reason = "it is a power of two")]
            let quotient = f64::from_bits(*bits) / by as f64;
            *bits = quotient.to_bits();
        }
    }
    values
}

/// A number as the import's result type wants it; nothing if it has none.
fn answer(caller: &dyn Caller, number: i64) -> Vec<Value> {
    caller
        .signature()
        .results
        .iter()
        .map(|ty| match ty {
            #[expect(clippy::cast_possible_truncation, reason = "the number is meant for the type at hand")]
            ValueType::I32 => Value::I32(number as i32),
            ValueType::I64 => Value::I64(number),
            #[expect(clippy::cast_precision_loss, reason = "these numbers are small")]
            ValueType::F64 => Value::F64((number as f64).to_bits()),
            #[expect(clippy::cast_precision_loss, reason = "these numbers are small")]
            ValueType::F32 => Value::F32((number as f32).to_bits()),
            other => other.zero(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use memgrove_rewrite::{Options, plan};

    use super::*;

    #[test]
    fn what_only_its_use_tells_is_not_confirmed() {
        let wasm = wat::parse_str(
            r#"(module
                (import "env" "emscripten_get_now" (func (result f64)))
                (import "a" "a" (func $grow (param i32) (result i32)))
                (import "a" "b" (func $beep))
                (import "a" "c" (func $fails (param i32)))
                (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))
                (memory (export "memory") 1)
                (func (export "sbrk") (param i32) (result i32)
                    (if (i32.gt_u (local.get 0) (i32.shl (memory.size) (i32.const 16)))
                        (then (if (i32.eqz (call $grow (local.get 0))) (then (return (i32.const -1))))))
                    (i32.store (i32.const 4000) (local.get 0))
                    (call $beep)
                    (local.get 0))
                (func (export "fail") (call $fails (i32.const 1)) unreachable))"#,
        )
        .expect("the test's text is well-formed");
        let plan = plan(&wasm, &Options::default()).expect("it can be planned");
        let emulated = emulate(&plan).expect("all of it is known");
        let names: Vec<_> =
            emulated.unconfirmed.iter().map(|(from, name)| format!("{from}.{name}")).collect();
        assert_eq!(names, ["a.a", "a.c"]);
    }
}
