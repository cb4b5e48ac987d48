const fs = require('fs');
require('./hb.js')().then(instance => {
  // Its glue does not export the views that the other file uses.
  for (const [name, type] of Object.entries({ HEAPU8: Uint8Array, HEAP8: Int8Array, HEAPU32: Uint32Array, HEAP32: Int32Array, HEAPF32: Float32Array, HEAPU16: Uint16Array, HEAP16: Int16Array }))
    Object.defineProperty(instance, name, { get: () => new type(instance.wasmExports.memory.buffer) });
  const hb = require('./hbjs.js')(instance);
  const results = [];
  for (let round = 0; round < 6; round++) {
    for (const [file, text] of [['NotoSans-Regular.ttf', 'Affinity of fjords '], ['NotoSansArabic-Variable.ttf', 'أبجد هوز '],
        ['NotoSansDevanagari-Regular.otf', 'हिन्दी ']]) {
      const blob = hb.createBlob(fs.readFileSync('test/fonts/noto/' + file)), face = hb.createFace(blob, 0), font = hb.createFont(face);
      const buffer = hb.createBuffer();
      buffer.addText(text.repeat(200 * (round + 1)));
      buffer.guessSegmentProperties();
      hb.shape(font, buffer);
      const glyphs = buffer.json(font);
      results.push(glyphs.length, hash(Buffer.from(JSON.stringify(glyphs))), font.glyphToPath(20));
      buffer.destroy();
      if (round % 2) { font.destroy(); face.destroy(); blob.destroy(); }
    }
  }
  console.log(results.join(' '));
});
