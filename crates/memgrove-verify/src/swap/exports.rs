//! Calls the exports of original and new module, and compares by block and offset.
//!
//! ```text
//! first    the original
//! second   the original, its heap 64 KiB further on and in use by others between the calls
//! new      the module with another allocator
//! ```
//!
//! Each writes down what its allocator was asked, so that an address is known as a place in a block. What is equal in the
//! first two does not depend on addresses and must be equal in the third; what is the same place must be so there. The
//! rest is not compared. Before anything is called different, the original is asked once more in other heaps.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use memgrove_module::facts::ConstExpr;
use memgrove_module::{Code, PAGE_BYTES};
use memgrove_rewrite::swap::{Member, Observed, Role, Swapped};

use super::observed::{Asked, Seen};
use super::random::Random;
use super::verify::{Subject, gap_of};
use crate::copy::{Anatomy, Copy, Shown};
use crate::drive::{self, counted};
use crate::engine::{
    Engine, EngineError, ExportKind, Instance, Memory, Signature, TrapReason, Value, ValueType,
};
use crate::heap::{Blocks, Heap, Heaps, Own, Place, Run, Runs, Word, number};
use crate::pair::Sides;
use crate::{Gap, Outcome, Reason};

/// Exports called at most.
const MOST_EXPORTS: usize = 200;
/// Each is called twice: with numbers, then with blocks.
const ROUNDS: [Round; 2] = [Round::Numbers, Round::Blocks];
/// New starts after calls that could not be compared.
const MOST_STARTS: usize = 24;
/// New starts after calls that used up their budget, which takes long.
const MOST_EXHAUSTED: usize = 3;
/// Bytes around what the old allocator keeps that may be its own, too: arrays that it reaches through an index.
const STATE_BYTES: u64 = 1024;
/// Bytes of blocks that are handed in.
const BLOCK_BYTES: u32 = 96;
/// Why something is not compared.
const DEPENDS: &str = "depends on where the heap's blocks lie, or on bytes that were never written";

/// Where the memory ends is the heap's.
const NOT_THERE: &str = "accesses memory that is not there";
/// A block may have been taken for a length, or for what it is not.
const MEANINGLESS: &str = "differs for blocks whose contents mean nothing to it";

/// What exports are called with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Small numbers: valid lengths, and mostly harmless as addresses. A difference is one.
    Numbers,
    /// New blocks, too. What a program does with one that it takes for something else is not defined, so that a difference
    /// is none.
    Blocks,
}

/// How an original's heap differs from the first one's.
#[derive(Clone, Copy)]
struct Layout {
    fill: Option<u8>,
    /// Bytes by which everything lies further on; 0: nothing else is in the heap.
    shift_bytes: u32,
    seed: u64,
}

const FIRST: Layout = Layout { fill: Some(0xa5), shift_bytes: 0, seed: 0 };
const SECOND: Layout = Layout { fill: Some(0x4b), shift_bytes: 1 << 16, seed: 0x0051_7cc1 };
/// Asked before anything is called different: a bit of an address that is the same in all by chance is one in 64.
const OTHERS: [Layout; 4] = [
    Layout { fill: None, shift_bytes: 1_200_016, seed: 0x0002_7220 },
    Layout { fill: Some(0), shift_bytes: 70_008, seed: 0x000a_94f1 },
    Layout { fill: Some(0xff), shift_bytes: 3_000_040, seed: 0x0007_1c35 },
    Layout { fill: Some(1), shift_bytes: 24, seed: 0x00c0_ffee },
];

/// Copies of both modules that write down what their allocators are asked.
pub(super) struct Observation {
    original: (Copy, Observed),
    new: (Copy, Observed),
    members: BTreeMap<u32, Member>,
    /// What both have in common when they start, as ranges of addresses; none: it is not known where the stack is.
    own: Option<Vec<Range<u64>>>,
    /// Where the heap may begin at the latest.
    initial_bytes: u64,
    data_end: u64,
}

impl Observation {
    pub fn new(
        facts: &memgrove_inspect::Facts<'_>,
        swapped: &Swapped,
        maximum_pages: Option<u64>,
    ) -> Result<Self, Gap> {
        let cannot = |words: String| Gap::new(Reason::CannotBeCalled, words);
        let members: Vec<Member> = swapped.replaced.clone();
        let copy = |wasm: &[u8]| -> Result<(Copy, Observed), Gap> {
            let facts = memgrove_module::facts(wasm).map_err(|error| cannot(error.to_string()))?;
            let observed = memgrove_rewrite::swap::observe(&facts, &members)
                .map_err(|error| cannot(format!("its allocator cannot be observed: {error}")))?;
            let facts = memgrove_module::facts(&observed.wasm).map_err(|error| cannot(error.to_string()))?;
            let shown =
                Shown { functions: members.iter().map(|member| member.func).collect(), maximum_pages };
            let copy = Anatomy::new(&facts).map(|anatomy| anatomy.copy(&shown));
            let words = "its imports are encoded so that it cannot be copied";
            Ok((copy.ok_or_else(|| cannot(words.to_owned()))?, observed))
        };
        let code = Code::new(facts);
        let initial_bytes =
            facts.memories.first().map_or(0, |memory| memory.ty.min_pages.saturating_mul(PAGE_BYTES));
        Ok(Self {
            original: copy(facts.bytes())?,
            new: copy(&swapped.wasm)?,
            members: members.iter().map(|member| (member.func, *member)).collect(),
            own: own(&code, &swapped.state),
            initial_bytes,
            data_end: code.data_end(),
        })
    }

    /// Both copies, compiled.
    pub fn sides<'s>(&self, engine: &dyn Engine, subject: &'s Subject<'_>) -> Result<Sides<'s>, EngineError> {
        let copies = (self.original.0.wasm.as_slice(), self.new.0.wasm.as_slice());
        Sides::new(engine, copies, &subject.plan, &[], &subject.missing)
    }
}

/// All addresses but the stack's and what the old allocator keeps.
fn own(code: &Code<'_>, state: &[u32]) -> Option<Vec<Range<u64>>> {
    let mut holes: Vec<Range<u64>> = state
        .iter()
        .map(|at| u64::from(*at).saturating_sub(STATE_BYTES)..u64::from(*at) + STATE_BYTES)
        .collect();
    if let Some(pointer) = code.stack_pointer() {
        let Some(ConstExpr::I32(top)) = code.init(pointer.global) else { return None };
        let top = u64::from(top.cast_unsigned());
        let is_first = code.active_data().all(|(at, _)| at >= top);
        holes.push(if is_first { 0..top } else { code.data_end().min(top)..top });
    } else {
        // Old toolchains keep it in memory: what is no data may be the stack.
        holes.push(code.data_end()..u64::MAX);
    }
    holes.sort_by_key(|hole| hole.start);
    let (mut ranges, mut from) = (Vec::new(), 0);
    for hole in holes {
        if hole.start > from {
            ranges.push(from..hole.start);
        }
        from = from.max(hole.end);
    }
    if from < u64::MAX {
        ranges.push(from..u64::MAX);
    }
    Some(ranges)
}

/// A number, or a block that was handed out before.
#[derive(Clone, Debug)]
enum Argument {
    Number(Value),
    Block(usize),
}

#[derive(Clone, Debug)]
enum Step {
    Call {
        export: String,
        arguments: Vec<Argument>,
    },
    /// A new block with these contents.
    Block(Vec<u8>),
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Called {
    Returned(Vec<Value>),
    Trapped(String),
    /// A budget ended it.
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    called: Called,
    asked: Vec<Asked>,
}

/// A module at work.
struct Work<'w> {
    instance: Box<dyn Instance>,
    names: &'w Observed,
    copy: &'w Copy,
    members: &'w BTreeMap<u32, Member>,
    seen: Seen,
    /// Others in the same heap: what is drawn for them, and their blocks.
    others: Option<(Random, Vec<u32>)>,
    /// The stack pointer between calls.
    stack: Option<Value>,
}

impl<'w> Work<'w> {
    fn start(
        subject: &'w Subject<'_>,
        observation: &'w Observation,
        sides: &Sides<'_>,
        layout: Option<Layout>,
    ) -> Result<Self, EngineError> {
        let (mut instance, (copy, names)) = match layout {
            Some(_) => (sides.original_alone()?, &observation.original),
            None => (sides.fixed_on_host_of_original()?, &observation.new),
        };
        subject.make_room(instance.as_mut())?;
        let mut seen = Seen::new(None);
        // What the start function asked for was not filled.
        seen.learn(instance.as_mut(), names, &observation.members)?;
        seen.fill_with(layout.unwrap_or(FIRST).fill);
        let mut work =
            Self { instance, names, copy, members: &observation.members, seen, others: None, stack: None };
        if let Some(name) = &subject.constructor {
            work.call(name, &[])?;
        }
        if let Some(layout) = layout.filter(|layout| layout.shift_bytes > 0) {
            work.other_block(layout.shift_bytes);
            work.others = Some((Random::new(layout.seed), Vec::new()));
        }
        work.stack = names.stack.as_ref().and_then(|name| work.instance.global(name).ok());
        Ok(work)
    }

    fn member(&self, roles: &[Role]) -> Option<(String, Member)> {
        let member =
            |role: &Role| self.members.values().find(|member| member.role == *role && !member.has_heap);
        roles.iter().find_map(member).map(|member| (self.copy.name(member.func), *member))
    }

    /// A new block that the program knows nothing of.
    fn other_block(&mut self, bytes: u32) -> Option<u32> {
        let roles = [Role::Malloc, Role::RustAlloc, Role::RustAllocAlignFirst];
        let (name, member) = self.member(&roles)?;
        let arguments = match member.role {
            Role::RustAlloc => vec![bytes, 8],
            Role::RustAllocAlignFirst => vec![8, bytes],
            _ => vec![bytes],
        };
        let arguments: Vec<Value> = arguments.into_iter().map(Value::u32).collect();
        let outcome = self.instance.call(&name, &arguments).ok()?;
        outcome.values.first()?.as_u32().filter(|at| *at != 0)
    }

    /// Others allocate and free.
    fn disturb(&mut self) {
        let Some((mut random, mut live)) = self.others.take() else { return };
        for _ in 0..=random.below(3) {
            let bytes = 1 + random.below(700);
            live.extend(self.other_block(bytes));
        }
        // A function that is told the length would have to be told the right one.
        if random.below(2) == 0
            && live.len() > 1
            && let Some((name, _)) = self.member(&[Role::Free])
        {
            let at = live.swap_remove(random.below(u32::try_from(live.len()).unwrap_or(1)) as usize);
            let _ = self.instance.call(&name, &[Value::u32(at)]);
        }
        self.others = Some((random, live));
    }

    fn step(&mut self, step: &Step) -> Result<Answer, EngineError> {
        match step {
            Step::Call { export, arguments } => {
                let value = |argument: &Argument| match argument {
                    Argument::Number(value) => *value,
                    Argument::Block(number) => {
                        let at = self.seen.address(*number).and_then(|at| u32::try_from(at).ok());
                        Value::u32(at.unwrap_or(0))
                    }
                };
                let arguments: Vec<Value> = arguments.iter().map(value).collect();
                self.disturb();
                self.call(export, &arguments)
            }
            Step::Block(contents) => {
                self.disturb();
                let bytes = u32::try_from(contents.len()).unwrap_or(0);
                self.seen.prepare(self.instance.as_mut(), self.names)?;
                let at = self.other_block(bytes);
                let asked = self.seen.learn(self.instance.as_mut(), self.names, self.members)?;
                if let Some(at) = at {
                    self.instance.write(Memory::Main, at.into(), contents)?;
                }
                Ok(Answer { called: Called::Returned(Vec::new()), asked })
            }
        }
    }

    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Answer, EngineError> {
        self.seen.prepare(self.instance.as_mut(), self.names)?;
        let called = match self.instance.call(export, arguments) {
            Ok(outcome) => Called::Returned(outcome.values),
            Err(error) if error.is_exhausted() => Called::Ended,
            Err(error) => {
                Called::Trapped(error.trap().map_or_else(|| error.to_string(), |trap| format!("{trap:?}")))
            }
        };
        let asked = self.seen.learn(self.instance.as_mut(), self.names, self.members)?;
        // What moves the stack leaves it to its caller to put it back.
        if let (Some(name), Some(stack)) = (&self.names.stack, self.stack) {
            self.instance.set_global(name, stack)?;
        }
        Ok(Answer { called, asked })
    }
}

/// What a call came to in all three.
enum Same {
    Yes,
    /// In all but addresses, which are the same places.
    ByPlace,
    Exhausted,
    Open(&'static str),
    Different(String),
}

struct Three<'w> {
    first: Work<'w>,
    second: Work<'w>,
    new: Work<'w>,
    steps: Vec<Step>,
}

struct Check<'c, 's> {
    subject: &'c Subject<'c>,
    observation: &'c Observation,
    sides: &'c Sides<'s>,
}

impl<'c> Check<'c, '_> {
    fn work(&self, layout: Option<Layout>) -> Result<Work<'c>, EngineError> {
        Work::start(self.subject, self.observation, self.sides, layout)
    }

    fn start(&self) -> Result<Three<'c>, EngineError> {
        let (first, second) = (self.work(Some(FIRST))?, self.work(Some(SECOND))?);
        Ok(Three { first, second, new: self.work(None)?, steps: Vec::new() })
    }

    fn step(&self, three: &mut Three<'c>, step: Step) -> Result<Same, EngineError> {
        let (was, also) = (three.first.step(&step)?, three.second.step(&step)?);
        let is = three.new.step(&step)?;
        let words = match &step {
            Step::Call { export, arguments } => format!("`{export}` with {arguments:?}"),
            Step::Block(contents) => format!("a block of {} bytes", contents.len()),
        };
        three.steps.push(step);
        if [&was, &also, &is].iter().any(|answer| answer.called == Called::Ended) {
            return Ok(Same::Exhausted);
        }
        if let Some(why) = three.first.seen.incomparable().or_else(|| three.second.seen.incomparable()) {
            return Ok(Same::Open(why));
        }
        let is_out_of_bounds = |answer: &Answer| matches!(&answer.called, Called::Trapped(reason) if *reason == format!("{:?}", TrapReason::MemoryOutOfBounds));
        if is_out_of_bounds(&was) || is_out_of_bounds(&also) {
            return Ok(Same::Open(NOT_THERE));
        }
        if was.asked != also.asked || !same_kind(&was.called, &also.called) {
            return Ok(Same::Open(DEPENDS));
        }
        let differs = || Same::Different(format!("{words}: {:?} before, {:?} after", was.called, is.called));
        if let Some(why) = three.new.seen.incomparable() {
            // Memory may be exhausted earlier, which is told where that is asked.
            return Ok(match why.starts_with("memory") || was.asked == is.asked {
                true => Same::Open(why),
                false => self.verdict(three, &was, differs()),
            });
        }
        if was.asked != is.asked {
            let how = Same::Different(format!(
                "{words}: {} of the allocator before, {} after, or other ones",
                counted(was.asked.len(), "call", "calls"),
                counted(is.asked.len(), "call", "calls"),
            ));
            return Ok(self.verdict(three, &was, how));
        }
        let (Called::Returned(first), Called::Returned(second), Called::Returned(new)) =
            (&was.called, &also.called, &is.called)
        else {
            return Ok(match same_kind(&was.called, &is.called) {
                true => Same::Yes,
                false => self.verdict(three, &was, differs()),
            });
        };
        let mut blocks = Blocks::default();
        let heaps = three.heaps();
        let values = first.iter().zip(second).zip(new);
        let found: Vec<Word> =
            values.map(|((was, also), is)| blocks.value(heaps, *was, *also, *is)).collect();
        Ok(if found.contains(&Word::Differs) {
            self.verdict(three, &was, differs())
        } else if found.contains(&Word::Depends) {
            Same::Open(DEPENDS)
        } else if first == new {
            Same::Yes
        } else {
            Same::ByPlace
        })
    }

    /// Different, if the original does the same as the first time in every heap.
    fn verdict(&self, three: &Three<'_>, was: &Answer, different: Same) -> Same {
        if three.steps.iter().any(|step| matches!(step, Step::Block(_))) {
            return Same::Open(MEANINGLESS);
        }
        let agrees = OTHERS.into_iter().all(|layout| {
            let Ok((other, Some(answer))) = self.again(layout, &three.steps) else { return false };
            let same = |(was, is): (&Value, &Value)| {
                was == is || is_same_place(&three.first.seen, was.as_u64(), &other.seen, is.as_u64())
            };
            answer.asked == was.asked
                && match (&was.called, &answer.called) {
                    (Called::Returned(was), Called::Returned(is)) => was.iter().zip(is).all(same),
                    (was, is) => same_kind(was, is),
                }
        });
        if agrees { different } else { Same::Open(DEPENDS) }
    }

    /// The original in another heap, after the same steps; the last one's answer.
    fn again(&self, layout: Layout, steps: &[Step]) -> Result<(Work<'c>, Option<Answer>), EngineError> {
        let mut other = self.work(Some(layout))?;
        let mut last = None;
        for step in steps {
            last = Some(other.step(step)?);
            if other.seen.incomparable().is_some() {
                return Ok((other, None));
            }
        }
        Ok((other, last))
    }

    /// Memory in all three: how it differs, else how many bytes and blocks were compared.
    fn memory(&self, three: &mut Three<'c>) -> Result<Result<(u64, usize), String>, EngineError> {
        let lowest =
            [&three.first, &three.second, &three.new].into_iter().filter_map(|work| work.seen.lowest());
        // A header lies before a block.
        let end = lowest.min().map_or(self.observation.data_end, |lowest| lowest.saturating_sub(64));
        let end = end.min(self.observation.initial_bytes);
        let mut ranges = self.observation.own.clone().unwrap_or_default();
        ranges.retain_mut(|range| {
            range.end = range.end.min(end);
            range.start < range.end
        });
        let found = {
            let Three { first, second, new, .. } = &mut *three;
            let heaps = Heaps { first: &first.seen, second: &second.seen, fixed: Some(&new.seen) };
            let mut runs = Runs {
                first: first.instance.as_mut(),
                second: second.instance.as_mut(),
                fixed: new.instance.as_mut(),
                heaps,
            };
            Blocks::default().memory(&mut runs, &Own { ranges: &ranges, end })?
        };
        if let Some(broken) = found.broken {
            return Ok(Err(broken));
        }
        let mut suspects = found.suspects;
        for layout in OTHERS {
            if suspects.is_empty() {
                break;
            }
            let Ok((mut other, _)) = self.again(layout, &three.steps) else { return Ok(Ok((0, 0))) };
            if other.seen.incomparable().is_some() {
                return Ok(Ok((0, 0)));
            }
            suspects.retain(|(place, bytes)| {
                let was = read(&mut three.first, *place, *bytes);
                let is = read(&mut other, *place, *bytes);
                let (Some(was), Some(is)) = (was, is) else { return false };
                was == is || is_same_place(&three.first.seen, number(&was), &other.seen, number(&is))
            });
        }
        Ok(match suspects.first() {
            Some((place, _)) => Err(format!("memory differs {}", place.text())),
            None => Ok((found.bytes, found.blocks)),
        })
    }
}

impl Three<'_> {
    fn heaps(&self) -> Heaps<'_> {
        Heaps { first: &self.first.seen, second: &self.second.seen, fixed: Some(&self.new.seen) }
    }
}

fn read(work: &mut Work<'_>, place: Place, bytes: u64) -> Option<Vec<u8>> {
    place.read(&mut Run { instance: work.instance.as_mut(), heap: &work.seen }, bytes)
}

fn is_same_place(heap: &Seen, was: Option<u64>, other: &Seen, is: Option<u64>) -> bool {
    let (Some(was), Some(is)) = (was, is) else { return false };
    let places = other.places(is);
    heap.places(was).iter().any(|place| places.contains(place))
}

fn same_kind(was: &Called, is: &Called) -> bool {
    match (was, is) {
        (Called::Trapped(was), Called::Trapped(is)) => was == is,
        (was, is) => std::mem::discriminant(was) == std::mem::discriminant(is),
    }
}

/// Calls the exports of all three alike.
pub(super) fn check(
    subject: &Subject<'_>,
    observation: &Observation,
    engine: &dyn Engine,
    not_run: &mut Vec<Gap>,
) -> Outcome {
    let sides = match observation.sides(engine, subject) {
        Ok(sides) => sides,
        Err(error) => {
            return Outcome::Skipped(Gap::new(Reason::EngineLacksProposal, error.to_string()));
        }
    };
    match run(&Check { subject, observation, sides: &sides }, not_run) {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Skipped(gap_of(&error)),
    }
}

fn run(check: &Check<'_, '_>, not_run: &mut Vec<Gap>) -> Result<Outcome, EngineError> {
    let subject = check.subject;
    let (exports, not_callable) = callable(subject);
    if not_callable > 0 {
        let words = format!("{} references", counted(not_callable, "export takes", "exports take"));
        not_run.push(Gap::new(Reason::CannotBeCalled, words));
    }
    if exports.len() > MOST_EXPORTS {
        let words = format!(
            "{} beyond the first {MOST_EXPORTS}",
            counted(exports.len() - MOST_EXPORTS, "export", "exports")
        );
        not_run.push(Gap::new(Reason::TooManyExports, words));
    }
    let mut three = check.start()?;
    let mut random = Random::new(0x0006_1c88_6469);
    let (mut agree, mut by_place, mut starts, mut exhausted) = (0_usize, 0_usize, 0, 0);
    let mut open: BTreeMap<&str, &str> = BTreeMap::new();
    let mut compared: BTreeSet<&str> = BTreeSet::new();
    let (mut bytes, mut blocks) = (0, 0);
    'rounds: for round in ROUNDS {
        for (name, signature) in exports.iter().take(MOST_EXPORTS) {
            if open.contains_key(name) {
                continue;
            }
            let arguments = arguments(check, &mut three, signature, round, &mut random)?;
            let step = Step::Call { export: (*name).to_owned(), arguments };
            let why = match check.step(&mut three, step)? {
                Same::Different(how) => return Ok(Outcome::Failed(how)),
                same @ (Same::Yes | Same::ByPlace) => {
                    agree += 1;
                    by_place += usize::from(matches!(same, Same::ByPlace));
                    compared.insert(name);
                    continue;
                }
                Same::Exhausted => {
                    exhausted += 1;
                    "used up the instructions or the stack it was given"
                }
                Same::Open(why) => why,
            };
            open.insert(name, why);
            starts += 1;
            if starts > MOST_STARTS || exhausted > MOST_EXHAUSTED {
                break 'rounds;
            }
            three = check.start()?;
        }
        match check.memory(&mut three)? {
            Ok(compared) => {
                bytes = compared.0.max(bytes);
                blocks = compared.1.max(blocks);
            }
            Err(how) if round == Round::Numbers => return Ok(Outcome::Failed(how)),
            Err(_) => {
                open.insert("memory", MEANINGLESS);
            }
        }
        three = check.start()?;
    }
    if let Some((first, why)) = open.first_key_value() {
        let more = match open.len() - 1 {
            0 => String::new(),
            more => format!("; {} not compared either", counted(more, "export is", "exports are")),
        };
        not_run.push(Gap::new(Reason::DependsOnHeap, format!("`{first}`: {why}{more}")));
    }
    if check.observation.own.is_none() {
        let words = "where its stack is, so that only blocks were compared in memory";
        not_run.push(Gap::new(Reason::MemoryNotVisible, words));
    }
    Ok(Outcome::Passed(format!(
        "{} of {} agree ({by_place} by block and offset), and so do {bytes} bytes of memory with {}",
        counted(agree, "call", "calls"),
        counted(compared.len(), "export", "exports"),
        counted(blocks, "block", "blocks"),
    )))
}

/// Exports that can be called, and the number of those that cannot.
fn callable<'s>(subject: &'s Subject<'_>) -> (Vec<(&'s str, Signature)>, usize) {
    let (mut found, mut not_callable) = (Vec::new(), 0);
    for export in &subject.exports {
        let ExportKind::Function(signature) = &export.kind else { continue };
        let index = subject.facts.exported_func(&export.name);
        if subject.constructor.as_ref() == Some(&export.name)
            || index.is_some_and(|index| subject.interface.contains(&index))
        {
            continue;
        }
        match drive::can_drive(signature) {
            true => found.push((export.name.as_str(), signature.clone())),
            false => not_callable += 1,
        }
    }
    (found, not_callable)
}

/// Arguments for a call: numbers, in the second round also new blocks and lengths in them.
fn arguments<'c>(
    check: &Check<'c, '_>,
    three: &mut Three<'c>,
    signature: &Signature,
    round: Round,
    random: &mut Random,
) -> Result<Vec<Argument>, EngineError> {
    let mut arguments = Vec::new();
    for ty in &signature.parameters {
        let is_address = *ty == ValueType::I32 && round == Round::Blocks && random.below(3) > 0;
        if is_address && let Some(number) = block(check, three, random)? {
            arguments.push(Argument::Block(number));
            continue;
        }
        let number = match random.below(4) {
            0 => random.below(3),
            1 => random.below(BLOCK_BYTES / 2),
            _ => random.below(64),
        };
        arguments.push(Argument::Number(drive::value(*ty, number.into())));
    }
    Ok(arguments)
}

/// A new block in all three, with text.
fn block<'c>(
    check: &Check<'c, '_>,
    three: &mut Three<'c>,
    random: &mut Random,
) -> Result<Option<usize>, EngineError> {
    let mut contents: Vec<u8> =
        (1..BLOCK_BYTES).map(|_| u8::try_from(32 + random.below(95)).unwrap_or(0)).collect();
    contents.push(0);
    let number = three.first.seen.count();
    let same = check.step(three, Step::Block(contents))?;
    let is_there = |work: &Work<'_>| work.seen.count() == number + 1;
    let all = is_there(&three.first) && is_there(&three.second) && is_there(&three.new);
    Ok((all && matches!(same, Same::Yes)).then_some(number))
}
