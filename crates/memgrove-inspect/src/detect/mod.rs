//! What we conclude from the [`Facts`](crate::Facts), one question a module.

mod allocator;
mod memory;
mod requirements;
mod startup;
mod toolchain;

pub use allocator::{Allocator, allocator};
pub use memory::memory;
pub use requirements::requirements;
pub use startup::startup;
pub use toolchain::{Toolchain, toolchain};
