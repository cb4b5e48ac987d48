// A steady load on wasm-flate: it packs texts of changing length, one after the other, and keeps none.
//
// node leak.mjs MODULE ROUNDS [PROFILE]

import { readFileSync, writeFileSync } from "node:fs";
import { readProfile } from "../../../memgrove-profile/profile.mjs";

const [, , file, rounds, profile] = process.argv;
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)));
// Where wasm-bindgen's functions of that time return two numbers.
const RETURNED = 8;
let checksum = 0;
for (let round = 0; round < rounds; round++) {
  const text = Buffer.from(`round ${round}: `.repeat(100 + (round * 37) % 400));
  const input = exports.__wbindgen_malloc(text.length);
  new Uint8Array(exports.memory.buffer).set(text, input);
  exports.deflate_encode_raw(RETURNED, input, text.length);
  const [packed, length] = new Uint32Array(exports.memory.buffer, RETURNED, 2);
  for (const byte of new Uint8Array(exports.memory.buffer, packed, length)) checksum = (checksum * 31 + byte) >>> 0;
  exports.__wbindgen_free(packed, length);
}
console.log(`checksum ${checksum}, ${exports.memory.buffer.byteLength / 65536} pages`);
if (profile) writeFileSync(profile, readProfile(exports.memgrove_profile));
