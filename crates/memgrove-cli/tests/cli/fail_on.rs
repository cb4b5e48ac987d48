//! What a check fails for is said, and what it was asked for and does not know.
#![cfg(feature = "engines")]

use crate::support::{run, workspace};

/// The status, and the notes about what a check fails for.
fn checked(arguments: &[&str]) -> (Option<i32>, Vec<String>) {
    let folder = workspace();
    let ran = run(folder.path(), &[&["check"], arguments].concat());
    let told = String::from_utf8_lossy(&ran.stderr);
    let notes = told.lines().filter(|line| line.contains("fail") || line.contains("lost"));
    (ran.status.code(), notes.map(|line| line.trim_start_matches("note: ").to_owned()).collect())
}

#[test]
fn what_a_check_fails_for_is_named() {
    let dropped = ["leaks.wat", "--invoke", "dropped", "13"];
    assert_eq!(checked(&dropped), (Some(0), vec![]));
    for (named, kinds) in [("lost", "lost"), ("leak,lost", "leak,lost"), ("leak,heap-overflow", "leak")] {
        let (status, notes) = checked(&[&dropped[..], &["--fail-on", named]].concat());
        assert_eq!((status, notes), (Some(3), vec![format!("fails for --fail-on {kinds}")]), "{named}");
    }
    let misuse = ["misuse.wat", "--invoke", "overflow", "13", "--fail-on"];
    assert_eq!(checked(&[&misuse[..], &["use-after-free"]].concat()), (Some(0), vec![]));
}

#[test]
fn what_may_be_lost_is_said_not_to_count() {
    // The host was given the block's address, and may keep it.
    let (status, notes) = checked(&["leaks.wat", "--invoke", "given", "13", "--fail-on", "lost"]);
    let why = "lost: not certain, does not count: the host, such as JavaScript, may hold pointers";
    assert_eq!((status, notes), (Some(0), vec![why.to_owned()]));
}
