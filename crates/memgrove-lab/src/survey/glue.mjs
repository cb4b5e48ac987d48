// Runs a program under the JavaScript that Emscripten made beside it: the glue is told the name it was started
// under, and asked for the status it ends with. Arguments: the glue, the module, the name.
//
// The glue is a script for the global scope: only there does it see the `Module` it is given. Given the module's
// bytes, it does not try to fetch them, which old glue does wrongly on a Node that has `fetch`.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { runInThisContext } from "node:vm";

const [glue, wasm, name] = process.argv.slice(2);
const answer = (value) => process.stdout.write("\n" + JSON.stringify(value) + "\n", () => process.exit(0));
const memoryBytes = () => (Module.asm ?? Module.wasmExports ?? {}).memory?.buffer.byteLength ?? 0;

globalThis.require = createRequire(glue);
globalThis.__dirname = dirname(glue);
globalThis.__filename = glue;
globalThis.Module = {
  wasmBinary: readFileSync(wasm),
  thisProgram: name,
  arguments: [],
  quit: (status) => answer({ status, memory_bytes: memoryBytes() }),
  onAbort: (what) => answer({ words: String(what) }),
};
runInThisContext(readFileSync(glue, "utf8"), { filename: glue });
