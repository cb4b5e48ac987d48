//! Crate wee_alloc 0.4, with its size classes as by default.

use ::wee_alloc::WeeAlloc;

pub type Allocator = WeeAlloc<'static>;

pub const ALLOCATOR: Allocator = WeeAlloc::INIT;
