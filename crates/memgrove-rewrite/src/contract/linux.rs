//! Raw Linux system calls: musl on bare clang, and WALI.

use super::{Answer, Does, Group, fit};
use crate::module::Module;
use crate::plan::Purpose;
use crate::runtime::Runtime;

const RAW: [&str; 7] =
    ["__syscall0", "__syscall1", "__syscall2", "__syscall3", "__syscall4", "__syscall5", "__syscall6"];

const WHY: &str = "brk, anonymous mmap2, munmap, mremap and madvise work on memory.grow; mappings never lie below the break; every other call answers −ENOSYS (−38)";

/// musl's `__syscallN(n, a1 … aN)`, with i386's numbers.
///
/// Emscripten has the same names for something else, the call *number* `N` with type
/// `(which, varargs)`: the number of parameters tells them apart.
pub(super) fn raw_syscall(module: &Module<'_>, runtime: &Runtime, name: &str, import: u32) -> Option<Answer> {
    let arguments = RAW.iter().position(|raw| *raw == name)?;
    let params = module.func_type(import)?.params().len();
    let by_number = arguments == 1 && is_emscripten(module);
    if params != arguments + 1 || by_number {
        return None;
    }
    Some(Answer {
        stand_in: fit(module, runtime, Does::Run(RAW[arguments]), import)?,
        purpose: Purpose::Memory,
        stub: None,
        why: WHY,
    })
}

/// Some other import is Emscripten's.
fn is_emscripten(module: &Module<'_>) -> bool {
    module
        .lookup
        .is_emscripten(|| module.imports.iter().any(|entry| entry.import.name.contains("emscripten")))
}

/// `wali.SYS_<name>`.
pub(super) fn wali(module: &Module<'_>, runtime: &Runtime, name: &str, import: u32) -> Option<Answer> {
    const MEMORY: [&str; 5] = ["SYS_brk", "SYS_mmap", "SYS_munmap", "SYS_mremap", "SYS_madvise"];
    if MEMORY.contains(&name) {
        let does = |name| fit(module, runtime, Does::Run(name), import);
        let known = *MEMORY.iter().find(|known| **known == name)?;
        let stand_in =
            if known == "SYS_mremap" { does(known).or_else(|| does("SYS_mremap5")) } else { does(known) }?;
        return Some(Answer {
            stand_in,
            purpose: Purpose::Memory,
            stub: None,
            why: "works on memory.grow; mappings never lie below the break",
        });
    }
    let libc =
        |stand_in, why| Some(Answer { stand_in, purpose: Purpose::Libc, stub: Some(Group::Libc), why });
    match name {
        "SYS_exit" | "SYS_exit_group" | "__proc_exit" => {
            libc(fit(module, runtime, Does::Trap, import)?, "must not return: ends the program with a trap")
        }
        "SYS_mprotect" | "SYS_set_tid_address" | "SYS_rt_sigprocmask" | "__init" | "__deinit" => libc(
            fit(module, runtime, Does::Return(0), import)?,
            "succeeds: there is one thread and no protection",
        ),
        "__get_init_envfile" | "__cl_get_argc" | "__cl_get_argv_len" | "__cl_copy_argv" => {
            libc(fit(module, runtime, Does::Return(0), import)?, "there are no arguments and no environment")
        }
        _ if name.starts_with("SYS_") => libc(
            fit(module, runtime, Does::Return(-38), import)?,
            "there is no operating system: −ENOSYS (−38)",
        ),
        _ => None,
    }
}
