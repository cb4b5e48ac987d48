//! Work that a program does again and again: each round of a load does the same and gives everything back, but for what a
//! service keeps. Deterministic, on any allocator; the tables lie outside of its heap.

use std::alloc::Layout;

use memgrove::Allocate;

/// A block, or none.
#[derive(Clone, Copy)]
pub struct Block {
    pub address: *mut u8,
    pub size: usize,
    pub align: usize,
}

impl Block {
    pub const NONE: Self = Self { address: std::ptr::null_mut(), size: 0, align: 1 };
}

/// How many blocks a load may hold at once, and how many may outlive its rounds.
pub const MOST: usize = 1 << 13;
pub const KEPT: usize = 3_000;

/// An allocator at work, and the blocks that it has given.
pub struct Bench<'a> {
    pub heap: &'a dyn Allocate,
    /// A round's blocks.
    pub blocks: &'a mut [Block],
    /// Those that outlive rounds.
    pub kept: &'a mut [Block],
    state: u32,
}

const KIB: usize = 1 << 10;
const PAGE: usize = 1 << 16;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

impl<'a> Bench<'a> {
    pub fn new(heap: &'a dyn Allocate, blocks: &'a mut [Block], kept: &'a mut [Block]) -> Self {
        Self { heap, blocks, kept, state: 1 }
    }

    /// A number below `limit`; the same ones in each round.
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.state >> 8) as usize % limit
    }

    fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    fn make(&mut self, size: usize, align: usize) -> Block {
        let address = self.heap.allocate(layout(size, align));
        assert!(!address.is_null(), "there is memory enough");
        // SAFETY: the block is live and this long.
        unsafe {
            address.write_bytes(1, size.min(1));
            address.wrapping_add(size.saturating_sub(1)).write_bytes(1, size.min(1));
        }
        Block { address, size, align }
    }

    fn give_back(&mut self, block: Block) {
        if !block.address.is_null() {
            // SAFETY: live, with its layout; the tables forget it.
            unsafe { self.heap.deallocate(block.address, layout(block.size, block.align)) };
        }
    }

    /// A new block in a place of the table, whose block is given back before.
    fn put(&mut self, place: usize, size: usize) {
        self.free(place);
        self.blocks[place] = self.make(size, 8);
    }

    /// As [`put`](Self::put), but the old one is given back after.
    fn swap(&mut self, place: usize, size: usize) {
        let new = self.make(size, 8);
        self.free(place);
        self.blocks[place] = new;
    }

    fn free(&mut self, place: usize) {
        let block = std::mem::replace(&mut self.blocks[place], Block::NONE);
        self.give_back(block);
    }

    fn resize(&mut self, place: usize, size: usize) {
        let old = self.blocks[place];
        if old.address.is_null() {
            return self.put(place, size);
        }
        // SAFETY: live, with its layout; only the new one is used afterwards.
        let address = unsafe { self.heap.reallocate(old.address, layout(old.size, old.align), size) };
        assert!(!address.is_null(), "there is memory enough");
        self.blocks[place] = Block { address, size, ..old };
    }

    fn free_all(&mut self) {
        for place in 0..MOST {
            self.free(place);
        }
    }

    /// In an order that has nothing to do with where the blocks lie.
    fn free_all_mixed(&mut self) {
        for step in 0..MOST {
            self.free(step * 5_003 % MOST);
        }
    }

    /// As [`swap`](Self::swap), of what outlives rounds.
    fn keep(&mut self, place: usize, size: usize) {
        let new = self.make(size, 8);
        let old = std::mem::replace(&mut self.kept[place], new);
        self.give_back(old);
    }

    /// One round of a load.
    pub fn round(&mut self, load: &Load) {
        self.state = 1;
        (load.round)(self);
        self.free_all();
    }

    /// What outlived the rounds.
    pub fn free_kept(&mut self) {
        for place in 0..self.kept.len() {
            let block = std::mem::replace(&mut self.kept[place], Block::NONE);
            self.give_back(block);
        }
    }
}

pub struct Load {
    pub name: &'static str,
    round: fn(&mut Bench<'_>),
}

impl Load {
    /// Whether some of its blocks outlive rounds: then a heap is not empty after one.
    pub fn keeps(&self) -> bool {
        matches!(self.name, "state" | "swap")
    }
}

/// The loads.
pub const LOADS: [Load; 21] = [
    Load { name: "buffer", round: buffer },
    Load { name: "buffer resized", round: buffer_resized },
    Load { name: "vectors", round: vectors },
    Load { name: "table", round: table },
    Load { name: "document", round: document },
    Load { name: "state", round: state },
    Load { name: "swap", round: swap },
    Load { name: "phases up", round: phases_up },
    Load { name: "phases down", round: phases_down },
    Load { name: "phases mixed", round: phases_mixed },
    Load { name: "images", round: images },
    Load { name: "replace", round: replace },
    Load { name: "replace larger", round: replace_larger },
    Load { name: "queue", round: queue },
    Load { name: "stack", round: stack },
    Load { name: "chunks", round: chunks },
    Load { name: "aligned", round: aligned },
    Load { name: "comb", round: comb },
    Load { name: "strings", round: strings },
    Load { name: "random", round: random },
    Load { name: "tree", round: tree },
];

/// A buffer that grows by a page a step, the old one given back after the new one is made, a small block pinned each step.
fn buffer(bench: &mut Bench<'_>) {
    for step in 1..=60 {
        bench.swap(0, step * PAGE);
        bench.put(step, 24 + step % 7 * 24);
    }
}

fn buffer_resized(bench: &mut Bench<'_>) {
    for step in 1..=60 {
        bench.resize(0, step * PAGE);
        bench.put(step, 24 + step % 7 * 24);
        bench.resize(100 + step % 3, step * 5_000);
    }
}

/// Vectors that double, of many at once.
fn vectors(bench: &mut Bench<'_>) {
    let mut sizes = [16; 40];
    for _ in 0..400 {
        let which = bench.below(40);
        if sizes[which] < 200 * KIB {
            sizes[which] *= 2;
        }
        bench.resize(which, sizes[which]);
        let place = bench.between(100, 400);
        let size = bench.between(8, 200);
        bench.put(place, size);
    }
}

/// Hash tables that double while their entries are allocated.
fn table(bench: &mut Bench<'_>) {
    for entry in 0..6_000_usize {
        let size = bench.between(16, 90);
        bench.put(entry + 4, size);
        if entry.is_power_of_two() {
            bench.swap(entry.ilog2() as usize % 2, entry * 48);
        }
    }
}

/// Reads a text and makes a tree of it: small nodes, some strings, all given back at once.
fn document(bench: &mut Bench<'_>) {
    bench.put(MOST - 1, 300 * KIB);
    for node in 0..5_000 {
        let size = match bench.below(10) {
            0..6 => bench.between(16, 64),
            6..9 => bench.between(20, 400),
            _ => bench.between(400, 6_000),
        };
        bench.put(node, size);
    }
    bench.free_all_mixed();
}

/// A service: small entries live on, a big state is made anew while the old one is there.
fn state(bench: &mut Bench<'_>) {
    let half = bench.kept.len() / 2;
    // The old state is in the upper half of what is kept.
    for place in 0..600 {
        let size = bench.between(500, 9_000);
        let block = bench.make(size, 8);
        bench.blocks[place] = block;
        if place % 2 == 0 {
            let entry = bench.below(half);
            let size = bench.between(16, 120);
            bench.keep(entry, size);
        }
    }
    for place in 0..600 {
        let new = std::mem::replace(&mut bench.blocks[place], Block::NONE);
        let old = std::mem::replace(&mut bench.kept[half + place], new);
        bench.give_back(old);
    }
}

/// A service whose state is one long buffer, received by pieces and then unpacked into tables while requests come and go and
/// leave small entries; then the old state is given back.
fn swap(bench: &mut Bench<'_>) {
    let half = bench.kept.len() / 2;
    for piece in 1..=24 {
        bench.resize(0, piece * 90 * KIB);
        for request in 0..20 {
            let size = bench.between(100, 4_000);
            bench.put(100 + request, size);
        }
        let (entry, size) = (bench.below(half), bench.between(16, 200));
        bench.keep(entry, size);
    }
    for table in 0..40 {
        let size = bench.between(20, 120) * KIB;
        bench.keep(half + table, size);
        let (entry, size) = (bench.below(half), bench.between(16, 200));
        bench.keep(entry, size);
    }
}

fn phase(bench: &mut Bench<'_>, size: usize) {
    let bytes = 2 << 20;
    for place in 0..(bytes / size).min(MOST) {
        bench.put(place, size + place % 3 * 8);
    }
    bench.free_all_mixed();
}

const PHASES: [usize; 10] = [280, 400, 700, 1_200, 2_500, 6_000, 20_000, 50_000, 140_000, 400_000];

fn phases_up(bench: &mut Bench<'_>) {
    for size in PHASES {
        phase(bench, size);
    }
}

fn phases_down(bench: &mut Bench<'_>) {
    for size in PHASES.into_iter().rev() {
        phase(bench, size);
    }
}

fn phases_mixed(bench: &mut Bench<'_>) {
    for step in 0..PHASES.len() {
        phase(bench, PHASES[step * 7 % PHASES.len()]);
        bench.put(MOST - 1 - step, 40);
    }
}

/// A cache of pictures of all sizes, and what is noted of them.
fn images(bench: &mut Bench<'_>) {
    for picture in 0..150 {
        let (width, height) = (bench.between(60, 400), bench.between(60, 300));
        bench.put(picture % 12, width * height * 4);
        bench.put(100 + picture, 100 + width);
    }
}

/// Larson's server: one of many blocks is replaced by another at a time.
fn replace(bench: &mut Bench<'_>) {
    for _ in 0..12_000 {
        let place = bench.below(1_500);
        let size = bench.between(8, 900);
        bench.put(place, size);
    }
    bench.free_all_mixed();
}

fn replace_larger(bench: &mut Bench<'_>) {
    for _ in 0..6_000 {
        let place = bench.below(400);
        let size = bench.between(250, 12_000);
        bench.put(place, size);
    }
    bench.free_all_mixed();
}

fn queue(bench: &mut Bench<'_>) {
    for step in 0..8_000 {
        let size = if step % 50 == 0 { bench.between(4_000, 40_000) } else { bench.between(20, 700) };
        bench.put(step % 700, size);
    }
}

fn stack(bench: &mut Bench<'_>) {
    let mut depth = 0;
    for _ in 0..8_000 {
        if depth == 0 || (depth < 1_000 && bench.below(20) < 11) {
            let size =
                if bench.below(30) == 0 { bench.between(2_000, 30_000) } else { bench.between(16, 500) };
            bench.put(depth, size);
            depth += 1;
        } else {
            depth -= 1;
            bench.free(depth);
        }
    }
}

/// Arenas that take chunk after chunk, each twice as long.
fn chunks(bench: &mut Bench<'_>) {
    for arena in 0..12 {
        let mut chunk = 496;
        for place in 0..10 {
            bench.put(arena * 16 + place, chunk);
            bench.put(500 + bench_place(arena, place), 60 + arena * 8);
            chunk = chunk * 2 + 16;
        }
        if arena >= 3 {
            for place in 0..10 {
                bench.free((arena - 3) * 16 + place);
            }
        }
    }
}

fn bench_place(arena: usize, place: usize) -> usize {
    arena * 10 + place
}

fn aligned(bench: &mut Bench<'_>) {
    for step in 0..2_000 {
        let place = bench.below(200);
        bench.free(place);
        let align = 8 << bench.below(10);
        let size = bench.between(16, 5_000);
        bench.blocks[place] = bench.make(size, align);
        bench.put(1_000 + step, 30);
    }
}

/// Every second block is given back, and longer ones are asked for.
fn comb(bench: &mut Bench<'_>) {
    for place in 0..3_000 {
        bench.put(place, 700);
    }
    for place in (0..3_000).step_by(2) {
        bench.free(place);
    }
    for place in 0..500 {
        bench.put(4_000 + place, 1_500);
    }
    for place in (1..3_000).step_by(2) {
        bench.free(place);
    }
    for place in 0..500 {
        bench.put(5_000 + place, 2_600);
    }
}

/// Strings that are appended to.
fn strings(bench: &mut Bench<'_>) {
    for _ in 0..9_000 {
        let place = bench.below(300);
        let more = bench.between(1, 300);
        let size = bench.blocks[place].size + more;
        if size > 9_000 {
            bench.free(place);
        } else {
            bench.resize(place, size);
        }
    }
}

fn random(bench: &mut Bench<'_>) {
    for _ in 0..8_000 {
        let place = bench.below(900);
        if bench.below(3) == 0 {
            bench.free(place);
            continue;
        }
        let size = match bench.below(40) {
            0 => bench.between(10_000, 300_000),
            1..6 => bench.between(1_000, 10_000),
            _ => bench.between(1, 1_000),
        };
        if bench.below(4) == 0 { bench.resize(place, size) } else { bench.put(place, size) }
    }
    bench.free_all_mixed();
}

/// Nodes whose leaves are tables, taken down from the leaves.
fn tree(bench: &mut Bench<'_>) {
    for node in 0..2_500 {
        bench.put(node, 48);
        let size = 64 << bench.below(6);
        bench.put(3_000 + node, size);
    }
    for node in 0..2_500 {
        bench.free(3_000 + node);
    }
    bench.put(7_000, 1_200 * KIB);
}
