//! What commands do to the files they write, and to those they must not.
#![cfg(unix)]

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::{memgrove, root, workspace};

/// Commands that write one file: the arguments, with `OUT` for it, and how the result begins.
fn writers() -> Vec<(&'static str, &'static [u8])> {
    let mut all: Vec<(&str, &[u8])> = vec![
        ("inspect add.wat --html OUT", b"<!doctype html>"),
        ("trace add.wat --alloc 0=memalign -o OUT", b"\0asm"),
        ("check heap.wat -o OUT", b"\0asm"),
        ("trace traced.wat --profile traced.mgpr --html OUT", b"<!doctype html>"),
        ("trace traced.wat --profile traced.mgpr --collapsed OUT", b"(host) 8"),
        ("trace traced.wat --profile traced.mgpr --dhat OUT", b"{\"dhatFileVersion\":2"),
        ("trace traced.wat --profile traced.mgpr --pprof OUT", b"\x1f\x8b"),
        ("trace traced.wat --profile traced.mgpr --firefox OUT", b"{\"meta\""),
        ("trace traced.wat --profile traced.mgpr --speedscope OUT", b"{\"$schema\""),
        ("trace traced.wat --profile traced.mgpr --heaptrack OUT", b"v 10200 2\n"),
        ("trace traced.wat --profile traced.mgpr --mgtr OUT", b"MGTR"),
    ];
    if cfg!(feature = "engines") {
        all.push(("fix allocates.wat -o OUT", b"\0asm"));
        all.push(("check heap.wat --invoke malloc 8 --save OUT", b"MGPR"));
        all.push(("check heap.wat --invoke malloc 8 --sarif OUT", b"{"));
        all.push(("swap swappable.wat --to wee -o OUT", b"\0asm"));
        all.push(("trace heap.wat --invoke malloc 8 --save OUT", b"MGPR"));
        all.push(("trace heap.wat --invoke malloc 8 --html OUT", b"<!doctype html>"));
        all.push(("bench --from run.json --report OUT", b"<!doctype html>"));
        all.push(("bench --from run.json --markdown OUT", b"# Allocators"));
    }
    all
}

pub(crate) fn folder() -> tempfile::TempDir {
    let folder = workspace();
    fs::copy(root().join("results/bench.json"), folder.path().join("run.json")).unwrap();
    fs::write(folder.path().join("traced.wat"), "(module)").unwrap();
    fs::write(folder.path().join("traced.mgpr"), recording(&wat::parse_str("(module)").unwrap())).unwrap();
    folder
}

/// A recording of one allocation, of 8 bytes, by the host.
fn recording(wasm: &[u8]) -> Vec<u8> {
    use memgrove_profile::layout;
    let mut bytes = vec![0; layout::HEADER_BYTES as usize];
    let words = [
        (0, u32::from_le_bytes(layout::MAGIC)),
        (4, layout::VERSION),
        (layout::LOG_CURSOR, layout::LOG + layout::EVENT_BYTES),
        (layout::NODE_COUNT, 1),
        (layout::EVENT_COUNT, 1),
    ];
    for (at, word) in words {
        bytes[at as usize..][..4].copy_from_slice(&word.to_le_bytes());
    }
    bytes[layout::ORIGINAL as usize..].copy_from_slice(&memgrove_rewrite::trace::fingerprint(wasm));
    bytes.resize(bytes.len() + layout::NODE_BYTES as usize, 0);
    bytes.extend([layout::kind::ALLOCATED, 0, 16, 8].into_iter().flat_map(u32::to_le_bytes));
    bytes
}

pub(crate) fn command(folder: &Path, args: &str, out: &str) -> Command {
    let mut command = memgrove(folder);
    command.args(args.split(' ').map(|word| if word == "OUT" { out } else { word }));
    command
}

fn run(folder: &Path, args: &str, out: &str) -> Output {
    command(folder, args, out).output().unwrap()
}

#[track_caller]
pub(crate) fn succeeds(done: &Output) {
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
pub(crate) fn entries(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
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

pub(crate) fn fifo(path: &Path) {
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
    // Asked for before any work is done, so that a long one is tried here too.
    let mut asked: Vec<_> = writers().into_iter().map(|(args, _)| args).collect();
    if cfg!(feature = "engines") {
        asked.extend(["survey --html OUT", "bench --rounds 0 --save OUT"]);
        fifo(&folder.path().join("pipe"));
        refused(&run(folder.path(), "bench --rounds 0 --save OUT", "pipe"), "cannot be read again");
        fs::remove_file(folder.path().join("pipe")).unwrap();
    }
    for args in asked {
        for (out, why) in [
            ("folder", "is a folder: folder"),
            ("folder/", "is a folder: folder/"),
            ("new/", "is not a file name: new/"),
            ("..", "is a folder"),
            ("-", "cannot be standard output"),
            ("nowhere/out", "is in a folder that is not there: nowhere"),
            ("nowhere/deeper/out", "mkdir -p nowhere/deeper"),
            ("add.wat/out", "lies in something that is not a folder: add.wat"),
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
        ("inspect --format csv -o hard add.wasm", "is the input file add.wasm"),
        ("inspect --format csv -o soft --resume add.wasm", "is the input file add.wasm"),
        ("inspect --format csv -o add.wasm --resume folder", "holds something else"),
        ("inspect --format rows -o hard --files-from add.wasm", "is the input file add.wasm"),
        ("inspect --format csv -o same.md folder", "exists, and nothing is overwritten"),
        ("trace add.wasm --alloc 0=memalign -o new --map hard", "is the input file add.wasm"),
        ("trace add.wasm --alloc 0=memalign -o new --map ./new", "two outputs would go to the same file"),
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
fn an_open_file_or_pipe_is_no_way_round() {
    if !Path::new("/proc/self/fd").exists() {
        return;
    }
    let folder = folder();
    fs::write(folder.path().join("kept"), "kept").unwrap();
    fs::set_permissions(folder.path().join("kept"), Permissions::from_mode(0o444)).unwrap();
    fifo(&folder.path().join("pipe"));
    let before = entries(folder.path());
    let mut asked = vec![
        ("inspect add.wasm --html /dev/fd/3 3>>add.wasm", "is the input file add.wasm"),
        ("inspect add.wasm --html /dev/fd/3 3<add.wasm", "is the input file add.wasm"),
        ("inspect add.wat --html /dev/fd/3 3<kept", "is read-only"),
        ("inspect add.wat --html /dev/fd/77", "is not an open file"),
        ("inspect pipe --html pipe", "is the input file pipe"),
    ];
    if cfg!(feature = "engines") {
        asked.extend([
            ("fix allocates.wat -o /dev/fd/3 3>>allocates.wat", "is the input file"),
            ("bench --from run.json --report pipe --markdown pipe", "two outputs would go to the same file"),
            ("bench --from run.json --report /dev/fd/3 --markdown new.md 3>>new.md; r=$?; rm new.md; exit $r", "two outputs"),
        ]);
    }
    for (args, why) in asked {
        let script = format!("{} {args}", env!("CARGO_BIN_EXE_memgrove"));
        let done = Command::new("sh").current_dir(folder.path()).args(["-c", &script]).output().unwrap();
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
    // What these make of one allocation has fewer bytes than any limit; and an engine makes a file of a module's memory,
    // which is too long, too.
    let is_small = |args: &str| {
        ["--collapsed", "--dhat", "--pprof", "--heaptrack", "--mgtr", "--invoke"]
            .iter()
            .any(|option| args.contains(option))
    };
    for (args, _) in writers().into_iter().filter(|(args, _)| !is_small(args)) {
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

/// Whatever a module or a member of an archive is called, its file lies in the folder, and no file is replaced.
#[test]
fn what_is_extracted_stays_in_its_folder_and_replaces_nothing() {
    let folder = folder();
    let names = ["../outside", "/tmp/absolute", "a/b", "", "same", "same", "SAME"];
    let modules: String =
        names.iter().map(|name| format!("(core module (@name \"{name}\") (memory 1))")).collect();
    fs::write(folder.path().join("c.wat"), format!("(component {modules})")).unwrap();
    let before = entries(folder.path());
    let done = run(folder.path(), "inspect c.wat add.wat --extract OUT", "new/parts");
    succeeds(&done);
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder.path().join("new/parts")).unwrap() {
        let path = entry.unwrap().path();
        let wasm = fs::read(&path).unwrap();
        assert!(memgrove_inspect::facts(&wasm).is_ok_and(|facts| facts.component.is_none()), "{path:?}");
        assert!(err.contains(&format!("new/parts/{}", path.file_name().unwrap().display())), "{err}");
        found.push(path);
    }
    assert_eq!(found.len(), names.len() + 1, "each module once: {found:?}");
    let after = entries(folder.path());
    let besides: Vec<_> =
        after.iter().filter(|(path, ..)| !path.starts_with(folder.path().join("new"))).collect();
    assert_eq!(besides, before.iter().collect::<Vec<_>>(), "nothing else has changed");

    refused(&run(folder.path(), "inspect c.wat --extract OUT", "new/parts"), "is not empty");
    refused(&run(folder.path(), "inspect c.wat --extract OUT", "c.wat"), "is not a folder");
    assert_eq!(entries(folder.path()), after);
    // Nothing lies in a plain module.
    fs::write(folder.path().join("plain.wasm"), wat::parse_str("(module)").unwrap()).unwrap();
    let done = run(folder.path(), "inspect plain.wasm --extract OUT", "none");
    succeeds(&done);
    assert!(String::from_utf8_lossy(&done.stderr).contains("nothing to extract"));
    assert_eq!(fs::read_dir(folder.path().join("none")).unwrap().count(), 0);
}
