//! What the structure of a module gives away when its names are gone.

use serde::Deserialize;
use wasmparser::Operator;

use crate::facts::{ConstExpr, ExternKind, Facts, SiteKind, TypeDef, ValType};
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
    /// The function that holds `memory.size` calls exactly one import of type `(i32) -> i32`.
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
}

impl Structure {
    /// What is seen of it, if it is there.
    pub fn check(self, facts: &Facts<'_>) -> Option<Evidence> {
        match self {
            Self::ShadowStack => shadow_stack(facts),
            Self::DataAtOneMebibyte => data_at_one_mebibyte(facts),
            Self::MinifiedNames => minified_names(facts),
            Self::MinifiedEnv => minified_env(facts),
            Self::ResizeImport => resize_import(facts),
            Self::SizeWithoutGrowth => size_without_growth(facts),
            Self::WasiSbrk => wasi_sbrk(facts),
            Self::Utf16Strings => utf16_strings(facts),
            Self::GcTypes => facts
                .types
                .iter()
                .any(|ty| matches!(ty, TypeDef::Other))
                .then(|| Evidence::new("struct or array types are defined")),
            Self::NoMemory => facts.memories.is_empty().then(|| Evidence::new("there is no memory")),
            Self::NoCompilerTraces => no_compiler_traces(facts),
            Self::OwnMemoryGrows => {
                let site = facts.grow_sites().next()?;
                Some(Evidence::in_func(site.func, site.offset, "memory.grow"))
            }
        }
    }
}

/// How many functions are looked at for a prologue; every compiled module shows one among so many.
const PROLOGUES: usize = 512;

fn shadow_stack(facts: &Facts<'_>) -> Option<Evidence> {
    let first = facts.imported_func_count();
    (first..).take(facts.functions.len().min(PROLOGUES)).find_map(|func| {
        let mut operators = facts.operators(func)?;
        let Ok(Operator::GlobalGet { global_index }) = operators.read() else { return None };
        let global = facts.globals.get(global_index as usize)?;
        if !global.ty.mutable || global.ty.content != ValType::I32 {
            return None;
        }
        // At -O0 the pointer goes through locals first.
        let (mut constant, mut lowered) = (false, false);
        for _ in 0..8 {
            match operators.read().ok()? {
                Operator::I32Const { .. } => constant = true,
                Operator::I32Sub | Operator::I32Add => lowered = constant,
                Operator::GlobalSet { global_index: set } => {
                    let offset = facts.function(func)?.body_offset;
                    return (lowered && set == global_index).then(|| {
                        Evidence::in_func(
                            func,
                            offset,
                            format!("lowers a stack pointer in global {global_index}"),
                        )
                    });
                }
                Operator::LocalTee { .. } | Operator::LocalSet { .. } | Operator::LocalGet { .. } => {}
                _ => return None,
            }
        }
        None
    })
}

fn data_at_one_mebibyte(facts: &Facts<'_>) -> Option<Evidence> {
    let starts =
        facts.data.iter().filter_map(|segment| Some((segment.active?.address.address()?, segment.offset)));
    let (address, offset) = starts.min()?;
    (address == 1 << 20).then(|| Evidence::at(offset, "static data starts at 1 MiB"))
}

fn minified_names(facts: &Facts<'_>) -> Option<Evidence> {
    let module = facts.imports.first()?.module;
    let own = facts.exports.iter().filter(|export| export.kind == ExternKind::Func).count();
    // `env.memory` is kept beside minified names of other imports only in fastcomp modules.
    let minified = module.len() == 1
        && own > 0
        && facts.imports.iter().all(|import| {
            import.module == module && (import.name.len() <= 2 || matches!(import.name, "memory" | "table"))
        })
        && facts.exports.iter().all(|export| export.name.len() <= 3);
    minified.then(|| {
        Evidence::new(format!("imports from \"{module}\" and exports have names of a letter or two"))
    })
}

fn minified_env(facts: &Facts<'_>) -> Option<Evidence> {
    let mut functions = facts.imports.iter().filter(|import| import.ty.kind() == ExternKind::Func).peekable();
    functions.peek()?;
    functions
        .all(|import| import.module == "env" && import.name.len() <= 2)
        .then(|| Evidence::new("functions imported from \"env\" have names of a letter or two"))
}

/// The import that resizes the heap in Emscripten's `sbrk`, found by what it is used for.
///
/// Returns its function index and the function that calls it. O(sites + calls).
#[must_use]
pub fn resize_import_of(facts: &Facts<'_>) -> Option<(u32, u32)> {
    facts.first_sites(|site| matches!(site.kind, SiteKind::Size { .. })).find_map(|site| {
        let imports = facts.imported_func_count();
        let mut resizers = facts.call_graph.callees(site.func).iter().copied().filter(|&callee| {
            callee < imports
                && facts.func_type(callee).is_some_and(|ty| ty.is(&[ValType::I32], &[ValType::I32]))
        });
        let only = resizers.next()?;
        resizers.next().is_none().then_some((only, site.func))
    })
}

fn resize_import(facts: &Facts<'_>) -> Option<Evidence> {
    let (import, caller) = resize_import_of(facts)?;
    let name = facts.import_of(ExternKind::Func, import)?;
    let offset = facts.function(caller)?.body_offset;
    let text = format!(
        "memory.size and a call of the (i32) -> i32 import {}.{} in one function",
        short(name.module),
        short(name.name)
    );
    Some(Evidence::in_func(caller, offset, text))
}

fn size_without_growth(facts: &Facts<'_>) -> Option<Evidence> {
    if facts.grow_sites().next().is_some() || resize_import_of(facts).is_some() {
        return None;
    }
    let site = facts.size_sites().next()?;
    Some(Evidence::in_func(
        site.func,
        site.offset,
        "memory.size is asked, but nothing in the module grows the memory",
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

fn no_compiler_traces(facts: &Facts<'_>) -> Option<Evidence> {
    let plain = facts.functions.len() <= HAND_WRITTEN_FUNCS
        && facts.sections.iter().all(|section| !section.custom || section.name == "name")
        && facts.element_funcs.is_empty()
        && !facts.globals.iter().any(|global| {
            // An exported heap base or an initialised stack pointer is a linker's work.
            matches!(global.init, Some(ConstExpr::I32(value)) if value >= 1024 && value % 16 == 0)
        })
        && shadow_stack(facts).is_none();
    plain.then(|| Evidence::new("few functions and no trace of a compiler or linker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(structure: Structure, wat: &str) -> bool {
        let bytes = wat::parse_str(wat).unwrap();
        structure.check(&crate::facts(&bytes).unwrap()).is_some()
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
        let module = |ty: &str, arg: &str| {
            format!(
                "(module (import \"a\" \"b\" (func {ty})) (memory 1) (func (result i32) memory.size {arg} call 0))"
            )
        };
        assert!(check(Structure::ResizeImport, &module("(param i32) (result i32)", "")));
        assert!(!check(Structure::ResizeImport, &module("(param i32 i32) (result i32)", "i32.const 0")));
        assert!(check(Structure::SizeWithoutGrowth, "(module (memory 1) (func (result i32) memory.size))"));
        assert!(!check(Structure::SizeWithoutGrowth, &module("(param i32) (result i32)", "")));
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
