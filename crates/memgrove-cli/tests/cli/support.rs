//! A folder with everything the sessions read, and the command to run in it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine;
use tempfile::TempDir;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A fresh copy of tests/cli/files, with the binary files made from them.
pub(crate) fn workspace() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = root().join("tests/cli/files");
    for entry in fs::read_dir(&files).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let add = wat::parse_file(files.join("add.wat")).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();

    write("add.wasm", &add);
    write("add.wasm.gz", &gzip(&add));
    write("add.wasm.zst", &zstd(&add));
    write("bomb.wasm.gz", &gzip(&vec![0; 1 << 20]));
    let base64 = base64::engine::general_purpose::STANDARD.encode(&add);
    let inlined = format!("const one = \"{base64}\", two = 'data:application/wasm;base64,{base64}';\n");
    write("inlined.js", inlined.as_bytes());

    write("cut.wasm", &add[..add.len() - 4]);
    write("cut.wasm.gz", &gzip(&add)[..30]);
    // A function section that names a type which is not there.
    write("bad-type.wasm", b"\0asm\x01\0\0\0\x03\x02\x01\x05");
    write("future.wasm", b"\0asm\x09\0\0\0");
    write("empty.wasm", b"");
    write("page.wasm", b"<!DOCTYPE html>\n<title>404</title>\n");
    write("program", b"\x7fELF\x02\x01\x01\0");
    write("library.a", b"!<arch>\nmalloc.o/");
    write("object.bc", b"BC\xc0\xde\x35\x14");
    write("picture.png", b"\x89PNG\r\n\x1a\n");
    write("pointer.wasm", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n");
    write("glue.js", b"var Module = function() {};\nvar wasm = fetch('a.wasm');\n");
    write("text.gz", &gzip(b"nothing but words\n"));
    write("add.wasm.br", &[0x0b, 0x02, 0x80, 0xff, 0x61]);

    let inner = folder.path().join("folder/inner");
    fs::create_dir_all(&inner).unwrap();
    fs::create_dir(folder.path().join("empty-folder")).unwrap();
    fs::write(inner.join("b.bin"), &add).unwrap();
    fs::write(inner.join("a.dat"), zstd(&add)).unwrap();
    fs::write(inner.join("notes.wasm"), "no module\n").unwrap();
    fs::copy(files.join("grow.wat"), folder.path().join("folder/c.txt")).unwrap();
    folder
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// `memgrove` with nothing of this machine's environment that changes what it prints.
pub(crate) fn memgrove(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memgrove"));
    command.current_dir(folder).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command
}

/// Runs it to the end.
pub(crate) fn run(folder: &Path, args: &[&str]) -> Output {
    memgrove(folder).args(args).output().unwrap()
}

/// Bytes with their length before them, as the binary format has names and sections.
pub(crate) fn sized(bytes: &[u8]) -> Vec<u8> {
    [leb128(bytes.len()), bytes.to_vec()].concat()
}

/// An unsigned number in the binary format.
pub(crate) fn leb128(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}
