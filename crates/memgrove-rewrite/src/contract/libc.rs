//! C library functions that toolchains leave to the host, and AssemblyScript's few.

use super::{Contract, Does, Group, Types, clock, libc_answer};
use crate::runtime::RuntimeFunction;

const fn ends(name: &'static str, types: Types) -> Contract {
    Contract {
        name,
        types,
        does: Does::Trap,
        stub: None,
        why: "it must not return; a trap ends the program as it would",
    }
}

const INT: Types = &["i32 -> i32"];
const BYTES: &str = "byte by byte, as the C standard has it";
const ASCII: &str = "by ASCII, as in the C locale";
const NUMBER: &str =
    "by ASCII, as in the C locale; of a number that does not fit only the result tells, not errno";

const fn run(name: &'static str, function: RuntimeFunction, types: Types, why: &'static str) -> Contract {
    Contract { name, types, does: Does::Run(function), stub: None, why }
}

/// A wide character's class, of ASCII alone.
const fn wide(name: &'static str, function: RuntimeFunction) -> Contract {
    const WHY: &str = "by ASCII: characters beyond it belong to no class";
    Contract { name, types: INT, does: Does::Run(function), stub: Some(Group::Libc), why: WHY }
}

const fn exits(name: &'static str) -> Contract {
    const WHY: &str = "it must not return: the code is kept for the host, then the program ends with a trap";
    Contract { name, types: &["i32 ->"], does: Does::Exit, stub: None, why: WHY }
}

const fn thread(name: &'static str, types: Types) -> Contract {
    Contract { name, types, does: Does::Return(0), stub: Some(Group::Libc), why: ONE_THREAD }
}

const fn exception(name: &'static str, types: Types, why: &'static str) -> Contract {
    Contract { name, types, does: Does::Trap, stub: Some(Group::Exceptions), why }
}

/// What the exceptions that are alive answer: there are none.
const fn no_exception(name: &'static str, types: Types, why: &'static str) -> Contract {
    Contract { name, types, does: Does::Return(0), stub: Some(Group::Exceptions), why }
}

const ONE_THREAD: &str = "there is one thread: a lock is always free";
const THROWN: &str = "an exception that is thrown ends the program";
const JUMP: &str = "a long jump ends the program";
const NO_JUMP: &str = "returns once: a long jump ends the program instead of returning here again";
const NO_NAME: &str = "there is nothing of that name";
const NOT_KEPT: &str = "the program never exits in an orderly way, so the destructor is not kept";
const NO_THREAD_EXIT: &str = "the thread never exits, so the destructor is not kept";

/// By C's names.
pub(super) const CONTRACTS: &[Contract] = &[
    Contract {
        name: "sbrk",
        types: &["p -> p"],
        does: Does::Run(RuntimeFunction::Sbrk),
        stub: None,
        why: "the break starts above everything static and moves by memory.grow",
    },
    Contract {
        name: "memcpy",
        types: &["p p p -> p"],
        does: Does::Run(RuntimeFunction::EmscriptenMemcpyBig),
        stub: None,
        why: "copies",
    },
    Contract {
        name: "memmove",
        types: &["p p p -> p"],
        does: Does::Run(RuntimeFunction::EmscriptenMemcpyBig),
        stub: None,
        why: "copies; the regions may overlap",
    },
    run("memset", RuntimeFunction::Memset, &["p i32 p -> p"], "fills"),
    run("memcmp", RuntimeFunction::Memcmp, &["p p p -> i32"], BYTES),
    run("memchr", RuntimeFunction::Memchr, &["p i32 p -> p"], BYTES),
    run("strlen", RuntimeFunction::Strlen, &["p -> p"], BYTES),
    run("strcmp", RuntimeFunction::Strcmp, &["p p -> i32"], BYTES),
    run("strncmp", RuntimeFunction::Strncmp, &["p p p -> i32"], BYTES),
    run("strcpy", RuntimeFunction::Strcpy, &["p p -> p"], BYTES),
    run("strncpy", RuntimeFunction::Strncpy, &["p p p -> p"], BYTES),
    run("strcat", RuntimeFunction::Strcat, &["p p -> p"], BYTES),
    run("strchr", RuntimeFunction::Strchr, &["p i32 -> p"], BYTES),
    run("strrchr", RuntimeFunction::Strrchr, &["p i32 -> p"], BYTES),
    run("strnlen", RuntimeFunction::Strnlen, &["p p -> p"], BYTES),
    run("strncat", RuntimeFunction::Strncat, &["p p p -> p"], BYTES),
    run("stpcpy", RuntimeFunction::Stpcpy, &["p p -> p"], BYTES),
    run("strstr", RuntimeFunction::Strstr, &["p p -> p"], BYTES),
    run("strspn", RuntimeFunction::Strspn, &["p p -> p"], BYTES),
    run("strcspn", RuntimeFunction::Strcspn, &["p p -> p"], BYTES),
    run("strpbrk", RuntimeFunction::Strpbrk, &["p p -> p"], BYTES),
    run("strcasecmp", RuntimeFunction::Strcasecmp, &["p p -> i32"], ASCII),
    run("strncasecmp", RuntimeFunction::Strncasecmp, &["p p p -> i32"], ASCII),
    run("bcmp", RuntimeFunction::Memcmp, &["p p p -> i32"], BYTES),
    run("bzero", RuntimeFunction::Bzero, &["p p ->"], "fills with zeros"),
    run("explicit_bzero", RuntimeFunction::Bzero, &["p p ->"], "fills with zeros"),
    run("atoi", RuntimeFunction::Atoi, &["p -> i32"], ASCII),
    run("atol", RuntimeFunction::Atoi, &["p -> i32"], ASCII),
    run("strtol", RuntimeFunction::Strtol, &["p p i32 -> i32"], NUMBER),
    run("strtoul", RuntimeFunction::Strtoul, &["p p i32 -> i32"], NUMBER),
    run(
        super::wasm_bindgen::DISCARD,
        RuntimeFunction::Bzero,
        &["p p ->"],
        "the range reads as zeros from then on; nothing goes back to the host (--discard raise uses the instruction)",
    ),
    run("isgraph", RuntimeFunction::Isgraph, INT, ASCII),
    run("isblank", RuntimeFunction::Isblank, INT, ASCII),
    run("isdigit", RuntimeFunction::Isdigit, INT, ASCII),
    run("isalpha", RuntimeFunction::Isalpha, INT, ASCII),
    run("isalnum", RuntimeFunction::Isalnum, INT, ASCII),
    run("isupper", RuntimeFunction::Isupper, INT, ASCII),
    run("islower", RuntimeFunction::Islower, INT, ASCII),
    run("isxdigit", RuntimeFunction::Isxdigit, INT, ASCII),
    run("isspace", RuntimeFunction::Isspace, INT, ASCII),
    run("isprint", RuntimeFunction::Isprint, INT, ASCII),
    run("iscntrl", RuntimeFunction::Iscntrl, INT, ASCII),
    run("ispunct", RuntimeFunction::Ispunct, INT, ASCII),
    run("toupper", RuntimeFunction::Toupper, INT, ASCII),
    run("tolower", RuntimeFunction::Tolower, INT, ASCII),
    wide("iswdigit", RuntimeFunction::Isdigit),
    wide("iswalpha", RuntimeFunction::Isalpha),
    wide("iswalnum", RuntimeFunction::Isalnum),
    wide("iswupper", RuntimeFunction::Isupper),
    wide("iswlower", RuntimeFunction::Islower),
    wide("iswxdigit", RuntimeFunction::Isxdigit),
    wide("iswblank", RuntimeFunction::Isblank),
    wide("iswcntrl", RuntimeFunction::Iscntrl),
    wide("iswgraph", RuntimeFunction::Isgraph),
    wide("iswprint", RuntimeFunction::Isprint),
    wide("iswpunct", RuntimeFunction::Ispunct),
    wide("iswspace", RuntimeFunction::Isspace),
    wide("towupper", RuntimeFunction::Toupper),
    wide("towlower", RuntimeFunction::Tolower),
    run("abs", RuntimeFunction::Abs, INT, "the number without its sign"),
    run("labs", RuntimeFunction::Abs, INT, "the number without its sign"),
    Contract {
        stub: Some(Group::Wasi),
        ..run("putchar", RuntimeFunction::Putchar, INT, "the character is dropped, and returned as written")
    },
    Contract {
        name: "puts",
        types: &["p -> i32"],
        does: Does::Return(0),
        stub: Some(Group::Wasi),
        why: "the line is dropped; 0 says that it was written",
    },
    // C's; fastcomp's, with a reason; AssemblyScript's, with message, file, line and column.
    ends("abort", &["->", "i32 ->", "i32 i32 i32 i32 ->"]),
    exits("exit"),
    exits("_exit"),
    exits("_Exit"),
    exits("quick_exit"),
    ends("__assert_fail", &["p p i32 p ->"]),
    ends("__assert_func", &["p i32 p p ->"]),
    ends("__cxa_pure_virtual", &["->"]),
    ends("__stack_chk_fail", &["->"]),
    ends("__handle_stack_overflow", &["->", "p ->"]),
    ends("abortStackOverflow", &["i32 ->"]),
    ends("__cxa_bad_cast", &["->"]),
    ends("__cxa_bad_typeid", &["->"]),
    ends("segfault", &["->"]),
    ends("alignfault", &["->"]),
    ends("rust_begin_unwind", &["i32 ->", "i32 i32 i32 i32 ->", "i32 i32 i32 i32 i32 ->"]),
    ends("llvm_trap", &["->"]),
    thread("__lock", &["p ->"]),
    thread("__unlock", &["p ->"]),
    thread("pthread_mutex_lock", &["p -> i32"]),
    thread("pthread_mutex_unlock", &["p -> i32"]),
    thread("pthread_mutex_init", &["p p -> i32"]),
    thread("pthread_mutex_destroy", &["p -> i32"]),
    thread("pthread_mutexattr_init", &["p -> i32"]),
    thread("pthread_mutexattr_settype", &["p i32 -> i32"]),
    thread("pthread_mutexattr_destroy", &["p -> i32"]),
    thread("pthread_join", &["p p -> i32"]),
    thread("pthread_rwlock_init", &["p p -> i32"]),
    thread("pthread_rwlock_destroy", &["p -> i32"]),
    thread("pthread_rwlock_rdlock", &["p -> i32"]),
    thread("pthread_rwlock_wrlock", &["p -> i32"]),
    thread("pthread_rwlock_unlock", &["p -> i32"]),
    thread("pthread_cond_init", &["p p -> i32"]),
    thread("pthread_cond_destroy", &["p -> i32"]),
    thread("pthread_cond_signal", &["p -> i32"]),
    thread("pthread_cond_broadcast", &["p -> i32"]),
    thread("pthread_cond_wait", &["p p -> i32"]),
    thread("pthread_attr_init", &["p -> i32"]),
    thread("pthread_attr_destroy", &["p -> i32"]),
    thread("pthread_condattr_init", &["p -> i32"]),
    thread("pthread_condattr_destroy", &["p -> i32"]),
    thread("pthread_condattr_setclock", &["p i32 -> i32"]),
    thread("pthread_setcancelstate", &["i32 p -> i32"]),
    thread("pthread_once", &["p p -> i32"]),
    thread("sched_yield", &["-> i32"]),
    libc_answer("__map_file", &["p p -> p"], -1, "there is no file to map"),
    libc_answer("__cxa_atexit", &["p p p -> i32"], 0, NOT_KEPT),
    libc_answer("__cxa_thread_atexit", &["p p p -> i32"], 0, NO_THREAD_EXIT),
    libc_answer("__cxa_thread_atexit_impl", &["p p p -> i32"], 0, NO_THREAD_EXIT),
    libc_answer("atexit", &["p -> i32"], 0, NOT_KEPT),
    libc_answer("__atexit", &["p -> i32", "p p p -> i32"], 0, NOT_KEPT),
    libc_answer("getenv", &["p -> p"], 0, NO_NAME),
    libc_answer("__buildEnvironment", &["p ->"], 0, "there is no environment"),
    libc_answer("dlopen", &["p i32 -> p"], 0, NO_NAME),
    libc_answer("dlsym", &["p p -> p"], 0, NO_NAME),
    libc_answer("dlclose", &["p -> i32"], 0, NO_NAME),
    libc_answer("dlerror", &["-> p"], 0, NO_NAME),
    libc_answer("getpwuid", &["i32 -> p"], 0, NO_NAME),
    libc_answer("getpwnam", &["p -> p"], 0, NO_NAME),
    libc_answer("strftime", &["p p p p -> p"], 0, "nothing is formatted: 0 bytes written"),
    libc_answer("strftime_l", &["p p p p p -> p"], 0, "nothing is formatted: 0 bytes written"),
    libc_answer("tzset", &["->"], 0, "the time zone is UTC"),
    libc_answer("usleep", &["i32 -> i32"], 0, "there is no time to pass"),
    libc_answer("nanosleep", &["p p -> i32"], 0, "there is no time to pass"),
    libc_answer("sleep", &["i32 -> i32"], 0, "there is no time to pass"),
    libc_answer("sysconf", &["i32 -> p"], -1, "nothing is known of the system"),
    libc_answer("signal", &["i32 p -> p"], 0, "no signal is ever raised"),
    libc_answer("sigaction", &["i32 p p -> i32"], 0, "no signal is ever raised"),
    libc_answer("raise", &["i32 -> i32"], -1, "no signal is ever raised"),
    libc_answer("kill", &["i32 i32 -> i32"], -1, "there is no other process"),
    libc_answer("fork", &["-> i32"], -1, "there are no processes"),
    libc_answer("execve", &["p p p -> i32"], -1, "there are no processes"),
    libc_answer("system", &["p -> i32"], -1, "there are no processes"),
    // AssemblyScript's: a message, how many numbers count, and five numbers.
    libc_answer("trace", &["i32 i32 f64 f64 f64 f64 f64 ->"], 0, "a trace goes nowhere"),
    no_exception("setjmp", &["p -> i32"], NO_JUMP),
    no_exception("sigsetjmp", &["p i32 -> i32"], NO_JUMP),
    exception("__cxa_throw", &["p p p ->"], THROWN),
    exception("__cxa_rethrow", &["->"], THROWN),
    exception("__resumeException", &["p ->"], THROWN),
    exception("__cxa_allocate_exception", &["p -> p"], THROWN),
    exception("_Unwind_RaiseException", &["p -> i32"], THROWN),
    exception("_Unwind_Resume", &["p ->"], THROWN),
    exception("longjmp", &["p i32 ->"], JUMP),
    exception("emscripten_longjmp", &["p i32 ->"], JUMP),
    exception("_emscripten_throw_longjmp", &["->"], JUMP),
    exception("emscripten_throw_longjmp", &["->"], JUMP),
    exception("__throw_exception_with_stack_trace", &["p ->"], THROWN),
    exception("llvm_eh_typeid_for", &["p -> i32"], THROWN),
    exception("__cxa_begin_catch", &["p -> p"], THROWN),
    exception("__cxa_end_catch", &["->"], THROWN),
    exception("__cxa_get_exception_ptr", &["p -> p"], THROWN),
    exception("__cxa_current_primary_exception", &["-> p"], THROWN),
    exception("__cxa_rethrow_primary_exception", &["p ->"], THROWN),
    no_exception("__cxa_free_exception", &["p ->"], "no exception is ever alive"),
    no_exception("__cxa_uncaught_exceptions", &["-> i32"], "no exception is ever under way"),
    no_exception("__cxa_uncaught_exception", &["-> i32"], "no exception is ever under way"),
    no_exception(
        "__gxx_personality_v0",
        &["-> i32", "i32 i32 i64 i32 i32 -> i32"],
        "no exception is ever under way",
    ),
    clock("clock", RuntimeFunction::Clock, &["-> i32"]),
    clock("time", RuntimeFunction::Time, &["i32 -> i32"]),
    clock("gettimeofday", RuntimeFunction::Gettimeofday, &["i32 i32 -> i32"]),
    Contract {
        name: "seed",
        types: &["-> f64"],
        does: Does::Run(RuntimeFunction::Seed),
        stub: Some(Group::Random),
        why: "the same seed in every run: Math.random becomes predictable",
    },
];
