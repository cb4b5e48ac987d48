//! Compiles the shims: what only C can ask (is there an `errno`?) and C++'s `operator new`.

/// In `shim`. Each is an archive of its own, so that a program takes only those that it refers to.
const SHIMS: [&str; 10] = [
    "errno.c",
    "memory.c",
    "slack.c",
    "emscripten.c",
    "emscripten_found.c",
    "no_reactor.c",
    "glue.c",
    "libc_names.c",
    "emscripten_names.c",
    "new.cpp",
];

fn main() {
    println!("cargo::rerun-if-changed=shim");
    // A threaded program's linker takes only objects that were made for threads.
    let features = std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let threads = features.split(',').any(|feature| feature == "atomics");
    let threads: &[&str] = if threads { &["-matomics", "-mbulk-memory", "-mmutable-globals"] } else { &[] };
    for shim in SHIMS {
        let name = format!("memgrove_shim_{}", shim.replace('.', "_"));
        cc::Build::new()
            .file(format!("shim/{shim}"))
            .cpp(shim.ends_with(".cpp"))
            .cpp_link_stdlib(None)
            .opt_level(2)
            .flags(["-ffreestanding", "-fno-exceptions"])
            .flags(threads)
            .flag_if_supported(if shim.ends_with(".cpp") { "-std=c++17" } else { "-std=c11" })
            .compile(&name);
    }
}
