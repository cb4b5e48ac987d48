//! Reads a host profile and says everything that is wrong with it at once: where it is, and what to write instead.
//!
//! Serde stops at the first fault, so the text is first compared with the list of fields.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Knowledge, price};
use crate::facts::Proposal;

/// Something wrong in a profile, with the byte range in its text.
pub(super) struct Fault {
    pub(super) span: Range<usize>,
    pub(super) message: String,
}

/// A field that a table may have.
struct Field {
    name: &'static str,
    kind: Kind,
    /// What to write; for a field that must be there, and where its value is of another kind.
    example: &'static str,
    required: bool,
}

enum Kind {
    Text,
    Texts,
    TextOrTexts,
    Number,
    Flag,
    OneOf(&'static [&'static str]),
    Pairs,
    Size,
    Table(&'static [Field]),
    Tables(&'static [Field]),
    Engines,
    Proposals,
    Interface,
    Instructions,
}

const fn field(name: &'static str, kind: Kind, example: &'static str) -> Field {
    Field { name, kind, example, required: false }
}

const fn required(name: &'static str, kind: Kind, example: &'static str) -> Field {
    Field { name, kind, example, required: true }
}

const HOST: &[Field] = &[
    required("id", Kind::Text, "id = \"my-host\""),
    required("title", Kind::Text, "title = \"My host\""),
    field("order", Kind::Number, "order = 1000"),
    field("description", Kind::Text, "description = \"What it is.\""),
    field("source", Kind::Text, "source = \"https://…\""),
    field("engines", Kind::Engines, "engines = [\"wasmtime\"]"),
    field("supports", Kind::Proposals, "supports = [\"mutable-globals\", \"sign-extension\"]"),
    field("lacks", Kind::Proposals, "lacks = [\"threads\"]"),
    field("made_by", Kind::Texts, "made_by = [\"emscripten\"]"),
    field("provides", Kind::Tables(PROVIDES), "[[provides]]"),
    field(
        "missing_functions",
        Kind::OneOf(&["refused", "fail-when-called"]),
        "missing_functions = \"refused\"",
    ),
    field("function_types", Kind::OneOf(&["compared", "not-compared"]), "function_types = \"compared\""),
    field("components", Kind::Texts, "components = [\"wasi:cli/*\"]"),
    field("entry", Kind::Table(ENTRY), "[entry]"),
    field("memory_limit_bytes", Kind::Number, "memory_limit_bytes = 134217728"),
    field("limits", Kind::Table(LIMITS), "[limits]"),
    field("price", Kind::Table(PRICE), "[price]"),
    field("shared_memory", Kind::Text, "shared_memory = \"what it takes\""),
    field("wasi_memory_export", Kind::Flag, "wasi_memory_export = true"),
    field("wasi_after_start", Kind::Flag, "wasi_after_start = true"),
    field("unchecked", Kind::Texts, "unchecked = [\"what else it asks for\"]"),
    field("runs", Kind::Text, "runs = '(module)'"),
    field("refuses", Kind::TextOrTexts, "refuses = '(module (import \"a\" \"b\" (func)))'"),
];

const PROVIDES: &[Field] = &[
    field("module", Kind::TextOrTexts, "module = \"env\""),
    field("name", Kind::TextOrTexts, "name = [\"log\", \"log_*\"]"),
    field("kind", Kind::OneOf(&["func", "table", "memory", "global", "tag"]), "kind = \"func\""),
    field("type", Kind::TextOrTexts, "type = \"(i32 i32) -> ()\""),
    field("pairs", Kind::Pairs, "pairs = [[\"log\", \"(i32 i32) -> ()\"]]"),
    field("interface", Kind::Interface, "interface = \"wasi_snapshot_preview1\""),
    field("except", Kind::Texts, "except = [\"sock_accept\"]"),
    field("size", Kind::Size, "size = [1, 1]"),
    field("condition", Kind::Text, "condition = \"when it is there\""),
];

const ENTRY: &[Field] = &[
    field("any_of", Kind::Texts, "any_of = [\"_start\"]"),
    field("all_of", Kind::Texts, "all_of = [\"allocate\"]"),
    field("memory", Kind::Flag, "memory = true"),
    field("otherwise", Kind::Text, "otherwise = \"what to do then\""),
    field("otherwise_idle", Kind::Flag, "otherwise_idle = true"),
];

const LIMITS: &[Field] = &[
    field("file_bytes", Kind::Number, "file_bytes = 65536"),
    field("one_own_memory", Kind::Flag, "one_own_memory = true"),
    field("no_memory_maximum", Kind::Flag, "no_memory_maximum = true"),
    field("tables", Kind::Number, "tables = 1"),
    field("table_elements", Kind::Number, "table_elements = 1000"),
    field("table_maximum", Kind::Flag, "table_maximum = true"),
    field("imports", Kind::Number, "imports = 100"),
    field("functions", Kind::Number, "functions = 10000"),
    field("params", Kind::Number, "params = 100"),
    field("results", Kind::Number, "results = 1"),
    field("no_start", Kind::Flag, "no_start = true"),
    field("no_floats", Kind::Flag, "no_floats = true"),
];

const PRICE: &[Field] = &[
    required("unit", Kind::Text, "unit = \"gas\""),
    required("step", Kind::Number, "step = 100"),
    required("each", Kind::Number, "each = 1"),
    field("instructions", Kind::Tables(PRICE_INSTRUCTIONS), "[[price.instructions]]"),
    field("byte", Kind::Number, "byte = 1"),
    field("page", Kind::Number, "page = 1"),
    field("without", Kind::Text, "without = \"what else it charges for\""),
];

const PRICE_INSTRUCTIONS: &[Field] = &[
    required("steps", Kind::Number, "steps = 14"),
    required("names", Kind::Instructions, "names = [\"call\", \"br_if\"]"),
];

/// Everything that is wrong with a profile, in the order of the text. Linear in the text but for the few names known.
pub(super) fn faults(text: &str, knowledge: &Knowledge) -> Vec<Fault> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Fault> = errors
        .iter()
        .map(|error| Fault { span: error.span().unwrap_or(0..0), message: error.message().to_owned() })
        .collect();
    // What could not be read may be what seems to be missing.
    if faults.is_empty() {
        Checker { knowledge, faults: &mut faults }.table(document.get_ref(), HOST, 0..0);
    }
    faults.sort_by_key(|fault| fault.span.start);
    faults
}

struct Checker<'c> {
    knowledge: &'c Knowledge,
    faults: &'c mut Vec<Fault>,
}

impl Checker<'_> {
    fn fault(&mut self, span: Range<usize>, message: String) {
        self.faults.push(Fault { span, message });
    }

    fn table(&mut self, table: &DeTable<'_>, fields: &[Field], span: Range<usize>) {
        for (key, value) in table {
            match fields.iter().find(|field| field.name == key.get_ref().as_ref()) {
                Some(field) => self.value(value, field),
                None => {
                    let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
                    let message =
                        format!("unknown field `{}`; known are {}", key.get_ref(), known.join(", "));
                    self.fault(key.span(), message);
                }
            }
        }
        let is_there = |name: &str| table.keys().any(|key| key.get_ref().as_ref() == name);
        for field in fields.iter().filter(|field| field.required && !is_there(field.name)) {
            self.fault(span.clone(), format!("`{}` is missing: write `{}`", field.name, field.example));
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, field: &Field) {
        let fits = match &field.kind {
            Kind::Text => value.get_ref().is_str(),
            Kind::Texts => texts(value).is_some(),
            Kind::TextOrTexts => value.get_ref().is_str() || texts(value).is_some(),
            Kind::Number => number(value.get_ref()).is_some(),
            Kind::Flag => value.get_ref().is_bool(),
            Kind::OneOf(words) => {
                value.get_ref().as_str().is_some_and(|word| words.contains(&word)) || {
                    self.fault(value.span(), format!("`{}` is one of {}", field.name, words.join(", ")));
                    return;
                }
            }
            Kind::Pairs => value.get_ref().as_array().is_some_and(|pairs| {
                pairs.iter().all(|pair| texts(pair).is_some_and(|pair| pair.len() == 2))
            }),
            Kind::Size => value.get_ref().as_array().is_some_and(|size| {
                size.len() == 2 && size.iter().all(|number_| number(number_.get_ref()).is_some())
            }),
            Kind::Table(fields) => {
                let table = value.get_ref().as_table();
                if let Some(table) = table {
                    self.table(table, fields, value.span());
                }
                table.is_some()
            }
            Kind::Tables(fields) => {
                let tables = value.get_ref().as_array();
                let all = tables.is_some_and(|tables| tables.iter().all(|table| table.get_ref().is_table()));
                for table in tables.into_iter().flatten().filter(|_| all) {
                    if let Some(fields_of) = table.get_ref().as_table() {
                        self.table(fields_of, fields, table.span());
                    }
                }
                all
            }
            Kind::Engines => {
                let known = self.knowledge.engines.iter().map(|engine| engine.id.clone()).collect();
                self.names(value, "engine", known)
            }
            Kind::Proposals => {
                let known = Proposal::ALL.iter().map(|proposal| proposal.id().to_owned()).collect();
                self.names(value, "proposal", known)
            }
            Kind::Instructions => match texts(value) {
                Some(names) => {
                    for (name, span) in names {
                        if price::operator_name(name).is_none() {
                            self.fault(span, format!("there is no instruction `{name}`"));
                        }
                    }
                    true
                }
                None => false,
            },
            Kind::Interface => {
                let known = self.knowledge.interfaces.iter().map(|interface| interface.id.clone()).collect();
                match value.get_ref().as_str() {
                    Some(name) => {
                        self.known(name, value.span(), "interface", known);
                        true
                    }
                    None => false,
                }
            }
        };
        if !fits {
            let message = format!("`{}` has a value of another kind: write `{}`", field.name, field.example);
            self.fault(value.span(), message);
        }
    }

    /// Whether it is a list of texts; each must be one of `known`.
    fn names(&mut self, value: &Spanned<DeValue<'_>>, what: &str, known: Vec<String>) -> bool {
        let Some(names) = texts(value) else { return false };
        for (name, span) in names {
            // A version may stand behind an engine's name.
            let id = name.split(' ').next().unwrap_or_default();
            self.known(if what == "engine" { id } else { name }, span, what, known.clone());
        }
        true
    }

    fn known(&mut self, name: &str, span: Range<usize>, what: &str, known: Vec<String>) {
        if !known.iter().any(|id| id == name) {
            self.fault(span, format!("unknown {what} `{name}`; known are {}", known.join(", ")));
        }
    }
}

/// The texts of a list, with their places; `None` where it is something else.
fn texts<'v>(value: &'v Spanned<DeValue<'_>>) -> Option<Vec<(&'v str, Range<usize>)>> {
    let items = value.get_ref().as_array()?.iter();
    items.map(|item| Some((item.get_ref().as_str()?, item.span()))).collect()
}

/// A whole number that is not negative.
fn number(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
