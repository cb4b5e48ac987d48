globalThis.document = { currentScript: null };
globalThis.fetch = async path => new Response(require('fs').readFileSync(path), { headers: { 'content-type': 'application/wasm' } });
globalThis.__hpcc_wasmFolder = process.cwd() + '/dist';
const { graphviz } = require('./dist/index.js');
const dot = n => 'digraph { ' + Array.from({ length: n }, (_, i) => `n${i * 7 % n} -> n${i * i % n} [label="${i}"];`).join(' ') + '}';
(async () => {
  for (const [n, engine] of [[20, 'dot'], [60, 'neato'], [300, 'twopi']])
    console.log(hash(Buffer.from(await graphviz.layout(dot(n), 'svg', engine))));
})();
