//! A command under our own host does what it does natively, and does not leave its folder.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use memgrove_lab::engine::{self, EngineId, Settings};
use memgrove_lab::wasi::{self, Folder, Streams};

const INPUT: &str = "first\nsecond\n";

/// A stream whose bytes are kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Compiles the program into a folder.
fn compile(folder: &Path, name: &str, options: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wasi.c");
    let out = folder.join(name);
    let mut command = Command::new("clang-22");
    command.arg("-O1").arg("-D_GNU_SOURCE").arg(source).arg("-o").arg(&out).args(options);
    let output = command.output().expect("clang-22 is installed: cargo xtask setup");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    out
}

fn wasm(folder: &Path) -> Vec<u8> {
    std::fs::read(compile(folder, "program.wasm", &["--target=wasm32-wasi", "--no-wasm-opt"])).unwrap()
}

/// Runs it in a folder; returns its output, errors and exit status.
fn run(engine: EngineId, wasm: &[u8], folder: &Path, arguments: &[&str]) -> (String, String, Option<u32>) {
    let (output, errors) = (Kept::default(), Kept::default());
    let command = wasi::Command {
        arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
        environment: vec![("GREETING".to_owned(), "hello".to_owned())],
        folders: vec![Folder { host: folder.to_owned(), guest: ".".to_owned() }],
        streams: Streams {
            input: Box::new(Cursor::new(INPUT)),
            output: Box::new(output.clone()),
            errors: Box::new(errors.clone()),
        },
    };
    let (host, status) = wasi::host(command).unwrap();
    let engine = engine::open(engine, &Settings::default()).unwrap();
    let module = engine.compile(wasm).unwrap();
    let mut instance = module.instantiate(&host).unwrap();
    let ended = instance.call("_start", &[]);
    assert_eq!(ended.is_err(), status.get().is_some(), "{ended:?}");
    (output.text(), errors.text(), status.get())
}

#[test]
fn a_command_sees_the_same_as_natively() {
    let place = tempfile::tempdir().unwrap();
    let native = compile(place.path(), "native", &[]);
    let folder = place.path().join("native files");
    std::fs::create_dir(&folder).unwrap();
    let mut child = Command::new(native)
        .args(["one", "two words"])
        .current_dir(&folder)
        .env_clear()
        .env("GREETING", "hello")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(INPUT.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let expected = String::from_utf8(output.stdout).unwrap();
    assert!(expected.contains("rmdir: 0") && expected.contains("line second"), "{expected}");

    let wasm = wasm(place.path());
    for engine in [EngineId::Wasmtime, EngineId::Wasmi] {
        let folder = tempfile::tempdir().unwrap();
        let (said, errors, status) = run(engine, &wasm, folder.path(), &["program", "one", "two words"]);
        assert_eq!(said, expected, "{engine}");
        assert_eq!((&*errors, status), ("an error\n", Some(3)), "{engine}");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is left behind");
    }
}

#[cfg(unix)]
#[test]
fn a_command_does_not_leave_its_folder() {
    let place = tempfile::tempdir().unwrap();
    let wasm = wasm(place.path());
    for engine in [EngineId::Wasmtime, EngineId::Wasmi] {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(outside.path().join("secret"), "as it was").unwrap();
        std::os::unix::fs::symlink("../secret", folder.join("link")).unwrap();
        let (said, ..) = run(engine, &wasm, &folder, &["program", "out"]);
        for tried in ["above", "by a link", "write by a link", "absolute", "remove above", "rename out"] {
            assert!(said.contains(&format!("\n{tried}: 1\n")), "{tried} on {engine}: {said}");
        }
        assert_eq!(std::fs::read_to_string(outside.path().join("secret")).unwrap(), "as it was");
        assert!(!outside.path().join("moved").exists());
    }
}

/// Buffers, counts and addresses that no program would give: an error number each time, and no more memory than the
/// module has.
#[test]
fn wild_arguments_get_an_error_number() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\00\00\00\00\ff\ff\ff\ff")
        (func (export "outside") (result i32) (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))
        (func (export "many") (result i32) (call $write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 64)))
        (func (export "list") (result i32) (call $write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 64)))
        (func (export "random") (result i32) (call $random (i32.const 0) (i32.const -1)))
        (func (export "path") (result i32)
            (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0) (i64.const 0)
                (i64.const 0) (i32.const 0) (i32.const 64)))
        (func (export "events") (result i32) (call $poll (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 64)))
        (func (export "nothing") (result i32) (call $poll (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)))
        (func (export "socket") (result i32) (call $accept (i32.const 3) (i32.const 0) (i32.const 64)))
        (func (export "closed") (result i32)
            (call $readdir (i32.const 99) (i32.const 0) (i32.const -1) (i64.const -1) (i32.const 64)))
        (func (export "type") (result i32) (call $seek (i32.const 1) (i64.const 0) (i32.const 0))))"#;
    let (fault, inval, too_long, nosys, badf, spipe) = (21, 28, 37, 52, 8, 70);
    let expected = [
        ("outside", fault),
        ("many", inval),
        ("list", fault),
        ("random", fault),
        ("path", too_long),
        ("events", inval),
        ("nothing", inval),
        ("socket", nosys),
        ("closed", badf),
        // A stream, before the argument that the import's wrong type lacks is missed.
        ("type", spipe),
    ];
    let wasm = wat::parse_str(text).unwrap();
    for engine in [EngineId::Wasmtime, EngineId::Wasmi] {
        let folder = tempfile::tempdir().unwrap();
        let streams = Streams {
            input: Box::new(Cursor::new("")),
            output: Box::new(Kept::default()),
            errors: Box::new(Kept::default()),
        };
        let folders = vec![Folder { host: folder.path().to_owned(), guest: "/".to_owned() }];
        let command = wasi::Command { arguments: Vec::new(), environment: Vec::new(), folders, streams };
        let (host, _) = wasi::host(command).unwrap();
        let engine = engine::open(engine, &Settings::default()).unwrap();
        let mut instance = engine.compile(&wasm).unwrap().instantiate(&host).unwrap();
        for (export, errno) in expected {
            let values = instance.call(export, &[]).unwrap().values;
            assert_eq!(values, [engine::Value::I32(errno)], "{export}");
        }
    }
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let folders = vec![Folder { host: "/nowhere/at/all".into(), guest: "/".to_owned() }];
    let command = wasi::Command {
        arguments: Vec::new(),
        environment: Vec::new(),
        folders,
        streams: Streams::inherited(),
    };
    assert!(wasi::host(command).is_err());
}

/// `wasi_unstable` has functions of the same names, with other layouts: half of them would do something else.
#[test]
fn an_older_interface_is_not_taken_for_this_one() {
    let command = wasi::Command {
        arguments: Vec::new(),
        environment: Vec::new(),
        folders: Vec::new(),
        streams: Streams::inherited(),
    };
    let (host, _) = wasi::host(command).unwrap();
    assert!(host.supplies("wasi_snapshot_preview1", "fd_seek"));
    let old = r#"(module (import "wasi_unstable" "fd_seek" (func (param i32 i64 i32 i32) (result i32)))
        (memory (export "memory") 1))"#;
    let engine = engine::open(EngineId::Wasmtime, &Settings::default()).unwrap();
    let module = engine.compile(&wat::parse_str(old).unwrap()).unwrap();
    assert!(matches!(module.instantiate(&host), Err(engine::EngineError::Import { .. })));
}
