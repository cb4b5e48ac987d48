//! What the linker must be told: the objects of a C allocator.

fn main() {
    println!("cargo::rerun-if-env-changed=GUEST_C_OBJECTS");
    if std::env::var_os("CARGO_FEATURE_C_MALLOC").is_some() {
        for object in
            std::env::var("GUEST_C_OBJECTS").unwrap_or_default().split(';').filter(|path| !path.is_empty())
        {
            println!("cargo::rerun-if-changed={object}");
            println!("cargo::rustc-link-arg-cdylib={object}");
        }
    }
}
