//! The flows of functions, kept while they are asked about.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Code, Flow};

/// What a C library asks of its host, it asks in a few places; an import that is called all over
/// the program is the program's own.
pub(crate) const MOST_CALLERS: usize = 32;
/// Functions that are longer are no library's: with four times as much nothing more is recognised ("Bounds" in
/// CONTRIBUTING.md).
const MOST_BODY_BYTES: u32 = 64 << 10;
/// Bytes of bodies whose flow is kept. Decoded, they take 40 times that: with 256 KiB the peak of inspecting a module of 9 MB
/// with minified names was 2 MB higher, in the same time.
const KEPT_BYTES: u32 = 64 << 10;

/// The flows of functions, kept while they are asked about.
pub struct Flows<'c, 'a> {
    /// The module's functions.
    pub code: &'c Code<'a>,
    most_body_bytes: u32,
    kept_bytes: u32,
    kept: RefCell<BTreeMap<u32, Option<Rc<Flow<'a>>>>>,
    bytes: Cell<u32>,
}

impl<'c, 'a> Flows<'c, 'a> {
    /// None yet; those of a library's functions.
    #[must_use]
    pub fn new(code: &'c Code<'a>) -> Self {
        Self { most_body_bytes: MOST_BODY_BYTES, ..Self::keeping(code, KEPT_BYTES) }
    }

    /// None yet; those of all functions, of which so many bytes of bodies are kept.
    #[must_use]
    pub fn keeping(code: &'c Code<'a>, kept_bytes: u32) -> Self {
        Self { code, most_body_bytes: u32::MAX, kept_bytes, kept: RefCell::default(), bytes: Cell::new(0) }
    }

    /// The flow of a defined function; none of one that is too long, or that is not understood.
    #[must_use]
    pub fn of(&self, function: u32) -> Option<Rc<Flow<'a>>> {
        if let Some(flow) = self.kept.borrow().get(&function) {
            return flow.clone();
        }
        let bytes = self.code.body_len(function);
        if bytes > self.most_body_bytes {
            return None;
        }
        let flow = Flow::of(self.code, function).map(Rc::new);
        let mut kept = self.kept.borrow_mut();
        if self.bytes.get().saturating_add(bytes) > self.kept_bytes {
            kept.clear();
            self.bytes.set(0);
        }
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        kept.insert(function, flow.clone());
        flow
    }

    /// The functions that call an import, with their flows; none if there are many.
    #[must_use]
    pub fn callers(&self, import: u32) -> Vec<(u32, Rc<Flow<'a>>)> {
        let callers = self.code.callers(import);
        if callers.len() > MOST_CALLERS {
            return Vec::new();
        }
        callers.iter().filter_map(|&caller| Some((caller, self.of(caller)?))).collect()
    }

    /// Whether some call of an import, given with its caller, has a property.
    pub(crate) fn any_call(&self, import: u32, mut has: impl FnMut(u32, &Flow<'a>, usize) -> bool) -> bool {
        self.callers(import)
            .iter()
            .any(|(caller, flow)| flow.calls(import).iter().any(|&call| has(*caller, flow, call)))
    }
}
