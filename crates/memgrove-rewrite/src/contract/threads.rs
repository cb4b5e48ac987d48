//! Threads where none can be started.

use super::{Contract, Does, Group};

/// Of the WASI proposal, in a module `wasi`: a thread's number, or a negated error number.
pub(super) const CONTRACTS: &[Contract] = &[Contract {
    name: "thread-spawn",
    types: &["i32 -> i32"],
    does: Does::Return(-6),
    stub: Some(Group::Libc),
    why: "no thread can be started: −EAGAIN (−6), which the C library hands to who asked",
}];
