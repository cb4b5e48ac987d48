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

  #instantiate() {
    let exports = null;
    const serve = javascriptEngine((question) => {
      this.#put(exports, encoder.encode(JSON.stringify(question)));
      exports.memgrove_host();
      return JSON.parse(decoder.decode(this.#part(exports, 0)));
    });
    const imports = {
      memgrove: {
        engine: (address, length) => {
          const request = decoder.decode(new Uint8Array(exports.memory.buffer, address, length));
          this.#put(exports, encoder.encode(JSON.stringify(serve(JSON.parse(request)))));
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
