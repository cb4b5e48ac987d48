//! The ranking as a table for a terminal, then the answer in words.

use std::fmt::Write;

use super::{LEGEND, Word, failures, grower, memory, origin, stopped_by};
use crate::survey::{Origin, Row, Survey};

/// The whole survey as plain text.
pub fn text(survey: &Survey) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_text(survey, &mut out);
    out
}

fn write_text(survey: &Survey, out: &mut String) -> std::fmt::Result {
    let (study, beside): (Vec<&Row>, Vec<&Row>) = survey.rows.iter().partition(|row| row.program.is_study());
    writeln!(out, "The study's program, best first\n")?;
    table(survey, &study, out)?;
    writeln!(out, "\nGame of life behind wasm-bindgen, for comparing sizes\n")?;
    table(survey, &beside, out)?;
    writeln!(out, "\n{LEGEND}")?;

    writeln!(out, "\nAnswer\n")?;
    for sentence in &survey.conclusion.sentences {
        writeln!(out, "  {sentence}")?;
    }

    notes(survey, out)
}

fn table(survey: &Survey, rows: &[&Row], out: &mut String) -> std::fmt::Result {
    let mut lines = vec![heading(survey)];
    lines.extend(rows.iter().enumerate().map(|(index, row)| line(survey, index + 1, row)));
    write_aligned(&lines, out)
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
    fields.extend([left("hosts"), left("origin"), left("stopped by")]);
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
            let runs = module.verdicts.iter().filter(|verdict| verdict.runs()).count();
            fields.push(left(format!("{runs}/{}", module.verdicts.len())));
        }
        None => fields.extend((0..7 + survey.engines.len()).map(|_| left("–"))),
    }
    fields.push(left(origin(row)));
    fields.push(left(row.module.as_ref().and_then(stopped_by).unwrap_or_default()));
    fields
}

fn notes(survey: &Survey, out: &mut String) -> std::fmt::Result {
    let mut notes = Vec::new();
    for engine in &survey.engines {
        notes.push(match (&engine.version, &engine.missing) {
            (Some(version), _) => format!("{} {version}", engine.id),
            (None, why) => format!("{} is missing: {}", engine.id, why.as_deref().unwrap_or("unknown")),
        });
    }
    for toolchain in &survey.toolchains {
        notes.push(match &toolchain.absence {
            None => format!("{}: {}", toolchain.name, toolchain.versions.join(", ")),
            Some(why) => format!("{}: {why}\n    install: {}", toolchain.name, toolchain.install),
        });
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
    writeln!(out, "\nNotes\n")?;
    for note in notes {
        writeln!(out, "  {note}")?;
    }
    Ok(())
}

/// A field of the table and the side it is set to.
struct Field {
    text: String,
    right: bool,
}

fn left(text: impl Into<String>) -> Field {
    Field { text: text.into(), right: false }
}

fn right(text: impl Into<String>) -> Field {
    Field { text: text.into(), right: true }
}

fn write_aligned(lines: &[Vec<Field>], out: &mut String) -> std::fmt::Result {
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
    for line in lines {
        let mut text = String::from("  ");
        for (field, &width) in line.iter().zip(&widths) {
            if field.right {
                write!(text, "{:>width$}  ", field.text)?;
            } else {
                write!(text, "{:<width$}  ", field.text)?;
            }
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_field() {
        let mut out = String::new();
        let lines = [vec![right("#"), left("naïve"), right("n")], vec![right("10"), left("b"), right("7")]];
        write_aligned(&lines, &mut out).unwrap();
        assert_eq!(out, "   #  naïve  n\n  10  b      7\n");
    }
}
