//! What was executed, what was not and why, and the verdict that follows from both.

use serde::{Serialize, Serializer};

use super::{Check, Outcome, Question};
use crate::engine::TrapReason;

/// What verification came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// On at least one engine everything was executed and compared, and nothing differed.
    Verified,
    /// What was executed agrees; something could not be executed or compared.
    VerifiedInPart,
    /// Nothing of it could be executed to the end, so nothing is known.
    NotVerified,
    /// Something differed, or does not work.
    Failed,
}

impl Verdict {
    /// In words, as a heading.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::VerifiedInPart => "verified in part",
            Self::NotVerified => "not verified",
            Self::Failed => "failed",
        }
    }
}

/// Why something was not executed, or not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// Imports stay, and what they do only their host knows.
    ImportsStay,
    /// Functions trap when called, as was asked for; what they did in the original is not known.
    TrapsAsAsked,
    /// It can open files, and neither side had one.
    NoFiles,
    /// The engine is not part of this build, or failed.
    EngineAbsent,
    /// The engine lacks a proposal that the original needs too.
    EngineLacksProposal,
    /// The original does not start under the host that is emulated for it.
    OriginalDoesNotStart,
    /// An import has no second implementation to compare its stand-in with.
    NoSecondImplementation,
    /// An import is what it is by its use alone, so that the emulated host repeats the plan's guess.
    NoIndependentWitness,
    /// What is done depends on where the heap's blocks lie, on bytes that nobody wrote, or on what C leaves open.
    DependsOnHeap,
    /// There is no way to call an export without knowing it: it takes references.
    CannotBeCalled,
    /// There are more exports than are called.
    TooManyExports,
    /// There are more stand-ins than are called.
    TooManyImports,
    /// Every call ended in a trap, on both sides.
    NothingReturned,
    /// A call used up the instructions or the stack that it was given.
    OutOfBudget,
    /// Its memory is shared, and one thread was run.
    OneThread,
    /// The memory cannot be read from outside.
    MemoryNotVisible,
    /// No call was found that makes memory grow.
    GrowthNotObserved,
    /// The memory's own maximum leaves no room to grow.
    AtItsMaximum,
    /// The original does not do it under its own host either.
    NeitherDoesTheOriginal,
    /// The inspector objects to more than imports.
    NeedsMoreThanImports,
    /// There is no such host profile.
    NoHostProfile,
}

/// A reason with details for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Why.
    pub reason: Reason,
    /// The same in words, with names and figures.
    pub words: String,
}

impl Gap {
    pub(super) fn new(reason: Reason, words: impl Into<String>) -> Self {
        Self { reason, words: words.into() }
    }
}

/// Something that was not executed or not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotRun {
    /// Of which question; none: of the inspector's.
    pub question: Option<Question>,
    /// On which engine; none: on any.
    pub engine: Option<&'static str>,
    /// Why.
    #[serde(flatten)]
    pub gap: Gap,
}

/// Calls that trapped on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Traps {
    /// The fixed module's reason.
    #[serde(serialize_with = "reason_id")]
    pub reason: TrapReason,
    /// How many calls.
    pub calls: usize,
}

/// How memory was made to grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrownBy {
    /// By asking an exported allocator for more than there was.
    Allocator,
    /// By calling the stand-in of a growth import directly, in a copy that exports it.
    StandIn,
    /// By calling another export with a large number.
    Export,
    /// By calling an inner function with a large number, in a copy that exports it.
    InnerFunction,
    /// By the module itself, when it was instantiated.
    Start,
}

/// Growth that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grown {
    /// How.
    pub by: GrownBy,
    /// Name of what was called.
    pub name: String,
    /// Blocks that were allocated and used; 0 if it was not an allocator.
    pub blocks: usize,
    /// Size of memory before, in bytes.
    pub from_bytes: u64,
    /// Size of memory after, in bytes.
    pub to_bytes: u64,
    /// It was seen in a copy with a larger maximum: the module's own leaves no room.
    pub with_larger_maximum: bool,
    /// Blocks belong to a garbage collector, so they were not checked for overlap unless they could be pinned.
    pub collected: bool,
}

/// What was executed on one engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Which engine, by its name.
    pub engine: &'static str,
    /// The fixed module was instantiated.
    pub instantiated: bool,
    /// Exported functions that can be called without knowing them.
    pub exports_callable: usize,
    /// Exported functions that cannot.
    pub exports_not_callable: usize,
    /// Calls of exports that returned on both sides, with equal results.
    pub calls_returned: usize,
    /// Calls of exports or stand-ins that trapped on both sides, by reason.
    pub traps: Vec<Traps>,
    /// Stand-ins that were called directly and compared with a second implementation.
    pub stand_ins_compared: usize,
    /// Those calls that returned on both sides, with equal results.
    pub stand_in_calls_returned: usize,
    /// Bytes of memory that are equal on both sides at the end.
    pub memory_bytes_compared: u64,
    /// Blocks of two different heaps of which the contents are equal at the end.
    pub blocks_compared: usize,
    /// Exported globals that are equal on both sides at the end.
    pub globals_compared: usize,
    /// Growth that was seen.
    pub growth: Option<Grown>,
}

impl Evidence {
    pub(super) fn new(engine: &'static str) -> Self {
        Self {
            engine,
            instantiated: false,
            exports_callable: 0,
            exports_not_callable: 0,
            calls_returned: 0,
            traps: Vec::new(),
            stand_ins_compared: 0,
            stand_in_calls_returned: 0,
            memory_bytes_compared: 0,
            blocks_compared: 0,
            globals_compared: 0,
            growth: None,
        }
    }

    /// Counts a call that trapped on both sides.
    pub(super) fn trapped(&mut self, reason: TrapReason) {
        match self.traps.iter_mut().find(|traps| traps.reason == reason) {
            Some(traps) => traps.calls += 1,
            None => self.traps.push(Traps { reason, calls: 1 }),
        }
    }

    /// Something was executed to its end. Traps alone are none, and neither is an instance alone where there are
    /// functions to call.
    #[must_use]
    pub const fn shows_something(&self) -> bool {
        self.instantiated
            && (self.calls_returned > 0
                || self.exports_callable == 0
                    && (self.exports_not_callable == 0 || self.stand_in_calls_returned > 0))
    }
}

/// What is known of a fixed module.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// What it came to.
    pub verdict: Verdict,
    /// What the inspector says of it on a bare engine.
    pub inspected: Outcome,
    /// What engines say, in the order they were asked.
    pub checks: Vec<Check>,
    /// What was executed, one an engine.
    pub evidence: Vec<Evidence>,
    /// What was not, and why.
    pub not_run: Vec<NotRun>,
}

impl Verification {
    /// Draws the conclusion from what was found.
    pub(super) fn conclude(
        inspected: Outcome,
        checks: Vec<Check>,
        evidence: Vec<Evidence>,
        mut not_run: Vec<NotRun>,
    ) -> Self {
        if let Outcome::Skipped(gap) = &inspected {
            not_run.insert(0, NotRun { question: None, engine: None, gap: gap.clone() });
        }
        for check in &checks {
            if let Outcome::Skipped(gap) = &check.outcome {
                let (question, engine) = (Some(check.question), Some(check.engine));
                not_run.push(NotRun { question, engine, gap: gap.clone() });
            }
        }
        let failed = std::iter::once(&inspected)
            .chain(checks.iter().map(|check| &check.outcome))
            .any(|outcome| matches!(outcome, Outcome::Failed(_)));
        let is_whole = |evidence: &Evidence| {
            evidence.shows_something()
                && !not_run.iter().any(|gap| gap.engine.is_none_or(|engine| engine == evidence.engine))
        };
        let verdict = if failed {
            Verdict::Failed
        } else if evidence.iter().any(is_whole) {
            Verdict::Verified
        } else if evidence.iter().any(Evidence::shows_something) {
            Verdict::VerifiedInPart
        } else {
            Verdict::NotVerified
        };
        Self { verdict, inspected, checks, evidence, not_run }
    }

    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed(_)))
    }

    /// Neither the inspector nor a check objects. Whether anything was executed, the verdict says.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.verdict != Verdict::Failed
    }
}

/// A trap's reason as a word; what a host says is for people.
fn reason_id<S: Serializer>(reason: &TrapReason, serializer: S) -> Result<S::Ok, S::Error> {
    match reason {
        TrapReason::Host(_) => serializer.serialize_str("host"),
        other => other.serialize(serializer),
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn evidence(engine: &'static str) -> Evidence {
        Evidence { instantiated: true, exports_callable: 1, calls_returned: 1, ..Evidence::new(engine) }
    }

    fn verdict(
        inspected: &Outcome,
        checks: &[Outcome],
        evidence: &[Evidence],
        not_run: &[NotRun],
    ) -> Verdict {
        let checks = checks
            .iter()
            .map(|outcome| Check { question: Question::Agrees, engine: "compiler", outcome: outcome.clone() })
            .collect();
        Verification::conclude(inspected.clone(), checks, evidence.to_vec(), not_run.to_vec()).verdict
    }

    #[test]
    fn a_verdict_follows_from_what_was_executed() {
        let passed = Outcome::Passed("whatever".to_owned());
        let skipped = Outcome::Skipped(Gap::new(Reason::OutOfBudget, "whatever"));
        let failed = Outcome::Failed("whatever".to_owned());
        let whole = [evidence("compiler"), evidence("interpreter")];
        assert_eq!(verdict(&passed, from_ref(&passed), &whole, &[]), Verdict::Verified);
        assert_eq!(verdict(&passed, &[], &whole, &[]), Verdict::Verified);
        assert_eq!(verdict(&failed, &[], &whole, &[]), Verdict::Failed);
        assert_eq!(verdict(&passed, &[failed], &whole, &[]), Verdict::Failed);
        // What one engine skipped the other did; what the inspector skipped nobody did.
        assert_eq!(verdict(&passed, from_ref(&skipped), &whole, &[]), Verdict::Verified);
        assert_eq!(verdict(&passed, from_ref(&skipped), &whole[..1], &[]), Verdict::VerifiedInPart);
        assert_eq!(verdict(&skipped, &[], &whole, &[]), Verdict::VerifiedInPart);
        let gap = NotRun { question: None, engine: None, gap: Gap::new(Reason::ImportsStay, "whatever") };
        assert_eq!(verdict(&passed, &[], &whole, &[gap]), Verdict::VerifiedInPart);
        assert_eq!(verdict(&passed, &[], &[], &[]), Verdict::NotVerified);
    }

    #[test]
    fn traps_and_instances_alone_show_nothing() {
        let mut only_traps = Evidence { calls_returned: 0, ..evidence("interpreter") };
        only_traps.trapped(TrapReason::Unreachable);
        only_traps.stand_in_calls_returned = 9;
        let passed = Outcome::Passed(String::new());
        assert_eq!(verdict(&passed, &[], &[only_traps.clone()], &[]), Verdict::NotVerified);
        // Without a function to call, an instance with equal memory and globals is all there is to see.
        let nothing_to_call = Evidence { exports_callable: 0, ..only_traps.clone() };
        assert!(nothing_to_call.shows_something());
        let not_callable =
            Evidence { exports_not_callable: 1, stand_in_calls_returned: 0, ..nothing_to_call.clone() };
        assert!(!not_callable.shows_something());
        assert!(Evidence { stand_in_calls_returned: 1, ..not_callable }.shows_something());
        assert!(!Evidence { instantiated: false, ..nothing_to_call }.shows_something());
    }
}
