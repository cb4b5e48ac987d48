//! One import of a module that is to be fixed, explained.

use memgrove_rewrite::{Decision, Item, StubGroup, forms};
use memgrove_text::{Line, Text, Tone, shorten};

use crate::words::{LONGEST_NAME, LONGEST_SENTENCE};

/// What an import is for, what is known of it, what becomes of it and why, and what can be tried.
#[must_use]
pub fn explain(item: &Item) -> Text {
    let short = |text: &str| shorten(text, LONGEST_NAME).into_owned();
    let mut text =
        Text::from(Line::new().with(Tone::Heading, format!("{}.{}", short(&item.module), short(&item.name))));
    let mut row = |title: &str, words: &str| {
        text.line(Line::new().plain(format!("  {title:<9} ")).plain(shorten(words, LONGEST_SENTENCE)));
    };
    row("type", &item.ty);
    row("purpose", item.purpose.title());
    if let Some(known) = &item.known_as {
        row("known as", known);
    }
    let (module, name) = match &item.known_as {
        Some(known) => ("env", known.as_str()),
        None => (item.module.as_str(), item.name.as_str()),
    };
    let known = forms(module, name);
    if known.is_empty() {
        row("contract", "none that is known by this name in this module");
    }
    for form in &known {
        let how = match form.stub {
            Some(group) => format!(" (--stub {})", group.name()),
            None => String::new(),
        };
        row("contract", &format!("{}: {}: {}{how}", form.types.join(" | "), form.stand_in, form.why));
    }
    let (decision, why) = match &item.decision {
        Decision::Inside { stand_in, why, .. } => (format!("inside: {stand_in}"), why),
        Decision::Traps { why } => ("traps when called".to_owned(), why),
        Decision::Stays { why } => ("stays an import".to_owned(), why),
    };
    row("decision", &decision);
    row("why", why);
    for advice in advice(item) {
        row("try", &advice);
    }
    text
}

/// What a user can do about an import that stays, the likeliest first.
fn advice(item: &Item) -> Vec<String> {
    let Decision::Stays { why } = &item.decision else { return Vec::new() };
    let mut advice = Vec::new();
    if let Some(group) =
        StubGroup::ALL.iter().find(|group| why.contains(&format!("--stub {} ", group.name())))
    {
        advice.push(format!("--stub {}: {}", group.name(), group.about()));
    }
    if why.contains("minified") {
        advice.push(
            "--glue app.js: the JavaScript that was built with the module says what its names are".to_owned(),
        );
    }
    if why.contains("--allocator") {
        advice.push("--allocator wee".to_owned());
    }
    if item.ty.starts_with("func") {
        advice.push(format!(
            "--trap {}.{}: if it is never called, or its call may end the program",
            item.module, item.name
        ));
    }
    advice.push("--host PROFILE: for a host that provides it".to_owned());
    advice
}
