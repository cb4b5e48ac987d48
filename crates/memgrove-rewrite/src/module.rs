//! A module as the passes and the encoder see it: what it says ([`Facts`]), its functions on demand ([`Code`]), where
//! its sections lie ([`Sections`]), and wasmparser's own items, which keep what facts leave out and are written again.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use memgrove_module::facts::{BinaryKind, ExternKind, Facts};
use memgrove_module::{Code, recognise};
use wasmparser::{CustomSectionReader, Data, Element, Export, ExternalKind, FunctionBody};

use crate::Error;
use crate::edit::{ImportEntry, Sections, id};

/// A module, by the sections of the specification.
pub(crate) struct Module<'a> {
    pub facts: &'a Facts<'a>,
    pub code: Code<'a>,
    /// Where its sections lie, and its index spaces.
    pub sections: Sections<'a>,
    pub imports: Vec<ImportEntry<'a>>,
    pub exports: Vec<Export<'a>>,
    pub customs: Vec<CustomSectionReader<'a>>,
    /// What contracts ask of all imports together, once.
    pub asked: Asked,
}

/// Answers about all imports together, which are asked for each.
#[derive(Default)]
pub(crate) struct Asked {
    pub is_minified: OnceCell<bool>,
    pub is_emscripten: OnceCell<bool>,
    pub has_panic_hook: OnceCell<bool>,
    pub tool_is_gone: OnceCell<bool>,
    /// Names of modules from which wasm-bindgen's functions are imported.
    pub glue_modules: OnceCell<BTreeSet<String>>,
}

impl<'a> Module<'a> {
    /// Reads the sections of a module; of function bodies only where they lie. Linear in the sections' entries.
    pub fn read(facts: &'a Facts<'a>) -> Result<Self, Error> {
        if facts.kind == BinaryKind::Component {
            return Err(Error::Component);
        }
        let sections = Sections::read_valid(facts.bytes())?;
        Ok(Self {
            imports: sections.imports()?,
            exports: sections.all(id::EXPORT)?,
            customs: sections.customs().collect::<Result<_, _>>()?,
            facts,
            code: Code::new(facts),
            sections,
            asked: Asked::default(),
        })
    }

    /// The data segments, read again for each question: a module of the corpus has 80,238, which all at once took 10 MB.
    pub fn data(&self) -> impl Iterator<Item = Data<'a>> + use<'a> {
        self.sections.each(id::DATA)
    }

    /// The element segments, read again for each question.
    pub fn elements(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        self.sections.each(id::ELEMENT)
    }

    /// The bodies of the functions that the module defines, in order, read again for each question.
    pub fn bodies(&self) -> impl Iterator<Item = FunctionBody<'a>> + use<'a> {
        self.sections.each(id::CODE)
    }

    /// Whether a function's type is the one that is written like `i32 i32 -> i32`.
    pub fn has_type(&self, func: u32, text: &str) -> bool {
        self.code.has_type(func, text)
    }

    /// Functions are imported under names that a minifier made.
    pub fn is_minified(&self) -> bool {
        *self.asked.is_minified.get_or_init(|| recognise::is_minified(self.facts))
    }

    /// The name under which an item is exported first.
    pub fn exported_as(&self, kind: ExternalKind, index: u32) -> Option<&'a str> {
        let kind = match kind {
            ExternalKind::Func | ExternalKind::FuncExact => ExternKind::Func,
            ExternalKind::Table => ExternKind::Table,
            ExternalKind::Memory => ExternKind::Memory,
            ExternalKind::Global => ExternKind::Global,
            ExternalKind::Tag => ExternKind::Tag,
        };
        self.facts.exports_of(kind, index).next().map(|export| export.name)
    }
}

/// Whether an export or import is a function.
pub(crate) fn is_func(kind: ExternalKind) -> bool {
    matches!(kind, ExternalKind::Func | ExternalKind::FuncExact)
}
