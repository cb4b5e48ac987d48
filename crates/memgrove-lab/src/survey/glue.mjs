// Runs a program under the JavaScript that Emscripten made beside it: the glue is told the name it was started
// under, and asked for the status it ends with. Arguments: the glue, the module, the name.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [glue, wasm, name] = process.argv.slice(2);
const answer = (value) => {
  process.stdout.write("\n" + JSON.stringify(value) + "\n", () => process.exit(0));
};
globalThis.Module = {
  wasmBinary: readFileSync(wasm),
  thisProgram: name,
  arguments: [],
  quit: (status) => answer({ status, memory_bytes: globalThis.Module.asm?.memory?.buffer.byteLength ?? 0 }),
  onAbort: (what) => answer({ words: String(what) }),
};
// The glue ends the process with `main`'s status where it knows how to.
process.on("exit", (status) => {
  if (!globalThis.answered) process.stdout.write("\n" + JSON.stringify({ status, memory_bytes: 0 }) + "\n");
});
createRequire(import.meta.url)(glue);
