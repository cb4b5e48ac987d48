// The page in Chromium: PAGE is its file, SAMPLES a folder of modules. Needs a Node with WebSocket.
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { open, until } from './browser.mjs';

const page = pathToFileURL(process.env.PAGE).href;
const sample = (name) => join(process.env.SAMPLES, name);
const folder = mkdtempSync(join(tmpdir(), 'memgrove-page-'));
test.after(() => rmSync(folder, { recursive: true }));

async function on(options, work) {
  const browser = await open(options);
  try {
    await browser.go(page);
    await work(browser);
    // Nothing leaves the machine: the page itself, and the worker out of it.
    const others = browser.requests.filter((url) => url !== page && !/^(blob|data|about):/.test(url));
    assert.deepEqual(others, []);
    assert.deepEqual(browser.complaints, []);
  } finally {
    browser.close();
  }
}

const results = (browser, count) => until(async () => (
  await browser.evaluate('document.querySelectorAll(".result, .failed").length') >= count));

test('two modules stand side by side, and one is mended', () => on({}, async (browser) => {
  await browser.choose('#files', [sample('c-emscripten-dlmalloc.wasm'), sample('c-memgrove-dlmalloc.wasm')]);
  await results(browser, 2);
  const [left, right] = await browser.evaluate(
    '[...document.querySelectorAll(".result")].map((one) => { const { left, top } = one.getBoundingClientRect(); return { left, top }; })');
  assert.equal(left.top, right.top);
  assert.notEqual(left.left, right.left);
  await until(() => browser.evaluate('document.querySelectorAll(".report")[1].contentDocument?.body?.textContent.includes("emscripten_resize_heap")'));
  await browser.evaluate('document.querySelectorAll(".fix")[1].click()');
  await until(() => browser.evaluate('!document.querySelectorAll(".fixed")[1].hidden'));
  assert.equal(await browser.evaluate('document.querySelectorAll(".verdict")[1].textContent'), 'Verified');
  assert.match(await browser.evaluate('document.querySelectorAll("pre")[1].textContent'), /emscripten_resize_heap/);
}));

test('an export is run with a recorder, and its allocator is swapped', () => on({}, async (browser) => {
  await browser.choose('#files', [sample('life-wasm-bindgen-wee_alloc.wasm')]);
  await results(browser, 1);
  await browser.evaluate('document.querySelector(".trace").open = true');
  await until(() => browser.evaluate('document.querySelectorAll("datalist option").length > 3'));
  await browser.evaluate(`{
    const { elements } = document.querySelector('.run');
    elements.call.value = 'universe_new'; elements.arguments.value = '16, 16'; elements.times.value = 5;
    document.querySelector('.run button').click();
  }`);
  await until(() => browser.evaluate('!document.querySelector(".heap-profile").hidden'));
  // The frame's script runs in an origin of its own, which this page cannot look into; what it was given is enough.
  assert.match(await browser.evaluate('document.querySelector(".heap-profile").srcdoc'), /universe_new/);
  // Work that takes long says so, and can be stopped; what is asked next is done.
  await browser.evaluate('document.querySelector(".swap").click()');
  await until(() => browser.evaluate('!document.querySelector("#busy").hidden'));
  await browser.evaluate('document.querySelector("#busy button").click()');
  await until(() => browser.evaluate('/stopped/.test(document.querySelector(".failed")?.textContent)'));
  await browser.evaluate('document.querySelector(".swap").click()');
  await until(() => browser.evaluate('!document.querySelector(".fixed").hidden'));
  assert.match(await browser.evaluate('document.querySelector(".verdict").textContent'), /^Verified/);
  if (process.env.PICTURE) writeFileSync(process.env.PICTURE, await browser.picture());
}));

test('it fits a phone, dark too', () => on({ width: 390, height: 800, dark: true }, async (browser) => {
  await browser.choose('#files', [sample('c-emscripten-dlmalloc.wasm')]);
  await results(browser, 1);
  const wide = await browser.evaluate('document.documentElement.scrollWidth');
  assert.ok(wide <= 390, `${wide} pixels wide`);
}));

test('broken files, forged names and what is no module are lines of text', () => on({}, async (browser) => {
  const files = {
    '<img src=x onerror=alert(1)>.wasm': Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 3]),
    'a\u202etxt.wat': '(module (import "<script>alert(1)</script>" "<b>" (func)) (func (export "<img src=x onerror=alert(2)>")))',
    'page.pdf': '%PDF-1.7',
  };
  const paths = Object.entries(files).map(([name, contents]) => {
    writeFileSync(join(folder, name), contents);
    return join(folder, name);
  });
  await browser.choose('#files', paths);
  await results(browser, 3);
  assert.equal(await browser.evaluate('document.querySelectorAll("img, script[src], b").length'), 0);
  const inside = '[...document.querySelectorAll(".report")].every((frame) => !frame.contentDocument.querySelector("img, script, b"))';
  await until(() => browser.evaluate('[...document.querySelectorAll(".report")].every((frame) => frame.contentDocument?.readyState === "complete")'));
  assert.ok(await browser.evaluate(inside));
  assert.ok(!(await browser.evaluate('document.body.textContent')).includes('\u202e'));
}));

test('one script tag shows what the heaps of another page hold', async () => {
  const app = join(folder, 'app.html');
  const live = fileURLToPath(new URL('live.js', page));
  copyFileSync(live, join(folder, 'live.js'));
  const wasm = readFileSync(sample('life-wasm-bindgen-wee_alloc.wasm')).toString('base64');
  // Its module is compiled at once, before the script is ready.
  writeFileSync(app, `<!doctype html><title>app</title><script src="live.js"></script><script>
    (async () => {
      const module = await WebAssembly.compile(Uint8Array.from(atob('${wasm}'), (c) => c.charCodeAt(0)));
      const imports = {};
      for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => 0;
      const { exports } = await WebAssembly.instantiate(module, imports);
      const made = [64, 8, 16, 32].map((size) => exports.universe_new(size, size));
      made.slice(2).forEach((universe) => exports.__wbg_universe_free(universe, 0));
      globalThis.done = Object.keys(exports).filter((name) => name.startsWith('memgrove')).length;
    })();
  </script><body>`);
  const browser = await open();
  try {
    await browser.go(pathToFileURL(app).href);
    await until(() => browser.evaluate('globalThis.done === 0'));
    const [heap] = JSON.parse(await browser.evaluate('JSON.stringify(memgrove.heaps())'));
    const profile = JSON.parse(await browser.evaluate('memgrove.render(0, "json")'));
    assert.ok(profile.frees > 0 && profile.final_bytes > 0);
    assert.deepEqual([heap.liveBytes, heap.peakBytes, heap.isCut], [profile.final_bytes, profile.peak_bytes, false]);
    const shown = 'document.querySelector("memgrove-heap").shadowRoot.textContent';
    await until(async () => /live.*at most/s.test(await browser.evaluate(shown)));
    assert.match(await browser.evaluate('memgrove.render(0, "html")'), /universe_new/);
    await browser.evaluate('memgrove.stop()');
    assert.equal(await browser.evaluate('document.querySelectorAll("memgrove-heap").length'), 0);
    assert.deepEqual(browser.complaints, []);
  } finally {
    browser.close();
  }
});
