//! Raw Linux system calls: musl on bare clang, and WALI.

use wasmparser::{FuncType, ValType};

use super::{Answer, Does, Group, Types, fit, has_form};
use crate::module::Module;
use crate::runtime::RuntimeFunction;

/// By the number of arguments behind the call's own.
const RAW: [(&str, RuntimeFunction); 7] = [
    ("__syscall0", RuntimeFunction::Syscall0),
    ("__syscall1", RuntimeFunction::Syscall1),
    ("__syscall2", RuntimeFunction::Syscall2),
    ("__syscall3", RuntimeFunction::Syscall3),
    ("__syscall4", RuntimeFunction::Syscall4),
    ("__syscall5", RuntimeFunction::Syscall5),
    ("__syscall6", RuntimeFunction::Syscall6),
];

const WHY: &str = "brk, anonymous mmap2, munmap, mremap and madvise work on memory.grow; mappings never lie below the break; every other call answers −ENOSYS (−38)";

/// musl's `__syscallN(n, a1 … aN)`, with i386's numbers.
///
/// Emscripten has the same names for something else, the call *number* `N` with type
/// `(which, varargs)`: the number of parameters tells them apart.
pub(super) fn raw_syscall(module: &Module<'_>, name: &str, import: u32) -> Option<Answer> {
    let arguments = RAW.iter().position(|(raw, _)| *raw == name)?;
    let ty = module.sections.func_type(import)?;
    let is_typed = ty.params().len() == arguments + 1
        && ty.params().iter().all(|param| *param == ValType::I32)
        && ty.results() == [ValType::I32];
    let by_number = arguments == 1 && is_emscripten(module);
    if !is_typed || by_number {
        return None;
    }
    Some(Answer { stand_in: fit(module, Does::Run(RAW[arguments].1), import)?, stub: None, why: WHY })
}

/// Some other import is Emscripten's.
fn is_emscripten(module: &Module<'_>) -> bool {
    *module
        .asked
        .is_emscripten
        .get_or_init(|| module.imports.iter().any(|entry| entry.import.name.contains("emscripten")))
}

/// `wali.SYS_<name>`: up to six numbers, and one of 64 bits as a result.
pub(super) fn wali(module: &Module<'_>, name: &str, import: u32) -> Option<Answer> {
    const MEMORY: &[(&str, RuntimeFunction, Types)] = &[
        ("SYS_brk", RuntimeFunction::SysBrk, &["i32 -> i64"]),
        ("SYS_mmap", RuntimeFunction::SysMmap, &["i32 i32 i32 i32 i32 i64 -> i64"]),
        ("SYS_munmap", RuntimeFunction::SysMunmap, &["i32 i32 -> i64"]),
        ("SYS_mremap", RuntimeFunction::SysMremap, &["i32 i32 i32 i32 -> i64"]),
        ("SYS_mremap", RuntimeFunction::SysMremap5, &["i32 i32 i32 i32 i32 -> i64"]),
        ("SYS_madvise", RuntimeFunction::SysMadvise, &["i32 i32 i32 -> i64"]),
    ];
    const CALLS: &[(&str, Types)] = &[
        ("SYS_mprotect", &["i32 i32 i32 -> i64"]),
        ("SYS_set_tid_address", &["i32 -> i64"]),
        ("SYS_rt_sigprocmask", &["i32 i32 i32 i32 -> i64"]),
        ("__init", &["-> i32"]),
        ("__deinit", &["-> i32"]),
    ];
    const ARGUMENTS: &[(&str, Types)] = &[
        ("__get_init_envfile", &["i32 i32 -> i32"]),
        ("__cl_get_argc", &["-> i32"]),
        ("__cl_get_argv_len", &["i32 -> i32"]),
        ("__cl_copy_argv", &["i32 i32 -> i32"]),
    ];
    const EXITS: &[(&str, Types)] =
        &[("SYS_exit", &["i32 -> i64"]), ("SYS_exit_group", &["i32 -> i64"]), ("__proc_exit", &["i32 ->"])];
    let of_memory = MEMORY.iter().find(|(known, _, types)| *known == name && has_form(module, import, types));
    if let Some((_, function, _)) = of_memory {
        return Some(Answer {
            stand_in: fit(module, Does::Run(*function), import)?,
            stub: None,
            why: "works on memory.grow; mappings never lie below the break",
        });
    }
    let group = |table: &[(&str, Types)]| {
        table.iter().find(|(known, _)| *known == name).map(|(_, types)| has_form(module, import, types))
    };
    let (does, why, is_typed) = if let Some(is_typed) = group(EXITS) {
        (Does::Trap, "must not return: ends the program with a trap", is_typed)
    } else if let Some(is_typed) = group(CALLS) {
        (Does::Return(0), "succeeds: there is one thread and no protection", is_typed)
    } else if let Some(is_typed) = group(ARGUMENTS) {
        (Does::Return(0), "there are no arguments and no environment", is_typed)
    } else {
        let is_other = name.starts_with("SYS_") && !MEMORY.iter().any(|(known, ..)| *known == name);
        (
            Does::Return(-38),
            "there is no operating system: −ENOSYS (−38)",
            is_other && is_a_call(module.sections.func_type(import)?),
        )
    };
    let stand_in = if is_typed { fit(module, does, import)? } else { return None };
    Some(Answer { stand_in, stub: Some(Group::Libc), why })
}

fn is_a_call(ty: &FuncType) -> bool {
    ty.params().len() <= 6
        && ty.params().iter().all(|param| matches!(param, ValType::I32 | ValType::I64))
        && ty.results() == [ValType::I64]
}
