//! Compiles the stand-ins in `runtime/*.wat` into one module that the crate embeds.
//!
//! The files hold bare module fields; put together in the order of their names
//! they are one module, in which a function may call one of another file.

use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=runtime");
    let mut files: Vec<_> = fs::read_dir("runtime")
        .expect("the crate has a folder `runtime`")
        .map(|entry| entry.expect("a readable folder entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "wat"))
        .collect();
    files.sort();

    let text: String =
        files.iter().map(|path| fs::read_to_string(path).expect("a readable file") + "\n").collect();
    let wasm = wat::parse_str(format!("(module\n{text})"))
        .unwrap_or_else(|error| panic!("the stand-ins in runtime/ do not compile: {error}"));
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    println!("cargo::rerun-if-changed=trace");
    let recorder = wat::parse_file("trace/recorder.wat").unwrap_or_else(|error| panic!("{error}"));
    fs::write(Path::new(&out).join("recorder.wasm"), recorder).expect("OUT_DIR is writable");
    fs::write(Path::new(&out).join("runtime.wasm"), wasm).expect("OUT_DIR is writable");
}
