//! Runs the sessions in tests/cli and compares what the command prints; see tests/cli/README.md.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;

use snapbox::Data;
use snapbox::data::DataFormat;

use crate::support;

/// Runs every command of a session again and writes down what happens, in the same form.
fn replay(session: &str, folder: &Path) -> String {
    let mut out = String::new();
    let mut after_comment = false;
    for line in session.lines() {
        if let Some(command) = line.strip_prefix("$ memgrove") {
            if !out.is_empty() && !after_comment {
                out.push('\n');
            }
            writeln!(out, "{line}").unwrap();
            out.push_str(&result(command, folder));
            after_comment = false;
        } else if line.starts_with("##") {
            if !out.is_empty() && !after_comment {
                out.push('\n');
            }
            writeln!(out, "{line}").unwrap();
            after_comment = true;
        }
    }
    out
}

/// What a command prints, and how it ends.
fn result(command: &str, folder: &Path) -> String {
    let (args, stdin) = match command.split_once(" < ") {
        Some((args, file)) => (args, Some(file.trim())),
        None => (command, None),
    };
    let mut process = support::memgrove(folder);
    process.args(args.split_whitespace());
    if let Some(file) = stdin {
        process.stdin(File::open(folder.join(file)).unwrap());
    }
    let done = process.output().unwrap();
    let mut text = String::from_utf8(done.stdout).unwrap();
    if !done.stderr.is_empty() {
        writeln!(text, "[stderr]\n{}", String::from_utf8(done.stderr).unwrap().trim_end()).unwrap();
    }
    match done.status.code() {
        Some(0) => {}
        Some(code) => writeln!(text, "[exit {code}]").unwrap(),
        None => writeln!(text, "[killed]").unwrap(),
    }
    text
}

fn compare(name: &str) {
    let folder = support::workspace();
    let path = support::root().join("tests/cli").join(format!("{name}.txt"));
    let session = fs::read_to_string(&path).unwrap();
    let replayed = replay(&session, folder.path());
    // A panic is never what was meant, whatever is accepted.
    assert!(!replayed.contains("panicked at"), "{replayed}");
    let expected = Data::read_from(&path, Some(DataFormat::Text)).raw();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(Data::text(replayed).raw(), expected);
}

macro_rules! sessions {
    ($($name:ident $(#[$attribute:meta])?,)*) => {
        $(#[test]
        $(#[$attribute])?
        fn $name() {
            compare(stringify!($name));
        })*

        /// A session that no test runs would be believed without cause.
        #[test]
        fn every_session_is_run() {
            let mut found: Vec<_> = fs::read_dir(support::root().join("tests/cli"))
                .unwrap()
                .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".txt")?.to_owned()))
                .collect();
            found.sort_unstable();
            assert_eq!(found, [$(stringify!($name)),*]);
        }
    };
}

sessions! {
    advise #[cfg_attr(not(feature = "engines"), ignore = "runs guests on an engine")],
    bench #[cfg_attr(not(feature = "engines"), ignore = "needs engines")],
    check #[cfg_attr(not(feature = "engines"), ignore = "runs modules on engines")],
    errors,
    fix #[cfg_attr(not(feature = "engines"), ignore = "runs modules on engines")],
    formats,
    help #[cfg_attr(not(feature = "engines"), ignore = "describes the command with engines")],
    hosts,
    inputs,
    select,
    text,
    trace,
    trace_run #[cfg_attr(not(feature = "engines"), ignore = "runs modules on engines")],
}
