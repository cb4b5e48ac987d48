//! Clocks, and waiting for them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::errno::Errno;
use super::memory::Guest;

const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
/// What one call may wait for.
const MOST_SUBSCRIPTIONS: u32 = 1024;
const SUBSCRIPTION_BYTES: u32 = 48;
const EVENT_BYTES: u32 = 32;

/// The clocks of one run.
pub(super) struct Clocks {
    start: Instant,
}

impl Clocks {
    pub(super) fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// The time of a clock.
    pub(super) fn nanoseconds(&self, clock: u32) -> Result<u64, Errno> {
        let time = match clock {
            REALTIME => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            MONOTONIC => self.start.elapsed(),
            _ => return Err(Errno::INVAL),
        };
        Ok(u64::try_from(time.as_nanos())?)
    }
}

/// How fine a clock is; no system tells it, so it is the unit.
pub(super) fn resolution(clock: u32) -> Result<u64, Errno> {
    if clock > MONOTONIC { Err(Errno::INVAL) } else { Ok(1) }
}

/// What a program waits for.
enum Wait {
    /// Until then, on the monotonic clock.
    Until(u64),
    /// A stream or file: it is always ready, and waits itself when it is read.
    Ready,
    Fails(Errno),
}

struct Subscription {
    userdata: [u8; 8],
    kind: u8,
    wait: Wait,
}

/// Waits for the first of what a program subscribes to; with streams or files among them, for nothing.
pub(super) fn poll(
    clocks: &Clocks,
    guest: &mut Guest<'_>,
    [subscriptions, events, count, event_count]: [u32; 4],
) -> Result<(), Errno> {
    if count == 0 || count > MOST_SUBSCRIPTIONS {
        return Err(Errno::INVAL);
    }
    let bytes = guest.read(subscriptions, count * SUBSCRIPTION_BYTES)?;
    guest.check(events, count * EVENT_BYTES)?;
    let (records, _) = bytes.as_chunks::<{ SUBSCRIPTION_BYTES as usize }>();
    let waits: Vec<Subscription> = records.iter().map(|record| subscription(clocks, record)).collect();
    let is_ready = waits.iter().any(|it| !matches!(it.wait, Wait::Until(_)));
    let first =
        waits.iter().filter_map(|it| if let Wait::Until(time) = it.wait { Some(time) } else { None }).min();
    if let Some(first) = first.filter(|_| !is_ready) {
        let now = clocks.nanoseconds(MONOTONIC)?;
        std::thread::sleep(Duration::from_nanos(first.saturating_sub(now)));
    }
    let now = clocks.nanoseconds(MONOTONIC)?;
    let mut out = Vec::new();
    let mut happened = 0;
    for it in waits {
        let errno = match it.wait {
            Wait::Until(time) if time > now => continue,
            Wait::Until(_) | Wait::Ready => Errno::SUCCESS,
            Wait::Fails(errno) => errno,
        };
        let mut event = [0; EVENT_BYTES as usize];
        event[..8].copy_from_slice(&it.userdata);
        event[8..10].copy_from_slice(&errno.number().to_le_bytes());
        event[10] = it.kind;
        out.extend(event);
        happened += 1;
    }
    guest.write(events, &out)?;
    guest.write_u32(event_count, happened)
}

fn subscription(clocks: &Clocks, record: &[u8; SUBSCRIPTION_BYTES as usize]) -> Subscription {
    const CLOCK: u8 = 0;
    const ABSOLUTE: u8 = 1;
    let word = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&record[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    let (kind, clock, time) = (record[8], (word(16) & 0xffff_ffff) as u32, word(24));
    let until = || -> Result<u64, Errno> {
        let (now, here) = (clocks.nanoseconds(MONOTONIC)?, clocks.nanoseconds(clock)?);
        let rest = if record[40] & ABSOLUTE != 0 { time.saturating_sub(here) } else { time };
        Ok(now.saturating_add(rest))
    };
    let wait = match kind {
        CLOCK => until().map_or_else(Wait::Fails, Wait::Until),
        1 | 2 => Wait::Ready,
        _ => Wait::Fails(Errno::INVAL),
    };
    Subscription { userdata: word(0).to_le_bytes(), kind, wait }
}
