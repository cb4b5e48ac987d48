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
export async function render(input, { as = 'text', verbose = false, hosts = [], maxBytes, name } = {}) {
  const files = named(input, name);
  const request = { operation: 'inspect', names: files.map((file) => file.name), as, verbose, hosts, maxBytes };
  const { parts } = (await load()).run(request, files.map((file) => file.bytes));
  return new TextDecoder().decode(parts[0]);
}

/** Version of memgrove, and the hosts that it knows. */
export async function about() {
  return (await load()).run({ operation: 'version' }).head;
}

/** Bytes, or files with names, as files. */
function named(input, name = 'module.wasm') {
  const files = Array.isArray(input) ? input : [{ name: input?.name ?? name, bytes: input?.bytes ?? input }];
  return files.map((file) => ({ name: String(file.name), bytes: bytesOf(file.bytes) }));
}

function bytesOf(bytes) {
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
  if (ArrayBuffer.isView(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (typeof bytes === 'string') return new TextEncoder().encode(bytes);
  throw new TypeError('a module is an ArrayBuffer, a view of one, or text');
}
