// The work, beside the page: engine.js and core.js stand before this.
/** What is being compiled, or has been. */
let core = null;

onmessage = async ({ data: { id, module, method, args } }) => {
  try {
    if (module) core = WebAssembly.compile(module).then((compiled) => new Core(compiled));
    const result = method ? (await core)[method](...args) : null;
    postMessage({ id, result });
  } catch (error) {
    postMessage({ id, error: { message: String(error?.message ?? error), hint: error?.hint ?? null } });
  }
};
