const M = require('module'), load = M._load, zlib = require('zlib');
M._load = (name, ...rest) => name === '@canvas/image-data'
  ? class { constructor(data, width, height) { Object.assign(this, { data, width, height }) } } : load(name, ...rest);
const png = require('./');
const table = Array.from({ length: 256 }, (_, n) => { for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ n >>> 1 : n >>> 1; return n >>> 0 });
const crc = b => { let c = ~0; for (const x of b) c = table[(c ^ x) & 255] ^ c >>> 8; return ~c >>> 0 };
const chunk = (t, d) => {
  const b = Buffer.concat([Buffer.from(t), d]), o = Buffer.alloc(8 + b.length);
  o.writeUInt32BE(d.length, 0); b.copy(o, 4); o.writeUInt32BE(crc(b), 4 + b.length); return o
};
for (const side of [64, 700, 1500, 300]) {
  const raw = Buffer.alloc(side * (1 + side * 4)), rows = bytes(raw.length);
  for (let y = 0; y < side; y++) rows.copy(raw, y * (1 + side * 4) + 1, y * side * 4, (y + 1) * side * 4);
  const head = Buffer.alloc(13); head.writeUInt32BE(side, 0); head.writeUInt32BE(side, 4); head.set([8, 6, 0, 0, 0], 8);
  const image = png.decode(Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head),
    chunk('IDAT', zlib.deflateSync(raw)), chunk('IEND', Buffer.alloc(0))]));
  console.log(image.width, image.height, hash(image.data));
}
