//! Crate talc 5 as its documents recommend for wasm: extends its heap when it grows memory.

pub use talc::wasm::WasmDynamicTalc as Allocator;

pub const ALLOCATOR: Allocator = talc::wasm::new_wasm_dynamic_allocator();
