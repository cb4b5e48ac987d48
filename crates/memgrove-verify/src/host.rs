//! A host that keeps the contract of a module's original imports: what its glue would do,
//! written once more, in another language and on the other side of the border.
//!
//! What a function is, it tells by itself from the name (`library.rs`). Where there is no name, it has
//! to take the plan's word, and says so: [`Emulated::unconfirmed`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use memgrove_rewrite::{Behaviour, DecidedBy, Decision, Item, Plan};

use super::kernel::Kernel;
use super::library::{self, Action};
use crate::engine::{Caller, Host, HostTrap, Value, ValueType};

/// What the functions remember between calls.
#[derive(Default)]
struct State {
    temp_ret0: i32,
    nanos: u64,
    seed: u64,
    kernel: Kernel,
    page_bytes: u64,
    ended: Arc<AtomicBool>,
}

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
}

/// Returns the host that keeps the contract of a module's original imports.
///
/// Its memory begins as zeros: [`Plan::initial_data`] is to be written to it before anything runs.
///
/// # Errors
/// The import that has no second implementation here.
pub fn emulate(plan: &Plan) -> Result<Emulated, String> {
    let ended = Arc::new(AtomicBool::new(false));
    let state = State { ended: Arc::clone(&ended), page_bytes: plan.page_bytes(), ..State::default() };
    let state = Arc::new(Mutex::new(state));
    let break_cell = plan.initial_data().next().map_or(0, |(at, _)| at);
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
            Behaviour::Answers(number) => own_or(item, Action::Returns(number)),
            Behaviour::Computes(function) => own_or(item, Action::Computes(function)),
            _ => return Err(format!("`{name}` needs the module itself")),
        };
        if !is_confirmed {
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
            Action::Returns(number) => {
                host.function(module, name, move |caller, _| Ok(answer(caller, number)))
            }
            Action::Computes(function) => {
                if !KNOWN.contains(&function) && !is_system_call(function) {
                    return Err(format!("`{name}` has no second implementation to compare with"));
                }
                let state = Arc::clone(&state);
                host.function(module, name, move |caller, arguments| {
                    let mut state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    let number = compute(function, caller, arguments, &mut state, break_cell)?;
                    Ok(answer(caller, number))
                })
            }
            Action::ReturnsConstant => return Err(format!("what `{name}` returns is not known")),
        };
    }
    Ok(Emulated { host, unconfirmed, ended })
}

/// What the host does for a function, and whether it knows that by itself: from the name that the
/// module gives it, or that the module's glue does. Otherwise it does what was planned.
fn own_or(item: &Item, planned: Action) -> (Action, bool) {
    let params = item.ty.split("->").next().map_or(0, |params| params.split_whitespace().skip(1).count());
    let decided_by = match &item.decision {
        Decision::Inside { decided_by, .. } => Some(*decided_by),
        Decision::Stays { .. } => None,
    };
    let own = match (decided_by, &item.known_as) {
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

/// The functions that [`compute`] knows, and those that begin with [`SYSTEM_CALLS`].
const KNOWN: [&str; 26] = [
    "emscripten_resize_heap",
    "emscripten_get_heap_size",
    "enlargeMemory",
    "emscripten_memcpy_big",
    "setTempRet0",
    "getTempRet0",
    "sbrk",
    "sizes_get",
    "fd_standard",
    "fd_write",
    "fd_read",
    "fd_seek",
    "fd_seek_legal",
    "fd_fdstat_get",
    "fd_filestat_get",
    "unstable_fd_filestat_get",
    "clock_res_get",
    "clock_time_get",
    "clock_time_get_legal",
    "emscripten_get_now",
    "gettimeofday",
    "time",
    "clock",
    "random_get",
    "seed",
    "poll_oneoff",
];

/// How WALI's memory calls and musl's raw ones are named.
const SYSTEM_CALLS: [&str; 2] = ["SYS_", "__syscall"];

fn is_system_call(function: &str) -> bool {
    SYSTEM_CALLS.iter().any(|prefix| function.starts_with(prefix))
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

fn compute(
    function: &str,
    caller: &mut dyn Caller,
    arguments: &[Value],
    state: &mut State,
    break_cell: u32,
) -> Result<i64, HostTrap> {
    let argument = |at: usize| arguments.get(at).and_then(|value| value.as_u64()).unwrap_or(0);
    let mut tick = || {
        state.nanos += 1_000_000;
        state.nanos
    };
    Ok(match function {
        "emscripten_resize_heap" => i64::from(cover(caller, state.page_bytes, argument(0))?),
        "emscripten_get_heap_size" => caller.memory_bytes()?.cast_signed(),
        "enlargeMemory" => {
            let end = word(caller, u64::from(break_cell))?;
            i64::from(cover(caller, state.page_bytes, u64::from(end))?)
        }
        "emscripten_memcpy_big" => {
            let bytes = caller.read(argument(1), argument(2))?;
            caller.write(argument(0), &bytes)?;
            argument(0).cast_signed()
        }
        "setTempRet0" => {
            state.temp_ret0 = match arguments.first() {
                Some(Value::I32(value)) => *value,
                _ => 0,
            };
            0
        }
        "getTempRet0" => i64::from(state.temp_ret0),
        "sbrk" => match arguments.first() {
            Some(Value::I32(by)) => state.kernel.sbrk(caller, *by)?,
            other => return Err(HostTrap(format!("sbrk was called with {other:?}"))),
        },
        call if is_system_call(call) => {
            let numbers: Vec<u64> = (0..arguments.len()).map(argument).collect();
            match numbers.split_first() {
                Some((&number, rest)) if call.starts_with("__syscall") => {
                    let answer = state.kernel.syscall(caller, number, rest)?;
                    answer.ok_or_else(|| {
                        state.ended.store(true, Ordering::Relaxed);
                        HostTrap("exit".to_owned())
                    })?
                }
                _ => state.kernel.call(caller, call, &numbers)?,
            }
        }
        "sizes_get" => {
            caller.write(argument(0), &[0; 4])?;
            caller.write(argument(1), &[0; 4])?;
            0
        }
        "fd_standard" => {
            if argument(0) > 2 {
                8
            } else {
                0
            }
        }
        "fd_seek" | "fd_seek_legal" => {
            if argument(0) > 2 {
                8
            } else {
                70
            }
        }
        "fd_read" if argument(0) <= 2 => {
            caller.write(argument(3), &[0; 4])?;
            0
        }
        "fd_write" if argument(0) <= 2 => {
            let mut total = 0_u32;
            for i in 0..argument(2) {
                total = total.wrapping_add(word(caller, argument(1) + 8 * i + 4)?);
            }
            caller.write(argument(3), &total.to_le_bytes())?;
            0
        }
        // A character device (2); an fdstat may be read and written (bits 1 and 6).
        "fd_fdstat_get" if argument(0) <= 2 => {
            let mut status = [0; 24];
            (status[0], status[8]) = (2, 0x42);
            caller.write(argument(1), &status)?;
            0
        }
        "fd_filestat_get" if argument(0) <= 2 => {
            let mut status = [0; 64];
            status[16] = 2;
            caller.write(argument(1), &status)?;
            0
        }
        "unstable_fd_filestat_get" if argument(0) <= 2 => {
            let mut status = [0; 56];
            status[16] = 2;
            caller.write(argument(1), &status)?;
            0
        }
        "fd_read" | "fd_write" | "fd_fdstat_get" | "fd_filestat_get" | "unstable_fd_filestat_get" => 8,
        "clock_res_get" => {
            caller.write(argument(1), &1_000_000_u64.to_le_bytes())?;
            0
        }
        "random_get" => {
            // As far as memory goes; then it traps.
            let room = caller.memory_bytes()?.saturating_sub(argument(0));
            let bytes: Vec<u8> =
                (0..argument(1).min(room)).map(|_| random(&mut state.seed).to_le_bytes()[0]).collect();
            caller.write(argument(0), &bytes)?;
            if argument(1) > room {
                return Err(HostTrap("random_get: out of bounds".to_owned()));
            }
            0
        }
        "poll_oneoff" if argument(2) == 0 => 28,
        "poll_oneoff" => {
            tick();
            let count = argument(2);
            caller.write(argument(3), &u32::try_from(count).unwrap_or(0).to_le_bytes())?;
            for at in 0..count {
                // The event takes the subscription's user data (8 bytes) and kind; step by step,
                // as the two may overlap.
                let (subscription, event) = (argument(0) + 48 * at, argument(1) + 32 * at);
                caller.write(event, &[0; 32])?;
                let user_data = caller.read(subscription, 8)?;
                caller.write(event, &user_data)?;
                let kind = caller.read(subscription + 8, 1)?;
                caller.write(event + 10, &kind)?;
            }
            0
        }
        "gettimeofday" => {
            let micros = tick() / 1000;
            let part = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
            caller.write(argument(0), &part(micros / 1_000_000))?;
            caller.write(argument(0) + 4, &part(micros % 1_000_000))?;
            0
        }
        // Milliseconds; whole, as every tick is one.
        // As many bits as a double holds exactly.
        "seed" => (random(&mut state.seed) >> 11).cast_signed(),
        "emscripten_get_now" => (tick() / 1_000_000).cast_signed(),
        // The address comes last; the precision before it may be in two halves.
        "clock_time_get" | "clock_time_get_legal" => {
            caller.write(argument(arguments.len().saturating_sub(1)), &tick().to_le_bytes())?;
            0
        }
        "time" => {
            let seconds = u32::try_from(tick() / 1_000_000_000).unwrap_or(u32::MAX);
            if argument(0) != 0 {
                caller.write(argument(0), &seconds.to_le_bytes())?;
            }
            i64::from(seconds)
        }
        "clock" => (tick() / 1000).cast_signed(),
        other => return Err(HostTrap(format!("`{other}` is not emulated"))),
    })
}

/// Grows until memory reaches `end`.
fn cover(caller: &mut dyn Caller, page_bytes: u64, end: u64) -> Result<bool, HostTrap> {
    let have = caller.memory_bytes()?;
    Ok(end <= have || caller.grow((end - have).div_ceil(page_bytes)).is_some())
}

/// A number of splitmix64 (Steele, Lea, Flood 2014) from a seed of 0.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn word(caller: &mut dyn Caller, at: u64) -> Result<u32, HostTrap> {
    let bytes = caller.read(at, 4)?;
    Ok(bytes.try_into().map(u32::from_le_bytes).unwrap_or(0))
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
