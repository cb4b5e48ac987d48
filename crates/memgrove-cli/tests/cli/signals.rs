//! What a signal leaves behind: nothing.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::outputs::{command, entries, fifo, folder, succeeds};

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

/// Whether this process ignores a signal, as under `nohup`: the command then does, too, as it should.
fn is_ignored(number: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim);
    let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    mask >> (number - 1) & 1 == 1
}

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
        if is_ignored(number) {
            continue;
        }
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
    succeeds(&command(folder.path(), "inspect many --html OUT", "whole").output().unwrap());
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
