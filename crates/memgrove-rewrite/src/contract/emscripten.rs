//! Emscripten's glue, from fastcomp to today.

use super::{Answer, Contract, Does, Group, clock, first_fit, fit, libc_answer};
use crate::edits::StandIn;
use crate::module::Module;
use crate::plan::Purpose;
use crate::runtime::Runtime;

const fn memory(name: &'static str, function: &'static str, why: &'static str) -> Contract {
    Contract { name, does: Does::Run(function), purpose: Purpose::Memory, stub: None, why }
}

const GROWS: &str = "memory.grow, up to the memory's maximum; 0 when refused, as the contract says";
const COPIES: &str = "copies inside the same memory";
const ALIVE: &str = "there is no event loop to keep alive";

/// Broken-down time. With the time's address in its place, as it once was, nothing says how many
/// bits are there.
const fn calendar(name: &'static str, function: &'static str) -> Contract {
    Contract {
        name,
        does: Does::RunExactly(function),
        purpose: Purpose::Clock,
        stub: Some(Group::Clock),
        why: "the calendar is the same everywhere; the time zone is UTC",
    }
}

/// By the names of its JavaScript library.
pub(super) const CONTRACTS: &[Contract] = &[
    memory("emscripten_resize_heap", "emscripten_resize_heap", GROWS),
    memory("enlargeMemory", "enlargeMemory", "memory.grow until memory covers the break, as the glue did"),
    memory("getTotalMemory", "emscripten_get_heap_size", "memory.size in bytes"),
    memory("emscripten_get_heap_size", "emscripten_get_heap_size", "memory.size in bytes"),
    memory(
        "emscripten_get_sbrk_ptr",
        "emscripten_get_sbrk_ptr",
        "the address that the layout gives to the break",
    ),
    memory("emscripten_memcpy_big", "emscripten_memcpy_big", COPIES),
    memory("emscripten_memcpy_js", "emscripten_memcpy_big", COPIES),
    Contract {
        name: "abortOnCannotGrowMemory",
        does: Does::Return(0),
        purpose: Purpose::Memory,
        stub: None,
        why: "asked when growth was refused: malloc then answers null, where the glue aborted",
    },
    Contract {
        name: "emscripten_notify_memory_growth",
        does: Does::Return(0),
        purpose: Purpose::Memory,
        stub: None,
        why: "only refreshes JavaScript's views of memory; there are none",
    },
    Contract {
        name: "setTempRet0",
        does: Does::Run("setTempRet0"),
        purpose: Purpose::Libc,
        stub: None,
        why: "keeps the upper half of a 64-bit result",
    },
    Contract {
        name: "getTempRet0",
        does: Does::Run("getTempRet0"),
        purpose: Purpose::Libc,
        stub: None,
        why: "gives the upper half of a 64-bit result",
    },
    Contract {
        name: "abort_js",
        does: Does::Trap,
        purpose: Purpose::Abort,
        stub: None,
        why: "it must not return; a trap ends the program as it would",
    },
    Contract {
        name: "emscripten_runtime_keepalive_clear",
        does: Does::Return(0),
        purpose: Purpose::Libc,
        stub: None,
        why: ALIVE,
    },
    Contract {
        name: "emscripten_runtime_keepalive_push",
        does: Does::Return(0),
        purpose: Purpose::Libc,
        stub: None,
        why: ALIVE,
    },
    Contract {
        name: "emscripten_runtime_keepalive_pop",
        does: Does::Return(0),
        purpose: Purpose::Libc,
        stub: None,
        why: ALIVE,
    },
    libc_answer("setitimer_js", 0, "no timer ever fires"),
    Contract {
        name: "setThrew",
        does: Does::Return(0),
        purpose: Purpose::Exceptions,
        stub: Some(Group::Exceptions),
        why: "nothing is thrown",
    },
    Contract {
        name: "tzset_js",
        does: Does::Run("_tzset_js"),
        purpose: Purpose::Clock,
        stub: Some(Group::Clock),
        why: "the time zone is UTC",
    },
    calendar("localtime_js", "gmtime_js"),
    calendar("gmtime_js", "gmtime_js"),
    calendar("mktime_js", "timegm_js"),
    calendar("timegm_js", "timegm_js"),
    libc_answer("mmap_js", -52, "there is no file to map: −ENOSYS (−52)"),
    libc_answer("munmap_js", -52, "there is no file to unmap: −ENOSYS (−52)"),
    libc_answer("msync_js", -52, "there is no file to write: −ENOSYS (−52)"),
    libc_answer("emscripten_has_asyncify", 0, "there is no asyncify without JavaScript"),
    libc_answer("emscripten_get_now_is_monotonic", 1, "the stand-in clock never goes back"),
    libc_answer("emscripten_memprof_sbrk_grow", 0, "nothing is profiled"),
    libc_answer("emscripten_err", 0, "a message goes nowhere"),
    libc_answer("emscripten_out", 0, "a message goes nowhere"),
    libc_answer("emscripten_dbg", 0, "a message goes nowhere"),
    libc_answer("emscripten_console_error", 0, "a message goes nowhere"),
    libc_answer("emscripten_console_log", 0, "a message goes nowhere"),
    libc_answer("emscripten_console_warn", 0, "a message goes nowhere"),
    libc_answer("emscripten_set_main_loop_timing", -1, "there is no event loop"),
    clock("emscripten_get_now", "emscripten_get_now"),
    clock("emscripten_date_now", "emscripten_get_now"),
    Contract {
        name: "emscripten_get_now_res",
        does: Does::Return(1_000_000),
        purpose: Purpose::Clock,
        stub: Some(Group::Clock),
        why: "the stand-in clock ticks in milliseconds",
    },
];

/// Names that are patterns rather than words.
pub(super) fn lookup(module: &Module<'_>, runtime: &Runtime, name: &str, import: u32) -> Option<Answer> {
    let plain = name.trim_start_matches('_');
    if plain == "setErrNo" {
        return set_errno(module, runtime, import);
    }
    if plain == "emscripten_get_heap_max" {
        let max = heap_max(module, import)?;
        return Some(Answer {
            stand_in: fit(module, runtime, Does::Return(max), import)?,
            purpose: Purpose::Memory,
            stub: None,
            why: "the memory's maximum in bytes",
        });
    }
    if plain.starts_with("invoke_") {
        return Some(Answer {
            stand_in: fit(module, runtime, Does::Invoke, import)?,
            purpose: Purpose::Exceptions,
            stub: Some(Group::Exceptions),
            why: "calls the function through the table; what it would have caught ends the program",
        });
    }
    if plain.starts_with("nullFunc_") || plain.starts_with("cxa_find_matching_catch") {
        return Some(Answer {
            stand_in: StandIn::Trap,
            purpose: Purpose::Exceptions,
            stub: Some(Group::Exceptions),
            why: "only reached after an error, which ends the program",
        });
    }
    if is_system_call(plain) {
        let fastcomp = name.starts_with("___");
        let answer = if fastcomp { -38 } else { -52 };
        return Some(Answer {
            stand_in: fit(module, runtime, Does::Return(answer), import)?,
            purpose: Purpose::Libc,
            stub: Some(Group::Libc),
            why: "there is no operating system: −ENOSYS",
        });
    }
    first_fit(module, runtime, CONTRACTS, plain, import)
}

/// The memory's maximum in bytes, where the import's result can hold it.
///
/// Without a declared maximum it is the address space of 32 bits; that of 64 bits is no bound that a
/// program could be told.
fn heap_max(module: &Module<'_>, import: u32) -> Option<i64> {
    /// Stand-ins do not grow into the last 64 KiB, behind which an end would be 2^32.
    const LAST: u64 = 0xffff_0000;
    let memory = module.memories.first()?;
    let page = 1_u64 << memory.page_size_log2.unwrap_or(crate::runtime::PAGE_LOG2);
    let declared = memory.maximum.map(|pages| pages.saturating_mul(page));
    let max = if memory.memory64 { declared? } else { declared.unwrap_or(LAST).min(LAST) };
    let is_narrow = module.func_type(import)?.results() == [wasmparser::ValType::I32];
    if is_narrow && u32::try_from(max).is_err() {
        return None;
    }
    i64::try_from(max).ok()
}

/// `syscall54`, `syscall_openat`: the number or the name of a call, with a negated errno as result.
fn is_system_call(plain: &str) -> bool {
    plain.strip_prefix("syscall").is_some_and(|rest| {
        rest.starts_with('_') || !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Stores to where the module's own `__errno_location` says, if it exports it; the glue did
/// the same, and nothing otherwise.
fn set_errno(module: &Module<'_>, runtime: &Runtime, import: u32) -> Option<Answer> {
    let location = ["___errno_location", "__errno_location"]
        .iter()
        .find_map(|name| module.exported_func(name))
        .filter(|&func| crate::structure::has_type(module, func, "-> i32"));
    let takes_one = module.func_type(import)?.params() == [wasmparser::ValType::I32];
    let stand_in = match location {
        Some(location) if takes_one && !module.memories.first()?.memory64 => StandIn::StoreErrno(location),
        _ => fit(module, runtime, Does::Return(0), import)?,
    };
    Some(Answer {
        stand_in,
        purpose: Purpose::Libc,
        stub: None,
        why: "sets errno where the module keeps it, if it says where, as the glue did",
    })
}
