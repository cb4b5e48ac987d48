//! Original and fixed module side by side: started alike, called alike, compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use memgrove_rewrite::{Behaviour, Plan};

use super::heap::{ByBlock, Layout, Shared};
use super::host::emulate_on;
use super::{Emulated, Gap, Reason, emulate, host};
use crate::engine::{
    Engine, EngineError, Host, HostTrap, Instance, Memory, Module, Outcome, TrapReason, Value,
};

/// What came of one call.
pub(super) type Answer = Result<Outcome, EngineError>;

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

/// The original at work, under a host that is emulated for it.
pub(super) struct Original {
    pub instance: Box<dyn Instance>,
    notes: Notes,
}

/// What the emulated host notes while its functions are called.
struct Notes {
    /// C's heap, where the host gives one.
    heap: Shared,
    /// Set when the original has called an import that has no second implementation.
    reached: Arc<AtomicBool>,
    /// Set when it has called an import that ends the program.
    ended: Arc<AtomicBool>,
    /// The code with which it has ended the program.
    exit_code: Arc<AtomicI64>,
    /// Which import that stays was called last, by its position plus 1.
    stayed: Arc<AtomicUsize>,
}

/// One instance of each.
pub(super) struct Pair<'s> {
    pub before: Original,
    pub after: Box<dyn Instance>,
    /// Which import that stays the fixed module called last, by its position plus 1.
    stayed: Arc<AtomicUsize>,
    /// The original once more, on another heap, where the two have heaps of their own.
    by_block: Option<ByBlock<'s>>,
    /// Where the fixed module keeps the exit code.
    exit_global: Option<&'s str>,
    /// Sizes of both memories at the start, in bytes.
    sizes: (u64, u64),
}

/// What is the same at the end of two runs.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Bytes of memory.
    pub bytes: u64,
    /// Blocks of heaps that do not lie at the same place.
    pub blocks: usize,
    /// What was not compared.
    pub gaps: Vec<Gap>,
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
    /// It depends on where the heap's blocks lie, or on what C leaves open, in words.
    Open(&'static str),
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
            | Behaviour::Allocates(_)
            | Behaviour::Other
            | Behaviour::StaysFunction
    )
}

impl Original {
    /// Calls it; also which import that stays it called last.
    pub fn call(&mut self, export: &str, arguments: &[Value]) -> (Answer, usize) {
        let Notes { reached, ended, exit_code, stayed, .. } = &self.notes;
        reached.store(false, Ordering::Relaxed);
        ended.store(false, Ordering::Relaxed);
        exit_code.store(host::NO_EXIT, Ordering::Relaxed);
        stayed.store(0, Ordering::Relaxed);
        (self.instance.call(export, arguments), stayed.load(Ordering::Relaxed))
    }

    /// Why what it did last cannot be compared, if that is so.
    pub fn not_comparable(&self) -> Option<Same> {
        if self.notes.reached.load(Ordering::Relaxed) {
            return Some(Same::Unknown);
        }
        self.heap().lock().incomparable().map(Same::Open)
    }

    /// The code with which the last call ended the program, if it did.
    fn exit_code(&self) -> Option<i64> {
        Some(self.notes.exit_code.load(Ordering::Relaxed)).filter(|code| *code != host::NO_EXIT)
    }

    /// C's heap, where the host gives one.
    pub const fn heap(&self) -> &Shared {
        &self.notes.heap
    }

    /// The fixed module's trap is for the same reason as this one's, or for the host's and what stands for it inside
    /// the module: `unreachable` for what ends the program, an access out of bounds for one that the host found to be that.
    pub fn is_same_trap(&self, was: &EngineError, is: &EngineError) -> bool {
        match (was.trap(), is.trap()) {
            (Some(TrapReason::Host(_)), Some(TrapReason::Host(_))) => true,
            (Some(TrapReason::Host(_)), Some(is)) if self.notes.ended.load(Ordering::Relaxed) => {
                *is == TrapReason::Unreachable
            }
            (Some(TrapReason::Host(_)), Some(is)) => *is == TrapReason::MemoryOutOfBounds,
            (Some(was), Some(is)) => was == is,
            _ => false,
        }
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
    pub fn start(&self) -> Result<Pair<'_>, NoPair> {
        let before = self.original_on(Layout::FIRST).map_err(NoPair::Original)?;
        let (host, stayed) = self.host_of_the_rest();
        let after = self.fixed.instantiate(&host).map_err(NoPair::Fixed)?;
        let exit_global = self.plan.exit_code();
        let mut pair = Pair { before, after, stayed, by_block: None, exit_global, sizes: (0, 0) };
        pair.sizes = pair.memory_bytes();
        Ok(pair)
    }

    /// The same for whole programs: where a heap was put inside, they are compared by block and offset.
    pub fn start_programs(&self) -> Result<Pair<'_>, NoPair> {
        let mut pair = self.start()?;
        if super::has_heap(self.plan) {
            pair.by_block = Some(ByBlock::start(self).map_err(NoPair::Original)?);
        }
        Ok(pair)
    }

    /// The original as its glue starts it, constructors included, on a heap that lays out its blocks so.
    pub fn original_on(&self, layout: Layout) -> Result<Original, EngineError> {
        let (host, notes) = self.emulation(layout).map_err(|words| EngineError::Engine { words })?;
        let mut instance = self.original.instantiate(&host)?;
        for (at, bytes) in self.plan.initial_data() {
            instance.write(Memory::Main, u64::from(at), bytes)?;
        }
        for name in self.constructors {
            instance.call(name, &[])?;
        }
        Ok(Original { instance, notes })
    }

    /// The host that is emulated for the original, and what it notes.
    fn emulation(&self, layout: Layout) -> Result<(Host, Notes), String> {
        let mut known = self.plan.clone();
        for &at in self.missing {
            known.imports[at].behaviour = Behaviour::StaysFunction;
        }
        let heap = Shared::new(layout, self.plan.page_bytes());
        let emulated = emulate_on(&known, &heap)?;
        let (mut host, reached, stayed) =
            (emulated.host.clone(), Arc::<AtomicBool>::default(), Arc::default());
        for &at in self.missing {
            let item = &self.plan.imports[at];
            let reached = reached.clone();
            host = host.function(&item.module, &item.name, move |_, _| {
                reached.store(true, Ordering::Relaxed);
                Err(HostTrap("it has no second implementation".to_owned()))
            });
        }
        host = self.notes_what_stays(host, &stayed);
        let Emulated { ended, exit_code, .. } = emulated;
        Ok((host, Notes { heap, reached, ended, exit_code, stayed }))
    }

    /// The same answer on both sides: what the program does with it can be compared, and a trap would end most calls
    /// before there is anything to compare.
    fn notes_what_stays(&self, mut host: Host, stayed: &Arc<AtomicUsize>) -> Host {
        let stays = |item: &memgrove_rewrite::Item| item.behaviour == Behaviour::StaysFunction;
        for (at, item) in self.plan.imports.iter().enumerate().filter(|(_, item)| stays(item)) {
            let last = stayed.clone();
            host = host.function(&item.module, &item.name, move |caller, _| {
                last.store(at + 1, Ordering::Relaxed);
                Ok(caller.signature().results.iter().map(|ty| ty.zero()).collect())
            });
        }
        host
    }

    /// For the fixed module: the imports that stay.
    fn host_of_the_rest(&self) -> (Host, Arc<AtomicUsize>) {
        let stayed = Arc::default();
        (self.notes_what_stays(host::of_the_rest(self.plan), &stayed), stayed)
    }

    /// The original alone, or why it does not start.
    pub fn original_alone(&self) -> Result<Box<dyn Instance>, EngineError> {
        Ok(self.original_on(Layout::FIRST)?.instance)
    }

    /// The other module under the original's host, as it has the same imports.
    pub fn fixed_on_host_of_original(&self) -> Result<Box<dyn Instance>, EngineError> {
        let (host, _) = self.emulation(Layout::FIRST).map_err(|words| EngineError::Engine { words })?;
        let mut instance = self.fixed.instantiate(&host)?;
        for (at, bytes) in self.plan.initial_data() {
            instance.write(Memory::Main, u64::from(at), bytes)?;
        }
        Ok(instance)
    }

    /// The fixed module alone. What stays returns what it does for the original: constructors often call it first.
    pub fn fixed_alone(&self) -> Result<Box<dyn Instance>, EngineError> {
        self.fixed.instantiate(&self.host_of_the_rest().0)
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

impl Pair<'_> {
    /// Makes the same call on both sides; the exports may have different names.
    pub fn call(&mut self, (before, after): (&str, &str), arguments: &[Value]) -> Same {
        let (was, was_at) = self.before.call(before, arguments);
        if let Some(why_not) = self.before.not_comparable() {
            return why_not;
        }
        let also = match &mut self.by_block {
            None => None,
            Some(by_block) => match by_block.call(before, arguments) {
                Ok(also) => Some(also),
                Err(why_not) => return why_not,
            },
        };
        self.stayed.store(0, Ordering::Relaxed);
        let is = self.after.call(after, arguments);
        let is_at = self.stayed.load(Ordering::Relaxed);
        if is_exhausted(&was) || is_exhausted(&is) || also.as_ref().is_some_and(is_exhausted) {
            return Same::Exhausted;
        }
        // What an engine cannot do says nothing of the modules.
        if is_engines_own(&was) || is_engines_own(&is) || also.as_ref().is_some_and(is_engines_own) {
            return Same::Open("the engine itself failed");
        }
        let differs = |was: &Answer, is: &Answer| {
            let sides = (describe(was), describe(is));
            Same::Different(format!("`{before}` with {arguments:?}: {} before, {} after", sides.0, sides.1))
        };
        if was_at != is_at {
            return differs(&was, &is);
        }
        if let (Err(_), Some(code), Some(global)) = (&was, self.before.exit_code(), self.exit_global) {
            // A global that cannot be read tells nothing.
            let told = self.after.global(global).ok().and_then(|value| match value {
                Value::I32(code) => Some(i64::from(code)),
                _ => None,
            });
            if told != Some(code) {
                return Same::Different(format!(
                    "`{before}` with {arguments:?}: ended with code {code} before, and {told:?} is told after"
                ));
            }
            // The end of the program at the end of its entry: a return instead of an exit.
            if code == 0 && is.as_ref().is_ok_and(|is| is.values.is_empty()) {
                return Same::Returned;
            }
        }
        if let (Some(by_block), Some(also)) = (&mut self.by_block, also) {
            return match by_block.compare(&mut self.before, &was, &also, &is) {
                Same::Different(_) => differs(&was, &is),
                same => same,
            };
        }
        match (&was, &is) {
            (Ok(was), Ok(is)) if was.values == is.values => Same::Returned,
            (Err(was), Err(is)) if self.before.is_same_trap(was, is) => trapped(is),
            _ => differs(&was, &is),
        }
    }

    /// An exported global on both sides; how they differ. `None` if it cannot be read.
    pub fn compare_global(&mut self, name: &str) -> Option<Same> {
        let was = self.before.instance.global(name).ok()?;
        let is = match self.after.global(name) {
            Ok(is) => is,
            Err(error) => return Some(Same::Different(error.to_string())),
        };
        let same = match &mut self.by_block {
            None if was == is => Same::Returned,
            None => Same::Different(String::new()),
            Some(by_block) => by_block.compare_global(&mut self.before, name, was, is),
        };
        Some(match same {
            Same::Different(_) => {
                Same::Different(format!("global `{name}` is {was:?} before and {is:?} after"))
            }
            same => same,
        })
    }

    /// How the memories differ: in how far they have grown since the start, or at which address; else what is equal.
    /// What the fixed module was given beyond the original's memory is its own.
    pub fn compare_memory(&mut self) -> Result<Result<Compared, String>, EngineError> {
        const CHUNK_BYTES: u64 = 1 << 20;
        if let Some(by_block) = &mut self.by_block {
            return by_block.compare_memory(&mut self.before, self.after.as_mut(), self.sizes);
        }
        let (was, is) = self.memory_bytes();
        let (grew, grows) = (was - self.sizes.0, is - self.sizes.1);
        if grew != grows {
            return Ok(Err(format!("memory grew by {grew} bytes before and by {grows} after")));
        }
        let common = was.min(is);
        for at in (0..common).step_by(usize::try_from(CHUNK_BYTES).unwrap_or(1)) {
            let length = CHUNK_BYTES.min(common - at);
            let left = self.before.instance.read(Memory::Main, at, length)?;
            let right = self.after.read(Memory::Main, at, length)?;
            if left != right {
                let offset = left.iter().zip(&right).position(|(left, right)| left != right).unwrap_or(0);
                return Ok(Err(format!("memory differs at {:#x}", at + offset as u64)));
            }
        }
        Ok(Ok(Compared { bytes: common, ..Compared::default() }))
    }

    /// Both instances.
    pub fn instances(&mut self) -> [&mut dyn Instance; 2] {
        [self.before.instance.as_mut(), self.after.as_mut()]
    }

    /// Sizes of both memories, in bytes.
    pub fn memory_bytes(&mut self) -> (u64, u64) {
        (memory_bytes(self.before.instance.as_mut()), memory_bytes(self.after.as_mut()))
    }
}

/// Both trapped, the fixed module for this reason.
pub(super) fn trapped(is: &EngineError) -> Same {
    Same::Trapped(is.trap().cloned().unwrap_or(TrapReason::Other))
}

pub(super) fn is_exhausted<T>(result: &Result<T, EngineError>) -> bool {
    result.as_ref().is_err_and(EngineError::is_exhausted)
}

fn is_engines_own<T>(result: &Result<T, EngineError>) -> bool {
    matches!(result, Err(EngineError::Engine { .. }))
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
