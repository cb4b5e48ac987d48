//! Patterns that imports are recognised by.

use std::borrow::Cow;

use crate::facts::{ExternKind, Facts, Import};
use serde::Deserialize;

/// Text of the built-in tables, or of a file that was read.
pub type Text = Cow<'static, str>;

/// One name or several; `*` in a name stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Names {
    /// One.
    One(Text),
    /// Any of these.
    Any(Cow<'static, [Text]>),
}

impl Names {
    /// The names as a list.
    #[must_use]
    pub fn list(&self) -> &[Text] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Any(names) => names,
        }
    }

    /// Whether it is one of them, taken as they are.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        self.list().iter().any(|one| one == text)
    }

    fn matches(&self, name: &str) -> bool {
        self.list().iter().any(|pattern| glob(pattern, name))
    }
}

/// What an import must look like. Whatever is left out matches anything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportPattern {
    /// Module name.
    pub module: Option<Names>,
    /// Name in that module.
    pub name: Option<Names>,
    /// Kind of what is imported.
    pub kind: Option<KindName>,
    /// Type, in the notation of reports: `(i32) -> i32`, `global mut i32`.
    #[serde(rename = "type")]
    pub ty: Option<Names>,
    /// Pairs of a name and its type, instead of `name` and `type`.
    pub pairs: Option<Cow<'static, [(Text, Text)]>>,
}

/// [`ExternKind`] as it is written in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KindName {
    /// Function.
    Func,
    /// Table.
    Table,
    /// Memory.
    Memory,
    /// Global.
    Global,
    /// Exception tag.
    Tag,
}

impl KindName {
    fn kind(self) -> ExternKind {
        match self {
            Self::Func => ExternKind::Func,
            Self::Table => ExternKind::Table,
            Self::Memory => ExternKind::Memory,
            Self::Global => ExternKind::Global,
            Self::Tag => ExternKind::Tag,
        }
    }
}

impl ImportPattern {
    /// Whether an import looks like this.
    #[must_use]
    pub fn matches(&self, facts: &Facts<'_>, import: &Import<'_>) -> bool {
        if self.kind.is_some_and(|kind| kind.kind() != import.ty.kind()) {
            return false;
        }
        if self.module.as_ref().is_some_and(|module| !module.matches(import.module)) {
            return false;
        }
        if self.name.as_ref().is_some_and(|name| !name.matches(import.name)) {
            return false;
        }
        // Types are described only for the few imports whose names fit.
        if let Some(pairs) = &self.pairs {
            let mut named = pairs.iter().filter(|(name, _)| glob(name, import.name)).peekable();
            return named.peek().is_some() && {
                let described = import.ty.describe(facts);
                named.any(|(_, ty)| glob(ty, &described))
            };
        }
        self.ty.as_ref().is_none_or(|ty| ty.matches(&import.ty.describe(facts)))
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any characters. Linear in their product at worst.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    // Decides most cases: an import is compared with hundreds of names.
    let first = pattern.as_bytes().first();
    if first != Some(&b'*') && first != text.as_bytes().first() {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else { return text.is_empty() };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            match rest.find(middle) {
                Some(at) => rest = &rest[at + middle.len()..],
                None => return false,
            }
        }
    }
    match last {
        None => rest.is_empty(),
        Some(end) => rest.ends_with(end),
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn stars_stand_for_anything() {
        let check = |pattern, text, expected| assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        check("abc", "abc", true);
        check("abc", "abcd", false);
        check("*", "", true);
        check("a*", "abc", true);
        check("*c", "abc", true);
        check("a*c", "ac", true);
        check("a*c", "a", false);
        check("*b*", "abc", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*a", "a", false);
        check("./*_bg.js", "./x_bg.js", true);
        check("", "", true);
        check("", "a", false);
    }
}
