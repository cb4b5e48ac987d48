//! Lines of text: labels to the left, wrapped text to the right, styles that do not count as width.

use anstyle::Style;

use crate::output::printable;

/// Lines are not longer than this, addresses and single long words apart.
pub(crate) const WIDTH: usize = 80;

/// The column in which the text beside labels begins.
const LABEL_WIDTH: usize = 13;

/// Text under construction.
#[derive(Debug, Default)]
pub(crate) struct Lines(String);

impl Lines {
    /// Everything said so far, with styles as escape sequences.
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// An empty line, unless it would be the first.
    pub(crate) fn gap(&mut self) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
    }

    /// A line as it is. The caller has made its text printable.
    pub(crate) fn raw(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// Wrapped text that begins `indent` characters from the left; further lines begin `hang` more to the right.
    pub(crate) fn text(&mut self, indent: usize, hang: usize, style: Style, text: &str) {
        let first = " ".repeat(indent);
        self.wrapped(&first, indent, indent + hang, style, text);
    }

    /// A label in its column and wrapped text beside it.
    pub(crate) fn field(&mut self, label: &str, style: Style, text: &str) {
        let label_style = crate::output::style::SOFT;
        let first = format!("  {label_style}{label:<LABEL_WIDTH$}{label_style:#}");
        let column = 2 + LABEL_WIDTH.max(label.chars().count());
        self.wrapped(&first, column, 2 + LABEL_WIDTH, style, text);
    }

    /// A label in a style of its own and wrapped text beside it.
    pub(crate) fn answer(&mut self, label: &str, style: Style, text: &str) {
        let first = format!("  {style}{label:<LABEL_WIDTH$}{style:#}");
        let column = 2 + LABEL_WIDTH.max(label.chars().count());
        self.wrapped(&first, column, 2 + LABEL_WIDTH, Style::new(), text);
    }

    /// Further wrapped text in the column beside the labels, behind a bullet.
    pub(crate) fn item(&mut self, bullet: &str, style: Style, text: &str) {
        let indent = 2 + LABEL_WIDTH;
        let first = format!("{}{style}{bullet}{style:#}", " ".repeat(indent));
        let width = bullet.chars().count();
        self.wrapped(&first, indent + width, indent + width, style, text);
    }

    fn wrapped(&mut self, first: &str, first_width: usize, next_indent: usize, style: Style, text: &str) {
        let text = printable(text);
        let mut prefix = first.to_owned();
        for line in wrap(&text, WIDTH.saturating_sub(first_width), WIDTH.saturating_sub(next_indent)) {
            self.0.push_str(&prefix);
            if style == Style::new() {
                self.0.push_str(&line);
            } else {
                self.0.push_str(&format!("{style}{line}{style:#}"));
            }
            self.0.push('\n');
            prefix = " ".repeat(next_indent);
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

/// `text` in a style.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// `text` in `width` characters: cut off with an ellipsis, or filled up with blanks.
pub(crate) fn column(text: &str, width: usize) -> String {
    let text = super::words::shortened(text, width);
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
        lines.field("allocator", Style::new(), &"word ".repeat(20));
        for line in anstream::adapter::strip_str(&lines.into_string()).to_string().lines() {
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
