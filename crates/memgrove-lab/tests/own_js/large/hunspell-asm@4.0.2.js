const start = require('./dist/cjs/lib/node/hunspell.js');
const glue = start.default || start;
const words = Array.from({ length: 400000 }, (_, n) => 'w' + (n * 7919).toString(26) + 'er');
const done = M => {
  M.FS.writeFile('/d.aff', 'SET UTF-8\nTRY esianrtolcdugmphbyfvkwz\nSFX S Y 1\nSFX S 0 s .\n');
  M.FS.writeFile('/d.dic', words.length + '\n' + words.map(w => w + '/S').join('\n'));
  const create = M.cwrap('Hunspell_create', 'number', ['number', 'number']), spell = M.cwrap('Hunspell_spell', 'number', ['number', 'number']);
  const h = create(M.allocateUTF8('/d.aff'), M.allocateUTF8('/d.dic')), out = [];
  for (let n = 0; n < 200; n++) {
    const word = M.allocateUTF8(n % 2 ? words[n * 31] + 's' : 'x' + words[n]);
    out.push(spell(h, word));
    M._free(word);
  }
  console.log(out.join(''));
  M.cwrap('Hunspell_destroy', null, ['number'])(h);
};
const M = glue({});
M.onRuntimeInitialized ? 0 : 0;
M.then ? M.then(M2 => { delete M2.then; done(M2) }) : (M.onRuntimeInitialized = () => done(M));
