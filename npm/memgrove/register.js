// `node --import memgrove/register app.js`: every module that the process instantiates is traced or checked, in workers, too.
// What is done is in the variable MEMGROVE_REGISTER, as JSON: see `defaults`. `npx memgrove trace node app.js` sets it.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { isMainThread, threadId, BroadcastChannel, Worker } from 'node:worker_threads';
import { Core, severalMemories } from './core.js';
import { hook } from './hook.js';
import { readProfile } from './profile.js';
import { moduleName } from './recorded.js';
import { unpacked } from './unpack.js';

const defaults = {
  /** `trace` or `check`. */
  operation: 'trace',
  /** Options of that function. */
  options: {},
  /** The folder for recordings, each with the module that it is of. */
  out: 'memgrove-recordings',
  /** The folder for instrumented modules, by the hash of the original; null for none. */
  cache: join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'memgrove'),
  /** Says on standard error what was recorded. */
  says: true,
};
const settings = { ...defaults, ...JSON.parse(process.env.MEMGROVE_REGISTER || '{}') };
if (settings.operation === 'trace') settings.options = { oneMemory: !severalMemories(), ...settings.options };
const out = resolve(settings.out);
/** How long a thread is waited for that is to be ended, in milliseconds. */
const PATIENCE_MS = 1000;

/** What this thread has to say at its end; see `finish`. */
const recordings = new Set();
const untouched = new Map();
const lost = [];
let written = 0;

const core = new Core(new WebAssembly.Module(unpacked(readFileSync(new URL('./memgrove.wasm.zst', import.meta.url)))));
const { version } = core.about();

function hashOf(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Writes a file at once or not at all: other threads and processes write the same ones. */
function put(path, contents) {
  const beside = `${path}.${process.pid}-${threadId}.part`;
  writeFileSync(beside, contents, { mode: 0o600 });
  renameSync(beside, path);
}

/** The module to be compiled in place of one; null where that is the module itself. */
function instrument(bytes) {
  if (!WebAssembly.validate(bytes)) return null;
  const hash = hashOf(bytes);
  const about = JSON.stringify([version, settings.operation, settings.options]);
  const cached = settings.cache && join(settings.cache, `${hash}-${hashOf(about).slice(0, 16)}.wasm`);
  try {
    const wasm = cached && existsSync(cached) ? readFileSync(cached) : made(bytes, hash, cached);
    if (!WebAssembly.validate(wasm)) throw new Error('it needs an engine with several memories, such as that of Node 22');
    // It is read with the recording, and may be instantiated in another thread.
    mkdirSync(out, { recursive: true });
    const beside = join(out, moduleName(hash));
    if (!existsSync(beside)) put(beside, bytes);
    return wasm;
  } catch (error) {
    untouched.set(hash, { module: hash.slice(0, 12), bytes: bytes.length, why: error.message });
    return null;
  }
}

function made(bytes, hash, cached) {
  const { wasm } = core[settings.operation](bytes, { name: hash.slice(0, 12), ...settings.options });
  if (cached) {
    mkdirSync(settings.cache, { recursive: true, mode: 0o700 });
    put(cached, wasm);
  }
  return wasm;
}

const collected = new FinalizationRegistry((recording) => write(recording));

function started({ instance, memory, place, finish }) {
  // A function of it keeps the instance; without one, only the memory with the recording is kept.
  const recording = { memory, place, finish };
  recordings.add(recording);
  if (!finish && !place) collected.register(instance, recording);
  announce();
}

/** Writes a recording. */
function write(recording) {
  if (!recordings.delete(recording)) return;
  const name = `${process.pid}-${threadId}-${written++}`;
  try {
    recording.finish?.();
    const profile = readProfile(recording.memory, recording.place?.());
    put(join(out, `${name}.mgpr`), profile);
    list.push(`${name}.mgpr`);
  } catch (error) {
    lost.push({ thread: threadId, why: error.message });
  }
}
const list = [];

let isFinished = false;
/** Writes all that there is; the thread's list says what. */
function finish() {
  for (const recording of [...recordings]) write(recording);
  putList();
  Atomics.store(isWritten, 0, 1);
  Atomics.notify(isWritten, 0);
}

function putList() {
  if (!isMainThread && list.length + untouched.size + lost.length === 0) return;
  mkdirSync(out, { recursive: true });
  put(join(out, `${process.pid}-${threadId}.json`), JSON.stringify({ operation: settings.operation, recordings: list, untouched: [...untouched.values()], lost }));
  if (!isMainThread || isFinished || !settings.says) return;
  isFinished = true;
  const words = list.length === 1 ? '1 recording' : `${list.length} recordings`;
  process.stderr.write(`memgrove: ${words} in ${settings.out}; npx memgrove ${settings.operation} --read ${settings.out}\n`);
}

// Modules that are imported as ES modules come here, too: Node's loader uses the same functions.
hook(instrument, started, (error) => lost.push({ thread: threadId, why: `its start function ended with ${error}` }));

// The end of a thread, in all its forms. A worker that is ended from outside hears nothing of it, so it is asked before.
const channel = new BroadcastChannel(`memgrove-${process.pid}`);
channel.unref();
/** Other threads that record something, by id: a number in shared memory that is 1 once all of it is written. */
const threads = new Map();
/** This thread's. */
const isWritten = new Int32Array(new SharedArrayBuffer(4));
let isAnnounced = false;

function announce() {
  if (isMainThread || isAnnounced) return;
  isAnnounced = true;
  channel.postMessage({ from: threadId, isWritten });
}

channel.onmessage = ({ data }) => {
  if (data.from !== undefined) threads.set(data.from, data.isWritten);
  if (data.write === threadId) finish();
};

const { terminate } = Worker.prototype;
Worker.prototype.terminate = async function () {
  const { threadId } = this;
  for (const end = Date.now() + PATIENCE_MS; isWaitedFor(threadId) && Date.now() < end;) {
    await new Promise((then) => setTimeout(then, 5));
  }
  noteLost(threadId);
  return terminate.call(this);
};

/** Whether another thread still has something to write; it is asked to. */
function isWaitedFor(thread) {
  const isWritten = threads.get(thread);
  if (!isWritten || Atomics.load(isWritten, 0) === 1) return false;
  channel.postMessage({ write: thread });
  return true;
}

/** A busy thread hears nothing, so what it has is lost. */
function noteLost(thread) {
  const isWritten = threads.get(thread);
  threads.delete(thread);
  if (isWritten && Atomics.load(isWritten, 0) !== 1) lost.push({ thread, why: 'its worker was busy when it was ended' });
}

/** Writes what this thread has, and in the main thread waits for the others. */
function end() {
  for (const thread of isMainThread ? [...threads.keys()] : []) {
    if (isWaitedFor(thread)) Atomics.wait(threads.get(thread), 0, 0, PATIENCE_MS);
    noteLost(thread);
  }
  finish();
}
process.on('exit', end);

if (isMainThread) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    const onSignal = () => {
      // Where the program has an ear of its own, it decides how it ends.
      if (process.listenerCount(signal) > 1) return;
      end();
      process.off(signal, onSignal);
      process.kill(process.pid, signal);
    };
    process.on(signal, onSignal);
  }
}
