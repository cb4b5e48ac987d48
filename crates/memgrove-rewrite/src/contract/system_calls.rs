//! System calls as Emscripten imports them: by number with a list of arguments
//! (`__syscall54(which, varargs)`), later by name with arguments of their own
//! (`__sys_open` for some months of 2020, `__syscall_openat` since then).

use super::{Answer, Does, Group, Types, fit, has_form};
use crate::edits::StandIn;
use crate::module::Module;

/// fastcomp's and the early LLVM back end's.
const BY_NUMBER: Types = &["i32 i32 -> i32"];
/// The highest number of i386, whose numbers they are.
const LAST_NUMBER: u32 = 450;
/// `exit` and `exit_group`, which do not return.
const EXITS: [u32; 2] = [1, 252];

const ONE: Types = &["p -> i32", "i32 -> i32"];
const TWO: Types = &["p p -> i32", "i32 p -> i32", "p i32 -> i32", "i32 i32 -> i32"];
const FD_TWO: Types = &["i32 p p -> i32", "i32 p i32 -> i32", "i32 i32 p -> i32", "i32 i32 i32 -> i32"];
const THREE: Types = &["p p i32 -> i32", "p i32 i32 -> i32", "p p p -> i32"];
const FOUR: Types = &["i32 p i32 p -> i32", "i32 p p i32 -> i32", "i32 p i32 i32 -> i32", "i32 p p p -> i32"];
const LINKS: Types = &["i32 p i32 p -> i32", "i32 p i32 p i32 -> i32", "i32 p i32 i32 i32 -> i32"];
/// Sockets: all of them take six numbers, of which the last ones may be unused.
const SOCKET: Types = &[
    "i32 i32 i32 i32 i32 i32 -> i32",
    "i32 p p i32 i32 i32 -> i32",
    "i32 p i32 i32 i32 i32 -> i32",
    "i32 p p i32 p p -> i32",
];

/// By name, without `__syscall_`.
const NAMED: &[(&str, Types)] = &[
    ("_newselect", &["i32 p p p p -> i32"]),
    ("accept4", SOCKET),
    ("access", TWO),
    ("acct", ONE),
    ("bind", SOCKET),
    ("chdir", ONE),
    ("chmod", TWO),
    ("chown32", &["p i32 i32 -> i32"]),
    ("connect", SOCKET),
    ("dup", ONE),
    ("dup2", TWO),
    ("dup3", FD_TWO),
    ("faccessat", FOUR),
    ("fadvise64", &["i32 i64 i64 i32 -> i32", "i32 i32 i32 i32 i32 i32 -> i32"]),
    ("fallocate", &["i32 i32 i64 i64 -> i32", "i32 i32 i32 i32 i32 i32 -> i32"]),
    ("fchdir", ONE),
    ("fchmod", TWO),
    ("fchmodat", FOUR),
    ("fchmodat2", FOUR),
    ("fchown32", FD_TWO),
    ("fchownat", LINKS),
    ("fcntl64", FD_TWO),
    ("fdatasync", ONE),
    ("fstat64", TWO),
    ("fstatfs64", FD_TWO),
    ("ftruncate64", &["i32 i64 -> i32", "i32 i32 i32 -> i32"]),
    ("getcwd", TWO),
    ("getdents64", FD_TWO),
    ("getegid32", &["-> i32"]),
    ("geteuid32", &["-> i32"]),
    ("getgid32", &["-> i32"]),
    ("getgroups32", TWO),
    ("getpeername", SOCKET),
    ("getpgid", ONE),
    ("getpgrp", &["-> i32"]),
    ("getpid", &["-> i32"]),
    ("getppid", &["-> i32"]),
    ("getpriority", TWO),
    ("getresgid32", &["p p p -> i32"]),
    ("getresuid32", &["p p p -> i32"]),
    ("getrusage", TWO),
    ("getsid", ONE),
    ("getsockname", SOCKET),
    ("getsockopt", SOCKET),
    ("getuid32", &["-> i32"]),
    ("ioctl", FD_TWO),
    ("linkat", LINKS),
    ("listen", SOCKET),
    ("lstat64", TWO),
    ("madvise", THREE),
    ("mincore", THREE),
    ("mkdir", TWO),
    ("mkdirat", FD_TWO),
    ("mknod", THREE),
    ("mknodat", FOUR),
    ("mlock", TWO),
    ("mlockall", ONE),
    ("mmap2", &["p p i32 i32 i32 i32 -> p", "p p i32 i32 i32 i64 -> p"]),
    ("mprotect", THREE),
    ("mremap", &["p p p i32 p -> i32"]),
    ("msync", THREE),
    ("munlock", TWO),
    ("munlockall", &["-> i32"]),
    ("munmap", TWO),
    ("newfstatat", FOUR),
    ("open", &["p i32 p -> i32", "i32 i32 i32 -> i32"]),
    ("openat", FOUR),
    ("readlink", THREE),
    ("rename", TWO),
    ("link", TWO),
    ("symlink", TWO),
    ("unlink", ONE),
    ("utimensat_time64", FOUR),
    ("pause", &["-> i32"]),
    ("pipe", ONE),
    ("pipe2", TWO),
    ("poll", THREE),
    ("prlimit64", &["i32 i32 p p -> i32"]),
    ("pselect6", &["i32 p p p p p -> i32"]),
    ("readlinkat", FOUR),
    ("recvfrom", SOCKET),
    ("recvmmsg", SOCKET),
    ("recvmsg", SOCKET),
    ("renameat", LINKS),
    ("rmdir", ONE),
    ("sendmmsg", SOCKET),
    ("sendmsg", SOCKET),
    ("sendto", SOCKET),
    ("setdomainname", TWO),
    ("setpgid", TWO),
    ("setpriority", &["i32 i32 i32 -> i32"]),
    ("setrlimit", TWO),
    ("setsid", &["-> i32"]),
    ("setsockopt", SOCKET),
    ("shutdown", SOCKET),
    ("socket", SOCKET),
    ("socketcall", TWO),
    ("socketpair", SOCKET),
    ("stat64", TWO),
    ("statfs64", THREE),
    ("symlinkat", &["p i32 p -> i32"]),
    ("sync", &["-> i32"]),
    ("truncate64", &["p i64 -> i32", "i32 i32 i32 -> i32"]),
    ("ugetrlimit", TWO),
    ("umask", ONE),
    ("uname", ONE),
    ("unlinkat", FD_TWO),
    ("utimensat", FOUR),
    ("wait4", &["i32 p i32 p -> i32"]),
];

/// One call: no operating system answers it, and two of them end the program.
pub(super) fn lookup(module: &Module<'_>, name: &str, import: u32) -> Option<Answer> {
    let plain = name.trim_start_matches('_');
    let call = match plain.strip_prefix("sys") {
        Some(call) if call.starts_with('_') && name.starts_with("__") => call,
        _ => plain.strip_prefix("syscall")?,
    };
    let number = call.parse::<u32>().ok().filter(|number| *number <= LAST_NUMBER);
    let exits = number.is_some_and(|number| EXITS.contains(&number)) && has_form(module, import, BY_NUMBER)
        || matches!(call, "_exit" | "_exit_group") && has_form(module, import, &["i32 ->", "i32 -> i32"]);
    if exits {
        return Some(Answer {
            stand_in: StandIn::Trap,
            stub: Some(Group::Libc),
            why: "must not return: ends the program with a trap",
        });
    }
    let types = match number {
        Some(_) => BY_NUMBER,
        None => NAMED.iter().find(|(known, _)| call.strip_prefix('_') == Some(known))?.1,
    };
    if !has_form(module, import, types) {
        return None;
    }
    // fastcomp's error numbers are Linux's, today's are WASI's.
    let errno = if name.starts_with("___") { -38 } else { -52 };
    Some(Answer {
        stand_in: fit(module, Does::Return(errno), import)?,
        stub: Some(Group::Libc),
        why: "there is no operating system: −ENOSYS",
    })
}
