//! Crate talc 5 with its smaller source: every growth becomes a heap of its own.

use talc::cell::TalcSyncCell;
use talc::wasm::{WasmBinning, WasmGrowAndClaim};

pub type Allocator = TalcSyncCell<WasmGrowAndClaim, WasmBinning>;

pub const ALLOCATOR: Allocator = TalcSyncCell::new_wasm(WasmGrowAndClaim);
