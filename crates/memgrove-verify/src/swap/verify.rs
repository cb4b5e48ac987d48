//! Does a module with another allocator do what the original does?
//!
//! ```text
//! roles      the original's own functions keep their promises when they are called: they are what they are taken for
//! heap       the new functions keep them under the same calls, and a program sees the same
//! exports    the same calls return the same, ask the heap for the same, and leave the same in memory: what depends on
//!            addresses is compared by block and offset
//! ```

use std::collections::BTreeSet;

use memgrove_inspect::Facts;
use memgrove_module::Code;
use memgrove_module::recognise::constructor;
use memgrove_rewrite::swap::{Beyond, Growth, Swapped};
use memgrove_rewrite::{Behaviour, Options, Plan};
use serde::Serialize;

use super::cost::{self, Costs};
use super::drive::{Drive, Driven, Fault, Functions, Noted, Seen};
use super::exports;
use super::observation::Observation;
use crate::copy::{Anatomy, Copy, Shown};
use crate::engine::{Engine, EngineError, Export, Instance, Memory};
use crate::pair::Sides;
use crate::{Gap, Outcome, Reason, Verdict, Witness, pair};

/// Of memory that cannot grow, less than one part in so many may be lost.
const ROOM_PARTS: u64 = 8;
/// What a host grows memory by where the module does not: as much as the calls need.
const ROOM_PAGES: u64 = 512;
/// The calls are drawn from these.
pub(super) const SEEDS: [u64; 2] = [0x9e37_79b9, 0x1234_5678_9abc];

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwapQuestion {
    /// Do the original's functions do what they are taken for?
    Roles,
    /// Do the new ones, and does a program see the same?
    Heap,
    /// Do the exports return the same?
    Exports,
}

impl SwapQuestion {
    /// As a short sentence.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Roles => "the old functions do what they are taken for",
            Self::Heap => "the new heap keeps the old one's promises",
            Self::Exports => "exports do what the original's do",
        }
    }
}

/// One question to one engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SwapCheck {
    /// What was asked.
    pub question: SwapQuestion,
    /// Of which engine, by its name.
    pub engine: &'static str,
    /// The answer.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What is known of a module with another allocator.
#[derive(Debug, Clone, Serialize)]
pub struct SwapVerification {
    /// What it came to.
    pub verdict: Verdict,
    /// The roles were shown by running, on an engine at least.
    pub are_roles_shown: bool,
    /// Every question and its answer.
    pub checks: Vec<SwapCheck>,
    /// What was not run or compared, and why.
    pub not_run: Vec<Gap>,
    /// What both heaps cost, if the new one is what it should be.
    pub costs: Option<Costs>,
}

impl SwapVerification {
    /// The old functions are not what they were taken for.
    #[must_use]
    pub fn refutes_roles(&self) -> bool {
        self.failures().any(|check| check.question == SwapQuestion::Roles)
    }

    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &SwapCheck> {
        self.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed(_)))
    }
}

/// Asks every question of every engine.
#[must_use]
pub fn verify(facts: &Facts<'_>, swapped: &Swapped, engines: &[Witness<'_>]) -> SwapVerification {
    let mut asked = Asked { checks: Vec::new(), not_run: Vec::new() };
    let mut costs = None;
    if facts.memories.first().is_some_and(|memory| memory.ty.shared) {
        asked.not_run.push(Gap::new(Reason::OneThread, "its memory is shared, and one thread was run"));
    }
    match Subject::new(facts, swapped) {
        Ok(subject) => {
            for witness in engines {
                match witness {
                    Witness::Present(engine) => {
                        asked.ask(*engine, &subject);
                        if costs.is_none() && asked.has_passed(SwapQuestion::Heap) {
                            costs = cost::measure(*engine, &subject);
                        }
                    }
                    Witness::Absent { why, .. } => {
                        asked.not_run.push(Gap::new(Reason::EngineAbsent, why.clone()));
                    }
                }
            }
        }
        Err(gap) => asked.not_run.push(gap),
    }
    asked.conclude(costs)
}

/// Which of the two modules.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Original,
    Swapped,
}

pub(super) struct Subject<'a> {
    pub facts: &'a Facts<'a>,
    pub plan: Plan,
    pub missing: Vec<usize>,
    /// Only the host makes its memory longer.
    host_grows: bool,
    /// What the original exports.
    pub exports: Vec<Export>,
    /// The export that its glue calls first.
    pub constructor: Option<String>,
    /// The functions that were replaced.
    pub interface: BTreeSet<u32>,
    original: Copy,
    swapped: Copy,
    pub functions: Functions,
    observation: Result<Observation, Gap>,
}

impl<'a> Subject<'a> {
    /// Both modules, with the allocator's functions exported.
    pub fn copies(&self) -> (&[u8], &[u8]) {
        (self.original.wasm.as_slice(), self.swapped.wasm.as_slice())
    }

    /// Memory that a module leaves to its host to grow.
    pub fn make_room(&self, instance: &mut dyn Instance) -> Result<(), EngineError> {
        if self.host_grows {
            instance.grow(Memory::Main, ROOM_PAGES)?;
        }
        Ok(())
    }

    pub fn new(facts: &'a Facts<'a>, swapped: &'a Swapped) -> Result<Self, Gap> {
        let cannot = |words: &str| Gap::new(Reason::CannotBeCalled, words);
        let mut plan = memgrove_rewrite::plan(facts.bytes(), &Options::default())
            .map_err(|error| cannot(&error.to_string()))?;
        give_memory(facts, &mut plan);
        let missing =
            pair::missing(&plan).map_err(|words| Gap::new(Reason::NoSecondImplementation, words))?;
        let interface: BTreeSet<u32> = swapped.replaced.iter().map(|member| member.func).collect();
        let shown =
            || Shown { functions: interface.iter().copied().collect(), maximum_pages: plan.maximum_pages() };
        let copy = |facts: &Facts<'_>| Anatomy::new(facts).map(|anatomy| anatomy.copy(&shown()));
        let words = "its imports are encoded so that it cannot be copied";
        let new_facts = memgrove_module::facts(&swapped.wasm).map_err(|error| cannot(&error.to_string()))?;
        let (original, new) = (copy(facts), copy(&new_facts));
        let (original, new) = (original.ok_or_else(|| cannot(words))?, new.ok_or_else(|| cannot(words))?);
        let members = swapped.replaced.iter().map(|member| (original.name(member.func), *member)).collect();
        let functions = Functions { members, heap: swapped.heap };
        let observation = Observation::new(facts, swapped, plan.maximum_pages());
        Ok(Self {
            facts,
            plan,
            missing,
            original,
            swapped: new,
            functions,
            observation,
            host_grows: matches!(swapped.growth, Growth::Break { beyond: Beyond::Never, .. }),
            exports: crate::engine::Shape::of(facts.bytes())
                .map_or_else(|_| Vec::new(), |shape| shape.exports),
            interface,
            constructor: constructor(&Code::new(facts)).map(|constructor| constructor.export.to_owned()),
        })
    }

    pub fn start(&self, sides: &Sides<'_>, side: Side) -> Result<Box<dyn Instance>, EngineError> {
        let mut instance = match side {
            Side::Original => sides.original_alone()?,
            Side::Swapped => sides.fixed_on_host_of_original()?,
        };
        self.make_room(instance.as_mut())?;
        if let Some(name) = &self.constructor {
            instance.call(name, &[])?;
        }
        Ok(instance)
    }
}

/// A memory in which threads meet stays an import of a fixed module. Here one instance runs, and its host has such a memory.
fn give_memory(facts: &Facts<'_>, plan: &mut Plan) {
    for memory in &facts.memories {
        let Some(import) = memory.import.and_then(|import| facts.imports.get(import as usize)) else {
            continue;
        };
        let of_plan = plan.imports.iter_mut().filter(|item| {
            (item.module.as_str(), item.name.as_str()) == (import.module, import.name)
                && matches!(item.behaviour, Behaviour::Stays)
        });
        of_plan.for_each(|item| item.behaviour = Behaviour::Memory(memory.ty.min_pages));
    }
}

struct Asked {
    checks: Vec<SwapCheck>,
    not_run: Vec<Gap>,
}

impl Asked {
    fn answer(&mut self, engine: &'static str, question: SwapQuestion, outcome: Outcome) {
        if let Outcome::Skipped(gap) = &outcome {
            self.not_run.push(gap.clone());
        }
        self.checks.push(SwapCheck { question, engine, outcome });
    }

    fn ask(&mut self, engine: &dyn Engine, subject: &Subject<'_>) {
        let id = engine.name();
        let sides = match Sides::new(engine, subject.copies(), &subject.plan, &[], &subject.missing) {
            Ok(sides) => sides,
            Err(error) => {
                let gap = Gap::new(Reason::EngineLacksProposal, format!("{id}: {error}"));
                return self.answer(id, SwapQuestion::Roles, Outcome::Skipped(gap));
            }
        };
        let seen = match self.drive(subject, &sides, Side::Original) {
            Ok(seen) => seen,
            Err(Fault::Promise(words)) => {
                return self.answer(id, SwapQuestion::Roles, Outcome::Failed(words));
            }
            Err(Fault::Engine(error)) => {
                return self.answer(id, SwapQuestion::Roles, Outcome::Skipped(gap_of(&error)));
            }
        };
        let calls: usize = seen.iter().map(|driven| driven.noted.len()).sum();
        self.answer(id, SwapQuestion::Roles, Outcome::Passed(format!("{calls} calls, each promise kept")));
        let outcome = match self.drive(subject, &sides, Side::Swapped) {
            Ok(new) => compare(&seen, &new),
            Err(Fault::Promise(words)) => Outcome::Failed(words),
            Err(Fault::Engine(error)) if error.is_exhausted() => Outcome::Skipped(gap_of(&error)),
            Err(Fault::Engine(error)) => Outcome::Failed(error.to_string()),
        };
        let failed = matches!(outcome, Outcome::Failed(_));
        self.answer(id, SwapQuestion::Heap, outcome);
        if !failed {
            let outcome = match &subject.observation {
                Ok(observation) => exports::check(subject, observation, engine, &mut self.not_run),
                Err(gap) => Outcome::Skipped(gap.clone()),
            };
            self.answer(id, SwapQuestion::Exports, outcome);
        }
    }

    fn drive(&self, subject: &Subject<'_>, sides: &Sides<'_>, side: Side) -> Result<Vec<Driven>, Fault> {
        let run = |seed: &u64| {
            let mut instance = subject.start(sides, side)?;
            Drive::new(instance.as_mut(), &subject.functions).run(*seed)
        };
        SEEDS.iter().map(run).collect()
    }

    fn has_passed(&self, question: SwapQuestion) -> bool {
        self.checks
            .iter()
            .any(|check| check.question == question && matches!(check.outcome, Outcome::Passed(_)))
    }

    fn conclude(self, costs: Option<Costs>) -> SwapVerification {
        let passed = |question: SwapQuestion| self.has_passed(question);
        let failed = self.checks.iter().any(|check| matches!(check.outcome, Outcome::Failed(_)));
        let verdict = if failed {
            Verdict::Failed
        } else if !passed(SwapQuestion::Heap) {
            Verdict::NotVerified
        } else if self.not_run.is_empty() {
            Verdict::Verified
        } else {
            Verdict::VerifiedInPart
        };
        let are_roles_shown = passed(SwapQuestion::Roles);
        let mut not_run = self.not_run;
        not_run.dedup();
        SwapVerification { verdict, are_roles_shown, checks: self.checks, not_run, costs }
    }
}

/// Whether a program sees the same, seed by seed.
fn compare(was: &[Driven], is: &[Driven]) -> Outcome {
    let mut calls = 0;
    let mut notes = BTreeSet::new();
    for (was, is) in was.iter().zip(is) {
        match compare_one(was, is) {
            Ok((compared, note)) => {
                calls += compared;
                notes.extend(note);
            }
            Err(words) => return Outcome::Failed(words),
        }
    }
    let notes: String = notes.into_iter().map(|note| format!("; {note}")).collect();
    Outcome::Passed(format!("{calls} calls, seen alike by a program{notes}"))
}

/// How many calls were compared, and what is to be said of them; else how they differ.
fn compare_one(was: &Driven, is: &Driven) -> Result<(usize, Option<String>), String> {
    // More than there can be: an old allocator that gives it out has overflowed.
    let is_refused =
        |(words, seen): &Noted| words.contains("4294967280") && *seen == Seen::Block { is_null: false };
    // Rust's functions need not take null.
    let is_free = |(words, seen): &Noted| words == "free[0]" && matches!(seen, Seen::Trapped(_));
    let mut both = was.noted.iter().zip(&is.noted).enumerate();
    let differs = both.find(|(_, (was, is))| was != is && !is_free(was) && !is_refused(was));
    match differs {
        // Memory that cannot grow is exhausted sooner or later with every heap, and what follows is not the same.
        Some((at, _)) if is.refused.is_some_and(|(refused, _)| refused <= at) => {
            let in_use = is.refused.map_or(0, |(_, bytes)| bytes);
            let (before, now) = (was.refused.map_or(was.peak_bytes, |(_, bytes)| bytes), in_use);
            let words = format!(
                "memory, which cannot grow, is exhausted with {now} bytes in use, before with {before}"
            );
            match now * ROOM_PARTS >= before * (ROOM_PARTS - 1) {
                true => Ok((at, Some(words))),
                false => Err(format!("{words}; another heap may waste less, as dlmalloc does")),
            }
        }
        Some((at, _)) if was.refused.is_some_and(|(refused, _)| refused <= at) => {
            Ok((at, Some("memory, which cannot grow, is exhausted later than before".to_owned())))
        }
        Some((_, ((words, was), (_, is)))) => Err(format!("{words}: {was:?} before, {is:?} after")),
        None if was.noted.len() != is.noted.len() => {
            Err(format!("{} calls before, {} after", was.noted.len(), is.noted.len()))
        }
        None => Ok((is.noted.len(), None)),
    }
}

pub(super) fn gap_of(error: &EngineError) -> Gap {
    let reason = match error.is_exhausted() {
        true => Reason::OutOfBudget,
        false => Reason::OriginalDoesNotStart,
    };
    Gap::new(reason, error.to_string())
}
