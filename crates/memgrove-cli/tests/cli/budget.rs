//! What `fix` takes for a hostile module: seen from outside, as its users pay for it.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{memgrove, root};

/// What the run may have at most: the budget of a verification, and room for the command and its compilers.
const MOST_BYTES: u64 = (2 << 30) + (512 << 20);

/// Far more than each takes on an idle machine.
const MOST_TIME: Duration = Duration::from_secs(120);

/// The largest memory that a process had until now, where the system says so.
fn peak_bytes(child: &Child) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// Fixes a module and returns the exit status and the peak of its memory.
fn fix(wat: &Path, out: &Path) -> (Option<i32>, u64) {
    let begin = Instant::now();
    let mut child = memgrove(out.parent().unwrap())
        .arg("fix")
        .arg(wat)
        .arg("-o")
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_bytes(&child).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if peak > MOST_BYTES || begin.elapsed() > MOST_TIME {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{}: {} MiB after {:?}", wat.display(), peak >> 20, begin.elapsed());
        }
        sleep(Duration::from_millis(5));
    };
    (status.code(), peak)
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn no_hostile_module_takes_more_than_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    // What ends by the clock is tried in the lab, with less time.
    let slow = ["wait.wat", "throw-loop.wat", "host-loop.wat", "memories-grow.wat"];
    let mut tried = 0;
    for entry in fs::read_dir(root().join("tests/cases/hostile")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.extension().is_none_or(|extension| extension != "wat") || slow.contains(&name.as_str()) {
            continue;
        }
        let (status, _) = fix(&path, &folder.path().join("out.wasm"));
        // No signal, no panic (101).
        assert!(matches!(status, Some(0..=4)), "{name}: {status:?}");
        tried += 1;
    }
    assert!(tried > 10, "{tried}");
}

/// What is only declared costs nothing: it is refused before an engine makes it.
#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn what_is_declared_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tables-declared", "memories-declared", "memory-declared", "memory64-declared", "table-grow"]
    {
        let path = root().join(format!("tests/cases/hostile/{name}.wat"));
        let (status, peak) = fix(&path, &folder.path().join("out.wasm"));
        assert!(matches!(status, Some(0..=4)), "{name}: {status:?}");
        assert!(peak < 256 << 20, "{name}: {} MiB", peak >> 20);
    }
}

/// A machine without room for what an engine reserves says nothing about the module.
#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn little_address_space_is_no_fault_of_the_module() {
    let folder = tempfile::tempdir().unwrap();
    let wat = root().join("tests/cases/hostile/table-grow.wat");
    for kibibytes in [3_000_000, 8_000_000] {
        let script = format!("ulimit -v {kibibytes} && exec \"$@\"");
        let done = std::process::Command::new("sh")
            .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_memgrove"), "fix"])
            .arg(&wat)
            .arg("-o")
            .arg(folder.path().join("out.wasm"))
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&done.stdout);
        // Status 1 would say that it does something else than the original.
        assert!(matches!(done.status.code(), Some(0 | 4)), "{kibibytes}: {:?} {words}", done.status);
        assert!(words.contains("wasmtime"), "{words}");
    }
}
