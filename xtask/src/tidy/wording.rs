//! Plain English where users read: words of `xtask/wording.toml` are found in documents, help texts and messages.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The list.
const LIST: &str = "xtask/wording.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wording {
    avoid: Vec<Avoid>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Avoid {
    words: String,
    instead: String,
    #[serde(default)]
    unless_after: Vec<String>,
    #[serde(default)]
    unless_before: Vec<String>,
}

/// Crates whose messages users read. Not `memgrove-rewrite`: its plans are compared by digest with what they were, so
/// another word there goes with `BLESS=1` (CONTRIBUTING.md).
const CRATES: &[&str] = &[
    "cli", "api", "view", "inspect", "verify", "results", "lab", "open", "profile", "symbols", "text", "js",
];

/// Where a text stands in a file.
enum Kind {
    /// Prose, with code between back quotes.
    Document,
    /// JSON Schema: descriptions only.
    Schema,
    /// Rust: string literals, and the comments that clap makes help of.
    Source { is_help: bool },
}

impl Wording {
    pub fn read(root: &Path) -> Result<Self> {
        toml::from_str(&std::fs::read_to_string(root.join(LIST)).context(LIST)?).context(LIST)
    }

    /// Where a file that users read has words of the list.
    pub fn faults(&self, file: &str, text: &str) -> Vec<String> {
        let Some(kind) = kind(file) else { return Vec::new() };
        let mut faults = Vec::new();
        let mut is_test = false;
        for (number, line) in text.lines().enumerate() {
            // Tests stand at the end of a file.
            is_test |= matches!(kind, Kind::Source { .. }) && line.trim() == "#[cfg(test)]";
            if is_test {
                break;
            }
            let shown = kind.shown(line).to_lowercase();
            for avoid in self.avoid.iter().filter(|avoid| avoid.is_in(&shown)) {
                let (words, instead) = (&avoid.words, &avoid.instead);
                faults.push(format!("{file}:{}: \"{words}\" is not plain English: {instead}", number + 1));
            }
        }
        faults
    }
}

impl Avoid {
    /// Whether the words stand in a line, as whole words.
    fn is_in(&self, line: &str) -> bool {
        let letter = |at: Option<char>| at.is_some_and(|at| at.is_alphanumeric() || at == '-' || at == '_');
        line.match_indices(self.words.as_str()).any(|(at, words)| {
            let (before, after) = (&line[..at], &line[at + words.len()..]);
            let excused = self.unless_after.iter().any(|word| before.trim_end().ends_with(word.as_str()))
                || self.unless_before.iter().any(|word| after.trim_start().starts_with(word.as_str()));
            // Where the words begin or end with a sign, what stands next to it does not matter.
            let joins = words.starts_with(char::is_alphanumeric) && letter(before.chars().next_back())
                || words.ends_with(char::is_alphanumeric) && letter(after.chars().next());
            !excused && !joins
        })
    }
}

/// What of a file users read; `None` where they do not.
fn kind(file: &str) -> Option<Kind> {
    let crates = |name: &&&str| file.starts_with(&format!("crates/memgrove-{name}/src/"));
    if file.ends_with(".rs") && CRATES.iter().any(|name| crates(&name)) {
        return Some(Kind::Source { is_help: file.starts_with("crates/memgrove-cli/src/commands/") });
    }
    if file.starts_with("docs/schema/") && file.ends_with(".json") {
        return Some(Kind::Schema);
    }
    // For us, or measured and rendered.
    let ours = ["CONTRIBUTING.md", "ARCHITECTURE.md"].contains(&file);
    let for_users = file.ends_with(".md") && !file.starts_with("crates/memgrove-donor/")
        || ["docs/man/", "knowledge/hosts/", "page/index.html", "action.yml"]
            .iter()
            .any(|start| file.starts_with(start))
        || file.starts_with("tests/cli/") && file.ends_with(".txt");
    (for_users && !ours).then_some(Kind::Document)
}

impl Kind {
    /// The part of a line that is read.
    fn shown(&self, line: &str) -> String {
        match self {
            // A command that a session types is not a sentence.
            Self::Document if line.starts_with("$ ") => String::new(),
            Self::Document => outside(line, '`'),
            Self::Schema => line.split_once("\"description\":").map_or("", |(_, rest)| rest).to_owned(),
            Self::Source { is_help } => {
                let code = line.trim_start();
                match code.strip_prefix("///") {
                    Some(help) if *is_help && line.starts_with("    ///") => outside(help, '`'),
                    _ if code.starts_with("//") => String::new(),
                    // The rest of a literal that goes over several lines has no quotes of its own.
                    _ if !code.contains('"') && code.ends_with('\\') => code.to_owned(),
                    _ => outside(&inside(code), '`'),
                }
            }
        }
    }
}

/// The text without what stands between two of these. One without a second stands for itself.
fn outside(text: &str, quote: char) -> String {
    let parts: Vec<&str> = text.split(quote).collect();
    let whole = parts.len() % 2 == 1;
    let kept = parts.iter().enumerate().filter(|(index, _)| !whole || index % 2 == 0);
    // An empty pair is no code: it is a name that is missing.
    let mut shown: String = kept.map(|(_, part)| *part).collect::<Vec<_>>().join(" ");
    if text.contains("``") && !text.contains("```") {
        shown.push_str(text);
    }
    shown
}

/// String literals of a line of code.
fn inside(code: &str) -> String {
    code.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wording() -> Wording {
        toml::from_str(
            "[[avoid]]\nwords = \"is no\"\nunless_after = [\"there\"]\nunless_before = [\"longer\"]\ninstead = \"is not a\"\n\
             [[avoid]]\nwords = \"anew\"\ninstead = \"again\"\n\
             [[avoid]]\nwords = \"or ``\"\ninstead = \"no empty one\"\n",
        )
        .unwrap()
    }

    fn found(file: &str, text: &str) -> usize {
        wording().faults(file, text).len()
    }

    #[test]
    fn words_are_found_where_users_read() {
        assert_eq!(found("README.md", "it is no file, made anew"), 2);
        assert_eq!(found("tests/cli/errors.txt", "error: x is no file"), 1);
        assert_eq!(found("docs/schema/x.schema.json", "  \"a\": { \"description\": \"Made anew.\" }"), 1);
        assert_eq!(found("crates/memgrove-cli/src/commands/fix.rs", "    /// Write it anew"), 1);
        assert_eq!(found("crates/memgrove-view/src/fix.rs", "        line(\"made anew\");"), 1);
        assert_eq!(found("README.md", "`_start` or ``"), 1);
    }

    #[test]
    fn plain_words_code_and_our_own_notes_are_left_alone() {
        for (file, text) in [
            ("README.md", "there is no file; it is no longer, and is not anewt"),
            ("README.md", "the value `anew` and `is no`"),
            ("docs/schema/x.schema.json", "  \"enum\": [\"anew\"]"),
            ("crates/memgrove-view/src/fix.rs", "    // made anew\n    /// made anew"),
            ("crates/memgrove-view/src/fix.rs", "#[cfg(test)]\nmod tests { const X: &str = \"anew\"; }"),
            ("crates/memgrove-rewrite/src/plan.rs", "\"anew\""),
            ("CONTRIBUTING.md", "made anew"),
            ("xtask/src/tidy.rs", "\"anew\""),
        ] {
            assert_eq!(found(file, text), 0, "{file}: {text}");
        }
    }

    #[test]
    fn the_list_is_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert!(Wording::read(&root).unwrap().avoid.len() > 20);
    }
}
