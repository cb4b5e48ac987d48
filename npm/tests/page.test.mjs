// The page in Chromium: PAGE is its file, SAMPLES a folder of modules, CORPUS that of fetched ones, MEMGROVE_PACKAGE the
// installed package. Needs a Node with WebSocket. With QUIET=1 the aims for timings are held, for which nothing else may run.
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { lifeAt, open, until, untilHeapIsShown } from './browser.mjs';

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
  // What is downloaded is what the native tool makes.
  const downloads = join(folder, 'downloads');
  await browser.page('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: downloads });
  await browser.evaluate('document.querySelectorAll(".download")[1].click()');
  const saved = join(downloads, 'c-emscripten-dlmalloc.anywhere.wasm');
  const expected = readFileSync(sample('c-emscripten-dlmalloc-fixed.wasm'));
  await until(() => existsSync(saved) && readFileSync(saved).length === expected.length);
  assert.deepEqual(readFileSync(saved), expected);
}));

test('page and live.js are small enough to be sent', () => {
  for (const file of ['index.html', 'live.js']) {
    const { length } = gzipSync(readFileSync(fileURLToPath(new URL(file, page))), { level: 9 });
    assert.ok(length <= 1_500_000, `${file}: ${length} bytes compressed`);
  }
});

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
  const verdict = await browser.evaluate('document.querySelector(".verdict").textContent');
  // Where it is in part, the line itself says what was not run, and why.
  assert.match(verdict, /^Verified$|^Verified in part\. .*not run: whether .*\(.+\)\.$/);
  if (process.env.PICTURE) writeFileSync(process.env.PICTURE, await browser.picture());
}));

test('every form of file is read, chosen or dropped', () => on({}, async (browser) => {
  const wasm = readFileSync(sample('c-memgrove-dlmalloc.wasm'));
  const files = {
    'text.wat': '(module (memory (export "memory") 1))',
    'component.wat': '(component (core module (memory 1)))',
    'inlined.js': `const module = Uint8Array.from(atob("${wasm.toString('base64')}"), (c) => c.charCodeAt(0));`,
    'compressed.wasm.gz': gzipSync(wasm),
    'packed.tgz': gzipSync(tar('package/a.wasm', wasm)),
  };
  let shown = 0;
  for (const [name, contents] of Object.entries(files)) {
    writeFileSync(join(folder, name), contents);
    await browser.choose('#files', [join(folder, name)]);
    await results(browser, ++shown);
  }
  await browser.evaluate(`{
    const files = new DataTransfer();
    files.items.add(new File([Uint8Array.from(atob('${wasm.toString('base64')}'), (c) => c.charCodeAt(0))], 'dropped.wasm'));
    document.querySelector('#drop').dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
  }`);
  await results(browser, ++shown);
  assert.equal(await browser.evaluate('document.querySelectorAll(".failed").length'), 0);
  await until(() => browser.evaluate('[...document.querySelectorAll(".report")].every((frame) => frame.contentDocument?.readyState === "complete" && frame.contentDocument.body.textContent.length > 200)'));
  const reports = JSON.parse(await browser.evaluate('JSON.stringify([...document.querySelectorAll(".report")].map((frame) => frame.contentDocument.body.textContent))'));
  // The last comes first.
  const says = [/memgrove Dlmalloc/, /memgrove Dlmalloc/, /memgrove Dlmalloc/, /memgrove Dlmalloc/, /component/, /Runs on|module/];
  reports.forEach((report, at) => assert.match(report, says[at], `${at}: ${report.slice(0, 300)}`));
}));

/** A file in the older form of tar, which all read. */
function tar(name, contents) {
  const head = Buffer.alloc(512);
  head.write(name);
  head.write('0000644\0', 100);
  head.write('0000000\0'.repeat(2), 108);
  head.write(`${contents.length.toString(8).padStart(11, '0')} 00000000000 `, 124);
  head.write('        0', 148);
  head.write('ustar\x0000', 257);
  const sum = head.reduce((sum, byte) => sum + byte, 0);
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([head, contents, Buffer.alloc(512 - contents.length % 512 + 1024)]);
}

test('keys alone are enough, and everything has a name for who does not see it', () => on({}, async (browser) => {
  const key = async (key, code = key) => {
    const given = { key, code, windowsVirtualKeyCode: { Tab: 9, Enter: 13, ' ': 32 }[key], ...(key === 'Enter' && { text: '\r' }) };
    await browser.page('Input.dispatchKeyEvent', { type: 'keyDown', ...given });
    await browser.page('Input.dispatchKeyEvent', { type: 'keyUp', ...given });
  };
  await key('Tab');
  assert.equal(await browser.evaluate('document.activeElement.id'), 'files');
  assert.ok(await browser.evaluate('getComputedStyle(document.querySelector("#drop")).outlineStyle !== "none"'));
  await browser.choose('#files', [sample('c-emscripten-dlmalloc.wasm')]);
  await results(browser, 1);
  // The result has the focus, so that its first control is one key away.
  assert.equal(await browser.evaluate('document.activeElement.className'), 'result');
  await key('Tab');
  assert.equal(await browser.evaluate('document.activeElement.className'), 'fix');
  await key('Enter');
  await until(() => browser.evaluate('!document.querySelector(".fixed").hidden'));
  await browser.evaluate('document.querySelector(".trace").open = true');
  const { nodes } = await browser.page('Accessibility.getFullAXTree');
  const controls = nodes.filter(({ ignored, role }) => !ignored && ['button', 'textbox', 'combobox', 'spinbutton', 'link', 'Iframe', 'progressbar'].includes(role?.value));
  assert.ok(controls.length > 8, `${controls.length}`);
  for (const { role, name } of controls) assert.ok(name?.value?.trim(), `a ${role.value} without a name`);
  assert.ok(nodes.some(({ role, name, properties }) => role?.value === 'status' && properties?.some((one) => one.name === 'live')));
}));

test('its policy is the one that is written down, and keeps scripts and requests out', async () => {
  const browser = await open();
  try {
    await browser.go(page);
    const policy = await browser.evaluate('document.querySelector("meta[http-equiv=Content-Security-Policy]").content');
    const [, written] = /```text\n(default-src .*)\n```/.exec(readFileSync(new URL('../../docs/page.md', import.meta.url), 'utf8'));
    assert.equal(policy.replaceAll(/'sha256-[^']+'/g, "'sha256-…'"), written);
    const tried = await browser.evaluate(`(async () => {
      const script = document.createElement('script');
      script.textContent = 'globalThis.ran = true';
      document.body.append(script);
      const asked = await fetch('https://example.invalid/').then(() => 'answered', () => 'refused');
      return [globalThis.ran ?? false, asked];
    })()`);
    assert.deepEqual(tried, [false, 'refused']);
    // Refused by the policy, before anything was asked for.
    assert.ok(browser.complaints.some(({ text }) => /Content Security Policy/.test(text ?? '')), JSON.stringify(browser.complaints));
  } finally {
    browser.close();
  }
});

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
  // What is no module has nothing that could be done with it.
  const failed = await browser.evaluate('[...document.querySelectorAll(".failed")].map((line) => line.textContent)');
  assert.deepEqual([failed.length, await browser.evaluate('document.querySelectorAll(".result").length')], [2, 1]);
  assert.match(failed.find((line) => line.startsWith('page.pdf')), /PDF/);
  assert.match(failed.find((line) => line.startsWith('<img')), /unexpected end|offset/);
}));

test('what is huge is refused or cut short in words, and the page goes on', () => on({}, async (browser) => {
  const huge = {
    // 300 MB of nothing, once unpacked.
    'bomb.wasm.gz': gzipSync(Buffer.alloc(300e6)),
    // A section that claims 4 GiB; a million nested blocks; as many functions.
    'claims.wasm': Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 10, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    'deep.wat': `(module (func ${'block '.repeat(300_000)}${'end '.repeat(300_000)}))`,
    'many.wat': `(module ${'(func)'.repeat(200_000)})`,
  };
  let shown = 0;
  for (const [name, contents] of Object.entries(huge)) {
    writeFileSync(join(folder, name), contents);
    await browser.choose('#files', [join(folder, name)]);
    await results(browser, ++shown);
  }
  const failed = await browser.evaluate('[...document.querySelectorAll(".failed")].map((line) => line.textContent)');
  for (const line of failed) assert.match(line, /^[a-z]+\.[a-z.]+: .{10}/);
  assert.ok(failed.some((line) => /^bomb/.test(line) && /bytes|MB|MiB|limit/.test(line)), failed.join('\n'));
  assert.ok(failed.some((line) => /^claims/.test(line)), failed.join('\n'));
  // Another file is reported as if nothing had been.
  await browser.choose('#files', [sample('c-memgrove-dlmalloc.wasm')]);
  await results(browser, shown + 1);
  assert.match(await browser.evaluate('document.querySelector("#status").textContent'), /reported in/);
}));

/** From the choice of a file to its report on the screen, and the longest that the page's own thread was busy meanwhile. */
async function timed(browser, path) {
  await browser.evaluate(`{
    const seen = globalThis.seen = { gapMs: 0, doneMs: null };
    let began = null, last = performance.now();
    (function tick() {
      const now = performance.now();
      if (began !== null) seen.gapMs = Math.max(seen.gapMs, now - last);
      last = now;
      if (seen.doneMs === null) setTimeout(tick, 0);
    })();
    document.querySelector('#files').addEventListener('change', () => { began = last = performance.now(); }, { capture: true, once: true });
    new MutationObserver((changes, observer) => {
      observer.disconnect();
      document.querySelector('.report').addEventListener('load', () => { seen.doneMs = performance.now() - began; });
    }).observe(document.querySelector('#results'), { childList: true });
  }`);
  await browser.choose('#files', [path]);
  await until(() => browser.evaluate('seen.doneMs !== null'));
  const seen = JSON.parse(await browser.evaluate('JSON.stringify(seen)'));
  await browser.evaluate('document.querySelector(".close").click()');
  return seen;
}

const LARGE = { '1.0 MB': '376a6db1cdb04d1f.wasm', '11.2 MB': '3ee66612f95701f4.wasm' };
/** Milliseconds: what a loaded machine may take, and the aim. */
const LIMITS = {
  '1.0 MB': { doneMs: [3000, 300], gapMs: [500, 100] },
  '11.2 MB': { doneMs: [15_000, 2000], gapMs: [1000, 100] },
};
for (const [size, name] of Object.entries(LARGE)) {
  const path = join(process.env.CORPUS ?? '', name);
  test(`${size} are reported soon, and the page does not freeze`, { skip: !existsSync(path) && `no ${name}: cargo xtask corpus fetch` }, (t) => on({}, async (browser) => {
    // Whatever else runs here takes from single runs: the quickest of three counts.
    const runs = [];
    for (let run = 0; run < 3; run++) runs.push(await timed(browser, path));
    for (const [what, limits] of Object.entries(LIMITS[size])) {
      const least = Math.min(...runs.map((run) => run[what]));
      t.diagnostic(`${size} ${what}: ${runs.map((run) => Math.round(run[what])).join(', ')} (aim ${limits[1]})`);
      assert.ok(least < limits[process.env.QUIET ? 1 : 0], `${what}: ${least}`);
    }
  }));
}

test('the README\'s lines for a page show what it holds', async () => {
  const packaged = process.env.MEMGROVE_PACKAGE;
  const readme = readFileSync(join(packaged, 'README.md'), 'utf8');
  const [, lines] = /## In a page\n\n```js\n([^]*?)```/.exec(readme);
  const site = join(folder, 'site');
  cpSync(packaged, join(site, 'memgrove'), { recursive: true });
  copyFileSync(sample('life-wasm-bindgen-wee_alloc.wasm'), join(site, 'life.wasm'));
  writeFileSync(join(site, 'app.js'), lifeAt('life.wasm'));
  writeFileSync(join(site, 'index.html'), `<!doctype html><title>app</title><link rel="icon" href="data:,">
    <script type="importmap">{"imports":{"memgrove":"./memgrove/memgrove.js"}}</script><script type="module">${lines}</script><body>`);
  const types = { html: 'text/html', js: 'text/javascript', wasm: 'application/wasm' };
  const server = createServer(({ url }, answer) => {
    const path = join(site, url === '/' ? 'index.html' : url);
    if (!existsSync(path)) return answer.writeHead(404).end();
    answer.writeHead(200, { 'content-type': types[path.split('.').pop()] ?? 'application/octet-stream' }).end(readFileSync(path));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const browser = await open();
  try {
    await browser.go(`http://127.0.0.1:${server.address().port}/`);
    await until(() => browser.evaluate('globalThis.done === true'));
    await untilHeapIsShown(browser);
    assert.deepEqual(browser.complaints, []);
  } finally {
    browser.close();
    server.close();
  }
});

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
