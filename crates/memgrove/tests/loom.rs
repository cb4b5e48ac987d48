//! Every interleaving of the lock, of finding a superblock's owner while it is moved, of a heap's mailbox, of reading a page map that moves, of changing a
//! slab's entry in it meanwhile, and of a flush that holds the locks of all arenas.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p memgrove --release --test loom`, or `cargo xtask test --only loom`. Without
//! that flag this file is empty. The code under test is the crate's own, included with the checker's atomics. Two threads a
//! model: with a third the checker would have to run two that spin while the one that holds the lock never runs.
#![cfg(loom)]
#![allow(unsafe_code, reason = "the cells of the model are behind the locks under test")]

#[path = "../src/jemalloc/threads/hold.rs"]
mod hold;
#[path = "../src/hoard/mailbox.rs"]
mod mailbox;
#[path = "../src/hoard/owner.rs"]
mod owner;
#[path = "../src/jemalloc/threads/published.rs"]
mod published;
#[path = "../src/sync.rs"]
mod sync;

use hold::hold;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use mailbox::Mailbox;
use published::Published;
use sync::Lock;
use sync::atomic::{AtomicUsize, Ordering};

/// A superblock, as far as its owner matters: `used` stands for all of its header, and the checker reports
/// any two threads that touch it without one lock between them.
struct Superblock {
    owner: AtomicUsize,
    used: UnsafeCell<usize>,
}

/// What is in a heap: how many superblocks it owns. Heap 0 is the global one.
type Heaps = [Lock<usize>; 3];

fn used(superblock: &Superblock, change: usize) {
    // SAFETY: the caller holds the lock of the superblock's owner; the checker verifies that.
    superblock.used.with_mut(|used| unsafe { *used = (*used).wrapping_add(change) });
}

const MINUS_ONE: usize = usize::MAX;

/// The other side of `with_owner`: a superblock goes from heap `from` to heap `to`, if it is there. One of them is the
/// global heap, which is locked second, as in `settle` and in `refill`.
fn carry(heaps: &Heaps, superblock: &Superblock, from: usize, to: usize) {
    heaps[from.max(to)].with(|thread| {
        heaps[0].with(|global| {
            if superblock.owner.load(Ordering::Relaxed) == from {
                superblock.owner.store(to, Ordering::Relaxed);
                let (loses, gains) = if from == 0 { (global, thread) } else { (thread, global) };
                *loses -= 1;
                *gains += 1;
                used(superblock, 0);
            }
        });
    });
}

fn model(blocks: usize) -> (Arc<Heaps>, Arc<Superblock>) {
    let heaps = Arc::new([Lock::new(0), Lock::new(1), Lock::new(0)]);
    (heaps, Arc::new(Superblock { owner: AtomicUsize::new(1), used: UnsafeCell::new(blocks) }))
}

fn free(heaps: &Heaps, superblock: &Superblock) {
    owner::with_owner(
        &superblock.owner,
        |number| &heaps[number],
        |number, superblocks| {
            assert_eq!(superblock.owner.load(Ordering::Relaxed), number);
            assert_eq!(*superblocks, 1, "the lock of another heap is held");
            used(superblock, MINUS_ONE);
        },
    );
}

#[test]
fn the_lock_lets_one_in_at_a_time() {
    loom::model(|| {
        let counter = Arc::new(Lock::new(0));
        let other = {
            let counter = counter.clone();
            loom::thread::spawn(move || {
                counter.with(|count| *count += 1);
                counter.with(|count| *count += 1);
            })
        };
        counter.with(|count| *count += 1);
        counter.with(|count| *count += 1);
        other.join().unwrap();
        assert_eq!(counter.with(|count| *count), 4);
    });
}

#[test]
fn blocks_go_home_while_their_superblock_moves() {
    loom::model(|| {
        let (heaps, superblock) = model(2);
        let mover = {
            let (heaps, superblock) = (heaps.clone(), superblock.clone());
            loom::thread::spawn(move || {
                carry(&heaps, &superblock, 1, 0);
                carry(&heaps, &superblock, 0, 2);
            })
        };
        free(&heaps, &superblock);
        free(&heaps, &superblock);
        mover.join().unwrap();
        assert_eq!(superblock.owner.load(Ordering::Relaxed), 2);
        // SAFETY: all threads are done.
        assert_eq!(superblock.used.with(|used| unsafe { *used }), 0);
    });
}

/// Two heaps want the same superblock of the global one, and one of the threads has a block of it to give back.
#[test]
fn one_heap_takes_a_superblock_from_the_global_one() {
    loom::model(|| {
        let (heaps, superblock) = model(1);
        carry(&heaps, &superblock, 1, 0);
        let other = {
            let (heaps, superblock) = (heaps.clone(), superblock.clone());
            loom::thread::spawn(move || {
                carry(&heaps, &superblock, 0, 1);
                carry(&heaps, &superblock, 1, 0);
            })
        };
        carry(&heaps, &superblock, 0, 2);
        free(&heaps, &superblock);
        other.join().unwrap();
        let total: usize = heaps.iter().map(|heap| heap.with(|superblocks| *superblocks)).sum();
        assert_eq!(total, 1);
    });
}

/// The model sees what it is for: without the second reading it must fail.
#[test]
#[should_panic(expected = "the lock of another heap is held")]
fn without_reading_the_owner_again_it_goes_wrong() {
    loom::model(|| {
        let (heaps, superblock) = model(1);
        let mover = {
            let (heaps, superblock) = (heaps.clone(), superblock.clone());
            loom::thread::spawn(move || carry(&heaps, &superblock, 1, 0))
        };
        let number = superblock.owner.load(Ordering::Relaxed);
        heaps[number].with(|superblocks| {
            assert_eq!(*superblocks, 1, "the lock of another heap is held");
            used(&superblock, MINUS_ONE);
        });
        mover.join().unwrap();
    });
}

/// A block, as far as the mail matters: its link.
struct Block(UnsafeCell<*mut Block>);

/// A heap's mailbox, with the blocks that are sent there. The checker reports any two threads that touch a link at the same time.
struct Mail {
    mailbox: Mailbox<Block>,
    blocks: [Block; 3],
}

// SAFETY: links are read and written by whoever has the block; the checker verifies that.
unsafe impl Send for Mail {}
// SAFETY: the same.
unsafe impl Sync for Mail {}

const BLOCKS: usize = 3;
/// More than this in a mailbox, and its sender empties it.
const MOST: usize = 1;

impl Mail {
    fn new() -> Arc<Self> {
        let blocks = [(); BLOCKS].map(|()| Block(UnsafeCell::new(std::ptr::null_mut())));
        Arc::new(Self { mailbox: Mailbox::new(), blocks })
    }

    fn block(&self, which: usize) -> *mut Block {
        (&raw const self.blocks[which]).cast_mut()
    }

    fn set_link(&self, which: usize, next: *mut Block) {
        // SAFETY: the caller has the block; the checker verifies that.
        self.blocks[which].0.with_mut(|link| unsafe { *link = next });
    }

    /// As in `Hoard::deliver`: the blocks from `first` to `last` in one chain. Returns whether they are too many.
    fn send(&self, first: usize, last: usize) -> bool {
        for which in first..last {
            self.set_link(which, self.block(which + 1));
        }
        let weight = last + 1 - first;
        self.mailbox.push(self.block(first), weight, |next| self.set_link(last, next)) > MOST
    }

    /// As in `Hoard::receive`: all that is there, block by block, each of which serves something else then. Returns how many there were.
    fn receive(&self, mut take_home: impl FnMut()) -> usize {
        let mut received = 0;
        let mut block = self.mailbox.take();
        while !block.is_null() {
            // SAFETY: a block that was sent, and that nobody else has; the checker verifies that.
            block = unsafe {
                let next = (*block).0.with(|link| *link);
                (*block).0.with_mut(|link| *link = std::ptr::without_provenance_mut(1));
                next
            };
            take_home();
            received += 1;
        }
        self.mailbox.settle(received);
        received
    }

    fn is_empty(&self) -> bool {
        self.mailbox.look() == (std::ptr::null_mut(), 0)
    }
}

/// Each thread sends its chains, told by their first and last block, while the owner takes what there is: every block arrives.
fn all_arrive(senders: &'static [&'static [(usize, usize)]]) {
    loom::model(move || {
        let mail = Mail::new();
        let send = |chains: &'static [(usize, usize)]| {
            let mail = mail.clone();
            loom::thread::spawn(move || {
                for &(first, last) in chains {
                    mail.send(first, last);
                }
            })
        };
        let senders: Vec<_> = senders.iter().map(|chains| send(chains)).collect();
        let mut received = mail.receive(|| ());
        received += mail.receive(|| ());
        for sender in senders {
            sender.join().unwrap();
        }
        received += mail.receive(|| ());
        assert_eq!(received, BLOCKS);
        assert!(mail.is_empty());
    });
}

#[test]
fn chains_are_sent_while_the_owner_takes_them() {
    all_arrive(&[&[(0, 1), (2, 2)]]);
}

#[test]
fn two_threads_send_to_the_same_heap() {
    all_arrive(&[&[(0, 1)], &[(2, 2)]]);
}

/// As in `Hoard::free_of_another`: the owner does not come, or just now, and the sender takes the blocks home.
#[test]
fn a_sender_empties_a_mailbox_that_is_too_full() {
    loom::model(|| {
        let mail = Mail::new();
        let home = Arc::new(Lock::new(0));
        let sender = {
            let (mail, home) = (mail.clone(), home.clone());
            loom::thread::spawn(move || {
                for (first, last) in [(0, 0), (1, 2)] {
                    if mail.send(first, last) {
                        home.with(|blocks| mail.receive(|| *blocks += 1));
                    }
                }
            })
        };
        home.with(|blocks| mail.receive(|| *blocks += 1));
        sender.join().unwrap();
        home.with(|blocks| {
            assert!(*blocks >= BLOCKS - MOST, "the mailbox holds too much");
            mail.receive(|| *blocks += 1);
            assert_eq!(*blocks, BLOCKS);
        });
        assert!(mail.is_empty());
    });
}

/// A block is in heap 1's mailbox while its superblock goes to the global heap and to heap 2.
#[test]
fn blocks_in_the_mail_go_home_while_their_superblock_moves() {
    loom::model(|| {
        let (heaps, superblock) = model(1);
        let mail = Mail::new();
        mail.send(0, 0);
        let mover = {
            let (heaps, superblock) = (heaps.clone(), superblock.clone());
            loom::thread::spawn(move || {
                carry(&heaps, &superblock, 1, 0);
                carry(&heaps, &superblock, 0, 2);
            })
        };
        let mut strays = 0;
        heaps[1].with(|superblocks| {
            mail.receive(|| {
                if superblock.owner.load(Ordering::Relaxed) == 1 {
                    assert_eq!(*superblocks, 1, "the lock of another heap is held");
                    used(&superblock, MINUS_ONE);
                } else {
                    strays += 1;
                }
            });
        });
        for _ in 0..strays {
            free(&heaps, &superblock);
        }
        mover.join().unwrap();
        // SAFETY: all threads are done.
        assert_eq!(superblock.used.with(|used| unsafe { *used }), 0);
    });
}

/// The model sees what it is for: a chain whose end is linked after it was sent must fail.
#[test]
#[should_panic(expected = "Causality violation")]
fn without_linking_before_sending_it_goes_wrong() {
    loom::model(|| {
        let mail = Mail::new();
        let sender = {
            let mail = mail.clone();
            loom::thread::spawn(move || {
                mail.mailbox.push(mail.block(0), 1, |_| ());
                let _ = mail.mailbox.is_empty();
                mail.set_link(0, std::ptr::null_mut());
            })
        };
        mail.receive(|| ());
        mail.receive(|| ());
        sender.join().unwrap();
    });
}

/// The page map, as far as its move matters: an entry that readers look up, and that the place's next user overwrites.
struct Map {
    entry: UnsafeCell<usize>,
}

const CLASS: usize = 5;

/// Two maps, the first of which is published, and a slot's lock for the one who reads.
fn maps() -> (Arc<[Map; 2]>, Arc<Published<Map>>, Arc<[Lock<()>; 2]>) {
    let maps = Arc::new([CLASS, 0].map(|entry| Map { entry: UnsafeCell::new(entry) }));
    let published = Arc::new(Published::new((&raw const maps[0]).cast_mut()));
    (maps, published, Arc::new([Lock::new(()), Lock::new(())]))
}

/// As in `ManyThreads::free_in`: the block's class is looked up under the slot's lock.
fn look_up(published: &Published<Map>, slot: &Lock<()>) -> usize {
    // SAFETY: what is read under the lock of a slot is a map; the checker verifies that nobody writes to it.
    slot.with(|()| unsafe { (*published.read()).entry.with(|entry| *entry) })
}

/// As in `Pages::settle`: the map is copied and published, and then its old place serves something else.
fn move_map(maps: &[Map; 2], publish: impl FnOnce(*mut Map)) {
    // SAFETY: only the mover writes, to what nobody reads any more or not yet; the checker verifies that.
    unsafe {
        let entry = maps[0].entry.with(|entry| *entry);
        maps[1].entry.with_mut(|copy| *copy = entry);
        publish((&raw const maps[1]).cast_mut());
        maps[0].entry.with_mut(|old| *old = 99);
    }
}

#[test]
fn classes_are_looked_up_while_the_map_moves() {
    loom::model(|| {
        let (maps, published, slots) = maps();
        let mover = {
            let (maps, published, slots) = (maps.clone(), published.clone(), slots.clone());
            loom::thread::spawn(move || move_map(&maps, |new| published.replace(new, slots.iter())))
        };
        assert_eq!(look_up(&published, &slots[1]), CLASS);
        assert_eq!(look_up(&published, &slots[1]), CLASS);
        mover.join().unwrap();
    });
}

/// The model sees what it is for: a mover that does not go through the readers' locks must fail.
#[test]
#[should_panic(expected = "Causality violation")]
fn without_going_through_the_locks_it_goes_wrong() {
    loom::model(|| {
        let (maps, published, slots) = maps();
        let mover = {
            let (maps, published) = (maps.clone(), published.clone());
            loom::thread::spawn(move || {
                move_map(&maps, |new| published.replace(new, std::iter::empty::<&Lock<()>>()));
            })
        };
        look_up(&published, &slots[1]);
        mover.join().unwrap();
    });
}

/// As in `Arena::hand_over`: under its arena's lock a slab's entry changes, once.
fn hand_over(published: &Published<Map>, arena: &Lock<usize>) {
    // SAFETY: what is read under the lock of an arena is a map; the checker verifies that nobody else uses the entry.
    arena.with(|_| unsafe { (*published.read()).entry.with_mut(|entry| *entry += 1) });
}

/// As in `ManyThreads::follow` and `Pages::settle`, but for the locks of arenas, which `locked` takes: the map is copied and
/// published, and then its old place serves something else.
fn follow(maps: &[Map; 2], publish: impl FnOnce(*mut Map), locked: impl FnOnce(&mut dyn FnMut())) {
    let mut publish = Some(publish);
    locked(&mut || {
        // SAFETY: the checker verifies that nobody else uses the entries.
        unsafe {
            let entry = maps[0].entry.with(|entry| *entry);
            maps[1].entry.with_mut(|copy| *copy = entry);
        }
        publish.take().unwrap()((&raw const maps[1]).cast_mut());
    });
    // SAFETY: nobody knows the old map any more; the checker verifies that.
    unsafe { maps[0].entry.with_mut(|old| *old = 99) };
}

#[test]
fn a_slabs_entry_changes_while_the_map_moves() {
    loom::model(|| {
        let (maps, published, slots) = maps();
        let arenas = Arc::new([Lock::new(0), Lock::new(0)]);
        let mover = {
            let (maps, published, slots, arenas) =
                (maps.clone(), published.clone(), slots.clone(), arenas.clone());
            loom::thread::spawn(move || {
                follow(&maps, |new| published.replace(new, slots.iter()), |f| hold(&arenas, &mut |_| f()));
            })
        };
        hand_over(&published, &arenas[1]);
        hand_over(&published, &arenas[1]);
        mover.join().unwrap();
        // SAFETY: all threads are done.
        assert_eq!(maps[1].entry.with(|entry| unsafe { *entry }), CLASS + 2, "a change was lost");
    });
}

/// The model sees what it is for: a map that is copied without the arenas' locks must fail.
#[test]
#[should_panic(expected = "Causality violation")]
fn without_the_arenas_locks_it_goes_wrong() {
    loom::model(|| {
        let (maps, published, slots) = maps();
        let arenas = Arc::new([Lock::new(0), Lock::new(0)]);
        let mover = {
            let (maps, published, slots) = (maps.clone(), published.clone(), slots.clone());
            loom::thread::spawn(move || {
                follow(&maps, |new| published.replace(new, slots.iter()), |f| f());
            })
        };
        hand_over(&published, &arenas[1]);
        mover.join().unwrap();
    });
}

/// Free regions, counted, in the places where they wait: the slabs behind the pages' lock, two arenas, the caches of two slots.
struct Regions {
    pages: Lock<usize>,
    arenas: [Lock<usize>; 2],
    slots: [Lock<usize>; 2],
}

const REGIONS: usize = 3;

impl Regions {
    fn take(lock: &Lock<usize>) -> usize {
        lock.with(std::mem::take)
    }

    fn put(lock: &Lock<usize>, regions: usize) {
        lock.with(|there| *there += regions);
    }

    /// As in `ManyThreads::flush`: all that waits goes back to the slabs.
    fn flush(&self, pages: &mut usize) {
        hold(&self.arenas, &mut |arenas| {
            for arena in *arenas {
                // SAFETY: the locks are held; the checker verifies that nobody else has them.
                *pages += std::mem::take(unsafe { &mut *arena });
            }
            for slot in &self.slots {
                *pages += Self::take(slot);
            }
        });
    }

    /// As in `ManyThreads::refill`, for slot 0 and arena 0: from the arena, else from another one or, after a flush, from the slabs.
    fn refill(&self) {
        let mut batch = Self::take(&self.arenas[0]);
        if batch == 0 {
            batch = self.pages.with(|pages| {
                let borrowed = Self::take(&self.arenas[1]);
                if borrowed == 0 {
                    self.flush(pages);
                    return std::mem::take(pages);
                }
                borrowed
            });
        }
        Self::put(&self.slots[0], batch);
    }

    /// As in `ManyThreads::give_back`: what is in a slot's cache goes home to the other arena.
    fn go_home(&self, slot: usize, arena: usize) {
        let strays = Self::take(&self.slots[slot]);
        Self::put(&self.arenas[arena], strays);
    }

    fn total(&self) -> usize {
        let mut total = 0;
        self.pages.with(|pages| {
            self.flush(pages);
            total = *pages;
        });
        total
    }
}

/// One thread takes and sends home while another flushes, which takes every lock: neither waits for ever, and no region is lost.
#[test]
fn a_flush_meets_threads_on_their_way_between_caches_and_arenas() {
    loom::model(|| {
        let regions = Arc::new(Regions {
            pages: Lock::new(0),
            arenas: [Lock::new(0), Lock::new(REGIONS - 1)],
            slots: [Lock::new(0), Lock::new(1)],
        });
        let flusher = {
            let regions = regions.clone();
            loom::thread::spawn(move || {
                regions.pages.with(|pages| regions.flush(pages));
                regions.go_home(1, 0);
            })
        };
        regions.refill();
        regions.go_home(0, 1);
        flusher.join().unwrap();
        assert_eq!(regions.total(), REGIONS);
    });
}
