//! A host that keeps the contract of a module's original imports: what its glue would do,
//! written once more, in another language and on the other side of the border.

use std::sync::{Arc, Mutex};

use memgrove_rewrite::{Behaviour, Plan};

use crate::engine::{Caller, Host, HostTrap, Value, ValueType};

/// What the functions remember between calls.
#[derive(Default)]
struct State {
    temp_ret0: i32,
    nanos: u64,
    /// The break of `sbrk`, once it was asked for.
    program_break: Option<u64>,
}

/// A host for a fixed module: the functions that stay are there and trap.
pub(super) fn of_the_rest(plan: &Plan) -> Host {
    plan.remaining().fold(Host::new(), |host, item| traps(host, &item.module, &item.name))
}

fn traps(host: Host, module: &str, name: &str) -> Host {
    let words = format!("`{name}` belongs to the host");
    host.function(module, name, move |_, _| Err(HostTrap(words.clone())))
}

/// The host, or why there is none.
pub(super) fn emulate(plan: &Plan) -> Result<Host, String> {
    let state = Arc::new(Mutex::new(State::default()));
    let break_cell = plan.initial_data().next().map_or(0, |(at, _)| at);
    let mut host = Host::new();
    for item in &plan.imports {
        let (module, name) = (item.module.as_str(), item.name.as_str());
        host = match item.behaviour {
            Behaviour::Memory(pages) => host.memory(module, name, pages),
            Behaviour::Table(entries) => host.table(module, name, entries),
            Behaviour::I32(value) => host.global(module, name, Value::u32(value)),
            Behaviour::F64(value) => host.global(module, name, Value::F64(value.to_bits())),
            Behaviour::Traps | Behaviour::StaysFunction => traps(host, module, name),
            Behaviour::Answers(number) => {
                host.function(module, name, move |caller, _| Ok(answer(caller, number)))
            }
            Behaviour::Computes(function) => {
                if !KNOWN.contains(&function) {
                    return Err(format!("`{name}` has no second implementation to compare with"));
                }
                let state = Arc::clone(&state);
                host.function(module, name, move |caller, arguments| {
                    let mut state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    let number = compute(function, caller, arguments, &mut state, break_cell)?;
                    Ok(answer(caller, number))
                })
            }
            _ => return Err(format!("`{name}` needs the module itself")),
        };
    }
    Ok(host)
}

/// The functions that [`compute`] knows.
const KNOWN: [&str; 17] = [
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
    "clock_time_get",
    "clock_time_get_legal",
    "time",
    "clock",
];

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
        "emscripten_resize_heap" => i64::from(cover(caller, argument(0))?),
        "emscripten_get_heap_size" => caller.memory_bytes()?.cast_signed(),
        "enlargeMemory" => {
            let end = word(caller, u64::from(break_cell))?;
            i64::from(cover(caller, u64::from(end))?)
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
        "sbrk" => sbrk(caller, state, arguments)?,
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
        "fd_read" | "fd_write" => 8,
        "clock_time_get" => {
            caller.write(argument(2), &tick().to_le_bytes())?;
            0
        }
        "clock_time_get_legal" => {
            caller.write(argument(3), &tick().to_le_bytes())?;
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
fn cover(caller: &mut dyn Caller, end: u64) -> Result<bool, HostTrap> {
    let have = caller.memory_bytes()?;
    Ok(end <= have || caller.grow((end - have).div_ceil(65536)).is_some())
}

fn sbrk(caller: &mut dyn Caller, state: &mut State, arguments: &[Value]) -> Result<i64, HostTrap> {
    let by = match arguments.first() {
        Some(Value::I32(by)) => i64::from(*by),
        _ => 0,
    };
    let start = match state.program_break {
        Some(at) => at,
        None => caller.memory_bytes()?,
    };
    state.program_break = Some(start);
    let Some(end) = start.checked_add_signed(by) else { return Ok(-1) };
    if !cover(caller, end)? {
        return Ok(-1);
    }
    state.program_break = Some(end);
    Ok(start.cast_signed())
}

fn word(caller: &mut dyn Caller, at: u64) -> Result<u32, HostTrap> {
    let bytes = caller.read(at, 4)?;
    Ok(bytes.try_into().map(u32::from_le_bytes).unwrap_or(0))
}
