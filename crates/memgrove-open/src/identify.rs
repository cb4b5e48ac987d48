//! What a file is that holds no WebAssembly: a wrong file is the commonest mistake.

use super::archive::Archive;
use super::compressed::Compression;
use super::text_format::is_text_format;

/// What a file is, and what the user could do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// With its article: `an ELF file`.
    pub(super) what: String,
    pub(super) hint: Option<&'static str>,
}

/// Bytes at an offset that give a format away.
struct Signature {
    offset: usize,
    bytes: &'static [u8],
    what: &'static str,
    hint: Option<&'static str>,
}

const fn sig(
    offset: usize,
    bytes: &'static [u8],
    what: &'static str,
    hint: Option<&'static str>,
) -> Signature {
    Signature { offset, bytes, what, hint }
}

const NATIVE: Option<&str> = Some(
    "it was built for this machine; build it for a wasm target, such as wasm32-unknown-unknown or wasm32-wasi",
);
const BITCODE: Option<&str> =
    Some("it was compiled for link-time optimisation; link it first and inspect the linked module");
const UNPACK: Option<&str> = Some("unpack it and inspect the modules inside");

/// In the order in which they are tried: a longer signature before a shorter one that begins like it.
const SIGNATURES: &[Signature] = &[
    sig(
        0,
        b"\0asm\xef\xbf\xbd",
        "a module that was read as text and written back",
        Some("copy it as binary"),
    ),
    sig(0, b"\x7fELF", "an ELF file", NATIVE),
    sig(0, b"MZ", "a Windows program", NATIVE),
    sig(0, b"\xfe\xed\xfa\xce", "a Mach-O file", NATIVE),
    sig(0, b"\xfe\xed\xfa\xcf", "a Mach-O file", NATIVE),
    sig(0, b"\xce\xfa\xed\xfe", "a Mach-O file", NATIVE),
    sig(0, b"\xcf\xfa\xed\xfe", "a Mach-O file", NATIVE),
    sig(0, b"\xca\xfe\xba\xbe", "a Java class or a universal Mach-O file", NATIVE),
    sig(0, b"BC\xc0\xde", "LLVM bitcode", BITCODE),
    sig(0, b"\xde\xc0\x17\x0b", "LLVM bitcode in a wrapper", BITCODE),
    sig(
        0,
        b"!<arch>\n",
        "an archive of object files",
        Some("link it into a module, or unpack it with `llvm-ar x` and inspect its members"),
    ),
    sig(0, b"!<thin>\n", "a thin archive, which only names object files", Some("inspect the files it names")),
    sig(0, b"PK\x03\x04", "a zip archive without a module", None),
    sig(257, b"ustar", "a tar archive without a module", None),
    sig(0, b"\xfd7zXZ\0", "an xz file", UNPACK),
    sig(0, b"BZh", "a bzip2 file", UNPACK),
    sig(0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    sig(0, b"\x04\x22\x4d\x18", "an lz4 file", UNPACK),
    sig(0, b"\x89PNG\r\n\x1a\n", "a PNG image", None),
    sig(0, b"\xff\xd8\xff", "a JPEG image", None),
    sig(0, b"GIF8", "a GIF image", None),
    sig(0, b"RIFF", "a RIFF file (WebP, WAV or AVI)", None),
    sig(0, b"wOF2", "a WOFF2 font", None),
    sig(0, b"wOFF", "a WOFF font", None),
    sig(0, b"%PDF", "a PDF document", None),
    sig(0, b"SQLite format 3\0", "an SQLite database", None),
    sig(
        0,
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer, not the file itself",
        Some("fetch the file with `git lfs pull`"),
    ),
    sig(0, b"\xff\xfe", "text in UTF-16", None),
    sig(0, b"\xfe\xff", "text in UTF-16", None),
];

/// Says what `bytes` are, as far as it can be seen; `name` is asked only where the bytes say nothing.
pub(super) fn identify(bytes: &[u8], name: &str) -> Identity {
    if bytes.is_empty() {
        let hint = Some("the build or the download that made it has failed");
        return Identity { what: "an empty file".to_owned(), hint };
    }
    if bytes.iter().all(|&byte| byte == 0) {
        // No more was read of a file that goes on.
        let or_more = if bytes.len() as u64 == super::HEAD_BYTES { " or more" } else { "" };
        return Identity {
            what: format!("{} zero bytes{or_more}", bytes.len()),
            hint: Some("the file was damaged on its way"),
        };
    }
    let known = SIGNATURES.iter().find(|signature| {
        bytes.get(signature.offset..).is_some_and(|rest| rest.starts_with(signature.bytes))
    });
    if let Some(signature) = known {
        return refine(signature, bytes);
    }
    match text(bytes) {
        Some(text) => text_kind(text, name),
        None => Identity {
            what: format!("data of an unknown kind (it begins {})", head(bytes)),
            hint: by_name(name),
        },
    }
}

/// What the signature alone does not say.
fn refine(signature: &Signature, bytes: &[u8]) -> Identity {
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    if signature.bytes == b"\x7fELF" && holds(b".wasmtime.engine") {
        return Identity {
            what: "a module compiled ahead of time by Wasmtime (ELF)".to_owned(),
            hint: Some("inspect the .wasm file it was compiled from"),
        };
    }
    Identity { what: signature.what.to_owned(), hint: signature.hint }
}

/// The head of a file that is text, or `None`.
fn text(bytes: &[u8]) -> Option<&str> {
    let head = &bytes[..bytes.len().min(4096)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character cut in two at the end of the head.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    (!text.contains(odd)).then_some(text.trim_start_matches('\u{feff}'))
}

fn text_kind(text: &str, name: &str) -> Identity {
    let trimmed = text.trim_start();
    let lower = trimmed.get(..trimmed.len().min(200)).unwrap_or(trimmed).to_ascii_lowercase();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
    let (what, hint) = if starts(&["<!doctype html", "<html"]) {
        ("an HTML page", Some("a download often gives a page instead of the file when the address is wrong"))
    } else if starts(&["<?xml", "<svg"]) {
        ("an XML document", None)
    } else if has_extension(name, SCRIPTS)
        || (starts(&["#!"]) && lower.lines().next().is_some_and(|line| line.contains("node")))
    {
        JAVASCRIPT
    } else if starts(&["#!"]) {
        ("a script", None)
    } else if starts(&["; moduleid", "source_filename ="]) {
        ("LLVM IR as text", BITCODE)
    } else if starts(&["(assert_", "(invoke", "(register"]) || trimmed.contains("(assert_") {
        ("a test script of the WebAssembly text format (.wast)", Some("put one module into a .wat file"))
    } else if starts(&["{", "["]) && !trimmed.contains(';') {
        ("JSON", None)
    } else if is_javascript(trimmed) {
        JAVASCRIPT
    } else if has_extension(name, &["wat", "wast"]) {
        ("text that is not a module in the text format", Some("the text format begins with `(module`"))
    } else {
        ("text", by_name(name))
    };
    Identity { what: what.to_owned(), hint }
}

const JAVASCRIPT: (&str, Option<&str>) =
    ("JavaScript without a module inlined", Some("inspect the .wasm file that it loads"));

/// Extensions of scripts for JavaScript engines.
const SCRIPTS: &[&str] = &["js", "mjs", "cjs", "ts", "jsx", "tsx", "mts", "cts"];

fn is_javascript(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "function",
        "var ",
        "const ",
        "let ",
        "import ",
        "export ",
        "require(",
        "=>",
        "\"use strict\"",
        "module.exports",
    ];
    WORDS.iter().filter(|word| text.contains(**word)).count() >= 2
}

/// What the extension suggests where the bytes have no signature.
fn by_name(name: &str) -> Option<&'static str> {
    if has_extension(name, &["br"]) {
        return Some("by its name it is compressed with brotli: unpack it with `brotli -d`");
    }
    has_extension(name, &["wasm"]).then_some(
        "a WebAssembly binary begins with the bytes 00 61 73 6d; this file may be damaged or encrypted",
    )
}

fn has_extension(name: &str, extensions: &[&str]) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| extensions.contains(&extension.as_str()))
}

fn head(bytes: &[u8]) -> String {
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Whether a file that begins like this is worth reading: a module, a component, the text format, or one of these
/// compressed. 4 KiB of it are enough.
#[must_use]
pub fn holds_wasm(head: &[u8]) -> bool {
    match Compression::of(head) {
        Some(compression) => is_wasm(&compression.peek(head, 256)),
        None => is_wasm(head),
    }
}

/// Whether a file that begins like this is an archive whose members are looked at, compressed or not.
#[must_use]
pub fn is_archive(head: &[u8]) -> bool {
    match Compression::of(head) {
        Some(compression) => Archive::of(&compression.peek(head, 512)).is_some(),
        None => Archive::of(head).is_some(),
    }
}

/// Whether a file of this name that begins like this is a script or a page, which may have a module inlined.
#[must_use]
pub fn may_inline(name: &str, head: &[u8]) -> bool {
    (has_extension(name, SCRIPTS) || has_extension(name, &["html", "htm"])) && begins_as_text(head)
}

/// How much of a script has to be text: further down may be a module, a character for each of its bytes.
const SCRIPT_HEAD_BYTES: usize = 64;

fn begins_as_text(head: &[u8]) -> bool {
    text(&head[..head.len().min(SCRIPT_HEAD_BYTES)]).is_some()
}

fn is_wasm(head: &[u8]) -> bool {
    head.starts_with(b"\0asm") || is_text_format(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], name: &str, what: &str) {
        let identity = identify(bytes, name);
        assert!(identity.what.contains(what), "{identity:?} does not say {what}");
    }

    #[test]
    fn names_what_it_sees() {
        check(b"", "a.wasm", "empty");
        check(&[0; 16], "a.wasm", "16 zero bytes");
        check(b"\x7fELF\x02\x01", "a", "ELF");
        check(b"\x7fELF\x02\x01 .wasmtime.engine", "a", "ahead of time");
        check(b"!<arch>\nfoo.o/", "libc.a", "archive");
        check(b"BC\xc0\xde", "a.o", "bitcode");
        check(b"\x89PNG\r\n\x1a\n", "a", "PNG");
        check(b"<!DOCTYPE html><html>", "a.wasm", "HTML");
        check(b"{\"a\": 1}", "a", "JSON");
        check(b"var Module = function() {};", "a", "JavaScript");
        check(b"#!/usr/bin/env node\nmain()", "a", "JavaScript");
        check(b"[1,2].map(f)", "a.mjs", "JavaScript");
        check(b"(()=>{})()", "a.js", "JavaScript");
        check(b"version https://git-lfs.github.com/spec/v1\noid", "a.wasm", "Git LFS");
        check(b"\0asm\xef\xbf\xbd\0", "a.wasm", "read as text");
        check(b"hello world", "a", "text");
        check(&[0x8b, 0x02, 0x80, 0xff], "a.wasm.br", "unknown kind (it begins 8b 02 80 ff)");
        assert!(identify(&[0x8b, 0xff], "a.wasm.br").hint.is_some_and(|hint| hint.contains("brotli")));
    }
}
