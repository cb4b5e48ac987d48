//! Allocates beyond the initial memory through the module's own `malloc`, and uses what it got.

use super::Outcome;
use crate::engine::{
    Engine, EngineError, ExportKind, Host, Instance, Memory, Module, Signature, Value, ValueType,
};

/// Names under which toolchains export an allocator that takes a size.
const ALLOCATORS: [&str; 6] = ["malloc", "_malloc", "__wbindgen_malloc", "__alloc", "alloc", "__new"];
/// One block, in bytes: large enough that few are needed, small enough to be an ordinary request.
const BLOCK_BYTES: u32 = 512 * 1024;
/// How far beyond the initial memory to go, in bytes.
const BEYOND_BYTES: u64 = 8 * 1024 * 1024;
/// Less room than this below the maximum may be too little for another block: allocators ask for
/// more than one block at a time, and for headers, in bytes.
const ROOM_BYTES: u64 = 2 * BLOCK_BYTES as u64;

/// Whether memory grows when it must; `initial` is what the host writes to memory at first.
pub(super) fn check<'a>(
    engine: &dyn Engine,
    wasm: &[u8],
    host: &Host,
    initial: impl Iterator<Item = (u32, &'a [u8])>,
) -> Outcome {
    match run(engine, wasm, host, initial) {
        Ok(outcome) => outcome,
        Err(error) if error.is_exhausted() => Outcome::Skipped(error.to_string()),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

fn run<'a>(
    engine: &dyn Engine,
    wasm: &[u8],
    host: &Host,
    initial: impl Iterator<Item = (u32, &'a [u8])>,
) -> Result<Outcome, EngineError> {
    let module = engine.compile(wasm)?;
    let Some((name, extra)) = allocator(module.as_ref()) else {
        return Ok(Outcome::Skipped("it exports no allocator by a name we know".to_owned()));
    };
    let mut instance = module.instantiate(host)?;
    for (at, bytes) in initial {
        instance.write(Memory::Main, u64::from(at), bytes)?;
    }
    for start in ["_initialize", "__wasm_call_ctors"] {
        if takes_nothing(module.as_ref(), start) {
            instance.call(start, &[])?;
        }
    }
    let before = instance.memory_bytes(Memory::Main)?;
    let maximum = maximum_bytes(wasm);
    let mut blocks = Vec::new();
    let mut full = false;
    while blocks.len() as u64 * u64::from(BLOCK_BYTES) < before + BEYOND_BYTES {
        let mut arguments = vec![Value::u32(BLOCK_BYTES)];
        arguments.extend(extra.map(Value::I32));
        let answer = match instance.call(&name, &arguments) {
            Ok(outcome) => match outcome.integer(&name)? {
                0 => Err("it answered null".to_owned()),
                at => Ok(at),
            },
            Err(error) if error.is_exhausted() => return Err(error),
            Err(error) => Err(error.to_string()),
        };
        let at = match answer {
            Ok(at) => at,
            // A memory that its author limited may be full; one with room may not refuse.
            Err(_) if maximum < instance.memory_bytes(Memory::Main)? + ROOM_BYTES => {
                full = true;
                break;
            }
            Err(how) => return Ok(refused(&name, blocks.len(), &how)),
        };
        write_pattern(instance.as_mut(), at, blocks.len() as u64)?;
        blocks.push(at);
    }
    for (number, &at) in blocks.iter().enumerate() {
        if !has_pattern(instance.as_mut(), at, number as u64)? {
            return Ok(Outcome::Failed(format!(
                "block {number} of `{name}`, at {at:#x}, was overwritten by a later one"
            )));
        }
    }
    let after = instance.memory_bytes(Memory::Main)?;
    let limit = if full { ", which is its maximum" } else { "" };
    Ok(if after > before {
        Outcome::Passed(format!(
            "{} blocks from `{name}`, memory {} -> {} KiB{limit}",
            blocks.len(),
            before / 1024,
            after / 1024
        ))
    } else if full {
        Outcome::Skipped(format!("its own maximum, {} KiB, leaves no room to grow", maximum / 1024))
    } else {
        Outcome::Failed(format!("`{name}` gave more than there is, and memory stayed at {before} bytes"))
    })
}

/// The most that the module's first memory can have, in bytes.
fn maximum_bytes(wasm: &[u8]) -> u64 {
    const ADDRESSABLE_PAGES: u64 = 65536;
    let memory =
        wasmparser::Parser::new(0).parse_all(wasm).map_while(Result::ok).find_map(|payload| match payload {
            wasmparser::Payload::MemorySection(section) => section.into_iter().map_while(Result::ok).next(),
            _ => None,
        });
    memory.and_then(|memory| memory.maximum).unwrap_or(ADDRESSABLE_PAGES).saturating_mul(65536)
}

fn refused(name: &str, blocks: usize, how: &str) -> Outcome {
    Outcome::Failed(format!("`{name}` gave {blocks} blocks of {BLOCK_BYTES} bytes, then: {how}"))
}

/// The exported allocator and a second argument (alignment, or a class of objects) if it takes one.
fn allocator(module: &dyn Module) -> Option<(String, Option<i32>)> {
    let one = Signature { parameters: vec![ValueType::I32], results: vec![ValueType::I32] };
    let two = Signature { parameters: vec![ValueType::I32; 2], results: vec![ValueType::I32] };
    ALLOCATORS.into_iter().find_map(|name| {
        let export = module.shape().exports.iter().find(|export| export.name == name)?;
        match &export.kind {
            ExportKind::Function(signature) if *signature == one => Some((name.to_owned(), None)),
            ExportKind::Function(signature) if *signature == two => {
                // wasm-bindgen takes an alignment, AssemblyScript the id of a class.
                Some((name.to_owned(), Some(if name.starts_with("__wbindgen") { 8 } else { 0 })))
            }
            _ => None,
        }
    })
}

fn takes_nothing(module: &dyn Module, name: &str) -> bool {
    module.shape().exports.iter().any(|export| {
        export.name == name
            && matches!(&export.kind, ExportKind::Function(signature) if *signature == Signature::default())
    })
}

/// Marks both ends and the middle of a block.
fn marks(at: u64, number: u64) -> [(u64, [u8; 8]); 3] {
    let last = u64::from(BLOCK_BYTES) - 8;
    [0, last / 2, last].map(|offset| {
        (at + offset, (number << 32 | offset).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
    })
}

fn write_pattern(instance: &mut dyn Instance, at: u64, number: u64) -> Result<(), EngineError> {
    for (address, mark) in marks(at, number) {
        instance.write(Memory::Main, address, &mark)?;
    }
    Ok(())
}

fn has_pattern(instance: &mut dyn Instance, at: u64, number: u64) -> Result<bool, EngineError> {
    for (address, mark) in marks(at, number) {
        if instance.read(Memory::Main, address, 8)? != mark {
            return Ok(false);
        }
    }
    Ok(true)
}
