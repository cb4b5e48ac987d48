//! Flat rows: one for every input, whatever it is, and none twice.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{memgrove, workspace};

/// Runs `inspect --format rows` with a list on standard input; its rows.
fn rows(folder: &Path, list: &str, options: &[&str]) -> Vec<Value> {
    let out = run(folder, list, &[&["--format", "rows"], options].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    lines(&out.stdout)
}

fn run(folder: &Path, list: &str, options: &[&str]) -> Output {
    let mut child = memgrove(folder)
        .args(["inspect", "--files-from", "-"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that is refused reads nothing.
    let _ = child.stdin.take().unwrap().write_all(list.as_bytes());
    child.wait_with_output().unwrap()
}

fn lines(text: &[u8]) -> Vec<Value> {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// The statuses of each source.
fn statuses(rows: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut statuses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        statuses.entry(text("source")).or_default().push(text("status"));
    }
    statuses
}

#[test]
fn every_input_has_its_rows() {
    let folder = workspace();
    let list = "add.wasm\nadd.wasm.gz\r\ninlined.js\ncut.wasm\nbad-type.wasm\nempty.wasm\nprogram\nnot-there.wasm\n\n\
                {\"path\": \"add.wat\"}\n{\"name\": \"given\", \"bytes\": \"AGFzbQEAAAA=\"}\n{\"bytes\": \"*\"}\n{\"x\": 1}\nadd.wasm\n";
    let rows = rows(folder.path(), list, &["--jobs", "2", "bomb.wasm.gz", "--max-size", "64KiB"]);
    let expected = [
        ("-:12", vec!["bad-line"]),
        ("-:13", vec!["bad-line"]),
        ("add.wasm", vec!["ok", "ok"]),
        ("add.wasm.gz", vec!["ok"]),
        ("add.wat", vec!["ok"]),
        ("bad-type.wasm", vec!["broken"]),
        ("bomb.wasm.gz", vec!["too-large"]),
        ("cut.wasm", vec!["broken"]),
        ("empty.wasm", vec!["not-wasm"]),
        ("given", vec!["ok"]),
        ("inlined.js", vec!["ok", "ok"]),
        ("not-there.wasm", vec!["unreadable"]),
        ("program", vec!["not-wasm"]),
    ];
    let seen = statuses(&rows);
    let seen: Vec<_> = seen
        .iter()
        .map(|(source, statuses)| (source.as_str(), statuses.iter().map(String::as_str).collect::<Vec<_>>()))
        .collect();
    assert_eq!(seen, expected);
    let last = rows.iter().filter(|row| row["last"] == true).count();
    assert_eq!(last, 14, "one for each input");
    assert!(rows.iter().all(|row| row["tool"].is_string() && row["knowledge"].is_string()));
}

#[test]
fn what_becomes_of_a_member_is_not_said_of_the_module_before_it() {
    let folder = workspace();
    let add = fs::read(folder.path().join("add.wasm")).unwrap();
    let mut tar = tar::Builder::new(fs::File::create(folder.path().join("both.tar")).unwrap());
    for (path, bytes) in [("add.wasm", &add[..]), ("bad.wat", b"(module $x i33)")] {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path, bytes).unwrap();
    }
    tar.into_inner().unwrap();
    // The second time the module is known, with the rows that it had the first time.
    let rows = rows(folder.path(), "both.tar\nadd.wasm\n", &["--jobs", "1"]);
    let seen = statuses(&rows);
    assert_eq!(seen["both.tar"], ["ok", "bad-text"]);
    assert_eq!(seen["add.wasm"], ["ok"]);
}

#[cfg(unix)]
#[test]
fn what_never_answers_costs_one_row_in_time() {
    let folder = workspace();
    // A FIFO that nobody writes to: opening it never ends.
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
    assert!(made.success());
    let start = Instant::now();
    let rows = rows(folder.path(), "pipe\nadd.wasm\npipe\nadd.wat\n", &["--jobs", "1", "--max-time", "1"]);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let seen = statuses(&rows);
    assert_eq!(seen["pipe"], ["timed-out", "timed-out"]);
    assert_eq!((&seen["add.wasm"], &seen["add.wat"]), (&vec!["ok".to_owned()], &vec!["ok".to_owned()]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_is_killed_leaves_no_worker_behind() {
    let folder = workspace();
    // A worker that hangs in opening it does not notice that its requests have ended.
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
    assert!(made.success());
    fs::write(folder.path().join("list"), "pipe\n").unwrap();
    let mut run = memgrove(folder.path())
        .args(["inspect", "--format", "rows", "--jobs", "1", "--max-time", "600", "--files-from", "list"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let tasks = format!("/proc/{}/task", run.id());
    let workers = || -> Vec<String> {
        let children = fs::read_dir(&tasks).unwrap().map(|task| task.unwrap().path().join("children"));
        children
            .filter_map(|path| fs::read_to_string(path).ok())
            .flat_map(|pids| pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    let start = Instant::now();
    let worker = loop {
        assert!(start.elapsed() < Duration::from_secs(60), "no worker");
        match workers().pop() {
            Some(worker) => break worker,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    // Until it hangs there.
    std::thread::sleep(Duration::from_millis(500));
    run.kill().unwrap();
    run.wait().unwrap();
    // One that has ended may wait for somebody to ask how.
    let is_left = || {
        let stat = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    };
    let start = Instant::now();
    while is_left() {
        assert!(start.elapsed() < Duration::from_secs(10), "worker {worker} is left");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_takes_too_much_memory_costs_one_row() {
    let folder = workspace();
    let file = fs::File::create(folder.path().join("large.wasm")).unwrap();
    (&file).write_all(b"\0asm\x01\0\0\0").unwrap();
    file.set_len(400 << 20).unwrap();
    let of = |limits: &[&str]| {
        let rows = rows(folder.path(), "large.wasm\nadd.wasm\n", &[&["--jobs", "1"], limits].concat());
        let seen = statuses(&rows);
        assert_eq!(seen["add.wasm"], ["ok"]);
        seen["large.wasm"].clone()
    };
    assert_eq!(of(&["--max-memory", "300MiB"]), ["out-of-memory"]);
    // Of more than it may have, nothing is read.
    assert_eq!(of(&["--max-memory", "300MiB", "--max-size", "399MiB"]), ["too-large"]);
}

#[test]
fn a_run_that_was_killed_goes_on_without_loss_or_duplicates() {
    let folder = workspace();
    let add = fs::read(folder.path().join("add.wasm")).unwrap();
    let list: String = (0..300)
        .map(|number| {
            fs::write(folder.path().join(format!("{number}.wasm")), &add).unwrap();
            format!("{number}.wasm\n")
        })
        .collect();
    for (format, name) in [("rows", "out.ndjson"), ("csv", "out.csv")] {
        let options = ["--format", format, "-o", name];
        assert!(run(folder.path(), &list, &options).status.success());
        let path = folder.path().join(name);
        let whole = fs::read(&path).unwrap();
        // Cut anywhere, as a kill does; also before the first row, and in the head of CSV.
        for cut in [whole.len() * 2 / 3, whole.len() - 1, 10, 0, whole.len()] {
            fs::write(&path, &whole[..cut]).unwrap();
            let again = run(folder.path(), &list, &[&options[..], &["--resume"]].concat());
            assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
            let sorted = |bytes: &[u8]| {
                let mut lines: Vec<_> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                lines.sort();
                lines
            };
            assert_eq!(sorted(&fs::read(&path).unwrap()), sorted(&whole), "{format} cut at {cut}");
        }
        let refused = run(folder.path(), &list, &options);
        assert_eq!(refused.status.code(), Some(2), "it exists");
        // A file that holds something else is not gone on with, whether it has a line feed or not.
        for other in [&b"a,b\n1,2\n"[..], b"mine", b"\0asm\x01\0\0\0"] {
            fs::write(&path, other).unwrap();
            let refused = run(folder.path(), &list, &[&options[..], &["--resume"]].concat());
            assert!(matches!(refused.status.code(), Some(1 | 2)), "{format}: {other:?}");
            assert_eq!(fs::read(&path).unwrap(), other);
        }
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let folder = workspace();
    for options in [
        &["--format", "csv", "--require", "bare"][..],
        &["--format", "csv", "--html", "x.html"],
        &["--format", "rows", "--sort", "size"],
        &["--format", "csv", "-o", "add.wasm", "add.wasm"],
        &["--format", "json"],
        &["--format", "csv", "--resume"],
        &["--format", "parquet"],
    ] {
        let out = run(folder.path(), "", options);
        assert_eq!(out.status.code(), Some(2), "{options:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
    assert!(fs::read(folder.path().join("add.wasm")).unwrap().starts_with(b"\0asm"));
}

/// The sources in a folder's parts, each as often as it is finished there.
#[cfg(feature = "rows")]
fn sources_of_parts(folder: &Path) -> Vec<String> {
    use memgrove_rows::arrow::{sources_of_parquet, sources_of_stream};
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut take = |source: &str| sources.push(source.to_owned());
        let file = fs::File::open(&path).unwrap();
        match path.extension().unwrap().to_str().unwrap() {
            "parquet" => sources_of_parquet(file, &mut take),
            _ => sources_of_stream(file, &mut take),
        }
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    sources.sort();
    sources
}

#[cfg(feature = "rows")]
#[test]
fn a_run_into_parts_that_was_killed_goes_on_without_loss_or_duplicates() {
    let folder = workspace();
    let mut names: Vec<String> = (0..45_000).map(|number| format!("m{number}")).collect();
    let list: String =
        names.iter().map(|name| format!("{{\"name\":\"{name}\",\"bytes\":\"AGFzbQEAAAA=\"}}\n")).collect();
    names.sort();
    fs::write(folder.path().join("list"), list).unwrap();
    for format in ["parquet", "arrow"] {
        let command = || {
            let mut command = memgrove(folder.path());
            command.args(["inspect", "--format", format, "-o", format, "--files-from", "list"]);
            command.stdout(Stdio::null());
            command
        };
        let parts = folder.path().join(format);
        let first = parts.join(format!("part-00000.{format}"));
        let mut child = command().stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while !first.exists() {
            assert!(start.elapsed() < Duration::from_secs(120), "{format}: no part");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // As a kill may leave it, too.
        fs::write(parts.join(".unfinished-x"), b"PAR1").unwrap();
        let refused = command().output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "it is not empty");
        let again = command().arg("--resume").output().unwrap();
        let said = String::from_utf8_lossy(&again.stderr).into_owned();
        assert!(again.status.success() && said.contains("0,000 inputs skipped"), "{said}");
        assert_eq!(sources_of_parts(&parts), names, "{format}");
    }
}
