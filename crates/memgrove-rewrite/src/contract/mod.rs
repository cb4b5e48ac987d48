//! What imports promise, by family: which name asks for what, and what may stand for it.
//!
//! An entry says what a host would do; the stand-in does the same inside the module, or,
//! where a group of [`Stubs`] is named, something poorer that keeps the promise.

mod emscripten;
mod libc;
mod libm;
mod linux;
mod wasi;
mod wasm_bindgen;

use crate::edits::{Op, StandIn};
use crate::module::Module;
use crate::plan::{Purpose, Stubs};
use crate::runtime::{Runtime, adapt};

/// One promise.
pub(crate) struct Contract {
    /// The import's name; several entries of one name differ in type, the first that fits counts.
    pub name: &'static str,
    pub does: Does,
    pub purpose: Purpose,
    /// The group that allows it; `None`: it is exactly what a host would do.
    pub stub: Option<Group>,
    /// Why it is right, or how it is poorer.
    pub why: &'static str,
}

/// A clock of the C library's or of Emscripten's.
const fn clock(name: &'static str, function: &'static str) -> Contract {
    Contract {
        name,
        does: Does::Run(function),
        purpose: Purpose::Clock,
        stub: Some(Group::Clock),
        why: "a clock that starts at 0 and advances a millisecond at each question",
    }
}

/// A function of the C library, or near it, that always answers the same.
const fn libc_answer(name: &'static str, answer: i64, why: &'static str) -> Contract {
    Contract { name, does: Does::Return(answer), purpose: Purpose::Libc, stub: Some(Group::Libc), why }
}

/// How an import is satisfied.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    Trap,
    Return(i64),
    Run(&'static str),
    /// The same, where parameters are of the very types: a number must not be taken for an address.
    RunExactly(&'static str),
    Operator(Op),
    Invoke,
}

/// A group of [`Stubs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Wasi,
    Libc,
    Clock,
    Random,
    Exceptions,
    Glue,
}

impl Group {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wasi => "wasi",
            Self::Libc => "libc",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Exceptions => "exceptions",
            Self::Glue => "glue",
        }
    }

    /// The user allows it.
    pub fn allowed(self, stubs: Stubs) -> bool {
        match self {
            Self::Wasi => stubs.wasi,
            Self::Libc => stubs.libc,
            Self::Clock => stubs.clock,
            Self::Random => stubs.random,
            Self::Exceptions => stubs.exceptions,
            Self::Glue => stubs.glue,
        }
    }
}

/// A stand-in that fits an import.
pub(crate) struct Answer {
    pub stand_in: StandIn,
    pub purpose: Purpose,
    pub stub: Option<Group>,
    pub why: &'static str,
}

/// The promise behind a function import called `name` in `module_name`.
pub(crate) fn lookup(
    module: &Module<'_>,
    runtime: &Runtime,
    module_name: &str,
    name: &str,
    import: u32,
) -> Option<Answer> {
    if wasi::is_wasi(module_name) {
        return first_fit(module, runtime, wasi::contracts(module_name), name, import);
    }
    match module_name {
        "wali" => return linux::wali(module, runtime, name, import),
        "asm2wasm" | "global.Math" | "Math" => {
            return first_fit(module, runtime, libm::CONTRACTS, name, import);
        }
        _ => {}
    }
    if let Some(answer) = linux::raw_syscall(module, runtime, name, import) {
        return Some(answer);
    }
    if let Some(answer) = emscripten::lookup(module, runtime, name, import) {
        return Some(answer);
    }
    // fastcomp put an underscore before every C name.
    let plain = name.strip_prefix('_');
    let tables = [emscripten::CONTRACTS, libc::CONTRACTS, libm::CONTRACTS, wasi::PREVIEW1];
    tables
        .into_iter()
        .find_map(|table| first_fit(module, runtime, table, name, import))
        .or_else(|| tables.into_iter().find_map(|table| first_fit(module, runtime, table, plain?, import)))
}

/// Promises of wasm-bindgen, which hold together or not at all (see `pass/functions`).
pub(crate) use wasm_bindgen::{is_glue_module, lookup as wasm_bindgen_lookup};

/// What an import that nothing satisfies is for, by its names.
pub(crate) fn purpose_of(module_name: &str, name: &str) -> (Purpose, &'static str) {
    const JS: &str = "it acts on JavaScript objects, which only a JavaScript host has";
    let starts =
        |prefixes: &[&str]| prefixes.iter().any(|prefix| name.trim_start_matches('_').starts_with(prefix));
    if module_name.starts_with("GOT.") {
        return (Purpose::Linking, "another module has to provide it");
    }
    if is_glue_module(module_name) || name.starts_with("__wbg_") || name.starts_with("__wbindgen_") {
        return (Purpose::JavaScript, JS);
    }
    if wasi::is_wasi(module_name) {
        return (Purpose::Wasi, "it is a part of WASI that has no stand-in");
    }
    if module_name == "go" || module_name == "gojs" || name.starts_with("syscall/js.") {
        return (Purpose::JavaScript, "Go's runtime runs on JavaScript's event loop and objects");
    }
    if module_name.contains(':') || module_name == "__main_module__" {
        return (Purpose::Linking, "it is a part of a component, which provides it");
    }
    if starts(&[
        "emval_",
        "embind_",
        "emscripten_asm_const",
        "asm_const",
        "emscripten_run_script",
        "js_",
        "mono_wasm",
        "napi_",
    ]) {
        return (Purpose::JavaScript, JS);
    }
    if starts(&[
        "gl",
        "egl",
        "emscripten_gl",
        "emscripten_webgl",
        "glfw",
        "SDL",
        "al",
        "emscripten_set_",
        "emscripten_get_canvas",
    ]) {
        return (Purpose::System, "it draws, plays or reads input, which only the host can do");
    }
    if starts(&[
        "pthread_create",
        "emscripten_thread",
        "emscripten_futex",
        "emscripten_init_main_thread",
        "wasi_thread",
    ]) || module_name == "wasi" && name == "thread-spawn"
    {
        return (Purpose::Threads, "a thread is another instance, which only the host can start");
    }
    if starts(&[
        "syscall",
        "sys_",
        "SYS_",
        "sock",
        "dlopen",
        "dlsym",
        "getaddrinfo",
        "connect",
        "send",
        "recv",
    ]) {
        return (Purpose::System, "it asks the operating system");
    }
    if starts(&["getentropy", "getrandom", "arc4random"]) || name.contains("andom") {
        return (Purpose::Random, "randomness cannot come from inside a module");
    }
    (Purpose::Unknown, "nothing in the module says what it does; only its host knows")
}

/// The first contract of that name whose stand-in fits the import's type.
pub(crate) fn first_fit(
    module: &Module<'_>,
    runtime: &Runtime,
    table: &'static [Contract],
    name: &str,
    import: u32,
) -> Option<Answer> {
    table.iter().filter(|contract| contract.name == name).find_map(|contract| {
        Some(Answer {
            stand_in: fit(module, runtime, contract.does, import)?,
            purpose: contract.purpose,
            stub: contract.stub,
            why: contract.why,
        })
    })
}

/// The stand-in, if it can have the import's type.
pub(crate) fn fit(module: &Module<'_>, runtime: &Runtime, does: Does, import: u32) -> Option<StandIn> {
    let ty = module.func_type(import)?;
    match does {
        Does::Trap => Some(StandIn::Trap),
        Does::Return(number) => ty
            .results()
            .iter()
            .all(|result| !result.is_reference_type() && *result != wasmparser::ValType::V128)
            .then_some(StandIn::Return(number)),
        Does::RunExactly(name) => {
            let func = runtime.func(name)?;
            let is_same = ty.params() == runtime.func_type(func).params();
            if is_same { fit(module, runtime, Does::Run(name), import) } else { None }
        }
        Does::Run(name) => {
            let func = runtime.func(name)?;
            adapt(ty, runtime.func_type(func))?;
            runtime.works_on(name, module.memories.first()).then_some(StandIn::Runtime(name))
        }
        Does::Operator(op) => op.fits(ty).then_some(StandIn::Operator(op)),
        Does::Invoke => {
            let table = module.tables.first()?;
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
        StandIn::Return(number) => format!("answers {number}"),
        StandIn::Runtime(name) => format!("`{name}`, written in WebAssembly"),
        StandIn::Invoke => "calls the function through the table".to_owned(),
        StandIn::StoreErrno(_) => "stores to the module's errno".to_owned(),
        StandIn::Operator(op) => format!("the instruction {}", op.name()),
    }
}
