const f = require('./wasm_flate.js');
for (const length of [1000, 9e6, 200000]) {
  const packed = f.deflate_encode_raw(bytes(length));
  console.log(packed.length, hash(packed), hash(f.deflate_decode_raw(packed)));
}
