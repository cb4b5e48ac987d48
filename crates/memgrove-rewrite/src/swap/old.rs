//! The allocator that is replaced: what is only its own, and who else knows how it works inside.
//!
//! A function is replaced at the lowest level at which nothing above knows the heap: what survives calls the replaced
//! functions, and neither reads nor writes what they keep, nor the headers of their blocks. Functions that would survive
//! and do so are replaced too, if what they promise is known; else the module is refused, and they are named.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::Code;
use memgrove_module::code::Flow;
use memgrove_module::facts::{ExternKind, Facts};
use memgrove_module::recognise::constructor;
use wasmparser::Operator;

use super::inlined::{Remains, with_mapped_blocks};
use super::knows::{Knows, inner, knows, told};
use super::own::{Errno, Own, snapshot, state};
use super::reach::{forwarded, is_lowest, reach, roots};
use super::reader::Reader;
use super::role::{Member, Role, has_wide_addresses};
use super::shared::{free_word, own_break};
use super::{Refusal, Why, refusal};

/// Functions that know an allocator from inside are a few; more mean that it is not the allocator's state. A
/// quarter of it is enough for the corpus and the samples.
const MOST_ROUNDS: usize = 16;
/// Operators at the beginning of a function that may ask for special cases. Five are too few for one module of the corpus
/// (1414aecb); with 80 nothing changes.
const BEGINNING: usize = 20;

/// What is replaced, and what goes with it.
pub(crate) struct Old {
    /// The functions that are replaced.
    pub replaced: BTreeMap<u32, Member>,
    /// Functions that only these called.
    pub dead: BTreeSet<u32>,
    /// Loads, by function and position, that ask whether a new block must be cleared.
    pub tests: BTreeMap<u32, BTreeSet<usize>>,
    /// Functions that only did something for the old heap, and return nothing or 0 now: what constructors call to make it
    /// ready, and `malloc_trim`.
    pub primers: BTreeSet<u32>,
    /// The variable that holds the end of the heap, where the allocator itself moves it.
    pub break_cell: Option<u32>,
    /// `malloc` begins by asking whether nothing is wanted. That it returns null then has to be shown by running it.
    pub zero_is_null: bool,
    /// The same of `realloc`, which frees the block and returns null then.
    pub realloc_zero_frees: bool,
    /// Where the old heap is, if its functions are told.
    pub heap: Option<u32>,
    /// Addresses that only these functions read and write.
    pub state: BTreeSet<u32>,
    /// Where errno is, if the old allocator sets it, and the number for exhausted memory.
    pub errno: Option<(Errno, i32)>,
    /// A word of the state that holds 0 at the beginning, and that nobody else writes: asked for where memory is shared.
    pub free_word: Option<u32>,
    /// Functions that stay hold code of the allocator's which reads the word before a block.
    pub mapped: bool,
    /// A variable of the allocator that points to a block from the beginning, and what it holds.
    snapshot: Option<(u32, u32)>,
}

/// What becomes of a function of the program that holds code of the allocator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inlined {
    /// A reallocation is taken for the whole function: for whoever wraps it, and looks at it more closely.
    Replaced,
    /// It stands against any other heap.
    Refused,
    /// It stays, and every block says that it was mapped, which makes it copy: see [`super::inlined`].
    Mapped,
}

impl Old {
    /// Whether a function is a part of the allocator: known to the program, or only what stands behind those that are.
    pub(crate) fn is_own(&self, func: u32) -> bool {
        self.replaced.contains_key(&func) || self.dead.contains(&func) || self.primers.contains(&func)
    }

    /// Finds what has to be replaced. Linear in the module, for each round in which something is added.
    pub fn find(
        reader: &mut Reader<'_, '_>,
        members: &[Member],
        sbrk: Option<u32>,
        inlined: Inlined,
    ) -> Result<Self, Refusal> {
        let code = reader.code;
        let facts = code.facts();
        refusal::of_members(facts, members)?;
        let mut by_func: BTreeMap<u32, Member> =
            members.iter().map(|member| (member.func, *member)).collect();
        // What a member hands all its arguments to is called directly, too, where it was inlined.
        for member in members {
            let last = forwarded(code, *member);
            by_func.entry(last.func).or_insert(last);
        }
        let given: BTreeSet<u32> = by_func.keys().copied().collect();
        let mut replaced: BTreeMap<u32, Member> = by_func
            .iter()
            .filter(|(func, _)| is_lowest(facts, **func, &by_func))
            .map(|(f, m)| (*f, *m))
            .collect();
        let before = reach(facts, roots(facts, None), |_| false);
        let mut inferred = by_func.clone();
        let mut primers = BTreeSet::new();
        for _ in 0..MOST_ROUNDS {
            let is_cut = |func: u32| replaced.contains_key(&func) || primers.contains(&func);
            let after = reach(facts, roots(facts, sbrk), is_cut);
            let is_dead = |func: &u32| {
                let was = before.get(*func as usize).copied().unwrap_or(false);
                let is = after.get(*func as usize).copied().unwrap_or(false);
                was && !is && !is_cut(*func)
            };
            let dead: BTreeSet<u32> =
                (facts.imported_func_count()..facts.func_count()).filter(is_dead).collect();
            let own = state(reader, &replaced, dead.union(&primers), sbrk);
            let inner = inner(reader, &replaced, &given);
            let is_reached = |func: u32| after.get(func as usize).copied().unwrap_or(false) && !is_cut(func);
            let told = told(facts, reader, &own, is_reached);
            let survives = is_reached;
            let mut knowing: Vec<(u32, Why)> = Vec::new();
            let (mut tests, mut new_primers) = (BTreeMap::new(), BTreeSet::new());
            let defined = facts.imported_func_count()..facts.func_count();
            for func in defined.filter(|func| survives(*func) && Some(*func) != sbrk) {
                match knows(facts, reader, func, &own, (&replaced, &inner, &told)) {
                    Knows::Nothing => {}
                    Knows::Tests(places) => {
                        tests.insert(func, places);
                    }
                    Knows::Inside(_) if only_primes(code, func, &survives) || only_trims(facts, func) => {
                        new_primers.insert(func);
                    }
                    Knows::Inside(why) => knowing.push((func, why)),
                }
            }
            if !new_primers.is_empty() {
                primers.append(&mut new_primers);
                continue;
            }
            let known = |func: u32| inferred.get(&func).filter(|_| survives(func)).copied();
            let mut dead = dead;
            let mut mapped = false;
            if inlined == Inlined::Mapped {
                let is_own = |func: u32| known(func).is_some() || replaced.contains_key(&func);
                let stays = Stays::find(reader, &knowing, &replaced, &own, &is_own);
                mapped = !stays.remains.is_empty();
                knowing.retain(|(func, _)| !stays.remains.contains_key(func) && !stays.dead.contains(func));
                dead.extend(stays.dead);
                for (func, remains) in
                    stays.remains.into_iter().filter(|(_, remains)| !remains.tests.is_empty())
                {
                    tests.entry(func).or_insert_with(BTreeSet::new).extend(remains.tests);
                }
            }
            if knowing.is_empty() {
                let stay: Vec<u32> = (facts.imported_func_count()..facts.func_count())
                    .filter(|func| survives(*func))
                    .collect();
                return Ok(Self {
                    free_word: free_word(reader, &own, &stay),
                    break_cell: own_break(reader, &own, &stay),
                    mapped,
                    snapshot: snapshot(code, &own),
                    zero_is_null: asks_for_zero(code, &replaced, Role::Malloc, 0),
                    realloc_zero_frees: asks_for_zero(code, &replaced, Role::Realloc, 1),
                    replaced,
                    dead,
                    tests,
                    primers,
                    heap: own.heap,
                    state: own.state,
                    errno: own.errno,
                });
            }
            // The function itself, if what it promises is known; else those that call it, if that is of theirs.
            let with_callers = |(func, _): &(u32, Why)| match known(*func) {
                Some(member) => vec![member],
                None => code.callers(*func).iter().filter_map(|caller| known(*caller)).collect(),
            };
            let found: Vec<Member> = knowing.iter().flat_map(with_callers).collect();
            let found = if found.is_empty() {
                let infer = |(func, _): &(u32, Why)| infer(facts, reader, *func, &replaced, inlined);
                knowing.iter().filter_map(infer).collect()
            } else {
                found
            };
            if found.is_empty() {
                let (func, why) = knowing.swap_remove(0);
                let others = u32::try_from(knowing.len()).unwrap_or(u32::MAX);
                return Err(Refusal::KnownFromInside { func, name: None, why, others });
            }
            // Rust's functions are told sizes that those below are not: all or none. What only they called goes with them.
            let is_above = found.iter().any(|member| member.role.is_rust());
            let rusts: BTreeMap<u32, Member> =
                by_func.iter().filter(|(_, member)| member.role.is_rust()).map(|(f, m)| (*f, *m)).collect();
            let more = rusts
                .values()
                .filter(|member| is_above && survives(member.func) && is_lowest(facts, member.func, &rusts));
            let found: Vec<Member> = more.copied().chain(found).collect();
            for member in found {
                inferred.insert(member.func, member);
                replaced.insert(member.func, member);
            }
            if is_above {
                let is_cut = |func: u32| replaced.contains_key(&func) || primers.contains(&func);
                let left = reach(facts, roots(facts, sbrk), is_cut);
                let is_left = |func: u32| left.get(func as usize).copied().unwrap_or(false);
                replaced.retain(|func, member| member.role.is_rust() || is_left(*func));
            }
        }
        Err(Refusal::NotClosed)
    }

    /// Only an allocator that has not run yet can be replaced: blocks that are live would be lost.
    pub fn if_not_run(self) -> Result<Self, Refusal> {
        match self.snapshot {
            Some((address, value)) => Err(Refusal::Snapshot { address, value }),
            None => Ok(self),
        }
    }

    /// The allocator has run: there are blocks of which no call told.
    pub fn is_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }
}

/// What a function that is not known to be the allocator's does for it, as what it knows of the heap tells: it takes a
/// block and a size, or gives out a part of a block that it asked for. It has to be shown by running it.
fn infer(
    facts: &Facts<'_>,
    reader: &mut Reader<'_, '_>,
    func: u32,
    replaced: &BTreeMap<u32, Member>,
    inlined: Inlined,
) -> Option<Member> {
    let ty = if has_wide_addresses(facts) { "i64 i64 -> i64" } else { "i32 i32 -> i32" };
    if !facts.func_type(func)?.is_written(ty) {
        return None;
    }
    let calls = |role: Role| {
        let mut callees = facts.call_graph.callees(func).iter();
        callees.any(|callee| replaced.get(callee).is_some_and(|member| member.role == role))
    };
    if !calls(Role::Malloc) {
        return None;
    }
    let frees = replaced.values().filter(|member| member.role.frees());
    let freeing = frees.filter_map(|member| farthest(reader, member.func, u32::from(member.has_heap))).min();
    // A header of the program's own lies between: the function does more than reallocating. Those that free may leave
    // looking at the header to others.
    let is_farther = freeing.is_some_and(|freeing| freeing < 0) && farthest(reader, func, 0) < freeing;
    if inlined != Inlined::Replaced && is_farther {
        return None;
    }
    let uses = reader.uses(func)?;
    let before_result = uses
        .before_results
        .iter()
        .any(|(callee, ..)| replaced.get(callee).is_some_and(|member| member.role == Role::Malloc));
    let role = match (uses.before_params.contains(&0), before_result) {
        (true, false) => Role::Realloc,
        (false, true) => Role::Memalign,
        _ => return None,
    };
    Some(Member { func, role, has_heap: false, is_certain: false })
}

/// How far before a parameter a function reads or writes, as a distance below 0; 0: not at all.
fn farthest(reader: &mut Reader<'_, '_>, func: u32, param: u32) -> Option<i64> {
    let uses = reader.uses(func)?;
    let before = uses.before_params_at.iter().filter(|(before, ..)| *before == param);
    Some(before.map(|(_, distance, ..)| *distance).min().unwrap_or(0))
}

/// Functions that hold code of the allocator's and stand it that every block says it was mapped.
struct Stays {
    remains: BTreeMap<u32, Remains>,
    /// Functions of the allocator's that only these call, where they do not get any more.
    dead: BTreeSet<u32>,
}

impl Stays {
    fn find(
        reader: &Reader<'_, '_>,
        knowing: &[(u32, Why)],
        replaced: &BTreeMap<u32, Member>,
        own: &Own,
        is_own: &dyn Fn(u32) -> bool,
    ) -> Self {
        let code = reader.code;
        let facts = code.facts();
        let is_state = |at: u32| own.near(at).is_some();
        let others = || knowing.iter().map(|(func, _)| *func).filter(|func| !is_own(*func));
        let remains: BTreeMap<u32, Remains> = others()
            .filter_map(|func| Some((func, with_mapped_blocks(reader, func, replaced, &is_state)?)))
            .collect();
        let is_entered = |func: u32| {
            facts.exports_of(ExternKind::Func, func).next().is_some()
                || facts.address_taken().contains(&func)
                || facts.start.is_some_and(|start| start.func == func)
        };
        let mut dead = BTreeSet::new();
        for _ in 0..MOST_ROUNDS {
            let is_left = |func: &u32| {
                let reaches = |caller: &u32| {
                    !replaced.contains_key(caller)
                        && !dead.contains(caller)
                        && remains.get(caller).is_none_or(|remains| remains.callees.contains(func))
                };
                !remains.contains_key(func) && !is_entered(*func) && !code.callers(*func).iter().any(reaches)
            };
            let found: BTreeSet<u32> = others().filter(|func| !dead.contains(func)).filter(is_left).collect();
            if found.is_empty() {
                break;
            }
            dead.extend(found);
        }
        Self { remains, dead }
    }
}

/// Whether a function is called by constructors only, which do not ask what it returned: it makes the old heap ready.
fn only_primes(code: &Code<'_>, func: u32, survives: &dyn Fn(u32) -> bool) -> bool {
    let facts = code.facts();
    let is_entered = facts.exports_of(ExternKind::Func, func).next().is_some()
        || facts.address_taken().contains(&func)
        || facts.start.is_some_and(|start| start.func == func);
    let mut callers = code.callers(func).iter().copied().filter(|caller| survives(*caller)).peekable();
    if is_entered || callers.peek().is_none() {
        return false;
    }
    callers.all(|caller| {
        let is_constructor = code.has_type(caller, "->")
            && (facts.start.is_some_and(|start| start.func == caller)
                || facts.func_name(caller) == Some("__wasm_call_ctors")
                || constructor(code).is_some_and(|constructor| constructor.func == caller));
        is_constructor
            && Flow::of(code, caller).is_some_and(|flow| {
                let of_func = |at: &usize| {
                    matches!(flow.code[*at], Operator::Call { function_index } if function_index == func)
                };
                (0..flow.code.len()).filter(of_func).all(|at| flow.is_dropped(at))
            })
    })
}

/// Whether a function gives memory back to the system, or says with 0 that there was none to give: glibc's `malloc_trim`,
/// which other libraries have, too.
fn only_trims(facts: &Facts<'_>, func: u32) -> bool {
    const NAMES: [&str; 2] = ["malloc_trim", "_malloc_trim"];
    let is_named = NAMES.iter().any(|name| facts.exported_func(name) == Some(func));
    let ty = if has_wide_addresses(facts) { "i64 -> i32" } else { "i32 -> i32" };
    is_named && facts.func_type(func).is_some_and(|own| own.is_written(ty))
}

/// Whether a function with this role begins with a branch for the length 0, which is this parameter.
fn asks_for_zero(code: &Code<'_>, replaced: &BTreeMap<u32, Member>, role: Role, length: u32) -> bool {
    let member = replaced.values().find(|member| member.role == role && !member.has_heap);
    member.is_some_and(|member| {
        let operators = code.operators(member.func);
        operators.iter().take(BEGINNING).collect::<Vec<_>>().windows(3).any(|window| {
            matches!(
                window,
                [
                    Operator::LocalGet { local_index },
                    Operator::I32Eqz | Operator::I64Eqz,
                    Operator::BrIf { .. } | Operator::If { .. }
                ] if *local_index == length
            )
        })
    })
}
