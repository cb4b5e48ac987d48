//! C's heap on the host's side, and what both modules do with theirs.
//!
//! A heap that `fix` puts inside gives other addresses than any other heap would, so that two runs cannot be compared number
//! by number. They are compared by block and offset: the original runs twice, on two heaps of the host that lay out their
//! blocks differently ([`Shadow`]) and fill what nobody has written with different bytes.
//!
//! ```text
//! original, first heap   0x10010 = block 0 + 0    7
//! original, second heap  0x2ffd0 = block 0 + 0    7
//! fixed                  0x20100   block 0 lies   7 ─ equal in both runs of the original, so it must be equal here
//!                                  here from now on
//! ```
//!
//! What is equal in both runs of the original does not depend on addresses, and must be the same in the fixed module. What is
//! the same block and offset in both must be an address there, and the same block must always lie at the same place. The
//! rest depends on addresses in another way (their order, a hash) or on bytes that nobody wrote; it is not compared, and
//! that is told. Before anything is called different, the original is asked once more on other heaps.

mod blocks;
mod by_block;
mod contract;
mod shadow;

pub(super) use blocks::{Blocks, Heap, Heaps, Own, Place, Run, Runs, Word, number};
pub(super) use by_block::ByBlock;
pub(super) use contract::{Entry, check};
pub(super) use shadow::{Layout, Shadow};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A heap that a host's functions and whoever compares share.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Shadow>>);

impl Shared {
    pub fn new(layout: Layout, page_bytes: u64) -> Self {
        Self(Arc::new(Mutex::new(Shadow::new(layout, page_bytes))))
    }

    pub fn lock(&self) -> MutexGuard<'_, Shadow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
