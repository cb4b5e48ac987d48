//! Text in data says what a module was made by only while it speaks for one maker: a compiler, a linter or this inspector
//! holds the names of many, and was made by none of them.

use memgrove_inspect::report::{Allocator, Conclusion, Level, Toolchain};
use memgrove_inspect::{conclude, facts};
use std::fmt::Write as _;
use std::path::Path;

/// What is concluded from a module with the stack pointer and the linker's symbols that clang, rustc and Zig have in
/// common, with this text in its data.
fn judged(text: &[u8]) -> (Conclusion<Toolchain>, Conclusion<Allocator>) {
    let escaped = text.iter().fold(String::new(), |mut escaped, byte| {
        let _ = write!(escaped, "\\{byte:02x}");
        escaped
    });
    let step = "global.get 0 i32.const 16 i32.sub local.tee 0 global.set 0 \
                local.get 0 i32.const 16 i32.add global.set 0";
    let wasm = wat::parse_str(format!(
        "(module (memory (export \"memory\") 32) (global (mut i32) (i32.const 1048576)) \
         (global (export \"__data_end\") i32 (i32.const 2000000)) \
         (global (export \"__heap_base\") i32 (i32.const 2000000)) \
         (func (export \"a\") (local i32) {step}) (func (export \"b\") (local i32) {step}) \
         (func (export \"c\") (local i32) {step} (drop (memory.grow (i32.const 1)))) \
         (data (i32.const 1024) \"{escaped}\"))"
    ))
    .unwrap();
    let report = conclude(&facts(&wasm).unwrap());
    (report.toolchain, report.allocator.identity)
}

fn family(toolchain: &Conclusion<Toolchain>) -> Option<&str> {
    toolchain.value.as_ref().map(|toolchain| toolchain.family.as_str())
}

const RUST: &str = "/rustc/0123456789abcdef/library/std/src/ called `Option::unwrap()` on a `None` value\n";
const ZIG: &str = "attempt to use null value reached unreachable code\n";
const DOTNET: &str = "System.Private.CoreLib\n";

#[test]
fn text_of_many_makers_counts_for_none() {
    let (toolchain, _) = judged(RUST.as_bytes());
    assert_eq!(family(&toolchain), Some("rust"), "{toolchain:?}");
    let (toolchain, _) = judged(format!("{RUST}{ZIG}{DOTNET}").as_bytes());
    assert_eq!(family(&toolchain), None, "{toolchain:?}");
    let said = |text: &str| toolchain.evidence.iter().any(|evidence| evidence.text.contains(text));
    assert!(said("exclude each other") && said("C#, Rust, Zig"), "{:?}", toolchain.evidence);
}

#[test]
fn text_of_two_makers_leaves_doubt() {
    let (toolchain, _) = judged(format!("{RUST}{ZIG}").as_bytes());
    assert_eq!(family(&toolchain), Some("rust"));
    assert!(toolchain.confidence.value() < 0.9, "{toolchain:?}");
}

#[test]
fn text_of_several_allocators_is_no_certainty() {
    const DLMALLOC: &str = "dlmalloc-0.2.11/src/dlmalloc.rs\n";
    const TALC: &str = "talc-4.4.2/src/\n";
    let id = |allocator: &Conclusion<Allocator>| allocator.value.as_ref().map(|value| value.id.clone());
    let (_, allocator) = judged(DLMALLOC.as_bytes());
    assert_eq!((id(&allocator).as_deref(), allocator.level()), (Some("dlmalloc-rs"), Level::High));
    let (_, allocator) = judged(format!("{DLMALLOC}{TALC}").as_bytes());
    assert!(allocator.level() < Level::High, "{allocator:?}");
    let (_, allocator) = judged(format!("{DLMALLOC}{TALC}lol_alloc-0.4.1/src/\n").as_bytes());
    assert_eq!(id(&allocator), None, "{allocator:?}");
}

/// As in the module of the npm package, which holds all that this crate knows.
#[test]
fn our_own_knowledge_is_no_evidence() {
    let knowledge = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../knowledge");
    let mut text = Vec::new();
    for folder in ["toolchains", "allocators"] {
        for entry in std::fs::read_dir(knowledge.join(folder)).unwrap() {
            text.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
    }
    assert!(text.len() > 50_000, "the whole of it");
    let (toolchain, allocator) = judged(&text);
    assert_eq!((family(&toolchain), allocator.value), (None, None), "{toolchain:?}");
}
