//! The text format.

use wast::Wat;
use wast::parser::{ParseBuffer, parse};

use super::older_text::as_spelled_today;
use super::{OpenError, Place};

/// The most bytes of the text format: its parser holds up to a hundred times as much.
const MAX_TEXT_BYTES: usize = 64 << 20;

/// The binary that text stands for.
pub(super) fn assemble(bytes: &[u8], max_bytes: u64) -> Result<Vec<u8>, OpenError> {
    if bytes.len() > MAX_TEXT_BYTES {
        return Err(OpenError::TextTooLarge { size_bytes: bytes.len(), limit_bytes: MAX_TEXT_BYTES });
    }
    let text = std::str::from_utf8(bytes).map_err(|source| OpenError::NotUtf8 { source })?;
    let text = text.trim_start_matches('\u{feff}');
    let mark_bytes = bytes.len() - text.len();
    let refused = |error: wast::Error| {
        let place = Place::of(text, error.span().offset(), mark_bytes);
        OpenError::Text { message: error.message(), place }
    };
    let binary = encode(text).or_else(|error| {
        let today = as_spelled_today(text).and_then(|text| encode(&text).ok());
        today.ok_or_else(|| refused(error))
    })?;
    if binary.len() as u64 > max_bytes { Err(OpenError::TooLarge { max_bytes }) } else { Ok(binary) }
}

fn encode(text: &str) -> Result<Vec<u8>, wast::Error> {
    let buffer = ParseBuffer::new(text)?;
    parse::<Wat<'_>>(&buffer)?.encode()
}

impl Place {
    /// The place of the byte `at` of a text that `skipped_bytes` stand before.
    fn of(text: &str, at: usize, skipped_bytes: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |line_feed| line_feed + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before[start..].chars().count() + 1;
        Self { line, column, offset: (skipped_bytes + at) as u64 }
    }
}

/// What a text of the format may begin with: a module or component, or, without it, a field of a module.
const FIRST_WORDS: [&[u8]; 13] = [
    b"module",
    b"component",
    b"type",
    b"rec",
    b"import",
    b"func",
    b"table",
    b"memory",
    b"global",
    b"export",
    b"elem",
    b"data",
    b"tag",
];

/// Whether text begins with a module or component of the text format, after blanks, comments and annotations. Linear.
pub(super) fn is_text_format(bytes: &[u8]) -> bool {
    let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    loop {
        rest = rest.trim_ascii_start();
        if let Some(comment) = rest.strip_prefix(b";;") {
            let end = comment.iter().position(|&byte| byte == b'\n').unwrap_or(comment.len());
            rest = &comment[end..];
        } else if rest.starts_with(b"(;") {
            let Some(after) = after_comment(rest) else { return false };
            rest = after;
        } else if rest.starts_with(b"(@") {
            let Some(after) = after_annotation(rest) else { return false };
            rest = after;
        } else {
            break;
        }
    }
    let Some(rest) = rest.strip_prefix(b"(").map(<[u8]>::trim_ascii_start) else { return false };
    FIRST_WORDS.iter().any(|word| {
        rest.strip_prefix(*word).is_some_and(|rest| match rest {
            // JavaScript, too, has `(import(…))`.
            [b'(', next, ..] => next.is_ascii_alphabetic() || matches!(next, b';' | b'@'),
            [next, ..] => next.is_ascii_whitespace() || matches!(next, b'(' | b')' | b'$' | b'"' | b';'),
            [] => true,
        })
    })
}

/// What follows a comment `(; … ;)`, in which others may lie; `None` if it does not end.
fn after_comment(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match text.get(at..at + 2)? {
            b"(;" => (depth, at) = (depth + 1, at + 2),
            b";)" if depth == 1 => return text.get(at + 2..),
            b";)" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
}

/// What follows an annotation `(@name …)`, in which brackets, strings and comments may lie; `None` if it does not end.
fn after_annotation(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_usize;
    let mut rest = text;
    loop {
        match rest {
            [b'(', b';', ..] => rest = after_comment(rest)?,
            [b';', b';', ..] => rest = rest.get(rest.iter().position(|&byte| byte == b'\n')?..)?,
            [b'"', ..] => rest = after_string(rest)?,
            [b'(', after @ ..] => (depth, rest) = (depth + 1, after),
            [b')', after @ ..] if depth == 1 => return Some(after),
            [b')', after @ ..] => (depth, rest) = (depth.checked_sub(1)?, after),
            [_, after @ ..] => rest = after,
            [] => return None,
        }
    }
}

fn after_string(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.get(1..)?;
    loop {
        match rest {
            [b'\\', _, after @ ..] => rest = after,
            [b'"', after @ ..] => return Some(after),
            [_, after @ ..] => rest = after,
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spelled_otherwise_once_is_read_and_an_error_is_of_the_text_as_it_is() {
        let fence = include_bytes!("../../../tests/cases/hostile/fence.wat");
        let binary = assemble(fence, 1 << 20).unwrap();
        assert!(binary.windows(3).any(|bytes| bytes == [0xfe, 0x03, 0x01]), "{binary:x?}");
        let error = assemble(b"(module (func get_local 0 drop)\n (func i32.nothing))", 1 << 20).unwrap_err();
        let OpenError::Text { place, .. } = &error else { panic!("{error}") };
        assert_eq!((place.line, place.offset), (1, 14), "where the text as it is stops making sense");
    }

    #[test]
    fn the_text_format_begins_with_a_module_or_component() {
        for yes in [
            "(module)",
            " ;; c\n (; x ;) (module $a",
            "\u{feff}( module",
            "(component)",
            "(; a (; b ;) c ;) (module)",
            "(@custom \"a)\" (x (; ) ;)))\n(module)",
            "(func (export \"f\"))",
            "(import \"a\" \"b\" (func))",
            "(memory 1)",
        ] {
            assert!(is_text_format(yes.as_bytes()), "{yes}");
        }
        for no in [
            "",
            "(",
            "(modules)",
            "(; open",
            "(; a (; b ;) (module)",
            "(@a (module)",
            "module",
            ";; only",
            "(assert_invalid (module))",
            "(function(){})()",
            "(import('x'))",
            "(data.a)",
        ] {
            assert!(!is_text_format(no.as_bytes()), "{no}");
        }
    }
}
