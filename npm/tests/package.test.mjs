// The package as it was installed: MEMGROVE_PACKAGE is its folder, MEMGROVE the native tool, SAMPLES a folder of modules.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';

const packaged = process.env.MEMGROVE_PACKAGE;
const native = process.env.MEMGROVE;
const samples = process.env.SAMPLES;
const memgrove = await import(pathToFileURL(join(packaged, 'memgrove.js')));
const folder = mkdtempSync(join(tmpdir(), 'memgrove-npm-'));
test.after(() => rmSync(folder, { recursive: true }));

const modules = readdirSync(samples).filter((name) => name.endsWith('.wasm')).map((name) => join(samples, name));
assert.ok(modules.length > 5, `${modules.length} samples`);

const severalMemories = () => WebAssembly.validate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 5, 5, 2, 0, 0, 0, 0]));
const run = (program, args) => spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
const npx = (...args) => run(process.execPath, [join(packaged, 'cli.js'), ...args]);

test('reports are byte for byte those of the native tool', async () => {
  for (const path of modules) {
    const ours = await memgrove.render({ name: path, bytes: readFileSync(path) }, { as: 'json' });
    assert.equal(ours, run(native, ['inspect', '--json', path]).stdout, path);
  }
  const text = await memgrove.render({ name: modules[0], bytes: readFileSync(modules[0]) });
  assert.equal(text, run(native, ['inspect', modules[0]]).stdout);
});

test('the command line prints what the native tool prints', () => {
  for (const args of [['inspect', '--json', modules[0]], ['inspect', '-v', modules[0]], ['inspect', ...modules]]) {
    const [ours, theirs] = [npx(...args), run(native, args)];
    assert.equal(ours.stdout, theirs.stdout, args.join(' '));
    assert.equal(ours.status, theirs.status);
  }
});

test('a fix gives the native tool\'s bytes and plan, and is verified here', async () => {
  let verified = 0;
  for (const path of modules) {
    const out = join(folder, 'native.wasm');
    rmSync(out, { force: true });
    const theirs = run(native, ['fix', path, '-o', out, '--json']);
    const ours = await memgrove.fix({ name: path, bytes: readFileSync(path) });
    const [plan, expected] = [ours.document, JSON.parse(theirs.stdout)].map((one) => JSON.stringify(one.plan));
    assert.equal(plan, expected, path);
    assert.equal(ours.exit, theirs.status, `${path}: ${ours.text}`);
    if (theirs.status === 0) {
      assert.deepEqual(Buffer.from(ours.wasm), readFileSync(out), path);
      verified += ours.verdict === 'verified' || ours.verdict === 'verified-in-part';
      assert.ok(ours.document.verification.checks.every((check) => check.engine === 'javascript'));
    }
  }
  assert.ok(verified > 3, `${verified} verified`);
});

test('the text names the file that was written', () => {
  const [sample, out] = [join(samples, 'c-emscripten-dlmalloc.wasm'), join(folder, 'named.wasm')];
  assert.match(npx('fix', sample, '-o', out).stdout, /bytes, written to .*named\.wasm\n/);
  const swappable = join(samples, 'c-wasi-libc-dlmalloc.wasm');
  assert.equal(JSON.parse(npx('swap', swappable, '--to', 'wee', '-o', out, '--json').stdout).written_to, out);
});

test('an engine without several memories is told from one that has them', () => {
  const several = WebAssembly.validate(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 5, 2, 0, 0, 0, 0]));
  const swapped = npx('swap', join(samples, 'c-wasi-libc-dlmalloc.wasm'), '--to', 'wee', '-o', join(folder, 'several.wasm')).stdout.replace(/\s+/g, ' ');
  assert.match(swapped, several ? /: verified/ : /: verified in part/);
  assert.equal(/Node has them from version 22 on/.test(swapped), !several, swapped);
});

test('what never ends is ended', async () => {
  const loops = `(module (import "env" "emscripten_notify_memory_growth" (func (param i32)))
    (memory (export "memory") 1) (func (export "spin") (loop (br 0)))
    (func (export "deep") (call 2)))`;
  const result = await memgrove.fix({ name: 'loops.wat', bytes: loops });
  assert.notEqual(result.verdict, 'failed', result.text);
});

test('what is no module is an error that says what it is', async () => {
  const { files: [file] } = await memgrove.inspect(new TextEncoder().encode('%PDF-1.7'), { name: 'a.pdf' });
  assert.match(file.error.message, /PDF/);
  await assert.rejects(memgrove.fix('hello'), (error) => error instanceof memgrove.MemgroveError);
  await assert.rejects(memgrove.inspect(5), TypeError);
  const broken = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 3]);
  assert.equal((await memgrove.inspect(broken)).files[0].error.offset !== null, true);
});

test('statuses are those of the native tool', () => {
  assert.equal(npx('inspect', join(folder, 'absent.wasm')).status, 1);
  assert.equal(npx('dance').status, 2);
  assert.equal(npx('inspect', '--colour').status, 2);
  assert.equal(npx('--help').status, 0);
  const host = join(folder, 'host.wat');
  writeFileSync(host, '(module (import "game" "draw" (func (param i32))) (func (export "f") (call 0 (i32.const 1))))');
  const refused = npx('fix', host, '-o', join(folder, 'no.wasm'));
  assert.equal(refused.status, 3);
  assert.match(refused.stderr, /nothing written/);
  assert.equal(run(native, ['fix', host, '-o', join(folder, 'no.wasm')]).status, 3);
});

test('a policy is kept or not, natively and here, and in the GitHub action', async () => {
  const policy = join(folder, 'memgrove.toml');
  writeFileSync(policy, '[imports]\nallow = []\n');
  const [bound, free] = ['c-emscripten-dlmalloc.wasm', 'c-memgrove-dlmalloc.wasm'].map((name) => join(samples, name));
  const { MemgroveError } = memgrove;
  const text = readFileSync(policy, 'utf8');
  assert.deepEqual(await memgrove.breaches(readFileSync(free), { policy: text }), []);
  const [{ message }] = await memgrove.breaches({ name: 'bound', bytes: readFileSync(bound) }, { policy: text });
  assert.match(message, /nothing allows/);
  await assert.rejects(memgrove.breaches(readFileSync(free), { policy: '[host]' }), MemgroveError);
  for (const [file, status] of [[bound, 3], [free, 0]]) {
    const [ours, theirs] = [npx('inspect', '--policy', policy, file), run(native, ['inspect', '--policy', policy, file])];
    assert.deepEqual([ours.status, ours.stdout, ours.stderr], [theirs.status, theirs.stdout, theirs.stderr]);
    assert.equal(ours.status, status);
  }
  const summary = join(folder, 'summary.md');
  const act = (files) => spawnSync('bash', [join(import.meta.dirname, '../action.sh')], {
    encoding: 'utf8',
    env: { ...process.env, MEMGROVE: `${process.execPath} ${join(packaged, 'cli.js')}`, MEMGROVE_FILES: files, MEMGROVE_POLICY: policy, GITHUB_STEP_SUMMARY: summary },
  });
  assert.equal(act(free).status, 0);
  assert.equal(act(`${samples}/c-*-dlmalloc.wasm`).status, 3);
  assert.equal(act(`${folder}/*.none`).status, 2);
  assert.match(readFileSync(summary, 'utf8'), /^    .*c-emscripten-dlmalloc\.wasm/m);
});

test('every module can be traced from within, and looked at while it runs', async () => {
  const bytes = readFileSync(join(samples, 'life-wasm-bindgen-wee_alloc.wasm'));
  const traced = await memgrove.traceAll();
  try {
    const module = await WebAssembly.compile(bytes);
    const imports = { './life_bg.js': Object.fromEntries(WebAssembly.Module.imports(module).map(({ name }) => [name, () => {}])) };
    const { exports } = await WebAssembly.instantiate(module, imports);
    for (const blocks of [1, 2]) {
      exports.universe_new(16, 16);
      const [{ module, recording }, ...others] = traced.recordings();
      assert.equal(others.length, 0);
      assert.deepEqual(Buffer.from(module), bytes);
      assert.equal(JSON.parse(await memgrove.renderProfile(module, recording, { as: 'json' })).final_blocks, blocks);
    }
  } finally {
    traced.stop();
  }
  new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])));
  assert.equal(traced.untouched.length, 0);
});

test('an engine that knows one memory traces in it, and says that it cannot check', { skip: severalMemories() && 'this engine knows several' }, () => {
  const app = join(folder, 'app.mjs');
  writeFileSync(app, `import { readFileSync } from 'node:fs';
    const module = new WebAssembly.Module(readFileSync(${JSON.stringify(join(samples, 'life-wasm-bindgen-wee_alloc.wasm'))}));
    const imports = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => {};
    const { exports } = new WebAssembly.Instance(module, imports);
    console.log(exports.universe_population(exports.universe_new(16, 16)));`);
  const plain = run(process.execPath, [app]);
  for (const [command, says] of [['trace', /universe_new/], ['check', /several memories/]]) {
    const done = npx(command, 'node', app);
    assert.ok(done.stdout.startsWith(plain.stdout), done.stderr);
    assert.match(done.stdout + done.stderr, says);
  }
});

test('names forge nothing', () => {
  const said = npx('inspect', `${folder}/\u001b[2J\u202e.wasm`);
  assert.ok(!/[\u001b\u202e]/.test(said.stderr), JSON.stringify(said.stderr));
});

test('the README\'s commands and example work in an empty folder', () => {
  const readme = readFileSync(join(packaged, 'README.md'), 'utf8');
  // Beside the folder of packages, where `memgrove` is found by its name.
  const empty = mkdtempSync(join(packaged, '../../readme-'));
  test.after(() => rmSync(empty, { recursive: true }));
  const into = (name) => join(empty, name);
  const [, shell] = /```sh\n([^]*?)```/.exec(readme);
  const commands = shell.trim().split('\n').map((line) => line.replace(/#.*/, '').trim());
  assert.ok(commands.length > 3);
  for (const command of commands) {
    const [npx, name, ...args] = command.split(' ');
    assert.deepEqual([npx, name], ['npx', 'memgrove']);
    // No sample has both: imports that can be satisfied, and an allocator whose functions all are there.
    const app = args[0] === 'swap' ? 'life-wasm-bindgen-wee_alloc.wasm' : 'c-emscripten-dlmalloc.wasm';
    copyFileSync(join(samples, app), into('app.wasm'));
    const done = spawnSync(process.execPath, [join(packaged, 'cli.js'), ...args], { cwd: empty, encoding: 'utf8' });
    assert.equal(done.status, 0, `${command}: ${done.stderr}`);
  }
  for (const name of ['report.html', 'anywhere.wasm']) {
    assert.ok(existsSync(into(name)), name);
    rmSync(into(name));
  }
  copyFileSync(join(samples, 'c-emscripten-dlmalloc.wasm'), into('app.wasm'));
  const [, example] = /```js\n([^]*?)```/.exec(readme);
  writeFileSync(into('example.mjs'), example);
  const done = spawnSync(process.execPath, ['example.mjs'], { cwd: empty, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  assert.match(done.stdout, /dlmalloc/);
  assert.ok(existsSync(into('report.html')) && existsSync(into('anywhere.wasm')));
  // The policy, and the action that takes it.
  const [, policy] = /```toml\n([^]*?)```/.exec(readme);
  writeFileSync(into('memgrove.toml'), policy);
  const kept = spawnSync(process.execPath, [join(packaged, 'cli.js'), 'inspect', '--policy', 'memgrove.toml', 'app.wasm'], { cwd: empty, encoding: 'utf8' });
  assert.equal(kept.status, 3, kept.stderr);
  assert.match(kept.stderr, /wasmtime/);
  assert.match(kept.stderr, /emscripten_resize_heap/);
  const action = readFileSync(join(import.meta.dirname, '../../action.yml'), 'utf8');
  const [, yaml] = /```yaml\n([^]*?)```/.exec(readme);
  const [, used] = /with:\n([^]*)/.exec(yaml);
  for (const [, input] of used.matchAll(/^ +([a-z-]+):/gm)) assert.match(action, new RegExp(`^  ${input}:$`, 'm'), input);
});
