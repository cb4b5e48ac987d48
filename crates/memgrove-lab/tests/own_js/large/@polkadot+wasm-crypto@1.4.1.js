const M = require('module'), load = M._load;
M._load = (name, ...rest) => name === '@polkadot/util' ? { assert: (is, why) => { if (!is) throw Error(why) }, u8aToString: b => Buffer.from(b || []).toString(), stringToU8a: s => Buffer.from(s) } : load(name, ...rest);
const c = require('./index.js');
c.waitReady().then(() => {
  for (const length of [100, 9e6, 5000]) {
    const data = bytes(length);
    console.log([c.blake2b(data, Buffer.from('key'), 32), c.sha512(data), c.twox(data, 4), c.keccak256(data)].map(hash).join(' '));
  }
  const pair = c.sr25519KeypairFromSeed(bytes(32));
  console.log(hash(pair), hash(c.sr25519DeriveKeypairHard(pair, bytes(32))));
  console.log(c.sr25519Verify(c.sr25519Sign(pair.slice(64), pair.slice(0, 64), bytes(3e6)), bytes(3e6), pair.slice(64)));
});
