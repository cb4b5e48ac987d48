#!/usr/bin/env node
// `npx memgrove`: the commands that need no engine but this one. Statuses and documents are those of the native tool.
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { parseArgs } from 'node:util';
import { MemgroveError, about, check, fix, load, render, swap, trace } from './memgrove.js';
import { readFolder, runNode, temporary } from './recorded.js';

const HELP = `Usage: memgrove inspect [OPTIONS] FILE...
       memgrove fix [OPTIONS] FILE -o OUT
       memgrove swap [OPTIONS] FILE --to HEAP -o OUT
       memgrove trace [OPTIONS] node APP.js [ARG...]
       memgrove trace [OPTIONS] FILE -o OUT, and later FILE --profile RECORDING
       memgrove check, likewise

inspect   what a module's memory is, what made it and where it runs
  --json               one JSON document
  --format FORMAT      text, table, json, ndjson
  --html OUT           also write a report as one self-contained HTML file
  -v, --verbose        with the evidence for each conclusion
  --host FILE          add a host profile (TOML); may be repeated
  --require HOST       status 3 unless every module runs on this host; with --allow-conditions, under conditions, too
  --policy FILE        status 3 unless every module meets the policy in FILE

fix       a module that runs anywhere, from one that needs its host
  -o, --output OUT     where to write it
  -n, --dry-run        only say what would be done
  --host HOST          the host it is for: an id, or a TOML file  [default: bare]
  --stub GROUP         what may be answered by something poorer  [default: all]
  --trap NAME          what traps when called instead of staying an import
  --allocator wee      the heap for imported malloc and free
  --lower PROPOSALS    write in WebAssembly 1.0 what can be: proposals, host or all
  --discard WAY        lower or raise: what becomes of giving memory back
  --glue JS            Emscripten's JavaScript beside the module
  --partial            write it even if imports stay
  --accept-unverified  status 0 although nothing of it could be run
  --json               the plan and the verification as JSON

swap      another allocator in place of the module's own
  --to HEAP            wee, dlmalloc, jemalloc, hoard or hardened
  -o, -n, --json, --accept-unverified: as for fix

trace     what the heaps of a program's modules do, and who asks for memory
check     misuse of these heaps: use after free, overflow, double free and more
  node APP.js ...      run it with every module instrumented, then say what was recorded
  --read FOLDER        say it of recordings that node --import memgrove/register has written
  -o, --output OUT     write the instrumented module
  --profile RECORDING  say what a recording of FILE says
  --diff A B           what grew from one recording of FILE to another
  --save FOLDER        keep the recordings, each with its module
  --json               as JSON
  --top COUNT          stacks in each list  [default: 5]
  --no-call-sites      tell functions apart in stacks, not calls
  --max-log SIZE       the most memory that a recording may take, in bytes
 of trace and check:
  --alloc FUNC=ROLE    the allocator's functions, where they are not known
 of trace:
  --html OUT           a page with timeline, flame graph and call sites; likewise --collapsed, --dhat, --pprof,
                       --firefox, --speedscope, --heaptrack and --mgtr, for other tools
  --no-stacks          sizes and blocks only
  --one-memory         for engines that know one memory only; node is asked itself
  --sample BYTES       one block in so many bytes; --seed NUMBER chooses them
 of check:
  --by-call            check by calls in loops, too, not in line: slower, and fewer bytes
  --no-sites           report accesses by function, width and kind, without offset or line: a shorter module
  --exact FUNC         test the reads of this function to the byte, also in the word that holds the end of a block
  --layout LAYOUT      apart: red zones between blocks, freed ones in quarantine; same: where they lie without a check
  --fail-on KINDS      status 3 for these kinds only; by default for every kind but leak and lost
  --suppress FILE      lines KIND:FUNCTION of reports that are not wanted
  --sarif OUT          the reports as SARIF 2.1.0

FILE is a module, a component, .wat, JavaScript with modules inlined, or one of these compressed; - is standard input.
Exit status: 0 done, 1 failed, 2 not understood, 3 the answer is no, 4 written but not verified.
`;

const flag = { type: 'boolean' };
const word = { type: 'string' };
const words = { type: 'string', multiple: true };
/** Other tools' formats, by option. */
const FORMATS = ['html', 'collapsed', 'dhat', 'pprof', 'firefox', 'speedscope', 'heaptrack', 'mgtr', 'sarif'];

const options = {
  help: { ...flag, short: 'h' }, version: { ...flag, short: 'V' },
  json: flag, require: words, 'allow-conditions': flag, policy: word, format: word, verbose: { ...flag, short: 'v' }, host: words,
  output: { ...word, short: 'o' }, 'dry-run': { ...flag, short: 'n' },
  stub: words, trap: words, allocator: word, lower: words, discard: word, glue: word, partial: flag,
  'accept-unverified': flag,
  to: word,
  read: word, profile: word, diff: flag, save: word, top: word, 'no-call-sites': flag, 'max-log': word,
  alloc: words, 'no-stacks': flag, 'one-memory': flag, sample: word, seed: word,
  'by-call': flag, 'no-sites': flag, exact: words, layout: word, 'fail-on': words, suppress: word,
  ...Object.fromEntries(FORMATS.map((name) => [name, word])),
};

class Usage extends Error {}

async function main() {
  const given = process.argv.slice(2);
  // What stands behind `node` is the program's.
  const { tokens } = parseArgs({ args: given, options, allowPositionals: true, strict: false, tokens: true });
  const [first, second] = tokens.filter(({ kind }) => kind === 'positional');
  const isProgram = ['trace', 'check'].includes(first?.value) && second?.value === 'node';
  const [own, program] = isProgram ? [given.slice(0, second.index), given.slice(second.index + 1)] : [given, null];
  let parsed;
  try {
    parsed = parseArgs({ args: own, options, allowPositionals: true });
  } catch (error) {
    throw new Usage(error.message);
  }
  const { values, positionals: [command, ...files] } = parsed;
  if (values.version) return void console.log(`memgrove ${(await about()).version}`);
  if (values.help || command === undefined || command === 'help') return void process.stdout.write(HELP);
  if (command === 'inspect') return runInspect(values, files);
  if (command === 'fix') return runFix(values, files);
  if (command === 'swap') return runSwap(values, files);
  if (command === 'trace' || command === 'check') return runRecorded(command, values, files, program);
  throw new Usage(`there is no command ${JSON.stringify(command)}`);
}

async function runInspect(values, paths) {
  if (paths.length === 0) throw new Usage('inspect wants a FILE');
  const hosts = await Promise.all((values.host ?? []).map((path) => readFile(path, 'utf8')));
  const files = [];
  let status = 0;
  for (const path of paths) {
    try {
      files.push({ name: path, bytes: await read(path) });
    } catch (error) {
      complain(`${path}: ${error.message}`);
      status = 1;
    }
  }
  const as = values.json ? 'json' : values.format ?? (files.length > 1 ? 'table' : 'text');
  const { text, failures, faults } = (await load()).report(files, {
    as,
    hosts,
    verbose: values.verbose,
    policy: values.policy && await readFile(values.policy, 'utf8'),
    require: list(values.require),
    allowConditions: values['allow-conditions'],
  });
  for (const { file, message, hint } of failures) {
    complain(`${file}: ${message}`, hint);
    status = 1;
  }
  for (const { file, message } of faults) {
    complain(`${file}: ${message}`);
    status ||= 3;
  }
  process.stdout.write(text);
  if (values.html) await replace(values.html, await render(files, { as: 'html', hosts }));
  process.exitCode = status;
}

async function runFix(values, paths) {
  if (paths.length !== 1) throw new Usage('fix wants one FILE');
  const [host = 'bare'] = values.host ?? [];
  await write(values, 'fix', async () => fix({ name: paths[0], bytes: await read(paths[0]) }, {
    output: values.output,
    dryRun: values['dry-run'],
    host,
    hostProfile: host.endsWith('.toml') ? await readFile(host, 'utf8') : undefined,
    stub: list(values.stub),
    trap: list(values.trap),
    allocator: values.allocator,
    lower: list(values.lower),
    discard: values.discard,
    glue: values.glue === undefined ? undefined : await readFile(values.glue, 'utf8'),
    partial: values.partial,
  }));
}

async function runSwap(values, paths) {
  if (paths.length !== 1) throw new Usage('swap wants one FILE');
  if (!values.to) throw new Usage('swap wants --to HEAP');
  await write(values, 'swap', async () => swap({ name: paths[0], bytes: await read(paths[0]) }, {
    output: values.output,
    dryRun: values['dry-run'],
    to: values.to,
  }));
}

/** Makes a module, says what was done, and writes it where it is to be used. */
async function write(values, command, make) {
  if (!values.output && !values['dry-run']) throw new Usage(`${command} wants --output, or --dry-run`);
  const result = await make();
  process.stdout.write(values.json ? result.json : result.text);
  if (result.refusal && !(command === 'swap' && result.verdict === null)) {
    process.stderr.write(`nothing written: ${visible(result.refusal)}\n`);
  }
  if (result.wasm && values.output) await replace(values.output, result.wasm);
  process.exitCode = result.exit === 4 && values['accept-unverified'] ? 0 : result.exit;
}

/** `trace` and `check`: a program that is run, a folder or a file that was recorded, or a module to be instrumented. */
async function runRecorded(command, values, paths, program) {
  const instrumenting = command === 'trace'
    ? { alloc: list(values.alloc), stacks: !values['no-stacks'], callSites: !values['no-call-sites'], sample: number(values.sample, 'sample'), seed: number(values.seed, 'seed'), oneMemory: values['one-memory'], maxLog: number(values['max-log'], 'max-log') }
    : { alloc: list(values.alloc), callSites: !values['no-call-sites'], inLine: !values['by-call'], sites: !values['no-sites'], exact: list(values.exact), layout: values.layout, maxLog: number(values['max-log'], 'max-log') };
  const reading = {
    top: number(values.top, 'top'),
    ...(command === 'check' && { failOn: list(values['fail-on']), suppress: values.suppress && await readFile(values.suppress, 'utf8') }),
  };
  if (program) {
    if (program.length === 0) throw new Usage(`${command} node wants a program`);
    const kept = values.save ? { folder: values.save, remove() {} } : await temporary();
    try {
      const status = await runNode(program, { operation: command, options: instrumenting, out: kept.folder });
      const found = await sayFolder(kept.folder, values, reading);
      if (status !== 0) process.stderr.write(`memgrove: the program ended with exit status ${status}\n`);
      process.exitCode = found ? 3 : status === 0 ? 0 : 1;
    } finally {
      await kept.remove();
    }
    return;
  }
  if (values.read) {
    process.exitCode = (await sayFolder(values.read, values, reading)) ? 3 : 0;
    return;
  }
  const [path, ...more] = paths;
  if (path === undefined) throw new Usage(`${command} wants node and a program, or a FILE`);
  const file = { name: path, bytes: await read(path) };
  if (values.output) {
    const { wasm, functions, notes } = await (command === 'trace' ? trace : check)(file, instrumenting);
    for (const { func, role } of functions) process.stderr.write(`note: function ${func} is ${role}\n`);
    for (const note of notes) process.stderr.write(`note: ${visible(note)}\n`);
    await replace(values.output, wasm);
    return;
  }
  const recordings = values.diff ? more : values.profile ? [values.profile] : [];
  if (recordings.length !== (values.diff ? 2 : 1)) throw new Usage(`${command} wants --output, --profile or --diff for a FILE`);
  const bytes = await Promise.all(recordings.map((recording) => readFile(recording)));
  process.exitCode = (await say(file, bytes, values, reading, '')) ? 3 : 0;
}

/** Says what all recordings in a folder say; whether there is something to fail for. */
async function sayFolder(folder, values, reading) {
  const { recordings, untouched, lost } = await readFolder(folder);
  let fails = false;
  for (const [at, { module, profiles }] of group(recordings).entries()) {
    const together = profiles.length > 1;
    fails = (await say(module, profiles, values, { ...reading, together }, at === 0 ? '' : `-${at + 1}`)) || fails;
  }
  for (const { name, module } of recordings) {
    if (!module) complain(`${name}: the module that it is a recording of is not in ${folder}`);
  }
  for (const { module, bytes, why } of untouched) {
    process.stderr.write(`note: a module of ${bytes} bytes (${module}) was left as it is: ${visible(why)}\n`);
  }
  for (const { thread, why } of lost) process.stderr.write(`warning: the recordings of thread ${thread} are lost: ${visible(why)}\n`);
  if (recordings.length === 0 && untouched.length === 0) process.stderr.write('note: the program instantiated no module\n');
  return fails;
}

/** Modules with their recordings. Those that threads with one memory wrote belong together. */
function group(recordings) {
  const groups = new Map();
  for (const { name, process, profile, isOneOfSeveral, module } of recordings) {
    if (!module) continue;
    const key = isOneOfSeveral ? `${process} ${module.name}` : name;
    if (!groups.has(key)) groups.set(key, { module, profiles: [] });
    groups.get(key).profiles.push(profile);
  }
  return [...groups.values()];
}

/** Says what one recording says, or what two differ in, and writes the formats that are asked for. */
async function say(file, recordings, values, reading, suffix) {
  const core = await load();
  for (const as of FORMATS) {
    if (values[as] === undefined) continue;
    const end = extname(values[as]);
    const path = `${values[as].slice(0, values[as].length - end.length)}${suffix}${end}`;
    await replace(path, core.renderProfile(file, recordings, { as, ...reading }).bytes);
  }
  const { bytes, fails, notes = [] } = core.renderProfile(file, recordings, { as: values.json ? 'json' : 'text', ...reading });
  process.stdout.write(bytes);
  for (const note of notes) process.stderr.write(`note: ${visible(note)}\n`);
  return fails;
}

const list = (given) => given?.flatMap((one) => one.split(','));

function number(text, option) {
  if (text === undefined) return undefined;
  const [, digits, unit = ''] = /^(\d+)(KiB|MiB|GiB)?$/.exec(text) ?? [];
  if (digits === undefined) throw new Usage(`--${option} ${JSON.stringify(text)} is no number`);
  return Number(digits) * { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }[unit];
}

async function read(path) {
  if (path !== '-') return readFile(path);
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Writes a file at once or not at all. */
async function replace(path, contents) {
  const beside = `${path}.${process.pid}.part`;
  try {
    await writeFile(beside, contents, { flag: 'wx' });
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

function complain(message, hint) {
  process.stderr.write(`error: ${visible(message)}\n`);
  if (hint) process.stderr.write(`hint: ${visible(hint)}\n`);
}

/** No name of a file forges output: what controls a terminal or the direction of text is written as its number. */
function visible(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

main().catch((error) => {
  complain(error instanceof MemgroveError || error instanceof Usage || error.code ? error.message : error.stack, error.hint);
  if (error instanceof Usage) process.stderr.write('hint: memgrove --help\n');
  process.exitCode = error instanceof Usage ? 2 : 1;
});
