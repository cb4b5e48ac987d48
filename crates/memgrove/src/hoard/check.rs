//! What the heaps say about themselves: [`stats`] counts, [`check`] verifies B1 to B7, and B8 by `away.rs`.

use core::ptr::null;
use core::sync::atomic::Ordering;

use super::heap::{ACTIVE_LOW, Heap, SHARED, SLACK_BYTES};
use super::post::{Outbox, POSTS, Post};
use super::superblock::{Block, Group, SUPERBLOCK, Superblock, superblock_of};
use super::{GLOBAL, HEAPS, Hoard, TAG_SUPERBLOCK};
use crate::classes::{COUNT, size_of_class};
use crate::pages::{PAGE, Pages, Walked};
use crate::source::PageSource;
use crate::stats::{Broken, Stats, ensure};
use crate::word::pointer;

/// Everything, while all locks are held.
pub(super) struct All<'a, S> {
    heaps: &'a [*const Heap; HEAPS],
    pub(super) outboxes: &'a [*const Outbox; POSTS],
    pub(super) posts: &'a [Post; POSTS],
    pub(super) pages: &'a Pages<S>,
}

impl<S: PageSource> Hoard<S> {
    /// Runs `f` with every lock held.
    pub(super) fn alone(&self, mut f: impl FnMut(&All<'_, S>)) {
        // In the order in which the others take them: a thread's heap, the global heap, what nobody holds together with another: the
        // outboxes, and the pages.
        self.lock_heaps(HEAPS - 1, &mut [null(); HEAPS], &mut |heaps| {
            self.lock_outboxes(&mut [null(); POSTS], 0, &mut |outboxes| {
                self.pages.0.with(|pages| f(&All { heaps, outboxes, posts: &self.posts, pages }));
            });
        });
    }

    fn lock_heaps(
        &self,
        number: usize,
        heaps: &mut [*const Heap; HEAPS],
        f: &mut dyn FnMut(&[*const Heap; HEAPS]),
    ) {
        self.heap(number).with(|heap| {
            heaps[number] = heap;
            match number.checked_sub(1) {
                Some(next) => self.lock_heaps(next, heaps, f),
                None => f(heaps),
            }
        });
    }

    fn lock_outboxes(
        &self,
        outboxes: &mut [*const Outbox; POSTS],
        index: usize,
        f: &mut dyn FnMut(&[*const Outbox; POSTS]),
    ) {
        let Some(post) = self.posts.get(index) else { return f(outboxes) };
        post.outbox.0.with(|outbox| {
            outboxes[index] = outbox;
            self.lock_outboxes(outboxes, index + 1, f);
        });
    }
}

/// The header of a superblock that a walk has met.
fn header<'a>(walked: Walked) -> &'a Superblock {
    // SAFETY: the extent is a superblock (B1), and all locks are held.
    unsafe { &*pointer(walked.address()).cast() }
}

pub(super) fn stats<S: PageSource>(all: &All<'_, S>) -> Stats {
    // Each superblock is counted as one live block there.
    let mut stats = all.pages.stats(|_, _| ());
    let walked = all.pages.walk_large(|extent| {
        if extent.tag == TAG_SUPERBLOCK {
            let superblock = header(extent);
            let live_bytes = superblock.used * superblock.size();
            stats.live_blocks = stats.live_blocks - 1 + superblock.used;
            stats.live_bytes = stats.live_bytes - extent.bytes() + live_bytes;
            stats.free_blocks += usize::from(superblock.capacity) - superblock.used;
            stats.free_bytes += extent.bytes() - live_bytes;
        }
        Ok(())
    });
    debug_assert!(walked.is_ok(), "the walk has nothing to object to");
    all.count_away(&mut stats);
    stats
}

/// What one heap's superblocks are, counted by a walk or by its lists.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    superblocks: usize,
    /// Blocks in use, on their way home included.
    pub(super) in_use: usize,
    full: usize,
    used: usize,
    owned: usize,
}

impl Counted {
    fn add(&mut self, superblock: &Superblock) {
        self.superblocks += 1;
        self.in_use += superblock.used;
        self.full += usize::from(superblock.group == Group::Full);
        if superblock.group != Group::Active {
            self.used += superblock.used * superblock.size();
            self.owned += superblock.capacity_bytes();
        }
    }
}

pub(super) fn check<S: PageSource>(all: &All<'_, S>) -> Result<(), Broken> {
    all.pages.check(|slab| ensure(false, "B1", "an extent is a slab", slab.address()))?;
    let mut met = [Counted::default(); HEAPS];
    all.pages.walk_large(|extent| {
        if extent.tag == TAG_SUPERBLOCK {
            met[check_superblock(extent)?].add(header(extent));
        }
        Ok(())
    })?;
    for (number, (&heap, met)) in all.heaps.iter().zip(met).enumerate() {
        // SAFETY: the heap's lock is held.
        check_heap(unsafe { &*heap }, number, met)?;
    }
    all.check_away(&met)
}

/// B1, B3 and B4 for one superblock; answers its owner.
fn check_superblock(extent: Walked) -> Result<usize, Broken> {
    let at = extent.address();
    ensure(
        at % SUPERBLOCK == 0 && extent.bytes() == SUPERBLOCK,
        "B1",
        "a superblock is not where or as long as it must be",
        at,
    )?;
    let superblock = header(extent);
    let class = usize::from(superblock.class);
    let fits = class < COUNT && superblock.size() == size_of_class(class);
    ensure(fits, "B1", "a superblock is of no class", at)?;
    let owner = superblock.owner.load(Ordering::Relaxed);
    ensure(owner < HEAPS, "B2", "a superblock belongs to no heap", at)?;

    let capacity = usize::from(superblock.capacity);
    let mut free = superblock.uncut_blocks();
    let mut block: *mut Block = superblock.free.check("B3")?;
    while !block.is_null() {
        free += 1;
        ensure(free <= capacity, "B3", "a superblock has more free blocks than blocks", at)?;
        let address = block.addr();
        let home = superblock_of(block.cast()).addr() == at && superblock.has_cut(address);
        ensure(home, "B3", "a free block is not where a block of the superblock begins", address)?;
        ensure(address % PAGE != 0, "B1", "a block begins at a page", address)?;
        // SAFETY: a free block that was cut holds its link.
        block = unsafe { (*block).next.check("B3")? };
    }
    ensure(free + superblock.used == capacity, "B3", "a superblock's blocks do not add up", at)?;

    let (used, sparse, full) = (superblock.used, superblock.sparse_at_most(), superblock.full_at_least());
    let (belongs, low) = match superblock.group {
        Group::Active => (true, ACTIVE_LOW),
        Group::Full => (used >= full, full),
        Group::Dense => (used > sparse && used < full, sparse + 1),
        Group::Sparse => (used > 0 && used <= sparse, 1),
        Group::Empty => (used == 0, 0),
    };
    ensure(
        belongs && superblock.low == low,
        "B4",
        "a superblock is in another group than it belongs to",
        at,
    )?;
    let weight = if superblock.group == Group::Active { 0 } else { superblock.size() };
    ensure(!SHARED || superblock.weight == weight, "B5", "a superblock's blocks weigh something else", at)?;
    Ok(owner)
}

/// B2, B4 to B7 for one heap, against what the walk has met of it.
fn check_heap(heap: &Heap, number: usize, met: Counted) -> Result<(), Broken> {
    // Full superblocks are in no list.
    let mut listed = Counted { superblocks: met.full, full: met.full, ..met };
    let mut count = |first: *mut Superblock, group: Group, class: Option<usize>| {
        let mut superblock = first;
        let mut before: *mut Superblock = core::ptr::null_mut();
        while !superblock.is_null() {
            let at = superblock.addr();
            // SAFETY: the lists of a heap hold superblocks, and all locks are held.
            let this = unsafe { &*superblock };
            listed.superblocks += 1;
            ensure(listed.superblocks <= met.superblocks, "B2", "a heap's lists hold more than it owns", at)?;
            let owned = this.owner.load(Ordering::Relaxed) == number;
            ensure(owned, "B2", "a heap holds a superblock of another", at)?;
            let here = this.group == group && class.is_none_or(|class| class == usize::from(this.class));
            ensure(here, "B4", "a superblock is in another list than that of its group", at)?;
            if group == Group::Active {
                return Ok(());
            }
            ensure(
                this.prev.check("B4")? == before,
                "B4",
                "neighbours in a list do not know each other",
                at,
            )?;
            before = superblock;
            superblock = this.next.check("B4")?;
        }
        Ok(())
    };
    for class in 0..COUNT {
        count(heap.active[class], Group::Active, Some(class))?;
        count(heap.dense[class], Group::Dense, Some(class))?;
        count(heap.sparse[class], Group::Sparse, Some(class))?;
        let marked = heap.sparse_classes >> class & 1 == 1;
        ensure(
            marked != heap.sparse[class].is_null(),
            "B4",
            "a class's bit does not tell what its list holds",
            heap.sparse[class].addr(),
        )?;
    }
    count(heap.empty, Group::Empty, None)?;
    let actives = heap.active.iter().filter(|active| !active.is_null()).count();
    ensure(actives == heap.actives, "B2", "a heap's active superblocks are not counted", heap.actives)?;
    let at = (&raw const *heap).addr();
    ensure(listed == met, "B2", "a heap owns superblocks that it does not hold", at)?;
    if !SHARED {
        return Ok(());
    }
    let sums = heap.used == met.used && heap.owned == met.owned;
    ensure(sums, "B5", "a heap's sums are not those of its superblocks", at)?;
    if number == GLOBAL {
        let others = heap.active.iter().chain(&heap.dense).chain([&heap.empty]);
        let sparse = met.full == 0 && others.into_iter().all(|first| first.is_null());
        return ensure(sparse, "B7", "the global heap has a superblock that is not sparse", at);
    }
    let holds = met.used >= met.owned.saturating_sub(SLACK_BYTES) || met.used >= met.owned - met.owned / 4;
    ensure(holds, "B6", "a heap keeps more empty than it may", at)
}
