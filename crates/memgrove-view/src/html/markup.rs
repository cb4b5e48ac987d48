//! Markup in which text is always escaped.

use std::fmt::{self, Display, Write};

use crate::Json;

/// A piece of HTML or SVG whose text has been escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self(String::new())
    }

    /// `text` as text, whatever it holds.
    ///
    /// Characters that a page cannot or should not show as they are (controls, line breaks, marks that reverse
    /// the direction of text) are written as `\u{…}`, by the one rule of [`memgrove_text::escape`].
    pub fn text(text: impl AsRef<str>) -> Self {
        let mut escaped = String::new();
        escape(text.as_ref(), &mut escaped);
        Self(escaped)
    }

    /// Markup that is taken as it is. For markup written in our own source, never for data.
    pub fn trusted(markup: impl Into<String>) -> Self {
        Self(markup.into())
    }

    /// Adds `more` at the end.
    pub fn push(&mut self, more: impl Into<Self>) {
        self.0.push_str(&more.into().0);
    }

    /// The parts with `separator`, as text, between them.
    pub fn join(parts: impl IntoIterator<Item = Self>, separator: &str) -> Self {
        let separator = Self::text(separator);
        let mut joined = Self::empty();
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                joined.push(separator.clone());
            }
            joined.push(part);
        }
        joined
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The markup.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Html {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Html {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl<T: Into<Html>> FromIterator<T> for Html {
    fn from_iter<I: IntoIterator<Item = T>>(parts: I) -> Self {
        let mut all = Self::empty();
        all.extend(parts);
        all
    }
}

impl<T: Into<Html>> Extend<T> for Html {
    fn extend<I: IntoIterator<Item = T>>(&mut self, parts: I) {
        for part in parts {
            self.push(part);
        }
    }
}

fn escape(text: &str, out: &mut String) {
    for c in memgrove_text::escape(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

/// An element under construction; becomes [`Html`] with `into()`.
///
/// ```
/// use memgrove_view::html::{Html, element};
/// let link = element("a").attr("href", "#x").child("a < b");
/// assert_eq!(Html::from(link).as_str(), r##"<a href="#x">a &lt; b</a>"##);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Element {
    name: &'static str,
    attributes: String,
    children: Html,
}

/// Begins an element called `name`.
pub fn element(name: &'static str) -> Element {
    Element { name, attributes: String::new(), children: Html::empty() }
}

impl Element {
    /// Adds an attribute; the value is escaped.
    pub fn attr(mut self, name: &'static str, value: impl Display) -> Self {
        self.attributes.push(' ');
        self.attributes.push_str(name);
        self.attributes.push_str("=\"");
        escape(&value.to_string(), &mut self.attributes);
        self.attributes.push('"');
        self
    }

    /// Adds the class attribute; names are separated by spaces.
    pub fn class(self, names: &str) -> Self {
        self.attr("class", names)
    }

    /// Adds content at the end: text (escaped), markup or another element.
    pub fn child(mut self, child: impl Into<Html>) -> Self {
        self.children.push(child);
        self
    }

    /// Adds each of `children` at the end.
    pub fn children<T: Into<Html>>(mut self, children: impl IntoIterator<Item = T>) -> Self {
        self.children.extend(children);
        self
    }
}

impl From<Element> for Html {
    fn from(element: Element) -> Self {
        let Element { name, attributes, children } = element;
        let mut markup = format!("<{name}{attributes}>");
        // HTML's void elements have no end tag; everything else, SVG too, may have one.
        if !matches!(name, "br" | "hr" | "img" | "input" | "meta" | "link" | "wbr" | "col") {
            // Writing to a String cannot fail.
            let _ = write!(markup, "{children}</{name}>");
        }
        Self(markup)
    }
}

/// What a word or a cell means to the reader; the colour never says it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It works.
    Good,
    /// It works under a condition.
    Warn,
    /// It does not work.
    Bad,
    /// Neither.
    Neutral,
}

impl Tone {
    /// The class of the style sheet.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Neutral => "neutral",
        }
    }
}

/// A short word on a coloured ground.
pub fn badge(tone: Tone, text: impl Into<Html>) -> Html {
    element("span").class(&format!("badge {}", tone.class())).child(text).into()
}

/// Values for a script of the page, which finds them by `id` and parses them. Nothing in them can be taken for markup.
#[must_use]
pub fn data(id: &'static str, json: &Json) -> Html {
    // These stand in a document of JSON only inside of strings.
    let text = json.as_str().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    Html(format!("<script type=\"application/json\" id=\"{id}\">{text}</script>"))
}

/// Something that is folded until the reader opens it.
pub fn details(summary: impl Into<Html>, content: impl Into<Html>) -> Html {
    element("details").child(element("summary").child(summary)).child(content).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(Html::text("<b a='\"'>&").as_str(), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
    }

    #[test]
    fn disguises_are_written_out() {
        assert_eq!(
            Html::text("a\u{202e}b\u{0}\u{1b}[31m\n\t").as_str(),
            "a\\u{202e}b\\u{0}\\u{1b}[31m\\u{a}\\u{9}"
        );
        let html: Html = element("p").attr("title", "a\n\u{9b}\u{ffff}").into();
        assert_eq!(html.as_str(), "<p title=\"a\\u{a}\\u{9b}\\u{ffff}\"></p>");
    }

    #[test]
    fn attributes_are_escaped_and_void_elements_have_no_end() {
        let html: Html = element("p").attr("title", "\"><script>").child(element("br")).into();
        assert_eq!(html.as_str(), "<p title=\"&quot;&gt;&lt;script&gt;\"><br></p>");
    }

    #[test]
    fn data_cannot_leave_its_element() {
        let json = Json::compact(&"</script><b>&\u{202e}").expect("it is a string");
        let html = data("x", &json);
        let inside = html.as_str().strip_prefix("<script type=\"application/json\" id=\"x\">");
        let inside = inside.and_then(|rest| rest.strip_suffix("</script>")).expect("one element");
        assert_eq!(inside, r#""\u003c/script\u003e\u003cb\u003e\u0026\u202e""#);
    }

    #[test]
    fn join_separates() {
        assert_eq!(Html::join(["a".into(), "b".into()], " & ").as_str(), "a &amp; b");
    }
}
