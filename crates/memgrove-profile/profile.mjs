/**
 * The recording in the memory that a traced module exports as `memgrove_profile`, as the bytes of a profile.
 * If the module was made for one memory, `place` is what its export `memgrove_profile_place` returns.
 */
export function readProfile(memory, place = 0) {
  const bytes = new Uint8Array(memory.buffer, place >>> 0);
  const header = new DataView(memory.buffer, place >>> 0);
  const HEADER_BYTES = 96, NODES = 0x150000, NODE_BYTES = 32;
  const LOG = header.getUint32(12, true);
  const at = header.getUint32(HEADER_BYTES, true) || NODES;
  const nodes = bytes.subarray(at, at + NODE_BYTES * header.getUint32(24, true));
  const log = bytes.subarray(LOG, header.getUint32(16, true));
  const profile = new Uint8Array(HEADER_BYTES + nodes.length + log.length);
  profile.set(bytes.subarray(0, HEADER_BYTES));
  profile.set(nodes, HEADER_BYTES);
  profile.set(log, HEADER_BYTES + nodes.length);
  return profile;
}

/**
 * What the header of a profile says: the SHA-256 of the module that it is of, in hexadecimal, and whether it is one of
 * several that are read together, as instances with one memory make them.
 */
export function describeProfile(profile) {
  const header = new DataView(profile.buffer, profile.byteOffset);
  const STATE = 8, NUMBERED = 32, ORIGINAL = 64, HASH_BYTES = 32;
  const hash = profile.subarray(ORIGINAL, ORIGINAL + HASH_BYTES);
  return {
    original: Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join(''),
    isOneOfSeveral: (header.getUint32(STATE, true) & NUMBERED) !== 0,
  };
}
