//! A program whose threads share its memory: each of them is an instance, and all have one shadow (`trace/threads.wat`).

use memgrove_module::Code;
use memgrove_module::code::{Flow, memory_access};
use wasm_encoder::{ConstExpr, Function, GlobalType, Instruction as I, MemArg, MemArgTarget, ValType};
use wasmparser::{Operator, TypeRef};

use super::error::NotShared;
use super::family::Family;
use super::{CheckError, Layout};
use crate::Error;
use crate::edit::{Edits, Frame, ImportEntry, Instrument, Sections, Site, Splice, Subject};
use crate::frames::IF;
use crate::swap::Start;

/// What all threads have in common, before the shadow.
const HEAD_BYTES: u32 = 0x200;
/// In it, how many nodes their recordings have.
const NODES: u64 = 0x1f4;
/// The most nodes; the recorder takes it for "no more".
const MOST_NODES: i32 = 1 << 16;
/// The program's word that says where the shadow is lies behind this byte: Emscripten watches by the first ones that nobody
/// writes to null.
const FIRST_WORD: usize = 16;
const WORD_BYTES: usize = 4;
/// Words below the first datum.
const LOW_WORDS: usize = 256;
/// Linkers begin data here or later. Below is nothing but the end of a stack that grows down to 0.
const FIRST_DATUM: u64 = (LOW_WORDS * WORD_BYTES) as u64;

/// What a checked module has for its threads, in edit indices.
#[derive(Clone, Copy)]
pub(super) struct Threads {
    /// The global that says where the shadow's block is; 0 while that is not known.
    pub state: u32,
    /// The global that says where the shadow begins.
    pub shadow_at: u32,
    /// Address of the program's word that says where that block is.
    pub word: u32,
    /// Pages that the memory may have.
    pub pages: u32,
    /// The function that gives the recorder the number of its next node.
    pub next_node: u32,
}

impl Threads {
    /// Adds them, if memory is shared.
    pub fn add(
        edits: &mut Edits<'_, '_>,
        code: &Code<'_>,
        start: Option<&Start<'_>>,
        layout: Layout,
    ) -> Result<Option<Self>, CheckError> {
        let facts = code.facts();
        let Some(memory) = facts.memories.first().filter(|memory| memory.ty.shared) else { return Ok(None) };
        let refused = |why| Err(CheckError::Shared(why));
        if layout == Layout::Same {
            return refused(NotShared::SameLayout);
        }
        if memory.ty.memory64 {
            return refused(NotShared::Wide);
        }
        let first = start.and_then(Start::begin);
        let has_room = first.is_some_and(|first| first >= FIRST_DATUM) && memory.ty.min_pages > 0;
        let Some(word) = free_word(code).filter(|_| has_room) else { return refused(NotShared::NoWord) };
        let pages = memory.ty.max_pages.and_then(|pages| u32::try_from(pages).ok());
        let Some(pages) = pages.filter(|pages| *pages <= 1 << 16) else { return refused(NotShared::Wide) };
        let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        let state = edits.add_global(ty, ConstExpr::i32_const(0));
        let shadow_at = edits.add_global(ty, ConstExpr::i32_const(0));
        let next_node = next_node(edits, state);
        Ok(Some(Self { state, shadow_at, word, pages, next_node }))
    }

    /// Bytes of the block that is asked for: a byte for each granule, and one more, as wide accesses look at two; and what
    /// aligning the block may take.
    pub const fn block_bytes(self) -> u32 {
        HEAD_BYTES + (self.pages << 13) + 16 + 16
    }
}

/// A word below all data that no code accesses by a constant address; `None` if there is none, or code is not understood.
/// Compilers leave accesses near null where they know that a pointer would be null. Linear in the code.
fn free_word(code: &Code<'_>) -> Option<u32> {
    let facts = code.facts();
    let mut touched = [false; LOW_WORDS];
    for func in facts.imported_func_count()..facts.func_count() {
        let operators = facts.operators(func).into_iter().flatten().map_while(Result::ok);
        let mut may = [false; 2];
        for operator in operators {
            match operator {
                Operator::I32Const { value } => may[0] |= u64::from(value.cast_unsigned()) < FIRST_DATUM,
                operator => {
                    may[1] |=
                        memory_access(&operator).is_some_and(|access| access.memarg.offset < FIRST_DATUM)
                }
            }
        }
        if may != [true; 2] {
            continue;
        }
        let flow = Flow::of(code, func)?;
        for (at, operator) in flow.code.iter().enumerate() {
            let Some(access) = memory_access(operator) else { continue };
            let Some(address) = flow.const_operand(at, 0) else { continue };
            let first = u64::from(address.cast_unsigned()).saturating_add(access.memarg.offset);
            let bytes = first..first.saturating_add(access.width_bytes.into()).min(FIRST_DATUM);
            for byte in bytes {
                if let Some(word) =
                    usize::try_from(byte).ok().and_then(|byte| touched.get_mut(byte / WORD_BYTES))
                {
                    *word = true;
                }
            }
        }
    }
    let free = (FIRST_WORD / WORD_BYTES..touched.len()).find(|word| !touched[*word])?;
    u32::try_from(free * WORD_BYTES).ok()
}

/// The number of the recorder's next node: no thread has the number of another's, so that a block tells the node of its
/// allocation to all.
fn next_node(edits: &mut Edits<'_, '_>, state: u32) -> u32 {
    let at = MemArg { offset: NODES, align: 2, target: MemArgTarget::Memory(0), ordering: None };
    let mut body = Function::new([]);
    // Without a shadow there is nothing to record.
    let full = [IF, I::I32Const(MOST_NODES), I::Return, I::End];
    let code = [
        &[I::GlobalGet(state), I::I32Eqz][..],
        &full,
        &[I::GlobalGet(state), I::I32AtomicLoad(at), I::I32Const(MOST_NODES - 1), I::I32GeU],
        &full,
        &[I::GlobalGet(state), I::I32Const(1), I::I32AtomicRmwAdd(at), I::I32Const(1), I::I32Add, I::End],
    ];
    for instruction in code.into_iter().flatten() {
        body.instruction(instruction);
    }
    let ty = edits.add_type(Vec::new(), vec![ValType::I32]);
    edits.add_func(ty, body, "memgrove.next_node")
}

/// Functions of `trace/threads.wat`.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    /// Whether this thread is to make the shadow.
    pub claim: u32,
    /// It is told what the allocator gave for it.
    pub made: u32,
    pub is_ready: u32,
    pub is_first: u32,
    pub is_without: u32,
    pub node_count: u32,
    pub thread_count: u32,
}

impl Shared {
    /// One that is imported by its name.
    pub fn named(self, name: &str) -> Option<u32> {
        Some(match name {
            "is_ready" => self.is_ready,
            "is_first" => self.is_first,
            "is_without" => self.is_without,
            "node_count" => self.node_count,
            "thread_count" => self.thread_count,
            _ => return None,
        })
    }
}

impl Family {
    /// The function that sees to it that there is a shadow, before one of the allocator's works; returns 0 if there is none.
    /// `inner` is where an allocating function is without a wrapper.
    pub fn ready(
        &self,
        (threads, shared, inside): (Threads, Shared, u32),
        inner: impl Fn(u32) -> u32,
    ) -> Function {
        let mut body = Function::new([]);
        let mut push = |instructions: &[I<'_>]| {
            for instruction in instructions {
                body.instruction(instruction);
            }
        };
        push(&[I::Call(shared.claim), IF, I::I32Const(1), I::GlobalSet(inside)]);
        if let Some(allocates) = self.members.iter().find_map(|built| built.allocates) {
            push(&self.arguments(allocates, &[self.width.constant(threads.block_bytes())]));
            push(&[I::Call(inner(allocates.func))]);
        } else {
            push(&[I::I32Const(0)]);
        }
        push(&[I::Call(shared.made), I::I32Const(0), I::GlobalSet(inside), I::End]);
        push(&[I::Call(shared.is_ready), I::End]);
        body
    }
}

/// A donor whose accesses of one memory, an import, are counted from a global, another import.
pub(super) fn moved(donor: &[u8], memory: &str, global: &str) -> Result<Vec<u8>, Error> {
    let sections = Sections::read_valid(donor)?;
    let imports = sections.imports()?;
    let of_kind = |is: fn(&TypeRef) -> bool, name: &str| {
        let mut of_kind = (0_u32..).zip(imports.iter().filter(|entry| is(&entry.import.ty)));
        let found = of_kind.find(|(_, ImportEntry { import, .. })| import.name == name);
        found.map(|(index, _)| index).ok_or_else(|| Error::Encode(format!("the checker imports no `{name}`")))
    };
    let memory = of_kind(|ty| matches!(ty, TypeRef::Memory(_)), memory)?;
    let base = of_kind(|ty| matches!(ty, TypeRef::Global(_)), global)?;
    Ok(Edits::new(&sections).apply(&mut Moved { memory, base, first_local: 0 })?.wasm)
}

struct Moved {
    memory: u32,
    base: u32,
    /// Where what lies above an address waits while that is changed: two i32, one i64.
    first_local: u32,
}

impl Instrument for Moved {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        self.first_local = function.first_local;
        let locals = vec![ValType::I32, ValType::I32, ValType::I64];
        Ok(Some(Frame { locals, ..Frame::default() }))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
        let above: &[u32] = match site.operator {
            Operator::MemoryFill { mem } if *mem == self.memory => &[0, 1],
            operator => match memory_access(operator) {
                Some(access) if access.memarg.target == wasmparser::MemArgTarget::Memory(self.memory) => {
                    match access.operands {
                        [] => &[],
                        [wasmparser::ValType::I32] => &[0],
                        [wasmparser::ValType::I64] => &[2],
                        _ => {
                            return Err(Error::Encode(
                                "the checker has an access that cannot be moved".to_owned(),
                            ));
                        }
                    }
                }
                _ => return Ok(()),
            },
        };
        for local in above.iter().rev() {
            splice.before(&I::LocalSet(self.first_local + local));
        }
        splice.before(&I::GlobalGet(self.base)).before(&I::I32Add);
        for local in above {
            splice.before(&I::LocalGet(self.first_local + local));
        }
        Ok(())
    }
}
