//! This repository's Hardened over Dlmalloc, as `memgrove swap --to hardened` puts it in: what it costs that misuse traps.

pub type Allocator = memgrove::Hardened<memgrove::Dlmalloc>;

pub const ALLOCATOR: Allocator = memgrove::Hardened::new(memgrove::Dlmalloc::new());
