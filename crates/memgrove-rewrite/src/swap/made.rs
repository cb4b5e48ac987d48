//! The heap made in its first memory, and the functions by which it gets more.

use wasm_encoder::{BlockType, Function, Instruction, MemArg, MemArgTarget, ValType};

use super::role::i32s;
use super::shared;
use super::{Beyond, Growth};
use crate::edit::Edits;
use crate::graft::Donor;

/// Bytes of the heap's own stack. Its functions call each other a few levels deep, with frames of up to 32 bytes.
const STACK_BYTES: u32 = 1024;
/// The alignment of whatever is given to a heap.
const ALIGN: u32 = 16;
const PAGE_BYTES: i32 = 1 << 16;

/// What a heap shares with the module that it is put into.
pub(super) struct State {
    /// Globals: where the heap is, the top of its stack, and what is left of the first memory.
    pub base: u32,
    pub stack: u32,
    pub rest_start: u32,
    pub rest_end: u32,
    /// Functions: where the next growth begins, and growth.
    pub next: u32,
    pub grow: u32,
    pub extent: Extent,
}

/// How far the heap's own things reach, from where it is, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    data_bytes: u32,
    /// Where what its threads share is, behind the stack.
    pub record: Option<u32>,
    /// Where the blocks begin.
    pub own_bytes: u32,
}

impl Extent {
    pub fn of(donor: &Donor<'_>, is_shared: bool) -> Self {
        let data = donor.placed_data();
        let end = data.map(|(at, bytes)| at + crate::edit::count(bytes.len())).max().unwrap_or(0);
        let data_bytes = end.next_multiple_of(ALIGN);
        let stack_end = data_bytes + STACK_BYTES;
        match is_shared {
            true => Self { data_bytes, record: Some(stack_end), own_bytes: stack_end + shared::RECORD_BYTES },
            false => Self { data_bytes, record: None, own_bytes: stack_end },
        }
    }

    /// The top of the stack, which grows down.
    pub const fn stack_top(self) -> u32 {
        self.data_bytes + STACK_BYTES
    }
}

impl State {
    /// The function that makes the heap, in memory that it grows: it clears and fills the heap's data.
    pub fn make(&self, edits: &mut Edits<'_, '_>, donor: &Donor<'_>) -> u32 {
        use Instruction as I;
        let data: Vec<(u32, &[u8])> = donor.placed_data().collect();
        let Extent { data_bytes, record, own_bytes } = self.extent;
        let own_bytes = own_bytes.cast_signed();
        let (length, at, cursor) = (0, 1, 2);
        let mut body = Function::new([(3, ValType::I32)]);
        let mut push = |instructions: &[Instruction<'_>]| {
            for instruction in instructions {
                body.instruction(instruction);
            }
        };
        // Up to the end of a page, where that can be had.
        push(&[
            I::Call(self.next),
            I::I32Const(own_bytes + PAGE_BYTES - 1),
            I::I32Add,
            I::I32Const(-PAGE_BYTES),
            I::I32And,
            I::Call(self.next),
            I::I32Sub,
            I::LocalTee(length),
            I::Call(self.grow),
            I::LocalTee(at),
            I::I32Eqz,
            I::If(BlockType::Empty),
            I::I32Const(own_bytes),
            I::LocalTee(length),
            I::Call(self.grow),
            I::LocalTee(at),
            I::I32Eqz,
        ]);
        push(&NULL_IF);
        push(&[I::End]);
        push(&[
            I::LocalGet(at),
            I::LocalTee(cursor),
            I::I32Const(data_bytes.cast_signed()),
            I::I32Add,
            I::GlobalSet(self.stack),
            I::Loop(BlockType::Empty),
            I::LocalGet(cursor),
            I::I64Const(0),
            I::I64Store(memory(0, 3)),
            I::LocalGet(cursor),
            I::I32Const(8),
            I::I32Add,
            I::LocalTee(cursor),
            I::GlobalGet(self.stack),
            I::I32LtU,
            I::BrIf(0),
            I::End,
        ]);
        for (start, bytes) in data {
            for (distance, word) in (0_u64..).step_by(8).zip(bytes.chunks(8)) {
                let mut whole = [0; 8];
                whole[..word.len()].copy_from_slice(word);
                let value = i64::from_le_bytes(whole);
                if value != 0 {
                    let offset = u64::from(start) + distance;
                    push(&[
                        I::LocalGet(at),
                        I::I64Const(value),
                        // A data segment need not begin at a multiple of eight.
                        I::I64Store(memory(offset, 0)),
                    ]);
                }
            }
        }
        // The last bytes of the address space are no heap's.
        let end = [
            I::LocalGet(at),
            I::LocalGet(length),
            I::I32Add,
            I::LocalTee(cursor),
            I::I32Const(-(ALIGN.cast_signed())),
            I::LocalGet(cursor),
            I::Select,
        ];
        push(&[I::LocalGet(at), I::GlobalSet(self.base), I::LocalGet(at)]);
        match record {
            None => {
                push(&[
                    I::I32Const(own_bytes),
                    I::I32Add,
                    I::LocalTee(cursor),
                    I::GlobalSet(self.stack),
                    I::LocalGet(cursor),
                    I::GlobalSet(self.rest_start),
                ]);
                push(&end);
                push(&[I::GlobalSet(self.rest_end)]);
            }
            Some(record) => {
                push(&[
                    I::I32Const(self.extent.stack_top().cast_signed()),
                    I::I32Add,
                    I::GlobalSet(self.stack),
                ]);
                push(&[
                    I::LocalGet(at),
                    I::I32Const(0),
                    I::I32Store(memory(u64::from(record + shared::LOCK), 2)),
                ]);
                push(&[I::LocalGet(at)]);
                push(&end);
                push(&[I::I32Store(memory(u64::from(record + shared::REST_END), 2)), I::LocalGet(at)]);
                push(&[I::LocalGet(at), I::LocalGet(length), I::I32Add]);
                push(&shared::PAGES_UP_TO);
                push(&[I::I32Store(memory(u64::from(record + shared::PAGES), 2))]);
            }
        }
        push(&[I::I32Const(1), I::End]);
        let (params, results) = i32s(0, 1);
        let ty = edits.add_type(params, results);
        edits.add_func(ty, body, "memgrove.heap.make")
    }
}

/// Returns null if the condition on the stack holds.
pub(super) const NULL_IF: [Instruction<'_>; 4] =
    [Instruction::If(BlockType::Empty), Instruction::I32Const(0), Instruction::Return, Instruction::End];

/// An access of the first memory.
pub(super) const fn memory(offset: u64, align: u32) -> MemArg {
    MemArg { offset, align, target: MemArgTarget::Memory(0), ordering: None }
}

/// Where the next growth would begin.
pub(super) fn next(edits: &mut Edits<'_, '_>, growth: Growth) -> u32 {
    use Instruction as I;
    let mut body = Function::new([]);
    match growth {
        Growth::Sbrk(sbrk) => {
            for instruction in
                [I::I32Const(0), I::Call(sbrk), I::I32Const(15), I::I32Add, I::I32Const(-16), I::I32And]
            {
                body.instruction(&instruction);
            }
        }
        Growth::Break { cell, .. } => {
            let load = I::I32Load(memory(u64::from(cell), 2));
            for instruction in [I::I32Const(0), load, I::I32Const(15), I::I32Add, I::I32Const(-16), I::I32And]
            {
                body.instruction(&instruction);
            }
        }
        Growth::Instruction { .. } => {
            for instruction in [I::MemorySize(0), I::I32Const(16), I::I32Shl] {
                body.instruction(&instruction);
            }
        }
    }
    body.instruction(&I::End);
    let (params, results) = i32s(0, 1);
    let ty = edits.add_type(params, results);
    edits.add_func(ty, body, "memgrove.heap.next")
}

/// Grows by so many bytes: where they begin, or 0.
pub(super) fn grow(edits: &mut Edits<'_, '_>, growth: Growth, next: u32) -> u32 {
    use Instruction as I;
    let (bytes, at, end) = (0, 1, 2);
    let mut body = Function::new([(2, ValType::I32)]);
    let mut code: Vec<Instruction<'_>> = Vec::new();
    match growth {
        // What lies before the next multiple of 16 is given up.
        Growth::Sbrk(sbrk) => {
            code.extend([I::I32Const(0), I::I32Const(0), I::Call(sbrk), I::I32Sub, I::I32Const(15)]);
            code.extend([I::I32And, I::LocalGet(bytes), I::I32Add]);
            code.extend([I::Call(sbrk), I::LocalTee(at), I::I32Const(-1), I::I32Eq]);
            code.extend(NULL_IF);
            code.extend([I::LocalGet(at), I::I32Const(15), I::I32Add, I::I32Const(-16), I::I32And]);
        }
        Growth::Instruction { notify } => {
            code.extend([I::LocalGet(bytes), I::I32Const(PAGE_BYTES - 1), I::I32Add, I::I32Const(16)]);
            code.extend([I::I32ShrU, I::MemoryGrow(0), I::LocalTee(at), I::I32Const(-1), I::I32Eq]);
            code.extend(NULL_IF);
            code.extend(notify.into_iter().flat_map(|told| [I::I32Const(0), I::Call(told)]));
            code.extend([I::LocalGet(at), I::I32Const(16), I::I32Shl]);
        }
        // The heap's end is moved when memory reaches as far.
        Growth::Break { cell, beyond } => {
            code.extend([I::Call(next), I::LocalTee(at), I::LocalGet(bytes), I::I32Add, I::LocalTee(end)]);
            // Beyond the address space it wraps.
            code.extend([I::LocalGet(at), I::I32LtU]);
            code.extend(NULL_IF);
            code.extend([I::LocalGet(end), I::MemorySize(0), I::I32Const(16), I::I32Shl, I::I32GtU]);
            code.push(I::If(BlockType::Empty));
            match beyond {
                Beyond::Instruction { .. } => code.extend([
                    I::LocalGet(end),
                    I::I32Const(PAGE_BYTES - 1),
                    I::I32Add,
                    I::I32Const(16),
                    I::I32ShrU,
                    I::MemorySize(0),
                    I::I32Sub,
                    I::MemoryGrow(0),
                    I::I32Const(-1),
                    I::I32Eq,
                ]),
                // The host says whether it did.
                Beyond::Resize(import) => code.extend([I::LocalGet(end), I::Call(import), I::I32Eqz]),
                Beyond::Never => code.push(I::I32Const(1)),
            }
            code.extend(NULL_IF);
            if let Beyond::Instruction { notify: Some(told) } = beyond {
                code.extend([I::I32Const(0), I::Call(told)]);
            }
            code.extend([I::End, I::I32Const(0), I::LocalGet(end), I::I32Store(memory(u64::from(cell), 2))]);
            code.push(I::LocalGet(at));
        }
    }
    for instruction in &code {
        body.instruction(instruction);
    }
    body.instruction(&I::End);
    let (params, results) = i32s(1, 1);
    let ty = edits.add_type(params, results);
    edits.add_func(ty, body, "memgrove.heap.grow")
}
