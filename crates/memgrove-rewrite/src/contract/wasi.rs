//! WASI preview 1, and `wasi_unstable` before it, where there is no system.
//!
//! Their types are fixed. Emscripten passes an i64 as two halves where it is not told that
//! JavaScript has them (`fd_seek`, `clock_time_get`, `fd_pread`, `fd_pwrite`).

use super::{Contract, Does, Group, Types};
use crate::runtime::RuntimeFunction;

/// The two names that preview 1 has had.
pub(crate) fn is_wasi(module: &str) -> bool {
    matches!(module, "wasi_snapshot_preview1" | "wasi_unstable")
}

/// A function of preview 1.
pub(crate) fn is_wasi_name(name: &str) -> bool {
    PREVIEW1.iter().any(|contract| contract.name == name)
}

/// The promises of one of them.
pub(super) fn contracts(module: &str) -> &'static [Contract] {
    if module == "wasi_unstable" { UNSTABLE } else { PREVIEW1 }
}

const fn run(name: &'static str, function: RuntimeFunction, types: Types, why: &'static str) -> Contract {
    Contract { name, types, does: Does::Run(function), stub: Some(Group::Wasi), why }
}

const fn answer(name: &'static str, types: Types, errno: i64, why: &'static str) -> Contract {
    Contract { name, types, does: Does::Return(errno), stub: Some(Group::Wasi), why }
}

const NONE: &str = "there are none: both sizes are written as 0";
const NOTHING_TO_WRITE: &str = "there are none, so nothing is written";
const NO_FILE: &str =
    "no file or directory was ever opened: EBADF (8), which ends the search for preopened ones";
const STANDARD: &str = "standard streams exist, other descriptors are EBADF (8)";
const ENOSYS: &str = "not implemented: ENOSYS (52)";

macro_rules! common {
    ($($more:expr),* $(,)?) => { &[
        run("args_sizes_get", RuntimeFunction::SizesGet, &["i32 i32 -> i32"], NONE),
        answer("args_get", &["i32 i32 -> i32"], 0, NOTHING_TO_WRITE),
        run("environ_sizes_get", RuntimeFunction::SizesGet, &["i32 i32 -> i32"], NONE),
        answer("environ_get", &["i32 i32 -> i32"], 0, NOTHING_TO_WRITE),
        Contract { stub: Some(Group::Clock),
            ..run("clock_res_get", RuntimeFunction::ClockResGet, &["i32 i32 -> i32"], "the stand-in clock ticks in milliseconds") },
        Contract { stub: Some(Group::Clock),
            ..run("clock_time_get", RuntimeFunction::ClockTimeGet, &["i32 i64 i32 -> i32"], "a clock that starts at 0 and advances a millisecond at each question") },
        Contract { stub: Some(Group::Clock),
            ..run("clock_time_get", RuntimeFunction::ClockTimeGetLegal, &["i32 i32 i32 i32 -> i32"], "the same, with the 64-bit precision in two halves") },
        Contract { stub: Some(Group::Random),
            ..run("random_get", RuntimeFunction::RandomGet, &["i32 i32 -> i32"], "the same bytes in every run: enough to seed hash tables, NOT for keys") },
        run("fd_write", RuntimeFunction::FdWrite, &["i32 i32 i32 i32 -> i32"], "output is accepted and dropped: nwritten is what was asked"),
        run("fd_read", RuntimeFunction::FdRead, &["i32 i32 i32 i32 -> i32"], "end of file: nread is 0"),
        run("fd_close", RuntimeFunction::FdStandard, &["i32 -> i32"], STANDARD),
        run("fd_sync", RuntimeFunction::FdStandard, &["i32 -> i32"], STANDARD),
        run("fd_datasync", RuntimeFunction::FdStandard, &["i32 -> i32"], STANDARD),
        run("fd_seek", RuntimeFunction::FdSeek, &["i32 i64 i32 i32 -> i32"], "standard streams cannot be positioned: ESPIPE (70)"),
        run("fd_seek", RuntimeFunction::FdSeekLegal, &["i32 i32 i32 i32 i32 -> i32"], "standard streams cannot be positioned: ESPIPE (70); the offset comes in two halves"),
        run("fd_fdstat_get", RuntimeFunction::FdFdstatGet, &["i32 i32 -> i32"], "standard streams are character devices, other descriptors EBADF (8)"),
        answer("fd_fdstat_set_flags", &["i32 i32 -> i32"], 0, "flags of a standard stream change nothing here"),
        answer("fd_tell", &["i32 i32 -> i32"], 70, "standard streams cannot be positioned: ESPIPE (70)"),
        answer("fd_prestat_get", &["i32 i32 -> i32"], 8, NO_FILE),
        answer("fd_prestat_dir_name", &["i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("fd_advise", &["i32 i64 i64 i32 -> i32"], 8, NO_FILE),
        answer("fd_allocate", &["i32 i64 i64 -> i32"], 8, NO_FILE),
        answer("fd_fdstat_set_rights", &["i32 i64 i64 -> i32"], 8, NO_FILE),
        answer("fd_filestat_set_size", &["i32 i64 -> i32"], 8, NO_FILE),
        answer("fd_filestat_set_times", &["i32 i64 i64 i32 -> i32"], 8, NO_FILE),
        answer("fd_pread", &["i32 i32 i32 i64 i32 -> i32", "i32 i32 i32 i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("fd_pwrite", &["i32 i32 i32 i64 i32 -> i32", "i32 i32 i32 i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("fd_readdir", &["i32 i32 i32 i64 i32 -> i32"], 8, NO_FILE),
        answer("fd_renumber", &["i32 i32 -> i32"], 8, NO_FILE),
        answer("path_create_directory", &["i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("path_filestat_get", &["i32 i32 i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("path_filestat_set_times", &["i32 i32 i32 i32 i64 i64 i32 -> i32"], 8, NO_FILE),
        answer("path_link", &["i32 i32 i32 i32 i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("path_open", &["i32 i32 i32 i32 i32 i64 i64 i32 i32 -> i32"], 8, NO_FILE),
        answer("path_readlink", &["i32 i32 i32 i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("path_remove_directory", &["i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("path_rename", &["i32 i32 i32 i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("path_symlink", &["i32 i32 i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("path_unlink_file", &["i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("sched_yield", &["-> i32"], 0, "there is nobody to yield to"),
        Contract { name: "proc_exit", types: &["i32 ->"], does: Does::Exit, stub: Some(Group::Wasi),
            why: "must not return: the code is kept for the host, then the program ends with a trap" },
        Contract { name: "proc_raise", types: &["i32 -> i32"], does: Does::Trap, stub: Some(Group::Wasi),
            why: "a signal without a handler ends the program" },
        answer("sock_accept", &["i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("sock_recv", &["i32 i32 i32 i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("sock_send", &["i32 i32 i32 i32 i32 -> i32"], 8, NO_FILE),
        answer("sock_shutdown", &["i32 i32 -> i32"], 8, NO_FILE),
        $($more),*
    ] };
}

/// `wasi_snapshot_preview1`.
pub(super) const PREVIEW1: &[Contract] = common![
    run(
        "fd_filestat_get",
        RuntimeFunction::FdFilestatGet,
        &["i32 i32 -> i32"],
        "standard streams are character devices, other descriptors EBADF (8)"
    ),
    run(
        "poll_oneoff",
        RuntimeFunction::PollOneoff,
        &["i32 i32 i32 i32 -> i32"],
        "every event has happened: a program that sleeps wakes at once"
    ),
];

/// `wasi_unstable`: a shorter filestat and longer subscriptions.
const UNSTABLE: &[Contract] = common![
    run(
        "fd_filestat_get",
        RuntimeFunction::UnstableFdFilestatGet,
        &["i32 i32 -> i32"],
        "standard streams are character devices, other descriptors EBADF (8)"
    ),
    answer("poll_oneoff", &["i32 i32 i32 i32 -> i32"], 52, ENOSYS),
];

#[cfg(test)]
mod tests {
    use memgrove_module::recognise::ALONE_OF_ITS_TYPE;

    /// Also that no function is missing here that another crate's tables have: these are all of them.
    #[test]
    fn what_a_type_tells_is_alone_of_it() {
        for (ty, name) in ALONE_OF_ITS_TYPE {
            let named: std::collections::BTreeSet<&str> = super::PREVIEW1
                .iter()
                .filter(|contract| contract.types.contains(&ty))
                .map(|contract| contract.name)
                .collect();
            assert_eq!(named, std::collections::BTreeSet::from([name]), "{ty}");
        }
        assert_eq!(
            super::PREVIEW1
                .iter()
                .map(|contract| contract.name)
                .collect::<std::collections::BTreeSet<_>>()
                .len(),
            46,
        );
    }
}
