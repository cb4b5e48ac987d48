//! Results as text and HTML. JSON needs no exporter: the results serialise themselves.

pub mod bench;
pub mod survey;
