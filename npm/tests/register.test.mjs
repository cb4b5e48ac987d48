// Programs whose modules are instrumented as they are instantiated: MEMGROVE_PACKAGE is the package's folder, SAMPLES one of
// modules. Needs a Node whose engine has several memories.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const packaged = process.env.MEMGROVE_PACKAGE;
const folder = mkdtempSync(join(tmpdir(), 'memgrove-register-'));
test.after(() => rmSync(folder, { recursive: true, maxRetries: 5 }));
const module = join(folder, 'life.wasm');
writeFileSync(module, readFileSync(join(process.env.SAMPLES, 'life-wasm-bindgen-wee_alloc.wasm')));
// The cache is the test's own.
const env = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') };

const LIFE = `
  const { readFileSync } = process.getBuiltinModule('node:fs');
  const bytes = readFileSync(${JSON.stringify(module)});
  const imports = { './life_bg.js': new Proxy({}, { get: () => () => {}, has: () => true }) };
  const named = Object.fromEntries(WebAssembly.Module.imports(new WebAssembly.Module(bytes)).map(({ name }) => [name, () => {}]));
  const given = { './life_bg.js': named };
  function use({ exports }, leaks = 0) {
    for (let i = 0; i < 10; i++) {
      const universe = exports.universe_new(16, 16);
      exports.universe_tick(universe);
      console.log(exports.universe_population(universe));
      if (i >= leaks) exports.__wbg_universe_free(universe, 0);
    }
  }
`;

/** Runs a program as it is, and with memgrove; what it prints has to be the same. */
function run(name, source, { command = 'trace', options = [], same = true } = {}) {
  const path = join(folder, name);
  writeFileSync(path, LIFE + source);
  const plain = spawnSync(process.execPath, [path], { encoding: 'utf8', env });
  const done = spawnSync(process.execPath, [join(packaged, 'cli.js'), command, ...options, 'node', path], { encoding: 'utf8', env });
  if (same) assert.ok(done.stdout.startsWith(plain.stdout), `${plain.stdout}${plain.stderr}\n---\n${done.stdout}${done.stderr}`);
  return { ...done, plain, report: done.stdout.slice(plain.stdout.length) };
}

test('a program that leaks is found, with who allocates', () => {
  const save = join(folder, 'kept');
  const { status, stdout, stderr } = run('leak.mjs', 'use(new WebAssembly.Instance(new WebAssembly.Module(bytes), given), 7);', { options: ['--json', '--save', save] });
  assert.equal(status, 0, stderr);
  const profile = JSON.parse(stdout.slice(stdout.indexOf('{')));
  assert.equal(profile.final_blocks, 7);
  assert.match(stdout, /universe_new/);
  assert.equal(readdirSync(save).filter((name) => name.endsWith('.mgpr')).length, 1);
});

const WAYS = {
  'new Instance': 'use(new WebAssembly.Instance(new WebAssembly.Module(bytes), given));',
  'instantiate(bytes)': 'use((await WebAssembly.instantiate(bytes, given)).instance);',
  'instantiate(compile(bytes))': 'use(await WebAssembly.instantiate(await WebAssembly.compile(bytes), given));',
  streaming: `const response = () => new Response(bytes, { headers: { 'content-type': 'application/wasm' } });
    use((await WebAssembly.instantiateStreaming(response(), given)).instance);
    use(new WebAssembly.Instance(await WebAssembly.compileStreaming(Promise.resolve(response())), given));`,
  'a worker': `import { Worker, isMainThread } from 'node:worker_threads';
    if (isMainThread) new Worker(new URL(import.meta.url));
    else use(new WebAssembly.Instance(new WebAssembly.Module(bytes), given));`,
  'a module of another thread': `import { Worker, isMainThread, workerData } from 'node:worker_threads';
    if (isMainThread) new Worker(new URL(import.meta.url), { workerData: new WebAssembly.Module(bytes) });
    else use(new WebAssembly.Instance(workerData, given));`,
  'process.exit': 'use(new WebAssembly.Instance(new WebAssembly.Module(bytes), given)); process.exit(0);',
  'process.exit beside an idle worker': `import { Worker, isMainThread, parentPort } from 'node:worker_threads';
    if (isMainThread) new Worker(new URL(import.meta.url)).on('message', () => process.exit(0));
    else { use(new WebAssembly.Instance(new WebAssembly.Module(bytes), given)); setTimeout(() => parentPort.postMessage(0), 100); setInterval(() => {}, 1000); }`,
  'worker.terminate': `import { Worker, isMainThread, parentPort } from 'node:worker_threads';
    if (isMainThread) { const worker = new Worker(new URL(import.meta.url)); worker.on('message', () => worker.terminate()); }
    else { use(new WebAssembly.Instance(new WebAssembly.Module(bytes), given)); setTimeout(() => parentPort.postMessage(0), 100); setInterval(() => {}, 1000); }`,
};
for (const [way, source] of Object.entries(WAYS)) {
  test(`recorded: ${way}`, () => {
    const { report, stderr } = run(`way-${Object.keys(WAYS).indexOf(way)}.mjs`, source);
    assert.match(report, /allocations/, stderr);
    assert.match(report, /universe_new/, report);
    assert.ok(!/lost/.test(stderr), stderr);
  });
}

test('an ES import of a module is recorded', () => {
  writeFileSync(join(folder, 'life_bg.js'), `${[...new Set(WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(module))).map(({ name }) => `export function ${name}() {}`))].join('\n')}`);
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const { report, stderr } = run('es.mjs', 'import * as exports from "./life.wasm"; use({ exports });');
  assert.match(report, /universe_new/, stderr);
});

test('a program that ends itself by an error or a signal is recorded', () => {
  const thrown = run('throws.mjs', 'use(new WebAssembly.Instance(new WebAssembly.Module(bytes), given)); throw new Error("ends");');
  assert.match(thrown.report, /universe_new/);
  assert.match(thrown.stderr, /Error: ends/);
  assert.equal(thrown.status, 1);
  const killed = run('signal.mjs', 'use(new WebAssembly.Instance(new WebAssembly.Module(bytes), given)); process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000);');
  assert.match(killed.report, /universe_new/, killed.stderr);
});

test('what a busy worker held is said to be lost', () => {
  const { stderr } = run('busy.mjs', `import { Worker, isMainThread, parentPort } from 'node:worker_threads';
    if (isMainThread) { const worker = new Worker(new URL(import.meta.url)); worker.on('message', () => setTimeout(() => worker.terminate(), 100)); }
    else { use(new WebAssembly.Instance(new WebAssembly.Module(bytes), given)); parentPort.postMessage(0); setTimeout(() => { for (;;); }, 50); }`, { same: false });
  assert.match(stderr, /lost/);
});

test('the program sees what it would see otherwise', () => {
  const { stdout, plain } = run('looks.mjs', `
    const module = new WebAssembly.Module(bytes);
    const instance = new WebAssembly.Instance(module, given);
    console.log(JSON.stringify([
      WebAssembly.Module.exports(module), WebAssembly.Module.imports(module), WebAssembly.Module.customSections(module, 'memgrove').length,
      WebAssembly.Module.customSections(module, 'producers').map((one) => Buffer.from(one).toString('hex')),
      module instanceof WebAssembly.Module, instance instanceof WebAssembly.Instance, module.constructor === WebAssembly.Module,
      Object.keys(instance.exports), Object.isFrozen(instance.exports), Object.getPrototypeOf(instance.exports) === null,
      instance.exports === instance.exports, instance.exports.memory === instance.exports.memory,
      ['Module', 'Instance', 'compile', 'instantiate', 'compileStreaming'].map((name) => [WebAssembly[name].name, WebAssembly[name].length]),
      structuredClone instanceof Function,
      WebAssembly.Module.exports(structuredClone(module)), WebAssembly.Module.imports(structuredClone(module)),
      structuredClone(module) instanceof WebAssembly.Module, structuredClone(module) === module,
      await (async () => {
        const { port1, port2 } = new MessageChannel();
        port1.postMessage({ module });
        const { data } = await new Promise((got) => { port2.onmessage = got; });
        port1.close();
        const exports = new WebAssembly.Instance(data.module, given).exports;
        return [data.module instanceof WebAssembly.Module, Object.keys(exports), exports.memory instanceof WebAssembly.Memory,
          exports.memory === instance.exports.memory, exports.memory.buffer === exports.memory.buffer];
      })(),
    ]));
    for (const wrong of [new Uint8Array(3), 5, undefined, new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 5])]) {
      for (const way of [(w) => new WebAssembly.Module(w), (w) => WebAssembly.compile(w), (w) => WebAssembly.instantiate(w, given)]) {
        try { await way(wrong); } catch (error) { console.log(error.name, error.message); }
      }
    }
    try { new WebAssembly.Instance(module, {}); } catch (error) { console.log(error.name); }
  `);
  assert.ok(plain.stdout.length > 200, plain.stderr);
  assert.ok(stdout.startsWith(plain.stdout));
});

test('a module without an allocator is left as it is, and said', () => {
  const { stderr, status } = run('none.mjs', 'new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])));');
  assert.match(stderr, /left as it is/);
  assert.equal(status, 0);
});

test('misuse is found, and the status says so', () => {
  const twice = 'const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), given); const one = exports.universe_new(8, 8); exports.__wbg_universe_free(one, 0); exports.universe_population(one);';
  const { status, report, stderr } = run('misuse.mjs', twice, { command: 'check', same: false });
  assert.match(report, /use after free/i, report + stderr);
  assert.equal(status, 3);
});

const hasEmscripten = spawnSync('emcc', ['--version']).status === 0;

test('misuse of blocks that threads hand each other is found', { skip: !hasEmscripten && 'no emcc' }, () => {
  // In a folder of its own, because Emscripten writes CommonJS and other tests say that theirs are modules.
  const home = join(folder, 'threads');
  mkdirSync(home);
  writeFileSync(join(home, 'package.json'), '{"type":"commonjs"}');
  const program = join(home, 'threads.js');
  // Debian's emcc takes Node's fetch for a browser's.
  writeFileSync(join(folder, 'no-fetch.cjs'), 'delete globalThis.fetch');
  const flags = ['-pthread', '-O1', '-g2', '-sPTHREAD_POOL_SIZE=2', '-sPROXY_TO_PTHREAD', '-sEXIT_RUNTIME=1', '-sINITIAL_MEMORY=64MB'];
  const made = spawnSync('emcc', [...flags, fileURLToPath(new URL('threads.c', import.meta.url)), '-o', program], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  const check = (what) => {
    const args = ['check', '--json', 'node', '--require', join(folder, 'no-fetch.cjs'), program, what];
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(packaged, 'cli.js'), ...args], { encoding: 'utf8', env });
    assert.ok(stdout.startsWith(`${what} 1\n`), `${stdout}${stderr}`);
    const report = JSON.parse(stdout.slice(stdout.indexOf('{')));
    assert.deepEqual([report.unchecked, report.recordings_missing], [false, false]);
    // Of the program's own block. What Emscripten's threads do to their own as they end hangs on when they do: under load, seldom.
    const own = report.reports.filter(({ block }) => JSON.stringify(block?.allocated ?? '').includes('make'));
    if (own.length < report.reports.length) console.error(`beside it: ${JSON.stringify(report.reports.filter((one) => !own.includes(one)))}`);
    return { status: own.length === 0 && report.reports.length > 0 ? 0 : status, reports: own };
  };
  assert.deepEqual(check('twin'), { status: 0, reports: [] });

  for (const [what, kind, has] of [['use', 'use-after-free', true], ['double', 'double-free', true], ['overflow', 'heap-overflow', false]]) {
    const { status, reports } = check(what);
    assert.equal(status, 3);
    assert.deepEqual(reports.map((report) => report.kind), [kind]);
    const { allocated, freed } = reports[0].block;
    assert.match(JSON.stringify(allocated), /make.*main/, 'by the first thread');
    if (has) assert.match(JSON.stringify(freed), /give_back/, 'by the other');
    else assert.match(JSON.stringify(reports[0].stack), /overrun/, 'by the other');
  }
});

test('an instrumented module is kept for the next time', () => {
  const cached = () => readdirSync(join(folder, 'cache/memgrove')).length;
  run('first.mjs', WAYS['new Instance']);
  const before = cached();
  assert.ok(before > 0);
  run('second.mjs', WAYS['new Instance']);
  assert.equal(cached(), before);
});

test('register alone writes a folder that trace --read reads', () => {
  const path = join(folder, 'alone.mjs');
  writeFileSync(path, LIFE + WAYS['new Instance']);
  const register = pathToFileURL(join(packaged, 'register.js')).href;
  const ran = spawnSync(process.execPath, ['--import', register, path], { encoding: 'utf8', cwd: folder, env });
  assert.match(ran.stderr, /memgrove: 1 recording/);
  const read = spawnSync(process.execPath, [join(packaged, 'cli.js'), 'trace', '--read', 'memgrove-recordings'], { encoding: 'utf8', cwd: folder, env });
  assert.match(read.stdout, /universe_new/, read.stderr);
});

test('the README\'s commands for programs work in an empty folder', () => {
  const readme = readFileSync(join(packaged, 'README.md'), 'utf8');
  const [, shell] = /## Who holds the memory\?\n\n```sh\n([^]*?)```/.exec(readme);
  const commands = shell.trim().split('\n').map((line) => line.replace(/#.*/, '').trim());
  assert.equal(commands.length, 3);
  const empty = join(folder, 'readme');
  mkdirSync(empty);
  writeFileSync(join(empty, 'app.js'), `(async () => {${LIFE}${WAYS['new Instance']}})();`);
  for (const command of commands) {
    const [npx, name, ...args] = command.split(' ');
    assert.deepEqual([npx, name], ['npx', 'memgrove']);
    const done = spawnSync(process.execPath, [join(packaged, 'cli.js'), ...args], { encoding: 'utf8', cwd: empty, env });
    assert.equal(done.status, 0, `${command}: ${done.stderr}`);
    assert.ok(done.stdout.length > 200, `${command}: ${done.stdout}`);
  }
  assert.match(readFileSync(join(empty, 'heap.html'), 'utf8'), /universe_new/);
  // And in its text: another way to start, and to read what it wrote.
  const [, way] = /`node (--import \S+) app\.js`/.exec(readme);
  const [, read] = /`npx memgrove (trace --read \S+)`/.exec(readme);
  const modules = join(empty, 'node_modules');
  mkdirSync(modules);
  symlinkSync(packaged, join(modules, 'memgrove'), 'junction');
  const ran = spawnSync(process.execPath, [...way.split(' '), 'app.js'], { encoding: 'utf8', cwd: empty, env });
  assert.match(ran.stderr, /memgrove: 1 recording/);
  const said = spawnSync(process.execPath, [join(packaged, 'cli.js'), ...read.split(' ')], { encoding: 'utf8', cwd: empty, env });
  assert.match(said.stdout, /universe_new/, said.stderr);
});

test('what an instance recorded whose start function fails is said to be lost', () => {
  // The same module, with a start function: the import that is called has the right type, and throws.
  const { status, plain, stderr } = run('start.mjs', `
    const leb = (at) => {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++];
        value |= (byte & 127) << shift;
        if (byte < 128) return [value, at];
      }
    };
    let exportsEnd = 0;
    for (let at = 8; at < bytes.length;) {
      const [length, body] = leb(at + 1);
      if (bytes[at] === 7) exportsEnd = body + length;
      at = body + length;
    }
    const started = (func) => Buffer.concat([bytes.subarray(0, exportsEnd), Buffer.from([8, 1, func]), bytes.subarray(exportsEnd)]);
    const func = Array.from({ length: 100 }, (_, func) => func).find((func) => WebAssembly.validate(started(func)));
    for (const name of Object.keys(named)) named[name] = () => { throw new Error('not today'); };
    try {
      new WebAssembly.Instance(new WebAssembly.Module(started(func)), given);
      console.log('it started');
    } catch (error) {
      console.log(String(error));
    }
    const rest = await WebAssembly.instantiate(started(func), given).catch(String);
    console.log(rest);`, { same: true });
  assert.match(plain.stdout, /^(Error: not today|RuntimeError: .*)\n\1\n$/);
  assert.match(stderr, /start function ended with (Error: not today|RuntimeError)/);
});
