const z = require('./dist/common/index.node.js');
z.init().then(() => {
  const data = bytes(70e6), packed = z.compress(data, 1);
  console.log(packed.length, hash(packed), hash(z.decompress(packed)));
});
