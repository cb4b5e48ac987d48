//! Which instructions access memory, which of them are checked, and the code that does so.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::Code;
use memgrove_module::code::{MemoryAccess, memory_access};
use wasm_encoder::Instruction;
use wasmparser::{Operator, ValType};

use super::checker::Checker;
use super::form::{Form, LEAST_OF_A_WHOLE, NO_SITE, NO_SITE_OF_RANGE_WRITTEN, Whole, least_of_a_form};
use super::headers::Headers;
use super::proven::{Places, places};

use crate::Error;
use crate::edit::{Edits, Frame, Instrument, Site, Splice, Subject};
use crate::frames::{IF, Stacks};

/// Both flags of dlmalloc's header: this block and the one before it are in use.
const IN_USE: i32 = 3;

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
}

/// What is checked in a module.
pub(super) struct Accesses {
    /// By function: the most operands of each type that are kept while an access is tested.
    funcs: BTreeMap<u32, Kept>,
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

/// How many values of each type are kept: i32 (the address included), i64, f32, f64, v128.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Kept([u32; 5]);

const TYPES: [ValType; 5] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];

/// The same as locals are declared.
const LOCALS: [wasm_encoder::ValType; 5] = {
    use wasm_encoder::ValType as V;
    [V::I32, V::I64, V::F32, V::F64, V::V128]
};

impl Kept {
    /// Room for the operands above an address, and for it.
    fn add(&mut self, address: bool, operands: &[ValType]) {
        for (most, ty) in self.0.iter_mut().zip(TYPES) {
            let address = usize::from(address && ty == ValType::I32);
            let count = address + operands.iter().filter(|operand| **operand == ty).count();
            *most = (*most).max(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// The locals, and where those of each type begin.
    fn locals(self, first: u32) -> (Vec<wasm_encoder::ValType>, [u32; 5]) {
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
                                    kept.add(true, operands);
                                }
                            }
                            Access::At { memarg, width, stores, operands } => {
                                let form = Form::of(memarg, width, stores, exact.contains(&func));
                                match Whole::of(&operator, form) {
                                    Some(whole) => {
                                        *found.wholes.entry(whole.clone()).or_default() += 1;
                                        open.push((func, whole, operands));
                                    }
                                    None => kept.add(false, operands),
                                }
                            }
                            Access::Grow => {}
                            _ => kept.add(true, &[ValType::I32, ValType::I32]),
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
                found.funcs.entry(func).or_default().add(false, operands);
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
        let params = vec![wasm_encoder::ValType::I32; 1 + usize::from(sites)];
        let decides = edits.add_type(params, Vec::new());
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
    fn is_proven(&self, func: u32, position: usize) -> bool {
        self.places.get(&func).is_some_and(|places| places.proven.binary_search(&position).is_ok())
    }

    /// The local that holds the address of this access.
    fn held(&self, func: u32, position: usize) -> Option<u32> {
        self.places.get(&func)?.held.get(&position).copied()
    }

    /// The stack grows in this function at this position; true if by a frame.
    fn grows_stack(&self, func: u32, position: usize) -> Option<bool> {
        self.places.get(&func)?.stack.get(&position).copied()
    }
}

/// Which loops a place in a function's code lies in: what is run often.
#[derive(Default)]
struct Loops {
    /// Of each block that has begun: it is a loop.
    blocks: Vec<bool>,
    loops: u32,
}

impl Loops {
    fn pass(&mut self, operator: &Operator<'_>) {
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

    fn is_inside(&self) -> bool {
        self.loops > 0
    }
}

/// Which functions are checked, and how.
#[derive(Clone, Copy)]
pub(super) struct Manner<'c> {
    /// Not these.
    pub exempt: &'c BTreeSet<u32>,
    /// Reads of these as writes: to the byte.
    pub exact: &'c BTreeSet<u32>,
    /// In loops by code in line, which calls only where a granule is not whole.
    pub in_line: bool,
    /// Each access hands on where it lies.
    pub sites: bool,
    pub functions: &'c Functions,
}

/// Functions for accesses that are often used.
pub(super) struct Functions {
    /// They decide about accesses of these forms, after a test in line.
    forms: BTreeMap<Form, u32>,
    /// They test these, and do them.
    wholes: BTreeMap<Whole, u32>,
}

/// Puts tests before accesses, beside the frames.
pub(super) struct Checks<'c, 't, 'm, 'a> {
    stacks: Stacks<'t, 'm, 'a>,
    accesses: &'c Accesses,
    checker: &'c Checker,
    headers: &'c Headers,
    manner: Manner<'c>,
    /// Position of the next instruction of the function.
    at: usize,
    has_frame: bool,
    is_checked: bool,
    starts: [u32; 5],
    loops: Loops,
}

impl<'c, 't, 'm, 'a> Checks<'c, 't, 'm, 'a> {
    pub fn new(
        stacks: Stacks<'t, 'm, 'a>,
        accesses: &'c Accesses,
        checker: &'c Checker,
        headers: &'c Headers,
        manner: Manner<'c>,
    ) -> Self {
        Self {
            stacks,
            accesses,
            checker,
            headers,
            manner,
            at: 0,
            has_frame: false,
            is_checked: false,
            starts: [0; 5],
            loops: Loops::default(),
        }
    }

    /// Keeps the operands above an address; the address stays on the stack, and in a local.
    fn keep(&self, operands: &[ValType], splice: &mut Splice) -> (u32, Vec<u32>) {
        let mut first = self.starts;
        first[0] += 1;
        let locals = Self::keep_in(first, operands, splice);
        splice.before(&Instruction::LocalTee(self.starts[0]));
        (self.starts[0], locals)
    }

    /// Takes the operands above an address from the stack into locals.
    fn keep_above(&self, operands: &[ValType], splice: &mut Splice) -> Vec<u32> {
        Self::keep_in(self.starts, operands, splice)
    }

    fn keep_in(mut next: [u32; 5], operands: &[ValType], splice: &mut Splice) -> Vec<u32> {
        let locals: Vec<u32> = operands
            .iter()
            .map(|operand| {
                let at = TYPES.iter().position(|ty| ty == operand).unwrap_or(0);
                next[at] += 1;
                next[at] - 1
            })
            .collect();
        for local in locals.iter().rev() {
            splice.before(&Instruction::LocalSet(*local));
        }
        locals
    }

    /// Tests an access of which a local holds the address.
    fn test(&self, form: Form, address: u32, site: u32, splice: &mut Splice) {
        for instruction in form.granules(address, self.checker.shadow) {
            splice.before(&instruction);
        }
        splice.before(&IF).before(&Instruction::LocalGet(address));
        match self.manner.functions.forms.get(&form) {
            Some(func) => self.hand_site(site, splice).before(&Instruction::Call(*func)),
            None => self.plain(form, site, self.checker.access(form.width, form.stores), splice),
        };
        splice.before(&Instruction::End);
    }

    /// Puts the site on the stack, if there are sites.
    fn hand_site<'s>(&self, site: u32, splice: &'s mut Splice) -> &'s mut Splice {
        if self.manner.sites {
            splice.before(&Instruction::I32Const(site.cast_signed()));
        }
        splice
    }

    /// Calls a function for all accesses of one width, whose address is on the stack.
    fn plain<'s>(&self, form: Form, site: u32, func: u32, splice: &'s mut Splice) -> &'s mut Splice {
        let site = Instruction::I32Const(site.cast_signed());
        splice
            .before(&Instruction::I32Const(form.offset.cast_signed()))
            .before(&if self.manner.sites { site } else { form.no_site() })
            .before(&Instruction::Call(func))
    }

    /// Tests a range of which the address and the length are in locals.
    fn range(&self, address: u32, length: u32, site: u32, writes: bool, splice: &mut Splice) {
        let site = match (self.manner.sites, writes) {
            (true, _) => site.cast_signed(),
            (false, true) => NO_SITE_OF_RANGE_WRITTEN,
            (false, false) => NO_SITE,
        };
        splice
            .before(&Instruction::LocalGet(address))
            .before(&Instruction::LocalGet(length))
            .before(&Instruction::I32Const(site))
            .before(&Instruction::Call(self.checker.range));
    }
}

impl Instrument for Checks<'_, '_, '_, '_> {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        self.at = 0;
        self.loops = Loops::default();
        let frame = self.stacks.function(function)?;
        self.has_frame = frame.is_some();
        let kept = self.accesses.funcs.get(&function.index);
        self.is_checked = kept.is_some();
        let Headers { tests, inlined } = self.headers;
        let looks = tests.contains_key(&function.index) || inlined.contains_key(&function.index);
        if kept.is_none() && frame.is_none() && !looks {
            return Ok(None);
        }
        let mut frame = frame.unwrap_or_default();
        let first = function.first_local + u32::try_from(frame.locals.len()).unwrap_or(u32::MAX);
        let (locals, starts) = kept.copied().unwrap_or_default().locals(first);
        frame.locals.extend(locals);
        self.starts = starts;
        Ok(Some(frame))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
        let position = self.at;
        self.at += 1;
        self.loops.pass(site.operator);
        if self.has_frame {
            self.stacks.instruction(site, splice)?;
        }
        let is_one = |of: &BTreeMap<u32, BTreeSet<usize>>| {
            of.get(&site.function.index).is_some_and(|places| places.contains(&position))
        };
        if let Operator::I32Load { memarg } = site.operator
            && is_one(&self.headers.inlined)
        {
            let offset = u32::try_from(memarg.offset).unwrap_or(u32::MAX).cast_signed();
            splice
                .remove()
                .before(&Instruction::I32Const(offset))
                .before(&Instruction::Call(self.checker.header));
            return Ok(());
        }
        if is_one(&self.headers.tests) {
            // The header is not the allocator's: a block looks as one that was not mapped, so that it is cleared.
            splice.remove().before(&Instruction::Drop).before(&Instruction::I32Const(IN_USE));
            return Ok(());
        }
        if !self.is_checked {
            return Ok(());
        }
        let func = site.function.index;
        let offset = u32::try_from(site.offset).unwrap_or(u32::MAX);
        if let Some(is_frame) = self.accesses.grows_stack(func, position) {
            let site = if self.manner.sites { offset.cast_signed() } else { NO_SITE };
            splice.before(&Instruction::I32Const(site)).before(&Instruction::Call(if is_frame {
                self.checker.frame
            } else {
                self.checker.stack
            }));
            return Ok(());
        }
        let Some(access) = Access::of(site.operator) else { return Ok(()) };
        if access == Access::Grow {
            splice.remove().before(&Instruction::Call(self.checker.grow));
            return Ok(());
        }
        if self.manner.exempt.contains(&func) || self.accesses.is_proven(func, position) {
            return Ok(());
        }
        let is_exact = self.manner.exact.contains(&func);
        let operands: &[ValType] = match access {
            Access::At { operands, .. } => operands,
            _ => &[ValType::I32, ValType::I32],
        };
        if let Access::At { memarg, width, stores, .. } = access
            && !(self.manner.in_line && self.loops.is_inside())
        {
            let form = Form::of(memarg, width, stores, is_exact);
            let whole = Whole::of(site.operator, form);
            if let Some(func) = whole.and_then(|whole| self.manner.functions.wholes.get(&whole)) {
                splice.remove();
                self.hand_site(offset, splice).before(&Instruction::Call(*func));
                return Ok(());
            }
            // The function hands the address on.
            let kept = self.keep_above(operands, splice);
            self.plain(form, offset, self.checker.pass(width, form.stores), splice);
            for local in &kept {
                splice.before(&Instruction::LocalGet(*local));
            }
            return Ok(());
        }
        if let Access::At { memarg, width, stores, .. } = access
            && let Some(local) = self.accesses.held(func, position)
        {
            self.test(Form::of(memarg, width, stores, is_exact), local, offset, splice);
            return Ok(());
        }
        let (address, kept) = self.keep(operands, splice);
        match (access, &kept[..]) {
            (Access::At { memarg, width, stores, .. }, _) => {
                self.test(Form::of(memarg, width, stores, is_exact), address, offset, splice);
            }
            // Read first, as the instruction does.
            (Access::Copy, [source, length]) => {
                self.range(*source, *length, offset, false, splice);
                self.range(address, *length, offset, true, splice);
            }
            (_, [_, length]) => self.range(address, *length, offset, true, splice),
            _ => {}
        }
        for local in &kept {
            splice.before(&Instruction::LocalGet(*local));
        }
        Ok(())
    }
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
