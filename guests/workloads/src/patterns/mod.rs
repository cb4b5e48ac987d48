//! Patterns of calls: from the literature (`literature`, `benches`), and hostile ones (`fragmentation`, `shapes`).

pub(crate) mod benches;
mod fragmentation;
pub(crate) mod literature;
mod shapes;

use crate::table::{Kind, Workload};
use crate::{Block, Load};

const fn pattern(
    id: &'static str,
    title: &'static str,
    source: &'static str,
    run: fn(&Load) -> u64,
) -> Workload {
    Workload { id, title, source, kind: Kind::Pattern, run }
}

pub static TABLE: &[Workload] = &[
    pattern(
        "larson",
        "a server's table of blocks, random slots replaced",
        "Larson & Krishnan 1998; Hoard's larson",
        literature::larson,
    ),
    pattern(
        "threadtest",
        "batches of equal small blocks, allocated then freed",
        "Berger et al. 2000, threadtest",
        literature::threadtest,
    ),
    pattern(
        "xmalloc-test",
        "blocks freed in batches, far from where they were allocated",
        "Lever & Boreham 2000, malloc-test; xmalloc-test of mimalloc-bench",
        literature::xmalloc,
    ),
    pattern(
        "cache-scratch",
        "one small block written often, freed, allocated again, after a hand-over",
        "Berger et al. 2000, passive false sharing",
        literature::cache_scratch,
    ),
    pattern(
        "cache-thrash",
        "one small block allocated, written often, freed",
        "Berger et al. 2000, active false sharing",
        literature::cache_thrash,
    ),
    pattern(
        "sh6bench",
        "many sizes, small ones more often; a ring of blocks freed forwards and backwards",
        "MicroQuill SmartHeap, sh6bench",
        benches::sh6bench,
    ),
    pattern(
        "sh8bench",
        "as sh6bench with larger blocks and every fourth kept much longer",
        "MicroQuill SmartHeap, sh8bench",
        benches::sh8bench,
    ),
    pattern(
        "glibc-simple",
        "25 to 1600 blocks of one size, allocated then freed",
        "glibc benchtests, bench-malloc-simple",
        benches::glibc_simple,
    ),
    pattern(
        "alloc-test",
        "random slots, sizes by a power law, toggled at random",
        "alloc-test by IT Hare (as in mimalloc-bench)",
        benches::alloc_test,
    ),
    pattern("lifo", "a stack of mixed blocks", "own: last in, first out", shapes::lifo),
    pattern("fifo", "a queue of mixed blocks", "own: first in, first out", shapes::fifo),
    pattern(
        "vectors",
        "sixteen vectors that grow by realloc in turns",
        "own: interleaved growth",
        shapes::vectors,
    ),
    pattern(
        "aligned",
        "alignments from 8 bytes to 4 KiB, mixed",
        "own: over-aligned blocks",
        shapes::aligned,
    ),
    pattern("zeroed", "zeroed blocks up to 64 KiB over recycled memory", "own: calloc", shapes::zeroed),
    pattern(
        "every-other",
        "every other block freed, then slightly larger ones asked for",
        "own, after Robson 1971's bound on fragmentation",
        fragmentation::every_other,
    ),
    pattern(
        "drift",
        "a window of live blocks whose sizes drift up",
        "own: sizes that drift",
        fragmentation::drift,
    ),
    pattern(
        "pins",
        "long-lived small blocks among bursts of short-lived ones",
        "own, after Wilson et al. 1995's survey",
        fragmentation::pins,
    ),
];

/// Frees all of these and folds their part into the checksum.
fn free_all(blocks: impl IntoIterator<Item = Block>, sum: &mut u64) {
    for block in blocks {
        fold(sum, block.free());
    }
}

fn fold(sum: &mut u64, part: u64) {
    *sum = sum.rotate_left(1) ^ part;
}
