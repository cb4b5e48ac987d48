//! Runs modules and measures allocators: the only crate that has engines and knows the time.
//!
//! [`engine`] runs a module; [`survey`] builds and ranks the study's program with the compilers of [`toolchain`];
//! [`measure`] sets the allocators in [`guest`] modules beside each other; [`verify`] tells whether a fixed module does
//! what the original did; [`wasi`] runs a command with files, arguments and streams.

pub mod engine;
pub mod measure;
pub mod survey;
pub mod toolchain;
pub mod verify;
pub mod wasi;

pub use memgrove_results::guest;
