//! The hosts that the survey's modules are made for, as small as the study's program allows: what is given to a
//! module, and how its program is started.

mod bare;
mod bindgen;
mod emscripten;
mod linux;
mod wasi;

use memgrove_module::PAGE_BYTES;

use crate::engine::{Caller, EngineError, Host, HostTrap, Instance, Memory, Value};
use crate::toolchain::{Contract, Program};
use crate::wasi::ExitStatus;

/// One run of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// What is run.
    pub program: Program,
    /// Whether this is the run under the program's own name, or under another.
    pub own_name: bool,
}

impl Start {
    /// The two runs of a trial.
    pub const fn both(program: Program) -> [Self; 2] {
        [Self { program, own_name: true }, Self { program, own_name: false }]
    }

    /// `argv[0]`.
    pub fn name(self) -> &'static str {
        if self.own_name { "myapp" } else { "another" }
    }

    /// What the run has to answer: 0 is C's success, 1 its failure.
    pub fn expected(self) -> i32 {
        match (self.program, self.own_name) {
            (Program::Life, _) => bindgen::expected(self.seed()),
            (_, true) => 0,
            (_, false) => 1,
        }
    }

    /// What decides the first generation of the game of life.
    fn seed(self) -> u32 {
        if self.own_name { 1 } else { 2 }
    }
}

/// A new host for one run, and the status that the program ends itself with, if it does: a call does not come back then.
///
/// # Errors
/// If the host cannot be made.
pub fn host(contract: Contract, start: Start) -> Result<(Host, ExitStatus), EngineError> {
    let never_exits = |host| (host, ExitStatus::default());
    Ok(match contract {
        Contract::Bare => never_exits(Host::new()),
        Contract::WasiP1 => wasi::host(start.name())?,
        Contract::EmscriptenStandalone => {
            let (host, exit) = wasi::host(start.name())?;
            (emscripten::noticing(host), exit)
        }
        Contract::EmscriptenGlue => never_exits(emscripten::noticing(emscripten::glue())),
        Contract::EmscriptenFastcomp => never_exits(emscripten::fastcomp()),
        Contract::LinuxSyscalls => linux::host(),
        Contract::WasmBindgen => never_exits(bindgen::host()),
    })
}

/// Starts the program the way its contract has it, and answers what it returned.
///
/// # Errors
/// As the engine has them. A program that ends itself is an error here; see [`host`].
pub fn run(contract: Contract, start: Start, instance: &mut dyn Instance) -> Result<i32, EngineError> {
    match (start.program, contract) {
        (Program::Life, _) => bindgen::run(start.seed(), instance),
        (_, Contract::WasiP1 | Contract::EmscriptenStandalone) => wasi::run(instance),
        (_, Contract::EmscriptenGlue) => emscripten::run(start.name(), instance),
        (_, Contract::EmscriptenFastcomp) => emscripten::run_fastcomp(start.name(), instance),
        (_, Contract::LinuxSyscalls) => linux::run(start.name(), instance),
        (_, Contract::Bare | Contract::WasmBindgen) => bare::run(start.name(), instance),
    }
}

/// Calls a function that answers one `i32`.
fn call_i32(instance: &mut dyn Instance, export: &str, arguments: &[Value]) -> Result<i32, EngineError> {
    match instance.call(export, arguments)?.values.as_slice() {
        [Value::I32(value)] => Ok(*value),
        other => Err(broken(format!("{export} answered {other:?}, not one i32"))),
    }
}

/// The module or the engine does not do what the contract says.
fn broken(words: String) -> EngineError {
    EngineError::Engine { words }
}

/// Bytes that [`write_argv`] takes: 48 for the name, then `argv` itself.
const ARGV_BYTES: u32 = 64;
const ARGV_OFFSET: u32 = 48;

/// Writes what a C program finds at `argv` — the name, a pointer to it, null — from `address`, which is aligned
/// to 4, and answers where `argv` begins.
fn write_argv(instance: &mut dyn Instance, address: u32, name: &str) -> Result<u32, EngineError> {
    if name.len() >= ARGV_OFFSET as usize {
        return Err(broken(format!("the name {name} is too long")));
    }
    let mut block = [0; ARGV_BYTES as usize];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[ARGV_OFFSET as usize..][..4].copy_from_slice(&address.to_le_bytes());
    instance.write(Memory::Main, u64::from(address), &block)?;
    Ok(address + ARGV_OFFSET)
}

fn read_u32(caller: &mut dyn Caller, address: u32) -> Result<u32, HostTrap> {
    let bytes = caller.read(u64::from(address), 4)?;
    let bytes = bytes.try_into().map_err(|_| HostTrap("a word of memory is cut short".into()))?;
    Ok(u32::from_le_bytes(bytes))
}

/// The argument at `index`, an address or a size.
fn argument(arguments: &[Value], index: usize) -> Result<u32, HostTrap> {
    let value = arguments.get(index).and_then(|value| value.as_u32());
    value.ok_or_else(|| HostTrap(format!("argument {index} of {arguments:?} is not an address")))
}

/// Grows memory until it has `bytes` bytes; whether it has.
fn cover(caller: &mut dyn Caller, bytes: u64) -> Result<bool, HostTrap> {
    let missing = bytes.saturating_sub(caller.memory_bytes()?).div_ceil(PAGE_BYTES);
    Ok(missing == 0 || caller.grow(missing).is_some())
}
