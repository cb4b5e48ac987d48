//! From a module to a plan, one file a pass.
//!
//! Order matters in two places: functions come first because what they are (growth by the
//! host, a fixed heap) decides the memory's limits, and globals come before the first break
//! because both place things behind everything static.

mod active;
mod allocator;
mod alone;
mod constructors;
mod customs;
mod exit;
mod first_break;
mod functions;
mod globals;
mod glue;
mod host_grown;
mod memory;
mod minified;
mod tables;
mod trap;

use std::collections::{HashMap, HashSet};

use wasmparser::{ExternalKind, TypeRef};

use crate::edits::{Edits, StandIn, Value};
use crate::module::Module;
use crate::plan::{Behaviour, Change, DecidedBy, Decision, Item, Options, Plan};
use crate::{Error, lower, mark, structure};

/// Bytes of a WebAssembly page, unless a memory's type says otherwise.
pub(crate) use memgrove_module::PAGE_BYTES as PAGE;

/// Why an import stays of which nothing is known.
const ONLY_ITS_HOST_KNOWS: &str = "nothing in the module says what it does; only its host knows";

/// What the passes share.
pub(crate) struct Pass<'m, 'a> {
    pub module: &'m Module<'a>,
    pub options: &'m Options,
    pub edits: Edits,
    /// One a import, in the order of the module.
    pub items: Vec<Item>,
    pub changes: Vec<Change>,
    pub notes: Vec<String>,
    /// Some address that a loader chooses stays with it.
    pub address_stays: bool,
    /// What the host provides.
    provided: HashSet<(&'m str, &'m str)>,
    /// Names of the exports that are added, and for each wanted name the next number to try behind it.
    added_names: HashSet<String>,
    next_number: HashMap<String, u32>,
}

/// Runs all passes.
pub(crate) fn run(module: &Module<'_>, options: &Options) -> Result<Plan, Error> {
    let mut pass = Pass {
        module,
        options,
        edits: Edits::default(),
        items: (0..).zip(&module.imports).map(|(at, entry)| undecided(module, at, &entry.import)).collect(),
        changes: Vec::new(),
        notes: Vec::new(),
        address_stays: false,
        provided: options.provided.iter().map(|(from, name)| (from.as_str(), name.as_str())).collect(),
        added_names: HashSet::new(),
        next_number: HashMap::new(),
    };
    if let Some(glue) = &options.glue {
        glue::check(module, glue)?;
    }
    functions::run(&mut pass);
    trap::run(&mut pass);
    tables::run(&mut pass);
    memory::run(&mut pass);
    allocator::run(&mut pass);
    globals::run(&mut pass)?;
    first_break::run(&mut pass)?;
    active::run(&mut pass);
    host_grown::run(&mut pass);
    constructors::run(&mut pass);
    // What a later pass gave back.
    trap::run(&mut pass);
    alone::run(&mut pass);
    exit::run(&mut pass);
    customs::run(&mut pass);
    for (item, entry) in pass.items.iter_mut().zip(&module.imports) {
        item.behaviour = behaviour(&pass.edits, entry);
    }
    mark(&mut pass);
    let (changes, notes) = lower::changes(module.sections.bytes, &options.lower)?;
    // Only what there is something to do about.
    let lower = if changes.is_empty() { Vec::new() } else { options.lower.clone() };
    pass.changes.extend(changes);
    pass.notes.extend(notes);
    let page_bytes = module.sections.memories.first().map_or(PAGE, page_bytes);
    let mut plan = Plan {
        imports: pass.items,
        changes: pass.changes,
        notes: pass.notes,
        lower,
        page_bytes,
        edits: pass.edits,
    };
    let openers: Vec<String> = plan.file_openers().map(Item::told).collect();
    if !openers.is_empty() {
        plan.notes.push(format!(
            "it can open files, by {}: inside there are none, so that what reads or writes one behaves otherwise",
            openers.join(", ")
        ));
    }
    Ok(plan)
}

/// Marks what imports stay as decided; decides nothing about a module that is marked.
fn mark(pass: &mut Pass<'_, '_>) {
    if mark::is_fixed(pass.module, pass.options) {
        pass.edits = Edits::default();
        pass.changes.clear();
        pass.notes.clear();
        for item in &mut pass.items {
            if let Decision::Inside { .. } | Decision::Traps { .. } = item.decision {
                let why = "it stayed when the module was fixed with the same options".to_owned();
                item.decision = Decision::Stays { why };
            }
        }
        for (item, entry) in pass.items.iter_mut().zip(&pass.module.imports) {
            item.behaviour = behaviour(&pass.edits, entry);
        }
        return;
    }
    let mut remaining = pass
        .module
        .imports
        .iter()
        .zip(&pass.items)
        .filter(|(_, item)| matches!(item.decision, Decision::Stays { .. }))
        .map(|(entry, _)| &entry.import)
        .peekable();
    if !pass.edits.is_empty() && remaining.peek().is_some() {
        pass.edits.mark = Some(mark::contents(pass.options, remaining));
    }
}

impl Pass<'_, '_> {
    /// The host that the output is for provides it.
    pub fn is_provided(&self, import: &wasmparser::Import<'_>) -> bool {
        self.provided.contains(&(import.module, import.name))
    }

    /// Records that an import (by its position) is satisfied.
    pub fn inside(
        &mut self,
        at: usize,
        stand_in: impl Into<String>,
        why: impl Into<String>,
        exact: bool,
        decided_by: DecidedBy,
    ) {
        self.items[at].decision =
            Decision::Inside { stand_in: stand_in.into(), why: why.into(), exact, decided_by };
    }

    /// Records that an import stays.
    pub fn stays(&mut self, at: usize, why: impl Into<String>) {
        self.items[at].decision = Decision::Stays { why: why.into() };
    }

    /// Records a change that no import asked for.
    pub fn change(&mut self, subject: impl Into<String>, what: impl Into<String>, why: impl Into<String>) {
        self.changes.push(Change { subject: subject.into(), what: what.into(), why: why.into() });
    }

    /// Exports something under `wanted`, or under a name like it that is free, unless it is
    /// exported already. Returns the name.
    pub fn export(&mut self, wanted: &str, kind: ExternalKind, index: u32) -> String {
        let module = self.module;
        if let Some(name) = module.exported_as(kind, index) {
            return name.to_owned();
        }
        let name = self.free_name(wanted);
        self.edits.exports.push((name.clone(), kind, index));
        name
    }

    /// A name like `wanted` that nothing is exported under, and nothing else will be.
    pub fn free_name(&mut self, wanted: &str) -> String {
        let module = self.module;
        // Names are never free again, so the search goes on where the last one of this name ended.
        let next = self.next_number.entry(wanted.to_owned()).or_default();
        let name = loop {
            let name = if *next == 0 { wanted.to_owned() } else { format!("{wanted}_{next}") };
            *next += 1;
            if module.facts.export(&name).is_none() && !self.added_names.contains(&name) {
                break name;
            }
        };
        self.added_names.insert(name.clone());
        name
    }

    /// The type that memory 0 will have.
    pub fn memory0(&self) -> Option<wasmparser::MemoryType> {
        let changed = self.edits.memories.get(&0).or_else(|| self.edits.own_memories.get(&0));
        changed.or_else(|| self.module.sections.memories.first()).copied()
    }

    /// Addresses and layouts of memory 0 can be chosen: it is the module's own, with addresses of
    /// 32 bits and pages of 64 KiB, as in every toolchain that leaves them to its host.
    pub fn lays_out_memory0(&self) -> bool {
        self.owns_memory0() && self.memory0().is_some_and(|ty| !ty.memory64 && page_bytes(&ty) == PAGE)
    }

    /// Memory 0 will be the module's own, so that its contents and limits can be chosen.
    pub fn owns_memory0(&self) -> bool {
        !self.module.sections.memories.is_empty()
            && (self.module.sections.imported_memories == 0 || self.edits.memories.contains_key(&0))
    }

    /// Changes the limits of memory 0, which the module owns or will own.
    pub fn set_memory0(&mut self, ty: wasmparser::MemoryType) {
        let of = if self.module.sections.imported_memories > 0 {
            &mut self.edits.memories
        } else {
            &mut self.edits.own_memories
        };
        of.insert(0, ty);
    }
}

/// Bytes of a memory's page.
pub(crate) fn page_bytes(ty: &wasmparser::MemoryType) -> u64 {
    ty.page_size_log2.map_or(PAGE, |log2| 1 << log2)
}

/// What was decided, for a host that is to do the same.
fn behaviour(edits: &Edits, entry: &crate::edit::ImportEntry<'_>) -> Behaviour {
    let index = &entry.index;
    let found = match entry.import.ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => edits.funcs.get(index).map(|stand_in| match stand_in {
            StandIn::Trap => Behaviour::Traps,
            StandIn::Exit => Behaviour::Exits,
            StandIn::Return(number) => Behaviour::Answers(*number),
            StandIn::Runtime(function) => Behaviour::Computes(*function),
            StandIn::Heap(_, function) => Behaviour::Allocates(*function),
            StandIn::GrowTable(_) | StandIn::Invoke | StandIn::StoreErrno(_) | StandIn::Operator(_) => {
                Behaviour::Other
            }
        }),
        TypeRef::Memory(_) => edits.memories.get(index).map(|ty| Behaviour::Memory(ty.initial)),
        TypeRef::Table(_) => edits.tables.get(index).map(|ty| Behaviour::Table(ty.initial)),
        TypeRef::Global(_) => edits.globals.get(index).map(|value| match value {
            Value::I32(value) => Behaviour::I32(*value),
            Value::F64(value) => Behaviour::F64(*value),
        }),
        TypeRef::Tag(_) => None,
    };
    found.unwrap_or(match entry.import.ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => Behaviour::StaysFunction,
        _ => Behaviour::Stays,
    })
}

fn undecided(module: &Module<'_>, at: usize, import: &wasmparser::Import<'_>) -> Item {
    let ty = match import.ty {
        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
            let ty = module.sections.func_type_at(ty);
            format!("func {}", ty.map(structure::signature_text).unwrap_or_default())
        }
        TypeRef::Memory(ty) => memory::describe(&ty),
        TypeRef::Table(ty) => match ty.maximum {
            Some(max) => format!("table {} {max} {}", ty.initial, ty.element_type),
            None => format!("table {} {}", ty.initial, ty.element_type),
        },
        TypeRef::Global(ty) if ty.mutable => format!("global mut {}", ty.content_type),
        TypeRef::Global(ty) => format!("global {}", ty.content_type),
        TypeRef::Tag(_) => "tag".to_owned(),
    };
    let known = module.code.imports().at(at);
    Item {
        module: import.module.to_owned(),
        name: import.name.to_owned(),
        ty,
        known_as: None,
        purpose: known.purpose(),
        grows: known.grows(),
        drops_output: false,
        decision: Decision::Stays { why: "nothing stands for a tag: exceptions meet in the host".to_owned() },
        behaviour: Behaviour::Stays,
    }
}
