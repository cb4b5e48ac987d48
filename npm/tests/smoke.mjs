// What the package does on whatever runs this: Node, Deno or Bun. The first argument is the package's folder, the second a
// module that can be fixed, the third one whose heap can be traced.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import process from 'node:process';

const [packaged, bound, traceable] = process.argv.slice(-3);
const memgrove = await import(pathToFileURL(join(packaged, 'memgrove.js')).href);
const said = [];

const fixed = await memgrove.fix(readFileSync(bound));
said.push(fixed.verdict, fixed.document.verification.checks[0].engine);

const bytes = readFileSync(traceable);
const swapped = await memgrove.swap(bytes, { to: 'wee' });
said.push(swapped.verdict);

const module = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 5, 5, 2, 0, 0, 0, 0]);
const { wasm } = await memgrove.trace(bytes, { oneMemory: !WebAssembly.validate(module) });
const compiled = await WebAssembly.compile(wasm);
const imports = {};
for (const { module, name } of WebAssembly.Module.imports(compiled)) (imports[module] ??= {})[name] = () => 0;
const { exports } = await WebAssembly.instantiate(compiled, imports);
exports.universe_new(16, 16);
const recording = memgrove.readProfile(exports.memgrove_profile, exports.memgrove_profile_place?.());
said.push((await memgrove.renderProfile(bytes, recording)).includes('universe_new') ? 'traced' : 'not traced');

console.log(said.join(' '));
