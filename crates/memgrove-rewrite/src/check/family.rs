//! Which of the allocator's functions the others are built on, and how freed blocks go back to it.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::Facts;
use memgrove_module::allocator::Param;
use wasm_encoder::{BlockType, Function, Instruction as I, ValType};
use wasmparser::Operator;

use super::CheckError;
use super::checker::Apart;
use super::width::Width;
use crate::edit::count;
use crate::frames::IF;
use crate::swap::old::Old;
use crate::swap::{Manners, Member, Role};

/// A block is aligned here, not by the allocator: it is asked for this alignment.
const ALIGN: u32 = 4;
/// Functions that free are told apart by so many numbers; one more stands for none.
const NO_FREE: u32 = 15;

/// The allocator's functions, and which of them the others are built on.
pub(super) struct Family {
    pub members: Vec<Built>,
    /// Functions that free, in the order of their numbers.
    frees: Vec<Member>,
    /// Where the heap is, if functions are told.
    pub heap: Option<u32>,
    pub manners: Manners,
    pub width: Width,
}

/// A function of the allocator, and those that it is built on.
pub(super) struct Built {
    pub member: Member,
    /// The function that allocates for it.
    pub allocates: Option<Member>,
    /// The number of the function that frees for it.
    pub frees: u32,
    /// The heap that it works on, if there are several and it is known; else 0.
    pub heap: u32,
    /// Parameters that it does not use: whoever calls it may hand anything.
    pub unused: Vec<u32>,
}

/// Parameters that a function does not use.
fn unused(facts: &Facts<'_>, func: u32) -> Vec<u32> {
    let mut unused: BTreeSet<u32> =
        (0..).zip(facts.func_type(func).map_or(&[][..], |ty| ty.params())).map(|(at, _)| at).collect();
    for operator in facts.operators(func).into_iter().flatten().map_while(Result::ok) {
        if let Operator::LocalGet { local_index } = operator {
            unused.remove(&local_index);
        }
    }
    unused.into_iter().collect()
}

impl Family {
    /// `heaps`: the heaps of functions, where there are several.
    pub fn of(
        facts: &Facts<'_>,
        old: &Old,
        heaps: &BTreeMap<u32, u32>,
        manners: Manners,
    ) -> Result<Self, CheckError> {
        let all: Vec<Member> = old.replaced.values().copied().collect();
        let frees: Vec<Member> = all.iter().copied().filter(|member| member.role.frees()).collect();
        let alone = |member: &Member| CheckError::Alone { func: member.func, role: member.role.name() };
        if frees.is_empty() {
            return Err(CheckError::NothingFrees);
        }
        if !all.iter().any(|member| member.role.is_new_block()) {
            return Err(CheckError::NothingAllocates);
        }
        if let Some(last) = frees.get(NO_FREE as usize) {
            return Err(alone(last));
        }
        if let Some(member) = all.iter().find(|member| member.has_heap && old.heap.is_none()) {
            return Err(alone(member));
        }
        // One that is told as much, else any. Of several, the one that the function itself calls.
        let choose = |member: &Member, of: &dyn Fn(Role) -> bool| -> Result<Option<Member>, CheckError> {
            let heap = heaps.get(&member.func);
            let fits = |other: &&Member| of(other.role) && heaps.get(&other.func) == heap;
            let like = |other: &&Member| fits(other) && other.role.is_rust() == member.role.is_rust();
            let mut found: Vec<&Member> = all.iter().filter(like).collect();
            if found.is_empty() {
                found.extend(all.iter().filter(fits));
            }
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
        // One that calls another is not called itself: a block would be made within a block.
        let lowest = |member: Member| {
            let callees = facts.call_graph.callees(member.func);
            let is_below = |other: &&Member| {
                plain(other.role) && other.func != member.func && callees.contains(&other.func)
            };
            all.iter().find(is_below).copied().unwrap_or(member)
        };
        let mut members = Vec::new();
        for member in &all {
            let allocates = match member.role {
                role if plain(role) => Some(*member),
                Role::Calloc | Role::Memalign | Role::RustAllocZeroed => {
                    Some(choose(member, &plain)?.unwrap_or(*member))
                }
                Role::Realloc | Role::RustRealloc | Role::RustReallocAlignFirst | Role::PosixMemalign => {
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
                Role::Realloc | Role::RustRealloc | Role::RustReallocAlignFirst => {
                    choose(member, &|role| role.frees())?
                }
                role if role.frees() => Some(*member),
                _ => None,
            };
            let number = own.and_then(|own| frees.iter().position(|free| *free == own));
            let frees = number.map_or(NO_FREE, count);
            let unused = unused(facts, member.func);
            let heap = heaps.get(&member.func).copied().unwrap_or(0);
            members.push(Built { member: *member, allocates: allocates.map(lowest), frees, heap, unused });
        }
        Ok(Self { members, frees, heap: old.heap, manners, width: Width::of(facts) })
    }

    /// The heap that a function works on; 0: not known.
    pub fn heap_of(&self, func: u32) -> u32 {
        self.members.iter().find(|built| built.member.func == func).map_or(0, |built| built.heap)
    }

    /// What a function that allocates is called with, where `size` puts the size on the stack and it aligns nothing: a block is
    /// aligned here.
    pub fn arguments(&self, allocates: Member, size: &[I<'static>]) -> Vec<I<'static>> {
        let mut code = Vec::new();
        if allocates.has_heap {
            code.push(self.width.constant(self.heap.unwrap_or(0)));
        }
        for param in allocates.role.params() {
            match param {
                Param::Count => code.push(self.width.constant(1)),
                Param::Align if allocates.role == Role::Memalign => code.push(self.width.constant(16)),
                Param::Align => code.push(self.width.constant(ALIGN)),
                _ => code.extend(size.iter().cloned()),
            }
        }
        code
    }

    /// Hands blocks back to the allocator until at most so many bytes are in quarantine. Returns how many blocks.
    pub fn trim(&self, checker: Apart, inside: u32, inner: &BTreeMap<u32, u32>) -> Function {
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
                push(&[self.width.constant(self.heap.unwrap_or(0))]);
            }
            for param in member.role.params() {
                match param {
                    Param::Align => {
                        push(&[self.width.constant(ALIGN)]);
                        continue;
                    }
                    Param::OldSize => push(&[I::LocalGet(user), I::Call(checker.total_of)]),
                    _ => push(&[I::LocalGet(user), I::Call(checker.base_of)]),
                }
                push(self.width.widen());
            }
            push(&[
                I::I32Const(1),
                I::GlobalSet(inside),
                I::Call(inner.get(&member.func).copied().unwrap_or(0)),
                I::I32Const(0),
                I::GlobalSet(inside),
                I::End,
            ]);
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
