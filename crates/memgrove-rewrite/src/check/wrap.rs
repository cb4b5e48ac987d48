//! The wrappers of the allocator's functions: they ask for more, put blocks where the checker wants them, and hand freed
//! ones to the quarantine.

use std::collections::BTreeMap;

use memgrove_module::Facts;
use wasm_encoder::{BlockType, Function, Instruction as I, MemArg, MemArgTarget, ValType};

use super::CheckError;
use crate::edit::{Edits, count};
use crate::frames::{Added, IF, StackFunctions};
use crate::graft::GraftError;
use crate::swap::old::Old;
use crate::swap::{Manners, Member, Role};

/// A block is aligned here, not by the allocator: it is asked for this alignment.
const ALIGN: i32 = 4;
/// Functions that free are told apart by so many numbers; one more stands for none.
const NO_FREE: u32 = 15;

/// Functions of `trace/checker.wat`, by their edit indices.
pub(super) struct Checker {
    pub shadow: u32,
    pub sync: u32,
    pub grow: u32,
    pub finish: u32,
    pub range: u32,
    pub header: u32,
    reads: [u32; 5],
    writes: [u32; 5],
    passes: [[u32; 5]; 2],
    total: u32,
    place: u32,
    state_of: u32,
    size_of: u32,
    base_of: u32,
    total_of: u32,
    which_of: u32,
    free: u32,
    room: u32,
    pop: u32,
    stale: u32,
    ask: u32,
    site: u32,
}

impl Checker {
    pub fn new(
        find: impl Fn(&str) -> Result<u32, GraftError>,
        added: Added,
        stack: StackFunctions,
        shadow: u32,
    ) -> Result<Self, GraftError> {
        let widths = |what: &str| -> Result<[u32; 5], GraftError> {
            let one = |width: u32| find(&format!("{what}_{width}"));
            Ok([one(1)?, one(2)?, one(4)?, one(8)?, one(16)?])
        };
        Ok(Self {
            shadow,
            sync: find("sync")?,
            grow: find("grow")?,
            finish: find("finish")?,
            range: find("range")?,
            header: find("header")?,
            reads: widths("read")?,
            writes: widths("write")?,
            passes: [widths("pass_read")?, widths("pass_write")?],
            total: find("total")?,
            place: find("place")?,
            state_of: find("state_of")?,
            size_of: find("size_of")?,
            base_of: find("base_of")?,
            total_of: find("total_of")?,
            which_of: find("which_of")?,
            free: find("free")?,
            room: find("room")?,
            pop: find("pop")?,
            stale: find("stale")?,
            ask: stack.ask,
            site: added.site,
        })
    }

    /// The function that decides about an access of so many bytes.
    pub fn access(&self, width: u32, stores: bool) -> u32 {
        let at = width.trailing_zeros().min(4) as usize;
        if stores { self.writes[at] } else { self.reads[at] }
    }

    /// The same, for an address that it hands on, and of which nothing was tested before.
    pub fn pass(&self, width: u32, stores: bool) -> u32 {
        self.passes[usize::from(stores)][width.trailing_zeros().min(4) as usize]
    }
}

/// The allocator's functions, and which of them the others are built on.
pub(super) struct Family {
    members: Vec<Built>,
    /// Functions that free, in the order of their numbers.
    frees: Vec<Member>,
    /// Where the heap is, if functions are told.
    heap: Option<u32>,
    manners: Manners,
}

/// A function of the allocator, and those that it is built on.
struct Built {
    member: Member,
    /// The function that allocates for it.
    allocates: Option<Member>,
    /// The number of the function that frees for it.
    frees: u32,
}

fn is_rust(role: Role) -> bool {
    matches!(
        role,
        Role::RustAlloc
            | Role::RustAllocAlignFirst
            | Role::RustAllocZeroed
            | Role::RustDealloc
            | Role::RustDeallocAlignFirst
            | Role::RustRealloc
    )
}

impl Family {
    pub fn of(facts: &Facts<'_>, old: &Old, manners: Manners) -> Result<Self, CheckError> {
        let all: Vec<Member> = old.replaced.values().copied().collect();
        let frees: Vec<Member> = all.iter().copied().filter(|member| member.role.frees()).collect();
        let alone = |member: &Member| CheckError::Alone { func: member.func, role: member.role.name() };
        if frees.is_empty() {
            return Err(CheckError::NothingFrees);
        }
        if let Some(last) = frees.get(NO_FREE as usize) {
            return Err(alone(last));
        }
        if let Some(member) = all.iter().find(|member| member.has_heap && old.heap.is_none()) {
            return Err(alone(member));
        }
        // Of several, the one that the function itself calls.
        let choose = |member: &Member, of: &dyn Fn(Role) -> bool| -> Result<Option<Member>, CheckError> {
            let like = |other: &&Member| of(other.role) && is_rust(other.role) == is_rust(member.role);
            let found: Vec<&Member> = all.iter().filter(like).collect();
            match found[..] {
                [] => Ok(None),
                [one] => Ok(Some(*one)),
                _ => {
                    let callees = facts.call_graph.callees(member.func);
                    let mut called = found.iter().filter(|other| callees.contains(&other.func));
                    match (called.next(), called.next()) {
                        (Some(one), None) => Ok(Some(**one)),
                        _ => Err(alone(member)),
                    }
                }
            }
        };
        let plain = |role: Role| matches!(role, Role::Malloc | Role::RustAlloc | Role::RustAllocAlignFirst);
        let mut members = Vec::new();
        for member in &all {
            let allocates = match member.role {
                role if plain(role) => Some(*member),
                Role::Calloc | Role::Memalign | Role::RustAllocZeroed => {
                    Some(choose(member, &plain)?.unwrap_or(*member))
                }
                Role::Realloc | Role::RustRealloc | Role::PosixMemalign => {
                    let found = match choose(member, &plain)? {
                        // Some allocators have no other of that level.
                        None => choose(member, &|role| role == Role::Memalign)?,
                        found => found,
                    };
                    Some(found.ok_or_else(|| alone(member))?)
                }
                _ => None,
            };
            let own = match member.role {
                Role::Realloc | Role::RustRealloc => choose(member, &|role| role.frees())?,
                role if role.frees() => Some(*member),
                _ => None,
            };
            let number = own.and_then(|own| frees.iter().position(|free| *free == own));
            let frees = number.map_or(NO_FREE, count);
            members.push(Built { member: *member, allocates, frees });
        }
        Ok(Self { members, frees, heap: old.heap, manners })
    }

    /// Wraps them.
    pub fn wrap(&self, edits: &mut Edits<'_, '_>, checker: &Checker) -> Result<(), CheckError> {
        // Each wrap adds one function, in this order, and one that takes blocks out of the quarantine follows.
        let first = edits.next_func();
        let inner: BTreeMap<u32, u32> =
            self.members.iter().map(|built| built.member.func).zip(first..).collect();
        let trim = first + count(self.members.len());
        for built in &self.members {
            let func = built.member.func;
            edits.wrap(func, format!("memgrove.{}", built.member.role.name()), |_| {
                let mut wrapper = Wrapper::new(self, built, checker, &inner, trim);
                wrapper.write();
                wrapper.body
            })?;
        }
        let ty = edits.add_type(vec![ValType::I32], vec![ValType::I32]);
        edits.add_func(ty, self.trim(checker, &inner), "memgrove.trim");
        Ok(())
    }

    /// Hands blocks back to the allocator until at most so many bytes are in quarantine. Returns how many blocks.
    fn trim(&self, checker: &Checker, inner: &BTreeMap<u32, u32>) -> Function {
        let (most, user, blocks) = (0, 1, 2);
        let mut body = Function::new([(2, ValType::I32)]);
        let mut push = |instructions: &[I<'_>]| {
            for instruction in instructions {
                body.instruction(instruction);
            }
        };
        push(&[
            I::Block(BlockType::Empty),
            I::Loop(BlockType::Empty),
            I::LocalGet(most),
            I::Call(checker.pop),
            I::LocalTee(user),
            I::I32Eqz,
            I::BrIf(1),
        ]);
        for (number, member) in (0..).zip(&self.frees) {
            push(&[I::LocalGet(user), I::Call(checker.which_of), I::I32Const(number), I::I32Eq, IF]);
            if member.has_heap {
                push(&[I::I32Const(self.heap.unwrap_or(0).cast_signed())]);
            }
            push(&[I::LocalGet(user), I::Call(checker.base_of)]);
            let size = [I::LocalGet(user), I::Call(checker.total_of)];
            match member.role {
                Role::RustDealloc => {
                    push(&size);
                    push(&[I::I32Const(ALIGN)]);
                }
                Role::RustDeallocAlignFirst => {
                    push(&[I::I32Const(ALIGN)]);
                    push(&size);
                }
                _ => {}
            }
            push(&[I::Call(inner.get(&member.func).copied().unwrap_or(0)), I::End]);
        }
        push(&[
            I::LocalGet(blocks),
            I::I32Const(1),
            I::I32Add,
            I::LocalSet(blocks),
            I::Br(0),
            I::End,
            I::End,
            I::LocalGet(blocks),
            I::End,
        ]);
        body
    }
}

/// A wrapper in the making.
struct Wrapper<'w> {
    body: Function,
    family: &'w Family,
    built: &'w Built,
    checker: &'w Checker,
    inner: &'w BTreeMap<u32, u32>,
    trim: u32,
    /// Its parameters, with the heap.
    params: u32,
    /// Where its own parameters begin.
    own: u32,
    /// Locals behind them.
    result: u32,
    frame: u32,
    base: u32,
    size: u32,
    state: u32,
}

impl<'w> Wrapper<'w> {
    fn new(
        family: &'w Family,
        built: &'w Built,
        checker: &'w Checker,
        inner: &'w BTreeMap<u32, u32>,
        trim: u32,
    ) -> Self {
        let own = u32::from(built.member.has_heap);
        let params = own + built.member.role.param_count();
        Self {
            body: Function::new([(5, ValType::I32)]),
            family,
            built,
            checker,
            inner,
            trim,
            params,
            own,
            result: params,
            frame: params + 1,
            base: params + 2,
            size: params + 3,
            state: params + 4,
        }
    }

    fn push(&mut self, instructions: &[I<'_>]) {
        for instruction in instructions {
            self.body.instruction(instruction);
        }
    }

    fn param(&self, at: u32) -> u32 {
        self.own + at
    }

    /// Calls the wrapped function with the arguments as they are.
    fn as_it_was(&mut self) {
        for param in 0..self.params {
            self.push(&[I::LocalGet(param)]);
        }
        let inner = self.inner.get(&self.built.member.func).copied().unwrap_or(0);
        self.push(&[I::Call(inner)]);
    }

    /// Allocates `size` bytes (a local) into `result`.
    fn allocate(&mut self, size: u32, align: Option<u32>, clear: bool) {
        let Some(allocates) = self.built.allocates else { return };
        let align = align.map_or(I::I32Const(0), I::LocalGet);
        let total = [I::LocalGet(size), align.clone(), I::Call(self.checker.total)];
        let heap = self.family.heap.unwrap_or(0).cast_signed();
        let inner = self.inner.get(&allocates.func).copied().unwrap_or(0);
        let ask = |wrapper: &mut Self| {
            if allocates.has_heap {
                wrapper.push(&[I::I32Const(heap)]);
            }
            match allocates.role {
                Role::Calloc => wrapper.push(&[I::I32Const(1)]),
                Role::Memalign => wrapper.push(&[I::I32Const(16)]),
                Role::RustAllocAlignFirst => wrapper.push(&[I::I32Const(ALIGN)]),
                _ => {}
            }
            wrapper.push(&total);
            if matches!(allocates.role, Role::RustAlloc | Role::RustAllocZeroed) {
                wrapper.push(&[I::I32Const(ALIGN)]);
            }
            wrapper.push(&[I::Call(inner), I::LocalTee(wrapper.base)]);
        };
        ask(self);
        // Freed blocks are given up before the program gets none.
        self.push(&[I::I32Eqz, IF, I::I32Const(0), I::Call(self.trim), IF]);
        ask(self);
        self.push(&[I::Drop, I::End, I::End]);
        self.push(&[
            I::LocalGet(self.base),
            I::LocalGet(size),
            align,
            I::LocalGet(self.frame),
            I::Call(self.checker.place),
            I::LocalSet(self.result),
        ]);
        if clear && !allocates.role.clears() {
            self.push(&[
                I::LocalGet(self.result),
                IF,
                I::LocalGet(self.result),
                I::I32Const(0),
                I::LocalGet(size),
                I::MemoryFill(0),
                I::End,
            ]);
        }
    }

    /// Frees a block (a local): 1 is left on the stack if it was one of those made here.
    fn free(&mut self, block: u32, told: Option<(u32, u32)>) {
        let number = self.built.frees.cast_signed();
        self.push(&[I::LocalGet(block), I::LocalGet(self.frame), I::I32Const(number)]);
        match told {
            Some((size, align)) => self.push(&[I::LocalGet(size), I::LocalGet(align)]),
            None => self.push(&[I::I32Const(-1), I::I32Const(0)]),
        }
        self.push(&[I::Call(self.checker.free)]);
    }

    fn trim(&mut self) {
        self.push(&[I::Call(self.checker.room), I::Call(self.trim), I::Drop]);
    }

    /// Leaves it to the allocator what becomes of an alignment that is none.
    fn if_no_alignment(&mut self, align: u32) {
        self.push(&[I::LocalGet(align), I::I32Popcnt, I::I32Const(1), I::I32Ne, IF]);
        self.as_it_was();
        self.push(&[I::Return, I::End]);
    }

    fn write(&mut self) {
        let func = self.built.member.func;
        self.push(&[
            I::I32Const(func.cast_signed()),
            I::Call(self.checker.ask),
            I::LocalSet(self.frame),
            I::I32Const(0),
            I::GlobalSet(self.checker.site),
        ]);
        match self.built.member.role {
            Role::Malloc => self.allocate(self.param(0), None, false),
            Role::Calloc => {
                self.product(self.param(0), self.param(1));
                self.allocate(self.size, None, true);
            }
            Role::Memalign => {
                self.if_no_alignment(self.param(0));
                self.allocate(self.param(1), Some(self.param(0)), false);
            }
            Role::PosixMemalign => return self.posix_memalign(),
            Role::RustAlloc => self.allocate(self.param(0), Some(self.param(1)), false),
            Role::RustAllocZeroed => self.allocate(self.param(0), Some(self.param(1)), true),
            Role::RustAllocAlignFirst => self.allocate(self.param(1), Some(self.param(0)), false),
            Role::Free => return self.release(None),
            Role::RustDealloc => return self.release(Some((self.param(1), self.param(2)))),
            Role::RustDeallocAlignFirst => return self.release(Some((self.param(2), self.param(1)))),
            Role::Realloc => return self.reallocate(self.param(1), None),
            Role::RustRealloc => {
                return self.reallocate(self.param(3), Some((self.param(1), self.param(2))));
            }
            // Refused before (`swap::is_replaceable`).
            Role::SizedFree | Role::SizedRealloc | Role::BindgenRealloc | Role::CabiRealloc | Role::New => {
                self.push(&[I::Unreachable, I::End]);
                return;
            }
            Role::UsableSize => {
                let block = self.param(0);
                self.push(&[
                    I::LocalGet(block),
                    I::Call(self.checker.state_of),
                    IF,
                    I::LocalGet(block),
                    I::Call(self.checker.size_of),
                    I::Return,
                    I::End,
                ]);
                self.as_it_was();
                self.push(&[I::End]);
                return;
            }
        }
        self.push(&[I::LocalGet(self.result), I::End]);
    }

    /// Bytes of so many of a size, or more than there can be.
    fn product(&mut self, number: u32, size: u32) {
        let product = [I::LocalGet(number), I::I64ExtendI32U, I::LocalGet(size), I::I64ExtendI32U, I::I64Mul];
        self.push(&[I::I32Const(-1)]);
        self.push(&[I::LocalGet(number), I::LocalGet(size), I::I32Mul]);
        self.push(&product);
        self.push(&[I::I64Const(32), I::I64ShrU, I::I64Eqz, I::I32Eqz, I::Select, I::LocalSet(self.size)]);
    }

    fn posix_memalign(&mut self) {
        let (out, align, size) = (self.param(0), self.param(1), self.param(2));
        self.if_no_alignment(align);
        self.push(&[I::LocalGet(align), I::I32Const(4), I::I32LtU, IF]);
        self.as_it_was();
        self.push(&[I::Return, I::End]);
        self.allocate(size, Some(align), false);
        let no_memory = self.family.manners.no_memory();
        let at = MemArg { offset: 0, align: 2, target: MemArgTarget::Memory(0), ordering: None };
        self.push(&[
            I::LocalGet(self.result),
            I::I32Eqz,
            IF,
            I::I32Const(no_memory),
            I::Return,
            I::End,
            I::LocalGet(out),
            I::LocalGet(self.result),
            I::I32Store(at),
            I::I32Const(0),
            I::End,
        ]);
    }

    fn release(&mut self, told: Option<(u32, u32)>) {
        self.free(self.param(0), told);
        self.push(&[IF]);
        self.trim();
        self.push(&[I::Else]);
        self.as_it_was();
        self.push(&[I::End, I::End]);
    }

    fn reallocate(&mut self, size: u32, told: Option<(u32, u32)>) {
        let block = self.param(0);
        let result = self.result;
        // Of no block it is an allocation.
        self.push(&[I::LocalGet(block), I::I32Eqz, IF]);
        self.allocate(size, told.map(|(_, align)| align), false);
        self.push(&[I::LocalGet(result), I::Return, I::End]);
        self.push(&[
            I::LocalGet(block),
            I::Call(self.checker.state_of),
            I::LocalTee(self.state),
            I::I32Eqz,
            IF,
        ]);
        self.as_it_was();
        self.push(&[I::Return, I::End]);
        if told.is_none() && self.family.manners.realloc_zero_frees {
            self.push(&[I::LocalGet(size), I::I32Eqz, IF]);
            self.free(block, None);
            self.push(&[I::Drop]);
            self.trim();
            self.push(&[I::I32Const(0), I::Return, I::End]);
        }
        self.push(&[I::LocalGet(self.state), I::I32Const(2), I::I32Eq, IF]);
        self.push(&[I::LocalGet(block), I::LocalGet(self.frame), I::Call(self.checker.stale), I::End]);
        self.allocate(size, told.map(|(_, align)| align), false);
        self.push(&[I::LocalGet(result), I::I32Eqz, IF, I::I32Const(0), I::Return, I::End]);
        // The allocator may have asked for room: the block is still one, unless it was freed before.
        self.push(&[
            I::LocalGet(result),
            I::LocalGet(block),
            I::LocalGet(block),
            I::Call(self.checker.size_of),
            I::LocalTee(self.base),
            I::LocalGet(size),
            I::LocalGet(self.base),
            I::LocalGet(size),
            I::I32LtU,
            I::Select,
            I::MemoryCopy { src_mem: 0, dst_mem: 0 },
            I::LocalGet(self.state),
            I::I32Const(1),
            I::I32Eq,
            IF,
        ]);
        self.free(block, told);
        self.push(&[I::Drop]);
        self.trim();
        self.push(&[I::End, I::LocalGet(result), I::End]);
    }
}
