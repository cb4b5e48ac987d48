// Runs a program under register.js and says what its modules' heaps did; reads folders of recordings.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeProfile } from './profile.js';

/** The file of a module beside its recordings, by its SHA-256 in hexadecimal. */
export const moduleName = (hash) => `${hash.slice(0, 12)}.wasm`;

/**
 * Runs Node with every module instrumented.
 * @param {string[]} args of Node: the program and its arguments
 * @param {{operation: string, options: object, out: string}} settings see register.js
 * @returns {Promise<number>} the status with which it ended; 128 and the number of the signal that ended it
 */
export function runNode(args, settings) {
  const register = new URL('./register.js', import.meta.url).href;
  const env = { ...process.env, MEMGROVE_REGISTER: JSON.stringify({ ...settings, says: false }) };
  const child = spawn(process.execPath, ['--import', register, ...args], { stdio: 'inherit', env });
  // A terminal sends signals to both: the program decides how it ends, and is heard of.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (status, signal) => resolve(signal ? 128 + constants.signals[signal] : status));
  });
}

/** A folder for recordings that nobody wants to keep; `remove` takes it away. */
export async function temporary() {
  const folder = await mkdtemp(join(tmpdir(), 'memgrove-'));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/**
 * What threads and processes wrote into a folder: the recordings with their modules, modules that were left as they
 * are, and what was lost.
 */
export async function readFolder(folder) {
  const found = { recordings: [], untouched: [], lost: [] };
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort(byNumbers);
  for (const name of names) {
    const { recordings, untouched, lost } = JSON.parse(await readFile(join(folder, name), 'utf8'));
    found.untouched.push(...untouched);
    found.lost.push(...lost);
    for (const recording of recordings) {
      const profile = await readFile(join(folder, recording));
      const { original, isOneOfSeveral } = describeProfile(profile);
      const name = moduleName(original);
      const bytes = await readFile(join(folder, name)).catch(() => null);
      found.recordings.push({
        name: recording,
        process: Number.parseInt(recording, 10),
        profile,
        isOneOfSeveral,
        module: bytes && { name, bytes },
      });
    }
  }
  return found;
}

function byNumbers(a, b) {
  return a.localeCompare(b, 'en', { numeric: true });
}
