//! Modules inlined in JavaScript or HTML as base64.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::inlined::{Form, Inlined};

/// The magic number `\0asm` followed by a version's first byte, in base64; a component's version begins
/// with another byte but the same first six bits.
const MAGIC_BASE64: &[u8] = b"AGFzbQ";

/// The smallest module is 8 bytes long.
const SMALLEST_BASE64: usize = 11;

/// Every module inlined as base64, in the order of the text.
pub(super) fn inlined(text: &[u8]) -> Vec<Inlined> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let standard = GeneralPurpose::new(&alphabet::STANDARD, config);
    let url_safe = GeneralPurpose::new(&alphabet::URL_SAFE, config);
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = find(&text[from..], MAGIC_BASE64).map(|at| from + at) {
        let length = text[at..].iter().take_while(|&&byte| is_base64(byte)).count();
        from = at + length;
        let run = &text[at..from];
        // In the middle of a longer run the letters are chance.
        let starts = at == 0 || !is_base64(text[at - 1]);
        if !starts || length < SMALLEST_BASE64 {
            continue;
        }
        if let Ok(bytes) = standard.decode(run).or_else(|_| url_safe.decode(run)) {
            found.push(Inlined { form: Form::Base64, offset: at, bytes });
        }
    }
    found
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_module_with_its_offset() {
        let found = inlined(br#"var a="AGFzbQEAAAA=",b='data:application/wasm;base64,AGFzbQ0AAQA';"#);
        let seen: Vec<_> = found.iter().map(|e| (e.offset, e.bytes.as_slice())).collect();
        assert_eq!(seen, [(7, &b"\0asm\x01\0\0\0"[..]), (53, b"\0asm\x0d\0\x01\0")]);
    }

    #[test]
    fn chance_letters_are_no_module() {
        assert_eq!(inlined(b"xxAGFzbQEAAAA= AGFzbQ \"AGFzbQ\" AGFzb"), []);
    }
}
