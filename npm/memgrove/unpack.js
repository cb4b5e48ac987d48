// Unpacks memgrove.wasm.zst. `UNPACKER`, the module that does, is put here by `cargo xtask npm`: see crates/memgrove-unpack.
const UNPACKER = '';

/** Whether bytes are packed, or a module as it is. */
export function isPacked(bytes) {
  return bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd;
}

/** A module's bytes, unpacked. */
export function unpacked(packed) {
  if (!isPacked(packed)) return packed;
  const module = new WebAssembly.Module(Uint8Array.from(atob(UNPACKER), (c) => c.charCodeAt(0)));
  const { memory, memgrove_buffer, memgrove_unpack, memgrove_unpacked } = new WebAssembly.Instance(module).exports;
  const address = memgrove_buffer(packed.length) >>> 0;
  new Uint8Array(memory.buffer, address, packed.length).set(packed);
  const length = memgrove_unpack() >>> 0;
  if (length === 0) throw new Error('memgrove.wasm.zst is damaged');
  return new Uint8Array(memory.buffer, memgrove_unpacked() >>> 0, length);
}
