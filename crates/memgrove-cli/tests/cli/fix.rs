//! What `fix` does to files, which its session does not show.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{memgrove, root, run, workspace};

/// Every file below a folder, with its contents.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                found.insert(path, bytes);
            }
        }
    }
    found
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn a_failure_leaves_every_file_as_it_was() {
    let folder = workspace();
    fs::write(folder.path().join("there.wasm"), "what was there").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("allocates.wat", folder.path().join("link.wat")).unwrap();
    let before = files(folder.path());
    for (args, status) in [
        ("draws.wat -o out.wasm", 3),
        ("draws.wat -o there.wasm", 3),
        ("draws.wat -n", 3),
        ("allocates.wat -o out.wasm --stub none", 3),
        ("cut.wasm -o there.wasm", 1),
        ("bad-type.wasm -o out.wasm", 1),
        ("missing.wasm -o out.wasm", 1),
        ("component.wat -o out.wasm", 1),
        ("page.wasm -o out.wasm", 1),
        ("allocates.wat -o allocates.wat", 2),
        ("allocates.wat -o folder", 2),
        ("allocates.wat -o -", 2),
        ("allocates.wat -o nowhere/out.wasm", 1),
        ("allocates.wat -o out.wasm --host nowhere", 2),
        ("allocates.wat -o out.wasm --stub magic", 2),
        ("allocates.wat -o out.wasm --max-size 10", 1),
        #[cfg(unix)]
        ("allocates.wat -o link.wat", 2),
        #[cfg(unix)]
        ("link.wat -o allocates.wat", 2),
    ] {
        let done = memgrove(folder.path()).arg("fix").args(args.split_whitespace()).output().unwrap();
        assert_eq!(done.status.code(), Some(status), "{args}: {}", String::from_utf8_lossy(&done.stderr));
        assert!(files(folder.path()) == before, "{args} changed a file");
    }
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn success_writes_out_and_nothing_else() {
    let folder = workspace();
    let before = files(folder.path());
    let out = folder.path().join("out.wasm");
    // Once where nothing is, once over what the first wrote, once although imports stay.
    for args in [
        &["fix", "allocates.wat", "-o", "out.wasm"][..],
        &["fix", "resize-heap.wat", "-o", "out.wasm"],
        &["fix", "draws.wat", "-o", "out.wasm", "--partial"],
    ] {
        let done = run(folder.path(), args);
        assert!(matches!(done.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&done.stderr));
        let mut after = files(folder.path());
        let written = after.remove(&out).expect("OUT is written");
        assert!(after == before, "{args:?} changed another file");
        wasmparser::validate(&written).unwrap();
    }
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn json_has_the_plan_the_verification_and_whether_it_was_written() {
    let folder = workspace();
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&run(folder.path(), args).stdout).unwrap()
    };
    let done = json(&["fix", "allocates.wat", "-o", "out.wasm", "--json"]);
    assert_eq!(
        (&done["schema"], &done["complete"], &done["written"]),
        (&2.into(), &true.into(), &true.into())
    );
    assert_eq!(done["bytes_after"], fs::read(folder.path().join("out.wasm")).unwrap().len());
    assert_eq!(done["verdict"], "verified");
    assert_eq!(done["verification"]["verdict"], "verified");
    assert_eq!(done["verification"]["not_run"], serde_json::json!([]));
    for evidence in done["verification"]["evidence"].as_array().unwrap() {
        assert!(evidence["calls_returned"].as_u64().unwrap() > 0, "{evidence}");
        assert_eq!(evidence["growth"]["by"], "allocator", "{evidence}");
    }
    assert_eq!(done["verification"]["inspected"]["outcome"], "passed");
    assert_eq!(done["plan"]["imports"][1]["decided_by"], "name");
    assert_eq!(done["plan"]["imports"][1]["name"], "sbrk");
    let left = json(&["fix", "draws.wat", "-o", "never.wasm", "--json"]);
    assert_eq!((&left["complete"], &left["written"]), (&false.into(), &false.into()));
    assert_eq!(left["plan"]["imports"][2]["decision"], "stays");
    assert_eq!(left["verification"], serde_json::Value::Null);
    assert_eq!(left["verdict"], serde_json::Value::Null);
}

/// A workspace with one of `tests/cases` as `input`.
fn case(name: &str, input: &str) -> tempfile::TempDir {
    let folder = workspace();
    fs::copy(root().join("tests/cases").join(name), folder.path().join(input)).unwrap();
    folder
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn the_exit_status_says_whether_anything_was_verified() {
    for (name, args, status, is_written, verdict) in [
        // Nothing of these can be run: that is not success, unless it is accepted.
        ("verified-nothing/trap.wat", "", 4, true, "not-verified"),
        ("verified-nothing/trap.wat", "--accept-unverified", 0, true, "not-verified"),
        ("verified-nothing/stay.wat", "", 3, false, ""),
        // An import stays, so that the target host does not run it: that no outweighs.
        ("verified-nothing/stay.wat", "--partial", 3, true, "not-verified"),
        ("verified-nothing/stay.wat", "--partial --accept-unverified", 3, true, "not-verified"),
        ("lifted-maximum/lift.wat", "", 0, true, "verified"),
        ("lifted-maximum/lift.wat", "--accept-unverified", 0, true, "verified"),
        ("lifted-maximum/lift.wat", "--max-memory 256MiB", 0, true, "verified"),
    ] {
        let input = if name.ends_with(".wat") { "in.wat" } else { "in.wasm" };
        let folder = case(name, input);
        let args = format!("fix {input} -o out.wasm --json {args}");
        let done = memgrove(folder.path()).args(args.split_whitespace()).output().unwrap();
        assert_eq!(done.status.code(), Some(status), "{name} {args}");
        assert_eq!(folder.path().join("out.wasm").exists(), is_written, "{name} {args}");
        let json: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(json["written"], is_written, "{name} {args}");
        assert_eq!(json["verdict"].as_str().unwrap_or_default(), verdict, "{name} {args}");
        // The text's heading says the same.
        let text = memgrove(folder.path())
            .args(args.split_whitespace().filter(|arg| *arg != "--json"))
            .output()
            .unwrap();
        assert_eq!(text.status.code(), Some(status), "{name} {args}");
        let heading = verdict.replace('-', " ");
        let shown = String::from_utf8(text.stdout).unwrap();
        assert!(shown.lines().any(|line| line.starts_with(&heading)), "{name} {args}: {shown}");
    }
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn a_collected_heap_is_fixed_and_its_growth_is_shown() {
    let folder = case("assemblyscript/seed.wasm", "in.wasm");
    let done = run(folder.path(), &["fix", "in.wasm", "-o", "out.wasm", "--json"]);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let json: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(json["verification"]["evidence"][0]["growth"]["collected"], true);
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "needs engines")]
fn max_memory_takes_sizes_that_the_memory_can_have() {
    let folder = case("lifted-maximum/lift.wat", "in.wat");
    let maximum = |size: &str| -> (Option<i32>, Option<u64>) {
        let out = folder.path().join("out.wasm");
        let _ = fs::remove_file(&out);
        let done = run(folder.path(), &["fix", "in.wat", "-o", "out.wasm", &format!("--max-memory={size}")]);
        let maximum = fs::read(&out).ok().and_then(|wasm| {
            wasmparser::Parser::new(0).parse_all(&wasm).find_map(|payload| match payload.unwrap() {
                wasmparser::Payload::MemorySection(section) => {
                    section.into_iter().next().and_then(|memory| memory.unwrap().maximum)
                }
                _ => None,
            })
        });
        (done.status.code(), maximum)
    };
    for (size, pages) in [
        ("256MiB", 4096),
        ("4194304", 64),
        ("4GiB", 65536),
        ("4096KiB", 64),
        ("65536B", 32),
        // Never less than the module declares.
        ("1MiB", 32),
    ] {
        assert_eq!(maximum(size), (Some(0), Some(pages)), "{size}");
    }
    let bad = [
        "",
        "0",
        "-1",
        "256MB",
        "MiB",
        "1.5GiB",
        "65537",
        "4097MiB",
        "5GiB",
        "99999999999999999999",
        "17179869184GiB",
    ];
    for size in bad {
        assert_eq!(maximum(size), (Some(2), None), "{size}");
    }
}
