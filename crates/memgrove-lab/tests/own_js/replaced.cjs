// Puts other modules in place of the originals, whatever way they come in, and keeps the instances.
// REPLACED: JSON, sha256 of each original to the path of the module that takes its place. SIZES: file for the memories'
// sizes at the start and at the end, in bytes. TIMES: file for what it took by the clock and of the processor, in ms.
const { createHash } = require('crypto');
const fs = require('fs');

const table = JSON.parse(process.env.REPLACED || '{}');
const seen = [];
const bytesOf = source => ArrayBuffer.isView(source)
  ? Buffer.from(source.buffer, source.byteOffset, source.byteLength)
  : Buffer.from(source);
const digest = source => createHash('sha256').update(bytesOf(source)).digest('hex');
const isBytes = source => ArrayBuffer.isView(source) || source instanceof ArrayBuffer;
const of = new WeakMap();
const replaced = source => {
  const file = isBytes(source) && table[digest(source)];
  return file ? fs.readFileSync(file) : source;
};
const named = (source, module) => { if (isBytes(source)) of.set(module, digest(source)); return module };
const memoryOf = (instance, imports) => Object.values(instance.exports)
  .concat(...Object.values(imports || {}).map(module => Object.values(module || {})))
  .find(value => value instanceof WebAssembly.Memory);
const keep = (sha256, instance, imports) => {
  const memory = memoryOf(instance, imports);
  seen.push({ sha256, instance, memory, start: memory ? memory.buffer.byteLength : 0 });
  return instance;
};

const { Module, Instance, instantiate, compile } = WebAssembly;
WebAssembly.Module = new Proxy(Module, {
  construct: (target, [source, ...rest]) => named(source, new target(replaced(source), ...rest)),
});
WebAssembly.Instance = new Proxy(Instance, {
  construct: (target, [module, imports]) => keep(of.get(module), new target(module, imports), imports),
});
WebAssembly.compile = async (source, ...rest) => named(source, await compile(replaced(source), ...rest));
WebAssembly.instantiate = async (source, imports, ...rest) => {
  const sha256 = isBytes(source) ? digest(source) : of.get(source);
  const result = await instantiate(replaced(source), imports, ...rest);
  keep(sha256, result.instance ?? result, imports);
  return result;
};
WebAssembly.instantiateStreaming = async (response, ...rest) =>
  WebAssembly.instantiate(await (await response).arrayBuffer(), ...rest);
WebAssembly.compileStreaming = async response => WebAssembly.compile(await (await response).arrayBuffer());

process.on('exit', () => {
  if (process.env.TIMES) {
    const { user, system } = process.cpuUsage();
    fs.writeFileSync(process.env.TIMES, JSON.stringify([performance.now(), (user + system) / 1000]));
  }
  if (!process.env.SIZES) return;
  const sizes = seen.map(({ sha256, memory, start }) => [sha256, start, memory ? memory.buffer.byteLength : 0]);
  fs.writeFileSync(process.env.SIZES, JSON.stringify(sizes));
});
module.exports = { seen };
