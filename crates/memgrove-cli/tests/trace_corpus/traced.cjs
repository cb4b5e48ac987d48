// Puts traced or checked modules in place of the originals, whatever way they come in, and writes their recordings at the end.
// TRACED: JSON, sha256 of each original to the path of the traced module. PROFILES: folder for the recordings.
const { createHash } = require('crypto');
const fs = require('fs');
const path = require('path');

const traced = JSON.parse(process.env.TRACED);
const instances = [];
const bytesOf = source => ArrayBuffer.isView(source)
  ? Buffer.from(source.buffer, source.byteOffset, source.byteLength)
  : Buffer.from(source);
const replaced = source => {
  if (!ArrayBuffer.isView(source) && !(source instanceof ArrayBuffer)) return source;
  const file = traced[createHash('sha256').update(bytesOf(source)).digest('hex')];
  return file ? fs.readFileSync(file) : source;
};
const keep = instance => {
  if (instance.exports.memgrove_profile) instances.push(instance);
  return instance;
};

const { Module, Instance, instantiate, compile } = WebAssembly;
WebAssembly.Module = new Proxy(Module, {
  construct: (target, [source, ...rest]) => new target(replaced(source), ...rest),
});
WebAssembly.Instance = new Proxy(Instance, { construct: (target, rest) => keep(new target(...rest)) });
WebAssembly.compile = (source, ...rest) => compile(replaced(source), ...rest);
WebAssembly.instantiate = async (source, ...rest) => {
  const result = await instantiate(replaced(source), ...rest);
  keep(result.instance ?? result);
  return result;
};
WebAssembly.instantiateStreaming = async (response, ...rest) =>
  WebAssembly.instantiate(await (await response).arrayBuffer(), ...rest);

process.on('exit', () => {
  instances.forEach((instance, at) => {
    instance.exports.memgrove_finish?.();
    const memory = Buffer.from(instance.exports.memgrove_profile.buffer);
    fs.writeFileSync(path.join(process.env.PROFILES, `${at}.memory`), memory);
  });
});
