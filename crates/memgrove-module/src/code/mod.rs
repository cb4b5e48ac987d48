//! What questions about single functions need: their instructions, read again where something asks.
//!
//! [`Facts`] come from one pass over all of a module. What only some questions need is found here on first use, so that
//! a module about which nobody asks pays nothing; and what is read again is bounded, so that time stays linear.

mod access;
mod data;
mod flow;
mod flows;
mod lists;
mod numbers;
mod walk;

pub use access::{AccessKind, MemoryAccess, access, atomic_access, memory_access};
pub use flow::Flow;
pub use flows::Flows;
pub(crate) use flows::MOST_CALLERS;
pub use numbers::{CallNumbers, CallOffsets, Callee};

use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;

use wasmparser::Operator;

use crate::facts::{Callers, ConstExpr, ElementMode, ExternKind, Facts, SiteKind};
use crate::recognise::{BreakPointer, Errno, Imports, Prologues, StackPointer, growth};
use data::InitialData;

/// A module's functions, read on demand.
pub struct Code<'a> {
    facts: &'a Facts<'a>,
    /// Bytes of function bodies that [`Self::operators`] has decoded.
    read_again: Cell<u64>,
    callers: OnceCell<Callers>,
    never_return: OnceCell<Vec<bool>>,
    /// Functions that are exported or in an element segment, and whether globals may hold others.
    referred: OnceCell<(BTreeSet<u32>, bool)>,
    initial_data: OnceCell<InitialData<'a>>,
    data_end: OnceCell<u64>,
    loads: OnceCell<BTreeSet<u32>>,
    moved_copies: OnceCell<BTreeSet<u32>>,
    break_pointer: OnceCell<Option<BreakPointer>>,
    prologues: OnceCell<Prologues>,
    stack_pointer: OnceCell<Option<StackPointer>>,
    errno: OnceCell<Errno>,
    growth_by_use: OnceCell<Vec<u32>>,
    imports: OnceCell<Imports>,
}

impl<'a> Code<'a> {
    /// The functions of a module. Reads nothing yet.
    #[must_use]
    pub fn new(facts: &'a Facts<'a>) -> Self {
        Self {
            facts,
            read_again: Cell::new(0),
            callers: OnceCell::new(),
            never_return: OnceCell::new(),
            referred: OnceCell::new(),
            initial_data: OnceCell::new(),
            data_end: OnceCell::new(),
            loads: OnceCell::new(),
            moved_copies: OnceCell::new(),
            break_pointer: OnceCell::new(),
            prologues: OnceCell::new(),
            stack_pointer: OnceCell::new(),
            errno: OnceCell::new(),
            growth_by_use: OnceCell::new(),
            imports: OnceCell::new(),
        }
    }

    /// What the file says.
    #[must_use]
    pub fn facts(&self) -> &'a Facts<'a> {
        self.facts
    }

    /// Whether a function's type is the one that is written like `i32 i32 -> i32`.
    #[must_use]
    pub fn has_type(&self, func: u32, text: &str) -> bool {
        self.facts.func_type(func).is_some_and(|ty| ty.is_written(text))
    }

    /// The instructions of a defined function, for questions about a few of them.
    ///
    /// None of one that is so long that no library's function is in sight, as decoded they take 40 times their bytes;
    /// and none at all when the questions have read the module many times over: what is then not known stays unknown,
    /// and time stays linear.
    #[must_use]
    pub fn operators(&self, func: u32) -> Vec<Operator<'a>> {
        // Decoded, 5 MB.
        const MOST_BYTES: u32 = 128 << 10;
        let Some(function) = self.facts.function(func) else { return Vec::new() };
        if function.body_len > MOST_BYTES || !self.may_read(function.body_len) {
            return Vec::new();
        }
        let reader = self.facts.operators(func);
        reader.map(|reader| reader.into_iter().map_while(Result::ok).collect()).unwrap_or_default()
    }

    /// Counts bytes that are read again.
    fn may_read(&self, bytes: u32) -> bool {
        // Four times as much changes nothing for the corpus; what is small may be read as it likes.
        const TIMES: u64 = 16;
        const SMALL_BYTES: u64 = 1 << 20;
        let read = self.read_again.get().saturating_add(u64::from(bytes));
        self.read_again.set(read);
        read <= self.facts.size_bytes().saturating_mul(TIMES).saturating_add(SMALL_BYTES)
    }

    /// Bytes of a defined function's body; 0 for an import.
    #[must_use]
    pub fn body_len(&self, func: u32) -> u32 {
        self.facts.function(func).map_or(0, |function| function.body_len)
    }

    /// The functions that call one directly, sorted. O(functions + calls) for the first question, then O(1).
    #[must_use]
    pub fn callers(&self, func: u32) -> &[u32] {
        self.callers.get_or_init(|| self.facts.call_graph.callers()).of(func)
    }

    /// Whether a function holds `memory.size` of some memory. O(log sites).
    #[must_use]
    pub fn asks_size(&self, func: u32) -> bool {
        let sites = &self.facts.sites;
        // Sites come in the order of the file, and so do functions.
        let first = sites.partition_point(|site| site.func < func);
        let own = sites.get(first..).unwrap_or_default().iter().take_while(|site| site.func == func);
        own.into_iter().any(|site| matches!(site.kind, SiteKind::Size { .. }))
    }

    /// An imported function that is only called directly, and each time with `unreachable` behind it: it is not
    /// expected to return. Linear in the functions that call imports for the first question.
    #[must_use]
    pub fn never_returns(&self, import: u32) -> bool {
        let never = self.never_return.get_or_init(|| self.find_never_returning());
        never.get(import as usize).copied().unwrap_or(false) && !self.is_referred_to(import)
    }

    /// For each imported function, whether it is called and `unreachable` stands behind every call.
    fn find_never_returning(&self) -> Vec<bool> {
        let imported = self.facts.imported_func_count();
        // None: not called so far.
        let mut never: Vec<Option<bool>> = vec![None; imported as usize];
        for func in imported..self.facts.func_count() {
            // Callees are sorted, so that imports stand first.
            if self.facts.call_graph.callees(func).first().is_none_or(|&callee| callee >= imported) {
                continue;
            }
            let mut called = None;
            let mut note = |import: u32, returns: bool| {
                if let Some(known) = never.get_mut(import as usize) {
                    *known = Some(known.unwrap_or(true) && !returns);
                }
            };
            for operator in self.facts.operators(func).into_iter().flatten().map_while(Result::ok) {
                if let Some(import) = called.take() {
                    note(import, !matches!(operator, Operator::Unreachable));
                }
                match operator {
                    Operator::Call { function_index } if function_index < imported => {
                        called = Some(function_index);
                    }
                    // Its result is the caller's.
                    Operator::ReturnCall { function_index } if function_index < imported => {
                        note(function_index, true);
                    }
                    _ => {}
                }
            }
        }
        never.into_iter().map(|never| never == Some(true)).collect()
    }

    /// Whether a function may be called other than directly: it is exported, or in an element segment, as every
    /// function is to which code refers, or some global may hold it.
    fn is_referred_to(&self, func: u32) -> bool {
        let (referred, in_globals) = self.referred.get_or_init(|| {
            let exports = self.facts.exports.iter().filter(|export| export.kind == ExternKind::Func);
            let all = exports.map(|export| export.index).chain(self.facts.element_funcs.iter().copied());
            let mut defined = self.facts.globals.iter().filter(|global| global.init.is_some());
            (all.collect(), defined.any(|global| global.ty.content.is_reference()))
        });
        *in_globals || referred.contains(&func)
    }

    /// The value of an immutable i32 global that is exported under a name.
    #[must_use]
    pub fn exported_i32(&self, name: &str) -> Option<u32> {
        let export = self.facts.export(name).filter(|export| export.kind == ExternKind::Global)?;
        match self.init(export.index)? {
            ConstExpr::I32(value) => Some(value.cast_unsigned()),
            _ => None,
        }
    }

    /// The initial value of a defined global.
    #[must_use]
    pub fn init(&self, global: u32) -> Option<ConstExpr> {
        self.facts.globals.get(global as usize)?.init
    }

    /// Imported globals of which a defined one is a copy that code moves, sorted.
    #[must_use]
    pub fn moved_copies(&self) -> &BTreeSet<u32> {
        self.moved_copies.get_or_init(|| {
            let written = self.facts.written_globals.iter().filter_map(|&global| self.init(global));
            written
                .filter_map(|init| if let ConstExpr::Global(of) = init { Some(of) } else { None })
                .collect()
        })
    }

    /// Active data segments of memory 0 with a constant address, in the order of the file.
    pub fn active_data(&self) -> impl Iterator<Item = (u64, &'a [u8])> {
        self.facts.data.iter().filter_map(|data| {
            let active = data.active.filter(|active| active.memory == 0)?;
            Some((active.address.address()?, data.bytes))
        })
    }

    /// End of the active data segments with a constant address in memory 0, in bytes.
    #[must_use]
    pub fn data_end(&self) -> u64 {
        *self.data_end.get_or_init(|| {
            self.active_data().map(|(at, bytes)| at.saturating_add(bytes.len() as u64)).max().unwrap_or(0)
        })
    }

    /// The i32 that the data segments put at an address of memory 0: 0 where they put nothing.
    #[must_use]
    pub fn initial_i32(&self, at: u32) -> u32 {
        let data =
            self.initial_data.get_or_init(|| InitialData::new(&self.active_data().collect::<Vec<_>>()));
        let mut address = u64::from(at);
        u32::from_le_bytes([(); 4].map(|()| {
            let byte = data.byte(address);
            address += 1;
            byte
        }))
    }

    /// Entries of table 0 that active segments with a constant offset fill: index and function.
    fn table_entries(&self) -> impl Iterator<Item = (u32, u32)> {
        let facts = self.facts;
        facts.elements.iter().flat_map(|segment| {
            let at = match segment.mode {
                ElementMode::Active { table: 0, start } => start.address(),
                _ => None,
            };
            let funcs = facts.element_funcs.get(segment.funcs.start as usize..segment.funcs.end as usize);
            let at = at.and_then(|at| u32::try_from(at).ok());
            at.into_iter().flat_map(move |at| (at..).zip(funcs.unwrap_or_default().iter().copied()))
        })
    }

    /// Where a function stands in table 0 first. Linear in the elements.
    #[must_use]
    pub fn table_index(&self, func: u32) -> Option<u32> {
        self.table_entries().find(|(_, entry)| *entry == func).map(|(index, _)| index)
    }

    /// The function at an index of table 0. Linear in the elements.
    #[must_use]
    pub fn in_table(&self, index: u32) -> Option<u32> {
        self.table_entries().find(|(at, func)| *at == index && *func != u32::MAX).map(|(_, func)| func)
    }

    /// Addresses, multiples of four, where data segments put an i32 or a part of it, the rest being 0. Linear in the data.
    pub fn addresses_of(&self, value: u32) -> impl Iterator<Item = u32> {
        let words = self.active_data().flat_map(|(at, data)| {
            let end = at.saturating_add(data.len() as u64).min(1 << 32);
            (at & !3..end).step_by(4)
        });
        words.filter_map(|at| u32::try_from(at).ok()).filter(move |&at| self.initial_i32(at) == value)
    }

    /// Whether code loads an i32 from this constant address. Linear in the code for the first question.
    #[must_use]
    pub fn loads_from(&self, at: u32) -> bool {
        let find = || {
            let defined = self.facts.imported_func_count()..self.facts.func_count();
            defined.flat_map(|func| self.constant_loads(func)).collect()
        };
        self.loads.get_or_init(find).contains(&at)
    }

    /// The constant addresses that a function loads an i32 from.
    fn constant_loads(&self, func: u32) -> impl Iterator<Item = u32> + use<'a> {
        let operators = self.facts.operators(func).into_iter().flatten().map_while(Result::ok);
        let mut base = None;
        operators.filter_map(move |operator| {
            let before = base.take();
            match operator {
                Operator::I32Const { value } => base = Some(value.cast_unsigned()),
                Operator::I32Load { memarg } => {
                    return before?.checked_add(u32::try_from(memarg.offset).ok()?);
                }
                _ => {}
            }
            None
        })
    }

    /// Whether a function is called in a loop by one that calls an import, as `write` is until everything is written.
    #[must_use]
    pub fn called_in_loop(&self, import: u32) -> bool {
        self.callers(import).iter().any(|&caller| {
            let mut depth = 0_u32;
            let mut loops = Vec::new();
            for operator in self.operators(caller) {
                match operator {
                    Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => depth += 1,
                    Operator::Loop { .. } => {
                        depth += 1;
                        loops.push(depth);
                    }
                    Operator::End => {
                        if loops.last() == Some(&depth) {
                            loops.pop();
                        }
                        depth = depth.saturating_sub(1);
                    }
                    Operator::Call { function_index } if function_index == import && !loops.is_empty() => {
                        return true;
                    }
                    _ => {}
                }
            }
            false
        })
    }

    /// Where an imported global leads to the break: see [`BreakPointer`].
    #[must_use]
    pub fn break_pointer(&self) -> Option<BreakPointer> {
        *self.break_pointer.get_or_init(|| BreakPointer::find(self))
    }

    /// What function prologues do to globals.
    #[must_use]
    pub fn prologues(&self) -> &Prologues {
        self.prologues.get_or_init(|| Prologues::find(self))
    }

    /// The global that points to the top of the stack in memory.
    #[must_use]
    pub fn stack_pointer(&self) -> Option<StackPointer> {
        *self.stack_pointer.get_or_init(|| StackPointer::find(self))
    }

    /// Where the program keeps errno.
    pub(crate) fn errno(&self) -> &Errno {
        self.errno.get_or_init(|| Errno::find(self))
    }

    /// The imported functions, whatever their names, that the program's `sbrk` asks for memory; all of one module and
    /// name. Empty where that is not proven.
    #[must_use]
    pub fn growth_by_use(&self) -> &[u32] {
        self.growth_by_use.get_or_init(|| growth::growth_imports(&Flows::new(self)))
    }

    /// What the imports are.
    #[must_use]
    pub fn imports(&self) -> &Imports {
        self.imports.get_or_init(|| Imports::find(self))
    }

    /// The defined functions, by index.
    pub(crate) fn defined(&self) -> std::ops::Range<u32> {
        self.facts.imported_func_count()..self.facts.func_count()
    }
}
