const b = require('./binary_info.js');
for (const length of [64, 12e6, 4096]) {
  const d = Buffer.alloc(length);
  d.set([0x7f, 69, 76, 70, 2, 1, 1]); d[16] = 2; d[18] = 62; d[20] = 1; d[52] = 64; d[54] = 56; d[58] = 64;
  const r = b.detect(d);
  console.log(r.platform, r.arch);
}
