//! Application or library, and what must run first.

use crate::facts::Facts;
use crate::report::{Conclusion, Startup};

/// Concludes how the module is meant to be started.
#[must_use]
pub fn startup(_facts: &Facts<'_>) -> Startup {
    Startup {
        role: Conclusion::unknown(),
        start_function: None,
        constructors: Vec::new(),
        entry_points: Vec::new(),
    }
}
