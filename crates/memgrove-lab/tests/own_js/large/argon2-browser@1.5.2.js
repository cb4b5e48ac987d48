// Its memory has the length that its glue asks for, and does not grow.
const fs = require('fs'), vm = require('vm');
const M = { wasmBinary: fs.readFileSync('dist/argon2.wasm'), ENVIRONMENT: 'SHELL', print() {}, read() {} };
M.postRun = () => {
  const put = s => { const p = M._malloc(s.length + 1); M.HEAPU8.set(Buffer.from(s + '\0'), p); return p };
  for (const kib of [256, 4096, 9000]) {
    const out = M._malloc(32), enc = M._malloc(512);
    const pwd = put('password' + kib), salt = put('somesalt');
    console.log(M._argon2_hash(1, kib, 1, pwd, 8, salt, 8, out, 32, enc, 512, 1, 0x13));
    show(M.HEAPU8.slice(out, out + 32));
    [pwd, salt, enc].forEach(p => M._free?.(p));
  }
};
vm.runInThisContext('(function(Module, require, module, exports, process){' +
  fs.readFileSync('dist/argon2.js') + '})')(M, require, { exports: {} }, {}, undefined);
