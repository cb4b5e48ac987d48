//! Lines and styles as structure, so that no text can bring its own.

use std::fmt;

use crate::escape;

/// What a stretch of text means to the reader. Whoever prints decides how it looks; without styles nothing is
/// lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Text.
    #[default]
    Plain,
    /// A heading.
    Heading,
    /// Of less weight.
    Soft,
    /// It works.
    Good,
    /// It works under a condition.
    Warn,
    /// It does not work.
    Bad,
    /// The word before an error.
    ErrorLabel,
    /// The word before a warning.
    WarningLabel,
    /// The word before a hint.
    HintLabel,
    /// A colour without a meaning, to tell things apart.
    First,
    /// Another one.
    Second,
    /// A third.
    Third,
}

/// Text in one tone, already escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    tone: Tone,
    text: String,
}

impl Span {
    /// Its tone.
    #[must_use]
    pub const fn tone(&self) -> Tone {
        self.tone
    }

    /// Its text, without line breaks and hidden characters.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// One line. Everything pushed into it is escaped.
///
/// ```
/// use memgrove_text::{Line, Tone};
/// let line = Line::new().with(Tone::Good, "yes").plain(": a\nb");
/// assert_eq!(line.to_string(), r"yes: a\u{a}b");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    spans: Vec<Span>,
}

impl Line {
    /// An empty line.
    #[must_use]
    pub const fn new() -> Self {
        Self { spans: Vec::new() }
    }

    /// Adds text in a tone at the end.
    pub fn push(&mut self, tone: Tone, text: impl AsRef<str>) {
        let text = escape(text.as_ref());
        if text.is_empty() {
            return;
        }
        match self.spans.last_mut() {
            Some(last) if last.tone == tone => last.text.push_str(&text),
            _ => self.spans.push(Span { tone, text: text.into_owned() }),
        }
    }

    /// Adds another line's spans at the end.
    pub fn append(&mut self, other: Self) {
        self.spans.extend(other.spans);
    }

    /// The line with text in a tone at its end.
    #[must_use]
    pub fn with(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        self.push(tone, text);
        self
    }

    /// The line with text at its end.
    #[must_use]
    pub fn plain(self, text: impl AsRef<str>) -> Self {
        self.with(Tone::Plain, text)
    }

    /// Its parts, each in one tone.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Whether it holds nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spans.iter().try_for_each(|span| f.write_str(&span.text))
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self::new().plain(text)
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<fmt::Arguments<'_>> for Line {
    fn from(text: fmt::Arguments<'_>) -> Self {
        Self::from(text.to_string())
    }
}

/// Lines one under the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    lines: Vec<Line>,
}

impl Text {
    /// No line.
    #[must_use]
    pub const fn new() -> Self {
        Self { lines: Vec::new() }
    }

    /// Adds a line at the end.
    pub fn line(&mut self, line: impl Into<Line>) {
        self.lines.push(line.into());
    }

    /// Adds an empty line at the end.
    pub fn gap(&mut self) {
        self.lines.push(Line::new());
    }

    /// Adds another text's lines at the end.
    pub fn append(&mut self, other: Self) {
        self.lines.extend(other.lines);
    }

    /// Its lines.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether it has no line.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl<T: Into<Line>> From<T> for Text {
    fn from(line: T) -> Self {
        Self { lines: vec![line.into()] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_pushed_makes_a_line_or_a_style() {
        let mut text = Text::from("name: \n\u{1b}[32myes\r");
        text.line(Line::new().with(Tone::Bad, "no").plain("\u{2028}forged"));
        assert_eq!(text.to_string(), "name: \\u{a}\\u{1b}[32myes\\u{d}\nno\\u{2028}forged\n");
        assert_eq!(text.to_string().lines().count(), text.lines().len());
    }

    #[test]
    fn text_of_one_tone_is_one_span() {
        let line = Line::new().plain("a").plain("").plain("b").with(Tone::Soft, "c");
        let spans: Vec<_> = line.spans().iter().map(|span| (span.tone(), span.text())).collect();
        assert_eq!(spans, [(Tone::Plain, "ab"), (Tone::Soft, "c")]);
    }
}
