// What the README says of Vite, with one version of it: the development server and what is built, in Chromium. Arguments: the
// folder that Vite was installed in, `config` if that version needs the README's, and no argument else. MEMGROVE_PACKAGE and
// SAMPLES as for the other tests. Needs a Node with WebSocket.
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { HEAP, lifeAt, open, until, untilHeapIsShown } from './browser.mjs';

const [folder, needs] = process.argv.slice(2);
const packaged = process.env.MEMGROVE_PACKAGE;
const require = createRequire(join(folder, 'package.json'));
const { name, version } = require('vite/package.json');
const { build, createServer, preview } = await import(pathToFileURL(join(folder, 'node_modules', name, 'dist/node/index.js')).href);
const readme = readFileSync(join(packaged, 'README.md'), 'utf8');
const block = (holds) => {
  const found = [...readme.matchAll(/```js\n([^]*?)```/g)].map(([, text]) => text).find((text) => text.includes(holds));
  if (!found) throw new Error(`the README has no lines with ${holds}`);
  return found;
};

const root = mkdtempSync(join(tmpdir(), 'memgrove-vite-'));
mkdirSync(join(root, 'public'));
copyFileSync(join(process.env.SAMPLES, 'life-wasm-bindgen-wee_alloc.wasm'), join(root, 'public/life.wasm'));
cpSync(packaged, join(root, 'node_modules/memgrove'), { recursive: true });
writeFileSync(join(root, 'package.json'), '{"type":"module","dependencies":{"memgrove":"*"}}');
writeFileSync(join(root, 'index.html'), '<!doctype html><title>app</title><link rel="icon" href="data:,"><body><script type="module" src="/main.js"></script>');
writeFileSync(join(root, 'app.js'), lifeAt('/life.wasm'));
if (needs === 'config') writeFileSync(join(root, 'vite.config.js'), block('optimizeDeps'));

/** The page's program runs, and its heap is shown, or is not. */
async function look(url, isShown) {
  const browser = await open();
  try {
    await browser.go(url);
    await until(() => browser.evaluate('globalThis.done === true'));
    if (isShown) await untilHeapIsShown(browser);
    else if (await browser.evaluate(HEAP)) throw new Error('what is built watches, too');
  } finally {
    browser.close();
  }
}

const quiet = { root, logLevel: 'error' };
const at = { host: '127.0.0.1', port: 0 };
async function built() {
  // The development server has set it for its whole process.
  process.env.NODE_ENV = 'production';
  await build(quiet);
  const server = await preview({ ...quiet, preview: { host: at.host, port: 4000 + process.pid % 1000 } });
  return { url: server.resolvedUrls.local[0], close: () => server.httpServer.close() };
}
try {
  writeFileSync(join(root, 'main.js'), block('import.meta.env.DEV'));
  const server = await (await createServer({ ...quiet, server: at })).listen();
  await look(server.resolvedUrls.local[0], true);
  await server.close();
  for (const [holds, isShown] of [['import.meta.env.DEV', false], ['watchAll();                    //', true]]) {
    writeFileSync(join(root, 'main.js'), block(holds));
    const { url, close } = await built();
    await look(url, isShown);
    close();
  }
  console.log(`Vite ${version}: the development server shows the heap, what is built does where it is asked to`);
} finally {
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(0);
