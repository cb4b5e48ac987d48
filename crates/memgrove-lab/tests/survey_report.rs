//! The HTML reports of the survey and of benchmarks in a real browser: at desktop and telephone width, in light and dark, they
//! raise no error, do not scroll sideways, and cut no table or chart. The pictures stay for looking at. Skipped, with a message, where there is no
//! Chromium.
#![allow(clippy::print_stderr, reason = "a test says what it left out, and where its pictures are")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use memgrove_lab::engine::EngineId;
use memgrove_lab::survey::{Engines, prebuilt_subjects, survey};
use memgrove_lab::toolchain::Tools;
use memgrove_results::bench::results::Results;

const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];
const TIME_LIMIT: Duration = Duration::from_secs(60);

fn browser() -> Option<PathBuf> {
    let found = Tools::from_environment().find_any(BROWSERS).map(|(_, path)| path);
    if found.is_none() {
        eprintln!("skipped: none of {BROWSERS:?} is installed (apt-get install chromium)");
    }
    found
}

#[derive(Clone, Copy)]
struct Look {
    name: &'static str,
    width: u32,
    /// Chromium's setting of the preferred colour scheme.
    scheme: u8,
}

const LOOKS: &[Look] = &[
    Look { name: "desktop-light", width: 1280, scheme: 1 },
    Look { name: "desktop-dark", width: 1280, scheme: 0 },
    Look { name: "phone-light", width: 390, scheme: 1 },
    Look { name: "phone-dark", width: 390, scheme: 0 },
];

/// Opens `page` and answers what its console and the check of its width said.
///
/// The page is shown in a frame: a browser's window cannot be as narrow as a telephone, a frame can.
fn open(browser: &Path, page: &str, look: Look, picture: &Path) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("page.html"), page).unwrap();
    let frame = format!(
        "<!doctype html><body style=margin:0><iframe src=page.html style=\"border:0;width:{0}px;height:2400px\" \
         onload=\"const w = this.contentDocument.documentElement.scrollWidth; \
         if (w > {0}) console.error('the page is ' + w + ' pixels wide'); \
         for (const part of this.contentDocument.querySelectorAll('.scroll')) \
         if (part.scrollWidth > part.clientWidth + 1) \
         console.error('cut at ' + part.clientWidth + ' of ' + part.scrollWidth + ': ' + part.innerText.slice(0, 40))\"></iframe>",
        look.width
    );
    let start = folder.path().join("frame.html");
    fs::write(&start, frame).unwrap();

    let log = folder.path().join("log");
    let mut child = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"])
        .args(["--allow-file-access-from-files", "--enable-logging=stderr", "--log-level=0"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("--window-size={},2400", look.width.max(500)))
        .arg(format!("--blink-settings=preferredColorScheme={}", look.scheme))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{}", start.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > TIME_LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the browser did not come to an end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
    log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect()
}

#[test]
fn the_report_raises_no_error_and_fits_its_window() {
    let Some(browser) = browser() else { return };
    let engines =
        Engines::only(&[EngineId::Wasmtime, EngineId::Wasmi, EngineId::Node], Tools::from_environment());
    let page = memgrove_view::survey::html(&survey(&prebuilt_subjects().unwrap(), &engines, Vec::new()));
    looks_right(&browser, &page, "survey-report");
}

#[test]
fn the_report_of_a_benchmark_fits_its_window() {
    let Some(browser) = browser() else { return };
    let saved = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results/bench.json");
    let results = Results::from_json(&fs::read_to_string(saved).unwrap()).unwrap();
    let page = memgrove_view::bench::html(&results);
    let first = |part: &str| page.find(part).unwrap_or_else(|| panic!("no {part}"));
    assert!(first("<figure") < first("<table"), "a chart comes first");
    looks_right(&browser, &page, "bench-report");
}

fn looks_right(browser: &Path, page: &str, name: &str) {
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&pictures).unwrap();
    for &look in LOOKS {
        let picture = pictures.join(format!("{}.png", look.name));
        let said = open(browser, page, look, &picture);
        assert!(said.is_empty(), "{}: {said:#?}", look.name);
        assert!(fs::metadata(&picture).is_ok_and(|file| file.len() > 10_000), "{}: no picture", look.name);
        eprintln!("picture: {}", picture.display());
    }
}

/// Each column stands under its own heading: the first row's cells are what the headings before them say.
#[test]
fn the_ranking_has_a_heading_for_each_column() {
    let engines = Engines::only(&[], Tools::from_environment());
    let result = survey(&prebuilt_subjects().unwrap(), &engines, Vec::new());
    let page = memgrove_view::survey::html(&result);
    let texts = |part: &str, tag: &str| -> Vec<String> {
        let cells = part.split(tag).skip(1);
        cells
            .map(|cell| {
                let inner = cell.split_once('>').unwrap().1.split("</t").next().unwrap();
                inner.split('<').map(|piece| piece.rsplit('>').next().unwrap()).collect::<String>()
            })
            .collect()
    };
    let table = page.split("<table").nth(1).unwrap();
    let (head, body) = table.split_once("<tbody").unwrap();
    let headings = texts(head, "<th ").into_iter().chain(texts(head, "<th>")).collect::<Vec<_>>();
    let first = texts(body.split("</tr>").next().unwrap(), "<td");
    assert_eq!(headings.len(), first.len(), "{headings:?} {first:?}");
    let under = |heading: &str| &first[headings.iter().position(|text| text == heading).unwrap()];
    let best = &result.rows[0];
    assert_eq!(under("program"), best.program.title(), "{headings:?} {first:?}");
    assert_eq!(under("allocator"), &best.allocator, "{headings:?} {first:?}");
    assert_eq!(under("imports"), "0", "{headings:?} {first:?}");
}

/// The check in the browser can fail: an error and a page that is too wide are both seen.
#[test]
fn an_error_and_a_page_too_wide_are_seen() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("picture.png");
    let bad = "<!doctype html><div style=width:900px>wide</div><script>undefined_function()</script>\
         <div class=scroll style=overflow-x:auto;width:100px><div style=width:200px>too long</div></div>";
    let said = open(&browser, bad, LOOKS[2], &picture).join("\n");
    assert!(said.contains("undefined_function"), "{said}");
    assert!(said.contains("pixels wide"), "{said}");
    assert!(said.contains("cut at 100 of 200: too long"), "{said}");
}
