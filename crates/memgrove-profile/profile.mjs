/** The recording in the memory that a traced module exports as `memgrove_profile`, as the bytes of a profile. */
export function readProfile(memory) {
  const bytes = new Uint8Array(memory.buffer);
  const header = new DataView(memory.buffer);
  const HEADER_BYTES = 96, NODES = 0x150000, NODE_BYTES = 32;
  const LOG = header.getUint32(12, true);
  const nodes = bytes.subarray(NODES, NODES + NODE_BYTES * header.getUint32(24, true));
  const log = bytes.subarray(LOG, header.getUint32(16, true));
  const profile = new Uint8Array(HEADER_BYTES + nodes.length + log.length);
  profile.set(bytes.subarray(0, HEADER_BYTES));
  profile.set(nodes, HEADER_BYTES);
  profile.set(log, HEADER_BYTES + nodes.length);
  return profile;
}
