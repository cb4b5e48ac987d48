//! What imports promise, by family: which name asks for what, and what may stand for it.
//!
//! A name proves what an import is only together with the module it comes from and the type that
//! its family gives it; each entry lists them. An entry says what a host would do; the stand-in does the same inside the module, or,
//! where its [`Group`] is allowed, something poorer that keeps the promise.

mod assemblyscript;
mod emscripten;
mod libc;
mod libm;
mod linux;
mod log;
mod system_calls;
mod threads;
mod tinygo;
mod wasi;
mod wasm_bindgen;

use memgrove_module::recognise::Purpose;

use crate::edits::{Op, StandIn};
use crate::module::Module;
pub(crate) use crate::plan::StubGroup as Group;
use crate::runtime::{RuntimeFunction, adapt};

/// The types that a function has had, each written like `i32 p -> i32`; `p` is an address or a
/// size, which is an i64 where memory has 64-bit addresses and an i32 elsewhere.
pub(crate) type Types = &'static [&'static str];

/// One promise.
pub(crate) struct Contract {
    /// The import's name; several entries of one name differ in type, the first that fits counts.
    pub name: &'static str,
    /// A name alone is no proof: it counts with a type that its family has given it.
    pub types: Types,
    pub does: Does,
    /// The group that allows it; `None`: it is exactly what a host would do.
    pub stub: Option<Group>,
    /// Why it is right, or how it is poorer.
    pub why: &'static str,
}

/// A clock of the C library's or of Emscripten's.
const fn clock(name: &'static str, function: RuntimeFunction, types: Types) -> Contract {
    Contract {
        name,
        types,
        does: Does::Run(function),
        stub: Some(Group::Clock),
        why: "a clock that starts at 0 and advances a millisecond at each question",
    }
}

/// A function of the C library, or near it, that always answers the same.
const fn libc_answer(name: &'static str, types: Types, answer: i64, why: &'static str) -> Contract {
    Contract { name, types, does: Does::Return(answer), stub: Some(Group::Libc), why }
}

/// How an import is satisfied.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    Trap,
    /// Ends the program; its argument, if it is one i32, is the exit code.
    Exit,
    Return(i64),
    Run(RuntimeFunction),
    Operator(Op),
    Invoke,
}

/// A stand-in that fits an import.
pub(crate) struct Answer {
    pub stand_in: StandIn,
    pub stub: Option<Group>,
    pub why: &'static str,
}

/// The promise behind a function import called `name` in `module_name`.
///
/// A name proves something only in a module that its family uses: `mylib.sin` is anybody's.
pub(crate) fn lookup(module: &Module<'_>, module_name: &str, name: &str, import: u32) -> Option<Answer> {
    if is_wasi(module_name) {
        return first_fit(module, wasi::contracts(module_name), name, import);
    }
    let known = match module_name {
        "wali" => linux::wali(module, name, import),
        "wasi" => first_fit(module, threads::CONTRACTS, name, import),
        "asm2wasm" => first_fit(module, libm::ASM2WASM, name, import),
        "global.Math" => first_fit(module, libm::CONTRACTS, name, import),
        "env" => in_env(module, name, import),
        "gojs" => tinygo::lookup(module, name, import),
        _ => None,
    };
    known
        .or_else(|| {
            assemblyscript::is_module(module_name).then(|| by_global(module, module_name, name, import))?
        })
        .or_else(|| log::lookup(module, name, import))
}

/// A property of a global object of JavaScript: AssemblyScript's, and fastcomp's `Math`.
fn by_global(module: &Module<'_>, object: &str, name: &str, import: u32) -> Option<Answer> {
    let of_c = || (object == "Math").then(|| first_fit(module, libm::CONTRACTS, name, import))?;
    first_fit(module, assemblyscript::CONTRACTS, &format!("{object}.{name}"), import).or_else(of_c)
}

/// The promise behind a name in `env`, where C's, Rust's, AssemblyScript's and Emscripten's are.
fn in_env(module: &Module<'_>, name: &str, import: u32) -> Option<Answer> {
    // A minifier makes names like `log`, too.
    by_env_name(module, name, import, !module.is_minified())
        .or_else(|| first_fit(module, assemblyscript::CONTRACTS, name, import))
        .or_else(|| tinygo::lookup(module, name, import))
}

/// The promise behind a name that the module's glue gives to an import.
pub(crate) fn lookup_told(module: &Module<'_>, name: &str, import: u32) -> Option<Answer> {
    by_env_name(module, name, import, true)
}

fn by_env_name(module: &Module<'_>, name: &str, import: u32, with_c: bool) -> Option<Answer> {
    if let Some(answer) =
        linux::raw_syscall(module, name, import).or_else(|| emscripten::lookup(module, name, import))
    {
        return Some(answer);
    }
    let of_c: &[&'static [Contract]] = if with_c { &[libc::CONTRACTS, libm::CONTRACTS] } else { &[] };
    // fastcomp put an underscore before every C name.
    let plain = name.strip_prefix('_');
    let tables = || of_c.iter().copied().chain([wasi::PREVIEW1]);
    tables()
        .find_map(|table| first_fit(module, table, name, import))
        .or_else(|| tables().find_map(|table| first_fit(module, table, plain?, import)))
}

/// Whether a function import has one of these types.
pub(crate) fn has_form(module: &Module<'_>, import: u32, types: Types) -> bool {
    let Some(ty) = module.sections.func_type(import) else { return false };
    let text = crate::structure::signature_text(ty);
    let is_wide = module.sections.memories.first().is_some_and(|memory| memory.memory64);
    let address = if is_wide { "i64" } else { "i32" };
    types.iter().any(|form| form.replace('p', address) == text)
}

/// The glue's name for an import is known here, but never with the import's type: the glue is another module's.
pub(crate) fn contradicts(module: &Module<'_>, name: &str, import: u32) -> bool {
    let plain = name.trim_start_matches('_');
    let tables = [emscripten::CONTRACTS, libc::CONTRACTS, libm::CONTRACTS, wasi::PREVIEW1];
    let mut named = tables
        .iter()
        .flat_map(|table| table.iter())
        .filter(|contract| contract.name.trim_start_matches('_') == plain)
        .peekable();
    named.peek().is_some() && !named.any(|contract| has_form(module, import, contract.types))
}

/// Why a name that is known proves nothing here; `None` where no name is known.
pub(crate) fn why_not(module: &Module<'_>, from: &str, name: &str) -> Option<&'static str> {
    let plain = name.trim_start_matches('_');
    let is_in =
        |table: &[Contract]| table.iter().any(|contract| contract.name.trim_start_matches('_') == plain);
    let is_of_c = is_in(libc::CONTRACTS) || is_in(libm::CONTRACTS);
    let is_known = is_of_c
        || is_in(emscripten::CONTRACTS)
        || is_in(wasi::PREVIEW1)
        || ["setErrNo", "emscripten_get_heap_max"].contains(&plain)
        || ["invoke_", "syscall", "nullFunc_"].iter().any(|prefix| plain.starts_with(prefix));
    if !is_known {
        return None;
    }
    Some(if !matches!(from, "env" | "Math" | "global.Math") && !is_wasi(from) {
        "its name is known from a C library or its host, but not in this module, where it may be anything"
    } else if is_of_c && from == "env" && module.is_minified() {
        "it has a C function's name, but other names here are minified, so that this one may be a minifier's, too"
    } else {
        "its name is known, but there is no stand-in for a function of that name with this type"
    })
}

/// Promises of wasm-bindgen, which hold together or not at all (see `pass/functions`).
pub(crate) use emscripten::{HEAP_MAX, heap_max};
pub(crate) use wasi::{is_wasi, is_wasi_name};
pub(crate) use wasm_bindgen::{
    DISCARD, is_description, is_for_the_tool, is_glue_module, lookup as wasm_bindgen_lookup, raised_discard,
};

/// Why an import stays that nothing satisfies, where what it is for says so.
pub(crate) fn why_it_stays(purpose: Purpose, module_name: &str) -> Option<&'static str> {
    Some(match purpose {
        Purpose::DynamicLinking => "another module has to provide it",
        _ if module_name == "__main_module__" => "it is a part of a component, which provides it",
        Purpose::WasiP2 => "it is a part of a component, which provides it",
        Purpose::JsGlue if matches!(module_name, "go" | "gojs") => {
            "Go's runtime runs on JavaScript's event loop and objects"
        }
        Purpose::JsGlue | Purpose::JsBuiltins => {
            "it acts on JavaScript objects, or draws, plays or reads input: only a JavaScript host has these"
        }
        Purpose::Wasi | Purpose::WasiUnstable => "it is a part of WASI that has no stand-in",
        Purpose::Threads => "a thread is another instance, which only the host can start",
        _ => return None,
    })
}

/// The first contract of that name whose stand-in fits the import's type.
pub(crate) fn first_fit(
    module: &Module<'_>,
    table: &'static [Contract],
    name: &str,
    import: u32,
) -> Option<Answer> {
    let named = table.iter().filter(|contract| contract.name == name);
    named.filter(|contract| has_form(module, import, contract.types)).find_map(|contract| {
        Some(Answer { stand_in: fit(module, contract.does, import)?, stub: contract.stub, why: contract.why })
    })
}

/// The stand-in, if it can have the import's type.
pub(crate) fn fit(module: &Module<'_>, does: Does, import: u32) -> Option<StandIn> {
    let ty = module.sections.func_type(import)?;
    match does {
        Does::Trap => Some(StandIn::Trap),
        Does::Exit => Some(match (ty.params(), ty.results()) {
            ([wasmparser::ValType::I32], []) => StandIn::Exit,
            _ => StandIn::Trap,
        }),
        Does::Return(number) => ty
            .results()
            .iter()
            .all(|result| !result.is_reference_type() && *result != wasmparser::ValType::V128)
            .then_some(StandIn::Return(number)),
        Does::Run(function) => {
            adapt(ty, function)?;
            function.works_on(module.sections.memories.first()).then_some(StandIn::Runtime(function))
        }
        Does::Operator(op) => Some(StandIn::Operator(op)),
        Does::Invoke => {
            let table = module.sections.tables.first()?;
            let takes_index = ty.params().first() == Some(&wasmparser::ValType::I32);
            let of_functions = table.element_type == wasmparser::RefType::FUNCREF && !table.table64;
            (takes_index && of_functions).then_some(StandIn::Invoke)
        }
    }
}

/// What a stand-in is, in words.
pub(crate) fn describe(stand_in: &StandIn) -> String {
    match stand_in {
        StandIn::Trap => "traps".to_owned(),
        StandIn::Exit => "keeps the exit code and traps".to_owned(),
        StandIn::Return(number) => format!("answers {number}"),
        StandIn::Runtime(function) => format!("`{}`, written in WebAssembly", function.name()),
        StandIn::Heap(allocator, function) => {
            format!("`{}` of memgrove's {}", function.name(), allocator.title())
        }
        StandIn::GrowTable(_) => "grows the module's own table".to_owned(),
        StandIn::Invoke => "calls the function through the table".to_owned(),
        StandIn::StoreErrno(_) => "stores to the module's errno".to_owned(),
        StandIn::Operator(op) => format!("the instruction {}", op.name()),
    }
}

/// One form of a known function: a type that it has had, and what stands for it then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Its types, like `i32 p -> i32`; `p` is an address or a size.
    pub types: Vec<&'static str>,
    /// What stands for it.
    pub stand_in: String,
    /// Why that is right, or how it is poorer.
    pub why: &'static str,
    /// The group that allows it; none where it is exact.
    pub stub: Option<Group>,
}

/// The forms of a function that is known by its name, over the versions of its toolchain; none where the name is a pattern
/// or not known.
#[must_use]
pub fn forms(module: &str, name: &str) -> Vec<Form> {
    let plain = name.trim_start_matches('_');
    let in_object = format!("{module}.{name}");
    let is_named = |from: &str, contract: &Contract| {
        let is_env = module == from || from == "env" && assemblyscript::is_module(module);
        is_env && (contract.name.trim_start_matches('_') == plain || contract.name == in_object)
    };
    all()
        .into_iter()
        .filter(|(from, contract)| is_named(from, contract))
        .map(|(_, contract)| Form {
            types: contract.types.to_vec(),
            stand_in: describe_promise(contract.does),
            why: contract.why,
            stub: contract.stub,
        })
        .collect()
}

fn describe_promise(does: Does) -> String {
    match does {
        Does::Trap => describe(&StandIn::Trap),
        Does::Exit => describe(&StandIn::Exit),
        Does::Return(number) => describe(&StandIn::Return(number)),
        Does::Run(function) => describe(&StandIn::Runtime(function)),
        Does::Operator(op) => describe(&StandIn::Operator(op)),
        Does::Invoke => describe(&StandIn::Invoke),
    }
}

/// Every contract with a module that its name counts in.
pub(crate) fn all() -> Vec<(&'static str, &'static Contract)> {
    let tables = [
        ("env", emscripten::CONTRACTS),
        ("env", emscripten::FASTCOMP),
        ("env", libc::CONTRACTS),
        ("env", libm::CONTRACTS),
        ("env", wasi::PREVIEW1),
        ("env", assemblyscript::CONTRACTS),
        ("env", tinygo::CONTRACTS),
        ("gojs", tinygo::CONTRACTS),
        ("wasi", threads::CONTRACTS),
        ("asm2wasm", libm::ASM2WASM),
        ("global.Math", libm::CONTRACTS),
        ("wasi_snapshot_preview1", wasi::PREVIEW1),
        ("wasi_unstable", wasi::contracts("wasi_unstable")),
    ];
    tables.into_iter().flat_map(|(from, table)| table.iter().map(move |contract| (from, contract))).collect()
}
