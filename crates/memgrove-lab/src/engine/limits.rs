//! The numbers of the budget, which stand nowhere else.

use std::time::Duration;

use memgrove_verify::engine::{Exceeded, Resource, Shape};

use super::EngineError;

const MIB: u64 = 1 << 20;

/// The most that a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all linear memories and collected heaps together. A shared memory counts with what it has, or, where
    /// its growth cannot be seen from outside, with its maximum.
    pub memory_bytes: u64,
    /// Elements of all tables together.
    pub table_elements: u64,
    /// Instances, memories and tables that live at the same time, each.
    pub items: u64,
    /// Stack of WebAssembly calls.
    pub stack_bytes: usize,
    /// Calls of the host that are under way at the same time, one inside another: each takes stack of our own.
    pub nested_calls: u32,
    /// Instructions in one call or in `start`, where they are counted.
    pub fuel: u64,
    /// Time for one call, or for `start`.
    pub call: Duration,
    /// Time for compiling a module.
    pub compile: Duration,
    /// Time for everything with this budget, if that is bounded.
    pub run: Option<Duration>,
    /// Bytes of one function's body: what compiling takes grows with the largest.
    pub body_bytes: u64,
    /// Bytes that an engine's process of its own may have beyond [`Limits::memory_bytes`].
    pub process_bytes: u64,
    /// Bytes of one message from an engine's process, beyond what was asked for.
    pub message_bytes: u64,
}

impl Limits {
    /// For modules of our own, in measurements and tests: all of a 32-bit memory, a minute for a call.
    pub const OWN: Self = Self {
        memory_bytes: 1 << 32,
        table_elements: 20_000_000,
        items: 1000,
        // Enough for the deepest programs of the corpus.
        stack_bytes: 1 << 20,
        nested_calls: 100,
        fuel: 1 << 62,
        call: Duration::from_secs(60),
        compile: Duration::from_secs(120),
        run: None,
        // The limit that browsers have.
        body_bytes: 7_654_321,
        process_bytes: 1024 * MIB,
        message_bytes: 16 * MIB,
    };

    /// For a module of which nothing is known. The fuel takes a second or two; the time is for busy machines and for
    /// what fuel does not count.
    pub const UNKNOWN: Self = Self {
        memory_bytes: 2048 * MIB,
        table_elements: 10_000_000,
        fuel: 300_000_000,
        call: Duration::from_secs(20),
        body_bytes: 4 * MIB,
        ..Self::OWN
    };

    /// For the verification of one fixed module, which makes many calls: [`Limits::UNKNOWN`] and a deadline.
    pub const VERIFICATION: Self = Self { run: Some(Duration::from_secs(300)), ..Self::UNKNOWN };

    /// For a trial of the survey: a hundred times what its program needs.
    pub const SURVEY: Self = Self { memory_bytes: 1 << 32, fuel: 200_000_000, ..Self::UNKNOWN };

    /// For a guest's own words about itself, and as much as its workloads take: the caller sets the fuel of those.
    pub const GUEST: Self = Self { fuel: 1 << 28, call: Duration::from_secs(300), ..Self::OWN };
}

impl Default for Limits {
    fn default() -> Self {
        Self::OWN
    }
}

/// Refuses code that would take too much to compile.
pub(super) fn check_code(shape: &Shape, limits: &Limits) -> Result<(), EngineError> {
    let (asked, limit) = (shape.largest_body_bytes(), limits.body_bytes);
    if asked > limit {
        return Err(EngineError::Budget(Exceeded { resource: Resource::BodyBytes, asked, limit }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_body_is_known() {
        let shape =
            Shape::of(&wat::parse_str("(module (func) (func (drop (i32.const 1))))").unwrap()).unwrap();
        assert_eq!(shape.largest_body_bytes(), 5);
        let limits = Limits { body_bytes: 4, ..Limits::OWN };
        assert!(matches!(check_code(&shape, &limits), Err(EngineError::Budget(_))));
        assert_eq!(check_code(&shape, &Limits::OWN), Ok(()));
    }
}
