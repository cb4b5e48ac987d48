//! C library functions that toolchains leave to the host, and AssemblyScript's few.

use super::{Contract, Does, Group};
use crate::plan::Purpose;

const fn libc(name: &'static str, answer: i64, why: &'static str) -> Contract {
    Contract { name, does: Does::Return(answer), purpose: Purpose::Libc, stub: Some(Group::Libc), why }
}

const fn ends(name: &'static str) -> Contract {
    Contract {
        name,
        does: Does::Trap,
        purpose: Purpose::Abort,
        stub: None,
        why: "it must not return; a trap ends the program as it would",
    }
}

const fn thread(name: &'static str) -> Contract {
    Contract {
        name,
        does: Does::Return(0),
        purpose: Purpose::Threads,
        stub: Some(Group::Libc),
        why: ONE_THREAD,
    }
}

const fn exception(name: &'static str, why: &'static str) -> Contract {
    Contract { name, does: Does::Trap, purpose: Purpose::Exceptions, stub: Some(Group::Exceptions), why }
}

const fn clock(name: &'static str, function: &'static str) -> Contract {
    Contract {
        name,
        does: Does::Run(function),
        purpose: Purpose::Clock,
        stub: Some(Group::Clock),
        why: "a clock that starts at 0 and advances a millisecond at each question",
    }
}

const ONE_THREAD: &str = "there is one thread: a lock is always free";
const THROWN: &str = "an exception that is thrown ends the program";
const NO_NAME: &str = "there is nothing of that name";

/// By C's names.
pub(super) const CONTRACTS: &[Contract] = &[
    Contract {
        name: "sbrk",
        does: Does::Run("sbrk"),
        purpose: Purpose::Memory,
        stub: None,
        why: "the break starts above everything static and moves by memory.grow",
    },
    Contract {
        name: "memcpy",
        does: Does::Run("emscripten_memcpy_big"),
        purpose: Purpose::Libc,
        stub: None,
        why: "copies",
    },
    Contract {
        name: "memmove",
        does: Does::Run("emscripten_memcpy_big"),
        purpose: Purpose::Libc,
        stub: None,
        why: "copies; the regions may overlap",
    },
    ends("abort"),
    ends("exit"),
    ends("_exit"),
    ends("_Exit"),
    ends("quick_exit"),
    ends("__assert_fail"),
    ends("__assert_func"),
    ends("__cxa_pure_virtual"),
    ends("__stack_chk_fail"),
    ends("__handle_stack_overflow"),
    ends("abortStackOverflow"),
    ends("__cxa_bad_cast"),
    ends("__cxa_bad_typeid"),
    ends("segfault"),
    ends("alignfault"),
    ends("rust_begin_unwind"),
    ends("llvm_trap"),
    ends("trap"),
    thread("__lock"),
    thread("__unlock"),
    thread("pthread_mutex_lock"),
    thread("pthread_mutex_unlock"),
    thread("pthread_mutex_init"),
    thread("pthread_mutex_destroy"),
    thread("pthread_mutexattr_init"),
    thread("pthread_mutexattr_settype"),
    thread("pthread_mutexattr_destroy"),
    thread("pthread_join"),
    thread("pthread_rwlock_init"),
    thread("pthread_rwlock_destroy"),
    thread("pthread_rwlock_rdlock"),
    thread("pthread_rwlock_wrlock"),
    thread("pthread_rwlock_unlock"),
    thread("pthread_cond_init"),
    thread("pthread_cond_destroy"),
    thread("pthread_cond_signal"),
    thread("pthread_cond_broadcast"),
    thread("pthread_cond_wait"),
    thread("pthread_attr_init"),
    thread("pthread_attr_destroy"),
    thread("pthread_condattr_init"),
    thread("pthread_condattr_destroy"),
    thread("pthread_condattr_setclock"),
    thread("pthread_setcancelstate"),
    thread("pthread_once"),
    thread("sched_yield"),
    libc("__map_file", -1, "there is no file to map"),
    libc("__cxa_atexit", 0, "the program never exits in an orderly way, so the destructor is not kept"),
    libc("__cxa_thread_atexit", 0, "the thread never exits, so the destructor is not kept"),
    libc("__cxa_thread_atexit_impl", 0, "the thread never exits, so the destructor is not kept"),
    libc("atexit", 0, "the program never exits in an orderly way, so the function is not kept"),
    libc("__atexit", 0, "the program never exits in an orderly way, so the function is not kept"),
    libc("getenv", 0, NO_NAME),
    libc("__buildEnvironment", 0, "there is no environment"),
    libc("dlopen", 0, NO_NAME),
    libc("dlsym", 0, NO_NAME),
    libc("dlclose", 0, NO_NAME),
    libc("dlerror", 0, NO_NAME),
    libc("getpwuid", 0, NO_NAME),
    libc("getpwnam", 0, NO_NAME),
    libc("strftime", 0, "nothing is formatted: 0 bytes written"),
    libc("strftime_l", 0, "nothing is formatted: 0 bytes written"),
    libc("tzset", 0, "the time zone is UTC"),
    libc("usleep", 0, "there is no time to pass"),
    libc("nanosleep", 0, "there is no time to pass"),
    libc("sleep", 0, "there is no time to pass"),
    libc("sysconf", -1, "nothing is known of the system"),
    libc("signal", 0, "no signal is ever raised"),
    libc("sigaction", 0, "no signal is ever raised"),
    libc("raise", -1, "no signal is ever raised"),
    libc("kill", -1, "there is no other process"),
    libc("fork", -1, "there are no processes"),
    libc("execve", -1, "there are no processes"),
    libc("system", -1, "there are no processes"),
    libc("trace", 0, "a trace goes nowhere"),
    exception("__cxa_throw", THROWN),
    exception("__cxa_rethrow", THROWN),
    exception("__resumeException", THROWN),
    exception("__cxa_allocate_exception", THROWN),
    exception("_Unwind_RaiseException", THROWN),
    exception("_Unwind_Resume", THROWN),
    exception("longjmp", "a long jump ends the program"),
    exception("emscripten_longjmp", "a long jump ends the program"),
    exception("_emscripten_throw_longjmp", "a long jump ends the program"),
    exception("emscripten_throw_longjmp", "a long jump ends the program"),
    exception("__throw_exception_with_stack_trace", THROWN),
    exception("llvm_eh_typeid_for", THROWN),
    exception("__cxa_begin_catch", THROWN),
    exception("__cxa_end_catch", THROWN),
    exception("__cxa_find_matching_catch", THROWN),
    exception("__cxa_find_matching_catch_2", THROWN),
    exception("__cxa_find_matching_catch_3", THROWN),
    exception("__cxa_find_matching_catch_4", THROWN),
    exception("__cxa_get_exception_ptr", THROWN),
    exception("__cxa_current_primary_exception", THROWN),
    exception("__cxa_rethrow_primary_exception", THROWN),
    Contract {
        name: "__cxa_free_exception",
        does: Does::Return(0),
        purpose: Purpose::Exceptions,
        stub: Some(Group::Exceptions),
        why: "no exception is ever alive",
    },
    Contract {
        name: "__cxa_uncaught_exceptions",
        does: Does::Return(0),
        purpose: Purpose::Exceptions,
        stub: Some(Group::Exceptions),
        why: "no exception is ever under way",
    },
    Contract {
        name: "__cxa_uncaught_exception",
        does: Does::Return(0),
        purpose: Purpose::Exceptions,
        stub: Some(Group::Exceptions),
        why: "no exception is ever under way",
    },
    Contract {
        name: "__gxx_personality_v0",
        does: Does::Return(0),
        purpose: Purpose::Exceptions,
        stub: Some(Group::Exceptions),
        why: "no exception is ever under way",
    },
    clock("clock", "clock"),
    clock("time", "time"),
    clock("gettimeofday", "gettimeofday"),
    Contract {
        name: "seed",
        does: Does::Run("seed"),
        purpose: Purpose::Random,
        stub: Some(Group::Random),
        why: "the same seed in every run: Math.random becomes predictable",
    },
];
