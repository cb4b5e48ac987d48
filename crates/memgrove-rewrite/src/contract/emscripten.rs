//! Emscripten's glue, from fastcomp to today.

use super::{
    Answer, Contract, Does, Group, Types, clock, first_fit, fit, has_form, libc_answer, system_calls,
};
use wasmparser::MemoryType;

use crate::edits::StandIn;
use crate::module::Module;
use crate::runtime::RuntimeFunction;

const fn memory(name: &'static str, function: RuntimeFunction, types: Types, why: &'static str) -> Contract {
    Contract { name, types, does: Does::Run(function), stub: None, why }
}

/// What is right without doing anything.
const fn nothing(name: &'static str, types: Types, why: &'static str) -> Contract {
    Contract { name, types, does: Does::Return(0), stub: None, why }
}

/// What must not return.
const fn ends(name: &'static str, types: Types) -> Contract {
    const WHY: &str = "it must not return; a trap ends the program as it would";
    Contract { name, types, does: Does::Trap, stub: None, why: WHY }
}

/// The time's address in its place, as it once was: it has 64 bits but in 3.1.11 to 3.1.15, where it has 32.
const fn time_at(name: &'static str) -> Contract {
    Contract {
        name,
        types: &["i32 i32 ->", "i32 i32 -> i32"],
        does: Does::Run(RuntimeFunction::GmtimeJsAt),
        stub: Some(Group::Clock),
        why: "the calendar is the same everywhere; the time zone is UTC; a time that differs as 32 and as 64 bits ends the program",
    }
}

/// Broken-down time.
const fn calendar(name: &'static str, function: RuntimeFunction, types: Types) -> Contract {
    Contract {
        name,
        types,
        does: Does::Run(function),
        stub: Some(Group::Clock),
        why: "the calendar is the same everywhere; the time zone is UTC",
    }
}

const GROWS: &str = "memory.grow, up to the memory's maximum; 0 when refused, as the contract says";
const BYTES: &str = "memory.size in bytes";
const COPIES: &str = "copies inside the same memory";
const ALIVE: &str = "there is no event loop to keep alive";
const MESSAGE: &str = "a message goes nowhere";

const SIZE: Types = &["-> p"];
const TEXT: Types = &["p ->"];
/// With and without its first argument as a result.
const COPY: Types = &["p p p ->", "p p p -> p"];
/// Where JavaScript is not given i64s.
const TIME_IN_HALVES: Types = &["i32 i32 i32 ->", "i32 i32 i32 -> i32"];
const TIME_TO_TM: Types = &["i64 p ->", "i64 p -> i32"];

/// By the names of its JavaScript library, without underscores before them.
pub(super) const CONTRACTS: &[Contract] = &[
    memory("emscripten_resize_heap", RuntimeFunction::EmscriptenResizeHeap, &["p -> i32"], GROWS),
    memory(
        "enlargeMemory",
        RuntimeFunction::EnlargeMemory,
        &["-> i32"],
        "memory.grow until memory covers the break, as the glue did",
    ),
    memory("getTotalMemory", RuntimeFunction::EmscriptenGetHeapSize, SIZE, BYTES),
    memory("emscripten_get_heap_size", RuntimeFunction::EmscriptenGetHeapSize, SIZE, BYTES),
    memory(
        "emscripten_get_sbrk_ptr",
        RuntimeFunction::EmscriptenGetSbrkPtr,
        SIZE,
        "the address that the layout gives to the break",
    ),
    memory("emscripten_memcpy_big", RuntimeFunction::EmscriptenMemcpyBig, COPY, COPIES),
    memory("emscripten_memcpy_js", RuntimeFunction::EmscriptenMemcpyBig, COPY, COPIES),
    ends("abortOnCannotGrowMemory", &["-> i32", "i32 -> i32"]),
    ends("abort_js", &["->"]),
    nothing(
        "emscripten_notify_memory_growth",
        &["p ->", "i32 ->"],
        "only refreshes JavaScript's views of memory; there are none",
    ),
    Contract {
        name: "setTempRet0",
        types: &["i32 ->"],
        does: Does::Run(RuntimeFunction::SetTempRet0),
        stub: None,
        why: "keeps the upper half of a 64-bit result",
    },
    Contract {
        name: "getTempRet0",
        types: &["-> i32"],
        does: Does::Run(RuntimeFunction::GetTempRet0),
        stub: None,
        why: "gives the upper half of a 64-bit result",
    },
    nothing("emscripten_runtime_keepalive_clear", &["->"], ALIVE),
    nothing("emscripten_runtime_keepalive_push", &["->"], ALIVE),
    nothing("emscripten_runtime_keepalive_pop", &["->"], ALIVE),
    libc_answer("setitimer_js", &["i32 f64 -> i32"], 0, "no timer ever fires"),
    Contract {
        name: "setThrew",
        types: &["p i32 ->"],
        does: Does::Return(0),
        stub: Some(Group::Exceptions),
        why: "nothing is thrown",
    },
    Contract {
        name: "tzset_js",
        types: &["p p p p ->"],
        does: Does::Run(RuntimeFunction::TzsetJs),
        stub: Some(Group::Clock),
        why: "the time zone is UTC",
    },
    // 3.1.4 to 3.1.3x: two pointers to names instead of the names.
    Contract {
        name: "tzset_js",
        types: &["i32 i32 i32 ->"],
        does: Does::Run(RuntimeFunction::TzsetJsPointers),
        stub: Some(Group::Clock),
        why: "the time zone is UTC; its name is empty",
    },
    calendar("localtime_js", RuntimeFunction::GmtimeJs, TIME_TO_TM),
    calendar("gmtime_js", RuntimeFunction::GmtimeJs, TIME_TO_TM),
    calendar("localtime_js", RuntimeFunction::GmtimeJsLegal, TIME_IN_HALVES),
    calendar("gmtime_js", RuntimeFunction::GmtimeJsLegal, TIME_IN_HALVES),
    time_at("localtime_js"),
    time_at("gmtime_js"),
    calendar("mktime_js", RuntimeFunction::TimegmJs, &["p -> i64"]),
    calendar("timegm_js", RuntimeFunction::TimegmJs, &["p -> i64"]),
    // The offset was an i32, is an i64, and is two halves where JavaScript is not given i64s;
    // results were returned and are written to two addresses.
    libc_answer(
        "mmap_js",
        &[
            "p i32 i32 i32 i64 p p -> i32",
            "i32 i32 i32 i32 i32 i32 -> i32",
            "i32 i32 i32 i32 i32 i32 i32 -> i32",
            "i32 i32 i32 i32 i32 i32 i32 i32 -> i32",
        ],
        -52,
        "there is no file to map: −ENOSYS (−52)",
    ),
    libc_answer(
        "munmap_js",
        &[
            "p p i32 i32 i32 i64 -> i32",
            "i32 i32 i32 i32 i32 i32 -> i32",
            "i32 i32 i32 i32 i32 i32 i32 -> i32",
        ],
        -52,
        "there is no file to unmap: −ENOSYS (−52)",
    ),
    libc_answer(
        "msync_js",
        &[
            "p p i32 i32 i32 i64 -> i32",
            "i32 i32 i32 i32 i32 i32 -> i32",
            "i32 i32 i32 i32 i32 i32 i32 -> i32",
        ],
        -52,
        "there is no file to write: −ENOSYS (−52)",
    ),
    libc_answer("emscripten_has_asyncify", &["-> i32"], 0, "there is no asyncify without JavaScript"),
    libc_answer("emscripten_get_now_is_monotonic", &["-> i32"], 1, "the stand-in clock never goes back"),
    libc_answer("emscripten_memprof_sbrk_grow", &["p p ->"], 0, "nothing is profiled"),
    libc_answer("emscripten_err", TEXT, 0, MESSAGE),
    libc_answer("emscripten_out", TEXT, 0, MESSAGE),
    libc_answer("emscripten_dbg", TEXT, 0, MESSAGE),
    libc_answer("emscripten_console_error", TEXT, 0, MESSAGE),
    libc_answer("emscripten_console_log", TEXT, 0, MESSAGE),
    libc_answer("emscripten_console_warn", TEXT, 0, MESSAGE),
    libc_answer("emscripten_set_main_loop_timing", &["i32 i32 -> i32"], -1, "there is no event loop"),
    clock("emscripten_get_now", RuntimeFunction::EmscriptenGetNow, &["-> f64"]),
    clock("emscripten_date_now", RuntimeFunction::EmscriptenGetNow, &["-> f64"]),
    Contract {
        name: "emscripten_get_now_res",
        types: &["-> f64"],
        does: Does::Return(1_000_000),
        stub: Some(Group::Clock),
        why: "the stand-in clock ticks in milliseconds",
    },
];

/// What fastcomp left to its JavaScript of C's calendar, by its names with an underscore: times have 32 bits there.
pub(super) const FASTCOMP: &[Contract] = &[
    of_fastcomp("_gmtime_r", RuntimeFunction::GmtimeR, &["i32 i32 -> i32"]),
    of_fastcomp("_localtime_r", RuntimeFunction::GmtimeR, &["i32 i32 -> i32"]),
    of_fastcomp("_mktime", RuntimeFunction::TimegmJs, &["i32 -> i32"]),
    of_fastcomp("_timegm", RuntimeFunction::TimegmJs, &["i32 -> i32"]),
];

const fn of_fastcomp(name: &'static str, function: RuntimeFunction, types: Types) -> Contract {
    const WHY: &str = "the calendar is the same everywhere; the time zone is UTC, and has no name";
    Contract { name, types, does: Does::Run(function), stub: Some(Group::Clock), why: WHY }
}

/// Names that are patterns rather than words.
pub(super) fn lookup(module: &Module<'_>, name: &str, import: u32) -> Option<Answer> {
    let plain = name.trim_start_matches('_');
    if plain == "setErrNo" {
        return has_form(module, import, &["i32 ->"]).then(|| set_errno(module));
    }
    if matches!(plain, "mktime_js" | "timegm_js") && has_form(module, import, &["i32 -> i32"]) {
        return seconds(module, import);
    }
    if plain == HEAP_MAX && has_form(module, import, SIZE) {
        let max = heap_max(module, module.sections.memories.first()?, import)?;
        return Some(Answer {
            stand_in: fit(module, Does::Return(max), import)?,
            stub: None,
            why: "the memory's maximum in bytes",
        });
    }
    if let Some(signature) = plain.strip_prefix("invoke_") {
        return is_invoke(module, signature, import)
            .then(|| fit(module, Does::Invoke, import))
            .flatten()
            .map(|stand_in| Answer {
                stand_in,
                stub: Some(Group::Exceptions),
                why: "calls the function through the table; what it would have caught ends the program",
            });
    }
    let is_error = plain.starts_with("nullFunc_") && has_form(module, import, &["i32 ->"])
        || finds_catch(module, plain, import);
    if is_error {
        return Some(Answer {
            stand_in: StandIn::Trap,
            stub: Some(Group::Exceptions),
            why: "only reached after an error, which ends the program",
        });
    }
    if plain.starts_with("syscall") || plain.starts_with("sys_") && name.starts_with("__") {
        return system_calls::lookup(module, name, import);
    }
    first_fit(module, FASTCOMP, name, import).or_else(|| first_fit(module, CONTRACTS, plain, import))
}

/// Seconds in 32 bits, as they once were. Where an upper half is handed over beside a result, it may be the lower half.
fn seconds(module: &Module<'_>, import: u32) -> Option<Answer> {
    let hands_over = |name: &str| {
        let plain = name.trim_start_matches('_').to_ascii_lowercase().replace('_', "");
        ["tempret", "settempret0", "gettempret0"].iter().any(|part| plain.contains(part))
    };
    let has_upper_half = module.imports.iter().any(|entry| hands_over(entry.import.name))
        || module.exports.iter().any(|export| hands_over(export.name))
        || module.is_minified();
    (!has_upper_half).then_some(Answer {
        stand_in: fit(module, Does::Run(RuntimeFunction::TimegmJs), import)?,
        stub: Some(Group::Clock),
        why: "the calendar is the same everywhere; the time zone is UTC",
    })
}

/// The function whose result is the memory's maximum in bytes, without the underscores before it.
pub(crate) const HEAP_MAX: &str = "emscripten_get_heap_max";

/// The memory's maximum in bytes, where the import's result can hold it.
///
/// Without a declared maximum it is the address space of 32 bits; that of 64 bits is no bound that a
/// program could be told.
pub(crate) fn heap_max(module: &Module<'_>, memory: &MemoryType, import: u32) -> Option<i64> {
    /// Stand-ins do not grow into the last 64 KiB, behind which an end would be 2^32.
    const LAST: u64 = 0xffff_0000;
    let page = 1_u64 << memory.page_size_log2.unwrap_or(crate::runtime::PAGE_LOG2);
    let declared = memory.maximum.map(|pages| pages.saturating_mul(page));
    let max = if memory.memory64 { declared? } else { declared.unwrap_or(LAST).min(LAST) };
    let is_narrow = module.sections.func_type(import)?.results() == [wasmparser::ValType::I32];
    if is_narrow && u32::try_from(max).is_err() {
        return None;
    }
    i64::try_from(max).ok()
}

/// `cxa_find_matching_catch_N` takes N − 2 types of exceptions; without a number, any.
fn finds_catch(module: &Module<'_>, plain: &str, import: u32) -> bool {
    let Some(rest) = plain.strip_prefix("cxa_find_matching_catch") else { return false };
    let Some(ty) = module.sections.func_type(import) else { return false };
    let counts = rest.is_empty()
        || rest
            .strip_prefix('_')
            .and_then(|n| n.parse::<usize>().ok())
            .is_some_and(|n| n == ty.params().len() + 2);
    let are_addresses = ty.params().iter().all(|param| *param == wasmparser::ValType::I32);
    counts && are_addresses && ty.results() == [wasmparser::ValType::I32]
}

/// Whether an import has the type that `invoke_viji` promises: the function's index, and what the
/// letters say, of which the first is the result. A `j` is an i64, or two halves of one.
fn is_invoke(module: &Module<'_>, letters: &str, import: u32) -> bool {
    let Some(ty) = module.sections.func_type(import) else { return false };
    let text = crate::structure::signature_text(ty);
    let form = |j: &str, j_result: &str| {
        let word = |letter: char, j: &str| match letter {
            'i' => Some("i32".to_owned()),
            'j' => Some(j.to_owned()),
            'f' => Some("f32".to_owned()),
            'd' => Some("f64".to_owned()),
            'v' => Some(String::new()),
            _ => None,
        };
        let mut letters = letters.chars();
        let result = word(letters.next()?, j_result)?;
        let params: Option<Vec<String>> =
            letters.map(|letter| word(letter, j).filter(|word| !word.is_empty())).collect();
        let params = std::iter::once("i32".to_owned()).chain(params?).collect::<Vec<_>>().join(" ");
        Some(format!("{params} -> {result}").trim().to_owned())
    };
    [form("i64", "i64"), form("i32 i32", "i32")].into_iter().flatten().any(|form| form == text)
}

/// Stores to where the module's own `__errno_location` says, if it exports it; the glue did
/// the same, and nothing otherwise.
fn set_errno(module: &Module<'_>) -> Answer {
    let location = ["___errno_location", "__errno_location"]
        .iter()
        .find_map(|name| module.facts.exported_func(name))
        .filter(|&func| module.has_type(func, "-> i32"));
    let stand_in = match location {
        Some(location) if module.sections.memories.first().is_some_and(|memory| !memory.memory64) => {
            StandIn::StoreErrno(location)
        }
        _ => StandIn::Return(0),
    };
    Answer {
        stand_in,
        stub: None,
        why: "sets errno where the module keeps it, if it says where, as the glue did",
    }
}
