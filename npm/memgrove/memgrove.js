// memgrove in JavaScript: inspect and fix WebAssembly modules. Nothing is sent anywhere.
import { Core, MemgroveError } from './core.js';

export { MemgroveError };

let loading = null;

/**
 * Loads the module; every other function does it by itself. For places where it does not lie beside this file.
 * @param {BufferSource | Response | WebAssembly.Module | URL | string} [source]
 */
export function load(source = new URL('./memgrove.wasm', import.meta.url)) {
  return (loading ??= compile(source).then((module) => new Core(module)).catch((error) => {
    loading = null;
    throw error;
  }));
}

async function compile(source) {
  if (source instanceof WebAssembly.Module) return source;
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return WebAssembly.compile(source);
  if (typeof Response === 'function' && source instanceof Response) return WebAssembly.compile(await source.arrayBuffer());
  const url = new URL(source, import.meta.url);
  if (url.protocol === 'file:' && globalThis.process?.versions?.node) {
    const { readFile } = await import('node:fs/promises');
    return WebAssembly.compile(await readFile(url));
  }
  const response = await fetch(url);
  if (!response.ok) throw new MemgroveError({ message: `${url}: ${response.status} ${response.statusText}` });
  return WebAssembly.compile(await response.arrayBuffer());
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
 * Satisfies a module's imports inside the module, and verifies the result on the engine that runs this.
 *
 * Resolves to the plan as `memgrove fix --json` prints it, the same for reading, and `wasm`: the result, or null where
 * there is none to be used; `refusal` says why, or the document's verification which check failed. Nothing of it has
 * been executed where `verdict` is `not-verified`.
 */
export async function fix(input, options) {
  return (await load()).fix(input, options);
}

/** Version of memgrove, and the hosts that it knows. */
export async function about() {
  return (await load()).about();
}
