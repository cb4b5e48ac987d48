//! What tests of traced modules share: tracing, running, and reading the recording.

#![allow(dead_code, reason = "each test uses some of it")]

use memgrove_lab::engine::{self, EngineId, Host, Instance, Memory, Settings, Value};
use memgrove_module::code::CallOffsets;
use memgrove_profile::{Profile, Site, What};
use memgrove_rewrite::trace::{EXPORT, Options, PLACE_EXPORT, Traced, trace};

pub const ENGINES: [EngineId; 2] = [EngineId::Wasmtime, EngineId::Wasmi];

pub fn traced(wasm: &[u8], options: &Options) -> Traced {
    trace(wasm, options).expect("it can be traced")
}

pub fn start(engine: EngineId, wasm: &[u8]) -> Box<dyn Instance> {
    start_with(engine, wasm, &Host::new())
}

pub fn start_with(engine: EngineId, wasm: &[u8], host: &Host) -> Box<dyn Instance> {
    start_as(engine, &Settings::default(), wasm, host)
}

pub fn start_as(engine: EngineId, settings: &Settings, wasm: &[u8], host: &Host) -> Box<dyn Instance> {
    let engine = engine::open(engine, settings).expect("the engine is linked in");
    engine.compile(wasm).and_then(|module| module.instantiate(host)).expect("it instantiates")
}

pub fn call(instance: &mut dyn Instance, name: &str, arguments: &[i32]) -> Option<i32> {
    let arguments: Vec<Value> = arguments.iter().map(|&value| Value::I32(value)).collect();
    match instance.call(name, &arguments).ok()?.values[..] {
        [Value::I32(value)] => Some(value),
        _ => None,
    }
}

pub fn profile(instance: &mut dyn Instance) -> Profile {
    let bytes = instance.memory_bytes(Memory::Export(EXPORT)).expect("it is exported");
    let place =
        instance.call(PLACE_EXPORT, &[]).map_or(0, |place| place.integer(PLACE_EXPORT).expect("an i32"));
    let memory = instance.read(Memory::Export(EXPORT), place, bytes - place).expect("it can be read");
    let bytes = Profile::bytes_of_memory(&memory).expect("it holds a recording");
    Profile::read(&bytes).expect("it is whole")
}

/// The same with the places of calls.
pub fn located(instance: &mut dyn Instance, wasm: &[u8]) -> Profile {
    let mut profile = profile(instance);
    let facts = memgrove_module::facts(wasm).expect("it is valid");
    let mut offsets = CallOffsets::new(&facts);
    profile.locate(|call| offsets.offset(call.caller, call.callee, call.number));
    profile
}

/// The functions of a stack by their index, outermost first; `!` for one that the host called.
pub fn stack(profile: &Profile, wasm: &[u8], node: u32) -> String {
    let facts = memgrove_module::facts(wasm).expect("it is valid");
    let name = |site| match site {
        Site::Entry(func) => format!("!{func}"),
        Site::Within(func) => format!("{func}?"),
        Site::Call(offset) => {
            let holds = |func: &u32| {
                let Some(function) = facts.function(*func) else { return false };
                (function.body_offset..function.body_offset + function.body_len).contains(&offset)
            };
            let func = (facts.imported_func_count()..facts.func_count()).find(holds);
            func.map_or_else(|| "?".to_owned(), |func| func.to_string())
        }
    };
    let mut names: Vec<String> = profile.stack(node).map(name).collect();
    names.reverse();
    names.join(" ")
}

/// Each event in words: what, of which block and size, nested or not, and the stack.
pub fn events(profile: &Profile, wasm: &[u8]) -> Vec<String> {
    let words = profile.events.iter().map(|event| {
        let what = match event.what {
            What::Allocated { block, size, .. } => format!("+{block}:{size}"),
            What::Freed { block, .. } => format!("-{block}"),
            What::Moving { block } => format!("{block}>"),
            What::Moved { block, size, .. } => format!(">{block}:{size}"),
            What::Refused { size } => format!("!{size}"),
        };
        let nested = if event.is_nested { " nested" } else { "" };
        format!("{what}{nested} {}", stack(profile, wasm, event.node))
    });
    words.collect()
}
