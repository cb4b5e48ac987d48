//! memgrove's allocators under the shadow heap inside wasm: built from guests/alloc-check, run by wasmtime.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use memgrove_lab::engine::{EngineId, Host, Instance, Memory, Module, Settings, Value, open};

const TARGET: &str = "wasm32-unknown-unknown";

/// Builds the guest once: with Debian's rustc-web, which compiles the standard library, or rustup's target.
fn module() -> &'static dyn Module {
    static MODULE: OnceLock<Box<dyn Module>> = OnceLock::new();
    let module = MODULE.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = root.join("out/alloc-check");
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(root.join("guests/alloc-check"))
            .args(["build", "--release", "--target", TARGET])
            .env("CARGO_TARGET_DIR", &target)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        let (rustc, library) = compiler();
        cargo.env("RUSTC", rustc);
        if let Some(linker) = library {
            cargo.args(["-Zbuild-std=std,panic_abort"]);
            cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        let status = cargo.status().expect("cargo starts");
        assert!(status.success(), "guests/alloc-check builds");
        let wasm = std::fs::read(target.join(TARGET).join("release/alloc_check.wasm")).expect("the module");
        let engine = open(EngineId::Wasmtime, &Settings::default()).expect("wasmtime is built in");
        let module = engine.compile(&wasm).expect("a valid module");
        assert!(module.shape().imports.is_empty(), "nothing but memory.grow is needed");
        module
    });
    module.as_ref()
}

/// A compiler for wasm32, and a linker if it must compile the standard library.
fn compiler() -> (PathBuf, Option<&'static str>) {
    for rustc in ["/usr/bin/rustc", "rustc"] {
        let Ok(output) = Command::new(rustc).args(["--print", "sysroot"]).output() else { continue };
        let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir() {
            return (rustc.into(), None);
        }
        if sysroot.join("lib/rustlib/src/rust/library/std").is_dir() {
            let found = ["wasm-ld-22", "wasm-ld"].into_iter().find(|linker| {
                Command::new(linker).arg("--version").output().is_ok_and(|output| output.status.success())
            });
            if found.is_some() {
                return (rustc.into(), found);
            }
        }
    }
    panic!("no Rust compiler for {TARGET}; hint: cargo xtask setup, or rustup target add {TARGET}");
}

fn instance() -> Box<dyn Instance> {
    module().instantiate(&Host::new()).expect("an instance with no imports")
}

fn number(instance: &mut dyn Instance, export: &str, arguments: &[u32]) -> u64 {
    let arguments: Vec<_> = arguments.iter().map(|&argument| Value::I32(argument.cast_signed())).collect();
    let outcome =
        instance.call(export, &arguments).unwrap_or_else(|error| panic!("{export}{arguments:?}: {error}"));
    outcome.integer(export).expect("a number")
}

/// Calls a test in a fresh instance; what went wrong is the guest's message.
fn test(export: &str, arguments: &[u32]) -> Box<dyn Instance> {
    let mut instance = instance();
    if number(instance.as_mut(), export, arguments) != 0 {
        let (address, bytes) =
            (number(instance.as_mut(), "message", &[]), number(instance.as_mut(), "message_bytes", &[]));
        let message = instance.read(Memory::Main, address, bytes).expect("the message");
        panic!("{export}{arguments:?}: {}", String::from_utf8_lossy(&message));
    }
    instance
}

fn allocators() -> u32 {
    u32::try_from(number(instance().as_mut(), "allocators", &[])).expect("a small number")
}

#[test]
fn random_work_checked_after_every_step() {
    for allocator in 0..allocators() {
        for seed in 0..4 {
            test("random", &[allocator, seed, 10_000]);
        }
    }
}

#[test]
fn four_gibibytes_are_filled_to_the_edge() {
    for allocator in 0..allocators() {
        let mut instance = test("fill", &[allocator]);
        assert_eq!(instance.memory_bytes(Memory::Main).expect("a memory"), 1 << 32, "allocator {allocator}");
    }
}
