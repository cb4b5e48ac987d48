//! The smallest trace: counts the calls of two functions in a second memory.
//!
//! `cargo run --example count_mallocs -- IN.wasm OUT.wasm MALLOC FREE` takes the two by their exports. The output has
//! the same imports and exports and one more, the memory `memgrove_counts` with the two counts as i32s. Whoever
//! calls the functions is counted: exports, tables and calls from inside lead to the wrappers.
#![allow(clippy::print_stdout, dead_code, reason = "a command, and a part of a test")]

use memgrove_rewrite::edit::{Edited, Edits, Sections, Untouched, applied};
use memgrove_rewrite::graft::{Data, Donor, Joint, Roots, graft};
use wasm_encoder::{Function, Instruction, MemoryType};

/// What the record in the module calls it.
const TOOL: &str = "count";

const ONE_PAGE: MemoryType =
    MemoryType { minimum: 1, maximum: Some(1), memory64: false, shared: false, page_size_log2: None };

/// What is added, as any language would compile it.
const COUNTER: &str = r#"(module (memory 1)
    (func (export "count") (param $at i32)
        (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1)))))"#;

/// The module with calls of these exported functions counted, one i32 each from address 0 on.
pub fn count_calls(wasm: &[u8], functions: &[&str]) -> Result<Edited, Box<dyn std::error::Error>> {
    if applied(wasm).iter().any(|done| done.tool == TOOL) {
        return Err("its calls are counted already".into());
    }
    let sections = Sections::read(wasm)?;
    let mut edits = Edits::new(&sections);
    let memory = edits.add_memory(ONE_PAGE);
    edits.add_export("memgrove_counts", wasmparser::ExternalKind::Memory, memory)?;

    let counter = wat::parse_str(COUNTER)?;
    let donor = Donor::read(&counter)?;
    let count = donor.func("count").ok_or("the donor has it")?;
    let name = |_| "memgrove.count".to_owned();
    let joint = Joint { bind: &|_| None, memory: Some(memory), name: &name, data: Data::Segments };
    let count = graft(&mut edits, &donor, Roots { funcs: &[count], bodies: &[] }, &joint)?.func(count);
    let count = count.ok_or("it was grafted")?;
    for (at, name) in (0..).step_by(4).zip(functions) {
        let func = sections.exported_func(name).ok_or("there is no such export")?;
        let params = sections.func_type(func).map_or(0, |ty| ty.params().len());
        edits.wrap(func, format!("memgrove.{name}"), |inner| {
            let mut body = Function::new([]);
            body.instruction(&Instruction::I32Const(at)).instruction(&Instruction::Call(count));
            for param in (0..).take(params) {
                body.instruction(&Instruction::LocalGet(param));
            }
            body.instruction(&Instruction::Call(inner)).instruction(&Instruction::End);
            body
        })?;
    }
    edits.record(TOOL, env!("CARGO_PKG_VERSION"));
    Ok(edits.apply(&mut Untouched)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [input, output, functions @ ..] = arguments.as_slice() else {
        return Err("usage: count_mallocs IN.wasm OUT.wasm MALLOC FREE".into());
    };
    let wasm = std::fs::read(input)?;
    let edited = count_calls(&wasm, functions)?;
    println!("{} -> {} bytes; {:?}; {:?}", wasm.len(), edited.wasm.len(), edited.map.added(), edited.notes);
    std::fs::write(output, edited.wasm)?;
    Ok(())
}
