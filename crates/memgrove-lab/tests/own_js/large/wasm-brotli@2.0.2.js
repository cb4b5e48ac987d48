const b = require('./wasm_brotli_nodejs.js'), zlib = require('zlib');
const packed = zlib.brotliCompressSync(bytes(24e6), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } });
console.log(hash(b.decompress(packed)), hash(b.compress(bytes(200000))));
