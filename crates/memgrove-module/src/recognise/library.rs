//! Imports that Emscripten's C library calls, by what it does before and after.

use std::collections::BTreeSet;

use wasmparser::Operator;

use crate::code::{Flow, Flows};

/// `memcpy` is given to the host from this size on: 512 in most of Emscripten's versions, 8192 before.
const MEMCPY_THRESHOLDS: [i32; 2] = [512, 8192];
/// Offset of `fd` in musl's `FILE` on wasm32: the functions behind a stream load it.
const MUSL_FILE_FD: u32 = 60;

/// Whether `memcpy` gives large copies to an import: its three parameters, of which the last is
/// compared with the threshold. Below that it copies itself, and for this looks at how the two
/// addresses are aligned.
pub(super) fn copies_memory(flows: &Flows<'_, '_>, import: u32) -> bool {
    const TYPES: [&str; 2] = ["i32 i32 i32 -> i32", "i32 i32 i32 ->"];
    let is_typed = |function: u32| TYPES.iter().any(|ty| flows.code.has_type(function, ty));
    is_typed(import)
        && flows.any_call(import, |caller, flow, call| {
            let has =
                |wanted: fn(&Operator<'_>) -> bool| flow.positions_after(0).any(|at| wanted(&flow.code[at]));
            is_typed(caller)
                && [(0, 0), (1, 1), (2, 2)]
                    .iter()
                    .all(|&(which, param)| flow.is_parameter(call, which, param))
                && flow.positions(0..call).any(|at| is_threshold(flow, at))
                && flow.positions_after(0).any(|at| is_alignment(flow, at))
                && has(|op| matches!(op, Operator::I32Load8U { .. } | Operator::I32Load8S { .. }))
                && has(|op| matches!(op, Operator::I32Store8 { .. }))
                && has(|op| matches!(op, Operator::Loop { .. }))
        })
}

/// Whether the third parameter is compared with the size from which on the host copies.
fn is_threshold(flow: &Flow<'_>, at: usize) -> bool {
    let bound = match flow.code[at] {
        Operator::I32GeU | Operator::I32LtU | Operator::I32GeS | Operator::I32LtS => {
            flow.const_operand(at, 1)
        }
        Operator::I32GtU | Operator::I32LeU | Operator::I32GtS | Operator::I32LeS => {
            flow.const_operand(at, 1).map(|value| value.wrapping_add(1))
        }
        _ => None,
    };
    bound.is_some_and(|bound| MEMCPY_THRESHOLDS.contains(&bound)) && flow.is_parameter(at, 0, 2)
}

/// Whether the lowest two bits of the first parameter are looked at, or those in which it differs from
/// the second.
fn is_alignment(flow: &Flow<'_>, at: usize) -> bool {
    let is_xor = |value: usize| {
        let is_pair = |a, b| flow.is_parameter(value, 0, a) && flow.is_parameter(value, 1, b);
        matches!(flow.code[value], Operator::I32Xor) && (is_pair(0, 1) || is_pair(1, 0))
    };
    matches!(flow.code[at], Operator::I32And)
        && flow.const_operand(at, 1) == Some(3)
        && (flow.is_parameter(at, 0, 0) || flow.operand(at, 0).is_some_and(is_xor))
}

/// Whether `getentropy` calls an import: it gives both of its parameters on, after a second one
/// above 256 was refused with EIO, and a result other than 0 goes to where that went.
pub(super) fn fills_entropy(flows: &Flows<'_, '_>, import: u32) -> bool {
    /// WASI's number of EIO, and of EINVAL, which POSIX asks for.
    const REFUSALS: [i32; 2] = [29, 28];
    let code = flows.code;
    code.has_type(import, "i32 i32 -> i32")
        && flows.any_call(import, |caller, flow, call| {
            let is_limit = |at: usize| match flow.code[at] {
                Operator::I32GtU | Operator::I32LeU => flow.const_operand(at, 1) == Some(256),
                Operator::I32GeU | Operator::I32LtU => flow.const_operand(at, 1) == Some(257),
                _ => false,
            };
            let stores = || {
                flow.positions_after(0).filter_map(|at| match &flow.code[at] {
                    Operator::I32Store { memarg } => {
                        Some((at, i64::from(flow.const_operand(at, 0)?) + memarg.offset.cast_signed()))
                    }
                    _ => None,
                })
            };
            let errno: BTreeSet<i64> = stores()
                .filter(|(at, _)| flow.const_operand(*at, 1).is_some_and(|number| REFUSALS.contains(&number)))
                .map(|(_, to)| to)
                .collect();
            // One store may serve both, with the number chosen before.
            let result: BTreeSet<usize> = flow.uses(call).into_iter().map(|(user, _)| user).collect();
            code.has_type(caller, "i32 i32 -> i32")
                && flow.is_parameter(call, 0, 0)
                && flow.is_parameter(call, 1, 1)
                && flow.positions(0..call).any(|at| is_limit(at) && flow.is_parameter(at, 0, 1))
                && stores().any(|(at, to)| errno.contains(&to) && result.contains(&at))
        })
}

/// Whether an import is one of the two calls that read the environment: the sizes are written to two
/// variables on the stack, room for so many pointers and a null after them is made, and the second
/// call fills it; both results only decide.
pub(super) fn reads_environment(flows: &Flows<'_, '_>, import: u32) -> bool {
    let code = flows.code;
    let only_caller = |import: u32| match code.callers(import) {
        [caller] => flows.of(*caller).filter(|flow| flow.calls(import).len() == 1).map(|_| *caller),
        _ => None,
    };
    let Some(caller) = only_caller(import).filter(|_| code.has_type(import, "i32 i32 -> i32")) else {
        return false;
    };
    let Some(flow) = flows.of(caller) else { return false };
    let pair: Vec<(usize, u32)> = flow
        .imports_called()
        .filter(|&other| only_caller(other) == Some(caller) && code.has_type(other, "i32 i32 -> i32"))
        .filter_map(|other| Some((*flow.calls(other).first()?, other)))
        .filter(|&(call, _)| flow.is_truth(call) && !flow.is_dropped(call))
        .collect();
    let mut calls: Vec<usize> = pair.iter().map(|(call, _)| *call).collect();
    calls.sort_unstable();
    let [sizes, contents] = calls.as_slice() else { return false };
    let is_one = pair.iter().any(|(_, other)| *other == import);
    is_one && terminates_list(&flow, *sizes, *contents)
}

/// Whether a null is stored behind as many pointers as the first call said there are, in what the
/// second is given.
fn terminates_list(flow: &Flow<'_>, sizes: usize, contents: usize) -> bool {
    // The count's address: a variable on the stack, which is a local and an offset.
    let Some(count) = flow.operand(sizes, 0).and_then(|at| variable(flow, at)) else { return false };
    let is_count = |value: usize| match &flow.code[value] {
        Operator::I32Load { memarg } => {
            flow.operand(value, 0).and_then(|at| variable(flow, at)).is_some_and(|(base, offset)| {
                offset + memarg.offset.cast_signed() == count.1 && flow.is_same(base, count.0)
            })
        }
        _ => false,
    };
    let is_bytes = |value: usize| {
        matches!(flow.code[value], Operator::I32Shl)
            && flow.const_operand(value, 1) == Some(2)
            && flow.operand(value, 0).is_some_and(is_count)
    };
    flow.positions(sizes..contents).any(|at| {
        matches!(flow.code[at], Operator::I32Store { .. })
            && flow.const_operand(at, 1) == Some(0)
            && flow.operand(at, 0).is_some_and(|to| {
                matches!(flow.code[to], Operator::I32Add)
                    && (0..2).any(|which| flow.operand(to, which).is_some_and(is_bytes))
            })
    })
}

/// An address as a base and an offset.
fn variable(flow: &Flow<'_>, at: usize) -> Option<(usize, i64)> {
    let offset = || Some(i64::from(flow.const_operand(at, 1)?));
    match flow.code[at] {
        Operator::I32Add => Some((flow.operand(at, 0)?, offset()?)),
        _ => Some((at, 0)),
    }
}

/// Whether `tzset` calls an import: with four constant addresses, of which it then keeps the last two
/// as the names of the zones, side by side.
pub(super) fn sets_time_zone(flows: &Flows<'_, '_>, import: u32) -> bool {
    flows.code.has_type(import, "i32 i32 i32 i32 ->")
        && flows.any_call(import, |_, flow, call| {
            let arguments: Option<Vec<i32>> = (0..4).map(|which| flow.const_operand(call, which)).collect();
            let Some([zone, daylight, standard, summer]) = arguments.as_deref() else { return false };
            let kept_at = |name: i32| {
                flow.positions_after(call).find_map(|at| match &flow.code[at] {
                    Operator::I32Store { memarg } if flow.const_operand(at, 1) == Some(name) => {
                        Some(i64::from(flow.const_operand(at, 0)?) + memarg.offset.cast_signed())
                    }
                    _ => None,
                })
            };
            let addresses = BTreeSet::from([zone, daylight, standard, summer]);
            addresses.len() == 4
                && matches!((kept_at(*standard), kept_at(*summer)), (Some(first), Some(second)) if first + 4 == second)
        })
}

/// Whether `localtime` or its like calls an import, and its name: with a time that it loads and the
/// address of a `struct tm`, whose `tm_zone` it stores afterwards: UTC's name for `gmtime`, one of
/// two by `tm_isdst` for `localtime`.
pub(super) fn fills_broken_down_time(flows: &Flows<'_, '_>, import: u32) -> Option<&'static str> {
    /// Offsets in musl's `struct tm` on wasm32.
    const TM_ISDST: i64 = 32;
    const TM_ZONE: i64 = 40;
    let code = flows.code;
    if !["i64 i32 ->", "i64 i32 -> i32"].iter().any(|ty| code.has_type(import, ty)) {
        return None;
    }
    let mut names = BTreeSet::new();
    flows.any_call(import, |_, flow, call| {
        let time = flow.operand(call, 0);
        let is_loaded = time.is_some_and(|time| matches!(flow.code[time], Operator::I64Load { .. }));
        let Some(tm) = flow.operand(call, 1).filter(|_| is_loaded) else { return false };
        let is_field = |at: usize, field: i64, offset: u64| {
            flow.operand(at, 0).is_some_and(|base| match (&flow.code[base], &flow.code[tm]) {
                (Operator::I32Const { value: at }, Operator::I32Const { value: tm }) => {
                    i64::from(*at) + offset.cast_signed() == i64::from(*tm) + field
                }
                _ => flow.is_same(base, tm) && offset.cast_signed() == field,
            })
        };
        let zone = flow.positions_after(call).find_map(|at| match &flow.code[at] {
            Operator::I32Store { memarg } if is_field(at, TM_ZONE, memarg.offset) => flow.operand(at, 1),
            _ => None,
        });
        let Some(zone) = zone else { return false };
        let reads_isdst = flow.positions_after(call).any(|at| {
            matches!(&flow.code[at], Operator::I32Load { memarg } if is_field(at, TM_ISDST, memarg.offset))
        });
        match &flow.code[zone] {
            Operator::I32Const { value } => {
                let text = code.initial_i32(value.cast_unsigned()).to_le_bytes();
                if matches!(&text, b"GMT\0" | b"UTC\0") {
                    names.insert("_gmtime_js");
                }
            }
            _ if reads_isdst => {
                names.insert("_localtime_js");
            }
            _ => {}
        }
        false
    });
    match names.into_iter().collect::<Vec<_>>().as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

/// Whether an import is called behind a C stream: its first argument is a stream's file descriptor.
pub(super) fn works_on_stream(flows: &Flows<'_, '_>, import: u32) -> bool {
    flows.any_call(import, |_, flow, call| takes_descriptor(flow, call))
}

/// The same, where a result other than 0 is stored on the spot, and tested otherwise: errno.
pub(super) fn sets_errno_for_stream(flows: &Flows<'_, '_>, import: u32) -> bool {
    flows.any_call(import, |_, flow, call| {
        let uses = flow.uses(call);
        let is_errno = |&(user, which): &(usize, usize)| {
            which == 1
                && matches!(flow.code[user], Operator::I32Store { .. })
                && flow.const_operand(user, 0).is_some_and(|at| at >= 1024)
        };
        let is_tested = |&(user, _): &(usize, usize)| {
            matches!(
                flow.code[user],
                Operator::If { .. }
                    | Operator::BrIf { .. }
                    | Operator::I32Eqz
                    | Operator::I32Ne
                    | Operator::I32Eq
                    | Operator::Select
            )
        };
        takes_descriptor(flow, call)
            && uses.iter().any(is_errno)
            && uses.iter().any(is_tested)
            && uses.iter().all(|one| is_errno(one) || is_tested(one))
    })
}

/// Whether a stream's `close` calls an import: the function stands beside one that writes in a loop, in a `FILE` that the
/// module begins with, and gives its stream's descriptor on.
pub(super) fn closes_stream(flows: &Flows<'_, '_>, import: u32) -> bool {
    /// Offsets of `close` and `write` in musl's `FILE` on wasm32.
    const FILE_CLOSE: u32 = 12;
    const FILE_WRITE: u32 = 36;
    /// So many places in data are looked at that may be one: a program has three streams, and a word may look like one by
    /// chance.
    const MOST_STREAMS: usize = 8;
    /// The standard streams, of which a program begins with some.
    const STANDARD: std::ops::RangeInclusive<u32> = 0..=2;
    let code = flows.code;
    if !code.has_type(import, "i32 -> i32") {
        return false;
    }
    let is_write = |import: u32| {
        code.has_type(import, "i32 i32 i32 i32 -> i32")
            && code.called_in_loop(import)
            && works_on_stream(flows, import)
    };
    let writes = |function: u32| {
        code.has_type(function, "i32 i32 i32 -> i32")
            && flows.of(function).is_some_and(|flow| flow.imports_called().any(is_write))
    };
    flows.any_call(import, |caller, flow, call| {
        let is_close = code.has_type(caller, "i32 -> i32")
            && takes_descriptor(flow, call)
            && flow.operand(call, 0).is_some_and(|fd| flow.is_parameter(fd, 0, 0));
        is_close
            && code.table_index(caller).is_some_and(|close| {
                let field = |at: u32, offset: u32| code.initial_i32(at.saturating_add(offset));
                let streams = code.addresses_of(close).filter_map(|at| at.checked_sub(FILE_CLOSE));
                streams
                    .filter(|&at| STANDARD.contains(&field(at, MUSL_FILE_FD)))
                    .take(MOST_STREAMS)
                    .any(|at| code.in_table(field(at, FILE_WRITE)).is_some_and(writes))
            })
    })
}

fn takes_descriptor(flow: &Flow<'_>, call: usize) -> bool {
    flow.operand(call, 0).is_some_and(
        |fd| matches!(&flow.code[fd], Operator::I32Load { memarg } if memarg.offset == u64::from(MUSL_FILE_FD)),
    )
}

/// Whether a timer that has gone off is set again or stopped by an import: by the function that then
/// raises SIGALRM, SIGVTALRM or SIGPROF, whichever belongs to the timer.
pub(super) fn sets_timer(flows: &Flows<'_, '_>, import: u32) -> bool {
    const SIGNALS: [i32; 3] = [14, 26, 27];
    flows.code.has_type(import, "i32 f64 -> i32")
        && flows.any_call(import, |_, flow, call| {
            flow.is_parameter(call, 0, 0)
                && flow.is_dropped(call)
                && SIGNALS.iter().all(|signal| {
                    flow.positions_after(call).any(|at| {
                        matches!(flow.code[at], Operator::Select)
                            && (0..2).any(|which| flow.const_operand(at, which) == Some(*signal))
                    })
                })
        })
}

/// Whether `sysconf` asks an import for the most memory there can be: the result is counted in pages,
/// in a function that knows the other limits, too.
pub(super) fn limits_heap(flows: &Flows<'_, '_>, import: u32) -> bool {
    /// ARG_MAX, the size of a page, and what is not limited.
    const LIMITS: [i32; 3] = [131_072, 65536, i32::MAX];
    flows.code.has_type(import, "-> i32")
        && flows.any_call(import, |_, flow, call| {
            let uses = flow.uses(call);
            let are_pages = uses.iter().all(|&(user, which)| match flow.code[user] {
                Operator::I32ShrU => which == 0 && flow.const_operand(user, 1) == Some(16),
                Operator::I32DivU => which == 0 && flow.const_operand(user, 1) == Some(65536),
                _ => false,
            });
            !uses.is_empty() && are_pages && LIMITS.iter().all(|limit| flow.has_const(*limit))
        })
}

/// Whether an import tells the time in milliseconds: its result is taken apart into a `timespec` or a
/// `timeval`, or a time out of a `timespec` is waited for with it.
pub(super) fn is_clock(flows: &Flows<'_, '_>, import: u32) -> bool {
    flows.code.has_type(import, "-> f64")
        && flows.any_call(import, |_, flow, call| {
            is_taken_apart(flow, call) || is_waited_with(flow, import, call)
        })
}

/// Whether a number of milliseconds is divided by 1000, the whole part stored, and what is left of it
/// stored beside that, multiplied.
fn is_taken_apart(flow: &Flow<'_>, call: usize) -> bool {
    // Where a value goes that was converted to an integer: the addresses of the stores.
    let stored = |value: usize| -> Vec<usize> {
        let whole = flow.uses(value).into_iter().filter(|&(user, _)| is_truncation(&flow.code[user]));
        whole
            .flat_map(|(user, _)| flow.uses(user))
            .filter(|&(user, which)| {
                which == 1 && matches!(flow.code[user], Operator::I32Store { .. } | Operator::I64Store { .. })
            })
            .filter_map(|(user, _)| flow.operand(user, 0))
            .collect()
    };
    let mut seconds = Vec::new();
    let mut rests = Vec::new();
    for (user, which) in flow.uses(call) {
        match flow.code[user] {
            Operator::F64Div if which == 0 && is_f64(flow, user, 1, 1e3) => seconds.extend(stored(user)),
            Operator::F64Sub if which == 0 => {
                // By 10³ or 10⁶, or by 10³ twice.
                let scaled = |value: usize| {
                    flow.uses(value).into_iter().map(|(user, _)| user).filter(|&user| {
                        matches!(flow.code[user], Operator::F64Mul)
                            && (0..2).any(|which| [1e3, 1e6].iter().any(|by| is_f64(flow, user, which, *by)))
                    })
                };
                for once in scaled(user) {
                    rests.extend(stored(once));
                    for twice in scaled(once) {
                        rests.extend(stored(twice));
                    }
                }
            }
            _ => {}
        }
    }
    seconds.iter().any(|&at| rests.iter().any(|&rest| same_base(flow, at, rest)))
}

fn same_base(flow: &Flow<'_>, left: usize, right: usize) -> bool {
    match (variable(flow, left), variable(flow, right)) {
        (Some((left, _)), Some((right, _))) => flow.is_same(left, right),
        _ => false,
    }
}

/// Whether the time that has gone by between two calls is compared with seconds times 1000 and
/// nanoseconds divided by 1,000,000.
fn is_waited_with(flow: &Flow<'_>, import: u32, call: usize) -> bool {
    let is_call = |value: usize| matches!(flow.code[value], Operator::Call { function_index } if function_index == import);
    let is_timespec = |value: usize| {
        let is_scaled = |part: usize, by_1000: bool| match flow.code[part] {
            Operator::F64Mul => by_1000 && is_f64(flow, part, 1, 1e3) && is_converted(flow, part),
            Operator::F64Div => !by_1000 && is_f64(flow, part, 1, 1e6) && is_converted(flow, part),
            _ => false,
        };
        let (Some(left), Some(right)) = (flow.operand(value, 0), flow.operand(value, 1)) else {
            return false;
        };
        matches!(flow.code[value], Operator::F64Add)
            && (is_scaled(left, true) && is_scaled(right, false)
                || is_scaled(left, false) && is_scaled(right, true))
    };
    flow.uses(call).into_iter().any(|(gone, which)| {
        matches!(flow.code[gone], Operator::F64Sub)
            && flow.operand(gone, 1 - which).is_some_and(is_call)
            && flow.uses(gone).into_iter().any(|(user, which)| {
                matches!(
                    flow.code[user],
                    Operator::F64Lt | Operator::F64Le | Operator::F64Gt | Operator::F64Ge
                ) && flow.operand(user, 1 - which).is_some_and(is_timespec)
            })
    })
}

fn is_converted(flow: &Flow<'_>, at: usize) -> bool {
    flow.operand(at, 0).is_some_and(|from| {
        matches!(
            flow.code[from],
            Operator::F64ConvertI32S
                | Operator::F64ConvertI32U
                | Operator::F64ConvertI64S
                | Operator::F64ConvertI64U
        )
    })
}

fn is_f64(flow: &Flow<'_>, at: usize, which: usize, wanted: f64) -> bool {
    flow.operand(at, which).is_some_and(
        |value| matches!(flow.code[value], Operator::F64Const { value } if value.bits() == wanted.to_bits()),
    )
}

fn is_truncation(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::I32TruncF64S
            | Operator::I32TruncF64U
            | Operator::I64TruncF64S
            | Operator::I64TruncF64U
            | Operator::I32TruncSatF64S
            | Operator::I32TruncSatF64U
            | Operator::I64TruncSatF64S
            | Operator::I64TruncSatF64U
    )
}
