//! The page of a heap profile in Chromium: from the disk, without a request; the flame graph zooms and searches.

use std::fs;
use std::path::Path;
use std::process::Command;

use memgrove_lab::engine::{EngineId, Value};
use memgrove_profile::{Frame, Profile, Site};
use memgrove_rewrite::trace::{Options, Role};
use memgrove_view::profile::HeapProfile;

mod fix_support;
mod own_js;
mod trace_support;

use own_js::Node;
use trace_support::{located, start, traced};

/// The functions' names; one holds what HTML knows.
const NAMES: [&str; 6] = ["malloc", "free", "wide<img src=x onerror=alert(1)>", "narrow", "deep", "run"];

/// Two ways to the allocator, one four times as wide as the other, and one that is deep.
const PROGRAM: &str = r#"(module
    (memory 8) (global $next (mut i32) (i32.const 1024))
    (func $malloc (param i32) (result i32)
        (global.get $next) (global.set $next (i32.add (global.get $next) (local.get 0))))
    (func $free (param i32))
    (func $wide (drop (call $malloc (i32.const 4000))))
    (func $narrow (drop (call $malloc (i32.const 1000))))
    (func $deep (param i32)
        (if (local.get 0)
            (then (call $deep (i32.sub (local.get 0) (i32.const 1))))
            (else (call $narrow))))
    (func (export "run") (param i32)
        (call $wide)
        (call $deep (local.get 0))
        (call $free (call $malloc (i32.const 50)))))"#;

const SCRIPT: &str = r#"
    import assert from 'node:assert/strict';
    import { open } from 'BROWSER';
    for (const look of [{ dark: false }, { dark: true }, { dark: false, width: 390, height: 844 }]) {
      const browser = await open(look);
      try {
        await browser.go('file://' + process.cwd() + '/page.html');
        const ask = browser.evaluate;
        const flames = () => ask(`[...document.querySelectorAll('#flame-rows button')].filter(b => !b.classList.contains('above')).map(b =>
          ({ text: b.ariaLabel, width: b.getBoundingClientRect().width, found: b.classList.contains('found') }))`);
        const click = text => ask(`[...document.querySelectorAll('#flame-rows button')].find(b => b.ariaLabel.startsWith(${JSON.stringify(text)})).click()`);
        const said = () => ask(`document.getElementById('flame-said').textContent`);
        assert.equal(await ask('document.images.length'), 0, 'a name became markup');
        assert.ok(await ask('document.documentElement.scrollWidth <= innerWidth'), 'wider than the window');
        const all = await flames();
        const width = (flames, name) => flames.find(flame => flame.text.startsWith(name))?.width ?? 0;
        const [wide, deep] = [width(all, 'wide<img'), width(all, 'deep')];
        assert.ok(Math.abs(wide / deep - 4) < 0.1, `${wide} ${deep}`);
        // Zoom in and out.
        await click('deep');
        const zoomed = await flames();
        assert.ok(width(zoomed, 'deep') > 4 * deep && width(zoomed, 'wide<img') === 0, JSON.stringify(zoomed));
        assert.match(await said(), /^deep.*19.9 %/);
        await ask(`document.querySelector('#flame-rows button').click()`);
        assert.deepEqual(await flames(), all);
        // Search.
        await ask(`{ const field = document.getElementById('flame-search'); field.value = 'WIDE<'; field.dispatchEvent(new Event('input')) }`);
        assert.match(await said(), /79.7 %/);
        assert.deepEqual((await flames()).filter(flame => flame.found).map(flame => flame.text.slice(0, 5)), ['wide<']);
        await ask(`{ const field = document.getElementById('flame-search'); field.value = ''; field.dispatchEvent(new Event('input')) }`);
        // Another figure: of three allocations in four, each counts the same.
        await ask(`document.querySelector('#flame .metrics button[data-unit=count]').click()`);
        const counted = await flames();
        assert.ok(Math.abs(width(counted, 'wide<img') - width(counted, 'deep')) < 2, JSON.stringify(counted));
        const [ink, paper] = await ask(`(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))`);
        const light = colour => colour.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
        assert.equal(light(ink) > light(paper), look.dark, `${ink} on ${paper}`);
        assert.deepEqual(browser.requests.filter(url => !url.startsWith('file://')), []);
        assert.equal(browser.requests.length, 1);
        assert.deepEqual(browser.complaints, []);
      } finally {
        browser.close();
      }
    }
"#;

/// The Node that speaks to Chromium, if both are there.
fn browser() -> Option<Node> {
    let Some(node) = Node::with_several_memories() else {
        fix_support::say("skipped: no Node has WebSocket; `cargo xtask setup` gets one");
        return None;
    };
    if !Command::new("chromium").arg("--version").output().is_ok_and(|output| output.status.success()) {
        fix_support::say("skipped: there is no `chromium`; `cargo xtask setup` gets one");
        return None;
    }
    Some(node)
}

/// Runs a script that knows where the browser is.
fn run(node: &Node, folder: &Path, script: &str) {
    let browser = fix_support::root().join("npm/tests/browser.mjs");
    let reader = fix_support::root().join("crates/memgrove-profile/profile.mjs");
    let script =
        script.replace("BROWSER", &browser.to_string_lossy()).replace("READER", &reader.to_string_lossy());
    fs::write(folder.join("script.mjs"), script).expect("it can be written");
    let output =
        Command::new(node.path()).arg("script.mjs").current_dir(folder).output().expect("node starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The same module, in both forms, records in a browser what it records on an engine of ours.
#[test]
fn a_browser_records_the_same() {
    const SCRIPT: &str = r#"
        import fs from 'node:fs';
        import { open } from 'BROWSER';
        import { readProfile } from 'READER';
        const browser = await open();
        try {
          for (const name of ['two', 'one']) {
            const wasm = fs.readFileSync(name + '.wasm').toString('base64');
            const profile = await browser.evaluate(`(async () => {
              const bytes = Uint8Array.from(atob('${wasm}'), letter => letter.charCodeAt(0));
              const e = (await WebAssembly.instantiate(bytes)).instance.exports;
              for (let i = 0; i < 3; i++) e.run(20);
              const read = ${readProfile.toString()};
              return btoa(String.fromCharCode(...read(e.memgrove_profile, e.memgrove_profile_place?.())));
            })()`);
            fs.writeFileSync(name, Buffer.from(profile, 'base64'));
          }
        } finally {
          browser.close();
        }"#;
    let Some(node) = browser() else { return };
    let wasm = wat::parse_str(PROGRAM).unwrap_or_else(|error| panic!("{error}"));
    let options = Options { functions: [(0, Role::Malloc), (1, Role::Free)].into(), ..Options::default() };
    let folder = tempfile::tempdir().expect("a folder");
    for one_memory in [false, true] {
        // The recording's block has to fit into the program's memory.
        let options = Options { one_memory, max_bytes: 1 << 18, ..options.clone() };
        let options = if one_memory { options } else { Options { max_bytes: 1 << 30, ..options } };
        let traced = traced(&wasm, &options).wasm;
        let name = if one_memory { "one.wasm" } else { "two.wasm" };
        fs::write(folder.path().join(name), traced).expect("it can be written");
    }
    run(&node, folder.path(), SCRIPT);
    let mut instance = start(EngineId::Wasmtime, &traced(&wasm, &options).wasm);
    for _ in 0..3 {
        assert!(instance.call("run", &[Value::I32(20)]).is_ok());
    }
    let here = located(&mut *instance, &wasm);
    for name in ["two", "one"] {
        let bytes = fs::read(folder.path().join(name)).expect("it was written");
        let mut profile = Profile::read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let facts = memgrove_module::facts(&wasm).expect("it is valid");
        memgrove_view::profile::locate(&mut profile, &facts);
        assert_eq!(profile.nodes, here.nodes, "{name}");
        if name == "two" {
            assert_eq!(profile.events, here.events);
        }
        assert_eq!(profile.summary().final_bytes, here.summary().final_bytes, "{name}");
        assert_eq!(profile.events.len(), here.events.len(), "{name}");
    }
}

#[test]
fn the_page_opens_from_the_disk_zooms_and_searches() {
    let Some(node) = browser() else { return };
    let wasm = wat::parse_str(PROGRAM).unwrap_or_else(|error| panic!("{error}"));
    let options = Options { functions: [(0, Role::Malloc), (1, Role::Free)].into(), ..Options::default() };
    let mut instance = start(EngineId::Wasmi, &traced(&wasm, &options).wasm);
    for _ in 0..3 {
        assert!(instance.call("run", &[Value::I32(20)]).is_ok());
    }
    let profile = located(&mut *instance, &wasm);
    let facts = memgrove_module::facts(&wasm).expect("it is valid");
    let holds = |func: u32, offset| {
        let body = facts.function(func).map(|function| (function.body_offset, function.body_len));
        body.is_some_and(|(start, len)| (start..start + len).contains(&offset))
    };
    let names = |site: Site| {
        let (func, head) = match site {
            Site::Entry(func) => (func, "host calls "),
            Site::Within(func) => (func, ""),
            Site::Call(offset) => {
                ((0..facts.func_count()).find(|func| holds(*func, offset)).unwrap_or(0), "")
            }
        };
        let name = NAMES.get(func as usize).copied().unwrap_or_default();
        vec![Frame { function: format!("{head}{name}"), ..Frame::default() }]
    };
    let summary = profile.summary();
    let view = HeapProfile { name: "page.wasm", names: &names, profile: &profile, summary: &summary, top: 5 };
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("page.html"), view.html().expect("it is HTML")).expect("it can be written");
    run(&node, folder.path(), SCRIPT);
}
