//! The module's own way to more memory.

use memgrove_module::Code;
use memgrove_module::code::Flow;
use memgrove_module::facts::SiteKind;
use memgrove_module::recognise::RESIZE_HEAP;
use wasmparser::Operator;

use super::Refusal;
use super::old::Old;
use super::own::ERRNOS;
use super::reader::Reader;

/// How a new heap comes by memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// By the function that moves the end of the heap, the module's own or an imported one, which others may call too.
    Sbrk(u32),
    /// By the variable that holds the end of the heap, at this address, as the allocator itself did.
    Break {
        /// Where the variable is, in bytes.
        cell: u32,
        /// How memory grows where the heap's end passes the memory's.
        beyond: Beyond,
    },
    /// By `memory.grow`, as the old allocator did.
    Instruction {
        /// The import that is told of it.
        notify: Option<u32>,
    },
}

/// How memory grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// By `memory.grow`.
    Instruction {
        /// The import that is told of it, so that views of memory are made again.
        notify: Option<u32>,
    },
    /// By the import `emscripten_resize_heap`, whose host has to learn of it.
    Resize(u32),
    /// It does not: only the host makes it longer.
    Never,
}

/// Told by a module that grows its memory itself.
const NOTIFY: &str = "emscripten_notify_memory_growth";

impl Growth {
    /// For people.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Sbrk(func) => format!("through the module's sbrk (function {func})"),
            Self::Break { cell, beyond } => {
                let beyond = match beyond {
                    Beyond::Instruction { notify } => format!("memory.grow{}", and_told(notify)),
                    Beyond::Resize(func) => format!("the import emscripten_resize_heap (function {func})"),
                    Beyond::Never => "nothing: the memory does not grow".to_owned(),
                };
                format!("by moving the break at {cell:#x}, and then by {beyond}")
            }
            Self::Instruction { notify } => format!("by memory.grow, as before{}", and_told(notify)),
        }
    }

    /// Finds it: a function that moves a break, else what the old allocator's own code does.
    pub(super) fn find(reader: &Reader<'_, '_>, old: &Old, sbrk: Option<u32>) -> Result<Self, Refusal> {
        let code = reader.code;
        let facts = code.facts();
        if let Some(sbrk) = sbrk.filter(|&sbrk| keeps_break(code, sbrk)).or_else(|| imported_sbrk(code, old))
        {
            return Ok(Self::Sbrk(sbrk));
        }
        let own = || old.replaced.keys().chain(&old.dead).chain(&old.primers).copied().chain(sbrk);
        let resize = own()
            .flat_map(|func| facts.call_graph.callees(func).iter().copied())
            .find(|&callee| is_growth_import(code, callee));
        let beyond = match resize {
            Some(resize) if is_library(code, resize, RESIZE_HEAP) && code.has_type(resize, "i32 -> i32") => {
                Beyond::Resize(resize)
            }
            Some(_) => return Err(Refusal::Growth),
            None => {
                // Also behind a table, where the allocator's own growth may be.
                let grows = facts.sites.iter().any(|site| matches!(site.kind, SiteKind::Grow { .. }));
                let by_host = code.imports().growers().next().is_some();
                if grows && !by_host { Beyond::Instruction { notify: notify(code) } } else { Beyond::Never }
            }
        };
        match (old.break_cell, beyond) {
            (Some(cell), beyond) => Ok(Self::Break { cell, beyond }),
            (None, Beyond::Instruction { notify }) => Ok(Self::Instruction { notify }),
            (None, _) => Err(Refusal::Growth),
        }
    }
}

fn and_told(notify: Option<u32>) -> String {
    notify.map_or_else(String::new, |func| format!(", of which {NOTIFY} (function {func}) is told"))
}

/// The import that is told when the module has grown its memory.
fn notify(code: &Code<'_>) -> Option<u32> {
    let imported = 0..code.facts().imported_func_count();
    imported.into_iter().find(|func| {
        let import = code.facts().imported_funcs.get(*func as usize);
        let import = import.and_then(|import| code.facts().imports.get(import.import as usize));
        import.is_some_and(|import| import.name == NOTIFY) && code.has_type(*func, "i32 ->")
    })
}

/// Whether a function remembers a break. One that does not only executes `memory.grow`, for whole pages, and may set errno;
/// wasi-libc's ends the program when it is asked for less than a page.
fn keeps_break(code: &Code<'_>, sbrk: u32) -> bool {
    // What is not understood may keep one.
    let Some(flow) = Flow::of(code, sbrk) else { return true };
    let is_errno = |at: usize| {
        flow.const_operand(at, 0).is_some()
            && flow.const_operand(at, 1).is_some_and(|number| ERRNOS.contains(&number))
    };
    code.has_type(sbrk, "i32 -> i32")
        && flow.code.iter().enumerate().any(|(at, operator)| match operator {
            Operator::I32Store { .. } => !is_errno(at),
            Operator::GlobalSet { .. }
            | Operator::I32AtomicStore { .. }
            | Operator::I32AtomicRmwAdd { .. }
            | Operator::I32AtomicRmwCmpxchg { .. } => true,
            _ => false,
        })
}

/// An import named `sbrk` that the old allocator calls.
fn imported_sbrk(code: &Code<'_>, old: &Old) -> Option<u32> {
    let facts = code.facts();
    let callees = old.replaced.keys().chain(&old.dead).flat_map(|func| facts.call_graph.callees(*func));
    callees.copied().find(|&callee| is_library(code, callee, "sbrk") && code.has_type(callee, "i32 -> i32"))
}

fn is_growth_import(code: &Code<'_>, func: u32) -> bool {
    let import = code.facts().imported_funcs.get(func as usize);
    import.is_some_and(|import| code.imports().at(import.import as usize).grows())
}

/// Whether an import is this function of Emscripten's library: by its name, or by its use under a minified one.
fn is_library(code: &Code<'_>, func: u32, wanted: &str) -> bool {
    let facts = code.facts();
    let Some(import) = facts.imported_funcs.get(func as usize) else { return false };
    let Some(import) = facts.imports.get(import.import as usize) else { return false };
    let told = code.imports().role(func).and_then(|role| role.name());
    let by_name = || import.name.trim_start_matches('_') == wanted && is_growth_import(code, func);
    told.map_or_else(by_name, |told| told == wanted)
}
