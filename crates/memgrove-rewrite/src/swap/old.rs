//! The allocator that is replaced: what is only its own, and who else knows how it works inside.
//!
//! A function is replaced at the lowest level at which nothing above knows the heap: what survives calls the replaced
//! functions, and neither reads nor writes what they keep, nor the headers of their blocks. Functions that would survive
//! and do so are replaced too, if what they promise is known; else the module is refused, and they are named.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::code::Flow;
use memgrove_module::facts::{ExternKind, Facts, Numbers};
use memgrove_module::{Code, PAGE_BYTES};
use wasmparser::Operator;

use super::role::{Member, Role};
use super::uses::Uses;
use super::{Refusal, Why, refusal};

/// Bytes of a variable of the allocator.
const WORD_BYTES: u32 = 4;
/// The numbers that C libraries store to errno when memory is refused, and for a bad argument: Linux's and WASI's.
const ERRNOS: [i32; 4] = [12, 22, 28, 48];
/// Functions that know an allocator from inside are a few; more mean that it is not the allocator's state.
const MOST_ROUNDS: usize = 16;
/// Functions that hand their arguments on, one after the other; and bytes of one.
const MOST_FORWARDS: usize = 4;
const MOST_FORWARD_BYTES: u32 = 64;
/// Operators at the beginning of a function that may ask for special cases.
const BEGINNING: usize = 20;
/// Exports that a program's glue calls once, before all others.
const CONSTRUCTORS: [&str; 3] = ["__wasm_call_ctors", "_initialize", "___wasm_call_ctors"];

/// What is replaced, and what goes with it.
pub(crate) struct Old {
    /// The functions that are replaced.
    pub replaced: BTreeMap<u32, Member>,
    /// Functions that only these called.
    pub dead: BTreeSet<u32>,
    /// Loads, by function and position, that ask whether a new block must be cleared.
    pub tests: BTreeMap<u32, BTreeSet<usize>>,
    /// Functions that constructors call to make the old heap ready.
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
    pub errno: Option<(u32, i32)>,
    /// A variable of the allocator that points to a block from the beginning, and what it holds.
    snapshot: Option<(u32, u32)>,
}

/// Reads functions once each.
pub(crate) struct Reader<'c, 'a> {
    code: &'c Code<'a>,
    known: BTreeMap<u32, Option<Uses>>,
}

impl<'c, 'a> Reader<'c, 'a> {
    pub fn new(code: &'c Code<'a>) -> Self {
        Self { code, known: BTreeMap::new() }
    }

    /// What a function does with memory; `None` if it is not understood.
    pub fn uses(&mut self, func: u32) -> Option<&Uses> {
        let code = self.code;
        self.known.entry(func).or_insert_with(|| Uses::of(code, func)).as_ref()
    }
}

impl Old {
    /// Finds what has to be replaced. Linear in the module, for each round in which something is added.
    pub fn find(code: &Code<'_>, members: &[Member], sbrk: Option<u32>) -> Result<Self, Refusal> {
        let facts = code.facts();
        refusal::of_members(facts, members)?;
        let mut by_func: BTreeMap<u32, Member> =
            members.iter().map(|member| (member.func, *member)).collect();
        // What a member hands all its arguments to is called directly, too, where it was inlined.
        for member in members {
            let func = forwarded(code, member.func);
            by_func.entry(func).or_insert(Member { func, ..*member });
        }
        let given: BTreeSet<u32> = by_func.keys().copied().collect();
        let mut reader = Reader::new(code);
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
            let own = state(&mut reader, &replaced, dead.union(&primers), sbrk);
            let inner = inner(&mut reader, &replaced, &given);
            let survives = |func: u32| after.get(func as usize).copied().unwrap_or(false) && !is_cut(func);
            let mut knowing: Vec<(u32, Why)> = Vec::new();
            let (mut tests, mut new_primers) = (BTreeMap::new(), BTreeSet::new());
            let defined = facts.imported_func_count()..facts.func_count();
            for func in defined.filter(|func| survives(*func) && Some(*func) != sbrk) {
                match knows(facts, &mut reader, func, &own, (&replaced, &inner)) {
                    Knows::Nothing => {}
                    Knows::Tests(places) => {
                        tests.insert(func, places);
                    }
                    Knows::Inside(_) if only_primes(code, func, &survives) => {
                        new_primers.insert(func);
                    }
                    Knows::Inside(why) => knowing.push((func, why)),
                }
            }
            if !new_primers.is_empty() {
                primers.append(&mut new_primers);
                continue;
            }
            if knowing.is_empty() {
                return Ok(Self {
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
                    break_cell: own.break_cell,
                });
            }
            // The function itself, if what it promises is known; else those that call it, if that is of theirs.
            let known = |func: u32| inferred.get(&func).filter(|_| survives(func)).copied();
            let with_callers = |(func, _): &(u32, Why)| match known(*func) {
                Some(member) => vec![member],
                None => code.callers(*func).iter().filter_map(|caller| known(*caller)).collect(),
            };
            let found: Vec<Member> = knowing.iter().flat_map(with_callers).collect();
            let found = if found.is_empty() {
                let infer = |(func, _): &(u32, Why)| infer(facts, &mut reader, *func, &replaced);
                knowing.iter().filter_map(infer).collect()
            } else {
                found
            };
            if found.is_empty() {
                let (func, why) = knowing.swap_remove(0);
                let others = u32::try_from(knowing.len()).unwrap_or(u32::MAX);
                return Err(Refusal::KnownFromInside { func, why, others });
            }
            for member in found {
                inferred.insert(member.func, member);
                replaced.insert(member.func, member);
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
) -> Option<Member> {
    if !facts.func_type(func)?.is_written("i32 i32 -> i32") {
        return None;
    }
    let calls = |role: Role| {
        let mut callees = facts.call_graph.callees(func).iter();
        callees.any(|callee| replaced.get(callee).is_some_and(|member| member.role == role))
    };
    if !calls(Role::Malloc) {
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
                || facts
                    .exports_of(ExternKind::Func, caller)
                    .any(|export| CONSTRUCTORS.contains(&export.name)));
        is_constructor
            && Flow::of(code, caller).is_some_and(|flow| {
                let of_func = |at: &usize| {
                    matches!(flow.code[*at], Operator::Call { function_index } if function_index == func)
                };
                (0..flow.code.len()).filter(of_func).all(|at| flow.is_dropped(at))
            })
    })
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
                    Operator::I32Eqz,
                    Operator::BrIf { .. } | Operator::If { .. }
                ] if *local_index == length
            )
        })
    })
}

/// Functions to which those that take a block hand its header. What was only inferred to be the allocator's may be a
/// program's function with a header of its own, which it may hand to whatever copies memory.
fn inner(
    reader: &mut Reader<'_, '_>,
    replaced: &BTreeMap<u32, Member>,
    given: &BTreeSet<u32>,
) -> BTreeSet<u32> {
    let takes_block = |member: &&Member| member.role.takes_block() && !member.has_heap;
    let mut found = BTreeSet::new();
    for member in replaced.values().filter(takes_block).filter(|member| given.contains(&member.func)) {
        found.extend(reader.uses(member.func).into_iter().flat_map(|uses| &uses.passed_before));
    }
    found.retain(|callee| !replaced.contains_key(callee));
    found
}

/// The function to which a function hands all its arguments, and nothing else; itself if there is none.
fn forwarded(code: &Code<'_>, func: u32) -> u32 {
    let facts = code.facts();
    let mut last = func;
    for _ in 0..MOST_FORWARDS {
        // Longer bodies are not read.
        if code.body_len(last) > MOST_FORWARD_BYTES {
            break;
        }
        let operators = code.operators(last);
        let [arguments @ .., Operator::Call { function_index }, Operator::End] = operators.as_slice() else {
            break;
        };
        let in_order = arguments.iter().zip(0_u32..).all(
            |(operator, at)| matches!(operator, Operator::LocalGet { local_index } if *local_index == at),
        );
        let is_same_type = facts.func_type(last) == facts.func_type(*function_index)
            && facts.func_type(last).is_some_and(|ty| ty.params().len() == arguments.len());
        if !in_order || !is_same_type || facts.function(*function_index).is_none() {
            break;
        }
        last = *function_index;
    }
    last
}

/// No other function of the allocator's is reached from it: nothing of what it promises is another's.
fn is_lowest(facts: &Facts<'_>, func: u32, members: &BTreeMap<u32, Member>) -> bool {
    let mut seen = BTreeSet::from([func]);
    let mut open = vec![func];
    while let Some(next) = open.pop() {
        for &callee in facts.call_graph.callees(next) {
            if members.contains_key(&callee) && callee != func {
                return false;
            }
            // What is far below is no part of an allocator: panics and formatting.
            if seen.len() < 64 && facts.function(callee).is_some() && seen.insert(callee) {
                open.push(callee);
            }
        }
    }
    true
}

/// Functions by which the module is entered, and those that may be called through tables and references.
fn roots(facts: &Facts<'_>, more: Option<u32>) -> Vec<u32> {
    let exported =
        facts.exports.iter().filter(|export| export.kind == ExternKind::Func).map(|export| export.index);
    let mut roots: Vec<u32> = exported.chain(facts.address_taken()).chain(more).collect();
    roots.extend(facts.start.map(|start| start.func));
    roots
}

/// Functions that can be called, by index. Nothing is reached through bodies that are cut out.
fn reach(facts: &Facts<'_>, roots: Vec<u32>, is_cut: impl Fn(u32) -> bool) -> Vec<bool> {
    let mut reached = vec![false; facts.func_count() as usize];
    let mut open = roots;
    while let Some(func) = open.pop() {
        let Some(known) = reached.get_mut(func as usize) else { continue };
        if std::mem::replace(known, true) || is_cut(func) {
            continue;
        }
        open.extend(facts.call_graph.callees(func));
    }
    reached
}

/// What the allocator keeps.
struct Own {
    /// Addresses that it both reads and writes.
    state: BTreeSet<u32>,
    heap: Option<u32>,
    errno: Option<(u32, i32)>,
    break_cell: Option<u32>,
}

impl Own {
    /// An address of the state that a word at an address shares bytes with.
    fn near(&self, at: u32) -> Option<&u32> {
        self.state.range(at.saturating_sub(WORD_BYTES - 1)..at.saturating_add(WORD_BYTES)).next()
    }
}

fn state<'o>(
    reader: &mut Reader<'_, '_>,
    replaced: &'o BTreeMap<u32, Member>,
    others: impl Iterator<Item = &'o u32>,
    sbrk: Option<u32>,
) -> Own {
    let (mut loads, mut stores) = (BTreeSet::new(), BTreeSet::new());
    // Where the heap is a parameter: at which distances it is read and written, and where it is.
    let (mut read_at, mut written_at, mut heaps) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for func in replaced.keys().chain(others) {
        let Some(uses) = reader.uses(*func) else { continue };
        loads.extend(&uses.loads);
        stores.extend(&uses.stores);
        if replaced.get(func).is_some_and(|member| member.has_heap) {
            read_at.extend(uses.at_params.iter().filter(|(param, _)| *param == 0).map(|(_, at)| *at));
            written_at
                .extend(uses.written_at_params.iter().filter(|(param, _)| *param == 0).map(|(_, at)| *at));
        }
    }
    let callers: BTreeSet<u32> = replaced
        .iter()
        .filter(|(_, member)| member.has_heap)
        .flat_map(|(func, _)| reader.code.callers(*func).to_vec())
        .collect();
    for caller in callers {
        let Some(uses) = reader.uses(caller) else { continue };
        let given = uses
            .first_constants
            .iter()
            .filter(|(callee, _)| replaced.get(callee).is_some_and(|member| member.has_heap));
        heaps.extend(given.map(|(_, heap)| heap.cast_unsigned()));
    }
    for &heap in &heaps {
        loads.extend(read_at.iter().map(|at| heap.wrapping_add(*at)));
        stores.extend(written_at.iter().map(|at| (heap.wrapping_add(*at), None)));
    }
    // What `sbrk` keeps is its own, also where a copy of it was inlined.
    let breaks: BTreeSet<u32> = sbrk
        .and_then(|sbrk| reader.uses(sbrk))
        .map(|uses| uses.loads.iter().copied().chain(uses.stores.iter().map(|(at, _)| *at)).collect())
        .unwrap_or_default();
    let mut by_address: BTreeMap<u32, Vec<Option<i32>>> = BTreeMap::new();
    for (at, value) in stores {
        by_address.entry(at).or_default().push(value);
    }
    // It is stored to and never looked at: a variable of the program's.
    let is_errno = |values: &[Option<i32>]| {
        values.iter().all(|value| value.is_some_and(|value| ERRNOS.contains(&value)))
    };
    let errno = by_address.iter().find_map(|(at, values)| {
        let memory = values.iter().flatten().find(|value| [12, 48].contains(*value))?;
        (is_errno(values) && !loads.contains(at)).then_some((*at, *memory))
    });
    let mut state: BTreeSet<u32> =
        by_address.into_keys().filter(|at| loads.contains(at) && !breaks.contains(at)).collect();
    let break_cell = break_cell(reader.code, &state);
    if let Some(cell) = break_cell {
        state.remove(&cell);
    }
    Own { state, heap: heaps.first().copied(), errno, break_cell }
}

/// Of an allocator that has not run, the only variable that points to where the heap begins.
fn break_cell(code: &Code<'_>, state: &BTreeSet<u32>) -> Option<u32> {
    let memory = code.facts().memories.first()?.ty;
    let is_heap = |value: u32| {
        let value = u64::from(value);
        value >= code.data_end()
            && value.is_multiple_of(8)
            && value <= memory.min_pages.saturating_mul(PAGE_BYTES)
    };
    let mut cells = state.iter().copied().filter(|at| is_heap(code.initial_i32(*at)));
    let cell = cells.next()?;
    (code.data_end() > 0 && cells.next().is_none()).then_some(cell)
}

/// What a function that survives knows of how the allocator works inside.
enum Knows {
    Nothing,
    /// At these positions, whether a new block has to be cleared.
    Tests(BTreeSet<usize>),
    Inside(Why),
}

fn knows(
    facts: &Facts<'_>,
    reader: &mut Reader<'_, '_>,
    func: u32,
    own: &Own,
    (replaced, inner): (&BTreeMap<u32, Member>, &BTreeSet<u32>),
) -> Knows {
    let calls_any =
        |func: u32| facts.call_graph.callees(func).iter().any(|callee| replaced.contains_key(callee));
    let calls = calls_any(func) || facts.call_graph.callees(func).iter().any(|callee| inner.contains(callee));
    let callers = reader.code.callers(func);
    if !callers.is_empty()
        && callers.iter().all(|caller| calls_any(*caller))
        && let knows @ (Knows::Inside(_) | Knows::Tests(_)) = asks_header(reader, func, own, callers)
    {
        return knows;
    }
    // Reading a function takes longer than seeing that none of its numbers is an address of interest.
    if !calls && !mentions(facts, func, &own.state) {
        return Knows::Nothing;
    }
    let Some(uses) = reader.uses(func) else { return Knows::Inside(Why::NotUnderstood) };
    // Who only writes there makes ready what nobody reads any more.
    if let Some(address) = uses.loads.iter().find_map(|at| own.near(*at)) {
        return Knows::Inside(Why::State { address: *address });
    }
    let is_new = |callee: &u32| {
        replaced.get(callee).is_some_and(|member| member.role.is_new_block() || member.role == Role::Realloc)
    };
    let passes_on = |param: u32| {
        uses.passed.iter().any(|(callee, position, passed)| {
            *passed == param
                && replaced.get(callee).is_some_and(|member| member.block_param() == Some(*position))
        })
    };
    if uses.before_params.iter().any(|param| passes_on(*param)) {
        return Knows::Inside(Why::Header);
    }
    // What is before a block is handed to what was the allocator's own.
    if uses.passed_before.iter().any(|callee| inner.contains(callee)) {
        return Knows::Inside(Why::Header);
    }
    let headers = || uses.before_results.iter().filter(|(callee, ..)| is_new(callee));
    if headers().any(|(.., is_test)| !is_test) {
        return Knows::Inside(Why::Header);
    }
    let tests: BTreeSet<usize> = headers().map(|(_, place, _)| *place).collect();
    if tests.is_empty() { Knows::Nothing } else { Knows::Tests(tests) }
}

/// Whether a function that is only called where blocks are allocated or freed looks before a block that it is handed: it
/// was part of the allocator.
fn asks_header(reader: &mut Reader<'_, '_>, func: u32, own: &Own, callers: &[u32]) -> Knows {
    let is_leaf = reader.code.facts().call_graph.callees(func).is_empty();
    let Some(uses) = reader.uses(func) else { return Knows::Nothing };
    if uses.before_params.is_empty() {
        return Knows::Nothing;
    }
    let tests: BTreeSet<usize> = uses
        .before_params_at
        .iter()
        .filter(|(.., is_test)| *is_test)
        .map(|(_, _, place, _)| *place)
        .collect();
    let only_tests = tests.len() == uses.before_params_at.len();
    let has_other_uses = !uses.loads.is_empty() || !uses.stores.is_empty();
    if is_leaf && only_tests && !has_other_uses {
        return Knows::Tests(tests);
    }
    // One that is told where the heap is: nothing but the allocator is.
    let is_told = own.heap.is_some_and(|heap| {
        let told = (func, heap.cast_signed());
        callers
            .iter()
            .any(|caller| reader.uses(*caller).is_some_and(|uses| uses.first_constants.contains(&told)))
    });
    if is_told { Knows::Inside(Why::Header) } else { Knows::Nothing }
}

/// Whether a function holds a number that may lead to one of these addresses. O(1) for most that hold none, else O(its
/// operators).
fn mentions(facts: &Facts<'_>, func: u32, state: &BTreeSet<u32>) -> bool {
    let (Some(first), Some(last)) = (state.first().copied(), state.last().copied()) else { return false };
    // A base and a distance from it: the base is the number.
    let range = u64::from(first.saturating_sub(1024))..=u64::from(last.saturating_add(WORD_BYTES));
    if facts.function(func).is_some_and(|function| !function.numbers.may_meet(Numbers::of_range(&range))) {
        return false;
    }
    let Some(operators) = facts.operators(func) else { return true };
    for operator in operators {
        let number = match operator {
            Ok(Operator::I32Const { value }) => u64::from(value.cast_unsigned()),
            Ok(
                Operator::I32Load { memarg }
                | Operator::I64Load { memarg }
                | Operator::I32Load8U { memarg }
                | Operator::I32Load8S { memarg }
                | Operator::I32Load16U { memarg }
                | Operator::I32Load16S { memarg }
                | Operator::I32Store { memarg }
                | Operator::I64Store { memarg }
                | Operator::I32Store8 { memarg }
                | Operator::I32Store16 { memarg },
            ) => memarg.offset,
            Ok(_) => continue,
            Err(_) => return true,
        };
        if range.contains(&number) {
            return true;
        }
    }
    false
}

/// What the old allocator keeps that points to a block: it has run already.
fn snapshot(code: &Code<'_>, own: &Own) -> Option<(u32, u32)> {
    let memory = code.facts().memories.first()?;
    let end = memory.ty.min_pages.saturating_mul(PAGE_BYTES);
    own.state.iter().find_map(|&at| {
        let value = code.initial_i32(at);
        // The heap lies behind its state, and links within the state are a linker's.
        let last = own.state.last().copied().unwrap_or_default().saturating_add(1024);
        (value > last && value.is_multiple_of(4) && u64::from(value) <= end).then_some((at, value))
    })
}
