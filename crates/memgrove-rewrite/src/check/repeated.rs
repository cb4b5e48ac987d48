//! Accesses of bytes that one before them has tested, with nothing in between that could change what may be accessed.
//!
//! Two addresses are the same if they are the same value: values have numbers, which locals hand on and which sums of the
//! same values share. What is known at a place holds on every way to it: what was tested before a block, in a block before the
//! first branch out of it, and within. All is forgotten where the allocator may be called.
//!
//! Where an access in between is not allowed, it is reported by the test before. So of one error there is one report, at
//! the access that comes first.

use std::collections::{BTreeMap, HashMap};

use memgrove_module::code::Flow;
use wasmparser::{BlockType, Operator};

use super::access::Access;

/// Between two bytes that may be accessed, so far apart at most, all may: what must not be accessed lies together in at least
/// 8 bytes (`place` and `header` of `trace/checker.wat`).
const MOST_BETWEEN: u64 = 7;
/// So many tests are remembered at once.
const MOST_TESTS: usize = 64;
/// Steps for each instruction; what would take more, such as blocks nested in hundreds, is tested.
const MOST_STEPS: usize = 64;
/// Numbers below are those of locals that were not set.
const FIRST_NUMBER: usize = 1 << 17;

/// Finds them, in their order. `changes` tells instructions after which other bytes may be accessed, `is_tested` the accesses
/// that are tested otherwise. Linear in the function.
pub(super) fn repeated(
    flow: &Flow<'_>,
    changes: &dyn Fn(&Operator<'_>) -> bool,
    is_tested: &dyn Fn(usize) -> bool,
) -> Vec<usize> {
    let Some(loops) = Loops::of(flow, changes) else { return Vec::new() };
    let mut walk = Walk {
        flow,
        loops,
        made: (FIRST_NUMBER..FIRST_NUMBER + flow.code.len()).collect(),
        locals: BTreeMap::new(),
        sums: HashMap::new(),
        next: FIRST_NUMBER + flow.code.len(),
        sets: 0,
        scopes: Vec::new(),
        tests: Vec::new(),
        steps: MOST_STEPS.saturating_mul(flow.code.len()),
        found: Vec::new(),
    };
    for at in 0..flow.code.len() {
        if walk.step(at, changes, is_tested).is_none() {
            break;
        }
    }
    walk.found
}

/// What each loop does to what is known at its beginning, where it begins again.
struct Loops {
    /// By the loop's position: which sets of locals are in it, and whether what may be accessed changes.
    inside: BTreeMap<usize, (usize, usize, bool)>,
    /// The locals that are set, in the order of the code.
    sets: Vec<u32>,
}

impl Loops {
    /// `None` for code with other ways than blocks and branches.
    fn of(flow: &Flow<'_>, changes: &dyn Fn(&Operator<'_>) -> bool) -> Option<Self> {
        let mut loops = Self { inside: BTreeMap::new(), sets: Vec::new() };
        let mut scopes = Vec::new();
        let mut changed = 0_usize;
        for (at, operator) in flow.code.iter().enumerate() {
            match operator {
                // What goes into a loop may be another value when it begins again.
                Operator::Block { blockty: BlockType::FuncType(_) }
                | Operator::If { blockty: BlockType::FuncType(_) }
                | Operator::Loop { blockty: BlockType::FuncType(_) } => return None,
                Operator::Block { .. } | Operator::If { .. } => scopes.push(None),
                Operator::Loop { .. } => scopes.push(Some((at, loops.sets.len(), changed))),
                Operator::End => {
                    if let Some(Some((begin, sets, before))) = scopes.pop() {
                        loops.inside.insert(begin, (sets, loops.sets.len(), changed > before));
                    }
                }
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    loops.sets.push(*local_index);
                }
                Operator::Try { .. }
                | Operator::TryTable { .. }
                | Operator::Catch { .. }
                | Operator::CatchAll
                | Operator::Delegate { .. }
                | Operator::BrOnNull { .. }
                | Operator::BrOnNonNull { .. }
                | Operator::BrOnCast { .. }
                | Operator::BrOnCastFail { .. }
                | Operator::Suspend { .. }
                | Operator::Resume { .. }
                | Operator::ResumeThrow { .. }
                | Operator::Switch { .. } => return None,
                _ => changed += usize::from(changes(operator)),
            }
        }
        Some(loops)
    }
}

/// A test that was made: of these bytes behind the value of this number.
#[derive(Clone, Copy)]
struct Test {
    value: usize,
    offset: u64,
    width: u64,
    stores: bool,
}

/// A block that has begun.
struct Scope {
    kind: Kind,
    /// Sets of locals before it.
    sets: usize,
    /// Tests that were known where it begins, and still are.
    before: usize,
    /// Tests that are known at each branch to its end.
    at_branches: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Loop,
    If,
}

struct Walk<'w, 'a> {
    flow: &'w Flow<'a>,
    loops: Loops,
    /// The number of what each instruction makes.
    made: Vec<usize>,
    locals: BTreeMap<u32, usize>,
    sums: HashMap<(u8, usize, usize), usize>,
    next: usize,
    /// Sets of locals so far.
    sets: usize,
    scopes: Vec<Scope>,
    tests: Vec<Test>,
    steps: usize,
    found: Vec<usize>,
}

impl Walk<'_, '_> {
    fn spend(&mut self, steps: usize) -> Option<()> {
        self.steps = self.steps.checked_sub(steps)?;
        Some(())
    }

    fn operand(&mut self, at: usize, which: usize) -> usize {
        let made = self.flow.made_by(at, which);
        // Calls make several values, which are not told apart.
        let one = made.filter(|made| {
            !matches!(
                self.flow.code[*made],
                Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. }
            )
        });
        match one {
            Some(made) => self.made[made],
            None => self.fresh(),
        }
    }

    /// The number of what an instruction makes of two operands and nothing else.
    fn made_of_two(&mut self, kind: u8, at: usize) {
        let operands = (self.operand(at, 0), self.operand(at, 1));
        self.made[at] = self.sum((kind, operands.0, operands.1));
    }

    fn fresh(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn sum(&mut self, key: (u8, usize, usize)) -> usize {
        if let Some(known) = self.sums.get(&key) {
            return *known;
        }
        let number = self.fresh();
        self.sums.insert(key, number);
        number
    }

    /// Locals that are set in this part of the code may hold anything.
    fn forget(&mut self, from: usize, to: usize) -> Option<()> {
        self.spend(to - from)?;
        for at in from..to {
            let number = self.fresh();
            self.locals.insert(self.loops.sets[at], number);
        }
        Some(())
    }

    /// Only the first tests are still known.
    fn keep(&mut self, most: usize) -> Option<()> {
        if most >= self.tests.len() {
            return Some(());
        }
        self.spend(self.scopes.len())?;
        self.tests.truncate(most);
        for scope in &mut self.scopes {
            scope.before = scope.before.min(most);
            scope.at_branches = scope.at_branches.map(|known| known.min(most));
        }
        Some(())
    }

    fn branch(&mut self, depth: u32) {
        let known = self.tests.len();
        // The outermost is the function itself.
        let Some(at) = self.scopes.len().checked_sub(1 + depth as usize) else { return };
        let scope = &mut self.scopes[at];
        scope.at_branches = Some(scope.at_branches.map_or(known, |least| least.min(known)));
    }

    fn begin(&mut self, kind: Kind) {
        self.scopes.push(Scope { kind, sets: self.sets, before: self.tests.len(), at_branches: None });
    }

    fn step(
        &mut self,
        at: usize,
        changes: &dyn Fn(&Operator<'_>) -> bool,
        is_tested: &dyn Fn(usize) -> bool,
    ) -> Option<()> {
        let flow = self.flow;
        self.spend(1)?;
        match &flow.code[at] {
            Operator::LocalGet { local_index } => {
                let unset = *local_index as usize;
                self.made[at] = self.locals.get(local_index).copied().unwrap_or(unset);
            }
            Operator::LocalSet { local_index } => {
                let value = self.operand(at, 0);
                self.locals.insert(*local_index, value);
                self.sets += 1;
            }
            Operator::LocalTee { local_index } => {
                let value = self.operand(at, 0);
                self.locals.insert(*local_index, value);
                self.made[at] = value;
                self.sets += 1;
            }
            Operator::I32Const { value } => {
                self.made[at] = self.sum((0, value.cast_unsigned() as usize, 0));
            }
            Operator::I64Const { value } => {
                let [low, high] = [*value, value >> 32].map(|half| (half & 0xffff_ffff) as usize);
                self.made[at] = self.sum((6, low, high));
            }
            Operator::I64Add => self.made_of_two(7, at),
            Operator::I64Sub => self.made_of_two(8, at),
            Operator::I64Mul => self.made_of_two(9, at),
            Operator::I64Shl => self.made_of_two(10, at),
            Operator::I64And => self.made_of_two(11, at),
            Operator::I32Add => self.made_of_two(1, at),
            Operator::I32Sub => self.made_of_two(2, at),
            Operator::I32Mul => self.made_of_two(3, at),
            Operator::I32Shl => self.made_of_two(4, at),
            Operator::I32And => self.made_of_two(5, at),
            Operator::Block { .. } => self.begin(Kind::Block),
            Operator::If { .. } => self.begin(Kind::If),
            Operator::Loop { .. } => {
                let (from, to, changed) = self.loops.inside.get(&at).copied()?;
                self.forget(from, to)?;
                if changed {
                    self.keep(0)?;
                }
                self.begin(Kind::Loop);
            }
            Operator::Else => {
                let (sets, before) = self.scopes.last().map(|scope| (scope.sets, scope.before))?;
                self.forget(sets, self.sets)?;
                self.keep(before)?;
            }
            Operator::End => {
                // The last one is the function's.
                let Some(scope) = self.scopes.pop() else { return Some(()) };
                let known = self.tests.len();
                let at_branches = scope.at_branches.unwrap_or(known);
                let known = match scope.kind {
                    Kind::Loop => return Some(()),
                    Kind::If => known.min(at_branches).min(scope.before),
                    Kind::Block => known.min(at_branches),
                };
                self.forget(scope.sets, self.sets)?;
                self.keep(known)?;
            }
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.branch(*relative_depth)
            }
            Operator::BrTable { targets } => {
                self.spend(targets.len() as usize)?;
                for depth in targets.targets().map_while(Result::ok).chain([targets.default()]) {
                    self.branch(depth);
                }
            }
            operator if changes(operator) => self.keep(0)?,
            operator => {
                if let Some(Access::At { memarg, width, stores, .. }) = Access::of(operator)
                    && !is_tested(at)
                {
                    let value = self.operand(at, 0);
                    let test = Test { value, offset: memarg.offset, width: u64::from(width), stores };
                    if self.is_known(test) {
                        self.found.push(at);
                    } else {
                        self.tests.push(test);
                    }
                }
            }
        }
        Some(())
    }

    /// The tests that are known tell that this one is passed.
    ///
    /// One that was passed by a read tells of its first byte only: a word that is read aligned may go beyond the end. If so,
    /// a shorter one that begins there may, too.
    fn is_known(&self, asked: Test) -> bool {
        let recent = self.tests.iter().rev().take(MOST_TESTS).filter(|test| test.value == asked.value);
        let mut bytes: Vec<(u64, u64)> = Vec::new();
        for test in recent {
            if !asked.stores && test.offset == asked.offset && test.width >= asked.width {
                return true;
            }
            bytes.push((test.offset, test.offset + if test.stores { test.width } else { 1 }));
        }
        bytes.sort_unstable();
        let mut known = None::<(u64, u64)>;
        for (from, to) in bytes {
            known = match known {
                Some((begin, end)) if from <= end + MOST_BETWEEN => Some((begin, end.max(to))),
                _ => Some((from, to)),
            };
            if known.is_some_and(|(begin, end)| begin <= asked.offset && asked.offset + asked.width <= end) {
                return true;
            }
        }
        false
    }
}
