//! Modules inlined in JavaScript or HTML: as base64, or as a string with one character for each byte.

use super::{base64_text, string_text};

/// A module found inside another file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inlined {
    /// How it is written.
    pub(super) form: Form,
    /// Byte offset of the first byte of its base64, or of its string's first character.
    pub(super) offset: usize,
    /// The module.
    pub(super) bytes: Vec<u8>,
}

/// How a module is written in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Base64,
    String,
}

impl Form {
    const ALL: [Self; 2] = [Self::Base64, Self::String];

    const fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::String => "string",
        }
    }
}

impl Inlined {
    /// `base64 at offset 0x1f3`: what is said to be around the module.
    pub(super) fn around(&self) -> String {
        format!("{} at offset {:#x}", self.form.name(), self.offset)
    }
}

/// Whether what is said to be around a module is a script.
pub(super) fn is_script(around: &str) -> bool {
    Form::ALL.iter().any(|form| {
        let rest = around.strip_prefix(form.name());
        rest.is_some_and(|rest| rest.starts_with(" at "))
    })
}

/// Every module inlined in a text, in the order of the text. Linear in its length.
pub(super) fn inlined(text: &[u8]) -> Vec<Inlined> {
    let mut found = base64_text::inlined(text);
    found.extend(string_text::inlined(text));
    found.sort_by_key(|inlined| inlined.offset);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_come_in_the_order_of_the_text() {
        let text = br"a('\0asm\x01\0\0\0');b('AGFzbQEAAAA=');c('\0asm\x01\0\0\0')";
        let around: Vec<_> = inlined(text).iter().map(Inlined::around).collect();
        assert_eq!(around, ["string at offset 0x3", "base64 at offset 0x18", "string at offset 0x2a"]);
        assert!(around.iter().all(|around| is_script(around)));
        assert!(!is_script("text format") && !is_script("base64"));
    }
}
