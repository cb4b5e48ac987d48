//! Grafts a heap for the imports that it stands for.

use std::collections::BTreeMap;

use wasm_encoder::{ConstExpr, Function, GlobalType, Instruction, ValType};

use crate::Error;
use crate::edit::{Edits as Editor, count};
use crate::edits::{Edits, StandIn};
use crate::graft::{self, Data, Donor, Item, Joint, Roots};
use crate::heap::{Allocator, HeapFunction};

/// Gives a body to each import that a heap stands for. There is one heap at most (see `pass/allocator.rs`).
pub(super) fn graft(edits: &Edits, editor: &mut Editor<'_, '_>) -> Result<(), Error> {
    let mut allocator: Option<Allocator> = None;
    let mut functions: Vec<(u32, HeapFunction)> = Vec::new();
    for (&import, stand_in) in &edits.funcs {
        if let StandIn::Heap(of, function) = stand_in {
            allocator = Some(*of);
            functions.push((import, *function));
        }
    }
    let Some(allocator) = allocator else { return Ok(()) };
    let donor = Donor::read(allocator.donor()).map_err(encode)?;
    let state = State::add(editor);
    let joint = Joint {
        bind: &|import| state.bind(import.name),
        memory: Some(0),
        name: &|func| donor.name_behind(NAMES, func),
        data: Data::Segments,
    };

    // By the donor's function, which can have several names.
    let mut imports: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (import, function) in functions {
        let func = donor.func(function.name()).ok_or_else(|| missing(function.name()))?;
        imports.entry(func).or_default().push(import);
    }
    // A body stands in the first import of its function; where others call it, too, it is a function of its own.
    let closure = donor.closure(imports.keys().copied()).map_err(encode)?;
    let (funcs, bodies): (Vec<u32>, Vec<u32>) =
        imports.keys().partition(|func| closure.called.contains(func));
    let mut grafted =
        graft::graft(editor, &donor, Roots { funcs: &funcs, bodies: &bodies }, &joint).map_err(encode)?;
    for (&func, imports) in &imports {
        let (callee, rest) = match (grafted.body(func), imports.split_first()) {
            (Some(body), Some((&first, rest))) => {
                editor.satisfy(first, body)?;
                (first, rest)
            }
            _ => (
                grafted.func(func).ok_or_else(|| missing(&donor.name_behind(NAMES, func)))?,
                imports.as_slice(),
            ),
        };
        let params = donor.func_type(func).map_or(0, |ty| count(ty.params().len()));
        for &import in rest {
            let mut body = Function::new([]);
            for param in 0..params {
                body.instruction(&Instruction::LocalGet(param));
            }
            body.instruction(&Instruction::Call(callee)).instruction(&Instruction::End);
            editor.satisfy(import, body)?;
        }
    }
    Ok(())
}

/// The functions through which a donor keeps where its heap is, by their edit indices.
struct State {
    get: u32,
    set: u32,
}

impl State {
    fn add(editor: &mut Editor<'_, '_>) -> Self {
        let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        let heap = editor.add_global(ty, ConstExpr::i32_const(0));
        let mut get = Function::new([]);
        get.instruction(&Instruction::GlobalGet(heap)).instruction(&Instruction::End);
        let mut set = Function::new([]);
        set.instruction(&Instruction::LocalGet(0))
            .instruction(&Instruction::GlobalSet(heap))
            .instruction(&Instruction::End);
        let getter = editor.add_type(Vec::new(), vec![ValType::I32]);
        let setter = editor.add_type(vec![ValType::I32], Vec::new());
        Self {
            get: editor.add_func(getter, get, "memgrove.heap"),
            set: editor.add_func(setter, set, "memgrove.set_heap"),
        }
    }

    /// What stands for an import of the donor's.
    fn bind(&self, name: &str) -> Option<Item> {
        match name {
            "heap" => Some(Item::Func(self.get)),
            "set_heap" => Some(Item::Func(self.set)),
            _ => None,
        }
    }
}

/// What the names of the heap's functions begin with in the module's name section.
const NAMES: &str = "memgrove.heap.";

fn missing(name: &str) -> Error {
    Error::Encode(format!("the heap has no function `{name}`"))
}

fn encode(error: graft::GraftError) -> Error {
    match error {
        graft::GraftError::Module(error) => error,
        other => Error::Encode(other.to_string()),
    }
}
