//! From a file's bytes to the binaries inside it.

use anyhow::{Context, Result, bail};

use super::compressed::Compression;
use super::{embedded, identify, too_large};
use crate::exit::UserError;

/// The most bytes of the text format: its parser holds up to a hundred times as much.
const MAX_TEXT_BYTES: usize = 64 << 20;

/// How many wrappings may lie around a module, one in the other.
const MAX_DEPTH: usize = 4;

/// A module or component, and what was around it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Binary {
    /// It in the binary format.
    pub(crate) bytes: Vec<u8>,
    /// What it was wrapped in, outermost first: `gzip`, `base64 at offset 0x1f3`. Empty if it was the file itself.
    pub(crate) wrapped_in: Vec<String>,
}

/// The modules and components in a file: itself, or what is compressed, written as text or inlined in it.
///
/// `name` helps to say what a file is that holds none. No wrapping may unpack to more than `max_bytes`.
pub(crate) fn unwrap(bytes: Vec<u8>, name: &str, max_bytes: u64) -> Result<Vec<Binary>> {
    let mut bytes = bytes;
    let mut wrapped_in = Vec::new();
    while let Some(compression) = Compression::of(&bytes) {
        if wrapped_in.len() == MAX_DEPTH {
            bail!("it is compressed more than {MAX_DEPTH} times over");
        }
        bytes = compression.unpack(&bytes, max_bytes)?;
        wrapped_in.push(compression.name().to_owned());
    }
    if identify::is_text_format(&bytes) {
        wrapped_in.push("text format".to_owned());
        return Ok(vec![Binary { bytes: from_text(&bytes, max_bytes)?, wrapped_in }]);
    }
    if is_binary(&bytes) {
        return Ok(vec![Binary { bytes, wrapped_in }]);
    }
    let inlined: Vec<_> = embedded::embedded(&bytes)
        .into_iter()
        .map(|found| {
            let mut wrapped_in = wrapped_in.clone();
            wrapped_in.push(format!("base64 at offset {:#x}", found.offset));
            Binary { bytes: found.bytes, wrapped_in }
        })
        .collect();
    if inlined.is_empty() { Err(no_module(&bytes, name, &wrapped_in).into()) } else { Ok(inlined) }
}

/// Whether it has the magic number and is not what a text editor left of a module.
fn is_binary(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm") && !bytes.starts_with("\0asm\u{fffd}".as_bytes())
}

fn no_module(bytes: &[u8], name: &str, wrapped_in: &[String]) -> UserError {
    // Of `a.tar.gz` the part that is left after unpacking is `a.tar`.
    let name = wrapped_in.iter().fold(name, |name, _| name.rsplit_once('.').map_or(name, |(stem, _)| stem));
    let identity = identify::identify(bytes, name);
    let inside = if wrapped_in.is_empty() { "" } else { "inside is " };
    let error = UserError::failed(format!("not WebAssembly: {inside}{} (at offset 0x0)", identity.what));
    match identity.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn from_text(bytes: &[u8], max_bytes: u64) -> Result<Vec<u8>> {
    if bytes.len() > MAX_TEXT_BYTES {
        let message =
            format!("it has {} bytes of the text format; the limit is {MAX_TEXT_BYTES}", bytes.len());
        return Err(UserError::failed(message)
            .hint("assemble it with another tool and inspect the binary")
            .into());
    }
    let text = std::str::from_utf8(bytes)
        .with_context(|| "the text format is UTF-8, and this is not")?
        .trim_start_matches('\u{feff}');
    let bytes = wat::parse_str(text).map_err(|error| {
        // The parser's message is a drawing of several lines; the first one says what, and the span where.
        let message = error.to_string();
        let mut lines = message.lines().map(str::trim);
        let what = lines.next().unwrap_or("cannot be parsed").to_owned();
        let place = lines.find_map(|line| line.strip_prefix("--> ")).and_then(line_and_column);
        match place {
            Some((line, column)) => UserError::failed(format!("{what} (at line {line}, column {column})")),
            None => UserError::failed(what),
        }
    })?;
    if bytes.len() as u64 > max_bytes { Err(too_large(max_bytes).into()) } else { Ok(bytes) }
}

/// `<anon>:3:14` -> line 3, column 14.
fn line_and_column(place: &str) -> Option<(u32, u32)> {
    let mut parts = place.rsplit(':');
    let column = parts.next()?.parse().ok()?;
    Some((parts.next()?.parse().ok()?, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    #[track_caller]
    fn error(bytes: &[u8], name: &str) -> String {
        format!("{:#}", unwrap(bytes.to_vec(), name, 1000).unwrap_err())
    }

    #[test]
    fn a_binary_is_itself() {
        let found = unwrap(EMPTY.to_vec(), "a", 1000).unwrap();
        assert_eq!(found, [Binary { bytes: EMPTY.to_vec(), wrapped_in: Vec::new() }]);
    }

    #[test]
    fn text_and_inlined_modules_are_found() {
        let found = unwrap(b";; c\n(module)".to_vec(), "a", 1000).unwrap();
        assert_eq!(found, [Binary { bytes: EMPTY.to_vec(), wrapped_in: vec!["text format".to_owned()] }]);
        let found = unwrap(b"load('AGFzbQEAAAA=')".to_vec(), "a.js", 1000).unwrap();
        assert_eq!(found[0].wrapped_in, ["base64 at offset 0x6"]);
        assert_eq!(found[0].bytes, EMPTY);
    }

    #[test]
    fn errors_say_what_and_where() {
        assert_eq!(
            error(b"(module\n  (func (i33.const)))", "a"),
            "unknown operator or unexpected token (at line 2, column 10)"
        );
        assert_eq!(
            error(b"var f = function() {}", "a.js"),
            "not WebAssembly: JavaScript without a module inlined as base64 (at offset 0x0)"
        );
        assert_eq!(error(b"", "a"), "not WebAssembly: an empty file (at offset 0x0)");
    }

    #[test]
    fn wrapping_without_end_is_refused() {
        let mut bytes = EMPTY.to_vec();
        for _ in 0..=MAX_DEPTH {
            bytes = ruzstd::encoding::compress_to_vec(
                &bytes[..],
                ruzstd::encoding::CompressionLevel::Uncompressed,
            );
        }
        assert_eq!(error(&bytes, "a"), "it is compressed more than 4 times over");
    }
}
