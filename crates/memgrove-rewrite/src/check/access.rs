//! Which instructions access memory, and which of them are checked.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::Code;
use memgrove_module::code::{MemoryAccess, memory_access};
use wasmparser::{Operator, ValType};

use super::checker::Checker;
use super::form::{Form, LEAST_OF_A_WHOLE, Whole, least_of_a_form};
use super::proven::{Places, places};
use super::width::Width;
use crate::edit::Edits;

/// What an instruction does with memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Some bytes at an address, which lies under these operands.
    At { memarg: wasmparser::MemArg, width: u32, stores: bool, operands: &'static [ValType] },
    /// `memory.fill`.
    Fill,
    /// `memory.copy` within the memory.
    Copy,
    /// `memory.init`.
    Init,
    /// `memory.grow`.
    Grow,
}

impl Access {
    /// What an instruction does with the first memory; `None` for nothing, or what cannot be misuse.
    pub fn of(operator: &Operator<'_>) -> Option<Self> {
        let access = match operator {
            Operator::MemoryFill { mem: 0 } => Self::Fill,
            Operator::MemoryCopy { dst_mem: 0, src_mem: 0 } => Self::Copy,
            Operator::MemoryInit { mem: 0, .. } => Self::Init,
            Operator::MemoryGrow { mem: 0 } => Self::Grow,
            _ => {
                let MemoryAccess { memarg, width_bytes: width, writes: stores, operands, .. } =
                    memory_access(operator)?;
                // Larger distances are those of memories with 64-bit addresses.
                if memarg.target != wasmparser::MemArgTarget::Memory(0)
                    || memarg.offset > u64::from(u32::MAX - 16)
                {
                    return None;
                }
                Self::At { memarg, width, stores, operands }
            }
        };
        Some(access)
    }

    /// What lies above the address.
    pub fn operands(&self, width: Width) -> &'static [ValType] {
        match (self, width) {
            (Self::At { operands, .. }, _) => operands,
            (Self::Grow, _) => &[],
            (Self::Fill | Self::Copy | Self::Init, Width::Narrow) | (Self::Init, Width::Wide) => {
                &[ValType::I32, ValType::I32]
            }
            (Self::Fill, Width::Wide) => &[ValType::I32, ValType::I64],
            (Self::Copy, Width::Wide) => &[ValType::I64, ValType::I64],
        }
    }
}

/// What is checked in a module.
pub(super) struct Accesses {
    /// By function: the most operands of each type that are kept while an access is tested.
    pub funcs: BTreeMap<u32, Kept>,
    /// Accesses that are checked, and those that need not be.
    pub sites: u32,
    pub proven: u32,
    /// How often each form is in line.
    forms: BTreeMap<Form, u32>,
    /// How often each access is that a function can do.
    wholes: BTreeMap<Whole, u32>,
    /// By function: those that need not be, and where the stack grows.
    places: BTreeMap<u32, Places>,
}

/// How many values of each type are kept, the address included: i32, i64, f32, f64, v128.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kept([u32; 5]);

pub(super) const TYPES: [ValType; 5] =
    [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];

/// The same as locals are declared.
const LOCALS: [wasm_encoder::ValType; 5] = {
    use wasm_encoder::ValType as V;
    [V::I32, V::I64, V::F32, V::F64, V::V128]
};

impl Kept {
    /// Room for the operands above an address, and for it, if it is of one of these types.
    fn add(&mut self, address: Option<ValType>, operands: &[ValType]) {
        for (most, ty) in self.0.iter_mut().zip(TYPES) {
            let address = usize::from(address == Some(ty));
            let count = address + operands.iter().filter(|operand| **operand == ty).count();
            *most = (*most).max(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// The locals, and where those of each type begin.
    pub fn locals(self, first: u32) -> (Vec<wasm_encoder::ValType>, [u32; 5]) {
        let mut starts = [first; 5];
        let mut locals = Vec::new();
        for ((count, ty), start) in self.0.into_iter().zip(LOCALS).zip(&mut starts) {
            *start = first + u32::try_from(locals.len()).unwrap_or(u32::MAX);
            locals.extend((0..count).map(|_| ty));
        }
        (locals, starts)
    }
}

impl Accesses {
    /// Finds the accesses of all functions but the exempt ones. Linear in the module.
    ///
    /// `stack_pointer` is the one whose end is known; tests stand in line in loops, if `in_line`, and are to the byte in the
    /// functions `exact`; `changes` tells instructions after which other bytes may be accessed.
    pub fn find(
        code: &Code<'_>,
        exempt: &BTreeSet<u32>,
        stack_pointer: Option<u32>,
        (in_line, exact): (bool, &BTreeSet<u32>),
        changes: &dyn Fn(&Operator<'_>) -> bool,
    ) -> Self {
        let facts = code.facts();
        let mut found = Self {
            funcs: BTreeMap::new(),
            sites: 0,
            proven: 0,
            forms: BTreeMap::new(),
            wholes: BTreeMap::new(),
            places: BTreeMap::new(),
        };
        // Operands that are kept where no function does the access, which is known when all are counted.
        let mut open: Vec<(u32, Whole, &[ValType])> = Vec::new();
        let addresses = Width::of(facts);
        let address = Some(addresses.of_operands());
        let any_pointer = code.stack_pointer().map(|pointer| pointer.global);
        for func in (facts.imported_func_count()..facts.func_count()).filter(|func| !exempt.contains(func)) {
            let Some(reader) = facts.operators(func) else { continue };
            let mut kept = None::<Kept>;
            let mut places = places(code, func, any_pointer, changes);
            if stack_pointer.is_none() {
                places.stack.clear();
            }
            if !places.stack.is_empty() {
                kept = Some(Kept::default());
            }
            let mut loops = Loops::default();
            for (position, operator) in reader.into_iter().map_while(Result::ok).enumerate() {
                loops.pass(&operator);
                let in_line = in_line && loops.is_inside();
                if let Some(access) = Access::of(&operator) {
                    if places.proven.binary_search(&position).is_ok() {
                        found.proven += 1;
                    } else {
                        found.sites += u32::from(access != Access::Grow);
                        let kept = kept.get_or_insert_default();
                        match access {
                            Access::At { memarg, width, stores, operands } if in_line => {
                                let form = Form::of(memarg, width, stores, false);
                                *found.forms.entry(form).or_default() += 1;
                                if !places.held.contains_key(&position) {
                                    kept.add(address, operands);
                                }
                            }
                            Access::At { memarg, width, stores, operands } => {
                                let form = Form::of(memarg, width, stores, exact.contains(&func));
                                match Whole::of(&operator, form, addresses) {
                                    Some(whole) => {
                                        *found.wholes.entry(whole.clone()).or_default() += 1;
                                        open.push((func, whole, operands));
                                    }
                                    None => kept.add(None, operands),
                                }
                            }
                            Access::Grow => {}
                            range => kept.add(address, range.operands(addresses)),
                        }
                    }
                }
            }
            found.places.insert(func, places);
            if let Some(kept) = kept {
                found.funcs.insert(func, kept);
            }
        }
        found.wholes.retain(|_, count| *count >= LEAST_OF_A_WHOLE);
        for (func, whole, operands) in open {
            if !found.wholes.contains_key(&whole) {
                found.funcs.entry(func).or_default().add(None, operands);
            }
        }
        // Wherever the memory is grown, the shadow is.
        for func in exempt {
            let grows = facts.operators(*func).is_some_and(|reader| {
                reader
                    .into_iter()
                    .map_while(Result::ok)
                    .any(|operator| Access::of(&operator) == Some(Access::Grow))
            });
            if grows {
                found.funcs.insert(*func, Kept::default());
            }
        }
        found
    }

    /// Adds functions for what is often used, which are handed the site if there is one.
    pub fn add_functions(&self, edits: &mut Edits<'_, '_>, checker: &Checker, sites: bool) -> Functions {
        let params = [checker.width.ty()].into_iter().chain(sites.then_some(wasm_encoder::ValType::I32));
        let decides = edits.add_type(params.collect(), Vec::new());
        let often = self.forms.iter().filter(|(_, count)| **count >= least_of_a_form(sites));
        let forms = often.map(|(&form, _)| {
            let func = edits.add_func(decides, form.decides(checker, sites), "memgrove.checker.decides");
            (form, func)
        });
        let forms = forms.collect();
        let wholes = self.wholes.keys().map(|whole| {
            let (params, results) = whole.ty(sites);
            let ty = edits.add_type(params, results);
            let func = edits.add_func(ty, whole.function(checker, sites), "memgrove.checker.access");
            (whole.clone(), func)
        });
        Functions { forms, wholes: wholes.collect() }
    }

    /// Functions that are to be changed.
    pub fn funcs(&self) -> impl Iterator<Item = u32> {
        self.funcs.keys().copied()
    }

    /// An access of this function at this position needs no test.
    pub fn is_proven(&self, func: u32, position: usize) -> bool {
        self.places.get(&func).is_some_and(|places| places.proven.binary_search(&position).is_ok())
    }

    /// The local that holds the address of this access.
    pub fn held(&self, func: u32, position: usize) -> Option<u32> {
        self.places.get(&func)?.held.get(&position).copied()
    }

    /// The stack grows in this function at this position; true if by a frame.
    pub fn grows_stack(&self, func: u32, position: usize) -> Option<bool> {
        self.places.get(&func)?.stack.get(&position).copied()
    }
}

/// Which loops a place in a function's code lies in: what is run often.
#[derive(Default)]
pub(super) struct Loops {
    /// Of each block that has begun: it is a loop.
    blocks: Vec<bool>,
    loops: u32,
}

impl Loops {
    pub fn pass(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Loop { .. } => {
                self.blocks.push(true);
                self.loops += 1;
            }
            Operator::Block { .. }
            | Operator::If { .. }
            | Operator::Try { .. }
            | Operator::TryTable { .. } => self.blocks.push(false),
            Operator::End | Operator::Delegate { .. } => {
                self.loops -= u32::from(self.blocks.pop() == Some(true));
            }
            _ => {}
        }
    }

    pub fn is_inside(&self) -> bool {
        self.loops > 0
    }
}

/// Functions for accesses that are often used.
pub(super) struct Functions {
    /// They decide about accesses of these forms, after a test in line.
    pub forms: BTreeMap<Form, u32>,
    /// They test these, and do them.
    pub wholes: BTreeMap<Whole, u32>,
}

/// What the instruction at this offset of a module does with memory: how many bytes it accesses, if its immediate tells,
/// and whether it writes.
#[must_use]
pub fn access_at(facts: &memgrove_module::Facts<'_>, offset: u32) -> Option<(Option<u32>, bool)> {
    let at = facts.functions.partition_point(|function| function.body_offset <= offset).checked_sub(1)?;
    let func = facts.imported_func_count().checked_add(u32::try_from(at).ok()?)?;
    let mut reader = facts.operators(func)?;
    while !reader.eof() {
        let (operator, position) = reader.read_with_offset().ok()?;
        if position >= u64::from(offset) {
            return match Access::of(&operator).filter(|_| position == u64::from(offset))? {
                Access::At { width, stores, .. } => Some((Some(width), stores)),
                Access::Copy => Some((None, false)),
                _ => Some((None, true)),
            };
        }
    }
    None
}
