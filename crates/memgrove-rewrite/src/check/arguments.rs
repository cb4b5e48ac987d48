//! Where a program's start takes the arguments that it is called with.

use memgrove_module::Facts;
use memgrove_module::facts::ExternType;
use wasmparser::Operator;

/// Code that is run before the start of a command has its arguments. What is allocated there holds them: in C they are the
/// program's until it ends, and only locals of the start may point to them, which cannot be seen then.
///
/// ```wat
/// (func $__main_void …          ;; of wasi-libc
///   (call $args_sizes_get …)
///   (call $malloc …)            ;; these two blocks
///   (call $calloc …)
///   (call $args_get …)
///   (call $main …))
/// ```
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    /// Offsets of the original, from the beginning of a function to its call of `args_get`.
    before: Vec<(u32, u32)>,
}

impl Arguments {
    /// Finds it. Linear in the calls, and in the code of the functions that take arguments.
    #[must_use]
    pub fn of(facts: &Facts<'_>) -> Self {
        let imports = facts.imports.iter().filter(|import| {
            matches!(import.ty, ExternType::Func(_))
                && import.module.starts_with("wasi_")
                && import.name == "args_get"
        });
        let imports: Vec<u32> = imports.map(|import| import.index).collect();
        if imports.is_empty() {
            return Self::default();
        }
        let takes = |callee: &u32| {
            // Libraries have a function around the import that does nothing else.
            imports.contains(callee)
                || matches!(facts.call_graph.callees(*callee), [only] if imports.contains(only))
        };
        let before = |func: u32| {
            let calls = facts.operators(func)?.into_iter_with_offsets().map_while(Result::ok);
            let mut calls = calls.filter_map(|(operator, offset)| match operator {
                Operator::Call { function_index } if takes(&function_index) => Some(offset),
                _ => None,
            });
            Some((facts.function(func)?.body_offset, u32::try_from(calls.next()?).ok()?))
        };
        let callers = (facts.imported_func_count()..facts.func_count())
            .filter(|func| facts.call_graph.callees(*func).iter().any(takes));
        Self { before: callers.filter_map(before).collect() }
    }

    /// Whether what a call at this offset allocates holds the arguments.
    #[must_use]
    pub fn holds(&self, offset: u32) -> bool {
        self.before.iter().any(|(start, end)| (*start..*end).contains(&offset))
    }
}
