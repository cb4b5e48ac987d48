//! A module that records what its heap does.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use memgrove_inspect::facts::Proposal;
use memgrove_inspect::report::{AllocatorFunction, Level};
use memgrove_inspect::{Facts, conclude};
use memgrove_rewrite::trace::{
    NotShared, Options, ROLES, Role, Sample, TraceError, Traced, trace, traced_by,
};
use memgrove_view::count;

use crate::error::{Error, UserError};

/// What a recording takes at most in a memory of its own, where nothing else is asked.
const MEMORY_BYTES: u64 = 1 << 30;
/// The same in a block of the program's memory.
const BLOCK_BYTES: u64 = 8 << 20;

/// How a module is traced.
#[derive(Clone, Debug)]
pub struct Request {
    /// The allocator's functions, `FUNC=ROLE`; those that the inspector finds, where there is none.
    pub alloc: Vec<String>,
    /// Record who called, and not only what was asked.
    pub stacks: bool,
    /// Tell the calls of one function by another apart.
    pub call_sites: bool,
    /// Record one block in so many bytes asked for, in place of all.
    pub sample_mean_bytes: Option<u64>,
    /// Which blocks these are.
    pub seed: u64,
    /// The most memory that the recording may take, in bytes.
    pub max_bytes: Option<u64>,
    /// Record into a block of the module's own allocator, for engines that know one memory only.
    pub one_memory: bool,
    /// Several instances have one memory, which is not shared between threads: their recordings are read together.
    pub instances: bool,
}

/// A module with its recorder.
#[derive(Debug)]
pub struct Instrumented {
    /// The allocator's functions, by index.
    pub functions: BTreeMap<u32, Role>,
    /// The module.
    pub traced: Traced,
}

/// Instruments a module.
///
/// # Errors
/// [`Error::User`] with the reason if it is of a kind that cannot be traced or its allocator is not known,
/// [`Error::Trace`] if it cannot be read.
pub fn instrument(facts: &Facts<'_>, request: &Request) -> Result<Instrumented, Error> {
    refuse_what_has_no_heap(facts, !request.alloc.is_empty())?;
    let (functions, methods) = match &request.alloc[..] {
        [] => Some(recognised(facts)).filter(|(functions, _)| is_traceable(functions)).ok_or_else(|| {
            UserError::failed("found no pair of functions that allocate and free").hint(
                "a compiler leaves out an allocator that nothing needs. If there is one, name its functions with --alloc, such as \
                 --alloc 244=malloc,1827=free; memgrove inspect -v shows what is known. One that allocates is enough to see what is \
                 allocated, though not what is freed",
            )
        })?,
        named => {
            let named = named.iter().map(|given| named_role(given, facts, is_traced));
            (named.collect::<Result<_, _>>()?, BTreeSet::new())
        }
    };
    let mean_bytes = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
    let options = Options {
        functions,
        methods,
        sample: request
            .sample_mean_bytes
            .map(|bytes| Sample { mean_bytes: mean_bytes(bytes), seed: request.seed }),
        stacks: request.stacks,
        call_sites: request.call_sites,
        max_bytes: request.max_bytes.unwrap_or(if request.one_memory { BLOCK_BYTES } else { MEMORY_BYTES }),
        one_memory: request.one_memory,
        instances: request.instances,
    };
    let traced = trace(facts.bytes(), &options).map_err(explain)?;
    Ok(Instrumented { functions: options.functions, traced })
}

/// Says so early of what cannot be traced whatever its functions are.
fn refuse_what_has_no_heap(facts: &Facts<'_>, is_named: bool) -> Result<(), Error> {
    if let Some(version) = traced_by(facts.bytes()) {
        return Err(explain(TraceError::Already { version }));
    }
    if let Some(component) = &facts.component {
        let cores: Vec<(usize, Range<u32>)> = component
            .modules
            .iter()
            .enumerate()
            .filter(|(_, core)| is_traceable(&recognised(core).0))
            .map(|(at, core)| (at, core.range()))
            .collect();
        let error = format!("it is a component of {}", count(component.modules.len() as u64, "core module"));
        let hint = match &cores[..] {
            [] => "none of them has an allocator that is known; extract the one that has it".to_owned(),
            [(at, range), ..] => format!(
                "an allocator is in core module {at}, bytes {:#x} to {:#x}: take that out with \
                 `memgrove inspect --extract DIR`, trace it, and put it back",
                range.start, range.end
            ),
        };
        return Err(UserError::failed(error).hint(hint).into());
    }
    if !is_named && facts.proposals.contains(Proposal::Gc) && !is_traceable(&recognised(facts).0) {
        return Err(UserError::failed(
            "its objects are WasmGC's, so the heap is the engine's, and no function of the module allocates",
        )
        .hint("use the engine's heap profiler; another allocator in the module can be named with --alloc")
        .into());
    }
    Ok(())
}

/// The functions of the allocator that inspect is fairly sure of, and those of them that are methods.
///
/// A wrong one does no harm to the program: the recording contradicts itself, and says so when it is read.
fn recognised(facts: &Facts<'_>) -> Known {
    let report = conclude(facts);
    let functions =
        report.allocator.functions.iter().filter(|function| function.confidence.level() >= Level::Medium);
    let known: BTreeMap<u32, (Role, bool)> =
        functions.filter_map(|function| Some((function.func, role_of(function)?))).collect();
    let known_as = |wanted: fn(bool) -> bool| {
        let functions = known.iter().filter(|(_, (_, has_heap))| wanted(*has_heap));
        functions.map(|(func, (role, _))| (*func, *role)).collect::<BTreeMap<u32, Role>>()
    };
    // A method's blocks are handed on by functions without a heap before their parameters, where these are known.
    let functions = known_as(|has_heap| !has_heap);
    if is_traceable(&functions) {
        return (functions, BTreeSet::new());
    }
    let methods = known.iter().filter(|(_, (_, has_heap))| *has_heap).map(|(func, _)| *func).collect();
    (known_as(|_| true), methods)
}

/// Functions by their roles, and which of them are methods.
type Known = (BTreeMap<u32, Role>, BTreeSet<u32>);

/// Something allocates, and something frees.
fn is_traceable(roles: &BTreeMap<u32, Role>) -> bool {
    roles.values().any(|role| role.allocates()) && roles.values().any(|role| role.frees())
}

/// Whether a function with this role hands blocks out or takes them back.
fn is_traced(role: Role) -> bool {
    role.allocates() || role.frees()
}

/// The names of the roles that [`Request::alloc`] takes.
#[must_use]
pub fn role_names() -> String {
    names_of(is_traced)
}

/// The names of the roles that are taken.
pub(crate) fn names_of(is_taken: fn(Role) -> bool) -> String {
    let names: Vec<&str> = ROLES.iter().filter(|role| is_taken(**role)).map(|role| role.name()).collect();
    names.join(", ")
}

/// The role of a function by what its parameters mean, and whether it is a method; `None` for what is not traced.
fn role_of(function: &AllocatorFunction) -> Option<(Role, bool)> {
    Role::of(function.role, function.abi?.params).filter(|(role, _)| is_traced(*role))
}

/// `FUNC=ROLE`, where FUNC is an index or a name, and ROLE one of those that are taken.
pub(crate) fn named_role(
    given: &str,
    facts: &Facts<'_>,
    is_taken: fn(Role) -> bool,
) -> Result<(u32, Role), UserError> {
    let (func, role) = given.rsplit_once('=').ok_or_else(|| {
        UserError::usage(format!("--alloc {given} has no role"))
            .hint("write FUNC=ROLE, such as 244=malloc or free=free")
    })?;
    let parsed = role.parse().ok().filter(|role| is_taken(*role));
    let role: Role = parsed.ok_or_else(|| {
        UserError::usage(format!("--alloc {given}: there is no role {role}"))
            .hint(format!("the roles are {}", names_of(is_taken)))
    })?;
    Ok((function(func, facts)?, role))
}

/// A function by its index or name.
pub(crate) fn function(given: &str, facts: &Facts<'_>) -> Result<u32, UserError> {
    let index = given.parse().ok().or_else(|| facts.func_named(given));
    index.ok_or_else(|| {
        UserError::failed(format!("there is no function named {given}"))
            .hint("memgrove inspect -v lists the exports; an index will do, too")
    })
}

/// An error with what can be done about it.
fn explain(error: TraceError) -> Error {
    let hint = match &error {
        TraceError::Already { .. } => "trace the original",
        TraceError::Role { .. } => "memgrove inspect names the allocator; --help lists what each role takes",
        TraceError::NoBlock { .. } | TraceError::Memory64 | TraceError::Shared(NotShared::OneMemory) => {
            "leave out --one-memory, for an engine with several memories"
        }
        TraceError::Shared(NotShared::Sampled) => "leave out --sample; --no-stacks costs least",
        _ => return Error::Trace(error),
    };
    UserError::failed(error.to_string()).hint(hint).into()
}
