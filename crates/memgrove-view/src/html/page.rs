//! The page: head, style sheet, sections.

use super::markup::{Html, element};

/// One self-contained HTML document.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    lede: Html,
    contents: bool,
    sections: Vec<Section>,
    footer: Html,
    styles: Vec<&'static str>,
    scripts: Vec<&'static str>,
}

#[derive(Clone, Debug)]
struct Section {
    heading: String,
    id: String,
    body: Html,
}

impl Page {
    /// An empty page; `title` is the heading and the name of the tab.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lede: Html::empty(),
            contents: false,
            sections: Vec::new(),
            footer: Html::empty(),
            styles: Vec::new(),
            scripts: Vec::new(),
        }
    }

    /// What stands under the heading: the answer in a sentence or two.
    pub fn lede(&mut self, lede: impl Into<Html>) -> &mut Self {
        self.lede = lede.into();
        self
    }

    /// Begins the page with links to its sections.
    pub fn contents(&mut self) -> &mut Self {
        self.contents = true;
        self
    }

    /// Adds a section. Its id is made of the heading's letters, so that it can be linked to.
    pub fn section(&mut self, heading: impl Into<String>, body: impl Into<Html>) -> &mut Self {
        let heading = heading.into();
        let id = self.unused_id(&heading);
        self.sections.push(Section { heading, id, body: body.into() });
        self
    }

    /// What stands at the end: how the page was made.
    pub fn footer(&mut self, footer: impl Into<Html>) -> &mut Self {
        self.footer = footer.into();
        self
    }

    /// Adds rules to the style sheet: written in our own source.
    pub fn style(&mut self, style: &'static str) -> &mut Self {
        self.styles.push(style);
        self
    }

    /// Adds a script that runs when all of the page is there: written in our own source. What it works on is
    /// [`data`](super::data).
    pub fn script(&mut self, script: &'static str) -> &mut Self {
        self.scripts.push(script);
        self
    }

    /// The id that [`Page::section`] gave the latest section.
    #[must_use]
    pub fn last_section_id(&self) -> Option<&str> {
        self.sections.last().map(|section| section.id.as_str())
    }

    /// The document.
    #[must_use]
    pub fn render(&self) -> String {
        let mut main = Html::empty();
        main.push(element("h1").child(self.title.as_str()));
        if !self.lede.is_empty() {
            main.push(element("div").class("lede").child(self.lede.clone()));
        }
        if self.contents {
            let links = self.sections.iter().map(|section| {
                let link =
                    element("a").attr("href", format!("#{}", section.id)).child(section.heading.as_str());
                element("li").child(link)
            });
            main.push(element("nav").child(element("ul").children(links)));
        }
        for Section { heading, id, body } in &self.sections {
            let heading = element("h2").child(heading.as_str());
            main.push(element("section").attr("id", id).child(heading).child(body.clone()));
        }
        let footer = match self.footer.is_empty() {
            true => Html::empty(),
            false => element("footer").child(self.footer.clone()).into(),
        };
        let title = Html::text(&self.title);
        let style = concat!(include_str!("colours.css"), include_str!("style.css"), include_str!("svg.css"));
        let style = style.to_owned() + &self.styles.concat();
        let mut script = String::new();
        let sort = main.as_str().contains("<table class=\"sortable\"").then_some(include_str!("sort.js"));
        for text in sort.iter().chain(&self.scripts) {
            script.push_str("<script>\n");
            script.push_str(text);
            script.push_str("</script>\n");
        }
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
             <style>\n{style}</style>\n</head>\n<body>\n<main>\n{main}\n</main>\n{footer}\n{script}</body>\n</html>\n"
        )
    }

    fn unused_id(&self, heading: &str) -> String {
        let mut id: String = heading
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        id.truncate(60);
        let base = id.trim_matches('-').to_owned();
        let base = if base.is_empty() { "section".to_owned() } else { base };
        let taken = |id: &str| self.sections.iter().any(|section| section.id == id);
        if !taken(&base) {
            return base;
        }
        // Ids before this one are all different, so one more than their number is enough to try.
        (2..).map(|n| format!("{base}-{n}")).find(|id| !taken(id)).unwrap_or(base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_nothing_from_elsewhere() {
        let mut page = Page::new("T & U");
        page.section("One", "text");
        let html = page.render();
        assert!(html.contains("<title>T &amp; U</title>"), "{html}");
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(!html.contains("<script"), "a page without a sortable table has no script");
    }

    #[test]
    fn sections_have_ids_of_their_own() {
        let mut page = Page::new("t");
        page.contents();
        page.section("Where it runs", "a").section("Where it runs", "b").section("…", "c");
        let html = page.render();
        for id in
            ["id=\"where-it-runs\"", "id=\"where-it-runs-2\"", "id=\"section\"", "href=\"#where-it-runs-2\""]
        {
            assert!(html.contains(id), "{id} in {html}");
        }
    }
}
