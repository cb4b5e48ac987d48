//! A table of words, for a terminal or for Markdown.

use memgrove_text::{Text, escape, shorten};

/// A saved run may be anybody's.
const LONGEST_CELL: usize = 400;

/// Headings and rows; the first column is words, the others are figures.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Grid {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// A table without rows.
    pub fn new(headings: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { headings: headings.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn headings(&self) -> &[String] {
        &self.headings
    }

    pub(crate) fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// Columns padded to their widest cell: the first to the left, the others to the right.
    pub(crate) fn text(&self) -> Text {
        // As wide as it is shown, escapes included.
        let shown: Vec<Vec<_>> = std::iter::once(&self.headings)
            .chain(&self.rows)
            .map(|row| row.iter().map(|cell| shorten(cell, LONGEST_CELL)).collect())
            .collect();
        let width = |column: usize| {
            let cells = shown.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.headings.len()).map(width).collect();
        let mut text = Text::new();
        for row in &shown {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            text.line(cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        text
    }

    /// As Markdown in which no cell can be markup.
    #[must_use]
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut out = line(self.headings.iter().map(|cell| markdown(cell)).collect());
        let rule = (0..self.headings.len()).map(|column| if column == 0 { "---" } else { "--:" }.to_owned());
        out += &line(rule.collect());
        for row in &self.rows {
            out += &line(row.iter().map(|cell| markdown(cell)).collect());
        }
        out
    }
}

/// Returns `text` so that Markdown shows it as it is, in one line: it opens no markup, no link and no cell.
pub(crate) fn markdown(text: &str) -> String {
    let shown = escape(text);
    let mut out = String::with_capacity(shown.len());
    let mut before = ' ';
    let mut chars = shown.chars().peekable();
    while let Some(c) = chars.next() {
        // Between letters an underscore emphasises nothing.
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let inside = word(before) && chars.peek().is_some_and(|next| word(*next));
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '_' if inside => out.push(c),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' => {
                out.push('\\');
                out.push(c);
            }
            // An address would become a link.
            ':' if chars.peek() == Some(&'/') => out.push_str("&#58;"),
            c => out.push(c),
        }
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_to_the_right() {
        let mut grid = Grid::new(["name", "bytes"]);
        grid.row(["wee", "340"]);
        grid.row(["dlmalloc", "4,759"]);
        assert_eq!(grid.text().to_string(), "name      bytes\nwee         340\ndlmalloc  4,759\n");
        assert_eq!(grid.markdown(), "| name | bytes |\n| --- | --: |\n| wee | 340 |\n| dlmalloc | 4,759 |\n");
    }

    #[test]
    fn a_cell_stays_a_cell() {
        let mut grid = Grid::new(["a|b"]);
        grid.row(["c\nd\u{202e}"]);
        assert_eq!(grid.markdown(), "| a\\|b |\n| --- |\n| c\\\\u{a}d\\\\u{202e} |\n");
        assert_eq!(grid.text().to_string(), "a|b\nc\\u{a}d\\u{202e}\n");
    }

    #[test]
    fn markdown_shows_text_as_it_is() {
        for plain in ["talc-wasm 4.4.3", "≈0.98 ±0.01", "wee_alloc", "all 12", "12 (3–40)", "a: b / c"] {
            assert_eq!(markdown(plain), plain);
        }
        assert_eq!(
            markdown("<img src=x>`c` *e* _e_ [l](http://x) --> \\|"),
            "&lt;img src=x&gt;\\`c\\` \\*e\\* \\_e\\_ \\[l\\](http&#58;//x) --&gt; \\\\\\|"
        );
    }
}
