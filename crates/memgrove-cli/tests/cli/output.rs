//! What golden files do not show: structure of JSON and HTML, colour, closed pipes, generated files.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use snapbox::Data;
use snapbox::data::DataFormat;

use crate::support::{memgrove, root, run, workspace};

fn json(folder: &Path, args: &[&str]) -> serde_json::Value {
    serde_json::from_slice(&run(folder, args).stdout).unwrap()
}

#[test]
fn json_holds_a_report_or_an_error_for_each_file() {
    let folder = workspace();
    let document = json(folder.path(), &["inspect", "--json", "grow.wat", "cut.wasm", "add.wasm.gz"]);
    assert_eq!(document["schema_version"], 2);
    let [grow, cut, add] = document["files"].as_array().unwrap().as_slice() else { panic!("{document}") };
    assert_eq!(grow["file"], "grow.wat");
    assert_eq!(grow["wrapped_in"][0], "text format");
    assert_eq!(grow["report"]["memory"]["growth"]["value"]["who"], "module");
    assert_eq!(grow["report"]["memory"]["memories"][0]["min_bytes"], 131_072);
    assert_eq!(grow["report"]["memory"]["heap_base"]["value"], 66_576);
    assert_eq!(grow["error"], serde_json::Value::Null);
    assert_eq!(cut["report"], serde_json::Value::Null);
    assert!(cut["error"]["offset"].as_u64().unwrap() > 0, "{cut}");
    assert_eq!(add["report"]["kind"], "module");
}

#[test]
fn ndjson_says_the_same_as_json() {
    let folder = workspace();
    let document = json(folder.path(), &["inspect", "--json", "add.wat", "grow.wat"]);
    let lines = run(folder.path(), &["inspect", "--format", "ndjson", "add.wat", "grow.wat"]).stdout;
    let lines: Vec<serde_json::Value> =
        String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(document["files"].as_array().unwrap(), &lines);
}

#[test]
fn json_of_nothing_is_a_document() {
    let folder = workspace();
    assert_eq!(json(folder.path(), &["inspect", "--json", "empty-folder"])["files"], serde_json::json!([]));
}

#[test]
fn results_come_in_order_however_many_threads() {
    let folder = workspace();
    let add = fs::read(folder.path().join("add.wasm")).unwrap();
    let names: Vec<_> = (100..200).map(|number| format!("{number}.wasm")).collect();
    fs::create_dir(folder.path().join("many")).unwrap();
    for name in &names {
        fs::write(folder.path().join("many").join(name), &add).unwrap();
    }
    for jobs in ["1", "4"] {
        let document = json(folder.path(), &["inspect", "--json", "--jobs", jobs, "many"]);
        let seen: Vec<_> = document["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| file["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
            .collect();
        assert_eq!(seen, names);
    }
}

#[test]
fn html_is_one_file_that_takes_nothing_from_elsewhere() {
    let folder = workspace();
    let args = ["inspect", "--html", "report.html", "grow.wat", "hostile.wat", "cut.wasm", "component.wat"];
    run(folder.path(), &args);
    let html = fs::read_to_string(folder.path().join("report.html")).unwrap();
    for outside in [" src=", "<link", "@import", "url(", "<iframe"] {
        assert!(!html.contains(outside), "{outside}");
    }
    for part in
        ["<svg", "prefers-color-scheme: dark", "viewport", "grow.wat", "cut.wasm", "Core module 0", "0x10410"]
    {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("<script>alert"), "a name became markup");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(!html.contains('\u{202e}') && !html.contains('\u{1b}'));
}

#[test]
fn colour_is_for_terminals_unless_asked_for() {
    let folder = workspace();
    let escape = |args: &[&str]| run(folder.path(), args).stdout.contains(&0x1b);
    assert!(!escape(&["inspect", "grow.wat"]));
    assert!(escape(&["inspect", "--color", "always", "grow.wat"]));
    assert!(!escape(&["inspect", "--color", "never", "grow.wat"]));
    let done = memgrove(folder.path()).args(["inspect", "grow.wat"]).env("NO_COLOR", "1").output().unwrap();
    assert!(!done.stdout.contains(&0x1b));
}

#[test]
fn lines_fit_a_terminal_of_80_columns() {
    let folder = workspace();
    for file in ["add.wat", "grow.wat", "resize-heap.wat", "component.wat"] {
        for verbose in [&["inspect", file][..], &["inspect", "-v", file]] {
            let text = String::from_utf8(run(folder.path(), verbose).stdout).unwrap();
            for line in text.lines().filter(|line| line.trim().contains(' ')) {
                assert!(line.chars().count() <= 80, "{file}: {line}");
            }
        }
    }
}

#[test]
fn a_closed_pipe_is_quiet() {
    let folder = workspace();
    let mut child = memgrove(folder.path())
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
}

#[test]
fn damaged_files_are_an_error_or_a_report_never_a_panic() {
    let folder = workspace();
    let grow = wat::parse_file(folder.path().join("grow.wat")).unwrap();
    fs::create_dir(folder.path().join("damaged")).unwrap();
    let write =
        |name: String, bytes: &[u8]| fs::write(folder.path().join("damaged").join(name), bytes).unwrap();
    for end in 4..grow.len() {
        write(format!("cut-{end}"), &grow[..end]);
        let mut flipped = grow.clone();
        flipped[end] ^= 0x55;
        write(format!("flipped-{end}"), &flipped);
    }
    let done = run(folder.path(), &["inspect", "--format", "ndjson", "damaged"]);
    let (out, err) =
        (String::from_utf8(done.stdout).unwrap(), String::from_utf8_lossy(&done.stderr).into_owned());
    assert!(!err.contains("panicked") && !out.contains("internal error"), "{err}");
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(out.lines().count(), 2 * (grow.len() - 4));
}

/// Compares generated text with a committed file; `SNAPSHOTS=overwrite` renews it.
fn up_to_date(path: &str, actual: Vec<u8>) {
    let expected = Data::read_from(&root().join(path), Some(DataFormat::Text)).raw();
    let actual = String::from_utf8(actual).unwrap();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(Data::text(actual).raw(), expected);
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "describes the command with engines")]
fn manual_pages_are_up_to_date() {
    let folder = workspace();
    assert!(run(folder.path(), &["man", "--dir", "man"]).status.success());
    let mut pages: Vec<_> =
        fs::read_dir(folder.path().join("man")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort_unstable();
    assert!(pages.len() >= 4, "{pages:?}");
    for page in &pages {
        let name = page.file_name().unwrap().to_str().unwrap();
        up_to_date(&format!("docs/man/{name}"), fs::read(page).unwrap());
    }
    // A page of a command that is gone would stay for ever.
    assert_eq!(fs::read_dir(root().join("docs/man")).unwrap().count(), pages.len());
    let inspect = run(folder.path(), &["man", "inspect"]).stdout;
    assert_eq!(inspect, fs::read(folder.path().join("man/memgrove-inspect.1")).unwrap());
}

#[test]
#[cfg_attr(not(feature = "engines"), ignore = "describes the command with engines")]
fn completions_are_up_to_date() {
    let folder = workspace();
    for (shell, file) in [
        ("bash", "memgrove.bash"),
        ("zsh", "_memgrove"),
        ("fish", "memgrove.fish"),
        ("powershell", "_memgrove.ps1"),
    ] {
        up_to_date(&format!("completions/{file}"), run(folder.path(), &["completions", shell]).stdout);
    }
}
