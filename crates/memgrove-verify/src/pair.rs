//! Original and fixed module side by side: started alike, called alike, compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use memgrove_rewrite::{Behaviour, Plan};

use super::{Emulated, Gap, Reason, emulate, host};
use crate::engine::{
    Engine, EngineError, Host, HostTrap, Instance, Memory, Module, Outcome, TrapReason, Value,
};

/// The host that is emulated for an original.
struct Emulation {
    host: Host,
    /// Set when the original has called an import that has no second implementation.
    reached: Arc<AtomicBool>,
    /// Set when the original has called an import that ends the program.
    ended: Arc<AtomicBool>,
    /// The code with which the original has ended the program.
    exit_code: Arc<AtomicI64>,
    /// Which import that stays was called last on each side, by its position plus 1.
    stayed: [Arc<AtomicUsize>; 2],
    /// For the fixed module: the imports that stay.
    rest: Host,
}

/// Two modules that should do the same.
pub(super) struct Sides<'a> {
    plan: &'a Plan,
    original: Box<dyn Module>,
    fixed: Box<dyn Module>,
    /// Exports to call on the original only: what the fixed module calls by itself at its start.
    constructors: &'a [String],
    /// Imports that have no second implementation, by position.
    missing: &'a [usize],
}

/// One instance of each.
pub(super) struct Pair {
    pub before: Box<dyn Instance>,
    pub after: Box<dyn Instance>,
    reached: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    exit_code: Arc<AtomicI64>,
    /// Where the fixed module keeps that code.
    exit_global: Option<String>,
    stayed: [Arc<AtomicUsize>; 2],
    sizes: (u64, u64),
}

/// Why a pair could not be started.
pub(super) enum NoPair {
    /// The original does not start.
    Original(EngineError),
    /// The fixed module does not, while the original does.
    Fixed(EngineError),
}

impl NoPair {
    /// What that means for the question that was to be answered.
    pub fn outcome(self) -> super::Outcome {
        let (reason, words) = match self {
            Self::Fixed(error) if error.is_exhausted() => (Reason::OutOfBudget, error.to_string()),
            Self::Fixed(error) => return super::Outcome::Failed(error.to_string()),
            Self::Original(error) => (
                Reason::OriginalDoesNotStart,
                format!("the original does not start under an emulated host: {error}"),
            ),
        };
        super::Outcome::Skipped(Gap::new(reason, words))
    }
}

/// What came of the same call on both sides.
pub(super) enum Same {
    /// Both returned the same values.
    Returned,
    /// Both trapped for the same reason: the fixed module's.
    Trapped(TrapReason),
    /// One used up its instructions or its stack, which hosts and stand-ins take differently.
    Exhausted,
    /// The original called an import that has no second implementation.
    Unknown,
    /// They differ, in words.
    Different(String),
}

/// Positions of the imports that have no second implementation.
///
/// # Errors
/// An import that is not a function and cannot be emulated.
pub(super) fn missing(plan: &Plan) -> Result<Vec<usize>, String> {
    if emulate(plan).is_ok() {
        return Ok(Vec::new());
    }
    let mut alone = plan.clone();
    let mut missing = Vec::new();
    for (at, item) in plan.imports.iter().enumerate() {
        alone.imports = vec![item.clone()];
        match emulate(&alone) {
            Ok(_) => {}
            Err(_) if is_function(item.behaviour) => missing.push(at),
            Err(why) => return Err(why),
        }
    }
    Ok(missing)
}

/// The import is a function.
pub(super) const fn is_function(behaviour: Behaviour) -> bool {
    matches!(
        behaviour,
        Behaviour::Traps
            | Behaviour::Exits
            | Behaviour::Answers(_)
            | Behaviour::Computes(_)
            | Behaviour::Other
            | Behaviour::StaysFunction
    )
}

impl Emulation {
    fn new(plan: &Plan, missing: &[usize]) -> Result<Self, String> {
        let mut known = plan.clone();
        for &at in missing {
            known.imports[at].behaviour = Behaviour::StaysFunction;
        }
        let Emulated { host, ended, exit_code, .. } = emulate(&known)?;
        let mut emulation = Self {
            host,
            reached: Arc::default(),
            ended,
            exit_code,
            stayed: [Arc::default(), Arc::default()],
            rest: host::of_the_rest(plan),
        };
        for &at in missing {
            let item = &plan.imports[at];
            let reached = emulation.reached.clone();
            emulation.host = emulation.host.function(&item.module, &item.name, move |_, _| {
                reached.store(true, Ordering::Relaxed);
                Err(HostTrap("it has no second implementation".to_owned()))
            });
        }
        let stays = |item: &memgrove_rewrite::Item| item.behaviour == Behaviour::StaysFunction;
        for (at, item) in plan.imports.iter().enumerate().filter(|(_, item)| stays(item)) {
            // The same answer on both sides: what the program does with it can be compared, and a trap would end
            // most calls before there is anything to compare.
            let note = |host: Host, last: &Arc<AtomicUsize>| {
                let last = last.clone();
                host.function(&item.module, &item.name, move |caller, _| {
                    last.store(at + 1, Ordering::Relaxed);
                    Ok(caller.signature().results.iter().map(|ty| ty.zero()).collect())
                })
            };
            emulation.host = note(emulation.host, &emulation.stayed[0]);
            emulation.rest = note(emulation.rest, &emulation.stayed[1]);
        }
        Ok(emulation)
    }
}

impl<'a> Sides<'a> {
    /// Compiles both.
    pub fn new(
        engine: &dyn Engine,
        (original, fixed): (&[u8], &[u8]),
        plan: &'a Plan,
        constructors: &'a [String],
        missing: &'a [usize],
    ) -> Result<Self, EngineError> {
        let (original, fixed) = (engine.compile(original)?, engine.compile(fixed)?);
        Ok(Self { plan, original, fixed, constructors, missing })
    }

    /// Starts both: the original first, so that what it cannot do is not held against the other.
    pub fn start(&self) -> Result<Pair, NoPair> {
        let emulation = Emulation::new(self.plan, self.missing)
            .map_err(|words| NoPair::Original(EngineError::Engine { words }))?;
        let before = self.start_original(&emulation.host).map_err(NoPair::Original)?;
        let after = self.fixed.instantiate(&emulation.rest).map_err(NoPair::Fixed)?;
        let Emulation { reached, ended, exit_code, stayed, .. } = emulation;
        let exit_global = self.plan.exit_code().map(str::to_owned);
        let mut pair = Pair { before, after, reached, ended, exit_code, exit_global, stayed, sizes: (0, 0) };
        pair.sizes = (memory_bytes(pair.before.as_mut()), memory_bytes(pair.after.as_mut()));
        Ok(pair)
    }

    /// The original as its glue starts it, constructors included.
    fn start_original(&self, host: &Host) -> Result<Box<dyn Instance>, EngineError> {
        let mut original = self.original.instantiate(host)?;
        for (at, bytes) in self.plan.initial_data() {
            original.write(Memory::Main, u64::from(at), bytes)?;
        }
        for name in self.constructors {
            original.call(name, &[])?;
        }
        Ok(original)
    }

    /// The original alone, or why it does not start.
    pub fn original_alone(&self) -> Result<Box<dyn Instance>, EngineError> {
        let emulation =
            Emulation::new(self.plan, self.missing).map_err(|words| EngineError::Engine { words })?;
        self.start_original(&emulation.host)
    }

    /// The fixed module alone.
    pub fn fixed_alone(&self) -> Result<Box<dyn Instance>, EngineError> {
        self.fixed.instantiate(&host::of_the_rest(self.plan))
    }

    /// The fixed module's outside.
    pub fn fixed(&self) -> &dyn Module {
        self.fixed.as_ref()
    }

    /// The original's outside.
    pub fn original(&self) -> &dyn Module {
        self.original.as_ref()
    }
}

impl Pair {
    /// Makes the same call on both sides; the exports may have different names.
    pub fn call(&mut self, (before, after): (&str, &str), arguments: &[Value]) -> Same {
        self.reached.store(false, Ordering::Relaxed);
        self.ended.store(false, Ordering::Relaxed);
        self.exit_code.store(host::NO_EXIT, Ordering::Relaxed);
        for last in &self.stayed {
            last.store(0, Ordering::Relaxed);
        }
        let was = self.before.call(before, arguments);
        if self.reached.load(Ordering::Relaxed) {
            return Same::Unknown;
        }
        let is = self.after.call(after, arguments);
        if is_exhausted(&was) || is_exhausted(&is) {
            return Same::Exhausted;
        }
        let [was_at, is_at] = [0, 1].map(|side: usize| self.stayed[side].load(Ordering::Relaxed));
        let exit_code = self.exit_code.load(Ordering::Relaxed);
        if was.is_err()
            && exit_code != host::NO_EXIT
            && let Some(told) = self.told_exit_code()
            && told != exit_code
        {
            return Same::Different(format!(
                "`{before}` with {arguments:?}: ended with code {exit_code} before, and {told} is told after"
            ));
        }
        match (was, is) {
            // The end of the program at the end of its entry: a return instead of an exit.
            (Err(_), Ok(is))
                if is.values.is_empty()
                    && was_at == is_at
                    && self.exit_global.is_some()
                    && exit_code == 0 =>
            {
                Same::Returned
            }
            (Ok(was), Ok(is)) if was.values == is.values && was_at == is_at => Same::Returned,
            (Err(was), Err(is)) if was_at == is_at && self.is_same_trap(&was, &is) => {
                Same::Trapped(is.trap().cloned().unwrap_or(TrapReason::Other))
            }
            (was, is) => Same::Different(format!(
                "`{before}` with {arguments:?}: {} before, {} after",
                describe(&was),
                describe(&is)
            )),
        }
    }

    /// The exit code that the fixed module tells.
    fn told_exit_code(&mut self) -> Option<i64> {
        match self.after.global(self.exit_global.as_deref()?) {
            Ok(Value::I32(code)) => Some(i64::from(code)),
            // A global that cannot be read tells nothing.
            _ => Some(host::NO_EXIT),
        }
    }

    /// How the memories differ: in how far they have grown since the start, or at which address; else how many
    /// bytes are equal. What the fixed module was given beyond the original's memory is its own.
    pub fn compare_memory(&mut self) -> Result<Result<u64, String>, EngineError> {
        const CHUNK_BYTES: u64 = 1 << 20;
        let (was, is) = (memory_bytes(self.before.as_mut()), memory_bytes(self.after.as_mut()));
        let (grew, grows) = (was - self.sizes.0, is - self.sizes.1);
        if grew != grows {
            return Ok(Err(format!("memory grew by {grew} bytes before and by {grows} after")));
        }
        let common = was.min(is);
        for at in (0..common).step_by(usize::try_from(CHUNK_BYTES).unwrap_or(1)) {
            let length = CHUNK_BYTES.min(common - at);
            let left = self.before.read(Memory::Main, at, length)?;
            let right = self.after.read(Memory::Main, at, length)?;
            if left != right {
                let offset = left.iter().zip(&right).position(|(left, right)| left != right).unwrap_or(0);
                return Ok(Err(format!("memory differs at {:#x}", at + offset as u64)));
            }
        }
        Ok(Ok(common))
    }

    /// The same reason, or the host's and what stands for it inside the module: `unreachable` for what ends the
    /// program, an access out of bounds for one that the host found to be that.
    fn is_same_trap(&self, was: &EngineError, is: &EngineError) -> bool {
        match (was.trap(), is.trap()) {
            (Some(TrapReason::Host(_)), Some(TrapReason::Host(_))) => true,
            (Some(TrapReason::Host(_)), Some(is)) if self.ended.load(Ordering::Relaxed) => {
                *is == TrapReason::Unreachable
            }
            (Some(TrapReason::Host(_)), Some(is)) => *is == TrapReason::MemoryOutOfBounds,
            (Some(was), Some(is)) => was == is,
            _ => false,
        }
    }

    /// Sizes of both memories, in bytes.
    pub fn memory_bytes(&mut self) -> (u64, u64) {
        (memory_bytes(self.before.as_mut()), memory_bytes(self.after.as_mut()))
    }
}

pub(super) fn is_exhausted<T>(result: &Result<T, EngineError>) -> bool {
    result.as_ref().is_err_and(EngineError::is_exhausted)
}

fn describe(result: &Result<Outcome, EngineError>) -> String {
    match result {
        Ok(outcome) => format!("{:?}", outcome.values),
        Err(error) => error.to_string(),
    }
}

pub(super) fn memory_bytes(instance: &mut dyn Instance) -> u64 {
    instance.memory_bytes(Memory::Main).unwrap_or(0)
}
