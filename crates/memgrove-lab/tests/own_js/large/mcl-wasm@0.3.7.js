const M = require('module'), load = M._load, crypto = { ...require('crypto') };
M._load = (name, ...rest) => name === 'crypto' ? crypto : load(name, ...rest);
const m = require('./mcl.js');
m.init(0).then(() => {
  for (let n = 1; n < 40; n++) {
    const a = new m.Fr(); a.setInt(12345 * n);
    const p = m.hashAndMapToG1('abc' + n), q = m.hashAndMapToG2('abc' + n);
    console.log(m.mul(m.mul(a, a), a).getStr(16), m.mul(p, a).getStr(16), n % 10 ? '' : m.pairing(p, q).getStr(16).length);
  }
});
