//! One file that is made to exhaust its reader costs that file, not the run.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{leb128, sized};

/// A section and the module's first bytes before it.
fn module(sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"\0asm\x01\0\0\0".to_vec();
    for (id, contents) in sections {
        out.push(*id);
        out.extend(sized(contents));
    }
    out
}

/// 50,000 imports in the compact form, which all have one module name of 100,000 bytes.
fn compact_imports() -> Vec<u8> {
    let count = 50_000;
    let items: Vec<u8> =
        (0..count).flat_map(|i| [sized(format!("{i:x}").as_bytes()), vec![0, 0]].concat()).collect();
    let imports = [vec![1], sized(&[b'm'; 100_000]), vec![0, 0x7f], leb128(count), items].concat();
    module(&[(1, vec![1, 0x60, 0, 0]), (2, imports)])
}

/// 20,000 growth sites in one function with a name of 400,000 bytes.
fn growth_sites() -> Vec<u8> {
    let body = [vec![0], [0x41, 1, 0x40, 0, 0x1a].repeat(20_000), vec![0x0b]].concat();
    let names = [vec![1, 0], sized(&[b'g'; 400_000])].concat();
    let name_section = [sized(b"name"), vec![1], sized(&names)].concat();
    module(&[
        (1, vec![1, 0x60, 0, 0]),
        (3, vec![1, 0]),
        (5, vec![1, 0, 1]),
        (10, [vec![1], sized(&body)].concat()),
        (0, name_section),
    ])
}

fn inspect(folder: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_memgrove"))
        .arg("inspect")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[test]
fn the_run_goes_on_behind_a_poisoned_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("a-good.wat", b"(module)");
    write("b-compact.wasm", &compact_imports());
    write("c-growth.wasm", &growth_sites());
    // The text format's parser refuses depth; folded instructions may be as deep as they like.
    write(
        "d-deep.wat",
        &[b"(module (func ".to_vec(), b"(block ".repeat(50_000), b")".repeat(50_002)].concat(),
    );
    write(
        "e-types.wat",
        &[b"(module (type ".to_vec(), b"(func (param ".repeat(50_000), b")".repeat(100_002)].concat(),
    );
    write("f-good.wat", b"(module (memory 1))");

    let output = inspect(folder.path(), &["--format", "ndjson", "."]);
    let lines: Vec<Value> = output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    assert_eq!(lines.len(), 6, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
    let row =
        |name: &str| lines.iter().find(|line| line["file"].as_str().is_some_and(|file| file.ends_with(name)));
    for good in ["a-good.wat", "c-growth.wasm", "f-good.wat"] {
        assert!(row(good).unwrap()["report"].is_object(), "{good}: {}", row(good).unwrap()["error"]);
    }
    let poisoned = &row("b-compact.wasm").unwrap()["error"];
    assert!(
        poisoned["message"].as_str().unwrap().starts_with("too complex to inspect: the names of its imports")
    );
    assert!(poisoned["offset"].as_u64().is_some() && poisoned["hint"].is_string(), "{poisoned}");
    // A report of a few times the file, not of each site times the name.
    let growth = &row("c-growth.wasm").unwrap()["report"]["memory"]["growth"]["value"];
    assert_eq!(growth["sites"].as_array().unwrap().len(), 20_000);
    assert_eq!(growth["functions"].as_array().unwrap().len(), 1);
    let longest = output.stdout.split(|&byte| byte == b'\n').map(<[u8]>::len).max().unwrap();
    assert!(longest < 10 * growth_sites().len(), "{longest}");
}

#[cfg(unix)]
#[test]
fn an_endless_file_of_zeros_is_refused() {
    let output = inspect(&std::env::temp_dir(), &["/dev/zero"]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("1048576 zero bytes or more"), "{message}");
}

/// A host profile may be a file without an end: it is read no further than its bound, whatever it is.
#[cfg(unix)]
#[test]
fn an_endless_host_profile_is_refused() {
    use std::io::Write;

    const MOST_BYTES: usize = 4 << 20;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("module.wasm"), module(&[])).unwrap();
    // A file of a tebibyte that takes no room on the disk.
    fs::File::create(folder.path().join("sparse.toml")).unwrap().set_len(1 << 40).unwrap();
    let fifo = folder.path().join("fifo.toml");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Writes until nobody reads any more.
    let writer = std::thread::spawn(move || {
        let mut fifo = fs::File::options().write(true).open(fifo).unwrap();
        let line = b"# a comment without an end\n".repeat(1000);
        let mut written = 0;
        while written < 64 * MOST_BYTES && fifo.write_all(&line).is_ok() {
            written += line.len();
        }
        written
    });
    for profile in ["sparse.toml", "fifo.toml"] {
        let output = inspect(folder.path(), &["--host", profile, "module.wasm"]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{profile}: {:?} {message}", output.status);
        assert!(message.contains(profile) && message.contains("hint: "), "{profile}: {message}");
        assert!(output.stdout.is_empty() && message.len() < 2000, "{profile}: {message}");
    }
    let written = writer.join().unwrap();
    assert!(written <= 2 * MOST_BYTES, "{written} bytes were read");
}

/// Text, table and HTML take no more than a few times the file either.
#[test]
fn what_people_read_is_short() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("growth.wasm"), growth_sites()).unwrap();
    for arguments in [&["growth.wasm"][..], &["-v", "growth.wasm"], &["--format", "table", "growth.wasm"]] {
        let output = inspect(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout.len() < 10_000, "{arguments:?}: {} bytes", output.stdout.len());
    }
}
