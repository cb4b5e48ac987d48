// The work, beside the page: engine.js, core.js, profile.js and unpack.js stand before this.
/** What is being compiled, or has been. */
let core = null;

/** What the page asks for beside the functions of the package. */
const more = {
  /** The names of the functions that a module exports. */
  exports(core, input) {
    const { wasm } = core.trace(input);
    const functions = WebAssembly.Module.exports(new WebAssembly.Module(wasm)).filter(({ kind }) => kind === 'function');
    return functions.map(({ name }) => name).filter((name) => !name.startsWith('memgrove_'));
  },

  /** Runs an export with a recorder; functions of a host return zero. */
  async run(core, input, call, numbers, times) {
    const { wasm } = core.trace(input, { oneMemory: !severalMemories() });
    const module = new WebAssembly.Module(wasm);
    const wanted = WebAssembly.Module.imports(module);
    const other = wanted.find(({ kind }) => kind !== 'function');
    if (other) throw new Error(`it cannot be run here: its host has to provide the ${other.kind} ${other.module} ${other.name}`);
    const imports = {};
    for (const { module, name } of wanted) (imports[module] ??= {})[name] = () => 0;
    const { exports } = await WebAssembly.instantiate(module, imports);
    if (typeof exports[call] !== 'function') throw new Error(`it exports no function ${call}`);
    let said = '';
    try {
      exports._initialize?.();
      for (let i = 0; i < times; i++) said = `It returned ${callWith(exports[call], numbers)}.`;
    } catch (error) {
      said = `It ended with ${error}.`;
    }
    const recording = readProfile(exports.memgrove_profile, exports.memgrove_profile_place?.());
    return { html: heap(core, input, recording), said };
  },

  /** What a recording of a module says, as a page. */
  heapOf(core, input, recording, name) {
    return { html: heap(core, input, recording), said: `This is what ${name} says.` };
  },
};

/** Calls a function with numbers as it takes them: those of 64 bits are other values in JavaScript. */
function callWith(call, numbers) {
  try {
    return call(...numbers.map(Number));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return call(...numbers.map(BigInt));
  }
}

function decoded(base64) {
  return Uint8Array.from(atob(base64.trim()), (c) => c.charCodeAt(0));
}

function heap(core, input, recording) {
  return new TextDecoder().decode(core.renderProfile(input, recording, { as: 'html' }).bytes);
}

onmessage = async ({ data: { id, module, method, args } }) => {
  try {
    // As text, since decoding it would take the page's own thread long.
    if (module) core = WebAssembly.compile(unpacked(decoded(module))).then((compiled) => new Core(compiled));
    if (!method) return postMessage({ id, result: null });
    const ready = await core;
    const result = await (Object.hasOwn(more, method) ? more[method](ready, ...args) : ready[method](...args));
    postMessage({ id, result });
  } catch (error) {
    postMessage({ id, error: { message: String(error?.message ?? error), hint: error?.hint ?? null } });
  }
};
