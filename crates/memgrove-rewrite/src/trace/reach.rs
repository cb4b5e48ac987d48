//! Which functions can lead to an allocation: only these need a frame on the stack.

use std::collections::{BTreeSet, HashMap};

use wasmparser::{
    CompositeInnerType, ConstExpr, ElementItems, ExternalKind, FuncType, FunctionBody, Operator, Parser,
    Payload,
};

use crate::Error;
use crate::edit::Sections;

/// What instrumenting needs to know of each function.
pub(super) struct Reach {
    /// By function index: it can lead to a call of the allocator.
    reaches: Vec<bool>,
    /// By function index: it catches exceptions.
    catches: Vec<bool>,
    indirect: Indirect,
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
    /// Direct calls, `(callee, caller)`, sorted.
    direct: Vec<(u32, u32)>,
    /// Calls through tables and references: type and caller.
    indirect: Vec<(FuncType, u32)>,
    /// Functions to which code, segments or globals refer.
    referred: BTreeSet<u32>,
    catches: Vec<bool>,
    /// Functions that the host can call by their exports.
    exported: BTreeSet<u32>,
    /// The host can read and write a table.
    is_table_shared: bool,
    /// A type may be called by the signature of another.
    has_subtypes: bool,
}

impl Reach {
    /// Finds what leads to `targets`. O(calls × log calls).
    pub fn new(sections: &Sections<'_>, targets: &[u32]) -> Result<Self, Error> {
        let calls = Calls::read(sections)?;
        let mut by_type: HashMap<&FuncType, Vec<u32>> = HashMap::new();
        for (ty, caller) in &calls.indirect {
            by_type.entry(ty).or_default().push(*caller);
        }
        let is_entry = |func: u32| {
            calls.exported.contains(&func) || calls.is_table_shared && calls.referred.contains(&func)
        };

        let mut walk = Walk { reaches: vec![false; sections.funcs.len()], open: Vec::new() };
        let mut indirect = BTreeSet::new();
        let mut all_indirect = false;
        let mut all_callers_found = false;
        let mut through_host = false;
        targets.iter().for_each(|&func| walk.found(func));
        while let Some(func) = walk.open.pop() {
            let first = calls.direct.partition_point(|(callee, _)| *callee < func);
            let callers = calls.direct.iter().skip(first).take_while(|(callee, _)| *callee == func);
            callers.for_each(|(_, caller)| walk.found(*caller));
            if calls.referred.contains(&func)
                && let Some(ty) = sections.func_type(func)
                && indirect.insert(ty.clone())
            {
                by_type.get(ty).into_iter().flatten().for_each(|caller| walk.found(*caller));
                all_indirect |= calls.has_subtypes;
            }
            // Whatever calls the host may be called back from there.
            if is_entry(func) && !std::mem::replace(&mut through_host, true) {
                (0..sections.imported_funcs).for_each(|import| walk.found(import));
                all_indirect |= calls.is_table_shared;
            }
            if all_indirect && !std::mem::replace(&mut all_callers_found, true) {
                calls.indirect.iter().for_each(|(_, caller)| walk.found(*caller));
            }
        }
        let indirect = if all_indirect { Indirect::All } else { Indirect::Of(indirect) };
        Ok(Self { reaches: walk.reaches, catches: calls.catches, indirect })
    }

    /// A call of this function can lead to one of the allocator.
    pub fn reaches(&self, func: u32) -> bool {
        self.reaches.get(func as usize).copied().unwrap_or(false)
    }

    /// The function holds a handler of exceptions.
    pub fn catches(&self, func: u32) -> bool {
        self.catches.get(func as usize).copied().unwrap_or(false)
    }

    /// A call through a table or a reference with this signature can lead to one of the allocator.
    pub fn reaches_indirectly(&self, ty: Option<&FuncType>) -> bool {
        match &self.indirect {
            Indirect::All => true,
            Indirect::Of(types) => ty.is_none_or(|ty| types.contains(ty)),
        }
    }
}

/// Functions found, and those whose callers are still to be looked at.
struct Walk {
    reaches: Vec<bool>,
    open: Vec<u32>,
}

impl Walk {
    fn found(&mut self, func: u32) {
        if let Some(known) = self.reaches.get_mut(func as usize)
            && !std::mem::replace(known, true)
        {
            self.open.push(func);
        }
    }
}

impl Calls {
    fn read(sections: &Sections<'_>) -> Result<Self, Error> {
        let mut calls = Self {
            direct: Vec::new(),
            indirect: Vec::new(),
            referred: BTreeSet::new(),
            catches: vec![false; sections.funcs.len()],
            exported: BTreeSet::new(),
            is_table_shared: sections.imported_tables > 0,
            has_subtypes: false,
        };
        let mut caller = sections.imported_funcs;
        for payload in Parser::new(0).parse_all(sections.bytes) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for ty in group?.into_types() {
                            let is_plain = ty.is_final && ty.supertype_idxs.is_empty();
                            let is_func = matches!(ty.composite_type.inner, CompositeInnerType::Func(_));
                            calls.has_subtypes |= is_func && !is_plain;
                        }
                    }
                }
                Payload::TableSection(section) => {
                    for table in section {
                        if let wasmparser::TableInit::Expr(expr) = table?.init {
                            calls.note_reference(&expr)?;
                        }
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        calls.note_reference(&global?.init_expr)?;
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if crate::module::is_func(export.kind) {
                            calls.exported.insert(export.index);
                        }
                        calls.is_table_shared |= export.kind == ExternalKind::Table;
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
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
                }
                Payload::CodeSectionEntry(body) => {
                    calls.note_body(caller, &body, sections)?;
                    caller += 1;
                }
                _ => {}
            }
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
