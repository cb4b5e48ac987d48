//! memgrove for JavaScript: a module of a few exports, over which `npm/memgrove/memgrove.js` puts functions.
//!
//! ```text
//! buffer(n) for the request (JSON) and each input ─► call(): how many parts ─► pointer(i), length(i) of each
//! ```
//!
//! No bindings are generated: strings and bytes are all that passes. A request names its operation and the options; what
//! comes out is a JSON object first, and bytes behind it. See [`operation`].

mod engine;
mod exchange;
pub mod operation;

/// Our own heap serves here, too.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static HEAP: memgrove::Dlmalloc = memgrove::Dlmalloc::new();
