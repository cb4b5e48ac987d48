//! What `fix` does to a module: the plan, the verdict on the host it is for, and what verification came to.

use memgrove_inspect::report::{self, Reason as HostReason};
use memgrove_rewrite::{Decision, Item, Plan};
use memgrove_text::{Line, Text, Tone, escape_name, shorten};
use memgrove_verify::{Outcome, Question, Reason, Verdict, Verification};
use serde::Serialize;

use crate::Json;
use crate::words::{LONGEST_NAME, LONGEST_SENTENCE};

/// Version of the JSON.
const SCHEMA: u32 = 2;

/// The inspector's verdict on a module for the target.
#[derive(Debug, Serialize)]
pub struct HostVerdict {
    /// Id of the host profile.
    id: String,
    /// Whether the module runs there.
    outcome: report::Outcome,
    /// Reasons against it.
    reasons: Vec<String>,
    /// Conditions under which it runs.
    conditions: Vec<String>,
}

impl From<report::Verdict> for HostVerdict {
    fn from(verdict: report::Verdict) -> Self {
        let words = |reasons: Vec<HostReason>| reasons.into_iter().map(|reason| reason.text).collect();
        Self {
            id: verdict.host,
            outcome: verdict.outcome,
            reasons: words(verdict.reasons),
            conditions: words(verdict.conditions),
        }
    }
}

impl HostVerdict {
    /// The module does not run there.
    #[must_use]
    pub fn is_no(&self) -> bool {
        self.outcome == report::Outcome::No
    }

    /// The question for people.
    #[must_use]
    pub fn question(&self) -> String {
        format!("inspect for the target host `{}`", escape_name(&self.id))
    }

    /// The answer for people.
    #[must_use]
    pub fn words(&self) -> String {
        match self.outcome {
            report::Outcome::Runs => "runs".to_owned(),
            report::Outcome::RunsIf => format!("runs if {}", self.conditions.join("; and if ")),
            report::Outcome::No => self.reasons.join("; "),
        }
    }
}

/// A module that was fixed, or that a plan was made for.
pub struct Fix<'a> {
    /// The file's name.
    pub name: &'a str,
    /// Bytes of the original.
    pub bytes_before: usize,
    /// What is done to it.
    pub plan: &'a Plan,
    /// What the inspector says of the result on the target host.
    pub host: &'a HostVerdict,
    /// The result; none where it was only planned.
    pub done: Option<Done<'a>>,
}

/// The result of a fix.
pub struct Done<'a> {
    /// Bytes of it.
    pub bytes_after: usize,
    /// What verification came to.
    pub verification: &'a Verification,
    /// Name of the file that it was written to, if it was.
    pub written_to: Option<&'a str>,
}

/// The JSON.
#[derive(Serialize)]
struct Record<'a> {
    schema: u32,
    file: &'a str,
    complete: bool,
    /// Imports that trap when called, because that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traps: Vec<String>,
    bytes_before: usize,
    bytes_after: Option<usize>,
    plan: &'a Plan,
    host: &'a HostVerdict,
    /// What verification came to; none before it.
    verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<&'a Verification>,
    written: bool,
}

impl Fix<'_> {
    /// For programs: one document.
    ///
    /// # Errors
    /// What the serialiser says; there is no value here that it refuses.
    pub fn json(&self) -> serde_json::Result<Json> {
        let done = self.done.as_ref();
        let record = Record {
            schema: SCHEMA,
            file: self.name,
            complete: self.plan.is_complete(),
            traps: self.plan.trapping().map(|item| format!("{}.{}", item.module, item.name)).collect(),
            bytes_before: self.bytes_before,
            bytes_after: done.map(|done| done.bytes_after),
            plan: self.plan,
            host: self.host,
            verdict: done.map(|done| done.verification.verdict),
            verification: done.map(|done| done.verification),
            written: done.is_some_and(|done| done.written_to.is_some()),
        };
        Ok(Json::pretty(&record)?.then(&Json::frame("\n")))
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> Text {
        let mut text = describe(self.name, self.plan);
        text.line(describe_host(self.host));
        if let Some(done) = &self.done {
            text.append(describe_verification(done.verification));
            if let Some(name) = done.written_to {
                text.gap();
                text.line(format!("{} -> {} bytes, written to {name}", self.bytes_before, done.bytes_after));
            }
        }
        text
    }
}

/// The plan for people.
fn describe(name: &str, plan: &Plan) -> Text {
    let mut text = Text::from(Line::new().with(Tone::Heading, escape_name(name)));
    if let Some(words) = describe_dropped(plan) {
        text.line(Line::new().plain("  ").with(Tone::Warn, words));
    }
    if let Some(words) = describe_traps(plan) {
        text.line(Line::new().plain("  ").with(Tone::Bad, words));
    }
    if plan.is_empty() {
        text.line("  nothing to change");
    }
    for item in &plan.imports {
        let known = item.known_as.as_ref().map(|known| format!(" = {known}")).unwrap_or_default();
        let (tone, sign, what, why) = match &item.decision {
            Decision::Inside { stand_in, why, exact: true, .. } => {
                (Tone::Good, "inside", stand_in.as_str(), why)
            }
            Decision::Inside { stand_in, why, exact: false, .. } => {
                (Tone::Warn, "stub  ", stand_in.as_str(), why)
            }
            Decision::Traps { why } => (Tone::Bad, "TRAPS ", "traps when called", why),
            Decision::Stays { why } => (Tone::Bad, "stays ", "stays an import", why),
        };
        let about = format!("{} · {}", shorten(&item.ty, LONGEST_SENTENCE), item.purpose);
        let short = |name| shorten(name, LONGEST_NAME);
        let name = format!(" {}.{}{known} ", short(&item.module), short(&item.name));
        text.line(Line::new().plain("  ").with(tone, sign).plain(name).with(Tone::Soft, about));
        text.line(format!("         {}", shorten(&format!("{what}: {why}"), LONGEST_SENTENCE)));
    }
    for change in &plan.changes {
        let what = format!(
            " {}: {}",
            shorten(&change.subject, LONGEST_NAME),
            shorten(&change.what, LONGEST_SENTENCE)
        );
        text.line(Line::new().plain("  ").with(Tone::Good, "change").plain(what));
        text.line(format!("         {}", shorten(&change.why, LONGEST_SENTENCE)));
    }
    for note in &plan.notes {
        text.line(
            Line::new().plain("  ").with(Tone::Soft, format!("note   {}", shorten(note, LONGEST_SENTENCE))),
        );
    }
    text
}

/// What ends the program when it is called, loudly: it was asked for, and is no stand-in.
fn describe_traps(plan: &Plan) -> Option<String> {
    let names = names(plan.trapping());
    let count = match names.len() {
        0 => return None,
        1 => "1 import TRAPS WHEN CALLED".to_owned(),
        count => format!("{count} imports TRAP WHEN CALLED"),
    };
    Some(shorten(&format!("{count}: {}", names.join(", ")), LONGEST_SENTENCE).into_owned())
}

/// Whose texts are dropped, because that was asked for.
fn describe_dropped(plan: &Plan) -> Option<String> {
    let names = names(plan.imports.iter().filter(|item| item.drops_output));
    (!names.is_empty())
        .then(|| shorten(&format!("output dropped: {}", names.join(", ")), LONGEST_SENTENCE).into_owned())
}

fn names<'p>(items: impl Iterator<Item = &'p Item>) -> Vec<String> {
    let name = |item: &Item| {
        let name = item.known_as.as_ref().unwrap_or(&item.name);
        shorten(&format!("{}.{name}", item.module), LONGEST_NAME).into_owned()
    };
    items.map(name).collect()
}

/// What the inspector says of the result on the host that it is for.
fn describe_host(on_host: &HostVerdict) -> Line {
    let (tone, word) = if on_host.is_no() { (Tone::Bad, "NO     ") } else { (Tone::Good, "yes    ") };
    let answer = format!(" {}: {}", on_host.question(), shorten(&on_host.words(), LONGEST_SENTENCE));
    Line::new().plain("  ").with(tone, word).plain(answer)
}

fn describe_verification(verification: &Verification) -> Text {
    let tone = match verification.verdict {
        Verdict::Verified => Tone::Good,
        Verdict::VerifiedInPart | Verdict::NotVerified => Tone::Warn,
        Verdict::Failed => Tone::Bad,
    };
    let not_run = match not_run(verification) {
        list if list.is_empty() || verification.verdict == Verdict::Failed => String::new(),
        list => shorten(&format!("; not run: {}", list.join("; ")), LONGEST_SENTENCE).into_owned(),
    };
    let mut text = Text::from(Line::new().with(tone, verification.verdict.text()).plain(not_run));
    let mut line = |question: &str, outcome: &Outcome| {
        let (tone, word, detail) = match outcome {
            Outcome::Passed(detail) => (Tone::Good, "yes    ", detail),
            Outcome::NotNeeded(detail) => (Tone::Soft, "-      ", detail),
            Outcome::Skipped(gap) => (Tone::Warn, "not run", &gap.words),
            Outcome::Failed(detail) => (Tone::Bad, "NO     ", detail),
        };
        text.line(
            Line::new()
                .plain("  ")
                .with(tone, word)
                .plain(format!(" {question}: {}", shorten(detail, LONGEST_SENTENCE))),
        );
    };
    line("inspect for a bare engine", &verification.inspected);
    for check in &verification.checks {
        line(&format!("{} on {}", check.question.text(), check.engine), &check.outcome);
    }
    text
}

/// What was not executed or compared, each once: engines mostly share it.
fn not_run(verification: &Verification) -> Vec<&str> {
    let mut list: Vec<&str> = Vec::new();
    let mut told: Vec<(Reason, Option<Question>)> = Vec::new();
    for not_run in &verification.not_run {
        let kind = (not_run.gap.reason, not_run.question);
        let words = not_run.gap.words.as_str();
        if !told.contains(&kind) && !list.contains(&words) {
            list.push(words);
        }
        told.push(kind);
    }
    list
}
