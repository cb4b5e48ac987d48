//! Calls the exports of two modules alike, without knowing what they are for.

use memgrove_rewrite::Plan;
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

use super::{Outcome, host};
use crate::engine::{
    Engine, EngineError, ExportKind, Instance, Memory, Signature, TrapReason, Value, ValueType,
};

/// How often each export is called, with other arguments.
const ROUNDS: u64 = 2;
/// Exports with more parameters than this are for somebody who knows them.
const MOST_PARAMETERS: usize = 6;
/// Exports called at most, so that large interfaces do not take minutes.
const MOST_EXPORTS: usize = 200;

/// Whether original and fixed module agree under the same calls.
pub(super) fn check(engine: &dyn Engine, original: &[u8], fixed: &[u8], plan: &Plan) -> Outcome {
    match run(engine, original, fixed, plan) {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Skipped(format!("the original does not run under an emulated host: {error}")),
    }
}

fn run(engine: &dyn Engine, original: &[u8], fixed: &[u8], plan: &Plan) -> Result<Outcome, EngineError> {
    if plan.is_empty() {
        return Ok(Outcome::Passed("nothing was changed".to_owned()));
    }
    let host = match host::emulate(plan) {
        Ok(emulated) => emulated.host,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let module = engine.compile(original)?;
    let exports: Vec<(String, Signature)> = module
        .shape()
        .exports
        .iter()
        .filter_map(|export| match &export.kind {
            ExportKind::Function(signature) => Some((export.name.clone(), signature.clone())),
            _ => None,
        })
        .collect();
    let globals: Vec<&str> = module
        .shape()
        .exports
        .iter()
        .filter(|export| matches!(export.kind, ExportKind::Global { .. }))
        .map(|export| export.name.as_str())
        .collect();
    let mut before = module.instantiate(&host)?;
    for (at, bytes) in plan.initial_data() {
        before.write(Memory::Main, u64::from(at), bytes)?;
    }
    let mut after =
        match engine.compile(fixed).and_then(|module| module.instantiate(&host::of_the_rest(plan))) {
            Ok(after) => after,
            Err(error) => return Ok(Outcome::Failed(error.to_string())),
        };
    // Constructors ran when the fixed module was instantiated; the glue would call them now, and
    // nobody calls them twice.
    let Exported { constructors, imports } = Exported::read(original, plan);
    for name in &constructors {
        before.call(name, &[])?;
    }
    let sizes = (memory_bytes(before.as_mut()), memory_bytes(after.as_mut()));
    let callable: Vec<_> = exports
        .iter()
        .filter(|(name, signature)| {
            can_drive(signature) && !constructors.contains(name) && !imports.contains(name)
        })
        .take(MOST_EXPORTS)
        .collect();
    let mut calls = 0;
    let mut traps = 0;
    'rounds: for round in 0..ROUNDS {
        for (name, signature) in &callable {
            let arguments: Vec<Value> =
                (0..).zip(&signature.parameters).map(|(at, ty)| argument(*ty, round * 7 + at)).collect();
            let (was, is) = (before.call(name, &arguments), after.call(name, &arguments));
            if is_exhausted(&was) || is_exhausted(&is) {
                // Fuel is counted differently on both sides of the border.
                break 'rounds;
            }
            calls += 1;
            match (was, is) {
                (Ok(was), Ok(is)) if was.values == is.values => {}
                (Err(_), Err(_)) => traps += 1,
                (was, is) => {
                    return Ok(Outcome::Failed(format!(
                        "`{name}` with {arguments:?}: {} before, {} after",
                        describe(&was),
                        describe(&is)
                    )));
                }
            }
        }
    }
    for name in globals {
        let (was, is) = (before.global(name), after.global(name));
        if was.is_ok() && was != is {
            return Ok(Outcome::Failed(format!("global `{name}` is {was:?} before and {is:?} after")));
        }
    }
    if let Some(difference) = memory_difference(before.as_mut(), after.as_mut(), sizes)? {
        return Ok(Outcome::Failed(difference));
    }
    Ok(Outcome::Passed(format!(
        "{calls} calls of {} exports agree ({traps} trap on both sides), and so do memory and globals",
        callable.len()
    )))
}

/// What the original's exports say of its functions.
#[derive(Default)]
struct Exported {
    /// Names under which the functions that the fixed module calls at its start are exported.
    constructors: Vec<String>,
    /// Names of functions that it imports itself. Called from outside, there is no module behind
    /// them, so that a host cannot find the memory to work on.
    imports: Vec<String>,
}

impl Exported {
    fn read(original: &[u8], plan: &Plan) -> Self {
        let starts: Vec<u32> = plan.called_at_start().collect();
        let mut exported = Self::default();
        let mut imported_count = 0_u32;
        for payload in Parser::new(0).parse_all(original).map_while(Result::ok) {
            match payload {
                Payload::ImportSection(section) => {
                    imported_count = section
                        .into_imports()
                        .map_while(Result::ok)
                        .filter(|import| matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)))
                        .map(|_| 1)
                        .sum();
                }
                Payload::ExportSection(section) => {
                    let functions = section
                        .into_iter()
                        .map_while(Result::ok)
                        .filter(|export| export.kind == ExternalKind::Func);
                    for export in functions {
                        if starts.contains(&export.index) {
                            exported.constructors.push(export.name.to_owned());
                        }
                        if export.index < imported_count {
                            exported.imports.push(export.name.to_owned());
                        }
                    }
                }
                _ => {}
            }
        }
        exported
    }
}

fn can_drive(signature: &Signature) -> bool {
    let is_number = |ty: &ValueType| !matches!(ty, ValueType::V128 | ValueType::Reference);
    signature.parameters.len() <= MOST_PARAMETERS
        && signature.parameters.iter().chain(&signature.results).all(is_number)
}

/// Small numbers: they are valid sizes, and mostly harmless as addresses.
fn argument(ty: ValueType, number: u64) -> Value {
    let small = u32::try_from(number % 64).unwrap_or(0);
    match ty {
        ValueType::I64 => Value::I64(i64::from(small)),
        ValueType::F32 => Value::F32((f32::from(u16::try_from(small).unwrap_or(0)) / 2.0).to_bits()),
        ValueType::F64 => Value::F64((f64::from(small) / 2.0).to_bits()),
        _ => Value::u32(small),
    }
}

fn is_exhausted<T>(result: &Result<T, EngineError>) -> bool {
    matches!(
        result,
        Err(EngineError::Trap { reason: TrapReason::OutOfFuel, .. } | EngineError::Timeout { .. })
    )
}

fn describe(result: &Result<crate::engine::Outcome, EngineError>) -> String {
    match result {
        Ok(outcome) => format!("{:?}", outcome.values),
        Err(error) => error.to_string(),
    }
}

fn memory_bytes(instance: &mut dyn Instance) -> u64 {
    instance.memory_bytes(Memory::Main).unwrap_or(0)
}

/// How the memories differ: in how far they have grown since `sizes`, or at which address. What
/// the fixed module was given beyond the original's memory is its own.
fn memory_difference(
    before: &mut dyn Instance,
    after: &mut dyn Instance,
    sizes: (u64, u64),
) -> Result<Option<String>, EngineError> {
    const CHUNK_BYTES: u64 = 1 << 20;
    let (was, is) = (memory_bytes(before), memory_bytes(after));
    let (grew, grows) = (was - sizes.0, is - sizes.1);
    if grew != grows {
        return Ok(Some(format!("memory grew by {grew} bytes before and by {grows} after")));
    }
    let common = was.min(is);
    for at in (0..common).step_by(usize::try_from(CHUNK_BYTES).unwrap_or(1)) {
        let length = CHUNK_BYTES.min(common - at);
        let (left, right) = (before.read(Memory::Main, at, length)?, after.read(Memory::Main, at, length)?);
        if let Some(offset) = left.iter().zip(&right).position(|(left, right)| left != right) {
            return Ok(Some(format!("memory differs at {:#x}", at + offset as u64)));
        }
    }
    Ok(None)
}
