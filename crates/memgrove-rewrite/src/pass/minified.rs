//! What stands for imports whose names a minifier took.
//!
//! What they are is recovered by structure (see `recognise` in memgrove-module), and what is not proven stays an import:
//! a wrong guess corrupts the program.
//!
//! ```wat
//! ;; before
//! (import "a" "b" (func $b (param i32) (result i32)))
//! (import "a" "c" (func $c (param i32 i32) (result i32)))
//! (func $sbrk … (memory.size) … (call $b …))
//! (func $stat … (call $syscall_ret (call $c …)))
//! ;; after: $b is what grows memory, for sbrk asks it when there is too little; $c is a system
//! ;; call, for its result goes to where negated error numbers do
//! (func $b (param i32) (result i32) … memory.grow …)
//! (func $c (param i32 i32) (result i32) (i32.const -52))
//! ```

use memgrove_module::facts::{ExternKind, Import, ValType};
use memgrove_module::recognise::{self, Numbers, Role};

use crate::contract::{Answer, Does, Group, fit, lookup};
use crate::glue::Glue;
use crate::module::Module;
use crate::runtime::RuntimeFunction;

/// The stand-in for an import of which its use tells the role.
pub(super) fn answer(module: &Module<'_>, role: Role, import: u32) -> Option<Answer> {
    let (does, stub, why) = match role {
        Role::Library(name) => return lookup(module, "env", name, import),
        Role::Clock => (
            Does::Run(RuntimeFunction::EmscriptenGetNow),
            Group::Clock,
            "its result is taken for milliseconds and split into seconds and a fraction, or waited for: a clock that starts at 0 and advances a millisecond at each question",
        ),
        Role::Environment => (
            Does::Return(52),
            Group::Wasi,
            "one of the two calls that copy the environment: ENOSYS (52), so there is none",
        ),
        Role::SystemCall(numbers) => (
            Does::Return(if numbers == Numbers::Wasi { -52 } else { -38 }),
            Group::Libc,
            "its callers compare the result with −4096, so it is a system call: −ENOSYS",
        ),
        Role::WasiCall => (
            Does::Return(52),
            Group::Wasi,
            "its callers hand any result but 0 to the function that stores errno, so it is a call of WASI: ENOSYS (52)",
        ),
        Role::OfWasi => (
            Does::Return(52),
            Group::Wasi,
            "its module says that it is a function of WASI, but neither type nor use tells which: ENOSYS (52), which any of them may return",
        ),
    };
    Some(Answer { stand_in: fit(module, does, import)?, stub: Some(stub), why })
}

/// Whether an import that stays unknown may call back into the module and catch what is thrown there, as Emscripten's
/// `invoke_*` do, of which no name is left: it can be given the index of a table's function first.
pub(super) fn may_catch(module: &Module<'_>, glue: Option<&Glue>) -> bool {
    let code = &module.code;
    let takes_index = |import: u32| {
        module.facts.func_type(import).is_some_and(|ty| ty.params().first() == Some(&ValType::I32))
    };
    let is_told = |import: u32| {
        let told = |import: &Import<'_>| glue?.told(import.module, import.name);
        module.facts.import_of(ExternKind::Func, import).and_then(told).is_some_and(super::glue::is_certain)
    };
    !module.facts.tables.is_empty()
        && (0..module.sections.imported_funcs)
            .filter(|&import| code.imports().role(import).is_none() && has_minified_name(module, import))
            .filter(|&import| !is_told(import))
            .any(|import| takes_index(import) && !code.never_returns(import))
}

fn has_minified_name(module: &Module<'_>, import: u32) -> bool {
    module.facts.import_of(ExternKind::Func, import).is_some_and(recognise::is_minified_import)
}

/// What is known of an import that stays, for who has to decide about it.
pub(super) fn why_unknown(module: &Module<'_>, import: u32) -> Option<&'static str> {
    if !has_minified_name(module, import) {
        return None;
    }
    let ty = module.sections.func_type(import)?;
    Some(if module.code.callers(import).is_empty() {
        "its name is minified, and it is only called through the table, so that its use tells nothing"
    } else if ty.results().is_empty() {
        "its name is minified, and a function without result is called for what it does, which the call does not tell"
    } else {
        "its name is minified, and its results are used in a way that more than one function of the glue would fit; a wrong guess would corrupt the program"
    })
}
