//! What the structure of a module gives away when its names are gone.

use serde::Deserialize;
use wasmparser::Operator;

use memgrove_module::recognise;

use super::code_evidence::at_caller;
use crate::Code;
use crate::facts::{ConstExpr, ExternKind, Facts, SiteKind, TypeDef};
use crate::report::{Evidence, short};

/// A structural trait that rules can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Structure {
    /// Functions start by lowering a stack pointer held in a global: LLVM's stack in linear memory.
    ShadowStack,
    /// Static data starts at 1 MiB: the linker put a stack of that size first.
    DataAtOneMebibyte,
    /// Every import comes from one module and every name, exports too, has one to three characters.
    MinifiedNames,
    /// Every function import comes from `env`, with a name of one or two characters.
    MinifiedEnv,
    /// An import is used as Emscripten's `sbrk` uses what it asks for memory.
    ResizeImport,
    /// `memory.size` is used, `memory.grow` never, and no import could grow the memory.
    SizeWithoutGrowth,
    /// The function that grows asks for whole pages and answers with WASI's error number for "no memory".
    WasiSbrk,
    /// Text in data segments is UTF-16 behind a header with its length.
    Utf16Strings,
    /// Struct or array types are defined.
    GcTypes,
    /// There is no memory.
    NoMemory,
    /// Few functions, and no trace of a compiler: no custom sections, no stack in memory, no table.
    NoCompilerTraces,
    /// There is a `memory.grow`.
    OwnMemoryGrows,
    /// `__retain` does something: it counts references.
    RetainCounts,
    /// `__retain` only returns what it is given.
    RetainDoesNothing,
}

impl Structure {
    /// What is seen of it, if it is there.
    pub fn check(self, code: &Code<'_>) -> Option<Evidence> {
        let facts = code.facts();
        match self {
            Self::ShadowStack => shadow_stack(code),
            Self::DataAtOneMebibyte => data_at_one_mebibyte(facts),
            Self::MinifiedNames => minified_names(facts),
            Self::MinifiedEnv => minified_env(facts),
            Self::ResizeImport => resize_import(code),
            Self::SizeWithoutGrowth => size_without_growth(code),
            Self::WasiSbrk => wasi_sbrk(facts),
            Self::Utf16Strings => utf16_strings(facts),
            Self::GcTypes => facts
                .types
                .iter()
                .any(|ty| matches!(ty, TypeDef::Other))
                .then(|| Evidence::new("struct or array types are defined")),
            Self::NoMemory => facts.memories.is_empty().then(|| Evidence::new("there is no memory")),
            Self::NoCompilerTraces => no_compiler_traces(code),
            Self::OwnMemoryGrows => {
                let site = facts.grow_sites().next()?;
                Some(Evidence::in_func(site.func, site.offset, "memory.grow"))
            }
            Self::RetainCounts => retain(facts, true),
            Self::RetainDoesNothing => retain(facts, false),
        }
    }
}

/// AssemblyScript's function that counts references, in run-times that count and in those that only have its name.
fn retain(facts: &Facts<'_>, counts: bool) -> Option<Evidence> {
    let func = facts.exported_func("__retain")?;
    let operators = facts.operators(func)?;
    let does_something = operators
        .into_iter()
        .flatten()
        .any(|operator| !matches!(operator, Operator::LocalGet { .. } | Operator::Return | Operator::End));
    let text = if counts { "__retain counts" } else { "__retain only returns its argument" };
    let offset = facts.function(func)?.body_offset;
    (does_something == counts).then(|| Evidence::in_func(func, offset, text))
}

fn shadow_stack(code: &Code<'_>) -> Option<Evidence> {
    let (global, seen) = code.prologues().most_moved()?;
    let text = format!("lowers a stack pointer in global {global}");
    Some(Evidence::in_func(seen.first_func, seen.first_offset, text))
}

fn data_at_one_mebibyte(facts: &Facts<'_>) -> Option<Evidence> {
    let starts =
        facts.data.iter().filter_map(|segment| Some((segment.active?.address.address()?, segment.offset)));
    let (address, offset) = starts.min()?;
    (address == 1 << 20).then(|| Evidence::at(offset, "static data starts at 1 MiB"))
}

fn minified_names(facts: &Facts<'_>) -> Option<Evidence> {
    let module = recognise::minified_module(facts)?;
    Some(Evidence::new(format!("imports from \"{module}\" and exports have names of a letter or two")))
}

fn minified_env(facts: &Facts<'_>) -> Option<Evidence> {
    recognise::is_minified_env(facts)
        .then(|| Evidence::new("functions imported from \"env\" have names of a letter or two"))
}

fn resize_import(code: &Code<'_>) -> Option<Evidence> {
    let import = *code.growth_by_use().first()?;
    let name = code.facts().import_of(ExternKind::Func, import)?;
    let text = format!("sbrk asks the import {}.{} for memory", short(name.module), short(name.name));
    Some(at_caller(code, import, text))
}

fn size_without_growth(code: &Code<'_>) -> Option<Evidence> {
    let facts = code.facts();
    let grows = facts.grow_sites().next().is_some()
        || code.imports().growers().next().is_some()
        || !code.growth_by_use().is_empty();
    let site = facts.size_sites().next().filter(|_| !grows)?;
    Some(Evidence::in_func(
        site.func,
        site.offset,
        "memory.size is asked, but nothing in the module is known to grow the memory",
    ))
}

/// `ENOMEM` in WASI's numbering.
const WASI_ENOMEM: i32 = 48;

fn wasi_sbrk(facts: &Facts<'_>) -> Option<Evidence> {
    facts.first_sites(|site| matches!(site.kind, SiteKind::Grow { .. })).find_map(|site| {
        let mut operators = facts.operators(site.func)?;
        let (mut whole_pages, mut no_memory) = (false, false);
        while let Ok(operator) = operators.read() {
            match operator {
                Operator::I32Const { value: 0xffff } => whole_pages = true,
                Operator::I32Const { value: WASI_ENOMEM } => no_memory = true,
                _ => {}
            }
        }
        (whole_pages && no_memory).then(|| {
            let text = "grows by whole pages and answers ENOMEM as WASI numbers it (48)";
            Evidence::in_func(site.func, site.offset, text)
        })
    })
}

fn utf16_strings(facts: &Facts<'_>) -> Option<Evidence> {
    facts.data.iter().find_map(|segment| {
        let bytes = segment.bytes;
        // The header before the text is 4 to 20 bytes long, depending on the version; its last word is the
        // length, in bytes or (early versions) in characters.
        [4_usize, 8, 12, 16, 20].into_iter().find_map(|header| {
            let word: [u8; 4] = bytes.get(header - 4..header)?.try_into().ok()?;
            let length = u32::from_le_bytes(word) as usize;
            let text = &bytes[header..];
            [length, length.saturating_mul(2)].into_iter().find(|&len| {
                let Some(text) = text.get(..len) else { return false };
                len >= 8
                    && len.is_multiple_of(2)
                    && text
                        .chunks_exact(2)
                        .all(|unit| unit[1] == 0 && (unit[0] == b'\n' || (32..127).contains(&unit[0])))
            })?;
            Some(Evidence::at(segment.offset, "UTF-16 text with its length before it in a data segment"))
        })
    })
}

/// More functions than anyone writes by hand.
const HAND_WRITTEN_FUNCS: usize = 64;

fn no_compiler_traces(code: &Code<'_>) -> Option<Evidence> {
    let facts = code.facts();
    let plain = facts.functions.len() <= HAND_WRITTEN_FUNCS
        && facts.sections.iter().all(|section| !section.custom || section.name == "name")
        && facts.element_funcs.is_empty()
        && !facts.globals.iter().any(|global| {
            // An exported heap base or an initialised stack pointer is a linker's work.
            matches!(global.init, Some(ConstExpr::I32(value)) if value >= 1024 && value % 16 == 0)
        })
        && code.prologues().most_moved().is_none();
    plain.then(|| Evidence::new("few functions and no trace of a compiler or linker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(structure: Structure, wat: &str) -> bool {
        let bytes = wat::parse_str(wat).unwrap();
        structure.check(&Code::new(&crate::facts(&bytes).unwrap())).is_some()
    }

    #[test]
    fn a_prologue_lowers_the_stack_pointer() {
        let module = |op: &str, mutable: bool| {
            let ty = if mutable { "(mut i32)" } else { "i32" };
            let set = if mutable { "global.set 0" } else { "drop" };
            format!(
                "(module (memory 2) (global {ty} (i32.const 66560)) (func (local i32) global.get 0 i32.const 16 {op} local.tee 0 {set}))"
            )
        };
        assert!(check(Structure::ShadowStack, &module("i32.sub", true)));
        assert!(!check(Structure::ShadowStack, &module("i32.mul", true)));
        assert!(!check(Structure::ShadowStack, &module("i32.sub", false)));
    }

    #[test]
    fn sbrk_of_wasi_is_told_by_its_numbers() {
        let module = |enomem: u32| {
            format!(
                "(module (memory 1) (global (mut i32) (i32.const 0)) (func (param i32) (result i32)
                   (if (i32.and (local.get 0) (i32.const 65535)) (then unreachable))
                   (if (i32.eq (memory.grow (i32.shr_u (local.get 0) (i32.const 16))) (i32.const -1))
                     (then (global.set 0 (i32.const {enomem})))) (i32.const 0)))"
            )
        };
        assert!(check(Structure::WasiSbrk, &module(48)));
        assert!(!check(Structure::WasiSbrk, &module(12)));
    }

    #[test]
    fn the_resizing_import_is_found_by_its_use() {
        let module = |params: &str, more: &str| {
            format!(
                "(module (import \"a\" \"b\" (func (param {params}) (result i32))) (memory 1)
                   (func (param i32) (result i32)
                     (if (i32.gt_u (local.get 0) (i32.shl (memory.size) (i32.const 16)))
                       (then (if (i32.eqz (call 0 (local.get 0) {more}))
                         (then (return (i32.const -1))))))
                     (local.get 0)))"
            )
        };
        assert!(check(Structure::ResizeImport, &module("i32", "")));
        assert!(!check(Structure::ResizeImport, &module("i32 i32", "(i32.const 0)")));
        assert!(check(Structure::SizeWithoutGrowth, "(module (memory 1) (func (result i32) memory.size))"));
        assert!(!check(Structure::SizeWithoutGrowth, &module("i32", "")));
    }

    #[test]
    fn minified_means_all_names() {
        let module = |export: &str| {
            format!(
                "(module (import \"a\" \"a\" (func)) (memory (export \"b\") 1) (func (export \"{export}\")))"
            )
        };
        assert!(check(Structure::MinifiedNames, &module("c")));
        assert!(!check(Structure::MinifiedNames, &module("malloc")));
    }

    #[test]
    fn utf16_text_has_its_length_before_it() {
        let module = |length: &str| {
            format!(
                "(module (memory 1) (data (i32.const 8) \"\\01\\00\\00\\00{length}\\00\\00\\00a\\00b\\00c\\00d\\00e\\00\"))"
            )
        };
        assert!(check(Structure::Utf16Strings, &module("\\0a")));
        assert!(check(Structure::Utf16Strings, &module("\\05")));
        assert!(!check(Structure::Utf16Strings, &module("\\ff")));
    }
}
