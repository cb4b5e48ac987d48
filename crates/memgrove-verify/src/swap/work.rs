//! A module at work, step by step, with its heap where a layout says.

use std::collections::BTreeMap;

use memgrove_rewrite::swap::{Member, Observed, Role};

use super::observation::Observation;
use super::observed::{Asked, Seen};
use super::random::Random;
use super::verify::Subject;
use crate::copy::Copy;
use crate::engine::{EngineError, Instance, Memory, Value};
use crate::pair::Sides;

/// How an original's heap differs from the first one's.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub fill: Option<u8>,
    /// Bytes by which everything lies further on; 0: nothing else is in the heap.
    pub shift_bytes: u32,
    /// What others allocate between the steps is drawn from; none: nobody does.
    pub seed: Option<u64>,
}

pub(super) const FIRST: Layout = Layout { fill: Some(0xa5), shift_bytes: 0, seed: None };
pub(super) const SECOND: Layout = Layout { fill: Some(0x4b), shift_bytes: 1 << 16, seed: Some(0x0051_7cc1) };
/// Asked before anything is called different: a bit of an address that is the same in all by chance is one in 64. Then the
/// heaps are asked in which blocks lie where they lie in the new one (`compare.rs`).
pub(super) const OTHERS: [Layout; 4] = [
    Layout { fill: None, shift_bytes: 1_200_016, seed: Some(0x0002_7220) },
    Layout { fill: Some(0), shift_bytes: 70_008, seed: Some(0x000a_94f1) },
    Layout { fill: Some(0xff), shift_bytes: 3_000_040, seed: Some(0x0007_1c35) },
    Layout { fill: Some(1), shift_bytes: 24, seed: Some(0x00c0_ffee) },
];

/// A number, or a block that was handed out before.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    Number(Value),
    Block(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Call {
        export: String,
        arguments: Vec<Argument>,
    },
    /// A new block with these contents.
    Block(Vec<u8>),
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Called {
    Returned(Vec<Value>),
    Trapped(String),
    /// A budget ended it.
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub called: Called,
    pub asked: Vec<Asked>,
}

/// A module at work.
pub(super) struct Work<'w> {
    pub instance: Box<dyn Instance>,
    names: &'w Observed,
    copy: &'w Copy,
    members: &'w BTreeMap<u32, Member>,
    pub seen: Seen,
    /// Others in the same heap: what is drawn for them, and their blocks.
    others: Option<(Random, Vec<u32>)>,
    /// The stack pointer between calls.
    stack: Option<Value>,
}

impl<'w> Work<'w> {
    pub fn start(
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
            work.others = layout.seed.map(|seed| (Random::new(seed), Vec::new()));
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

    pub fn step(&mut self, step: &Step) -> Result<Answer, EngineError> {
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
