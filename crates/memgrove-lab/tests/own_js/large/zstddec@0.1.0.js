// A frame of blocks that each repeat one byte.
const blocks = 1100, length = 128 * 1024, parts = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x80, 0x58, 0, 0, 0, 0])];
parts[0].writeUInt32LE(blocks * length, 6);
for (let at = 0; at < blocks; at++) {
  const head = Buffer.alloc(4);
  head.writeUIntLE(length << 3 | 1 << 1 | (at === blocks - 1 ? 1 : 0), 0, 3);
  head[3] = at & 255;
  parts.push(head);
}
const { ZSTDDecoder } = require('./dist/zstddec.cjs'), z = new ZSTDDecoder();
z.init().then(() => {
  const frame = Buffer.concat(parts);
  console.log(hash(z.decode(frame, blocks * length)), hash(z.decode(frame, blocks * length)));
});
