//! What a heap holds when one instance does the same work again and again, as a program that lives long does: a heap
//! in which everything is free should be as good as new.

use super::failure::Failure;
use super::results::{Held, Repeated};
use super::subject::{Subject, Work};
use crate::engine::{Engine, EngineError, EngineId, Limits, Settings, open};

/// The rounds after which the heap is looked at, and the last.
const LOOKS: [u32; 3] = [1, 2, 20];

/// The engine for it, which counts nothing: it is the faster one, and bytes do not depend on it.
///
/// # Errors
/// [`EngineError::Absent`] in a build without it.
pub(super) fn engine() -> Result<Box<dyn Engine>, EngineError> {
    open(EngineId::Wasmtime, &Settings { apart: true, ..Settings::within(Limits::GUEST) })
}

/// Does `work` in `rounds` rounds in one instance, if the guest could be loaded; each must answer `checksum`. Linear in the rounds.
pub(super) fn repeat(
    subject: Result<&Subject, &Failure>,
    allocator: &str,
    work: &Work,
    rounds: u32,
    checksum: u64,
) -> Repeated {
    let mut repeated = Repeated {
        allocator: allocator.to_owned(),
        workload: work.id.clone(),
        held: Vec::new(),
        last_growth_round: 0,
        failure: None,
    };
    let done = subject
        .map_err(Failure::clone)
        .and_then(|subject| rounds_of(subject, work, rounds, checksum, &mut repeated));
    repeated.failure = done.err();
    repeated
}

fn rounds_of(
    subject: &Subject,
    work: &Work,
    rounds: u32,
    checksum: u64,
    repeated: &mut Repeated,
) -> Result<(), Failure> {
    let mut bout = subject.begin(work)?;
    let mut before = bout.counter("heap_bytes")?;
    for round in 1..=rounds {
        let heap_bytes = bout.run_again(u64::MAX, checksum)?;
        if heap_bytes > before {
            repeated.last_growth_round = round;
        }
        before = heap_bytes;
        if LOOKS.contains(&round) || round == rounds {
            repeated.held.push(Held { round, heap_bytes });
        }
    }
    Ok(())
}
