//! What is known about the world outside the module: hosts and engines. What imports are for, memgrove-module knows.
//!
//! It is data (TOML files under `knowledge/`), compiled into the crate. A user's own host profile is read from
//! the same format with [`Knowledge::add_host`].

mod engine;
mod host;
mod interface;
mod profile;

pub(crate) use engine::compare_versions;
pub use engine::{Engine, EngineUse};
pub use host::{Entry, FunctionTypes, Host, Limits, MissingFunctions, Provides};
pub use interface::Interface;
pub use memgrove_module::pattern::{ImportPattern, KindName, Names};

use std::ops::Range;
use std::sync::OnceLock;

/// Hosts, engines and interfaces.
#[derive(Debug, Clone)]
pub struct Knowledge {
    /// Host profiles, in the order in which verdicts are reported.
    pub hosts: Vec<Host>,
    /// Engines, in the order in which they are reported.
    pub engines: Vec<Engine>,
    /// Interfaces that hosts provide.
    pub interfaces: Vec<Interface>,
}

/// A file of knowledge could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct KnowledgeError {
    /// Name of the file, as given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Byte range in the file, where it is known.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
}

/// What is wrong with a host profile: everything, in the order of its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ProfileErrors(pub Vec<KnowledgeError>);

macro_rules! files {
    ($dir:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../../knowledge/", $dir, $name, ".toml")))),*]
    };
}

/// A test checks that these lists and the directories agree.
const HOSTS: &[(&str, &str)] = files!("hosts/":
    "bare" "wasmtime" "wasmer" "wasmedge" "wasmi" "node-wasi"
    "wazero" "wasm3" "wamr"
    "browser" "browser-emscripten" "browser-wasm-bindgen" "browser-go" "assemblyscript-loader" "edge-worker"
    "proxy-wasm" "cosmwasm" "near" "soroban" "stylus" "shopify-functions" "extism" "typst" "wasm4");
const ENGINES: &[(&str, &str)] = files!("engines/":
    "wasmtime" "wasmi" "wasmer" "wasmedge" "wazero" "wasm3" "wamr" "chrome" "firefox" "safari" "node" "deno");
const INTERFACES: &[(&str, &str)] = files!("interfaces/":
    "wasi_snapshot_preview1" "proxy-wasm" "cosmwasm" "near" "soroban" "stylus" "shopify-functions" "extism" "typst" "wasm4"
    "wasm3-libc" "wamr-libc");

impl Knowledge {
    /// The knowledge that comes with this crate.
    ///
    /// # Panics
    /// Never in a released build: a test reads every file.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Knowledge> = OnceLock::new();
        BUILTIN.get_or_init(|| Self::read_builtin().expect("the crate's own knowledge files are well-formed"))
    }

    fn read_builtin() -> Result<Self, KnowledgeError> {
        let mut knowledge = Self { hosts: Vec::new(), engines: Vec::new(), interfaces: Vec::new() };
        for (name, text) in INTERFACES {
            knowledge.interfaces.push(parse::<Interface>(&format!("interfaces/{name}.toml"), text)?);
        }
        for (name, text) in ENGINES {
            knowledge.engines.push(parse::<Engine>(&format!("engines/{name}.toml"), text)?);
        }
        for (name, text) in HOSTS {
            knowledge
                .add_host(&format!("hosts/{name}.toml"), text)
                .map_err(|mut errors| errors.0.remove(0))?;
        }
        Ok(knowledge)
    }

    /// Adds a host profile; one with the same id is replaced in its place. Returns its id.
    ///
    /// # Errors
    /// When the text is not a host profile; the errors know their places and what to write. There is at least one.
    pub fn add_host(&mut self, file: &str, text: &str) -> Result<String, ProfileErrors> {
        let faults = profile::faults(text, self);
        if !faults.is_empty() {
            let errors =
                faults.into_iter().map(|fault| error_at(file, text, Some(fault.span), fault.message));
            return Err(ProfileErrors(errors.collect()));
        }
        let host: Host = parse(file, text).map_err(|error| ProfileErrors(vec![error]))?;
        let id = host.id.clone();
        match self.hosts.iter_mut().find(|known| known.id == id) {
            Some(known) => *known = host,
            None => self.hosts.push(host),
        }
        Ok(id)
    }

    /// The host profile with this id.
    #[must_use]
    pub fn host(&self, id: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.id == id)
    }

    /// The interface with this id.
    #[must_use]
    pub fn interface(&self, id: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.id == id)
    }

    /// The engine with this id.
    #[must_use]
    pub fn engine(&self, id: &str) -> Option<&Engine> {
        self.engines.iter().find(|engine| engine.id == id)
    }
}

fn parse<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, KnowledgeError> {
    toml::from_str(text).map_err(|error| error_at(file, text, error.span(), error.message().to_owned()))
}

fn error_at(file: &str, text: &str, span: Option<Range<usize>>, message: String) -> KnowledgeError {
    let start = span.as_ref().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    KnowledgeError { file: file.to_owned(), line, column, span, message }
}
