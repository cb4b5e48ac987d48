// 128 MiB for the hash, and blocks that come and go around it.
const fs = require('fs'), vm = require('vm');
globalThis.self = { Module: { wasmBinary: fs.readFileSync('dist/argon2.wasm') } };
const M = globalThis.self.Module;
M.postRun = () => {
  const put = s => { const p = M._malloc(s.length + 1); M.HEAPU8.set(Buffer.from(s + '\0'), p); return p };
  for (const kib of [256, 4096, 131072]) {
    const out = M._malloc(32), enc = M._malloc(256);
    const pwd = put('password' + kib), salt = put('somesalt');
    console.log(M._argon2_hash(1, kib, 1, pwd, 8, salt, 8, out, 32, enc, 256, 1, 0x13));
    show(M.HEAPU8.slice(out, out + 32));
    [pwd, salt, enc].forEach(p => M._free(p));
  }
};
vm.runInThisContext('(function(require, module, exports, __dirname, __filename, process){' +
  fs.readFileSync('dist/argon2.js') + '})')(require, { exports: {} }, {}, process.cwd(), '', undefined);
