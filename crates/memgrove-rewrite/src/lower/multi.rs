//! Several values at once: between blocks they travel in locals, between functions in globals.
//!
//! ```wat
//! ;; before
//! (func $pair (result i32 i32) (i32.const 1) (i32.const 2))
//! (block (param i32) (result i32 i32) (i32.const 5))
//! ;; after: values are taken up again where they are wanted, before anything else can run
//! (func $pair (i32.const 1) (i32.const 2) (global.set $b) (global.set $a))
//! (local.set $x) (block (local.get $x) (i32.const 5) (local.set $y) (local.set $x)) (local.get $x) (local.get $y)
//! ```
//!
//! One set of locals a function is enough: they are read directly behind a jump. A type with several results becomes the
//! type without results, so nothing that has it may be seen from outside, and no call through a table may take one of the
//! two types for the other.

use std::collections::{BTreeMap, HashMap, HashSet};

use memgrove_module::facts::Proposal;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{ConstExpr, GlobalType, ValType as NewType};
use wasmparser::{BlockType, Operator, ValType};

use super::carrier::Carrier;
use super::defined;
use crate::Error;
use crate::edit::{Edits, Sections, count};

/// Code that is added, in instructions for each byte of the module: a type may be longer than all that has it. A
/// quarter of it is enough for the corpus and the samples.
const MOST_ADDED: usize = 16;
/// Values that travel at once, of one type: as many as engines allow results. A quarter is enough for the corpus and the samples.
const MOST_VALUES: u32 = 1000;

/// What is to be done, found before anything is written.
pub(super) struct MultiValue {
    /// By index: a type of several results that functions or blocks have.
    types: HashSet<u32>,
    /// For each function that changes, how many locals of each type it gets.
    pub locals: HashMap<u32, BTreeMap<ValType, u32>>,
    /// How many globals of each type functions leave their results in.
    globals: BTreeMap<ValType, u32>,
}

/// How many of each type there are in a list.
fn tally(types: &[ValType]) -> BTreeMap<ValType, u32> {
    let mut tally = BTreeMap::new();
    for &ty in types {
        *tally.entry(ty).or_default() += 1;
    }
    tally
}

/// Makes room for a list of values.
fn make_room(room: &mut BTreeMap<ValType, u32>, types: &[ValType]) {
    for (ty, times) in tally(types) {
        let have = room.entry(ty).or_default();
        *have = times.max(*have);
    }
}

impl MultiValue {
    /// Looks for several values at once. `Err` says what speaks against lowering them; nothing is noted then.
    pub fn find(
        sections: &Sections<'_>,
        touched: &mut [bool],
        found: &mut BTreeMap<(Proposal, &'static str), usize>,
    ) -> Result<Result<Option<Self>, &'static str>, Error> {
        let types: HashSet<u32> = (0..sections.type_count())
            .filter(|&ty| sections.func_type_at(ty).is_some_and(|ty| ty.results().len() > 1))
            .collect();
        let mut this = Self { types, locals: HashMap::new(), globals: BTreeMap::new() };
        let (mut blocks, mut added, mut indirect) = (0, 0, HashSet::new());
        for (func, body) in (sections.imported_funcs..).zip(sections.bodies()?) {
            let mut room = BTreeMap::new();
            let mut is_touched = false;
            let own = sections.funcs.get(func as usize).copied().unwrap_or_default();
            let mut carries = |types: &[ValType]| {
                is_touched = true;
                added += 2 * types.len();
                make_room(&mut room, types);
            };
            if this.types.contains(&own) {
                carries(sections.func_type_at(own).map_or(&[], |ty| ty.results()));
            }
            let mut unknown = None;
            for operator in body?.get_operators_reader()? {
                let operator = operator?;
                match operator {
                    Operator::Block { blockty: BlockType::FuncType(ty) }
                    | Operator::Loop { blockty: BlockType::FuncType(ty) }
                    | Operator::If { blockty: BlockType::FuncType(ty) } => {
                        blocks += 1;
                        let Some(ty) = sections.func_type_at(ty) else { return Ok(Err(OTHER_TYPES)) };
                        carries(ty.params());
                        carries(ty.results());
                    }
                    Operator::Call { function_index } => {
                        let callee = sections.funcs.get(function_index as usize).copied().unwrap_or_default();
                        if this.types.contains(&callee) {
                            carries(sections.func_type_at(callee).map_or(&[], |ty| ty.results()));
                        }
                    }
                    Operator::CallIndirect { type_index, .. }
                    | Operator::ReturnCallIndirect { type_index, .. } => {
                        indirect.insert(type_index);
                        if this.types.contains(&type_index) {
                            carries(sections.func_type_at(type_index).map_or(&[], |ty| ty.results()));
                        }
                    }
                    // Ways of values from block to block other than branches.
                    Operator::Try { .. }
                    | Operator::TryTable { .. }
                    | Operator::BrOnNull { .. }
                    | Operator::BrOnNonNull { .. }
                    | Operator::BrOnCast { .. }
                    | Operator::BrOnCastFail { .. }
                    | Operator::CallRef { .. }
                    | Operator::ReturnCallRef { .. } => unknown = Some(OTHER_WAYS),
                    _ => {}
                }
            }
            if is_touched {
                if let Some(why) = unknown {
                    return Ok(Err(why));
                }
                if let Some(flag) = touched.get_mut(defined(sections, func)) {
                    *flag = true;
                }
                this.locals.insert(func, room);
            }
        }
        if this.types.is_empty() && blocks == 0 {
            return Ok(Ok(None));
        }
        if let Some(why) = this.speaks_against(sections, &indirect)? {
            return Ok(Err(why));
        }
        let room = this.locals.values().flat_map(BTreeMap::values).copied().max().unwrap_or_default();
        if room > MOST_VALUES || added > MOST_ADDED * sections.bytes.len() {
            return Ok(Err("so many values travel at once that the module would become many times larger"));
        }
        for &ty in &this.types {
            make_room(&mut this.globals, sections.func_type_at(ty).map_or(&[], |ty| ty.results()));
        }
        if !this.types.is_empty() {
            found.insert((Proposal::MultiValue, "function type with several results"), this.types.len());
        }
        if blocks > 0 {
            found.insert((Proposal::MultiValue, "block with a type of its own"), blocks);
        }
        Ok(Ok(Some(this)))
    }

    /// Why the types of several results cannot become others.
    fn speaks_against(
        &self,
        sections: &Sections<'_>,
        indirect: &HashSet<u32>,
    ) -> Result<Option<&'static str>, Error> {
        let is_several =
            |func: u32| sections.funcs.get(func as usize).is_some_and(|ty| self.types.contains(ty));
        if (0..sections.imported_funcs).any(is_several) {
            return Ok(Some("a function that the host gives returns several values"));
        }
        if sections.exports().any(|export| crate::module::is_func(export.kind) && is_several(export.index)) {
            return Ok(Some("an exported function returns several values, which its caller reads"));
        }
        let shows_tables = sections.imported_tables > 0
            || sections.exports().any(|export| export.kind == wasmparser::ExternalKind::Table);
        let defines_several = (sections.imported_funcs..count(sections.funcs.len())).any(is_several);
        if shows_tables && defines_several {
            return Ok(Some(
                "a function that returns several values may be called through a table by the host",
            ));
        }
        if !sections.has_plain_types()? {
            return Ok(Some(OTHER_TYPES));
        }
        let is_nullable = |ty: &ValType| !matches!(ty, ValType::Ref(ty) if !ty.is_nullable());
        if !self.locals.values().flat_map(BTreeMap::keys).all(is_nullable) {
            return Ok(Some(OTHER_TYPES));
        }
        if !indirect.is_empty() {
            // Types that functions have or are called by, as they will be.
            let used: HashSet<u32> = sections.funcs.iter().copied().chain(indirect.iter().copied()).collect();
            let mut seen: HashMap<(&[ValType], &[ValType]), &[ValType]> = HashMap::new();
            for ty in used {
                let Some(ty) = sections.func_type_at(ty) else { continue };
                let results = if ty.results().len() > 1 { &[] } else { ty.results() };
                let before = seen.insert((ty.params(), results), ty.results());
                if before.is_some_and(|before| before != ty.results()) {
                    return Ok(Some(
                        "a call through a table tells functions apart by the several values that they return",
                    ));
                }
            }
        }
        Ok(None)
    }

    /// Gives the types without results, and the globals.
    pub fn apply(self, edits: &mut Edits<'_, '_>) -> Result<Carrier, Error> {
        let sections = edits.sections;
        for &ty in &self.types {
            let params = sections.func_type_at(ty).map_or(&[][..], |ty| ty.params());
            let params = params.iter().map(|&ty| new_type(ty)).collect::<Result<_, _>>()?;
            edits.set_type(ty, params, Vec::new());
        }
        let mut globals = BTreeMap::new();
        for (&ty, &times) in &self.globals {
            let val_type = new_type(ty)?;
            let zero = match val_type {
                NewType::I32 => ConstExpr::i32_const(0),
                NewType::I64 => ConstExpr::i64_const(0),
                NewType::F32 => ConstExpr::f32_const(0.0_f32.into()),
                NewType::F64 => ConstExpr::f64_const(0.0_f64.into()),
                NewType::V128 => ConstExpr::v128_const(0),
                NewType::Ref(ty) => ConstExpr::ref_null(ty.heap_type),
            };
            let ty_of_all = GlobalType { val_type, mutable: true, shared: false };
            let first = edits.add_global(ty_of_all, zero.clone());
            for _ in 1..times {
                edits.add_global(ty_of_all, zero.clone());
            }
            globals.insert(ty, first);
        }
        Ok(Carrier::new(self, globals))
    }

    /// The locals that a function gets, in their order.
    pub fn locals_of(&self, func: u32) -> Result<Vec<NewType>, Error> {
        // One more at the front, for the condition of a branch.
        let mut locals = vec![NewType::I32];
        for (&ty, &times) in self.locals.get(&func).into_iter().flatten() {
            locals.extend(std::iter::repeat_n(new_type(ty)?, times as usize));
        }
        Ok(locals)
    }
}

const OTHER_TYPES: &str = "its types are more than those of functions";
const OTHER_WAYS: &str = "values also travel by exceptions, casts or typed references";

pub(super) fn new_type(ty: ValType) -> Result<NewType, Error> {
    Ok(RoundtripReencoder.val_type(ty)?)
}
