//! The allocators, one small file each: a type `Allocator` and a value `ALLOCATOR` of it.
//!
//! **To add an allocator**: a file here with those two, a line below, a feature (and its dependency, if it is a
//! crate) in this crate's `Cargo.toml`, and an entry in `guests/allocators.toml`. Then `cargo xtask guests build`.

macro_rules! choose {
    ($($feature:literal $module:ident)*) => {$(
        #[cfg(feature = $feature)]
        mod $module;
        #[cfg(feature = $feature)]
        pub use $module::{ALLOCATOR, Allocator};
    )*};
}

/// Bytes of the heap that are static data of the module, and so lie before `__heap_base`.
#[allow(dead_code, reason = "the module that is only weighed counts no heap bytes")]
pub const STATIC_BYTES: u64 = if cfg!(feature = "talc-arena") { 64 << 20 } else { 0 };

choose! {
    "bump" bump
    "dlmalloc" dlmalloc
    "dlmalloc-control" dlmalloc
    "talc-wasm" talc_wasm
    "talc-claim" talc_claim
    "talc-arena" talc_arena
    "rlsf" rlsf
    "lol-alloc" lol_alloc
    "lite-alloc" lite_alloc
    "wee-alloc" wee_alloc
    "rusty-alloc" rusty_alloc
    "std-default" std_default
    "memgrove-wee" memgrove_wee
    "memgrove-dlmalloc" memgrove_dlmalloc
    "memgrove-jemalloc" memgrove_jemalloc
    "memgrove-hoard" memgrove_hoard
    "memgrove-hardened" memgrove_hardened
    "c-malloc" c_malloc
    "zig-wasm" zig_wasm
    "recording" recording
    "broken-overlap" broken_overlap
    "broken-leak" broken_leak
    "broken-exhausted" broken_exhausted
    "broken-slow" broken_slow
}
