//! The text format.

use wast::Wat;
use wast::parser::{ParseBuffer, parse};

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
    let buffer = ParseBuffer::new(text).map_err(refused)?;
    let binary = parse::<Wat<'_>>(&buffer).and_then(|mut wat| wat.encode()).map_err(refused)?;
    if binary.len() as u64 > max_bytes { Err(OpenError::TooLarge { max_bytes }) } else { Ok(binary) }
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

/// Whether text begins with a module or component of the text format, after blanks and comments.
pub(super) fn is_text_format(bytes: &[u8]) -> bool {
    let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    loop {
        rest = rest.trim_ascii_start();
        if let Some(comment) = rest.strip_prefix(b";;") {
            let end = comment.iter().position(|&byte| byte == b'\n').unwrap_or(comment.len());
            rest = &comment[end..];
        } else if let Some(comment) = rest.strip_prefix(b"(;") {
            let Some(end) = comment.windows(2).position(|pair| pair == b";)") else { return false };
            rest = &comment[end + 2..];
        } else {
            break;
        }
    }
    let Some(rest) = rest.strip_prefix(b"(").map(<[u8]>::trim_ascii_start) else { return false };
    [&b"module"[..], b"component"].iter().any(|word| {
        rest.strip_prefix(*word).is_some_and(|rest| !matches!(rest.first(), Some(b'a'..=b'z' | b'-' | b'_')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format_begins_with_a_module_or_component() {
        for yes in ["(module)", " ;; c\n (; x ;) (module $a", "\u{feff}( module", "(component"] {
            assert!(is_text_format(yes.as_bytes()), "{yes}");
        }
        for no in ["", "(", "(modules)", "(; open", "module", ";; only", "(assert_invalid (module))"] {
            assert!(!is_text_format(no.as_bytes()), "{no}");
        }
    }
}
