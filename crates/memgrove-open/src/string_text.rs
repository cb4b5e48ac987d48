//! Modules inlined in JavaScript as a string literal with one character for each byte.
//!
//! Emscripten's `SINGLE_FILE` writes it so since 2025 unless told otherwise
//! (<https://github.com/emscripten-core/emscripten/pull/25599>): bytes from 0x80 on are characters of two bytes in UTF-8, and a zero
//! may be U+0100, since browsers do not keep U+0000 in a page. A minifier may write any of them as an escape
//! (ECMA-262, *String Literals*).

use std::str::Chars;

use super::inlined::{Form, Inlined};

/// What a module's string holds after its zero, however that is written.
const MAGIC_AFTER_ZERO: &str = "asm";

/// A zero is at most so many bytes long: `\u{0000}`.
const LONGEST_ZERO: usize = 8;

/// Magic number and version of a module, and of a component.
const BEGINNINGS: [&[u8; 8]; 2] = [b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"];

/// Every module inlined as a string, in the order of the text. Linear in its length.
pub(super) fn inlined(text: &[u8]) -> Vec<Inlined> {
    let mut found = Vec::new();
    let mut start = 0;
    // A literal is UTF-8; what lies around it need not be.
    for chunk in text.utf8_chunks() {
        inlined_in(chunk.valid(), start, &mut found);
        start += chunk.valid().len() + chunk.invalid().len();
    }
    found
}

/// The same of a text that begins at `start` in its file.
fn inlined_in(text: &str, start: usize, found: &mut Vec<Inlined>) {
    let mut from = 0;
    while let Some(at) = text[from..].find(MAGIC_AFTER_ZERO).map(|at| from + at) {
        from = at + MAGIC_AFTER_ZERO.len();
        let nearest = at.saturating_sub(LONGEST_ZERO + 1);
        let before = &text.as_bytes()[nearest..at];
        let Some(quote) = before.iter().rposition(|byte| matches!(byte, b'\'' | b'"' | b'`')) else {
            continue;
        };
        let offset = nearest + quote + 1;
        let mut literal = Literal { rest: text[offset..].chars(), quote: before[quote].into() };
        let mut bytes = Vec::new();
        let is_whole = loop {
            match literal.next_byte() {
                Next::Byte(byte) => bytes.push(byte),
                Next::End => break true,
                Next::Other => break false,
            }
            if bytes.len() == 8 && !BEGINNINGS.iter().any(|beginning| bytes == **beginning) {
                break false;
            }
        };
        if bytes.len() >= 8 {
            // What was read is not read again.
            from = from.max(text.len() - literal.rest.as_str().len());
            if is_whole {
                found.push(Inlined { form: Form::String, offset: start + offset, bytes });
            }
        }
    }
}

/// What comes next in a literal.
enum Next {
    Byte(u8),
    /// Its closing quote.
    End,
    /// Nothing that stands for a byte: the end of the text, the end of a line, another character.
    Other,
}

/// A string literal while it is read.
struct Literal<'a> {
    rest: Chars<'a>,
    quote: char,
}

impl Literal<'_> {
    fn next_byte(&mut self) -> Next {
        let is_template = self.quote == '`';
        loop {
            let Some(character) = self.rest.next() else { return Next::Other };
            return match character {
                '\\' => match self.escape() {
                    Escape::Of(code) => byte_of(code),
                    Escape::Nothing => continue,
                    Escape::Wrong => Next::Other,
                },
                _ if character == self.quote => Next::End,
                '\r' if is_template => {
                    // A template reads all ends of lines as one.
                    self.skip('\n');
                    Next::Byte(b'\n')
                }
                '\n' | '\r' if !is_template => Next::Other,
                '$' if is_template && self.rest.as_str().starts_with('{') => Next::Other,
                _ => byte_of(character.into()),
            };
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Escape {
        let Some(character) = self.rest.next() else { return Escape::Wrong };
        let code = match character {
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'b' => 0x08,
            'f' => 0x0c,
            'v' => 0x0b,
            'x' => return self.hex(2),
            'u' if self.skip('{') => {
                let mut code = 0_u32;
                while let Some(digit) = self.digit(16) {
                    code = code.saturating_mul(16).saturating_add(digit);
                }
                return if self.skip('}') { Escape::Of(code) } else { Escape::Wrong };
            }
            'u' => return self.hex(4),
            '0'..='7' => {
                let mut code = u32::from(character) - u32::from('0');
                // Of three digits the first is at most 3.
                for _ in 0..if code < 4 { 2 } else { 1 } {
                    let Some(digit) = self.digit(8) else { break };
                    code = code * 8 + digit;
                }
                code
            }
            '\n' | '\u{2028}' | '\u{2029}' => return Escape::Nothing,
            '\r' => {
                self.skip('\n');
                return Escape::Nothing;
            }
            other => other.into(),
        };
        Escape::Of(code)
    }

    fn hex(&mut self, digits: usize) -> Escape {
        let mut code = 0;
        for _ in 0..digits {
            let Some(digit) = self.digit(16) else { return Escape::Wrong };
            code = code * 16 + digit;
        }
        Escape::Of(code)
    }

    /// The next character's value, if it is a digit.
    fn digit(&mut self, radix: u32) -> Option<u32> {
        let mut after = self.rest.clone();
        let digit = after.next()?.to_digit(radix)?;
        self.rest = after;
        Some(digit)
    }

    /// Whether the next character is this one, which is passed then.
    fn skip(&mut self, character: char) -> bool {
        let after = self.rest.as_str().strip_prefix(character);
        if let Some(after) = after {
            self.rest = after.chars();
        }
        after.is_some()
    }
}

/// What an escape stands for.
enum Escape {
    Of(u32),
    /// A line that goes on.
    Nothing,
    Wrong,
}

/// The byte that a character stands for: Emscripten reads U+0100 as a zero.
fn byte_of(code: u32) -> Next {
    match code {
        0x100 => Next::Byte(0),
        _ => u8::try_from(code).map_or(Next::Other, Next::Byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    #[track_caller]
    fn check(text: &[u8], bytes: &[u8]) {
        let found = inlined(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].bytes, bytes);
    }

    /// A module with a custom section whose contents are every pair of bytes.
    fn pairs() -> Vec<u8> {
        let mut module = EMPTY.to_vec();
        let contents: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        // Its length in LEB128: 0x20000 bytes and an empty name.
        module.extend([0, 0x81, 0x80, 0x08, 0]);
        module.extend(contents);
        module
    }

    /// As Emscripten writes it, with zeros as they are or as U+0100.
    fn literal(bytes: &[u8], quote: char, zero: char) -> String {
        let mut text = String::from("var a=d(");
        text.push(quote);
        for &byte in bytes {
            match char::from(byte) {
                '\0' => text.push(zero),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\\' => text.push_str("\\\\"),
                character if character == quote => text.extend(['\\', quote]),
                character => text.push(character),
            }
        }
        text.push(quote);
        text + ");asm='asm'"
    }

    #[test]
    fn every_pair_of_bytes_is_read() {
        let module = pairs();
        for quote in ['\'', '"', '`'] {
            for zero in ['\0', '\u{100}'] {
                check(literal(&module, quote, zero).replace("${", "\\${").as_bytes(), &module);
            }
        }
    }

    #[test]
    fn escapes_are_those_of_the_language() {
        check(br"'\0asm\x01\0\0\u0000'", EMPTY);
        check(br"'\u{0}asm\u{000001}\0\0\u0100'", EMPTY);
        check(br#""\x00asm\001\0\000\0""#, EMPTY);
        check(b"'\\0asm\\1\\\n\\0\\\r\n\\0\\0'", EMPTY);
        check(b"`\\0asm\\1\\0\\0\\0\r\n\n\r`", b"\0asm\x01\0\0\0\n\n\n");
        check(br"'\0asm\r\0\1\0\n\t\b\f\v\'\477'", b"\0asm\x0d\0\x01\0\n\t\x08\x0c\x0b\'\x277");
    }

    #[test]
    fn what_is_no_module_is_left_alone() {
        for text in [
            // No version, another one, no end, a line's end, a character that is no byte, bytes that are not UTF-8, a template that
            // is computed, and no string.
            &br"'\0asm'"[..],
            br"'\0asm\2\0\0\0'",
            br"'\0asm\1\0\0\0",
            b"'\\0asm\\1\\0\\0\\0\n'",
            "'\\0asm\\1\\0\\0\\0\u{fffd}'".as_bytes(),
            b"'\\0asm\\1\\0\\0\\0\xff'",
            b"`\\0asm\\1\\0\\0\\0${a}`",
            b"\0asm\x01\0\0\0",
            br"'\0asm\1\0\0\0\x4'",
            br"'\0asm\1\0\0\0\u{4'",
            br"'\0asm\1\0\0\0\",
        ] {
            assert_eq!(inlined(text), [], "{}", text.escape_ascii());
        }
    }

    #[test]
    fn the_next_one_is_found_with_its_offset() {
        let found = inlined(br"'\0asm\1\0\0\0'+'\0asm\1\0\0\0'");
        let offsets: Vec<_> = found.iter().map(|inlined| inlined.offset).collect();
        assert_eq!(offsets, [1, 17]);
    }
}
