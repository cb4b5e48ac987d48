// memgrove in JavaScript. Nothing is sent anywhere.
import { Core, MemgroveError } from './core.js';
import { hook } from './hook.js';
import { follow, watch } from './live.js';
import { readProfile } from './profile.js';
import { unpacked } from './unpack.js';

export { MemgroveError };
export { hook, readProfile };

let loading = null;

/**
 * Loads the module; every other function does it by itself. For places where it does not lie beside this file.
 * @param {BufferSource | Response | WebAssembly.Module | URL | string} [source]
 */
export function load(source = new URL('./memgrove.wasm.zst', import.meta.url)) {
  return (loading ??= compile(source).then((module) => new Core(module)).catch((error) => {
    loading = null;
    throw error;
  }));
}

async function compile(source) {
  if (source instanceof WebAssembly.Module) return source;
  return WebAssembly.compile(unpacked(await bytesOf(source)));
}

async function bytesOf(source) {
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  if (typeof Response === 'function' && source instanceof Response) return new Uint8Array(await source.arrayBuffer());
  const url = new URL(source, import.meta.url);
  if (url.protocol === 'file:' && globalThis.process?.versions?.node) {
    const { readFile } = await import('node:fs/promises');
    return readFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new MemgroveError({ message: `${url}: ${response.status} ${response.statusText}` });
  return new Uint8Array(await response.arrayBuffer());
}

/**
 * Says what each module is, as the document that `memgrove inspect --json` prints (its fields: docs/inspect-json.md).
 * A file that holds no module is an entry with `error`.
 */
export async function inspect(input, options = {}) {
  return JSON.parse(await render(input, { ...options, as: 'json' }));
}

/** The same, written: `text`, `table`, `json`, `ndjson`, or `html` for a report as one self-contained page. */
export async function render(input, options) {
  return (await load()).render(input, options);
}

/**
 * What modules do not keep of a policy (the text of a `memgrove.toml`): `{file, message}` each; none if they keep all.
 * @param {{policy: string, hosts?: string[], name?: string}} options
 */
export async function breaches(input, options) {
  return (await load()).report(input, { ...options, as: 'ndjson' }).faults;
}

/**
 * Satisfies a module's imports inside the module, and verifies the result on the engine that runs this.
 *
 * Resolves to the plan as `memgrove fix --json` prints it, the same for reading, and `wasm`: the result, or null where
 * there is none to be used; `refusal` says why, or the document's verification which check failed. Nothing of it has
 * been executed where `verdict` is `not-verified`.
 */
export async function fix(input, options) {
  return (await load()).fix(input, options);
}

/**
 * Puts another allocator into a module, in place of its own, and verifies the result on the engine that runs this.
 * Resolves to what `fix` does; the document is that of `memgrove swap --json`.
 * @param {{to: 'wee' | 'dlmalloc' | 'jemalloc' | 'hoard' | 'hardened'}} options
 */
export async function swap(input, options) {
  return (await load()).swap(input, options);
}

/**
 * Instruments a module: the same imports and exports, and the memory `memgrove_profile`, in which each call of the
 * allocator is noted. `readProfile` takes the recording out, `renderProfile` says what is in it.
 */
export async function trace(input, options) {
  return (await load()).trace(input, options);
}

/**
 * Instruments a module: the same imports and exports, the memory `memgrove_profile` with reports of misuse of the heap,
 * and the function `memgrove_finish`, to be called when the program is over, which counts what is still live.
 */
export async function check(input, options) {
  return (await load()).check(input, options);
}

/**
 * Says what a recording of a module says; with two recordings, what grew from the first to the second.
 * Text for `text`, `json`, `html`, `collapsed`, `heaptrack` and `sarif`; bytes for the others.
 */
export async function renderProfile(input, recordings, options = {}) {
  const { bytes } = (await load()).renderProfile(input, recordings, options);
  return ['dhat', 'pprof', 'firefox', 'speedscope', 'mgtr'].includes(options.as) ? bytes : new TextDecoder().decode(bytes);
}

/**
 * Traces every module that is compiled here from now on, for pages as for programs. `recordings` returns what its
 * instances have recorded so far, each with the module that it is of; `stop` leaves modules to come as they are.
 * A module whose allocator is not known is left as it is; `untouched` says why.
 */
export async function traceAll(options = {}) {
  const loading = load();
  await loading;
  const { recordings, untouched, stop } = follow(loading, options);
  return { recordings, untouched, stop };
}

/**
 * Traces every module that is compiled here from now on, and shows what their heaps hold in a corner of the page while it
 * runs. `heaps` returns what is live now, `recordings` and `render(index, as)` what was recorded; `stop` ends it.
 */
export function watchAll(options = {}) {
  return watch(load(), options);
}

/** Version of memgrove, and the hosts that it knows. */
export async function about() {
  return (await load()).about();
}
