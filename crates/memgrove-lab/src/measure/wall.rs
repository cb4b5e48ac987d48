//! Wall times of one thread: in each round every allocator once, cold and warm, in turn.

use std::time::Duration;

use super::clock::{Clock, repeat};
use super::failure::Failure;
use super::results::Wall;
use super::subject::{Subject, Work};
use crate::engine::EngineId;

/// An allocator in a comparison of wall times.
pub struct Entrant<'a> {
    /// Id of the allocator.
    pub allocator: &'a str,
    /// Whether this is the base under a second name.
    pub control: bool,
    /// Its guest.
    pub subject: &'a Subject,
}

/// How many rounds to take.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// At least these.
    pub minimum: usize,
    /// At most these.
    pub maximum: usize,
    /// No new one is begun after this time.
    pub budget: Duration,
}

/// Times all entrants under one workload. Who begins a round changes from round to round, so that nobody is
/// always the one after the one that heats the machine. An entrant that fails is out; the rest goes on.
#[must_use]
pub fn time(
    engine: EngineId,
    entrants: &[Entrant<'_>],
    work: &Work,
    rounds: Rounds,
    clock: &dyn Clock,
) -> Vec<Wall> {
    let mut walls: Vec<Wall> = entrants
        .iter()
        .map(|entrant| Wall {
            engine,
            workload: work.id.clone(),
            allocator: entrant.allocator.to_owned(),
            control: entrant.control,
            cold_ns: Vec::new(),
            warm_ns: Vec::new(),
            failure: None,
        })
        .collect();
    let round = |round: usize| -> Result<(), std::convert::Infallible> {
        for turn in 0..entrants.len() {
            let at = (turn + round) % entrants.len();
            let wall = &mut walls[at];
            if wall.failure.is_some() {
                continue;
            }
            match once(entrants[at].subject, work) {
                Ok((cold, warm)) => {
                    wall.cold_ns.push(nanoseconds(cold));
                    wall.warm_ns.push(nanoseconds(warm));
                }
                Err(failure) => wall.failure = Some(failure),
            }
        }
        Ok(())
    };
    match repeat(clock, rounds.budget, rounds.minimum, rounds.maximum, round) {
        Ok(_) => walls,
    }
}

/// One cold and one warm run in a fresh instance.
fn once(subject: &Subject, work: &Work) -> Result<(Duration, Duration), Failure> {
    let mut bout = subject.begin(work)?;
    let cold = bout.run(u64::MAX)?;
    let warm = bout.run(u64::MAX)?;
    if cold.checksum != warm.checksum {
        return Err(Failure::WrongAnswer { checksum: warm.checksum, expected: cold.checksum });
    }
    Ok((cold.elapsed, warm.elapsed))
}

/// A duration in whole nanoseconds.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
