//! Crate talc 5 over a fixed arena, claimed when it runs out for the first time.

use core::mem::MaybeUninit;

pub use talc::wasm::WasmArenaTalc as Allocator;

const ARENA_BYTES: usize = super::STATIC_BYTES as usize;
static mut ARENA: [MaybeUninit<u8>; ARENA_BYTES] = [MaybeUninit::uninit(); ARENA_BYTES];

// SAFETY: nothing else names ARENA.
pub const ALLOCATOR: Allocator = unsafe { talc::wasm::new_wasm_arena_allocator(&raw mut ARENA) };
