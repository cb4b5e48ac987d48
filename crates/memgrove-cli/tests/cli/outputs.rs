//! What commands do to the files they write, and to those they must not.
#![cfg(unix)]

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::{memgrove, root, workspace};

/// Commands that write one file: the arguments, with `OUT` for it, and how the result begins.
fn writers() -> Vec<(&'static str, &'static [u8])> {
    let mut all: Vec<(&str, &[u8])> = vec![("inspect add.wat --html OUT", b"<!doctype html>")];
    if cfg!(feature = "engines") {
        all.push(("fix allocates.wat -o OUT", b"\0asm"));
        all.push(("bench --from run.json --report OUT", b"<!doctype html>"));
        all.push(("bench --from run.json --markdown OUT", b"# Allocators"));
    }
    all
}

fn folder() -> tempfile::TempDir {
    let folder = workspace();
    fs::copy(root().join("results/bench.json"), folder.path().join("run.json")).unwrap();
    folder
}

fn command(folder: &Path, args: &str, out: &str) -> Command {
    let mut command = memgrove(folder);
    command.args(args.split(' ').map(|word| if word == "OUT" { out } else { word }));
    command
}

fn run(folder: &Path, args: &str, out: &str) -> Output {
    command(folder, args, out).output().unwrap()
}

#[track_caller]
fn succeeds(done: &Output) {
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
}

#[track_caller]
fn refused(done: &Output, why: &str) {
    let err = String::from_utf8_lossy(&done.stderr);
    assert!(matches!(done.status.code(), Some(1 | 2)), "{:?} {err}", done.status);
    assert!(err.contains(why), "{err}");
    assert!(err.contains("hint: "), "{err}");
}

/// Every entry below a folder with kind, mode and contents: what must be the same afterwards.
fn entries(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let bytes = match metadata.file_type() {
            kind if kind.is_symlink() => fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec(),
            kind if kind.is_file() => fs::read(&path).unwrap(),
            _ => Vec::new(),
        };
        if metadata.is_dir() {
            found.extend(entries(&path));
        }
        found.push((path, metadata.mode(), bytes));
    }
    found.sort_unstable();
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_new_file_obeys_the_umask_and_an_old_one_keeps_its_mode() {
    let folder = folder();
    for (args, begins) in writers() {
        for (umask, wanted) in [("022", 0o644), ("077", 0o600), ("002", 0o664)] {
            let out = folder.path().join("new");
            let _ = fs::remove_file(&out);
            let args = args.replace("OUT", "new");
            let script = format!("umask {umask}; exec {} {args}", env!("CARGO_BIN_EXE_memgrove"));
            let done = Command::new("sh").current_dir(folder.path()).args(["-c", &script]).output().unwrap();
            succeeds(&done);
            assert_eq!(mode(&out), wanted, "{args}, umask {umask}");
        }
        for wanted in [0o600, 0o755, 0o666, 0o640, 0o4755] {
            let out = folder.path().join("old");
            fs::write(&out, "old").unwrap();
            fs::set_permissions(&out, Permissions::from_mode(wanted)).unwrap();
            succeeds(&run(folder.path(), args, "old"));
            assert_eq!(mode(&out), wanted, "{args}");
            assert!(fs::read(&out).unwrap().starts_with(begins), "{args}");
        }
    }
}

#[test]
fn the_owner_is_kept_where_the_system_allows() {
    let folder = folder();
    let out = folder.path().join("old");
    fs::write(&out, "old").unwrap();
    // Only the superuser can try this.
    if std::os::unix::fs::chown(&out, Some(4321), Some(4322)).is_err() {
        return;
    }
    fs::set_permissions(&out, Permissions::from_mode(0o4750)).unwrap();
    succeeds(&run(folder.path(), "inspect add.wat --html OUT", "old"));
    let metadata = fs::metadata(&out).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (4321, 4322, 0o4750));
    assert!(metadata.len() > 3);
}

#[test]
fn a_read_only_file_is_refused_whoever_asks() {
    let folder = folder();
    for (args, _) in writers() {
        for mode in [0o444, 0o400, 0o555] {
            let out = folder.path().join("kept");
            let _ = fs::remove_file(&out);
            fs::write(&out, "kept").unwrap();
            fs::set_permissions(&out, Permissions::from_mode(mode)).unwrap();
            let before = entries(folder.path());
            refused(&run(folder.path(), args, "kept"), "is read-only: kept");
            assert_eq!(entries(folder.path()), before, "{args}");
            fs::remove_file(folder.path().join("link")).ok();
            symlink("kept", folder.path().join("link")).unwrap();
            refused(&run(folder.path(), args, "link"), "is read-only: link");
            assert_eq!(fs::read(&out).unwrap(), b"kept");
            fs::set_permissions(&out, Permissions::from_mode(0o644)).unwrap();
        }
    }
}

#[test]
fn a_link_is_written_through() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("there")).unwrap();
    for (args, begins) in writers() {
        fs::write(at("there/real"), "old").unwrap();
        fs::set_permissions(at("there/real"), Permissions::from_mode(0o640)).unwrap();
        for (link, to) in [("one", "there/real"), ("two", "one"), ("dangling", "there/new")] {
            let _ = fs::remove_file(at(link));
            symlink(to, at(link)).unwrap();
        }
        for (link, real) in [("two", "there/real"), ("dangling", "there/new")] {
            succeeds(&run(folder.path(), args, link));
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{args}: {link} was replaced");
            assert!(fs::read(at(real)).unwrap().starts_with(begins), "{args}");
        }
        assert_eq!(mode(&at("there/real")), 0o640);
        fs::remove_file(at("there/new")).unwrap();
        let _ = fs::remove_file(at("loop"));
        symlink("loop", at("loop")).unwrap();
        let done = run(folder.path(), args, "loop");
        assert_eq!(done.status.code(), Some(1), "{args}");
        assert!(fs::symlink_metadata(at("loop")).unwrap().is_symlink());
    }
    assert_eq!(fs::read_dir(at("there")).unwrap().count(), 1, "something was left");
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_fifo_is_written_into() {
    let folder = folder();
    for (args, begins) in writers() {
        let pipe = folder.path().join("pipe");
        let _ = fs::remove_file(&pipe);
        fifo(&pipe);
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                File::open(pipe).unwrap().read_to_end(&mut bytes).unwrap();
                bytes
            })
        };
        succeeds(&run(folder.path(), args, "pipe"));
        assert!(reader.join().unwrap().starts_with(begins), "{args}");
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo(), "{args} replaced it");
    }
}

/// A device node of our own, so that one which is replaced is no loss; `None` where that is not allowed.
fn device(path: &Path, minor: &str) -> Option<()> {
    let made = Command::new("mknod").arg(path).args(["c", "1", minor]).stderr(Stdio::null()).status();
    // In a container a node can be made and not opened.
    (made.is_ok_and(|status| status.success()) && File::options().write(true).open(path).is_ok())
        .then_some(())
}

#[test]
fn a_device_is_never_replaced() {
    let folder = folder();
    let (null, full) = (folder.path().join("null"), folder.path().join("full"));
    if device(&null, "3").is_none() || device(&full, "7").is_none() {
        return;
    }
    symlink("null", folder.path().join("to-null")).unwrap();
    let before = entries(folder.path());
    for (args, _) in writers() {
        succeeds(&run(folder.path(), args, "null"));
        succeeds(&run(folder.path(), args, "to-null"));
        let done = run(folder.path(), args, "full");
        assert_eq!(done.status.code(), Some(1), "{args}: {}", String::from_utf8_lossy(&done.stderr));
        assert!(String::from_utf8_lossy(&done.stderr).contains("writing full"));
        assert_eq!(entries(folder.path()), before, "{args}");
    }
}

#[test]
fn what_is_no_place_for_a_file_is_refused() {
    let folder = folder();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let before = entries(folder.path());
    for (args, _) in writers() {
        for (out, why) in [
            ("folder", "is a folder: folder"),
            ("folder/", "is a folder: folder/"),
            ("new/", "is not a file name: new/"),
            ("..", "is a folder"),
            ("-", "cannot be standard output"),
            ("nowhere/out", "is in a folder that is not there: nowhere"),
            ("nowhere/deeper/out", "mkdir -p nowhere/deeper"),
            ("add.wat/out", "is in something that is no folder: add.wat"),
            ("socket", "is a socket: socket"),
        ] {
            refused(&run(folder.path(), args, out), why);
            assert_eq!(entries(folder.path()), before, "{args} {out}");
        }
    }
}

#[test]
fn results_are_not_mixed_with_what_is_printed() {
    let folder = folder();
    for (args, begins) in writers() {
        for out in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            if !Path::new(out).exists() {
                continue;
            }
            refused(&run(folder.path(), args, out), "cannot be standard output");
        }
        // The file that standard output goes to, by its own name.
        let printed = File::create(folder.path().join("printed")).unwrap();
        let done = command(folder.path(), args, "printed").stdout(printed).output().unwrap();
        refused(&done, "cannot be standard output");
        // Another descriptor gets it, whatever it is.
        if Path::new("/proc/self/fd").exists() {
            let args = args.replace("OUT", "/dev/fd/3");
            let program = env!("CARGO_BIN_EXE_memgrove");
            let script = format!("exec {program} {args} 3> other && cat other");
            let done = Command::new("sh").current_dir(folder.path()).args(["-c", &script]).output().unwrap();
            succeeds(&done);
            assert!(fs::read(folder.path().join("other")).unwrap().starts_with(begins), "{args}");
        }
    }
}

#[test]
fn no_output_is_an_input_or_another_output() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    symlink("add.wasm", at("soft")).unwrap();
    fs::hard_link(at("add.wasm"), at("hard")).unwrap();
    fs::hard_link(at("allocates.wat"), at("allocates.hard")).unwrap();
    fs::hard_link(at("ours.toml"), at("ours.hard")).unwrap();
    fs::hard_link(at("run.json"), at("run.hard")).unwrap();
    symlink("run.json", at("run.soft")).unwrap();
    fs::write(at("same.md"), "old").unwrap();
    fs::hard_link(at("same.md"), at("same.hard")).unwrap();
    let before = entries(folder.path());
    let mut asked = vec![
        ("inspect add.wasm --html add.wasm", "is the input file add.wasm"),
        ("inspect add.wasm --html ./folder/../add.wasm", "is the input file"),
        ("inspect add.wasm --html soft", "is the input file"),
        ("inspect add.wasm --html hard", "is the input file"),
        ("inspect soft --html add.wasm", "is the input file soft"),
        ("inspect grow.wat cut.wasm add.wasm --html hard", "is the input file add.wasm"),
        ("inspect folder --html folder/inner/b.bin", "is the input file folder/inner/b.bin"),
        ("inspect grow.wat --host ours.toml --html ours.hard", "is the input file ours.toml"),
        ("inspect - --html hard", "is the input file -"),
    ];
    if cfg!(feature = "engines") {
        asked.extend([
            ("fix allocates.wat -o allocates.wat", "is the input file"),
            ("fix allocates.wat -o allocates.hard", "is the input file"),
            ("fix hard -o soft", "is the input file"),
            ("fix - -o add.wasm", "is the input file -"),
            ("fix allocates.wat --host ours.toml -o ours.hard", "is the input file ours.toml"),
            ("bench --from run.json --report run.json", "is the input file"),
            ("bench --from run.json --report run.hard", "is the input file"),
            ("bench --from run.json --markdown run.soft", "is the input file"),
            ("bench --from run.json --report new --markdown ./new", "two outputs would go to the same file"),
            ("bench --from run.json --report same.md --markdown same.hard", "two outputs would go"),
            ("bench --rounds 0 --save new --report new", "two outputs would go"),
            ("bench --rounds 0 --guest add.wasm --save hard", "is the input file add.wasm"),
            ("bench --from run.json --markdown new --plots", "--markdown has no extension"),
        ]);
    }
    for (args, why) in asked {
        let stdin = File::open(at("add.wasm")).unwrap();
        let done = memgrove(folder.path()).args(args.split(' ')).stdin(stdin).output().unwrap();
        refused(&done, why);
        assert_eq!(entries(folder.path()), before, "{args}");
    }
}

#[test]
fn a_chart_does_not_replace_another_output() {
    if cfg!(not(feature = "engines")) {
        return;
    }
    let folder = folder();
    fs::create_dir(folder.path().join("page")).unwrap();
    let args = "bench --from run.json --markdown page.md --plots --report page/fuel-size.svg";
    refused(&run(folder.path(), args, ""), "two outputs would go to the same file");
}

#[test]
fn a_write_that_fails_leaves_the_old_file() {
    let folder = folder();
    let data = "x".repeat(60_000);
    let text = format!(
        "(module (import \"env\" \"sbrk\" (func (param i32) (result i32))) (memory (export \"memory\") 1)
          (data (i32.const 0) \"{data}\") (func (export \"f\") (result i32) (call 0 (i32.const 0))))"
    );
    fs::write(folder.path().join("large.wasm"), wat::parse_str(text).unwrap()).unwrap();
    for (args, _) in writers() {
        for old in [Some("old"), None] {
            let out = folder.path().join("out");
            let _ = fs::remove_file(&out);
            if let Some(old) = old {
                fs::write(&out, old).unwrap();
            }
            let before = entries(folder.path());
            // Files may have 512 bytes; what is printed goes into a pipe.
            let args = args.replace("OUT", "out").replace("allocates.wat", "large.wasm");
            let script = format!("ulimit -f 1; exec {} {args}", env!("CARGO_BIN_EXE_memgrove"));
            let done = Command::new("sh").current_dir(folder.path()).args(["-c", &script]).output().unwrap();
            let err = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.code(), Some(1), "{args}: {:?} {err}", done.status);
            assert!(err.contains("writing out"), "{err}");
            assert_eq!(entries(folder.path()), before, "{args}");
        }
    }
}

/// Waits until `condition`, as long as the child runs.
fn wait_until(child: &mut Child, condition: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(60) {
        if condition() {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return condition();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it hangs");
}

fn signal(child: &Child, name: &str) {
    assert!(
        Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success()
    );
}

const ENDS: [(&str, i32); 3] = [("HUP", 1), ("INT", 2), ("TERM", 15)];

#[test]
fn a_signal_while_it_works_leaves_nothing_behind() {
    let folder = folder();
    let scratch = tempfile::tempdir().unwrap();
    let args = if cfg!(feature = "engines") {
        "bench --scale 1000 --rounds 0 --allocators dlmalloc --save OUT"
    } else {
        "inspect - --html OUT"
    };
    for (name, number) in ENDS {
        let _ = fs::remove_file(folder.path().join("out"));
        let before = entries(folder.path());
        let mut child = command(folder.path(), args, "out")
            .env("TMPDIR", scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(700));
        signal(&child, name);
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(number), "{status:?}");
        let mut after = entries(folder.path());
        // What was saved between two measurements is whole, and there to go on from.
        if let Ok(saved) = fs::read(folder.path().join("out")) {
            serde_json::from_slice::<serde_json::Value>(&saved).unwrap();
            after.retain(|(path, ..)| !path.ends_with("out"));
        }
        assert_eq!(after, before, "SIG{name}");
        let left: Vec<_> = fs::read_dir(scratch.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name != "memgrove-bench.lock")
            .collect();
        assert!(left.is_empty(), "SIG{name}: {left:?}");
    }
}

/// Signals at every moment of the last steps: the target is the old one or the new one, and nothing else is there.
#[test]
fn a_signal_while_it_writes_leaves_nothing_behind() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("many")).unwrap();
    for number in 0..60 {
        fs::copy(at("grow.wat"), at(&format!("many/{number}.wat"))).unwrap();
    }
    succeeds(&run(folder.path(), "inspect many --html OUT", "whole"));
    let whole = fs::read(at("whole")).unwrap();
    let mut interrupted = 0;
    for round in 0..45 {
        let (name, number) = ENDS[round % 3];
        fs::write(at("out"), "old").unwrap();
        let before: Vec<_> =
            entries(folder.path()).into_iter().filter(|(path, ..)| !path.ends_with("out")).collect();
        let mut child = command(folder.path(), "inspect many --html OUT", "out")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let unfinished = || {
            let mut names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            names.any(|name| name.as_bytes().starts_with(b".unfinished-"))
        };
        if round % 2 == 0 {
            wait_until(&mut child, unfinished);
        } else {
            std::thread::sleep(Duration::from_millis(round as u64));
        }
        let _ = child.try_wait().unwrap().is_none().then(|| signal(&child, name));
        let status = child.wait().unwrap();
        if status.signal() == Some(number) {
            interrupted += 1;
        } else {
            assert_eq!(status.code(), Some(0), "{status:?}");
        }
        let out = fs::read(at("out")).unwrap();
        assert!(out == b"old" || out == whole, "half a file of {} bytes", out.len());
        let after: Vec<_> =
            entries(folder.path()).into_iter().filter(|(path, ..)| !path.ends_with("out")).collect();
        assert_eq!(after, before, "round {round}");
    }
    assert!(interrupted > 5, "only {interrupted} were interrupted");
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    if !Path::new("/proc/self/status").exists() {
        return;
    }
    let folder = folder();
    fifo(&folder.path().join("pipe"));
    // It waits for somebody who reads.
    let script = format!("trap '' HUP; exec {} inspect add.wat --html pipe", env!("CARGO_BIN_EXE_memgrove"));
    let mut child = Command::new("sh")
        .current_dir(folder.path())
        .args(["-c", &script])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, "HUP");
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "it ended");
    let mut bytes = Vec::new();
    File::open(folder.path().join("pipe")).unwrap().read_to_end(&mut bytes).unwrap();
    assert!(bytes.starts_with(b"<!doctype html>"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn manual_pages_are_replaced_by_the_same_rule() {
    let folder = folder();
    let dir = folder.path().join("pages");
    fs::create_dir(&dir).unwrap();
    symlink("../elsewhere", dir.join("memgrove.1")).unwrap();
    fs::write(dir.join("memgrove-man.1"), "kept").unwrap();
    fs::set_permissions(dir.join("memgrove-man.1"), Permissions::from_mode(0o444)).unwrap();
    let done = run(folder.path(), "man --dir OUT", "pages");
    refused(&done, "is read-only");
    assert_eq!(fs::read(dir.join("memgrove-man.1")).unwrap(), b"kept");
    assert!(fs::symlink_metadata(dir.join("memgrove.1")).unwrap().is_symlink());
    assert!(fs::read(folder.path().join("elsewhere")).unwrap().starts_with(b"."));
}
