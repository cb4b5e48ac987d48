//! The survey as one self-contained HTML file: the answer, the ranking, sizes, where each module runs, and how
//! each was made.

use crate::html::{BarChart, Cell, Column, Html, Page, Table, Tone, badge, details, element};
use memgrove_inspect::report::Outcome;

use super::{LEGEND, Parts, Word, failures, grower, hosts, memory, origin, parts, stopped_by};
use memgrove_results::survey::{Module, Origin, Row, Survey};

/// The report. Everything in it comes from the survey; nothing is taken from the network when it is opened.
pub fn html(survey: &Survey) -> String {
    let Parts { study, by_hand, beside } = parts(survey);
    let mut page = Page::new("Which toolchain makes the most portable WebAssembly module?");
    let [first, rest @ ..] = survey.conclusion.sentences.as_slice() else {
        return page.render();
    };
    page.lede(element("p").child(first.as_str())).contents();
    page.section("Answer", Html::from_iter([smallest_of_each(&study), list(rest)]));
    page.section("Ranking", ranking(survey, &study));
    if !by_hand.is_empty() {
        page.section("Reconstructions", reconstructions(survey, &by_hand));
    }
    page.section("Size", sizes(&study, "the study's program"));
    page.section("Where they run", verdicts(&study));
    page.section("What stopped them", stoppers(survey));
    if !beside.is_empty() {
        page.section("A module behind wasm-bindgen", companion(survey, &beside));
    }
    page.section("How each was made", recipes(survey));
    page.section("This machine", machine(survey));
    page.footer(Html::text(format!(
        "Made by memgrove {}. Every result in the engines' columns was run; the answer is computed from the rows.",
        survey.memgrove
    )));
    page.render()
}

/// The answer in one look: what each toolchain's smallest module takes, and whether it needs a host.
fn smallest_of_each(rows: &[&Row]) -> Html {
    let mut chart = BarChart::new("The smallest module of each toolchain", "bytes")
        .series(["runs with nothing", "needs the host it is made for"]);
    let mut seen = Vec::new();
    // Best first, so the first of a toolchain is its best.
    for row in rows {
        let Some(bytes) = row.shipped_bytes().filter(|_| !seen.contains(&row.title())) else { continue };
        seen.push(row.title());
        #[expect(clippy::cast_precision_loss, reason = "sizes of modules stay far below 2^53 bytes")]
        let bytes = Some(bytes as f64);
        let values = if row.runs_with_nothing() { [bytes, None] } else { [None, bytes] };
        chart = chart.row(format!("{} ({}, {})", row.title(), row.program.title(), row.allocator), values);
    }
    chart.only_measured().into()
}

fn reconstructions(survey: &Survey, rows: &[&Row]) -> Html {
    let note = element("p").child(
        "Written by hand with the import list of a compiler that is gone, to show what its modules needed. No toolchain makes \
         them today, so they are not ranked with the others.",
    );
    Html::from_iter([note.into(), ranking(survey, rows)])
}

fn list(items: &[String]) -> Html {
    element("ul").children(items.iter().map(|item| element("li").child(item.as_str()))).into()
}

fn ranking(survey: &Survey, rows: &[&Row]) -> Html {
    let mut columns = vec![
        Column::number("#"),
        Column::text("program"),
        Column::text("toolchain"),
        Column::text("allocator"),
    ];
    // What decides comes first: on a narrow screen the rest is reached by scrolling.
    columns.extend(survey.engines.iter().map(|engine| Column::text(engine.id)));
    columns.extend([Column::number("imports"), Column::number("bytes"), Column::number("wasm-opt")]);
    columns.extend(hosts::HEADINGS.map(Column::number));
    columns.push(Column::text("pages"));
    let mut table = Table::new(columns).sortable().wide();
    for (index, row) in rows.iter().enumerate() {
        let mut cells = vec![
            count(index + 1),
            Cell::from(row.program.title()),
            Cell::from(row.title()),
            Cell::from(row.allocator.as_str()),
        ];
        match &row.module {
            Some(module) => {
                cells.extend(module.trials.iter().map(|trial| Cell::from(word(Word::of(trial)))));
                cells.extend([
                    count(module.facts.imports.len()),
                    bytes(Some(module.size_bytes)),
                    bytes(module.optimised_bytes),
                ]);
                cells.extend(hosts::counts(module).map(count));
                cells.push(Cell::from(memory(module)));
            }
            None => cells.extend((0..7 + survey.engines.len()).map(|_| Cell::from("–"))),
        }
        table.row(cells);
    }
    let legend = element("p").class("note").child(format!("{LEGEND} {}", hosts::legend(survey)));
    Html::from_iter([Html::from(table), legend.into()])
}

fn count(number: usize) -> Cell {
    #[expect(clippy::cast_precision_loss, reason = "counts of imports and rows are small")]
    Cell::number(number as f64, number.to_string())
}

fn bytes(bytes: Option<u64>) -> Cell {
    match bytes {
        #[expect(clippy::cast_precision_loss, reason = "sizes of modules stay far below 2^53 bytes")]
        Some(bytes) => Cell::number(bytes as f64, grouped(bytes)),
        None => Cell::from("–"),
    }
}

/// 12345 as "12 345". The style keeps figures on one line; a space that does not break would be shown as an escape.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn word(word: Word) -> Html {
    let tone = match word {
        Word::Alone => Tone::Good,
        Word::Hosted => Tone::Warn,
        Word::Fails => Tone::Bad,
        Word::Untried => Tone::Neutral,
    };
    badge(tone, word.text())
}

fn sizes(rows: &[&Row], what: &str) -> Html {
    let mut chart = BarChart::new(format!("Size of {what}"), "bytes").series(["as built", "after wasm-opt"]);
    let mut by_size: Vec<&&Row> = rows.iter().filter(|row| row.module.is_some()).collect();
    by_size.sort_by_key(|row| row.shipped_bytes());
    for row in by_size {
        let Some(module) = &row.module else { continue };
        #[expect(clippy::cast_precision_loss, reason = "sizes of modules stay far below 2^53 bytes")]
        let values = [Some(module.size_bytes as f64), module.optimised_bytes.map(|bytes| bytes as f64)];
        chart = chart.row(label(row), values);
    }
    let mut optimisers: Vec<&str> =
        rows.iter().filter_map(|row| row.module.as_ref()?.optimiser.as_deref()).collect();
    optimisers.sort_unstable();
    optimisers.dedup();
    let note = match optimisers.as_slice() {
        [] => "wasm-opt was not there.".to_owned(),
        how => format!("After {}.", how.join("; ")),
    };
    Html::from_iter([Html::from(chart), element("p").class("note").child(note).into()])
}

fn label(row: &Row) -> String {
    format!("{}: {}, {}", row.program.title(), row.title(), row.allocator)
}

fn verdicts(rows: &[&Row]) -> Html {
    let Some(first) = rows.iter().find_map(|row| row.module.as_ref()) else { return Html::empty() };
    let mut columns = vec![Column::text("module")];
    columns.extend(first.verdicts.iter().map(|verdict| Column::text(verdict.title.as_str())));
    let mut table = Table::new(columns).wide();
    for row in rows {
        let Some(module) = &row.module else { continue };
        let mut cells = vec![Cell::from(label(row))];
        cells.extend(module.verdicts.iter().map(|verdict| {
            let (tone, text) = match verdict.outcome {
                Outcome::Runs => (Tone::Good, "runs"),
                Outcome::RunsIf => (Tone::Warn, "if"),
                Outcome::No => (Tone::Bad, "no"),
            };
            Cell::from(element("span").attr("title", verdict.reasons.join("; ")).child(badge(tone, text)))
        }));
        table.row(cells);
    }
    let note = element("p")
        .class("note")
        .child("The verdict for each host, from the bytes alone: runs, runs if a condition is met, no; the reasons are under “How each was made”.");
    Html::from_iter([Html::from(table), note.into()])
}

fn stoppers(survey: &Survey) -> Html {
    if survey.conclusion.stopped_by.is_empty() {
        return element("p").child("Nothing was stopped by a missing import.").into();
    }
    let mut table =
        Table::new([Column::code("first missing import"), Column::number("modules"), Column::text("which")]);
    for stopper in &survey.conclusion.stopped_by {
        table.row([
            Cell::from(stopper.import.as_str()),
            count(stopper.rows.len()),
            Cell::from(stopper.rows.join(", ")),
        ]);
    }
    table.into()
}

fn companion(survey: &Survey, rows: &[&Row]) -> Html {
    let note = element("p").child(
        "Conway's game of life as a library behind wasm-bindgen, the same sources with each allocator: what an \
         allocator costs in a small module as people ship them.",
    );
    let short: Html = sizes(rows, "the game of life");
    Html::from_iter([note.into(), short, ranking(survey, rows)])
}

fn recipes(survey: &Survey) -> Html {
    survey.rows.iter().map(recipe).collect()
}

fn recipe(row: &Row) -> Html {
    let mut body = Html::empty();
    let (tools, commands): (&[String], &[String]) = match &row.origin {
        Origin::Built { tools, commands } | Origin::Prebuilt { tools, commands, .. } => (tools, commands),
        Origin::None { .. } => (&[], &[]),
    };
    match &row.origin {
        Origin::Prebuilt { because: Some(because), .. } => {
            body.push(
                element("p").child(format!("Not built here, the prebuilt module stands in: {because}")),
            );
        }
        Origin::None { because } => body.push(element("p").child(because.as_str())),
        _ => {}
    }
    if row.handmade {
        body.push(element("p").child("Written by hand with the import list of a compiler that is gone."));
    }
    let mut facts = element("dl").class("facts");
    for (term, content) in [
        ("origin", Html::text(origin(row))),
        ("made with", Html::text(tools.join("; "))),
        ("made for", Html::text(row.made_for.title())),
        ("commands", Html::from(element("pre").child(commands.join("\n")))),
    ] {
        facts = facts.child(element("dt").child(term)).child(element("dd").child(content));
    }
    if let Some(module) = &row.module {
        for (term, content) in module_facts(module) {
            facts = facts.child(element("dt").child(term)).child(element("dd").child(content));
        }
    }
    body.push(facts);
    details(label(row), body)
}

fn module_facts(module: &Module) -> Vec<(&'static str, Html)> {
    let code = |items: &[String]| match items {
        [] => Html::text("none"),
        items => Html::from(element("pre").child(items.join("\n"))),
    };
    let reasons = module
        .verdicts
        .iter()
        .filter(|verdict| !verdict.reasons.is_empty())
        .map(|verdict| element("li").child(format!("{}: {}", verdict.title, verdict.reasons.join("; "))));
    let mut facts = vec![
        ("imports", code(&module.facts.imports)),
        ("exports", code(&module.facts.exports)),
        ("memory grown by", Html::text(grower(module))),
        ("allocator seen", Html::text(module.facts.allocator.as_deref().unwrap_or("unknown"))),
        ("why not elsewhere", element("ul").children(reasons).into()),
    ];
    if let Some(import) = stopped_by(module) {
        facts.push(("stopped by", Html::from(element("code").child(import))));
    }
    let failures = failures(module);
    if !failures.is_empty() {
        facts.push(("failures", list(&failures)));
    }
    facts
}

fn machine(survey: &Survey) -> Html {
    let mut table = Table::new([Column::text("engine or toolchain"), Column::text("state")]);
    for engine in &survey.engines {
        let state = match (&engine.version, &engine.missing) {
            (Some(version), _) => Cell::from(version.as_str()),
            (None, why) => Cell::from(why.as_deref().unwrap_or("missing")).tone(Tone::Warn),
        };
        table.row([Cell::from(engine.id), state]);
    }
    for toolchain in &survey.toolchains {
        let state = match &toolchain.absence {
            None => Cell::from(toolchain.versions.join(", ")),
            Some(why) => Cell::from(format!("{why}. Install: {}", toolchain.install)).tone(Tone::Warn),
        };
        table.row([Cell::from(toolchain.name), state]);
    }
    let mut body = Html::from(table);
    if survey.toolchains.is_empty() {
        body.push(element("p").class("note").child(
            "No toolchain was looked for: these are the prebuilt modules. `memgrove survey --build` builds them.",
        ));
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(12_345), "12 345");
        assert_eq!(grouped(123_456), "123 456");
        let shown = Html::from(element("td").child(grouped(12_345)));
        assert_eq!(shown.as_str(), "<td>12 345</td>", "what the report itself writes is not escaped");
    }
}
