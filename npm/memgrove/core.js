// The module, and how requests go to it: see crates/memgrove-js.
import { javascriptEngine } from './engine.js';

/** What memgrove has to say against a request or its input; `hint` is what could be tried. */
export class MemgroveError extends Error {
  constructor({ message, hint = null, offset = null }) {
    super(message);
    this.name = 'MemgroveError';
    this.hint = hint;
    this.offset = offset;
  }
}

/** Whether the engine knows modules with two memories; else a recording has to be in the program's own. */
export function severalMemories() {
  return WebAssembly.validate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 5, 5, 2, 0, 0, 0, 0]));
}

/** More than this is not kept from one request to the next: a module's memory never shrinks. */
const MOST_KEPT_BYTES = 256 * 2 ** 20;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One compiled module; makes its instance when it is asked, and a new one after a failure or a large request. */
export class Core {
  #module;
  #exports = null;
  #panic = null;

  /** @param {WebAssembly.Module} module of `memgrove.wasm` */
  constructor(module) {
    this.#module = module;
  }

  /**
   * Runs a request.
   * @param {object} request an operation and its options
   * @param {Uint8Array[]} inputs
   * @returns {{head: any, parts: Uint8Array[]}} copies of what came out
   */
  run(request, inputs = []) {
    const exports = this.#exports ??= this.#instantiate();
    try {
      this.#put(exports, encoder.encode(JSON.stringify(request)));
      for (const input of inputs) this.#put(exports, input);
      const count = exports.memgrove_call();
      const [head, ...parts] = Array.from({ length: count }, (_, part) => this.#part(exports, part));
      const said = JSON.parse(decoder.decode(head));
      if (said.error) throw new MemgroveError(said.error);
      if (exports.memory.buffer.byteLength > MOST_KEPT_BYTES) this.#exports = null;
      return { head: said, parts };
    } catch (error) {
      if (error instanceof MemgroveError) throw error;
      this.#exports = null;
      const message = `internal error: ${this.#panic ?? error?.message ?? error}`;
      this.#panic = null;
      throw new MemgroveError({ message, hint: 'this is a defect of memgrove: please report it with the file' });
    }
  }

  /** Reports on files, written: see `render` of memgrove.js. */
  render(input, options) {
    return this.report(input, options).text;
  }

  /** The same, the files of which there is none: `{file, message, hint}`, and what breaks the policy: `{file, message}`. */
  report(input, { as = 'text', verbose = false, hosts = [], policy, require, allowConditions, maxBytes, name } = {}) {
    const files = named(input, name);
    const request = { operation: 'inspect', names: files.map((file) => file.name), as, verbose, hosts, policy, require, allowConditions, maxBytes };
    const { head: { failures, faults }, parts } = this.run(request, files.map((file) => file.bytes));
    return { text: decoder.decode(parts[0]), failures, faults };
  }

  /** A module that runs anywhere: see `fix` of memgrove.js. */
  fix(input, { name, ...options } = {}) {
    const [file] = named(input, name);
    const request = { operation: 'fix', name: file.name, engine: engineName(), ...options };
    return made(this.run(request, [file.bytes]));
  }

  /** Another allocator in a module: see `swap` of memgrove.js. */
  swap(input, { name, ...options } = {}) {
    const [file] = named(input, name);
    return made(this.run({ operation: 'swap', name: file.name, engine: engineName(), ...options }, [file.bytes]));
  }

  /** A module that records what its heap does: see `trace` of memgrove.js. */
  trace(input, options) {
    return this.#instrument('trace', input, options);
  }

  /** A module that reports misuse of its heap: see `check` of memgrove.js. */
  check(input, options) {
    return this.#instrument('check', input, options);
  }

  #instrument(operation, input, { name, ...options } = {}) {
    const [file] = named(input, name);
    const { head, parts: [wasm] } = this.run({ operation, name: file.name, ...options }, [file.bytes]);
    return { ...head, wasm };
  }

  /** What a recording says, or what two differ in: see `renderProfile` of memgrove.js. */
  renderProfile(input, recordings, { name, ...options } = {}) {
    const [file] = named(input, name);
    const list = (Array.isArray(recordings) ? recordings : [recordings]).map(bytesOf);
    const { head, parts: [bytes] } = this.run({ operation: 'profile', name: file.name, ...options }, [file.bytes, ...list]);
    return { ...head, bytes };
  }

  /** Version of memgrove, and the hosts that it knows. */
  about() {
    return this.run({ operation: 'version' }).head;
  }

  #instantiate() {
    let exports = null;
    const serve = javascriptEngine((question) => {
      this.#put(exports, encoder.encode(JSON.stringify(question)));
      exports.memgrove_host();
      return JSON.parse(decoder.decode(this.#part(exports, 0)));
    });
    const imports = {
      memgrove: {
        engine: (address, length, room, roomLength) => {
          const part = (at, length) => new Uint8Array(exports.memory.buffer, at >>> 0, length);
          const request = JSON.parse(decoder.decode(part(address, length)));
          this.#put(exports, encoder.encode(JSON.stringify(serve(request, roomLength > 0 ? part(room, roomLength) : null))));
        },
        panicked: (address, length) => {
          this.#panic = decoder.decode(new Uint8Array(exports.memory.buffer, address, length));
        },
      },
    };
    exports = new WebAssembly.Instance(this.#module, imports).exports;
    return exports;
  }

  #put(exports, bytes) {
    const address = exports.memgrove_buffer(bytes.length) >>> 0;
    new Uint8Array(exports.memory.buffer, address, bytes.length).set(bytes);
  }

  #part(exports, part) {
    const address = exports.memgrove_pointer(part) >>> 0;
    return new Uint8Array(exports.memory.buffer, address, exports.memgrove_length(part)).slice();
  }
}

/** What came of making a module. */
function made({ head, parts }) {
  const [json, text] = parts.slice(0, 2).map((part) => decoder.decode(part));
  return {
    exit: head.exit,
    refusal: head.refusal ?? null,
    verdict: head.verdict ?? null,
    document: JSON.parse(json),
    json,
    text,
    wasm: parts[2] ?? null,
  };
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

/** What runs this, as a verification names it. */
function engineName() {
  const { process, Deno, navigator } = globalThis;
  if (Deno) return `Deno ${Deno.version.deno} (V8 ${Deno.version.v8})`;
  if (process?.versions?.bun) return `Bun ${process.versions.bun}`;
  if (process?.versions?.node) return `Node ${process.version} (V8 ${process.versions.v8})`;
  return navigator?.userAgent ?? 'JavaScript';
}
