const M = require('module'), load = M._load;
M._load = (name, ...rest) => name === '@polkadot/util' ? { assert: (is, why) => { if (!is) throw Error(why) }, u8aToString: b => Buffer.from(b || []).toString(), stringToU8a: s => Buffer.from(s) } : load(name, ...rest);
const c = require('./index.js');
c.waitReady().then(() => {
  for (const length of [100, 9e6, 5000]) {
    const data = bytes(length);
    console.log([c.blake2b(data, Buffer.from('key'), 32), c.sha512(data), c.twox(data, 4)].map(hash).join(' '));
  }
  for (let n = 0; n < 40; n++) {
    const phrase = c.bip39Generate(12 + 3 * (n % 5));
    if (!c.bip39Validate(phrase) || c.bip39ToEntropy(phrase).length < 16) console.log('invalid', phrase);
  }
});
