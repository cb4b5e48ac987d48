//! What `fix` does to files, which its session does not show.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{memgrove, run, workspace};

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
        (&1.into(), &true.into(), &true.into())
    );
    assert_eq!(done["bytes_after"], fs::read(folder.path().join("out.wasm")).unwrap().len());
    assert_eq!(done["verification"]["inspected"]["outcome"], "passed");
    assert_eq!(done["plan"]["imports"][1]["name"], "sbrk");
    let left = json(&["fix", "draws.wat", "-o", "never.wasm", "--json"]);
    assert_eq!((&left["complete"], &left["written"]), (&false.into(), &false.into()));
    assert_eq!(left["plan"]["imports"][2]["decision"], "stays");
    assert_eq!(left["verification"], serde_json::Value::Null);
}
