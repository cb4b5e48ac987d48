//! What the linker must be told: the objects of a C allocator, and a threaded guest's memory.

fn main() {
    println!("cargo::rerun-if-env-changed=GUEST_C_OBJECTS");
    if ["C_MALLOC", "ZIG_WASM"].iter().any(|name| std::env::var_os(format!("CARGO_FEATURE_{name}")).is_some())
    {
        for object in
            std::env::var("GUEST_C_OBJECTS").unwrap_or_default().split(';').filter(|path| !path.is_empty())
        {
            println!("cargo::rerun-if-changed={object}");
            println!("cargo::rustc-link-arg-cdylib={object}");
        }
    }
    let features = std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    if features.split(',').any(|feature| feature == "atomics") {
        for argument in [
            "--shared-memory",
            "--import-memory",
            "--max-memory=1073741824",
            "--export=__stack_pointer",
            "--export=__wasm_init_tls",
        ] {
            println!("cargo::rustc-link-arg-cdylib={argument}");
        }
    }
}
