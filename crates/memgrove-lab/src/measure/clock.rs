//! Where time comes from, and how long rounds go on.

use std::time::{Duration, Instant};

/// Where time comes from: the machine, or a test.
pub trait Clock {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;
}

/// The machine's monotonic clock.
#[derive(Debug)]
pub struct MachineClock(Instant);

impl MachineClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Calls `round` until it was called `minimum` times and `budget` is used up, or `maximum` times.
///
/// # Errors
/// The first error of `round`; nothing more is done then.
pub fn repeat<E>(
    clock: &dyn Clock,
    budget: Duration,
    minimum: usize,
    maximum: usize,
    mut round: impl FnMut(usize) -> Result<(), E>,
) -> Result<usize, E> {
    let start = clock.now();
    let mut done = 0;
    while done < maximum && (done < minimum || clock.now() - start < budget) {
        round(done)?;
        done += 1;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that goes on only when it is told to.
    #[derive(Debug, Default)]
    struct MockClock(std::cell::Cell<Duration>);

    impl MockClock {
        /// Lets time pass.
        fn advance(&self, by: Duration) {
            self.0.set(self.0.get() + by);
        }
    }

    impl Clock for MockClock {
        fn now(&self) -> Duration {
            self.0.get()
        }
    }

    #[test]
    fn rounds_stop_with_the_budget_but_not_before_the_minimum() {
        let rounds = |cost_s: u64, minimum: usize| {
            let clock = MockClock::default();
            let pass = |_: usize| -> Result<(), ()> {
                clock.advance(Duration::from_secs(cost_s));
                Ok(())
            };
            repeat(&clock, Duration::from_secs(10), minimum, 7, pass).unwrap()
        };
        assert_eq!(rounds(3, 1), 4);
        assert_eq!(rounds(100, 3), 3);
        assert_eq!(rounds(0, 1), 7);
    }

    #[test]
    fn rounds_stop_at_an_error() {
        let mut seen = Vec::new();
        let outcome = repeat(&MockClock::default(), Duration::ZERO, 5, 5, |round| {
            seen.push(round);
            if round == 2 { Err("full") } else { Ok(()) }
        });
        assert_eq!((outcome, seen), (Err("full"), vec![0, 1, 2]));
    }
}
