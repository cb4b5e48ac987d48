//! Lines of text: labels to the left, wrapped text to the right.

use memgrove_text::{Line, Text, Tone, escape, escape_name};

/// Lines are not longer than this, addresses and single long words apart.
pub(crate) const WIDTH: usize = 80;

/// The column in which the text beside labels begins.
const LABEL_WIDTH: usize = 13;

/// Text under construction.
#[derive(Debug, Default)]
pub(crate) struct Lines(Text);

impl Lines {
    /// Everything said so far.
    pub(crate) fn into_text(self) -> Text {
        self.0
    }

    /// An empty line, unless it would be the first.
    pub(crate) fn gap(&mut self) {
        if !self.0.is_empty() {
            self.0.gap();
        }
    }

    /// A line of its own.
    pub(crate) fn line(&mut self, line: Line) {
        self.0.line(line);
    }

    /// Wrapped text that begins `indent` characters from the left; further lines begin `hang` more to the right.
    pub(crate) fn text(&mut self, indent: usize, hang: usize, tone: Tone, text: &str) {
        let first = Line::new().plain(" ".repeat(indent));
        self.wrapped(first, indent, indent + hang, tone, text);
    }

    /// A label in its column and wrapped text beside it.
    pub(crate) fn field(&mut self, label: &str, tone: Tone, text: &str) {
        self.labelled(label, Tone::Soft, tone, text);
    }

    /// A label in a tone of its own and wrapped text beside it.
    pub(crate) fn answer(&mut self, label: &str, tone: Tone, text: &str) {
        self.labelled(label, tone, Tone::Plain, text);
    }

    fn labelled(&mut self, label: &str, label_tone: Tone, tone: Tone, text: &str) {
        let label = escape(label);
        let first = Line::new().plain("  ").with(label_tone, format!("{label:<LABEL_WIDTH$}"));
        let column = 2 + LABEL_WIDTH.max(label.chars().count());
        self.wrapped(first, column, 2 + LABEL_WIDTH, tone, text);
    }

    /// Further wrapped text in the column beside the labels, behind a bullet.
    pub(crate) fn item(&mut self, bullet: &str, tone: Tone, text: &str) {
        let indent = 2 + LABEL_WIDTH;
        let first = Line::new().plain(" ".repeat(indent)).with(tone, bullet);
        let width = bullet.chars().count();
        self.wrapped(first, indent + width, indent + width, tone, text);
    }

    fn wrapped(&mut self, first: Line, first_width: usize, next_indent: usize, tone: Tone, text: &str) {
        // Wrapped as it will be shown: an escape is wider than the character it stands for.
        let text = escape_name(text);
        let mut prefix = first;
        for line in wrap(&text, WIDTH.saturating_sub(first_width), WIDTH.saturating_sub(next_indent)) {
            self.0.line(prefix.with(tone, line));
            prefix = Line::new().plain(" ".repeat(next_indent));
        }
    }
}

/// Breaks text at blanks; a word that is longer than a line gets one of its own. Always at least one line.
fn wrap(text: &str, first_width: usize, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        let limit = if lines.len() == 1 { first_width } else { width };
        if used > 0 && used + 1 + length > limit {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
        }
    }
    lines
}

/// `text` in `width` characters: cut off with an ellipsis, or filled up with blanks.
#[must_use]
pub fn column(text: &str, width: usize) -> String {
    let text = crate::words::shortened(text, width);
    let missing = width.saturating_sub(text.chars().count());
    text + &" ".repeat(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_at_blanks_and_never_inside_a_word() {
        assert_eq!(wrap("aa bb cc", 5, 5), ["aa bb", "cc"]);
        assert_eq!(wrap("aa bb cc", 2, 5), ["aa", "bb cc"]);
        assert_eq!(wrap("a longerthanline b", 5, 5), ["a", "longerthanline", "b"]);
        assert_eq!(wrap("", 5, 5), [""]);
    }

    #[test]
    fn labels_and_text_have_columns() {
        let mut lines = Lines::default();
        lines.field("allocator", Tone::Plain, &"word ".repeat(20));
        for line in lines.into_text().to_string().lines() {
            assert!(
                line.starts_with("  allocator    word") || line.starts_with("               word"),
                "{line:?}"
            );
            assert!(line.chars().count() <= WIDTH, "{line:?}");
        }
    }

    #[test]
    fn columns_have_their_width() {
        assert_eq!(column("ab", 4), "ab  ");
        assert_eq!(column("abcdef", 4), "abc…");
    }
}
