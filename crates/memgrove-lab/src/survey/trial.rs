//! Trying a module on an engine: instantiated with nothing, and under the host it is made for.

use super::glue;
use super::host::{self, Start};
use super::{EngineState, EngineTrial, Trial};
use crate::engine::{self, Engine, EngineError, EngineId, Host, Limits, Memory, Module, Settings};
use crate::toolchain::{Contract, Program, Tools};
use crate::wasi::ExitStatus;

/// A module to be tried.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its bytes.
    pub wasm: &'a [u8],
    /// What it is.
    pub program: Program,
    /// The host it is made for.
    pub contract: Contract,
    /// The JavaScript its toolchain made beside it, where it was built here.
    pub glue: Option<&'a [u8]>,
}

/// The engines of a survey, which asks what a module needs of a host: the wasmtime of PyPI would say what wasmtime says.
const ENGINES: [EngineId; 3] = [EngineId::Wasmtime, EngineId::Wasmi, EngineId::Node];

/// An engine, or why it cannot be used here.
type Opened = Result<Box<dyn Engine>, EngineError>;

/// The engines of one survey.
pub struct Engines {
    all: Vec<(EngineId, Opened)>,
    tools: Tools,
}

impl Engines {
    /// Opens every engine of a survey that is there. `tools` is where Node is looked for when real JavaScript glue is run.
    pub fn open(tools: Tools) -> Self {
        Self::only(&ENGINES, tools)
    }

    /// As [`open`](Self::open), with these engines.
    pub fn only(ids: &[EngineId], tools: Tools) -> Self {
        let settings = Settings::counting(Limits::SURVEY);
        let all = ids.iter().map(|&id| (id, engine::open(id, &settings)));
        Self { all: all.collect(), tools }
    }

    /// Names, versions, and what is missing.
    pub fn states(&self) -> Vec<EngineState> {
        self.all
            .iter()
            .map(|(id, engine)| EngineState {
                id: id.name(),
                version: engine.as_ref().ok().map(|engine| engine.version().to_owned()),
                missing: engine.as_ref().err().map(absence),
            })
            .collect()
    }

    /// Both trials of a module on every engine.
    pub fn try_module(&self, candidate: &Candidate<'_>) -> Vec<EngineTrial> {
        self.all.iter().map(|(id, engine)| self.try_on(*id, engine, candidate)).collect()
    }

    fn try_on(&self, id: EngineId, engine: &Opened, candidate: &Candidate<'_>) -> EngineTrial {
        let has_host = candidate.contract != Contract::Bare;
        let module = match engine {
            Ok(engine) => engine.compile(candidate.wasm),
            Err(error) => {
                let not_tried = Trial::NotTried { because: absence(error) };
                let under_its_host = has_host.then(|| not_tried.clone());
                return EngineTrial { engine: id.name(), with_nothing: not_tried, under_its_host };
            }
        };
        let module = match module {
            Ok(module) => module,
            Err(error) => {
                let refused = Trial::Refused { import: None, words: error.to_string() };
                let under_its_host = has_host.then(|| refused.clone());
                return EngineTrial { engine: id.name(), with_nothing: refused, under_its_host };
            }
        };
        let under_its_host = || match (candidate.glue, candidate.contract, id) {
            // Where the JavaScript was made here, it is the real thing.
            (Some(text), Contract::EmscriptenGlue, EngineId::Node) => {
                glue::try_with(&self.tools, candidate, text)
            }
            _ => try_both(module.as_ref(), candidate, |start| host::host(candidate.contract, start)),
        };
        EngineTrial {
            engine: id.name(),
            with_nothing: try_both(module.as_ref(), candidate, |_| Ok((Host::new(), ExitStatus::default()))),
            under_its_host: has_host.then(under_its_host),
        }
    }
}

fn absence(error: &EngineError) -> String {
    match error {
        EngineError::Absent { reason, install, .. } => format!("{reason}; {install}"),
        other => other.to_string(),
    }
}

/// Two runs, each in a new instance under a new host; both have to answer as expected.
fn try_both(
    module: &dyn Module,
    candidate: &Candidate<'_>,
    host: impl Fn(Start) -> Result<(Host, ExitStatus), EngineError>,
) -> Trial {
    let mut memory_bytes = 0;
    for start in Start::both(candidate.program) {
        let made = host(start).and_then(|(host, exit)| Ok((module.instantiate(&host)?, exit)));
        let (mut instance, exit) = match made {
            Ok(made) => made,
            Err(error) => {
                let import = error.import().map(|(module, name)| format!("{module}.{name}"));
                return Trial::Refused { import, words: error.to_string() };
            }
        };
        let answer = match (host::run(candidate.contract, start, instance.as_mut()), exit.get()) {
            (Err(_), Some(status)) => Ok(status.cast_signed()),
            (answer, _) => answer.map_err(|error| error.to_string()),
        };
        if let Some(words) = complaint(start, answer) {
            return Trial::Fails { words };
        }
        memory_bytes = instance.memory_bytes(Memory::Main).unwrap_or(0);
    }
    Trial::Runs { memory_bytes }
}

/// What is wrong with an answer, if anything.
pub(super) fn complaint(start: Start, answer: Result<i32, String>) -> Option<String> {
    match answer {
        Ok(status) if status == start.expected() => None,
        Ok(status) => {
            Some(format!("as {:?} it answered {status} instead of {}", start.name(), start.expected()))
        }
        Err(words) => Some(format!("as {:?}: {words}", start.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The trial on wasmi of a module given as text, which is made for nothing and exports `main`.
    fn alone(text: &str) -> Trial {
        let wasm = wat::parse_str(text).unwrap();
        let candidate = Candidate { wasm: &wasm, program: Program::C, contract: Contract::Bare, glue: None };
        let engines = Engines::only(&[EngineId::Wasmi], Tools::on(""));
        engines.try_module(&candidate).remove(0).with_nothing
    }

    #[test]
    fn a_program_that_always_succeeds_does_not_pass() {
        let always = r#"(module (memory (export "memory") 1)
            (func (export "main") (param i32 i32) (result i32) (i32.const 0)))"#;
        match alone(always) {
            Trial::Fails { words } => assert!(words.contains("\"another\" it answered 0"), "{words}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_trap_and_an_endless_loop_are_failures() {
        for body in ["(unreachable)", "(loop $on (br $on)) (unreachable)"] {
            let text = format!(
                "(module (memory (export \"memory\") 1) (func (export \"main\") (param i32 i32) (result i32) {body}))"
            );
            assert!(matches!(alone(&text), Trial::Fails { .. }), "{body}");
        }
    }

    #[test]
    fn a_missing_import_is_named() {
        let text = r#"(module (import "env" "ask" (func)) (memory (export "memory") 1))"#;
        match alone(text) {
            Trial::Refused { import, .. } => assert_eq!(import.as_deref(), Some("env.ask")),
            other => panic!("{other:?}"),
        }
    }
}
