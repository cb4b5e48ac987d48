//! A table of words, for a terminal or for Markdown.

/// Headings and rows; the first column is words, the others are figures.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub(super) fn new(headings: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { headings: headings.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn headings(&self) -> &[String] {
        &self.headings
    }

    pub(super) fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// Columns padded to their widest cell: the first to the left, the others to the right.
    pub(super) fn text(&self) -> String {
        let width = |column: usize| {
            let cells = std::iter::once(&self.headings).chain(&self.rows).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.headings.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        std::iter::once(&self.headings).chain(&self.rows).map(line).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn markdown(&self) -> String {
        let escape = |cell: &String| cell.replace('|', "\\|").replace(['\r', '\n'], " ");
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut out = line(self.headings.iter().map(escape).collect());
        let rule = (0..self.headings.len()).map(|column| if column == 0 { "---" } else { "--:" }.to_owned());
        out += &line(rule.collect());
        for row in &self.rows {
            out += &line(row.iter().map(escape).collect());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_to_the_right() {
        let mut grid = Grid::new(["name", "bytes"]);
        grid.row(["wee", "340"]);
        grid.row(["dlmalloc", "4,759"]);
        assert_eq!(grid.text(), "name      bytes\nwee         340\ndlmalloc  4,759");
        assert_eq!(grid.markdown(), "| name | bytes |\n| --- | --: |\n| wee | 340 |\n| dlmalloc | 4,759 |\n");
    }

    #[test]
    fn a_bar_in_a_cell_does_not_split_it() {
        let mut grid = Grid::new(["a|b"]);
        grid.row(["c\nd"]);
        assert_eq!(grid.markdown(), "| a\\|b |\n| --- |\n| c d |\n");
    }
}
