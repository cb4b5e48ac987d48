const M = require('module'), load = M._load;
M._load = (name, ...rest) => name === 'lru-cache' ? class extends Map { constructor() { super() } } : load(name, ...rest);
const o = require('./lib/index.js');
o.loadWASM(Uint8Array.from(require('fs').readFileSync('./lib/onigasm.wasm')).buffer).then(() => {
  const out = [];
  for (let i = 0; i < 300; i++) {
    const r = new o.OnigRegExp('(a+|' + 'x'.repeat(i) + ')(b|c){' + (1 + i % 3) + '}');
    out.push(r.searchSync('xx' + 'a'.repeat(i % 9) + 'cbc' + i + 'q'.repeat(i * 300)));
  }
  console.log(hash(Buffer.from(JSON.stringify(out))));
});
