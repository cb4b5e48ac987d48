//! What the code around an import's uses proves about it, whatever its name.
//!
//! Each rule asks for what only the library's own code does with the import: not its type, which
//! a function of the user's can have, too, but where its arguments come from and what becomes of
//! its result. Where a rule is in doubt, nothing is proven, and the import stays.

mod library;
mod memory;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::flow::Flow;
use crate::module::Module;

pub(crate) use library::{
    copies_memory, fills_broken_down_time, fills_entropy, is_clock, limits_heap, reads_environment,
    sets_errno_for_stream, sets_time_zone, sets_timer, works_on_stream,
};
pub(crate) use memory::{Fastcomp, fastcomp, growth_imports};

/// What a C library asks of its host, it asks in a few places; an import that is called all over
/// the program is the program's own.
const MOST_CALLERS: usize = 32;
/// Functions that are longer are no library's.
const MOST_BODY_BYTES: usize = 64 << 10;
/// Bytes of bodies whose flow is kept.
const KEPT_BYTES: usize = 256 << 10;

/// The flows of functions, kept while they are asked about.
pub(crate) struct Flows<'m, 'a> {
    pub module: &'m Module<'a>,
    kept: RefCell<BTreeMap<u32, Option<Rc<Flow<'a>>>>>,
    bytes: Cell<usize>,
}

impl<'m, 'a> Flows<'m, 'a> {
    pub fn new(module: &'m Module<'a>) -> Self {
        Self { module, kept: RefCell::default(), bytes: Cell::new(0) }
    }

    /// The flow of a defined function.
    pub fn of(&self, function: u32) -> Option<Rc<Flow<'a>>> {
        if let Some(flow) = self.kept.borrow().get(&function) {
            return flow.clone();
        }
        let bytes = self.module.body_len(function);
        if bytes > MOST_BODY_BYTES {
            return None;
        }
        let flow = Flow::of(self.module, function).map(Rc::new);
        let mut kept = self.kept.borrow_mut();
        if self.bytes.get() + bytes > KEPT_BYTES {
            kept.clear();
            self.bytes.set(0);
        }
        self.bytes.set(self.bytes.get() + bytes);
        kept.insert(function, flow.clone());
        flow
    }

    /// The functions that call an import, with their flows; none if there are many.
    pub fn callers(&self, import: u32) -> Vec<(u32, Rc<Flow<'a>>)> {
        let callers: BTreeSet<u32> =
            self.module.scan.calls[import as usize].iter().map(|call| call.caller).collect();
        if callers.len() > MOST_CALLERS {
            return Vec::new();
        }
        callers.into_iter().filter_map(|caller| Some((caller, self.of(caller)?))).collect()
    }

    /// Whether some call of an import, given with its caller, has a property.
    fn any_call(&self, import: u32, mut has: impl FnMut(u32, &Flow<'a>, usize) -> bool) -> bool {
        self.callers(import)
            .iter()
            .any(|(caller, flow)| flow.calls(import).iter().any(|&call| has(*caller, flow, call)))
    }
}

/// Whether an import may call a function of the module and catch what it throws, as Emscripten's
/// `invoke_*` do, of which no name is left: it can be given the index of a table's function first.
pub(crate) fn may_invoke(module: &Module<'_>, import: u32) -> bool {
    let takes_index =
        module.func_type(import).is_some_and(|ty| ty.params().first() == Some(&wasmparser::ValType::I32));
    takes_index && !module.tables.is_empty()
}
