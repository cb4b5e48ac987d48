//! Is a fixed module what it should be? Engines are asked before it is used: those that the caller brings, behind the
//! traits of [`engine`]. There is none in this crate.
//!
//! ```text
//! validates -> inspect says it runs -> instantiates with nothing -> its memory grows
//!           -> each stand-in does what the host's function does -> it does what the original does
//! ```
//!
//! Where imports stay, both modules get functions that return zeros for them, and the rest is still asked.
//! The last two compare with the original under a host that keeps the original contract, written a second time. Both
//! run as copies that export more (see `copy.rs`): their memory, the imports and what stands for them.
//! They get the same calls, and must agree on every result, on the reason of every trap and at the end on memory.
//!
//! What was executed is kept as [`Evidence`], what was not as [`NotRun`]; the [`Verdict`] follows from these alone.
#![forbid(unsafe_code)]

pub mod engine;

mod copy;
mod drive;
mod evidence;
mod growth;
mod heap;
mod host;
mod inspected;
mod kernel;
mod library;
mod pair;
mod stand_ins;
pub mod swap;
mod text;
mod twins;

use memgrove_inspect::{Report, conclude};
use memgrove_module::{Code, Facts, PAGE_SIZE_LOG2, facts, recognise};
use memgrove_rewrite::{Behaviour, Plan};
use serde::Serialize;

pub use evidence::{Evidence, Gap, Grown, GrownBy, NotRun, Reason, Traps, Verdict, Verification};
pub use host::{Emulated, emulate};

use self::copy::{Anatomy, Copy, Shown};
use self::pair::Sides;
use self::stand_ins::StandIn;
use crate::engine::{Engine, EngineError};

/// Inner functions that a copy shows, to find one that grows memory.
const MOST_INNER: usize = 32;
/// Room below a maximum that is enough to see growth, in pages of 64 KiB.
const ROOM_PAGES: u64 = 32;

/// One engine to ask.
pub enum Witness<'a> {
    /// It is here.
    Present(&'a dyn Engine),
    /// It should be asked, and cannot be.
    Absent {
        /// Its name.
        name: &'static str,
        /// Why it is not here.
        why: String,
    },
}

impl Witness<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Present(engine) => engine.name(),
            Self::Absent { name, .. } => name,
        }
    }
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// Does it instantiate with an empty import object, or with only the functions that stay?
    Instantiates,
    /// Does memory grow when more is asked for than there is?
    Grows,
    /// Does each stand-in, called directly, do what the emulated host's function does?
    StandsIn,
    /// Do the original under its emulated host and the fixed module agree?
    Agrees,
}

impl Question {
    /// Every question, in the order in which they are asked.
    pub const ALL: [Self; 4] = [Self::Instantiates, Self::Grows, Self::StandsIn, Self::Agrees];

    /// As a short sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Instantiates => "instantiates",
            Self::Grows => "memory grows",
            Self::StandsIn => "stand-ins do what the host does",
            Self::Agrees => "does what the original does",
        }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "detail")]
pub enum Outcome {
    /// Yes, with figures.
    Passed(String),
    /// There was nothing to ask, and why.
    NotNeeded(String),
    /// It could not be asked, and why.
    Skipped(Gap),
    /// No: what was seen.
    Failed(String),
}

/// One question to one engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was asked.
    pub question: Question,
    /// Of which engine, by its name.
    pub engine: &'static str,
    /// The answer.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Asks every question of every engine. `fixed` is `original` with `plan` applied. Engines are to bound each call, best by
/// counting instructions.
///
/// # Errors
/// If one of the two is not a valid module, with the byte offset.
pub fn verify(
    original: &[u8],
    fixed: &[u8],
    plan: &Plan,
    engines: &[Witness<'_>],
) -> Result<Verification, memgrove_module::Error> {
    let (original, fixed) = (facts(original)?, facts(fixed)?);
    Ok(verify_facts(&original, &fixed, &conclude(&fixed), plan, engines))
}

/// The same for modules that have been read already. `report` is the inspector's of the fixed module.
#[must_use]
pub fn verify_facts(
    original: &Facts<'_>,
    fixed: &Facts<'_>,
    report: &Report,
    plan: &Plan,
    engines: &[Witness<'_>],
) -> Verification {
    let mut asked = Asked::default();
    let subject = Subject::new(original, fixed, plan);
    for witness in engines {
        let mut evidence = Evidence::new(witness.name());
        match (&subject, witness) {
            (Ok(subject), Witness::Present(engine)) => asked.ask(*engine, subject, &mut evidence),
            (Ok(_), Witness::Absent { name, why }) => {
                asked.skip(name, &Gap::new(Reason::EngineAbsent, why.clone()));
            }
            (Err(gap), _) => asked.skip(witness.name(), gap),
        }
        asked.evidence.push(evidence);
    }
    if let Ok(subject) = &subject {
        asked.note_guesses(subject);
    }
    asked.note_traps(plan);
    asked.note_files(plan);
    Verification::conclude(inspected::check(report, plan), asked.checks, asked.evidence, asked.not_run)
}

/// The two modules, and the copies of them that show what is to be called.
struct Subject<'a> {
    plan: &'a Plan,
    original: Anatomy<'a>,
    fixed: Anatomy<'a>,
    original_copy: Copy,
    fixed_copy: Copy,
    /// The same with a larger maximum, where their own leaves no room to see growth.
    lifted: Option<(Copy, Copy)>,
    stand_ins: Vec<StandIn>,
    /// Functions of the fixed module that grow memory or call one that does.
    growing: Vec<u32>,
    /// Names under which the functions that the fixed module calls at its start are exported.
    constructors: Vec<String>,
    /// The export that a host calls before any other, of the original and of the fixed module; none where it is one of
    /// `constructors`, which have run by then.
    first_calls: [Option<String>; 2],
    /// Imports that have no second implementation, by position.
    missing: Vec<usize>,
    /// Imports that the host emulates by the plan's own guess.
    unconfirmed: Vec<(String, String)>,
}

impl<'a> Subject<'a> {
    fn new(original: &'a Facts<'a>, fixed: &'a Facts<'a>, plan: &'a Plan) -> Result<Self, Gap> {
        // Memories, tables and globals that stay hold what only their host knows.
        if plan.remaining().any(|item| item.behaviour != Behaviour::StaysFunction) {
            return Err(Gap::new(Reason::ImportsStay, remaining(plan)));
        }
        let no_second = |words: String| Gap::new(Reason::NoSecondImplementation, words);
        let missing = pair::missing(plan).map_err(no_second)?;
        let mut known = plan.clone();
        for &at in &missing {
            known.imports[at].behaviour = Behaviour::StaysFunction;
        }
        let unconfirmed = emulate(&known).map_err(no_second)?.unconfirmed;
        let cannot =
            || Gap::new(Reason::CannotBeCalled, "its imports are encoded so that it cannot be copied");
        let original = Anatomy::new(original).ok_or_else(cannot)?;
        let fixed = Anatomy::new(fixed).ok_or_else(cannot)?;
        // Imports that stay keep the first indices, those that were put inside follow in their order.
        let functions = plan.imports.iter().enumerate().filter(|(_, item)| pair::is_function(item.behaviour));
        let functions: Vec<(usize, bool)> =
            functions.map(|(at, item)| (at, item.behaviour == Behaviour::StaysFunction)).collect();
        let staying = fixed.imported_count();
        let inside: Vec<(u32, usize)> = (0..)
            .zip(&functions)
            .filter(|(_, (_, stays))| !stays)
            .map(|(index, (at, _))| (index, *at))
            .collect();
        let growing = fixed.growing(MOST_INNER);
        let maximum_pages = plan.maximum_pages();
        let shown = |maximum_pages: Option<u64>| {
            let before = Shown { functions: inside.iter().map(|(index, _)| *index).collect(), maximum_pages };
            let mut functions: Vec<u32> = (staying..).zip(&inside).map(|(index, _)| index).collect();
            functions
                .extend(growing.iter().filter(|function| !functions.contains(function)).collect::<Vec<_>>());
            (original.copy(&before), fixed.copy(&Shown { functions, maximum_pages }))
        };
        let (original_copy, fixed_copy) = shown(maximum_pages);
        let lifted = lifted_maximum(&fixed).filter(|_| fixed.grows()).map(|pages| shown(Some(pages)));
        let stand_ins = (staying..)
            .zip(&inside)
            .map(|(after, &(before, at))| StandIn {
                at,
                before: original_copy.name(before),
                after: fixed_copy.name(after),
            })
            .collect();
        let constructors: Vec<String> = plan
            .called_at_start()
            .flat_map(|function| original.names_of(function))
            .map(str::to_owned)
            .collect();
        let first_calls = [&original, &fixed].map(|module| {
            let constructor = recognise::constructor(&Code::new(module.facts()))?.export;
            let has_run = constructors.iter().any(|called| called == constructor);
            (!has_run).then(|| constructor.to_owned())
        });
        Ok(Self {
            plan,
            original,
            fixed,
            original_copy,
            fixed_copy,
            lifted,
            stand_ins,
            growing,
            constructors,
            first_calls,
            missing,
            unconfirmed,
        })
    }

    /// Both copies on an engine.
    fn sides(&self, engine: &dyn Engine) -> Result<Sides<'_>, EngineError> {
        self.compile(engine, &self.original_copy, &self.fixed_copy)
    }

    /// The copies with a larger maximum, where there are such.
    fn lifted_sides(&self, engine: &dyn Engine) -> Option<Sides<'_>> {
        let (original, fixed) = self.lifted.as_ref()?;
        self.compile(engine, original, fixed).ok()
    }

    fn compile(&self, engine: &dyn Engine, original: &Copy, fixed: &Copy) -> Result<Sides<'_>, EngineError> {
        let copies = (original.wasm.as_slice(), fixed.wasm.as_slice());
        Sides::new(engine, copies, self.plan, &self.constructors, &self.missing)
    }
}

/// A maximum that leaves room to see growth; `None` if the module's own does.
fn lifted_maximum(fixed: &Anatomy<'_>) -> Option<u64> {
    let memory = fixed.memory()?;
    let maximum = memory.max_pages?;
    let is_tight =
        memory.page_size_log2 == PAGE_SIZE_LOG2 && maximum < memory.min_pages.saturating_add(ROOM_PAGES);
    is_tight.then(|| (4 * memory.min_pages.min(1 << 14) + 16 * ROOM_PAGES).max(maximum).min(1 << 16))
}

/// Answers so far.
#[derive(Default)]
struct Asked {
    checks: Vec<Check>,
    evidence: Vec<Evidence>,
    not_run: Vec<NotRun>,
}

impl Asked {
    fn answer(&mut self, engine: &'static str, question: Question, outcome: Outcome) {
        self.checks.push(Check { question, engine, outcome });
    }

    fn skip(&mut self, engine: &'static str, gap: &Gap) {
        for question in Question::ALL {
            self.answer(engine, question, Outcome::Skipped(gap.clone()));
        }
    }

    fn gaps(&mut self, engine: &'static str, question: Question, gaps: Vec<Gap>) {
        let not_run = |gap| NotRun { question: Some(question), engine: Some(engine), gap };
        self.not_run.extend(gaps.into_iter().map(not_run));
    }

    fn ask(&mut self, engine: &dyn Engine, subject: &Subject<'_>, evidence: &mut Evidence) {
        let (plan, id) = (subject.plan, engine.name());
        let lacks = |words: &str| {
            Gap::new(Reason::EngineLacksProposal, format!("{id} cannot run the original either: {words}"))
        };
        // The very bytes that will be written; everything else runs as copies.
        let instantiated = engine
            .compile(subject.fixed.wasm())
            .and_then(|module| module.instantiate(&host::of_the_rest(plan)).map(drop));
        let sides = subject.sides(engine);
        match instantiated {
            Ok(()) => {
                evidence.instantiated = true;
                let how = if plan.is_complete() {
                    "with an empty import object".to_owned()
                } else {
                    let gap = Gap::new(Reason::ImportsStay, remaining(plan));
                    self.gaps(id, Question::Instantiates, vec![gap]);
                    format!("{}; here they trap or return zeros", remaining(plan))
                };
                self.answer(id, Question::Instantiates, Outcome::Passed(how));
            }
            Err(error) if error.is_exhausted() => {
                return self.skip(id, &Gap::new(Reason::OutOfBudget, error.to_string()));
            }
            // An engine that lacks a proposal lacks it for the original too.
            Err(EngineError::Compile { words }) if engine.compile(subject.original.wasm()).is_err() => {
                return self.skip(id, &lacks(&words));
            }
            Err(error) => {
                let original = sides.and_then(|sides| sides.original_alone());
                if original.is_err() {
                    let words = format!("the original does not start either: {error}");
                    return self.skip(id, &Gap::new(Reason::OriginalDoesNotStart, words));
                }
                return self.answer(id, Question::Instantiates, Outcome::Failed(error.to_string()));
            }
        }
        let sides = match sides {
            Ok(sides) => sides,
            Err(error) => {
                let gap = match error.is_exhausted() {
                    true => Gap::new(Reason::OutOfBudget, error.to_string()),
                    false => lacks(&error.to_string()),
                };
                for question in [Question::Grows, Question::StandsIn, Question::Agrees] {
                    self.answer(id, question, Outcome::Skipped(gap.clone()));
                }
                return;
            }
        };
        if subject.fixed.memory().is_some_and(|memory| memory.shared) {
            let gap = Gap::new(Reason::OneThread, "its memory is shared, and one thread was run");
            self.gaps(id, Question::Agrees, vec![gap]);
        }
        let lifted = subject.lifted_sides(engine);
        let (outcome, growth) = growth::check(&sides, lifted.as_ref(), subject);
        evidence.growth = growth;
        self.answer(id, Question::Grows, outcome);
        for (question, check) in [
            (Question::StandsIn, stand_ins::check as CheckSides),
            (Question::Agrees, drive::check as CheckSides),
        ] {
            let mut gaps = Vec::new();
            let outcome = check(&sides, subject, evidence, &mut gaps);
            self.gaps(id, question, gaps);
            self.answer(id, question, outcome);
        }
    }

    /// Of functions that trap because that was asked for, nothing is compared with what they were.
    fn note_traps(&mut self, plan: &Plan) {
        let words = match plan.trapping().count() {
            0 => return,
            1 => "1 import traps when called, as --trap asks".to_owned(),
            count => format!("{count} imports trap when called, as --trap asks"),
        };
        let gap = Gap::new(Reason::TrapsAsAsked, words);
        self.not_run.push(NotRun { question: Some(Question::Agrees), engine: None, gap });
    }

    /// The emulated host has no files either, so nothing shows what the module does with one.
    fn note_files(&mut self, plan: &Plan) {
        if plan.file_openers().next().is_some() {
            let words = "what it does with files: there are none inside, and there were none to compare with";
            let gap = Gap::new(Reason::NoFiles, words);
            self.not_run.push(NotRun { question: Some(Question::Agrees), engine: None, gap });
        }
    }

    /// Nothing independent says of some imports that they are what the plan takes them for.
    fn note_guesses(&mut self, subject: &Subject<'_>) {
        if subject.unconfirmed.is_empty() {
            return;
        }
        let names: Vec<String> =
            subject.unconfirmed.iter().map(|(module, name)| format!("`{module}.{name}`")).collect();
        let words = match names.as_slice() {
            [name] => format!("{name} is known by its use alone"),
            names => format!("{} are known by their use alone", names.join(", ")),
        };
        self.not_run.push(NotRun {
            question: Some(Question::StandsIn),
            engine: None,
            gap: Gap::new(Reason::NoIndependentWitness, words),
        });
    }
}

/// Compares two sides; what was executed goes to the evidence, what was not to the gaps.
type CheckSides = fn(&Sides<'_>, &Subject<'_>, &mut Evidence, &mut Vec<Gap>) -> Outcome;

/// A heap is put inside.
fn has_heap(plan: &Plan) -> bool {
    plan.imports.iter().any(|item| matches!(item.behaviour, Behaviour::Allocates(_)))
}

/// How many imports stay, in words.
fn remaining(plan: &Plan) -> String {
    match plan.remaining().count() {
        1 => "1 import stays with the host".to_owned(),
        count => format!("{count} imports stay with the host"),
    }
}

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
