//! The stand-ins of `runtime/*.wat`, a donor (see `graft/mod.rs`).
//!
//! `build.rs` assembles them and generates the enum that names them, with what it finds out about each: a
//! name that does not exist, or a constant without a value, does not compile.

use std::sync::OnceLock;

use wasm_encoder::Instruction;
use wasmparser::{FuncType, Import, MemoryType, TypeRef, ValType};

use crate::Error;
use crate::edits::Layout;
use crate::graft::{Constant as Number, Donor, GraftError, Item};

/// The size of a page of 64 KiB as a power of two.
pub(crate) const PAGE_LOG2: u32 = 16;

static WASM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/runtime.wasm"));

include!(concat!(env!("OUT_DIR"), "/runtime.rs"));

/// What is known of a function of the runtime. The effects are also those of the functions that it calls.
#[expect(clippy::struct_excessive_bools, reason = "a set with names")]
struct Facts {
    name: &'static str,
    /// Its index in the runtime.
    index: u32,
    params: &'static [ValType],
    results: &'static [ValType],
    touches_memory: bool,
    grows_memory: bool,
    /// It counts pages as if each had 64 KiB.
    counts_fixed_pages: bool,
    uses_break_cell: bool,
}

impl RuntimeFunction {
    fn facts(self) -> &'static Facts {
        &FACTS[self as usize]
    }

    /// Its name in the runtime.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// It reads, writes or grows memory, or asks for its size.
    #[must_use]
    pub fn touches_memory(self) -> bool {
        self.facts().touches_memory
    }

    /// It can grow memory.
    #[must_use]
    pub fn grows_memory(self) -> bool {
        self.facts().grows_memory
    }

    /// It needs to know where the break is kept.
    pub(crate) fn uses_break_cell(self) -> bool {
        self.facts().uses_break_cell
    }

    /// Its index in the runtime.
    pub(crate) fn index(self) -> u32 {
        self.facts().index
    }

    /// Types of its parameters.
    pub(crate) fn params(self) -> &'static [ValType] {
        self.facts().params
    }

    /// Types of its results.
    pub(crate) fn results(self) -> &'static [ValType] {
        self.facts().results
    }

    /// It is right over this memory.
    ///
    /// Its addresses are i32; and where it counts pages, it has to know their size.
    pub(crate) fn works_on(self, memory: Option<&MemoryType>) -> bool {
        let facts = self.facts();
        match memory {
            _ if !facts.touches_memory && !facts.uses_break_cell => true,
            Some(memory) => {
                let has_other_pages = memory.page_size_log2.is_some_and(|log2| log2 != PAGE_LOG2);
                !(memory.memory64 || facts.counts_fixed_pages && has_other_pages)
            }
            None => false,
        }
    }
}

/// The compiled stand-ins, to be grafted. Read once in a process: small modules are fixed in less time than that takes.
pub(crate) fn donor() -> Result<&'static Donor<'static>, Error> {
    static DONOR: OnceLock<Donor<'static>> = OnceLock::new();
    if let Some(donor) = DONOR.get() {
        return Ok(donor);
    }
    // The build has validated it.
    let donor = Donor::read_valid(WASM).map_err(defect)?;
    Ok(DONOR.get_or_init(|| donor))
}

/// What stands for an import of the stand-ins: memory 0, or a constant of the layout.
pub(crate) fn bind(import: &Import<'_>, layout: Layout, page_shift: u32) -> Option<Item> {
    if matches!(import.ty, TypeRef::Memory(_)) {
        return Some(Item::Memory(0));
    }
    let value = match Constant::named(import.name)? {
        Constant::BreakCell => layout.break_cell,
        Constant::HeapBase => layout.heap_base,
        Constant::PageShift => page_shift,
        Constant::PageMask => (1 << page_shift) - 1,
    };
    Some(Item::Constant(Number::I32(value)))
}

/// The stand-ins are our own, so that none can be grafted is a defect.
pub(crate) fn defect(error: GraftError) -> Error {
    match error {
        GraftError::Module(error) => error,
        other => Error::Encode(other.to_string()),
    }
}

/// How `from` can be called as if it were of type `to`.
///
/// Parameters are narrowed or widened, results dropped, widened, or invented as zero; `None`
/// where that would not be the same call.
pub(crate) fn adapt(to: &FuncType, from: RuntimeFunction) -> Option<Adapter> {
    if to.params().len() != from.params().len() || to.results().len() > 1 || from.results().len() > 1 {
        return None;
    }
    let params = to
        .params()
        .iter()
        .zip(from.params())
        .map(|(&have, &want)| convert(have, want))
        .collect::<Option<Vec<_>>>()?;
    let result = match (from.results(), to.results()) {
        ([], []) => Tail::Nothing,
        ([_], []) => Tail::Drop,
        ([], [ty]) => Tail::Zero(*ty),
        ([have], [want]) => Tail::Convert(match (*have, *want) {
            // An i32 result is a number with a sign: −errno must stay negative.
            (ValType::I32, ValType::I64) => Some(Instruction::I64ExtendI32S),
            (ValType::I32, ValType::F64) => Some(Instruction::F64ConvertI32S),
            (have, want) => convert(have, want)?,
        }),
        _ => return None,
    };
    Some(Adapter { params, result })
}

/// Conversions around a call.
pub(crate) struct Adapter {
    /// After each argument.
    pub params: Vec<Option<Instruction<'static>>>,
    /// After the call.
    pub result: Tail,
}

/// What becomes of the result.
pub(crate) enum Tail {
    Nothing,
    Drop,
    Zero(ValType),
    Convert(Option<Instruction<'static>>),
}

fn convert(have: ValType, want: ValType) -> Option<Option<Instruction<'static>>> {
    match (have, want) {
        (have, want) if have == want => Some(None),
        (ValType::I64, ValType::I32) => Some(Some(Instruction::I32WrapI64)),
        (ValType::I32, ValType::I64) => Some(Some(Instruction::I64ExtendI32U)),
        (ValType::F32, ValType::F64) => Some(Some(Instruction::F64PromoteF32)),
        (ValType::F64, ValType::F32) => Some(Some(Instruction::F32DemoteF64)),
        _ => None,
    }
}
