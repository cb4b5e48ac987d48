//! The bodies of the functions that are replaced: they keep the old function's promise with the new heap.

use std::collections::BTreeSet;

use memgrove_module::allocator::Param;
use wasm_encoder::{BlockType, Function, Instruction, MemArg, MemArgTarget, ValType};

use super::Manners;
use super::heap::Heap;
use super::own::Errno;
use super::role::{Member, Role};
use super::uses::Far;

/// Every block of the new heap is aligned to so many bytes.
const ALIGN: i32 = 16;

/// The functions of C that a role is made of.
pub(super) fn needed(role: Role, names: &mut BTreeSet<&'static str>) {
    names.extend(match role {
        Role::Malloc => &["malloc"][..],
        Role::Calloc => &["calloc"],
        Role::Realloc => &["realloc", "free"],
        Role::Free | Role::RustDealloc | Role::RustDeallocAlignFirst => &["free"],
        Role::Memalign => &["memalign"],
        Role::PosixMemalign => &["posix_memalign"],
        Role::UsableSize => &["malloc_usable_size"],
        Role::RustAlloc | Role::RustAllocAlignFirst => &["malloc", "memalign"],
        Role::RustAllocZeroed => &["calloc", "memalign", "memset"],
        Role::RustRealloc | Role::RustReallocAlignFirst => {
            &["malloc", "realloc", "memalign", "memcpy", "free"]
        }
        // Refused before (`is_replaceable`).
        Role::SizedFree | Role::SizedRealloc | Role::BindgenRealloc | Role::CabiRealloc | Role::New => &[],
    });
}

/// Writes a body.
struct Writer<'h> {
    body: Function,
    heap: &'h Heap,
    manners: &'h Manners,
    /// Index of the first parameter behind the heap.
    first: u32,
    /// A local of our own.
    result: u32,
}

/// The body of the function that stands for a member.
pub(super) fn body(member: &Member, heap: &Heap, manners: &Manners) -> Function {
    use Instruction as I;
    let first = u32::from(member.has_heap);
    let result = first + member.role.param_count();
    let body = Function::new([(1, ValType::I32)]);
    let mut writer = Writer { body, heap, manners, first, result };
    // Each role has what is asked of it here.
    let position = |param| member.role.position(param).unwrap_or(0);
    match member.role {
        Role::Malloc => {
            if manners.zero_is_null {
                writer.push(&[I::LocalGet(first), I::I32Eqz, I::If(BlockType::Empty)]);
                writer.push(&[I::I32Const(0), I::Return, I::End]);
            }
            writer.allocate("malloc", &[0]);
        }
        Role::Calloc => writer.allocate("calloc", &[0, 1]),
        Role::Memalign => {
            writer.make();
            if manners.rounds_alignment {
                writer.round_alignment(0);
            }
            writer.call("memalign", &[0, 1]);
            writer.or_errno();
        }
        Role::PosixMemalign => {
            writer.make_or(manners.no_memory());
            writer.call("posix_memalign", &[0, 1, 2]);
        }
        Role::Realloc => {
            if manners.realloc_zero_frees {
                writer.push(&[I::LocalGet(first + 1), I::I32Eqz, I::If(BlockType::Empty)]);
                writer.push(&[I::LocalGet(first), I::If(BlockType::Empty)]);
                writer.call("free", &[0]);
                writer.push(&[I::I32Const(0), I::Return, I::End, I::End]);
            }
            writer.allocate("realloc", &[0, 1]);
        }
        Role::Free => writer.free(),
        Role::UsableSize => {
            writer.push(&[I::LocalGet(first), I::I32Eqz, I::If(BlockType::Empty)]);
            writer.push(&[I::I32Const(0), I::Return, I::End]);
            writer.call("malloc_usable_size", &[0]);
        }
        Role::RustAlloc | Role::RustAllocAlignFirst => {
            let (size, align) = (position(Param::Size), position(Param::Align));
            writer.empty_is_alignment(size, align);
            writer.make();
            writer.aligned(align, "malloc", &[size], |writer| writer.call("memalign", &[align, size]));
            writer.or_errno();
        }
        Role::RustAllocZeroed => {
            writer.empty_is_alignment(0, 1);
            writer.make();
            writer.push(&[I::LocalGet(first + 1), I::I32Const(ALIGN), I::I32LeU]);
            writer.push(&[I::If(BlockType::Result(ValType::I32)), I::I32Const(1)]);
            writer.call("calloc", &[0]);
            writer.push(&[I::Else]);
            writer.call("memalign", &[1, 0]);
            writer.push(&[I::LocalTee(result), I::If(BlockType::Empty), I::LocalGet(result), I::I32Const(0)]);
            writer.call("memset", &[0]);
            writer.push(&[I::Drop, I::End, I::LocalGet(result), I::End]);
            writer.or_errno();
        }
        Role::RustDealloc | Role::RustDeallocAlignFirst => {
            if manners.empty_is_alignment {
                writer.push(&[
                    I::LocalGet(first + position(Param::OldSize)),
                    I::I32Eqz,
                    I::If(BlockType::Empty),
                    I::Return,
                    I::End,
                ]);
            }
            writer.free();
        }
        Role::RustRealloc | Role::RustReallocAlignFirst => {
            let (old, align) = (position(Param::OldSize), position(Param::Align));
            // Nothing was allocated for an empty block.
            if manners.empty_is_alignment {
                writer.push(&[I::LocalGet(first + old), I::I32Eqz, I::If(BlockType::Empty), I::I32Const(0)]);
                writer.push(&[I::LocalSet(first), I::End]);
            }
            writer.make();
            writer.aligned(align, "realloc", &[0, 3], |writer| writer.move_aligned(old, align));
            writer.or_errno();
        }
        // Refused before (`is_replaceable`).
        Role::SizedFree | Role::SizedRealloc | Role::BindgenRealloc | Role::CabiRealloc | Role::New => {
            writer.push(&[I::Unreachable]);
        }
    }
    writer.push(&[I::End]);
    writer.body
}

impl Writer<'_> {
    fn push(&mut self, instructions: &[Instruction<'_>]) {
        for instruction in instructions {
            self.body.instruction(instruction);
        }
    }

    /// Calls a function of the heap with these parameters.
    fn call(&mut self, name: &'static str, params: &[u32]) {
        for param in params {
            self.body.instruction(&Instruction::LocalGet(self.first + param));
        }
        self.body.instruction(&Instruction::Call(self.heap.func(name)));
    }

    fn allocate(&mut self, name: &'static str, params: &[u32]) {
        self.make();
        self.call(name, params);
        self.or_errno();
    }

    fn free(&mut self) {
        use Instruction as I;
        self.push(&[I::LocalGet(self.first), I::If(BlockType::Empty)]);
        self.call("free", &[0]);
        self.push(&[I::End]);
    }

    /// Makes the heap, if there is none yet.
    fn make(&mut self) {
        self.make_or(0);
    }

    fn make_or(&mut self, failed: i32) {
        use Instruction as I;
        self.push(&[
            I::GlobalGet(self.heap.base),
            I::I32Eqz,
            I::If(BlockType::Empty),
            I::Call(self.heap.make),
        ]);
        self.push(&[I::I32Eqz, I::If(BlockType::Empty)]);
        if failed == 0 {
            self.set_errno();
        }
        self.push(&[I::I32Const(failed), I::Return, I::End, I::End]);
    }

    fn set_errno(&mut self) {
        use Instruction as I;
        let Some((errno, number)) = self.manners.errno else { return };
        let (base, offset) = match errno {
            Errno::At(address) => (I::I32Const(0), address),
            Errno::Behind(Far::Result(func), distance) => (I::Call(func), distance),
            Errno::Behind(Far::Global(global), distance) => (I::GlobalGet(global), distance),
        };
        let memory =
            MemArg { offset: u64::from(offset), align: 2, target: MemArgTarget::Memory(0), ordering: None };
        self.push(&[base, I::I32Const(number), I::I32Store(memory)]);
    }

    /// Sets errno if the result, on the stack, is null.
    fn or_errno(&mut self) {
        use Instruction as I;
        if self.manners.errno.is_some() {
            self.push(&[I::LocalTee(self.result), I::I32Eqz, I::If(BlockType::Empty)]);
            self.set_errno();
            self.push(&[I::End, I::LocalGet(self.result)]);
        }
    }

    /// Returns the alignment for an empty block, where the old allocator did.
    fn empty_is_alignment(&mut self, size: u32, align: u32) {
        use Instruction as I;
        if self.manners.empty_is_alignment {
            self.push(&[I::LocalGet(self.first + size), I::I32Eqz, I::If(BlockType::Empty)]);
            self.push(&[I::LocalGet(self.first + align), I::Return, I::End]);
        }
    }

    /// One way where every block is aligned enough, another where it is not.
    fn aligned(&mut self, align: u32, plain: &'static str, params: &[u32], other: impl FnOnce(&mut Self)) {
        use Instruction as I;
        self.push(&[I::LocalGet(self.first + align), I::I32Const(ALIGN), I::I32LeU]);
        self.push(&[I::If(BlockType::Result(ValType::I32))]);
        self.call(plain, params);
        self.push(&[I::Else]);
        other(self);
        self.push(&[I::End]);
    }

    /// A new aligned block with what was in the old one.
    fn move_aligned(&mut self, old: u32, align: u32) {
        use Instruction as I;
        let (block, old, new) = (self.first, self.first + old, self.first + 3);
        self.call("memalign", &[align, 3]);
        self.push(&[I::LocalTee(self.result), I::If(BlockType::Empty)]);
        self.push(&[I::LocalGet(block), I::If(BlockType::Empty), I::LocalGet(self.result)]);
        self.push(&[I::LocalGet(block), I::LocalGet(old), I::LocalGet(new)]);
        self.push(&[I::LocalGet(old), I::LocalGet(new), I::I32LtU, I::Select]);
        self.push(&[I::Call(self.heap.func("memcpy")), I::Drop]);
        self.call("free", &[0]);
        self.push(&[I::End, I::End, I::LocalGet(self.result)]);
    }

    /// The next power of two, as dlmalloc takes an alignment that is none.
    fn round_alignment(&mut self, align: u32) {
        use Instruction as I;
        let align = self.first + align;
        self.push(&[
            I::I32Const(1),
            I::I32Const(32),
            I::LocalGet(align),
            I::I32Const(1),
            I::I32Sub,
            I::I32Clz,
        ]);
        self.push(&[I::I32Sub, I::I32Shl, I::I32Const(1), I::LocalGet(align), I::I32Const(1), I::I32GtU]);
        self.push(&[I::Select, I::LocalSet(align)]);
    }
}
