const k = require('./node-index.js');
k.InitializeKeccak().then(() => {
  for (const length of [3, 4e6, 70000]) console.log(k.keccak256(bytes(length)));
});
