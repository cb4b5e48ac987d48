const v = require('./nodejs/rust_verkle_wasm.js');
const one = Buffer.alloc(32, 1), two = Buffer.alloc(32, 2);
console.log(hash(Buffer.from(v.pedersen_hash(Buffer.concat([one, two])) || [])));
