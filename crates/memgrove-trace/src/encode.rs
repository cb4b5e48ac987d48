use alloc::vec::Vec;

use crate::{MAGIC, MAX_ALIGN_LOG2, VERSION, leb};

/// A block of a trace that is being written: the number of allocations before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block(u64);

/// Writes a trace.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    body: Vec<u8>,
    blocks: u64,
    events: u64,
    last_thread: u64,
    thread: u64,
}

impl Encoder {
    /// An empty trace.
    pub const fn new() -> Self {
        Self { body: Vec::new(), blocks: 0, events: 0, last_thread: 0, thread: 0 }
    }

    /// Records an allocation. `align_bytes` is rounded up to a power of two, and kept within what can be recorded.
    pub fn allocate(&mut self, size_bytes: u64, align_bytes: u64, zeroed: bool) -> Block {
        let log2 =
            align_bytes.checked_next_power_of_two().map_or(u32::from(MAX_ALIGN_LOG2), u64::trailing_zeros);
        let align_log2 = u8::try_from(log2).unwrap_or(MAX_ALIGN_LOG2).min(MAX_ALIGN_LOG2);
        self.op(align_log2 << 3 | u8::from(zeroed));
        leb::write(&mut self.body, size_bytes);
        let block = Block(self.blocks);
        self.blocks += 1;
        block
    }

    /// Records that a live block changes its size.
    pub fn reallocate(&mut self, block: Block, new_size_bytes: u64) {
        self.op(2);
        self.age(block);
        leb::write(&mut self.body, new_size_bytes);
    }

    /// Records that a live block is given back.
    pub fn free(&mut self, block: Block) {
        self.op(3);
        self.age(block);
    }

    /// What follows is done by this thread; nothing is written when it is so already.
    pub fn thread(&mut self, thread: u64) {
        if thread == self.thread {
            return;
        }
        self.op(4);
        leb::write(&mut self.body, thread);
        self.thread = thread;
        self.last_thread = self.last_thread.max(thread);
    }

    /// The encoded trace.
    pub fn finish(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.body.len() + 32);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(VERSION);
        leb::write(&mut bytes, self.last_thread.saturating_add(1));
        leb::write(&mut bytes, self.blocks);
        leb::write(&mut bytes, self.events);
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn op(&mut self, op: u8) {
        self.events += 1;
        self.body.push(op);
    }

    fn age(&mut self, block: Block) {
        leb::write(&mut self.body, (self.blocks - 1).saturating_sub(block.0));
    }
}
