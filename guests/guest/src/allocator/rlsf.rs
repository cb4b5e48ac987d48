//! Crate rlsf 0.2: two-level segregated fit.

pub use ::rlsf::GlobalTlsf as Allocator;

pub const ALLOCATOR: Allocator = ::rlsf::GlobalTlsf::new();
