//! What measuring and the survey found, as plain values: records, rows, and what they add up to. No engine, no file, no
//! clock; the lab makes them, views show them.
#![forbid(unsafe_code)]

pub mod advice;
pub mod bench;
mod engine_id;
pub mod guest;
pub mod programs;
pub mod survey;
pub mod swapped;

pub use engine_id::EngineId;

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
