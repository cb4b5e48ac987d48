//! Recognising an allocator by its code, in modules without names too.
//!
//! ```text
//! function ── shape ──▶ set of hashed runs of normalised operations (k-grams)
//! library              for each known allocator: its grams, weighted by how much they tell
//! search               which functions of a module hold how much of which allocator
//! ```

mod library;
mod search;
mod shape;

pub use library::{Library, Posting, Profile, library};
pub use search::{Match, Search, Searched, search};
pub use shape::{MAX_RUN, SHAPE_VERSION, for_each_gram, shape};
