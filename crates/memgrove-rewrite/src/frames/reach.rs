//! Which functions can lead to one of interest, such as an allocator's: only these need a frame on the stack.

use std::collections::{BTreeSet, HashMap};

use wasmparser::{
    AbstractHeapType, CompositeInnerType, ConstExpr, ElementItems, ExternalKind, FuncType, FunctionBody,
    Global, HeapType, Operator, RecGroup, Table, TableInit, TypeRef,
};

use crate::Error;
use crate::edit::{Sections, id};

/// What instrumenting needs to know of each function.
pub(crate) struct Reach {
    /// By function index: it can lead to a call of the allocator, or is one of its functions.
    reaches: Vec<bool>,
    /// By function index: it calls what can lead to the allocator.
    calls: Vec<bool>,
    /// By function index: it does so without the host in between.
    calls_inside: Vec<bool>,
    /// Functions of the allocator.
    targets: BTreeSet<u32>,
    indirect: Indirect,
    /// Types of functions that code may refer to and that lead to no allocation.
    silent_types: BTreeSet<FuncType>,
    found: Calls,
}

/// Functions of interest that are not wrapped.
#[derive(Clone, Copy)]
pub(crate) enum Others<'f> {
    /// What leads to them has a frame.
    Reached(&'f [u32]),
    /// They have, too.
    Framed(&'f [u32]),
}

/// Which calls through tables and references can lead to the allocator.
enum Indirect {
    /// Those with these signatures.
    Of(BTreeSet<FuncType>),
    /// All: the host may have put functions of its own into a table, or signatures do not tell types apart.
    All,
}

/// What one walk over the module found.
struct Calls {
    imported_funcs: u32,
    /// Direct calls, `(callee, caller)`, sorted.
    direct: Vec<(u32, u32)>,
    /// Calls through tables and references: type and caller.
    indirect: Vec<(FuncType, u32)>,
    /// Functions to which code, segments or globals refer.
    referred: BTreeSet<u32>,
    catches: Vec<bool>,
    /// Functions that call through a table or a reference, and may so call a function of the host's.
    calls_open_host: Vec<bool>,
    /// Functions that the host can call by their exports.
    exported: BTreeSet<u32>,
    /// Imports of Emscripten's that call a function of the module's table and do nothing else, but catch.
    invokes: BTreeSet<u32>,
    /// The host can read and write a table.
    is_table_shared: bool,
    /// A type may be called by the signature of another.
    has_subtypes: bool,
}

impl Reach {
    /// Finds what leads to `targets`, which are wrapped. O(calls × log calls).
    pub fn new(sections: &Sections<'_>, targets: &[u32]) -> Result<Self, Error> {
        Ok(Self::over(Calls::read(sections)?, sections, targets, Others::Reached(&[])))
    }

    /// The same module with other functions that are not wrapped. The module is not read again.
    pub fn with_others(self, sections: &Sections<'_>, others: Others<'_>) -> Self {
        let targets: Vec<u32> = self.targets.into_iter().collect();
        Self::over(self.found, sections, &targets, others)
    }

    fn over(found: Calls, sections: &Sections<'_>, targets: &[u32], others: Others<'_>) -> Self {
        let mut walk = Walk::new(sections, &found);
        targets.iter().for_each(|&func| walk.found(func));
        match others {
            Others::Reached(funcs) => funcs.iter().for_each(|&func| walk.found(func)),
            Others::Framed(funcs) => funcs.iter().for_each(|&func| walk.calls(func)),
        }
        walk.run(false);
        let calls_inside = walk.calls.clone();
        walk.run(true);
        let Walk { reaches, calls, indirect, all_indirect, .. } = walk;

        let targets: BTreeSet<u32> = targets.iter().copied().collect();
        let is_silent = |func: &&u32| {
            let at = **func as usize;
            let takes = calls.get(at).copied().unwrap_or(false)
                || targets.contains(*func)
                || **func < sections.imported_funcs && reaches.get(at).copied().unwrap_or(false);
            !takes
        };
        let silent = found.referred.iter().filter(is_silent);
        let silent_types = silent.filter_map(|&func| sections.func_type(func).cloned()).collect();
        let indirect = if all_indirect { Indirect::All } else { Indirect::Of(indirect) };
        Self { reaches, calls, calls_inside, targets, indirect, silent_types, found }
    }

    /// A call of this function can lead to one of the allocator.
    pub fn reaches(&self, func: u32) -> bool {
        has(&self.reaches, func)
    }

    /// The function calls what can lead to the allocator.
    pub fn calls(&self, func: u32) -> bool {
        has(&self.calls, func)
    }

    /// A function of the allocator calls another by itself, or the same again.
    pub fn nests(&self, target: u32) -> bool {
        has(&self.calls_inside, target)
    }

    /// The function holds a handler of exceptions.
    pub fn catches(&self, func: u32) -> bool {
        has(&self.found.catches, func)
    }

    /// A call through a table or a reference with this signature can lead to one of the allocator.
    pub fn reaches_openly(&self, ty: Option<&FuncType>) -> bool {
        match &self.indirect {
            Indirect::All => true,
            Indirect::Of(types) => ty.is_none_or(|ty| types.contains(ty)),
        }
    }

    /// A call through a table with this signature may reach a function that does not take the call's number.
    pub fn may_leave_number(&self, ty: Option<&FuncType>) -> bool {
        match &self.indirect {
            Indirect::All => true,
            Indirect::Of(_) => ty.is_none_or(|ty| self.silent_types.contains(ty)),
        }
    }

    /// The function does not take the number of the call, and is of interest.
    pub fn leaves_number(&self, func: u32) -> bool {
        !self.calls(func) && !self.targets.contains(&func)
    }

    /// The host can put functions of its own into a table or hand them over as references.
    pub fn is_table_shared(&self) -> bool {
        self.found.is_table_shared
    }

    /// The function calls through a table or a reference what may be the host's.
    pub fn calls_open_host(&self, func: u32) -> bool {
        self.found.is_table_shared && has(&self.found.calls_open_host, func)
    }

    /// The import calls the module's functions and does nothing else.
    pub fn is_invoke(&self, import: u32) -> bool {
        self.found.invokes.contains(&import)
    }

    /// Something behind this import takes the number of the call.
    pub fn takes_number(&self, import: u32) -> bool {
        self.targets.contains(&import) || self.is_invoke(import)
    }

    /// Imports from which the host may call functions that lead to the allocator.
    pub fn open_imports(&self) -> impl Iterator<Item = u32> {
        (0..self.found.imported_funcs).filter(|func| self.reaches(*func) && !self.targets.contains(func))
    }
}

fn has(flags: &[bool], func: u32) -> bool {
    flags.get(func as usize).copied().unwrap_or(false)
}

/// Functions found, and those whose callers are still to be looked at.
struct Walk<'w, 'a> {
    sections: &'w Sections<'a>,
    found: &'w Calls,
    by_type: HashMap<&'w FuncType, Vec<u32>>,
    reaches: Vec<bool>,
    calls: Vec<bool>,
    open: Vec<u32>,
    indirect: BTreeSet<FuncType>,
    all_indirect: bool,
    all_callers_found: bool,
    /// The host can call something that was found.
    is_entered: bool,
}

impl<'w, 'a> Walk<'w, 'a> {
    fn new(sections: &'w Sections<'a>, found: &'w Calls) -> Self {
        let mut by_type: HashMap<&FuncType, Vec<u32>> = HashMap::new();
        for (ty, caller) in &found.indirect {
            by_type.entry(ty).or_default().push(*caller);
        }
        let flags = vec![false; sections.funcs.len()];
        Self {
            sections,
            found,
            by_type,
            reaches: flags.clone(),
            calls: flags,
            open: Vec::new(),
            indirect: BTreeSet::new(),
            all_indirect: false,
            all_callers_found: false,
            is_entered: false,
        }
    }

    fn found(&mut self, func: u32) {
        if let Some(known) = self.reaches.get_mut(func as usize)
            && !std::mem::replace(known, true)
        {
            self.open.push(func);
        }
    }

    fn calls(&mut self, func: u32) {
        if let Some(known) = self.calls.get_mut(func as usize) {
            *known = true;
        }
        self.found(func);
    }

    /// Follows calls to their callers, also from what the host can call to what calls the host.
    fn run(&mut self, through_host: bool) {
        let Self { sections, found, .. } = *self;
        let mut entered_followed = false;
        loop {
            if through_host && self.is_entered && !std::mem::replace(&mut entered_followed, true) {
                // Whatever calls the host may be called back from there.
                (0..sections.imported_funcs).for_each(|import| self.found(import));
                self.all_indirect |= found.is_table_shared;
            }
            if self.all_indirect && !std::mem::replace(&mut self.all_callers_found, true) {
                found.indirect.iter().for_each(|(_, caller)| self.calls(*caller));
            }
            let Some(func) = self.open.pop() else { break };
            let first = found.direct.partition_point(|(callee, _)| *callee < func);
            let callers = found.direct.iter().skip(first).take_while(|(callee, _)| *callee == func);
            callers.for_each(|(_, caller)| self.calls(*caller));
            if found.referred.contains(&func)
                && let Some(ty) = sections.func_type(func)
                && self.indirect.insert(ty.clone())
            {
                let callers = self.by_type.remove(ty).unwrap_or_default();
                callers.into_iter().for_each(|caller| self.calls(caller));
                self.all_indirect |= found.has_subtypes;
            }
            self.is_entered |=
                found.exported.contains(&func) || found.is_table_shared && found.referred.contains(&func);
        }
    }
}

impl Calls {
    fn read(sections: &Sections<'_>) -> Result<Self, Error> {
        let mut calls = Self {
            imported_funcs: sections.imported_funcs,
            direct: Vec::new(),
            indirect: Vec::new(),
            referred: BTreeSet::new(),
            catches: vec![false; sections.funcs.len()],
            calls_open_host: vec![false; sections.funcs.len()],
            exported: BTreeSet::new(),
            invokes: BTreeSet::new(),
            is_table_shared: sections.imported_tables > 0,
            has_subtypes: false,
        };
        for group in sections.items::<RecGroup>(id::TYPE)?.into_iter().flatten() {
            for ty in group?.into_types() {
                if let CompositeInnerType::Func(func) = &ty.composite_type.inner {
                    calls.has_subtypes |= !ty.is_final || !ty.supertype_idxs.is_empty();
                    // Functions are handed over as values.
                    calls.is_table_shared |= takes_functions(func);
                }
            }
        }
        for entry in sections.imports()? {
            match entry.import.ty {
                TypeRef::Func(_) | TypeRef::FuncExact(_)
                    if entry.import.module == "env" && entry.import.name.starts_with("invoke_") =>
                {
                    calls.invokes.insert(entry.index);
                }
                TypeRef::Global(ty) => calls.is_table_shared |= ty.content_type.is_reference_type(),
                _ => {}
            }
        }
        for table in sections.items::<Table<'_>>(id::TABLE)?.into_iter().flatten() {
            if let TableInit::Expr(expr) = table?.init {
                calls.note_reference(&expr)?;
            }
        }
        for global in sections.items::<Global<'_>>(id::GLOBAL)?.into_iter().flatten() {
            calls.note_reference(&global?.init_expr)?;
        }
        for export in sections.exports() {
            if crate::module::is_func(export.kind) {
                calls.exported.insert(export.index);
            }
            calls.is_table_shared |= export.kind == ExternalKind::Table;
        }
        for element in sections.elements()?.into_iter().flatten() {
            match element?.items {
                ElementItems::Functions(funcs) => {
                    for func in funcs {
                        calls.referred.insert(func?);
                    }
                }
                ElementItems::Expressions(_, expressions) => {
                    for expression in expressions {
                        calls.note_reference(&expression?)?;
                    }
                }
            }
        }
        for (caller, body) in (sections.imported_funcs..).zip(sections.bodies()?) {
            calls.note_body(caller, &body?, sections)?;
        }
        calls.direct.sort_unstable();
        calls.direct.dedup();
        Ok(calls)
    }

    fn note_reference(&mut self, expr: &ConstExpr<'_>) -> Result<(), Error> {
        for operator in expr.get_operators_reader() {
            if let Operator::RefFunc { function_index } = operator? {
                self.referred.insert(function_index);
            }
        }
        Ok(())
    }

    fn note_body(
        &mut self,
        caller: u32,
        body: &FunctionBody<'_>,
        sections: &Sections<'_>,
    ) -> Result<(), Error> {
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    self.direct.push((function_index, caller));
                }
                Operator::CallIndirect { type_index, .. }
                | Operator::ReturnCallIndirect { type_index, .. }
                | Operator::CallRef { type_index }
                | Operator::ReturnCallRef { type_index } => {
                    if let Some(ty) = sections.func_type_at(type_index) {
                        self.indirect.push((ty.clone(), caller));
                    }
                    if let Some(known) = self.calls_open_host.get_mut(caller as usize) {
                        *known = true;
                    }
                }
                Operator::RefFunc { function_index } => {
                    self.referred.insert(function_index);
                }
                Operator::Try { .. } | Operator::TryTable { .. } => {
                    if let Some(known) = self.catches.get_mut(caller as usize) {
                        *known = true;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A function may come in or go out as a parameter or a result.
fn takes_functions(ty: &FuncType) -> bool {
    ty.params().iter().chain(ty.results()).any(|ty| {
        ty.as_reference_type().is_some_and(|ty| match ty.heap_type() {
            HeapType::Abstract { ty, .. } => matches!(ty, AbstractHeapType::Func),
            HeapType::Concrete(_) | HeapType::Exact(_) => true,
        })
    })
}
