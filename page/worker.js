// The work, beside the page: engine.js and core.js stand before this.
let core = null;

onmessage = async ({ data: { id, module, method, args } }) => {
  try {
    if (module) core = new Core(await WebAssembly.compile(module));
    const result = method ? core[method](...args) : null;
    postMessage({ id, result });
  } catch (error) {
    postMessage({ id, error: { message: String(error?.message ?? error), hint: error?.hint ?? null } });
  }
};
