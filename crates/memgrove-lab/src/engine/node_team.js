// Serves one module with shared memory and a worker for each thread; messages as in node.js.
'use strict';
const fs = require('fs');
const { Worker } = require('worker_threads');

// control[0]: number of the round that may run; control[1]: workers that are ready or done in it.
const WORKER = `
'use strict';
const { workerData: { module, memory, index, address, bytes, control, times, names } } = require('worker_threads');
const given = {};
for (const { module: from, name } of names) (given[from] ??= {})[name] = memory;
const state = new Int32Array(control);
const text = new TextDecoder(), encoder = new TextEncoder();
const slots = new BigUint64Array(times);           // begin, end, result and failure flag of each worker
const order = new Uint8Array(control, 64, 4096 - 64);
const words = new Uint8Array(control, 4096 + index * 512, 512);
let exports;
function fail(error) {
  slots[index * 4 + 3] = 1n;
  const name = error instanceof WebAssembly.RuntimeError ? 'trap:' : 'other:';
  const bytes = encoder.encode(name + String(error?.message ?? error)).subarray(0, 500);
  words.fill(0);
  words.set(bytes);
}
function arrive() {
  Atomics.add(state, 1, 1);
  Atomics.notify(state, 1);
}
try {
  exports = new WebAssembly.Instance(module, given).exports;
  exports.__stack_pointer.value = address + bytes;
  exports.__wasm_init_tls(address);
} catch (error) {
  fail(error);
}
arrive();
for (let round = 0; ; ) {
  Atomics.wait(state, 0, round);
  round = Atomics.load(state, 0);
  const length = Atomics.load(state, 2);
  // A copy: a TextDecoder takes no shared memory.
  const { name, before, after, threads } = JSON.parse(text.decode(order.slice(0, length)));
  if (index >= threads) continue;
  // All begin together: whoever is here says so and looks until the last has come.
  Atomics.add(state, 3, 1);
  while (Atomics.load(state, 3) < threads);
  try {
    slots[index * 4] = process.hrtime.bigint();
    const result = exports[name](...before, index, ...after);
    slots[index * 4 + 1] = process.hrtime.bigint();
    slots[index * 4 + 2] = BigInt.asUintN(64, BigInt(result ?? 0));
  } catch (error) {
    fail(error);
  }
  arrive();
}
`;

const pending = [];
let rest = Buffer.alloc(0);
function receive() {
  while (pending.length === 0) {
    const chunk = Buffer.alloc(1 << 16);
    let size;
    try {
      size = fs.readSync(0, chunk, 0, chunk.length, null);
    } catch (error) {
      if (error.code === 'EAGAIN') continue;
      if (error.code === 'EOF') process.exit(0);
      throw error;
    }
    if (size === 0) process.exit(0);
    rest = Buffer.concat([rest, chunk.subarray(0, size)]);
    for (let end; (end = rest.indexOf(10)) >= 0; rest = rest.subarray(end + 1)) {
      pending.push(JSON.parse(rest.subarray(0, end).toString()));
    }
  }
  return pending.shift();
}
function send(message) {
  let bytes = Buffer.from(JSON.stringify(message) + '\n');
  while (bytes.length > 0) bytes = bytes.subarray(fs.writeSync(1, bytes));
}

let module, memory, first, names, control, times, state, slots, timeout;

// How long the others have when one of them failed, in milliseconds; as in team.rs.
const GRACE = 2000;

function waitForAll(count) {
  let end = Date.now() + timeout;
  for (let done; (done = Atomics.load(state, 1)) < count; ) {
    if (failed(count)) end = Math.min(end, Date.now() + GRACE);
    if (Date.now() > end || Atomics.wait(state, 1, done, Math.max(1, end - Date.now())) === 'timed-out') {
      check(count);
      throw Object.assign(new Error('a thread gives no answer'), { kind: 'timeout' });
    }
  }
}
function failed(count) {
  return [...Array(count).keys()].some((index) => slots[index * 4 + 3] !== 0n);
}
function check(count) {
  for (let index = 0; index < count; index++) {
    if (slots[index * 4 + 3] === 0n) continue;
    slots[index * 4 + 3] = 0n;
    const bytes = Buffer.from(new Uint8Array(control, 4096 + index * 512, 512).slice());
    const [kind, ...words] = bytes.toString().replace(/\0+$/, '').split(':');
    throw Object.assign(new Error(words.join(':')), { kind });
  }
}

const operations = {
  compile({ bytes, minimum, maximum, imports, timeout: limit }) {
    timeout = limit;
    module = new WebAssembly.Module(Buffer.from(bytes, 'hex'));
    memory = new WebAssembly.Memory({ initial: minimum, maximum, shared: true });
    names = imports;
    const given = {};
    for (const { module: from, name } of names) (given[from] ??= {})[name] = memory;
    first = new WebAssembly.Instance(module, given).exports;
    return {};
  },
  call({ name, arguments: values }) {
    if (typeof first[name] !== 'function') throw Object.assign(new Error('is not an exported function'), { kind: 'export' });
    const result = first[name](...values);
    if (result === undefined) return { values: [] };
    return { values: [typeof result === 'bigint' ? ['i64', String(BigInt.asIntN(64, result))] : ['i32', String(result | 0)]] };
  },
  read({ address, length }) {
    if (address + length > memory.buffer.byteLength) throw Object.assign(new Error('outside'), { kind: 'bounds' });
    return { bytes: Buffer.from(new Uint8Array(memory.buffer, address, length).slice()).toString('hex') };
  },
  hire({ count, address, bytes }) {
    control = new SharedArrayBuffer(4096 + count * 512);
    times = new SharedArrayBuffer(count * 32);
    state = new Int32Array(control);
    slots = new BigUint64Array(times);
    for (let index = 0; index < count; index++) {
      const workerData = { module, memory, index, address: address + index * bytes, bytes, control, times, names };
      new Worker(WORKER, { eval: true, workerData });
    }
    waitForAll(count);
    check(count);
    return {};
  },
  together({ name, before, after, threads }) {
    const order = Buffer.from(JSON.stringify({ name, before, after, threads }));
    new Uint8Array(control, 64, order.length).set(order);
    Atomics.store(state, 2, order.length);
    Atomics.store(state, 1, 0);
    Atomics.store(state, 3, 0);
    Atomics.add(state, 0, 1);
    Atomics.notify(state, 0);
    waitForAll(threads);
    check(threads);
    const all = [...Array(threads).keys()];
    const begin = all.map((index) => slots[index * 4]).reduce((a, b) => a < b ? a : b);
    const end = all.map((index) => slots[index * 4 + 1]).reduce((a, b) => a > b ? a : b);
    return { results: all.map((index) => String(slots[index * 4 + 2])), nanoseconds: Number(end - begin) };
  },
};

function kindOf(error) {
  if (error.kind) return error.kind;
  if (error instanceof WebAssembly.CompileError) return 'compile';
  if (error instanceof WebAssembly.LinkError) return 'link';
  if (error instanceof WebAssembly.RuntimeError) return 'trap';
  return 'other';
}

send({ ok: {} });
for (;;) {
  const message = receive();
  try {
    send({ ok: operations[message.operation](message) });
  } catch (error) {
    send({ error: kindOf(error), words: String(error?.message ?? error) });
  }
}
