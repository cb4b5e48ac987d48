//! One heap: the superblocks that it owns, grouped by class and by how full they are. What is here happens under the
//! heap's own lock; what two heaps or the pages have a part in is in the [parent](super).

use core::ptr::null_mut;

use super::superblock::{Block, Group, SUPERBLOCK, Superblock, lay};
use crate::classes::COUNT;
use crate::link::expect_link;
use crate::thread::SLOTS;

/// Whether there can be a second thread. Without one there is one heap, which has nobody to give superblocks to, so
/// it does not keep the sums that say when.
pub(super) const SHARED: bool = SLOTS > 1;

/// How many superblocks a heap may have empty, in bytes: *K* times *S* in the paper.
pub(super) const SLACK_BYTES: usize = 8 * SUPERBLOCK;

/// [`Superblock::low`] of an active superblock: in a module without threads the heap notices when it is empty, because it may have
/// been the last that was not.
pub(super) const ACTIVE_LOW: usize = if SHARED { 0 } else { 1 };

pub(super) struct Heap {
    /// For each class, the superblock that it is allocated from, or null.
    pub(super) active: [*mut Superblock; COUNT],
    /// For each class, superblocks with blocks to give that are less than f empty.
    pub(super) dense: [*mut Superblock; COUNT],
    /// For each class, superblocks with blocks to give that are at least f empty.
    pub(super) sparse: [*mut Superblock; COUNT],
    /// Superblocks of any class without a block in use.
    pub(super) empty: *mut Superblock,
    /// How many those are.
    pub(super) empties: usize,
    /// How many classes have an active superblock.
    pub(super) actives: usize,
    /// A bit for each class that has sparse superblocks.
    pub(super) sparse_classes: u32,
    /// Bytes of the blocks in use, in the superblocks that are not active: *u* in the paper.
    pub(super) used: usize,
    /// Bytes of all blocks, in the superblocks that are not active: *a* in the paper.
    pub(super) owned: usize,
    /// With fewer bytes in use than this the heap must give superblocks away.
    pub(super) give_below: usize,
    /// How many bytes may be empty whatever share that is.
    slack_bytes: usize,
}

// SAFETY: the pointers lead into memory that only the heap's owner uses, so they may go to another thread with it.
unsafe impl Send for Heap {}

const _: () = assert!(COUNT <= u32::BITS as usize);

impl Heap {
    /// A heap without superblocks. One with `usize::MAX` for slack never has to give any away.
    pub(super) const fn new(slack_bytes: usize) -> Self {
        Self {
            active: [null_mut(); COUNT],
            dense: [null_mut(); COUNT],
            sparse: [null_mut(); COUNT],
            empty: null_mut(),
            empties: 0,
            actives: 0,
            sparse_classes: 0,
            used: 0,
            owned: 0,
            give_below: 0,
            slack_bytes,
        }
    }

    /// The entry of a class in one of the arrays.
    #[inline(always)]
    fn entry(array: &mut [*mut Superblock; COUNT], class: usize) -> &mut *mut Superblock {
        debug_assert!(class < COUNT);
        // SAFETY: a class comes from `class_of`, from a header (B1) or from counting to COUNT.
        unsafe { array.get_unchecked_mut(class) }
    }

    /// A block of the class's active superblock, or null if that has none cut.
    #[inline(always)]
    pub(super) fn take(&mut self, class: usize) -> *mut u8 {
        let superblock = *Self::entry(&mut self.active, class);
        // SAFETY: an active superblock is the heap's (B2), and what its list holds are free blocks (B3).
        unsafe {
            if superblock.is_null() {
                return null_mut();
            }
            let block = (*superblock).free.get();
            if block.is_null() {
                return null_mut();
            }
            (*superblock).free.set((*block).next.get());
            (*superblock).used += 1;
            block.cast()
        }
    }

    /// As [`take`](Self::take), after cutting more blocks or with another superblock of the heap's own; null if it has
    /// none for the class.
    pub(super) fn take_otherwise(&mut self, class: usize) -> *mut u8 {
        let superblock = *Self::entry(&mut self.active, class);
        if !superblock.is_null() {
            // SAFETY: an active superblock is the heap's (B2), and its list is empty.
            unsafe { (*superblock).cut() };
            let block = self.take(class);
            if !block.is_null() {
                return block;
            }
            *Self::entry(&mut self.active, class) = null_mut();
            self.actives -= 1;
            // SAFETY: all of its blocks were cut, and none is in its list: it is full.
            unsafe { self.adopt(superblock) };
        }
        let mut next = *Self::entry(&mut self.dense, class);
        if next.is_null() {
            next = *Self::entry(&mut self.sparse, class);
        }
        if next.is_null() {
            next = self.empty;
        }
        if next.is_null() {
            return null_mut();
        }
        // SAFETY: what a list of the heap's holds is the heap's, and the class has no active superblock now.
        unsafe {
            self.part_with(next);
            self.activate(next, class)
        }
    }

    /// Makes a superblock the class's active one, and takes a block of it.
    ///
    /// # Safety
    /// The superblock is owned by this heap but is in no group of it; it is of this class and has a block to give, or
    /// is empty. The class has no active one.
    pub(super) unsafe fn activate(&mut self, superblock: *mut Superblock, class: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            if (*superblock).used == 0 && usize::from((*superblock).class) != class {
                lay(superblock, class);
            }
            (*superblock).group = Group::Active;
            (*superblock).low = ACTIVE_LOW;
            (*superblock).weight = 0;
            if (*superblock).free.get().is_null() {
                (*superblock).cut();
            }
        }
        *Self::entry(&mut self.active, class) = superblock;
        self.actives += 1;
        self.take(class)
    }

    /// How many superblocks the heap has that are active or empty.
    #[inline(always)]
    pub(super) fn reserve(&self) -> usize {
        self.actives + self.empties
    }

    /// Whether no block of an active superblock is in use. Linear in the classes.
    pub(super) fn is_idle(&self) -> bool {
        // SAFETY: an active superblock is the heap's (B2).
        self.active.iter().all(|&superblock| superblock.is_null() || unsafe { (*superblock).used } == 0)
    }

    /// Takes a block back. Answers whether [`regroup`](Self::regroup) must see the superblock, or the heap must give
    /// some away.
    ///
    /// # Safety
    /// A block of the superblock, which is this heap's, given back once.
    #[inline(always)]
    pub(super) unsafe fn put(&mut self, block: *mut u8, superblock: *mut Superblock) -> bool {
        let block: *mut Block = block.cast();
        // SAFETY: nobody uses the block any more, so it may hold the link: B3 holds again.
        unsafe {
            (*block).next.set((*superblock).free.get());
            (*superblock).free.set(block);
            (*superblock).used -= 1;
            let mut due = (*superblock).used < (*superblock).low;
            if SHARED {
                self.used -= (*superblock).weight;
                due |= self.used < self.give_below;
            }
            due
        }
    }

    /// Moves a superblock to the group that it belongs to now.
    ///
    /// # Safety
    /// A superblock of this heap.
    pub(super) unsafe fn regroup(&mut self, superblock: *mut Superblock) {
        // SAFETY: the caller's promise; a superblock that is not active is in the list of its group, if that has one.
        unsafe {
            if (*superblock).used < (*superblock).low && (*superblock).group != Group::Active {
                self.unlink(superblock);
                self.link(superblock);
            }
        }
    }

    /// Takes a superblock in, and its bytes into the sums.
    ///
    /// # Safety
    /// It is owned by this heap but is in no group of it, and it is not active.
    pub(super) unsafe fn adopt(&mut self, superblock: *mut Superblock) {
        // SAFETY: the caller's promise.
        unsafe {
            if SHARED {
                (*superblock).weight = (*superblock).size();
                self.used += (*superblock).used * (*superblock).size();
                self.set_owned(self.owned + (*superblock).capacity_bytes());
            }
            self.link(superblock);
        }
    }

    /// Takes a superblock out of its group, and its bytes out of the sums.
    ///
    /// # Safety
    /// A superblock of this heap that is not active.
    pub(super) unsafe fn part_with(&mut self, superblock: *mut Superblock) {
        // SAFETY: the caller's promise.
        unsafe {
            self.unlink(superblock);
            if SHARED {
                self.used -= (*superblock).used * (*superblock).size();
                self.set_owned(self.owned - (*superblock).capacity_bytes());
            }
        }
    }

    /// Sets *a*, and with it below what *u* the heap must give superblocks away: *a* less the slack, and three quarters
    /// of *a*.
    fn set_owned(&mut self, owned: usize) {
        self.owned = owned;
        self.give_below = (owned - owned / 4).min(owned.saturating_sub(self.slack_bytes));
    }

    /// A superblock that is at least f empty, as long as the heap has to give any away; it is parted with.
    pub(super) fn give(&mut self) -> *mut Superblock {
        if self.used >= self.give_below {
            return null_mut();
        }
        let mut superblock = self.empty;
        if superblock.is_null() {
            // If all superblocks were less than f empty, less than f of their sum would be, and there would be nothing
            // to give away.
            let Some(head) = self.sparse.get(self.sparse_classes.trailing_zeros() as usize) else {
                return null_mut();
            };
            superblock = *head;
        }
        // SAFETY: what a list of the heap's holds is the heap's.
        unsafe { self.part_with(superblock) };
        superblock
    }

    /// An empty superblock, parted with; null if there is none.
    pub(super) fn give_empty(&mut self) -> *mut Superblock {
        let superblock = self.empty;
        if !superblock.is_null() {
            // SAFETY: what a list of the heap's holds is the heap's.
            unsafe { self.part_with(superblock) };
        }
        superblock
    }

    /// Makes every active superblock without a block in use an empty one, for whoever needs it more.
    pub(super) fn release_active(&mut self) {
        for class in 0..COUNT {
            let superblock = *Self::entry(&mut self.active, class);
            // SAFETY: an active superblock is the heap's (B2).
            unsafe {
                if !superblock.is_null() && (*superblock).used == 0 {
                    *Self::entry(&mut self.active, class) = null_mut();
                    self.actives -= 1;
                    self.adopt(superblock);
                }
            }
        }
    }

    /// The first sparse superblock of a class, parted with; null if there is none.
    pub(super) fn give_sparse(&mut self, class: usize) -> *mut Superblock {
        let superblock = *Self::entry(&mut self.sparse, class);
        if !superblock.is_null() {
            // SAFETY: what a list of the heap's holds is the heap's.
            unsafe { self.part_with(superblock) };
        }
        superblock
    }

    /// Puts a superblock into the group that its blocks in use say.
    unsafe fn link(&mut self, superblock: *mut Superblock) {
        // SAFETY: the superblock is the heap's, and so is what its lists hold (B2).
        unsafe {
            let used = (*superblock).used;
            let class = usize::from((*superblock).class);
            let sparse_at_most = (*superblock).sparse_at_most();
            let full_at_least = (*superblock).full_at_least();
            let (group, low) = if used >= full_at_least {
                (Group::Full, full_at_least)
            } else if used > sparse_at_most {
                (Group::Dense, sparse_at_most + 1)
            } else if used > 0 {
                self.sparse_classes |= 1 << class;
                (Group::Sparse, 1)
            } else {
                self.empties += 1;
                (Group::Empty, 0)
            };
            (*superblock).group = group;
            (*superblock).low = low;
            if let Some(head) = self.head(group, class) {
                (*superblock).prev.set(null_mut());
                (*superblock).next.set(*head);
                if !(*head).is_null() {
                    (**head).prev.set(superblock);
                }
                *head = superblock;
            }
        }
    }

    /// Takes a superblock out of the list of its group.
    unsafe fn unlink(&mut self, superblock: *mut Superblock) {
        // SAFETY: as for `link`; neighbours in a list know each other (B4).
        unsafe {
            let (group, class) = ((*superblock).group, usize::from((*superblock).class));
            let Some(head) = self.head(group, class) else { return };
            let (next, prev) = ((*superblock).next.get(), (*superblock).prev.get());
            if !next.is_null() {
                expect_link(|| (*next).prev.get(), superblock);
                (*next).prev.set(prev);
            }
            if prev.is_null() {
                *head = next;
            } else {
                expect_link(|| (*prev).next.get(), superblock);
                (*prev).next.set(next);
            }
            match group {
                Group::Sparse if (*head).is_null() => self.sparse_classes &= !(1 << class),
                Group::Empty => self.empties -= 1,
                _ => {}
            }
        }
    }

    /// The head of the list of a group, if it has one.
    fn head(&mut self, group: Group, class: usize) -> Option<&mut *mut Superblock> {
        match group {
            Group::Active | Group::Full => None,
            Group::Dense => Some(Self::entry(&mut self.dense, class)),
            Group::Sparse => Some(Self::entry(&mut self.sparse, class)),
            Group::Empty => Some(&mut self.empty),
        }
    }
}
