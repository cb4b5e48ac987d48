//! Which allocator serves a recorded program best.

use memgrove_results::advice::{Advice, Candidate, Present, Taken, UNHARDENED, Verdict};
use memgrove_results::guest::Role;
use memgrove_text::{Line, Text, Tone, escape_name};
use serde::Serialize;

use crate::layout::Lines;
use crate::words::grouped;
use crate::{Json, bytes, column, count};

/// Version of the JSON.
const SCHEMA: u32 = 1;

/// Columns of the table behind the allocator's name.
const HEADS: [&str; 5] = ["peak", "again", "fixed", "instr/call", "code"];

/// The place of the allocator's work among them.
const WORK: usize = 3;

/// What `memgrove advise` says.
pub struct Advised<'a> {
    /// The recording's name.
    pub name: &'a str,
    /// What was measured.
    pub advice: &'a Advice,
    /// The allocator that made the recording, as far as it is known.
    pub present: Option<&'a Present>,
    /// Calls that the program made, if the recording does not have all.
    pub cut_from: Option<u64>,
    /// Whether `memgrove swap` can do it; `None` if no module was given, or there is nothing to do.
    pub swap: Option<&'a SwapAdvice>,
}

/// What `memgrove swap` would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "can", rename_all = "kebab-case")]
pub enum SwapAdvice {
    /// It takes the module.
    Swap {
        /// The allocator's id among the candidates.
        allocator: String,
        /// What to type.
        command: String,
    },
    /// It refuses it.
    Refused {
        /// Why.
        reason: String,
    },
    /// None of the allocators that it can put in is better than the present one.
    NoneBetter,
}

#[derive(Serialize)]
struct Record<'a> {
    schema: u32,
    file: &'a str,
    verdict: Verdict,
    present: Option<&'a Present>,
    cut_from_calls: Option<u64>,
    swap: Option<&'a SwapAdvice>,
    #[serde(flatten)]
    advice: &'a Advice,
}

impl Advised<'_> {
    /// For people.
    #[must_use]
    pub fn text(&self) -> Text {
        let advice = self.advice;
        let mut lines = Lines::default();
        let title = format!(
            ": {}, at most {} live at once",
            count(advice.calls, "call"),
            bytes(advice.peak_live_bytes)
        );
        lines.line(Line::new().with(Tone::Heading, escape_name(self.name)).plain(title));
        if let Some(calls) = self.cut_from {
            let words = format!(
                "its log ends before the program did: these are {} of {}, and what follows may need more",
                grouped(advice.calls),
                count(calls, "event")
            );
            lines.field("cut", Tone::Warn, &words);
        }
        match advice.verdict(self.present) {
            Verdict::Nothing => lines.field("advice", Tone::Bad, "none: no allocator got through"),
            Verdict::Keep { reason } => lines.field("advice", Tone::Good, &format!("keep: {reason}")),
            Verdict::Take { allocator, reason } => {
                lines.field("advice", Tone::Good, &format!("{allocator}: {reason}"));
            }
        }
        if let Some(present) = self.present {
            let recorded = present.recorded_pages.map(|pages| {
                format!("its blocks lay within {} when this was recorded", count(pages, "page"))
            });
            let words: Vec<String> = present.name.iter().cloned().chain(recorded).collect();
            lines.field("present", Tone::Plain, &words.join("; "));
        }
        match self.swap {
            Some(SwapAdvice::Swap { allocator, command }) => {
                lines.field("to do", Tone::Plain, command);
                lines.field("", Tone::Soft, &format!("puts {allocator} in, without a rebuild"));
            }
            Some(SwapAdvice::Refused { reason }) => {
                lines.field("swap", Tone::Warn, &format!("not in this module: {reason}"));
            }
            Some(SwapAdvice::NoneBetter) => {
                lines.field("swap", Tone::Plain, "none of the allocators that swap can put in is better");
            }
            None => {}
        }
        self.traps(&mut lines);
        self.table(&mut lines);
        lines.into_text()
    }

    /// What it would cost that misuse of the heap traps.
    fn traps(&self, lines: &mut Lines) {
        let calls = self.advice.calls.max(1);
        let unit = self.advice.price.as_ref().map_or("instructions", |price| &price.unit);
        let of = |taken: &Taken| {
            format!("{} and {} {unit} a call", count(taken.peak_pages, "page"), grouped(taken.work() / calls))
        };
        for (hardened, taken) in self.advice.hardened() {
            let plain = self.advice.candidates.iter().find(|one| one.allocator == UNHARDENED);
            let plain =
                plain.filter(|plain| plain.failure.is_none()).and_then(|plain| plain.figures.as_ref());
            let compared = plain
                .map_or_else(String::new, |plain| format!("; {UNHARDENED} without traps: {}", of(plain)));
            let words = format!(
                "{}: {}{compared}. A double free, a wrong free and an overflow then trap",
                hardened.allocator,
                of(taken)
            );
            lines.field("traps", Tone::Plain, &words);
        }
    }

    fn table(&self, lines: &mut Lines) {
        let ranked = self.advice.ranked();
        let failed = self.advice.candidates.iter().filter(|candidate| candidate.failure.is_some());
        let failed: Vec<&Candidate> = failed.collect();
        let names = ranked.iter().chain(&failed).map(|candidate| candidate.allocator.chars().count());
        let wide = names.max().unwrap_or(0).max("allocator".len());
        let price = self.advice.price.as_ref();
        // Chains charge a million units for an instruction.
        let cell_wide = if price.is_some() { 14 } else { 10 };
        let mut heads = HEADS.map(str::to_owned);
        if let Some(price) = price {
            heads[WORK] = format!("{}/call", price.unit);
        }
        let row = |name: &str, cells: &[String; 5]| {
            let cells: String = cells.iter().map(|cell| format!(" {cell:>cell_wide$}")).collect();
            format!("  {}{cells}", column(name, wide))
        };
        lines.gap();
        lines.line(Line::new().with(Tone::Soft, row("allocator", &heads)));
        let calls = self.advice.calls.max(1);
        for candidate in &ranked {
            let Some(taken) = candidate.figures else { continue };
            let or_not = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), grouped);
            let cells = [
                grouped(taken.peak_pages),
                or_not(taken.repeated_pages.map(|[_, last]| last)),
                or_not(taken.fixed_pages),
                grouped(taken.work() / calls),
                or_not(candidate.code_bytes()),
            ];
            lines.line(Line::new().plain(row(&candidate.allocator, &cells)));
        }
        for candidate in failed.iter().filter(|candidate| candidate.role != Role::Floor) {
            let Some(failure) = &candidate.failure else { continue };
            lines.text(2, 2, Tone::Warn, &format!("{} {failure}", candidate.allocator));
        }
        lines.gap();
        let again = match self.advice.final_live_blocks {
            0 => "again: after the same calls three times".to_owned(),
            left => format!("again: not asked, as {} at the end", count_left(left)),
        };
        let work = match price {
            Some(price) if price.without.is_empty() => {
                format!("{}/call: what the allocator's own instructions cost on {}", price.unit, price.host)
            }
            Some(price) => format!(
                "{}/call: what the allocator's own instructions cost on {}, without {}",
                price.unit, price.host, price.without
            ),
            None => format!("instr/call: the allocator's own, by {}'s count", self.advice.engine),
        };
        let legend = format!(
            "Pages of 64 KiB, of the heap alone. peak: what it grows to, so the initial memory that spares all growth; \
             {again}; fixed: the smallest heap that cannot grow and holds all calls. {work}; code: bytes in a release \
             build."
        );
        lines.text(0, 0, Tone::Soft, &legend);
    }

    /// For programs: one document.
    ///
    /// # Errors
    /// What the serialiser says; there is no value here that it refuses.
    pub fn json(&self) -> serde_json::Result<Json> {
        Json::pretty(&Record {
            schema: SCHEMA,
            file: self.name,
            verdict: self.advice.verdict(self.present),
            present: self.present,
            cut_from_calls: self.cut_from,
            swap: self.swap,
            advice: self.advice,
        })
    }
}

/// `1 block is left`, `2 blocks are left`.
fn count_left(blocks: u64) -> String {
    format!("{} {} left", count(blocks, "block"), if blocks == 1 { "is" } else { "are" })
}
