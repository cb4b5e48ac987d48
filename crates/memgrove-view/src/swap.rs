//! What swapping an allocator did, or why it was not done.

use memgrove_rewrite::swap::{Refusal, Swapped, To};
use memgrove_text::{Line, Text, Tone, escape_name};
use memgrove_verify::Outcome;
use memgrove_verify::swap::{Costs, SwapVerification};
use serde::Serialize;

use crate::layout::Lines;
use crate::{Json, bytes, count};

/// Version of the JSON.
const SCHEMA: u32 = 1;

/// A module whose allocator is to be swapped.
#[derive(Clone)]
pub struct Swap<'a> {
    /// The module's name.
    pub name: &'a str,
    /// The new heap.
    pub to: To,
    /// Bytes of the original.
    pub bytes_before: usize,
    /// What was done, or why nothing: none before that is known.
    pub result: Result<&'a Swapped, Option<&'a Refusal>>,
    /// What verification came to, if it was asked.
    pub verification: Option<&'a SwapVerification>,
    /// Bytes of original and result under Brotli, where they were packed.
    pub brotli_bytes: Option<(u64, u64)>,
    /// Bytes of original and result after `wasm-opt`, where that was asked for.
    pub wasm_opt_bytes: Option<(u64, u64)>,
    /// Name of the file that the result was written to, if it was.
    pub written_to: Option<&'a str>,
}

#[derive(Serialize)]
struct Record<'a> {
    schema: u32,
    file: &'a str,
    to: &'static str,
    refused: Option<String>,
    hint: Option<&'static str>,
    bytes_before: usize,
    bytes_after: Option<usize>,
    brotli_bytes_before: Option<u64>,
    brotli_bytes_after: Option<u64>,
    wasm_opt_bytes_before: Option<u64>,
    wasm_opt_bytes_after: Option<u64>,
    replaced: Vec<Replaced>,
    dead_functions: &'a [u32],
    dead_bytes: u64,
    growth: Option<String>,
    notes: &'a [String],
    verification: Option<&'a SwapVerification>,
    written_to: Option<&'a str>,
}

#[derive(Serialize)]
struct Replaced {
    func: u32,
    role: &'static str,
    certain: bool,
}

/// What both heaps cost under the calls by which they were verified.
fn costs_lines(costs: &Costs, lines: &mut Lines) {
    let Costs { before, after, leak_is_gone } = costs;
    lines.field(
        "pages",
        Tone::Plain,
        &format!(
            "{} at the start; {} -> {} under the same calls; {} -> {} after 400 rounds that give all back",
            before.initial_pages,
            before.peak_pages,
            after.peak_pages,
            before.steady_pages,
            after.steady_pages
        ),
    );
    if let (Some(was), Some(is)) = (before.instructions, after.instructions) {
        lines.field(
            "instructions",
            Tone::Plain,
            &format!("{was} -> {is} for the same calls of the allocator"),
        );
    }
    if let (Some(was), Some(is)) = (before.steady_instructions, after.steady_instructions) {
        lines.field("", Tone::Plain, &format!("{was} -> {is} once memory is there: 300 of these rounds"));
    }
    if *leak_is_gone {
        let words = format!(
            "memory lost although every block is given back: {} after 100 rounds, {} after 400",
            count(before.early_pages, "page"),
            before.steady_pages
        );
        lines.field("defect gone", Tone::Good, &words);
    }
    if after.leaks() {
        let words = format!(
            "{} after 100 rounds, {} after 400",
            count(after.early_pages, "page"),
            after.steady_pages
        );
        lines.field("still grows", Tone::Warn, &words);
    }
}

impl Swap<'_> {
    /// For people.
    #[must_use]
    pub fn text(&self) -> Text {
        let mut lines = Lines::default();
        let verdict = match (&self.result, self.verification) {
            (Err(_), _) => "refused",
            (Ok(_), None) => "planned",
            (Ok(_), Some(verification)) => verification.verdict.text(),
        };
        lines.line(
            Line::new()
                .with(Tone::Heading, escape_name(self.name))
                .plain(format!(": the allocator becomes {}: {verdict}", self.to.name())),
        );
        let swapped = match &self.result {
            Ok(swapped) => swapped,
            Err(why) => {
                if let Some(why) = why {
                    lines.field("refused", Tone::Warn, &why.to_string());
                    if let Some(hint) = why.hint() {
                        lines.field("to try", Tone::Plain, hint);
                    }
                }
                return lines.into_text();
            }
        };
        for member in &swapped.replaced {
            let how = if member.is_certain { "" } else { " (by its code; shown by running it)" };
            lines.field(
                "replaced",
                Tone::Plain,
                &format!("function {} is {}{how}", member.func, member.role.name()),
            );
        }
        lines.field(
            "dropped",
            Tone::Plain,
            &format!(
                "{} that only the old allocator called; {} of code in all",
                count(swapped.dead.len() as u64, "function"),
                bytes(swapped.dead_bytes),
            ),
        );
        lines.field("grows", Tone::Plain, &swapped.growth.words());
        let (before, after) = (self.bytes_before as u64, swapped.wasm.len() as u64);
        let sizes = |pair: Option<(u64, u64)>, how: &str| {
            pair.map_or_else(String::new, |(before, after)| {
                format!("; {} -> {} {how}", bytes(before), bytes(after))
            })
        };
        let packed = sizes(self.brotli_bytes, "under Brotli");
        let optimised = sizes(self.wasm_opt_bytes, "after wasm-opt -Oz");
        lines.field(
            "size",
            Tone::Plain,
            &format!("{} -> {}{packed}{optimised}", bytes(before), bytes(after)),
        );
        for note in &swapped.notes {
            lines.field("note", Tone::Plain, note);
        }
        if let Some(verification) = self.verification {
            for check in &verification.checks {
                let (tone, words) = match &check.outcome {
                    Outcome::Passed(words) => (Tone::Good, words.as_str()),
                    Outcome::NotNeeded(words) => (Tone::Plain, words.as_str()),
                    Outcome::Skipped(gap) => (Tone::Warn, gap.words.as_str()),
                    Outcome::Failed(words) => (Tone::Bad, words.as_str()),
                };
                lines.answer(check.engine, tone, &format!("{}: {words}", check.question.text()));
            }
            if let Some(costs) = &verification.costs {
                costs_lines(costs, &mut lines);
            }
            for gap in &verification.not_run {
                lines.field("not run", Tone::Warn, &gap.words);
            }
        }
        if let Some(written_to) = self.written_to {
            lines.field("written to", Tone::Plain, written_to);
        }
        lines.into_text()
    }

    /// For programs: one document.
    ///
    /// # Errors
    /// What the serialiser says; there is no value here that it refuses.
    pub fn json(&self) -> serde_json::Result<Json> {
        let swapped = self.result.as_ref().ok();
        let refusal = self.result.as_ref().err().copied().flatten();
        let replaced = swapped.iter().flat_map(|swapped| &swapped.replaced).map(|member| Replaced {
            func: member.func,
            role: member.role.name(),
            certain: member.is_certain,
        });
        Json::pretty(&Record {
            schema: SCHEMA,
            file: self.name,
            to: self.to.name(),
            refused: refusal.map(ToString::to_string),
            hint: refusal.and_then(Refusal::hint),
            bytes_before: self.bytes_before,
            bytes_after: swapped.map(|swapped| swapped.wasm.len()),
            brotli_bytes_before: self.brotli_bytes.map(|(before, _)| before),
            brotli_bytes_after: self.brotli_bytes.map(|(_, after)| after),
            wasm_opt_bytes_before: self.wasm_opt_bytes.map(|(before, _)| before),
            wasm_opt_bytes_after: self.wasm_opt_bytes.map(|(_, after)| after),
            replaced: replaced.collect(),
            dead_functions: swapped.map_or(&[], |swapped| &swapped.dead),
            dead_bytes: swapped.map_or(0, |swapped| swapped.dead_bytes),
            growth: swapped.map(|swapped| swapped.growth.words()),
            notes: swapped.map_or(&[], |swapped| &swapped.notes),
            verification: self.verification,
            written_to: self.written_to,
        })
    }
}
