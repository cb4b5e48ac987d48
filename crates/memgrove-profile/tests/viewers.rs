//! The viewers that the formats are for open them: heaptrack_print, `go tool pprof`, valgrind's dh_view.html and speedscope in
//! Chromium. `cargo xtask test` installs them; where one is missing, its test says so.
#![allow(clippy::print_stderr, reason = "a test says what it left out")]

mod shared;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use memgrove_profile::Export;

fn export<T>(write: impl FnOnce(&Export<'_>) -> T) -> T {
    let profile = shared::sample();
    let summary = profile.summary();
    write(&Export { profile: &profile, summary: &summary, names: &shared::names, module: "app.wasm" })
}

/// What a command prints; `None`, with a message, where it is not installed.
fn run(command: &mut Command, package: &str) -> Option<String> {
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: {command:?}: {error} (apt-get install {package})");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

/// The page as it stands after its scripts have run.
fn browse(folder: &Path, page: &str) -> Option<String> {
    let mut browser = Command::new("chromium");
    browser
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"])
        .args([
            "--allow-file-access-from-files",
            "--virtual-time-budget=20000",
            "--enable-unsafe-swiftshader",
        ])
        .arg(format!("--user-data-dir={}", folder.join("browser").display()))
        .arg(format!("file://{page}"));
    run(&mut browser, "chromium")
}

#[test]
fn heaptrack_print_opens_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.heaptrack");
    fs::write(&file, export(|export| export.heaptrack())).expect("it is written");
    let Some(text) = run(Command::new("heaptrack_print").arg("--print-leaks=1").arg(&file), "heaptrack")
    else {
        return;
    };
    for line in [
        "Debuggee command was: app.wasm",
        "calls to allocation functions: 6 ",
        // A block that is reallocated at once is temporary to heaptrack.
        "temporary memory allocations: 2 ",
        "peak heap memory consumption: 8.51K",
        "total memory leaked: 300B",
        "push<>\n  at src/näme;x.c:12",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn go_tool_pprof_opens_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.pb.gz");
    fs::write(&file, export(|export| export.pprof()).expect("it is written")).expect("it is written");
    let top = |index: &str| {
        let mut go = Command::new("go");
        go.args(["tool", "pprof", "-top", "-nodefraction=0", "-unit=B", &format!("-sample_index={index}")])
            .arg(&file);
        // It wants a place for a cache that it does not use.
        go.env("HOME", folder.path());
        run(&mut go, "golang-go")
    };
    let Some(text) = top("peak_space") else { return };
    assert!(text.contains("8508B, 100% of 8508B total"), "{text}");
    assert!(text.contains("8192B 96.29% 96.29%      8492B 99.81%  function 5"), "{text}");
    let text = top("inuse_space").expect("it was there just now");
    assert!(text.contains("300B   100%   100%       300B   100%  push (inline)"), "{text}");
    assert!(text.contains("main, called by the host"), "{text}");
}

#[test]
fn dh_view_opens_it() {
    let viewer = ["/usr/libexec/valgrind", "/usr/lib/valgrind"].map(PathBuf::from);
    let Some(viewer) = viewer.into_iter().find(|folder| folder.join("dh_view.js").exists()) else {
        eprintln!("skipped: there is no dh_view.js (apt-get install valgrind)");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["dh_view.js", "dh_view.css", "dh_view.html"] {
        fs::copy(viewer.join(name), folder.path().join(name)).expect("it can be copied");
    }
    let data = export(|export| export.dhat()).expect("it is written");
    let data = String::from_utf8(data).expect("it is text").replace("</", "<\\/");
    let page = fs::read_to_string(folder.path().join("dh_view.html")).expect("it was copied");
    // The file is chosen as a user would.
    let choose = format!(
        "<script>addEventListener('load', () => setTimeout(() => {{ const chosen = new DataTransfer(); \
         chosen.items.add(new File([JSON.stringify({data})], 'dhat.json')); \
         gInput.files = chosen.files; gInput.dispatchEvent(new Event('change')); }}, 0))</script></head>"
    );
    let start = folder.path().join("start.html");
    fs::write(&start, page.replace("</head>", &choose)).expect("it is written");
    let Some(page) = browse(folder.path(), &start.display().to_string()) else { return };
    let text = page.replace("&lt;", "<").replace("&gt;", ">");
    for words in [
        "app.wasm; time is counted in changes of the heap",
        "12,804 bytes (100%, ",
        "At t-gmax: 8,508 bytes (100%)",
        "At t-end:  300 bytes (100%)",
        "push<T> (src/näme;x.c:12)",
    ] {
        assert!(text.contains(words), "{words} in {page}");
    }
}

#[test]
fn speedscope_opens_it() {
    let tools =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../out/tools/node_modules/speedscope/dist/release");
    if !tools.join("index.html").exists() {
        eprintln!("skipped: there is no speedscope (cargo xtask test installs it)");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let data = export(|export| export.speedscope()).expect("it is written");
    // The way of its own command: a script that hands the file over.
    let bytes: Vec<String> = data.iter().map(u8::to_string).collect();
    let script = format!(
        "speedscope.loadFileFromBase64('app.json', btoa(String.fromCharCode({})));\n",
        bytes.join(",")
    );
    let file = folder.path().join("app.js");
    fs::write(&file, script).expect("it is written");
    let page = tools.join("index.html").canonicalize().expect("it is there");
    let Some(page) =
        browse(folder.path(), &format!("{}#localProfilePath={}", page.display(), file.display()))
    else {
        return;
    };
    for (name, value) in [
        ("live at the peak", "8.31 KB"),
        ("live at the end", "300 B"),
        ("allocated", "12.50 KB"),
        ("number of allocations", "6"),
    ] {
        let row = page.split("<tr ").find(|row| row.starts_with(&format!("title=\"{name}\"")));
        assert!(row.is_some_and(|row| row.contains(value)), "{name}: {value} in {page}");
    }
}
