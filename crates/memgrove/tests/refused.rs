//! Refuse before growing: an allocation that cannot be served takes no page and changes nothing, and what fits is served.
#![allow(unsafe_code, reason = "drives allocators")]

mod shadow;

use std::alloc::Layout;

use memgrove::source::{Fake, PageSource, Region, Trouble};
use memgrove::{Allocate, Dlmalloc, Hardened, Hoard, Inspect, Jemalloc, Stats, Wee};
use shadow::{Random, Shadow};

const PAGE: usize = Fake::PAGE_BYTES;

/// Memory for one heap, whose first byte lies behind a multiple of 64 MiB by one page, as the heap of a small module does.
struct Arena {
    start: *mut u8,
    whole: *mut u8,
    layout: Layout,
}

const ALIGN: usize = 64 << 20;

impl Arena {
    fn new(pages: usize) -> Self {
        // Aligned by hand: zeroed memory with a large alignment would really be written to, all of it.
        let layout = Layout::from_size_align(ALIGN + (pages + 1) * PAGE, 16).expect("a layout");
        // SAFETY: the size is not zero.
        let whole = unsafe { std::alloc::alloc_zeroed(layout) };
        assert!(!whole.is_null(), "no memory for the test");
        Self { start: whole.wrapping_add(whole.align_offset(ALIGN) + PAGE), whole, layout }
    }

    fn source(&self, pages: usize, trouble: Trouble) -> Fake {
        // SAFETY: the arena outlives the heap in every test, and is used for one heap.
        unsafe { Fake::new(self.start, pages * PAGE, trouble) }
    }

    fn offset(&self, block: *mut u8) -> usize {
        block.addr() - self.start.addr()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout.
        unsafe { std::alloc::dealloc(self.whole, self.layout) }
    }
}

/// Every size and alignment near every power of two.
fn layouts() -> Vec<Layout> {
    let near = |power: u32| {
        [-64, -48, -40, -32, -24, -17, -16, -9, -8, -1, 0, 1, 8, 9, 16, 24, 48_isize]
            .map(|more| (1_usize << power).wrapping_add_signed(more))
    };
    let mut layouts: Vec<_> = (0..usize::BITS)
        .flat_map(near)
        .chain([usize::MAX / 2, usize::MAX / 3, 0])
        .flat_map(|size| (0..usize::BITS).map(move |power| (size, 1 << power)))
        .filter_map(|(size, align)| Layout::from_size_align(size, align).ok())
        // Not every pair: with most sizes every third alignment, with those beyond any memory every ninth.
        .filter(|layout| {
            let (size, power) = (layout.size(), layout.align().trailing_zeros() as usize);
            power == 3 || (power + size) % if size >> 33 == 0 { 3 } else { 9 } == 0
        })
        .collect();
    // In an order that does not depend on anything.
    let mut random = Random::new(3);
    for index in (1..layouts.len()).rev() {
        layouts.swap(index, random.below(index + 1));
    }
    layouts
}

/// What a program can see of a heap, and what a refusal must leave alone: how much was obtained, is live, is not.
fn seen(stats: Stats) -> [usize; 4] {
    [stats.heap_bytes, stats.live_bytes, stats.live_blocks, stats.free_bytes + stats.top_bytes]
}

/// A heap that is asked for everything, and a twin that is asked only for what the first was given: both give the same,
/// at the same addresses. Where the first refuses, the twin is asked for something impossible, because a heap may look
/// through what was freed before it refuses, and merge it; but `merges` says whether this one does.
fn a_refusal_changes_nothing<A: Allocate + Inspect>(make: impl Fn(Fake) -> A, merges: bool) {
    let layouts = layouts();
    let impossible = Layout::from_size_align(usize::MAX / 4, 1).expect("a layout");
    for pages in [1, 3, 16, 40, 300] {
        let arenas = [Arena::new(pages), Arena::new(pages)];
        let [heap, twin] = [0, 1].map(|index| make(arenas[index].source(pages, Trouble::default())));
        // The memory that is there before any growth, if the heap takes any for itself, is taken now.
        let (mut given, mut refused, mut before) = (Vec::new(), 0, seen(heap.stats()));
        for (index, &layout) in layouts.iter().enumerate() {
            let block = if index % 3 == 0 { heap.allocate_zeroed(layout) } else { heap.allocate(layout) };
            if block.is_null() {
                assert_eq!(seen(heap.stats()), before, "{layout:?} in {pages} pages");
                assert!(!merges || twin.allocate(impossible).is_null());
                refused += 1;
                if refused % 64 == 0 {
                    heap.check().expect("a valid heap");
                }
                continue;
            }
            let other = if index % 3 == 0 { twin.allocate_zeroed(layout) } else { twin.allocate(layout) };
            assert!(!other.is_null(), "{layout:?} in {pages} pages was given after refusals only");
            assert_eq!(arenas[0].offset(block), arenas[1].offset(other), "{layout:?} in {pages} pages");
            given.push((block, other, layout));
            before = seen(heap.stats());
            assert_eq!(before, seen(twin.stats()), "{layout:?} in {pages} pages");
        }
        assert!(refused > layouts.len() / 2 && given.len() > 2, "{} given, {refused} refused", given.len());
        for (block, other, layout) in given {
            // A block that cannot grow stays as it is, and where it is.
            for size in
                [(pages * PAGE).max(layout.size() + 1), usize::MAX / 4, usize::MAX / 2 - layout.align()]
            {
                let before = seen(heap.stats());
                // SAFETY: live, with its layout; the size is legal.
                let grown = unsafe { heap.reallocate(block, layout, size) };
                assert!(grown.is_null(), "{layout:?} to {size} in {pages} pages");
                assert_eq!(seen(heap.stats()), before, "{layout:?} to {size} in {pages} pages");
            }
            // SAFETY: live, with their layout.
            unsafe {
                heap.deallocate(block, layout);
                twin.deallocate(other, layout);
            }
        }
        heap.check().expect("a valid heap");
        assert_eq!(heap.stats().heap_bytes, twin.stats().heap_bytes);
        assert_eq!(heap.stats().live_bytes, 0);
    }
}

/// Random work, also where growth is refused at one call or for good and where strangers have grown: whenever a call is
/// refused, nothing was taken.
fn nothing_is_taken_by_a_call_that_is_refused<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    let mut refusals = 0;
    for seed in 0..60 {
        let pages = [3, 8, 20, 60][seed % 4];
        let trouble = Trouble {
            refuse_at: (seed % 3 == 1).then_some(seed / 8),
            refuse_from: (seed % 5 == 1).then_some(seed / 6),
            stranger_every: (seed % 2 == 1).then_some(1 + seed % 4),
            slack_bytes: [0, 4_000, PAGE][seed / 4 % 3] & !15,
        };
        let arena = Arena::new(pages);
        let heap = make(arena.source(pages, trouble));
        let mut shadow = Shadow::new(&heap);
        let mut random = Random::new(seed as u64);
        // What the heap takes for itself of the memory that is there before any growth does not count.
        let mut before = 0;
        for step in 0..600 {
            let op = random.op(shadow.len(), 60, pages * PAGE / 2);
            let refused = shadow.refusals;
            shadow.step(op).unwrap_or_else(|error| panic!("{seed}, {step}: {error}"));
            let now = heap.stats().heap_bytes;
            if shadow.refusals != refused {
                let slack = if before == 0 { trouble.slack_bytes } else { 0 };
                assert!(now <= before + slack, "seed {seed}, step {step}, {op:?}: {before} became {now}");
                shadow.check().unwrap_or_else(|error| panic!("{seed}, {step}: {error}"));
            }
            before = now;
        }
        refusals += shadow.refusals;
        shadow.finish().unwrap_or_else(|error| panic!("{seed}: {error}"));
    }
    assert!(refusals > 100, "{refusals}");
}

/// The longest block that a new heap gives, of those that `pages` pages could hold.
fn longest<A: Allocate + Inspect>(make: &impl Fn(Fake) -> A, pages: usize, align: usize) -> usize {
    let mut given = 0;
    let (mut least, mut most) = (1, pages * PAGE);
    while least <= most {
        let size = usize::midpoint(least, most);
        let arena = Arena::new(pages);
        let heap = make(arena.source(pages, Trouble::default()));
        let layout = Layout::from_size_align(size, align).expect("a layout");
        if heap.allocate(layout).is_null() {
            assert_eq!(heap.stats().heap_bytes, 0, "{layout:?} in {pages} pages: refused, and yet taken");
            most = size - 1;
        } else {
            heap.check().expect("a valid heap");
            given = size;
            least = size + 1;
        }
    }
    given
}

/// What fits is given: all of memory but for what a heap needs for itself, `overhead(pages, align)`.
fn what_fits_is_given<A: Allocate + Inspect>(
    make: impl Fn(Fake) -> A,
    overhead: impl Fn(usize, usize) -> usize,
) {
    for pages in [1, 2, 3, 33, 640] {
        for align in [1, 16, 4_096, PAGE, 8 * PAGE] {
            let lost = overhead(pages, align);
            let given = longest(&make, pages, align);
            assert!(given + lost >= pages * PAGE, "{given} of {pages} pages at {align}");
        }
    }
}

/// The same where memory has grown before: what is left is given to the last.
fn what_is_left_is_given<A: Allocate + Inspect>(make: impl Fn(Fake) -> A, overhead: usize) {
    for pages in [2, 3, 5, 16, 33, 100, 640] {
        let arena = Arena::new(pages);
        let heap = make(arena.source(pages, Trouble::default()));
        let layout = |size| Layout::from_size_align(size, 8).expect("a layout");
        let first = heap.allocate(layout(5_000));
        assert!(!first.is_null());
        let (mut least, mut most) = (0, pages * PAGE);
        // A block that was given back is one with the top again, so that each attempt finds the same heap.
        while least < most {
            let size = (least + most).div_ceil(2);
            let block = heap.allocate(layout(size));
            if block.is_null() {
                most = size - 1;
            } else {
                least = size;
                // SAFETY: live, with its layout.
                unsafe { heap.deallocate(block, layout(size)) };
            }
            heap.check().expect("a valid heap");
        }
        assert!(least + overhead + pages * PAGE / 24 >= pages * PAGE, "{least} of {pages} pages");
    }
}

/// After memory was filled with blocks of all lengths and all were given back, in an order that has nothing to do with where they
/// lie, one block can be nearly as long as in a new heap: a heap in which everything is free is as good as new.
fn what_was_given_back_is_one_again<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    for pages in [33, 640] {
        let arena = Arena::new(pages);
        let heap = make(arena.source(pages, Trouble::default()));
        let mut random = Random::new(pages as u64);
        for round in 0..3 {
            let mut blocks = Vec::new();
            loop {
                let size = random.size(pages * PAGE / 8);
                let layout = Layout::from_size_align(size, 8).expect("a layout");
                let block = heap.allocate(layout);
                if block.is_null() && size < 64 {
                    break;
                }
                if !block.is_null() {
                    blocks.push((block, layout));
                }
            }
            while !blocks.is_empty() {
                let (block, layout) = blocks.swap_remove(random.below(blocks.len()));
                // SAFETY: live, with its layout.
                unsafe { heap.deallocate(block, layout) };
            }
            let size = pages * PAGE - pages * PAGE / 24 - 4_096;
            let layout = Layout::from_size_align(size, 8).expect("a layout");
            let block = heap.allocate(layout);
            assert!(!block.is_null(), "{size} of {pages} pages, round {round}: {:?}", heap.stats());
            heap.check().expect("a valid heap");
            // SAFETY: live, with its layout.
            unsafe { heap.deallocate(block, layout) };
        }
    }
}

/// A source that does not tell where it goes on, and before whose second growth in a call another thread grows.
struct Rushed(Fake, usize);

// SAFETY: as for `Fake`.
unsafe impl PageSource for Rushed {
    const ZEROED: bool = true;

    fn grow(&mut self, bytes: usize) -> Option<Region> {
        self.1 += 1;
        self.0.grow(bytes)
    }
}

/// Where a stranger grows in the middle of a call, pages may come in that do not serve it: they serve later ones.
fn what_came_in_for_nothing_is_kept<A: Allocate + Inspect>(make: impl Fn(Rushed) -> A) {
    let arena = Arena::new(64);
    let trouble = Trouble { stranger_every: Some(1), ..Trouble::default() };
    let heap = make(Rushed(arena.source(64, trouble), 0));
    let layout = |size| Layout::from_size_align(size, 8).expect("a layout");
    let first = heap.allocate(layout(30_000));
    assert!(!first.is_null());
    let mut size = 16 * PAGE;
    let mut refused = false;
    while size > 256 {
        if heap.allocate(layout(size)).is_null() {
            refused = true;
            size /= 2;
        }
        heap.check().expect("a valid heap");
    }
    assert!(refused);
    let stats = heap.stats();
    assert!(stats.live_bytes > stats.heap_bytes / 2, "{stats:?}");
}

macro_rules! suite {
    ($name:ident, $make:expr, $merges:expr, $overhead:expr, $left:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn a_refusal_changes_nothing() {
                super::a_refusal_changes_nothing(|source: Fake| $make(source), $merges);
            }
            #[test]
            fn nothing_is_taken_by_a_call_that_is_refused() {
                super::nothing_is_taken_by_a_call_that_is_refused(|source: Fake| $make(source));
            }
            #[test]
            fn what_fits_is_given() {
                super::what_fits_is_given(|source: Fake| $make(source), $overhead);
            }
            #[test]
            fn what_is_left_is_given() {
                super::what_is_left_is_given(|source: Fake| $make(source), $left);
            }
            #[test]
            fn what_came_in_for_nothing_is_kept() {
                super::what_came_in_for_nothing_is_kept(|source: Rushed| $make(source));
            }
        }
    };
}

/// The bytes up to the first multiple of an alignment in an arena: it begins a page behind one.
fn lead(align: usize) -> usize {
    align.saturating_sub(PAGE).max(if align > 16 { align.min(PAGE) } else { 0 })
}

/// The bins and a header, then the rest of a multiple of the alignment.
fn dlmalloc_overhead(_: usize, align: usize) -> usize {
    4_096 + lead(align)
}

/// The map: eight bytes, or sixteen, of every kilobyte; and a page cut in two.
fn pages_overhead(pages: usize, align: usize) -> usize {
    pages * PAGE / 64 + 3 * 1_024 + lead(align)
}

/// Blocks lie at a multiple of their length, a power of two: any half of that is found in memory three times as long.
fn wee_overhead(pages: usize, align: usize) -> usize {
    pages * PAGE - pages * PAGE / 4 + lead(align)
}

macro_rules! one_again {
    ($($name:ident, $make:expr;)*) => {$(
        #[test]
        fn $name() {
            what_was_given_back_is_one_again($make);
        }
    )*};
}

// Not Wee, which never merges blocks.
one_again! {
    what_dlmalloc_is_given_back_is_one_again, Dlmalloc::with_source;
    what_jemalloc_is_given_back_is_one_again, Jemalloc::with_source;
    what_hoard_is_given_back_is_one_again, Hoard::with_source;
}

suite!(dlmalloc, Dlmalloc::with_source, true, dlmalloc_overhead, 5_000 + 4_096);
suite!(
    dlmalloc_wide_grain,
    Dlmalloc::<_, { 4 * size_of::<usize>() }>::with_grain,
    true,
    dlmalloc_overhead,
    5_000 + 8_192
);
suite!(wee, Wee::with_source, false, wee_overhead, 640 * PAGE);
suite!(jemalloc, Jemalloc::with_source, true, pages_overhead, 16_384);
suite!(hoard, Hoard::with_source, true, pages_overhead, 16_384);
suite!(
    hardened_dlmalloc,
    |source| Hardened::<_, 0>::with_secret(Dlmalloc::with_source(source), 7),
    true,
    |pages, align| dlmalloc_overhead(pages, align) + 2 * align,
    5_000 + 4_200
);
suite!(
    hardened_hoard,
    |source| Hardened::<_, 64>::with_secret(Hoard::with_source(source), 7),
    true,
    |pages, align| pages_overhead(pages, align) + 2 * align,
    16_384
);
