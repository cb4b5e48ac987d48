//! What is known about the world outside the module: hosts, engines, toolchains and allocators. What imports are for,
//! memgrove-module knows.
//!
//! It is data: TOML files under `knowledge/`, which the build finds and compiles into the crate. All of them are read by
//! [`Knowledge::read`]; a user's own host profile has the same format, and is added with [`Knowledge::add_host`].

mod allocator;
mod engine;
mod fnv;
mod host;
mod interface;
mod price;
mod profile;
mod toolchain;

pub(crate) use allocator::AllocatorEntry;
pub use allocator::Defect;
pub(crate) use engine::compare_versions;
pub use engine::{Engine, EngineUse};
pub use host::{Entry, FunctionTypes, Host, Limits, MissingFunctions, Provides};
pub use interface::Interface;
pub use memgrove_module::pattern::{ImportPattern, KindName, Names};
pub use price::{InstructionPrice, Price, operator_name};
pub(crate) use toolchain::ToolchainEntry;

use std::ops::Range;
use std::sync::OnceLock;

/// All that is known, of every kind.
#[derive(Debug, Clone)]
pub struct Knowledge {
    /// Host profiles, in the order in which verdicts are reported.
    pub hosts: Vec<Host>,
    /// Engines, in the order in which they are reported.
    pub engines: Vec<Engine>,
    /// Interfaces that hosts provide.
    pub interfaces: Vec<Interface>,
    /// Toolchains, in the order of their files.
    pub(crate) toolchains: Vec<ToolchainEntry>,
    /// Allocators, in the order of their files.
    pub(crate) allocators: Vec<AllocatorEntry>,
    /// What [`Knowledge::version`] tells.
    version: u64,
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

include!(concat!(env!("OUT_DIR"), "/knowledge.rs"));

/// What is wrong with a host profile: everything, in the order of its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ProfileErrors(pub Vec<KnowledgeError>);

impl Knowledge {
    /// The knowledge that comes with this crate.
    ///
    /// # Panics
    /// Never in a released build: a test reads every file.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Knowledge> = OnceLock::new();
        BUILTIN.get_or_init(|| {
            let read = Self::read(FILES).expect("the crate's own knowledge files are well-formed");
            Self { version: VERSION, ..read }
        })
    }

    /// Tells one state of knowledge from another: 16 hexadecimal digits, other ones after any change of a file of ours, imports
    /// and fingerprints included, or with a host that was added.
    #[must_use]
    pub fn version(&self) -> String {
        format!("{:016x}", self.version)
    }

    /// Reads files of knowledge, each with its path below `knowledge/`, which says of what kind it is. Linear in their
    /// length.
    ///
    /// # Errors
    /// When a file is of no kind that there is, or is not what its kind asks for; the error knows file and place.
    pub fn read(files: &[(&str, &str)]) -> Result<Self, KnowledgeError> {
        let mut knowledge = Self {
            hosts: Vec::new(),
            engines: Vec::new(),
            interfaces: Vec::new(),
            toolchains: Vec::new(),
            allocators: Vec::new(),
            version: 0,
        };
        let mut hosts = Vec::new();
        for &(path, text) in files {
            match path.split_once('/').map_or(path, |(folder, _)| folder) {
                // They name engines and interfaces, so they come last.
                "hosts" => hosts.push((path, text)),
                "engines" => knowledge.engines.push(parse(path, text)?),
                "interfaces" => knowledge.interfaces.push(parse(path, text)?),
                "toolchains" => knowledge.toolchains.push(parse(path, text)?),
                "allocators" => {
                    let file: allocator::AllocatorFile = parse(path, text)?;
                    knowledge.allocators.extend(file.allocator);
                }
                kind => {
                    let known = "hosts, engines, interfaces, toolchains and allocators";
                    let message = format!("unknown kind of knowledge `{kind}`; known are {known}");
                    return Err(error_at(path, text, None, message));
                }
            }
        }
        for (path, text) in hosts {
            knowledge.add_host(path, text).map_err(|mut errors| errors.0.remove(0))?;
        }
        knowledge.hosts.sort_by_key(|host| host.order);
        knowledge.engines.sort_by_key(|engine| engine.order);
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
        self.version = fnv::fnv(self.version, text.as_bytes());
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

    /// Whether an allocator of this family is known.
    #[must_use]
    pub fn has_allocator(&self, family: &str) -> bool {
        self.allocators.iter().any(|allocator| allocator.family == family)
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../knowledge");
        let mut folders = vec![root.clone()];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "toml")
                    // Known imports are recognised, and so embedded, by memgrove-module.
                    && !path.ends_with("imports.toml")
                {
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                    found.push((name, std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found.sort();
        let embedded: Vec<_> =
            FILES.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        assert_eq!(embedded, found);
    }

    #[test]
    fn a_broken_file_of_any_kind_is_an_error_with_its_place() {
        for (at, (path, text)) in FILES.iter().enumerate() {
            // In its last line, so that the place is not the first that comes to mind.
            let broken = format!("{text}\nno such key = [\n");
            let mut files = FILES.to_vec();
            files[at].1 = &broken;
            let error = Knowledge::read(&files).unwrap_err();
            assert_eq!(error.file, *path);
            assert_eq!(
                error.line,
                text.lines().count() + if text.ends_with('\n') { 2 } else { 1 },
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_of_no_kind_is_an_error() {
        let error = Knowledge::read(&[("hots/bare.toml", "id = 'bare'")]).unwrap_err();
        assert!(
            error.to_string().starts_with("hots/bare.toml:1:1: unknown kind of knowledge `hots`"),
            "{error}"
        );
    }

    #[test]
    fn hosts_and_engines_have_places_of_their_own() {
        let knowledge = Knowledge::builtin();
        let hosts: Vec<_> = knowledge.hosts.iter().map(|host| host.order).collect();
        let engines: Vec<_> = knowledge.engines.iter().map(|engine| engine.order).collect();
        for orders in [hosts, engines] {
            assert!(orders.windows(2).all(|pair| pair[0] < pair[1]), "{orders:?}");
            assert!(!orders.contains(&host::LAST), "each file says its place");
        }
    }
}
