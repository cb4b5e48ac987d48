//! What `memgrove bench` measured: the record, and what it adds up to.

pub mod failure;
pub mod results;
pub mod stats;
pub mod summary;
