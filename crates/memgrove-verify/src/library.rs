//! What a host's functions do, by the names they are imported under: the emulated host's own table.
//!
//! It is kept apart from the one that modules are fixed by, so that a mistake there shows when the
//! two are compared. A name that is not here is not known.

use memgrove_rewrite::{HeapFunction, RuntimeFunction};

/// What a function of the host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// It does not return.
    Traps,
    /// It does not return; its argument is the program's exit code.
    Exits,
    /// It returns this number and does nothing else.
    Returns(i64),
    /// It does what this function's twin does (see `twins.rs`).
    Computes(RuntimeFunction),
    /// It is of C's heap (see `heap/shadow.rs`).
    Allocates(HeapFunction),
    /// It returns a constant that depends on how the module was built.
    ReturnsConstant,
}

use Action::{Allocates, Computes, Exits, Returns, ReturnsConstant, Traps};
use RuntimeFunction as F;

/// What the function called `name` in `module` does; `params` is how many parameters it has.
pub(super) fn action(module: &str, name: &str, params: usize) -> Option<Action> {
    match module {
        "wasi_snapshot_preview1" => wasi(name),
        "wasi_unstable" => match name {
            "poll_oneoff" => Some(Returns(52)),
            "fd_filestat_get" => Some(Computes(F::UnstableFdFilestatGet)),
            _ => wasi(name),
        },
        "wali" => wali(name),
        "wasi" => (name == "thread-spawn").then_some(Returns(-6)),
        "env" => musl(name, params)
            .or_else(|| emscripten(name, params))
            .or_else(|| libc(name))
            .or_else(|| wasi(name))
            .or_else(|| javascript(name)),
        "console" | "Date" | "performance" | "process" | "Math" => javascript(&format!("{module}.{name}")),
        "gojs" => javascript(name),
        _ => wasm_bindgen(name),
    }
}

fn wasi(name: &str) -> Option<Action> {
    Some(match name {
        "proc_exit" => Exits,
        "proc_raise" => Traps,
        "args_sizes_get" | "environ_sizes_get" => Computes(F::SizesGet),
        "args_get" | "environ_get" | "fd_fdstat_set_flags" | "sched_yield" => Returns(0),
        "fd_close" | "fd_sync" | "fd_datasync" => Computes(F::FdStandard),
        "clock_res_get" => Computes(F::ClockResGet),
        "clock_time_get" => Computes(F::ClockTimeGet),
        "random_get" => Computes(F::RandomGet),
        "fd_write" => Computes(F::FdWrite),
        "fd_read" => Computes(F::FdRead),
        "fd_seek" => Computes(F::FdSeek),
        "fd_fdstat_get" => Computes(F::FdFdstatGet),
        "fd_filestat_get" => Computes(F::FdFilestatGet),
        "poll_oneoff" => Computes(F::PollOneoff),
        "fd_tell" => Returns(70),
        "fd_advise"
        | "fd_allocate"
        | "fd_fdstat_set_rights"
        | "fd_filestat_set_size"
        | "fd_filestat_set_times"
        | "fd_pread"
        | "fd_prestat_dir_name"
        | "fd_prestat_get"
        | "fd_pwrite"
        | "fd_readdir"
        | "fd_renumber" => Returns(8),
        _ if name.starts_with("path_") || name.starts_with("sock_") => Returns(8),
        _ => return None,
    })
}

fn wali(name: &str) -> Option<Action> {
    Some(match name {
        "SYS_brk" => Computes(F::SysBrk),
        "SYS_mmap" => Computes(F::SysMmap),
        "SYS_munmap" => Computes(F::SysMunmap),
        "SYS_mremap" => Computes(F::SysMremap),
        "SYS_madvise" => Computes(F::SysMadvise),
        "SYS_exit" | "SYS_exit_group" | "__proc_exit" => Traps,
        "SYS_mprotect" | "SYS_set_tid_address" | "SYS_rt_sigprocmask" => Returns(0),
        "__init" | "__deinit" | "__get_init_envfile" | "__cl_get_argc" | "__cl_get_argv_len"
        | "__cl_copy_argv" => Returns(0),
        _ if name.starts_with("SYS_") => Returns(-38),
        _ => return None,
    })
}

/// `__syscallN` with its number and N arguments.
fn musl(name: &str, params: usize) -> Option<Action> {
    const RAW: [(&str, RuntimeFunction); 7] = [
        ("__syscall0", F::Syscall0),
        ("__syscall1", F::Syscall1),
        ("__syscall2", F::Syscall2),
        ("__syscall3", F::Syscall3),
        ("__syscall4", F::Syscall4),
        ("__syscall5", F::Syscall5),
        ("__syscall6", F::Syscall6),
    ];
    let arguments = RAW.iter().position(|(raw, _)| *raw == name)?;
    (params == arguments + 1).then_some(Computes(RAW[arguments].1))
}

/// AssemblyScript's standard library and TinyGo's.
fn javascript(name: &str) -> Option<Action> {
    Some(match name {
        "Date.now" | "performance.now" => Computes(F::EmscriptenGetNow),
        "Math.random" => Computes(F::MathRandom),
        "process.exit" => Exits,
        _ if name.starts_with("console.") => Returns(0),
        // Milliseconds or nanoseconds, by the type of the result: whichever was planned is the only one that fits.
        "runtime.ticks" => return None,
        "runtime.sleepTicks" | "syscall/js.finalizeRef" => Returns(0),
        _ => return None,
    })
}

/// Whether a function of the user's, by its name, takes a text to show; then it returns nothing.
pub(super) fn shows_text(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["log", "print", "debug"].iter().any(|part| name.contains(part))
}

fn emscripten(name: &str, params: usize) -> Option<Action> {
    let plain = name.trim_start_matches('_');
    Some(match plain {
        "emscripten_resize_heap" => Computes(F::EmscriptenResizeHeap),
        "emscripten_get_heap_size" | "getTotalMemory" => Computes(F::EmscriptenGetHeapSize),
        "emscripten_get_heap_max" => ReturnsConstant,
        "emscripten_get_sbrk_ptr" => Computes(F::EmscriptenGetSbrkPtr),
        "tzset_js" => Computes(if params == 4 { F::TzsetJs } else { F::TzsetJsPointers }),
        "enlargeMemory" => Computes(F::EnlargeMemory),
        "emscripten_memcpy_big" | "emscripten_memcpy_js" => Computes(F::EmscriptenMemcpyBig),
        "setTempRet0" => Computes(F::SetTempRet0),
        "getTempRet0" => Computes(F::GetTempRet0),
        "emscripten_get_now" | "emscripten_date_now" => Computes(F::EmscriptenGetNow),
        "seed" => Computes(F::Seed),
        "emscripten_get_now_res" => Returns(1_000_000),
        "emscripten_get_now_is_monotonic" => Returns(1),
        "abort_js" | "abortOnCannotGrowMemory" => Traps,
        // Where the module does not say where its errno is, the glue had nowhere to store it.
        "setErrNo" => Returns(0),
        "emscripten_notify_memory_growth"
        | "emscripten_memprof_sbrk_grow"
        | "setThrew"
        | "setitimer_js"
        | "emscripten_has_asyncify" => Returns(0),
        "emscripten_set_main_loop_timing" => Returns(-1),
        "mmap_js" | "munmap_js" | "msync_js" => Returns(-52),
        "emscripten_err"
        | "emscripten_out"
        | "emscripten_dbg"
        | "emscripten_console_error"
        | "emscripten_console_log"
        | "emscripten_console_warn" => Returns(0),
        _ if plain.starts_with("emscripten_runtime_keepalive_") => Returns(0),
        _ if plain.starts_with("nullFunc_") || plain.starts_with("cxa_find_matching_catch") => Traps,
        "syscall1" | "syscall252" | "syscall_exit" | "syscall_exit_group" => Traps,
        // fastcomp's names have another underscore, and Linux's error numbers.
        _ if plain.starts_with("syscall") || plain.starts_with("sys_") => {
            Returns(if name.starts_with("___") { -38 } else { -52 })
        }
        _ => return None,
    })
}

/// C's names, with and without fastcomp's underscore.
fn libc(name: &str) -> Option<Action> {
    let known = |name: &str| {
        Some(match name {
            "malloc" => Allocates(HeapFunction::Malloc),
            "calloc" => Allocates(HeapFunction::Calloc),
            "realloc" => Allocates(HeapFunction::Realloc),
            "reallocarray" => Allocates(HeapFunction::Reallocarray),
            "aligned_alloc" => Allocates(HeapFunction::AlignedAlloc),
            "memalign" => Allocates(HeapFunction::Memalign),
            "posix_memalign" => Allocates(HeapFunction::PosixMemalign),
            "free" => Allocates(HeapFunction::Free),
            "free_sized" => Allocates(HeapFunction::FreeSized),
            "free_aligned_sized" => Allocates(HeapFunction::FreeAlignedSized),
            "malloc_usable_size" => Allocates(HeapFunction::UsableSize),
            "sbrk" => Computes(F::Sbrk),
            "memcpy" | "memmove" => Computes(F::EmscriptenMemcpyBig),
            "memset" => Computes(F::Memset),
            "memcmp" => Computes(F::Memcmp),
            "memchr" => Computes(F::Memchr),
            "strlen" => Computes(F::Strlen),
            "strcmp" => Computes(F::Strcmp),
            "strncmp" => Computes(F::Strncmp),
            "strcpy" => Computes(F::Strcpy),
            "strncpy" => Computes(F::Strncpy),
            "strcat" => Computes(F::Strcat),
            "strchr" => Computes(F::Strchr),
            "strrchr" => Computes(F::Strrchr),
            "isdigit" | "iswdigit" => Computes(F::Isdigit),
            "isalpha" | "iswalpha" => Computes(F::Isalpha),
            "isalnum" | "iswalnum" => Computes(F::Isalnum),
            "isupper" | "iswupper" => Computes(F::Isupper),
            "islower" | "iswlower" => Computes(F::Islower),
            "isxdigit" | "iswxdigit" => Computes(F::Isxdigit),
            "isspace" | "iswspace" => Computes(F::Isspace),
            "isprint" | "iswprint" => Computes(F::Isprint),
            "iscntrl" | "iswcntrl" => Computes(F::Iscntrl),
            "ispunct" | "iswpunct" => Computes(F::Ispunct),
            "isgraph" | "iswgraph" => Computes(F::Isgraph),
            "isblank" | "iswblank" => Computes(F::Isblank),
            "strnlen" => Computes(F::Strnlen),
            "strncat" => Computes(F::Strncat),
            "stpcpy" => Computes(F::Stpcpy),
            "strstr" => Computes(F::Strstr),
            "strspn" => Computes(F::Strspn),
            "strcspn" => Computes(F::Strcspn),
            "strpbrk" => Computes(F::Strpbrk),
            "strcasecmp" => Computes(F::Strcasecmp),
            "strncasecmp" => Computes(F::Strncasecmp),
            "bcmp" => Computes(F::Memcmp),
            "bzero" | "explicit_bzero" | "__wbindgen_memory_discard" => Computes(F::Bzero),
            "atoi" | "atol" => Computes(F::Atoi),
            "strtol" => Computes(F::Strtol),
            "strtoul" => Computes(F::Strtoul),
            "setjmp" | "sigsetjmp" | "_setjmp" => Returns(0),
            "toupper" | "towupper" => Computes(F::Toupper),
            "tolower" | "towlower" => Computes(F::Tolower),
            "abs" | "labs" => Computes(F::Abs),
            "putchar" => Computes(F::Putchar),
            "puts" => Returns(0),
            "time" => Computes(F::Time),
            "clock" => Computes(F::Clock),
            "gettimeofday" => Computes(F::Gettimeofday),
            "exit" | "_exit" | "_Exit" | "quick_exit" => Exits,
            "abort"
            | "__assert_fail"
            | "__assert_func"
            | "__cxa_pure_virtual"
            | "__stack_chk_fail"
            | "__handle_stack_overflow"
            | "abortStackOverflow"
            | "__cxa_bad_cast"
            | "__cxa_bad_typeid"
            | "segfault"
            | "alignfault"
            | "rust_begin_unwind"
            | "llvm_trap" => Traps,
            "__cxa_throw"
            | "__cxa_rethrow"
            | "__resumeException"
            | "__cxa_allocate_exception"
            | "_Unwind_RaiseException"
            | "_Unwind_Resume"
            | "longjmp"
            | "emscripten_longjmp"
            | "_emscripten_throw_longjmp"
            | "emscripten_throw_longjmp"
            | "__throw_exception_with_stack_trace"
            | "llvm_eh_typeid_for"
            | "__cxa_begin_catch"
            | "__cxa_end_catch"
            | "__cxa_get_exception_ptr"
            | "__cxa_current_primary_exception"
            | "__cxa_rethrow_primary_exception" => Traps,
            "__cxa_free_exception"
            | "__cxa_uncaught_exceptions"
            | "__cxa_uncaught_exception"
            | "__gxx_personality_v0" => Returns(0),
            "__lock" | "__unlock" | "sched_yield" => Returns(0),
            "__cxa_atexit" | "__cxa_thread_atexit" | "__cxa_thread_atexit_impl" | "atexit" | "__atexit" => {
                Returns(0)
            }
            "getenv" | "__buildEnvironment" | "dlopen" | "dlsym" | "dlclose" | "dlerror" | "getpwuid"
            | "getpwnam" | "strftime" | "strftime_l" | "tzset" | "usleep" | "nanosleep" | "sleep"
            | "signal" | "sigaction" | "trace" => Returns(0),
            "__map_file" | "sysconf" | "raise" | "kill" | "fork" | "execve" | "system" => Returns(-1),
            _ if name.starts_with("pthread_") => Returns(0),
            _ => return None,
        })
    };
    known(name).or_else(|| known(name.strip_prefix('_')?))
}

/// wasm-bindgen's, in whatever module its glue is.
fn wasm_bindgen(name: &str) -> Option<Action> {
    // Renamed intrinsics end in a hash, too.
    let renamed = name
        .strip_prefix("__wbg_")
        .and_then(|rest| rest.rsplit_once('_'))
        .map(|(name, _)| name.replace('_', ""));
    match renamed.as_deref() {
        Some("wbindgenthrow" | "wbindgenrethrow") => return Some(Traps),
        Some("wbindgenobjectdropref") => return Some(Returns(0)),
        Some("wbindgenobjectcloneref") => return Some(Computes(F::SameHandle)),
        Some("wbindgenstringnew" | "wbindgenerrornew") => return Some(Computes(F::TwoToHandle)),
        _ => {}
    }
    Some(match name {
        // What only wasm-bindgen's own tool runs.
        "__wbindgen_describe" | "__wbindgen_describe_closure" => Traps,
        "__wbindgen_externref_table_grow" | "__wbindgen_externref_table_set_null" => Traps,
        "__wbindgen_throw" | "__wbindgen_rethrow" => Traps,
        "__wbindgen_object_drop_ref" => Returns(0),
        "__wbindgen_object_clone_ref" => Computes(F::SameHandle),
        "__wbindgen_string_new" | "__wbindgen_error_new" => Computes(F::TwoToHandle),
        // What a panic hook uses; the names end in a hash.
        _ if name.starts_with("__wbg_new_") => Computes(F::NewHandle),
        _ if name.starts_with("__wbg_stack_") => Computes(F::EmptyString),
        _ if name.starts_with("__wbg_error_") => Returns(0),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_in_their_modules_only() {
        assert_eq!(action("env", "_abort", 0), Some(Traps));
        assert_eq!(action("env", "___setErrNo", 1), Some(Returns(0)));
        assert_eq!(action("env", "__syscall5", 6), Some(Computes(F::Syscall5)));
        assert_eq!(action("env", "__syscall5", 2), Some(Returns(-52)));
        assert_eq!(action("env", "___syscall5", 2), Some(Returns(-38)));
        assert_eq!(action("wasi_unstable", "poll_oneoff", 4), Some(Returns(52)));
        for (module, name) in [("game", "time"), ("a", "abort"), ("env", "a"), ("./foo.js", "abort")] {
            assert_eq!(action(module, name, 0), None, "{module}.{name}");
        }
    }
}
