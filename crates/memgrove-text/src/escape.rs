//! Which characters are not shown as they are, and what is shown instead.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write;

/// Words with more bytes than this are cut: a name may be as long as the file.
pub const LONGEST_WORD_BYTES: usize = 1024;

/// How many characters of a word that is cut remain.
const KEPT_CHARS: usize = 120;

/// Characters that a reader cannot see, or that change how others are shown, besides the control characters:
/// general category Cf (format), Zl and Zp (line and paragraph separators), Zs (other blanks than the blank), the
/// property Default_Ignorable_Code_Point, the blank Braille pattern, interlinear marks. Sorted.
const HIDDEN: &[(char, char)] = &[
    ('\u{a0}', '\u{a0}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{2000}', '\u{200f}'),
    ('\u{2028}', '\u{202f}'),
    ('\u{205f}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fdd0}', '\u{fdef}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether a character is written as an escape: a control character (C0, DEL, C1), one that cannot be seen or
/// changes how others are shown, or a code point that is no character.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    match c {
        ' '..='~' => false,
        c if c.is_control() => true,
        c if u32::from(c) & 0xfffe == 0xfffe => true,
        c => {
            let after = HIDDEN.partition_point(|(first, _)| *first <= c);
            after > 0 && c <= HIDDEN[after - 1].1
        }
    }
}

/// Returns `text` as one line without hidden characters: each is written as `\u{…}`. A word of more than
/// [`LONGEST_WORD_BYTES`] is cut, and its length given.
///
/// ```
/// assert_eq!(memgrove_text::escape("a\u{1b}[31m\nb"), r"a\u{1b}[31m\u{a}b");
/// ```
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    let long = text.len() > LONGEST_WORD_BYTES && text.split(' ').any(|word| word.len() > LONGEST_WORD_BYTES);
    if !long && !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().min(1 << 16) + 16);
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 {
            out.push(' ');
        }
        if word.len() > LONGEST_WORD_BYTES {
            word.chars().take(KEPT_CHARS).for_each(|c| push(c, &mut out));
            // Writing to a String cannot fail.
            let _ = write!(out, "… ({} bytes)", word.len());
        } else {
            word.chars().for_each(|c| push(c, &mut out));
        }
    }
    Cow::Owned(out)
}

/// Returns a name, or a sentence that quotes names, without hidden characters and without several blanks in a row:
/// with them a name could fill a terminal's line and imitate the columns of the next. The blanks after the first are
/// written as `\u{20}`.
#[must_use]
pub fn escape_name(name: &str) -> Cow<'_, str> {
    let shown = escape(name);
    if !shown.contains("  ") {
        return shown;
    }
    let mut out = String::with_capacity(shown.len() + 32);
    for c in shown.chars() {
        if c == ' ' && (out.ends_with(' ') || out.ends_with(BLANK)) {
            out.push_str(BLANK)
        } else {
            out.push(c)
        }
    }
    Cow::Owned(out)
}

const BLANK: &str = "\\u{20}";

/// Returns a name as it is shown ([`escape_name`]), cut after `limit` characters; then its length is given.
///
/// ```
/// assert_eq!(memgrove_text::shorten("a b\nc", 100), r"a b\u{a}c");
/// assert_eq!(memgrove_text::shorten("abcdefgh", 3), "abc… (8 bytes)");
/// ```
#[must_use]
pub fn shorten(name: &str, limit: usize) -> Cow<'_, str> {
    // A name of nothing but blanks is as long as any, and would become six times as long.
    let kept = name.char_indices().nth(limit.saturating_add(1)).map_or(name.len(), |(end, _)| end);
    let shown = escape_name(&name[..kept]);
    if kept == name.len() && shown.chars().nth(limit).is_none() {
        return shown;
    }
    let end = shown.char_indices().nth(limit).map_or(shown.len(), |(end, _)| end);
    Cow::Owned(format!("{}… ({} bytes)", &shown[..end], name.len()))
}

/// Returns bytes as hexadecimal digits, two each.
///
/// ```
/// assert_eq!(memgrove_text::hex(&[0, 0xab]), "00ab");
/// ```
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn push(c: char, out: &mut String) {
    if is_hidden(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
}

/// Returns a file name as text, of which two different names never become the same by being no UTF-8: such
/// bytes are written as `\x{…}`.
#[must_use]
pub fn escape_file_name(name: &OsStr) -> String {
    let mut out = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{{{byte:02x}}}");
        }
    }
    out
}

/// Returns a JSON document with the same data in which hidden characters are `\uXXXX`: data for programs,
/// and harmless on a terminal. Line feeds between values stay.
#[must_use]
pub fn escape_json(document: &str) -> Cow<'_, str> {
    // A serialiser escapes the controls of ASCII inside strings, and outside of strings JSON is ASCII.
    let escaped = |c: char| c != '\n' && is_hidden(c);
    if !document.contains(escaped) {
        return Cow::Borrowed(document);
    }
    let mut out = String::with_capacity(document.len() + 64);
    for c in document.chars() {
        if escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything of which Unicode says that it has no shape of its own, and what looks like it.
    const HOSTILE: &str = "\0\u{7}\u{8}\t\n\u{b}\u{c}\r\u{1b}\u{7f}\u{80}\u{85}\u{9b}\u{9d}\u{ad}\u{61c}\u{115f}\
        \u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
        \u{2060}\u{2061}\u{2064}\u{2065}\u{2066}\u{2067}\u{2068}\u{2069}\u{206a}\u{206f}\u{2800}\u{3164}\u{fe0f}\u{feff}\
        \u{ffa0}\u{fff9}\u{fffb}\u{fffe}\u{ffff}\u{1d173}\u{e0001}\u{e0020}\u{e007f}\u{e0100}\u{10ffff}";

    #[test]
    fn whatever_is_hidden_is_written_out() {
        for c in HOSTILE.chars() {
            let text = format!("a{c}b");
            assert_eq!(escape(&text), format!("a\\u{{{:x}}}b", u32::from(c)));
        }
    }

    #[test]
    fn the_table_is_sorted_and_what_can_be_read_stays() {
        assert!(HIDDEN.windows(2).all(|pair| pair[0].1 < pair[1].0));
        assert!(HIDDEN.iter().all(|(first, last)| first <= last));
        for text in
            ["", "plain", "ünïcode → ✓ ✗ · █ ▓ …", "日本語 العربية עברית", "a\\b 'c' \"d\" <e>", "  two  "]
        {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn a_name_cannot_imitate_columns() {
        assert_eq!(escape_name("a b  c   yes"), "a b \\u{20}c \\u{20}\\u{20}yes");
        assert_eq!(escape("a\u{a0}b\u{3000}\u{2003}"), "a\\u{a0}b\\u{3000}\\u{2003}");
        let once = escape_name("  a  \u{1b} b   ").into_owned();
        assert_eq!(escape_name(&once), once);
        assert_eq!(shorten("a  b", 100), "a \\u{20}b");
        assert!(shorten(&" ".repeat(90_000), 160).len() < 200);
        assert_eq!(shorten("äöü", 2), "äö… (6 bytes)");
        assert_eq!(shorten("äöü", 3), "äöü");
    }

    #[test]
    fn escaping_twice_changes_nothing_more() {
        let long = format!("{}\u{1b} {HOSTILE} {}", "x".repeat(5000), "\u{202e}".repeat(2000));
        for text in [HOSTILE, &long] {
            let once = escape(text);
            assert_eq!(escape(&once), once);
        }
    }

    #[test]
    fn a_word_as_long_as_a_file_is_cut() {
        let shown = escape("ä".repeat(50_000).leak()).into_owned();
        assert!(shown.ends_with("ä… (100000 bytes)") && shown.chars().count() < 200, "{shown}");
        let words = "word ".repeat(10_000);
        assert_eq!(escape(&words), words);
    }

    #[cfg(unix)]
    #[test]
    fn file_names_that_are_no_text_stay_different() {
        use std::os::unix::ffi::OsStrExt;
        let shown = |bytes: &'static [u8]| escape_file_name(OsStr::from_bytes(bytes));
        assert_eq!(shown(b"a\xffb"), "a\\x{ff}b");
        assert_ne!(shown(b"\xfe"), shown(b"\xff"));
        assert_eq!(shown("ü\n".as_bytes()), "ü\n");
    }

    #[test]
    fn json_is_the_same_data() {
        let document = "{\n  \"a\u{202e}\u{9b}\u{e0001}\": \"\\n\u{7f}\"\n}";
        assert_eq!(escape_json(document), "{\n  \"a\\u202e\\u009b\\udb40\\udc01\": \"\\n\\u007f\"\n}");
        assert!(matches!(escape_json("{\"ü\": 1}\n"), Cow::Borrowed(_)));
    }
}
