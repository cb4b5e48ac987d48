// Chromium without a window, spoken to by its own protocol. Needs a Node with WebSocket (22 or later).
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Starts Chromium; `close` ends it. Every request that a page makes is in `requests`. */
export async function open({ width = 1280, height = 900, dark = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'memgrove-chromium-'));
  const browser = spawn('chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0',
    `--user-data-dir=${folder}`, `--window-size=${width},${height}`, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const address = await new Promise((resolve, reject) => {
    let said = '';
    browser.stderr.on('data', (chunk) => {
      said += chunk;
      const found = /listening on (ws:\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    browser.on('exit', () => reject(new Error(`chromium ended: ${said.slice(-500)}`)));
  });
  const socket = new WebSocket(address);
  await new Promise((resolve) => { socket.onopen = resolve; });
  const waiting = new Map();
  const requests = [];
  const complaints = [];
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.method === 'Network.requestWillBeSent') requests.push(message.params.request.url);
    if (message.method === 'Runtime.exceptionThrown') complaints.push(message.params.exceptionDetails);
    if (message.method === 'Log.entryAdded') complaints.push(message.params.entry);
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  };
  let next = 1;
  const ask = (method, params = {}, sessionId) => new Promise((resolve, reject) => {
    const id = next++;
    waiting.set(id, ({ result, error }) => (error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result)));
    socket.send(JSON.stringify({ id, method, params, sessionId }));
  });
  const { targetInfos } = await ask('Target.getTargets');
  const { targetId } = targetInfos.find((target) => target.type === 'page');
  const { sessionId } = await ask('Target.attachToTarget', { targetId, flatten: true });
  const page = (method, params) => ask(method, params, sessionId);
  for (const domain of ['Page', 'Runtime', 'Network', 'Log', 'DOM']) await page(`${domain}.enable`);
  await page('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
  await page('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }] });
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await page('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  return {
    requests,
    complaints,
    evaluate,
    page,
    async go(url) {
      await page('Page.navigate', { url });
      await until(() => evaluate('document.readyState === "complete"'));
    },
    /** Puts files into an input element. */
    async choose(selector, files) {
      const { root } = await page('DOM.getDocument');
      const { nodeId } = await page('DOM.querySelector', { nodeId: root.nodeId, selector });
      await page('DOM.setFileInputFiles', { nodeId, files });
    },
    async picture() {
      return Buffer.from((await page('Page.captureScreenshot')).data, 'base64');
    },
    close() {
      socket.close();
      browser.kill('SIGKILL');
      browser.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    },
  };
}

/** Waits until something is true. */
export async function until(holds, seconds = 60) {
  for (const end = Date.now() + 1000 * seconds; ;) {
    if (await holds()) return;
    if (Date.now() > end) throw new Error(`not in ${seconds} seconds: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A page's program that uses the sample with wasm-bindgen's glue left out, from an address; then `done` is true. */
export const lifeAt = (url) => `
  const module = await WebAssembly.compileStreaming(fetch('${url}'));
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => 0;
  const { exports } = await WebAssembly.instantiate(module, imports);
  exports.universe_new(16, 16);
  globalThis.done = true;`;

/** Waits until such a page shows what its heap holds. */
export const untilHeapIsShown = (browser) => until(async () => /live.*at most/s.test(await browser.evaluate(HEAP)));

/** What it shows. */
export const HEAP = 'document.querySelector("memgrove-heap")?.shadowRoot.textContent ?? ""';
