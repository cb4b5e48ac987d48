//! The three modules of the study that the project grew from, as their import lists stand there, and today's
//! counterparts: each is told with its evidence.

use memgrove_inspect::detect::origin;
use memgrove_inspect::report::Level;
use memgrove_inspect::report::{Allocator, Toolchain};
use memgrove_inspect::{Conclusion, facts};

fn origin_of(wat: &str) -> (Conclusion<Toolchain>, Conclusion<Allocator>) {
    let bytes = wat::parse_str(wat).unwrap();
    origin(&facts(&bytes).unwrap())
}

#[track_caller]
fn is_toolchain(conclusion: &Conclusion<Toolchain>, family: &str, variant: Option<&str>, because: &str) {
    let found = conclusion.value.as_ref().expect("a toolchain");
    assert_eq!((found.family.as_str(), found.variant.as_deref()), (family, variant), "{conclusion:?}");
    assert_eq!(conclusion.level(), Level::High, "{conclusion:?}");
    assert!(conclusion.evidence.iter().any(|evidence| evidence.text.contains(because)), "{conclusion:?}");
}

/// The study's own listing for Emscripten 1.38.12.
const EMSCRIPTEN_2018: &str = r#"(module
    (import "env" "memory" (memory 256 256))
    (import "env" "DYNAMICTOP_PTR" (global $top i32))
    (import "env" "STACKTOP" (global i32))
    (import "env" "enlargeMemory" (func $enlarge (result i32)))
    (import "env" "getTotalMemory" (func $total (result i32)))
    (import "env" "abortOnCannotGrowMemory" (func $abort (result i32)))
    (import "env" "___setErrNo" (func (param i32)))
    (func (export "___errno_location") (result i32) i32.const 1024)
    (func (export "_main") (param i32 i32) (result i32)
        (if (i32.gt_u (i32.load (global.get $top)) (call $total))
            (then (if (i32.eqz (call $enlarge)) (then (drop (call $abort))))))
        i32.const 0)
    (func (export "stackAlloc") (param i32) (result i32) local.get 0))"#;

#[test]
fn emscripten_of_2018_is_told_by_its_imports() {
    let (toolchain, allocator) = origin_of(EMSCRIPTEN_2018);
    is_toolchain(&toolchain, "emscripten", Some("fastcomp"), "env.DYNAMICTOP_PTR");
    // The listing has no allocator's code, so the toolchain's default is not supposed.
    assert_eq!(allocator.value, None);
    assert!(
        allocator.evidence.iter().any(|evidence| evidence.text.contains("compared with the fingerprints"))
    );
}

#[test]
fn emscripten_of_today_is_told_by_its_imports() {
    let (toolchain, _) = origin_of(
        r#"(module
            (import "env" "_abort_js" (func))
            (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
            (memory (export "memory") 258 32768)
            (global $sp (mut i32) (i32.const 65536))
            (func (export "_emscripten_stack_restore") (param i32) (global.set $sp (local.get 0)))
            (func (export "sbrk") (param i32) (result i32)
                (if (i32.gt_u (local.get 0) (i32.shl (memory.size) (i32.const 16)))
                    (then (drop (call $resize (local.get 0)))))
                i32.const 0))"#,
    );
    is_toolchain(&toolchain, "emscripten", Some("modern"), "env._abort_js");
}

#[test]
fn emscripten_of_today_is_told_when_minified_too() {
    let (toolchain, _) = origin_of(
        r#"(module
            (import "a" "a" (func $resize (param i32) (result i32)))
            (import "a" "b" (func))
            (memory (export "c") 258 32768)
            (func (export "d") (param i32) (result i32)
                (if (i32.gt_u (local.get 0) (i32.shl (memory.size) (i32.const 16)))
                    (then (if (i32.eqz (call $resize (local.get 0))) (then (return (i32.const -1))))))
                local.get 0))"#,
    );
    is_toolchain(&toolchain, "emscripten", Some("modern"), "sbrk asks the import a.a for memory");
}

#[test]
fn clang_with_musl_is_told_by_one_import_for_each_number_of_arguments() {
    let (toolchain, allocator) = origin_of(
        r#"(module
            (import "env" "__syscall3" (func (param i32 i32 i32 i32) (result i32)))
            (import "env" "__syscall2" (func (param i32 i32 i32) (result i32)))
            (import "env" "__syscall1" (func $one (param i32 i32) (result i32)))
            (import "env" "__syscall6" (func (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "env" "__syscall4" (func (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "__syscall0" (func (param i32) (result i32)))
            (memory (export "memory") 2)
            (global (export "__heap_base") i32 (i32.const 66560))
            (func (export "_start") (drop (call $one (i32.const 45) (i32.const 0)))))"#,
    );
    is_toolchain(&toolchain, "clang", Some("musl-syscalls"), "env.__syscall3");
    assert!(allocator.confidence.level() < Level::High, "no allocator's code is there: {allocator:?}");
}

#[test]
fn the_same_names_with_emscriptens_types_are_emscripten() {
    // There the number is that of the system call, and the arguments lie in memory.
    let (toolchain, _) = origin_of(
        r#"(module
            (import "env" "__syscall5" (func (param i32 i32) (result i32)))
            (import "env" "__syscall54" (func (param i32 i32) (result i32)))
            (import "env" "emscripten_resize_heap" (func (param i32) (result i32)))
            (import "env" "memory" (memory 256)))"#,
    );
    assert_eq!(toolchain.value.unwrap().family, "emscripten");
}

#[test]
fn rust_is_told_by_paths_that_survive_stripping_and_its_allocator_by_name() {
    let (toolchain, allocator) = origin_of(
        r#"(module
            (memory (export "memory") 17)
            (global (mut i32) (i32.const 1048576))
            (data (i32.const 1048576) "/rustc/eb26296b556cef10fb713a38f3d16b9886080f26/library/core/src/fmt/mod.rs")
            (func $_ZN9wee_alloc17alloc_first_fit17h0E (result i32) (memory.grow (i32.const 1)))
            (func (export "start") (drop (call 0))))"#,
    );
    is_toolchain(&toolchain, "rust", None, "/rustc/");
    let found = allocator.value.as_ref().unwrap();
    assert_eq!(found.id, "wee_alloc");
    assert!(allocator.evidence.iter().any(|evidence| evidence.text.contains("wee_alloc")));
    assert!(found.defects.iter().any(|defect| defect.id == "leaks"), "{found:?}");
}

#[test]
fn what_nothing_is_known_of_is_unknown_with_what_was_seen() {
    let (_, allocator) = origin_of(
        r#"(module
            (import "host" "work" (func))
            (memory (export "memory") 1)
            (table 1 funcref)
            (elem (i32.const 0) 1)
            (func (export "take") (param i32) (result i32) (memory.grow (local.get 0))))"#,
    );
    assert_eq!(allocator.value, None);
    assert!(
        allocator.evidence.iter().any(|evidence| evidence.text.contains("the heap grows in take")),
        "{allocator:?}"
    );
    assert!(
        allocator.evidence.iter().any(|evidence| evidence.text.contains("compared with the fingerprints"))
    );
}

/// The study's program, compiled here by each toolchain with each allocator (samples/prebuilt): the file's name
/// says with what. Family of the toolchain, and id of the allocator.
#[test]
fn the_studys_program_built_by_each_toolchain_is_told() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/prebuilt");
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let Some((family, allocator)) = expected_of(&name).filter(|_| path.extension().unwrap() == "wasm")
        else {
            continue;
        };
        let bytes = std::fs::read(&path).unwrap();
        let (toolchain, found) = origin(&facts(&bytes).unwrap());
        let family_found = toolchain.value.as_ref().map_or("unknown", |value| &value.family);
        let id_found = found.value.as_ref().map_or("unknown", |value| &value.id);
        if !family.split('|').any(|one| one == family_found) || allocator != id_found {
            wrong.push(format!(
                "{name}: {family_found} {:?}, {id_found} {:?}",
                toolchain.level(),
                found.level()
            ));
        }
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} modules");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A module without its custom sections: no names, no producers.
fn stripped(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes[..8].to_vec();
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        let Some((id, range)) = payload.unwrap().as_section().filter(|(id, _)| *id != 0) else { continue };
        let contents = &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        out.push(id);
        let mut len = contents.len();
        while len >= 0x80 {
            out.push(len.to_le_bytes()[0] | 0x80);
            len >>= 7;
        }
        out.push(len.to_le_bytes()[0]);
        out.extend_from_slice(contents);
    }
    out
}

/// Allocators of two years and five optimisers are told by their code alone (those of Rust after link-time optimisation:
/// samples/Cargo.toml), and what is none of them is not taken for the
/// toolchain's default.
#[test]
fn code_alone_tells_the_allocator_or_nothing_does() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/prebuilt");
    let found = |name: &str| {
        let bytes = stripped(&std::fs::read(dir.join(format!("{name}.wasm"))).unwrap());
        let (_, allocator) = origin(&facts(&bytes).unwrap());
        (allocator.value.as_ref().map(|value| value.id.clone()), allocator.level())
    };
    for (name, id) in [
        ("c-emscripten-dlmalloc", "dlmalloc-c"),
        ("cpp-emscripten-dlmalloc", "dlmalloc-c"),
        ("cpp-global-emscripten-dlmalloc", "dlmalloc-c"),
        ("c-emscripten-standalone-dlmalloc", "dlmalloc-c"),
        ("c-wasi-libc-dlmalloc", "dlmalloc-c"),
        ("c-emscripten-emmalloc", "emmalloc"),
        ("c-emscripten-standalone-emmalloc", "emmalloc"),
        ("rust-no-std-wee_alloc", "wee_alloc"),
        ("rust-std-dlmalloc", "dlmalloc-rs"),
        ("rust-no-std-dlmalloc", "dlmalloc-rs"),
        ("rust-no-std-talc", "talc"),
        ("life-wasm-bindgen-wee_alloc", "wee_alloc"),
        ("life-wasm-bindgen-dlmalloc", "dlmalloc-rs"),
    ] {
        assert_eq!(found(name), (Some(id.to_owned()), Level::High), "{name}");
    }
    // What is left of lol_alloc after optimisation is a list like many.
    for name in [
        "c-emscripten-memgrove-dlmalloc",
        "c-fastcomp2018-handmade",
        "c-memgrove-jemalloc",
        "rust-no-std-lol_alloc",
    ] {
        assert_eq!(found(name).0, None, "{name}");
    }
}

/// AssemblyScript's stub has the names of the run-time that counts references, and counts none.
#[test]
fn a_run_time_that_only_has_the_names_of_another_is_not_it() {
    let module = |retain: &str| {
        format!(
            "(module (memory 1) (func (export \"__retain\") (param i32) (result i32) {retain})
               (func (export \"__release\") (param i32))
               (func (export \"__alloc\") (param i32 i32) (result i32) (memory.grow (i32.const 1))))"
        )
    };
    let id = |retain: &str| origin_of(&module(retain)).1.value.map(|value| value.id);
    assert_eq!(id("local.get 0").as_deref(), Some("as-stub"));
    let counts = "(i32.store (local.get 0) (i32.add (i32.load (local.get 0)) (i32.const 1))) local.get 0";
    assert_eq!(id(counts).as_deref(), Some("as-tlsf-arc"));
}

fn expected_of(name: &str) -> Option<(&'static str, &'static str)> {
    let has = |part: &str| name.contains(part);
    let toolchain = match () {
        () if has("fastcomp") || has("emscripten") => "emscripten",
        () if has("musl") => "clang",
        () if has("rust-") || has("wasm-bindgen") => "rust",
        // C and C++ programs: of memgrove's archive, which is Rust, they have the allocator only.
        () if name.contains("c-memgrove") || has("cpp-memgrove") => "clang",
        // Zig's C compiler links its own build of wasi-libc.
        () if has("wasi-libc") || has("zig") => "wasi-libc|zig",
        () => return None,
    };
    let allocator = match () {
        // Stripped of names by Emscripten; told by nothing else yet.
        () if has("emscripten-memgrove") => return None,
        // To which `memgrove survey` swaps it.
        () if has("swapped") => "memgrove-dlmalloc",
        () if has("memgrove-wee") => "memgrove-wee",
        () if has("memgrove-dlmalloc") => "memgrove-dlmalloc",
        () if has("memgrove-jemalloc") => "memgrove-jemalloc",
        () if has("memgrove-hoard") => "memgrove-hoard",
        () if has("wee_alloc") => "wee_alloc",
        () if has("lol_alloc") => "lol_alloc",
        () if has("talc") => "talc",
        () if has("emmalloc") => "emmalloc",
        () if has("dlmalloc") && toolchain == "rust" => "dlmalloc-rs",
        () if has("dlmalloc") => "dlmalloc-c",
        // The others hold no allocator's code, or one that is in no other module.
        () => return None,
    };
    Some((toolchain, allocator))
}
