//! JSON for programs.

use memgrove_text::escape_json;
use serde::Serialize;

/// A piece of a JSON document: data for programs, made by a serialiser only.
#[derive(Clone, Debug)]
pub struct Json(String);

impl Json {
    /// A value over several lines, without a line feed at the end.
    ///
    /// # Errors
    /// What the serialiser says.
    pub fn pretty(value: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self(escape_json(&serde_json::to_string_pretty(value)?).into_owned()))
    }

    /// A value in one line, without a line feed at the end.
    ///
    /// # Errors
    /// What the serialiser says.
    pub fn compact(value: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self(escape_json(&serde_json::to_string(value)?).into_owned()))
    }

    /// What stands around values, written in our source.
    #[must_use]
    pub fn frame(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// This piece and the other behind it.
    #[must_use]
    pub fn then(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// The piece with `blanks` blanks at the beginning of each line.
    #[must_use]
    pub fn indented(&self, blanks: usize) -> Self {
        let lines: Vec<_> = self.0.lines().map(|line| format!("{:blanks$}{line}", "")).collect();
        Self(lines.join("\n"))
    }

    /// The document so far.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
