//! Modules that several languages were linked into: which of them the program is.
//!
//! `producers` adds up what every object file says, so a C program with a little Rust in it names rustc as a Rust
//! program does; and a Rust program for WASI names clang, which compiled its C library.

use super::entries::Judged;
use crate::facts::Facts;
use crate::report::Evidence;

/// What Rust is in a module where there is some.
pub enum Mixture {
    /// The program, as far as there is no sign of another language.
    Program,
    /// Another language's guest.
    Guest(Evidence),
    /// One or the other; the file does not say.
    Perhaps(Evidence),
}

/// Where the file does not say which of two languages is the program.
pub const MAX_CONFIDENCE: f32 = 0.85;

/// From this score on the imports are Emscripten's. With 0.85 nothing changes for the corpus and the samples.
const IS_EMSCRIPTEN: f32 = 0.8;
/// Fewer named functions tell nothing about what most of them are.
const MIN_NAMED: u32 = 8;

/// What Rust is in this module. O(names).
pub fn rust(facts: &Facts<'_>, rust: &Judged<'_>, emscripten: f32) -> Mixture {
    // Nothing else makes wasm-bindgen's names, or a component's from Rust.
    let binds =
        ["wasm-bindgen", "component"].iter().any(|variant| rust.variant_score(variant) >= IS_EMSCRIPTEN);
    let has_clang = facts.custom.producers.iter().any(|producer| producer.name.contains("clang"));
    let is_emscripten = emscripten >= IS_EMSCRIPTEN;
    if binds || !(has_clang || is_emscripten) {
        return Mixture::Program;
    }
    let (of_rust, named) = named_functions(facts);
    if named >= MIN_NAMED {
        let text = format!("{of_rust} of {named} named functions are Rust's");
        return if of_rust * 2 < named { Mixture::Guest(Evidence::new(text)) } else { Mixture::Program };
    }
    if is_emscripten {
        let text = "Rust was linked in, as the program or as a part of it: the imports are Emscripten's";
        return Mixture::Guest(Evidence::new(text));
    }
    Mixture::Perhaps(Evidence::new("C was linked in too; which of them is the program the file does not say"))
}

/// How many of the functions named in the `name` section are Rust's, and how many there are.
fn named_functions(facts: &Facts<'_>) -> (u32, u32) {
    let defined = facts.names.funcs.iter().filter(|(func, _)| *func >= facts.imported_func_count());
    defined.fold((0, 0), |(of_rust, named), (_, name)| (of_rust + u32::from(is_rust(name)), named + 1))
}

/// Whether a name is Rust's, mangled or not.
fn is_rust(name: &str) -> bool {
    let has_hash = |hash: &str| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let legacy = name
        .strip_prefix("_ZN")
        .and_then(|name| name.strip_suffix('E'))
        .and_then(|name| name.rsplit_once("17h"));
    name.starts_with("_R")
        || name.starts_with("__rust") || name.starts_with("__rg_") || name.starts_with("__rdl_")
        || legacy.is_some_and(|(_, hash)| has_hash(hash))
        || name.rsplit_once("::h").is_some_and(|(_, hash)| has_hash(hash))
        // Demangled without the hash; C++ shows its parameters.
        || (!name.contains('(')
            && ["core::", "alloc::", "std::", "<core::", "<alloc::", "<std::", "core[", "alloc[", "std["]
                .iter()
                .any(|start| name.starts_with(start)))
}

/// The languages that `producers` names, where there are several.
pub fn languages(facts: &Facts<'_>) -> Vec<String> {
    /// More than are ever linked together.
    const MAX_LANGUAGES: usize = 8;
    let mut languages: Vec<String> = Vec::new();
    for producer in facts.custom.producers.iter().filter(|producer| producer.field == "language") {
        let name = crate::report::short(producer.name).into_owned();
        if languages.len() < MAX_LANGUAGES && !languages.contains(&name) {
            languages.push(name);
        }
    }
    if languages.len() < 2 { Vec::new() } else { languages }
}

#[cfg(test)]
mod tests {
    use super::is_rust;

    #[test]
    fn names_of_rust_are_told_from_those_of_c_and_cxx() {
        for rust in [
            "_RNvCs1234_5crate3foo",
            "_ZN4core3fmt5write17h0123456789abcdefE",
            "core::fmt::write::h0123456789abcdef",
            "<core::fmt::Formatter>::pad",
            "__rust_alloc",
            "__rdl_alloc",
        ] {
            assert!(is_rust(rust), "{rust}");
        }
        for other in [
            "main",
            "malloc",
            "_ZNSt3__212basic_stringE",
            "std::__2::vector<int>::push_back(int&&)",
            "_ZN3FooC2Ev",
            "printf_core",
        ] {
            assert!(!is_rust(other), "{other}");
        }
    }
}
