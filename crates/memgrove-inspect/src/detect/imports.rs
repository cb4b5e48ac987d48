//! What each import means: as the model of the module recognises it, in words and with evidence.

use memgrove_module::facts::ExternKind;
use memgrove_module::recognise::{Imports, Known, Purpose, Role};

use super::code_evidence::at_caller;
use crate::Code;
use crate::report::{Conclusion, Confidence, Evidence};

/// The meaning of each import of a module, in the order of the file.
pub(crate) struct ImportMeanings<'c, 'a> {
    code: &'c Code<'a>,
    imports: &'c Imports,
}

impl<'c, 'a> ImportMeanings<'c, 'a> {
    pub(crate) fn new(code: &'c Code<'a>) -> Self {
        Self { code, imports: code.imports() }
    }

    /// The import's purpose.
    pub(crate) fn purpose(&self, import: usize) -> Purpose {
        self.imports.at(import).purpose()
    }

    /// What the import does.
    pub(crate) fn meaning(&self, import: usize) -> Conclusion<String> {
        let known = self.imports.at(import);
        if let Some(role) = known.role {
            let evidence = self.code.facts().imports.get(import).map(|import| match import.ty.kind() {
                ExternKind::Func => at_caller(self.code, import.index, why(role)),
                _ => Evidence::new(why(role)),
            });
            return Conclusion::new(meaning_of(role, known), Confidence::HIGH).with_evidence(evidence);
        }
        match known.entry.and_then(|entry| Some((entry.meaning?, entry.source))) {
            Some((meaning, source)) => Conclusion::new(meaning.to_owned(), Confidence::HIGH)
                .because(Evidence::new(format!("known by name: {source}"))),
            None => Conclusion::unknown(),
        }
    }

    /// Positions of the imports through which the module asks for memory.
    pub(crate) fn growers(&self) -> impl Iterator<Item = usize> + '_ {
        self.imports.growers()
    }

    /// Whether there is an import whose purpose is unknown.
    pub(crate) fn has_unknown(&self) -> bool {
        (0..self.code.facts().imports.len()).any(|import| self.purpose(import) == Purpose::Unknown)
    }
}

/// What an import under a minified name does.
fn meaning_of(role: Role, known: Known) -> String {
    match (role, known.entry.and_then(|entry| entry.meaning)) {
        (Role::Library(name), Some(meaning)) => format!("{name} under a minified name: {meaning}"),
        (Role::Library(name), None) => format!("{name} under a minified name"),
        (Role::Clock, _) => "a clock that tells milliseconds, under a minified name".to_owned(),
        (Role::Environment, _) => {
            "one of the two calls that copy the environment, under a minified name".to_owned()
        }
        (Role::SystemCall(_), _) => "a system call under a minified name".to_owned(),
        (Role::WasiCall, _) => "a call of WASI under a minified name".to_owned(),
    }
}

/// What its use shows.
fn why(role: Role) -> &'static str {
    match role {
        Role::Library(_) => "only the library's own code calls an import like this",
        Role::Clock => "its result is split into seconds and a fraction, or waited for",
        Role::Environment => "the sizes of a list are asked for, room for it is made, and it is filled",
        Role::SystemCall(_) => "its callers compare the result with −4096",
        Role::WasiCall => "its callers hand any result but 0 to the function that stores errno",
    }
}
