//! Workloads of several threads. Each thread calls [`run`] over the same memory at the same time.
//!
//! Nothing here waits in the allocator's stead: a thread that has nothing to free allocates, and spins only at the
//! end, for what its neighbour still has to hand over.

mod passing;

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::patterns::benches::sh6bench;
use crate::patterns::literature::{cache_thrash, larson, threadtest};
use crate::{Load, Rng};

/// A workload of several threads.
pub struct Threaded {
    /// Stable name.
    pub id: &'static str,
    /// What it does, in one line.
    pub title: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Whether threads hand blocks to each other. If not, each does what one thread would do alone.
    pub passing: bool,
    run: fn(&Place, &Load) -> u64,
}

/// Which of how many threads this is.
pub struct Place {
    thread: usize,
    threads: usize,
}

/// Most threads that can take part.
pub const MAX_THREADS: usize = 16;

const fn apart(
    id: &'static str,
    title: &'static str,
    source: &'static str,
    run: fn(&Place, &Load) -> u64,
) -> Threaded {
    Threaded { id, title, source, passing: false, run }
}

/// All of them.
pub static TABLE: &[Threaded] = &[
    apart(
        "larson-threads",
        "each thread replaces random slots of a table of its own",
        "Larson & Krishnan 1998",
        |_, load| larson(load),
    ),
    apart(
        "threadtest-threads",
        "each thread allocates and frees batches of equal blocks",
        "Berger et al. 2000, threadtest",
        |_, load| threadtest(load),
    ),
    apart(
        "cache-thrash-threads",
        "each thread writes a small block of its own, again and again",
        "Berger et al. 2000, cache-thrash",
        |_, load| cache_thrash(load),
    ),
    apart(
        "sh6bench-threads",
        "each thread frees stretches of its own ring of blocks",
        "MicroQuill SmartHeap, sh6bench",
        |_, load| sh6bench(load),
    ),
    Threaded {
        id: "cache-scratch-threads",
        title: "threads free small neighbours that the first thread allocated, then go on with what they get",
        source: "Berger et al. 2000, cache-scratch",
        passing: true,
        run: passing::cache_scratch,
    },
    Threaded {
        id: "xmalloc-threads",
        title: "each thread frees what its neighbour allocated",
        source: "Lever & Boreham 2000; xmalloc-test of mimalloc-bench",
        passing: true,
        run: passing::xmalloc,
    },
];

static ARRIVED: AtomicUsize = AtomicUsize::new(0);

/// Before each round: empties the queues, sets the barrier.
pub fn reset() {
    ARRIVED.store(0, Ordering::SeqCst);
    passing::reset();
}

/// The work of one thread; `None` if there is no such workload or thread. For a workload apart the checksum is that
/// of one thread alone.
pub fn run(workload: usize, thread: usize, threads: usize, load: &Load) -> Option<u64> {
    let workload = TABLE.get(workload)?;
    if thread >= threads || threads > MAX_THREADS {
        return None;
    }
    // All start together, so that they contend for the whole of the time.
    ARRIVED.fetch_add(1, Ordering::SeqCst);
    while ARRIVED.load(Ordering::SeqCst) < threads {
        core::hint::spin_loop();
    }
    Some((workload.run)(&Place { thread, threads }, load))
}

impl Place {
    /// Random numbers of this thread.
    fn rng(&self, load: &Load) -> Rng {
        Rng::new(u64::from(load.seed) << 8 | self.thread as u64)
    }
}
