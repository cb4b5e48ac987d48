// What an engine in JavaScript is asked, and how it says what happened: see mod.rs. `askHost(message)` returns the answer
// of the host's function, a message of operation `return` or `throw`; while it runs, it may call the server again.
// Returns the server: from a request to its answer.
'use strict';
function javascriptEngine(askHost) {
class HostTrap extends Error {}
class NoExport extends Error {}
class OutOfBounds extends Error {}

// Bytes travel in `room`, a part of the other side's memory; where there is none, as hexadecimal: in Node's process, whose
// own way is much the quickest, and for functions of the host, which read and write little.
const ownBuffer = typeof Buffer === 'function' ? Buffer : null;
const fromHex = (text) => ownBuffer?.from(text, 'hex')
  ?? Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const toHex = (bytes) => ownBuffer?.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
  ?? Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join('');
const given = (room, text = '') => room ?? fromHex(text);
const shown = (room, bytes) => {
  if (room === null) return { bytes: toHex(bytes) };
  room.set(bytes);
  return {};
};

// Values travel as decimal strings; floats as their bits.
const bits = new DataView(new ArrayBuffer(8));
function decode([type, text]) {
  switch (type) {
    case 'i32': return Number(text);
    case 'i64': return BigInt(text);
    case 'f32': bits.setUint32(0, Number(text)); return bits.getFloat32(0);
    case 'f64': bits.setBigUint64(0, BigInt(text)); return bits.getFloat64(0);
    default: return null;
  }
}
function encode(type, value) {
  switch (type) {
    case 'i32': return [type, String(value | 0)];
    case 'i64': return [type, String(BigInt.asIntN(64, value))];
    case 'f32': bits.setFloat32(0, value); return [type, String(bits.getUint32(0))];
    case 'f64': bits.setFloat64(0, value); return [type, String(bits.getBigUint64(0))];
    default: return ['ref', value === null ? 'null' : 'some'];
  }
}
function encodeAll(types, value) {
  if (types.length === 0) return [];
  if (types.length === 1) return [encode(types[0], value)];
  return [...value].map((one, index) => encode(types[index], one));
}

// For calls whose type is not known on this side: what JavaScript shows has to do.
function encodeSeen(result) {
  const type = (value) => typeof value === 'bigint' ? 'i64' : Number.isInteger(value) ? 'i32' : 'f64';
  const all = result === undefined ? [] : Array.isArray(result) ? result : [result];
  return all.map((value) => encode(type(value), value));
}

const modules = new Map();
const instances = new Map();

// What the other side counts: bytes of all memories that can be seen, and elements of all tables.
function held() {
  let bytes = 0, elements = 0;
  const seen = new Set();
  for (const { memories, tables } of instances.values()) {
    for (const memory of memories) {
      if (!seen.has(memory)) { seen.add(memory); bytes += memory.buffer.byteLength; }
    }
    for (const table of tables) {
      if (!seen.has(table)) { seen.add(table); elements += Number(table.length); }
    }
  }
  return [bytes, elements];
}

function memoryOf(instance, name) {
  const memory = name === null ? instance.memory ?? instance.exports?.[instance.mainMemory] : instance.exports[name];
  if (!(memory instanceof WebAssembly.Memory)) throw new NoExport('is not a memory that the module shows');
  return memory;
}

function view(instance, { memory, address, length }) {
  const { buffer } = memoryOf(instance, memory);
  if (address + length > buffer.byteLength) throw new OutOfBounds('outside of the memory');
  return new Uint8Array(buffer, address, length);
}

// WebAssembly.Instance hands out exports only after start has run; before, host functions see imports only.
const operations = {
  compile({ module, bytes }, room) {
    modules.set(module, new WebAssembly.Module(given(room, bytes)));
    return {};
  },
  discard({ module }) {
    modules.delete(module);
    return {};
  },
  instantiate({ module: compiled, id, imports, mainMemory, mainTable }) {
    const instance = {
      memory: null, table: null, exports: null, mainMemory, mainTable, memories: [], tables: [],
    };
    const given = {};
    for (const item of imports) {
      const module = given[item.module] ??= Object.create(null);
      const limits = () => ({
        initial: item.large ? BigInt(item.minimum) : item.minimum,
        ...(item.maximum === null ? {} : { maximum: item.large ? BigInt(item.maximum) : item.maximum }),
        ...(item.large ? { address: 'i64', index: 'i64' } : {}),
      });
      switch (item.kind) {
        case 'function':
          module[item.name] = (...values) => hostCall(id, instance, item, values);
          break;
        case 'memory':
          module[item.name] = new WebAssembly.Memory({ ...limits(), shared: item.shared });
          instance.memory ??= module[item.name];
          instance.memories.push(module[item.name]);
          break;
        case 'table':
          module[item.name] = new WebAssembly.Table({ ...limits(), element: item.functions ? 'anyfunc' : 'externref' });
          instance.table ??= module[item.name];
          instance.tables.push(module[item.name]);
          break;
        case 'global':
          module[item.name] = new WebAssembly.Global(
            { value: item.value[0] === 'ref' ? 'externref' : item.value[0], mutable: item.mutable }, decode(item.value));
          break;
      }
    }
    instances.set(id, instance);
    try {
      instance.exports = new WebAssembly.Instance(modules.get(compiled), given).exports;
    } catch (error) {
      instances.delete(id);
      throw error;
    }
    for (const item of Object.values(instance.exports)) {
      if (item instanceof WebAssembly.Memory) instance.memories.push(item);
      if (item instanceof WebAssembly.Table) instance.tables.push(item);
    }
    return {};
  },
  drop({ id }) {
    instances.delete(id);
    return {};
  },
  // With a `meter`, the exported global that counts down is set before, and its value is `left`.
  call({ id, name, arguments: values, results, meter }) {
    const { exports } = instances.get(id);
    const called = exports?.[name];
    if (typeof called !== 'function') throw new NoExport('is not an exported function');
    const decoded = values.map(decode);
    const left = meter ? exports[meter.name] : null;
    if (left) left.value = BigInt(meter.fuel);
    const start = performance.now();
    const result = called(...decoded);
    const nanoseconds = Math.round((performance.now() - start) * 1e6);
    return { values: encodeAll(results, result), nanoseconds, ...(left ? { left: encode('i64', left.value) } : {}) };
  },
  callInside({ id, name, arguments: values }) {
    const called = instances.get(id).exports?.[name];
    if (typeof called !== 'function') throw new NoExport('is not an exported function');
    return { values: encodeSeen(called(...values.map(decode))) };
  },
  callTable({ id, index, arguments: values }) {
    const instance = instances.get(id);
    const table = instance.table ?? instance.exports?.[instance.mainTable];
    const called = table instanceof WebAssembly.Table && index < table.length ? table.get(index) : null;
    if (typeof called !== 'function') throw new NoExport(`holds no function at ${index}`);
    return { values: encodeSeen(called(...values.map(decode))) };
  },
  size({ id, memory }) {
    return { bytes: memoryOf(instances.get(id), memory).buffer.byteLength };
  },
  read(request, room) {
    return shown(room, view(instances.get(request.id), request));
  },
  write(request, room) {
    const bytes = given(room, request.bytes);
    view(instances.get(request.id), { ...request, length: bytes.length }).set(bytes);
    return {};
  },
  grow({ id, memory, pages }) {
    const found = memoryOf(instances.get(id), memory);
    const grow = (count) => Number(found.grow(count));
    try {
      return { before: grow(pages) };
    } catch (error) {
      if (error instanceof TypeError) {  // a 64-bit memory counts in BigInt
        try { return { before: grow(BigInt(pages)) }; } catch { return { before: null }; }
      }
      return { before: null };
    }
  },
  global({ id, name, type }) {
    const found = instances.get(id).exports?.[name];
    if (!(found instanceof WebAssembly.Global)) throw new NoExport('is not a global');
    return { value: encode(type, found.value) };
  },
  setGlobal({ id, name, value }) {
    const found = instances.get(id).exports?.[name];
    if (!(found instanceof WebAssembly.Global)) throw new NoExport('is not a global');
    try {
      found.value = decode(value);
    } catch (error) {
      throw new NoExport(error.message);
    }
    return {};
  },
};

function hostCall(id, instance, item, values) {
  const encoded = values.map((value, index) => encode(item.parameters[index], value));
  const message = askHost({ hostCall: item.index, id, arguments: encoded });
  if (message.operation === 'throw') throw new HostTrap(message.words);
  const all = message.values.map(decode);
  return all.length <= 1 ? all[0] : all;
}

function kindOf(error) {
  if (error instanceof HostTrap) return 'host';
  if (error instanceof NoExport) return 'export';
  if (error instanceof OutOfBounds) return 'bounds';
  if (error instanceof WebAssembly.CompileError) return 'compile';
  if (error instanceof WebAssembly.LinkError) return 'link';
  if (error instanceof WebAssembly.RuntimeError) return 'trap';
  // WebAssembly.Exception that nobody caught, or the stack is exhausted
  if (error instanceof RangeError && /call stack/.test(error.message)) return 'stack';
  if (error instanceof TypeError && /Import #/.test(error.message)) return 'link';
  return 'other';
}

// A module with nothing but two memories of no page.
const TWO_MEMORIES = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 5, 2, 0, 0, 0, 0]);

// The engine's own words name a limit, and not what to do about it.
function wordsOf(error, kind) {
  const words = String(error?.message ?? error);
  if (kind !== 'compile' || !/memor/i.test(words) || WebAssembly.validate(TWO_MEMORIES)) return words;
  return `${words} (this engine has no modules with several memories; Node has them from version 22 on, browsers since 2024)`;
}

function serve(message, room = null) {
  try {
    const ok = operations[message.operation](message, room);
    return { ok, held: held() };
  } catch (error) {
    const kind = kindOf(error);
    return { error: kind, words: wordsOf(error, kind), held: held() };
  }
}
return serve;
}
