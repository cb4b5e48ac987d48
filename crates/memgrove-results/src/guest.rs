//! Guests: wasm programs that hold one allocator and every workload.
//!
//! # The contract between a guest and the lab, version 1
//!
//! A **single-threaded guest** imports nothing and owns its memory. It exports:
//!
//! | export | type | meaning |
//! |---|---|---|
//! | `memory` | memory | the linear memory; nobody but the guest grows it |
//! | `abi_version` | `() -> i32` | [`ABI_VERSION`] |
//! | `workload_count` | `() -> i32` | number of workloads |
//! | `workload_name` | `(i: i32) -> i64` | id of a workload in UTF-8: `address << 32 \| length_bytes`. Equal names mean equal work in every guest |
//! | `run` | `(workload: i32, scale: i32, seed: i32) -> i64` | does the work, frees everything, answers a checksum that depends on `(workload, scale, seed)` alone, never on addresses |
//! | `status` | `() -> i32` | [`Status`] of the last `run` or `replay`: also valid after it trapped |
//! | `calls` | `() -> i64` | calls into the allocator during the last run: allocate, zeroed, reallocate and free count one each |
//! | `peak_live_bytes` | `() -> i64` | largest sum of requested bytes that were live at one time in the last run |
//! | `live_bytes` | `() -> i64` | requested bytes still live now; 0 after a run unless the workload itself keeps something |
//! | `heap_bytes` | `() -> i64` | bytes of linear memory that belong to the heap: from `__heap_base` to the end of memory, less what [`trace_buffer`](#trace-replay) took |
//!
//! `scale` is in per cent of the workload's standard size ([`STANDARD_SCALE`]); any value from 1 works. The
//! standard size takes dlmalloc 10 to 50 ms on a compiled engine and keeps the heap below 64 MiB.
//! `seed` feeds the workload's own random numbers.
//!
//! A run counts and verifies through one wrapper around the allocator, the same in every guest, so that its
//! cost is in the floor too and cancels out: the allocator's own fuel per call is
//! `(fuel - floor's fuel) / calls`, where the floor is the guest whose allocator only bumps a pointer.
//! Every block is tagged when it is allocated and verified when it is freed. On a failed check the guest sets
//! its status and returns 0; where it cannot return (a program whose allocation failed aborts) it sets the
//! status and traps.
//!
//! The lab makes a new instance for each measurement; a *cold* run is the first of an instance, a *warm* run
//! is a later one of the same workload, scale and seed in the same instance. Fuel counts from the first
//! instruction of `run` to its return.
//!
//! ## Trace replay
//!
//! | export | type | meaning |
//! |---|---|---|
//! | `trace_buffer` | `(trace_bytes: i32, slots: i32) -> i32` | address of a buffer for the encoded trace, or 0. Called once, before anything is allocated. The buffer, and a table of `slots` blocks (as many as the trace allocates), come from `memory.grow` and not from the allocator |
//! | `replay` | `(trace_bytes: i32) -> i64` | replays the trace (format: crate memgrove-trace) that lies in the buffer; checksum and counters as for `run` |
//!
//! ## Threads
//!
//! A **threaded guest** is a second module of the same allocator, built with atomics. It imports one shared
//! memory, `env.memory`, and nothing else; besides the exports above (its memory apart) it has:
//!
//! | export | type | meaning |
//! |---|---|---|
//! | `__stack_pointer` | mutable global i32 | the shadow stack of this instance |
//! | `__wasm_init_tls` | `(address: i32)` | fills a thread's thread-local storage |
//! | `thread_areas` | `(threads: i32) -> i64` | `address << 32 \| bytes_each`: one area for each thread (16-aligned; thread-local storage at its start, stack downwards from its end), taken with `memory.grow`. Called on the first instance before others exist |
//! | `thread_workload_count` | `() -> i32` | number of threaded workloads |
//! | `thread_workload_name` | `(i: i32) -> i64` | as `workload_name` |
//! | `thread_workload_kind` | `(i: i32) -> i32` | 0: each thread does what one did, nothing shared; 1: threads pass blocks to each other |
//! | `thread_reset` | `(workload: i32, threads: i32)` | called on the first instance before each round: empties queues, sets barriers |
//! | `thread_run` | `(workload: i32, thread: i32, threads: i32, scale: i32, seed: i32) -> i64` | the work of one thread, called by all threads at the same time. For kind 0 the checksum is that of one thread alone |
//! | `thread_exit` | `(thread: i32)` | optional; called at the end of a host thread, gives its heap back |
//!
//! Each host thread instantiates the module anew over the one memory, sets `__stack_pointer` and calls
//! `__wasm_init_tls` before anything else. In a threaded guest `calls` and the live figures may be 0 (a shared
//! counter would be contention of its own); `status` is the worst of all threads.
//!
//! # Where guests are
//!
//! `guests/prebuilt/guests.zst` holds the modules of all guests, one after the other in the order of [`Manifest::modules`]:
//! they differ in the allocator only, so together they take a sixth of what they take one by one. It is embedded in the
//! command with `manifest.json` ([`Manifest`]). `memgrove bench --guest FILE` measures a module of your own beside them.

use serde::{Deserialize, Serialize};

/// Version of the contract above.
pub const ABI_VERSION: u32 = 1;

/// The file next to the manifest that holds the modules, compressed by Zstandard as one.
pub const PACKED: &str = "guests.zst";

/// The `scale` at which a workload has its standard size.
pub const STANDARD_SCALE: u32 = 100;

/// What became of a run, as the guest saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u32)]
pub enum Status {
    /// Every check held.
    Sound = 0,
    /// The allocator answered null to a request that should fit.
    OutOfMemory = 1,
    /// The content of a block changed while it was live: two blocks overlap, or the heap wrote into one.
    Corrupted = 2,
    /// A block does not have the alignment that was asked for.
    Misaligned = 3,
    /// Memory from a zeroed allocation was not zero.
    NotZeroed = 4,
    /// `reallocate` lost content.
    LostContent = 5,
    /// The trace in the buffer cannot be replayed.
    BadTrace = 6,
    /// A workload of this index does not exist.
    NoSuchWorkload = 7,
}

impl Status {
    /// The status with this number, if there is one.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            0 => Self::Sound,
            1 => Self::OutOfMemory,
            2 => Self::Corrupted,
            3 => Self::Misaligned,
            4 => Self::NotZeroed,
            5 => Self::LostContent,
            6 => Self::BadTrace,
            7 => Self::NoSuchWorkload,
            _ => return None,
        })
    }
}

/// `guests/prebuilt/manifest.json`: what the guests hold and how they were made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`ABI_VERSION`] of every guest.
    pub abi_version: u32,
    /// The tools that built them, with versions.
    pub tools: Vec<String>,
    /// Every workload, in the order of presentation; threaded ones too.
    pub workloads: Vec<WorkloadInfo>,
    /// Every guest; the base of ratios (dlmalloc) and the floor are among them.
    pub guests: Vec<GuestInfo>,
}

/// A module among those that are packed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedModule<'m> {
    /// Which allocator it holds.
    pub allocator: &'m str,
    /// Whether it is the twin for threads.
    pub has_threads: bool,
    /// Its length.
    pub size_bytes: u64,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: &'m str,
}

impl Manifest {
    /// The modules in the order in which they are packed: each guest's, followed by its twin for threads.
    pub fn modules(&self) -> impl Iterator<Item = PackedModule<'_>> {
        self.guests.iter().flat_map(|guest| {
            let allocator = guest.allocator.as_str();
            let module = PackedModule {
                allocator,
                has_threads: false,
                size_bytes: guest.size_bytes,
                sha256: &guest.sha256,
            };
            let twin = guest.threads.as_ref().map(|twin| PackedModule {
                allocator,
                has_threads: true,
                size_bytes: twin.size_bytes,
                sha256: &twin.sha256,
            });
            std::iter::once(module).chain(twin)
        })
    }
}

/// A workload, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadInfo {
    /// Name in the guests' tables.
    pub id: String,
    /// What it does, in one line.
    pub title: String,
    /// Where it comes from: paper, benchmark suite, crate.
    pub source: String,
    /// What kind of load it is.
    pub kind: WorkloadKind,
}

/// Kinds of workloads, for grouping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadKind {
    /// One pattern of calls, from the literature or made to be hostile.
    Pattern,
    /// A real program.
    Program,
    /// A recorded trace.
    Trace,
    /// Threads that share nothing.
    ThreadsApart,
    /// Threads that pass blocks to each other.
    ThreadsPassing,
}

/// One allocator, compiled with every workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestInfo {
    /// Stable id and stem of the files, such as `dlmalloc` or `talc-wasm`.
    pub allocator: String,
    /// Name for people.
    pub title: String,
    /// Version of the allocator.
    pub version: String,
    /// Where it comes from: crate, library, this repository.
    pub source: String,
    /// Its part in a comparison.
    pub role: Role,
    /// Defects that are known and documented, such as that it leaks.
    #[serde(default)]
    pub known_defects: Vec<String>,
    /// Bytes of the uncompressed guest, and of its threaded twin.
    pub size_bytes: u64,
    /// SHA-256 of the uncompressed guest, in hexadecimal.
    pub sha256: String,
    /// The threaded twin, where there is one.
    #[serde(default)]
    pub threads: Option<ThreadsInfo>,
    /// Code of a module that exports alloc and free alone, less the same module without an allocator.
    #[serde(default)]
    pub own_code: Option<OwnCode>,
}

/// The threaded twin of a guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreadsInfo {
    /// Bytes of the uncompressed module.
    pub size_bytes: u64,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: String,
}

/// What an allocator is in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Only bumps a pointer: what the workload costs without an allocator.
    Floor,
    /// Somebody else's.
    Peer,
    /// Of this repository.
    Ours,
    /// Of this repository, with traps at misuse: what these cost is said, and it is never recommended.
    Hardened,
}

/// Own code bytes of an allocator, as `rustc` or `clang` and the linker left them and after `wasm-opt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnCode {
    /// Compiled for size (`-Oz`), as built.
    pub oz_bytes: u64,
    /// Compiled for size, after `wasm-opt -Oz`.
    pub oz_optimised_bytes: u64,
    /// Compiled for size, after `wasm-opt -Oz`, then Brotli: what the whole module with the allocator is above the one
    /// without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oz_brotli_bytes: Option<u64>,
    /// Compiled for speed (`-O3`), as built.
    pub o3_bytes: u64,
    /// Compiled for speed, after `wasm-opt -O3`.
    pub o3_optimised_bytes: u64,
}
