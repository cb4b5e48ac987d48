#!/usr/bin/env node
// `npx memgrove`: the commands that need no engine but this one. Statuses and documents are those of the native tool.
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { MemgroveError, about, fix, render } from './memgrove.js';

const HELP = `Usage: memgrove inspect [OPTIONS] FILE...
       memgrove fix [OPTIONS] FILE -o OUT

inspect   what a module's memory is, what made it and where it runs
  --json               one JSON document
  --format FORMAT      text, table, json, ndjson
  --html OUT           also write a report as one self-contained HTML file
  -v, --verbose        with the evidence for each conclusion
  --host FILE          add a host profile (TOML); may be repeated

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

FILE is a module, a component, .wat, JavaScript with modules inlined, or one of these compressed; - is standard input.
Exit status: 0 done, 1 failed, 2 not understood, 3 the answer is no, 4 written but not verified.
`;

const options = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'V' },
  json: { type: 'boolean' },
  format: { type: 'string' },
  html: { type: 'string' },
  verbose: { type: 'boolean', short: 'v' },
  host: { type: 'string', multiple: true },
  output: { type: 'string', short: 'o' },
  'dry-run': { type: 'boolean', short: 'n' },
  stub: { type: 'string', multiple: true },
  trap: { type: 'string', multiple: true },
  allocator: { type: 'string' },
  lower: { type: 'string', multiple: true },
  discard: { type: 'string' },
  glue: { type: 'string' },
  partial: { type: 'boolean' },
  'accept-unverified': { type: 'boolean' },
};

class Usage extends Error {}

async function main() {
  let parsed;
  try {
    parsed = parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new Usage(error.message);
  }
  const { values, positionals: [command, ...files] } = parsed;
  if (values.version) return void console.log(`memgrove ${(await about()).version}`);
  if (values.help || command === undefined || command === 'help') return void process.stdout.write(HELP);
  if (command === 'inspect') return runInspect(values, files);
  if (command === 'fix') return runFix(values, files);
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
  const json = await render(files, { as: 'json', hosts });
  for (const { file, error } of JSON.parse(json).files) {
    if (!error) continue;
    complain(`${file}: ${error.message}`, error.hint);
    status = 1;
  }
  process.stdout.write(as === 'json' ? json : await render(files, { as, hosts, verbose: values.verbose }));
  if (values.html) await replace(values.html, await render(files, { as: 'html', hosts }));
  process.exitCode = status;
}

async function runFix(values, paths) {
  if (paths.length !== 1) throw new Usage('fix wants one FILE');
  if (!values.output && !values['dry-run']) throw new Usage('fix wants --output, or --dry-run');
  const [host = 'bare'] = values.host ?? [];
  const result = await fix({ name: paths[0], bytes: await read(paths[0]) }, {
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
  });
  process.stdout.write(values.json ? result.json : result.text);
  if (result.refusal) process.stderr.write(`nothing written: ${visible(result.refusal)}\n`);
  if (result.wasm && values.output) await replace(values.output, result.wasm);
  process.exitCode = result.exit === 4 && values['accept-unverified'] ? 0 : result.exit;
}

const list = (given) => given?.flatMap((one) => one.split(','));

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
