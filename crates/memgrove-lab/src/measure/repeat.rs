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

/// Does `work` in `rounds` rounds in one instance. Linear in them.
pub(super) fn repeat(subject: &Subject, allocator: &str, work: &Work, rounds: u32) -> Repeated {
    let mut repeated = Repeated {
        allocator: allocator.to_owned(),
        workload: work.id.clone(),
        held: Vec::new(),
        last_growth_round: 0,
        failure: None,
    };
    repeated.failure = rounds_of(subject, work, rounds, &mut repeated).err();
    repeated
}

fn rounds_of(subject: &Subject, work: &Work, rounds: u32, repeated: &mut Repeated) -> Result<(), Failure> {
    let mut bout = subject.begin(work)?;
    let (mut before, mut answer) = (bout.counter("heap_bytes")?, None);
    for round in 1..=rounds {
        let checksum = bout.run(u64::MAX)?.checksum;
        let expected = *answer.get_or_insert(checksum);
        if checksum != expected {
            return Err(Failure::WrongAnswer { checksum, expected });
        }
        let heap_bytes = bout.counter("heap_bytes")?;
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
