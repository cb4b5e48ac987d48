//! The deterministic figures: fuel, calls, bytes. The same guest gives the same figures in every run, on
//! every machine, so that one run is enough and a small difference is a difference.

use std::sync::Arc;

use memgrove_inspect::knowledge::Price;

use super::failure::{FUEL_LIMIT_RATIO, Failure};
use super::results::{Count, Figures};
use super::subject::{Bout, Subject, Work};
use crate::engine::{Engine, EngineError, EngineId, Limits, Settings, open};
use crate::guest::Role;

/// What the base may take: far more than any workload, but it ends.
const BASE_FUEL_LIMIT: u64 = 1 << 41;

/// Room for a heap that only begins to repeat itself in its second run.
const LEAK_TOLERANCE_BYTES: u64 = 64 * 1024;

/// What the base found, which the others are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Fuel of the base.
    pub fuel: u64,
    /// Its answer.
    pub checksum: u64,
}

/// The engine that counts: instructions, or steps of a chain's `price`.
///
/// # Errors
/// [`EngineError::Absent`] in a build without it.
pub fn counting_engine(price: Option<&Price>) -> Result<Box<dyn Engine>, EngineError> {
    // Workloads keep below 64 MiB of live blocks, but the floor never frees, and some are counted side by side.
    let price = price.cloned().map(Arc::new);
    open(EngineId::Wasmtime, &Settings { apart: true, price, ..Settings::counting(Limits::GUEST) })
}

fn fuel_limit(expectation: Option<Expectation>) -> u64 {
    expectation.map_or(BASE_FUEL_LIMIT, |base| base.fuel.saturating_mul(FUEL_LIMIT_RATIO))
}

/// Counts one allocator under one workload. Without an `expectation` it is the base that is counted.
#[must_use]
pub fn count(
    subject: &Subject,
    allocator: &str,
    role: Role,
    work: &Work,
    expectation: Option<Expectation>,
) -> Count {
    let mut figures = None;
    let failure = measure(subject, role, work, expectation, &mut figures).err();
    Count { allocator: allocator.to_owned(), workload: work.id.clone(), figures, failure }
}

fn measure(
    subject: &Subject,
    role: Role,
    work: &Work,
    expectation: Option<Expectation>,
    figures: &mut Option<Figures>,
) -> Result<(), Failure> {
    let limit = fuel_limit(expectation);
    let mut bout = subject.begin(work)?;
    let growths_before = bout.growths();
    let first = bout.run(limit)?;
    let fuel = first.fuel.ok_or_else(|| Failure::Unusable { words: "no fuel was counted".to_owned() })?;
    let mut counted = Figures {
        fuel,
        calls: bout.counter("calls")?,
        peak_live_bytes: bout.counter("peak_live_bytes")?,
        heap_bytes: bout.counter("heap_bytes")?,
        growth_bytes: [0; 2],
        dearest_call_fuel: None, // a run of its own tells
        growths: bout.growths().zip(growths_before).map(|(after, before)| after - before),
        checksum: first.checksum,
    };
    *figures = Some(counted);
    if let Some(expected) = expectation.map(|base| base.checksum).filter(|&sum| sum != first.checksum) {
        return Err(Failure::WrongAnswer { checksum: first.checksum, expected });
    }
    if role == Role::Floor {
        return Ok(()); // it never frees: that it grows again is what it is
    }
    counted.growth_bytes = repeat(&mut bout, limit, &counted)?;
    *figures = Some(counted);
    let [_, growth_bytes] = counted.growth_bytes;
    let peak_live_bytes = counted.peak_live_bytes;
    // A heap may still grow in the second run, where it fell apart differently; in the third as much again is
    // a leak.
    if growth_bytes > LEAK_TOLERANCE_BYTES.max(peak_live_bytes / 4) {
        return Err(Failure::Leaks { growth_bytes, peak_live_bytes });
    }
    Ok(())
}

/// Does the same work twice more in the same instance; answers the growth of each.
fn repeat(bout: &mut Bout, limit: u64, first: &Figures) -> Result<[u64; 2], Failure> {
    let mut growth = [0; 2];
    let mut before = first.heap_bytes;
    for growth in &mut growth {
        let after = bout.run_again(limit, first.checksum)?;
        *growth = after.saturating_sub(before);
        before = after;
    }
    Ok(growth)
}
