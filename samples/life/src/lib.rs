//! Conway's game of life on a torus, behind wasm-bindgen.
//!
//! A small program as people ship it: it allocates two boards, hands a string to JavaScript,
//! and so carries an allocator. Built with several of them, it shows what each costs.

use wasm_bindgen::prelude::wasm_bindgen;

#[cfg(feature = "memgrove-dlmalloc")]
#[global_allocator]
static ALLOCATOR: memgrove::Dlmalloc = memgrove::Dlmalloc::new();

#[cfg(feature = "memgrove-wee")]
#[global_allocator]
static ALLOCATOR: memgrove::Wee = memgrove::Wee::new();

#[cfg(feature = "wee_alloc")]
#[global_allocator]
static ALLOCATOR: wee_alloc::WeeAlloc<'_> = wee_alloc::WeeAlloc::INIT;

/// A board of cells, alive or dead, whose edges meet.
#[wasm_bindgen]
pub struct Universe {
    width: usize,
    height: usize,
    alive: Vec<bool>,
}

#[wasm_bindgen]
impl Universe {
    /// A board of `width` by `height` cells; a linear congruential generator decides from `seed` who lives.
    #[wasm_bindgen(constructor)]
    pub fn new(width: usize, height: usize, seed: u32) -> Universe {
        let mut state = seed;
        let alive = (0..width * height)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 31 == 1
            })
            .collect();
        Universe { width, height, alive }
    }

    /// Replaces the board by its next generation.
    pub fn tick(&mut self) {
        let mut next = Vec::with_capacity(self.alive.len());
        for row in 0..self.height {
            for column in 0..self.width {
                let neighbours = self.neighbours(row, column);
                next.push(neighbours == 3 || (neighbours == 2 && self.alive[row * self.width + column]));
            }
        }
        self.alive = next;
    }

    /// How many cells are alive.
    pub fn population(&self) -> usize {
        self.alive.iter().filter(|&&alive| alive).count()
    }

    /// The board as text, a line for each row.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for row in self.alive.chunks(self.width) {
            text.extend(row.iter().map(|&alive| if alive { '◼' } else { '◻' }));
            text.push('\n');
        }
        text
    }

    fn neighbours(&self, row: usize, column: usize) -> usize {
        let mut count = 0;
        for down in [self.height - 1, 0, 1] {
            for right in [self.width - 1, 0, 1] {
                let cell = (row + down) % self.height * self.width + (column + right) % self.width;
                count += usize::from((down, right) != (0, 0) && self.alive[cell]);
            }
        }
        count
    }
}
