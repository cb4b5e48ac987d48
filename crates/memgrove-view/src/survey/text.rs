//! The ranking as a table for a terminal, then the answer in words.

use memgrove_text::{Text, escape};

use super::{LEGEND, Parts, Word, failures, grower, hosts, memory, origin, parts, stopped_by};
use memgrove_results::survey::{Origin, Row, Survey};

/// The whole survey as plain text.
pub fn text(survey: &Survey) -> Text {
    let mut out = Text::new();
    let Parts { study, by_hand, beside } = parts(survey);
    out.line("The study's program, best first");
    out.gap();
    out.append(table(survey, &study));
    out.gap();
    if !by_hand.is_empty() {
        out.line("Reconstructions, written by hand in the place of a compiler that is gone");
        out.gap();
        out.append(table(survey, &by_hand));
        out.gap();
    }
    out.line("Game of life behind wasm-bindgen, for comparing sizes");
    out.gap();
    out.append(table(survey, &beside));
    out.gap();
    out.line(LEGEND);
    out.line(hosts::legend(survey));

    out.gap();
    out.line("Answer");
    out.gap();
    for sentence in &survey.conclusion.sentences {
        out.line(format!("  {sentence}"));
    }

    out.gap();
    out.line("Notes");
    out.gap();
    for note in notes(survey) {
        out.line(format!("  {note}"));
    }
    out
}

fn table(survey: &Survey, rows: &[&Row]) -> Text {
    let mut lines = vec![heading(survey)];
    lines.extend(rows.iter().enumerate().map(|(index, row)| line(survey, index + 1, row)));
    aligned(&lines)
}

fn heading(survey: &Survey) -> Vec<Field> {
    let mut fields = vec![
        right("#"),
        left("program"),
        left("toolchain"),
        left("allocator"),
        right("imports"),
        right("exports"),
        right("bytes"),
        right("wasm-opt"),
        left("pages"),
        left("grown by"),
    ];
    fields.extend(survey.engines.iter().map(|engine| left(engine.id)));
    fields.extend(hosts::HEADINGS.map(right));
    fields.extend([left("origin"), left("stopped by")]);
    fields
}

fn line(survey: &Survey, rank: usize, row: &Row) -> Vec<Field> {
    let mut fields =
        vec![right(rank.to_string()), left(row.program.title()), left(row.title()), left(&row.allocator)];
    match &row.module {
        Some(module) => {
            fields.extend([
                right(module.facts.imports.len().to_string()),
                right(module.facts.exports.len().to_string()),
                right(module.size_bytes.to_string()),
                right(module.optimised_bytes.map_or("–".into(), |bytes| bytes.to_string())),
                left(memory(module)),
                left(grower(module)),
            ]);
            fields.extend(module.trials.iter().map(|trial| left(Word::of(trial).text())));
            fields.extend(hosts::counts(module).map(|number| right(number.to_string())));
        }
        None => fields.extend((0..9 + survey.engines.len()).map(|_| left("–"))),
    }
    fields.push(left(origin(row)));
    fields.push(left(row.module.as_ref().and_then(stopped_by).unwrap_or_default()));
    fields
}

/// What the table does not hold, a line each.
fn notes(survey: &Survey) -> Vec<String> {
    let mut notes = Vec::new();
    for engine in &survey.engines {
        notes.push(match (&engine.version, &engine.missing) {
            (Some(version), _) => format!("{} {version}", engine.id),
            (None, why) => format!("{} is missing: {}", engine.id, why.as_deref().unwrap_or("unknown")),
        });
    }
    for toolchain in &survey.toolchains {
        match &toolchain.absence {
            None => notes.push(format!("{}: {}", toolchain.name, toolchain.versions.join(", "))),
            Some(why) => {
                notes.push(format!("{}: {why}", toolchain.name));
                notes.push(format!("  install: {}", toolchain.install));
            }
        }
    }
    for row in &survey.rows {
        match &row.origin {
            Origin::Prebuilt { because: Some(because), .. } => {
                notes.push(format!("{}: not built here, the prebuilt module stands in: {because}", row.id));
            }
            Origin::None { because } => notes.push(format!("{}: {because}", row.id)),
            _ => {}
        }
        let failures = row.module.iter().flat_map(failures);
        notes.extend(failures.map(|failure| format!("{}: {failure}", row.id)));
    }
    if survey.rows.iter().any(|row| row.handmade) {
        notes.push(
            "Emscripten 2018 (hand-made): that compiler is gone; written by hand with its import list".into(),
        );
    }
    notes
}

/// A field of the table and the side it is set to.
struct Field {
    text: String,
    right: bool,
}

fn left(text: impl Into<String>) -> Field {
    // As wide as it is shown, escapes included.
    Field { text: escape(&text.into()).into_owned(), right: false }
}

fn right(text: impl Into<String>) -> Field {
    Field { right: true, ..left(text) }
}

fn aligned(lines: &[Vec<Field>]) -> Text {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            lines
                .iter()
                .filter_map(|line| line.get(column))
                .map(|f| f.text.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = Text::new();
    for line in lines {
        let fields = line.iter().zip(&widths).map(|(field, &width)| match field.right {
            true => format!("{:>width$}", field.text),
            false => format!("{:<width$}", field.text),
        });
        out.line(format!("  {}", fields.collect::<Vec<_>>().join("  ")).trim_end());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_field() {
        let lines = [vec![right("#"), left("naïve"), right("n")], vec![right("10"), left("b"), right("7")]];
        assert_eq!(aligned(&lines).to_string(), "   #  naïve  n\n  10  b      7\n");
    }
}
