//! See the crate's description in Cargo.toml.

pub mod engine;
pub mod export;
pub mod guest;
pub mod measure;
pub mod survey;
pub mod toolchain;
pub mod verify;
